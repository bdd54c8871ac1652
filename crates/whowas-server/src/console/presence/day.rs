//! The day around an instant: how many were signed in when, each stretch a link to it, and steps to earlier and later.
//!
//! It is the page's time slider for whoever has no script; a script lays a real one over it.

use whowas_event::{EnvironmentName, Time};
use whowas_query::AtOnce;

use crate::console::address;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A stretch is a quarter of an hour.
pub(super) const POINTS: usize = 96;
/// The chart's height in units of its own.
const HEIGHT: u64 = 40;

/// What a step is called, and how far it goes.
const STEPS: [(&str, i64); 6] = [
    ("−1 day", -DAY_MS),
    ("−1 hour", -HOUR_MS),
    ("−15 min", -15 * MINUTE_MS),
    ("+15 min", 15 * MINUTE_MS),
    ("+1 hour", HOUR_MS),
    ("+1 day", DAY_MS),
];

pub(crate) struct Stretch {
    pub(crate) x: usize,
    pub(crate) y: u64,
    pub(crate) height: u64,
    /// Of sessions without a known end.
    pub(crate) open_y: u64,
    pub(crate) open_height: u64,
    pub(crate) href: String,
    pub(crate) title: String,
    pub(crate) is_here: bool,
}

pub(crate) struct Step {
    pub(crate) title: &'static str,
    /// `None` if that has not come yet.
    pub(crate) href: Option<String>,
}

/// The day of an instant.
pub(crate) struct Day {
    pub(crate) date: String,
    pub(crate) minute: i64,
    pub(crate) stretches: Vec<Stretch>,
    pub(crate) most: u64,
    pub(crate) steps: Vec<Step>,
}

/// When the day of an instant begins, in UTC.
pub(super) fn begin(at: Time) -> Time {
    at.saturating_add_ms(-at.as_ms().rem_euclid(DAY_MS))
}

/// The part of the day that has come.
pub(super) fn range(at: Time, now: Time) -> (Time, Time) {
    let begin = begin(at);
    (begin, begin.saturating_add_ms(DAY_MS).min(now.saturating_add_ms(1)).max(begin.saturating_add_ms(1)))
}

/// As the form sends it: to the minute, in UTC.
fn minute(at: Time) -> String {
    at.to_string().chars().take("2026-11-24T08:00".len()).collect()
}

impl Day {
    /// Of an answer over [`range`], which has at most [`POINTS`] stretches of one length.
    pub(super) fn new(
        name: &EnvironmentName,
        filter: &str,
        at: Time,
        now: Time,
        found: Option<&AtOnce>,
    ) -> Self {
        let link =
            |at: Time| address(&format!("/p/{name}/presence"), &[("at", &minute(at)), ("filter", filter)]);
        let step = |&(title, ms): &(&'static str, i64)| {
            let to = at.saturating_add_ms(ms);
            Step { title, href: (to <= now).then(|| link(to)) }
        };
        let points = found.map(|found| found.points.as_slice()).unwrap_or_default();
        let most = points.iter().map(|point| point.most + point.without_end).max().unwrap_or(0);
        let height = |count: u64| if count == 0 { 0 } else { (count * HEIGHT / most.max(1)).max(1) };
        let ends = points.iter().skip(1).map(|point| point.at).chain(found.map(|found| found.to));
        let stretch = |(nth, (point, end)): (usize, (&whowas_query::AtOncePoint, Time))| {
            let (known, open) = (height(point.most), height(point.without_end));
            let time = minute(point.at).replace('T', " ");
            let (most, without_end) = (point.most, point.without_end);
            Stretch {
                x: nth,
                y: HEIGHT.saturating_sub(known),
                height: known,
                open_y: HEIGHT.saturating_sub(known + open),
                open_height: open,
                href: link(point.at),
                title: format!("{time}: {most} at once, and {without_end} whose end is not known"),
                is_here: point.at <= at && at < end,
            }
        };
        Self {
            date: minute(at).chars().take("2026-11-24".len()).collect(),
            minute: at.as_ms().rem_euclid(DAY_MS) / MINUTE_MS,
            stretches: points.iter().zip(ends).enumerate().map(stretch).collect(),
            most,
            steps: STEPS.iter().map(step).collect(),
        }
    }
}

/// How many stretches a part of a day has.
pub(super) fn points_of((from, to): (Time, Time)) -> usize {
    let quarters = (to.as_ms() - from.as_ms() + 15 * MINUTE_MS - 1) / (15 * MINUTE_MS);
    usize::try_from(quarters).unwrap_or(POINTS).clamp(1, POINTS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use whowas_query::AtOncePoint;

    use super::*;

    fn time(text: &str) -> Time {
        Time::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_day_ends_where_the_present_is() {
        let (from, to) = range(time("2026-11-03T14:30:00Z"), time("2026-11-24T12:00:00Z"));
        assert_eq!((from, to), (time("2026-11-03T00:00:00Z"), time("2026-11-04T00:00:00Z")));
        assert_eq!(points_of((from, to)), 96);
        let (from, to) = range(time("2026-11-24T12:00:00Z"), time("2026-11-24T12:00:00Z"));
        assert_eq!(to, time("2026-11-24T12:00:00.001Z"));
        assert_eq!(points_of((from, to)), 49);
        assert_eq!(points_of(range(time("2026-11-24T00:00:00Z"), time("2026-11-24T00:00:00Z"))), 1);
    }

    #[test]
    fn stretches_and_steps_lead_to_instants_that_have_come() {
        let name: EnvironmentName = "contoso/production".parse().unwrap();
        let (at, now) = (time("2026-11-24T11:20:00Z"), time("2026-11-24T11:40:00Z"));
        let point = |hour: u8, most| AtOncePoint {
            at: time(&format!("2026-11-24T{hour:02}:00:00Z")),
            most,
            without_end: 1,
            by_service: BTreeMap::new(),
        };
        let found = AtOnce {
            points: vec![point(10, 0), point(11, 3)],
            from: time("2026-11-24T10:00:00Z"),
            to: now,
            tree_size: 9,
        };
        let day = Day::new(&name, "user:a", at, now, Some(&found));
        assert_eq!((day.minute, day.most, day.date.as_str()), (11 * 60 + 20, 4, "2026-11-24"));
        let drawn: Vec<_> =
            day.stretches.iter().map(|one| (one.height, one.open_height, one.is_here)).collect();
        assert_eq!(drawn, [(0, 10, false), (30, 10, true)]);
        assert_eq!(day.stretches[1].open_y + day.stretches[1].open_height, day.stretches[1].y);
        assert_eq!(
            day.stretches[0].href,
            "/p/contoso/production/presence?at=2026-11-24T10%3A00&filter=user%3Aa"
        );
        let open: Vec<bool> = day.steps.iter().map(|step| step.href.is_some()).collect();
        assert_eq!(open, [true, true, true, true, false, false]);
        assert_eq!(Day::new(&name, "", at, now, None).stretches.len(), 0);
    }
}
