//! An answer with its evidence, as one zip: what `export --evidence` makes.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use hyper::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use serde::Deserialize;
use tokio::sync::Semaphore;
use whowas_export::ExportFormat;

use super::params::{LoginParams, Params};
use crate::{
    access::Access,
    app::App,
    auth::Reader,
    evidence::{self, BundleError, BundleRequest},
    file_body::file_body,
    problem::Problem,
};

/// Bundles that are made at once: each decodes every archive file since the beginning of its range.
static MAKING: Semaphore = Semaphore::const_new(2);

#[derive(Debug, Deserialize)]
pub(crate) struct FormatParam {
    #[serde(default)]
    r#as: String,
}

/// Makes the bundle in a temporary file that has no name, and sends it. Its `access` record, with the
/// manifest's digest, is durable before the first byte leaves.
pub(crate) async fn bundle(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(format): Params<FormatParam>,
    Params(params): Params<LoginParams>,
) -> Result<Response, Problem> {
    let word = if format.r#as.is_empty() { "csv" } else { &format.r#as };
    let format = ExportFormat::from_word(word)
        .ok_or_else(|| Problem::invalid("as: a bundle has its rows as csv or jsonl"))?;
    let _making = MAKING.try_acquire().map_err(|_| Problem::from(whowas_store::StoreError::Busy))?;
    let now = app.now();
    let mut request = params.request(now)?;
    (request.page, request.limit) = (None, 1);
    let page = app.engine.logins(&permit.trail, &request, now).await?;
    // The same range, though the clock goes on.
    (request.from, request.to) = (Some(page.from), Some(page.to));
    let file = tempfile::tempfile().map_err(|e| problem(BundleError::Write(e)))?;
    let asked = BundleRequest {
        request: &request,
        from: page.from,
        to: page.to,
        filter: &params.filter,
        time_zone: "UTC",
        format,
        exported_by: permit.caller.name(),
        now,
    };
    let made = evidence::write(file, &app.engine, &permit.trail, asked).await.map_err(problem)?;
    Access::of_request("export", &request, &params.filter, &page, made.manifest.rows)
        .with("as", format.as_str())
        .with("evidence", made.sha256.as_str())
        .seen(&app, &permit)
        .await?;
    let length = made.file.metadata().map_err(|e| problem(BundleError::Write(e)))?.len();
    let name = permit.name.as_str().replace('/', "-");
    let disposition = format!("attachment; filename=\"{name}_{}_evidence.zip\"", request.query.as_str());
    let headers = [
        (CONTENT_TYPE, "application/zip".to_owned()),
        (CONTENT_LENGTH, length.to_string()),
        (CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, file_body(made.file, 0..length)).into_response())
}

fn problem(error: BundleError) -> Problem {
    match error {
        BundleError::Query(error) => error.into(),
        BundleError::Store(error) => error.into(),
        BundleError::Write(error) => {
            whowas_store::StoreError::File { path: "a temporary file".to_owned(), source: error }.into()
        }
    }
}
