//! Alarms in simulated time: told before a gap is permanent, once, also over restarts and while nobody listens.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use whowas_collect::coverage::{self, State};
use whowas_event::Time;
use whowas_server::{
    alarm::{AlarmKind, AlarmReport, Alarms, Rule, Target, alarms},
    webhook::Webhook,
};
use whowas_store::{Clock, Store};
use whowas_testkit::clock::SimClock;

use crate::{
    archive::{read_source, receiver},
    world::environment,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn begin() -> Time {
    Time::parse_rfc3339("2026-01-05T00:00:00Z").unwrap()
}

fn target(url: Option<&str>, repeat_ms: Option<i64>) -> Target {
    Target {
        rule: Rule { name: "on-call".into(), repeat_ms, tells_resolved: true, ..Rule::default() },
        webhooks: url.map(|url| Webhook::new(url, "0123456789abcdef").unwrap()).into_iter().collect(),
        is_logged: url.is_none(),
    }
}

/// A process that looks once an hour for so many hours, and ends.
async fn live(data: &Path, clock: &Arc<SimClock>, target: &Target, hours: i64) -> Vec<AlarmReport> {
    let store = Arc::new(Store::open(data, true, clock.clone()).await.unwrap());
    let looking = Alarms::new(store.clone(), Vec::new(), vec![target.clone()]);
    for _ in 0..hours {
        looking.step().await;
        clock.pass(HOUR_MS);
    }
    let all = alarms(store.control().as_ref(), &environment()).await.unwrap();
    store.close().await.unwrap();
    all
}

async fn read(data: &Path, clock: &Arc<SimClock>, from: Time, to: Time) {
    let store = Store::open(data, true, clock.clone()).await.unwrap();
    let trail = store.create_trail(&environment()).await.unwrap();
    read_source(&store, &trail, &[from], from, to).await;
    drop(trail);
    store.close().await.unwrap();
}

/// The `access` records of alarms: their number must be that of what was raised and resolved.
async fn records(data: &Path, clock: &Arc<SimClock>) -> u64 {
    let store = Store::open(data, true, clock.clone()).await.unwrap();
    let trail = store.trail(&environment()).await.unwrap();
    let size = trail.snapshot().size;
    drop(trail);
    store.close().await.unwrap();
    size
}

fn bodies(got: &[String]) -> Vec<serde_json::Value> {
    got.iter().map(|one| serde_json::from_str(one.split_once("\r\n\r\n").unwrap().1).unwrap()).collect()
}

fn ids(got: &[String]) -> BTreeSet<String> {
    let id =
        |one: &String| one.lines().find_map(|line| line.strip_prefix("webhook-id: ")).unwrap().to_owned();
    got.iter().map(id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_is_told_before_it_is_permanent_once_and_resolved() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let clock = Arc::new(SimClock::at(begin().saturating_add_ms(DAY_MS)));
    read(&data, &clock, begin(), clock.now()).await;
    let records_before = records(&data, &clock).await;
    // The first try fails; the alarm is told again until it is taken, under the same id.
    let (url, receiving) = receiver(&[500, 204, 204]).await;
    let target = target(Some(&url), None);
    // The source keeps 30 days, the first unread hour is the second day's: nothing for three weeks.
    assert_eq!(live(&data, &clock, &target, 22 * 24).await, []);
    let told = live(&data, &clock, &target, 24).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].kind, told[0].state), (AlarmKind::AtRisk, "raised"));
    assert_eq!(told[0].from, begin().saturating_add_ms(DAY_MS));
    let lost_at = told[0].lost_at.unwrap();
    assert_eq!(lost_at, begin().saturating_add_ms(31 * DAY_MS));
    assert!(told[0].raised_at < lost_at.saturating_add_ms(-7 * DAY_MS), "there is a week to mend it");
    assert!(told[0].told_at.is_some() && told[0].raised_position.is_some());
    // Restarts tell nothing again.
    for _ in 0..3 {
        assert_eq!(live(&data, &clock, &target, 3).await, told);
    }
    read(&data, &clock, begin().saturating_add_ms(DAY_MS), clock.now()).await;
    let ended = live(&data, &clock, &target, 2).await;
    assert_eq!((ended.len(), ended[0].state), (1, "resolved"));
    assert!(ended[0].told_at > told[0].told_at && ended[0].ended_position > told[0].raised_position);
    let got = receiving.await.unwrap();
    let bodies = bodies(&got);
    let types: Vec<_> = bodies.iter().map(|body| body["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["alarm.raised", "alarm.raised", "alarm.resolved"]);
    assert_eq!(ids(&got).len(), 2, "a repetition is told as the same message");
    assert_eq!(bodies[1]["data"]["lost_at"], lost_at.to_string());
    assert_eq!(bodies[1]["data"]["environment"], environment().as_str());
    // What was read, and two records about alarms: one raised, one resolved.
    assert_eq!(records(&data, &clock).await, records_before + 3 - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_on_is_told_again_and_then_lost() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let clock = Arc::new(SimClock::at(begin().saturating_add_ms(DAY_MS)));
    read(&data, &clock, begin(), clock.now()).await;
    clock.pass(23 * DAY_MS);
    let (url, receiving) = receiver(&[204, 204, 204]).await;
    let target = target(Some(&url), Some(3 * DAY_MS));
    live(&data, &clock, &target, 6 * 24 + 1).await;
    let got = receiving.await.unwrap();
    assert!(bodies(&got).iter().all(|body| body["type"] == "alarm.raised"));
    assert_eq!(ids(&got).len(), 3, "each is news");
    // Nobody listens any more: it is kept, and in the log.
    let logging = Target { webhooks: Vec::new(), is_logged: true, ..target };
    let all = live(&data, &clock, &logging, 3 * 24).await;
    let lost: Vec<_> = all.iter().filter(|one| one.kind == AlarmKind::Lost).collect();
    assert_eq!(lost.len(), 1, "a gap that grows is one event: {all:?}");
    let store = Store::open(&data, true, clock.clone()).await.unwrap();
    let range = (begin(), clock.now());
    let reports =
        coverage::reports(store.control().as_ref(), &environment(), range, clock.now()).await.unwrap();
    assert!(reports[0].intervals.iter().any(|one| one.state == State::Lost && one.from == lost[0].from));
    store.close().await.unwrap();
}
