//! What stands above a result: how many rows over time, and which values are frequent.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use whowas_query::{Facets, Histogram};

use super::params::{LoginParams, Params, number};
use crate::{access::Access, app::App, auth::Reader, problem::Problem};

/// Bars and values, if nobody says.
const POINTS_DEFAULT: usize = 168;
const VALUES_DEFAULT: usize = 10;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CountParams {
    points: String,
    values: String,
}

pub(crate) async fn histogram(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<LoginParams>,
    Params(counts): Params<CountParams>,
) -> Result<Json<Histogram>, Problem> {
    let now = app.now();
    let request = params.request(now)?;
    let points = number("points", &counts.points, POINTS_DEFAULT)?;
    let found = app.engine.histogram(&permit.trail, &request, points, now).await?;
    Access::new("histogram")
        .with("query", request.query.as_str())
        .with("rows", found.total)
        .with("tree_size", found.tree_size)
        .with_personal("filter", &params.filter)
        .seen(&app, &permit)
        .await?;
    Ok(Json(found))
}

pub(crate) async fn facets(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<LoginParams>,
    Params(counts): Params<CountParams>,
) -> Result<Json<Facets>, Problem> {
    let now = app.now();
    let request = params.request(now)?;
    let values = number("values", &counts.values, VALUES_DEFAULT)?;
    let found = app.engine.facets(&permit.trail, &request, values, now).await?;
    Access::new("facets")
        .with("query", request.query.as_str())
        .with("tree_size", found.tree_size)
        .with_personal("filter", &params.filter)
        .seen(&app, &permit)
        .await?;
    Ok(Json(found))
}
