//! Sets of ids, and a digest of one by which two readings are compared.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

/// The sum of the SHA-256 digests of ids, cut to 128 bits.
///
/// It does not depend on their order, and the digest of two disjoint sets together is the sum of theirs. It
/// tells whether a source answered the same twice; against someone who chooses ids to deceive, it proves
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdDigest(u128);

impl IdDigest {
    /// Adds one id.
    pub fn add(&mut self, id: &str) {
        self.0 = self.0.wrapping_add(digest_of(id));
    }

    /// Adds the ids of another set.
    pub fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    /// As 32 hexadecimal digits.
    pub fn to_hex(self) -> String {
        format!("{:032x}", self.0)
    }

    /// From such digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl serde::Serialize for IdDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> serde::Deserialize<'de> for IdDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("not 32 hexadecimal digits"))
    }
}

/// The ids that one pass has returned so far. Kept in the cursor, so that a pass goes on after a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IdSet {
    /// 64 bits of each: two ids of one window that share them would be one in 10¹⁰ windows of 50,000.
    seen: HashSet<u64>,
    digest: IdDigest,
}

impl IdSet {
    /// Adds an id; `false` if it is there already.
    pub fn insert(&mut self, id: &str) -> bool {
        let digest = digest_of(id);
        let short = u64::try_from(digest >> 64).unwrap_or_default();
        let is_new = self.seen.insert(short);
        if is_new {
            self.digest.0 = self.digest.0.wrapping_add(digest);
        }
        is_new
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// The digest of all.
    pub fn digest(&self) -> IdDigest {
        self.digest
    }
}

fn digest_of(id: &str) -> u128 {
    let hash = Sha256::digest(id.as_bytes());
    u128::from_be_bytes(*hash.first_chunk().expect("a SHA-256 digest has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[&str]) -> IdSet {
        let mut set = IdSet::default();
        for id in ids {
            set.insert(id);
        }
        set
    }

    #[test]
    fn the_order_and_repetition_of_ids_do_not_matter_and_each_id_does() {
        let one = set(&["a", "b", "c"]);
        assert_eq!(one, set(&["c", "a", "b", "a"]));
        assert_ne!(one.digest(), set(&["a", "b"]).digest());
        assert_ne!(one.digest(), set(&["a", "b", "d"]).digest());
        let mut sum = set(&["a"]).digest();
        sum.merge(set(&["b", "c"]).digest());
        assert_eq!(sum, one.digest());
        assert_eq!(IdDigest::from_hex(&sum.to_hex()), Some(sum));
        assert_eq!((IdDigest::from_hex("12"), IdDigest::from_hex(&"g".repeat(32))), (None, None));
    }
}
