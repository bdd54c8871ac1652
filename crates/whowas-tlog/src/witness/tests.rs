//! Tests of the witness protocol: every status of the specification, and that memory never goes back.

use proptest::prelude::*;

use super::*;
use crate::cosignature::{self, CosigningKey};
use crate::golden::{self, MemoryTiles};
use crate::hash::leaf_hash;
use crate::note::SigningKey;
use crate::proof::prove_consistency;
use crate::tree::root_of;

const ORIGIN: &str = "audit.example/log1";

fn log() -> SigningKey {
    SigningKey::from_seed(ORIGIN, [3; 32]).unwrap()
}

fn keys() -> Vec<VerifyingKey> {
    vec![log().verifying_key().clone()]
}

/// The checkpoint of the golden entries at `size`.
fn checkpoint(size: usize) -> Checkpoint {
    let root = root_of(&golden::leaves(size));
    Checkpoint { origin: ORIGIN.into(), size: u64::try_from(size).unwrap(), root, extensions: vec![] }
}

fn request(old: usize, new: usize) -> AddCheckpoint {
    let to = checkpoint(new);
    let (old_size, mut tiles) = (u64::try_from(old).unwrap(), MemoryTiles::of_size(new));
    let proof = prove_consistency(old_size, to.size, &to.root, &mut tiles).unwrap();
    AddCheckpoint { old_size, proof, note: Note::parse(&to.sign(&log())).unwrap() }
}

fn status(request: &AddCheckpoint, last: Option<usize>) -> u16 {
    let last = last.map(checkpoint);
    decide(request, Some(&keys()), last.as_ref()).map_or_else(|refusal| refusal.status(), |_| 200)
}

#[test]
fn every_status_of_the_specification() {
    assert_eq!(status(&request(0, 1235), None), 200);
    assert_eq!(status(&request(1235, 2000), Some(1235)), 200);
    assert_eq!(status(&request(1235, 1235), Some(1235)), 200, "the same again");
    assert_eq!(status(&request(0, 0), None), 200, "an empty log");
    // 400: rolled back by the client's own words.
    assert_eq!(status(&AddCheckpoint { old_size: 1235, ..request(0, 1000) }, Some(1235)), 400);
    // 404 and 403 come before anything is said about sizes.
    let unknown = decide(&request(0, 5), None, None).unwrap_err();
    assert_eq!(unknown.status(), 404);
    let stranger = SigningKey::from_seed(ORIGIN, [4; 32]).unwrap();
    let foreign =
        AddCheckpoint { note: Note::parse(&checkpoint(5).sign(&stranger)).unwrap(), ..request(0, 5) };
    assert_eq!(status(&foreign, Some(4)), 403);
    let mut forged = Note::new(checkpoint(6).to_text().as_str()).unwrap();
    forged.push_signature(request(0, 5).note.signatures()[0].clone()).unwrap();
    assert_eq!(status(&AddCheckpoint { note: forged, ..request(0, 6) }, None), 403);
    // 409 tells the size.
    let last = checkpoint(1235);
    let behind = decide(&request(0, 2000), Some(&keys()), Some(&last)).unwrap_err();
    assert_eq!(behind, Refusal::OtherSize(1235));
    assert_eq!(status(&request(1000, 2000), Some(1235)), 409);
    assert_eq!(status(&request(5, 2000), None), 409);
    // 422: contradictions.
    let mut bad_proof = request(1235, 2000);
    bad_proof.proof[3] = leaf_hash(b"other");
    assert_eq!(status(&bad_proof, Some(1235)), 422);
    let with_proof = AddCheckpoint { proof: vec![leaf_hash(b"x")], ..request(0, 5) };
    assert_eq!(status(&with_proof, None), 422);
    let fork = Checkpoint { root: leaf_hash(b"fork"), ..checkpoint(1235) };
    let fork = AddCheckpoint { note: Note::parse(&fork.sign(&log())).unwrap(), ..request(1235, 1235) };
    assert_eq!(status(&fork, Some(1235)), 422);
    let mut empty = Note::new(&format!("{ORIGIN}\n0\n{}\n", leaf_hash(b"x"))).unwrap();
    empty.push_signature(log().sign(empty.text())).unwrap();
    assert_eq!(status(&AddCheckpoint { note: empty, ..request(0, 0) }, None), 422);
}

