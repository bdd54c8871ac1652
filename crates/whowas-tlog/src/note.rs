//! Signed notes after `c2sp.org/signed-note@v1.0.0`: a text and the
//! signatures under it.
//!
//! ```text
//! text, any number of lines
//! <empty line>
//! — <key name> <base64(key id ‖ signature)>      1 to 100 times
//! ```
//!
//! Parsing is strict, so a note has one written form. What the text means is
//! not decided here: see [`crate::checkpoint`].

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cosignature;
use crate::key::SecretKey;
pub use crate::key::{Algorithm, KeyError, KeyId, VerifyingKey, is_key_name};

/// Longest note that is parsed: 100 ML-DSA-44 cosignatures of 2,432 bytes in
/// base64 are 330 kB, the text is a few hundred bytes.
pub const NOTE_BYTES_MAX: usize = 1_000_000;

/// Most signatures under one note; the specification asks for at least 16,
/// the Go implementation stops at 100.
pub const SIGNATURES_MAX: usize = 100;

/// Why a text is not a note, or a note is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The note is longer than [`NOTE_BYTES_MAX`].
    #[error("note has {0} bytes, more than 1000000")]
    TooLong(usize),
    /// The note has a control character other than the line feed.
    #[error("note has a control character")]
    ControlCharacter,
    /// The text does not end with a line feed.
    #[error("note text does not end with a line feed")]
    UnterminatedText,
    /// No empty line separates a text from signatures.
    #[error("note has no signatures")]
    NoSignatures,
    /// There are more signatures than [`SIGNATURES_MAX`].
    #[error("note has more than 100 signatures")]
    TooManySignatures,
    /// A signature line is not `— name base64`.
    #[error("signature line {0} is malformed")]
    MalformedSignature(usize),
    /// A signature names a known key, which did not make it.
    #[error("signature of {name} with key {id} is not valid")]
    InvalidSignature {
        /// Name of the key.
        name: String,
        /// Id of the key.
        id: KeyId,
    },
    /// No known key signed the note.
    #[error("note is not signed by a known key")]
    NoKnownSigner,
}

/// A text with signatures, not yet verified. Printed in the form it is parsed
/// from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line, not yet verified. Printed without the line feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    id: KeyId,
    signature: Vec<u8>,
}

/// A signature that was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<'k> {
    /// The key that made it.
    pub key: &'k VerifyingKey,
    /// When it was made by its signer's clock, in seconds since 1970; only a
    /// cosignature says so.
    pub unix_seconds: Option<u64>,
}

