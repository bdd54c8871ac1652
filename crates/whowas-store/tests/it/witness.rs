//! The memory of a witness: durable, atomic, never back.

use std::{fs, path::Path, sync::Arc};

use whowas_event::Time;
use whowas_store::witness::{WitnessStore, log_id};
use whowas_tlog::{
    checkpoint::Checkpoint,
    cosignature,
    hash::{Hash, leaf_hash},
    note::{Note, SigningKey, VerifyingKey},
    proof::prove_consistency,
    tile::{TileBuilder, TileId, TileSource},
    tree::root_of,
    witness::{AddCheckpoint, read_cosignatures},
};

const ORIGIN: &str = "audit.example/log";

fn log() -> SigningKey {
    SigningKey::from_seed(ORIGIN, [3; 32]).unwrap()
}

fn logs() -> Vec<VerifyingKey> {
    vec![log().verifying_key().clone()]
}

fn at(second: i64) -> Time {
    Time::from_ms(1_790_000_000_000 + second * 1000).unwrap()
}

struct Tiles(std::collections::BTreeMap<TileId, Vec<u8>>);

impl TileSource for Tiles {
    type Error = String;

    fn read(&mut self, id: TileId) -> Result<Vec<u8>, String> {
        self.0.get(&id).cloned().ok_or_else(|| format!("no {id}"))
    }
}

/// A request to go from one size of the test log to another; `fork` makes it another log of that name.
fn request(old: u64, new: u64, fork: &str) -> String {
    let leaves: Vec<Hash> = (0..new).map(|n| leaf_hash(format!("{fork}{n}").as_bytes())).collect();
    let mut builder = TileBuilder::new();
    builder.append(&leaves);
    let mut tiles = Tiles(builder.take_changed().into_iter().collect());
    let checkpoint =
        Checkpoint { origin: ORIGIN.into(), size: new, root: root_of(&leaves), extensions: vec![] };
    let proof = prove_consistency(old, new, &checkpoint.root, &mut tiles).unwrap();
    let note = Note::parse(&checkpoint.sign(&log())).unwrap();
    AddCheckpoint { old_size: old, proof, note }.to_string()
}

fn open(folder: &Path) -> WitnessStore {
    WitnessStore::open(folder, Some("witness.example/w1")).unwrap()
}

fn status(witness: &WitnessStore, body: &str, second: i64) -> u16 {
    witness
        .add_checkpoint(body, &logs(), at(second))
        .unwrap()
        .map_or_else(|refusal| refusal.status(), |_| 200)
}

fn size(witness: &WitnessStore) -> u64 {
    let note = witness.checkpoint(&log_id(ORIGIN)).unwrap().unwrap();
    Checkpoint::parse_text(Note::parse(&note).unwrap().text()).unwrap().size
}

#[test]
fn what_was_cosigned_is_remembered_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path());
    assert_eq!(witness.checkpoint(&log_id(ORIGIN)).unwrap(), None);
    let body = request(0, 10, "");
    let lines = witness.add_checkpoint(&body, &logs(), at(0)).unwrap().unwrap();
    let note = AddCheckpoint::parse(&body).unwrap().note;
    assert_eq!(read_cosignatures(&lines, &note, witness.verifying_key()).unwrap().len(), 1);
    let busy = WitnessStore::open(folder.path(), None).unwrap_err().to_string();
    assert!(busy.contains("is in use by another whowas process"), "{busy}");
    let key = witness.verifying_key().clone();
    drop(witness);
    let other = WitnessStore::open(folder.path(), Some("other")).unwrap_err().to_string();
    assert!(other.contains("is called witness.example/w1"), "{other}");
    let witness = WitnessStore::open(folder.path(), None).unwrap();
    assert_eq!((witness.verifying_key(), size(&witness)), (&key, 10));
    assert_eq!(status(&witness, &request(0, 12, ""), 1), 409);
    assert_eq!(status(&witness, &request(10, 12, ""), 1), 200);
    let published = Note::parse(&witness.checkpoint(&log_id(ORIGIN)).unwrap().unwrap()).unwrap();
    assert_eq!(cosignature::verify(&published, &key), Ok(1_790_000_001));
    for unknown in ["", "checkpoint", "../witness.key", &log_id(ORIGIN).to_uppercase(), &log_id("other")] {
        assert_eq!(witness.checkpoint(unknown).unwrap(), None, "{unknown}");
    }
    let missing = tempfile::tempdir().unwrap();
    let error = WitnessStore::open(missing.path(), None).unwrap_err().to_string();
    assert!(error.contains("give it a name"), "{error}");
}

#[test]
fn a_contradiction_is_refused_and_kept_as_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path());
    assert_eq!(status(&witness, &request(0, 10, ""), 0), 200);
    let fork = request(10, 12, "fork");
    for _ in 0..3 {
        assert_eq!(status(&witness, &fork, 1), 422);
    }
    assert_eq!(size(&witness), 10);
    let kept: Vec<_> =
        fs::read_dir(folder.path().join(log_id(ORIGIN))).unwrap().map(|one| one.unwrap().path()).collect();
    let conflict = kept.iter().find(|path| path.to_string_lossy().contains("conflict-")).unwrap();
    assert_eq!((kept.len(), fs::read_to_string(conflict).unwrap()), (2, fork));
    // What is not the log's word is not kept: anybody could fill the disk.
    assert_eq!(status(&witness, "nonsense", 1), 400);
    assert_eq!(witness.add_checkpoint(&request(0, 5, ""), &[], at(1)).unwrap().unwrap_err().status(), 404);
}

#[test]
fn a_clock_that_went_back_and_a_damaged_memory_stop_the_witness() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path());
    assert_eq!(status(&witness, &request(0, 10, ""), 100), 200);
    let error = witness.add_checkpoint(&request(10, 11, ""), &logs(), at(99)).unwrap_err().to_string();
    assert!(error.contains("the clock is behind"), "{error}");
    assert_eq!((size(&witness), status(&witness, &request(10, 11, ""), 100)), (10, 200));
    let path = folder.path().join(log_id(ORIGIN)).join("checkpoint");
    let good = fs::read(&path).unwrap();
    // Name, size and root are under the witness's own signature, and that is what is remembered.
    for at_byte in [0, ORIGIN.len() + 1, ORIGIN.len() + 9, good.len() - 2] {
        let mut bad = good.clone();
        bad[at_byte] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(witness.add_checkpoint(&request(0, 5, ""), &logs(), at(101)).is_err(), "byte {at_byte}");
    }
    fs::write(&path, good).unwrap();
    assert_eq!(status(&witness, &request(11, 12, ""), 101), 200);
}

/// 64 at once, all from the same size: one wins, the others are told its size, and nothing goes back.
#[test]
fn many_at_once_never_roll_back() {
    let folder = tempfile::tempdir().unwrap();
    let witness = Arc::new(open(folder.path()));
    assert_eq!(status(&witness, &request(0, 5, ""), 0), 200);
    let threads: Vec<_> = (0..64)
        .map(|n| {
            let witness = witness.clone();
            std::thread::spawn(move || status(&witness, &request(5, 6 + n, ""), 1))
        })
        .collect();
    let statuses: Vec<u16> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
    let winner = statuses.iter().position(|status| *status == 200).unwrap() as u64 + 6;
    assert_eq!(size(&witness), winner);
}
