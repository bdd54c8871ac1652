//! What passes make of windows.

use super::*;
use crate::coverage::{IdSet, rebuild, stored};

const T0: i64 = 1_790_000_000_000 / HOUR_MS * HOUR_MS;
const TERMS: Terms =
    Terms { retention_ms: Some(7 * 24 * HOUR_MS), late_ms: 3 * 24 * HOUR_MS, settle_ms: 12 * HOUR_MS };

fn hour(hours: i64) -> Time {
    Time::from_ms(T0 + hours * HOUR_MS).unwrap()
}

fn pass(kind: PassKind, (from, to): (i64, i64), at: i64, ids: &[&str]) -> Pass {
    let mut set = IdSet::default();
    ids.iter().for_each(|id| {
        set.insert(id);
    });
    Pass {
        terms: TERMS,
        ids: set.len() as u64,
        digest: set.digest(),
        ..Pass::new("s", "t", kind, (hour(from), hour(to)), hour(at))
    }
}

fn states(ledger: &Ledger, now: i64) -> Vec<(i64, i64, State)> {
    let hours = |time: Time| (time.as_ms() - T0) / HOUR_MS;
    let state = |window: &Window| (hours(window.from), hours(window.to), window.state(hour(now)));
    ledger.windows.iter().map(state).collect()
}

fn after(passes: &[Pass]) -> Ledger {
    let mut ledger = Ledger::default();
    for pass in passes {
        ledger.apply(pass);
    }
    ledger
}

#[test]
fn a_window_closes_when_two_passes_far_apart_agree_and_nothing_can_come_any_more() {
    use State::{AtRisk, Closed, Lost, Open};
    let window = |at, ids: &[&str]| pass(PassKind::Window, (0, 1), at, ids);
    for (passes, now, want) in [
        (vec![], 0, None),
        (vec![window(2, &["a"])], 3, Some(Open)),
        // They agree, but the source may still add records.
        (vec![window(2, &["a"]), window(30, &["a"])], 31, Some(Open)),
        (vec![window(2, &["a"]), window(74, &["a"])], 75, Some(Open)),
        (vec![window(2, &["a"]), window(74, &["a"]), window(90, &["a"])], 91, Some(Closed)),
        // Too near to each other, or different.
        (vec![window(74, &["a"]), window(75, &["a"])], 76, Some(Open)),
        (vec![window(74, &["a"]), window(90, &["b"])], 91, Some(Open)),
        // Both are short of what was seen once.
        (vec![window(30, &["a", "b"]), window(80, &["a"]), window(100, &["a"])], 101, Some(Open)),
        (vec![window(2, &["a"]), window(80, &["a", "b"]), window(100, &["a", "b"])], 101, Some(Closed)),
        // The retention of seven days is 168 hours; the last quarter begins after 126.
        (vec![window(2, &["a"])], 127, Some(AtRisk)),
        (vec![window(2, &["a"])], 169, Some(Lost)),
        (vec![window(74, &["a"]), window(90, &["a"])], 900, Some(Closed)),
        // What the source has begun to forget confirms nothing.
        (vec![window(2, &[]), window(169, &[])], 170, Some(Lost)),
        (vec![pass(PassKind::Cursor, (0, 1), 1, &["a"])], 900, Some(Closed)),
        (vec![pass(PassKind::Fast, (0, 1), 1, &["a"])], 1, None),
    ] {
        let ledger = after(&passes);
        assert_eq!(states(&ledger, now).first().map(|one| one.2), want, "{passes:#?}");
    }
}

#[test]
fn nothing_where_much_was_usual_needs_a_third_pass() {
    let empty = |at| Pass { is_suspicious: true, ..pass(PassKind::Window, (0, 1), at, &[]) };
    assert_eq!(after(&[empty(74), empty(90)]).windows[0].known.closed_at, None);
    assert_eq!(after(&[empty(74), empty(90), empty(110)]).windows[0].known.closed_at, Some(hour(110)));
}

#[test]
fn news_in_a_closed_window_opens_it_again() {
    let (first, second) =
        (pass(PassKind::Window, (0, 1), 74, &["a"]), pass(PassKind::Window, (0, 1), 90, &["a"]));
    let late = Pass { recorded: 1, ..pass(PassKind::Window, (0, 1), 140, &["a", "b"]) };
    let matured = Pass { recorded: 1, revised: 1, ..pass(PassKind::Window, (0, 1), 140, &["a"]) };
    let opened = after(&[first.clone(), second.clone(), late]).windows.remove(0).known;
    assert_eq!((opened.closed_at, opened.reopened, opened.is_final), (None, 1, false));
    let revised = after(&[first, second, matured]).windows.remove(0).known;
    assert_eq!((revised.closed_at.is_some(), revised.reopened), (true, 0));
}

