//! The witness protocol after `c2sp.org/tlog-witness` v1.0.0, without its transport: what a request says,
//! which answer it deserves, and what a client makes of the answer.
//!
//! ```text
//! POST <submission prefix>/add-checkpoint
//! old <size>
//! <base64 hash>…            consistency proof, at most 63
//! <empty line>
//! <checkpoint note>
//! ```
//!
//! A witness is a memory. [`decide`] is a function of a request and of what is remembered; **whoever calls
//! it must keep the accepted checkpoint durably, atomically with the look at what was remembered, before
//! the cosignature leaves**. Two calls at once with the same memory would roll it back.
//!
//! Where the text of v1.0.0 and later drafts differ (same size, other root), the later 422 is given.

use std::fmt;

use crate::checkpoint::{Checkpoint, CheckpointError, parse_decimal};
use crate::hash::{Hash, empty_root};
use crate::note::{Note, NoteSignature, VerifyingKey};
use crate::proof::verify_consistency;

/// Most hashes of a request's consistency proof.
pub const WITNESS_PROOF_HASHES_MAX: usize = 63;

/// Longest request that is read: a proof of 63 lines and a note with a few dozen signatures.
pub const ADD_CHECKPOINT_BYTES_MAX: usize = 64 * 1024;

/// Media type of the body that says which size a witness knows.
pub const TLOG_SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

/// A request to cosign. Printed as it is parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size of the checkpoint the client believes the witness cosigned last; 0 if none.
    pub old_size: u64,
    /// Consistency proof from that size to the checkpoint's.
    pub proof: Vec<Hash>,
    /// The checkpoint.
    pub note: Note,
}

/// Why a witness does not cosign. The numbers are those of the specification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: the body is not a request.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// 400: the old size is beyond the checkpoint's.
    #[error("old size {old_size} is larger than the checkpoint's {size}")]
    OldBeyondNew {
        /// The old size of the request.
        old_size: u64,
        /// The size of the checkpoint.
        size: u64,
    },
    /// 404: the witness does not know the log.
    #[error("the origin is not one that this witness knows")]
    UnknownOrigin,
    /// 403: no trusted key of the log signed, or a signature in its name is not valid.
    #[error("the checkpoint is not signed by a trusted key of the log")]
    NoTrustedSignature,
    /// 409: the witness cosigned another size last.
    #[error("the checkpoint cosigned last has size {0}")]
    OtherSize(u64),
    /// 422: the log contradicts what was cosigned. The request may be evidence against it.
    #[error("the checkpoint is not consistent with the one cosigned last: {0}")]
    Inconsistent(&'static str),
}

impl Refusal {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::OldBeyondNew { .. } => 400,
            Self::UnknownOrigin => 404,
            Self::NoTrustedSignature => 403,
            Self::OtherSize(_) => 409,
            Self::Inconsistent(_) => 422,
        }
    }
}

impl AddCheckpoint {
    /// Reads a request.
    ///
    /// # Errors
    /// [`Refusal::Malformed`]: the body is not exactly in the form of the specification.
    pub fn parse(body: &str) -> Result<Self, Refusal> {
        if body.len() > ADD_CHECKPOINT_BYTES_MAX {
            return Err(Refusal::Malformed("it has more than 65536 bytes"));
        }
        let (head, note) = body.split_once("\n\n").ok_or(Refusal::Malformed("there is no empty line"))?;
        let mut lines = head.split('\n');
        let old_size = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(parse_decimal);
        let old_size = old_size.ok_or(Refusal::Malformed("the first line is not old SIZE"))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == WITNESS_PROOF_HASHES_MAX {
                return Err(Refusal::Malformed("the proof has more than 63 hashes"));
            }
            proof.push(line.parse().map_err(|_| Refusal::Malformed("a line of the proof is not a hash"))?);
        }
        let note =
            Note::parse(note).map_err(|_| Refusal::Malformed("the checkpoint is not a signed note"))?;
        Ok(Self { old_size, proof, note })
    }

    /// The origin line: which log this is about, as it claims.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.note.text().split('\n').next().unwrap_or_default()
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.note)
    }
}

/// Decides whether to cosign. `keys` are those the witness trusts for the request's origin, `None` if it
/// does not know the origin; `last` is the checkpoint it cosigned last for that origin.
///
/// Returns the checkpoint that is to be kept and cosigned.
///
/// # Errors
/// The reason not to, with its status. Nothing is to be kept then, but evidence if one likes.
pub fn decide(
    request: &AddCheckpoint,
    keys: Option<&[VerifyingKey]>,
    last: Option<&Checkpoint>,
) -> Result<Checkpoint, Refusal> {
    let keys = keys.ok_or(Refusal::UnknownOrigin)?;
    let checkpoint = match Checkpoint::open_note(&request.note, request.origin(), keys) {
        Ok(checkpoint) => checkpoint,
        Err(CheckpointError::Note(_) | CheckpointError::NoLogSignature) => {
            return Err(Refusal::NoTrustedSignature);
        }
        // The log's signature is valid: it has put its name to an impossible tree.
        Err(CheckpointError::RootOfEmpty) => {
            return Err(Refusal::Inconsistent("a tree of size 0 has another root"));
        }
        Err(_) => return Err(Refusal::Malformed("the note is not a checkpoint")),
    };
    if request.old_size > checkpoint.size {
        return Err(Refusal::OldBeyondNew { old_size: request.old_size, size: checkpoint.size });
    }
    let (last_size, last_root) = last.map_or((0, empty_root()), |last| (last.size, last.root));
    if request.old_size != last_size {
        return Err(Refusal::OtherSize(last_size));
    }
    if request.old_size == 0 && !request.proof.is_empty() {
        return Err(Refusal::Inconsistent("a proof from size 0 has no hashes"));
    }
    if last_size == checkpoint.size && last_root != checkpoint.root {
        return Err(Refusal::Inconsistent("the same size with another root"));
    }
    verify_consistency(&request.proof, last_size, &last_root, checkpoint.size, &checkpoint.root)
        .map_err(|_| Refusal::Inconsistent("the consistency proof does not verify"))?;
    Ok(checkpoint)
}

/// The cosignatures of `witness` in the body of a 200 answer to a request about `note`. Lines of unknown
/// keys are ignored, as the specification asks.
///
/// # Errors
/// The body has a line that is no signature, none of the witness, or one that is not valid over `note`.
pub fn read_cosignatures(
    body: &str,
    note: &Note,
    witness: &VerifyingKey,
) -> Result<Vec<NoteSignature>, AnswerError> {
    let mut found = Vec::new();
    for line in body.strip_suffix('\n').ok_or(AnswerError::Lines)?.split('\n') {
        let signature = NoteSignature::parse(line).ok_or(AnswerError::Lines)?;
        if signature.name() != witness.name() || signature.id() != witness.id() {
            continue;
        }
        signature.verify(note.text(), witness).ok_or(AnswerError::Invalid)?;
        found.push(signature);
    }
    if found.is_empty() { Err(AnswerError::OtherSigner) } else { Ok(found) }
}

/// The size that a 409 answer states.
#[must_use]
pub fn read_size(body: &str) -> Option<u64> {
    body.strip_suffix('\n').and_then(parse_decimal)
}

/// Why an answer of a witness is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The body does not consist of signature lines.
    #[error("the answer is not a list of signatures")]
    Lines,
    /// No line is of the witness's key.
    #[error("the answer has no signature of the witness's key")]
    OtherSigner,
    /// A line of the witness's key is not valid.
    #[error("the witness's signature is not valid")]
    Invalid,
}

#[cfg(test)]
mod tests;
