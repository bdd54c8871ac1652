//! The public log: entry bundles, tiles and proofs of a trail that lies in archive and tail.

use std::fs;

use whowas_event::LeafWriter;
use whowas_store::audit::audit_copy;
use whowas_tlog::{
    hash::leaf_hash,
    tile::{TileId, decode_entries, tiles_of_size},
};

use crate::world::{append, audit, login, open};

fn bundle(index: u64, width: u16) -> TileId {
    TileId { level: 0, index, width }
}

#[tokio::test]
async fn bundles_are_the_entries_under_the_tiles_wherever_the_records_lie() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    for round in 0..3 {
        append(&trail, (round * 200..(round + 1) * 200).map(login).collect()).await;
        trail.settle().await;
    }
    append(&trail, (600..700).map(login).collect()).await;
    let snapshot = trail.snapshot();
    assert!(snapshot.files.len() >= 2 && !snapshot.tail.is_empty());
    for id in tiles_of_size(700).filter(|id| id.level == 0) {
        let bytes = trail.entry_bundle(id).await.unwrap().unwrap();
        let hashes: Vec<u8> =
            decode_entries(&bytes).unwrap().into_iter().flat_map(|entry| leaf_hash(entry).0).collect();
        assert_eq!(trail.tile(id).await.unwrap().unwrap(), hashes, "{id}");
    }
    // Every width up to the tree's size, and none beyond.
    for (id, count) in [(bundle(2, 1), 1), (bundle(2, 188), 188), (bundle(0, 100), 100)] {
        assert_eq!(decode_entries(&trail.entry_bundle(id).await.unwrap().unwrap()).unwrap().len(), count);
    }
    for beyond in [bundle(2, 189), bundle(2, 256), bundle(3, 1), bundle(u64::MAX, 1)] {
        assert_eq!(trail.entry_bundle(beyond).await.unwrap(), None, "{beyond}");
    }
    let records = trail.records(590..610).await.unwrap();
    let ids: Vec<_> = records.iter().map(|record| record.event.native_id.as_str().to_owned()).collect();
    assert_eq!(ids, (590..610).map(|n| format!("event-{n}")).collect::<Vec<_>>());
    assert!(trail.records(690..701).await.unwrap_err().to_string().contains("there are 700 records"));
    store.close().await.unwrap();
}

/// A partial tile of every size that had a checkpoint is answered, also after the full one replaced it.
#[tokio::test]
async fn partial_tiles_outlive_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, (0..100).map(login).collect()).await;
    let early = trail.tile(bundle(0, 100)).await.unwrap().unwrap();
    assert_eq!(early.len(), 3200);
    append(&trail, (100..300).map(login).collect()).await;
    assert!(!folder.path().join("trails/contoso/production/tile/0/000.p/100").exists());
    assert_eq!(trail.tile(bundle(0, 100)).await.unwrap().unwrap(), early);
    assert_eq!(trail.tile(bundle(1, 45)).await.unwrap(), None, "no checkpoint had it");
    assert_eq!(trail.tile(TileId::full(3, 0)).await.unwrap(), None);
    store.close().await.unwrap();
}

#[tokio::test]
async fn every_record_can_be_proven_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, (0..260).map(login).collect()).await;
    trail.settle().await;
    append(&trail, (260..270).map(login).collect()).await;
    let keys = [trail.verifying_key().clone()];
    for position in [0, 1, 255, 256, 259, 260, 269] {
        let proven = trail.prove(position).await.unwrap();
        assert_eq!(proven.record.event.native_id.as_str(), format!("event-{position}"));
        assert_eq!(LeafWriter::new().leaf(&proven.record), proven.leaf);
        let checkpoint =
            proven.proof.verify(&leaf_hash(&proven.leaf), trail.origin(), &keys).unwrap().checkpoint;
        assert_eq!((proven.proof.index, checkpoint.size), (position, 270));
    }
    let beyond = trail.prove(270).await.unwrap_err().to_string();
    assert_eq!(beyond, "there is no position 270: the trail has 270 records");
    store.close().await.unwrap();
}

/// What does not fit the tiles is not handed out.
#[tokio::test]
async fn a_changed_tile_stops_bundles_and_proofs() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, (0..300).map(login).collect()).await;
    let tile = folder.path().join("trails/contoso/production/tile/0/000");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[32 * 17] ^= 1;
    fs::write(&tile, bytes).unwrap();
    let broken = trail.entry_bundle(bundle(0, 256)).await.unwrap_err().to_string();
    assert!(broken.contains("position 17: the record does not have the leaf hash"), "{broken}");
    // The record's own hash in the tile is not on its path, and a proof that verifies is right.
    assert!(trail.prove(17).await.is_ok());
    for position in [16, 200] {
        let broken = trail.prove(position).await.unwrap_err();
        assert_eq!(broken.kind(), whowas_store::ErrorKind::Corrupt, "{broken}");
    }
    // The other tile and its records are untouched.
    assert!(trail.entry_bundle(bundle(1, 44)).await.unwrap().is_some());
    store.close().await.unwrap();
}

/// A folder that was copied without keys and control database, and made read-only.
#[tokio::test]
async fn a_copy_is_checked_with_the_public_key_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, (0..300).map(login).collect()).await;
    trail.settle().await;
    append(&trail, (300..340).map(login).collect()).await;
    let key = trail.verifying_key().clone();
    store.close().await.unwrap();
    let copied = tempfile::tempdir().unwrap();
    let root = copied.path().join("copy");
    let from = folder.path().join("trails/contoso/production");
    let status = std::process::Command::new("cp").arg("-r").arg(&from).arg(&root).status().unwrap();
    assert!(status.success());
    fs::remove_dir_all(root.join("seen")).unwrap();
    let before = listing(&root);
    let mut permissions = fs::metadata(&root).unwrap().permissions();
    permissions.set_mode(0o555);
    fs::set_permissions(&root, permissions).unwrap();
    let report = audit_copy(&root, &key).await.unwrap();
    assert_eq!((report.size, report.leaves, report.findings), (340, 340, vec![]));
    assert_eq!(listing(&root), before, "nothing was written");
    let mut permissions = fs::metadata(&root).unwrap().permissions();
    permissions.set_mode(0o755);
    fs::set_permissions(&root, permissions).unwrap();
    assert_eq!(audit(&store).await.findings, []);
    // Without its archive the copy lacks records, and none is created for it.
    fs::remove_dir_all(root.join("archive")).unwrap();
    let report = audit_copy(&root, &key).await.unwrap();
    let is_named = report.findings.iter().any(|one| one.reason.contains("there are 40 records"));
    assert!(is_named, "{:?}", report.findings);
    assert!(!root.join("archive").exists());
    let stranger = whowas_tlog::note::SigningKey::from_seed(trail.origin(), [1; 32]).unwrap();
    let report = audit_copy(&root, stranger.verifying_key()).await.unwrap();
    assert_eq!(report.findings[0].place, "checkpoint");
}

fn listing(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(listing(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
