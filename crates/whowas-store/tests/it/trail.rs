//! The life of a trail: append, repeat, revise, reopen, archive, compact, check, damage.

use std::{
    fs,
    path::{Path, PathBuf},
};

use whowas_event::Admitted;
use whowas_store::{Batch, Store, StoreError, WhenFull, control::Progress};

use crate::world::{append, audit, clock, clock_at, login, name, open};

fn changed(n: u64) -> Admitted {
    let mut admitted = login(n);
    admitted.event.status_detail = Some("MFA completed later".into());
    admitted
}

#[tokio::test]
async fn deliveries_are_recognised_however_they_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    let first = append(&trail, (0..10).map(login).collect()).await;
    assert_eq!((first.recorded, first.first_position, first.tree_size), (10, Some(0), 10));
    // Twice in one batch, and again in another.
    let again = append(&trail, vec![login(9), login(10), login(10), changed(3)]).await;
    assert_eq!((again.recorded, again.duplicate, again.revised), (2, 2, 1));
    // An older export after a newer one: the old content is known too.
    let old = append(&trail, vec![login(3), changed(3)]).await;
    assert_eq!((old.recorded, old.duplicate, old.first_position, old.tree_size), (0, 2, None, 12));
    store.close().await.unwrap();
    drop((store, trail));
    // However old: after a restart, and from the archive.
    let (store, trail) = open(folder.path()).await;
    assert_eq!(append(&trail, vec![login(0), changed(3)]).await.duplicate, 2);
    trail.settle().await;
    assert!(trail.snapshot().tail.is_empty());
    assert_eq!(append(&trail, vec![login(1), login(11)]).await.recorded, 1);
    store.close().await.unwrap();
    assert_eq!(audit(&store).await.findings, []);
}

#[tokio::test]
async fn a_second_process_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _trail) = open(folder.path()).await;
    let second = Store::open(folder.path(), true, clock()).await.unwrap_err();
    let text = second.to_string();
    assert!(matches!(second, StoreError::Locked { .. }), "{text}");
    assert!(text.contains(&format!("(process {})", std::process::id())), "{text}");
    drop((store, _trail));
    Store::open(folder.path(), true, clock()).await.unwrap();
}

#[tokio::test]
async fn the_archive_grows_compacts_and_still_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    for round in 0..9 {
        append(&trail, (round * 300..(round + 1) * 300).map(login).collect()).await;
        trail.settle().await;
    }
    let snapshot = trail.snapshot();
    assert_eq!(snapshot.files.iter().map(|file| file.rows).sum::<u64>(), 2700);
    assert!(snapshot.files.len() < 9, "{} files were not compacted", snapshot.files.len());
    drop(snapshot);
    store.close().await.unwrap();
    let report = audit(&store).await;
    assert_eq!((report.size, report.leaves, report.findings), (2700, 2700, vec![]));
    let on_disk =
        files(folder.path()).into_iter().filter(|path| path.extension().is_some_and(|e| e == "parquet"));
    assert!(on_disk.count() >= trail.snapshot().files.len());
    drop((store, trail));
    let (store, trail) = open(folder.path()).await;
    assert_eq!((trail.snapshot().size, append(&trail, vec![login(5)]).await.duplicate), (2700, 1));
    store.close().await.unwrap();
}

/// A clock that is set back, while a trail is open and while it is closed.
#[tokio::test]
async fn recorded_times_never_go_back() {
    let folder = tempfile::tempdir().unwrap();
    for (round, ms) in [5_000_000, 1_000_000, 9_000_000, 2].into_iter().enumerate() {
        let store = Store::open(folder.path(), true, clock_at(ms)).await.unwrap();
        let trail = store.create_trail(&name()).await.unwrap();
        let first = u64::try_from(round).unwrap() * 10;
        append(&trail, (first..first + 5).map(login).collect()).await;
        trail.settle().await;
        append(&trail, (first + 5..first + 10).map(login).collect()).await;
        let records = trail.records(0..first + 10).await.unwrap();
        assert!(records.windows(2).all(|two| two[0].recorded_at <= two[1].recorded_at), "round {round}");
        store.close().await.unwrap();
        assert_eq!(audit(&store).await.findings, []);
    }
}

