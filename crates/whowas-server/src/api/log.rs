//! The public side of a trail after C2SP tlog-tiles: checkpoint and hash tiles, open to anyone who can
//! reach the server. They hold no personal data and can be checked without trusting it.

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

use crate::{app::App, auth::environment_in_path, problem::Problem};

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
    let checkpoint = trail.snapshot().checkpoint.clone();
    ([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-cache")], checkpoint).into_response()
}

pub(crate) async fn tile(
    State(_): State<Arc<App>>,
    PublicLog(trail): PublicLog,
    Path((_, _, tile)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    // Parsing is what keeps the path inside of the trail.
    let id = TileId::parse(&format!("tile/{tile}")).map_err(|e| Problem::not_found(e.to_string()))?;
    let found = trail.public_object(&id.path()).await?;
    let bytes = found.ok_or_else(|| Problem::not_found("there is no such tile in this tree"))?;
    // A tile never changes.
    let headers =
        [(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, bytes).into_response())
}
