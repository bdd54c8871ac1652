//! `whowas export --evidence`: the answer in a zip with everything an auditor needs to check it alone.

use std::fs::File;

use serde_json::json;
use whowas_event::Time;
use whowas_export::ExportFormat;
use whowas_query::{Engine, LoginRequest};
use whowas_server::evidence::{self, Bundle, BundleError, BundleRequest};
use whowas_store::Trail;

use crate::{
    cli::{Export, Global},
    commands::access,
    failure::{DONE, Failure},
    output, times,
};

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
    let asked = BundleRequest {
        request,
        from,
        to,
        filter,
        time_zone: zone.iana_name().unwrap_or("UTC"),
        format,
        exported_by: access::user(),
        now,
    };
    let made = evidence::write(file, &Engine::new()?, trail, asked).await;
    let Bundle { manifest, sha256, .. } = made.map_err(|error| match error {
        BundleError::Query(error) => error.into(),
        BundleError::Store(error) => error.into(),
        BundleError::Write(error) => Failure::file(&args.out, &error),
    })?;
    let (tree_size, first_position) = (manifest.tree_size, manifest.first_position);
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
