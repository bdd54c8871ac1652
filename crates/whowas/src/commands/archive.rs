//! `whowas archive`: check what schedules wrote, and make a trail from it.

use std::{fs, path::Path};

use serde_json::json;
use whowas_server::archive::{
    Offline, OfflineError, RestoreError, Verified, manifest::MANIFEST, restore, verify,
};
use whowas_tlog::policy::Policy;

use super::{coverage, trust, verify::print_findings};
use crate::{
    cli::{Archive, ArchiveTrust, Global},
    config,
    failure::{BROKEN, DONE, Failure},
    output,
};

pub(crate) async fn run(global: &Global, command: Archive) -> Result<u8, Failure> {
    match command {
        Archive::Verify { locations, trust } => {
            let policy = policy(&trust)?;
            let mut code = DONE;
            for location in &locations {
                code = code.max(check(global, location, &policy).await?);
            }
            Ok(code)
        }
        Archive::Restore { location, key, new_key: _, trust } => {
            make(global, &location, key.as_deref(), &policy(&trust)?).await
        }
    }
}

fn policy(args: &ArchiveTrust) -> Result<Policy, Failure> {
    let mut policy = trust::required(args.policy.as_deref(), args.vkey.as_deref())?;
    trust::hand_over(&mut policy, &args.rotation)?;
    Ok(policy)
}

/// One window, or all of a schedule, which must follow each on the one before.
async fn check(global: &Global, location: &str, policy: &Policy) -> Result<u8, Failure> {
    let storage = Offline::open(location).map_err(failure)?;
    if storage.has(MANIFEST).await.map_err(failure)? {
        let verified = verify(&storage, "", policy).await.map_err(failure)?;
        return tell(global, location, &verified, None);
    }
    let (mut code, mut before, mut count) = (DONE, None, 0);
    for folder in storage.folders("").await.map_err(failure)? {
        if !storage.has(&format!("{folder}/{MANIFEST}")).await.map_err(failure)? {
            continue;
        }
        let verified = verify(&storage, &folder, policy).await.map_err(failure)?;
        let previous = verified.manifest.as_ref().map(|manifest| manifest.previous.clone());
        let break_ = (previous.is_some_and(|previous| previous != before))
            .then_some("it does not follow on the window before: one is missing or was replaced");
        code = code.max(tell(global, &storage.shown_below(&folder), &verified, break_)?);
        before = Some(verified.sha256);
        count += 1;
    }
    if count == 0 {
        return Err(Failure::not_understood(format!(
            "{location}: there is no {MANIFEST} in it, nor one folder below"
        )));
    }
    Ok(code)
}

fn tell(global: &Global, location: &str, verified: &Verified, gap: Option<&str>) -> Result<u8, Failure> {
    let mut findings = verified.findings.clone();
    if let Some(reason) = gap {
        findings
            .push(whowas_export::evidence::Finding { place: MANIFEST.to_owned(), reason: reason.to_owned() });
    }
    let code = if findings.is_empty() { DONE } else { BROKEN };
    let manifest = verified.manifest.as_ref();
    if global.json {
        output::json_line(&json!({
            "location": location, "verified": code == DONE, "sha256": verified.sha256,
            "origin": manifest.map(|one| &one.origin), "schedule": manifest.map(|one| &one.schedule),
            "from": manifest.map(|one| one.from), "to": manifest.map(|one| one.to),
            "covered": manifest.map(|one| one.covered), "rows": manifest.map(|one| one.rows),
            "late_rows": manifest.map(|one| one.late_rows), "records": verified.records,
            "tree_size": manifest.map(|one| one.tree_size),
            "undecided": verified.evidence.as_ref().map(|report| report.undecided), "findings": findings,
        }))?;
        return Ok(code);
    }
    output::line(output::printable(location))?;
    if let Some(one) = manifest.filter(|_| findings.is_empty()) {
        let late =
            if one.late_rows > 0 { format!(", {} of earlier windows", one.late_rows) } else { String::new() };
        output::line(format_args!(
            "  verified: {} rows from {} to {}; {} records{late}, up to position {} of {}",
            one.rows,
            one.from,
            one.to,
            verified.records,
            one.tree_size,
            output::printable(&one.origin)
        ))?;
        for gap in &one.uncovered {
            output::line(format_args!(
                "  was not covered when it was written: {} {} from {} to {} ({})",
                output::printable(&gap.source),
                output::printable(&gap.stream),
                gap.from,
                gap.to,
                output::printable(&gap.state)
            ))?;
        }
        output::line(format_args!("  SHA-256 of {MANIFEST}: {}", verified.sha256))?;
    }
    print_findings(&findings)?;
    Ok(code)
}

/// Makes the data folder beside its place, and moves it there when everything is in it: a trail that is only half
/// restored would be another history.
async fn make(global: &Global, location: &str, key: Option<&Path>, policy: &Policy) -> Result<u8, Failure> {
    let key = key.map(|path| fs::read_to_string(path).map_err(|e| Failure::file(path, &e))).transpose()?;
    let storage = Offline::open(location).map_err(failure)?;
    let root = config::data_folder(global)?;
    if root.exists() {
        return Err(Failure::not_understood(format!(
            "{} is there already; restore into a new folder",
            root.display()
        )));
    }
    let mut name = root.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    let temporary = root.with_file_name(name);
    if temporary.exists() {
        // Of a restore that was stopped: nothing but copies.
        fs::remove_dir_all(&temporary).map_err(|e| Failure::file(&temporary, &e))?;
    }
    let global_there =
        Global { data: Some(temporary.display().to_string()), control: None, ..global.clone() };
    let store = config::open(&global_there, true).await?;
    let restored = match restore(&store, &storage, policy, key.as_deref()).await {
        Ok(restored) => restored,
        Err(error) => {
            store.close().await?;
            drop(store);
            fs::remove_dir_all(&temporary).map_err(|e| Failure::file(&temporary, &e))?;
            return Err(match error {
                RestoreError::Store(error) => error.into(),
                RestoreError::Offline(error) => failure(error),
                broken @ RestoreError::Broken(..) => Failure::broken(broken.to_string()),
            });
        }
    };
    // The ledgers follow from the records; a source is read again from what it still has.
    let trail = store.trail(&restored.environment).await?;
    coverage::rebuild(&store, &trail).await?;
    drop(trail);
    store.close().await?;
    drop(store);
    fs::rename(&temporary, &root).map_err(|e| Failure::file(&root, &e))?;
    if let Some(parent) = std::path::absolute(&root)?.parent() {
        fs::File::open(parent).and_then(|folder| folder.sync_all()).map_err(|e| Failure::file(parent, &e))?;
    }
    if global.json {
        output::json_line(&json!(restored))?;
        return Ok(DONE);
    }
    output::line(format_args!(
        "{} has {} records from {} windows up to {}, root {}",
        restored.environment, restored.size, restored.windows, restored.to, restored.root
    ))?;
    match restored.is_same_key {
        true => output::line(format_args!("its key is {}", restored.vkey))?,
        false => output::line(format_args!(
            "its key is a new one, which nobody trusts yet: {}\nthe archive's checkpoints are signed by the old one",
            restored.vkey
        ))?,
    }
    output::line("not restored: what came after the last window; tokens, rejected records, holds")?;
    Ok(DONE)
}

fn failure(error: OfflineError) -> Failure {
    match &error {
        OfflineError::Address(_) => Failure::not_understood(error.to_string()),
        _ => Failure::failed(error.to_string()),
    }
}
