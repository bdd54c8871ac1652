//! How far sources have been read: what becomes true with the commit that brings the records.
//!
//! The store keeps it and does not understand it: cursors and ledger entries are texts that
//! `whowas-collect` writes and reads. Names and times are apart, so that ranges can be asked for.

use whowas_event::Time;

/// What one commit changes of one stream of a source. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The source.
    pub source: String,
    /// Which of its streams; empty if it has but one.
    pub stream: String,
    /// Where reading goes on.
    pub cursor: Option<String>,
    /// What is known of the stream as a whole.
    pub summary: Option<String>,
    /// What is known of some of its time.
    pub coverage: Option<CoverageChange>,
    /// A window of a scheduled export that was written; then there need be no source.
    pub archived: Option<StoredArchive>,
}

/// One window of a scheduled export, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredArchive {
    /// The schedule.
    pub schedule: String,
    /// Its beginning.
    pub from: Time,
    /// The first moment behind it.
    pub to: Time,
    /// What is known of it.
    pub entry: String,
}

/// One alarm, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAlarm {
    /// The rule that raised it.
    pub alarm: String,
    /// What it is about.
    pub event: String,
    /// What is known of it.
    pub entry: String,
}

/// A range of a stream's time with new windows in it, instead of those that began there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageChange {
    /// From here …
    pub from: Time,
    /// … to before here.
    pub to: Time,
    /// The windows that begin there now.
    pub windows: Vec<StoredWindow>,
}

/// One window of a stream, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWindow {
    /// Its beginning.
    pub from: Time,
    /// The first moment behind it.
    pub to: Time,
    /// What is known of it.
    pub entry: String,
}

/// One stream of a source, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredStream {
    /// The source.
    pub source: String,
    /// The stream.
    pub stream: String,
    /// Where reading goes on; `None` for what is not polled.
    pub cursor: Option<String>,
    /// What is known of it as a whole.
    pub summary: Option<String>,
}
