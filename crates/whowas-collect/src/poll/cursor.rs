//! Where the reading of a stream goes on after a stop: committed with every page.

use whowas_event::Time;

use crate::coverage::{IdSet, Pass, PassKind};

/// Digests of refused records that are remembered, so that reading a window again does not keep them twice.
const REFUSED_MAX: usize = 256;

/// What is kept between pages.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Cursor {
    /// The source's own mark.
    pub(crate) mark: Option<String>,
    /// The pass that goes on.
    pub(crate) running: Option<Running>,
    /// Digests of the latest refused records.
    #[serde(default)]
    refused: Vec<u64>,
}

impl Cursor {
    /// What was kept; nothing if it cannot be read, which only costs a repetition.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a cursor is plain data")
    }

    /// Remembers a refused record; `false` if it is known.
    pub(crate) fn refuse(&mut self, digest: u64) -> bool {
        if self.refused.contains(&digest) {
            return false;
        }
        if self.refused.len() == REFUSED_MAX {
            self.refused.remove(0);
        }
        self.refused.push(digest);
        true
    }
}

/// A pass that goes on.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Running {
    is_fast: bool,
    is_by_mark: bool,
    pub(crate) from: Time,
    pub(crate) to: Time,
    pub(crate) started_at: Time,
    /// The address of the next page; `None` for the first one.
    pub(crate) next: Option<String>,
    /// All pages are read; only the record of the pass is missing.
    pub(crate) is_read: bool,
    /// The mark that the last page gave.
    pub(crate) mark: Option<String>,
    pub(crate) ids: IdSet,
    pub(crate) first_occurred_at: Option<Time>,
    pub(crate) last_occurred_at: Option<Time>,
    pub(crate) read: u64,
    pub(crate) recorded: u64,
    pub(crate) duplicate: u64,
    pub(crate) revised: u64,
    pub(crate) rejected: u64,
    pub(crate) requests: u64,
    pub(crate) throttled: u64,
    pub(crate) restarts: u32,
    pub(crate) skew_s: Option<i64>,
}

impl Running {
    pub(crate) fn new(kind: PassKind, from: Time, to: Time, now: Time) -> Self {
        Self {
            is_fast: kind == PassKind::Fast,
            is_by_mark: kind == PassKind::Cursor,
            from,
            to,
            started_at: now,
            next: None,
            is_read: false,
            mark: None,
            ids: IdSet::default(),
            first_occurred_at: None,
            last_occurred_at: None,
            read: 0,
            recorded: 0,
            duplicate: 0,
            revised: 0,
            rejected: 0,
            requests: 0,
            throttled: 0,
            restarts: 0,
            skew_s: None,
        }
    }

    pub(crate) fn kind(&self) -> PassKind {
        match (self.is_by_mark, self.is_fast) {
            (true, _) => PassKind::Cursor,
            (false, true) => PassKind::Fast,
            (false, false) => PassKind::Window,
        }
    }

    /// Reads the same range from its first page again.
    pub(crate) fn restart(&mut self) {
        (self.next, self.is_read) = (None, false);
        self.ids = IdSet::default();
        self.restarts += 1;
    }

    /// Up to where a mark has read, by the source's times: it gives what is oldest first.
    pub(crate) fn position(&self) -> Time {
        self.last_occurred_at.map_or(self.from, |last| last.clamp(self.from, self.to))
    }

    /// The rest of this pass, from `horizon` on: what is before it cannot be had any more.
    pub(crate) fn rest(&self, horizon: Time, now: Time) -> Self {
        Self {
            next: self.next.clone(),
            mark: self.mark.clone(),
            restarts: self.restarts,
            // Following the mark to its end reads what is there by then.
            ..Self::new(self.kind(), horizon, self.to.max(now), self.started_at)
        }
    }

    /// Takes note of one record.
    pub(crate) fn note(&mut self, id: &str, occurred_at: Option<Time>) {
        self.read += 1;
        let Some(at) = occurred_at else {
            self.ids.insert(id);
            return;
        };
        self.first_occurred_at = Some(self.first_occurred_at.map_or(at, |first| first.min(at)));
        self.last_occurred_at = self.last_occurred_at.max(Some(at));
        // What a source adds from beyond the range is recorded, but is no part of the window.
        if self.is_by_mark || (self.from..self.to).contains(&at) {
            self.ids.insert(id);
        }
    }

    /// The pass as it is to be recorded.
    pub(crate) fn pass(&self, source: &str, stream: &str, format: &str, now: Time) -> Pass {
        Pass {
            format: format.to_owned(),
            ids: self.ids.len() as u64,
            digest: self.ids.digest(),
            first_occurred_at: self.first_occurred_at,
            last_occurred_at: self.last_occurred_at,
            read: self.read,
            recorded: self.recorded,
            duplicate: self.duplicate,
            revised: self.revised,
            rejected: self.rejected,
            requests: self.requests,
            throttled: self.throttled,
            skew_s: self.skew_s,
            ..Pass::new(source, stream, self.kind(), (self.from, self.to), now)
        }
    }
}
