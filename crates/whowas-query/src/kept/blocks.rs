//! Sorted entries in compressed blocks: how they are written, one after the other, and read, block by block.
//!
//! Within a block the first bytes of all entries stand together, then the second ones …, because most of those are
//! alike. Each block is a zstd frame with a checksum: damage is found when it is read.

use std::{
    fs::File,
    io::{self, Write},
    marker::PhantomData,
    os::unix::fs::FileExt,
};

use zstd::zstd_safe::CParameter;

use super::entry::{Bytes, Entry, InLane};

/// Fast, and about as small as higher levels: what is left are digests.
const LEVEL: i32 = 1;

/// Where a block is, and what it spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Block {
    offset: u64,
    bytes: u32,
    pub(crate) entries: u32,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The furthest reach of an entry.
    pub(crate) reach: i64,
}

/// The blocks of one kind of entry in one file.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Section<E> {
    pub(crate) blocks: Vec<Block>,
    #[serde(skip)]
    entry: PhantomData<E>,
}

impl<E> Default for Section<E> {
    fn default() -> Self {
        Self { blocks: Vec::new(), entry: PhantomData }
    }
}

impl<E: Entry> Section<E> {
    pub(crate) fn len(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.entries)).sum()
    }

    /// The blocks that may hold keys of `low..=high`.
    pub(crate) fn spanning(&self, low: u64, high: u64) -> &[Block] {
        let from = self.blocks.partition_point(|block| block.last < low);
        let to = self.blocks.partition_point(|block| block.first <= high);
        self.blocks.get(from..to.max(from)).unwrap_or_default()
    }

    fn planes(&self, file: &File, block: &Block) -> io::Result<(usize, Vec<u8>)> {
        let count = usize::try_from(block.entries).map_err(io::Error::other)?;
        if count == 0 || count > E::BLOCK_ENTRIES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok((count, read_frame(file, block.offset, block.bytes, count * E::BYTES)?))
    }

    pub(crate) fn read(&self, file: &File, block: &Block) -> io::Result<Vec<E>> {
        let (count, planes) = self.planes(file, block)?;
        // The planes become rows again in one go over each: to pick the bytes of an entry out of all planes takes
        // several times as long.
        let mut rows = vec![0; planes.len()];
        for (byte, plane) in planes.chunks_exact(count).enumerate() {
            for (row, value) in rows.iter_mut().skip(byte).step_by(E::BYTES).zip(plane) {
                *row = *value;
            }
        }
        let read = |entry| E::read(&mut Bytes(entry)).ok_or_else(|| io::ErrorKind::InvalidData.into());
        rows.chunks_exact(E::BYTES).map(read).collect()
    }

    pub(crate) fn read_all(&self, file: &File) -> io::Result<Vec<E>> {
        let mut all = Vec::new();
        for block in &self.blocks {
            all.extend(self.read(file, block)?);
        }
        Ok(all)
    }

    /// Every entry, a block at a time.
    pub(crate) fn iter<'a>(&'a self, file: &'a File) -> impl Iterator<Item = io::Result<E>> + 'a {
        self.blocks.iter().flat_map(move |block| match self.read(file, block) {
            Ok(entries) => entries.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        })
    }
}

impl Section<InLane> {
    /// The entries of one lane. Only theirs are put together from the planes of their blocks.
    pub(crate) fn find(&self, file: &File, lane: u64, found: &mut Vec<InLane>) -> io::Result<()> {
        for block in self.spanning(lane, lane) {
            let (count, planes) = self.planes(file, block)?;
            let lane_at = |at: usize| {
                let bytes = planes.chunks_exact(count).take(8).filter_map(|plane| plane.get(at));
                bytes.fold(0, |lane, byte| lane << 8 | u64::from(*byte))
            };
            let (mut low, mut high) = (0, count);
            while low < high {
                let middle = low + (high - low) / 2;
                if lane_at(middle) < lane { low = middle + 1 } else { high = middle }
            }
            for at in (low..count).take_while(|&at| lane_at(at) == lane) {
                let entry: Vec<u8> =
                    planes.chunks_exact(count).filter_map(|plane| plane.get(at)).copied().collect();
                found.push(InLane::read(&mut Bytes(&entry)).ok_or(io::ErrorKind::InvalidData)?);
            }
        }
        Ok(())
    }
}

/// A file that grows by frames.
pub(crate) struct Frames<W> {
    out: W,
    at: u64,
}

impl<W: Write> Frames<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, at: 0 }
    }

    /// Writes bytes as they are.
    pub(crate) fn plain(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Writes bytes as a frame, and says where.
    pub(crate) fn frame(&mut self, bytes: &[u8]) -> io::Result<(u64, u32)> {
        let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        let frame = compressor.compress(bytes)?;
        let place = (self.at, u32::try_from(frame.len()).map_err(io::Error::other)?);
        self.plain(&frame)?;
        Ok(place)
    }

    /// Writes sorted entries.
    pub(crate) fn section<E: Entry>(
        &mut self,
        entries: impl Iterator<Item = io::Result<E>>,
    ) -> io::Result<Section<E>> {
        let mut section = Section::default();
        let mut pending = Vec::with_capacity(E::BLOCK_ENTRIES);
        for entry in entries {
            pending.push(entry?);
            if pending.len() == E::BLOCK_ENTRIES {
                section.blocks.push(self.block(&pending)?);
                pending.clear();
            }
        }
        if !pending.is_empty() {
            section.blocks.push(self.block(&pending)?);
        }
        Ok(section)
    }

    fn block<E: Entry>(&mut self, entries: &[E]) -> io::Result<Block> {
        let mut rows = Vec::with_capacity(entries.len() * E::BYTES);
        entries.iter().for_each(|entry| entry.write(&mut rows));
        let mut planes = Vec::with_capacity(rows.len());
        for byte in 0..E::BYTES {
            planes.extend(rows.iter().skip(byte).step_by(E::BYTES));
        }
        let (offset, bytes) = self.frame(&planes)?;
        Ok(Block {
            offset,
            bytes,
            entries: u32::try_from(entries.len()).map_err(io::Error::other)?,
            first: entries.first().map_or(0, Entry::key),
            last: entries.last().map_or(0, Entry::key),
            reach: entries.iter().map(Entry::reach).max().unwrap_or(i64::MIN),
        })
    }

    pub(crate) fn into_inner(self) -> W {
        self.out
    }
}

/// Reads a frame of `size` bytes and checks its checksum.
pub(crate) fn read_frame(file: &File, offset: u64, bytes: u32, size: usize) -> io::Result<Vec<u8>> {
    // A frame is hardly larger than what it holds: a length that says otherwise is damage.
    let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
    if bytes > size + size / 8 + 1024 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; bytes];
    file.read_exact_at(&mut frame, offset)?;
    let content = zstd::bulk::decompress(&frame, size)?;
    if content.len() == size { Ok(content) } else { Err(io::ErrorKind::InvalidData.into()) }
}
