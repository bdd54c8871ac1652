//! The ledger of one stream: its windows, and what each pass makes of them.

use whowas_event::Time;

use super::{HOUR_MS, IdDigest, Pass, PassKind, Terms};

/// Readings of a window that are remembered, the newest; enough for a month of two a day.
const READINGS_KEPT_MAX: usize = 64;
/// Passes that must agree to close a window where something was expected and nothing came.
const SUSPICIOUS_PASSES_MIN: usize = 3;
/// A window is at risk when this part of the source's retention is left.
const RISK_PART: i64 = 4;

/// What is known of the completeness of some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All of it is here.
    Closed,
    /// Not all of it may be here yet.
    Open,
    /// Open, and the source will forget it soon.
    AtRisk,
    /// The source has forgotten it before it was closed.
    Lost,
}

impl State {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::AtRisk => "at_risk",
            Self::Lost => "lost",
        }
    }

    /// Every state.
    pub const ALL: [Self; 4] = [Self::Closed, Self::Open, Self::AtRisk, Self::Lost];
}

/// What closes a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// Two passes that agree.
    Passes,
    /// The source's mark.
    Cursor,
    /// A complete file.
    File,
}

/// What one pass over all of a window returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reading {
    /// When.
    pub at: Time,
    /// Different ids.
    pub ids: u64,
    /// Their digest.
    pub digest: IdDigest,
    /// Whether nothing came where something was expected.
    #[serde(default)]
    pub is_suspicious: bool,
}

/// One window. Windows of a ledger do not overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// From here …
    pub from: Time,
    /// … to before here.
    pub to: Time,
    /// What is known of it.
    pub known: Known,
}

/// What is known of a window.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Known {
    /// What closes it.
    pub closing: Closing,
    /// Passes over it.
    pub passes: u64,
    /// The most ids that one pass returned; of cursors and files, the sum.
    pub ids: u64,
    /// Digest of the ids of the last pass that returned so many.
    pub digest: IdDigest,
    /// The latest readings, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<Reading>,
    /// Since when all of it is here.
    pub closed_at: Option<Time>,
    /// How often it turned out not to have been all.
    #[serde(default)]
    pub reopened: u64,
    /// Whether it was looked at once more shortly before the source forgot it.
    #[serde(default)]
    pub is_final: bool,
    /// For how long the source keeps it, at the last pass.
    pub retention_ms: Option<i64>,
}

impl Known {
    pub(crate) fn new(closing: Closing, terms: &Terms) -> Self {
        Self {
            closing,
            passes: 0,
            ids: 0,
            digest: IdDigest::default(),
            readings: Vec::new(),
            closed_at: None,
            reopened: 0,
            is_final: false,
            retention_ms: terms.retention_ms,
        }
    }
}

impl Window {
    /// What is known of its completeness at `now`.
    pub fn state(&self, now: Time) -> State {
        match self.known.closed_at {
            Some(_) => State::Closed,
            None => unclosed(self.from, self.known.retention_ms, now),
        }
    }

    /// When the source begins to forget it.
    pub fn forgotten_at(&self) -> Option<Time> {
        self.known.retention_ms.map(|ms| self.from.saturating_add_ms(ms))
    }
}

/// The state of time from `from` on that is not closed.
pub(crate) fn unclosed(from: Time, retention_ms: Option<i64>, now: Time) -> State {
    let Some(retention_ms) = retention_ms else { return State::Open };
    if now > from.saturating_add_ms(retention_ms) {
        State::Lost
    } else if now > from.saturating_add_ms(retention_ms - retention_ms / RISK_PART) {
        State::AtRisk
    } else {
        State::Open
    }
}

/// What is known of a stream as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Summary {
    /// The ledger begins here.
    pub begin: Time,
    /// Fast passes and cursors have read up to here.
    pub read_to: Time,
    /// Whether it is polled: then time that was never asked for is missing, too.
    pub is_polled: bool,
    /// What is known of the source.
    pub terms: Terms,
    /// The latest pass …
    pub last_pass_at: Time,
    /// … that ended well.
    pub last_complete_at: Option<Time>,
    /// The newest record's time.
    pub last_occurred_at: Option<Time>,
    /// Since when passes fail, and why.
    pub failing_since: Option<Time>,
    /// Why the last one failed.
    pub failure: Option<String>,
    /// Passes, all of them.
    pub passes: u64,
}

