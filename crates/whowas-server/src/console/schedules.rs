//! Exports and schedules: the windows of scheduled exports, what became of each, and *run now*.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Redirect,
};
use whowas_event::Time;
use whowas_export::windows::State as WindowState;

use super::{grouped, show};
use crate::{
    api::schedules::{SchedulePath, reports, run_now},
    app::App,
    archive::{ScheduleReport, WindowReport},
    auth::{Keeper, Permit},
    problem::Problem,
};

/// Windows of one schedule that are shown; the API has all.
const SHOWN_MAX: usize = 12;

pub(crate) struct WindowRow {
    pub(crate) range: String,
    pub(crate) state: &'static str,
    pub(crate) rows: String,
    pub(crate) remark: String,
    pub(crate) written: String,
    pub(crate) verified: String,
    pub(crate) position: Option<u64>,
}

pub(crate) struct ScheduleCard {
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) is_active: bool,
    /// Something is over and not written, or failed.
    pub(crate) may_run: bool,
    pub(crate) counts: Vec<(&'static str, usize)>,
    /// The last that was written: where it lies, and its digest.
    pub(crate) last: Option<(String, String)>,
    pub(crate) rows: Vec<WindowRow>,
    pub(crate) hidden: usize,
    /// Whether one is being written.
    pub(crate) is_running: bool,
}

/// The schedules of an environment.
pub(crate) async fn cards(app: &App, permit: &Permit) -> Result<Vec<ScheduleCard>, Problem> {
    let (now, may_run) = (app.now(), permit.caller.is_admin());
    Ok(reports(app, permit).await?.into_iter().map(|report| card(report, may_run, now)).collect())
}

/// Has what is due written now, and shows how it goes.
pub(crate) async fn run(
    State(app): State<Arc<App>>,
    permit: Keeper,
    Path(path): Path<SchedulePath>,
) -> Result<Redirect, Problem> {
    run_now(&app, &permit, &path).await?;
    Ok(Redirect::to(&format!("/p/{}/exports#schedules", permit.name)))
}

fn card(report: ScheduleReport, may_run: bool, now: Time) -> ScheduleCard {
    let due = |one: &WindowReport| match one.state {
        WindowState::Waiting => !one.is_running,
        WindowState::Failed => !one.is_running,
        _ => false,
    };
    let states = ["running", "verified", "done", "late", "failed", "waiting", "upcoming"];
    let count = |word| report.windows.iter().filter(|one| state(one) == word).count();
    let written = report.windows.iter().find(|one| one.sha256.is_some());
    let last = written.and_then(|one| Some((one.location.clone()?, one.sha256.clone()?)));
    ScheduleCard {
        may_run: may_run && report.is_active && report.windows.iter().any(due),
        counts: states.into_iter().map(|word| (word, count(word))).filter(|(_, count)| *count > 0).collect(),
        last,
        hidden: report.windows.len().saturating_sub(SHOWN_MAX),
        is_running: report.windows.iter().any(|one| one.is_running),
        rows: report.windows.iter().take(SHOWN_MAX).map(|one| row(one, now)).collect(),
        is_active: report.is_active,
        location: report.location.unwrap_or_default(),
        name: report.schedule,
    }
}

const fn state(one: &WindowReport) -> &'static str {
    if one.is_running { "running" } else { one.state.as_str() }
}

fn row(one: &WindowReport, now: Time) -> WindowRow {
    let mut remarks = Vec::new();
    remarks.extend(one.failure.clone());
    remarks.extend(one.try_at.filter(|at| *at > now).map(|at| format!("tried again at {}", show(at))));
    if one.state == WindowState::Late {
        remarks.push("not all of its time was covered".to_owned());
    }
    if let Some(late) = one.late_rows.filter(|late| *late > 0) {
        remarks.push(format!("{} sign-ins of earlier windows came after those were written", grouped(late)));
    }
    if let (WindowState::Waiting, Some(at)) = (one.state, one.latest_at) {
        remarks.push(format!("written at the latest at {}", show(at)));
    }
    WindowRow {
        range: format!("{} to {}", show(one.from), show(one.to)),
        state: state(one),
        rows: one.rows.map(grouped).unwrap_or_default(),
        remark: remarks.join("; "),
        written: one.written_at.map(show).unwrap_or_default(),
        verified: one.verified_at.map(show).unwrap_or_default(),
        position: one.position,
    }
}
