//! Exports and schedules: what is being made, what is kept, until when.

use std::sync::Arc;

use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    response::{Html, Redirect},
};
use serde::Deserialize;
use whowas_event::EnvironmentName;
use whowas_query::NamedQuery;
use whowas_store::control::{Export, ExportState};

use super::{
    Frame, SIGNED_IN, grouped, html,
    schedules::{self, ScheduleCard},
    show, stands_under,
};
use crate::{
    api::params::LoginParams,
    app::App,
    auth::Reader,
    jobs::{self, KEPT_DAYS, Shape},
    problem::Problem,
};

/// What *in the background* offers: what it is called, and the word in the form.
pub(crate) const SHAPES: [(&str, &str); 8] = [
    ("CSV", "csv"),
    ("Excel workbook (XLSX)", "xlsx"),
    ("JSON Lines", "jsonl"),
    ("Parquet", "parquet"),
    ("OCSF, JSON Lines", "ocsf"),
    ("CSV for programs", "csv-raw"),
    ("Evidence bundle, CSV", "evidence-csv"),
    ("Evidence bundle, JSON Lines", "evidence-jsonl"),
];

struct ExportCard {
    id: i64,
    title: String,
    shape: &'static str,
    range: String,
    filter: String,
    state: &'static str,
    asked: String,
    rows: String,
    total: String,
    /// In percent, while it is made and it is known how far it has come.
    progress: Option<u64>,
    size: String,
    sha256: String,
    reason: String,
    until: String,
    file: Option<String>,
    is_open: bool,
    may_remove: bool,
}

#[derive(Template)]
#[template(path = "exports.html")]
struct ExportsPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    exports: Vec<ExportCard>,
    schedules: Vec<ScheduleCard>,
    is_any_open: bool,
    kept: String,
    kept_max: String,
    kept_days: i64,
}

stands_under!(ExportsPage, tab = "exports");

/// The exports of an environment.
pub(crate) async fn page(State(app): State<Arc<App>>, permit: Reader) -> Result<Html<String>, Problem> {
    let exports = jobs::list(&app, &permit).await?;
    let done = exports.iter().filter(|one| one.state == ExportState::Done);
    let kept = bytes_in_words(done.map(|one| one.bytes).sum());
    let schedules = schedules::cards(&app, &permit).await?;
    let is_any_open =
        exports.iter().any(|one| one.state.is_open()) || schedules.iter().any(|one| one.is_running);
    html(&ExportsPage {
        frame: SIGNED_IN,
        name: &permit.name,
        exports: exports.into_iter().map(|one| card(&permit, one)).collect(),
        schedules,
        is_any_open,
        kept,
        kept_max: bytes_in_words(app.jobs.bytes_max),
        kept_days: KEPT_DAYS,
    })
}

/// What the form of raw logs sends.
#[derive(Debug, Deserialize)]
pub(crate) struct NewForm {
    #[serde(flatten)]
    question: LoginParams,
    shape: String,
}

/// Asks for an export and shows it among the others.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    permit: Reader,
    Form(form): Form<NewForm>,
) -> Result<Redirect, Problem> {
    let shape = match form.shape.strip_prefix("evidence-") {
        Some(format) => Shape::of(format, true)?,
        None => Shape::of(&form.shape, false)?,
    };
    jobs::ask(&app, &permit, &form.question, shape).await?;
    Ok(Redirect::to(&format!("/p/{}/exports", permit.name)))
}

/// Number of an export, in a path with an environment.
#[derive(Debug, Deserialize)]
pub(crate) struct ExportPath {
    id: i64,
}

/// Cancels or deletes an export.
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    permit: Reader,
    Path(path): Path<ExportPath>,
) -> Result<Redirect, Problem> {
    jobs::remove(&app, &permit, path.id).await?;
    Ok(Redirect::to(&format!("/p/{}/exports", permit.name)))
}

fn card(permit: &Reader, export: Export) -> ExportCard {
    let word = if export.is_evidence { format!("evidence-{}", export.format) } else { export.format.clone() };
    let is_rows = export.state == ExportState::Running && !export.is_evidence;
    let is_done = export.state == ExportState::Done;
    ExportCard {
        id: export.id,
        title: NamedQuery::from_word(&export.query)
            .map_or("A query of another version", NamedQuery::title)
            .to_owned(),
        shape: SHAPES.iter().find(|(_, known)| *known == word).map_or("", |(title, _)| title),
        range: format!("{} to {}", show(export.from), show(export.to)),
        state: export.state.as_str(),
        asked: format!("{}, {}", show(export.asked_at), export.asked_by),
        rows: grouped(export.rows),
        total: grouped(export.total),
        progress: (is_rows && export.total > 0).then(|| (export.rows * 100 / export.total).min(100)),
        size: bytes_in_words(export.bytes),
        until: jobs::expires_at(&export).map(show).unwrap_or_default(),
        file: is_done.then(|| jobs::file_path(&permit.name, export.id)),
        is_open: export.state.is_open(),
        may_remove: export.asked_by == permit.caller.name() || permit.caller.is_admin(),
        sha256: export.sha256.unwrap_or_default(),
        reason: export.reason.unwrap_or_default(),
        filter: export.filter,
    }
}

/// A number of bytes as people read it, rounded down to three figures.
fn bytes_in_words(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut unit, mut scale) = (0, 1_u64);
    while unit + 1 < units.len() && bytes / scale >= 1024 {
        (unit, scale) = (unit + 1, scale * 1024);
    }
    let (whole, tenths) = (bytes / scale, bytes % scale * 10 / scale);
    let word = units.get(unit).copied().unwrap_or_default();
    if unit == 0 || whole >= 100 || tenths == 0 {
        format!("{whole} {word}")
    } else {
        format!("{whole}.{tenths} {word}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_sizes() {
        for (bytes, want) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (16 << 30, "16 GiB"),
            ((1 << 30) - 1, "1023 MiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(bytes_in_words(bytes), want);
        }
    }

    #[test]
    fn every_shape_that_is_offered_can_be_made() {
        for (title, word) in SHAPES {
            let shape = match word.strip_prefix("evidence-") {
                Some(format) => Shape::of(format, true),
                None => Shape::of(word, false),
            };
            assert!(shape.is_ok(), "{title}");
        }
    }
}
