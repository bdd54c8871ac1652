//! Sessions that are kept: whatever order records come in, however they are cut into batches, archived, kept and
//! reopened, they are the sessions of the set of records, also as of any earlier size of the tree.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use whowas_event::{
    Activity, Draft, Event, NativeId, SessionHints, Status, Time, admit, admit::RawData, hints::Boundary, jcs,
};
use whowas_query::{
    AsOf, Engine, Filter, LoginRequest, NamedQuery, PresenceRequest, SessionQuery, SessionRequest,
    SessionRow, Steps,
    sessions::{FormatRules, LoginRecord, Pairing, Session, SessionBuilder, SessionRules},
};
use whowas_store::{Batch, Store, Trail, WhenFull};

use crate::world::{NOW_MS, at, open_store};

const FORMATS: [&str; 4] = ["wtmp", "auth-log", "timed", "other"];

fn rules() -> SessionRules {
    let mut rules = SessionRules::default();
    let timed = FormatRules { timeout_ms: Some(7_000), lifetime_ms: Some(20_000), ..rules.default };
    rules.formats.insert("timed".to_owned(), timed);
    rules
}

fn second(seconds: i64) -> Time {
    at(NOW_MS - 1_000_000 + seconds * 1000)
}

/// A record of a small world, in which much collides: format and event.
fn record() -> impl Strategy<Value = (usize, Event)> {
    let process = prop_oneof![Just(None), Just(Some(1)), Just(Some(2))];
    (0..FORMATS.len(), 0..40_i64, 0..12_u8, 0..10_u8, 0..4_u8, 0..3_u8, process, 0..12_u8).prop_map(
        |(format, seconds, id, what, lane, user, process, boot)| {
            let mut event = Event {
                occurred_at: second(seconds),
                native_id: NativeId::Given(format!("{}-{id}", FORMATS[format])),
                status: Status::Success,
                dst_hostname: Some(if lane % 2 == 0 { "m" } else { "n" }.to_owned()),
                ..Event::default()
            };
            let mut hints = SessionHints { process, ..SessionHints::default() };
            hints.booted_at = (boot == 0).then(|| second(seconds / 2));
            match what {
                0..=3 => event.activity = Activity::Logon,
                4..=6 => event.activity = Activity::Logoff,
                7 => (event.activity, event.status) = (Activity::Logon, Status::Failure),
                8 => event.activity = Activity::Other,
                _ => hints.boundary = Some(if user == 0 { Boundary::Boot } else { Boundary::Shutdown }),
            }
            match (lane, FORMATS[format]) {
                (3, _) => {}
                (lane, "wtmp") => hints.line = Some(format!("pts/{lane}")),
                (lane, _) => event.session_uid = Some(format!("s{lane}")),
            }
            event.user.name = (user > 0).then(|| format!("user{user}"));
            event.service.name = (user == 1).then(|| "Mail".to_owned());
            event.src_endpoint.ip = (id % 2 == 0).then(|| format!("10.0.0.{id}"));
            let mut unmapped = serde_json::Map::new();
            hints.write(&mut unmapped);
            event.unmapped = Some(jcs::canonical(&unmapped.into()).unwrap());
            (format, event)
        },
    )
}

/// What is done to a trail.
#[derive(Clone, Debug)]
enum Step {
    Append(usize, Vec<Event>),
    Archive,
    /// Ask, which makes runs of what is archived, and remember the answer.
    Ask,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(record(), 1..8).prop_map(|records| {
            let format = records[0].0;
            let of_format = records.into_iter().filter(|(one, _)| *one == format);
            Step::Append(format, of_format.map(|(_, event)| event).collect())
        }),
        2 => Just(Step::Archive),
        2 => Just(Step::Ask),
        1 => Just(Step::Reopen),
    ]
}

/// The records of a trail, as the trail itself numbers them.
#[derive(Default)]
struct Model {
    known: BTreeMap<String, Vec<Event>>,
    records: Vec<(&'static str, u32, Event)>,
}

impl Model {
    fn append(&mut self, format: usize, events: &[Event]) {
        for event in events {
            let versions = self.known.entry(event.native_id.as_str().to_owned()).or_default();
            if !versions.contains(event) {
                let revision = u32::try_from(versions.len()).unwrap();
                versions.push(event.clone());
                self.records.push((FORMATS[format], revision, event.clone()));
            }
        }
    }

