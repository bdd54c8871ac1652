//! How the rows of a search spread over its whole range, by outcome: what a chart above a grid shows.
//!
//! Counts are exact: every row that matches is counted, not only those of a page. Which stretches of time
//! are counted is the caller's choice ([`Steps`]), so that days can be days of a time zone.

use std::sync::Arc;

use arrow::{array::AsArray, array::RecordBatch, datatypes::TimestampMicrosecondType};
use jiff::{
    Span, Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use whowas_event::Time;
use whowas_store::StoreError;

use crate::QueryError;

/// The columns that [`Counts::add`] needs.
pub(crate) const HISTOGRAM_COLUMNS: [&str; 2] = ["occurred_at", "status"];
/// Most stretches of one histogram: more cannot be told apart on a screen.
pub const BUCKETS_MAX: usize = 400;
/// Stretches of a histogram whose width nobody chose.
pub const BUCKETS_DEFAULT: usize = 96;

/// Rows of one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Bucket {
    /// At or after this; before the start of the next, or the end of the range.
    pub start: Time,
    /// Successful ones.
    pub success: u64,
    /// Failed ones.
    pub failure: u64,
    /// Those whose outcome is unknown or other.
    pub other: u64,
}

/// The rows of a search by time and outcome.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Histogram {
    /// The stretches, oldest first, without a gap from `from` to `to`.
    pub buckets: Vec<Bucket>,
    /// How long a stretch is, such as `1h` or `1d`; the first and last may be cut off.
    pub step: &'static str,
    /// Rows in all stretches.
    pub total: u64,
    /// The range that was asked: at or after …
    pub from: Time,
    /// … and before.
    pub to: Time,
    /// The size of the tree that was asked.
    pub tree_size: u64,
}

/// How the next stretch follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rhythm {
    /// After so many seconds, whatever clocks do.
    Seconds(i64),
    /// After so many hours on the clock, the first at midnight.
    Hours(i8),
    Days,
    Weeks,
    Months,
    Years(i16),
}

/// Lengths that people read charts in, with their seconds (of months and years the most there are).
const STEPS: [(&str, Rhythm, i64); 16] = [
    ("1m", Rhythm::Seconds(60), 60),
    ("2m", Rhythm::Seconds(120), 120),
    ("5m", Rhythm::Seconds(300), 300),
    ("10m", Rhythm::Seconds(600), 600),
    ("15m", Rhythm::Seconds(900), 900),
    ("30m", Rhythm::Seconds(1800), 1800),
    ("1h", Rhythm::Seconds(3600), 3600),
    ("2h", Rhythm::Hours(2), 7200),
    ("3h", Rhythm::Hours(3), 10_800),
    ("6h", Rhythm::Hours(6), 21_600),
    ("12h", Rhythm::Hours(12), 43_200),
    ("1d", Rhythm::Days, 86_400),
    ("1w", Rhythm::Weeks, 604_800),
    ("1mo", Rhythm::Months, 2_678_400),
    ("1y", Rhythm::Years(1), 31_622_400),
    LONGEST,
];
const LONGEST: (&str, Rhythm, i64) = ("100y", Rhythm::Years(100), 3_162_240_000);

/// Stretches of time, aligned to a time zone's clock and calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    name: &'static str,
    starts: Vec<Time>,
}

impl Steps {
    /// Cuts a range into about `count` stretches (1 to [`BUCKETS_MAX`]) of one of the usual lengths, the
    /// first and last as the range begins and ends. Days begin at midnight in `zone`, also where the clocks change.
    pub fn of(from: Time, to: Time, zone: &TimeZone, count: usize) -> Self {
        let wanted = i64::try_from(count.clamp(1, BUCKETS_MAX)).unwrap_or(1);
        let seconds = to.as_ms().saturating_sub(from.as_ms()) / 1000;
        let (name, rhythm, _) =
            STEPS.into_iter().find(|(.., length)| seconds / length <= wanted).unwrap_or(LONGEST);
        let mut starts = vec![from];
        // Bounded in any case: no calendar may make this loop run on.
        for nth in 0..i64::try_from(BUCKETS_MAX).unwrap_or(i64::MAX) + 1 {
            match rhythm.start(from, zone, nth) {
                Some(start) if start >= to => break,
                Some(start) if starts.last().is_none_or(|last| start > *last) => starts.push(start),
                Some(_) => {}
                None => break,
            }
        }
        Self { name, starts }
    }
}

impl Rhythm {
    /// The `nth` start, counted from the last that is not after `from`.
    fn start(self, from: Time, zone: &TimeZone, nth: i64) -> Option<Time> {
        let instant = Timestamp::from_millisecond(from.as_ms()).ok()?;
        let local = zone.to_datetime(instant);
        let date = local.date();
        let at = |date: Date, span: Span| date.at(0, 0, 0, 0).checked_add(span).ok();
        let next: DateTime = match self {
            Self::Seconds(each) => {
                // Aligned to the clock on the wall: some zones are half an hour off.
                let since_midnight = i64::from(local.hour()) * 3600 + i64::from(local.minute()) * 60;
                let into = (since_midnight % each + i64::from(local.second())) * 1000
                    + from.as_ms().rem_euclid(1000);
                return Some(from.saturating_add_ms(nth * each * 1000 - into));
            }
            Self::Hours(each) => {
                let first = i64::from(local.hour() / each * each);
                at(date, Span::new().hours(first + nth * i64::from(each)))?
            }
            Self::Days => at(date, Span::new().days(nth))?,
            Self::Weeks => {
                let into = i64::from(date.weekday().to_monday_zero_offset());
                at(date, Span::new().days(nth * 7 - into))?
            }
            Self::Months => at(date.first_of_month(), Span::new().months(nth))?,
            Self::Years(each) => at(date.first_of_year(), Span::new().years(nth * i64::from(each)))?,
        };
        Time::from_ms(zone.to_timestamp(next).ok()?.as_millisecond()).ok()
    }
}