/// The ledger of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Its windows, by time, without overlap.
    pub windows: Vec<Window>,
    /// What is known of the stream; `None` before the first pass.
    pub summary: Option<Summary>,
}

impl Ledger {
    /// What follows from one more pass. Returns the range in which windows have changed, if any have.
    pub fn apply(&mut self, pass: &Pass) -> Option<(Time, Time)> {
        self.summarize(pass);
        if pass.from >= pass.to {
            return None;
        }
        match (pass.kind, pass.is_complete) {
            (PassKind::Fast, _) | (PassKind::Window | PassKind::Cursor, false) => None,
            (PassKind::Window, true) => self.read_window(pass),
            (PassKind::Cursor, true) => Some(self.read_cursor(pass)),
            (PassKind::File, _) => self.read_file(pass),
        }
    }

    fn summarize(&mut self, pass: &Pass) {
        let summary = self.summary.get_or_insert_with(|| Summary {
            begin: pass.from,
            read_to: pass.from,
            ..Summary::default()
        });
        let is_polled = pass.kind != PassKind::File;
        summary.is_polled |= is_polled;
        summary.passes += 1;
        summary.terms = pass.terms;
        summary.begin = summary.begin.min(pass.from);
        summary.last_pass_at = summary.last_pass_at.max(pass.at);
        summary.last_occurred_at = summary.last_occurred_at.max(pass.last_occurred_at);
        if pass.is_complete {
            summary.last_complete_at = summary.last_complete_at.max(Some(pass.at));
            (summary.failing_since, summary.failure) = (None, None);
            if matches!(pass.kind, PassKind::Fast | PassKind::Cursor) {
                summary.read_to = summary.read_to.max(pass.to);
            }
        } else if pass.failure.is_some() {
            summary.failing_since = summary.failing_since.or(Some(pass.at));
            summary.failure.clone_from(&pass.failure);
        }
    }

    fn read_window(&mut self, pass: &Pass) -> Option<(Time, Time)> {
        let retention_ms = pass.terms.retention_ms;
        if retention_ms.is_some_and(|ms| pass.at > pass.from.saturating_add_ms(ms)) {
            // What the source has begun to forget shows nothing any more.
            return None;
        }
        let changed = self.carve(pass);
        let at = self.windows.partition_point(|window| window.from < pass.from);
        let known = &mut self.windows.get_mut(at)?.known;
        let reading =
            Reading { at: pass.at, ids: pass.ids, digest: pass.digest, is_suspicious: pass.is_suspicious };
        known.passes += 1;
        known.retention_ms = retention_ms;
        if pass.ids >= known.ids {
            (known.ids, known.digest) = (pass.ids, pass.digest);
        }
        if known.closed_at.is_some() && pass.brought_news() {
            known.closed_at = None;
            known.reopened += 1;
        }
        if known.readings.len() == READINGS_KEPT_MAX {
            known.readings.remove(0);
        }
        known.readings.push(reading);
        if known.closed_at.is_none() && is_confirmed(known, pass) {
            known.closed_at = Some(pass.at);
        }
        known.is_final |= retention_ms.is_some_and(|ms| pass.at >= final_at(pass.from, ms));
        Some(changed)
    }

    /// Makes a window of exactly the pass's range; what sticks out of it on either side must be read again.
    fn carve(&mut self, pass: &Pass) -> (Time, Time) {
        let (from, to) = (pass.from, pass.to);
        let first = self.windows.partition_point(|window| window.to <= from);
        let last = self.windows.partition_point(|window| window.from < to);
        let mut changed = (from, to);
        let fresh = || Known::new(Closing::Passes, &pass.terms);
        if let Some([only]) = self.windows.get(first..last)
            && (only.from, only.to) == (from, to)
        {
            return changed;
        }
        let mut put = Vec::new();
        for window in self.windows.drain(first..last) {
            changed = (changed.0.min(window.from), changed.1.max(window.to));
            if window.from < from {
                put.push(Window { to: from, known: Known { readings: Vec::new(), ..fresh() }, ..window });
            }
            if window.to > to {
                put.push(Window { from: to, to: window.to, known: fresh() });
            }
        }
        put.push(Window { from, to, known: fresh() });
        put.sort_by_key(|window| window.from);
        self.windows.splice(first..first, put);
        changed
    }