#[test]
fn a_window_that_is_read_in_parts_becomes_its_parts() {
    use State::{Closed, Open};
    let ledger = after(&[
        pass(PassKind::Window, (0, 4), 5, &["a"]),
        pass(PassKind::Window, (0, 2), 80, &["a"]),
        pass(PassKind::Window, (0, 2), 95, &["a"]),
    ]);
    assert_eq!(states(&ledger, 96), [(0, 2, Closed), (2, 4, Open)]);
    assert_eq!(ledger.windows[1].known.readings, []);
    // In the middle, over two windows, and beyond both.
    let ledger = after(&[
        pass(PassKind::Window, (0, 4), 5, &[]),
        pass(PassKind::Window, (4, 8), 9, &[]),
        pass(PassKind::Window, (2, 6), 9, &[]),
        pass(PassKind::Window, (7, 9), 9, &[]),
    ]);
    let ranges: Vec<_> = states(&ledger, 10).into_iter().map(|(from, to, _)| (from, to)).collect();
    assert_eq!(ranges, [(0, 2), (2, 6), (6, 7), (7, 9)]);
}

#[test]
fn files_cover_their_time_once_and_a_truncated_one_does_not() {
    use State::{Closed, Open};
    let file = |range, ids: &[&str]| pass(PassKind::File, range, 500, ids);
    let truncated = Pass { is_complete: false, ..file((10, 20), &["x"]) };
    let endless = |mut pass: Pass| {
        pass.terms = Terms::default();
        pass
    };
    let passes: Vec<Pass> =
        [file((0, 8), &["a"]), file((4, 12), &["b"]), truncated.clone()].map(endless).into();
    let ledger = after(&passes);
    assert_eq!(states(&ledger, 600), [(0, 8, Closed), (8, 12, Closed), (12, 20, Open)]);
    let ledger = after(&[passes, [file((11, 16), &["c"])].map(endless).into()].concat());
    assert_eq!(states(&ledger, 600), [(0, 8, Closed), (8, 12, Closed), (12, 16, Closed), (16, 20, Open)]);
    assert_eq!(ledger.windows.iter().map(|window| window.known.ids).sum::<u64>(), 4);
}

#[test]
fn cursors_cover_hours_and_failures_cover_nothing() {
    let ledger = after(&[
        pass(PassKind::Cursor, (0, 1), 1, &["a"]),
        pass(PassKind::Cursor, (1, 3), 3, &["b"]),
        Pass {
            is_complete: false,
            failure: Some("HTTP 503".into()),
            ..pass(PassKind::Cursor, (3, 4), 4, &[])
        },
    ]);
    assert_eq!(states(&ledger, 5).len(), 2);
    let summary = ledger.summary.clone().unwrap();
    assert_eq!((summary.read_to, summary.failing_since), (hour(3), Some(hour(4))));
    let minutes: Vec<Pass> = (0..180)
        .map(|minute| {
            let at = |minutes: i64| Time::from_ms(T0 + minutes * 60_000).unwrap();
            Pass::new("s", "", PassKind::Cursor, (at(minute), at(minute + 1)), at(minute + 1))
        })
        .collect();
    assert_eq!(after(&minutes).windows.len(), 3, "one for each hour");
}

#[test]
fn datagrams_that_were_lost_are_lost_at_once() {
    let body = r#"{"complete":false,"dropped":7,"first_occurred_at":"2026-11-01T00:00:00Z","last_occurred_at":"2026-11-01T00:01:00Z","receiver":"udp","source":"syslog"}"#;
    let pass = Pass::from_body(body, Time::parse_rfc3339("2026-11-01T00:01:00Z").unwrap()).unwrap();
    let ledger = after(std::slice::from_ref(&pass));
    assert_eq!((pass.stream.as_str(), ledger.windows[0].state(pass.at)), ("received", State::Lost));
    assert_eq!(ledger.summary.unwrap().failing_since, None);
}

#[test]
fn the_trail_alone_gives_the_same_ledger() {
    let passes = [
        pass(PassKind::Fast, (0, 1), 1, &["a"]),
        pass(PassKind::Window, (0, 1), 2, &["a"]),
        pass(PassKind::Window, (0, 1), 74, &["a"]),
        pass(PassKind::Window, (1, 2), 74, &[]),
    ];
    let bodies: Vec<(Time, String)> =
        passes.iter().map(|pass| (pass.at, pass.to_body().to_string())).collect();
    let rebuilt = rebuild(bodies.iter().map(|(at, body)| (*at, body.as_str())));
    let ledger = after(&passes);
    assert_eq!(rebuilt, [stored(("s", "t"), &ledger, Some((hour(0), hour(2))), None)]);
    let change = rebuilt[0].coverage.clone().unwrap();
    let known: Vec<Known> =
        change.windows.iter().map(|window| serde_json::from_str(&window.entry).unwrap()).collect();
    assert_eq!(known, ledger.windows.iter().map(|window| window.known.clone()).collect::<Vec<_>>());
}
