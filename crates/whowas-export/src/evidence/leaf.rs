//! Reading a leaf as somebody who did not write it: its clear members, and which disclosures belong to it.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use whowas_event::{jcs, leaf::FORMAT_VERSION};

/// A leaf that was read back. Whether it is in a log is another question.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// Every member, `_sd` among them.
    pub members: Map<String, Value>,
    digests: BTreeSet<String>,
}

/// Why bytes are not a leaf, or a disclosure is not one of its.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Not a JSON object, or one with `_sd` that is not an array of texts.
    #[error("the leaf is not a JSON object with _sd")]
    NotALeaf,
    /// Another program might read other values from it.
    #[error("the leaf is not in canonical form (RFC 8785)")]
    NotCanonical,
    /// A format of the future.
    #[error("the leaf has not the format version {FORMAT_VERSION}")]
    Version,
    /// The text is not base64url of a JSON array of salt, name and value.
    #[error("a disclosure is not base64url of [salt, name, value]")]
    Disclosure,
    /// The disclosure's digest is not in the leaf: value, name or salt was altered.
    #[error("the disclosure of {0} is not one that the leaf commits to")]
    NotCommitted(String),
    /// Two disclosures of one field.
    #[error("{0} is disclosed twice")]
    Twice(String),
}

impl Leaf {
    /// Reads the bytes of a log entry.
    ///
    /// # Errors
    /// They are not a leaf that this version writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, LeafError> {
        let Ok(Value::Object(members)) = serde_json::from_slice(bytes) else {
            return Err(LeafError::NotALeaf);
        };
        let value = Value::Object(members);
        if jcs::canonical(&value).map(String::into_bytes).as_deref() != Ok(bytes) {
            return Err(LeafError::NotCanonical);
        }
        let Value::Object(members) = value else { return Err(LeafError::NotALeaf) };
        if members.get("whowas").and_then(Value::as_i64) != Some(FORMAT_VERSION) {
            return Err(LeafError::Version);
        }
        let digests = members.get("_sd").and_then(Value::as_array).ok_or(LeafError::NotALeaf)?;
        let digests = digests.iter().map(|digest| digest.as_str().map(str::to_owned)).collect::<Option<_>>();
        Ok(Self { digests: digests.ok_or(LeafError::NotALeaf)?, members })
    }

    /// Number of personal fields that the record had.
    pub fn personal(&self) -> usize {
        self.digests.len()
    }

    /// The values of disclosures, each checked against its digest in the leaf.
    ///
    /// # Errors
    /// A disclosure is malformed, not of this leaf, or there twice.
    pub fn disclosed<'t>(
        &self,
        texts: impl IntoIterator<Item = &'t str>,
    ) -> Result<Map<String, Value>, LeafError> {
        let mut fields = Map::new();
        for text in texts {
            let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| LeafError::Disclosure)?;
            let parts: [Value; 3] = serde_json::from_slice(&json).map_err(|_| LeafError::Disclosure)?;
            let [Value::String(_), Value::String(name), value] = parts else {
                return Err(LeafError::Disclosure);
            };
            let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(text));
            if !self.digests.contains(&digest) {
                return Err(LeafError::NotCommitted(name));
            }
            if fields.contains_key(&name) {
                return Err(LeafError::Twice(name));
            }
            fields.insert(name, value);
        }
        Ok(fields)
    }
}
