//! The windows of scheduled exports: done, verified, late, failed, waiting, running; and *run now*.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use whowas_event::Time;
use whowas_export::windows::Window;

use crate::{
    access::Access,
    app::App,
    archive::{ScheduleReport, WantError, want, windows},
    auth::{Keeper, Permit, Reader},
    problem::Problem,
};

#[derive(Debug, Serialize)]
pub(crate) struct SchedulesAnswer {
    now: Time,
    schedules: Vec<ScheduleReport>,
}

/// Nothing in it is about people, so it leaves no trace.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    permit: Reader,
) -> Result<Json<SchedulesAnswer>, Problem> {
    let now = app.now();
    Ok(Json(SchedulesAnswer { now, schedules: reports(&app, &permit).await? }))
}

/// Every schedule of an environment, as it is now.
pub(crate) async fn reports(app: &App, permit: &Permit) -> Result<Vec<ScheduleReport>, Problem> {
    let control = app.control().as_ref();
    let mut reports = windows(control, &permit.name, app.schedules(), app.now()).await?;
    app.desk.mark(&permit.name, &mut reports);
    Ok(reports)
}

/// The schedule in a path with an environment.
#[derive(Debug, Deserialize)]
pub(crate) struct SchedulePath {
    schedule: String,
}

/// Answers when it is asked for, not when it is done: the list says how it goes.
pub(crate) async fn run(
    State(app): State<Arc<App>>,
    permit: Keeper,
    Path(path): Path<SchedulePath>,
) -> Result<Json<Value>, Problem> {
    let window = run_now(&app, &permit, &path).await?;
    Ok(Json(json!({ "schedule": path.schedule, "from": window.from, "to": window.to })))
}

/// Has what is due written now. Recorded before it is asked for.
pub(crate) async fn run_now(app: &App, permit: &Keeper, path: &SchedulePath) -> Result<Window, Problem> {
    if !app.schedules().iter().any(|one| one.environment == permit.name && one.schedule.name == path.schedule)
    {
        return Err(Problem::not_found(format!("the settings have no schedule {}", path.schedule)));
    }
    let access =
        Access::new("run_schedule").with("schedule", path.schedule.clone()).with("interface", "http");
    access.done(app, &permit.trail, &permit.caller).await?;
    let asked =
        want(app.control().as_ref(), (&permit.name, &path.schedule), (app.schedules(), &app.desk), app.now());
    asked.await.map_err(|error| match error {
        WantError::Store(error) => error.into(),
        WantError::Missing(_) => Problem::not_found(error.to_string()),
        WantError::NotOver(_) => Problem::conflict(error.to_string()),
    })
}
