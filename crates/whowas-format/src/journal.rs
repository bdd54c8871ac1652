//! `journal`: entries of systemd's journal, as `journalctl -o export` and `journalctl -o json` write them.
//!
//! What messages mean, and what becomes of them, is as in [`crate::authlog`]. An entry names itself (`__CURSOR`), its
//! machine and its process, and its time has a year and a zone (`__REALTIME_TIMESTAMP`, microseconds).
//!
//! The export format, by systemd's *Journal Export Formats*: a field a line as `NAME=value`; or, for values that are
//! no line of text, `NAME`, then the length in 8 bytes, low byte first, then the value; an empty line
//! behind each entry.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Cursor, Read},
};

use serde_json::{Map, Value};
use whowas_event::{Draft, NativeId, admit::CLEAR_BYTES_MAX};

use crate::{
    contract::{
        Format, Info, Item, Options, PROBLEM_RAW_BYTES_MAX, Place, Problem, RECORD_BYTES_MAX, ReadError,
        ReadSummary, Sample, Sink, Yields,
    },
    ids::DerivedIds,
    instant,
    jsonstream::{self, JsonRecord},
    lines::Lines,
    unixlog::{self, Reading, UnixMessage},
};

/// The format.
#[derive(Debug)]
pub struct Journal;

static INFO: Info = Info {
    name: "journal",
    product: "systemd: journalctl -o export, -o json",
    marker: "entries with `__REALTIME_TIMESTAMP` and `MESSAGE`",
    yields: Yields { start: true, end: true, failure: true, identity: false },
    row_caps: &[],
};

const TIME: &str = "__REALTIME_TIMESTAMP";
const CURSOR: &str = "__CURSOR";
/// The fields that are read; others are kept with the entry's bytes alone.
const FIELDS: [&str; 8] =
    [TIME, CURSOR, "MESSAGE", "SYSLOG_IDENTIFIER", "_COMM", "_PID", "SYSLOG_PID", "_HOSTNAME"];

impl Format for Journal {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        if jsonstream::is_json_like(sample) {
            let first = jsonstream::first_object(sample);
            return first.is_some_and(|first| first.contains_key(TIME) && first.contains_key("MESSAGE"));
        }
        let begins =
            [CURSOR, TIME].iter().any(|name| sample.bytes.starts_with(format!("{name}=").as_bytes()));
        begins && memchr::memmem::find(sample.bytes, format!("{TIME}=").as_bytes()).is_some()
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let _ = options; // Times are counted from 1970 in UTC.
        let mut first = Vec::new();
        (&mut *input).take(1).read_to_end(&mut first)?;
        let is_json = first == b"{" || first == b"[";
        let mut input = Cursor::new(first).chain(input);
        let mut ids = DerivedIds::default();
        if is_json {
            let read = jsonstream::read_records(&mut input, &mut |found| {
                let item = found.and_then(|record| {
                    let item = json_fields(&record).and_then(|fields| item(&fields, record.raw, &mut ids));
                    item.map(|item| item.at(record.place)).map_err(|reason| record.problem(reason))
                });
                sink(item.unwrap_or_else(Item::Problem))
            })?;
            return Ok(ReadSummary { read, ..ReadSummary::default() });
        }
        read_export(&mut input, &mut ids, sink)
    }
}

type Fields = BTreeMap<&'static str, String>;

fn read_export(
    input: &mut dyn Read,
    ids: &mut DerivedIds,
    sink: &mut Sink<'_>,
) -> Result<ReadSummary, ReadError> {
    let mut summary = ReadSummary::default();
    let mut entries = Entries { lines: Lines::new(input), entry: Entry::default() };
    while entries.next()? {
        summary.read += 1;
        let Entry { fields, raw, is_begun: _, is_too_long } = &entries.entry;
        let item = if *is_too_long {
            Err("the entry is longer than 1 MiB".to_owned())
        } else {
            item(fields, raw, ids)
        };
        // Values of any bytes make lines uncountable.
        let place = Place { record: summary.read, line: None, column: None };
        let problem = |reason: String| {
            let raw = raw.get(..PROBLEM_RAW_BYTES_MAX).unwrap_or(raw).to_vec();
            Item::Problem(Problem { place, reason, raw })
        };
        sink(item.map_or_else(problem, |item| item.at(place)))?;
    }
    Ok(summary)
}

/// One entry of an export.
#[derive(Debug, Default)]
struct Entry {
    fields: Fields,
    raw: Vec<u8>,
    is_begun: bool,
    is_too_long: bool,
}

