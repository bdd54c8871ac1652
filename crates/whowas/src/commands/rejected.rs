//! `whowas rejected`: records that were refused, and a second try.

use serde_json::json;
use whowas_collect::{Delivery, ImportOptions, retry_rejected};
use whowas_event::{EnvironmentName, admit::RawData};
use whowas_format::Place;
use whowas_store::Store;

use super::{
    access,
    import::{format_name, read_options},
};
use crate::{
    cli::{Global, Rejected},
    config,
    failure::{DONE, Failure, REJECTED},
    output, times,
};

/// Records fetched at once.
const PAGE_RECORDS: u32 = 1000;

pub(crate) async fn run(global: &Global, command: Rejected) -> Result<u8, Failure> {
    let store = config::open(global, false).await?;
    match command {
        Rejected::List { environment } => {
            let trail = store.trail(&environment).await?;
            let count = list(global, &store, &environment).await?;
            let body = json!({"rows": count});
            access::record(&trail, "rejected", body, json!({}), store.clock().now()).await?;
            store.close().await?;
            Ok(DONE)
        }
        Rejected::Retry { environment, reading } => {
            let trail = store.trail(&environment).await?;
            let options = ImportOptions {
                format: format_name(&reading),
                source: None,
                raw: RawData::Kept,
                delivery: Delivery::File,
                read: read_options(&reading, store.clock().now())?,
            };
            let summary = retry_rejected(&trail, store.control(), &options).await?;
            let counts = json!({"recorded": summary.recorded, "rejected": summary.rejected});
            access::record(&trail, "retry_rejected", counts, json!({}), store.clock().now()).await?;
            store.close().await?;
            if global.json {
                output::json_line(&summary)?;
            } else {
                output::line(format_args!(
                    "{} retried: {} recorded, {} duplicate, {} revised, {} still rejected",
                    summary.retried, summary.recorded, summary.duplicate, summary.revised, summary.rejected
                ))?;
            }
            Ok(if summary.rejected > 0 { REJECTED } else { DONE })
        }
    }
}

/// Prints every rejected record of an environment; how many there are.
async fn list(global: &Global, store: &Store, environment: &EnvironmentName) -> Result<u64, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let (mut after, mut count) = (0, 0);
    loop {
        let page = store.control().rejected(environment, after, PAGE_RECORDS).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after = last.id;
        count += page.len() as u64;
        for one in &page {
            if global.json {
                output::json_line(one)?;
                continue;
            }
            let place = Place { record: one.record, line: one.line, column: one.column };
            let (input, reason) = (output::printable(&one.input), output::printable(&one.reason));
            let at = times::show(one.received_at, &zone);
            output::line(format_args!("{} {at} {input}, {place}: {reason}", one.id))?;
        }
    }
}
