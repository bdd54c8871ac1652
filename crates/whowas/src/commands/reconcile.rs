//! `whowas reconcile`: a trail beside another export of the same source and time, by the records' ids.
//!
//! The time is that of the export's first to last record. An end that stands in the record of its start belongs
//! to the start's time: of a session that began before, it is not missing in the export.

use std::{collections::BTreeMap, fs::File};

use arrow::{
    array::AsArray,
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use futures::StreamExt;
use serde::Serialize;
use serde_json::json;
use whowas_collect::file_tail;
use whowas_event::{Kind, Time};
use whowas_format::{Input, Item, Options, Stop, read_all};
use whowas_query::{Engine, QueryError};
use whowas_store::Trail;

use super::{access, import};
use crate::{
    cli::{Global, Reconcile},
    config,
    failure::{DONE, Failure},
    output, times,
};

/// Ids of either side that are held: some 300 MB. Larger exports can be compared in parts.
const IDS_MAX: usize = 2_000_000;
/// Ids of each side that are shown to people; JSON has all.
const SHOWN_MAX: usize = 20;
/// What marks the end that stands in the record of its start.
const END: &str = ".end";

/// Records by id: when they happened, and for the trail where they are.
type Ids = BTreeMap<String, (Time, Option<i64>)>;

/// What an export has.
#[derive(Debug, Default)]
struct Export {
    format: String,
    ids: Ids,
    rejected: u64,
    set_aside: u64,
    is_too_large: bool,
}

/// What came of the comparison: a contract.
#[derive(Debug, Serialize)]
struct Summary {
    file: String,
    format: String,
    source: String,
    from: Option<Time>,
    to: Option<Time>,
    in_both: u64,
    file_only: u64,
    trail_only: u64,
    rejected: u64,
    set_aside: u64,
    agrees: bool,
}

pub(crate) async fn run(global: &Global, args: Reconcile) -> Result<u8, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let store = config::open(global, false).await?;
    let trail = store.trail(&args.environment).await?;
    let now = store.clock().now();
    let export = read(&args, import::read_options(&args.reading, now)?)?;
    let source = args.source.clone().unwrap_or_else(|| export.format.clone());
    let times = || export.ids.values().map(|(at, _)| *at);
    let (from, to) = (times().min(), times().max());
    let mut held = match from.zip(to) {
        Some(range) => held(&trail, &source, range, now).await?,
        None => Ids::new(),
    };
    drop_foreign_ends(&mut held, &export.ids);
    let file_only: Vec<_> = export.ids.iter().filter(|(id, _)| !held.contains_key(*id)).collect();
    let trail_only: Vec<_> = held.iter().filter(|(id, _)| !export.ids.contains_key(*id)).collect();
    let summary = Summary {
        file: args.file.display().to_string(),
        format: export.format.clone(),
        source,
        from,
        to,
        in_both: (export.ids.len() - file_only.len()) as u64,
        file_only: file_only.len() as u64,
        trail_only: trail_only.len() as u64,
        rejected: export.rejected,
        set_aside: export.set_aside,
        agrees: file_only.is_empty() && trail_only.is_empty(),
    };
    let body = json!({
        "source": summary.source, "in_both": summary.in_both, "file_only": summary.file_only, "trail_only": summary.trail_only,
    });
    access::record(&trail, "reconcile", body, json!({"file": file_tail(&summary.file)}), now).await?;
    store.close().await?;
    for (side, ids) in [("file_only", &file_only), ("trail_only", &trail_only)] {
        if global.json {
            for (id, (at, position)) in ids {
                output::json_line(
                    &json!({"side": side, "native_id": id, "occurred_at": at, "position": position}),
                )?;
            }
            continue;
        }
        let words = if side == "file_only" { "only in the export" } else { "only in the trail" };
        for (id, (at, _)) in ids.iter().take(SHOWN_MAX) {
            output::line(format_args!("{words}: {} {}", times::show(*at, &zone), output::printable(id)))?;
        }
        if ids.len() > SHOWN_MAX {
            output::line(format_args!("{words}: {} more; --json lists all", ids.len() - SHOWN_MAX))?;
        }
    }
    if global.json {
        output::json_line(&summary)?;
    } else {
        output::line(format_args!(
            "{}: {} in both, {} only in the export, {} only in the trail ({}); {} of its records are not understood",
            output::printable(&summary.file),
            summary.in_both,
            summary.file_only,
            summary.trail_only,
            summary.source,
            summary.rejected
        ))?;
    }
    Ok(DONE)
}

