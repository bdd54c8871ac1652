//! Collectors against sources that answer by a function: dense windows, marks that expire, people.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use url::Url;
use whowas_collect::{
    coverage::{State, reports},
    poll::{
        Api, Auth, Collector, GraphSignIns, GraphUsers, Http, HttpError, OktaLog, Request, Response, Secret,
        Setup, Step,
    },
};
use whowas_event::{EnvironmentName, Kind, Time, admit::RawData};
use whowas_store::{Clock, Store, Trail, columns::read_records};

#[derive(Debug)]
struct MovingClock(AtomicI64);

impl Clock for MovingClock {
    fn now(&self) -> Time {
        Time::from_ms(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

type Answer = dyn Fn(&Url) -> (u16, String) + Send + Sync;

/// Where the log of Okta goes on: behind the last event of a page.
fn link_of(url: &Url, body: &str) -> Vec<String> {
    let Ok(Value::Array(events)) = serde_json::from_str(body) else { return Vec::new() };
    let after = match events.last() {
        Some(last) => last["uuid"].as_str().unwrap_or_default().trim_start_matches('u').to_owned(),
        None => return vec![format!("<{url}>; rel=\"next\"")],
    };
    vec![format!("<https://okta.example/api/v1/logs?after={after}&limit=1000>; rel=\"next\"")]
}

/// Answers by a function, and remembers what was asked.
struct Source {
    answer: Box<Answer>,
    asked: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

#[async_trait]
impl Http for Source {
    async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        self.asked.lock().unwrap().push(request.url.to_string());
        let (status, body) = (self.answer)(&request.url);
        let links = link_of(&request.url, &body);
        Ok(Response { status, links, body: body.into_bytes(), ..Response::default() })
    }
}

struct World {
    store: Store,
    trail: Arc<Trail>,
    clock: Arc<MovingClock>,
    source: Arc<Source>,
    collector: Collector,
    _folder: tempfile::TempDir,
}

fn at(text: &str) -> Time {
    Time::parse_rfc3339(text).unwrap()
}

impl World {
    async fn new(now: &str, api: impl Api + 'static, answer: Box<Answer>) -> Self {
        Self::with_clock(Arc::new(MovingClock(AtomicI64::new(at(now).as_ms()))), api, answer).await
    }

    async fn with_clock(clock: Arc<MovingClock>, api: impl Api + 'static, answer: Box<Answer>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), true, clock.clone()).await.unwrap();
        let name: EnvironmentName = "contoso/production".parse().unwrap();
        let trail = store.create_trail(&name).await.unwrap();
        let source = Arc::new(Source { answer, asked: Mutex::default() });
        let setup = Setup { source: "entra".to_owned(), raw: RawData::Dropped };
        let parts: (Arc<dyn Http>, Arc<dyn Api>) = (source.clone(), Arc::new(api));
        let (control, clocks) = (store.control().clone(), clock.clone());
        let collector = Collector::open(trail.clone(), control, parts, clocks, setup).await.unwrap();
        Self { store, trail, clock, source, collector, _folder: folder }
    }

    /// Goes on until then.
    async fn until(&mut self, end: &str) {
        while self.clock.now() < at(end) {
            match self.collector.step().await.unwrap() {
                Step::Done => _ = self.clock.0.fetch_add(200, Ordering::SeqCst),
                Step::Wait(later) => self.clock.0.store(later.min(at(end)).as_ms(), Ordering::SeqCst),
            }
        }
    }

    fn records(&self, kind: Kind) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for tail in &self.trail.snapshot().tail {
            read_records(&tail.batch, |_, record, _| {
                if record.event.kind == kind {
                    let id = record.event.native_id.as_str().to_owned();
                    found.push((id, record.event.user.full_name.clone().unwrap_or_default()));
                }
                Ok(())
            })
            .unwrap();
        }
        found
    }

    /// The times of the sign-ins of the tail and of the archive's index, by id.
    fn logins_at(&self) -> Vec<i64> {
        self.records(Kind::Login).iter().map(|(id, _)| id.trim_start_matches('u').parse().unwrap()).collect()
    }

    async fn report(&self, from: Time) -> whowas_collect::coverage::report::StreamReport {
        let (control, now) = (self.store.control().as_ref(), self.clock.now());
        reports(control, self.trail.name(), (from, now), now).await.unwrap().remove(0)
    }
}

fn auth() -> Auth {
    Auth::Header(Secret::new("Bearer x"))
}

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// 24,000 sign-ins from nine to ten, a page of 1,000 each; nothing at other times.
fn busy(url: &Url) -> (u16, String) {
    let param =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let filter = param("$filter").unwrap();
    let time = |after: &str| {
        let text = filter.split(after).nth(1).unwrap();
        at(text.split(' ').next().unwrap()).as_ms()
    };
    let (from, to) = (time("createdDateTime ge "), time("createdDateTime le "));
    let begin = at("2026-11-23T09:00:00Z").as_ms();
    let skipped: usize = param("$skiptoken").map_or(0, |text| text.parse().unwrap());
    let all = (0..24_000_i64).rev().map(|n| (n, begin + n * 150));
    let mut rest = all.filter(|(_, at)| (from..=to).contains(at)).skip(skipped).peekable();
    let row = |(n, at)| {
        let created = Time::from_ms(at).unwrap();
        json!({"id": format!("s{n}"), "createdDateTime": created, "appId": "a", "userId": "u"})
    };
    let rows: Vec<Value> = rest.by_ref().take(1000).map(row).collect();
    let mut page = json!({"value": rows});
    if rest.peek().is_some() {
        let mut next = url.clone();
        let token = (skipped + 1000).to_string();
        next.query_pairs_mut()
            .clear()
            .extend_pairs([("$filter", filter.as_str()), ("$skiptoken", token.as_str())]);
        page["@odata.nextLink"] = next.as_str().into();
    }
    (200, page.to_string())
}

#[tokio::test]
async fn a_window_with_more_than_a_cursor_holds_is_read_in_parts() {
    let base = Url::parse("https://graph.example/beta/").unwrap();
    let api = GraphSignIns::new(base, auth(), 7 * DAY_MS).with_types(&["interactiveUser"]);
    let mut world = World::new("2026-11-23T08:55:00Z", api, Box::new(busy)).await;
    world.until("2026-11-23T08:56:00Z").await;
    // Nothing runs while it happens; then the hours are caught up with.
    world.clock.0.store(at("2026-11-23T10:20:00Z").as_ms(), Ordering::SeqCst);
    world.until("2026-11-23T13:30:00Z").await;
    let mut ids: Vec<String> = world.records(Kind::Login).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 24_000, "each once");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 24_000);
    let (day, nine) = (at("2026-11-23T00:00:00Z"), at("2026-11-23T09:00:00Z"));
    let key = ("entra", "interactiveUser");
    let hour = (nine, nine.saturating_add_ms(HOUR_MS));
    let windows = world.store.control().windows(world.trail.name(), key, hour).await.unwrap();
    assert!(windows.len() >= 3, "{} windows", windows.len());
    assert!(windows.windows(2).all(|pair| pair[0].to == pair[1].from), "{windows:?}");
    let report = world.report(day).await;
    let ids: u64 = report.intervals.iter().map(|one| one.ids).sum();
    assert_eq!((ids, report.worst() < State::Lost), (24_000, true), "{report:#?}");
}

