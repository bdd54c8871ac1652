//! Stories of one lane each, written as lines, and the property that nothing but the set of records counts.

use proptest::{prelude::*, sample::Index};
use whowas_event::{Activity, Event, NativeId, SessionHints, Status, Time, hints::Boundary, jcs};

use super::{Insertion, LaneId, LoginRecord, Pairing, SessionBuilder, SessionRules};

/// An owned record.
#[derive(Clone, Debug)]
struct Owned {
    format: &'static str,
    revision: u32,
    event: Event,
}

impl Owned {
    fn record(&self) -> LoginRecord<'_> {
        let Self { format, revision, event } = self;
        LoginRecord { source: "s", format, revision: *revision, position: None, event }
    }
}

/// A record from words: format, seconds, id, `+` `-` `~` `!` or a boundary, session or line, user, process.
fn parse(line: &str) -> Owned {
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[format, seconds, id, what, lane, user, process] = words.as_slice() else { panic!("{line}") };
    let format =
        ["wtmp", "auth-log", "entra-graph", "other"].into_iter().find(|name| *name == format).unwrap();
    let (id, revision) = id.split_once('r').unwrap_or((id, "0"));
    let (seconds, boot) = seconds.split_once('@').unwrap_or((seconds, ""));
    let at = |seconds: &str| Time::from_ms(seconds.parse::<i64>().unwrap() * 1000).unwrap();
    let mut event = Event {
        occurred_at: at(seconds),
        native_id: NativeId::Given(id.to_owned()),
        status: Status::Success,
        dst_hostname: Some("m".to_owned()),
        ..Event::default()
    };
    let mut hints = SessionHints { process: process.parse().ok(), ..SessionHints::default() };
    hints.booted_at = (!boot.is_empty()).then(|| at(boot));
    match what {
        "+" => event.activity = Activity::Logon,
        "-" => event.activity = Activity::Logoff,
        "x" => (event.activity, hints.end) = (Activity::Logoff, Some("expired".to_owned())),
        "!" => (event.activity, event.status) = (Activity::Logon, Status::Failure),
        "~" => event.activity = Activity::Other,
        "boot" => hints.boundary = Some(Boundary::Boot),
        "down" => hints.boundary = Some(Boundary::Shutdown),
        other => panic!("{other}"),
    }
    match (lane, format) {
        ("-", _) => {}
        (line, "wtmp") => hints.line = Some(line.to_owned()),
        (uid, _) => event.session_uid = Some(uid.to_owned()),
    }
    event.user.name = (user != "-").then(|| user.to_owned());
    let mut unmapped = serde_json::Map::new();
    hints.write(&mut unmapped);
    event.unmapped = Some(jcs::canonical(&unmapped.into()).unwrap());
    Owned { format, revision: revision.parse().unwrap(), event }
}

fn at(seconds: i64) -> Time {
    Time::from_ms(seconds * 1000).unwrap()
}

fn pair(records: &[Owned], rules: SessionRules, as_of: Time) -> Pairing {
    let mut builder = SessionBuilder::new(rules);
    for record in records {
        builder.insert(record.record());
    }
    builder.pairing(as_of)
}

/// One line for each session, in the order of their texts: user, start, end, reason, confidence, records.
fn show(pairing: &Pairing) -> String {
    let mut lines: Vec<String> = pairing
        .sessions
        .iter()
        .map(|session| {
            let end = session.end.map_or("…".to_owned(), |end| (end.as_ms() / 1000).to_string());
            let ids: Vec<&str> = session.records.iter().map(|record| &*record.native_id).collect();
            format!(
                "{} {}–{end} {} {} {}",
                session.user.as_deref().unwrap_or("?"),
                session.start.as_ms() / 1000,
                session.end_reason.as_str(),
                session.end_confidence.as_str(),
                ids.join(","),
            )
        })
        .collect();
    lines.extend(pairing.ends_without_start.iter().map(|end| format!("lone end {}", end.record.native_id)));
    lines.sort();
    lines.join("\n")
}

