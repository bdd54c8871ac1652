//! `whowas report`: what an auditor is told of a range, as a file.

use std::{io::Write, path::Path};

use serde_json::json;
use sha2::{Digest, Sha256};
use whowas_query::WINDOW_DAYS_DEFAULT;
use whowas_server::report::{self, ReportRequest};
use whowas_store::Clock;

use super::{access, search::words};
use crate::{
    cli::{Global, Report},
    config,
    failure::{DONE, Failure},
    output, times,
};

pub(crate) async fn run(global: &Global, args: Report) -> Result<u8, Failure> {
    let now = config::SystemClock.now();
    let zone = times::zone(global.timezone.as_deref())?;
    let read = |text: &Option<String>, is_end| {
        text.as_deref().map(|text| times::parse(text, now, &zone, is_end)).transpose()
    };
    let to = read(&args.to, true)?.unwrap_or_else(|| now.saturating_add_ms(1));
    let from =
        read(&args.from, false)?.unwrap_or_else(|| to.saturating_add_ms(-WINDOW_DAYS_DEFAULT * 86_400_000));
    let filter = words(&args.filter);
    let store = config::open(global, false).await?;
    let trail = store.trail(&args.environment).await?;
    let asked = ReportRequest { from, to, filter: &filter, prepared_by: access::user(), now };
    let engine = config::engine(global)?;
    let gathered = report::gather(&engine, store.control().as_ref(), &trail, &asked).await?;
    let bytes = match args.format.as_str() {
        "html" => gathered.report.to_html().into_bytes(),
        _ => gathered.report.to_pdf(),
    };
    let is_stdout = args.out == Path::new("-");
    if is_stdout {
        std::io::stdout().write_all(&bytes)?;
    } else {
        std::fs::write(&args.out, &bytes).map_err(|e| Failure::file(&args.out, &e))?;
    }
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let (rows, tree_size) = (gathered.rows, gathered.tree_size);
    let body = json!({
        "as": args.format, "from": from.to_string(), "rows": rows, "sha256": sha256, "to": to.to_string(),
        "tree_size": tree_size,
    });
    let personal = if filter.is_empty() { json!({}) } else { json!({ "filter": filter }) };
    access::record(&trail, "report", body, personal, now).await?;
    store.close().await?;
    let summary = json!({
        "file": args.out.display().to_string(), "as": args.format, "rows": rows, "from": from, "to": to,
        "tree_size": tree_size, "sha256": sha256,
    });
    match (global.json, is_stdout) {
        (true, false) => output::json_line(&summary)?,
        (true, true) => eprintln!("{summary}"),
        (false, _) => eprintln!("a report of {rows} sign-ins from {from} to {to}, SHA-256 {sha256}"),
    }
    Ok(DONE)
}
