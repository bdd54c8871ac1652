//! Days of a real trail are stated, stated again, and found out when they are not true.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use whowas_collect::{
    Delivery, ImportOptions,
    daily::{Known, state_days},
    import_bytes, note,
};
use whowas_event::{
    Event, Kind, NativeId, Status, Time,
    daily::{Day, DayState, Statement},
};
use whowas_store::{Clock, Store, Trail, audit::Audit};

#[derive(Debug)]
struct MovingClock(AtomicI64);

impl Clock for MovingClock {
    fn now(&self) -> Time {
        Time::from_ms(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

struct World {
    store: Store,
    trail: Arc<Trail>,
    clock: Arc<MovingClock>,
    known: Known,
    _folder: tempfile::TempDir,
}

fn at(text: &str) -> Time {
    Time::parse_rfc3339(text).unwrap()
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(MovingClock(AtomicI64::new(at("2026-11-20T12:00:00Z").as_ms())));
        let store = Store::open(folder.path(), true, clock.clone()).await.unwrap();
        let trail = store.create_trail(&"contoso/production".parse().unwrap()).await.unwrap();
        Self { store, trail, clock, known: Known::default(), _folder: folder }
    }

    async fn push(&self, day: &str, ids: std::ops::Range<usize>) {
        let body: String = ids
            .map(|id| format!("{{\"id\":\"{day}-{id}\",\"occurred_at\":\"{day}T08:00:00Z\",\"activity\":\"logon\",\"user_name\":\"u{id}\"}}\n"))
            .collect();
        let options = ImportOptions { delivery: Delivery::Push, ..ImportOptions::default() };
        import_bytes(&self.trail, self.store.control(), body.as_bytes(), "request", &options).await.unwrap();
    }

    async fn round(&mut self, now: &str) -> u64 {
        self.clock.0.store(at(now).as_ms(), Ordering::SeqCst);
        state_days(&self.trail, self.store.control().as_ref(), &mut self.known, at(now)).await.unwrap()
    }

    async fn statements(&self) -> Vec<(u64, Statement)> {
        let found = self.trail.visit(Vec::new(), |found, position, record, _| {
            found.extend(Statement::of(record).map(|said| (position, said.unwrap())));
        });
        let mut found = found.await.unwrap();
        found.sort_unstable_by_key(|(position, _)| *position);
        found
    }

    async fn audit(&self) -> Audit {
        let environment = self.store.control().environment(self.trail.name()).await.unwrap().unwrap();
        self.store.audit(&environment).await.unwrap()
    }
}

#[tokio::test]
async fn days_are_stated_when_they_rest_and_again_when_more_comes() {
    let mut world = World::new().await;
    world.push("2026-11-20", 0..40).await;
    world.push("2019-02-03", 0..5).await;
    // The trail's own first day has not rested yet; a day of years ago has.
    assert_eq!(world.round("2026-11-21T03:00:00Z").await, 1);
    world.trail.settle().await;
    world.push("2026-11-20", 40..700).await;
    assert_eq!(world.round("2026-11-24T00:00:00Z").await, 1);
    assert_eq!(world.round("2026-11-24T01:00:00Z").await, 0);
    // The 21st was empty, and is stated as such.
    assert_eq!(world.round("2026-11-25T01:00:00Z").await, 1);
    let said: Vec<_> = world.statements().await;
    let shown =
        |said: &Statement| (said.day.to_string(), said.revision, said.count, said.tree_size, said.state);
    let shown: Vec<_> = said.iter().map(|(_, said)| shown(said)).collect();
    let rested = DayState::Rested;
    assert_eq!(
        shown,
        [
            ("2019-02-03".to_owned(), 0, 5, 45, rested),
            ("2026-11-20".to_owned(), 0, 700, 706, rested),
            ("2026-11-21".to_owned(), 0, 0, 707, rested),
        ]
    );
    // Somebody comes late. It shows at once, and with the next round it is stated.
    world.push("2026-11-20", 700..701).await;
    world.push("2026-11-21", 0..2).await;
    world.store.close().await.unwrap();
    let audit = world.audit().await;
    assert_eq!((audit.findings, audit.days, audit.days_revised, audit.days_late), (vec![], 3, 0, 2));
}

#[tokio::test]
async fn a_restart_goes_on_where_the_trail_is() {
    let mut world = World::new().await;
    world.push("2026-11-20", 0..9).await;
    assert_eq!(world.round("2026-11-24T00:00:00Z").await, 1);
    world.known = Known::default();
    assert_eq!(world.round("2026-11-24T00:00:01Z").await, 0);
    world.push("2026-11-20", 9..11).await;
    world.trail.settle().await;
    world.known = Known::default();
    assert_eq!(world.round("2026-11-24T01:00:00Z").await, 1);
    let (position, last) = world.statements().await.pop().unwrap();
    assert_eq!((position, last.revision, last.count, last.tree_size), (12, 1, 11, 12));
    world.store.close().await.unwrap();
    let audit = world.audit().await;
    assert_eq!((audit.findings, audit.days, audit.days_revised, audit.days_late), (vec![], 1, 1, 0));
}

/// Whoever may write to the trail may also have it state something else. Nobody who checks believes it.
#[tokio::test]
async fn a_manifest_that_lies_is_named_by_its_position() {
    let mut world = World::new().await;
    world.push("2026-11-20", 0..9).await;
    assert_eq!(world.round("2026-11-24T00:00:00Z").await, 1);
    let (_, mut lie) = world.statements().await.remove(0);
    lie.day = Day::of(at("2026-11-19T00:00:00Z")).unwrap();
    for (count, revision) in [(9, 0), (0, 1)] {
        (lie.count, lie.revision, lie.tree_size) = (count, revision, 10);
        let event = Event {
            kind: Kind::Coverage,
            occurred_at: at("2026-11-24T00:00:00Z"),
            status: Status::Success,
            native_id: NativeId::Derived(format!("day:lie:{count}")),
            ..Event::default()
        };
        let body = (lie.to_body(), serde_json::Value::Null);
        note(&world.trail, event, body, at("2026-11-24T00:00:00Z")).await.unwrap();
    }
    for is_archived in [false, true] {
        if is_archived {
            world.trail.settle().await;
        }
        world.store.control().environment(world.trail.name()).await.unwrap();
        let findings: Vec<_> =
            world.audit().await.findings.into_iter().map(|one| (one.place, one.reason)).collect();
        assert_eq!(
            findings,
            [
                (
                    "position 10".to_owned(),
                    "the manifest of 2026-11-19 states 9 sign-ins, and the first 10 leaves have 0".to_owned()
                ),
                (
                    "position 11".to_owned(),
                    "the manifest of 2026-11-19 states other sign-ins than the leaves have".to_owned()
                ),
            ],
            "archived: {is_archived}"
        );
    }
}
