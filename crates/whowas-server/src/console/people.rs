//! Dormant users, user activity aging, distinct users, sign-ins after leaving.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Html};
use whowas_event::EnvironmentName;
use whowas_query::{LastSignIn, LoginRow};

use super::{Frame, SIGNED_IN, grouped, html, show, stands_under};
use crate::{
    api::{
        params::Params,
        usage::{self, DORMANT_DAYS, UsageParams},
    },
    app::App,
    auth::Reader,
    problem::Problem,
};

/// Rows that a page shows; the API has all.
const ROWS_MAX: usize = 1_000;

struct DormantLine {
    user: String,
    name: String,
    alias: String,
    company: String,
    enabled: &'static str,
    last: String,
    days: String,
    kind: String,
}

struct DormantRows {
    rows: Vec<DormantLine>,
    total: String,
}

#[derive(Template)]
#[template(path = "dormant.html")]
struct DormantView<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    days: String,
    status: &'a str,
    account_type: &'a str,
    message: Option<String>,
    found: Option<DormantRows>,
}

stands_under!(DormantView, tab = "usage", sub_tab = "dormant");

/// Dormant users.
pub(crate) async fn dormant(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<UsageParams>,
) -> Result<Html<String>, Problem> {
    let (message, found) = match usage::find_dormant(&app, &permit, &params).await {
        Ok(page) => {
            let rows = page.users.into_iter().take(ROWS_MAX).map(dormant_line).collect();
            (None, Some(DormantRows { rows, total: grouped(page.total) }))
        }
        Err(problem) => (Some(problem.mendable()?), None),
    };
    let days = if params.days.is_empty() { DORMANT_DAYS.to_string() } else { params.days.clone() };
    html(&DormantView {
        frame: SIGNED_IN,
        name: &permit.name,
        days,
        status: &params.status,
        account_type: &params.account_type,
        message,
        found,
    })
}

fn dormant_line(one: LastSignIn) -> DormantLine {
    let enabled = one.enabled.map(|enabled| if enabled { "yes" } else { "no" });
    DormantLine {
        user: one.user_id,
        name: one.user_name.unwrap_or_default(),
        alias: one.alias.unwrap_or_default(),
        company: one.company.unwrap_or_default(),
        enabled: enabled.unwrap_or_default(),
        last: one.last_login.map(show).unwrap_or_default(),
        days: one.days_since_last_login.map(grouped).unwrap_or_default(),
        kind: one.account_type.unwrap_or_default(),
    }
}

struct AgingLine {
    range: String,
    users: String,
    href: String,
}

#[derive(Template)]
#[template(path = "aging.html")]
struct AgingView<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    ranges: String,
    message: Option<String>,
    rows: Vec<AgingLine>,
    never: String,
}

stands_under!(AgingView, tab = "usage", sub_tab = "aging");

/// User activity aging.
pub(crate) async fn aging(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<UsageParams>,
) -> Result<Html<String>, Problem> {
    let (message, rows, never) = match usage::find_ages(&app, &permit, &params).await {
        Ok(page) => {
            let line = |range: whowas_query::AgingRange| AgingLine {
                range: match range.to_days {
                    Some(to) => format!("{} to {} days", range.from_days, to.saturating_sub(1)),
                    None => format!("{} days and more", range.from_days),
                },
                users: grouped(range.users),
                href: format!("/p/{}/dormant?days={}", permit.name, range.from_days),
            };
            (None, page.ranges.into_iter().map(line).collect(), grouped(page.never))
        }
        Err(problem) => (Some(problem.mendable()?), Vec::new(), String::new()),
    };
    let ranges = match params.ranges.as_str() {
        "" => whowas_query::AGING_DAYS.map(|days| days.to_string()).join(","),
        text => text.to_owned(),
    };
    html(&AgingView { frame: SIGNED_IN, name: &permit.name, ranges, message, rows, never })
}

struct CountLine {
    user: String,
    name: String,
    day: String,
    sign_ins: String,
    sessions: String,
    first: String,
    last: String,
}

struct CountRows {
    rows: Vec<CountLine>,
    total: String,
    from: String,
    to: String,
}

#[derive(Template)]
#[template(path = "distinct.html")]
struct DistinctView<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    from: &'a str,
    to: &'a str,
    is_by_day: bool,
    filter: &'a str,
    message: Option<String>,
    found: Option<CountRows>,
}

stands_under!(DistinctView, tab = "usage", sub_tab = "distinct");

/// Distinct users, and their distinct sessions.
pub(crate) async fn distinct(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<UsageParams>,
) -> Result<Html<String>, Problem> {
    let (message, found) = match usage::find_distinct(&app, &permit, &params).await {
        Ok(page) => {
            let line = |one: whowas_query::UserCount| CountLine {
                user: one.user_id,
                name: one.user_name.unwrap_or_default(),
                day: one.day.unwrap_or_default(),
                sign_ins: grouped(one.sign_ins),
                sessions: grouped(one.sessions),
                first: show(one.first),
                last: show(one.last),
            };
            let rows = page.users.into_iter().take(ROWS_MAX).map(line).collect();
            let (from, to) = (show(page.from), show(page.to));
            (None, Some(CountRows { rows, total: grouped(page.total), from, to }))
        }
        Err(problem) => (Some(problem.mendable()?), None),
    };
    html(&DistinctView {
        frame: SIGNED_IN,
        name: &permit.name,
        from: &params.from,
        to: &params.to,
        is_by_day: params.by == "day",
        filter: &params.filter,
        message,
        found,
    })
}

struct LeaverLine {
    position: u64,
    user: String,
    name: String,
    at: String,
    ip: String,
    service: String,
}

#[derive(Template)]
#[template(path = "after_leaving.html")]
struct AfterLeavingView<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    total: String,
    rows: Vec<LeaverLine>,
}

stands_under!(AfterLeavingView, tab = "usage", sub_tab = "after-leaving");

/// Sign-ins after leaving.
pub(crate) async fn after_leaving(
    State(app): State<Arc<App>>,
    permit: Reader,
) -> Result<Html<String>, Problem> {
    let page = usage::find_after_leaving(&app, &permit).await?;
    let line = |row: LoginRow| LeaverLine {
        position: row.position,
        user: row.user_name.or(row.user_uid).unwrap_or_default(),
        name: row.user_full_name.unwrap_or_default(),
        at: show(row.occurred_at),
        ip: row.src_ip.unwrap_or_default(),
        service: row.service_name.unwrap_or_default(),
    };
    let rows = page.rows.into_iter().take(ROWS_MAX).map(line).collect();
    html(&AfterLeavingView { frame: SIGNED_IN, name: &permit.name, total: grouped(page.total), rows })
}
