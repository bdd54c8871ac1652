//! Users: the directory, as *System administration › Users* shows it.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Html};
use whowas_event::EnvironmentName;

use super::{Frame, SIGNED_IN, address, grouped, html, show, stands_under, user_page::user_href};
use crate::{
    access::Access,
    api::{
        params::Params,
        users::{self, UserParams, UserRow},
    },
    app::App,
    auth::Reader,
    problem::Problem,
};

struct PersonRow {
    id: String,
    name: String,
    email: String,
    uid: String,
    since: String,
    href: String,
}

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    filter: &'a str,
    total: String,
    people: Vec<PersonRow>,
    next: Option<String>,
}

stands_under!(UsersPage, tab = "users");

/// The people of an environment.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<UserParams>,
) -> Result<Html<String>, Problem> {
    let found = users::page(&permit.trail.snapshot().directory, &params);
    let rows = found.users.len() as u64;
    let access = Access::new("users").with("rows", rows).with_personal("filter", &params.filter);
    access.seen(&app, &permit).await?;
    let path = format!("/p/{}/users", permit.name);
    let next = found.next.map(|id| address(&path, &[("filter", &params.filter), ("page", &id)]));
    let people = found.users.into_iter().map(|person| row(&permit.name, person)).collect();
    let total = grouped(found.total);
    html(&UsersPage { frame: SIGNED_IN, name: &permit.name, filter: &params.filter, total, people, next })
}

fn row(name: &EnvironmentName, person: UserRow) -> PersonRow {
    let meant = [&person.uid, &person.name, &person.email_addr].into_iter().flatten().next();
    let href = meant.map(|id| user_href(name, id)).unwrap_or_default();
    PersonRow {
        href,
        id: person.name.unwrap_or(person.id),
        name: person.full_name.unwrap_or_default(),
        email: person.email_addr.unwrap_or_default(),
        uid: person.uid.unwrap_or_default(),
        since: person.since.map(show).unwrap_or_default(),
    }
}
