//! Verification without the trail, its server or its private key: a proof, or a folder of files.

use std::{fs, path::Path};

use serde_json::{Value, json};
use whowas_event::Time;
use whowas_export::evidence::{
    Finding,
    bundle::{self, BundleReport},
    copy::{self, CopyReport},
    record::{self, ProvenRecord},
};
use whowas_tlog::{note::Note, policy::Policy};

use crate::{
    cli::Global,
    failure::{BROKEN, DONE, Failure},
    output,
};

/// The longest proof is far below this; what is larger is not read.
const PROOF_FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A `.tlog-proof` file.
pub(super) fn proof(
    global: &Global,
    path: &Path,
    policy: &Policy,
    pinned: Option<&Note>,
) -> Result<u8, Failure> {
    if pinned.is_some() {
        return Err(Failure::not_understood(
            "--checkpoint: a proof of one record cannot be compared with another checkpoint; verify a copy of the log",
        ));
    }
    let size = fs::metadata(path).map_err(|e| Failure::file(path, &e))?.len();
    if size > PROOF_FILE_BYTES_MAX {
        return Err(Failure::not_understood(format!("{}: no proof has {size} bytes", path.display())));
    }
    let file = fs::read(path).map_err(|e| Failure::file(path, &e))?;
    let shown = path.display().to_string();
    match record::verify(&file, policy) {
        Ok(proven) if global.json => {
            output::json_line(&json!({ "file": shown, "verified": true, "findings": [], "record": proven }))?;
            Ok(DONE)
        }
        Ok(proven) => {
            print_proven(&shown, &proven, policy)?;
            Ok(DONE)
        }
        Err(error) => {
            let findings = [Finding { place: shown.clone(), reason: error.to_string() }];
            if global.json {
                output::json_line(&json!({ "file": shown, "verified": false, "findings": findings }))?;
            } else {
                print_findings(&findings)?;
            }
            Ok(BROKEN)
        }
    }
}

fn print_proven(file: &str, proven: &ProvenRecord, policy: &Policy) -> Result<(), Failure> {
    let show = |value: &Value| output::printable(value.as_str().unwrap_or(&value.to_string()));
    output::line(format_args!("{}", output::printable(file)))?;
    output::line(format_args!(
        "  verified: position {} of {} in {}",
        proven.position,
        proven.tree_size,
        output::printable(&proven.origin)
    ))?;
    output::line(format_args!("  signed by {}", output::printable(&proven.vkey)))?;
    print_cosignatures(&proven.cosignatures, policy)?;
    for (name, value) in proven.leaf.iter().filter(|(name, _)| !name.starts_with("_sd")) {
        output::line(format_args!("  {name}: {}", show(value)))?;
    }
    for (name, value) in &proven.disclosed {
        output::line(format_args!("  {name}: {} (personal, disclosed)", show(value)))?;
    }
    if proven.undisclosed > 0 {
        output::line(format_args!(
            "  {} personal fields are committed to and not disclosed",
            proven.undisclosed
        ))?;
    }
    output::line(format_args!(
        "  not proven: that the source told the truth, that there are no other records, that the log has not changed since"
    ))?;
    Ok(())
}

/// A bundle of `export --evidence`.
pub(super) fn bundle(
    global: &Global,
    path: &Path,
    policy: &Policy,
    pinned: Option<&Note>,
) -> Result<u8, Failure> {
    let file = fs::File::open(path).map_err(|e| Failure::file(path, &e))?;
    let report = bundle::verify(std::io::BufReader::new(file), policy, pinned);
    let code = if report.findings.is_empty() { DONE } else { BROKEN };
    let shown = path.display().to_string();
    if global.json {
        let is_complete = code == DONE && report.undecided == 0;
        output::json_line(&json!({
            "file": shown, "verified": code == DONE, "complete": is_complete, "findings": report.findings, "bundle": report,
        }))?;
        return Ok(code);
    }
    output::line(format_args!("{} ({})", output::printable(&shown), output::printable(&report.vkey)))?;
    if report.findings.is_empty() {
        print_bundle(&report, policy, pinned.is_some())?;
    }
    print_findings(&report.findings)?;
    Ok(code)
}

fn print_bundle(report: &BundleReport, policy: &Policy, has_pinned: bool) -> Result<(), Failure> {
    let BundleReport { first_position: first, tree_size: end, rows, excluded, undecided, .. } = report;
    output::line(format_args!(
        "  verified: {rows} rows are records of {}, and say what the records say",
        output::printable(&report.origin)
    ))?;
    print_cosignatures(&report.cosignatures, policy)?;
    if let Some(question) = &report.question {
        let filter =
            if question.filter.is_empty() { String::new() } else { format!(", filter {}", question.filter) };
        output::line(format_args!(
            "  asked: {} from {} to {}{}",
            question.query,
            question.from,
            question.to,
            output::printable(&filter)
        ))?;
    }
    if *undecided == 0 {
        output::line(format_args!(
            "  complete for positions {first} to {end}: the other {excluded} records there do not match the question"
        ))?;
    } else {
        output::line(format_args!(
            "  not proven complete: {undecided} records of positions {first} to {end} cannot be judged without personal fields that are not disclosed; {excluded} do not match"
        ))?;
    }
    if report.days > 0 {
        output::line(format_args!(
            "  {} whole days are stated by the log with just these sign-ins; {} of them have more since",
            report.days, report.days_late
        ))?;
    }
    if report.days_before > 0 {
        output::line(format_args!(
            "  not complete: of {} days the log states more sign-ins than are here; they lie before position {first}",
            report.days_before
        ))?;
    }
    if report.erased > 0 {
        output::line(format_args!(
            "  {} rows lack personal fields; the log's own records say that they were erased",
            report.erased
        ))?;
    }
    if report.rows_undecided > 0 {
        output::line(format_args!(
            "  {} rows match by what is not in the record, such as a name in the directory",
            report.rows_undecided
        ))?;
    }
    if *first > 0 {
        output::line(format_args!("  not checked: records before position {first}"))?;
    }
    if has_pinned && !report.is_pinned {
        output::line(format_args!(
            "  the kept checkpoint was not compared: it is of another log, or its size is not between {first} and {end}"
        ))?;
    }
    output::line(format_args!(
        "  not proven: that the source told the truth; names from the directory, ends of sessions"
    ))?;
    Ok(())
}

