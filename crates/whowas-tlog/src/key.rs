//! Keys of signed notes: names, ids, and the one-line texts they are kept in.
//!
//! ```text
//! verifier   <name>+<key id, 8 hex digits>+<base64(type ‖ public key)>
//! secret     PRIVATE+KEY+<name>+<key id>+<base64(type ‖ seed)>
//! ```
//!
//! What is signed is not decided here: see [`crate::note`] for log keys and
//! [`crate::cosignature`] for witnesses.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha256};

const SECRET_PREFIX: &str = "PRIVATE+KEY+";

/// What a key signs, and how: the type byte of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Algorithm {
    /// Ed25519 over the note text (0x01): logs.
    Ed25519 = 0x01,
    /// Ed25519 over a time and a checkpoint (0x04): witnesses.
    CosignatureV1 = 0x04,
}

impl Algorithm {
    fn from_byte(byte: u8) -> Result<Self, KeyError> {
        [Self::Ed25519, Self::CosignatureV1]
            .into_iter()
            .find(|algorithm| *algorithm as u8 == byte)
            .ok_or(KeyError::Algorithm(byte))
    }
}

/// The short hash that, with the name, tells which key made a signature:
/// `SHA-256(name ‖ 0x0A ‖ type ‖ public key)[:4]`. It identifies, it does not
/// authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// Why a text or a name does not make a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name is empty or has a space, a control character or a plus sign.
    #[error("key name is empty or has a space, a control character or a plus sign")]
    Name,
    /// The text has not the parts of a key.
    #[error("not a key: expected name+id+base64")]
    Parts,
    /// The last part is not canonical standard base64.
    #[error("key is not canonical base64")]
    NotBase64,
    /// The algorithm is none this crate verifies.
    #[error("key algorithm {0:#04x} is not supported")]
    Algorithm(u8),
    /// The key has another length.
    #[error("key has {0} bytes instead of 32")]
    Length(usize),
    /// The bytes are no point of the curve, or one that verifies anything.
    #[error("public key is not a usable curve point")]
    Point,
    /// The id in the text is not the id of this name and key.
    #[error("key id does not belong to the name and key")]
    KeyId,
}

/// Whether `name` may name a key: not empty, no Unicode space, no control
/// character, no `+`.
#[must_use]
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '+' || c.is_whitespace() || c.is_control())
}

/// A named public key: whom a verifier trusts. Parsed from and printed as a
/// C2SP vkey.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    algorithm: Algorithm,
    id: KeyId,
    key: ed25519_dalek::VerifyingKey,
}

impl VerifyingKey {
    /// Names a raw Ed25519 public key.
    ///
    /// # Errors
    /// The name or the key is not valid.
    pub fn new(name: &str, algorithm: Algorithm, public_key: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(public_key).map_err(|_| KeyError::Point)?;
        if key.is_weak() {
            return Err(KeyError::Point);
        }
        Ok(Self { name: name.to_owned(), algorithm, id: key_id(name, algorithm, public_key), key })
    }

    /// Reads a vkey, `name+id+base64(type ‖ public key)`.
    ///
    /// # Errors
    /// The text is not exactly what printing the key would give.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, id, algorithm, public_key) = parse_parts(text)?;
        let key = Self::new(name, algorithm, &public_key)?;
        if key.id.to_string() == id { Ok(key) } else { Err(KeyError::KeyId) }
    }

    /// The key's name; of a log key, usually the origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What the key signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw Ed25519 public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether `signature` is one of this key over exactly `message`.
    pub(crate) fn is_signature_over(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.key.verify_strict(message, &signature).is_ok()
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, self.id, encode_typed(self.algorithm, self.public_key()))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

/// A named secret key of one algorithm. The public types around it fix which.
#[derive(Clone)]
pub(crate) struct SecretKey {
    public: VerifyingKey,
    secret: ed25519_dalek::SigningKey,
}

impl SecretKey {
    pub(crate) fn from_seed(name: &str, algorithm: Algorithm, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let secret = ed25519_dalek::SigningKey::from_bytes(seed);
        let public = VerifyingKey::new(name, algorithm, secret.verifying_key().as_bytes())?;
        Ok(Self { public, secret })
    }

