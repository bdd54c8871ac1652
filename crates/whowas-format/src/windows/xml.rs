//! `<Event>` elements of the schema `http://schemas.microsoft.com/win/2004/08/events/event`: what
//! `wevtutil qe /f:xml` prints one after another, what Event Viewer saves inside of `<Events>`, and what
//! records of EVTX files are turned into.
//!
//! The stream is cut at the tags of the events, so no more than one of them is in memory, and damage costs
//! the event it is in.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memmem};
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesRef, BytesStart, Event},
};

use super::{
    positions,
    record::{Record, number},
};
use crate::{
    chunk::Postponed,
    contract::{PROBLEM_RAW_BYTES_MAX, Place, Problem, RECORD_BYTES_MAX, ReadError, Stop},
};

/// How many bytes are asked of the input at once.
const READ_BYTES: usize = 256 * 1024;
/// The longest tag of an event, and the beginning of what follows: the tag names a schema of 53 bytes.
const TAG_BYTES_MAX: usize = 4096;

/// Receives the text of each event, and what is none.
pub(super) type Each<'a> = dyn FnMut(Place, Result<&str, Problem>) -> Result<(), Stop> + 'a;

/// Whether a text is or begins with an event, or with an element around events.
pub(super) fn recognizes(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"<")
        && event_start(text, 0).is_some_and(|at| is_event(text.get(at..).unwrap_or_default()))
}

/// Cuts an input into events; returns how many there were, damaged ones included.
pub(super) fn read(input: &mut dyn Read, each: &mut Each<'_>) -> Result<u64, ReadError> {
    let mut stream = Stream {
        input,
        postponed: Postponed::default(),
        bytes: Vec::new(),
        at: 0,
        line: 1,
        records: 0,
        is_at_end: false,
    };
    while stream.between(each)? {
        stream.event(each)?;
    }
    Ok(stream.records)
}

/// The place of the next tag that opens an event, at `from` or behind it.
fn event_start(bytes: &[u8], from: usize) -> Option<usize> {
    const TAG: &[u8] = b"<Event";
    let rest = bytes.get(from..)?;
    memmem::find_iter(rest, TAG)
        .find(|at| matches!(rest.get(at + TAG.len()), Some(b'>' | b' ' | b'\t' | b'\r' | b'\n')))
        .map(|at| from + at)
}

/// Whether the element that begins here is an event, rather than one inside of an event's data.
fn is_event(bytes: &[u8]) -> bool {
    let bytes = bytes.get(..TAG_BYTES_MAX).unwrap_or(bytes);
    let inner = memchr(b'>', bytes).and_then(|at| bytes.get(at + 1..)).unwrap_or_default();
    inner.trim_ascii_start().starts_with(b"<System")
}

struct Stream<'r> {
    input: &'r mut dyn Read,
    postponed: Postponed,
    bytes: Vec<u8>,
    at: usize,
    /// The line of `at`.
    line: u64,
    records: u64,
    is_at_end: bool,
}