    fn pairing(&self, as_of: Time) -> Pairing {
        let mut builder = SessionBuilder::new(rules());
        for (format, revision, event) in &self.records {
            builder.insert(LoginRecord {
                source: "test",
                format,
                revision: *revision,
                position: None,
                event,
            });
        }
        builder.pairing(as_of)
    }
}

fn show(session: &Session) -> String {
    let Session { user, host, ip, line, service, session_uid, start, end, .. } = session;
    let (reason, confidence) = (session.end_reason.as_str(), session.end_confidence.as_str());
    format!(
        "{user:?} {host:?} {ip:?} {line:?} {service:?} {session_uid:?} {start:?} {end:?} {reason} {confidence}"
    )
}

fn show_row(row: &SessionRow) -> String {
    let SessionRow { user, host, ip, line, service, session_uid, end, .. } = row;
    let (start, reason, confidence) = (row.start.unwrap(), row.end_reason, row.end_confidence);
    format!(
        "{user:?} {host:?} {ip:?} {line:?} {service:?} {session_uid:?} {start:?} {end:?} {reason} {confidence}"
    )
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

fn everything(query: SessionQuery) -> SessionRequest {
    SessionRequest {
        query,
        from: Some(at(0)),
        to: Some(at(NOW_MS + 1)),
        limit: 1000,
        ..SessionRequest::default()
    }
}

/// Filters are asked of the record that began a session: the sessions of a filter are those of all whose records a search
/// with it finds. In pages of two, to meet what is between them.
async fn filters_hold(engine: &Engine, trail: &Trail, as_of: Option<AsOf>) {
    let now = at(NOW_MS);
    for text in ["app:Mail", "user:user1", "-user:user1", "ip:10.0.0.2", "user:nobody"] {
        let filter = Filter::parse(text).unwrap();
        let search = LoginRequest {
            query: NamedQuery::AllEvents,
            from: Some(at(0)),
            to: Some(at(NOW_MS + 1)),
            filter: filter.clone(),
            limit: 1000,
            as_of,
            ..LoginRequest::default()
        };
        let found = engine.logins(trail, &search, now).await.unwrap().rows;
        let fits = |row: &&SessionRow| found.iter().any(|found| found.position == row.position);
        for query in SessionQuery::ALL {
            let all = SessionRequest { as_of, ..everything(*query) };
            let all = engine.sessions(trail, &all, now).await.unwrap().rows;
            let want: Vec<&SessionRow> = all.iter().filter(fits).collect();
            let mut request =
                SessionRequest { as_of, filter: filter.clone(), limit: 2, ..everything(*query) };
            let mut seen = Vec::new();
            loop {
                let page = engine.sessions(trail, &request, now).await.unwrap();
                assert_eq!(page.total, want.len() as u64, "{text} {query:?}");
                seen.extend(page.rows);
                request.page = page.next;
                if request.page.is_none() {
                    break;
                }
            }
            assert_eq!(seen.iter().collect::<Vec<_>>(), want, "{text} {query:?}");
        }
        let request =
            PresenceRequest { at: Some(second(20)), limit: 1000, as_of, ..PresenceRequest::default() };
        let all = engine.presence(trail, &request, now).await.unwrap().rows;
        let want: Vec<&SessionRow> = all.iter().filter(fits).collect();
        let filtered = engine.presence(trail, &PresenceRequest { filter, ..request }, now).await.unwrap();
        assert_eq!(filtered.rows.iter().collect::<Vec<_>>(), want, "{text}");
        assert_eq!(filtered.total, want.len() as u64, "{text}");
    }
}

/// All that a trail answers, in texts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    sessions: Vec<String>,
    lone: usize,
    present: Vec<String>,
    tree_size: u64,
}

async fn answer(engine: &Engine, trail: &Trail, as_of: Option<AsOf>) -> Answer {
    let now = at(NOW_MS);
    let ask = |query| SessionRequest { as_of, ..everything(query) };
    let page = engine.sessions(trail, &ask(SessionQuery::Sessions), now).await.unwrap();
    assert_eq!(page.total, page.rows.len() as u64, "the total is what is shown");
    let without = engine.sessions(trail, &ask(SessionQuery::LogonWithoutLogoff), now).await.unwrap();
    let is_without = |row: &&SessionRow| row.end_confidence != "explicit";
    assert_eq!(without.total, page.rows.iter().filter(is_without).count() as u64);
    let lone = engine.sessions(trail, &ask(SessionQuery::LogoffWithoutLogon), now).await.unwrap();
    assert_eq!(lone.total, lone.rows.len() as u64);
    let request = PresenceRequest { at: Some(second(20)), limit: 1000, as_of, ..PresenceRequest::default() };
    let present = engine.presence(trail, &request, now).await.unwrap();
    assert_eq!(present.total, present.rows.len() as u64);
    Answer {
        sessions: sorted(page.rows.iter().map(show_row).collect()),
        lone: lone.rows.len(),
        present: sorted(present.rows.iter().map(show_row).collect()),
        tree_size: page.tree_size,
    }
}

fn want(model: &Model, tree_size: u64) -> Answer {
    let pairing = model.pairing(at(NOW_MS));
    let present = pairing.sessions.iter().filter(|session| session.covers(second(20)));
    Answer {
        present: sorted(present.map(show).collect()),
        sessions: sorted(pairing.sessions.iter().map(show).collect()),
        lone: pairing.ends_without_start.len(),
        tree_size,
    }
}

async fn append(trail: &Trail, format: usize, events: Vec<Event>) {
    let admitted = |event| admit(Draft { event, raw: Vec::new() }, RawData::Dropped).unwrap();
    let records = events.into_iter().map(admitted).collect();
    let format = FORMATS[format].to_owned();
    let batch = Batch { source: "test".into(), format, received_at: at(NOW_MS), records };
    trail.append(batch, WhenFull::Wait).await.unwrap();
}

async fn open(folder: &Path) -> (Store, Arc<Trail>) {
    let store = open_store(folder).await;
    let trail = store.create_trail(&"contoso/production".parse().unwrap()).await.unwrap();
    (store, trail)
}

fn engine(rows_max: u64) -> Engine {
    Engine::with_sessions(rules(), Steps { rows_min: 1, rows_max }).unwrap()
}

async fn follow(steps: Vec<Step>, rows_max: u64) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, mut trail) = open(folder.path()).await;
    let mut asking = engine(rows_max);
    let mut model = Model::default();
    let mut answers = Vec::new();
    for step in steps {
        match step {
            Step::Append(format, events) => {
                model.append(format, &events);
                append(&trail, format, events).await;
            }
            Step::Archive => trail.settle().await,
            Step::Ask => {
                let found = answer(&asking, &trail, None).await;
                prop_assert_eq!(&found, &want(&model, trail.snapshot().size));
                filters_hold(&asking, &trail, None).await;
                answers.push(found);
            }
            Step::Reopen => {
                store.close().await.unwrap();
                drop((store, trail));
                (store, trail) = open(folder.path()).await;
                asking = engine(rows_max);
            }
        }
    }
    let last = answer(&asking, &trail, None).await;
    prop_assert_eq!(&last, &want(&model, trail.snapshot().size));
    // What was answered then is answered now. As of a size, silence is counted up to the record before it, which came
    // after all time-outs of this world.
    for then in &answers {
        let now = answer(&asking, &trail, Some(AsOf::Size(then.tree_size))).await;
        prop_assert_eq!(&now, then);
    }
    if let Some(then) = answers.first() {
        filters_hold(&asking, &trail, Some(AsOf::Size(then.tree_size))).await;
    }
    filters_hold(&asking, &trail, None).await;
    // Built from zero, in other steps, it is the same.
    trail.settle().await;
    asking.forget_sessions(&trail).await.unwrap();
    let rebuilt = answer(&engine(rows_max * 2 + 1), &trail, None).await;
    prop_assert_eq!(&rebuilt, &last);
    store.close().await.unwrap();
    Ok(())
}

