//! Alarms: what is raised, and what was.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use whowas_event::Time;

use crate::{
    alarm::{AlarmReport, alarms},
    app::App,
    auth::Reader,
    problem::Problem,
};

#[derive(Debug, Serialize)]
pub(crate) struct AlarmsAnswer {
    now: Time,
    alarms: Vec<AlarmReport>,
}

/// Nothing in it is about people, so it leaves no trace.
pub(crate) async fn list(State(app): State<Arc<App>>, permit: Reader) -> Result<Json<AlarmsAnswer>, Problem> {
    let alarms = alarms(app.control().as_ref(), &permit.name).await?;
    Ok(Json(AlarmsAnswer { now: app.now(), alarms }))
}
