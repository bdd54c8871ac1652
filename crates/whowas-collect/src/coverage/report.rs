//! What to tell people about a ledger: intervals, and how the source is doing.

use whowas_event::Time;

use super::{
    IdDigest, Ledger, Silence, State,
    ledger::{Summary, unclosed},
    rhythm,
};

/// The most intervals of one stream in an answer, the newest; beyond, the answer says so.
pub const INTERVALS_MAX: usize = 10_000;

/// Time of one stream that is in one state.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Interval {
    /// From here …
    pub from: Time,
    /// … to before here.
    pub to: Time,
    /// Its state.
    pub state: State,
    /// Different ids.
    pub ids: u64,
    /// Their digest; absent where nothing was read as a whole.
    pub digest: Option<IdDigest>,
    /// Windows that were read as a whole.
    pub windows: u64,
    /// The fewest passes over one of them.
    pub passes: u64,
    /// Windows among them that turned out not to have been complete when they were closed.
    pub reopened: u64,
    /// When the source forgets its beginning: what is not closed by then is lost.
    pub lost_at: Option<Time>,
}

/// One stream, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StreamReport {
    /// The source.
    pub source: String,
    /// The stream.
    pub stream: String,
    /// The latest pass.
    pub last_pass_at: Option<Time>,
    /// The newest record's time.
    pub last_occurred_at: Option<Time>,
    /// Since when passes fail.
    pub failing_since: Option<Time>,
    /// Why.
    pub failure: Option<String>,
    /// Whether the source says less than usual.
    pub silence: Option<Silence>,
    /// For how long the source keeps records, in seconds.
    pub retention_s: Option<i64>,
    /// Its time, without holes.
    pub intervals: Vec<Interval>,
    /// Whether there are more intervals than are listed.
    pub is_cut: bool,
}

impl StreamReport {
    /// The worst state that can still be mended, or is already lost.
    pub fn worst(&self) -> State {
        self.intervals.iter().map(|interval| interval.state).max().unwrap_or(State::Closed)
    }
}

/// What to tell of a stream within `[from, to)`. The ledger has the windows of the weeks before, too, for the
/// rhythm.
pub fn stream(
    (source, stream): (&str, &str),
    ledger: &Ledger,
    (from, to): (Time, Time),
    now: Time,
) -> StreamReport {
    let none = Summary::default();
    let summary = ledger.summary.as_ref();
    let known = summary.unwrap_or(&none);
    let mut intervals = summary.map(|one| intervals(ledger, one, (from, to), now)).unwrap_or_default();
    let is_cut = intervals.len() > INTERVALS_MAX;
    intervals.drain(..intervals.len().saturating_sub(INTERVALS_MAX));
    let silence = known
        .last_occurred_at
        .filter(|_| known.is_polled)
        .and_then(|last| rhythm::silence(&ledger.windows, last, now));
    StreamReport {
        source: source.to_owned(),
        stream: stream.to_owned(),
        last_pass_at: summary.map(|one| one.last_pass_at),
        last_occurred_at: known.last_occurred_at,
        failing_since: known.failing_since,
        failure: known.failure.clone(),
        silence,
        retention_s: known.terms.retention_ms.map(|ms| ms / 1000),
        intervals,
        is_cut,
    }
}

fn intervals(ledger: &Ledger, summary: &Summary, (from, to): (Time, Time), now: Time) -> Vec<Interval> {
    let from = from.max(summary.begin);
    // Time that was never asked for is missing too, up to now, where we are the ones who ask.
    let end = ledger.windows.last().map_or(summary.begin, |window| window.to);
    let end = if summary.is_polled { end.max(now) } else { end };
    let to = to.min(end);
    let mut out: Vec<Interval> = Vec::new();
    let mut at = from;
    for window in ledger.windows.iter().filter(|window| window.to > from && window.from < to) {
        hole(&mut out, summary, (at, window.from), now);
        let closed = window.known.closed_at.is_some();
        push(
            &mut out,
            Interval {
                from: window.from.max(from),
                to: window.to.min(to),
                state: window.state(now),
                ids: window.known.ids,
                digest: Some(window.known.digest),
                windows: 1,
                passes: window.known.passes,
                reopened: window.known.reopened,
                lost_at: window.forgotten_at().filter(|_| !closed),
            },
        );
        at = window.to;
    }
    hole(&mut out, summary, (at, to), now);
    out
}

/// Time without a window: open, until the source has forgotten it. What it has forgotten and what it has
/// not are told apart.
fn hole(out: &mut Vec<Interval>, summary: &Summary, (from, to): (Time, Time), now: Time) {
    let Some(retention_ms) = summary.terms.retention_ms else {
        return unread(out, (from, to), State::Open, None);
    };
    let mut from = from;
    let lost_to = now.saturating_add_ms(-retention_ms);
    let risk_to = now.saturating_add_ms(-(retention_ms - retention_ms / 4));
    for (until, state) in [(lost_to, State::Lost), (risk_to, State::AtRisk), (to, State::Open)] {
        let until = until.min(to);
        if from < until {
            debug_assert_eq!(unclosed(from, Some(retention_ms), now), state, "{from}");
            unread(out, (from, until), state, Some(from.saturating_add_ms(retention_ms)));
            from = until;
        }
    }
}

fn unread(out: &mut Vec<Interval>, (from, to): (Time, Time), state: State, lost_at: Option<Time>) {
    if from < to {
        push(
            out,
            Interval { from, to, state, ids: 0, digest: None, windows: 0, passes: 0, reopened: 0, lost_at },
        );
    }
}

/// Adds an interval; one that goes on in the same state becomes longer.
fn push(out: &mut Vec<Interval>, next: Interval) {
    let Some(last) = out.last_mut().filter(|last| last.state == next.state && last.to == next.from) else {
        out.push(next);
        return;
    };
    last.to = next.to;
    last.ids += next.ids;
    last.passes = last.passes.min(next.passes);
    last.windows += next.windows;
    last.reopened += next.reopened;
    last.digest = match (last.digest, next.digest) {
        (Some(mut sum), Some(next)) => {
            sum.merge(next);
            Some(sum)
        }
        (sum, next) => sum.or(next),
    };
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
