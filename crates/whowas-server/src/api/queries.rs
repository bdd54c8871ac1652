//! Saved queries: list, save, rename and share, delete.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::IntoResponse,
};
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use whowas_event::EnvironmentName;
use whowas_store::control::SavedQuery;

use crate::{
    app::App,
    auth::Reader,
    console::raw_logs::{self, RawLogParams},
    problem::Problem,
    saved,
};

/// A state of the raw logs page, and its name.
#[derive(Debug, Deserialize)]
pub(crate) struct NewQuery {
    name: String,
    #[serde(default)]
    shared: bool,
    #[serde(flatten)]
    params: RawLogParams,
}

/// What of a saved query can be changed.
#[derive(Debug, Deserialize)]
pub(crate) struct ChangedQuery {
    name: String,
    #[serde(default)]
    shared: bool,
}

/// Number of a saved query, in a path with an environment.
#[derive(Debug, Deserialize)]
pub(crate) struct QueryPath {
    id: i64,
}

pub(crate) async fn list(State(app): State<Arc<App>>, permit: Reader) -> Result<Json<Value>, Problem> {
    let queries = saved::list(&app, &permit).await?;
    let views: Vec<Value> = queries.iter().map(|query| view(&permit.name, query)).collect();
    Ok(Json(json!({ "queries": views })))
}

pub(crate) async fn create(
    State(app): State<Arc<App>>,
    permit: Reader,
    Json(new): Json<NewQuery>,
) -> Result<impl IntoResponse, Problem> {
    let params = raw_logs::saved_params(&new.params, app.now())?;
    let query = saved::save(&app, &permit, (&new.name, new.shared), params).await?;
    Ok((StatusCode::CREATED, Json(view(&permit.name, &query))))
}

pub(crate) async fn change(
    State(app): State<Arc<App>>,
    permit: Reader,
    Path(path): Path<QueryPath>,
    Json(new): Json<ChangedQuery>,
) -> Result<Json<Value>, Problem> {
    let query = saved::change(&app, &permit, path.id, (&new.name, new.shared)).await?;
    Ok(Json(view(&permit.name, &query)))
}

pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    permit: Reader,
    Path(path): Path<QueryPath>,
) -> Result<StatusCode, Problem> {
    saved::remove(&app, &permit, path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn view(name: &EnvironmentName, query: &SavedQuery) -> Value {
    json!({
        "id": query.id, "name": query.title, "owner": query.owner, "shared": query.is_shared,
        "params": query.params, "saved_at": query.saved_at, "page": raw_logs::saved_address(name, query),
    })
}
