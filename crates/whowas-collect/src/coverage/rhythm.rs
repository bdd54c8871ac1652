//! A source's own rhythm: how much came at the same hours of the weeks before.
//!
//! There is none before the first week is over, and no alarm by it.

use whowas_event::Time;

use super::{DAY_MS, ledger::Window};

/// Weeks that are looked back at.
const WEEKS: i64 = 4;
const WEEK_MS: i64 = 7 * DAY_MS;
/// An answer without records is suspicious where so many were usual. By chance it would be one in 3,000.
const EXPECTED_MIN: u64 = 8;
/// A source is silent when so many records would have been usual since its last one.
const SILENT_MIN: u64 = 20;

/// A source that says less than it usually does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Silence {
    /// Its last record's time.
    pub since: Time,
    /// How many records would have been usual since then.
    pub expected: u64,
}

/// How many records are usual in `[from, to)`: the median of the same time in the weeks before.
pub(crate) fn expected(windows: &[Window], from: Time, to: Time) -> Option<u64> {
    let mut counts: Vec<u64> = (1..=WEEKS)
        .filter_map(|weeks| {
            let earlier = |time: Time| time.saturating_add_ms(-weeks * WEEK_MS);
            let (from, to) = (earlier(from), earlier(to));
            let first = windows.partition_point(|window| window.from < from);
            let last = windows.partition_point(|window| window.from < to);
            let there = windows.get(first..last).filter(|there| !there.is_empty())?;
            Some(there.iter().map(|window| window.known.ids).sum())
        })
        .collect();
    counts.sort_unstable();
    // Of two in the middle the smaller: no alarm on half of the evidence.
    counts.get(counts.len().saturating_sub(1) / 2).copied()
}

/// Whether nothing at all in `[from, to)` would be unusual.
pub fn is_emptiness_suspicious(windows: &[Window], from: Time, to: Time) -> bool {
    expected(windows, from, to).is_some_and(|expected| expected >= EXPECTED_MIN)
}

/// Whether a source has been silent for longer than its rhythm explains.
pub(crate) fn silence(windows: &[Window], last_occurred_at: Time, now: Time) -> Option<Silence> {
    // A pause of weeks is judged by its first one.
    let until = now.min(last_occurred_at.saturating_add_ms(WEEK_MS));
    let expected = expected(windows, last_occurred_at.saturating_add_ms(1), until)?;
    (expected >= SILENT_MIN).then_some(Silence { since: last_occurred_at, expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::{
        HOUR_MS, Terms,
        ledger::{Closing, Known},
    };

    /// Hourly windows of three weeks from Monday 2 November 2026: 10 records each from 8 to 17 on weekdays.
    fn weeks() -> Vec<Window> {
        let begin = Time::parse_rfc3339("2026-11-02T00:00:00Z").unwrap();
        (0..3 * 7 * 24)
            .map(|hour| {
                let from = begin.saturating_add_ms(hour * HOUR_MS);
                let mut known = Known::new(Closing::Passes, &Terms::default());
                known.ids = if hour / 24 % 7 < 5 && (8..18).contains(&(hour % 24)) { 10 } else { 0 };
                Window { from, to: from.saturating_add_ms(HOUR_MS), known }
            })
            .collect()
    }

    #[test]
    fn nights_and_weekends_are_quiet_and_working_hours_are_not() {
        let at = |text: &str| Time::parse_rfc3339(text).unwrap();
        let suspicious = |from: &str, to: &str| is_emptiness_suspicious(&weeks(), at(from), at(to));
        assert!(suspicious("2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z"));
        assert!(!suspicious("2026-11-23T20:00:00Z", "2026-11-23T21:00:00Z"));
        assert!(!suspicious("2026-11-21T09:00:00Z", "2026-11-21T10:00:00Z"));
        // Nothing is known of the week before the first.
        assert!(!suspicious("2026-11-02T09:00:00Z", "2026-11-02T10:00:00Z"));
        let silent = |last: &str, now: &str| silence(&weeks(), at(last), at(now)).map(|one| one.expected);
        assert_eq!(silent("2026-11-23T08:30:00Z", "2026-11-23T12:00:00Z"), Some(30));
        assert_eq!(silent("2026-11-23T08:30:00Z", "2026-11-23T10:30:00Z"), Some(20));
        assert_eq!(silent("2026-11-20T17:30:00Z", "2026-11-23T07:00:00Z"), None);
    }
}
