//! Scheduled exports: a year of weeks in simulated time, with everything that can stop them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    pin::pin,
    sync::Arc,
};

use whowas_collect::coverage::{self, Ledger, Pass, PassKind, Terms};
use whowas_event::{
    Activity, Draft, EnvironmentName, Event, Kind, NativeId, Status, Time, User, admit, admit::RawData,
};
use whowas_export::{
    ExportFormat, FileFormat,
    windows::{Every, Schedule, State},
};
use whowas_query::Engine;
use whowas_server::archive::{
    Archiver, Offline, ScheduleReport, Scheduled, Step, manifest::Manifest, restore, verify, windows,
};
use whowas_store::{Batch, Clock, Store, Trail, WhenFull};
use whowas_testkit::{clock::SimClock, life::Bounded, random::Random};
use whowas_tlog::policy::Policy;

use crate::world::environment;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const BEGIN: &str = "2026-01-05T00:00:00Z";
const SOURCE: &str = "idp";

fn at(text: &str) -> Time {
    Time::parse_rfc3339(text).unwrap()
}

fn scheduled(storage: &Path) -> Scheduled {
    Scheduled {
        environment: environment(),
        schedule: Schedule {
            name: "weekly".into(),
            begin: at(BEGIN),
            every: Every::Days(7),
            settle_ms: HOUR_MS,
            latest_ms: 5 * DAY_MS,
            verify_ms: 90 * DAY_MS,
        },
        storage: Arc::new(Offline::open(&storage.display().to_string()).unwrap()),
        formats: vec![FileFormat::Rows(ExportFormat::Csv), FileFormat::Parquet],
    }
}

fn sign_in(count: i64, occurred_at: Time) -> whowas_event::Admitted {
    let event = Event {
        kind: Kind::Login,
        occurred_at,
        native_id: NativeId::Given(format!("event-{count}")),
        activity: Activity::Logon,
        status: Status::Success,
        user: User {
            uid: Some(format!("u{}", count % 5)),
            name: Some(format!("name{}", count % 5)),
            ..User::default()
        },
        ..Event::default()
    };
    admit(Draft { event, raw: format!("raw {count}").into_bytes() }, RawData::Kept).unwrap()
}

/// Reads the source up to now, as a collector with a mark does: its records and what it makes of the ledger.
pub(crate) async fn read_source(store: &Store, trail: &Trail, events: &[Time], from: Time, to: Time) {
    let records: Vec<_> = (0..)
        .zip(events)
        .filter(|(_, occurred_at)| (from..to).contains(occurred_at))
        .map(|(count, occurred_at)| sign_in(count, *occurred_at))
        .collect();
    let mut pass = Pass::new(SOURCE, "log", PassKind::Cursor, (from, to), to);
    pass.terms = Terms { retention_ms: Some(30 * DAY_MS), ..Terms::default() };
    pass.ids = records.len() as u64;
    let range = (from.saturating_add_ms(-40 * DAY_MS), to);
    let key = Some((SOURCE, "log"));
    let known = coverage::load(store.control().as_ref(), trail.name(), key, range).await.unwrap().pop();
    let mut ledger: Ledger = known.map(|known| known.ledger).unwrap_or_default();
    let changed = ledger.apply(&pass);
    let progress = coverage::stored((SOURCE, "log"), &ledger, changed, None);
    let batch = Batch { source: SOURCE.into(), format: "whowas-event".into(), received_at: to, records };
    trail.append_with(batch, Some(progress), WhenFull::Wait).await.unwrap();
}

struct Year {
    random: Random,
    clock: Arc<SimClock>,
    events: Vec<Time>,
    read_to: Time,
    /// Until then the source cannot be reached.
    unreachable_until: Time,
    killed: u32,
    down: u32,
}

