//! `whowas sql`

use std::io::{self, Write};

use futures::StreamExt;
use serde_json::json;

use super::access;
use crate::{
    cli::{Global, Sql},
    config,
    failure::{DONE, Failure},
};

pub(crate) async fn run(global: &Global, args: Sql) -> Result<u8, Failure> {
    let store = config::open(global, false).await?;
    let names = store.environments().await?;
    let name = match (args.environment, names.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only.clone(),
        (None, _) => {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            return Err(Failure::not_understood(format!("say which --environment: {}", names.join(", "))));
        }
    };
    let trail = store.trail(&name).await?;
    let now = store.clock().now();
    let mut batches = config::engine(global)?.sql(&trail, &args.statement, now).await?;
    let mut rows = 0_u64;
    let mut shown = Vec::new();
    let mut out = io::stdout().lock();
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|e| Failure::from(whowas_query::QueryError::from(e)))?;
        rows += batch.num_rows() as u64;
        if global.json {
            let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
            let mut writer = builder.build::<_, arrow::json::writer::LineDelimited>(&mut out);
            let written = writer.write(&batch).and_then(|()| writer.finish());
            written.map_err(|e| Failure::failed(e.to_string()))?;
        } else {
            shown.push(batch);
        }
    }
    if !global.json {
        let table =
            arrow::util::pretty::pretty_format_batches(&shown).map_err(|e| Failure::failed(e.to_string()))?;
        writeln!(out, "{table}")?;
    }
    access::record(&trail, "sql", json!({"rows": rows}), json!({"statement": args.statement}), now).await?;
    store.close().await?;
    Ok(DONE)
}
