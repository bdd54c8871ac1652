//! One environment: its details, and what may be asked of its activity.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Html};
use whowas_event::EnvironmentName;
use whowas_query::NamedQuery;

use super::{Frame, SIGNED_IN, address, grouped, html, show, stands_under};
use crate::{app::App, auth::Reader, problem::Problem};

#[derive(Template)]
#[template(path = "details.html")]
struct DetailsPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    created_at: String,
    records: String,
    people: String,
    origin: &'a str,
    verifying_key: String,
    is_stopped: bool,
}

stands_under!(DetailsPage, tab = "details");

/// Environment details.
pub(crate) async fn details(State(app): State<Arc<App>>, permit: Reader) -> Result<Html<String>, Problem> {
    let environment = app.control().environment(&permit.name).await?;
    let environment = environment.ok_or_else(|| Problem::not_found("there is no such environment"))?;
    let snapshot = permit.trail.snapshot();
    html(&DetailsPage {
        frame: SIGNED_IN,
        name: &permit.name,
        created_at: show(environment.created_at),
        records: grouped(snapshot.size),
        people: grouped(snapshot.directory.len() as u64),
        origin: permit.trail.origin(),
        verifying_key: app.store.verifying_key(&environment)?.to_string(),
        is_stopped: permit.trail.poisoned().is_some(),
    })
}

struct QueryLink {
    title: &'static str,
    href: String,
}

#[derive(Template)]
#[template(path = "activity.html")]
struct ActivityPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    queries: Vec<QueryLink>,
}

stands_under!(ActivityPage, tab = "monitoring", sub_tab = "activity");

/// Monitoring › Activity.
pub(crate) async fn activity(permit: Reader) -> Result<Html<String>, Problem> {
    let path = format!("/p/{}/monitoring/raw-logs", permit.name);
    let link = |query: &NamedQuery| QueryLink {
        title: query.title(),
        href: address(&path, &[("query", query.as_str())]),
    };
    let queries = NamedQuery::ALL.iter().map(link).collect();
    html(&ActivityPage { frame: SIGNED_IN, name: &permit.name, queries })
}
