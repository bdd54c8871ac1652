//! The directory of people: as it is now, and one person through time.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use whowas_event::Time;
use whowas_query::UserHistory;
use whowas_store::{Directory, control::Person};

use super::params::{Params, as_of};
use crate::{access::Access, app::App, auth::Reader, problem::Problem};

/// People of a page if the caller does not say, and at most.
const PAGE_DEFAULT: usize = 200;
const PAGE_MAX: usize = 10_000;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct UserParams {
    /// A part of an id, a name or an address.
    #[serde(default)]
    pub(crate) filter: String,
    #[serde(default)]
    limit: Option<usize>,
    /// The id of the last person that was shown.
    #[serde(default)]
    page: String,
}

/// One person.
#[derive(Debug, Serialize)]
pub(crate) struct UserRow {
    pub(crate) id: String,
    pub(crate) uid: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) full_name: Option<String>,
    pub(crate) email_addr: Option<String>,
    pub(crate) since: Option<Time>,
    pub(crate) position: u64,
    /// Learned from a sign-in that had both id and names, not told by a directory.
    pub(crate) is_observed: bool,
    pub(crate) attributes: Value,
}

/// One page of people, by login name.
#[derive(Debug, Serialize)]
pub(crate) struct UserPage {
    pub(crate) users: Vec<UserRow>,
    pub(crate) next: Option<String>,
    pub(crate) total: u64,
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<UserParams>,
) -> Result<Json<UserPage>, Problem> {
    let page = page(&permit.trail.snapshot().directory, &params);
    let rows = page.users.len() as u64;
    let access = Access::new("users").with("rows", rows).with_personal("filter", &params.filter);
    access.seen(&app, &permit).await?;
    Ok(Json(page))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HistoryParams {
    /// An earlier state of the trail.
    as_of: String,
}

/// One person: who they are now, and what directories said of them through time.
#[derive(Debug, Serialize)]
pub(crate) struct UserAnswer {
    user: Option<UserRow>,
    #[serde(flatten)]
    history: UserHistory,
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    permit: Reader,
    Path((_, _, user)): Path<(String, String, String)>,
    Params(params): Params<HistoryParams>,
) -> Result<Json<UserAnswer>, Problem> {
    let (now, directory) = (app.now(), permit.trail.snapshot().directory.clone());
    let as_of = as_of(&params.as_of, now)?;
    let history = app.engine.user_history(&permit.trail, &user, as_of, now).await?;
    let known = directory.find(Some(&user), Some(&user), Some(&user)).filter(|_| as_of.is_none());
    if known.is_none() && history.versions.is_empty() {
        return Err(Problem::not_found("nobody is known by this id, login name or address"));
    }
    let access = Access::new("users").with("rows", history.versions.len() as u64);
    access.with("tree_size", history.tree_size).with_personal("user", &user).seen(&app, &permit).await?;
    Ok(Json(UserAnswer { user: known.map(row), history }))
}

/// The people whom the filter means, in the order of their login names.
pub(crate) fn page(directory: &Directory, params: &UserParams) -> UserPage {
    let needle = params.filter.trim().to_lowercase();
    let fits = |person: &&Person| {
        let texts = [Some(&person.id), person.uid.as_ref(), person.name.as_ref(), person.full_name.as_ref()];
        let mut texts = texts.into_iter().chain([person.email_addr.as_ref()]).flatten();
        needle.is_empty() || texts.any(|text| text.to_lowercase().contains(&needle))
    };
    let mut found: Vec<&Person> = directory.iter().filter(fits).collect();
    found.sort_by_cached_key(|person| {
        (person.name.as_ref().map(|name| name.to_lowercase()), person.id.clone())
    });
    let limit = params.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let total = found.len() as u64;
    let shown = found.iter().position(|person| person.id == params.page).map_or(0, |last| last + 1);
    let mut rest = found.into_iter().skip(shown);
    let users: Vec<UserRow> = rest.by_ref().take(limit).map(row).collect();
    let next = rest.next().and(users.last()).map(|last| last.id.clone());
    UserPage { users, next, total }
}

fn row(person: &Person) -> UserRow {
    let Person { id, uid, name, full_name, email_addr, attributes, position, since, is_observed } =
        person.clone();
    let attributes = attributes.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    UserRow { id, uid, name, full_name, email_addr, since, position, is_observed, attributes }
}
