//! Searches.

use std::sync::Arc;

use axum::{Json, extract::State};
use whowas_query::LoginPage;

use super::params::{LoginParams, Params};
use crate::{access::Access, app::App, auth::Reader, problem::Problem};

/// One page of a named query.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<LoginParams>,
) -> Result<Json<LoginPage>, Problem> {
    let now = app.now();
    let request = params.request(now)?;
    let page = app.engine.logins(&permit.trail, &request, now).await?;
    let rows = page.rows.len() as u64;
    Access::of_request("search", &request, &params.filter, &page, rows).seen(&app, &permit).await?;
    Ok(Json(page))
}