    pub(crate) fn parse(text: &str, expected: Algorithm) -> Result<Self, KeyError> {
        let parts = text.strip_prefix(SECRET_PREFIX).ok_or(KeyError::Parts)?;
        let (name, id, algorithm, seed) = parse_parts(parts)?;
        if algorithm != expected {
            return Err(KeyError::Algorithm(algorithm as u8));
        }
        let key = Self::from_seed(name, algorithm, &seed)?;
        if key.public.id.to_string() == id { Ok(key) } else { Err(KeyError::KeyId) }
    }

    pub(crate) fn to_secret_text(&self) -> String {
        let VerifyingKey { name, algorithm, id, .. } = &self.public;
        format!("{SECRET_PREFIX}{name}+{id}+{}", encode_typed(*algorithm, self.secret.as_bytes()))
    }

    pub(crate) fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.secret.sign(message).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+[redacted]", self.public.name, self.public.id)
    }
}

fn key_id(name: &str, algorithm: Algorithm, public_key: &[u8; 32]) -> KeyId {
    let digest = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', algorithm as u8])
        .chain_update(public_key)
        .finalize();
    KeyId(*digest.first_chunk().expect("a SHA-256 value has 32 bytes"))
}

fn encode_typed(algorithm: Algorithm, key: &[u8; 32]) -> String {
    let mut bytes = vec![algorithm as u8];
    bytes.extend_from_slice(key);
    STANDARD.encode(bytes)
}

/// Splits `name+id+base64(type ‖ 32 bytes)`; neither name nor id is checked.
fn parse_parts(text: &str) -> Result<(&str, &str, Algorithm, [u8; 32]), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Parts);
    };
    let bytes = STANDARD.decode(encoded).map_err(|_| KeyError::NotBase64)?;
    let (kind, key) = bytes.split_first().ok_or(KeyError::Length(0))?;
    let algorithm = Algorithm::from_byte(*kind)?;
    let key = key.try_into().map_err(|_| KeyError::Length(key.len()))?;
    Ok((name, id, algorithm, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    #[test]
    fn golden_vkey_round_trips() {
        let key = VerifyingKey::parse(golden::VKEY).unwrap();
        assert_eq!(key.to_string(), golden::VKEY);
        assert_eq!((key.name(), key.id().to_string().as_str()), ("audit.example/log1", "f9bb2e7f"));
        assert_eq!(key.algorithm(), Algorithm::Ed25519);
    }

    #[test]
    fn vkey_is_strict() {
        let check = |text: &str, error| assert_eq!(VerifyingKey::parse(text), Err(error), "{text}");
        check("", KeyError::Parts);
        check("a+b", KeyError::Parts);
        check("a+b+", KeyError::Length(0));
        check("a+b+!", KeyError::NotBase64);
        check("a+b+AQ==", KeyError::Length(0));
        check(&golden::VKEY.replace("log1", "log2"), KeyError::KeyId);
        check(&golden::VKEY.replace("f9bb2e7f", "F9BB2E7F"), KeyError::KeyId);
        check(&golden::VKEY.replace("log1", "log 1"), KeyError::Name);
        check(&golden::VKEY.replace("+Af1", "+Bv1"), KeyError::Algorithm(6));
        let small_order = VerifyingKey::new("a", Algorithm::Ed25519, &{
            let mut one = [0; 32];
            one[0] = 1;
            one
        });
        assert_eq!(small_order, Err(KeyError::Point));
    }

    #[test]
    fn secret_text_round_trips_and_debug_hides_it() {
        let key = SecretKey::from_seed("a.example/log", Algorithm::Ed25519, &[7; 32]).unwrap();
        let text = key.to_secret_text();
        assert!(text.starts_with("PRIVATE+KEY+a.example/log+"));
        let again = SecretKey::parse(&text, Algorithm::Ed25519).unwrap();
        assert_eq!(again.verifying_key(), key.verifying_key());
        assert_eq!(again.sign(b"x"), key.sign(b"x"));
        let wrong = SecretKey::parse(&text, Algorithm::CosignatureV1);
        assert_eq!(wrong.unwrap_err(), KeyError::Algorithm(1));
        let secret = text.rsplit('+').next().unwrap();
        assert!(!format!("{key:?}").contains(secret) && format!("{key:?}").contains("[redacted]"));
    }
}