impl Note {
    /// A note to be signed.
    ///
    /// # Errors
    /// The text is too long, does not end with a line feed or has another
    /// control character.
    pub fn new(text: &str) -> Result<Self, NoteError> {
        check_characters(text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::UnterminatedText);
        }
        Ok(Self { text: text.to_owned(), signatures: Vec::new() })
    }

    /// Reads a note with its signatures, verifying none of them.
    ///
    /// # Errors
    /// The note is not exactly in the form the specification asks for.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        check_characters(note)?;
        // The text may have empty lines too: the last one separates.
        let separator = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, lines) = note.split_at(separator + 1);
        let lines = lines.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let lines = lines.ok_or(NoteError::NoSignatures)?;
        let mut signatures = Vec::new();
        for (number, line) in (1usize..).zip(lines.split('\n')) {
            if number > SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            signatures.push(NoteSignature::parse(line).ok_or(NoteError::MalformedSignature(number))?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, up to and including its last line feed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in order.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature below the others.
    ///
    /// # Errors
    /// There are [`SIGNATURES_MAX`] already.
    pub fn push_signature(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.len() >= SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Verifies the signatures of `keys`; unknown signers are ignored.
    ///
    /// # Errors
    /// A known key did not make the signature that names it, or no known key
    /// signed.
    pub fn verify<'k>(&self, keys: &'k [VerifyingKey]) -> Result<Vec<Verified<'k>>, NoteError> {
        let mut verified: Vec<Verified<'k>> = Vec::new();
        for signature in &self.signatures {
            let named = |key: &&VerifyingKey| key.name() == signature.name && key.id() == signature.id;
            for key in keys.iter().filter(named) {
                let one = signature.verify(&self.text, key).ok_or_else(|| NoteError::InvalidSignature {
                    name: signature.name.clone(),
                    id: signature.id,
                })?;
                // A repeated line, or a key that is listed twice, must not count twice for a quorum.
                if !verified.iter().any(|known| known.key == one.key) {
                    verified.push(one);
                }
            }
        }
        if verified.is_empty() { Err(NoteError::NoKnownSigner) } else { Ok(verified) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        Self::parse(note)
    }
}

impl NoteSignature {
    pub(crate) fn new(key: &VerifyingKey, signature: Vec<u8>) -> Self {
        Self { name: key.name().to_owned(), id: key.id(), signature }
    }

    /// Reads one line, without its line feed.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
        let blob = STANDARD.decode(encoded).ok()?;
        let (id, signature) = blob.split_first_chunk()?;
        let is_valid = is_key_name(name) && !signature.is_empty();
        is_valid.then(|| Self { name: name.to_owned(), id: KeyId(*id), signature: signature.to_vec() })
    }

    /// Name of the key that claims to have signed.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Id of the key that claims to have signed.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The bytes after the key id.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// `None` if `key` did not make this signature over `text`.
    pub(crate) fn verify<'k>(&self, text: &str, key: &'k VerifyingKey) -> Option<Verified<'k>> {
        match key.algorithm() {
            Algorithm::Ed25519 => {
                let signature = self.signature.as_slice().try_into().ok()?;
                let is_valid = key.is_signature_over(text.as_bytes(), signature);
                is_valid.then_some(Verified { key, unix_seconds: None })
            }
            Algorithm::CosignatureV1 => {
                let unix_seconds = cosignature::verify_blob(key, text, &self.signature)?;
                Some(Verified { key, unix_seconds: Some(unix_seconds) })
            }
        }
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blob = self.id.0.to_vec();
        blob.extend_from_slice(&self.signature);
        write!(f, "— {} {}", self.name, STANDARD.encode(blob))
    }
}

/// A log's secret key: signs note texts with Ed25519. Its secret text is the
/// form of Go's `sumdb/note`.
#[derive(Debug, Clone)]
pub struct SigningKey(SecretKey);

impl SigningKey {
    /// The key made from 32 random bytes.
    ///
    /// # Errors
    /// The name cannot name a key.
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, KeyError> {
        SecretKey::from_seed(name, Algorithm::Ed25519, &seed).map(Self)
    }

