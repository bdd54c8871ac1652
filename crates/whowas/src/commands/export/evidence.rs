//! `whowas export --evidence`: the answer in a zip with everything an auditor needs to check it alone.

use std::{collections::BTreeSet, fs::File, io::BufWriter};

use futures::StreamExt;
use serde_json::json;
use whowas_event::{LeafWriter, Time};
use whowas_export::{
    ExportFormat,
    evidence::{
        Disclose,
        bundle::{BundleWriter, Exported, Question, judge::Asked},
    },
};
use whowas_query::{Engine, LoginRequest};
use whowas_store::Trail;

use crate::{
    cli::{Export, Global},
    commands::access,
    failure::{DONE, Failure},
    output, times,
};

/// Records that are in memory at once.
const STRETCH: u64 = 8192;

/// Writes the bundle, then records that it was made, with its name.
pub(super) async fn write(
    global: &Global,
    args: &Export,
    trail: &Trail,
    (request, filter): (&LoginRequest, &str),
    (from, to, now): (Time, Time, Time),
    format: ExportFormat,
) -> Result<u8, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let file = File::create(&args.out).map_err(|e| Failure::file(&args.out, &e))?;
    let mut bundle = BundleWriter::new(BufWriter::new(file), format)?;
    let positions = write_rows(&mut bundle, trail, request, now, format).await?;
    let tree_size = trail.snapshot().size;
    let recorded = first_recorded(trail, from, tree_size).await?;
    // A source whose clock is ahead may claim a time after it was recorded.
    let first_position = positions.first().map_or(recorded, |first| recorded.min(*first));
    write_leaves(&mut bundle, trail, &positions, first_position..tree_size).await?;
    let asked = Asked { query: request.query, from, to, filter: request.filter.clone() };
    let question = Question {
        query: request.query.as_str().to_owned(),
        from: from.to_string(),
        to: to.to_string(),
        filter: filter.to_owned(),
        time_zone: zone.iana_name().unwrap_or("UTC").to_owned(),
    };
    let exported = Exported {
        origin: trail.origin().to_owned(),
        vkey: trail.verifying_key().to_string(),
        checkpoint: trail.checkpoint(),
        tree_size,
        first_position,
        peaks: trail.peaks(first_position).await?.iter().map(ToString::to_string).collect(),
        question,
        is_about_persons: asked.is_about_persons(),
        exported_by: access::user(),
        exported_at: now.to_string(),
    };
    let (file, manifest, sha256) = bundle.finish(exported)?;
    file.into_inner().map_err(|e| Failure::failed(e.to_string()))?.sync_all()?;
    let body = json!({
        "evidence": sha256, "from": from.to_string(), "query": request.query.as_str(), "rows": manifest.rows,
        "to": to.to_string(), "tree_size": tree_size,
    });
    let personal = if filter.is_empty() { json!({}) } else { json!({ "filter": filter }) };
    access::record(trail, "export", body, personal, now).await?;
    let shown = args.out.display().to_string();
    if global.json {
        output::json_line(&json!({
            "file": shown, "as": format.as_str(), "rows": manifest.rows, "from": from, "to": to, "tree_size": tree_size,
            "first_position": first_position, "manifest_sha256": sha256,
        }))?;
    } else {
        eprintln!(
            "{} rows and the leaves of positions {first_position} to {tree_size}, manifest SHA-256 {sha256}",
            manifest.rows
        );
        manifest.proven.iter().for_each(|line| eprintln!("proven: {line}"));
        manifest.not_proven.iter().for_each(|line| eprintln!("not proven: {line}"));
    }
    Ok(DONE)
}

type Bundle = BundleWriter<BufWriter<File>>;

/// The rows, and the positions that they have.
async fn write_rows(
    bundle: &mut Bundle,
    trail: &Trail,
    request: &LoginRequest,
    now: Time,
    format: ExportFormat,
) -> Result<BTreeSet<u64>, Failure> {
    let mut positions = BTreeSet::new();
    let rows = Engine::new()?.stream_logins(trail, request, now).await?;
    let mut rows = std::pin::pin!(rows);
    bundle.rows(&format.header(), 0)?;
    let mut bytes = Vec::new();
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        bytes.clear();
        for row in &batch {
            format.row(row, &mut bytes);
            positions.insert(row.position);
        }
        bundle.rows(&bytes, batch.len() as u64)?;
    }
    Ok(positions)
}

async fn write_leaves(
    bundle: &mut Bundle,
    trail: &Trail,
    rows: &BTreeSet<u64>,
    positions: std::ops::Range<u64>,
) -> Result<(), Failure> {
    let mut leaves = LeafWriter::new();
    let mut start = positions.start;
    while start < positions.end {
        let end = (start + STRETCH).min(positions.end);
        for (position, record) in (start..).zip(trail.records(start..end).await?) {
            let shown = if rows.contains(&position) { Disclose::All } else { Disclose::None };
            bundle.leaf(leaves.leaf(&record), &shown.of(&record))?;
        }
        start = end;
    }
    Ok(())
}

/// The first position that was recorded at or after `from`: `recorded_at` never goes back.
async fn first_recorded(trail: &Trail, from: Time, size: u64) -> Result<u64, Failure> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        let is_before =
            trail.records(middle..middle + 1).await?.first().is_some_and(|one| one.recorded_at < from);
        if is_before { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}