/// What a crash between the commit point and its application leaves is completed on opening.
#[tokio::test]
async fn opening_completes_what_a_crash_left() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, (0..300).map(login).collect()).await;
    let trail_folder = folder.path().join("trails/contoso/production");
    let checkpoint = fs::read(trail_folder.join("checkpoint")).unwrap();
    let before = files(&trail_folder.join("tile"));
    append(&trail, (300..700).map(login).collect()).await;
    store.close().await.unwrap();
    drop((store, trail));
    // As if the process had died right after the swap: old checkpoint, old tiles, garbage beyond.
    fs::write(trail_folder.join("checkpoint"), checkpoint).unwrap();
    let full = fs::read(trail_folder.join("tile/0/001")).unwrap();
    for path in files(&trail_folder.join("tile")) {
        if !before.contains(&path) {
            fs::remove_file(path).unwrap();
        }
    }
    let staged = files(&trail_folder.join("staging"));
    let last = staged.iter().max().unwrap();
    fs::copy(last, last.with_file_name("00000000000000000700-00000000000000000800.arrow")).unwrap();
    // The partial tile of the old size went when its tile was completed; put it back as it was then.
    fs::create_dir_all(trail_folder.join("tile/0/001.p")).unwrap();
    fs::write(trail_folder.join("tile/0/001.p/44"), &full[..44 * 32]).unwrap();
    let (store, trail) = open(folder.path()).await;
    assert_eq!(trail.snapshot().size, 700);
    assert_eq!(append(&trail, vec![login(699), login(700)]).await.recorded, 1);
    store.close().await.unwrap();
    assert_eq!(audit(&store).await.findings, []);
}

/// A commit that completes a tile removes its partial ones, in any order; a crash may leave some.
#[tokio::test]
async fn partial_tiles_that_a_crash_left_are_compared_with_the_full_one() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, (0..310).map(login).collect()).await;
    let trail_folder = folder.path().join("trails/contoso/production");
    let checkpoint = fs::read(trail_folder.join("checkpoint")).unwrap();
    append(&trail, (310..700).map(login).collect()).await;
    store.close().await.unwrap();
    // As if the process had died before it published: 44 is still there, 54 of that checkpoint is gone.
    fs::write(trail_folder.join("checkpoint"), checkpoint).unwrap();
    let mut partial = fs::read(trail_folder.join("tile/0/001")).unwrap();
    partial.truncate(44 * 32);
    let path = trail_folder.join("tile/0/001.p/44");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, &partial).unwrap();
    assert_eq!(audit(&store).await.findings, []);
    partial[7] ^= 1;
    fs::write(&path, &partial).unwrap();
    assert_eq!(audit(&store).await.findings[0].place, "tile/0/001.p/44");
}

#[tokio::test]
async fn a_control_database_older_than_the_trail_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, vec![login(0)]).await;
    store.close().await.unwrap();
    drop((store, trail));
    let backup = tempfile::tempdir().unwrap();
    let database = |folder: &Path| folder.join("control.db");
    until_closed(folder.path()).await;
    fs::copy(database(folder.path()), database(backup.path())).unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, vec![login(1)]).await;
    store.close().await.unwrap();
    drop((store, trail));
    until_closed(folder.path()).await;
    fs::copy(database(backup.path()), database(folder.path())).unwrap();
    let store = Store::open(folder.path(), false, clock()).await.unwrap();
    let error = store.trail(&name()).await.unwrap_err().to_string();
    assert!(
        error.contains("restored from a backup")
            && error.contains("knows 1 records")
            && error.contains("for 2"),
        "{error}"
    );
}

