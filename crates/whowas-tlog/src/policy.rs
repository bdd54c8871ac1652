//! Trust policies after the draft `c2sp.org/tlog-policy`: which logs and witnesses a verifier trusts, and
//! how many of the witnesses must have cosigned.
//!
//! ```text
//! log <vkey> [<url>]
//! witness <name> <vkey> [<url>]
//! group <name> all|any|<k> <name>…
//! quorum <name>|none                  exactly once
//! ```
//!
//! A policy is the verifier's own file: it never comes from the log it judges. URLs are kept as text and
//! not used here.

mod parse;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::key::{Algorithm, KeyError, VerifyingKey};
use crate::note::{Note, NoteError};

/// Longest policy that is parsed: 3 × 1,024 lines of 256 bytes are 768 KiB.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// Most logs, most witnesses, and most groups. The specification asks for at least 32 of each.
pub const POLICY_ITEMS_MAX: usize = 1024;

/// Whom a verifier trusts. Printed by [`Policy::to_bytes`] in the form it is parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<TrustedLog>,
    /// Witnesses and groups in the order of their definition: members come before their group.
    nodes: Vec<Node>,
    /// The node that must have witnessed; none means that the log's signature is enough.
    quorum: Option<usize>,
}

/// A log whose checkpoints are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedLog {
    /// Its key; the key's name is the log's origin.
    pub key: VerifyingKey,
    /// Where it may be reached.
    pub url: Option<String>,
}

/// A witness whose cosignature may count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedWitness {
    /// Its name within the policy; an opaque byte string.
    pub name: Vec<u8>,
    /// Its key.
    pub key: VerifyingKey,
    /// Where it may be reached: its submission prefix.
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Witness(Box<TrustedWitness>),
    Group { name: Vec<u8>, threshold: usize, members: Vec<usize> },
}

impl Node {
    fn name(&self) -> &[u8] {
        match self {
            Self::Witness(witness) => &witness.name,
            Self::Group { name, .. } => name,
        }
    }
}

/// Why bytes are not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Longer than [`POLICY_BYTES_MAX`].
    #[error("policy has {0} bytes, more than 1048576")]
    TooLong(usize),
    /// More than [`POLICY_ITEMS_MAX`] of one kind.
    #[error("line {0}: more than 1024 logs, witnesses or groups")]
    TooMany(usize),
    /// A control character other than tab and line feed.
    #[error("line {0}: a control character")]
    ControlCharacter(usize),
    /// The line is none of the four, or has too few or too many items.
    #[error(
        "line {0}: expected log VKEY [URL], witness NAME VKEY [URL], group NAME all|any|K NAME… or quorum NAME"
    )]
    Line(usize),
    /// The key is no vkey.
    #[error("line {0}: {1}")]
    Key(usize, KeyError),
    /// A witness's key where a log's belongs, or the other way round.
    #[error("line {0}: a key of this kind cannot sign here")]
    KeyKind(usize),
    /// The same public key twice among the logs, or among the witnesses.
    #[error("line {0}: the same public key stands on an earlier line")]
    DuplicateKey(usize),
    /// The name is taken, or is `none`.
    #[error("line {0}: the name is taken")]
    NameTaken(usize),
    /// The name is not defined on an earlier line.
    #[error("line {0}: a name is not defined on an earlier line")]
    NameUnknown(usize),
    /// A witness or group that is a member already: it would count twice.
    #[error("line {0}: a name is a member of a group already")]
    MemberTwice(usize),
    /// The threshold is 0, above the number of members, or no canonical number.
    #[error("line {0}: the threshold is not between 1 and the number of members")]
    Threshold(usize),
    /// There is no quorum line, or a second one.
    #[error("a policy has exactly one quorum line")]
    Quorum,
}

/// Why a checkpoint is not accepted under a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyViolation {
    /// No log of the policy has the checkpoint's origin.
    #[error("the policy trusts no log {0:?}")]
    UnknownLog(String),
    /// The note is not a valid checkpoint of the log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Too few witnesses have cosigned.
    #[error(
        "too few witnesses have cosigned for the quorum {quorum:?}: {cosigned} of the policy's {witnesses}"
    )]
    Quorum {
        /// Name of the quorum's witness or group.
        quorum: String,
        /// Witnesses of the policy that cosigned.
        cosigned: usize,
        /// Witnesses of the policy.
        witnesses: usize,
    },
}

impl From<NoteError> for PolicyViolation {
    fn from(error: NoteError) -> Self {
        Self::Checkpoint(error.into())
    }
}

/// A checkpoint that a policy accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The log's key that signed it.
    pub key: VerifyingKey,
    /// Every witness of the policy that cosigned, in the order of the policy.
    pub cosignatures: Vec<Cosignature>,
}

/// One witness's word for a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// The witness's name within the policy, as far as it is UTF-8.
    pub name: String,
    /// When it cosigned, by its own clock, in seconds since 1970.
    pub unix_seconds: u64,
}

