//! EVTX: the binary files of Windows' event log, as Joachim Metz describes them (*Windows XML Event Log
//! format*, libevtx); records in them are binary XML ([`super::binxml`]).
//!
//! ```text
//! file header (4 KiB)  "ElfFile\0" …
//! chunk (64 KiB)       "ElfChnk\0" … checksums, then records: "**\0\0", size, id, time, binary XML, size
//! chunk …
//! ```
//!
//! A chunk stands for itself: names and templates are in it. So one of them is in memory, and what is damaged
//! costs the record or the chunk it is in. Files that were copied while Windows wrote them are readable; their
//! checksums are not right, which is told.

use std::io::Read;

use flate2::Crc;
use memchr::memmem;

use super::binxml::{self, Allowance};
use crate::{
    chunk::Postponed,
    contract::{PROBLEM_RAW_BYTES_MAX, Place, Problem, ReadError, Stop},
};

/// What a file begins with.
pub(super) const MAGIC: &[u8] = b"ElfFile\0";

const CHUNK_MAGIC: &[u8] = b"ElfChnk\0";
const RECORD_MAGIC: &[u8] = b"**\0\0";
const FILE_HEADER_BYTES: usize = 4096;
const CHUNK_BYTES: usize = 64 * 1024;
/// Where the records of a chunk begin.
const RECORDS_AT: usize = 512;
/// Magic, size, id and time before, and the size again behind the binary XML.
const RECORD_HEAD_BYTES: usize = 24;
const RECORD_BYTES_MIN: usize = RECORD_HEAD_BYTES + 4;

/// Receives the text of each record, and what is none.
pub(super) type Each<'a> = dyn FnMut(Place, Result<&str, Problem>) -> Result<(), Stop> + 'a;

/// What a reading saw as a whole.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Records, damaged ones included.
    pub(super) records: u64,
    pub(super) warnings: Vec<String>,
}

/// Reads all records of a file.
pub(super) fn read(input: &mut dyn Read, each: &mut Each<'_>) -> Result<Seen, ReadError> {
    let mut input = Blocks { input, postponed: Postponed::default() };
    let header = input.next(FILE_HEADER_BYTES)?;
    if !header.starts_with(MAGIC) {
        return Err(ReadError::Broken("not an EVTX file: it does not begin with `ElfFile`".to_owned()));
    }
    let mut file = File::default();
    loop {
        let chunk = input.next(CHUNK_BYTES)?;
        if chunk.is_empty() {
            break;
        }
        file.chunk(&chunk, each)?;
    }
    Ok(Seen { records: file.records, warnings: file.warnings() })
}

/// An input in blocks of one size; the last one may be shorter.
struct Blocks<'r> {
    input: &'r mut dyn Read,
    postponed: Postponed,
}

impl Blocks<'_> {
    fn next(&mut self, n: usize) -> Result<Vec<u8>, ReadError> {
        let mut block = Vec::with_capacity(n);
        while block.len() < n {
            if self.postponed.read(self.input, n - block.len(), &mut block)? == 0 {
                break;
            }
        }
        Ok(block)
    }
}

#[derive(Debug, Default)]
struct File {
    records: u64,
    chunks: u64,
    /// Chunks whose checksums are not those of their bytes.
    changed: u64,
}

