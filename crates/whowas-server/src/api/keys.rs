//! A new key for a trail, while the server runs.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use whowas_export::evidence::{Disclose, record};

use crate::{app::App, auth::Keeper, problem::Problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    reason: String,
}

/// Rotates the key. The statement leads whoever trusts the old key to the new one; nobody can make it later
/// but from the record of the rotation, under a checkpoint that the new key signs.
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    permit: Keeper,
    Json(rotation): Json<Rotation>,
) -> Result<Json<Value>, Problem> {
    if rotation.reason.trim().is_empty() {
        return Err(Problem::invalid("reason: say why; it stays in the trail"));
    }
    let (name, user) = (permit.name.clone(), permit.caller.name());
    let personal = Map::from_iter([("reason".to_owned(), json!(rotation.reason))]);
    // To its end, also if the client goes away meanwhile.
    let rotating = tokio::spawn(async move {
        let _keeping = app.keeping.lock().await;
        app.store.rotate_key(&name, user, personal).await
    });
    let rotated = rotating.await.map_err(Problem::internal)??;
    let proof = rotated.proof;
    let statement = record::write(proof.proof, &proof.leaf, &proof.record, &Disclose::None);
    Ok(Json(json!({
        "environment": permit.name.as_str(), "old": rotated.old.to_string(), "vkey": rotated.new.to_string(),
        "statement": statement,
    })))
}
