//! The proof of one record, as a file that convinces without this server.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Deserialize;
use whowas_export::evidence::{Disclose, record};

use super::params::Params;
use crate::{access::Access, app::App, auth::Reader, problem::Problem};

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ProofParams {
    /// `all`, `none`, or names of personal fields.
    #[serde(default)]
    disclose: String,
}

/// The proof, verified. Whoever may search sees every personal field there, and so may have each here;
/// `disclose` keeps fields back from whoever the file is handed on to. Its `access` record is durable
/// before the first byte leaves.
pub(crate) async fn download(
    State(app): State<Arc<App>>,
    permit: Reader,
    Path((_, _, position)): Path<(String, String, String)>,
    Params(params): Params<ProofParams>,
) -> Result<Response, Problem> {
    let disclose =
        Disclose::parse(&params.disclose).map_err(|e| Problem::invalid(format!("disclose: {e}")))?;
    let position: u64 = position.parse().map_err(|_| Problem::not_found("a position is a number, from 0"))?;
    let proven = permit.trail.prove(position).await?;
    let file = record::write(proven.proof, &proven.leaf, &proven.record, &disclose);
    Access::new("proof").with("position", position).seen(&app, &permit).await?;
    let name = format!("{}-{position}.tlog-proof", permit.name.as_str().replace('/', "-"));
    let disposition = format!("attachment; filename=\"{name}\"");
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CONTENT_DISPOSITION, &disposition)], file)
        .into_response())
}