/// The ids of an export's sign-ins.
fn read(args: &Reconcile, options: Options) -> Result<Export, Failure> {
    let mut export = Export::default();
    let format = Some(args.reading.format.as_str()).filter(|format| *format != "auto");
    let mut sink = |item: Item| -> Result<(), Stop> {
        match item {
            Item::Draft(draft, _) if draft.event.kind == Kind::Login => {
                let id = draft.event.native_id.as_str().to_owned();
                export.ids.insert(id, (draft.event.occurred_at, None));
                export.is_too_large = export.ids.len() > IDS_MAX;
            }
            Item::Draft(..) | Item::SetAside { .. } => export.set_aside += 1,
            Item::Problem(_) => export.rejected += 1,
        }
        if export.is_too_large { Err(Stop) } else { Ok(()) }
    };
    let name = args.file.display().to_string();
    let read = if name == "-" {
        read_all(Input::Stream(&mut std::io::stdin().lock()), "-", format, &options, &mut sink)
    } else {
        let mut file = File::open(&args.file).map_err(|e| Failure::file(&args.file, &e))?;
        read_all(Input::File(&mut file), &name, format, &options, &mut sink)
    };
    if export.is_too_large {
        return Err(Failure::not_understood(format!(
            "{name}: more than {IDS_MAX} records; compare it in parts"
        )));
    }
    let reports = read.map_err(|error| Failure::not_understood(format!("{name}: {error}")))?;
    let mut formats: Vec<&str> = reports.iter().filter_map(|report| report.format).collect();
    formats.dedup();
    match (formats.as_slice(), &args.source) {
        ([only], _) => (*only).clone_into(&mut export.format),
        (_, None) => {
            return Err(Failure::not_understood(format!("{name}: files of several formats; say --source")));
        }
        (several, Some(_)) => export.format = several.join(", "),
    }
    Ok(export)
}

/// The trail's sign-ins of a source within a time, both ends included.
async fn held(trail: &Trail, source: &str, (from, to): (Time, Time), now: Time) -> Result<Ids, Failure> {
    let statement = format!(
        "SELECT native_id, CAST(occurred_at AS BIGINT) AS at, position FROM logins \
         WHERE source = '{}' AND occurred_at >= '{from}' AND occurred_at <= '{to}'",
        source.replace('\'', "''")
    );
    let mut batches = Engine::new()?.sql(trail, &statement, now).await?;
    let mut held = Ids::new();
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(QueryError::from)?;
        let failed = || Failure::failed("the trail's ids cannot be read");
        let column = |name| batch.column_by_name(name).ok_or_else(failed);
        let ids = cast(column("native_id")?, &DataType::Utf8).map_err(|e| Failure::failed(e.to_string()))?;
        let ids = ids.as_string_opt::<i32>().ok_or_else(failed)?;
        let at = column("at")?.as_primitive_opt::<Int64Type>().ok_or_else(failed)?;
        let positions = column("position")?.as_primitive_opt::<Int64Type>().ok_or_else(failed)?;
        for ((id, at), position) in ids.iter().zip(at).zip(positions) {
            let at = Time::from_ms(at.unwrap_or_default() / 1000).unwrap_or_default();
            held.insert(id.unwrap_or_default().to_owned(), (at, position));
        }
        if held.len() > IDS_MAX {
            return Err(Failure::not_understood(format!(
                "the trail has more than {IDS_MAX} records of that time; compare it in parts"
            )));
        }
    }
    Ok(held)
}

/// Ends of sessions that began before the export's time are none of its affair.
fn drop_foreign_ends(held: &mut Ids, export: &Ids) {
    let foreign: Vec<String> = held
        .keys()
        .filter(|id| {
            let start = id.strip_suffix(END);
            start.is_some_and(|start| !held.contains_key(start) && !export.contains_key(start))
        })
        .cloned()
        .collect();
    for id in foreign {
        held.remove(&id);
    }
}
