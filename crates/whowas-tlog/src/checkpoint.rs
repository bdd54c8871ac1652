//! Checkpoints after `c2sp.org/tlog-checkpoint@v1.0.0`: what a log commits to
//! when it signs.
//!
//! ```text
//! <origin>
//! <size, decimal>
//! <root, base64>
//! <extension line>        any number of times; not recommended
//! ```
//!
//! A valid checkpoint says nothing about its age: rollback and split views are
//! found by comparing it with a newer one or with cosignatures.

use crate::hash::{Hash, empty_root};
use crate::note::{Algorithm, Note, NoteError, SigningKey, VerifyingKey};

/// The size and root of a log, under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's unique name: a URL without schema and trailing slash.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root hash of the tree of that size.
    pub root: Hash,
    /// Further lines, which no witness can audit.
    pub extensions: Vec<String>,
}

/// Why a text is not a checkpoint, or not one of the expected log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around the checkpoint is malformed or not to be trusted.
    #[error("checkpoint note is not valid: {0}")]
    Note(#[from] NoteError),
    /// The text has not three lines, or does not end with a line feed.
    #[error("checkpoint has not the lines origin, size and root")]
    Lines,
    /// The origin is empty or has a control character.
    #[error("checkpoint origin is empty or has a control character")]
    Origin,
    /// The size is not a decimal number of 64 bits without leading zero.
    #[error("checkpoint size is not a canonical number")]
    Size,
    /// The root is not the base64 of 32 bytes.
    #[error("checkpoint root is not a hash")]
    Root,
    /// The size is 0 and the root not that of the empty tree.
    #[error("checkpoint of size 0 has not the root of the empty tree")]
    RootOfEmpty,
    /// An extension line is empty or has a control character.
    #[error("checkpoint extension line is empty or has a control character")]
    Extension,
    /// The checkpoint is one of another log.
    #[error("checkpoint is of origin {found:?}, not {expected:?}")]
    OtherOrigin {
        /// The log that was asked for.
        expected: String,
        /// The log that signed.
        found: String,
    },
    /// Only witnesses signed.
    #[error("checkpoint is not signed by the log")]
    NoLogSignature,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, self.root);
        for extension in &self.extensions {
            text.push_str(extension);
            text.push('\n');
        }
        text
    }

    /// Reads the text of a note that was verified.
    ///
    /// # Errors
    /// The text is not exactly what [`Checkpoint::to_text`] writes.
    pub fn parse_text(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Lines);
        };
        if !is_line(origin) {
            return Err(CheckpointError::Origin);
        }
        let size = parse_decimal(size).ok_or(CheckpointError::Size)?;
        let root = root.parse().map_err(|_| CheckpointError::Root)?;
        let extensions: Vec<_> = lines.map(str::to_owned).collect();
        if !extensions.iter().all(|line| is_line(line)) {
            return Err(CheckpointError::Extension);
        }
        if size == 0 && root != empty_root() {
            return Err(CheckpointError::RootOfEmpty);
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }

    /// Signs the checkpoint; returns the whole note. **Never sign two that
    /// are inconsistent:** there is no way back.
    ///
    /// # Panics
    /// The checkpoint does not read back from its own text: the origin or an
    /// extension is empty or has a control character, or the size is 0 under
    /// a root that is not [`empty_root`].
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        let text = self.to_text();
        assert_eq!(Self::parse_text(&text).as_ref(), Ok(self), "a checkpoint reads back before it is signed");
        let mut note = Note::new(&text).expect("lines without control characters make a note text");
        note.push_signature(key.sign(&text)).expect("a new note has room for one signature");
        note.to_string()
    }

    /// Reads and verifies a checkpoint note of the log `origin`. At least one
    /// of `keys` must be a log's key that signed; cosignatures of witnesses
    /// among `keys` are verified but do not suffice.
    ///
    /// # Errors
    /// The note is malformed, is not signed by the log, has an invalid
    /// signature in the name of one of `keys`, or is of another origin.
    pub fn open(note: &str, origin: &str, keys: &[VerifyingKey]) -> Result<Self, CheckpointError> {
        Self::open_note(&Note::parse(note)?, origin, keys)
    }

    /// As [`Checkpoint::open`], for a note that is parsed already.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn open_note(note: &Note, origin: &str, keys: &[VerifyingKey]) -> Result<Self, CheckpointError> {
        let verified = note.verify(keys)?;
        if !verified.iter().any(|signature| signature.key.algorithm() == Algorithm::Ed25519) {
            return Err(CheckpointError::NoLogSignature);
        }
        let checkpoint = Self::parse_text(note.text())?;
        if checkpoint.origin != origin {
            return Err(CheckpointError::OtherOrigin {
                expected: origin.to_owned(),
                found: checkpoint.origin,
            });
        }
        Ok(checkpoint)
    }
}