#[test]
fn what_is_kept_is_what_follows_from_the_records() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let steps = prop::collection::vec(step(), 4..24);
    let run = runner.run(&(steps, 1_u64..12), |(steps, rows_max)| runtime.block_on(follow(steps, rows_max)));
    run.unwrap();
}

fn login(n: i64, activity: Activity) -> Event {
    let mut event = Event {
        occurred_at: second(n * 10),
        native_id: NativeId::Given(format!("{}-{n}", activity.as_str())),
        activity,
        status: Status::Success,
        session_uid: Some(format!("u{n}")),
        ..Event::default()
    };
    event.user.name = Some(format!("user{}", n % 3));
    event.service.name = Some(["Mail", "VPN"][usize::try_from(n % 2).unwrap()].to_owned());
    event
}

/// Sixty sessions in six files, the first half of each with an end.
async fn fill(trail: &Trail) {
    for chunk in 0..6 {
        let logons = (chunk * 10..chunk * 10 + 10).map(|n| login(n, Activity::Logon));
        let mut events: Vec<Event> = logons.collect();
        for n in chunk * 10..chunk * 10 + 5 {
            let mut end = login(n, Activity::Logoff);
            end.occurred_at = second(n * 10 + 25);
            events.push(end);
        }
        append(trail, 3, events).await;
        trail.settle().await;
    }
}

