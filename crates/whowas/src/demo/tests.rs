//! What every demo must show.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use serde_json::Value;

use super::{
    attacks::{FAST_SPRAY_DAY, GUESSING_DAY, GUESSING_HOST, SLOW_SPRAY_DAY},
    people::{LAST_DAY_OF_DORMANT, LEAVING_DAY, RENAMING_DAY, Story, Team},
    places::foreign_ip,
    world::{Act, End, FINANCE},
    *,
};

fn now() -> Time {
    Time::parse_rfc3339("2026-03-31T15:20:00Z").unwrap()
}

/// One world for all tests that only look at it, and its lines read back.
static DEMO: LazyLock<(World, Vec<Value>)> = LazyLock::new(|| {
    let (world, mut bytes) = (world(7, now()), Vec::new());
    world.write_events(&mut bytes).unwrap();
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let events = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
    (world, events)
});

fn time(event: &Value) -> Time {
    Time::parse_rfc3339(event["occurred_at"].as_str().unwrap()).unwrap()
}

/// Whole days since the beginning of the demo.
fn day(event: &Value) -> i64 {
    (time(event).as_ms() - now().as_ms() + DAYS * DAY_MS) / DAY_MS
}

fn uid_of(world: &World, story: Story) -> String {
    world.people.iter().find(|person| person.story == story).unwrap().identity.uid.clone()
}

fn is_success(event: &Value) -> bool {
    event["activity"] == "logon" && event["status"] == "success"
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |seed| {
        let (world, mut out) = (world(seed, now()), Vec::new());
        world.write_users(&mut out).unwrap();
        world.write_events(&mut out).unwrap();
        out
    };
    let first = bytes(7);
    assert!(first == bytes(7) && first != bytes(8));
}

#[test]
fn every_seed_and_season_has_the_same_size() {
    for (seed, now) in [(1, "2026-03-31T15:20:00Z"), (2, "2026-09-01T00:00:00Z"), (3, "2027-01-03T23:59:59Z")]
    {
        let world = world(seed, Time::parse_rfc3339(now).unwrap());
        assert!((60_000..=90_000).contains(&world.moments.len()), "{} moments", world.moments.len());
        assert!((290..=310).contains(&world.people.len()), "{} people", world.people.len());
    }
}

