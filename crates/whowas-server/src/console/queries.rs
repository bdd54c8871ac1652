//! Saved queries: their page, and what its forms do.

use std::sync::Arc;

use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    response::{Html, Redirect},
};
use serde::Deserialize;
use whowas_event::EnvironmentName;
use whowas_store::control::SavedQuery;

use super::{
    Frame, SIGNED_IN, html,
    raw_logs::{self, RawLogParams},
    show, stands_under,
};
use crate::{app::App, auth::Reader, problem::Problem, saved};

struct QueryRow {
    id: i64,
    title: String,
    href: String,
    /// As it is read: the parameters without the signs of an address.
    params: String,
    owner: String,
    saved: String,
    is_shared: bool,
    may_change: bool,
}

#[derive(Template)]
#[template(path = "queries.html")]
struct QueriesPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    queries: Vec<QueryRow>,
}

stands_under!(QueriesPage, tab = "monitoring", sub_tab = "activity");

/// The saved queries that the caller sees.
pub(crate) async fn page(State(app): State<Arc<App>>, permit: Reader) -> Result<Html<String>, Problem> {
    let queries = saved::list(&app, &permit).await?;
    let queries = queries.into_iter().map(|query| row(&permit, query)).collect();
    html(&QueriesPage { frame: SIGNED_IN, name: &permit.name, queries })
}

fn row(permit: &Reader, query: SavedQuery) -> QueryRow {
    let params = url::form_urlencoded::parse(query.params.as_bytes());
    let words: Vec<String> = params.map(|(name, value)| format!("{name} {value}")).collect();
    QueryRow {
        id: query.id,
        href: raw_logs::saved_address(&permit.name, &query),
        params: words.join(" · "),
        saved: show(query.saved_at),
        is_shared: query.is_shared,
        may_change: saved::may_change(permit, &query),
        title: query.title,
        owner: query.owner,
    }
}

/// What *Save this query* sends: the page's own fields, and a name.
#[derive(Debug, Deserialize)]
pub(crate) struct SaveForm {
    name: String,
    /// `on` if the box is ticked.
    #[serde(default)]
    shared: String,
    #[serde(flatten)]
    params: RawLogParams,
}

/// Saves a query and shows it.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    permit: Reader,
    Form(form): Form<SaveForm>,
) -> Result<Redirect, Problem> {
    let params = raw_logs::saved_params(&form.params, app.now())?;
    let query = saved::save(&app, &permit, (&form.name, !form.shared.is_empty()), params).await?;
    Ok(Redirect::to(&raw_logs::saved_address(&permit.name, &query)))
}

/// Number of a saved query, in a path with an environment.
#[derive(Debug, Deserialize)]
pub(crate) struct QueryPath {
    id: i64,
}

/// What the forms of the page send: *Save* or *Delete*.
#[derive(Debug, Deserialize)]
pub(crate) struct ChangeForm {
    #[serde(default)]
    name: String,
    #[serde(default)]
    shared: String,
    #[serde(default)]
    delete: String,
}

/// Renames, shares or deletes a saved query.
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    permit: Reader,
    Path(path): Path<QueryPath>,
    Form(form): Form<ChangeForm>,
) -> Result<Redirect, Problem> {
    if form.delete.is_empty() {
        saved::change(&app, &permit, path.id, (&form.name, !form.shared.is_empty())).await?;
    } else {
        saved::remove(&app, &permit, path.id).await?;
    }
    Ok(Redirect::to(&format!("/p/{}/monitoring/queries", permit.name)))
}
