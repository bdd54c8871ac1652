//! `whowas rejected`: records that were refused, and a second try.

use serde_json::json;
use whowas_collect::{Delivery, ImportOptions, retry_rejected};
use whowas_event::admit::RawData;

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
            let zone = times::zone(global.timezone.as_deref())?;
            let mut after = 0;
            loop {
                let page = store.control().rejected(&environment, after, PAGE_RECORDS).await?;
                let Some(last) = page.last() else { return Ok(DONE) };
                after = last.id;
                for one in &page {
                    if global.json {
                        output::json_line(one)?;
                        continue;
                    }
                    let place = match one.line {
                        Some(line) => format!("line {line}"),
                        None => format!("record {}", one.record),
                    };
                    let (input, reason) = (output::printable(&one.input), output::printable(&one.reason));
                    println!("{} {} {input}, {place}: {reason}", one.id, times::show(one.received_at, &zone));
                }
            }
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
            access::record(&trail, "rejected-retry", counts, json!({}), store.clock().now()).await?;
            store.close().await?;
            if global.json {
                output::json_line(&summary)?;
            } else {
                println!(
                    "{} retried: {} recorded, {} duplicate, {} revised, {} still rejected",
                    summary.retried, summary.recorded, summary.duplicate, summary.revised, summary.rejected
                );
            }
            Ok(if summary.rejected > 0 { REJECTED } else { DONE })
        }
    }
}
