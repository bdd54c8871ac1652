//! Tests of objects: growth, restarts, memory.

use object_store::{PutPayload, memory::InMemory};
use whowas_store::Clock;

use super::*;

#[derive(Debug)]
struct Standing(std::sync::atomic::AtomicI64);

impl Clock for Standing {
    fn now(&self) -> Time {
        Time::from_ms(self.0.load(std::sync::atomic::Ordering::SeqCst)).unwrap()
    }
}

fn lines(range: std::ops::Range<u32>) -> String {
    let line = |id| {
        format!(
            "{{\"native_id\":\"e{id}\",\"occurred_at\":\"2026-11-10T09:00:00Z\",\"activity\":\"logon\",\"status\":\"success\",\"user\":{{\"uid\":\"u\"}}}}\n"
        )
    };
    range.map(line).collect()
}

async fn put(bucket: &Arc<InMemory>, name: &str, text: String) {
    bucket.put(&Path::from(name), PutPayload::from(text.into_bytes())).await.unwrap();
}

#[tokio::test]
async fn objects_are_read_until_they_stand_still() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Standing(1_794_000_000_000.into()));
    let pass = |ms| clock.0.fetch_add(ms, std::sync::atomic::Ordering::SeqCst);
    let store = Store::open(folder.path(), true, clock.clone()).await.unwrap();
    let name: EnvironmentName = "contoso/production".parse().unwrap();
    let bucket = Arc::new(InMemory::new());
    let objects = Objects {
        source: Some("logs".into()),
        store: bucket.clone(),
        prefix: Path::from("insights"),
        options: ImportOptions::default(),
    };
    let logins = async |trail: &Trail| {
        let size = trail.snapshot().size;
        let records = trail.records(0..size).await.unwrap();
        records.iter().filter(|record| record.event.kind == whowas_event::Kind::Login).count()
    };
    put(&bucket, "insights/h=09/PT1H.json", lines(0..3)).await;
    put(&bucket, "elsewhere/PT1H.json", lines(90..99)).await;
    put(&bucket, "insights/empty", String::new()).await;
    let mut watching = WatchingObjects::open(&store, &name, objects.clone()).await.unwrap();
    let trail = store.trail(&name).await.unwrap();
    watching.look(&store).await.unwrap();
    assert_eq!(logins(&trail).await, 3);
    // It grows; within five minutes it is left alone until it stands still for one look.
    put(&bucket, "insights/h=09/PT1H.json", lines(0..5)).await;
    pass(60_000);
    watching.look(&store).await.unwrap();
    assert_eq!(logins(&trail).await, 3);
    watching.look(&store).await.unwrap();
    assert_eq!(logins(&trail).await, 5);
    // One that grows with every look is read all the same.
    for end in 6..12 {
        put(&bucket, "insights/h=09/PT1H.json", lines(0..end)).await;
        pass(60_000);
        watching.look(&store).await.unwrap();
    }
    assert!(logins(&trail).await >= 9, "{}", logins(&trail).await);
    // A restart goes on; nothing is read twice, nothing is left out.
    drop(watching);
    put(&bucket, "insights/h=10/PT1H.json", lines(20..22)).await;
    let mut watching = WatchingObjects::open(&store, &name, objects.clone()).await.unwrap();
    watching.look(&store).await.unwrap();
    assert_eq!(logins(&trail).await, 13);
    let size = trail.snapshot().size;
    pass(60_000);
    watching.look(&store).await.unwrap();
    assert_eq!(trail.snapshot().size, size, "nothing is new");
    // What is not understood is told once, and is no gap in what comes after it.
    put(&bucket, "insights/h=11/other.bin", "\u{1}\u{2}\u{3}".into()).await;
    put(&bucket, "insights/h=12/PT1H.json", lines(30..31)).await;
    watching.look(&store).await.unwrap();
    assert_eq!(logins(&trail).await, 14);
    let streams = crate::coverage::reports(
        store.control().as_ref(),
        &name,
        (Time::from_ms(1_793_000_000_000).unwrap(), clock.now()),
        clock.now(),
    );
    let streams = streams.await.unwrap();
    let read: Vec<_> = streams.iter().filter(|one| one.source == "logs").collect();
    assert!(read.iter().any(|one| one.stream == FILES), "{streams:?}");
    drop(trail);
    store.close().await.unwrap();
}

#[test]
fn what_falls_out_of_memory_is_told_by_its_time() {
    let mut read = Read::default();
    for count in 0..=REMEMBERED_MAX {
        read.states.insert(format!("{count}"), ("s".into(), i64::try_from(count).unwrap()));
    }
    read.remember("new".into(), "s".into(), 5_000_000);
    assert_eq!(read.states.len(), REMEMBERED_MAX);
    assert!(read.knows("0", "anything", 0) && read.knows("1", "anything", 1));
    assert!(!read.knows("0", "rewritten", 6_000_000) && !read.knows("2", "rewritten", 2));
    assert!(read.knows("new", "s", 5_000_000));
}
