//! What people are told about a ledger.

use super::*;
use crate::coverage::{DAY_MS, Pass, PassKind, Terms};

fn day(days: i64) -> Time {
    Time::from_ms(1_790_000_000_000 + days * DAY_MS).unwrap()
}

#[test]
fn time_that_was_never_asked_for_is_open_then_at_risk_then_lost() {
    let terms = Terms { retention_ms: Some(8 * DAY_MS), late_ms: 0, settle_ms: DAY_MS };
    let mut ledger = Ledger::default();
    for (from, at) in [(0, 1), (0, 3), (1, 2), (1, 3)] {
        let pass = Pass::new("s", "", PassKind::Window, (day(from), day(from + 1)), day(at));
        ledger.apply(&Pass { terms, ids: 2, ..pass });
    }
    let states = |now| {
        let report = stream(("s", ""), &ledger, (day(0), day(99)), day(now));
        report.intervals.iter().map(|one| (one.from, one.state, one.windows)).collect::<Vec<_>>()
    };
    assert_eq!(states(3), [(day(0), State::Closed, 2), (day(2), State::Open, 0)]);
    assert_eq!(states(9), [(day(0), State::Closed, 2), (day(2), State::AtRisk, 0), (day(3), State::Open, 0)]);
    assert_eq!(
        states(12),
        [
            (day(0), State::Closed, 2),
            (day(2), State::Lost, 0),
            (day(4), State::AtRisk, 0),
            (day(6), State::Open, 0)
        ]
    );
    let report = stream(("s", ""), &ledger, (day(0), day(99)), day(9));
    assert_eq!((report.intervals[1].lost_at, report.intervals[0].ids), (Some(day(10)), 4));
    assert_eq!(report.worst(), State::AtRisk);
}

#[test]
fn between_files_time_is_open_and_behind_the_last_one_nothing_is_claimed() {
    let mut ledger = Ledger::default();
    for from in [0, 10] {
        ledger.apply(&Pass::new("s", "files", PassKind::File, (day(from), day(from + 5)), day(20)));
    }
    let report = stream(("s", "files"), &ledger, (day(0), day(99)), day(90));
    let states: Vec<_> = report.intervals.iter().map(|one| (one.from, one.to, one.state)).collect();
    assert_eq!(
        states,
        [(day(0), day(5), State::Closed), (day(5), day(10), State::Open), (day(10), day(15), State::Closed)]
    );
    assert_eq!(stream(("s", ""), &Ledger::default(), (day(0), day(1)), day(1)).intervals, []);
}