impl Policy {
    /// Trusts another key of a log too, such as the one that a key it trusts has handed over to.
    pub fn trust_log(&mut self, key: VerifyingKey) {
        if !self.logs.iter().any(|log| log.key == key) {
            self.logs.push(TrustedLog { key, url: None });
        }
    }

    /// Trusts one log and asks for no witness.
    #[must_use]
    pub fn of_log(key: VerifyingKey) -> Self {
        Self { logs: vec![TrustedLog { key, url: None }], nodes: Vec::new(), quorum: None }
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// The bytes break a rule of the specification; the error names the line.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        parse::policy(bytes)
    }

    /// The logs, in the order of the policy.
    #[must_use]
    pub fn logs(&self) -> &[TrustedLog] {
        &self.logs
    }

    /// The witnesses, in the order of the policy.
    pub fn witnesses(&self) -> impl Iterator<Item = &TrustedWitness> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Witness(witness) => Some(witness.as_ref()),
            Node::Group { .. } => None,
        })
    }

    /// Whether no witness is asked for.
    #[must_use]
    pub fn is_unwitnessed(&self) -> bool {
        self.quorum.is_none()
    }

    /// The policy as a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut line = |items: &[&[u8]]| {
            out.extend_from_slice(&items.join(&b' '));
            out.push(b'\n');
        };
        for log in &self.logs {
            let vkey = log.key.to_string();
            let url = log.url.as_deref().map(str::as_bytes);
            line(&[&[b"log".as_slice(), vkey.as_bytes()][..], url.as_slice()].concat());
        }
        for node in &self.nodes {
            match node {
                Node::Witness(witness) => {
                    let vkey = witness.key.to_string();
                    let url = witness.url.as_deref().map(str::as_bytes);
                    line(
                        &[&[b"witness".as_slice(), &witness.name, vkey.as_bytes()][..], url.as_slice()]
                            .concat(),
                    );
                }
                Node::Group { name, threshold, members } => {
                    let threshold = threshold.to_string();
                    let mut items = vec![b"group".as_slice(), name, threshold.as_bytes()];
                    items.extend(members.iter().filter_map(|at| self.nodes.get(*at)).map(Node::name));
                    line(&items);
                }
            }
        }
        line(&[b"quorum", self.quorum_name()]);
        out
    }

    /// Accepts a checkpoint: signed by a log of the policy whose key has the checkpoint's origin as its
    /// name, and cosigned as the quorum asks.
    ///
    /// # Errors
    /// The log is not trusted, a signature in a trusted name is not valid, or witnesses are missing.
    pub fn accept(&self, note: &Note) -> Result<Accepted, PolicyViolation> {
        let origin = note.text().split('\n').next().unwrap_or_default();
        let mut keys: Vec<VerifyingKey> =
            self.logs.iter().map(|log| &log.key).filter(|key| key.name() == origin).cloned().collect();
        if keys.is_empty() {
            return Err(PolicyViolation::UnknownLog(origin.to_owned()));
        }
        keys.extend(self.witnesses().map(|witness| witness.key.clone()));
        let checkpoint = Checkpoint::open_note(note, origin, &keys)?;
        let verified = note.verify(&keys)?;
        let key = verified.iter().find(|one| one.key.algorithm() == Algorithm::Ed25519);
        let key = key.ok_or(CheckpointError::NoLogSignature)?.key.clone();
        let time_of = |witness: &TrustedWitness| {
            verified.iter().find(|one| *one.key == witness.key).and_then(|one| one.unix_seconds)
        };
        let cosignatures: Vec<Cosignature> = self
            .witnesses()
            .filter_map(|witness| {
                let name = String::from_utf8_lossy(&witness.name).into_owned();
                time_of(witness).map(|unix_seconds| Cosignature { name, unix_seconds })
            })
            .collect();
        if !self.is_quorum(|witness| time_of(witness).is_some()) {
            return Err(PolicyViolation::Quorum {
                quorum: String::from_utf8_lossy(self.quorum_name()).into_owned(),
                cosigned: cosignatures.len(),
                witnesses: self.witnesses().count(),
            });
        }
        Ok(Accepted { checkpoint, key, cosignatures })
    }

    /// Whether the quorum has witnessed. Without recursion: members stand before their groups.
    fn is_quorum(&self, has_cosigned: impl Fn(&TrustedWitness) -> bool) -> bool {
        let mut witnessed: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let is_witnessed = match node {
                Node::Witness(witness) => has_cosigned(witness),
                Node::Group { threshold, members, .. } => {
                    let count = members.iter().filter(|at| witnessed.get(**at) == Some(&true)).count();
                    count >= *threshold
                }
            };
            witnessed.push(is_witnessed);
        }
        self.quorum.is_none_or(|at| witnessed.get(at) == Some(&true))
    }

    fn quorum_name(&self) -> &[u8] {
        self.quorum.and_then(|at| self.nodes.get(at)).map_or(b"none", Node::name)
    }
}

#[cfg(test)]
mod tests;
