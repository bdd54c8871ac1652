//! What is done with hostile bytes: one function for each format that comes from outside as evidence.
//!
//! The targets of `cargo fuzz` call these, and so does a bounded run among the tests of `whowas-export`. Besides
//! not panicking, what is read must come out as it went in.

use std::io::Cursor;

use whowas_event::{Erasure, Kind};
use whowas_export::evidence::{Leaf, bundle, record};
use whowas_tlog::{
    checkpoint::Checkpoint,
    note::{Note, VerifyingKey},
    policy::Policy,
    tile::{TileId, decode_entries, encode_entries},
    tlog_proof::TlogProof,
};

/// A target: its name, which is its folder in the corpus, and what it does.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Every target.
pub(crate) const TARGETS: [Target; 8] = [
    ("note", note),
    ("checkpoint", checkpoint),
    ("tile_path", tile_path),
    ("proof", proof),
    ("bundle", evidence_bundle),
    ("entries", entries),
    ("policy", policy),
    ("leaf", leaf),
];

/// The key that signed the proofs and bundles of the corpus, so that the code behind the signature is reached.
fn trusted() -> Policy {
    let key = VerifyingKey::parse(include_str!("vkey").trim()).expect("the corpus has a key");
    Policy::of_log(key)
}

/// A signed note.
pub(crate) fn note(data: &[u8]) {
    if let Some(note) = std::str::from_utf8(data).ok().and_then(|text| Note::parse(text).ok()) {
        let text = note.to_string();
        assert_eq!(text.as_bytes(), data, "a note is printed as it was read");
        let _ = trusted().accept(&note);
    }
}

/// The text of a checkpoint, and a signed one.
pub(crate) fn checkpoint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parsed = Checkpoint::parse_text(text);
    if let Some(note) = Note::parse(text).ok().filter(|_| parsed.is_err()) {
        let _ = Checkpoint::parse_text(note.text());
    }
}

/// Paths of tiles and entry bundles.
pub(crate) fn tile_path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(id) = TileId::parse(text) {
        assert_eq!(id.path(), text, "a path has one spelling");
    }
    if let Ok(id) = TileId::parse_entries(text) {
        assert_eq!(id.entries_path(), text, "a path has one spelling");
    }
}

/// A proof of one record.
pub(crate) fn proof(data: &[u8]) {
    if let Some(proof) = std::str::from_utf8(data).ok().and_then(|text| TlogProof::parse(text).ok()) {
        assert_eq!(proof.to_string().as_bytes(), data, "a proof is printed as it was read");
    }
    let _ = record::verify(data, &trusted());
    let _ = record::handed_over(data, &trusted());
}

/// An evidence bundle.
pub(crate) fn evidence_bundle(data: &[u8]) {
    let _ = bundle::verify(Cursor::new(data), &trusted(), None);
}

/// The entries under a tile.
pub(crate) fn entries(data: &[u8]) {
    if let Ok(entries) = decode_entries(data) {
        assert_eq!(encode_entries(&entries).as_deref(), Ok(data), "entries are written as they were read");
    }
}

/// A verifier's own file, which may be damaged.
pub(crate) fn policy(data: &[u8]) {
    if let Ok(policy) = Policy::parse(data) {
        let printed = policy.to_bytes();
        assert_eq!(Policy::parse(&printed).as_ref(), Ok(&policy), "a policy survives being printed");
    }
}

/// A log entry as a leaf, and what it says was erased.
pub(crate) fn leaf(data: &[u8]) {
    let _ = Leaf::parse(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Erasure::of_body(Kind::Erasure, true, Some(text));
    }
}
