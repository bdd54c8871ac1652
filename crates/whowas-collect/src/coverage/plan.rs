//! Which pass over a window source is next, and when. Pure: the executor is `crate::poll`.

use std::collections::BTreeMap;

use whowas_event::Time;

use super::{
    HOUR_MS, Ledger, MINUTE_MS, PassKind, Terms, Window,
    ledger::{State, final_at, unclosed},
};

/// By what a stream of a window source is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// Windows begin at multiples of this.
    pub slot_ms: i64,
    /// So new are records that fast passes leave them out.
    pub lag_ms: i64,
    /// Fast passes follow each other in this time.
    pub fresh_ms: i64,
    /// How long after its end a window is read, and read again.
    pub offsets_ms: Vec<i64>,
    /// What is known of the source.
    pub terms: Terms,
}

impl Rhythm {
    /// For a source that may add records for `late_ms`: passes after 15 minutes, 3 hours and a day, as far as
    /// nothing may be added after them, and two when it is not any more.
    pub fn new(slot_ms: i64, lag_ms: i64, fresh_ms: i64, terms: Terms) -> Self {
        let early = [15 * MINUTE_MS, 3 * HOUR_MS, 24 * HOUR_MS];
        let settled = terms.late_ms.max(15 * MINUTE_MS);
        let mut offsets_ms: Vec<i64> = early.into_iter().filter(|offset| *offset < settled).collect();
        offsets_ms.extend([settled, settled + terms.settle_ms]);
        Self { slot_ms, lag_ms, fresh_ms, offsets_ms, terms }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Read this range.
    Pass(PassKind, Time, Time),
    /// Nothing before this.
    Wait(Time),
}

/// The most exceptions of each kind that are remembered; the oldest windows go first.
const LIMITS_MAX: usize = 1000;

/// What a source has shown not to answer: not so wide, or not now. By the beginning of the range.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    widest_ms: BTreeMap<Time, i64>,
    put_off: BTreeMap<Time, Time>,
}

impl Limits {
    /// What begins here is read no wider.
    pub fn narrow(&mut self, from: Time, widest_ms: i64) {
        insert(&mut self.widest_ms, from, widest_ms);
    }

    /// What begins here is not read before.
    pub fn put_off(&mut self, from: Time, until: Time) {
        insert(&mut self.put_off, from, until);
    }

    /// What begins here was read.
    pub fn forget(&mut self, from: Time) {
        self.widest_ms.remove(&from);
        self.put_off.remove(&from);
    }

    fn widest_ms(&self, from: Time) -> i64 {
        self.widest_ms.get(&from).copied().unwrap_or(i64::MAX)
    }
}

fn insert<T>(map: &mut BTreeMap<Time, T>, from: Time, value: T) {
    if map.len() >= LIMITS_MAX {
        map.pop_first();
    }
    map.insert(from, value);
}

/// Where the ledger of a source begins that was never read, at `now`: with the first window that can still
/// be read twice, far enough apart, before the source forgets it.
pub fn begin(rhythm: &Rhythm, now: Time) -> Time {
    let Terms { retention_ms, settle_ms, .. } = rhythm.terms;
    // A source that keeps all is asked for the last 30 days; what is older can be imported.
    let reach = retention_ms.unwrap_or(30 * super::DAY_MS);
    let first = now.as_ms() - reach + settle_ms + 2 * rhythm.slot_ms;
    let slots = first.div_euclid(rhythm.slot_ms) + 1;
    Time::from_ms(slots.saturating_mul(rhythm.slot_ms)).unwrap_or(now).min(now)
}

/// The next pass of a stream. `last_fast_at` is when the last fast pass began.
pub fn next(
    rhythm: &Rhythm,
    ledger: &Ledger,
    last_fast_at: Option<Time>,
    limits: &Limits,
    now: Time,
) -> Plan {
    let (begin, read_to) = match &ledger.summary {
        Some(summary) => (summary.begin, summary.read_to),
        None => (begin(rhythm, now), begin(rhythm, now)),
    };
    let mut windows = due_windows(rhythm, ledger, begin, limits, now);
    for due in &mut windows {
        due.at = limits.put_off.get(&due.from).map_or(due.at, |until| due.at.max(*until));
    }
    let fast = fast(rhythm, read_to, last_fast_at, limits, now);
    // What the source is about to forget goes before news.
    if let Some(due) = windows.iter().filter(|due| due.is_urgent && due.at <= now).min_by_key(|due| due.from)
    {
        return Plan::Pass(PassKind::Window, due.from, due.to);
    }
    if let Plan::Pass(..) = fast {
        return fast;
    }
    match windows.iter().min_by_key(|due| (due.at, due.from)) {
        Some(due) if due.at <= now => Plan::Pass(PassKind::Window, due.from, due.to),
        Some(due) => match fast {
            Plan::Wait(at) => Plan::Wait(at.min(due.at)),
            pass @ Plan::Pass(..) => pass,
        },
        None => fast,
    }
}

