//! A report for an auditor, as PDF or HTML.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use whowas_query::WINDOW_DAYS_DEFAULT;
use whowas_store::StoreError;

use super::params::{LoginParams, Params};
use crate::{
    access::Access,
    app::App,
    auth::Reader,
    problem::Problem,
    report::{self, Gathered, ReportRequest},
};

/// Reports that are made at once: each asks a dozen questions.
static MAKING: Semaphore = Semaphore::const_new(2);

#[derive(Debug, Deserialize)]
pub(crate) struct FormatParam {
    #[serde(default)]
    r#as: String,
}

/// Makes the report and sends it. Its `access` record, with the file's digest, is durable before that.
pub(crate) async fn download(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(format): Params<FormatParam>,
    Params(params): Params<LoginParams>,
) -> Result<Response, Problem> {
    let (extension, media_type) = match format.r#as.as_str() {
        "" | "pdf" => ("pdf", "application/pdf"),
        "html" => ("html", "text/html; charset=utf-8"),
        _ => return Err(Problem::invalid("as: a report is made as pdf or html")),
    };
    let gathered = gather(&app, &permit, &params).await?;
    let report = gathered.report.clone();
    let is_pdf = extension == "pdf";
    let write = move || if is_pdf { report.to_pdf() } else { report.to_html().into_bytes() };
    let bytes = tokio::task::spawn_blocking(write).await.map_err(Problem::internal)?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    note(&app, &permit, &params, (&gathered, extension), &sha256).await?;
    let name = permit.name.as_str().replace('/', "-");
    let disposition = format!("attachment; filename=\"{name}_report.{extension}\"");
    Ok(([(CONTENT_TYPE, media_type), (CONTENT_DISPOSITION, &disposition)], bytes).into_response())
}

/// The report of these parameters, for the API and the console.
pub(crate) async fn gather(app: &App, permit: &Reader, params: &LoginParams) -> Result<Gathered, Problem> {
    let _making = MAKING.try_acquire().map_err(|_| Problem::from(StoreError::Busy))?;
    let now = app.now();
    let request = params.request(now)?;
    if request.as_of.is_some() {
        return Err(Problem::invalid("as_of: a report is of the present state"));
    }
    let to = request.to.unwrap_or_else(|| now.saturating_add_ms(1));
    let from = request.from.unwrap_or_else(|| to.saturating_add_ms(-WINDOW_DAYS_DEFAULT * 86_400_000));
    let prepared_by = permit.caller.name();
    let asked = ReportRequest { from, to, filter: &params.filter, prepared_by, now };
    Ok(report::gather(&app.engine, app.control().as_ref(), &permit.trail, &asked).await?)
}

/// Writes down that a report was made.
pub(crate) async fn note(
    app: &App,
    permit: &Reader,
    params: &LoginParams,
    (gathered, format): (&Gathered, &str),
    sha256: &str,
) -> Result<(), Problem> {
    let access = Access::new("report").with("as", format).with("rows", gathered.rows);
    let access = access.with("tree_size", gathered.tree_size).with("scope", gathered.report.foot.as_str());
    let access = if sha256.is_empty() { access } else { access.with("sha256", sha256) };
    access.with_personal("filter", &params.filter).seen(app, permit).await
}
