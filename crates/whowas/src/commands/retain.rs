//! `whowas retain`: personal data that is older than a rule allows goes; legal holds win.
//!
//! What goes are the personal fields. The clear part of a record stays, so the tree, and every proof of what
//! is younger, stays what it was. With `--prune` the log also states a minimum index (C2SP tlog-tiles,
//! *Pruning*): entries before it are not handed out any more.

use std::fs;

use serde_json::{Map, json};
use whowas_event::{EnvironmentName, Kind, Reach, Record, Time};
use whowas_export::evidence::{Disclose, record};
use whowas_store::{ErasureOrder, Store};

use super::{
    access,
    select::{Holds, Pass, Selector},
};
use crate::{
    cli::{Global, Retain},
    config,
    failure::{DONE, Failure},
    output, times,
};

/// A rule, and what a pass over the trail finds of it.
struct Rule {
    pass: Pass,
    /// Records of what happened before are past the rule, also those that were imported later.
    cutoff: Time,
    /// The kind of record; every one if none.
    kind: Option<Kind>,
    /// The first position that is not past every rule, or is held.
    first_kept: u64,
}

impl Rule {
    fn is_old(&self, record: &Record) -> bool {
        record.event.occurred_at < self.cutoff
    }

    fn look(&mut self, position: u64, record: &Record, raw: &[u8]) {
        let is_kind = self.kind.is_none_or(|kind| kind == record.event.kind);
        let reach = self.pass.selector.reach(record, raw, &self.pass.snapshot);
        let held = self.pass.held;
        if is_kind && self.is_old(record) && reach.is_some() {
            self.pass.take(position, record, raw, Reach::All);
        }
        if !self.is_old(record) || self.pass.held > held {
            self.first_kept = self.first_kept.min(position);
        }
    }
}

pub(crate) async fn run(global: &Global, args: Retain) -> Result<u8, Failure> {
    let kind = match args.kind.as_str() {
        "all" => None,
        word => {
            let kinds = [Kind::Login, Kind::Identity, Kind::Access, Kind::Coverage];
            let kind = Kind::from_word(word).filter(|kind| kinds.contains(kind));
            Some(kind.ok_or_else(|| {
                Failure::not_understood(format!(
                    "--kind {word}: use login, identity, access, coverage or all"
                ))
            })?)
        }
    };
    let selector = args.filter.as_deref().map_or(Ok(Selector::All), Selector::filter)?;
    let store = config::open(global, false).await?;
    let now = store.clock().now();
    let cutoff = times::ago(&args.older_than, now)?;
    let name = args.environment.clone();
    let trail = store.trail(&name).await?;
    let holds = Holds::of(&trail, store.control().holds(&name).await?).await?;
    let first_kept = trail.snapshot().size;
    let rule = Rule { pass: Pass::new(&trail, selector, holds), cutoff, kind, first_kept };
    let look = |rule: &mut Rule, position: u64, record: &Record, raw: &[u8]| rule.look(position, record, raw);
    let mut rule = trail.visit(rule, look).await?;
    if args.prune {
        rule.pass.erasure.minimum_index = rule.first_kept;
    }
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