#[tokio::test]
async fn pages_join_and_filters_hold() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    fill(&trail).await;
    let asking = engine(10);
    let now = at(NOW_MS);
    let request = SessionRequest { limit: 7, ..everything(SessionQuery::Sessions) };
    let mut page = asking.sessions(&trail, &request, now).await.unwrap();
    let mut seen = Vec::new();
    loop {
        assert_eq!(page.total, 60);
        seen.extend(page.rows.iter().map(|row| row.session_uid.clone().unwrap()));
        let Some(next) = page.next else { break };
        append(&trail, 3, vec![login(1_000 + i64::try_from(seen.len()).unwrap(), Activity::Logon)]).await;
        page = asking
            .sessions(&trail, &SessionRequest { page: Some(next), ..request.clone() }, now)
            .await
            .unwrap();
    }
    assert_eq!(seen, (0..60).rev().map(|n| format!("u{n}")).collect::<Vec<_>>());

    let of_user = SessionRequest {
        filter: Filter::parse("user:user1").unwrap(),
        to: Some(second(600)),
        ..everything(SessionQuery::Sessions)
    };
    let found = asking.sessions(&trail, &of_user, now).await.unwrap();
    assert_eq!(found.total, 20);
    assert!(found.rows.iter().all(|row| row.user.as_deref() == Some("user1")));
    // Sessions 20 to 24 have an end, 25 seconds after their start; 25 to 29 have none.
    let at_once =
        |seconds| PresenceRequest { at: Some(second(seconds)), limit: 100, ..PresenceRequest::default() };
    let present = asking.presence(&trail, &at_once(235), now).await.unwrap();
    let ids: Vec<_> = present.rows.iter().map(|row| row.session_uid.clone().unwrap()).collect();
    // Number 21 ended in that very instant.
    assert_eq!(ids[..3], ["u23", "u22", "u19"], "{ids:?}");
    assert_eq!((present.total, present.without_end), (12, 10));
    let mail = PresenceRequest { filter: Filter::parse("app:Mail").unwrap(), ..at_once(235) };
    assert_eq!(asking.presence(&trail, &mail, now).await.unwrap().total, 5);
    let refused = PresenceRequest { at: Some(at(NOW_MS + 1)), ..PresenceRequest::default() };
    assert!(asking.presence(&trail, &refused, now).await.is_err());

    let points = asking.at_once(&trail, (second(200), second(260)), 6, None, now).await.unwrap().points;
    assert_eq!(points.iter().map(|point| point.most).collect::<Vec<_>>(), [1, 2, 3, 3, 3, 2]);
    assert_eq!(points.iter().map(|point| point.without_end).collect::<Vec<_>>(), [10, 10, 10, 10, 10, 11]);
    assert_eq!(points[2].by_service, BTreeMap::from([("Mail".to_owned(), 2), ("VPN".to_owned(), 1)]));
    store.close().await.unwrap();
}

#[tokio::test]
async fn what_is_damaged_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    fill(&trail).await;
    let asking = engine(10);
    // Flip one byte in each run in turn: a fresh engine and one that has it open both find the right answer.
    let runs = trail_folder(folder.path());
    let before = answer(&asking, &trail, None).await;
    for idx in 0..std::fs::read_dir(&runs).unwrap().count() {
        let Some(path) = std::fs::read_dir(&runs).unwrap().nth(idx).map(|entry| entry.unwrap().path()) else {
            break;
        };
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() * (idx + 1) / 7;
        bytes[at] ^= 0x40;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(answer(&asking, &trail, None).await, before, "{}", path.display());
        assert_eq!(answer(&engine(10), &trail, None).await, before, "{}", path.display());
    }
    std::fs::remove_dir_all(&runs).unwrap();
    assert_eq!(answer(&engine(10), &trail, None).await, before);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_session_before_a_start_of_the_machine_knows_nothing_of_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    let of_machine = |seconds: i64, user: Option<&str>, ip: Option<&str>, hints: SessionHints| {
        let mut event = login(seconds, Activity::Logon);
        event.occurred_at = second(seconds);
        event.dst_hostname = Some("m".to_owned());
        event.session_uid = Some("s".to_owned());
        (event.user.name, event.service.name) = (user.map(str::to_owned), None);
        event.src_endpoint.ip = ip.map(str::to_owned);
        let mut unmapped = serde_json::Map::new();
        hints.write(&mut unmapped);
        event.unmapped = Some(jcs::canonical(&unmapped.into()).unwrap());
        event
    };
    let boot = SessionHints { boundary: Some(Boundary::Boot), ..SessionHints::default() };
    let events = vec![
        of_machine(0, None, None, SessionHints::default()),
        of_machine(1, None, Some("10.0.0.2"), SessionHints::default()),
        of_machine(12, None, None, boot),
        of_machine(25, Some("ada"), None, SessionHints::default()),
    ];
    append(&trail, 3, events).await;
    let page = engine(10).sessions(&trail, &everything(SessionQuery::Sessions), at(NOW_MS)).await.unwrap();
    let told: Vec<_> = page.rows.iter().map(|row| (row.user.as_deref(), row.ip.as_deref())).collect();
    assert_eq!(told, [(Some("ada"), None), (None, Some("10.0.0.2"))]);
    store.close().await.unwrap();
}

fn trail_folder(data: &Path) -> std::path::PathBuf {
    data.join("trails/contoso/production/sessions")
}
