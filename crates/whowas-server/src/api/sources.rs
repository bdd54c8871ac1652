//! The test of a source of the settings: can it be reached, is the credential accepted, is its page understood.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use whowas_collect::poll::ProbeReport;
use whowas_event::EnvironmentName;

use crate::{app::App, auth::Keeper, problem::Problem};

/// The name of a source, in a path with an environment.
#[derive(Debug, Deserialize)]
pub(crate) struct SourcePath {
    source: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct TestAnswer {
    environment: EnvironmentName,
    /// One for each source of this name: a tenant's users and sign-ins may share it.
    tests: Vec<ProbeReport>,
}

/// Nothing is kept and nothing of a trail is read, so it leaves no trace.
pub(crate) async fn test(
    State(app): State<Arc<App>>,
    permit: Keeper,
    Path(path): Path<SourcePath>,
) -> Result<Json<TestAnswer>, Problem> {
    let tests = tests_of(&app, &permit.name, &path.source).await?;
    Ok(Json(TestAnswer { environment: permit.name.clone(), tests }))
}

/// Tests every source of this name.
pub(crate) async fn tests_of(
    app: &App,
    environment: &EnvironmentName,
    source: &str,
) -> Result<Vec<ProbeReport>, Problem> {
    // One at a time: it is somebody else's service that is asked.
    let Ok(_testing) = app.testing.try_lock() else {
        return Err(Problem::busy("another source is being tested; try again in a second"));
    };
    let mut tests = Vec::new();
    for probe in app.sources(environment).filter(|probe| probe.source() == source) {
        tests.push(probe.test(app.now()).await);
    }
    if tests.is_empty() {
        return Err(Problem::not_found("the settings have no source of this name for this environment"));
    }
    Ok(tests)
}