/// Waits until the control database is one file again: its connection is closed some time after the store
/// is dropped, moves the log into the database then, and deletes it by its name.
async fn until_closed(folder: &Path) {
    for _ in 0..1000 {
        if !folder.join("control.db-wal").exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the control database is still open");
}

/// Every single flipped byte of records, tiles and checkpoint is found, and the reason says where.
#[tokio::test]
async fn every_flipped_byte_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, (0..300).map(login).collect()).await;
    trail.settle().await;
    append(&trail, (300..340).map(login).collect()).await;
    store.close().await.unwrap();
    assert_eq!(audit(&store).await.findings, []);
    let root = folder.path().join("trails/contoso/production");
    let evidence: Vec<PathBuf> = files(&root)
        .into_iter()
        .filter(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            name == "checkpoint"
                || name.starts_with("tile/")
                || name.ends_with(".parquet")
                || name.starts_with("staging/")
        })
        .collect();
    assert!(evidence.len() >= 6, "{evidence:?}");
    let mut missed = Vec::new();
    for path in evidence {
        let good = fs::read(&path).unwrap();
        // A prime step visits every region of a large file; small files are visited byte by byte.
        let step = if good.len() > 4096 { (good.len() / 60) | 1 } else { (good.len() / 60).max(1) };
        for at in (0..good.len()).step_by(step) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            fs::write(&path, &bad).unwrap();
            if audit(&store).await.findings.is_empty() {
                missed.push((path.strip_prefix(&root).unwrap().to_owned(), at));
            }
        }
        fs::write(&path, good).unwrap();
    }
    assert_eq!(missed, []);
    assert_eq!(audit(&store).await.findings, []);
}

#[tokio::test]
async fn missing_evidence_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, (0..300).map(login).collect()).await;
    store.close().await.unwrap();
    let root = folder.path().join("trails/contoso/production");
    let tile = root.join("tile/0/000");
    let good = fs::read(&tile).unwrap();
    fs::remove_file(&tile).unwrap();
    let findings = audit(&store).await.findings;
    assert!(findings.iter().any(|finding| finding.reason.contains("tile/0/000")), "{findings:?}");
    fs::write(&tile, good).unwrap();
    for staged in files(&root.join("staging")) {
        fs::remove_file(staged).unwrap();
    }
    let findings = audit(&store).await.findings;
    assert!(findings[0].reason.contains("there are 0 records, the checkpoint says 300"), "{findings:?}");
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path) } else { vec![path] }
        })
        .collect()
}

/// A search chooses files by the times in the Delta log, so those are evidence too.
#[tokio::test]
async fn a_falsified_time_range_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, (0..100).map(login).collect()).await;
    trail.settle().await;
    store.close().await.unwrap();
    let log = folder.path().join("trails/contoso/production/archive/_delta_log/00000000000000000001.json");
    let text = fs::read_to_string(&log).unwrap();
    let max = trail.snapshot().files[0].occurred_max.to_string();
    assert!(text.contains(&max), "{text}");
    fs::write(&log, text.replace(&max, "2001-01-01T00:00:00.000Z")).unwrap();
    let findings = audit(&store).await.findings;
    assert!(findings.iter().any(|finding| finding.reason.contains("states other times")), "{findings:?}");
}