impl Stream<'_> {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Reads more behind the rest; whether there was more.
    fn fill(&mut self) -> io::Result<bool> {
        if self.is_at_end {
            return Ok(false);
        }
        self.bytes.drain(..self.at);
        self.at = 0;
        let read = self.postponed.read(self.input, READ_BYTES, &mut self.bytes)?;
        self.is_at_end = read == 0;
        Ok(read > 0)
    }

    fn advance(&mut self, n: usize) {
        let passed = self.bytes.get(self.at..self.at + n).unwrap_or_default();
        self.line += memchr_iter(b'\n', passed).count() as u64;
        self.at += n;
    }

    fn tell(&mut self, n: usize, reason: &str, each: &mut Each<'_>) -> Result<(), ReadError> {
        self.records += 1;
        let place = Place { record: self.records, line: Some(self.line), column: None };
        let raw = self.rest().get(..n.min(PROBLEM_RAW_BYTES_MAX)).unwrap_or_default().to_vec();
        each(place, Err(Problem { place, reason: reason.to_owned(), raw }))?;
        self.advance(n);
        Ok(())
    }

    /// Passes what stands between events: declarations, comments and tags of elements around them. Whether
    /// an event follows.
    fn between(&mut self, each: &mut Each<'_>) -> Result<bool, ReadError> {
        let mut is_told = false;
        loop {
            let start = event_start(self.rest(), 0);
            let until = start.unwrap_or(self.rest().len());
            if start.is_none() && until <= RECORD_BYTES_MAX && self.fill()? {
                continue;
            }
            // A tag may be cut by the end of what was read.
            let passed = if start.is_none() && !self.is_at_end { until.saturating_sub(8) } else { until };
            let stray = stray(self.rest().get(..passed).unwrap_or_default());
            if let (Some(at), false) = (stray, is_told) {
                self.advance(at);
                self.tell(passed - at, "not an <Event> element", each)?;
                is_told = true;
            } else {
                self.advance(passed);
            }
            if start.is_some() || self.is_at_end {
                return Ok(start.is_some());
            }
        }
    }

    /// An event, from its first tag to its last.
    fn event(&mut self, each: &mut Each<'_>) -> Result<(), ReadError> {
        const END: &[u8] = b"</Event>";
        // Elements of this name may stand in an event's data, too. All is looked at once, however many there are.
        let (mut searched, mut ends, mut starts, mut from) = (0, 0, 1, 1);
        loop {
            let found = memmem::find(self.rest().get(searched..).unwrap_or_default(), END);
            let Some(end) = found.map(|at| searched + at + END.len()) else {
                searched = self.rest().len().saturating_sub(END.len() - 1).max(searched);
                if self.rest().len() > RECORD_BYTES_MAX {
                    return self.cut(RECORD_BYTES_MAX, "the event is longer than 1 MiB", each);
                }
                if self.fill()? {
                    continue;
                }
                let reason = "the XML ends in the middle of an event: the file is cut off";
                return self.cut(self.rest().len(), reason, each);
            };
            (searched, ends) = (end, ends + 1);
            let event = self.rest().get(..end).unwrap_or_default();
            while let Some(at) = event_start(event, from) {
                if event.get(at..).is_some_and(is_event) {
                    let reason = "the event is not closed before the next one begins: it is cut off";
                    return self.cut(at, reason, each);
                }
                (starts, from) = (starts + 1, at + 1);
            }
            from = end;
            if ends >= starts {
                return self.whole(end, each);
            }
        }
    }

    fn whole(&mut self, n: usize, each: &mut Each<'_>) -> Result<(), ReadError> {
        let event = self.rest().get(..n).unwrap_or_default();
        let Ok(text) = std::str::from_utf8(event) else {
            return self.tell(n, "the event is not valid UTF-8", each);
        };
        if n > RECORD_BYTES_MAX {
            return self.tell(n, "the event is longer than 1 MiB", each);
        }
        let place = Place { record: self.records + 1, line: Some(self.line), column: None };
        each(place, Ok(text))?;
        self.records += 1;
        self.advance(n);
        Ok(())
    }

    /// Tells of an event that has no end, up to `n` or the next event within.
    fn cut(&mut self, n: usize, reason: &str, each: &mut Each<'_>) -> Result<(), ReadError> {
        let mut from = 1;
        let part = self.rest().get(..n).unwrap_or_default();
        while let Some(at) = event_start(part, from) {
            if part.get(at..).is_some_and(is_event) {
                return self.tell(at, reason, each);
            }
            from = at + 1;
        }
        self.tell(n, reason, each)
    }
}

/// Where text begins that is neither space nor markup; `None` if there is none.
fn stray(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..)?;
        at += rest.len() - rest.trim_ascii_start().len();
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let end: &[u8] = match rest {
            [0xef, 0xbb, 0xbf, ..] => {
                at += 3;
                continue;
            }
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            [b'<', ..] => b">",
            _ => return Some(at),
        };
        match memmem::find(rest, end) {
            Some(found) => at += found + end.len(),
            None => return Some(at),
        }
    }
}

/// What an event says.
pub(super) fn record(text: &str) -> Result<Record, String> {
    let mut parse = Parse::default();
    parse.run(text)?;
    if !parse.has_system {
        return Err("the event has no <System> element".to_owned());
    }
    positions::name(&mut parse.record);
    Ok(parse.record)
}