/// Successes, failures and others of each stretch.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    by_bucket: Vec<[u64; 3]>,
}

impl Counts {
    pub(crate) fn add(&mut self, batch: &RecordBatch, starts: &Arc<[i64]>) -> Result<(), QueryError> {
        let wrong = || StoreError::Corrupt("a record lacks its time or status".to_owned());
        let column = |name: &str| batch.column_by_name(name).ok_or_else(wrong);
        let times =
            column("occurred_at")?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
        let statuses = column("status")?.as_string_opt::<i32>().ok_or_else(wrong)?;
        self.by_bucket.resize(starts.len(), [0; 3]);
        for (row, time) in times.values().iter().enumerate() {
            let bucket = starts.partition_point(|start| start <= time).saturating_sub(1);
            let outcome = match statuses.value(row) {
                "success" => 0,
                "failure" => 1,
                _ => 2,
            };
            let slot = self.by_bucket.get_mut(bucket).and_then(|counts| counts.get_mut(outcome));
            *slot.ok_or_else(wrong)? += 1;
        }
        Ok(())
    }
}

impl Steps {
    /// The starts in microseconds, as the archive has times.
    pub(crate) fn micros(&self) -> Arc<[i64]> {
        self.starts.iter().map(|start| start.as_ms().saturating_mul(1000)).collect()
    }

    pub(crate) fn histogram(self, parts: Vec<Counts>, (from, to): (Time, Time), tree_size: u64) -> Histogram {
        let sum = |bucket: usize, outcome: usize| -> u64 {
            let counts = parts.iter().filter_map(|part| part.by_bucket.get(bucket));
            counts.filter_map(|counts| counts.get(outcome)).sum()
        };
        let bucket =
            |(at, start)| Bucket { start, success: sum(at, 0), failure: sum(at, 1), other: sum(at, 2) };
        let buckets: Vec<Bucket> = self.starts.iter().copied().enumerate().map(bucket).collect();
        let total = buckets.iter().map(|bucket| bucket.success + bucket.failure + bucket.other).sum();
        Histogram { buckets, step: self.name, total, from, to, tree_size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        Time::parse_rfc3339(text).unwrap()
    }

    fn steps(from: &str, to: &str, zone: &str, count: usize) -> (&'static str, Vec<String>) {
        let zone = TimeZone::get(zone).unwrap();
        let steps = Steps::of(time(from), time(to), &zone, count);
        let starts = steps.starts.iter().map(|start| start.to_string().replace(":00.000Z", "")).collect();
        (steps.name, starts)
    }

    #[test]
    fn stretches_begin_where_clocks_and_calendars_do() {
        let (name, starts) = steps("2026-11-24T07:30:00Z", "2026-11-24T12:00:00Z", "UTC", 6);
        assert_eq!(name, "1h");
        assert_eq!(starts[..3], ["2026-11-24T07:30", "2026-11-24T08:00", "2026-11-24T09:00"]);
        // Days of Vienna, over the end of summer time: the 25th has 25 hours.
        let (name, starts) = steps("2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z", "Europe/Vienna", 4);
        assert_eq!(name, "1d");
        assert_eq!(starts, ["2026-10-23T22:00", "2026-10-24T22:00", "2026-10-25T23:00"]);
        let (name, starts) = steps("2026-11-04T00:00:00Z", "2026-11-24T00:00:00Z", "UTC", 4);
        assert_eq!((name, starts[1].as_str()), ("1w", "2026-11-09T00:00"));
        let (name, starts) = steps("2025-11-24T00:00:00Z", "2026-11-24T00:00:00Z", "UTC", 12);
        assert_eq!((name, starts.len(), starts[1].as_str()), ("1mo", 13, "2025-12-01T00:00"));
        let (name, starts) = steps("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "Europe/Vienna", 4);
        assert_eq!((name, starts[1].as_str()), ("6h", "2026-03-29T04:00"));
        let (name, starts) = steps("2026-11-24T00:10:05Z", "2026-11-24T04:00:00Z", "Asia/Kolkata", 6);
        assert_eq!((name, starts[1].as_str()), ("1h", "2026-11-24T00:30"));
        let (name, starts) = steps("2000-01-01T00:00:00Z", "2026-11-24T00:00:00Z", "UTC", 96);
        assert_eq!((name, starts.len()), ("1y", 27));
    }

    #[test]
    fn no_range_has_too_many_stretches() {
        for (from, to) in [
            ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
            ("2026-11-24T00:00:00Z", "2026-11-24T00:00:01Z"),
            ("1969-12-31T23:59:59Z", "1970-01-01T00:00:01Z"),
        ] {
            for count in [1, 7, 96, 400, 100_000] {
                let zone = TimeZone::get("America/St_Johns").unwrap();
                let steps = Steps::of(time(from), time(to), &zone, count);
                assert!((1..=BUCKETS_MAX + 1).contains(&steps.starts.len()), "{from} {count}");
                assert!(steps.starts.is_sorted_by(|a, b| a < b), "{:?}", steps.starts);
                assert_eq!(steps.starts[0], time(from));
            }
        }
    }
}