    /// Reads what [`SigningKey::to_secret_text`] wrote. No line feed.
    ///
    /// # Errors
    /// The text is not one of a log's secret key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        SecretKey::parse(text, Algorithm::Ed25519).map(Self)
    }

    /// The key as one line to be kept secret: `PRIVATE+KEY+name+id+base64`.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        self.0.to_secret_text()
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        self.0.verifying_key()
    }

    /// Signs a note text.
    #[must_use]
    pub fn sign(&self, text: &str) -> NoteSignature {
        NoteSignature::new(self.verifying_key(), self.0.sign(text.as_bytes()).to_vec())
    }
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    if text.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLong(text.len()));
    }
    if text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(NoteError::ControlCharacter);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::golden;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_seed(&format!("key{n}.example"), [n; 32]).unwrap()
    }

    fn signed(text: &str, keys: impl IntoIterator<Item = u8>) -> Note {
        let mut note = Note::new(text).unwrap();
        keys.into_iter().for_each(|n| note.push_signature(key(n).sign(text)).unwrap());
        note
    }

    #[test]
    fn golden_signatures_verify() {
        let keys = [VerifyingKey::parse(golden::VKEY).unwrap()];
        for text in [golden::NOTE_1235, golden::NOTE_70000] {
            let note = Note::parse(text).unwrap();
            assert_eq!(note.verify(&keys), Ok(vec![Verified { key: &keys[0], unix_seconds: None }]));
            assert_eq!(note.to_string(), text);
        }
    }

    #[test]
    fn a_signer_counts_once() {
        let note = signed("a\n", [1, 1, 2]);
        let keys = [1, 1, 2].map(|n| key(n).verifying_key().clone());
        assert_eq!(note.verify(&keys).unwrap().len(), 2);
    }

    #[test]
    fn parsing_is_strict() {
        let line = key(1).sign("a\n").to_string();
        let blob = line.rsplit(' ').next().unwrap();
        let check = |note: &str, error| assert_eq!(Note::parse(note), Err(error), "{note:?}");
        check("", NoteError::NoSignatures);
        check("a\n", NoteError::NoSignatures);
        check("a\n\n", NoteError::NoSignatures);
        check(&format!("a\n{line}\n"), NoteError::NoSignatures);
        check(&format!("a\n\n{line}"), NoteError::NoSignatures);
        check(&format!("a\r\n\n{line}\n"), NoteError::ControlCharacter);
        check(&format!("a\n\n{line}\n\n"), NoteError::NoSignatures);
        check(&format!("a\n\n{line}\nb\n"), NoteError::MalformedSignature(2));
        for bad in [
            format!("- key1.example {blob}"),
            format!("— key1.example  {blob}"),
            format!("— key1.example {blob} "),
            format!("— key1\u{a0}.example {blob}"),
            format!("— key1+.example {blob}"),
            format!("—  {blob}"),
            "— key1.example AAAAAA==".to_owned(),
            "— key1.example !".to_owned(),
            "— key1.example".to_owned(),
        ] {
            check(&format!("a\n\n{bad}\n"), NoteError::MalformedSignature(1));
        }
        assert_eq!(Note::new("a"), Err(NoteError::UnterminatedText));
        let long = "a".repeat(NOTE_BYTES_MAX);
        check(&format!("{long}\n\n{line}\n"), NoteError::TooLong(NOTE_BYTES_MAX + 3 + line.len()));
    }

    #[test]
    fn the_last_empty_line_separates() {
        let note = signed("a\n\n— not a signature\n", [1]);
        assert_eq!(Note::parse(&note.to_string()), Ok(note));
    }

    #[test]
    fn unknown_signers_are_ignored_known_ones_must_be_right() {
        let known = [key(1).verifying_key().clone(), key(2).verifying_key().clone()];
        assert_eq!(signed("a\n", [3, 1, 4]).verify(&known).unwrap().len(), 1);
        assert_eq!(signed("a\n", [3, 4]).verify(&known), Err(NoteError::NoKnownSigner));
        assert_eq!(signed("a\n", []).verify(&known), Err(NoteError::NoKnownSigner));
        let mut forged = signed("a\n", [1]);
        forged.push_signature(key(2).sign("b\n")).unwrap();
        let invalid = NoteError::InvalidSignature { name: "key2.example".into(), id: known[1].id() };
        assert_eq!(forged.verify(&known), Err(invalid));
    }

    #[test]
    fn sixteen_signatures_are_fine_and_one_hundred_and_one_are_not() {
        let known = [key(16).verifying_key().clone()];
        let note = Note::parse(&signed("a\n", 1..=16).to_string()).unwrap();
        assert!(note.verify(&known).is_ok());
        let line = key(1).sign("a\n").to_string();
        let note = |n| format!("a\n\n{}", format!("{line}\n").repeat(n));
        assert!(Note::parse(&note(SIGNATURES_MAX)).is_ok());
        assert_eq!(Note::parse(&note(SIGNATURES_MAX + 1)), Err(NoteError::TooManySignatures));
    }

    #[test]
    fn secret_text_is_that_of_go() {
        // The example key pair of the documentation of golang.org/x/mod/sumdb/note.
        let key = SigningKey::parse(
            "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
        )
        .unwrap();
        assert_eq!(
            key.verifying_key().to_string(),
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        );
        assert_eq!(SigningKey::parse(&key.to_secret_text()).unwrap().verifying_key(), key.verifying_key());
    }

    proptest! {
        #[test]
        fn any_text_parses_to_itself_or_not_at_all(text in "[ab\n]{0,9}\n\n(— [a+ ]{1,3} [A-D=]{4,12}\n){1,3}") {
            if let Ok(note) = Note::parse(&text) {
                prop_assert_eq!(note.to_string(), text);
            }
        }
    }
}