#[tokio::test]
async fn names_of_sources_are_bounded_and_secrets_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (_store, trail) = open(folder.path()).await;
    let batch = whowas_store::Batch { source: "x".repeat(513), format: "f".into(), ..Default::default() };
    let error = trail.append(batch, whowas_store::WhenFull::Wait).await.unwrap_err().to_string();
    assert_eq!(error, "the name of a source has 1 to 512 bytes, this one 513");
    for name in ["control.db", "control.db-wal", "keys/contoso/production.key"] {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// What a crash between writing a Parquet file and committing it leaves is swept on opening.
#[tokio::test]
async fn orphans_of_the_archive_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, (0..10).map(login).collect()).await;
    trail.settle().await;
    store.close().await.unwrap();
    drop((store, trail));
    let archive = folder.path().join("trails/contoso/production/archive");
    let orphan = archive.join(format!("{:020}-{:020}-{}.parquet", 10, 20, "0".repeat(64)));
    fs::write(&orphan, b"half a file").unwrap();
    let (store, trail) = open(folder.path()).await;
    assert!(!orphan.exists());
    assert_eq!(append(&trail, vec![login(3)]).await.duplicate, 1);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_trail_that_several_create_at_once_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), true, clock()).await.unwrap();
    let names = [name(), name(), name(), name()];
    let [a, b, c, d] = names.each_ref().map(|name| store.create_trail(name));
    let (a, b, c, d) = tokio::join!(a, b, c, d);
    for other in [b, c, d] {
        assert!(std::sync::Arc::ptr_eq(a.as_ref().unwrap(), &other.unwrap()));
    }
    append(&a.unwrap(), vec![login(1)]).await;
    store.close().await.unwrap();
    drop(store);
    let (store, trail) = open(folder.path()).await;
    assert_eq!(trail.snapshot().size, 1);
    assert_eq!(audit(&store).await.findings, []);
}

#[tokio::test]
async fn how_far_a_source_was_read_is_committed_with_its_records_and_without_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    let page = async |records: std::ops::Range<u64>, cursor: &str| {
        let received_at = whowas_event::Time::from_ms(1_790_000_000_000).unwrap();
        let records = records.map(login).collect();
        let batch = Batch { source: "test".into(), format: "test".into(), received_at, records };
        let progress = Progress { source: "test".into(), cursor: Some(cursor.into()), ..Progress::default() };
        trail.append_with(batch, Some(progress), WhenFull::Wait).await.unwrap()
    };
    let cursor = async || store.control().streams(&name()).await.unwrap().remove(0).cursor.unwrap();
    assert_eq!((page(0..5, "one").await.recorded, cursor().await.as_str()), (5, "one"));
    // Nothing but what is there, and then nothing at all: the tree stays, the cursor goes on.
    assert_eq!((page(3..5, "two").await.tree_size, cursor().await.as_str()), (5, "two"));
    assert_eq!((page(0..0, "three").await.tree_size, cursor().await.as_str()), (5, "three"));
    assert_eq!(page(5..6, "four").await.tree_size, 6);
    store.close().await.unwrap();
    drop((store, trail));
    let (store, trail) = open(folder.path()).await;
    assert_eq!(trail.snapshot().size, 6);
    assert_eq!(store.control().streams(&name()).await.unwrap().remove(0).cursor.as_deref(), Some("four"));
}

/// Commits are prepared while others are written. Whoever is answered, be it that all were duplicates of
/// what somebody else had just handed in, finds the records published; order of positions stays that of
/// the answers to one caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_answered_before_what_they_brought_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    let callers = (0..4_u64).map(|caller| {
        let trail = trail.clone();
        tokio::spawn(async move {
            let mut last = None;
            let mut recorded = 0;
            for round in 0..12 {
                // Small and large batches: large ones are prepared ahead. Callers bring the same records.
                let size = if (round + caller) % 3 == 0 { 5000 } else { 7 };
                let receipt = append(&trail, (round * 100..round * 100 + size).map(login).collect()).await;
                let snapshot = trail.snapshot();
                assert!(snapshot.size >= receipt.tree_size, "{} < {}", snapshot.size, receipt.tree_size);
                assert_eq!(receipt.recorded + receipt.duplicate, size);
                assert!(receipt.first_position.is_none_or(|first| last.is_none_or(|last| first > last)));
                last = receipt.first_position.or(last);
                recorded += receipt.recorded;
            }
            recorded
        })
    });
    let mut recorded = 0;
    for caller in callers.collect::<Vec<_>>() {
        recorded += caller.await.unwrap();
    }
    assert_eq!((recorded, trail.snapshot().size), (6100, 6100));
    store.close().await.unwrap();
    assert_eq!(audit(&store).await.findings, []);
}