impl Year {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (mut time, mut events) = (at(BEGIN), Vec::new());
        while time < at("2027-01-10T00:00:00Z") {
            events.push(time);
            time = time.saturating_add_ms(random.between(HOUR_MS, 20 * HOUR_MS));
        }
        let clock = Arc::new(SimClock::at(at(BEGIN)));
        Self { random, clock, events, read_to: at(BEGIN), unreachable_until: at(BEGIN), killed: 0, down: 0 }
    }

    async fn live(&mut self, data: &Path, storage: &Path) {
        // Reachable at the end, so that every window is closed.
        while self.clock.now() < at("2027-01-20T00:00:00Z") || self.clock.now() < self.unreachable_until {
            let store = Arc::new(Store::open(data, true, self.clock.clone()).await.unwrap());
            let trail = store.create_trail(&environment()).await.unwrap();
            let archiver = Archiver::new(store.clone(), Engine::new().unwrap(), vec![scheduled(storage)]);
            for _ in 0..self.random.between(1, 30) {
                // A source that cannot be reached leaves its time open, sometimes longer than a window can wait.
                let now = self.clock.now();
                if self.random.happens(4) {
                    self.unreachable_until = now.saturating_add_ms(self.random.between(DAY_MS, 15 * DAY_MS));
                }
                if now >= self.unreachable_until {
                    read_source(&store, &trail, &self.events, self.read_to, now).await;
                    self.read_to = now;
                }
                if !self.steps(&archiver).await {
                    self.killed += 1;
                    break;
                }
                self.clock.pass(self.random.between(8 * HOUR_MS, 36 * HOUR_MS));
            }
            drop((archiver, trail));
            store.close().await.unwrap();
            if self.random.happens(25) {
                self.down += 1;
                self.clock.pass(self.random.between(HOUR_MS, 20 * DAY_MS));
            }
        }
    }

    /// Does what is due; sometimes it is killed on the way.
    async fn steps(&mut self, archiver: &Archiver) -> bool {
        loop {
            let polls = if self.random.happens(5) { self.random.between(1, 60) } else { i64::MAX };
            match Bounded::new(pin!(archiver.step()), polls).await {
                None => return false,
                Some(step) => match step.unwrap() {
                    Step::Done => {}
                    Step::Wait(until) => {
                        assert!(until > self.clock.now());
                        return true;
                    }
                },
            }
        }
    }
}