struct Entries<R> {
    lines: Lines<R>,
    entry: Entry,
}

impl<R: Read> Entries<R> {
    /// Reads the next entry; false at the end.
    fn next(&mut self) -> Result<bool, ReadError> {
        self.entry = Entry::default();
        while let Some(is_whole) = self.lines.next()? {
            let line = self.lines.bytes().to_vec();
            if line.is_empty() {
                if self.entry.is_begun {
                    return Ok(true);
                }
                continue;
            }
            self.entry.is_begun = true;
            self.entry.is_too_long |= !is_whole;
            match memchr::memchr(b'=', &line) {
                Some(at) => {
                    let (name, value) = line.split_at(at);
                    self.keep(&line);
                    self.entry.set(name, value.get(1..).unwrap_or_default());
                }
                None => self.sized(&line)?,
            }
        }
        Ok(self.entry.is_begun)
    }

    /// A value of any bytes behind its length.
    fn sized(&mut self, name: &[u8]) -> Result<(), ReadError> {
        self.keep(name);
        let input = self.lines.input();
        let mut length = Vec::new();
        input.take(8).read_to_end(&mut length)?;
        let Some(length) = length.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes)) else {
            self.entry.is_too_long = true; // The file ends within the entry.
            return Ok(());
        };
        let mut value = Vec::new();
        if length <= RECORD_BYTES_MAX as u64 {
            input.take(length).read_to_end(&mut value)?;
        } else {
            self.entry.is_too_long = true;
            io::copy(&mut input.take(length), &mut io::sink())?;
        }
        let mut end = Vec::new();
        self.lines.input().take(1).read_until(b'\n', &mut end)?;
        self.keep(&value);
        self.entry.set(name, &value);
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let raw = &mut self.entry.raw;
        if raw.len() + bytes.len() < RECORD_BYTES_MAX {
            raw.extend_from_slice(bytes);
            raw.push(b'\n');
        } else {
            self.entry.is_too_long = true;
        }
    }
}

impl Entry {
    fn set(&mut self, name: &[u8], value: &[u8]) {
        if let Some(known) = FIELDS.iter().find(|known| known.as_bytes() == name) {
            self.fields.entry(known).or_insert_with(|| String::from_utf8_lossy(value).into_owned());
        }
    }
}

fn json_fields(record: &JsonRecord<'_>) -> Result<Fields, String> {
    let members: Map<String, Value> =
        serde_json::from_slice(record.raw).map_err(|error| error.to_string())?;
    let value = |name| members.get(name).and_then(json_text);
    Ok(FIELDS.into_iter().filter_map(|name| Some((name, value(name)?))).collect())
}

/// A value is a text, or the bytes of what is no text, or a list where the field occurs several times.
fn json_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => {
            let byte = |item: &Value| item.as_u64().and_then(|byte| u8::try_from(byte).ok());
            match items.iter().map(byte).collect::<Option<Vec<u8>>>() {
                Some(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
                None => items.first().and_then(json_text),
            }
        }
        _ => None,
    }
}

fn item(fields: &Fields, raw: &[u8], ids: &mut DerivedIds) -> Result<Item, String> {
    let field = |name| fields.get(name).map(String::as_str);
    let time = field(TIME).ok_or_else(|| format!("the entry has no `{TIME}`"))?;
    let instant = time
        .parse()
        .ok()
        .and_then(|microseconds| instant::of_microseconds(microseconds).ok())
        .ok_or_else(|| format!("`{TIME}`: `{time}` is no count of microseconds since 1970"))?;
    let message = UnixMessage {
        host: field("_HOSTNAME"),
        program: field("SYSLOG_IDENTIFIER").or_else(|| field("_COMM")).unwrap_or_default(),
        process: field("SYSLOG_PID").or_else(|| field("_PID")).and_then(|id| id.parse().ok()),
        message: field("MESSAGE").unwrap_or_default(),
    };
    Ok(match unixlog::read(message, time, instant, ids)? {
        Reading::Aside(category) => Item::SetAside { category },
        Reading::Event(mut event) => {
            if let Some(cursor) = field(CURSOR).filter(|cursor| (1..=CLEAR_BYTES_MAX).contains(&cursor.len()))
            {
                event.native_id = NativeId::Given(cursor.to_owned());
            }
            Item::Draft(Draft { event: *event, raw: raw.to_vec() }, Place::default())
        }
    })
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
