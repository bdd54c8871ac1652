//! Searches over an archive of 200,000 records on local disk, warm.

#![allow(missing_docs, reason = "criterion's macros make functions without documentation")]

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use whowas_event::{Activity, Draft, Event, NativeId, Status, Time, admit, admit::RawData};
use whowas_query::{Engine, Filter, LoginRequest, NamedQuery, PresenceRequest, SessionRequest};
use whowas_store::{Batch, Clock, Store, Trail, WhenFull};

const RECORDS: i64 = 200_000;
const NOW_MS: i64 = 1_790_000_000_000;
/// One record every 100 seconds: 231 days.
const STEP_MS: i64 = 100_000;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Time {
        at(NOW_MS)
    }
}

fn at(ms: i64) -> Time {
    Time::from_ms(ms).expect("a time of this century")
}

fn event(n: i64) -> Event {
    // A multiplier without common factors spreads people over time.
    let user = n * 7_919 % 5_003;
    let mut event = Event {
        occurred_at: at(NOW_MS - (RECORDS - n) * STEP_MS),
        native_id: NativeId::Given(format!("native-{n}")),
        activity: if n % 3 == 2 { Activity::Logoff } else { Activity::Logon },
        status: Status::Success,
        session_uid: Some(format!("session-{}", n / 3)),
        user_agent: Some(format!("Mozilla/5.0 (Windows NT 10.0) v{}", n % 40)),
        ..Event::default()
    };
    event.user.uid = Some(format!("00000000-0000-0000-0000-{user:012}"));
    event.user.name = Some(format!("user{user}@contoso.example"));
    event.src_endpoint.ip = Some(format!("10.{}.{}.1", user % 200, user % 250));
    event.service.name = Some("Dynamics 365".into());
    event
}

async fn trail(folder: &std::path::Path) -> (Store, Arc<Trail>) {
    let store = Store::open(folder, true, Arc::new(Still)).await.expect("an empty folder opens");
    let name = "contoso/production".parse().expect("a valid name");
    let trail = store.create_trail(&name).await.expect("there is none yet");
    for start in (0..RECORDS).step_by(4096) {
        let records = (start..(start + 4096).min(RECORDS))
            .map(|n| {
                admit(Draft { event: event(n), raw: Vec::new() }, RawData::Dropped).expect("a small event")
            })
            .collect();
        let batch =
            Batch { source: "bench".into(), format: "bench".into(), received_at: at(NOW_MS), records };
        trail.append(batch, WhenFull::Wait).await.expect("the disk has room");
    }
    trail.settle().await;
    (store, trail)
}

fn searches(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (store, trail) = runtime.block_on(trail(folder.path()));
    let engine = Engine::new().expect("an engine");
    let everything = || LoginRequest {
        from: Some(at(0)),
        limit: 200,
        query: NamedQuery::AllEvents,
        ..LoginRequest::default()
    };
    let filtered =
        |text: &str| LoginRequest { filter: Filter::parse(text).expect("a filter"), ..everything() };
    let mut group = criterion.benchmark_group("search");
    for (name, request) in [
        ("seven days, newest 100 and total", LoginRequest::default()),
        ("one user's history", filtered("user:00000000-0000-0000-0000-000000000042")),
        ("one address", filtered("ip:10.42.42.1")),
        ("everything, newest 200 and total", everything()),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let page = runtime.block_on(engine.logins(&trail, &request, at(NOW_MS))).expect("an answer");
                assert!(page.total > 0);
            });
        });
    }
    group.finish();
    sessions(criterion, &runtime, (&engine, &trail));
    runtime.block_on(store.close()).expect("it closes");
}

/// Sessions that are kept: 66,666 of them, and 200,000 records from which they are made.
fn sessions(
    criterion: &mut Criterion,
    runtime: &tokio::runtime::Runtime,
    (engine, trail): (&Engine, &Trail),
) {
    let mut group = criterion.benchmark_group("sessions");
    let now = at(NOW_MS);
    group.sample_size(10);
    group.bench_function("made of 200,000 records", |b| {
        b.iter(|| {
            runtime.block_on(engine.forget_sessions(trail)).expect("a folder can be deleted");
            while runtime.block_on(engine.keep_sessions(trail)).expect("the archive is whole") {}
        });
    });
    group.sample_size(100);
    group.bench_function("seven days, newest 100 and total", |b| {
        b.iter(|| {
            let page = runtime.block_on(engine.sessions(trail, &SessionRequest::default(), now));
            assert!(page.expect("an answer").total > 0);
        });
    });
    for (name, days) in [("signed in five days ago", 5), ("signed in half a year ago", 180)] {
        let request =
            PresenceRequest { at: Some(at(NOW_MS - days * 86_400_000)), ..PresenceRequest::default() };
        group.bench_function(name, |b| {
            b.iter(|| {
                let page = runtime.block_on(engine.presence(trail, &request, now)).expect("an answer");
                assert!(page.total > 0);
            });
        });
    }
    for (name, text) in
        [("of one user, all time", "user:00000000-0000-0000-0000-000000000042"), ("of one service", "app:d*")]
    {
        let filter = Filter::parse(text).expect("a filter");
        let request = SessionRequest { from: Some(at(0)), limit: 200, filter, ..SessionRequest::default() };
        group.bench_function(name, |b| {
            b.iter(|| {
                let page = runtime.block_on(engine.sessions(trail, &request, now)).expect("an answer");
                assert!(page.total > 0);
            });
        });
    }
    group.bench_function("last sign-in of everybody, asked again", |b| {
        b.iter(|| {
            let people = runtime.block_on(engine.last_sign_ins(trail, None, now)).expect("an answer");
            assert!(people.len() > 5_000);
        });
    });
    group.finish();
}

criterion_group!(benches, searches);
criterion_main!(benches);
