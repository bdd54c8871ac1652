//! Legal holds: what they cover is neither erased nor let go while they are in force.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::IntoResponse,
};
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use whowas_event::{Event, Kind, NativeId, Status, User};
use whowas_query::select::Selector;
use whowas_store::control::Hold;

use crate::{
    access::Access,
    app::App,
    auth::{Keeper, Permit},
    problem::Problem,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewHold {
    user: Option<String>,
    filter: Option<String>,
    #[serde(default)]
    all: bool,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Release {
    reason: String,
}

/// The holds in force.
pub(crate) async fn list(State(app): State<Arc<App>>, permit: Keeper) -> Result<Json<Value>, Problem> {
    let holds = app.control().holds(&permit.name).await?;
    Access::new("holds").with("rows", holds.len()).seen(&app, &permit).await?;
    Ok(Json(json!({ "holds": holds })))
}

/// Puts a hold in force.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    permit: Keeper,
    Json(new): Json<NewHold>,
) -> Result<impl IntoResponse, Problem> {
    // What is being erased is looked at before: a hold comes before that, or after it.
    let _keeping = app.keeping.lock().await;
    let (covers, text) = match (new.user, new.filter, new.all) {
        (Some(user), None, false) => ("user", user),
        (None, Some(filter), false) => {
            Selector::filter(&filter)?;
            ("filter", filter)
        }
        (None, None, true) => ("all", String::new()),
        _ => return Err(Problem::invalid("what is held? Give user, filter, or all")),
    };
    let covers = covers.to_owned();
    let hold = Hold { id: 0, covers, text, reason: new.reason, created_at: app.now() };
    // In force first: a crash in between leaves a hold without its record, which keeps data.
    let id = app.control().add_hold(&permit.name, &hold).await?;
    let personal = json!({ "covers": hold.covers, "reason": hold.reason, "text": hold.text });
    record(&app, &permit, "hold", id, personal).await?;
    Ok((StatusCode::CREATED, Json(json!({ "hold": id }))))
}

/// Ends a hold.
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    permit: Keeper,
    Path((_, _, id)): Path<(String, String, i64)>,
    Json(release): Json<Release>,
) -> Result<StatusCode, Problem> {
    let _keeping = app.keeping.lock().await;
    if !app.control().holds(&permit.name).await?.iter().any(|hold| hold.id == id) {
        return Err(Problem::not_found(format!("there is no hold {id} in force")));
    }
    // Recorded first: a hold that ends without a trace would be worse than a trace without an end.
    record(&app, &permit, "release", id, json!({ "reason": release.reason })).await?;
    app.control().release_hold(&permit.name, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A record of kind `retention`: whom a hold covers, and why, may name people.
async fn record(app: &App, permit: &Permit, action: &str, id: i64, personal: Value) -> Result<(), Problem> {
    let now = app.now();
    let event = Event {
        kind: Kind::Retention,
        occurred_at: now,
        status: Status::Success,
        native_id: NativeId::Derived(format!("{action}:{id}:{}", now.as_ms())),
        user: User { name: Some(permit.caller.name()), ..User::default() },
        ..Event::default()
    };
    let body = json!({ "action": action, "hold": id, "interface": "http" });
    whowas_collect::note(&permit.trail, event, (body, personal), now).await?;
    Ok(())
}
