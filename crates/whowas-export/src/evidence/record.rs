//! One record with its proof, in a `.tlog-proof` file after `c2sp.org/tlog-proof@v1`.
//!
//! The specification leaves the entry to the application. Ours stands in the `extra` line, so that the one
//! file is enough: base64 of the canonical JSON
//!
//! ```text
//! {"disclosures":["<SD-JWT disclosure>", …],"leaf":"<the log entry, a text>"}
//! ```
//!
//! Nothing authenticates that line, and nothing needs to: the leaf is bound by its hash, the disclosures by
//! their digests in the leaf.

use serde_json::{Map, Value, json};
use whowas_event::{Record, erasure::SELF, jcs};
use whowas_tlog::{
    hash::leaf_hash,
    note::VerifyingKey,
    policy::Policy,
    tlog_proof::{TlogProof, TlogProofError},
};

use super::{Disclose, Leaf, LeafError};

/// The first bytes of every such file.
pub const PROOF_MAGIC: &[u8] = b"c2sp.org/tlog-proof@v1\n";

/// What a proof of one record proves.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ProvenRecord {
    /// The log.
    pub origin: String,
    /// The log's key, as a vkey.
    pub vkey: String,
    /// The record's position.
    pub position: u64,
    /// Size of the tree of the checkpoint.
    pub tree_size: u64,
    /// Its root, base64.
    pub root: String,
    /// Witnesses of the policy that cosigned the checkpoint, and when by their clocks (seconds since 1970).
    pub cosignatures: Vec<(String, u64)>,
    /// What the leaf states in clear.
    pub leaf: Map<String, Value>,
    /// Personal fields that were disclosed.
    pub disclosed: Map<String, Value>,
    /// Number of personal fields that the leaf commits to and the file keeps back.
    pub undisclosed: usize,
}

/// Why a file proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordProofError {
    /// The file is not UTF-8.
    #[error("the proof is not UTF-8")]
    NotText,
    /// The proof is malformed, not of a trusted log, too little witnessed, or of another entry.
    #[error(transparent)]
    Proof(#[from] TlogProofError),
    /// The extra line does not hold a leaf and its disclosures.
    #[error("the extra line does not hold the record")]
    Extra,
    /// It is a record, and not of a key that hands over.
    #[error("the record does not say that the key that signed hands over to another one")]
    NoRotation,
    /// The leaf, or a disclosure.
    #[error(transparent)]
    Leaf(#[from] LeafError),
}

/// The file: a proof that was verified, with the leaf and what of the record is disclosed.
pub fn write(mut proof: TlogProof, leaf: &[u8], record: &Record, disclose: &Disclose) -> String {
    let extra = json!({ "disclosures": disclose.of(record), "leaf": String::from_utf8_lossy(leaf) });
    proof.extra = Some(jcs::canonical(&extra).expect("texts have a canonical form").into_bytes());
    proof.to_string()
}

/// Checks a file under the verifier's policy.
///
/// # Errors
/// The first property that does not hold.
pub fn verify(file: &[u8], policy: &Policy) -> Result<ProvenRecord, RecordProofError> {
    let text = std::str::from_utf8(file).map_err(|_| RecordProofError::NotText)?;
    let proof = TlogProof::parse(text)?;
    let (leaf, disclosures) = proof.extra.as_deref().and_then(parse_extra).ok_or(RecordProofError::Extra)?;
    let accepted = proof.accept(&leaf_hash(leaf.as_bytes()), policy)?;
    let leaf = Leaf::parse(leaf.as_bytes())?;
    let disclosed = leaf.disclosed(disclosures.iter().map(String::as_str))?;
    Ok(ProvenRecord {
        vkey: accepted.key.to_string(),
        position: proof.index,
        tree_size: accepted.checkpoint.size,
        root: accepted.checkpoint.root.to_string(),
        origin: accepted.checkpoint.origin,
        cosignatures: accepted.cosignatures.into_iter().map(|one| (one.name, one.unix_seconds)).collect(),
        undisclosed: leaf.personal().saturating_sub(disclosed.len()),
        leaf: leaf.members,
        disclosed,
    })
}

/// The key that a log has handed over to, if `file` proves a record of the log that says so: signed by a
/// key that the policy trusts, and for the same log.
///
/// # Errors
/// The file proves nothing, or a record that is no rotation.
pub fn handed_over(file: &[u8], policy: &Policy) -> Result<VerifyingKey, RecordProofError> {
    let proven = verify(file, policy)?;
    let metadata =
        |name: &str| proven.leaf.get("metadata").and_then(|value| value.get(name)).and_then(Value::as_str);
    let is_ours = ["log_name", "log_format"].iter().all(|name| metadata(name) == Some(SELF));
    let is_key = proven.leaf.get("kind").and_then(Value::as_str) == Some("key");
    let body = |name: &str| proven.leaf.get("body").and_then(|body| body.get(name)).and_then(Value::as_str);
    // Who signs the checkpoint is who hands over.
    let is_signed = body("old") == Some(proven.vkey.as_str());
    let new = body("new").and_then(|text| VerifyingKey::parse(text).ok());
    new.filter(|key| is_ours && is_key && is_signed && key.name() == proven.origin)
        .ok_or(RecordProofError::NoRotation)
}

pub(super) fn parse_extra(extra: &[u8]) -> Option<(String, Vec<String>)> {
    let Value::Object(mut members) = serde_json::from_slice(extra).ok()? else { return None };
    let Value::String(leaf) = members.remove("leaf")? else { return None };
    let Value::Array(disclosures) = members.remove("disclosures")? else { return None };
    let text = |value: Value| value.as_str().map(str::to_owned);
    let disclosures = disclosures.into_iter().map(text).collect::<Option<_>>()?;
    members.is_empty().then_some((leaf, disclosures))
}

#[cfg(test)]
mod tests;
