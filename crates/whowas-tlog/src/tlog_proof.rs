//! Offline proofs after `c2sp.org/tlog-proof@v1`: one entry's place in a log,
//! in a text file that needs no network.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>          optional, authenticated by nothing
//! index <n>
//! <base64 hash>…          the leaf's sibling first, the root's child last
//!
//! <checkpoint with its signatures and cosignatures>
//! ```
//!
//! The entry itself is not inside: the verifier hashes it. Which witnesses
//! must have cosigned is the verifier's policy: [`TlogProof::accept`], or
//! [`Proven::cosignatures`] for whoever decides in another way.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, CheckpointError, parse_decimal};
use crate::hash::Hash;
use crate::note::{NOTE_BYTES_MAX, Note, NoteError, Verified, VerifyingKey};
use crate::policy::{Accepted, Policy, PolicyViolation};
use crate::proof::{PROOF_HASHES_MAX, ProofError, verify_inclusion};

/// First line of every proof.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Longest proof that is parsed: a note of 1 MB, and as much extra data.
pub const TLOG_PROOF_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX;

/// A proof as it is read or to be written; nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Application data that nothing authenticates, such as salts.
    pub extra: Option<Vec<u8>>,
    /// The entry's position in the log.
    pub index: u64,
    /// Inclusion proof, from the leaf's sibling to the root's child.
    pub hashes: Vec<Hash>,
    /// The log's checkpoint with all its signatures.
    pub note: Note,
}

/// What a verified proof says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven<'k> {
    /// The checkpoint the log signed.
    pub checkpoint: Checkpoint,
    /// Every valid signature of a known key: the log's and the witnesses'.
    pub signatures: Vec<Verified<'k>>,
}

/// Why a text is not a proof, or proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Longer than [`TLOG_PROOF_BYTES_MAX`].
    #[error("proof has {0} bytes, more than 2000000")]
    TooLong(usize),
    /// The first line is not that of this version.
    #[error("proof does not start with c2sp.org/tlog-proof@v1")]
    Header,
    /// The extra data is not canonical base64.
    #[error("extra data is not canonical base64")]
    Extra,
    /// The index line is missing or not a canonical number.
    #[error("proof has no canonical index")]
    Index,
    /// A line after the index is not a hash.
    #[error("proof has a line that is not a hash")]
    Hash,
    /// More hashes than any inclusion proof can have.
    #[error("proof has more than 65 hashes")]
    TooManyHashes,
    /// No empty line and note follow the hashes.
    #[error("proof does not end with a signed note")]
    Note(#[from] NoteError),
    /// The checkpoint is not one of the log.
    #[error("checkpoint of the proof is not valid: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The verifier's policy does not accept the checkpoint.
    #[error("checkpoint of the proof is not accepted: {0}")]
    Policy(#[from] PolicyViolation),
    /// The entry is not at this position of the log.
    #[error("entry is not in the log: {0}")]
    Inclusion(#[from] ProofError),
}

impl TlogProof {
    /// Reads a proof.
    ///
    /// # Errors
    /// The text is not exactly what printing the proof would give.
    pub fn parse(text: &str) -> Result<Self, TlogProofError> {
        if text.len() > TLOG_PROOF_BYTES_MAX {
            return Err(TlogProofError::TooLong(text.len()));
        }
        // No line before the note is empty: the first empty line starts it.
        let (head, note) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(TlogProofError::Header);
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.map(parse_extra).transpose()?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(parse_decimal);
        let index = index.ok_or(TlogProofError::Index)?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == PROOF_HASHES_MAX {
                return Err(TlogProofError::TooManyHashes);
            }
            hashes.push(line.parse().map_err(|_| TlogProofError::Hash)?);
        }
        Ok(Self { extra, index, hashes, note: Note::parse(note)? })
    }

    /// Verifies that `leaf` is at [`TlogProof::index`] in the log `origin`.
    /// `keys` are those of the log and of the witnesses the verifier knows.
    ///
    /// # Errors
    /// The checkpoint does not verify (see [`Checkpoint::open`]), or the
    /// hashes do not lead from the leaf to its root.
    pub fn verify<'k>(
        &self,
        leaf: &Hash,
        origin: &str,
        keys: &'k [VerifyingKey],
    ) -> Result<Proven<'k>, TlogProofError> {
        let checkpoint = Checkpoint::open_note(&self.note, origin, keys)?;
        verify_inclusion(&self.hashes, self.index, leaf, checkpoint.size, &checkpoint.root)?;
        Ok(Proven { checkpoint, signatures: self.note.verify(keys)? })
    }

    /// Verifies that `leaf` is at [`TlogProof::index`] in a log that `policy`
    /// trusts, under a checkpoint with the cosignatures that it asks for.
    ///
    /// # Errors
    /// The policy does not accept the checkpoint, or the hashes do not lead
    /// from the leaf to its root.
    pub fn accept(&self, leaf: &Hash, policy: &Policy) -> Result<Accepted, TlogProofError> {
        let accepted = policy.accept(&self.note)?;
        let Checkpoint { size, root, .. } = &accepted.checkpoint;
        verify_inclusion(&self.hashes, self.index, leaf, *size, root)?;
        Ok(accepted)
    }
}

impl Proven<'_> {
    /// Witness public keys and the times (seconds since 1970) at which they
    /// cosigned. A witness may appear more than once; **count distinct public
    /// keys**, since a cosignature does not commit to its signer's name.
    pub fn cosignatures(&self) -> impl Iterator<Item = (&VerifyingKey, u64)> {
        self.signatures.iter().filter_map(|signature| Some((signature.key, signature.unix_seconds?)))
    }
}

/// The proof as it is stored, in a file ending in `.tlog-proof`.
impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.note)
    }
}

impl FromStr for TlogProof {
    type Err = TlogProofError;

    fn from_str(text: &str) -> Result<Self, TlogProofError> {
        Self::parse(text)
    }
}

fn parse_extra(line: &str) -> Result<Vec<u8>, TlogProofError> {
    let encoded = line.strip_prefix("extra ").ok_or(TlogProofError::Extra)?;
    STANDARD.decode(encoded).map_err(|_| TlogProofError::Extra)
}

#[cfg(test)]
mod tests;
