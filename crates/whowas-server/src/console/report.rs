//! The report for an auditor as a page, and its files.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Html};
use serde::Deserialize;
use whowas_event::EnvironmentName;

use super::{Frame, SIGNED_IN, address, html, stands_under};
use crate::{
    api::{
        params::{LoginParams, Params},
        report,
    },
    app::App,
    auth::Reader,
    problem::Problem,
};

/// The form's fields, as they stand in the address.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Fields {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
}

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    from: &'a str,
    to: &'a str,
    filter: &'a str,
    message: Option<String>,
    /// HTML that was escaped where it was made.
    body: Option<String>,
    pdf: String,
    file: String,
}

stands_under!(ReportPage, tab = "exports");

/// The report of a range.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(fields): Params<Fields>,
    Params(params): Params<LoginParams>,
) -> Result<Html<String>, Problem> {
    let (message, body) = match report::gather(&app, &permit, &params).await {
        Ok(gathered) => {
            report::note(&app, &permit, &params, (&gathered, "page"), "").await?;
            (None, Some(gathered.report.to_html_body()))
        }
        Err(problem) => (Some(problem.mendable()?), None),
    };
    let path = format!("/api/v1/environments/{}/report", permit.name);
    let file = |format| {
        let asked =
            [("as", format), ("from", &*fields.from), ("to", &*fields.to), ("filter", &*params.filter)];
        address(&path, &asked)
    };
    html(&ReportPage {
        frame: SIGNED_IN,
        name: &permit.name,
        from: &fields.from,
        to: &fields.to,
        filter: &params.filter,
        message,
        body,
        pdf: file("pdf"),
        file: file("html"),
    })
}