#[track_caller]
fn check(story: &str, want: &str) {
    let records: Vec<Owned> =
        story.lines().map(str::trim).filter(|line| !line.is_empty()).map(parse).collect();
    let mut want: Vec<&str> = want.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    want.sort_unstable();
    assert_eq!(show(&pair(&records, SessionRules::default(), at(1_000_000))), want.join("\n"));
}

#[test]
fn a_start_and_an_end_of_one_id_are_a_session() {
    check(
        "other 10 1 + a ada -
         other 12 2 + b ben -
         other 20 3 - a - -
         other 25 4 x b - -
         other 30 5 + c cyn -",
        "ada 10–20 logout explicit 1,3
         ben 12–25 expired explicit 2,4
         cyn 30–… open none 5",
    );
}

#[test]
fn a_failure_opens_nothing_and_a_lock_neither_opens_nor_ends() {
    check(
        "other 10 1 ! a ada -
         other 11 2 ~ b ben -
         other 12 3 + c cyn -
         other 13 4 ~ c cyn -
         other 14 5 ! c cyn -
         other 15 6 - c cyn -
         other 16 7 - a ada -",
        "cyn 12–15 logout explicit 3,4,6
         lone end 7",
    );
}

#[test]
fn a_unique_id_may_sign_in_again_and_end_twice() {
    check(
        "other 10 1 + a ada -
         other 900 2 + a ada -
         other 1000 3 - a ada -
         other 1001 4 - a ada -
         other 2000 5 + a ada -
         entra-graph 2000 6 + x eve -",
        "ada 10–1000 logout explicit 1,2,3,4
         ada 2000–… open none 5
         eve 2000–… unknown none 6",
    );
}

#[test]
fn a_reused_process_id_is_another_session() {
    check(
        "auth-log 10 1 + p ada 7
         auth-log 12 2 + p ada 7
         auth-log 500 3 - p ada 7
         auth-log 501 4 - p ada 7
         auth-log 900 5 + p ben 7
         auth-log 5000 6 + p ben 7
         auth-log 5001 7 + p cyn 7
         auth-log 9000 8 - p cyn 7
         auth-log 9900 9 - p cyn 7
         auth-log 10 a + sudo root -
         auth-log 11 b + sudo root -
         auth-log 12 c - sudo root -",
        "root 10–11 superseded inferred a
         ada 10–500 logout explicit 1,2,3,4
         root 11–12 logout explicit b,c
         ben 900–5000 superseded inferred 5
         ben 5000–5001 superseded inferred 6
         cyn 5001–9000 logout explicit 7,8
         lone end 9",
    );
}

#[test]
fn a_line_is_taken_over_by_the_next_login_and_freed_by_any_end() {
    check(
        "wtmp 10 1 + pts/0 ada 5
         wtmp 20 2 + pts/0 ben 6
         wtmp 30 3 - pts/0 - 7
         wtmp 40 4 - pts/0 - 7
         wtmp 40 5 + pts/1 ada 8",
        "ada 10–20 superseded inferred 1
         ben 20–30 logout explicit 2,3
         ada 40–… open none 5
         lone end 4",
    );
}

#[test]
fn records_of_one_instant_are_taken_in_an_order_that_makes_sense() {
    // A login that ends within the second, while another one takes the line.
    check(
        "wtmp 10 1 + pts/0 ada 1
         wtmp 20 9 - pts/0 ada 1
         wtmp 20 8 + pts/0 ben 2
         wtmp 20 7 - pts/0 ben 2
         wtmp 20 6 + pts/0 cyn 3
         wtmp 90 2 - pts/0 cyn 3",
        "ada 10–20 logout explicit 1,9
         ben 20–20 logout explicit 8,7
         cyn 20–90 logout explicit 6,2",
    );
    check(
        "auth-log 20 1 + p ada -
         auth-log 20 2 - p ada -",
        "ada 20–20 logout explicit 1,2",
    );
}

