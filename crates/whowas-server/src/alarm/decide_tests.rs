//! Tables of what is so and what is raised.

use whowas_collect::coverage::Silence;

use super::*;

const DAY_MS: i64 = 86_400_000;

fn day(days: i64) -> Time {
    Time::from_ms(days * DAY_MS).unwrap()
}

fn interval(from: i64, to: i64, state: Coverage, lost_at: Option<i64>) -> Interval {
    Interval {
        from: day(from),
        to: day(to),
        state,
        ids: 1,
        digest: None,
        windows: 1,
        passes: 1,
        reopened: 0,
        lost_at: lost_at.map(day),
    }
}

fn stream(stream: &str, intervals: Vec<Interval>) -> StreamReport {
    StreamReport {
        source: "entra".into(),
        stream: stream.into(),
        last_pass_at: None,
        last_occurred_at: None,
        failing_since: None,
        failure: None,
        silence: None,
        retention_s: None,
        intervals,
        is_cut: false,
    }
}

/// The events of one stream on day 100, of which the ledger was looked at from day 10 on.
fn check(rule: &Rule, streams: &[StreamReport], stopped: Option<bool>, want: &[&str]) {
    let facts = Facts { streams, begin: day(10), schedules: &[], stopped, now: day(100) };
    let got: Vec<_> = conditions(rule, &facts).into_keys().collect();
    assert_eq!(got, want, "{rule:?} {streams:?}");
}

#[test]
fn what_is_so_is_an_event_of_its_kind() {
    use Coverage::{AtRisk, Closed, Lost, Open};
    let any = Rule::default();
    let one = |state, lost_at| [stream("interactive", vec![interval(90, 91, state, lost_at)])];
    check(&any, &one(Closed, None), None, &[]);
    check(&any, &one(Open, Some(102)), None, &[]);
    check(&any, &one(AtRisk, Some(102)), None, &["at_risk:entra · interactive"]);
    check(&any, &one(Lost, Some(99)), None, &["lost:entra · interactive:7776000000"]);
    check(&any, &[], Some(true), &["outage:"]);
    // Earlier than the ledger says it.
    let early = |days: i64| Rule { before_ms: Some(days * DAY_MS), ..Rule::default() };
    check(&early(1), &one(Open, Some(102)), None, &[]);
    check(&early(2), &one(Open, Some(102)), None, &["at_risk:entra · interactive"]);
    check(&early(9), &one(Open, None), None, &[]);
    check(&early(9), &one(Closed, Some(101)), None, &[]);
    // Of files there is no end known; one that ended in the middle has a window.
    let file = [stream(FILES, vec![interval(90, 91, Open, None)])];
    check(&any, &file, None, &["truncated:entra · files:7776000000"]);
    let hole = [stream(FILES, vec![Interval { windows: 0, ..interval(90, 91, Open, None) }])];
    check(&any, &hole, None, &[]);
    // What begins before the ledger was looked at was told.
    check(&any, &[stream("", vec![interval(10, 91, Lost, Some(20))])], None, &[]);
    let silent =
        StreamReport { silence: Some(Silence { since: day(98), expected: 40 }), ..stream("", vec![]) };
    check(&any, &[silent], None, &["silence:entra"]);
}

#[test]
fn rules_choose() {
    let lost = [stream("", vec![interval(90, 91, Coverage::Lost, Some(95))])];
    let rule = |sources: &[&str], kinds: &[AlarmKind]| Rule {
        sources: sources.iter().map(|source| (*source).to_owned()).collect(),
        kinds: kinds.to_vec(),
        ..Rule::default()
    };
    check(&rule(&["okta"], &[]), &lost, None, &[]);
    check(&rule(&["okta"], &[]), &lost, Some(false), &["outage:"]);
    check(&rule(&["entra"], &[]), &lost, None, &["lost:entra:7776000000"]);
    check(&rule(&[], &[AlarmKind::Silence, AlarmKind::AtRisk]), &lost, Some(false), &[]);
    for kind in AlarmKind::ALL {
        assert_eq!(AlarmKind::from_word(kind.as_str()), Some(kind));
    }
    let named = Rule { environments: vec!["a/b".parse().unwrap()], ..Rule::default() };
    assert!(named.is_for(&"a/b".parse().unwrap()) && !named.is_for(&"a/c".parse().unwrap()));
}

