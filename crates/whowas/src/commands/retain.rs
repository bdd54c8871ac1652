//! `whowas retain`: personal data that is older than a rule allows goes; legal holds win.
//!
//! What goes are the personal fields. The clear part of a record stays, so the tree, and every proof of what
//! is younger, stays what it was. With `--prune` the log also states a minimum index (C2SP tlog-tiles,
//! *Pruning*): entries before it are not handed out any more.

use std::fs;

use serde_json::{Map, json};
use whowas_event::{EnvironmentName, Kind};
use whowas_export::evidence::{Disclose, record};
use whowas_query::select::{Holds, Rule, Selector, cutoff};
use whowas_store::{ErasureOrder, Store};

use super::access;
use crate::{
    cli::{Global, Retain},
    config,
    failure::{DONE, Failure},
    output,
};

pub(crate) async fn run(global: &Global, args: Retain) -> Result<u8, Failure> {
    let kind = Rule::kind(&args.kind)?;
    let selector = args.filter.as_deref().map_or(Ok(Selector::All), Selector::filter)?;
    let store = config::open_or_say(global, &args.environment, "retention").await?;
    let now = store.clock().now();
    let cutoff = cutoff(&args.older_than, now)?;
    let name = args.environment.clone();
    let trail = store.trail(&name).await?;
    let holds = Holds::of(&trail, store.control().holds(&name).await?).await?;
    let rule = Rule::survey(&trail, (selector, holds), (kind, cutoff), args.prune).await?;
    let is_empty = rule.pass.erasure == whowas_event::Erasure::default();
    if args.dry_run || is_empty {
        let body = json!({ "cutoff": cutoff.to_string(), "records": rule.pass.erasure.records.len() });
        access::record(&trail, "retain_preview", body, json!({}), now).await?;
        store.close().await?;
        report(global, &rule, None)?;
        return Ok(DONE);
    }
    drop(trail);
    let body = json!({
        "action": "retain", "cutoff": cutoff.to_string(), "held": rule.pass.held, "interface": "command-line",
        "kind": args.kind, "older_than": args.older_than,
    });
    let mut personal = Map::from_iter([("reason".to_owned(), json!(args.reason.unwrap_or_default()))]);
    personal.extend(args.filter.map(|filter| ("filter".to_owned(), json!(filter))));
    let order = ErasureOrder {
        kind: Kind::Retention,
        erasure: rule.pass.erasure.clone(),
        body: body.as_object().cloned().unwrap_or_default(),
        user: access::user(),
        personal,
    };
    let receipt = store.erase(&name, order).await?;
    let position = receipt.first_position;
    if let (Some(file), Some(position)) = (&args.statement, position) {
        statement(&store, &name, position, file).await?;
    }
    store.close().await?;
    report(global, &rule, position)?;
    Ok(DONE)
}

/// The trail's own record of the run, with its proof: signed by the log, and by its witnesses if there are any.
async fn statement(
    store: &Store,
    name: &EnvironmentName,
    position: u64,
    file: &std::path::Path,
) -> Result<(), Failure> {
    let proven = store.trail(name).await?.prove(position).await?;
    let text = record::write(proven.proof, &proven.leaf, &proven.record, &Disclose::All);
    fs::write(file, text).map_err(|e| Failure::file(file, &e))
}

fn report(global: &Global, rule: &Rule, position: Option<u64>) -> Result<(), Failure> {
    let (records, fields) = (rule.pass.erasure.records.len(), rule.pass.erasure.fields());
    let minimum_index = rule.pass.erasure.minimum_index;
    if global.json {
        return output::json_line(&json!({
            "done": position.is_some(), "cutoff": rule.cutoff, "records": records, "fields": fields,
            "held": rule.pass.held, "minimum_index": minimum_index, "position": position,
        }));
    }
    let verb = if position.is_some() { "went" } else { "would go" };
    output::line(format_args!(
        "before {}: {fields} personal fields of {records} records {verb}",
        rule.cutoff
    ))?;
    if let Some(hold) = rule.pass.held_by {
        output::line(format_args!(
            "  {} records stay: they are under legal hold (the first: {hold})",
            rule.pass.held
        ))?;
    }
    if minimum_index > 0 {
        output::line(format_args!("  entries before position {minimum_index} are not handed out any more"))?;
    }
    if let Some(position) = position {
        output::line(format_args!("  recorded at position {position}"))?;
    }
    Ok(())
}