#[test]
fn a_machine_that_stops_or_starts_ends_its_sessions() {
    check(
        "wtmp 10 1 + pts/0 ada 1
         wtmp 50 2 down ~ - -
         wtmp 60 3 boot ~ - -
         wtmp 70 4 + pts/0 ben 2
         wtmp 80 5 boot ~ - -
         wtmp 90 6 - pts/0 - 2
         wtmp 95 7 + pts/0 cyn 2",
        "ada 10–50 shutdown inferred 1
         ben 70–80 shutdown inferred 4
         cyn 95–… open none 7
         lone end 6",
    );
    // What is written while the machine goes down is believed, where an id tells whose it is.
    check(
        "auth-log 10 1 + p ada -
         auth-log 50 2 down - - -
         auth-log 51 3 - p ada -
         auth-log 10 4 + q ben -
         auth-log 90 5 + q ben -",
        "ada 10–51 logout explicit 1,3
         ben 10–50 shutdown inferred 4
         ben 90–… open none 5",
    );
}

#[test]
fn a_clock_that_was_wrong_at_login_is_known_by_the_run_of_the_machine() {
    check(
        "wtmp 50 1 down ~ - -
         wtmp 60 2 boot ~ - -
         wtmp 0@60 3 + pts/0 ada 1
         wtmp 99@60 4 - pts/0 ada 1
         wtmp 5@60 5 + pts/1 ben 2
         wtmp 5 6 + pts/2 cyn 3",
        "ada 0–99 logout explicit 3,4
         cyn 5–50 shutdown inferred 6
         ben 5–… open none 5",
    );
}

#[test]
fn silence_and_age_end_what_the_rules_say() {
    let mut rules = SessionRules::default();
    rules.default.timeout_ms = Some(100_000);
    rules.default.lifetime_ms = Some(250_000);
    let records: Vec<Owned> = [
        "other 0 1 + a ada -",
        "other 90 2 ~ a ada -",
        "other 180 3 ~ a ada -",
        "other 240 4 ~ a ada -",
        "other 0 5 + b ben -",
        "other 500 6 + b ben -",
        "other 0 7 + c cyn -",
        "other 400 8 - c cyn -",
        "other 550 9 + d dan -",
    ]
    .map(parse)
    .to_vec();
    let text = show(&pair(&records, rules, at(620)));
    // Ada's last sign of life is at 240, but her credential is over at 250; a recorded end is believed.
    let want = "cyn 0–400 logout explicit 7,8\nben 0–100 timeout inferred 5\nada 0–250 expired inferred 1,2,3,4\n\
                ben 500–600 timeout inferred 6\ndan 550–… open none 9";
    let mut want: Vec<&str> = want.lines().collect();
    want.sort_unstable();
    assert_eq!(text, want.join("\n"));
}

