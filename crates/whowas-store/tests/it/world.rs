//! A data folder with a clock that the test holds.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use whowas_event::{
    Activity, Admitted, Draft, EnvironmentName, Event, NativeId, Status, Time, admit, admit::RawData,
};
use whowas_store::{Batch, Clock, Receipt, Store, Trail, WhenFull};

/// A clock that moves when it is told to.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Time {
        Time::from_ms(self.0.fetch_add(1, Ordering::Relaxed)).unwrap()
    }
}

pub(crate) fn clock() -> Arc<TestClock> {
    clock_at(1_790_000_000_000)
}

/// One that was set to another time.
pub(crate) fn clock_at(ms: i64) -> Arc<TestClock> {
    Arc::new(TestClock(AtomicI64::new(ms)))
}

pub(crate) fn name() -> EnvironmentName {
    "contoso/production".parse().unwrap()
}

pub(crate) async fn open(folder: &Path) -> (Store, Arc<Trail>) {
    let store = Store::open(folder, true, clock()).await.unwrap();
    let trail = store.create_trail(&name()).await.unwrap();
    (store, trail)
}

pub(crate) fn login(n: u64) -> Admitted {
    let mut event = Event {
        occurred_at: Time::from_ms(1_789_000_000_000 + i64::try_from(n).unwrap() * 1000).unwrap(),
        native_id: NativeId::Given(format!("event-{n}")),
        activity: Activity::Logon,
        status: Status::Success,
        ..Event::default()
    };
    event.user.uid = Some(format!("uid-{}", n % 97));
    event.user.name = Some(format!("User.{}@contoso.example", n % 97));
    event.src_endpoint.ip = Some(format!("192.0.2.{}", n % 250));
    event.session_uid = Some(format!("session-{n}"));
    event.service.name = Some("Finance".into());
    admit(Draft { event, raw: format!("raw {n}").into_bytes() }, RawData::Kept).unwrap()
}

pub(crate) async fn append(trail: &Trail, records: Vec<Admitted>) -> Receipt {
    let received_at = Time::from_ms(1_790_000_000_000).unwrap();
    let batch = Batch { source: "test".into(), format: "test".into(), received_at, records };
    trail.append(batch, WhenFull::Wait).await.unwrap()
}

/// Everything that must hold of a trail at rest.
pub(crate) async fn audit(store: &Store) -> whowas_store::audit::Audit {
    let environment = store.control().environment(&name()).await.unwrap().unwrap();
    store.audit(&environment).await.unwrap()
}
