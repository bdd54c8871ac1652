//! Tests of proofs as one text.

use super::*;
use crate::cosignature::CosigningKey;
use crate::golden::{self, MemoryTiles};
use crate::hash::leaf_hash;
use crate::proof::prove_inclusion;

const ORIGIN: &str = "audit.example/log1";

fn witness() -> CosigningKey {
    CosigningKey::from_seed("witness.example", [9; 32]).unwrap()
}

fn keys() -> [VerifyingKey; 2] {
    [VerifyingKey::parse(golden::VKEY).unwrap(), witness().verifying_key().clone()]
}

/// The proof of entry 1,000 in the golden log of 1,235 entries, cosigned.
fn proof() -> TlogProof {
    let mut note = Note::parse(golden::NOTE_1235).unwrap();
    note.push_signature(witness().cosign(&note, 1_700_000_000).unwrap()).unwrap();
    let root = Checkpoint::parse_text(note.text()).unwrap().root;
    let mut tiles = MemoryTiles::of_size(1_235);
    let hashes = prove_inclusion(1_000, &leaf(), 1_235, &root, &mut tiles).unwrap();
    TlogProof { extra: Some(b"salt".to_vec()), index: 1_000, hashes, note }
}

fn leaf() -> Hash {
    leaf_hash(&golden::entry(1_000))
}

#[test]
fn a_written_proof_reads_back_and_verifies() {
    let text = proof().to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra c2FsdA==\nindex 1000\n"));
    let read = TlogProof::parse(&text).unwrap();
    assert_eq!(read, proof());
    let keys = keys();
    let proven = read.verify(&leaf(), ORIGIN, &keys).unwrap();
    assert_eq!(proven.checkpoint.size, 1_235);
    assert_eq!(proven.cosignatures().collect::<Vec<_>>(), [(&keys[1], 1_700_000_000)]);
    let without = TlogProof { extra: None, ..read };
    assert_eq!(TlogProof::parse(&without.to_string()), Ok(without));
}

#[test]
fn a_policy_decides_which_cosignatures_are_needed() {
    let [log, known] = keys();
    let text = format!("log {log}\nwitness w {known}\nquorum w\n");
    let policy = Policy::parse(text.as_bytes()).unwrap();
    let accepted = proof().accept(&leaf(), &policy).unwrap();
    assert_eq!((accepted.checkpoint.size, accepted.cosignatures[0].unix_seconds), (1_235, 1_700_000_000));
    assert_eq!(proof().accept(&leaf_hash(b"x"), &policy), Err(ProofError::RootMismatch.into()));
    let bare = TlogProof { note: Note::parse(golden::NOTE_1235).unwrap(), ..proof() };
    assert!(matches!(
        bare.accept(&leaf(), &policy),
        Err(TlogProofError::Policy(PolicyViolation::Quorum { .. }))
    ));
    assert!(bare.accept(&leaf(), &Policy::of_log(log)).is_ok());
}

#[test]
fn each_part_that_is_wrong_is_named() {
    let keys = keys();
    let wrong_entry = proof().verify(&leaf_hash(b"other"), ORIGIN, &keys);
    assert_eq!(wrong_entry, Err(ProofError::RootMismatch.into()));
    let wrong_index = TlogProof { index: 1_001, ..proof() }.verify(&leaf(), ORIGIN, &keys);
    assert_eq!(wrong_index, Err(ProofError::RootMismatch.into()));
    let other_log = proof().verify(&leaf(), "other.example", &keys);
    assert!(matches!(other_log, Err(TlogProofError::Checkpoint(CheckpointError::OtherOrigin { .. }))));
    let unsigned = proof().verify(&leaf(), ORIGIN, &keys[1..]);
    assert_eq!(unsigned, Err(CheckpointError::NoLogSignature.into()));
}

#[test]
fn text_is_strict() {
    let text = proof().to_string();
    let check = |from: &str, to: &str, error| {
        assert_eq!(TlogProof::parse(&text.replacen(from, to, 1)), Err(error), "{from:?} as {to:?}");
    };
    check("@v1", "@v2", TlogProofError::Header);
    check("c2FsdA==", "c2FsdA", TlogProofError::Extra);
    check("index 1000", "index 01000", TlogProofError::Index);
    check("index 1000", "index", TlogProofError::Index);
    check("extra c2FsdA==\nindex 1000\n", "index 1000\nextra c2FsdA==\n", TlogProofError::Hash);
    let hashes = format!("index 1000\n{}", format!("{}\n", leaf()).repeat(PROOF_HASHES_MAX));
    check("index 1000\n", &hashes, TlogProofError::TooManyHashes);
    let head = text.split("\n\n").next().unwrap();
    assert_eq!(TlogProof::parse(head), Err(NoteError::NoSignatures.into()));
    let long = "a".repeat(TLOG_PROOF_BYTES_MAX + 1);
    assert_eq!(TlogProof::parse(&long), Err(TlogProofError::TooLong(long.len())));
}

/// Every bit but those of the extra data is bound by a signature or a hash.
#[test]
fn every_changed_byte_is_rejected() {
    let text = proof().to_string();
    let keys = keys();
    let bound = text.find("index ").unwrap();
    for position in bound..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[position] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        let verified = TlogProof::parse(&changed).and_then(|proof| {
            let proven = proof.verify(&leaf(), ORIGIN, &keys)?;
            Ok((proven.checkpoint, proven.signatures.len()))
        });
        // A renamed witness is an unknown one: its cosignature is lost, no more.
        let is_harmless = verified.as_ref().is_ok_and(|(_, n_signatures)| *n_signatures == 1);
        assert!(verified.is_err() || is_harmless, "byte {position}: {changed}");
    }
}
