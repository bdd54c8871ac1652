//! The tamper matrix: everything one can do to a log's files, and the reason that is given for it.

use std::fs;

use tempfile::TempDir;
use whowas_tlog::{
    cosignature::CosigningKey,
    note::SigningKey,
    tile::{TileBuilder, encode_entries},
};

use super::*;
use crate::evidence::testlog::{ORIGIN, TestLog, key, policy, record};

const SIZE: u16 = 600;

fn log(size: u16) -> TestLog {
    TestLog::of((0..size).map(record).collect())
}

/// A folder with a log of [`SIZE`] entries that had checkpoints at 300 and 400 too.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for size in [300, 400, SIZE] {
        log(size).write(folder.path());
    }
    folder
}

fn read(folder: &TempDir, path: &str) -> Vec<u8> {
    fs::read(folder.path().join(path)).unwrap()
}

fn put(folder: &TempDir, path: &str, bytes: impl AsRef<[u8]>) {
    fs::write(folder.path().join(path), bytes).unwrap();
}

fn flip(folder: &TempDir, path: &str, at: usize) {
    let mut bytes = read(folder, path);
    bytes[at] ^= 1;
    put(folder, path, bytes);
}

/// The log that a forger makes of changed entries: new tiles, and a checkpoint by that key.
fn forge(folder: &TempDir, key: &SigningKey, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut leaves = log(SIZE).leaves;
    change(&mut leaves);
    fs::remove_dir_all(folder.path().join("tile")).unwrap();
    TestLog::of_leaves(leaves, key).write(folder.path());
}

/// As [`forge`] without the key: the old checkpoint stays.
fn forge_unsigned(folder: &TempDir, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let checkpoint = read(folder, "checkpoint");
    forge(folder, &key(), change);
    put(folder, "checkpoint", checkpoint);
}

#[track_caller]
fn check(what: &str, tamper: impl FnOnce(&TempDir), place: &str, reason: &str) {
    let folder = folder();
    tamper(&folder);
    let report = verify(folder.path(), &policy(), None);
    let named = report.findings.iter().any(|one| one.place.contains(place) && one.reason.contains(reason));
    assert!(named, "{what}: {:?}", report.findings);
}

#[test]
fn an_untouched_copy_verifies() {
    let report = verify(folder().path(), &policy(), None);
    assert_eq!((report.findings.as_slice(), report.size, report.entries), (&[][..], 600, 600));
    assert_eq!((report.origin.as_str(), report.tiles_beyond), (ORIGIN, 0));
}

#[test]
fn entries_that_are_changed_are_found() {
    let committed = "the entry is not the one that was committed";
    check("edit", |f| flip(f, "tile/entries/001", 100), "tile/entries/001", committed);
    let truncate = |f: &TempDir| {
        let mut bundle = read(f, "tile/entries/001");
        bundle.truncate(1000);
        put(f, "tile/entries/001", bundle);
    };
    check("truncated bundle", truncate, "tile/entries/001", "bundle ends inside entry");
    let shorten = |f: &TempDir| put(f, "tile/entries/001", encode_entries(&log(400).leaves[256..]).unwrap());
    check("whole entries cut off", shorten, "tile/entries/001", "it has 144 entries instead of 256");
    let append = |f: &TempDir| {
        put(f, "tile/entries/002.p/88", [read(f, "tile/entries/002.p/88"), vec![0, 1, 7]].concat())
    };
    check("appended entry", append, "tile/entries/002.p/88", "it has 89 entries instead of 88");
    let delete = |path: &'static str| move |f: &TempDir| fs::remove_file(f.path().join(path)).unwrap();
    check("deleted bundle", delete("tile/entries/001"), "tile/entries/001", "it is missing");
    let missing = "entries before position 256 are missing, and the log's rule of retention allows 0";
    check("deleted first bundle", delete("tile/entries/000"), "tile/entries", missing);
    let swap = |f: &TempDir| {
        let (a, b) = (read(f, "tile/entries/000"), read(f, "tile/entries/001"));
        put(f, "tile/entries/000", b);
        put(f, "tile/entries/001", a);
    };
    check("swapped bundles", swap, "tile/entries/000", committed);
    let rehash = |f: &TempDir| {
        flip(f, "tile/entries/001", 100);
        let bundle = read(f, "tile/entries/001");
        let hash = leaf_hash(decode_entries(&bundle).unwrap()[0]);
        let mut tile = read(f, "tile/0/001");
        tile[..32].copy_from_slice(&hash.0);
        put(f, "tile/0/001", tile);
    };
    check("edit and its hash", rehash, "tile", "hash 1 of tile/1/000.p/2 is not the hash of tile/0/001");
}

