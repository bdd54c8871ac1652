//! *User log*, with the tabs and columns of the form of that name: Overview, General, Statistics; and the two lists of what
//! does not fit together.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Html};
use serde::Deserialize;
use whowas_event::{EnvironmentName, Time};
use whowas_query::{Filter, SessionQuery, SessionRequest, UserCount};

use super::{Frame, SIGNED_IN, address, grouped, html, presence::SessionLine, show, stands_under};
use crate::{
    access::Access,
    api::{
        params::{Params, time},
        sessions::looked,
    },
    app::App,
    auth::Reader,
    problem::Problem,
};

const DAY_MS: i64 = 86_400_000;
/// As in the original form.
const WINDOW_DAYS: i64 = 100;
/// Rows of a page.
const PAGE_ROWS: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UserLogParams {
    tab: String,
    start: String,
    end: String,
    filter: String,
    page: String,
}

/// A tab, and what it lists.
struct Tab {
    word: &'static str,
    title: &'static str,
    query: SessionQuery,
}

const TABS: [Tab; 5] = [
    Tab { word: "overview", title: "Overview", query: SessionQuery::Sessions },
    Tab { word: "general", title: "General", query: SessionQuery::Sessions },
    Tab { word: "statistics", title: "Statistics", query: SessionQuery::Sessions },
    Tab {
        word: "logon-without-logoff",
        title: "Logon without logoff",
        query: SessionQuery::LogonWithoutLogoff,
    },
    Tab {
        word: "logoff-without-logon",
        title: "Logoff without logon",
        query: SessionQuery::LogoffWithoutLogon,
    },
];

struct TabLink {
    title: &'static str,
    href: String,
    is_current: bool,
}

struct Statistic {
    user: String,
    name: String,
    sign_ins: u64,
    sessions: u64,
    first: String,
    last: String,
}

struct Found {
    rows: Vec<SessionLine>,
    statistics: Vec<Statistic>,
    total: String,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "user_log.html")]
struct UserLogPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    tabs: Vec<TabLink>,
    word: &'static str,
    title: &'static str,
    start: String,
    end: String,
    filter: &'a str,
    message: Option<String>,
    found: Option<Found>,
}

stands_under!(UserLogPage, tab = "user-log");

/// The page.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<UserLogParams>,
) -> Result<Html<String>, Problem> {
    let [first, ..] = &TABS;
    let tab = TABS.iter().find(|tab| tab.word == params.tab).unwrap_or(first);
    let now = app.now();
    let range = range(&params, now);
    let (start, end) = match &range {
        Ok((from, to)) => (day(*from), day(to.saturating_add_ms(-1))),
        Err(_) => (params.start.clone(), params.end.clone()),
    };
    let found = match range {
        Ok(range) => search(&app, &permit, tab, &params, range).await,
        Err(problem) => Err(problem),
    };
    let (message, found) = match found {
        Ok(found) => (None, Some(found)),
        Err(problem) => (Some(problem.mendable()?), None),
    };
    let path = format!("/p/{}/user-log", permit.name);
    let link = |one: &Tab| TabLink {
        title: one.title,
        href: address(
            &path,
            &[("tab", one.word), ("start", &start), ("end", &end), ("filter", &params.filter)],
        ),
        is_current: one.word == tab.word,
    };
    html(&UserLogPage {
        frame: SIGNED_IN,
        name: &permit.name,
        tabs: TABS.iter().map(link).collect(),
        word: tab.word,
        title: tab.title,
        filter: &params.filter,
        start,
        end,
        message,
        found,
    })
}

/// Two days, both included, in UTC.
fn range(params: &UserLogParams, now: Time) -> Result<(Time, Time), Problem> {
    let today = now.saturating_add_ms(-now.as_ms().rem_euclid(DAY_MS));
    let end = time("End date", &params.end, now)?.unwrap_or(today);
    let start = time("Start date", &params.start, now)?;
    let start = start.unwrap_or_else(|| end.saturating_add_ms(-WINDOW_DAYS * DAY_MS));
    if start > end {
        return Err(Problem::invalid("the start date is after the end date"));
    }
    Ok((start, end.saturating_add_ms(DAY_MS)))
}

fn day(time: Time) -> String {
    time.to_string().chars().take(10).collect()
}

async fn search(
    app: &App,
    permit: &Reader,
    tab: &Tab,
    params: &UserLogParams,
    (from, to): (Time, Time),
) -> Result<Found, Problem> {
    let filter = Filter::parse(&params.filter)?;
    let now = app.now();
    if tab.word == "statistics" {
        let users = app.engine.distinct_users(&permit.trail, (from, to), &filter, false, now).await?;
        Access::new("user-log")
            .with("rows", users.len() as u64)
            .with_personal("filter", &params.filter)
            .seen(app, permit)
            .await?;
        let total = grouped(users.len() as u64);
        return Ok(Found {
            statistics: users.into_iter().map(statistic).collect(),
            rows: Vec::new(),
            total,
            next: None,
        });
    }
    let request = SessionRequest {
        query: tab.query,
        from: Some(from),
        to: Some(to),
        filter,
        limit: PAGE_ROWS,
        page: (!params.page.is_empty()).then(|| params.page.clone()),
        as_of: None,
    };
    let page = app.engine.sessions(&permit.trail, &request, now).await?;
    looked(&page, tab.query, &params.filter).seen(app, permit).await?;
    let path = format!("/p/{}/user-log", permit.name);
    let (start, end) = (day(from), day(to.saturating_add_ms(-1)));
    let link = |token: &String| {
        let params = [
            ("tab", tab.word),
            ("start", &start),
            ("end", &end),
            ("filter", &params.filter),
            ("page", token),
        ];
        address(&path, &params)
    };
    Ok(Found {
        next: page.next.as_ref().map(link),
        rows: page.rows.into_iter().map(|row| SessionLine::new(&permit.name, row)).collect(),
        statistics: Vec::new(),
        total: grouped(page.total),
    })
}

fn statistic(one: UserCount) -> Statistic {
    Statistic {
        user: one.user_id,
        name: one.user_name.unwrap_or_default(),
        sign_ins: one.sign_ins,
        sessions: one.sessions,
        first: show(one.first),
        last: show(one.last),
    }
}