#[test]
fn a_sign_of_life_that_the_source_writes_into_the_start_counts() {
    let mut row = parse("other 0 1 + a ada -");
    row.format = "dynamics-user-log";
    row.event.unmapped = Some(r#"{"last_seen_at":"1970-01-01T02:00:00.000Z"}"#.to_owned());
    let ends = |as_of| show(&pair(std::slice::from_ref(&row), SessionRules::default(), at(as_of)));
    assert_eq!(ends(7_200 + 899), "ada 0–… open none 1");
    assert_eq!(ends(7_200 + 900), "ada 0–8100 timeout inferred 1");
}

#[test]
fn insertions_are_told_and_so_are_the_lanes_they_change() {
    let mut builder = SessionBuilder::new(SessionRules::default());
    let mut insert = |line: &str| {
        let insertion = builder.insert(parse(line).record());
        let lanes: Vec<String> = builder
            .take_touched()
            .into_iter()
            .map(|lane| match lane.id {
                LaneId::Uid(id) | LaneId::Line { line: id, .. } | LaneId::Alone(id) => id,
            })
            .collect();
        (insertion, lanes.join(" "))
    };
    let lanes = |text: &str| text.to_owned();
    assert_eq!(insert("wtmp 10 1 + pts/0 ada 1"), (Insertion::New, lanes("pts/0")));
    assert_eq!(insert("wtmp 10 1 + pts/0 ada 1"), (Insertion::Duplicate, lanes("")));
    assert_eq!(insert("wtmp 10 2 ! pts/0 ada 1"), (Insertion::NoSession, lanes("")));
    assert_eq!(insert("wtmp 11 3 + pts/1 ben 2"), (Insertion::New, lanes("pts/1")));
    assert_eq!(insert("wtmp 99 4 boot ~ - -"), (Insertion::New, lanes("pts/0 pts/1")));
    assert_eq!(insert("wtmp 11 3r1 + pts/2 ben 2"), (Insertion::Replaced, lanes("pts/1 pts/2")));
    assert_eq!(insert("wtmp 11 3 + pts/1 ben 2"), (Insertion::Stale, lanes("")));
    // What turns out to be a failure opens nothing any more.
    assert_eq!(insert("wtmp 10 1r1 ! pts/0 ada 1"), (Insertion::Replaced, lanes("pts/0")));
    assert_eq!(show(&builder.pairing(at(500))), "ben 11–99 shutdown inferred 3");
}

#[test]
fn very_many_records_of_one_instant_cost_no_more_than_others() {
    let mut builder = SessionBuilder::new(SessionRules::default());
    for id in 0..40_000 {
        let what = if id % 2 == 0 { "+" } else { "-" };
        let process = id;
        builder.insert(parse(&format!("wtmp 7 {id} {what} pts/0 ada {process}")).record());
        builder.insert(parse(&format!("other {id} x{id} ~ s ada -")).record());
    }
    builder.insert(parse("other 0 0a + s ada -").record());
    let pairing = builder.pairing(at(50_000));
    assert_eq!(pairing.sessions.len(), 20_001);
    let long = pairing.sessions.iter().find(|session| session.format == "other").unwrap();
    assert_eq!((long.record_count, long.records.len()), (40_001, super::RECORDS_MAX));
    assert_eq!(long.records.last().map(|record| &*record.native_id), Some("x39999"));
}

/// Records that meet in few lanes, at few instants, with few ids.
fn records() -> impl Strategy<Value = Vec<Owned>> {
    let what = prop::sample::select(vec!["+", "+", "+", "-", "-", "x", "!", "~", "boot", "down"]);
    let format = prop::sample::select(vec!["wtmp", "auth-log", "other"]);
    let lane = prop::sample::select(vec!["a", "b", "-"]);
    let user = prop::sample::select(vec!["ada", "ben", "-"]);
    let one = (format, 0..40u32, 0..30u32, 0..3u32, what, lane, user, 0..3u32);
    let line = one.prop_map(|(format, at, id, revision, what, lane, user, process)| {
        // Seconds of several minutes, some of them equal.
        parse(&format!("{format} {} {id}r{revision} {what} {lane} {user} {process}", at * 7))
    });
    prop::collection::vec(line, 0..60)
}

fn rules() -> impl Strategy<Value = SessionRules> {
    (prop::option::of(1..200_000i64), prop::option::of(1..200_000i64)).prop_map(
        |(timeout_ms, lifetime_ms)| {
            let mut rules = SessionRules::default();
            for format in rules.formats.values_mut().chain([&mut rules.default]) {
                (format.timeout_ms, format.lifetime_ms) = (timeout_ms, lifetime_ms);
            }
            rules
        },
    )
}

proptest! {
    /// Order and repetition do not matter.
    #[test]
    fn sessions_follow_from_the_set_of_records(
        records in records(),
        rules in rules(),
        seed in any::<u64>(),
        again in prop::collection::vec(any::<Index>(), 0..20),
        as_of in 0..400i64,
    ) {
        let want = pair(&records, rules.clone(), at(as_of));
        let mut other = records.clone();
        if !records.is_empty() {
            other.extend(again.iter().map(|index| index.get(&records).clone()));
        }
        let mut keyed: Vec<(u64, Owned)> = Vec::new();
        let mut order = seed;
        for record in other {
            // Any order will do that depends on neither content nor place.
            order = order.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            keyed.push((order, record));
        }
        keyed.sort_by_key(|(order, _)| *order);
        let shuffled: Vec<Owned> = keyed.into_iter().map(|(_, record)| record).collect();
        prop_assert_eq!(pair(&shuffled, rules, at(as_of)), want);
    }

    /// Asking in between, and replacing only what was touched, comes to the same as building it anew.
    #[test]
    fn what_is_kept_by_lane_equals_what_is_built_anew(
        records in records(),
        rules in rules(),
        batch in 1..10usize,
    ) {
        let as_of = at(400);
        let mut builder = SessionBuilder::new(rules.clone());
        let mut kept = std::collections::BTreeMap::new();
        for batch in records.chunks(batch) {
            for record in batch {
                builder.insert(record.record());
            }
            for lane in builder.take_touched() {
                let pairing = builder.pairing_of([&lane], as_of);
                kept.insert(lane, pairing);
            }
        }
        let want = pair(&records, rules, as_of);
        let lines = |pairings: &mut dyn Iterator<Item = &Pairing>| {
            let mut lines: Vec<String> = pairings.flat_map(|p| show(p).lines().map(str::to_owned).collect::<Vec<_>>()).collect();
            lines.sort();
            lines
        };
        prop_assert_eq!(lines(&mut kept.values()), lines(&mut std::iter::once(&want)));
    }

    /// A lane needs its own records and the boundaries, and no others.
    #[test]
    fn lanes_stand_alone(mut records in records(), rules in rules()) {
        let mut ids = std::collections::BTreeSet::new();
        records.retain(|record| ids.insert(record.event.native_id.as_str().to_owned()));
        let lane_of = |record: &Owned| {
            let mut alone = SessionBuilder::new(rules.clone());
            alone.insert(record.record());
            alone.take_touched().pop_first()
        };
        let mut whole = SessionBuilder::new(rules.clone());
        for record in &records {
            whole.insert(record.record());
        }
        for lane in whole.take_touched() {
            let is_needed = |record: &&Owned| {
                let is_boundary = SessionHints::of(&record.event).boundary.is_some();
                is_boundary || lane_of(record).as_ref() == Some(&lane)
            };
            let needed: Vec<Owned> = records.iter().filter(is_needed).cloned().collect();
            prop_assert_eq!(pair(&needed, rules.clone(), at(400)), whole.pairing_of([&lane], at(400)));
        }
    }

    /// A session has a start that is one, an end that is not before it, and a reason that fits; and no record
    /// that opens or ends is lost or used twice.
    #[test]
    fn every_session_makes_sense(records in records(), rules in rules()) {
        let pairing = pair(&records, rules, at(400));
        let mut used = std::collections::BTreeSet::new();
        for session in &pairing.sessions {
            prop_assert!(session.end.is_none_or(|end| session.start <= end));
            prop_assert_eq!(session.end.is_some(), session.end_confidence != super::EndConfidence::None);
            let is_without_end = matches!(session.end_reason, super::EndReason::Open | super::EndReason::Unknown);
            prop_assert_eq!(session.end.is_none(), is_without_end);
            prop_assert!(session.start <= session.last_seen);
            for record in &session.records {
                prop_assert!(used.insert(&record.native_id), "{} is in two sessions", record.native_id);
            }
        }
        for end in &pairing.ends_without_start {
            prop_assert!(used.insert(&end.record.native_id));
        }
    }
}
