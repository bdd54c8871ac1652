//! API tokens: shown once, stored as a digest, revocable.

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
use whowas_store::control::{Scope, Token};

use crate::{
    access::Access,
    app::App,
    auth::{Admin, Caller},
    problem::Problem,
    secret,
};

#[derive(Deserialize)]
pub(crate) struct NewToken {
    scope: String,
    environment: Option<String>,
    source: Option<String>,
}

pub(crate) async fn list(State(app): State<Arc<App>>, _: Admin) -> Result<Json<Value>, Problem> {
    let tokens: Vec<Value> = app.control().tokens().await?.iter().map(view).collect();
    Ok(Json(json!({ "tokens": tokens })))
}

/// Creates a token. This answer is the only place where its secret ever stands.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Json(new): Json<NewToken>,
) -> Result<impl IntoResponse, Problem> {
    let environment: Option<EnvironmentName> = new
        .environment
        .map(|name| name.parse())
        .transpose()
        .map_err(|e: whowas_event::NameError| Problem::invalid(e.to_string()))?;
    let (token, text) = make(&app, &caller, &new.scope, environment, new.source).await?;
    let mut answer = view(&token);
    if let Some(members) = answer.as_object_mut() {
        members.insert("token".to_owned(), text.into());
    }
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Creates a token and gives its text, which is kept nowhere. For the console, too.
pub(crate) async fn make(
    app: &App,
    caller: &Caller,
    scope: &str,
    environment: Option<EnvironmentName>,
    source: Option<String>,
) -> Result<(Token, String), Problem> {
    let scope = Scope::from_word(scope)
        .ok_or_else(|| Problem::invalid("scope: write ingest, read, scim or admin"))?;
    if let Some(name) = &environment {
        app.store.trail(name).await?;
    }
    let (text, hash) = secret::new_token()?;
    let mut token = Token { id: 0, scope, environment, source, created_at: app.now(), revoked_at: None };
    token.id = app.control().create_token(&token, &hash).await?;
    note(app, caller, "create_token", &token).await?;
    Ok((token, text))
}

/// Revokes a token, from now on.
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    end(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same for the console.
pub(crate) async fn end(app: &App, caller: &Caller, id: i64) -> Result<(), Problem> {
    let known = app.control().tokens().await?.into_iter().find(|token| token.id == id);
    let is_revoked = app.control().revoke_token(id, app.now()).await?;
    app.forget_tokens();
    let Some(token) = known.filter(|_| is_revoked) else {
        return Err(Problem::not_found("there is no token of this number in force"));
    };
    note(app, caller, "revoke_token", &token).await
}

fn view(token: &Token) -> Value {
    json!({
        "id": token.id,
        "scope": token.scope,
        "environment": token.environment.as_ref().map(EnvironmentName::as_str),
        "source": token.source,
        "created_at": token.created_at,
        "revoked_at": token.revoked_at,
    })
}

/// A token concerns the trail it opens: one, or all.
async fn note(app: &App, caller: &Caller, action: &str, token: &Token) -> Result<(), Problem> {
    let names = match &token.environment {
        Some(name) => vec![name.clone()],
        None => app.store.environments().await?,
    };
    for name in names {
        let trail = app.store.trail(&name).await?;
        let access = Access::new(action).with("token", token.id).with("scope", token.scope.as_str());
        access.done(app, &trail, caller).await?;
    }
    Ok(())
}
