//! The hashes of RFC 6962 §2.1: SHA-256 with one byte of domain separation
//! between leaves and inner nodes.
//!
//! No tree shape lives here, see [`crate::tree`].

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Length of a [`struct@Hash`] in bytes.
pub const HASH_BYTES: usize = 32;

/// A SHA-256 value: a leaf, an inner node or a root. Printed and parsed as
/// standard base64 with padding, the form of every C2SP text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; HASH_BYTES]);

/// Why a text is not a [`struct@Hash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The text is not canonical standard base64.
    #[error("hash is not canonical base64")]
    NotBase64,
    /// The decoded value has another length.
    #[error("hash has {0} bytes instead of 32")]
    Length(usize),
    /// A byte string that should hold hashes is not a multiple of 32 long.
    #[error("{0} bytes do not divide into hashes of 32 bytes")]
    Uneven(usize),
}

/// The hash of one log entry: `SHA-256(0x00 ‖ entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0x00]).chain_update(entry).finalize().into())
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    // One update of 65 bytes is cheaper than three of 1 + 32 + 32.
    let mut message = [0x01; 1 + 2 * HASH_BYTES];
    for (to, from) in message.iter_mut().skip(1).zip(left.0.iter().chain(&right.0)) {
        *to = *from;
    }
    Hash(Sha256::digest(message).into())
}

/// The root of the tree without leaves: `SHA-256("")`.
#[must_use]
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Base64Display::new(&self.0, &STANDARD).fmt(f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let bytes = STANDARD.decode(text).map_err(|_| HashError::NotBase64)?;
        let length = bytes.len();
        bytes.try_into().map(Self).map_err(|_| HashError::Length(length))
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_root_is_the_published_one() {
        assert_eq!(empty_root().to_string(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn node_hash_is_sha256_over_prefix_left_right() {
        let (left, right) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let expected = Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize();
        assert_eq!(node_hash(&left, &right).0, <[u8; 32]>::from(expected));
        assert_ne!(node_hash(&left, &right), node_hash(&right, &left));
    }

    #[test]
    fn text_form_is_strict() {
        let hash = leaf_hash(b"x");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!("AAAA".parse::<Hash>(), Err(HashError::Length(3)));
        let text = hash.to_string();
        assert_eq!(text.trim_end_matches('=').parse::<Hash>(), Err(HashError::NotBase64));
        assert_eq!(format!(" {text}").parse::<Hash>(), Err(HashError::NotBase64));
        // The last digit carries two unused bits, which must be zero.
        assert!("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=".parse::<Hash>().is_err());
    }
}
