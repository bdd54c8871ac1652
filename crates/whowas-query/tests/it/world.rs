//! A trail with records on both sides of the archive, and the same records in memory.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use whowas_event::{Activity, Draft, Event, Kind, NativeId, Status, Time, admit, admit::RawData};
use whowas_query::{
    Engine, LoginPage, LoginRequest,
    filter::{Subject, TextField},
};
use whowas_store::{Batch, Clock, Directory, Store, Trail, WhenFull};

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

/// What a filter looks at, made from the event itself and the directory: no engine involved.
pub(crate) fn subject<'a>(event: &'a Event, directory: &'a Directory) -> Subject<'a> {
    let user = &event.user;
    let mut names: Vec<&str> = [&user.uid, &user.name, &user.email_addr, &user.full_name]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let known = directory.find(user.uid.as_deref(), user.name.as_deref(), user.email_addr.as_deref());
    if let Some(known) = known {
        names.extend(
            [&known.name, &known.email_addr, &known.full_name].into_iter().flatten().map(String::as_str),
        );
    }
    let mut texts = vec![
        (TextField::Status, event.status.as_str()),
        (TextField::Activity, event.activity.as_str()),
        (TextField::Source, "test"),
        (TextField::Format, "test"),
        (TextField::NativeId, event.native_id.as_str()),
    ];
    let optional = [
        (TextField::Service, &event.service.name),
        (TextField::UserAgent, &event.user_agent),
        (TextField::Country, &event.src_endpoint.location.country),
        (TextField::Session, &event.session_uid),
        (TextField::StatusDetail, &event.status_detail),
    ];
    texts.extend(optional.into_iter().filter_map(|(field, text)| Some((field, text.as_deref()?))));
    Subject {
        occurred_at: event.occurred_at,
        user: names,
        ip: event.src_endpoint.ip.as_deref(),
        is_mfa: event.is_mfa,
        texts,
    }
}
