//! The manifests of days: when a day is stated, and stated again. What one says is `whowas_event::daily`.
//!
//! A manifest bounds when the trail knew of a day's sign-ins. It does not say that the source told all of them, nor that
//! their times are true.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use whowas_event::{
    Admitted, Draft, Event, Kind, NativeId, Record, Status, Time, admit,
    admit::RawData,
    daily::{Day, DayState, Statement},
    erasure::SELF,
    jcs,
};
use whowas_store::{Batch, StoreError, Trail, WhenFull, control::Control};

use crate::coverage::{self, State, report::StreamReport};

/// After a day's end before it is stated at all: what receivers get may be some minutes old.
const SETTLE_MS: i64 = 60 * 60 * 1000;
/// Where no source is asked, a day rests so long before it is stated.
const REST_MS: i64 = 3 * 24 * 60 * 60 * 1000;
/// No source is waited for longer than this: a day that is never closed must have its statement too.
const WAIT_MS: i64 = 35 * 24 * 60 * 60 * 1000;
/// Days of one batch of statements.
const BATCH_DAYS_MAX: usize = 256;
/// Positions in memory at once, 8 bytes each, unless one day alone has more.
const BATCH_RECORDS_MAX: u64 = 2 * 1024 * 1024;
/// Records that are read at once to follow the trail.
const STRETCH: u64 = 8192;
/// With more new records than this, all are looked through once: a stretch of the archive costs as much as a whole file.
const FOLLOWED_MAX: u64 = 16 * STRETCH;

/// What is known of a trail between two rounds. Lost with the process, and gathered again from the records.
#[derive(Debug, Default)]
pub struct Known {
    /// Positions that were looked at.
    size: u64,
    /// Sign-ins by day.
    counts: BTreeMap<Day, u64>,
    /// The last statement of each day, with its position.
    stated: BTreeMap<Day, (u64, Statement)>,
}

impl Known {
    fn note(&mut self, position: u64, record: &Record) {
        self.size = self.size.max(position + 1);
        if let Some(day) = Day::of_event(&record.event) {
            *self.counts.entry(day).or_default() += 1;
        }
        if let Some(Ok(said)) = Statement::of(record)
            && self.stated.get(&said.day).is_none_or(|(at, _)| *at < position)
        {
            self.stated.insert(said.day, (position, said));
        }
    }

    /// Days that may have to be stated: those with sign-ins that no statement counts, and those since `since`
    /// without any.
    fn candidates(&self, since: Time, now: Time) -> Vec<Day> {
        let mut days: BTreeSet<Day> = self.counts.keys().copied().collect();
        let mut day = Day::of(since);
        while let Some(one) = day.filter(|day| day.end() <= now) {
            days.insert(one);
            day = one.next();
        }
        let is_stated = |day: &Day| {
            let count = self.counts.get(day).copied().unwrap_or_default();
            self.stated.get(day).is_some_and(|(_, last)| last.count == count)
        };
        days.into_iter()
            .filter(|day| day.end().saturating_add_ms(SETTLE_MS) <= now && !is_stated(day))
            .collect()
    }
}

/// Whether a day is stated now, and what is said of the sources; `None` if it waits. A day that was stated before and
/// has more sign-ins since does not wait: every look at the trail between shows that they are late.
pub fn decide(day: Day, was_stated: bool, streams: &[StreamReport], now: Time) -> Option<DayState> {
    let ended_for = |ms| day.end().saturating_add_ms(ms) <= now;
    let (mut is_asked, mut worst) = (false, None);
    for stream in streams {
        // Files and pushes are taken as they come; only a source that is asked says what it would still have.
        is_asked |= stream.retention_s.is_some();
        let of_day = stream.intervals.iter().filter(|one| one.from < day.end() && one.to > day.start());
        worst = worst.max(of_day.map(|one| one.state).max());
    }
    let state = match worst {
        None => DayState::Rested,
        Some(State::Closed) => DayState::Closed,
        Some(State::Lost) => DayState::Lost,
        Some(State::Open | State::AtRisk) => DayState::Open,
    };
    let is_due = match state {
        _ if was_stated => ended_for(SETTLE_MS),
        DayState::Closed | DayState::Lost if is_asked => ended_for(SETTLE_MS),
        DayState::Closed | DayState::Lost | DayState::Rested => ended_for(REST_MS),
        DayState::Open => ended_for(WAIT_MS),
    };
    is_due.then_some(state)
}