/// A number in ASCII digits without leading zero or sign.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

fn is_line(line: &str) -> bool {
    !line.is_empty() && !line.bytes().any(|byte| byte < b' ')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cosignature::CosigningKey;
    use crate::golden;
    use crate::hash::leaf_hash;

    const ORIGIN: &str = "audit.example/log1";

    fn key() -> SigningKey {
        SigningKey::from_seed(ORIGIN, [3; 32]).unwrap()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: ORIGIN.into(), size: 42, root: leaf_hash(b"root"), extensions: vec![] }
    }

    #[test]
    fn golden_checkpoints_open() {
        let keys = [VerifyingKey::parse(golden::VKEY).unwrap()];
        for (note, (size, root)) in [golden::NOTE_1235, golden::NOTE_70000].iter().zip(&golden::ROOTS[5..]) {
            let checkpoint = Checkpoint::open(note, ORIGIN, &keys).unwrap();
            assert_eq!((checkpoint.size, checkpoint.root.to_string().as_str()), (*size, *root));
            assert!(note.starts_with(&checkpoint.to_text()));
        }
        let other = Checkpoint::open(golden::NOTE_1235, "audit.example/log2", &keys);
        assert!(matches!(other, Err(CheckpointError::OtherOrigin { .. })));
        let stranger = Checkpoint::open(golden::NOTE_1235, ORIGIN, &[key().verifying_key().clone()]);
        assert_eq!(stranger, Err(NoteError::NoKnownSigner.into()));
    }

    #[test]
    fn text_is_strict() {
        let root = leaf_hash(b"root");
        let check = |text: String, error| assert_eq!(Checkpoint::parse_text(&text), Err(error), "{text:?}");
        check(String::new(), CheckpointError::Lines);
        check("o\n1\n".into(), CheckpointError::Lines);
        check(format!("o\n1\n{root}"), CheckpointError::Lines);
        check(format!("\n1\n{root}\n"), CheckpointError::Origin);
        for size in ["", "01", "+1", "-1", "1 ", "18446744073709551616", "0x1"] {
            check(format!("o\n{size}\n{root}\n"), CheckpointError::Size);
        }
        check("o\n1\nAAAA\n".into(), CheckpointError::Root);
        check(format!("o\n0\n{root}\n"), CheckpointError::RootOfEmpty);
        check(format!("o\n1\n{root}\n\n"), CheckpointError::Extension);
        assert!(Checkpoint::parse_text(&format!("o\n0\n{}\n", empty_root())).is_ok());
        let extended = Checkpoint { extensions: vec!["a".into(), "b c".into()], ..checkpoint() };
        assert_eq!(Checkpoint::parse_text(&extended.to_text()), Ok(extended));
    }

    #[test]
    fn a_witness_alone_does_not_make_a_checkpoint() {
        let witness = CosigningKey::from_seed("witness.example", [9; 32]).unwrap();
        let mut note = Note::new(&checkpoint().to_text()).unwrap();
        note.push_signature(witness.cosign(&note, 1).unwrap()).unwrap();
        let keys = [key().verifying_key().clone(), witness.verifying_key().clone()];
        assert_eq!(Checkpoint::open_note(&note, ORIGIN, &keys), Err(CheckpointError::NoLogSignature));
    }

    #[test]
    fn every_changed_byte_is_rejected() {
        let signed = checkpoint().sign(&key());
        let keys = [key().verifying_key().clone()];
        assert_eq!(Checkpoint::open(&signed, ORIGIN, &keys), Ok(checkpoint()));
        for position in 0..signed.len() {
            for bit in 0..8 {
                let mut bytes = signed.clone().into_bytes();
                bytes[position] ^= 1 << bit;
                if let Ok(changed) = String::from_utf8(bytes) {
                    let opened = Checkpoint::open(&changed, ORIGIN, &keys);
                    assert!(opened.is_err(), "bit {bit} of byte {position}: {changed}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_to_itself_or_not_at_all(text in "o?\n[0-9+]{0,3}\n[A-B]{42}[A-D]=\n([ a\n]{0,4}\n)?") {
            if let Ok(checkpoint) = Checkpoint::parse_text(&text) {
                prop_assert_eq!(checkpoint.to_text(), text);
            }
        }
    }
}
