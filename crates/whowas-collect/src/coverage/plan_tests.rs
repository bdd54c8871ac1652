//! The planner against sources that are late and processes that stop, in simulated time.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::coverage::{DAY_MS, IdSet, Pass, report};

const T0: i64 = 1_790_000_000_000 / DAY_MS * DAY_MS;

fn at(ms: i64) -> Time {
    Time::from_ms(T0 + ms).unwrap()
}

fn rhythm(retention_days: i64) -> Rhythm {
    let terms =
        Terms { retention_ms: Some(retention_days * DAY_MS), late_ms: 3 * DAY_MS, settle_ms: 12 * HOUR_MS };
    Rhythm::new(6 * HOUR_MS, 2 * MINUTE_MS, 30 * MINUTE_MS, terms)
}

#[derive(Clone, Debug)]
struct Row {
    id: String,
    occurred_at: Time,
    arrives_at: Time,
}

/// Follows the plan from `T0` on, with pauses in which nothing runs; what was read, and the ledger.
fn follow(
    rhythm: &Rhythm,
    rows: &[Row],
    pauses: &[(i64, i64)],
    until: Time,
) -> (Ledger, BTreeSet<String>, u64) {
    let (mut ledger, mut read, mut passes) = (Ledger::default(), BTreeSet::new(), 0);
    let (mut now, mut last_fast_at) = (at(0), None);
    while now < until {
        if let Some((_, end)) = pauses.iter().find(|(from, to)| (at(*from)..at(*to)).contains(&now)) {
            now = at(*end);
        }
        match next(rhythm, &ledger, last_fast_at, &Limits::default(), now) {
            Plan::Wait(later) => {
                assert!(later > now, "waits for {later} at {now}");
                now = later;
            }
            Plan::Pass(kind, from, to) => {
                passes += 1;
                if kind == PassKind::Fast {
                    last_fast_at = Some(now);
                }
                let retention = rhythm.terms.retention_ms.unwrap();
                let there = rows.iter().filter(|row| {
                    row.arrives_at <= now
                        && (from..to).contains(&row.occurred_at)
                        && row.occurred_at > now.saturating_add_ms(-retention)
                });
                let (mut ids, mut recorded) = (IdSet::default(), 0);
                for row in there {
                    ids.insert(&row.id);
                    recorded += u64::from(read.insert(row.id.clone()));
                }
                let pass = Pass::new("s", "", kind, (from, to), now);
                ledger.apply(&Pass {
                    terms: rhythm.terms,
                    ids: ids.len() as u64,
                    digest: ids.digest(),
                    recorded,
                    ..pass
                });
                now = now.saturating_add_ms(2000);
            }
        }
    }
    (ledger, read, passes)
}

#[test]
fn a_source_that_behaves_is_closed_all_along() {
    let rhythm = rhythm(30);
    let (ledger, _, passes) = follow(&rhythm, &[], &[], at(20 * DAY_MS));
    let now = at(20 * DAY_MS);
    let report = report::stream(("s", ""), &ledger, (at(-90 * DAY_MS), now), now);
    let states: Vec<_> = report.intervals.iter().map(|one| one.state).collect();
    assert_eq!(states, [State::Closed, State::Open], "{report:#?}");
    let open = now.as_ms() - report.intervals[1].from.as_ms();
    assert!((3 * DAY_MS..4 * DAY_MS).contains(&open), "open for {open} ms");
    // 48 fast passes a day, and five over each of the four windows of a day and of the 29 days before.
    assert!((1500..1900).contains(&passes), "{passes} passes");
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_the_source_for_long() {
    let rhythm = rhythm(30);
    let (ledger, ..) = follow(&rhythm, &[], &[], at(DAY_MS));
    let back = at(DAY_MS - 5 * HOUR_MS);
    match next(&rhythm, &ledger, Some(at(DAY_MS)), &Limits::default(), back) {
        Plan::Wait(later) => assert!(later <= at(DAY_MS + HOUR_MS), "{later}"),
        Plan::Pass(..) => {}
    }
}

#[test]
fn wide_windows_are_read_in_parts_where_the_source_does_not_answer_them() {
    let rhythm = rhythm(30);
    let mut limits = Limits::default();
    let Plan::Pass(kind, from, to) = next(&rhythm, &Ledger::default(), None, &limits, at(0)) else {
        panic!("nothing to do")
    };
    limits.narrow(from, HOUR_MS);
    let Plan::Pass(_, same, half) = next(&rhythm, &Ledger::default(), None, &limits, at(0)) else {
        panic!("nothing to do")
    };
    assert_eq!((same, half.as_ms() - from.as_ms(), to > half), (from, HOUR_MS, true), "{kind:?}");
    // A window that was read once and has grown is read in parts, too, and only that one.
    let mut ledger = Ledger::default();
    for slot in 0..2 {
        let range = (at(slot * 6 * HOUR_MS), at((slot + 1) * 6 * HOUR_MS));
        ledger.apply(&Pass { terms: rhythm.terms, ..Pass::new("s", "", PassKind::Window, range, range.1) });
    }
    limits.narrow(at(0), HOUR_MS);
    let due = due_windows(&rhythm, &ledger, at(0), &limits, at(DAY_MS));
    let first: Vec<_> = due.iter().filter(|due| due.to <= at(6 * HOUR_MS)).map(|due| due.to).collect();
    assert_eq!(first, [at(HOUR_MS), at(6 * HOUR_MS)], "{due:?}");
    assert_eq!(due.iter().filter(|due| due.from == at(6 * HOUR_MS)).count(), 1, "{due:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever is late, and however long nothing runs: what is not here is in an interval that says so.
    #[test]
    fn nothing_is_missing_silently(
        rows in vec((0_i64..9 * DAY_MS, 0_i64..3 * DAY_MS), 0..60),
        pauses in vec((0_i64..12 * DAY_MS, 0_i64..9 * DAY_MS), 0..3),
        retention_days in 6_i64..9,
    ) {
        let rows: Vec<Row> = rows
            .into_iter()
            .enumerate()
            .map(|(n, (occurred, late))| Row {
                id: n.to_string(),
                occurred_at: at(occurred),
                arrives_at: at(occurred + late),
            })
            .collect();
        let pauses: Vec<_> = pauses.into_iter().map(|(from, length)| (from, from + length)).collect();
        let rhythm = rhythm(retention_days);
        let now = at(16 * DAY_MS);
        let (ledger, read, _) = follow(&rhythm, &rows, &pauses, now);
        prop_assert!(ledger.windows.windows(2).all(|pair| pair[0].to <= pair[1].from), "an overlap");
        let report = report::stream(("s", ""), &ledger, (at(-90 * DAY_MS), now), now);
        prop_assert!(report.intervals.windows(2).all(|pair| pair[0].to == pair[1].from), "a hole");
        for row in rows.iter().filter(|row| !read.contains(&row.id)) {
            let state = report
                .intervals
                .iter()
                .find(|one| (one.from..one.to).contains(&row.occurred_at))
                .map(|one| one.state);
            prop_assert!(matches!(state, Some(State::Lost | State::AtRisk | State::Open)), "{row:?} is missing from {state:?}");
        }
        if pauses.is_empty() {
            prop_assert_eq!(read.len(), rows.len());
            prop_assert_eq!(report.worst(), State::Open);
        }
    }
}