/// States what is due of one trail, and gives how many days that were.
///
/// # Errors
/// The trail or the control database. What was stated is stated; the rest is for the next round.
pub async fn state_days(
    trail: &Trail,
    control: &dyn Control,
    known: &mut Known,
    now: Time,
) -> Result<u64, StoreError> {
    let environment = control.environment(trail.name()).await?;
    let Some(since) = environment.map(|one| one.created_at) else { return Ok(0) };
    if known.size == 0 || trail.snapshot().size - known.size > FOLLOWED_MAX {
        *known =
            trail.visit(Known::default(), |known, position, record, _| known.note(position, record)).await?;
    }
    follow(trail, known.size, |position, record| known.note(position, record)).await?;
    let mut done = 0;
    let mut due = Vec::new();
    for day in known.candidates(since, now) {
        let range = (day.start(), day.end());
        let streams = coverage::reports(control, trail.name(), range, now).await?;
        due.extend(decide(day, known.stated.contains_key(&day), &streams, now).map(|state| (day, state)));
        let records: u64 = due.iter().filter_map(|(day, _)| known.counts.get(day)).sum();
        if due.len() >= BATCH_DAYS_MAX || records >= BATCH_RECORDS_MAX {
            done += state_batch(trail, known, std::mem::take(&mut due), now).await?;
        }
    }
    done += state_batch(trail, known, due, now).await?;
    follow(trail, known.size, |position, record| known.note(position, record)).await?;
    Ok(done)
}

/// Shows the records from a position to the end of the trail.
async fn follow(trail: &Trail, from: u64, mut each: impl FnMut(u64, &Record)) -> Result<u64, StoreError> {
    let mut at = from;
    loop {
        let end = (at + STRETCH).min(trail.snapshot().size);
        if at >= end {
            return Ok(at);
        }
        for (position, record) in (at..).zip(trail.records(at..end).await?) {
            each(position, &record);
        }
        at = end;
    }
}

/// Positions of some days.
struct Places {
    size: u64,
    days: BTreeMap<Day, Vec<u64>>,
}

impl Places {
    fn note(&mut self, position: u64, record: &Record) {
        self.size = self.size.max(position + 1);
        if let Some(places) = Day::of_event(&record.event).and_then(|day| self.days.get_mut(&day)) {
            places.push(position);
        }
    }
}

async fn state_batch(
    trail: &Trail,
    known: &Known,
    due: Vec<(Day, DayState)>,
    now: Time,
) -> Result<u64, StoreError> {
    if due.is_empty() {
        return Ok(0);
    }
    let places = Places { size: 0, days: due.iter().map(|(day, _)| (*day, Vec::new())).collect() };
    let mut places = trail.visit(places, |places, position, record, _| places.note(position, record)).await?;
    // A statement must be about a state shortly before it: what came meanwhile belongs to it too.
    let from = places.size;
    let tree_size = follow(trail, from, |position, record| places.note(position, record)).await?;
    let mut records = Vec::new();
    for (day, state) in due {
        let mut positions = places.days.remove(&day).unwrap_or_default();
        positions.sort_unstable();
        let (count, digest) = trail.day_sum(&positions, tree_size).await?.finish();
        let revision = known.stated.get(&day).map_or(0, |(_, last)| last.revision + 1);
        records.push(record(&Statement { day, revision, tree_size, count, digest, state }, now)?);
    }
    let count = records.len() as u64;
    let (source, format) = (SELF.to_owned(), SELF.to_owned());
    trail.append(Batch { source, format, received_at: now, records }, WhenFull::Wait).await?;
    Ok(count)
}

