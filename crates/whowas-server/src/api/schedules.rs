//! The windows of scheduled exports: done, verified, late, failed, waiting.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use whowas_event::Time;

use crate::{
    app::App,
    archive::{ScheduleReport, windows},
    auth::Reader,
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
    let schedules = windows(app.control().as_ref(), &permit.name, app.schedules(), now).await?;
    Ok(Json(SchedulesAnswer { now, schedules }))
}