    /// What a mark of the source says is read is read. Within an hour such windows become one.
    fn read_cursor(&mut self, pass: &Pass) -> (Time, Time) {
        let hour = |time: Time| time.as_ms().div_euclid(HOUR_MS);
        let at = self.windows.partition_point(|window| window.from < pass.from);
        let before = at.checked_sub(1).and_then(|before| self.windows.get_mut(before));
        if let Some(before) = before.filter(|before| {
            before.known.closing == Closing::Cursor
                && before.to == pass.from
                && hour(before.from) == hour(pass.from)
        }) {
            before.to = pass.to;
            add(&mut before.known, pass);
            return (before.from, pass.to);
        }
        self.fill(pass, Closing::Cursor)
    }

    fn read_file(&mut self, pass: &Pass) -> Option<(Time, Time)> {
        let overlapping = self.windows.iter().filter(|one| one.to > pass.from && one.from < pass.to);
        let (from, to) =
            overlapping.fold((pass.from, pass.to), |(from, to), one| (from.min(one.from), to.max(one.to)));
        if pass.is_complete {
            // A complete file stands in place of a truncated one.
            self.cut_unclosed(pass.from, pass.to);
        }
        self.fill(pass, Closing::File);
        Some((from, to))
    }

    /// Windows for those parts of the pass's range that have none.
    fn fill(&mut self, pass: &Pass, closing: Closing) -> (Time, Time) {
        let first = self.windows.partition_point(|window| window.to <= pass.from);
        let last = self.windows.partition_point(|window| window.from < pass.to);
        let mut parts = Vec::new();
        let mut from = pass.from;
        for window in self.windows.get(first..last).unwrap_or_default() {
            if from < window.from {
                parts.push((from, window.from));
            }
            from = window.to;
        }
        if from < pass.to {
            parts.push((from, pass.to));
        }
        let mut put: Vec<Window> = parts
            .into_iter()
            .map(|(from, to)| Window { from, to, known: Known::new(closing, &pass.terms) })
            .collect();
        for window in &mut put {
            window.known.closed_at = pass.is_complete.then_some(pass.at);
        }
        // How the records spread over several parts is not known: the first gets them all.
        if let Some(window) = put.first_mut() {
            add(&mut window.known, pass);
        }
        let begin = self.windows.get(first).map_or(pass.from, |window| window.from.min(pass.from));
        put.extend(self.windows.drain(first..last));
        put.sort_by_key(|window| window.from);
        let end = put.last().map_or(pass.to, |window| window.to.max(pass.to));
        self.windows.splice(first..first, put);
        (begin, end)
    }

    /// Takes `[from, to)` out of windows that are not closed.
    fn cut_unclosed(&mut self, from: Time, to: Time) {
        let mut kept = Vec::with_capacity(self.windows.len() + 1);
        for window in self.windows.drain(..) {
            if window.known.closed_at.is_some() || window.to <= from || window.from >= to {
                kept.push(window);
                continue;
            }
            if window.from < from {
                kept.push(Window { to: from, ..window.clone() });
            }
            if window.to > to {
                kept.push(Window { from: to, ..window });
            }
        }
        self.windows = kept;
    }
}

fn add(known: &mut Known, pass: &Pass) {
    known.passes += 1;
    known.ids += pass.ids;
    known.digest.merge(pass.digest);
    known.closed_at = known.closed_at.or(pass.is_complete.then_some(pass.at));
    known.retention_ms = pass.terms.retention_ms;
}

/// When a window is looked at for the last time: when an eighth of the retention is left.
pub(crate) fn final_at(from: Time, retention_ms: i64) -> Time {
    from.saturating_add_ms(retention_ms - retention_ms / 8)
}

/// Whether the latest reading agrees with one far enough before it, both made when the source adds no more,
/// and misses nothing that another had.
fn is_confirmed(known: &Known, pass: &Pass) -> bool {
    let Terms { late_ms, settle_ms, .. } = pass.terms;
    let Some((last, earlier)) = known.readings.split_last() else { return false };
    if last.ids < known.ids || last.at < pass.to.saturating_add_ms(late_ms) {
        return false;
    }
    // An earlier one of which the source might have added records proves only that they were late.
    let is_settled = |one: &&Reading| one.at >= pass.to.saturating_add_ms(late_ms);
    let agreeing: Vec<&Reading> =
        earlier.iter().filter(is_settled).filter(|one| one.digest == last.digest).collect();
    let is_far = |one: &&Reading| last.at.as_ms() - one.at.as_ms() >= settle_ms;
    agreeing.iter().any(is_far) && (!last.is_suspicious || agreeing.len() + 1 >= SUSPICIOUS_PASSES_MIN)
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
