//! Imports into a real trail in a temporary folder.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::{io::Cursor, sync::Arc};

use whowas_collect::{
    Delivery, ImportError, ImportOptions, ImportSummary, REJECTED_KEPT_MAX, import, import_bytes,
};
use whowas_event::{EnvironmentName, Time};
use whowas_store::{Clock, ErrorKind, Store, Trail};

#[derive(Debug)]
struct FixedClock(Time);

impl Clock for FixedClock {
    fn now(&self) -> Time {
        self.0
    }
}

struct World {
    store: Store,
    trail: Arc<Trail>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock(Time::parse_rfc3339("2026-11-24T12:00:00Z").unwrap()));
        let store = Store::open(folder.path(), true, clock).await.unwrap();
        let name: EnvironmentName = "contoso/production".parse().unwrap();
        let trail = store.create_trail(&name).await.unwrap();
        Self { store, trail, _folder: folder }
    }

    async fn import(&self, text: String) -> Result<Vec<ImportSummary>, ImportError> {
        let options = ImportOptions::default();
        import(&self.trail, self.store.control(), Cursor::new(text), "week.ndjson", options).await
    }

    fn size(&self) -> u64 {
        self.trail.snapshot().size
    }
}

fn lines(ids: impl Iterator<Item = usize>) -> String {
    ids.map(|id| {
        format!("{{\"id\":\"e{id}\",\"occurred_at\":\"2026-11-23T08:00:00Z\",\"activity\":\"logon\",\"user_name\":\"u{id}\"}}\n")
    })
    .collect()
}

#[tokio::test]
async fn positions_follow_the_file_over_many_batches() {
    let world = World::new().await;
    let summary = world.import(lines(0..20_000)).await.unwrap().remove(0);
    assert_eq!((summary.recorded, summary.first_position, summary.rejected), (20_000, Some(0), 0));
    // One record more: the pass itself.
    assert_eq!((summary.tree_size, world.size()), (20_001, 20_001));
    let snapshot = world.trail.snapshot();
    let ids: Vec<String> = snapshot
        .tail
        .iter()
        .flat_map(|tail| {
            let column = tail.batch.column_by_name("native_id").unwrap();
            let column = column.as_any().downcast_ref::<arrow::array::StringArray>().unwrap();
            column.iter().map(|id| id.unwrap().to_owned()).collect::<Vec<_>>()
        })
        .take(20_000)
        .collect();
    assert!(ids.iter().enumerate().all(|(position, id)| *id == format!("e{position}")));
}

#[tokio::test]
async fn overlapping_files_make_the_same_trail_as_one() {
    let world = World::new().await;
    world.import(lines(0..6_000)).await.unwrap();
    let second = world.import(lines(4_000..9_000)).await.unwrap().remove(0);
    assert_eq!((second.read, second.recorded, second.duplicate), (5_000, 3_000, 2_000));
    let size = world.size();
    let again = world.import(lines(0..9_000)).await.unwrap().remove(0);
    assert_eq!((again.recorded, again.duplicate, again.tree_size), (0, 9_000, size));
    assert_eq!(world.size(), size, "a file without news leaves no trace in the tree");
}

#[tokio::test]
async fn what_is_refused_is_kept_with_its_place() {
    let world = World::new().await;
    let long = format!(
        "{{\"id\":\"x\",\"occurred_at\":\"2026-11-23T08:00:00Z\",\"activity\":\"logon\",\"user_agent\":\"{}\"}}\n",
        "x".repeat(20_000)
    );
    let text = format!("{}{{\"occurred_at\":\"yesterday\"}}\n{long}{}", lines(0..2), lines(2..3));
    let summary = world.import(text).await.unwrap().remove(0);
    assert_eq!((summary.read, summary.recorded, summary.rejected), (5, 3, 2));
    let kept = world.store.control().rejected(world.trail.name(), 0, 9).await.unwrap();
    let places: Vec<_> = kept.iter().map(|one| (one.record, one.line)).collect();
    assert_eq!(places, [(3, Some(3)), (4, None)]);
    assert!(kept[1].reason.starts_with("user_agent has 20000 bytes") && kept[1].raw.len() > 20_000);
    assert!(u64::try_from(kept.len()).unwrap() < REJECTED_KEPT_MAX);
}

#[tokio::test]
async fn an_input_that_breaks_off_keeps_what_was_read() {
    /// Gives some text, then an error.
    struct Broken(Cursor<String>);
    impl std::io::Read for Broken {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(out)? {
                0 => Err(std::io::Error::other("the cable was pulled")),
                bytes => Ok(bytes),
            }
        }
    }
    let world = World::new().await;
    let input = Broken(Cursor::new(lines(0..5_000)));
    let options = ImportOptions::default();
    let error = import(&world.trail, world.store.control(), input, "week.ndjson", options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(
        text.starts_with("week.ndjson: ") && text.contains("5000 records before that are recorded"),
        "{text}"
    );
    assert_eq!(world.size(), 5_001);
    let rest = world.import(lines(0..6_000)).await.unwrap().remove(0);
    assert_eq!((rest.recorded, rest.duplicate), (1_000, 5_000));
}

#[tokio::test]
async fn pushed_records_leave_no_pass_behind() {
    let world = World::new().await;
    let options = ImportOptions { delivery: Delivery::Push, ..ImportOptions::default() };
    let body = lines(0..3);
    let control = world.store.control();
    let summary =
        import_bytes(&world.trail, control, body.as_bytes(), "request", &options).await.unwrap().remove(0);
    assert_eq!((summary.recorded, summary.tree_size, world.size()), (3, 3, 3));
}
