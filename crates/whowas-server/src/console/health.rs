//! Monitoring › Health: how each source is doing, and which of its time is here.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Html};
use whowas_collect::coverage::{
    State as Coverage,
    report::{Interval, StreamReport},
};
use whowas_event::{EnvironmentName, Time};

use super::{
    Frame, SIGNED_IN,
    alarms::{self, AlarmTable},
    grouped, html, show, stands_under,
};
use crate::{
    api::{
        coverage::{self, CoverageParams},
        params::Params,
    },
    app::App,
    auth::Reader,
    problem::Problem,
};

/// Intervals that are shown of one stream; the API has all.
const INTERVALS_SHOWN_MAX: usize = 50;

struct IntervalRow {
    from: String,
    to: String,
    state: &'static str,
    label: &'static str,
    records: String,
    passes: String,
    note: String,
}

struct StreamCard {
    title: String,
    state: &'static str,
    label: &'static str,
    last_pass: String,
    newest: String,
    keeps: String,
    alarms: Vec<String>,
    intervals: Vec<IntervalRow>,
    hidden: usize,
}

#[derive(Template)]
#[template(path = "health.html")]
struct HealthPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    streams: Vec<StreamCard>,
    alarms: AlarmTable,
}

stands_under!(HealthPage, tab = "monitoring", sub_tab = "health");

/// The health of an environment's sources.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<CoverageParams>,
) -> Result<Html<String>, Problem> {
    let now = app.now();
    let answer = coverage::answer(&app, &permit, &params).await?;
    let streams = answer.streams.into_iter().map(|stream| card(stream, now)).collect();
    let alarms = alarms::table(&app, &permit.name).await?;
    html(&HealthPage { frame: SIGNED_IN, name: &permit.name, streams, alarms })
}

const fn label(state: Coverage) -> &'static str {
    match state {
        Coverage::Closed => "closed",
        Coverage::Open => "open",
        Coverage::AtRisk => "at risk",
        Coverage::Lost => "lost",
    }
}

fn card(stream: StreamReport, now: Time) -> StreamCard {
    let worst = stream.worst();
    let mut alarms = Vec::new();
    if let Some(since) = stream.failing_since {
        let why = stream.failure.as_deref().unwrap_or("no reason was given");
        alarms.push(format!("No pass has ended well since {}: {why}.", show(since)));
    }
    if let Some(silence) = stream.silence {
        alarms.push(format!(
            "Nothing since {}. In the weeks before, {} records came in as long.",
            show(silence.since),
            grouped(silence.expected)
        ));
    }
    let hidden = stream.intervals.len().saturating_sub(INTERVALS_SHOWN_MAX);
    let shown = stream.intervals.iter().rev().take(INTERVALS_SHOWN_MAX);
    StreamCard {
        state: worst.as_str(),
        label: label(worst),
        last_pass: stream.last_pass_at.map(show).unwrap_or_default(),
        newest: stream.last_occurred_at.map(show).unwrap_or_default(),
        keeps: match stream.retention_s {
            Some(seconds) => format!("{} days", seconds / 86_400),
            None => "without a known end".to_owned(),
        },
        intervals: shown.map(|interval| row(interval, now)).collect(),
        title: match stream.stream.as_str() {
            "" => stream.source,
            name => format!("{} · {name}", stream.source),
        },
        alarms,
        hidden,
    }
}

fn row(interval: &Interval, now: Time) -> IntervalRow {
    let left = interval.lost_at.map(|at| (at.as_ms() - now.as_ms()) / 3_600_000);
    let mut notes = Vec::new();
    notes.extend(left.map(|hours| match hours {
        ..0 => "the source has forgotten it".to_owned(),
        0..72 => format!("the source forgets it in {hours} hours"),
        _ => format!("the source forgets it in {} days", hours / 24),
    }));
    if interval.windows == 0 {
        notes.push("not read as a whole yet".to_owned());
    }
    if interval.reopened > 0 {
        notes.push(format!("{} windows had records added after they were closed", interval.reopened));
    }
    IntervalRow {
        from: show(interval.from),
        to: show(interval.to),
        state: interval.state.as_str(),
        label: label(interval.state),
        records: grouped(interval.ids),
        passes: grouped(interval.passes),
        note: notes.join("; "),
    }
}