/// The values in a piece of XML such as `<EventData><Data Name="…">…`, as far as it can be read.
pub(super) fn data(text: &str) -> Vec<(String, String)> {
    let mut parse = Parse { is_data_only: true, ..Parse::default() };
    // What is damaged has said what it can.
    let _ = parse.run(text);
    parse.record.data
}

/// Which part of an event an element is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Other,
    System,
    Data,
}

#[derive(Debug, Default)]
struct Parse {
    record: Record,
    is_data_only: bool,
    has_system: bool,
    part: Part,
    depth: usize,
    /// The name of the innermost open element, or that of its `Name` attribute.
    name: String,
    text: String,
    /// Whether the innermost open element has no elements so far.
    is_leaf: bool,
    /// Values without a name.
    unnamed: usize,
}

impl Parse {
    fn run(&mut self, text: &str) -> Result<(), String> {
        let mut reader = Reader::from_str(text);
        loop {
            match reader.read_event().map_err(|error| format!("not valid XML: {error}"))? {
                Event::Start(tag) => self.open(&tag),
                Event::Empty(tag) => {
                    self.open(&tag);
                    self.close()?;
                }
                Event::End(_) => self.close()?,
                Event::Text(text) => self.text.push_str(&text.xml10_content()),
                Event::CData(text) => self.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => self.text.push_str(&resolved(&reference)),
                Event::Eof => return Ok(()),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>) {
        self.depth += 1;
        self.text.clear();
        self.is_leaf = true;
        let name = tag.local_name().into_inner();
        if self.depth == 2 {
            self.part = match name {
                "System" => Part::System,
                "EventData" | "UserData" => Part::Data,
                _ => Part::Other,
            };
            self.has_system |= self.part == Part::System;
        }
        if self.is_data_only {
            self.part = Part::Data;
        }
        name.clone_into(&mut self.name);
        match (self.part, name) {
            (Part::System, "Provider") => self.record.provider = attribute(tag, "Name").unwrap_or_default(),
            (Part::System, "TimeCreated") => {
                self.record.time = attribute(tag, "SystemTime").unwrap_or_default();
            }
            (Part::Data, "Data") => {
                self.name = attribute(tag, "Name").unwrap_or_else(|| {
                    self.unnamed += 1;
                    format!("param{}", self.unnamed)
                });
            }
            _ => {}
        }
    }

    fn close(&mut self) -> Result<(), String> {
        let text = std::mem::take(&mut self.text);
        if std::mem::take(&mut self.is_leaf) {
            match (self.part, self.name.as_str()) {
                (Part::System, "EventID") => {
                    let id = number(&text).and_then(|id| u32::try_from(id).ok());
                    self.record.event_id = id.ok_or_else(|| format!("`EventID` is `{text}`"))?;
                }
                (Part::System, "EventRecordID") => self.record.record_id = number(&text),
                (Part::System, "Channel") => text.trim().clone_into(&mut self.record.channel),
                (Part::System, "Computer") => text.trim().clone_into(&mut self.record.computer),
                (Part::Data, _) => self.record.data.push((std::mem::take(&mut self.name), text)),
                _ => {}
            }
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().with_checks(false).flatten().find(|a| a.key.into_inner() == name)?;
    let value = found.normalized_value(XmlVersion::Implicit1_0);
    Some(value.map_or_else(|_| found.value.clone().into_owned(), |value| value.into_owned()))
}

/// The character that `&lt;` or `&#10;` stands for; the reference itself if it stands for none.
fn resolved(reference: &BytesRef<'_>) -> String {
    let name: &str = reference;
    match (reference.resolve_char_ref(), name) {
        (Ok(Some(character)), _) => character.to_string(),
        (_, "lt") => "<".to_owned(),
        (_, "gt") => ">".to_owned(),
        (_, "amp") => "&".to_owned(),
        (_, "apos") => "'".to_owned(),
        (_, "quot") => "\"".to_owned(),
        _ => format!("&{name};"),
    }
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
