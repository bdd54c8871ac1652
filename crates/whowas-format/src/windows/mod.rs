//! `windows-event`: sign-ins, sign-outs and what belongs to them from the event logs of Windows.
//!
//! One event comes in many framings: in the binary files of the log (EVTX), as XML, and as JSON of many
//! collectors. They are one format, so that an event that is delivered in two of them has one source and one
//! id, and is one record.
//!
//! | file | what it is |
//! |---|---|
//! | `record.rs` | an event in texts: what all framings have in common |
//! | `known.rs` | which events are kept: the one place that knows their numbers |
//! | `map.rs` | what they mean, field by field |
//! | `positions.rs` | names of values that come without |
//! | `words.rs` | numbers of logon types and error codes in words |
//! | `json.rs`, `xml.rs`, `csv.rs`, `evtx.rs` | the framings |
//! | `binxml.rs`, `binvalue.rs` | records of EVTX as XML |

use std::io::Read;

use serde_json::{Map, Value};
use whowas_event::Draft;

use crate::{
    chunk::Begun,
    contract::{
        Format, Info, Item, Options, Place, Problem, ReadError, ReadSummary, SAMPLE_BYTES, Sample, Sink,
        Stop, Yields,
    },
    ids::DerivedIds,
    jsonstream::{self, JsonRecord},
    strict::Strict,
    table::Row,
};

mod binvalue;
mod binxml;
mod csv;
mod evtx;
#[cfg(test)]
mod fixture;
mod json;
mod known;
mod map;
mod positions;
mod record;
mod words;
mod xml;

use map::Context;
use record::Record;

/// The format.
#[derive(Debug)]
pub struct WindowsEvents;

static INFO: Info = Info {
    name: "windows-event",
    product: "Microsoft Windows",
    marker: "EVTX files; XML with `<Event>` and `<System>`; JSON objects with `EventID`, computer and log or provider, \
             in the shapes of Winlogbeat, NXLog, Azure Monitor, Wazuh, PowerShell and evtx_dump; tables with these and `TargetUserName`",
    yields: Yields { start: true, end: true, failure: true, identity: false },
    row_caps: &[],
};

/// How many records are looked at to recognise the format.
const LOOKED_AT_MAX: usize = 8;

impl Format for WindowsEvents {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        sample.bytes.starts_with(evtx::MAGIC)
            || xml::recognizes(sample.bytes)
            || (jsonstream::is_json_like(sample)
                && jsonstream::first_objects(sample, LOOKED_AT_MAX).iter().any(json::is_event))
            || csv::recognizes(sample)
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let mut reading = Reading {
            context: Context { options, ids: DerivedIds::default(), times_without_zone: 0 },
            numbers: Numbers::default(),
            sink,
        };
        let (beginning, mut input) = Begun::new(input, SAMPLE_BYTES)?;
        let mut warnings = Vec::new();
        let read = if beginning.starts_with(evtx::MAGIC) {
            let seen = evtx::read(&mut input, &mut |place, found| reading.xml(place, found))?;
            warnings = seen.warnings;
            seen.records
        } else if beginning.trim_ascii_start().starts_with(b"<") {
            xml::read(&mut input, &mut |place, found| reading.xml(place, found))?
        } else if csv::recognizes(Sample { bytes: &beginning, is_whole: beginning.len() < SAMPLE_BYTES }) {
            csv::read(&mut input, &mut |found| reading.row(found))?
        } else {
            jsonstream::read_records(&mut input, &mut |found| reading.json(found))?
        };
        warnings.extend(reading.numbers.warning());
        let times_without_zone = reading.context.times_without_zone;
        Ok(ReadSummary { read, times_without_zone, warnings })
    }
}

/// A reading under way: what records become, whatever framing they come in.
struct Reading<'a, 's> {
    context: Context<'a>,
    numbers: Numbers,
    sink: &'a mut Sink<'s>,
}

impl Reading<'_, '_> {
    fn xml(&mut self, place: Place, found: Result<&str, Problem>) -> Result<(), Stop> {
        let item = found.and_then(|text| {
            let parsed = xml::record(text).and_then(|record| {
                self.numbers.add(&record);
                self.item(&record, text.as_bytes())
            });
            parsed.map(|item| item.at(place)).map_err(|reason| Problem {
                place,
                reason,
                raw: kept(text.as_bytes()),
            })
        });
        (self.sink)(item.unwrap_or_else(Item::Problem))
    }

    fn json(&mut self, found: Result<JsonRecord<'_>, Problem>) -> Result<(), Stop> {
        let item = found.and_then(|record| match serde_json::from_slice(record.raw) {
            Ok(Strict(Value::Object(object))) => {
                let parsed = json::record(&object).and_then(|parsed| self.item(&parsed, record.raw));
                parsed.map(|item| item.at(record.place)).map_err(|reason| record.problem(reason))
            }
            Ok(_) => Err(record.problem("not a JSON object")),
            Err(error) => Err(record.parse_problem(&error)),
        });
        (self.sink)(item.unwrap_or_else(Item::Problem))
    }

    fn row(&mut self, found: Result<(&Row<'_>, Map<String, Value>), Problem>) -> Result<(), Stop> {
        let item = found.and_then(|(row, object)| {
            let parsed = json::record(&object).and_then(|parsed| self.item(&parsed, row.raw));
            parsed.map(|item| item.at(row.place)).map_err(|reason| row.problem(None, reason))
        });
        (self.sink)(item.unwrap_or_else(Item::Problem))
    }

    fn item(&mut self, record: &Record, raw: &[u8]) -> Result<Item, String> {
        Ok(match map::event(record, &mut self.context)? {
            Some(event) => Item::Draft(Draft { event, raw: raw.to_vec() }, Place::default()),
            None => Item::SetAside { category: record.category() },
        })
    }
}

/// The record ids of a log: Windows gives every event the next one, so that those which are missing tell.
#[derive(Debug, Default)]
struct Numbers {
    /// Computer and channel of the first record.
    log: Option<(String, String)>,
    /// Whether there are several logs, or records without an id.
    is_mixed: bool,
    first: u64,
    last: u64,
    count: u64,
}

impl Numbers {
    fn add(&mut self, record: &Record) {
        let Some(id) = record.record_id else {
            self.is_mixed = true;
            return;
        };
        match &self.log {
            None => {
                self.log = Some((record.computer.clone(), record.channel.clone()));
                (self.first, self.last) = (id, id);
            }
            Some((computer, channel)) => {
                self.is_mixed |= *computer != record.computer || *channel != record.channel
            }
        }
        (self.first, self.last) = (self.first.min(id), self.last.max(id));
        self.count += 1;
    }

    fn warning(&self) -> Option<String> {
        let missing = (self.last - self.first).saturating_add(1).saturating_sub(self.count);
        let (first, last) = (self.first, self.last);
        (missing > 0 && self.count > 0 && !self.is_mixed).then(|| {
            format!(
                "{missing} of the record ids {first} to {last} are not there: a filter was used, or records were removed"
            )
        })
    }
}

fn kept(raw: &[u8]) -> Vec<u8> {
    raw.get(..crate::contract::PROBLEM_RAW_BYTES_MAX).unwrap_or(raw).to_vec()
}
