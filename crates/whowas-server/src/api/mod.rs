//! The HTTP API: one file per resource. `assets/openapi.json` describes it; a test compares the two.

pub(crate) mod alarms;
pub(crate) mod coverage;
pub(crate) mod environments;
pub(crate) mod evidence;
pub(crate) mod export;
pub(crate) mod exports;
pub(crate) mod holds;
pub(crate) mod imports;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod logins;
pub(crate) mod params;
pub(crate) mod privacy;
pub(crate) mod proof;
pub(crate) mod queries;
pub(crate) mod records;
pub(crate) mod report;
pub(crate) mod schedules;
pub(crate) mod sessions;
pub(crate) mod sources;
pub(crate) mod tokens;
pub(crate) mod usage;
pub(crate) mod users;
pub(crate) mod whole_range;

use std::{fmt::Write, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use hyper::{StatusCode, header::CONTENT_TYPE};
use serde_json::json;
use whowas_collect::intake::{Intake, IntakeName, Outcome};

use whowas_collect::coverage::State as Coverage;

use crate::{
    alarm::{self, AlarmKind},
    app::App,
    problem::{Problem, Whole},
};

/// The description of this API.
pub(crate) async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], include_str!("../../assets/openapi.json")).into_response()
}

/// Whether records are accepted. Open to all: it says nothing that the public logs do not say.
pub(crate) async fn health(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let (mut stopped, mut no_space) = (Vec::new(), Vec::new());
    let names = app.store.environments().await?;
    for name in &names {
        let trail = app.store.trail(name).await?;
        if trail.poisoned().is_some() {
            stopped.push(name.as_str());
        }
        if trail.is_without_space() {
            no_space.push(name.as_str());
        }
    }
    let (status, word) = if stopped.is_empty() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopped")
    };
    let answer =
        json!({ "status": word, "environments": names.len(), "stopped": stopped, "no_space": no_space });
    let mut response = (status, Json(answer)).into_response();
    // Which trails have stopped is what a probe wants to know: no problem details instead of it.
    response.extensions_mut().insert(Whole);
    Ok(response)
}

/// Sums over all environments, in the Prometheus text format.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let (mut records, mut people, mut tail_batches, mut stopped) = (0, 0, 0, 0);
    let names = app.store.environments().await?;
    for name in &names {
        let trail = app.store.trail(name).await?;
        let snapshot = trail.snapshot();
        records += snapshot.size;
        people += snapshot.directory.len();
        tail_batches += snapshot.tail.len();
        stopped += usize::from(trail.poisoned().is_some());
    }
    let mut out = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, values: &[(String, u64)]| {
        // Writing to a string cannot fail.
        let _ = write!(out, "# HELP whowas_{name} {help}\n# TYPE whowas_{name} {kind}\n");
        for (labels, value) in values {
            let _ = writeln!(out, "whowas_{name}{labels} {value}");
        }
    };
    let one = |value: usize| vec![(String::new(), value as u64)];
    metric("records", "gauge", "Records in all trails.", &[(String::new(), records)]);
    metric("environments", "gauge", "Environments.", &one(names.len()));
    metric("trails_stopped", "gauge", "Trails that accept no records any more.", &one(stopped));
    metric("tail_batches", "gauge", "Commits that are not in the archive yet.", &one(tail_batches));
    metric("people", "gauge", "People in all directories.", &one(people));
    let sums = app.coverage.get(&app).await?;
    let by_state = |seconds: [u64; 4]| {
        let label = |state: Coverage| format!("{{state=\"{}\"}}", state.as_str());
        Coverage::ALL.into_iter().map(label).zip(seconds).collect::<Vec<_>>()
    };
    metric(
        "coverage_seconds",
        "gauge",
        "Time of the last 30 days by its state, over all streams of all sources.",
        &by_state(sums.seconds),
    );
    let streams = [("all", sums.streams), ("failing", sums.failing), ("silent", sums.silent)];
    let streams = streams.map(|(word, count)| (format!("{{health=\"{word}\"}}"), count));
    metric("streams", "gauge", "Streams of sources: all, without a pass that ends well, silent.", &streams);
    let mut raised = [0_u64; AlarmKind::ALL.len()];
    for name in &names {
        for one in alarm::alarms(app.control().as_ref(), name).await? {
            let is_open = one.ended_at.is_none();
            let kinds =
                AlarmKind::ALL.iter().zip(&mut raised).filter(|(kind, _)| is_open && **kind == one.kind);
            kinds.for_each(|(_, count)| *count += 1);
        }
    }
    let raised: Vec<_> = AlarmKind::ALL
        .iter()
        .zip(raised)
        .map(|(kind, count)| (format!("{{kind=\"{}\"}}", kind.as_str()), count))
        .collect();
    metric("alarms_raised", "gauge", "Alarms that are raised and have not ended.", &raised);
    metric(
        "connections_total",
        "counter",
        "Connections accepted.",
        &[(String::new(), app.metrics.connections())],
    );
    let responses: Vec<_> = app
        .metrics
        .responses()
        .map(|(hundreds, count)| (format!("{{status=\"{hundreds}xx\"}}"), count))
        .collect();
    metric("responses_total", "counter", "Responses by status.", &responses);
    metric(
        "receiver_records_total",
        "counter",
        "Records that receivers got since the start, by what became of them.",
        &received(&app.intakes.all()),
    );
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], out).into_response())
}

/// The counters of receivers, with labels.
fn received(intakes: &[(IntakeName, Arc<Intake>)]) -> Vec<(String, u64)> {
    // In the text format a value has these three escaped.
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let all = intakes.iter().flat_map(|(name, intake)| {
        Outcome::ALL.into_iter().map(move |outcome| {
            let IntakeName { receiver, environment, source } = name;
            let (source, word) = (escaped(source), outcome.as_str());
            let labels = format!(
                "{{receiver=\"{receiver}\",environment=\"{environment}\",source=\"{source}\",outcome=\"{word}\"}}"
            );
            (labels, intake.count(outcome))
        })
    });
    all.collect()
}
