//! Imports into a real trail in a temporary folder.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "it/daily.rs"]
mod daily;
#[path = "it/poll.rs"]
mod poll;
#[path = "it/syslog.rs"]
mod syslog;

use std::{collections::BTreeMap, io::Cursor, sync::Arc};

use proptest::{collection::vec, option, prelude::*};
use whowas_collect::{
    Delivery, ImportError, ImportOptions, ImportSummary, REJECTED_KEPT_MAX, import, import_bytes,
};
use whowas_event::{EnvironmentName, Kind, Record, Time, leaf::LeafWriter};
use whowas_store::{Clock, ErrorKind, Store, Trail, columns::read_records};

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
    assert_eq!(places, [(3, Some(3)), (4, Some(4))]);
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

/// A session of *User Login Events*.
#[derive(Clone, Debug)]
struct Session {
    user: u8,
    start_minute: u32,
    minutes: Option<u32>,
}

/// An export of these sessions as Lifecycle Services would write it.
fn export<'a>(sessions: impl Iterator<Item = &'a Session>) -> String {
    let time = |minute: u32| {
        let (day, hour, minute) = (1 + minute / 1440, minute / 60 % 24, minute % 60);
        format!("2026-11-{day:02}T{hour:02}:{minute:02}:00Z")
    };
    let row = |session: &Session| {
        let end = session.minutes.map(|minutes| time(session.start_minute + minutes)).unwrap_or_default();
        format!(
            "7c0e5b1a-2f64-4d1e-9a31-0000000000{:02x},{},{end}\n",
            session.user,
            time(session.start_minute)
        )
    };
    std::iter::once("AADUserID,LoginStart,LoginEnd\n".to_owned()).chain(sessions.map(row)).collect()
}

/// What every sign-in's leaf says beside its salts and the time it was recorded, by native id and revision.
async fn leaves_of(files: &[String]) -> BTreeMap<(String, u32), Vec<u8>> {
    let world = World::new().await;
    for file in files {
        world.import(file.clone()).await.unwrap();
    }
    let mut leaves = BTreeMap::new();
    let mut writer = LeafWriter::default();
    for batch in &world.trail.snapshot().tail {
        read_records(&batch.batch, |_, record, _| {
            if record.event.kind == Kind::Login {
                let record = Record { salt: [0; 16], recorded_at: Time::default(), ..record.clone() };
                let leaf = writer.leaf(&record).to_vec();
                leaves.insert((record.event.native_id.as_str().to_owned(), record.revision), leaf);
            }
            Ok(())
        })
        .unwrap();
    }
    leaves
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever sessions there were, however the weeks overlap and in whatever order they come.
    #[test]
    fn overlapping_weeks_make_the_trail_of_one_file(
        mut sessions in vec((0_u8..6, 0_u32..21 * 1440, option::of(0_u32..2000)), 1..60),
        overlaps in vec(0_u32..4 * 1440, 3),
        order in Just(vec![0_usize, 1, 2]).prop_shuffle(),
    ) {
        sessions.sort();
        let sessions: Vec<Session> = sessions
            .into_iter()
            .map(|(user, start_minute, minutes)| Session { user, start_minute, minutes })
            .collect();
        let week = |at: usize| {
            let begin = u32::try_from(at).unwrap() * 7 * 1440;
            let range = begin.saturating_sub(overlaps[at])..=begin + 7 * 1440;
            export(sessions.iter().filter(|session| range.contains(&session.start_minute)))
        };
        let weeks: Vec<String> = order.into_iter().map(week).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (one, several) = runtime.block_on(async {
            (leaves_of(&[export(sessions.iter())]).await, leaves_of(&weeks).await)
        });
        prop_assert_eq!(one, several);
    }
}
