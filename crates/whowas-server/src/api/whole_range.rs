//! What a search's whole range holds: its histogram and its common values.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use whowas_query::{
    facets::Facets,
    histogram::{BUCKETS_DEFAULT, BUCKETS_MAX, Histogram},
};

use super::params::{LoginParams, Params, zone};
use crate::{access::Access, app::App, auth::Reader, problem::Problem};

/// Values of each field in an answer, unless `limit` says otherwise.
const VALUES_DEFAULT: usize = 10;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct HistogramParams {
    #[serde(flatten)]
    logins: LoginParams,
    #[serde(default)]
    timezone: String,
    #[serde(default)]
    buckets: String,
}

/// How the rows of a search spread over its range.
pub(crate) async fn histogram(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<HistogramParams>,
) -> Result<Json<Histogram>, Problem> {
    let now = app.now();
    let request = params.logins.request(now)?;
    let count = match params.buckets.as_str() {
        "" => BUCKETS_DEFAULT,
        digits => digits
            .parse()
            .ok()
            .filter(|count| (1..=BUCKETS_MAX).contains(count))
            .ok_or_else(|| Problem::invalid(format!("buckets: write a number from 1 to {BUCKETS_MAX}")))?,
    };
    let zone = zone(&params.timezone)?;
    let found = app.engine.histogram(&permit.trail, &request, now, &zone, count).await?;
    let range = (found.from, found.to, found.tree_size);
    let access = Access::of_range("histogram", &request, &params.logins.filter, range);
    access.with("rows", found.total).seen(&app, &permit).await?;
    Ok(Json(found))
}

/// The most common values of each field among the rows of a search.
pub(crate) async fn facets(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<LoginParams>,
) -> Result<Json<Facets>, Problem> {
    let now = app.now();
    let request = params.request(now)?;
    let limit = if request.limit == 0 { VALUES_DEFAULT } else { request.limit };
    let found = app.engine.facets(&permit.trail, &request, now, limit).await?;
    let range = (found.from, found.to, found.tree_size);
    let access = Access::of_range("facets", &request, &params.filter, range);
    access.with("rows", found.total).seen(&app, &permit).await?;
    Ok(Json(found))
}
