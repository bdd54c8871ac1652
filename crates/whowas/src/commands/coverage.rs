//! `whowas coverage`: which time of which source is here, and which is not.

use arrow::{
    array::{AsArray, StringArray},
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use futures::StreamExt;
use serde_json::json;
use whowas_collect::coverage::{
    self,
    report::{INTERVALS_MAX, Interval, StreamReport},
};
use whowas_event::Time;
use whowas_query::{Engine, QueryError};
use whowas_store::{Store, Trail};

use super::access;
use crate::{
    cli::{Coverage, Global},
    config,
    failure::{DONE, Failure},
    output, times,
};

/// How far back is looked if nobody says.
const DAYS_DEFAULT: i64 = 90;
const DAY_MS: i64 = 86_400_000;

pub(crate) async fn run(global: &Global, args: Coverage) -> Result<u8, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let store = config::open(global, false).await?;
    let trail = store.trail(&args.environment).await?;
    if args.rebuild {
        rebuild(&store, &trail).await?;
    }
    let now = store.clock().now();
    let read = |text: &Option<String>, is_end| {
        text.as_deref().map(|text| times::parse(text, now, &zone, is_end)).transpose()
    };
    let to = read(&args.to, true)?.unwrap_or(now);
    let from = read(&args.from, false)?.unwrap_or_else(|| to.saturating_add_ms(-DAYS_DEFAULT * DAY_MS));
    let reports = coverage::reports(store.control().as_ref(), &args.environment, (from, to), now).await?;
    store.close().await?;
    if global.json {
        for report in &reports {
            for interval in &report.intervals {
                output::json_line(&line(report, interval))?;
            }
        }
        return Ok(DONE);
    }
    let rows = reports.iter().flat_map(|report| {
        report.intervals.iter().map(|interval| {
            vec![
                report.source.clone(),
                report.stream.clone(),
                times::show(interval.from, &zone),
                times::show(interval.to, &zone),
                interval.state.as_str().to_owned(),
                interval.ids.to_string(),
                interval.passes.to_string(),
                interval.lost_at.map(|at| countdown(at, now)).unwrap_or_default(),
            ]
        })
    });
    output::table(&["source", "stream", "from", "to", "state", "records", "passes", "forgotten"], rows)?;
    for report in &reports {
        for remark in remarks(report, now) {
            output::line(format_args!("{} {}: {remark}", output::printable(&report.source), report.stream))?;
        }
    }
    Ok(DONE)
}

/// One interval for programs.
fn line(report: &StreamReport, interval: &Interval) -> serde_json::Value {
    json!({
        "source": report.source, "stream": report.stream, "from": interval.from, "to": interval.to,
        "state": interval.state, "ids": interval.ids, "digest": interval.digest, "windows": interval.windows,
        "passes": interval.passes, "reopened": interval.reopened, "lost_at": interval.lost_at,
    })
}

fn countdown(at: Time, now: Time) -> String {
    let minutes = (at.as_ms() - now.as_ms()) / 60_000;
    match minutes {
        ..0 => "forgotten by the source".to_owned(),
        0..120 => format!("in {minutes} minutes"),
        120..2880 => format!("in {} hours", minutes / 60),
        _ => format!("in {} days", minutes / 1440),
    }
}

fn remarks(report: &StreamReport, now: Time) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(since) = report.failing_since {
        let why = report.failure.as_deref().map(output::printable).unwrap_or_default();
        remarks.push(format!("no pass has ended well since {since}: {why}"));
    }
    if let Some(silence) = report.silence {
        let (since, expected) = (silence.since, silence.expected);
        remarks
            .push(format!("nothing since {since}; in the weeks before, {expected} records came in as long"));
    }
    let reopened: u64 = report.intervals.iter().map(|interval| interval.reopened).sum();
    if reopened > 0 {
        remarks.push(format!("{reopened} windows had records added after they were closed"));
    }
    if report.last_pass_at.is_some_and(|at| at > now) {
        remarks.push("its last pass is in the future: the clock was set back".to_owned());
    }
    if report.is_cut {
        remarks.push(format!("there are more than {INTERVALS_MAX} intervals: only the newest are listed"));
    }
    remarks
}

/// Puts what the trail's own records say in the place of the ledger.
pub(super) async fn rebuild(store: &Store, trail: &Trail) -> Result<(), Failure> {
    let statement = "SELECT CAST(occurred_at AS BIGINT) AS at, CAST(body AS VARCHAR) AS body \
                     FROM records WHERE kind = 'coverage' ORDER BY position";
    let mut batches = Engine::new()?.sql(trail, statement, store.clock().now()).await?;
    let mut records = Vec::new();
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(QueryError::from)?;
        let bodies = batch.column_by_name("body").map(|column| cast(column, &DataType::Utf8)).transpose();
        let bodies = bodies.map_err(|e| Failure::failed(e.to_string()))?;
        let bodies: Option<&StringArray> = bodies.as_ref().and_then(|column| column.as_string_opt::<i32>());
        let at = batch.column_by_name("at").and_then(|column| column.as_primitive_opt::<Int64Type>());
        let (Some(bodies), Some(at)) = (bodies, at) else {
            return Err(Failure::failed("the trail's coverage records cannot be read"));
        };
        for (body, micros) in bodies.iter().zip(at) {
            let at = Time::from_ms(micros.unwrap_or_default() / 1000).unwrap_or_default();
            records.push((at, body.unwrap_or_default().to_owned()));
        }
    }
    let progress = coverage::rebuild(records.iter().map(|(at, body)| (*at, body.as_str())));
    store.control().replace_coverage(trail.name(), &progress).await?;
    let body = json!({"passes": records.len(), "streams": progress.len()});
    access::record(trail, "coverage-rebuild", body, json!({}), store.clock().now()).await?;
    Ok(())
}