fn person(id: &str, name: &str) -> Value {
    let login = format!("{id}@contoso.example");
    json!({"id": id, "userPrincipalName": login, "displayName": name, "accountEnabled": true})
}

fn people(url: &Url) -> (u16, String) {
    let link = |query: &str| format!("https://graph.example/v1.0/users/delta?{query}");
    let page = |people: Vec<Value>, name: &str, query: &str| {
        let mut page = json!({"value": people});
        page[name] = link(query).into();
        (200, page.to_string())
    };
    match url.query().unwrap_or_default() {
        "$deltatoken=1" => page(vec![person("ada", "Ada King")], "@odata.deltaLink", "$deltatoken=2"),
        "$deltatoken=2" => (410, json!({"error": {"code": "syncStateNotFound"}}).to_string()),
        "$deltatoken=3" => {
            let removed = json!({"id": "bob", "@removed": {"reason": "deleted"}});
            page(vec![removed], "@odata.deltaLink", "$deltatoken=4")
        }
        "$skiptoken=1" => page(vec![person("bob", "Bob")], "@odata.deltaLink", "$deltatoken=1"),
        "$skiptoken=2" => page(vec![person("bob", "Bob")], "@odata.deltaLink", "$deltatoken=3"),
        "$deltatoken=4" => page(vec![], "@odata.deltaLink", "$deltatoken=4"),
        _ => page(vec![person("ada", "Ada")], "@odata.nextLink", "$skiptoken=1"),
    }
}