/// Applies what is decided, as the shell does.
fn step(known: &mut BTreeMap<String, Alarm>, now_so: &[Condition], now: Time) -> Vec<String> {
    let now_so = now_so.iter().map(|one| (one.event(), one.clone())).collect();
    let mut said = Vec::new();
    for change in decide(known, &now_so, day(10), now) {
        match change {
            Change::Keep(event, alarm) => {
                let word = if alarm.is_open() { "raised" } else { "ended" };
                said.push(format!("{word} {event}"));
                known.insert(event, *alarm);
            }
            Change::Forget(event) => {
                said.push(format!("forgot {event}"));
                known.remove(&event);
            }
            Change::NoRoom(count) => said.push(format!("no room for {count}")),
        }
    }
    said
}

#[test]
fn an_event_is_raised_once_ends_once_and_may_come_again() {
    let mut known = BTreeMap::new();
    let risk = |from| condition(AlarmKind::AtRisk, "entra", (day(from), day(90)), Some(day(120)), "");
    assert_eq!(step(&mut known, &[risk(80)], day(100)), ["raised at_risk:entra"]);
    // Its time moves while it lasts.
    assert!(step(&mut known, &[risk(81)], day(101)).is_empty());
    assert_eq!(step(&mut known, &[], day(102)), ["ended at_risk:entra"]);
    assert!(step(&mut known, &[], day(103)).is_empty());
    assert_eq!(step(&mut known, &[risk(85)], day(104)), ["raised at_risk:entra"]);
    assert_eq!(known["at_risk:entra"].raised_at, day(104));
    assert_eq!(step(&mut known, &[], day(105)), ["ended at_risk:entra"]);
    assert!(step(&mut known, &[], day(195)).is_empty());
    assert_eq!(step(&mut known, &[], day(196)), ["forgot at_risk:entra"]);
    assert!(known.is_empty());
}

#[test]
fn what_is_only_out_of_sight_is_not_called_resolved() {
    let lost = |from| condition(AlarmKind::Lost, "entra", (day(from), day(60)), None, "");
    let rule = Rule { tells_resolved: true, ..Rule::default() };
    for (from, is_past, worth) in [(10, true, None), (11, false, Some("resolved"))] {
        let mut known = BTreeMap::new();
        step(&mut known, &[lost(from)], day(100));
        step(&mut known, &[], day(101));
        let alarm = known.values().next().unwrap();
        assert_eq!((alarm.is_past, alarm.worth(&rule)), (is_past, worth));
        assert_eq!(alarm.worth(&Rule::default()), None);
    }
}

#[test]
fn there_is_room_for_so_many_and_the_most_urgent_come_first() {
    let many: Vec<_> = (0..OPEN_MAX as i64 + 2)
        .map(|days| condition(AlarmKind::Lost, "entra", (day(days), day(days + 1)), None, ""))
        .collect();
    let mut known = BTreeMap::new();
    let said = step(&mut known, &many, day(5000));
    assert_eq!((said[0].as_str(), known.len()), ("no room for 2", OPEN_MAX));
    assert!(known.contains_key(&many[0].event()) && !known.contains_key(&many[OPEN_MAX].event()));
    assert_eq!(step(&mut known, &many, day(5000)), ["no room for 2"]);
    // Where one ends, another has room.
    let said = step(&mut known, &many[1..], day(5001));
    assert_eq!(said.len(), 3, "{said:?}");
}