#[test]
fn events_are_in_order_within_the_ninety_days_and_have_ids_of_their_own() {
    let (_, events) = &*DEMO;
    assert!(events.is_sorted_by_key(time));
    assert!(events.iter().all(|event| (0..=DAYS).contains(&day(event)) && time(event) <= now()));
    let ids: HashSet<_> = events.iter().map(|event| event["native_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len());
}

#[test]
fn a_failure_has_no_session_and_every_end_its_beginning() {
    let mut open = HashSet::new();
    let mut ended = 0;
    for event in &DEMO.1 {
        let session = event["session"]["uid"].as_str().map(str::to_owned);
        match (event["activity"].as_str().unwrap(), event["status"].as_str().unwrap()) {
            ("logon", "failure") => assert_eq!(session, None),
            ("logon", "success") => assert!(open.insert(session.unwrap())),
            // A session of the evening before the first day may end in it.
            ("logoff", "success") => ended += u32::from(open.remove(&session.unwrap())),
            other => panic!("{other:?}"),
        }
    }
    assert!(ended > 20_000 && open.len() > 5_000);
}

#[test]
fn three_sessions_of_ten_have_no_end_and_some_expire() {
    let (world, _) = &*DEMO;
    let machines: HashSet<_> =
        world.people.iter().filter(|person| person.team == Team::Machine).map(|p| &p.identity.uid).collect();
    let mut counts = HashMap::new();
    for moment in &world.moments {
        let world::Who::Known(identity) = &moment.who else { continue };
        if machines.contains(&identity.uid) {
            continue;
        }
        let what = match moment.act {
            Act::SignIn { .. } => "begun",
            Act::SignOut { end: End::Expired, .. } => "expired",
            Act::SignOut { .. } => "ended",
            Act::Refused(_) => "refused",
        };
        *counts.entry(what).or_insert(0_u32) += 1;
    }
    let share = |what| f64::from(counts[what]) / f64::from(counts["begun"]);
    assert!((0.27..0.33).contains(&(1.0 - share("ended") - share("expired"))), "{counts:?}");
    assert!((0.07..0.13).contains(&share("expired")), "{counts:?}");
    assert!((0.03..0.12).contains(&share("refused")), "{counts:?}");
}

#[test]
fn the_leaver_signs_in_after_leaving_and_is_disabled_in_the_directory() {
    let (world, events) = &*DEMO;
    let uid = uid_of(world, Story::Leaver);
    let later: Vec<_> = events
        .iter()
        .filter(|event| event["user"]["uid"] == uid.as_str() && day(event) > LEAVING_DAY + 1)
        .collect();
    assert!(later.iter().filter(|event| is_success(event)).count() > 8);
    assert!(later.iter().any(|event| event["status_code"] == "50057"));
    let mut users = Vec::new();
    world.write_users(&mut users).unwrap();
    let users: Value = serde_json::from_slice(&users).unwrap();
    let row =
        users["value"].as_array().unwrap().iter().find(|row| row["UserObjectId"] == uid.as_str()).unwrap();
    assert_eq!(row["Enabled"], false);
}

#[test]
fn the_renamed_user_had_another_name_before() {
    let (world, events) = &*DEMO;
    let uid = uid_of(world, Story::Renamed);
    let mut names: HashMap<String, Vec<i64>> = HashMap::new();
    for event in events.iter().filter(|event| event["user"]["uid"] == uid.as_str()) {
        if let Some(name) = event["user"]["full_name"].as_str() {
            names.entry(name.to_owned()).or_default().push(day(event));
        }
    }
    assert_eq!(names.len(), 2, "{names:?}");
    let hero = world.people.iter().find(|person| person.story == Story::Renamed).unwrap();
    // The attackers use the new name only, their list being of a later day.
    assert!(names[&hero.former.as_ref().unwrap().full_name].iter().all(|&day| day <= RENAMING_DAY));
}

#[test]
fn the_dormant_user_is_not_seen_again_and_another_never() {
    let (world, events) = &*DEMO;
    let (dormant, never) = (uid_of(world, Story::Dormant), uid_of(world, Story::NeverSeen));
    let mut seen = 0;
    for event in events.iter().filter(|event| is_success(event)) {
        assert_ne!(event["user"]["uid"], never.as_str());
        if event["user"]["uid"] == dormant.as_str() {
            seen += 1;
            assert!(day(event) <= LAST_DAY_OF_DORMANT + 1);
        }
    }
    assert!(seen > 5);
}

#[test]
fn both_sprays_and_the_guessing_are_there() {
    let (world, events) = &*DEMO;
    let foreign: Vec<_> = events
        .iter()
        .filter(|event| event["src_endpoint"]["ip"].as_str().unwrap().starts_with("203.0.113."))
        .collect();
    let users_on = |on: i64| {
        let users =
            foreign.iter().filter(|event| day(event) == on).map(|event| event["user"]["uid"].to_string());
        users.collect::<HashSet<_>>().len()
    };
    assert!(users_on(FAST_SPRAY_DAY) > 250 && users_on(SLOW_SPRAY_DAY) > 250);
    let host = foreign_ip(GUESSING_HOST).to_string();
    let guesses: Vec<_> =
        foreign.iter().filter(|event| event["src_endpoint"]["ip"] == host.as_str()).collect();
    assert!(guesses.len() == 480 && guesses.iter().all(|event| day(event) == GUESSING_DAY));
    assert_eq!(users_on(GUESSING_DAY), 1);
    let entered: Vec<_> = foreign.iter().filter(|event| is_success(event)).collect();
    assert_eq!(entered.len(), 1);
    assert_eq!(entered[0]["user"]["uid"], uid_of(world, Story::Compromised).as_str());
}

#[test]
fn most_finance_records_carry_only_an_id_that_the_directory_knows() {
    let (world, events) = &*DEMO;
    let mut users = Vec::new();
    world.write_users(&mut users).unwrap();
    let users: Value = serde_json::from_slice(&users).unwrap();
    let known: HashSet<_> =
        users["value"].as_array().unwrap().iter().map(|row| row["UserObjectId"].as_str().unwrap()).collect();
    assert_eq!(known.len(), world.people.len());
    let finance: Vec<_> = events.iter().filter(|event| event["service"]["uid"] == FINANCE.uid).collect();
    let bare = finance.iter().filter(|event| event["user"].as_object().unwrap().len() == 1).count();
    assert!((600..900).contains(&(bare * 1000 / finance.len())));
    for event in events {
        let uid = event["user"]["uid"].as_str();
        assert!(uid.is_some_and(|uid| known.contains(uid)) || event["status_code"] == "50034");
    }
}

#[test]
fn names_of_environment_and_domains_are_safe_to_show() {
    assert_eq!((World::PROJECT, World::ENVIRONMENT), ("contoso", "production"));
    let name = format!("{}/{}", World::PROJECT, World::ENVIRONMENT);
    assert!(name.parse::<whowas_event::EnvironmentName>().is_ok());
    for person in &DEMO.0.people {
        assert!(person.identity.email.ends_with(".example"));
    }
}