#[tokio::test]
async fn people_are_recorded_when_they_change_and_a_mark_that_expires_costs_a_repetition() {
    let base = Url::parse("https://graph.example/v1.0/").unwrap();
    let is_first = std::sync::atomic::AtomicBool::new(true);
    let answer = move |url: &Url| {
        let (status, body) = people(url);
        // The second time everything is asked for, the pages lead elsewhere, and a name has changed.
        if url.query().unwrap_or_default().contains("select") && !is_first.swap(false, Ordering::SeqCst) {
            return (status, body.replace("$skiptoken=1", "$skiptoken=2").replace("\"Ada\"", "\"Ada King\""));
        }
        (status, body)
    };
    let mut world = World::new("2026-11-23T08:00:00Z", GraphUsers::new(base, auth()), Box::new(answer)).await;
    world.until("2026-11-23T08:10:00Z").await;
    let told = |id: &str, name: &str| (format!("user:{id}"), name.to_owned());
    assert_eq!(world.records(Kind::Identity), [told("ada", "Ada"), told("bob", "Bob")]);
    // 08:15 brings a change; at 08:30 the mark is gone, and everything is read again, which adds nothing.
    world.until("2026-11-23T08:40:00Z").await;
    assert_eq!(world.records(Kind::Identity)[2..], [told("ada", "Ada King")]);
    let asked = world.source.asked.lock().unwrap().clone();
    assert!(asked[3].ends_with("$deltatoken=2") && asked[4].contains("select="), "{asked:#?}");
    // Who is removed is told of by id alone; the directory keeps the name.
    world.until("2026-11-23T09:00:00Z").await;
    assert_eq!(world.records(Kind::Identity)[3..], [told("bob", "Bob")]);
    let snapshot = world.trail.snapshot();
    let bob = snapshot.directory.find(Some("bob"), None, None).unwrap();
    assert!(bob.attributes.as_deref().unwrap().contains("removed"), "{bob:?}");
    let report = world.report(Time::default()).await;
    assert_eq!((report.failing_since, report.intervals.is_empty()), (None, false), "{report:#?}");
}

/// One event an hour, by marks, and nothing that is older than ninety days.
fn okta(now: &MovingClock, url: &Url) -> (u16, String) {
    let now = now.0.load(Ordering::SeqCst);
    let param =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let after = param("after").and_then(|after| after.parse::<i64>().ok());
    let since = param("since").map(|since| at(&since).as_ms() - 1);
    let behind = after.or(since).unwrap().max(now - 90 * DAY_MS);
    let first = behind.div_euclid(HOUR_MS) + 1;
    let events = (first..first + 500).map(|hour| hour * HOUR_MS).take_while(|at| *at <= now).map(|at| {
        json!({
            "uuid": format!("u{at}"), "published": Time::from_ms(at).unwrap(), "eventType": "user.session.start",
            "outcome": {"result": "SUCCESS"}, "actor": {"id": "u", "type": "User", "alternateId": "ada@contoso.example"},
        })
    });
    (200, json!(events.collect::<Vec<_>>()).to_string())
}

#[tokio::test]
async fn what_a_source_forgot_behind_its_mark_is_lost_and_nothing_else() {
    let base = Url::parse("https://okta.example/").unwrap();
    let clock = Arc::new(MovingClock(AtomicI64::new(at("2026-01-10T00:00:30Z").as_ms())));
    let own = clock.clone();
    let api = OktaLog::new(base, auth()).with_times(HOUR_MS, 90 * DAY_MS);
    let mut world = World::with_clock(clock, api, Box::new(move |url| okta(&own, url))).await;
    world.until("2026-01-10T03:00:00Z").await;
    let report = world.report(at("2025-01-01T00:00:00Z")).await;
    assert_eq!(report.worst(), State::Closed, "{report:#?}");
    // Nobody reads for 190 days.
    world.clock.0.store(at("2026-07-19T00:00:30Z").as_ms(), Ordering::SeqCst);
    world.until("2026-07-19T03:00:00Z").await;
    let report = world.report(at("2026-01-01T00:00:00Z")).await;
    let lost: Vec<_> = report.intervals.iter().filter(|one| one.state == State::Lost).collect();
    let [lost] = &lost[..] else { panic!("{report:#?}") };
    assert!(lost.from > at("2026-01-10T01:00:00Z") && lost.from <= at("2026-01-10T03:00:00Z"), "{lost:?}");
    // To a quarter of an hour, by which clocks may differ.
    let forgotten = at("2026-07-19T00:00:30Z").saturating_add_ms(-90 * DAY_MS);
    assert!(lost.to >= forgotten && lost.to.as_ms() - forgotten.as_ms() <= 3 * HOUR_MS, "{lost:?}");
    let times: Vec<i64> = world.logins_at();
    assert!(
        times.iter().all(|at| !(lost.from.as_ms()..forgotten.as_ms()).contains(at)),
        "they were not there"
    );
    let recent = times.iter().filter(|at| **at >= lost.to.as_ms()).count();
    let hours = (at("2026-07-19T02:00:00Z").as_ms() - lost.to.as_ms()) / HOUR_MS;
    assert!(i64::try_from(recent).unwrap() >= hours, "{recent} of {hours}");
}
