//! Keys of signed notes: names, ids, and the text forms that Go's `sumdb/note` made common.
//!
//! ```text
//! <name>+<8 hex digits of the key id>+<base64(type ‖ public key)>                 verifier key ("vkey")
//! PRIVATE+KEY+<name>+<8 hex digits of the key id>+<base64(type ‖ 32-byte seed)>   signing key
//! ```

use std::fmt;

use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha256};

use super::NoteSignature;
use crate::cosignature;
use crate::text::{decode_base64, encode_base64};

/// What the text form of a signing key starts with.
const PRIVATE_PREFIX: &str = "PRIVATE+KEY+";

/// Why a key or its name is refused. No variant carries key material.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Names are non-empty, without spaces, plus signs or control characters.
    #[error("key name is empty or has a space, plus sign or control character")]
    Name,
    /// Not `name+id+key`, or not canonical hex and base64.
    #[error("key is not of the form name+id+key")]
    Form,
    /// A signature type that is not implemented here.
    #[error("signature type {found:#04x} is not supported")]
    Algorithm {
        /// The type byte.
        found: u8,
    },
    /// The key is not 32 bytes that make an Ed25519 key.
    #[error("not an ed25519 key")]
    Ed25519,
    /// A public key of small order: signatures can be made for it without any private key.
    #[error("ed25519 key is of small order")]
    Weak,
    /// The id is not that of the name and key: the text was damaged or stitched together.
    #[error("key id does not belong to the key")]
    KeyId,
}

/// The signature is not by this key over this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify")]
pub struct SignatureError;

/// Signature types, by the byte that the specification assigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Algorithm {
    /// Ed25519 over the note text: how a log signs.
    Ed25519 = 0x01,
    /// Ed25519 over time and note text: how a witness signs, see [`crate::cosignature`].
    CosignatureV1 = 0x04,
}

impl TryFrom<u8> for Algorithm {
    type Error = KeyError;

    fn try_from(found: u8) -> Result<Self, KeyError> {
        match found {
            0x01 => Ok(Self::Ed25519),
            0x04 => Ok(Self::CosignatureV1),
            _ => Err(KeyError::Algorithm { found }),
        }
    }
}

/// First four bytes of `SHA-256(name ‖ 0x0A ‖ type ‖ public key)`: tells keys apart, proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// Wraps the four bytes.
    pub const fn new(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The id of an Ed25519 public key under this name and signature type.
    pub fn of(name: &str, algorithm: Algorithm, public_key: &[u8; 32]) -> Self {
        let hasher = Sha256::new().chain_update(name).chain_update([b'\n', algorithm as u8]);
        let digest: [u8; 32] = hasher.chain_update(public_key).finalize().into();
        let [a, b, c, d, ..] = digest;
        Self([a, b, c, d])
    }

    /// The four bytes, big-endian as in signatures.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

/// Eight hex digits.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Refuses what cannot be a key name.
pub fn check_name(name: &str) -> Result<(), KeyError> {
    let is_bad = |c: char| c.is_whitespace() || c < ' ' || c == '+';
    if name.is_empty() || name.contains(is_bad) { Err(KeyError::Name) } else { Ok(()) }
}

/// A public key that a verifier chose to trust. `Display` and `FromStr` are the vkey form.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    key_id: KeyId,
    algorithm: Algorithm,
    key: ed25519_dalek::VerifyingKey,
}

impl VerifyingKey {
    /// A key from its 32 bytes.
    pub fn new(name: &str, algorithm: Algorithm, public_key: &[u8; 32]) -> Result<Self, KeyError> {
        check_name(name)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(public_key).map_err(|_| KeyError::Ed25519)?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self { name: name.to_owned(), key_id: KeyId::of(name, algorithm, public_key), algorithm, key })
    }

    /// Reads a vkey.
    pub fn parse(vkey: &str) -> Result<Self, KeyError> {
        let (name, id, algorithm, public_key) = split_key(vkey)?;
        let key = Self::new(name, algorithm, &public_key)?;
        if key.key_id.to_string() == id { Ok(key) } else { Err(KeyError::KeyId) }
    }

    /// Name of the key; a log's is its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Id of the key.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The 32 bytes, as other tools want them.
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Verifies a signature over a note text; a cosigner's time is returned.
    pub fn verify(&self, text: &str, blob: &[u8]) -> Result<Option<u64>, SignatureError> {
        match self.algorithm {
            Algorithm::Ed25519 => self.verify_message(text.as_bytes(), blob).map(|()| None),
            Algorithm::CosignatureV1 => {
                let (time_s, signature) = cosignature::split_blob(blob).ok_or(SignatureError)?;
                self.verify_message(cosignature::message(text, time_s).as_bytes(), signature)?;
                Ok(Some(time_s))
            }
        }
    }

    /// Plain Ed25519. Strict: a signature with a small-order component would verify for many messages.
    fn verify_message(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignatureError)?;
        self.key.verify_strict(message, &signature).map_err(|_| SignatureError)
    }
}

