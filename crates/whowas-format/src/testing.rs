//! What the tests of several formats share.

use jiff::tz::TimeZone;
use whowas_event::{
    Event, Time,
    admit::{RawData, admit},
};

use crate::contract::{Format, Item, Options, ReadError, ReadSummary, Sample};

/// Options without any decision of a user.
pub(crate) fn options() -> Options {
    let now = Time::parse_rfc3339("2026-11-24T00:00:00Z").expect("it is one");
    Options { source_timezone: TimeZone::UTC, date_order: None, received_at: now, file_time: now }
}

/// A reading as text: events, and lines for whatever else there is.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) events: Vec<Event>,
    pub(crate) others: Vec<String>,
    pub(crate) summary: ReadSummary,
}

/// Reads an input, and checks that what is read may be admitted.
pub(crate) fn read_with(
    format: &dyn Format,
    input: &(impl AsRef<[u8]> + ?Sized),
    options: &Options,
) -> Result<Reading, ReadError> {
    let mut reading = Reading::default();
    let summary = format.read(&mut input.as_ref(), options, &mut |item| {
        match item {
            Item::Draft(draft, _) => {
                assert!(!draft.raw.is_empty());
                reading
                    .events
                    .push(admit(draft, RawData::Kept).expect("formats give admissible events").event);
            }
            Item::Problem(problem) => reading.others.push(format!("{}: {}", problem.place, problem.reason)),
            Item::SetAside { category } => reading.others.push(format!("set aside: {category}")),
        }
        Ok(())
    })?;
    reading.summary = summary;
    Ok(reading)
}

pub(crate) fn read(format: &dyn Format, input: &(impl AsRef<[u8]> + ?Sized)) -> Reading {
    read_with(format, input, &options()).expect("the input as a whole is fine")
}

/// Whether a format recognises an input.
pub(crate) fn recognizes(format: &dyn Format, input: &(impl AsRef<[u8]> + ?Sized)) -> bool {
    format.recognizes(Sample { bytes: input.as_ref(), is_whole: true })
}

/// Reads bytes as a whole input, whatever format they turn out to be: the format's name and the reading.
pub(crate) fn read_any(bytes: &[u8], options: &Options) -> Result<(&'static str, Reading), ReadError> {
    let mut reading = Reading::default();
    let mut input = bytes;
    let mut sink = |item| {
        match item {
            Item::Draft(draft, _) => {
                reading.events.push(admit(draft, RawData::Kept).expect("admissible").event)
            }
            Item::Problem(problem) => reading.others.push(format!("{}: {}", problem.place, problem.reason)),
            Item::SetAside { category } => reading.others.push(format!("set aside: {category}")),
        }
        Ok(())
    };
    let reports = crate::read_all(crate::Input::Stream(&mut input), "input", None, options, &mut sink)?;
    let report = reports.into_iter().next().expect("an input has a file");
    reading.summary = report.summary;
    Ok((report.format.expect("a lone file is recognised or refused"), reading))
}