/// A folder with a copy: of a trail as the store keeps it, or of a log as C2SP files.
pub(super) async fn folder(
    global: &Global,
    (path, shown): (&Path, &str),
    policy: &Policy,
    pinned: Option<&Note>,
) -> Result<u8, Failure> {
    let is_trail = path.join("archive").is_dir() || path.join("staging").is_dir();
    let (report, leaves) = if is_trail {
        let mut report = copy::verify_checkpoint(path, policy, pinned);
        let mut leaves = 0;
        // Without an accepted checkpoint there is nothing to compare records with.
        if !report.vkey.is_empty() {
            let key = report.vkey.parse().map_err(|e| Failure::failed(format!("the key: {e}")))?;
            let audit = whowas_store::audit::audit_copy(path, &key).await?;
            leaves = audit.leaves;
            report.findings.extend(audit.findings.iter().map(super::finding));
        }
        (report, leaves)
    } else {
        let (path, policy, pinned) = (path.to_owned(), policy.clone(), pinned.cloned());
        let checked =
            tokio::task::spawn_blocking(move || copy::verify(&path, &policy, pinned.as_ref())).await;
        let report = checked.map_err(|e| Failure::failed(e.to_string()))?;
        let entries = report.entries;
        (report, entries)
    };
    let code = if report.findings.is_empty() { DONE } else { BROKEN };
    if global.json {
        output::json_line(&json!({
            "folder": shown, "origin": report.origin, "vkey": report.vkey, "verified": code == DONE,
            "size": report.size, "root": report.root, "leaves": leaves, "cosignatures": report.cosignatures,
            "tiles_beyond": report.tiles_beyond, "findings": report.findings,
        }))?;
    } else {
        print_folder(shown, &report, leaves, (policy, pinned.is_some()))?;
    }
    Ok(code)
}

/// One finding, which makes everything else pointless.
pub(super) fn broken(global: &Global, shown: &str, finding: Finding) -> Result<u8, Failure> {
    if global.json {
        output::json_line(&json!({ "folder": shown, "verified": false, "findings": [finding] }))?;
    } else {
        print_findings(&[finding])?;
    }
    Ok(BROKEN)
}

fn print_folder(
    shown: &str,
    report: &CopyReport,
    leaves: u64,
    (policy, has_pinned): (&Policy, bool),
) -> Result<(), Failure> {
    output::line(format_args!("{} ({})", output::printable(shown), output::printable(&report.vkey)))?;
    if report.findings.is_empty() {
        output::line(format_args!("  verified: a log of {} records, root {}", report.size, report.root))?;
        output::line(format_args!("  checked: the checkpoint's signature, every tile, {leaves} entries"))?;
        print_cosignatures(&report.cosignatures, policy)?;
        if leaves == 0 && report.size > 0 {
            output::line(format_args!("  not checked: the entries; the copy has none"))?;
        }
        if report.tiles_beyond > 0 {
            output::line(format_args!(
                "  {} tiles lie beyond the checkpoint: the log has gone on since, or an older checkpoint was put here",
                report.tiles_beyond
            ))?;
        }
        if !has_pinned {
            output::line(format_args!(
                "  not checked: whether a newer state of this log exists elsewhere (--checkpoint FILE, or a policy with witnesses)"
            ))?;
        }
    }
    print_findings(&report.findings)?;
    Ok(())
}

fn print_cosignatures(cosignatures: &[(String, u64)], policy: &Policy) -> Result<(), Failure> {
    for (name, seconds) in cosignatures {
        let at = i64::try_from(*seconds).ok().and_then(|s| Time::from_ms(s.saturating_mul(1000)).ok());
        let at = at.map_or_else(|| format!("second {seconds}"), |at| at.to_string());
        output::line(format_args!("  cosigned by {} at {at}", output::printable(name)))?;
    }
    if policy.is_unwitnessed() {
        output::line(format_args!(
            "  no witness was asked for: the log's signature alone does not show a rollback or a second history"
        ))?;
    }
    Ok(())
}

pub(in crate::commands) fn print_findings(findings: &[Finding]) -> Result<(), Failure> {
    for finding in findings {
        output::line(format_args!(
            "  BROKEN {}: {}",
            output::printable(&finding.place),
            output::printable(&finding.reason)
        ))?;
    }
    Ok(())
}
