//! Secrets that are handed out once: API tokens, console sessions, sign-in links. Only digests are stored.
//!
//! A plain SHA-256 is enough: the secrets are 256 random bits, not words a person chose.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use whowas_store::{StoreError, control::SecretHash};

/// What API tokens begin with, so that secret scanners recognise them.
pub const TOKEN_PREFIX: &str = "whowas_";

/// A new API token, and what is stored of it.
pub fn new_token() -> Result<(String, SecretHash), StoreError> {
    let token = format!("{TOKEN_PREFIX}{}", random()?);
    let hash = hash(&token);
    Ok((token, hash))
}

/// A new session or link secret, and what is stored of it.
pub fn new_secret() -> Result<(String, SecretHash), StoreError> {
    let secret = random()?;
    let hash = hash(&secret);
    Ok((secret, hash))
}

/// What is stored of a secret.
pub fn hash(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}

/// 256 random bits as text.
fn random() -> Result<String, StoreError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::Poisoned(format!("no randomness: {e}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
