//! What a format is: how it is recognised, and how it turns bytes into drafts.

use std::{
    fmt,
    io::{self, Read},
};

use jiff::tz::TimeZone;
use whowas_event::{Draft, Time};

use crate::container::Refused;

/// The longest line or JSON record that is read, in bytes. A longer one becomes a [`Problem`] with its
/// beginning, and reading goes on behind it.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// How much of the beginning of an input a format sees to recognise itself, in bytes.
pub const SAMPLE_BYTES: usize = 64 * 1024;

/// How much of a refused record is kept with its problem, in bytes.
pub const PROBLEM_RAW_BYTES_MAX: usize = 64 * 1024;

/// What `whowas formats` says about a format.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// The name on the command line and in records, such as `entra-graph`. The default source too.
    pub name: &'static str,
    /// The product that writes it.
    pub product: &'static str,
    /// What it is recognised by.
    pub marker: &'static str,
    /// What it tells.
    pub yields: Yields,
    /// Row counts at which the product cuts its exports: a file with exactly so many is probably truncated.
    pub row_caps: &'static [u64],
}

/// What a format tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct Yields {
    /// Beginnings of sessions.
    pub start: bool,
    /// Ends of sessions.
    pub end: bool,
    /// Failed attempts.
    pub failure: bool,
    /// People.
    pub identity: bool,
}

/// The beginning of an input, decoded to UTF-8 without byte order mark.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// Up to [`SAMPLE_BYTES`] bytes.
    pub bytes: &'a [u8],
    /// Whether the input ends within the sample.
    pub is_whole: bool,
}

/// Order of day and month in dates such as `3/12/2025`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOrder {
    /// 3 December
    DayMonthYear,
    /// 12 March
    MonthDayYear,
}

/// What the caller decides for a reading.
#[derive(Clone, Debug)]
pub struct Options {
    /// The zone of times that are written without one.
    pub source_timezone: TimeZone,
    /// How to read ambiguous dates; without it they are refused.
    pub date_order: Option<DateOrder>,
    /// When the reading takes place: the `occurred_at` of directory entries that have no time of change.
    pub received_at: Time,
    /// The year of dates that have none is the latest that keeps them before this.
    pub file_time: Time,
}

/// Where in an input something stands. Counted from 1; a member is `None` where it has no meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The record, counted over all records of the input.
    pub record: u64,
    /// The line: where it goes wrong, as far as that is told, else where the record begins.
    pub line: Option<u64>,
    /// The column on that line: a character for JSON, a field for tables.
    pub column: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}"),
            (Some(line), None) => write!(f, "line {line}"),
            (None, _) => write!(f, "record {}", self.record),
        }
    }
}

/// A record that is not understood. It is kept with its reason, listed, and can be retried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// What is wrong and what to do about it: one sentence, no full stop.
    pub reason: String,
    /// Its bytes, up to [`PROBLEM_RAW_BYTES_MAX`].
    pub raw: Vec<u8>,
}

/// What comes out of a reading, in the order of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all items are drafts, and they are moved, never stored"
)]
pub enum Item {
    /// A record that was understood, and where it stands: admission may still refuse it. One record of
    /// input may give several (start and end).
    Draft(Draft, Place),
    /// A record that was not.
    Problem(Problem),
    /// A well-formed record that is no sign-in (another category on the same stream): counted by category.
    SetAside {
        /// The category as the source names it, at most 100 bytes.
        category: String,
    },
}

impl Item {
    /// The same, standing at `place`; a problem keeps its own, which may be more exact.
    pub(crate) fn at(self, place: Place) -> Self {
        match self {
            Self::Draft(draft, _) => Self::Draft(draft, place),
            other => other,
        }
    }
}

/// Receives items. An error stops the reading at once.
pub type Sink<'a> = dyn FnMut(Item) -> Result<(), Stop> + 'a;

/// The receiver wants no more items; it knows why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reading was stopped by the receiver")]
pub struct Stop;

/// What a reading saw as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSummary {
    /// Records of input: drafts' records, problems and set-asides. A row that gives start and end counts once.
    pub read: u64,
    /// Times without a zone that were read in [`Options::source_timezone`].
    pub times_without_zone: u64,
    /// Things to tell the user: a row count at a known cap, a repeated header.
    pub warnings: Vec<String>,
}

/// Why an input as a whole cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes could not be had.
    #[error("cannot read: {0}")]
    Io(#[source] std::io::Error),
    /// The receiver stopped.
    #[error(transparent)]
    Stopped(#[from] Stop),
    /// No format recognises the input.
    #[error("not recognised: {0}")]
    Unrecognized(String),
    /// The container (workbook, archive, compression, encoding) is broken.
    #[error("{0}")]
    Broken(String),
    /// More would come out of the container than is ever taken: a decompression bomb, or a giant.
    #[error("{0}")]
    TooLarge(String),
    /// A table lacks a column, or a document lacks its frame.
    #[error("{0}")]
    Shape(String),
}

impl From<io::Error> for ReadError {
    /// An error of a decompressor is one of the data, though it comes through [`Read`].
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Refused>()) {
            Some(Refused::Broken(reason)) => Self::Broken(reason.clone()),
            Some(Refused::TooLarge(reason)) => Self::TooLarge(reason.clone()),
            None => Self::Io(error),
        }
    }
}

/// One foreign format.
pub trait Format: Sync {
    /// What it is.
    fn info(&self) -> &'static Info;

    /// Whether `sample` is the beginning of this format. At most one format may say yes to a real file;
    /// the registry asks in its order and takes the first.
    fn recognizes(&self, sample: Sample<'_>) -> bool;

    /// Reads the whole of `input` (decoded to UTF-8; the plain bytes for binary formats), in memory that
    /// does not grow with its length, and hands every record to `sink`.
    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError>;
}
