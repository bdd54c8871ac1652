//! Tests of windows: tables, and contiguity whatever the settings become.

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Time {
    Time::parse_rfc3339(text).unwrap()
}

fn schedule(begin: &str, every: &str) -> Schedule {
    Schedule {
        name: "weekly".into(),
        begin: at(begin),
        every: Every::parse(every).unwrap(),
        settle_ms: 0,
        latest_ms: 5 * DAY_MS,
        verify_ms: 30 * DAY_MS,
    }
}

#[test]
fn windows_begin_where_the_last_one_ended() {
    let check = |begin: &str, every: &str, last_end: Option<&str>, from: &str, to: &str| {
        let window = schedule(begin, every).next(last_end.map(at));
        assert_eq!((window.from, window.to), (at(from), at(to)), "{begin} {every} {last_end:?}");
    };
    let monday = "2026-11-02T00:00:00Z";
    check(monday, "7d", None, monday, "2026-11-09T00:00:00Z");
    check(monday, "1w", Some("2026-11-09T00:00:00Z"), "2026-11-09T00:00:00Z", "2026-11-16T00:00:00Z");
    // The schedule was another one before: the next window is shorter or longer, and nothing is left out.
    check(monday, "1d", Some("2026-11-09T00:00:00Z"), "2026-11-09T00:00:00Z", "2026-11-10T00:00:00Z");
    check(
        "2026-11-04T00:00:00Z",
        "7d",
        Some("2026-11-09T00:00:00Z"),
        "2026-11-09T00:00:00Z",
        "2026-11-11T00:00:00Z",
    );
    check(
        "2027-01-04T00:00:00Z",
        "7d",
        Some("2026-11-09T00:00:00Z"),
        "2026-11-09T00:00:00Z",
        "2026-11-16T00:00:00Z",
    );
    // Months, also from a day that not every month has.
    check("2026-01-01T00:00:00Z", "1m", None, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    check("2026-01-31T06:00:00Z", "1m", None, "2026-01-31T06:00:00Z", "2026-02-28T06:00:00Z");
    check(
        "2026-01-31T06:00:00Z",
        "1m",
        Some("2026-02-28T06:00:00Z"),
        "2026-02-28T06:00:00Z",
        "2026-03-31T06:00:00Z",
    );
    check(
        "2026-11-01T00:00:00Z",
        "3m",
        Some("2026-11-15T00:00:00Z"),
        "2026-11-15T00:00:00Z",
        "2027-02-01T00:00:00Z",
    );
    for wrong in ["", "d", "0d", "7", "7h", "-1d", "367d", "13m", "99999999999d", "4294967295w", "é"] {
        assert!(Every::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_window_waits_until_it_is_covered_or_can_wait_no_longer() {
    let schedule = schedule("2026-11-02T00:00:00Z", "7d");
    let window = schedule.next(None);
    let check = |kept: &Kept, covered: Covered, now: &str, want: Todo| {
        assert_eq!(decide(&schedule, window, kept, || covered, at(now)), want, "{kept:?} {covered:?} {now}");
    };
    let none = Kept::default();
    let (end, latest) = (at("2026-11-09T00:00:00Z"), at("2026-11-14T00:00:00Z"));
    check(&none, Covered::Closed, "2026-11-08T23:59:59Z", Todo::Wait(end));
    check(&none, Covered::Closed, "2026-11-09T00:00:00Z", Todo::Export);
    check(&none, Covered::Open, "2026-11-09T00:00:00Z", Todo::Wait(latest));
    check(&none, Covered::Lost, "2026-11-09T00:00:00Z", Todo::Export);
    check(&none, Covered::Open, "2026-11-14T00:00:00Z", Todo::Export);
    // Somebody wants it at once: only once it is over, and not while it pauses after a failure.
    let mut wanted = Kept { wanted_at: Some(at("2026-11-08T00:00:00Z")), ..Kept::default() };
    check(&wanted, Covered::Open, "2026-11-08T23:59:59Z", Todo::Wait(end));
    check(&wanted, Covered::Open, "2026-11-09T00:00:00Z", Todo::Export);
    wanted.failed("no room".into(), at("2026-11-09T00:00:00Z"));
    check(&wanted, Covered::Open, "2026-11-09T00:00:59Z", Todo::Wait(at("2026-11-09T00:01:00Z")));
    check(&wanted, Covered::Open, "2026-11-09T00:01:00Z", Todo::Export);
    wanted.succeeded();
    assert_eq!(wanted, none);
    let mut failed = none.clone();
    failed.failed("no room".into(), at("2026-11-09T00:00:00Z"));
    check(&failed, Covered::Closed, "2026-11-09T00:00:59Z", Todo::Wait(at("2026-11-09T00:01:00Z")));
    check(&failed, Covered::Closed, "2026-11-09T00:01:00Z", Todo::Export);
    for _ in 0..40 {
        failed.failed("no room".into(), at("2026-11-09T00:00:00Z"));
    }
    check(&failed, Covered::Closed, "2026-11-09T05:59:59Z", Todo::Wait(at("2026-11-09T06:00:00Z")));
    let done = Done {
        at: at("2026-11-09T00:00:00Z"),
        covered: Covered::Closed,
        rows: 1,
        late_rows: 0,
        tree_size: 1,
        location: String::new(),
        sha256: String::new(),
        position: None,
    };
    let mut kept = Kept { done: Some(done), ..Kept::default() };
    check(&kept, Covered::Open, "2026-11-09T00:00:00Z", Todo::Verify);
    assert_eq!(State::of(window, &kept, at("2026-11-09T00:00:00Z")), State::Done);
    kept.verified_at = Some(at("2026-11-09T01:00:00Z"));
    check(&kept, Covered::Open, "2026-11-10T00:00:00Z", Todo::Wait(at("2026-12-09T01:00:00Z")));
    check(&kept, Covered::Open, "2026-12-09T01:00:00Z", Todo::Verify);
    assert_eq!(State::of(window, &kept, at("2026-11-09T00:00:00Z")), State::Verified);
    kept.broken = Some("another size".into());
    assert_eq!(State::of(window, &kept, at("2026-11-09T00:00:00Z")), State::Failed);
}

proptest! {
    #[test]
    fn windows_are_contiguous_whatever_the_settings_become(
        begins in proptest::collection::vec(0_i64..4_000_000_000_000, 1..8),
        lengths in proptest::collection::vec((1_u32..=12, any::<bool>()), 1..8),
    ) {
        let mut last_end = None;
        for (count, begin) in begins.iter().cycle().take(40).enumerate() {
            let (length, is_months) = lengths[count % lengths.len()];
            let every = if is_months { Every::Months(length) } else { Every::Days(length) };
            let begin = Time::from_ms(*begin).unwrap();
            let schedule = Schedule { name: "s".into(), begin, every, settle_ms: 0, latest_ms: 0, verify_ms: 1 };
            let window = schedule.next(last_end);
            prop_assert!(window.from < window.to);
            prop_assert_eq!(window.from, last_end.unwrap_or(begin));
            // At most one length: nothing waits longer than it was promised.
            let longest = i64::from(length) * if is_months { 31 } else { 1 } * DAY_MS;
            prop_assert!(window.to.as_ms() - window.from.as_ms() <= longest);
            last_end = Some(window.to);
        }
    }
}