async fn report(store: &Store, storage: &Path, now: Time) -> ScheduleReport {
    let mut reports =
        windows(store.control().as_ref(), &environment(), &[scheduled(storage)], now).await.unwrap();
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

/// The ids in a window's CSV.
async fn ids(offline: &Offline, folder: &str, manifest: &Manifest) -> Vec<String> {
    let part = manifest.files.iter().find(|part| part.name.ends_with(".csv")).unwrap();
    let csv = offline.read(&format!("{folder}/{}", part.name), u64::MAX).await.unwrap();
    let text = String::from_utf8(csv).unwrap();
    let mut lines = text.lines();
    let column = lines.next().unwrap().split(',').position(|name| name == "native_id").unwrap();
    lines.map(|line| line.split(',').nth(column).unwrap().to_owned()).collect()
}

async fn records_of_windows(trail: &Trail) -> Vec<String> {
    let size = trail.snapshot().size;
    let mut bodies = Vec::new();
    for record in trail.records(0..size).await.unwrap() {
        let body = record.event.body.unwrap_or_default();
        if record.event.kind == Kind::Access && body.contains("\"archive\"") {
            bodies.push(body);
        }
    }
    bodies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_of_weeks_has_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let (data, storage) = (folder.path().join("data"), folder.path().join("offline"));
    let mut year = Year::new(7);
    year.live(&data, &storage).await;
    assert!(year.killed > 3 && year.down > 3, "killed {}, down {}", year.killed, year.down);

    let now = year.clock.now();
    let store = Store::open(&data, false, year.clock.clone()).await.unwrap();
    let trail = store.trail(&environment()).await.unwrap();
    let report = report(&store, &storage, now).await;
    let written: Vec<_> = report.windows.iter().rev().filter(|window| window.written_at.is_some()).collect();
    assert!(written.len() >= 53, "{}", written.len());
    let mut expected = at(BEGIN);
    for window in &written {
        assert_eq!((window.from, window.to), (expected, expected.saturating_add_ms(7 * DAY_MS)));
        assert!(matches!(window.state, State::Verified | State::Late), "{window:?}");
        assert!(window.position.is_some() || year.killed > 0);
        expected = window.to;
    }

    // What lies in the storage, seen by somebody who has only the key.
    let offline = Offline::open(&storage.join("contoso/production/weekly").display().to_string()).unwrap();
    let policy = Policy::of_log(trail.verifying_key().clone());
    let folders = offline.folders("").await.unwrap();
    let (mut seen, mut late, mut in_time) = (BTreeMap::<String, u32>::new(), 0, BTreeSet::new());
    let mut finished = 0;
    for folder in &folders {
        if !offline.has(&format!("{folder}/window.json")).await.unwrap() {
            continue;
        }
        finished += 1;
        let verified = verify(&offline, folder, &policy).await.unwrap();
        assert_eq!(verified.findings, [], "{folder}");
        let manifest = verified.manifest.unwrap();
        assert_eq!(verified.records, manifest.tree_size - manifest.first_position);
        assert_eq!(verified.evidence.unwrap().undecided, 0);
        late += manifest.late_rows;
        for id in ids(&offline, folder, &manifest).await {
            *seen.entry(id.clone()).or_default() += 1;
            in_time.insert(id);
        }
    }
    assert_eq!(finished, written.len());
    assert!(seen.values().all(|count| *count == 1), "{seen:?}");
    let due = year.events.iter().filter(|time| **time < expected).count() as u64;
    assert_eq!(
        seen.len() as u64 + late,
        due,
        "each is a row of its window, or counted as late in a later one"
    );

    // One record each, and its manifest is named by it.
    let bodies = records_of_windows(&trail).await;
    assert_eq!(bodies.len(), written.len());
    assert!(late > 0 && written.iter().any(|window| window.state == State::Late), "{late}");
    for (window, body) in written.iter().zip(&bodies) {
        assert!(body.contains(window.sha256.as_ref().unwrap()), "{body}");
    }
    drop(trail);
    store.close().await.unwrap();
    restored(&data, folder.path(), &offline, &year).await;
}

/// The trail on another machine: the same root, and the schedule goes on where it was.
async fn restored(data: &Path, folder: &Path, offline: &Offline, year: &Year) {
    let key = std::fs::read_to_string(data.join("keys/contoso/production.key")).unwrap();
    let vkey = std::fs::read_to_string(data.join("trails/contoso/production/vkey")).unwrap();
    let policy = Policy::of_log(vkey.trim().parse().unwrap());
    let elsewhere = folder.join("elsewhere");
    let store = Arc::new(Store::open(&elsewhere, true, year.clock.clone()).await.unwrap());
    let done = restore(&store, offline, &policy, Some(&key)).await.unwrap();
    assert!(done.is_same_key && done.windows >= 53, "{done:?}");
    let name: EnvironmentName = environment();
    let found = store.control().environment(&name).await.unwrap().unwrap();
    let audit = store.audit(&found).await.unwrap();
    assert_eq!((audit.size, &audit.root, audit.findings.as_slice()), (done.size, &done.root, &[][..]));

    // Windows that are in the storage are found there, and not written again.
    let before = offline.list("").await.unwrap();
    let archiver =
        Archiver::new(store.clone(), Engine::new().unwrap(), vec![scheduled(&folder.join("offline"))]);
    for _ in 0..done.windows * 2 {
        archiver.step().await.unwrap();
    }
    let kept = report(&store, &folder.join("offline"), year.clock.now()).await;
    let written = kept.windows.iter().filter(|window| window.written_at.is_some()).count();
    assert_eq!(written, done.windows, "{:?}", kept.windows.first());
    assert_eq!(offline.list("").await.unwrap(), before);
    store.close().await.unwrap();

    // Another key is another signer of the same log; a wrong one is refused.
    let other = Store::open(&folder.join("other"), true, year.clock.clone()).await.unwrap();
    let done_with_new_key = restore(&other, offline, &policy, None).await.unwrap();
    assert!(!done_with_new_key.is_same_key);
    assert_eq!(done_with_new_key.root, done.root);
    other.close().await.unwrap();
    let wrong = Policy::of_log(done_with_new_key.vkey.parse().unwrap());
    let refused = Store::open(&folder.join("refused"), true, year.clock.clone()).await.unwrap();
    assert!(restore(&refused, offline, &wrong, Some(&key)).await.is_err());
    refused.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_in_the_storage_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (data, storage) = (folder.path().join("data"), folder.path().join("offline"));
    let clock = Arc::new(SimClock::at(at(BEGIN)));
    let store = Arc::new(Store::open(&data, true, clock.clone()).await.unwrap());
    let trail = store.create_trail(&environment()).await.unwrap();
    let events: Vec<_> = (0..20).map(|count| at(BEGIN).saturating_add_ms(count * 7 * HOUR_MS)).collect();
    clock.pass(8 * DAY_MS);
    read_source(&store, &trail, &events, at(BEGIN), clock.now()).await;
    let archiver = Archiver::new(store.clone(), Engine::new().unwrap(), vec![scheduled(&storage)]);
    while archiver.step().await.unwrap() == Step::Done {}
    let offline = Offline::open(&storage.join("contoso/production/weekly").display().to_string()).unwrap();
    let policy = Policy::of_log(trail.verifying_key().clone());
    let window = offline.folders("").await.unwrap().remove(0);
    assert_eq!(verify(&offline, &window, &policy).await.unwrap().findings, []);
    let path = storage.join("contoso/production/weekly").join(&window);
    let names: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len(), 5, "csv, parquet, evidence, records, manifest: {names:?}");
    for name in &names {
        let sound = std::fs::read(name).unwrap();
        let mut flipped = sound.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        for changed in [Some(flipped), Some(sound[..sound.len() - 1].to_vec()), Some(Vec::new()), None] {
            match &changed {
                Some(bytes) => std::fs::write(name, bytes).unwrap(),
                None => std::fs::remove_file(name).unwrap(),
            }
            let findings = verify(&offline, &window, &policy).await.unwrap().findings;
            // A byte between values of the manifest says nothing; the trail knows its digest all the same.
            let is_manifest = name.ends_with("window.json");
            assert!(!findings.is_empty() || is_manifest, "{} {:?}", name.display(), changed.map(|c| c.len()));
        }
        std::fs::write(name, &sound).unwrap();
    }
    // The next look of the schedule finds it, says so, and finds when it was mended.
    let victim = names.iter().find(|name| name.extension().is_some_and(|end| end == "zip")).unwrap();
    let sound = std::fs::read(victim).unwrap();
    std::fs::write(victim, b"PK").unwrap();
    clock.pass(91 * DAY_MS);
    read_source(&store, &trail, &events, at(BEGIN).saturating_add_ms(8 * DAY_MS), clock.now()).await;
    archiver.step().await.unwrap();
    let oldest = report(&store, &storage, clock.now()).await.windows.pop().unwrap();
    assert_eq!(oldest.state, State::Failed);
    assert!(oldest.failure.unwrap().contains("another size"), "the reason");
    std::fs::write(victim, sound).unwrap();
    // Somebody else's object under the name of a window is not taken for it, and not overwritten.
    let next = report(&store, &storage, clock.now()).await.windows;
    let open = next.iter().rev().find(|window| window.written_at.is_none()).unwrap();
    let below = whowas_server::archive::manifest::folder(
        "contoso/production",
        "weekly",
        whowas_export::windows::Window { from: open.from, to: open.to },
    );
    let foreign = storage.join(below);
    std::fs::create_dir_all(&foreign).unwrap();
    std::fs::write(foreign.join("window.json"), b"{}").unwrap();
    archiver.step().await.unwrap();
    let windows = report(&store, &storage, clock.now()).await.windows;
    let failed = windows.iter().find(|window| window.from == open.from).unwrap();
    assert_eq!(failed.state, State::Failed, "{failed:?}");
    assert_eq!(std::fs::read(foreign.join("window.json")).unwrap(), b"{}");
    drop(trail);
    store.close().await.unwrap();
}

