//! The public side of a trail after C2SP tlog-tiles: checkpoint, key and hash tiles, open to anyone who can
//! reach the server. They hold no personal data and can be checked without trusting it.
//!
//! Entry bundles hold no personal data in clear either, but times and services: they need the scope
//! *read*. Reading them leaves no `access` record, because a monitor that follows the log would make it
//! grow with every look.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path, State},
    response::{IntoResponse, Response},
};
use hyper::{
    header::{CACHE_CONTROL, CONTENT_TYPE},
    http::request::Parts,
};
use whowas_store::Trail;
use whowas_tlog::tile::TileId;

use crate::{
    app::App,
    auth::{Reader, environment_in_path},
    problem::Problem,
};

/// A trail as far as it is public.
pub(crate) struct PublicLog(Arc<Trail>);

impl FromRequestParts<Arc<App>> for PublicLog {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let name = environment_in_path(parts, app).await?;
        Ok(Self(app.store.trail(&name).await?))
    }
}

pub(crate) async fn checkpoint(PublicLog(trail): PublicLog) -> Response {
    let checkpoint = trail.checkpoint();
    ([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-cache")], checkpoint).into_response()
}

/// The public key, one line. Whoever relies on it keeps a copy: a server can show another one later.
pub(crate) async fn vkey(PublicLog(trail): PublicLog) -> Response {
    let vkey = format!("{}\n", trail.verifying_key());
    ([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-cache")], vkey).into_response()
}

pub(crate) async fn tile(
    State(_): State<Arc<App>>,
    PublicLog(trail): PublicLog,
    Path((_, _, tile)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    // Parsing is what keeps the path inside of the trail.
    let id = TileId::parse(&format!("tile/{tile}")).map_err(|e| Problem::not_found(e.to_string()))?;
    let bytes = trail.tile(id).await?;
    let bytes = bytes.ok_or_else(|| Problem::not_found("there is no such tile in this tree"))?;
    // A tile never changes.
    let headers =
        [(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, bytes).into_response())
}

pub(crate) async fn entries(
    permit: Reader,
    Path((_, _, bundle)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let id = TileId::parse_entries(&format!("tile/entries/{bundle}"));
    let id = id.map_err(|e| Problem::not_found(e.to_string()))?;
    let bytes = permit.trail.entry_bundle(id).await?;
    let minimum_index = permit.trail.snapshot().erased.minimum_index();
    let bytes = bytes.ok_or_else(|| match minimum_index {
        0 => Problem::not_found("there is no such entry bundle in this tree"),
        index => Problem::not_found(format!(
            "there is no such entry bundle in this tree, or it is before the minimum index {index} of the rule of retention"
        )),
    })?;
    // It never changes, and is for whoever has the token, not for a shared cache.
    let headers =
        [(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, "private, max-age=31536000, immutable")];
    Ok((headers, bytes).into_response())
}
