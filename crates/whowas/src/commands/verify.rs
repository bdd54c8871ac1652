//! `whowas verify` and `whowas fsck`: re-derive everything, and trust nobody but whom the user names.

mod live;
mod offline;

pub(super) use offline::print_findings;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde_json::json;
use whowas_export::evidence::{Finding, bundle::ZIP_MAGIC, copy, record::PROOF_MAGIC};
use whowas_store::{PendingRotation, Store, audit::Audit, control::Environment};
use whowas_tlog::{
    note::{Note, VerifyingKey},
    policy::Policy,
};

use super::trust;
use crate::{
    cli::{Fsck, Global, Verify},
    config,
    failure::{BROKEN, DONE, Failure},
    output,
};

pub(crate) async fn run(global: &Global, args: Verify) -> Result<u8, Failure> {
    let pinned = args.checkpoint.as_deref().map(pinned).transpose()?;
    let (file, vkey) = (args.policy.as_deref(), args.vkey.as_deref());
    let required = || {
        let mut policy = trust::required(file, vkey)?;
        trust::hand_over(&mut policy, &args.rotation)?;
        Ok::<_, Failure>(policy)
    };
    if live::is_url(&args.path) {
        let url = args.path.display().to_string();
        return live::check(global, &url, args.token.as_deref(), &required()?, pinned.as_ref()).await;
    }
    if args.path.is_file() {
        let (path, pinned) = (&args.path, pinned.as_ref());
        if has_magic(path, PROOF_MAGIC)? {
            return offline::proof(global, path, &required()?, pinned);
        }
        if has_magic(path, ZIP_MAGIC)? {
            return offline::bundle(global, path, &required()?, pinned);
        }
        let shown = path.display();
        return Err(Failure::not_understood(format!(
            "{shown}: this is no .tlog-proof file and no evidence bundle"
        )));
    }
    let is_data = args.path.join("control.db").is_file() || global.control.is_some();
    if is_data {
        let mut policy = trust::policy(file, vkey)?;
        if let Some(policy) = &mut policy {
            trust::hand_over(policy, &args.rotation)?;
        }
        let trust = Trust { policy: policy.as_ref(), pinned: pinned.as_ref() };
        return data_folder(global, args.path, &trust).await;
    }
    if args.path.join("checkpoint").is_file() {
        return offline::folder(
            global,
            (&args.path, &args.path.display().to_string()),
            &required()?,
            pinned.as_ref(),
        )
        .await;
    }
    Err(Failure::not_understood(format!(
        "{}: this is no data folder (it has no control.db), no copy of a log (it has no checkpoint) and no proof",
        args.path.display()
    )))
}

/// Whom the user trusts beside the data folder's own key, and what they remember.
struct Trust<'a> {
    policy: Option<&'a Policy>,
    pinned: Option<&'a Note>,
}

/// A checkpoint that the user kept. Who signed it is for the policy to say.
fn pinned(path: &Path) -> Result<Note, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file(path, &e))?;
    let wrong = |e| Failure::not_understood(format!("{}: this is no checkpoint: {e}", path.display()));
    Note::parse(&text).map_err(wrong)
}

fn has_magic(path: &Path, magic: &[u8]) -> Result<bool, Failure> {
    let mut start = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(magic.len() as u64).read_to_end(&mut start));
    opened.map_err(|e| Failure::file(path, &e))?;
    Ok(start == magic)
}

async fn data_folder(global: &Global, path: PathBuf, trust: &Trust<'_>) -> Result<u8, Failure> {
    let global = Global { data: Some(path.display().to_string()), ..global.clone() };
    let store = config::open(&global, false).await?;
    let environments = store.control().environments().await?;
    let mut code = DONE;
    for environment in environments {
        code = code.max(check(&global, &store, &environment, trust).await?);
    }
    Ok(code)
}