fn fast(rhythm: &Rhythm, read_to: Time, last_fast_at: Option<Time>, limits: &Limits, now: Time) -> Plan {
    let newest = now.saturating_add_ms(-rhythm.lag_ms);
    let oldest = rhythm.terms.retention_ms.map_or(read_to, |ms| now.saturating_add_ms(-ms));
    let from = read_to.max(oldest);
    let slot_end = end_of_slot(rhythm, from);
    let to = newest.min(slot_end).min(from.saturating_add_ms(limits.widest_ms(from)));
    // Whole slots of the past follow each other at once; only the newest waits for its turn.
    let is_catching_up = to < newest;
    let due_at = match last_fast_at {
        Some(at) if !is_catching_up => at.saturating_add_ms(rhythm.fresh_ms),
        _ => now,
    };
    if from >= to {
        return Plan::Wait(from.saturating_add_ms(rhythm.lag_ms + MINUTE_MS).max(due_at));
    }
    // A clock that was set back must not stop the source for as long.
    if due_at > now && due_at.as_ms() - now.as_ms() <= rhythm.fresh_ms {
        return Plan::Wait(due_at);
    }
    Plan::Pass(PassKind::Fast, from, to)
}

fn end_of_slot(rhythm: &Rhythm, time: Time) -> Time {
    let slot = time.as_ms().div_euclid(rhythm.slot_ms) + 1;
    Time::from_ms(slot.saturating_mul(rhythm.slot_ms)).unwrap_or(time)
}

/// A window and when it is to be read.
#[derive(Debug)]
struct Due {
    from: Time,
    to: Time,
    at: Time,
    /// At risk, or for the last time.
    is_urgent: bool,
}

/// Windows that are still to be read, those that have not begun yet left out.
fn due_windows(rhythm: &Rhythm, ledger: &Ledger, begin: Time, limits: &Limits, now: Time) -> Vec<Due> {
    let mut due = Vec::new();
    let mut from = begin;
    let is_forgotten = |from: Time| unclosed(from, rhythm.terms.retention_ms, now) == State::Lost;
    let hole = |due: &mut Vec<Due>, from: Time, to: Time| {
        let mut from = from;
        while from < to {
            let end = end_of_slot(rhythm, from).min(from.saturating_add_ms(limits.widest_ms(from))).min(to);
            if !is_forgotten(from) {
                let is_urgent = unclosed(from, rhythm.terms.retention_ms, now) == State::AtRisk;
                let offset = rhythm.offsets_ms.first().copied().unwrap_or_default();
                due.push(Due { from, to: end, at: end.saturating_add_ms(offset), is_urgent });
            }
            from = end;
        }
    };
    for window in ledger.windows.iter().filter(|window| window.to > begin) {
        hole(&mut due, from, window.from);
        from = from.max(window.to);
        if window.to.as_ms() - window.from.as_ms() > limits.widest_ms(window.from) {
            hole(&mut due, window.from, window.to);
        } else if !is_forgotten(window.from) {
            due.extend(next_reading(rhythm, window, now));
        }
    }
    // Whole slots only: the one that goes on now is not to be read as a whole yet.
    let newest = now.saturating_add_ms(-rhythm.lag_ms).as_ms().div_euclid(rhythm.slot_ms) * rhythm.slot_ms;
    hole(&mut due, from, Time::from_ms(newest).unwrap_or(begin));
    due
}

/// When a window is to be read again, if ever.
fn next_reading(rhythm: &Rhythm, window: &Window, now: Time) -> Option<Due> {
    let at_last = rhythm.terms.retention_ms.map(|ms| final_at(window.from, ms));
    let due = |at: Time, is_urgent| Some(Due { from: window.from, to: window.to, at, is_urgent });
    let Some(last) = window.known.readings.last() else {
        let offset = rhythm.offsets_ms.first().copied().unwrap_or_default();
        return due(window.to.saturating_add_ms(offset), window.state(now) == State::AtRisk);
    };
    if window.known.closed_at.is_some() {
        // Once more, shortly before it is forgotten: what came against all rules is seen then.
        let at = at_last.filter(|_| !window.known.is_final)?;
        return due(at, true);
    }
    let later = rhythm.offsets_ms.iter().map(|offset| window.to.saturating_add_ms(*offset));
    let planned = later.filter(|at| *at > last.at).min();
    let again = last.at.saturating_add_ms(rhythm.terms.settle_ms);
    // A window that is read for the first time long after its end still needs two passes far apart.
    let mut at = planned.unwrap_or(again);
    if last.at >= window.to.saturating_add_ms(rhythm.terms.late_ms) {
        // The next one can confirm this, if it is far enough behind it.
        at = at.max(again);
    }
    if let Some(at_last) = at_last.filter(|at_last| last.at < *at_last) {
        at = at.min(at_last);
    }
    due(at, window.state(now) == State::AtRisk)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
