//! Witness cosignatures after `c2sp.org/tlog-cosignature` (cosignature/v1,
//! type 0x04): "at this time, this was the largest tree I had seen".
//!
//! ```text
//! signature   u64 POSIX seconds, big endian ‖ Ed25519 signature, 64 bytes
//! message     cosignature/v1⏎ time <seconds>⏎ <checkpoint text>
//! ```
//!
//! The message does not name the cosigner: give each witness its own key. Time
//! is an argument; the witness protocol and its memory are not here.

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::key::SecretKey;
use crate::note::{Algorithm, KeyError, Note, NoteError, NoteSignature, VerifyingKey};

/// A witness's secret key: cosigns checkpoints.
#[derive(Debug, Clone)]
pub struct CosigningKey(SecretKey);

impl CosigningKey {
    /// The key made from 32 random bytes.
    ///
    /// # Errors
    /// The name cannot name a key.
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, KeyError> {
        SecretKey::from_seed(name, Algorithm::CosignatureV1, &seed).map(Self)
    }

    /// Reads what [`CosigningKey::to_secret_text`] wrote. No line feed.
    ///
    /// # Errors
    /// The text is not one of a witness's secret key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        SecretKey::parse(text, Algorithm::CosignatureV1).map(Self)
    }

    /// The key as one line to be kept secret.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        self.0.to_secret_text()
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        self.0.verifying_key()
    }

    /// Cosigns the checkpoint in `note`. Whether it is larger than and
    /// consistent with the last one is for the witness to know.
    ///
    /// # Errors
    /// The note's text is not a checkpoint.
    pub fn cosign(&self, note: &Note, unix_seconds: u64) -> Result<NoteSignature, CheckpointError> {
        Checkpoint::parse_text(note.text())?;
        let mut blob = unix_seconds.to_be_bytes().to_vec();
        blob.extend_from_slice(&self.0.sign(message(note.text(), unix_seconds).as_bytes()));
        Ok(NoteSignature::new(self.verifying_key(), blob))
    }
}

/// The time at which `key` cosigned `note`; the latest, if more than once.
///
/// # Errors
/// The key is not a witness's or did not sign, or a signature in its name is
/// not valid.
pub fn verify(note: &Note, key: &VerifyingKey) -> Result<u64, NoteError> {
    let verified = note.verify(std::slice::from_ref(key))?;
    verified.iter().filter_map(|signature| signature.unix_seconds).max().ok_or(NoteError::NoKnownSigner)
}

/// The time in the signature bytes, if `key` made them over `text`.
pub(crate) fn verify_blob(key: &VerifyingKey, text: &str, blob: &[u8]) -> Option<u64> {
    let (seconds, signature) = blob.split_first_chunk()?;
    let seconds = u64::from_be_bytes(*seconds);
    let is_valid = key.is_signature_over(message(text, seconds).as_bytes(), signature.try_into().ok()?);
    is_valid.then_some(seconds)
}

fn message(text: &str, unix_seconds: u64) -> String {
    format!("cosignature/v1\ntime {unix_seconds}\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;
    use crate::note::SigningKey;

    fn witness() -> CosigningKey {
        CosigningKey::from_seed("witness.example", [9; 32]).unwrap()
    }

    #[test]
    fn cosigned_checkpoint_verifies_with_its_time() {
        let witness = witness();
        let mut note = Note::parse(golden::NOTE_1235).unwrap();
        note.push_signature(witness.cosign(&note, 1_700_000_000).unwrap()).unwrap();
        let note = Note::parse(&note.to_string()).unwrap();
        assert_eq!(verify(&note, witness.verifying_key()), Ok(1_700_000_000));
        let vkey = VerifyingKey::parse(&witness.verifying_key().to_string()).unwrap();
        assert_eq!(vkey.algorithm(), Algorithm::CosignatureV1);
        assert_eq!(verify(&note, &vkey), Ok(1_700_000_000));
        let log = VerifyingKey::parse(golden::VKEY).unwrap();
        assert_eq!(verify(&note, &log), Err(NoteError::NoKnownSigner), "a log key makes no cosignature");
        assert_eq!(note.verify(&[log, vkey]).unwrap().len(), 2);
    }

    #[test]
    fn the_message_is_that_of_the_specification() {
        assert_eq!(
            message("example.com/behind-the-sofa\n20852163\nroot\n", 1_679_315_147),
            "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nroot\n"
        );
    }

    #[test]
    fn changed_time_or_text_is_rejected() {
        let witness = witness();
        let note = Note::parse(golden::NOTE_1235).unwrap();
        let other = Note::parse(golden::NOTE_70000).unwrap();
        let signature = witness.cosign(&note, 5).unwrap();
        let check = |note: &Note, signature: NoteSignature| {
            let mut note = note.clone();
            note.push_signature(signature).unwrap();
            assert!(matches!(
                verify(&note, witness.verifying_key()),
                Err(NoteError::InvalidSignature { .. })
            ));
        };
        check(&other, signature.clone());
        for i in 0..signature.signature().len() {
            let mut blob = signature.signature().to_vec();
            blob[i] ^= 1;
            check(&note, NoteSignature::new(witness.verifying_key(), blob));
        }
        check(&note, NoteSignature::new(witness.verifying_key(), signature.signature()[..71].to_vec()));
    }

    #[test]
    fn only_checkpoints_are_cosigned_and_key_kinds_do_not_mix() {
        assert!(witness().cosign(&Note::new("hello\n").unwrap(), 5).is_err());
        let text = witness().to_secret_text();
        assert!(CosigningKey::parse(&text).is_ok());
        assert_eq!(SigningKey::parse(&text).unwrap_err(), KeyError::Algorithm(4));
    }
}
