//! A trail with records on both sides of the archive, and the same records in memory.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use whowas_event::{Activity, Draft, Event, Kind, NativeId, Record, Status, Time, admit, admit::RawData};
use whowas_query::{Engine, LoginPage, LoginRequest};
use whowas_store::{Batch, Clock, Store, Trail, WhenFull};

pub(crate) const NOW_MS: i64 = 1_790_000_000_000;

#[derive(Debug)]
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Time {
        at(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

pub(crate) fn at(ms: i64) -> Time {
    Time::from_ms(ms).unwrap()
}

/// The n-th event of a small company: logons and logoffs, failures, several users, addresses, services.
pub(crate) fn event(n: u64) -> Event {
    let user = n % 11;
    let session = n / 2;
    let is_logoff = n % 2 == 1;
    let is_failure = !is_logoff && n % 10 == 4;
    let mut event = Event {
        occurred_at: at(NOW_MS - 3_600_000 * i64::try_from(n).unwrap()),
        native_id: NativeId::Given(format!("native-{n}")),
        activity: if is_logoff { Activity::Logoff } else { Activity::Logon },
        status: if is_failure { Status::Failure } else { Status::Success },
        is_mfa: (!n.is_multiple_of(3)).then_some(n % 3 == 1),
        ..Event::default()
    };
    event.status_detail = is_failure.then(|| "Invalid password for 100%_sure".to_owned());
    event.user.uid = (user != 3).then(|| format!("00000000-0000-0000-0000-{user:012}"));
    // Users 5 and up come with their id only, as from Lifecycle Services.
    event.user.name = (user < 5).then(|| format!("User{user}@contoso.example"));
    event.user.full_name = (user < 3).then(|| format!("Zo\u{eb} Number {user}"));
    event.src_endpoint.ip = Some(if n.is_multiple_of(4) {
        format!("2001:db8::{user:x}")
    } else {
        format!("10.{}.2.{user}", n % 3)
    });
    event.src_endpoint.location.country =
        Some(["CH", "US", "IN"][usize::try_from(n % 3).unwrap()].to_owned());
    event.service.name =
        Some(["Dynamics 365 Finance", "VPN_gateway", "Mail"][usize::try_from(n % 3).unwrap()].to_owned());
    event.user_agent = (!n.is_multiple_of(5)).then(|| format!("Mozilla/5.0 (Windows NT 10.0) v{n}"));
    event.session_uid = (n % 10 != 8).then(|| format!("session-{session}"));
    event
}

/// A directory entry for a user whom sign-ins name only by id.
fn person(user: u64) -> Event {
    let mut event = Event {
        kind: Kind::Identity,
        occurred_at: at(NOW_MS),
        native_id: NativeId::Given(format!("user:{user}")),
        ..Event::default()
    };
    event.user.uid = Some(format!("00000000-0000-0000-0000-{user:012}"));
    event.user.name = Some(format!("USER{user}"));
    event.user.full_name = Some(format!("Person {user}"));
    event.user.email_addr = Some(format!("person.{user}@contoso.example"));
    event
}

pub(crate) async fn open_store(folder: &Path) -> Store {
    Store::open(folder, true, Arc::new(TestClock(AtomicI64::new(NOW_MS)))).await.unwrap()
}

pub(crate) async fn trail(folder: &Path, count: u64) -> (Store, Arc<Trail>) {
    let store = open_store(folder).await;
    let trail = store.create_trail(&"contoso/production".parse().unwrap()).await.unwrap();
    append(&trail, (5..9).map(person).collect()).await;
    append(&trail, (0..count / 3).map(event).collect()).await;
    trail.settle().await;
    append(&trail, (count / 3..count / 2).map(event).collect()).await;
    trail.settle().await;
    append(&trail, (count / 2..count).map(event).collect()).await;
    (store, trail)
}

pub(crate) async fn append(trail: &Trail, events: Vec<Event>) {
    let records = events
        .into_iter()
        .map(|event| admit(Draft { event, raw: Vec::new() }, RawData::Dropped).unwrap())
        .collect();
    let batch = Batch { source: "test".into(), format: "test".into(), received_at: at(NOW_MS), records };
    trail.append(batch, WhenFull::Wait).await.unwrap();
}

pub(crate) async fn search(trail: &Trail, request: &LoginRequest) -> LoginPage {
    Engine::new().unwrap().logins(trail, request, at(NOW_MS)).await.unwrap()
}

/// A record as it was appended, for [`whowas_query::subject_of`].
pub(crate) fn record(event: Event) -> Record {
    Record {
        event,
        source: "test".into(),
        format: "test".into(),
        revision: 0,
        received_at: at(NOW_MS),
        recorded_at: at(NOW_MS),
        salt: [0; 16],
        raw_data_hash: None,
        erased: None,
    }
}