/// C2SP pruning: the log itself says from where on it has entries.
#[test]
fn entries_may_begin_where_the_rule_of_retention_says() {
    let mut records: Vec<_> = (0..SIZE).map(record).collect();
    records[550].event.kind = whowas_event::Kind::Retention;
    records[550].event.body = Some("{\"minimum_index\":300}".into());
    let write = |records: &[whowas_event::Record]| {
        let folder = tempfile::tempdir().unwrap();
        TestLog::of(records.to_vec()).write(folder.path());
        fs::remove_file(folder.path().join("tile/entries/000")).unwrap();
        let report = verify(folder.path(), &policy(), None);
        fs::remove_file(folder.path().join("tile/entries/001")).unwrap();
        (report, verify(folder.path(), &policy(), None))
    };
    // Somebody else's record of that kind says nothing.
    assert!(write(&records).0.findings[0].reason.ends_with("allows 0"));
    (records[550].source, records[550].format) = ("whowas".into(), "whowas".into());
    let (one, two) = write(&records);
    assert_eq!((one.findings.as_slice(), one.first_entry, one.entries), (&[][..], 256, 344));
    assert!(
        two.findings[0]
            .reason
            .ends_with("before position 512 are missing, and the log's rule of retention allows 300")
    );
}

#[test]
fn a_rebuilt_tree_has_another_root() {
    let root = "the tiles do not have the root of the checkpoint";
    let insert = |leaves: &mut Vec<Vec<u8>>| {
        leaves.insert(17, b"new".to_vec());
        leaves.pop();
    };
    check("insert", |f| forge_unsigned(f, insert), "tile", root);
    check(
        "delete",
        |f| forge_unsigned(f, |leaves| drop(leaves.remove(17))),
        "tile",
        "tile/0/002.p/88 cannot be read",
    );
    check("reorder", |f| forge_unsigned(f, |leaves| leaves.swap(1, 2)), "tile", root);
    check("duplicate", |f| forge_unsigned(f, |leaves| leaves[2] = leaves[1].clone()), "tile", root);
    check("replace the last", |f| forge_unsigned(f, |leaves| leaves[599] = b"x".to_vec()), "tile", root);
    let truncate = |f: &TempDir| forge_unsigned(f, |leaves| leaves.truncate(500));
    check("tail truncated", truncate, "tile", "tile/1/000.p/2 cannot be read");
}

#[test]
fn tiles_that_are_changed_are_found_at_every_level() {
    check(
        "level 0",
        |f| flip(f, "tile/0/000", 5),
        "tile",
        "hash 0 of tile/1/000.p/2 is not the hash of tile/0/000",
    );
    check("level 0, right edge", |f| flip(f, "tile/0/002.p/88", 5), "tile", "the tiles do not have the root");
    check(
        "level 1",
        |f| flip(f, "tile/1/000.p/2", 40),
        "tile",
        "hash 1 of tile/1/000.p/2 is not the hash of tile/0/001",
    );
    let old = "it is not the beginning of tile/0/001, which replaced it";
    check("an earlier partial", |f| flip(f, "tile/0/001.p/44", 5), "tile/0/001.p/44", old);
    let old = "it is not the beginning of tile/entries/001";
    check("an earlier bundle", |f| flip(f, "tile/entries/001.p/44", 50), "tile/entries/001.p/44", old);
    check("a stranger", |f| put(f, "tile/0/1", b"x"), "tile/0/1", "it is not the path of a tile");
}