fn record(said: &Statement, now: Time) -> Result<Admitted, StoreError> {
    let wrong = |e: String| StoreError::Invalid(format!("the manifest of a day: {e}"));
    let body: Value = said.to_body();
    let event = Event {
        kind: Kind::Coverage,
        occurred_at: now,
        status: Status::Success,
        native_id: NativeId::Derived(format!("day:{}:{}", said.day, said.revision)),
        body: Some(jcs::canonical(&body).map_err(|e| wrong(e.to_string()))?),
        ..Event::default()
    };
    admit(Draft { event, raw: Vec::new() }, RawData::Dropped).map_err(|e| wrong(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::report::Interval;

    fn at(text: &str) -> Time {
        Time::parse_rfc3339(text).unwrap()
    }

    fn day() -> Day {
        Day::of(at("2026-09-21T12:00:00Z")).unwrap()
    }

    fn stream(retention_s: Option<i64>, state: State) -> StreamReport {
        let interval = Interval {
            from: at("2026-09-01T00:00:00Z"),
            to: at("2026-09-30T00:00:00Z"),
            state,
            ids: 0,
            digest: None,
            windows: 1,
            passes: 1,
            reopened: 0,
            lost_at: None,
        };
        StreamReport {
            source: "entra".into(),
            stream: "sign-ins".into(),
            last_pass_at: None,
            last_occurred_at: None,
            failing_since: None,
            failure: None,
            silence: None,
            retention_s,
            intervals: vec![interval],
            is_cut: false,
        }
    }

    #[test]
    fn a_day_is_stated_when_its_sources_have_closed_it_and_waits_no_longer_than_it_must() {
        let asked = |state| vec![stream(Some(30 * 86_400), state)];
        let files = |state| vec![stream(None, state)];
        let both = vec![stream(Some(30 * 86_400), State::Closed), stream(None, State::Lost)];
        let elsewhere = {
            let mut one = stream(Some(30 * 86_400), State::Open);
            one.intervals.iter_mut().for_each(|one| one.to = at("2026-09-21T00:00:00Z"));
            vec![one]
        };
        let (early, hour, rest, wait) =
            ("2026-09-22T00:59:59Z", "2026-09-22T01:00:00Z", "2026-09-25T00:00:00Z", "2026-10-27T00:00:00Z");
        let almost = "2026-10-26T23:59:59Z";
        for (streams, was_stated, now, want) in [
            (asked(State::Closed), false, early, None),
            (asked(State::Closed), false, hour, Some(DayState::Closed)),
            (asked(State::Lost), false, hour, Some(DayState::Lost)),
            (both, false, hour, Some(DayState::Lost)),
            (asked(State::Open), false, almost, None),
            (asked(State::AtRisk), false, almost, None),
            (asked(State::Open), false, wait, Some(DayState::Open)),
            (files(State::Closed), false, hour, None),
            (files(State::Closed), false, rest, Some(DayState::Closed)),
            (Vec::new(), false, hour, None),
            (Vec::new(), false, rest, Some(DayState::Rested)),
            (elsewhere, false, rest, Some(DayState::Rested)),
            // What came since a statement is told at once.
            (asked(State::Open), true, hour, Some(DayState::Open)),
            (asked(State::Open), true, early, None),
        ] {
            assert_eq!(decide(day(), was_stated, &streams, at(now)), want, "{was_stated} {now} {streams:?}");
        }
    }

    #[test]
    fn days_without_sign_ins_are_stated_only_since_the_trail_is_there() {
        let mut known = Known::default();
        let old = Day::of(at("2020-02-29T00:00:00Z")).unwrap();
        known.counts.insert(old, 3);
        let days = known.candidates(at("2026-09-20T15:00:00Z"), at("2026-09-23T00:30:00Z"));
        let days: Vec<String> = days.iter().map(ToString::to_string).collect();
        // The 22nd has ended, but not for long enough.
        assert_eq!(days, ["2020-02-29", "2026-09-20", "2026-09-21"]);
    }
}