impl std::str::FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(vkey: &str) -> Result<Self, KeyError> {
        Self::parse(vkey)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = encode_material(self.algorithm, self.key.as_bytes());
        write!(f, "{}+{}+{material}", self.name, self.key_id)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

/// A private Ed25519 key. It signs whatever it is given: what must never be signed is decided by its owner.
#[derive(Clone)]
pub struct SigningKey {
    name: String,
    key_id: KeyId,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// A key from its 32-byte seed, which the caller drew at random.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        check_name(name)?;
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let key_id = KeyId::of(name, Algorithm::Ed25519, key.verifying_key().as_bytes());
        Ok(Self { name: name.to_owned(), key_id, key })
    }

    /// Reads the text form that [`SigningKey::to_private_text`] writes.
    pub fn parse_private(text: &str) -> Result<Self, KeyError> {
        let rest = text.strip_prefix(PRIVATE_PREFIX).ok_or(KeyError::Form)?;
        let (name, id, algorithm, seed) = split_key(rest)?;
        if algorithm != Algorithm::Ed25519 {
            return Err(KeyError::Algorithm { found: algorithm as u8 });
        }
        let key = Self::from_seed(name, &seed)?;
        if key.key_id.to_string() == id { Ok(key) } else { Err(KeyError::KeyId) }
    }

    /// The secret in text form, for a file that only its owner can read. Never log it.
    pub fn to_private_text(&self) -> String {
        let material = encode_material(Algorithm::Ed25519, self.key.as_bytes());
        format!("{PRIVATE_PREFIX}{}+{}+{material}", self.name, self.key_id)
    }

    /// Name of the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Id of the key.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The public half, to be given to verifiers.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying_key_as(Algorithm::Ed25519)
    }

    /// The public half under another signature type, which has another id.
    pub(crate) fn verifying_key_as(&self, algorithm: Algorithm) -> VerifyingKey {
        let key = self.key.verifying_key();
        let key_id = KeyId::of(&self.name, algorithm, key.as_bytes());
        VerifyingKey { name: self.name.clone(), key_id, algorithm, key }
    }

    /// Signs a note text. [`super::Note::sign`] also checks that the text can be in a note.
    pub fn sign(&self, text: &str) -> NoteSignature {
        let blob = self.sign_message(text.as_bytes()).to_vec();
        NoteSignature { name: self.name.clone(), key_id: self.key_id, blob }
    }

    /// Plain Ed25519 over any bytes.
    pub(crate) fn sign_message(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}+{}, redacted)", self.name, self.key_id)
    }
}

/// `name+id+base64(type ‖ 32 bytes)`, of which the base64 may have plus signs too.
fn split_key(text: &str) -> Result<(&str, &str, Algorithm, [u8; 32]), KeyError> {
    let (name, rest) = text.split_once('+').ok_or(KeyError::Form)?;
    let (id, material) = rest.split_once('+').ok_or(KeyError::Form)?;
    check_name(name)?;
    let material = decode_base64(material).ok_or(KeyError::Form)?;
    let (algorithm, key) = material.split_first().ok_or(KeyError::Form)?;
    let algorithm = Algorithm::try_from(*algorithm)?;
    Ok((name, id, algorithm, key.try_into().map_err(|_| KeyError::Ed25519)?))
}

/// `base64(type ‖ 32 bytes)`.
fn encode_material(algorithm: Algorithm, key: &[u8; 32]) -> String {
    encode_base64(&[&[algorithm as u8], key.as_slice()].concat())
}