#[test]
fn requests_are_strict() {
    let text = request(1235, 2000).to_string();
    assert_eq!(AddCheckpoint::parse(&text), Ok(request(1235, 2000)));
    assert!(text.starts_with("old 1235\n"));
    for bad in [
        String::new(),
        text.replacen("old 1235", "old 01235", 1),
        text.replacen("old 1235", "old", 1),
        text.replacen("old ", "", 1),
        text.replacen("\n\n", "\n", 1),
        text.replacen("old 1235\n", "old 1235\nnot a hash\n", 1),
        text.replacen("old 1235\n", &format!("old 1235\n{}", format!("{}\n", leaf_hash(b"x")).repeat(64)), 1),
        text.split_once("\n\n").unwrap().0.to_owned(),
        "a".repeat(ADD_CHECKPOINT_BYTES_MAX + 1),
    ] {
        assert_eq!(AddCheckpoint::parse(&bad).map_err(|refusal| refusal.status()), Err(400), "{bad}");
    }
    let hashes = format!("old 1\n{}", format!("{}\n", leaf_hash(b"x")).repeat(63));
    let most = text.replacen(text.split_once("\n\n").unwrap().0, hashes.trim_end(), 1);
    assert_eq!(AddCheckpoint::parse(&most).unwrap().proof.len(), WITNESS_PROOF_HASHES_MAX);
}

#[test]
fn a_client_takes_the_witness_s_signature_and_no_other() {
    let witness = CosigningKey::from_seed("witness.example", [9; 32]).unwrap();
    let stranger = CosigningKey::from_seed("stranger.example", [8; 32]).unwrap();
    let note = request(0, 5).note;
    let (mine, foreign) = (witness.cosign(&note, 77).unwrap(), stranger.cosign(&note, 78).unwrap());
    let read = |body: &str| read_cosignatures(body, &note, witness.verifying_key());
    assert_eq!(read(&format!("{foreign}\n{mine}\n")), Ok(vec![mine.clone()]));
    assert_eq!(read(&format!("{foreign}\n")), Err(AnswerError::OtherSigner));
    assert_eq!(read(&format!("{mine}")), Err(AnswerError::Lines));
    assert_eq!(read("hello\n"), Err(AnswerError::Lines));
    let other = witness.cosign(&request(0, 6).note, 77).unwrap();
    assert_eq!(read(&format!("{other}\n")), Err(AnswerError::Invalid));
    assert_eq!((read_size("1235\n"), read_size("1235"), read_size("01\n")), (Some(1235), None, None));
    let mut cosigned = note.clone();
    cosigned.push_signature(mine).unwrap();
    assert_eq!(cosignature::verify(&cosigned, witness.verifying_key()), Ok(77));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is asked in whatever order: what a witness remembers only grows, along one history.
    #[test]
    fn memory_never_goes_back(steps in prop::collection::vec((0usize..300, 0usize..300, any::<bool>()), 1..12)) {
        let mut last: Option<Checkpoint> = None;
        for (old, new, is_fork) in steps {
            let mut asked = if old <= new { request(old, new) } else { AddCheckpoint { old_size: old as u64, ..request(0, new) } };
            if is_fork {
                let forked = Checkpoint { root: leaf_hash(b"fork"), ..checkpoint(new.max(1)) };
                asked.note = Note::parse(&forked.sign(&log())).unwrap();
            }
            if let Ok(accepted) = decide(&asked, Some(&keys()), last.as_ref()) {
                let before = last.as_ref().map_or(0, |last| last.size);
                prop_assert!(accepted.size >= before);
                prop_assert!(asked.old_size == before);
                // A fork can only be a witness's first sight of the log.
                prop_assert!(!is_fork || before == 0);
                if is_fork {
                    return Ok(());
                }
                prop_assert_eq!(accepted.root, checkpoint(usize::try_from(accepted.size).unwrap()).root);
                last = Some(accepted);
            }
        }
    }

    #[test]
    fn any_text_is_a_request_that_reads_back_or_none(text in "old [0-9]{0,3}\n([A-Za-z0-9+/]{43}=\n){0,3}\n?o\n1\n[A-Za-z0-9+/]{43}=\n\n— o [A-Za-z0-9+/]{8}\n") {
        if let Ok(request) = AddCheckpoint::parse(&text) {
            prop_assert_eq!(request.to_string(), text);
        }
    }
}
