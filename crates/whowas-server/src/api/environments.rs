//! Environments: which there are, and new ones.

use std::sync::Arc;

use axum::{Json, extract::State, response::IntoResponse};
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use whowas_event::EnvironmentName;

use crate::{
    access::Access,
    app::App,
    auth::{Admin, Visitor},
    problem::Problem,
};

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
) -> Result<Json<Value>, Problem> {
    let mut environments = Vec::new();
    for environment in app.control().environments().await? {
        if caller.sees(&environment.name) {
            environments.push(json!({
                "name": environment.name.as_str(),
                "origin": environment.origin,
                "created_at": environment.created_at,
                "tree_size": environment.size,
            }));
        }
    }
    Ok(Json(json!({ "environments": environments })))
}

#[derive(Deserialize)]
pub(crate) struct NewEnvironment {
    name: String,
}

/// Creates an environment and its trail: a key pair and an empty signed tree.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Json(new): Json<NewEnvironment>,
) -> Result<impl IntoResponse, Problem> {
    let name: EnvironmentName =
        new.name.parse().map_err(|e: whowas_event::NameError| Problem::invalid(e.to_string()))?;
    let is_new = app.control().environment(&name).await?.is_none();
    let trail = app.store.create_trail(&name).await?;
    if is_new {
        Access::new("create_environment").done(&app, &trail, &caller).await?;
    }
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(json!({ "name": name.as_str(), "origin": trail.origin() }))))
}
