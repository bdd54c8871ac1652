//! Offline proofs, c2sp.org/tlog-proof@v1: one entry's place in a log, in one text file that needs no network.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>             optional, authenticated by nothing
//! index <n>
//! <base64 hash>…             the leaf's sibling first, the root's child last
//!
//! <checkpoint with its signatures and cosignatures>
//! ```
//! The entry itself is not inside: the verifier derives its leaf hash, then calls [`TlogProof::verify`]. How many
//! cosigners are enough is the verifier's policy over [`OpenCheckpoint::cosignatures`].

use std::fmt;

use crate::checkpoint::{self, CheckpointError, OpenCheckpoint};
use crate::hash::Hash;
use crate::note::{NOTE_BYTES_MAX, Note, NoteError, VerifyingKey};
use crate::proof::{PROOF_HASHES_MAX, ProofError, verify_inclusion};
use crate::text::{decode_base64, encode_base64, parse_decimal};

/// First line of every proof.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Longest proof accepted: a checkpoint of up to 1 MB and as much extra data and hashes again.
pub const TLOG_PROOF_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX;

/// A proof as read or to be written; nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Application data that nothing authenticates, such as the salts that open a leaf; empty for none.
    pub extra: Vec<u8>,
    /// The entry's place in the log.
    pub index: u64,
    /// Inclusion proof, from the leaf's sibling to the root's child.
    pub hashes: Vec<Hash>,
    /// The log's checkpoint with all its signatures.
    pub checkpoint: Note,
}

/// Why a proof is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Longer than [`TLOG_PROOF_BYTES_MAX`].
    #[error("proof is longer than {TLOG_PROOF_BYTES_MAX} bytes")]
    TooLarge,
    /// Proofs are UTF-8.
    #[error("proof is not utf-8")]
    NotUtf8,
    /// The first line is not that of this version.
    #[error("proof does not start with {HEADER}")]
    Header,
    /// The extra line is empty or not base64.
    #[error("extra data is not base64")]
    Extra,
    /// The index line is missing or not a decimal.
    #[error("proof has no decimal index")]
    Index,
    /// A line is not a hash.
    #[error("proof has a line that is not a base64 hash")]
    Hash,
    /// More hashes than any tree has levels.
    #[error("proof has more than {PROOF_HASHES_MAX} hashes")]
    TooManyHashes,
    /// No empty line and checkpoint after the hashes, or a malformed one.
    #[error("proof does not end with a checkpoint")]
    Note(#[source] NoteError),
    /// The checkpoint is not one of the log, or not signed by it.
    #[error("checkpoint of the proof does not verify")]
    Checkpoint(#[source] CheckpointError),
    /// The entry is not at this place in the log.
    #[error("entry is not in the log")]
    Inclusion(#[source] ProofError),
}

impl TlogProof {
    /// Reads a proof; the extra data and hashes are not to be believed before [`TlogProof::verify`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        if bytes.len() > TLOG_PROOF_BYTES_MAX {
            return Err(TlogProofError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| TlogProofError::NotUtf8)?;
        let (head, note) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(TlogProofError::Header);
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => parse_extra(line)?,
            None => Vec::new(),
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(parse_decimal);
        let index = index.ok_or(TlogProofError::Index)?;
        let hashes = parse_hashes(lines)?;
        let checkpoint = Note::parse(note.as_bytes()).map_err(TlogProofError::Note)?;
        Ok(Self { extra, index, hashes, checkpoint })
    }

    /// Verifies that `leaf` is at [`TlogProof::index`] of the log `origin`, as signed by one of the log's keys.
    pub fn verify(
        &self,
        leaf: &Hash,
        origin: &str,
        keys: &[VerifyingKey],
    ) -> Result<OpenCheckpoint, TlogProofError> {
        let opened = checkpoint::open_note(self.checkpoint.clone(), origin, keys)
            .map_err(TlogProofError::Checkpoint)?;
        let (size, root) = (opened.checkpoint.size, &opened.checkpoint.root);
        verify_inclusion(&self.hashes, self.index, leaf, size, root).map_err(TlogProofError::Inclusion)?;
        Ok(opened)
    }
}

/// The proof as it is stored, in a file ending in `.tlog-proof`.
impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if !self.extra.is_empty() {
            writeln!(f, "extra {}", encode_base64(&self.extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Reads `extra <base64>`; without data the line is left out, so empty is not a spelling of it.
fn parse_extra(line: &str) -> Result<Vec<u8>, TlogProofError> {
    let extra = line.strip_prefix("extra ").and_then(decode_base64);
    extra.filter(|extra| !extra.is_empty()).ok_or(TlogProofError::Extra)
}

/// Reads the hash lines, not one more than any proof can have.
fn parse_hashes<'t>(lines: impl Iterator<Item = &'t str>) -> Result<Vec<Hash>, TlogProofError> {
    let mut hashes = Vec::new();
    for line in lines {
        if hashes.len() == PROOF_HASHES_MAX {
            return Err(TlogProofError::TooManyHashes);
        }
        hashes.push(line.parse().map_err(|_| TlogProofError::Hash)?);
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests;
