//! The reading half of an import: a thread that parses and admits, and hands batches over.

use std::{collections::BTreeMap, fs::File, io::Read};

use whowas_event::{
    Admitted, Draft, Time,
    admit::{RawData, admit, admit_or_return},
};
use whowas_format::{
    FileReport, FileStart, Item, Place, Problem, ReadError, Sample, Stop, read_each, table::Header,
};
use whowas_store::control::Rejected;

use crate::{Delivery, ImportOptions, coverage::IdDigest};

/// Records of one append: large enough that a commit's fixed cost (two fsyncs) is small for each record.
pub const BATCH_RECORDS: usize = 4096;
/// Bytes of raw records of one append. Usual batches have 2 to 6 MB; this bounds those of giant records.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most rejected records of one import that are kept; beyond, they are counted. At 1 KiB each, 100 MB.
pub const REJECTED_KEPT_MAX: u64 = 100_000;
/// Rejected records that are kept in one transaction.
const REJECTED_BATCH: usize = 512;
/// The rejections of a file that its summary tells at once.
const REASONS_MAX: usize = 3;
/// The most categories of set-aside records that are told apart in the warnings.
const CATEGORIES_MAX: usize = 32;

/// What is read: a stream, or a file, whose zip directory can be had without holding it in memory.
pub(crate) enum Source<'a> {
    Stream(&'a mut dyn Read),
    File(&'a mut File),
}

/// What reading hands over.
pub(crate) enum Message {
    Begin { file: String, format: &'static str, source: String },
    Records { file_idx: usize, records: Vec<Admitted> },
    Rejected { rejected: Vec<Rejected> },
}

/// What reading knows about one file in the end.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Items the format gave: records, as far as one record gives one.
    pub(crate) items: u64,
    pub(crate) rejected: u64,
    /// The first rejections: where and why.
    pub(crate) reasons: Vec<String>,
    pub(crate) first: Option<Time>,
    pub(crate) last: Option<Time>,
    pub(crate) set_aside: BTreeMap<String, u64>,
    /// Of the ids of records that were understood, each as often as it came.
    pub(crate) ids: u64,
    pub(crate) digest: IdDigest,
}

/// Takes what was read; an error stops the reading.
pub(crate) type Send<'a> = dyn FnMut(Message) -> Result<(), Stop> + 'a;

/// Reads the whole input. Ends early when nobody takes what is read any more.
pub(crate) fn read(
    source: Source<'_>,
    file_name: &str,
    options: &ImportOptions,
    send: &mut Send<'_>,
) -> (Result<Vec<FileReport>, ReadError>, Vec<Tally>) {
    let reader = std::cell::RefCell::new(Reader::new(options, send));
    let mut begin = |start: FileStart<'_>| reader.borrow_mut().begin(&start);
    let mut sink = |item: Item| reader.borrow_mut().item(item);
    let format = options.format.as_deref().filter(|format| *format != "auto");
    let input = match source {
        Source::Stream(stream) => whowas_format::Input::Stream(stream),
        Source::File(file) => whowas_format::Input::File(file),
    };
    let result = read_each(input, file_name, format, &options.read, &mut begin, &mut sink);
    let mut reader = reader.into_inner();
    // What was understood before an error is handed over all the same: repeating the import is harmless.
    let flushed = reader.flush();
    let result = result.and_then(|reports| flushed.map(|()| reports).map_err(ReadError::from));
    (result, reader.tallies)
}

struct Reader<'a, 's> {
    options: &'a ImportOptions,
    send: &'a mut Send<'s>,
    file: String,
    format: &'static str,
    source: String,
    /// The line of column names, without which a row of a table cannot be read again.
    header: Vec<u8>,
    records: Vec<Admitted>,
    bytes: usize,
    rejected: Vec<Rejected>,
    kept: u64,
    tallies: Vec<Tally>,
}

impl<'a, 's> Reader<'a, 's> {
    fn new(options: &'a ImportOptions, send: &'a mut Send<'s>) -> Self {
        Self {
            options,
            send,
            file: String::new(),
            format: "",
            source: String::new(),
            header: Vec::new(),
            records: Vec::new(),
            bytes: 0,
            rejected: Vec::new(),
            kept: 0,
            tallies: Vec::new(),
        }
    }

    fn begin(&mut self, start: &FileStart<'_>) -> Result<(), Stop> {
        self.flush()?;
        start.name.clone_into(&mut self.file);
        self.format = start.format.name;
        self.source = self.options.source.clone().unwrap_or_else(|| self.format.to_owned());
        self.header = header_line(start.sample);
        self.tallies.push(Tally::default());
        (self.send)(Message::Begin {
            file: self.file.clone(),
            format: self.format,
            source: self.source.clone(),
        })
    }

    fn item(&mut self, item: Item) -> Result<(), Stop> {
        let Some(tally) = self.tallies.last_mut() else { return Err(Stop) };
        tally.items += 1;
        match item {
            Item::Draft(draft, place) => self.draft(draft, place),
            Item::Problem(problem) => self.problem(problem),
            Item::SetAside { category } => {
                let is_room =
                    tally.set_aside.len() < CATEGORIES_MAX || tally.set_aside.contains_key(&category);
                let category = if is_room { category } else { "other categories".to_owned() };
                *tally.set_aside.entry(category).or_default() += 1;
                Ok(())
            }
        }
    }

    fn draft(&mut self, draft: Draft, place: Place) -> Result<(), Stop> {
        let at = draft.event.occurred_at;
        match admit_or_return(draft, self.options.raw) {
            Ok(admitted) => {
                if let Some(tally) = self.tallies.last_mut() {
                    tally.first = Some(tally.first.map_or(at, |first| first.min(at)));
                    tally.last = Some(tally.last.map_or(at, |last| last.max(at)));
                    tally.ids += 1;
                    if self.options.delivery == Delivery::File {
                        tally.digest.add(admitted.event.native_id.as_str());
                    }
                }
                self.bytes += admitted.raw.len();
                self.records.push(admitted);
                if self.records.len() >= BATCH_RECORDS || self.bytes >= BATCH_BYTES_MAX {
                    self.flush_records()?;
                }
                Ok(())
            }
            Err((rejection, raw)) => self.reject(place, rejection.to_string(), &raw),
        }
    }

    fn problem(&mut self, problem: Problem) -> Result<(), Stop> {
        self.reject(problem.place, problem.reason, &problem.raw)
    }

    fn reject(&mut self, place: Place, reason: String, raw: &[u8]) -> Result<(), Stop> {
        if let Some(tally) = self.tallies.last_mut() {
            tally.rejected += 1;
            if tally.reasons.len() < REASONS_MAX {
                tally.reasons.push(format!("{place}: {reason}"));
            }
        }
        if self.kept == REJECTED_KEPT_MAX {
            return Ok(());
        }
        self.kept += 1;
        self.rejected.push(Rejected {
            id: 0,
            received_at: self.options.read.received_at,
            source: self.source.clone(),
            format: self.format.to_owned(),
            input: self.file.clone(),
            record: place.record,
            line: place.line,
            column: place.column,
            reason,
            raw: [self.header.as_slice(), raw].concat(),
        });
        if self.rejected.len() >= REJECTED_BATCH { self.flush_rejected() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        self.flush_records()?;
        self.flush_rejected()
    }

    fn flush_records(&mut self) -> Result<(), Stop> {
        // A full batch is probably followed by another.
        let room = if self.records.len() == BATCH_RECORDS { BATCH_RECORDS } else { 0 };
        let records = std::mem::replace(&mut self.records, Vec::with_capacity(room));
        self.bytes = 0;
        match self.tallies.len().checked_sub(1) {
            Some(file_idx) if !records.is_empty() => (self.send)(Message::Records { file_idx, records }),
            _ => Ok(()),
        }
    }

    fn flush_rejected(&mut self) -> Result<(), Stop> {
        let rejected = std::mem::take(&mut self.rejected);
        if rejected.is_empty() { Ok(()) } else { (self.send)(Message::Rejected { rejected }) }
    }
}

/// The header of a table as it stands in the file, with Excel's `sep=` line; empty for what is no table.
fn header_line(sample: Sample<'_>) -> Vec<u8> {
    let text = sample.bytes;
    let is_json = matches!(text.trim_ascii_start().first(), None | Some(b'{' | b'['));
    if is_json || text.contains(&0) || Header::of_sample(sample).is_none() {
        return Vec::new();
    }
    let lines = if text.starts_with(b"sep=") { 2 } else { 1 };
    text.split_inclusive(|byte| *byte == b'\n').take(lines).flatten().copied().collect()
}

/// Admits what one kept record gives when it is read again. `None` if it is still not understood.
pub(crate) fn reread(rejected: &Rejected, options: &ImportOptions) -> Option<Vec<Admitted>> {
    let mut admitted = Vec::new();
    let mut raw = rejected.raw.as_slice();
    let mut sink = |item: Item| match item {
        Item::Draft(draft, _) => admit(draft, options.raw).map(|one| admitted.push(one)).map_err(|_| Stop),
        Item::Problem(_) | Item::SetAside { .. } => Err(Stop),
    };
    let input = whowas_format::Input::Stream(&mut raw);
    let read =
        whowas_format::read_all(input, &rejected.input, Some(&rejected.format), &options.read, &mut sink);
    (read.is_ok() && !admitted.is_empty()).then_some(admitted)
}

impl Default for ImportOptions {
    /// Recognise the format, name the source after it, keep raw bytes, read local times as UTC, and take
    /// the epoch for now: callers with a clock set `read.received_at` and `read.file_time`.
    fn default() -> Self {
        let epoch = Time::default();
        Self {
            format: None,
            source: None,
            raw: RawData::Kept,
            delivery: Delivery::File,
            read: whowas_format::Options {
                source_timezone: jiff::tz::TimeZone::UTC,
                date_order: None,
                received_at: epoch,
                file_time: epoch,
            },
        }
    }
}