impl File {
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.changed > 0 {
            warnings.push(format!(
                "{} of {} chunks do not have the bytes of their checksums: the file was copied while it was written, or changed",
                self.changed, self.chunks
            ));
        }
        warnings
    }

    fn chunk(&mut self, chunk: &[u8], each: &mut Each<'_>) -> Result<(), ReadError> {
        // Space that was never used.
        if chunk.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        self.chunks += 1;
        if !chunk.starts_with(CHUNK_MAGIC) {
            let reason = format!("chunk {} is damaged: it does not begin with `ElfChnk`", self.chunks);
            return self.damaged(chunk, &reason, each);
        }
        self.changed += u64::from(!is_unchanged(chunk));
        // What is behind the free space is what the chunk held before it was used again.
        let end = field(chunk, 48).filter(|end| (RECORDS_AT..=chunk.len()).contains(end));
        let mut end = end.unwrap_or(chunk.len());
        let (mut at, mut last_id, mut allowance) = (RECORDS_AT, None, Allowance::default());
        while at < end || is_next(chunk, at, last_id) {
            // The chunk's header is written later than its records.
            end = end.max(at + 1);
            let rest = chunk.get(at..).unwrap_or_default();
            let Some((size, id)) = head(rest) else {
                let next = rest.get(1..).and_then(|rest| memmem::find(rest, RECORD_MAGIC)).map(|at| at + 1);
                let skipped = next.unwrap_or(rest.len()).min(end - at);
                let passed = rest.get(..skipped).unwrap_or_default();
                if passed.iter().any(|byte| *byte != 0) {
                    self.damaged(passed, "the record is damaged: its sizes do not match", each)?;
                }
                at += skipped.max(1);
                continue;
            };
            self.record(chunk, at, size, id, &mut allowance, each)?;
            last_id = Some(id);
            at += size;
        }
        if chunk.len() < CHUNK_BYTES {
            self.damaged(&[], "the file ends in the middle of a chunk: it is cut off", each)?;
        }
        Ok(())
    }

    fn record(
        &mut self,
        chunk: &[u8],
        at: usize,
        size: usize,
        id: u64,
        allowance: &mut Allowance,
        each: &mut Each<'_>,
    ) -> Result<(), ReadError> {
        let text = binxml::text(chunk, at + RECORD_HEAD_BYTES, at + size - 4, allowance);
        let raw = chunk.get(at..at + size).unwrap_or_default();
        match text {
            Ok(text) => {
                each(self.place(), Ok(&text))?;
                self.records += 1;
                Ok(())
            }
            Err(damage) => self.damaged(raw, &format!("record id {id} is damaged: {damage}"), each),
        }
    }

    fn place(&self) -> Place {
        Place { record: self.records + 1, line: None, column: None }
    }

    fn damaged(&mut self, raw: &[u8], reason: &str, each: &mut Each<'_>) -> Result<(), ReadError> {
        let raw = raw.get(..PROBLEM_RAW_BYTES_MAX).unwrap_or(raw).to_vec();
        each(self.place(), Err(Problem { place: self.place(), reason: reason.to_owned(), raw }))?;
        self.records += 1;
        Ok(())
    }
}

/// A 32-bit number of a chunk or record.
fn field(bytes: &[u8], at: usize) -> Option<usize> {
    let number = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*number)).ok()
}

/// The size and the id of the record that begins here, if one does.
fn head(bytes: &[u8]) -> Option<(usize, u64)> {
    let size = field(bytes, 4)?;
    let is_record = bytes.starts_with(RECORD_MAGIC) && size >= RECORD_BYTES_MIN;
    let is_whole = is_record && field(bytes, size.checked_sub(4)?) == Some(size);
    let id = u64::from_le_bytes(*bytes.get(8..)?.first_chunk()?);
    is_whole.then_some((size, id))
}

/// Whether the record that begins here follows the last one.
fn is_next(chunk: &[u8], at: usize, last_id: Option<u64>) -> bool {
    let next = chunk.get(at..).and_then(head).map(|(_, id)| id);
    next.is_some() && next == last_id.and_then(|last| last.checked_add(1))
}

/// Whether both checksums of a chunk are right: of its header, and of its records.
fn is_unchanged(chunk: &[u8]) -> bool {
    let sum = |parts: &[&[u8]]| {
        let mut crc = Crc::new();
        parts.iter().for_each(|part| crc.update(part));
        usize::try_from(crc.sum()).ok()
    };
    let part = |from: usize, to: usize| chunk.get(from..to).unwrap_or_default();
    let end = field(chunk, 48).unwrap_or_default();
    sum(&[part(0, 120), part(128, RECORDS_AT)]) == field(chunk, 124)
        && sum(&[part(RECORDS_AT, end)]) == field(chunk, 52)
}

#[cfg(test)]
#[path = "evtx_tests.rs"]
mod tests;