#[test]
fn checkpoints_that_are_edited_or_swapped_are_found() {
    let edit = |from: &'static str, to: &'static str| {
        move |f: &TempDir| {
            let text = String::from_utf8(read(f, "checkpoint")).unwrap();
            put(f, "checkpoint", text.replacen(from, to, 1));
        }
    };
    let invalid = "is not valid";
    check("size", edit("\n600\n", "\n500\n"), "checkpoint", invalid);
    check("extension", edit("\n\n", "\nextension\n\n"), "checkpoint", invalid);
    check("origin", edit("contoso/production\n", "contoso/test\n"), "checkpoint", "the policy trusts no log");
    check("no signature", edit("\n\n", "\n"), "checkpoint", "note has no signatures");
    check(
        "missing",
        |f| fs::remove_file(f.path().join("checkpoint")).unwrap(),
        "checkpoint",
        "it is missing",
    );
    let swapped = SigningKey::from_seed(ORIGIN, [66; 32]).unwrap();
    check("key swap", |f| forge(f, &swapped, |_| {}), "checkpoint", "note is not signed by a known key");
    let foreign = SigningKey::from_seed("other.example/log", [5; 32]).unwrap();
    check(
        "another origin's log",
        |f| forge(f, &foreign, |_| {}),
        "checkpoint",
        "the policy trusts no log \"other.example/log\"",
    );
    let splice = |f: &TempDir| {
        let other = tempfile::tempdir().unwrap();
        TestLog::of_leaves(vec![b"other".to_vec(); 600], &foreign).write(other.path());
        fs::copy(other.path().join("tile/0/000"), f.path().join("tile/0/000")).unwrap();
        fs::copy(other.path().join("tile/entries/000"), f.path().join("tile/entries/000")).unwrap();
    };
    check("a tile of another log", splice, "tile", "is not the hash of tile/0/000");
}

/// What no signature can show: only a memory does, and without one the limit is known.
#[test]
fn rollback_and_rewriting_need_a_memory() {
    let kept = Note::parse(&log(SIZE).note).unwrap();
    let older = Note::parse(&log(300).note).unwrap();
    let check = |what: &str, tamper: &dyn Fn(&TempDir), reason: &str| {
        let folder = folder();
        tamper(&folder);
        let report = verify(folder.path(), &policy(), None);
        assert_eq!(report.findings, [], "{what}: nothing in the copy tells");
        let report = verify(folder.path(), &policy(), Some(&kept));
        let [found] = report.findings.as_slice() else { panic!("{what}: {:?}", report.findings) };
        assert_eq!(
            (found.place.as_str(), found.reason.contains(reason)),
            ("pinned checkpoint", true),
            "{what}: {found:?}"
        );
    };
    let replace = |size: u16| {
        move |f: &TempDir| {
            fs::remove_dir_all(f.path().join("tile")).unwrap();
            log(size).write(f.path());
        }
    };
    check("rolled back, or an old backup", &replace(300), "it has 600 records, this log only 300");
    let stolen = |f: &TempDir| forge(f, &key(), |leaves| leaves[17] = b"forged".to_vec());
    check("re-signed with the stolen key: a fork of the same size", &stolen, "history was rewritten");
    let grown = |f: &TempDir| {
        forge(f, &key(), |leaves| {
            leaves[17] = b"forged".to_vec();
            leaves.push(b"more".to_vec());
        })
    };
    check("a fork that has grown", &grown, "history was rewritten");
    // A genuine old checkpoint over the newer tiles is a hint, and the memory says the rest.
    let folder = folder();
    put(&folder, "checkpoint", older.to_string());
    let report = verify(folder.path(), &policy(), None);
    assert_eq!((report.findings.as_slice(), report.size, report.tiles_beyond > 0), (&[][..], 300, true));
    assert!(!verify(folder.path(), &policy(), Some(&kept)).findings.is_empty());
    // An untouched log contains what was kept, and a foreign memory is refused.
    let untouched = self::folder();
    assert_eq!(verify(untouched.path(), &policy(), Some(&older)).findings, []);
    let foreign = SigningKey::from_seed("other.example/log", [5; 32]).unwrap();
    let foreign = Note::parse(&TestLog::of_leaves(vec![b"x".to_vec()], &foreign).note).unwrap();
    assert_eq!(verify(untouched.path(), &policy(), Some(&foreign)).findings.len(), 1);
}