/// A receiver of webhooks that answers with these statuses, one request a connection, and gives what it got.
pub(crate) async fn receiver(statuses: &'static [u16]) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let receiving = tokio::spawn(async move {
        let mut got = Vec::new();
        for status in statuses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            // The body is complete when as much of it is there as the head says.
            loop {
                stream.read_buf(&mut bytes).await.unwrap();
                let text = String::from_utf8_lossy(&bytes).to_lowercase();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
                if body.len() >= length.parse().unwrap() {
                    break;
                }
            }
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            got.push(String::from_utf8(bytes).unwrap());
        }
        got
    });
    (url, receiving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_window_is_told_once_and_again_until_it_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SimClock::at(at(BEGIN)));
    let store = Arc::new(Store::open(&folder.path().join("data"), true, clock.clone()).await.unwrap());
    let trail = store.create_trail(&environment()).await.unwrap();
    let (url, receiving) = receiver(&[500, 302, 204]).await;
    let webhook = whowas_server::webhook::Webhook::new(&url, "0123456789abcdef").unwrap();
    let scheduled = scheduled(&folder.path().join("offline"));
    let archiver =
        Archiver::new(store.clone(), Engine::new().unwrap(), vec![scheduled]).telling(vec![webhook]);
    clock.pass(8 * DAY_MS);
    read_source(&store, &trail, &[at(BEGIN)], at(BEGIN), clock.now()).await;
    for _ in 0..20 {
        match archiver.step().await.unwrap() {
            Step::Done => {}
            Step::Wait(until) if receiving.is_finished() => {
                assert!(until > clock.now());
                break;
            }
            // The pause after a failure, not the next window.
            Step::Wait(until) => {
                assert!(until.as_ms() - clock.now().as_ms() <= 60_000, "{until}");
                clock.set(until);
            }
        }
    }
    let got = receiving.await.unwrap();
    let header = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("{name}: {text}")).split_once(": ").unwrap().1.to_owned()
    };
    let ids: BTreeSet<_> = got.iter().map(|one| header(one, "webhook-id")).collect();
    let signatures: BTreeSet<_> = got.iter().map(|one| header(one, "webhook-signature")).collect();
    assert_eq!((got.len(), ids.len()), (3, 1), "the same message each time");
    assert_eq!(signatures.len(), 3, "signed anew with its time");
    assert!(signatures.iter().all(|signature| signature.starts_with("v1,") && signature.len() == 47));
    let body: serde_json::Value = serde_json::from_str(got[2].split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["type"], "archive.verified");
    assert_eq!(body["data"]["window"]["rows"], 1);
    assert_eq!(body["data"]["window"]["from"], BEGIN.replace("Z", ".000Z"));
    drop(trail);
    store.close().await.unwrap();
}
