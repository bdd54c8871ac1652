//! Whom a verifier trusts: read from the command line, never from what is being verified.

use std::{fs, path::Path};

use whowas_export::evidence::record;
use whowas_tlog::{note::VerifyingKey, policy::Policy};

use crate::failure::Failure;

/// The policy that `--policy` or `--vkey` names, if one of them is there.
pub(crate) fn policy(file: Option<&Path>, vkey: Option<&str>) -> Result<Option<Policy>, Failure> {
    if let Some(path) = file {
        let bytes = fs::read(path).map_err(|e| Failure::file(path, &e))?;
        let policy = Policy::parse(&bytes);
        let wrong = |e| Failure::not_understood(format!("{}: {e}", path.display()));
        return policy.map(Some).map_err(wrong);
    }
    let Some(text) = vkey else { return Ok(None) };
    // A vkey has plus signs and no line end; a file's content often has one.
    let text = match fs::read_to_string(text) {
        Ok(content) => content.trim().to_owned(),
        Err(_) => text.trim().to_owned(),
    };
    let wrong =
        |e| Failure::not_understood(format!("--vkey {text}: {e}; write a vkey or a file that holds it"));
    let key = VerifyingKey::parse(&text).map_err(wrong)?;
    Ok(Some(Policy::of_log(key)))
}

/// Adds the keys to which trusted ones handed over, each by a proof that a key trusted before it signed.
pub(crate) fn hand_over(policy: &mut Policy, files: &[std::path::PathBuf]) -> Result<(), Failure> {
    for path in files {
        let file = fs::read(path).map_err(|e| Failure::file(path, &e))?;
        let key = record::handed_over(&file, policy);
        policy.trust_log(key.map_err(|e| Failure::not_understood(format!("{}: {e}", path.display())))?);
    }
    Ok(())
}

/// As [`policy`], for what cannot be judged without one.
pub(crate) fn required(file: Option<&Path>, vkey: Option<&str>) -> Result<Policy, Failure> {
    policy(file, vkey)?.ok_or_else(|| {
        Failure::not_understood(
            "whom do you trust? Give the log's key with --vkey, or a policy with --policy; a key that comes \
             with the evidence proves nothing",
        )
    })
}