/// A rollback to a checkpoint that no witness has seen fails under a policy with a witness.
#[test]
fn a_quorum_refuses_what_no_witness_has_seen() {
    let witness = CosigningKey::from_seed("witness.example", [9; 32]).unwrap();
    let text = format!("log {}\nwitness w {}\nquorum w\n", key().verifying_key(), witness.verifying_key());
    let policy = Policy::parse(text.as_bytes()).unwrap();
    let folder = folder();
    let report = verify(folder.path(), &policy, None);
    assert!(
        report.findings[0].reason.starts_with("too few witnesses have cosigned"),
        "{:?}",
        report.findings
    );
    let mut note = Note::parse(&log(SIZE).note).unwrap();
    note.push_signature(witness.cosign(&note, 1_790_000_300).unwrap()).unwrap();
    put(&folder, "checkpoint", note.to_string());
    let report = verify(folder.path(), &policy, None);
    assert_eq!((report.findings, report.cosignatures), (vec![], vec![("w".to_owned(), 1_790_000_300)]));
}

/// Every bit of a small log's checkpoint and tile, every byte of its entries, and a sample of a larger log.
#[test]
fn every_flipped_bit_is_found() {
    let check = |folder: &TempDir, path: &str, at: usize, bit: usize, good: &CopyReport| {
        let mut bytes = read(folder, path);
        bytes[at] ^= 1 << bit;
        put(folder, path, &bytes);
        let report = verify(folder.path(), &policy(), None);
        // base64 with a changed case of an unknown witness would be harmless; here nothing is.
        assert!(!report.findings.is_empty(), "bit {bit} of byte {at} of {path}: {report:?} {good:?}");
        bytes[at] ^= 1 << bit;
        put(folder, path, &bytes);
    };
    let small = tempfile::tempdir().unwrap();
    log(2).write(small.path());
    let good = verify(small.path(), &policy(), None);
    for (path, bits) in [("checkpoint", 8), ("tile/0/000.p/2", 8), ("tile/entries/000.p/2", 1)] {
        for at in 0..read(&small, path).len() {
            (0..bits).for_each(|bit| check(&small, path, at, (at + bit) % 8, &good));
        }
    }
    let large = folder();
    for path in [
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/entries/001",
        "tile/entries/001.p/144",
    ] {
        let length = read(&large, path).len();
        for sample in 0..6 {
            check(&large, path, sample * 7919 % length, sample % 8, &good);
        }
    }
}

/// Nothing that lies in a folder makes the verifier panic or wait.
#[test]
fn rubbish_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(verify(folder.path(), &policy(), None).findings.len(), 1);
    put(&folder, "checkpoint", [0xff, 0xfe]);
    assert_eq!(verify(folder.path(), &policy(), None).findings[0].reason, "it is not UTF-8");
    let mut builder = TileBuilder::new();
    builder.append(&[leaf_hash(b"x")]);
    let huge = Checkpoint { origin: ORIGIN.into(), size: u64::MAX, root: builder.root(), extensions: vec![] };
    put(&folder, "checkpoint", huge.sign(&key()));
    assert!(!verify(folder.path(), &policy(), None).findings.is_empty());
}
