//! `whowas erase`: one person's data goes, and the trail says that it went.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Map, Value, json};
use whowas_event::{Erasure, Kind, Reach};
use whowas_query::select::{Holds, Pass, Selector, forget_queries, rejected, survey};
use whowas_store::{ErasureOrder, Store, Trail};

use super::access;
use crate::{
    cli::{Erase, Global},
    config,
    failure::{DONE, Failure},
    output,
};

pub(crate) async fn run(global: &Global, args: Erase) -> Result<u8, Failure> {
    let store = config::open_or_say(global, &args.environment, "erasures").await?;
    let name = args.environment.clone();
    let trail = store.trail(&name).await?;
    if args.list {
        list(&store, &trail).await?;
        store.close().await?;
        return Ok(DONE);
    }
    let holds = Holds::of(&trail, store.control().holds(&name).await?).await?;
    let mut pass = match &args.again {
        Some(file) => again(&trail, file, holds).await?,
        None => survey(&trail, selector(&trail, &args).await?, holds).await?,
    };
    pass.erasure.rejected = rejected(store.control().as_ref(), &name, &pass.selector).await?;
    if let Some(hold) = pass.held_by {
        return Err(Failure::not_understood(format!(
            "{} of the records are under legal hold {hold}: nothing was erased",
            pass.held
        )));
    }
    let reason = args.reason.clone().unwrap_or_default();
    pass.selector.check_reason(&reason)?;
    let is_empty = pass.erasure == Erasure::default();
    if args.dry_run || is_empty {
        // Whoever looks leaves a trace, without the name that is to go.
        let body = json!({ "records": pass.erasure.records.len() });
        access::record(&trail, "erase_preview", body, json!({}), store.clock().now()).await?;
        store.close().await?;
        report(global, &pass, None)?;
        return Ok(DONE);
    }
    let order = ErasureOrder {
        kind: Kind::Erasure,
        erasure: pass.erasure.clone(),
        body: Map::from_iter([
            ("action".to_owned(), json!("erase")),
            ("interface".to_owned(), json!("command-line")),
        ]),
        user: access::user(),
        personal: Map::from_iter([("reason".to_owned(), json!(reason))]),
    };
    // Only the store may hold the trail while it is opened anew.
    drop(trail);
    let receipt = store.erase(&name, order).await?;
    forget_queries(store.control().as_ref(), &name, &pass.selector).await?;
    store.close().await?;
    report(global, &pass, receipt.first_position)?;
    Ok(DONE)
}

async fn selector(trail: &Trail, args: &Erase) -> Result<Selector, Failure> {
    match (&args.selection.user, &args.selection.filter) {
        (Some(user), _) => Ok(Selector::person(trail, user).await?),
        (None, Some(filter)) => Ok(Selector::filter(filter)?),
        (None, None) => Err(Failure::not_understood("whose data? Give --user, --filter or --again")),
    }
}

/// What earlier erasures took from a trail of this origin, taken again.
async fn again(trail: &Trail, file: &Path, holds: Holds) -> Result<Pass, Failure> {
    let text = fs::read_to_string(file).map_err(|e| Failure::file(file, &e))?;
    let mut places: BTreeMap<u64, Reach> = BTreeMap::new();
    for (line, text) in (1..).zip(text.lines()) {
        let wrong = || {
            Failure::not_understood(format!(
                "{}, line {line}: this is no line of `erase --list`",
                file.display()
            ))
        };
        let entry: Value = serde_json::from_str(text).map_err(|_| wrong())?;
        let kind = entry.get("kind").and_then(Value::as_str).and_then(Kind::from_word).ok_or_else(wrong)?;
        let body = entry.get("body").ok_or_else(wrong)?.to_string();
        let Some(Ok(erasure)) = Erasure::of_body(kind, true, Some(&body)) else { return Err(wrong()) };
        if entry.get("origin").and_then(Value::as_str) != Some(trail.origin()) {
            return Err(Failure::not_understood(format!(
                "{}, line {line}: this is an erasure of another trail than {}",
                file.display(),
                trail.origin()
            )));
        }
        for one in erasure.records {
            places
                .entry(one.position)
                .and_modify(|reach| *reach = one.reach.min(*reach))
                .or_insert(one.reach);
        }
    }
    // The selector is of no use here: which records are meant was decided when they were erased first.
    let pass = Pass::new(trail, Selector::All, holds);
    let found = trail.visit((pass, places), |(pass, places), position, record, raw| {
        if let Some(reach) = places.get(&position) {
            pass.take(position, record, raw, *reach);
        }
    });
    Ok(found.await?.0)
}

/// Prints what a trail from an older backup would not know.
async fn list(store: &Store, trail: &Trail) -> Result<(), Failure> {
    for entry in store.control().erasures(trail.name()).await? {
        let body: Value = serde_json::from_str(&entry.body).map_err(|e| Failure::failed(e.to_string()))?;
        output::json_line(&json!({
            "origin": trail.origin(), "position": entry.position, "kind": entry.kind.as_str(), "body": body,
        }))?;
    }
    Ok(())
}

fn report(global: &Global, pass: &Pass, position: Option<u64>) -> Result<(), Failure> {
    let [own, acted, mentioned] = pass.counts();
    let (records, fields, rejected) =
        (pass.erasure.records.len(), pass.erasure.fields(), pass.erasure.rejected.len());
    let names: Vec<&String> = match &pass.selector {
        Selector::Person(person) => person.names.iter().chain(&person.full_names).collect(),
        Selector::All | Selector::Filter(_) => Vec::new(),
    };
    let is_done = position.is_some();
    if global.json {
        return output::json_line(&json!({
            "erased": is_done, "records": records, "fields": fields, "all": own, "not_user": acted,
            "texts": mentioned, "rejected": rejected, "first": pass.range.map(|range| range.0),
            "last": pass.range.map(|range| range.1), "position": position, "names": names,
        }));
    }
    let verb = if is_done { "erased" } else { "would be erased" };
    output::line(format_args!("{records} records, {fields} personal fields {verb}"))?;
    output::line(format_args!(
        "  {own} of the person, {acted} in which they acted for somebody, {mentioned} that mention them; {rejected} rejected records"
    ))?;
    if let Some((from, to)) = pass.range {
        output::line(format_args!("  from {from} to {to}"))?;
    }
    if !names.is_empty() {
        let names: Vec<String> = names.iter().map(|name| output::printable(name)).collect();
        output::line(format_args!("  found by: {}", names.join(", ")))?;
    }
    if let Some(position) = position {
        output::line(format_args!(
            "  recorded at position {position}; every root, proof and cosignature still verifies"
        ))?;
        output::line(format_args!(
            "  not reached: exports and backups elsewhere (keep `erase --list` for those), and the sources"
        ))?;
    }
    Ok(())
}