pub(crate) async fn fsck(global: &Global, args: Fsck) -> Result<u8, Failure> {
    let store = config::open(global, false).await?;
    let environment = store.control().environment(&args.environment).await?;
    let environment = environment
        .ok_or_else(|| Failure::not_understood(format!("there is no environment {}", args.environment)))?;
    check(global, &store, &environment, &Trust { policy: None, pinned: None }).await
}

async fn check(
    global: &Global,
    store: &Store,
    environment: &Environment,
    trust: &Trust<'_>,
) -> Result<u8, Failure> {
    let audit = store.audit(environment).await?;
    let rotation = store.pending_rotation(environment)?;
    let key = store.verifying_key(environment)?;
    let vkey = key.to_string();
    let mut findings: Vec<Finding> = audit.findings.iter().map(finding).collect();
    if trust.policy.is_some() || trust.pinned.is_some() {
        let name = &environment.name;
        let folder = store.root().join("trails").join(name.project()).join(name.environment());
        let mut own = Policy::of_log(key);
        // What was kept may be signed by a key that this trail had before.
        for key in audit.former_keys.iter().filter_map(|text| VerifyingKey::parse(text).ok()) {
            if key.name() == environment.origin {
                own.trust_log(key);
            }
        }
        // A folder may hold several trails; a kept checkpoint is of one.
        let of_this = |note: &&Note| note.text().split('\n').next() == Some(environment.origin.as_str());
        let pinned = trust.pinned.filter(of_this);
        findings.extend(copy::verify_checkpoint(&folder, trust.policy.unwrap_or(&own), pinned).findings);
    }
    let code = if findings.is_empty() { DONE } else { BROKEN };
    if global.json {
        output::json_line(&json!({
            "environment": environment.name, "origin": environment.origin, "vkey": vkey,
            "verified": code == DONE, "size": audit.size, "root": audit.root, "leaves": audit.leaves,
            "erased": audit.erased, "days": audit.days, "days_revised": audit.days_revised,
            "days_late": audit.days_late, "pending_rotation": rotation.as_ref().map(|one| one.next.to_string()),
            "findings": findings,
        }))?;
    } else {
        print(environment, &vkey, &audit, &findings, trust)?;
        if let Some(rotation) = rotation {
            print_pending(&rotation)?;
        }
    }
    Ok(code)
}

/// Neither broken nor done: the folder is as a crash left it.
fn print_pending(rotation: &PendingRotation) -> Result<(), Failure> {
    output::line(format_args!(
        "  pending: a rotation of the key to {} was interrupted; opening the trail {}",
        rotation.next,
        if rotation.signs {
            "completes it: the new key signs already"
        } else {
            "undoes it: the new key never signed"
        }
    ))
}

fn finding(found: &whowas_store::audit::Finding) -> Finding {
    Finding { place: found.place.clone(), reason: found.reason.clone() }
}

fn print(
    environment: &Environment,
    key: &str,
    audit: &Audit,
    findings: &[Finding],
    trust: &Trust<'_>,
) -> Result<(), Failure> {
    output::line(format_args!("{} ({key})", environment.name))?;
    if findings.is_empty() {
        output::line(format_args!("  verified: {} records, root {}", audit.leaves, audit.root))?;
        if audit.erased > 0 {
            output::line(format_args!(
                "  {} records lack personal fields, and the trail says of each how many were erased",
                audit.erased
            ))?;
        }
        if audit.days > 0 {
            output::line(format_args!(
                "  {} days are stated with their sign-ins, {} of them again after more had come; {} have more since",
                audit.days, audit.days_revised, audit.days_late
            ))?;
        }
        output::line(format_args!(
            "  re-derived: every leaf, every tile, the root; checked: the checkpoint's signature"
        ))?;
        if trust.pinned.is_none() {
            output::line(format_args!(
                "  not checked: whether a newer state of this trail exists elsewhere"
            ))?;
        }
    }
    offline::print_findings(findings)
}
