//! View raw logs: the *Query* drop-down, the range, *Search*, the grid, *Export grid*.
//!
//! Everything that a page shows is in its address. Histogram and common values come as a part of their own
//! (`summary.rs`), so that rows do not wait for them.

mod grid;
mod range;
pub(crate) mod record;
pub(crate) mod summary;

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use whowas_event::{EnvironmentName, Time};
use whowas_query::{Filter, LoginRequest, NamedQuery};
use whowas_store::control::SavedQuery;

pub(super) use self::range::local;
use self::{
    grid::{Grid, Links},
    range::{PRESETS, Range},
};
use super::{Frame, SIGNED_IN, exports::SHAPES, html, stands_under};
use crate::{
    access::Access,
    api::params::{Params, named_query},
    app::App,
    auth::Reader,
    problem::Problem,
};

/// Rows of a page.
const PAGE_ROWS: usize = 100;
/// Zones that the field offers; it takes any other.
const ZONES: [&str; 20] = [
    "UTC",
    "Europe/London",
    "Europe/Paris",
    "Europe/Berlin",
    "Europe/Vienna",
    "Europe/Helsinki",
    "Europe/Istanbul",
    "Africa/Johannesburg",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Singapore",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Pacific/Auckland",
    "America/Sao_Paulo",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
];

/// Columns that can be hidden, by the word in the address.
const COLUMNS: [(&str, &str); 10] = [
    ("id", "User ID"),
    ("name", "Name"),
    ("email", "E-mail"),
    ("start", "Start"),
    ("end", "End"),
    ("status", "Status"),
    ("ip", "IP address"),
    ("client", "Client"),
    ("service", "Service"),
    ("proof", "Proof"),
];

#[derive(Debug, Default, Deserialize)]
pub(crate) struct RawLogParams {
    #[serde(default)]
    query: String,
    /// A stretch up to now, as `-7d`; start and end do not count then.
    #[serde(default)]
    range: String,
    #[serde(default)]
    start: String,
    #[serde(default)]
    end: String,
    /// The time zone in which times are read and shown.
    #[serde(default)]
    tz: String,
    #[serde(default)]
    filter: String,
    /// Columns that are not shown, separated by commas.
    #[serde(default)]
    hide: String,
    #[serde(default)]
    page: String,
    /// Tokens of the newer pages, the first page first, separated by full stops.
    #[serde(default)]
    back: String,
}

impl RawLogParams {
    fn request(&self, query: NamedQuery, range: &Range) -> Result<LoginRequest, Problem> {
        Ok(LoginRequest {
            query,
            from: Some(range.from),
            to: Some(range.to),
            filter: Filter::parse(&self.filter)?,
            limit: PAGE_ROWS,
            page: (!self.page.is_empty()).then(|| self.page.clone()),
            as_of: None,
        })
    }
}

struct Choice {
    word: &'static str,
    title: &'static str,
    is_selected: bool,
}

#[derive(Template)]
#[template(path = "raw_logs.html")]
struct RawLogsPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    queries: Vec<Choice>,
    saved: Vec<SavedChoice>,
    /// What *Save* sends beside a name.
    state: Vec<(&'static str, &'a str)>,
    presets: Vec<Choice>,
    /// Chosen: shown.
    columns: Vec<Choice>,
    zones: &'static [&'static str],
    start: String,
    end: String,
    is_of_days: bool,
    is_fixed: bool,
    /// In words.
    range: String,
    zone: String,
    filter: &'a str,
    hide: &'a str,
    message: Option<String>,
    /// What an export in the background can be written as.
    shapes: &'static [(&'static str, &'static str)],
    grid: Option<Grid>,
}

stands_under!(RawLogsPage, tab = "monitoring", sub_tab = "activity");

/// The page: its form, and what it found. A form that is not understood is shown again with the reason.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<RawLogParams>,
) -> Result<Response, Problem> {
    let now = app.now();
    if let Some(id) = params.query.strip_prefix(SAVED) {
        let id = id.parse().map_err(|_| Problem::not_found("there is no saved query of this number"))?;
        let query = crate::saved::find(&app, &permit, id).await?;
        return Ok(Redirect::to(&saved_address(&permit.name, &query)).into_response());
    }
    let saved = saved_choices(&app, &permit, &params).await?;
    let query = named_query(&params.query)?;
    let range = Range::of(&params, now);
    let (start, end, is_of_days, zone) = match &range {
        Ok(range) => (range.start.clone(), range.end.clone(), range.is_of_days(), range.zone_name.clone()),
        Err(_) => (params.start.clone(), params.end.clone(), true, params.tz.clone()),
    };
    let words = range.as_ref().map(Range::words).unwrap_or_default();
    let (message, grid) = match search(&app, &permit, &params, query, range, now).await {
        Ok(grid) => (None, Some(grid)),
        Err(problem) => (Some(problem.mendable()?), None),
    };
    let choices = |all: &[(&'static str, &'static str)], is_selected: &dyn Fn(&str) -> bool| {
        let choice = |&(word, title)| Choice { word, title, is_selected: is_selected(word) };
        all.iter().map(choice).collect()
    };
    let queries: Vec<_> = NamedQuery::ALL.iter().map(|one| (one.as_str(), one.title())).collect();
    let page = html(&RawLogsPage {
        frame: SIGNED_IN,
        name: &permit.name,
        saved,
        state: state(&params, query.as_str()),
        queries: choices(&queries, &|word| word == query.as_str()),
        presets: choices(&PRESETS, &|word| word == params.range),
        columns: choices(&COLUMNS, &|word| !params.hide.split(',').any(|hidden| hidden == word)),
        zones: &ZONES,
        start,
        end,
        is_of_days,
        is_fixed: params.range.is_empty(),
        range: words,
        zone,
        filter: &params.filter,
        hide: &params.hide,
        message,
        shapes: &SHAPES,
        grid,
    })?;
    Ok(page.into_response())
}

/// Before the number of a saved query, where the name of a query is expected.
const SAVED: &str = "saved:";

struct SavedChoice {
    word: String,
    title: String,
    is_selected: bool,
}

/// The saved queries of the drop-down. The one that the page shows is selected.
async fn saved_choices(
    app: &App,
    permit: &Reader,
    params: &RawLogParams,
) -> Result<Vec<SavedChoice>, Problem> {
    let shown = named_query(&params.query).map(|query| written(params, query.as_str())).unwrap_or_default();
    let queries = crate::saved::list(app, permit).await?.into_iter();
    let choice = |query: SavedQuery| SavedChoice {
        word: format!("{SAVED}{}", query.id),
        is_selected: query.params == shown,
        title: query.title,
    };
    Ok(queries.map(choice).collect())
}

/// The fields of the page that a saved query has, as they were given: what is relative stays so.
fn state<'a>(params: &'a RawLogParams, query: &'a str) -> Vec<(&'static str, &'a str)> {
    let all: [(&'static str, &'a str); 7] = [
        ("query", query),
        ("range", &params.range),
        ("start", &params.start),
        ("end", &params.end),
        ("tz", &params.tz),
        ("filter", &params.filter),
        ("hide", &params.hide),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn written(params: &RawLogParams, query: &str) -> String {
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    out.extend_pairs(state(params, query));
    out.finish()
}

/// What is saved of a state of this page, if the page would understand it.
pub(crate) fn saved_params(params: &RawLogParams, now: Time) -> Result<String, Problem> {
    let query = named_query(&params.query)?;
    let range = Range::of(params, now)?;
    query.check(&params.request(query, &range)?.filter)?;
    Ok(written(params, query.as_str()))
}

/// Where a saved query is shown.
pub(crate) fn saved_address(name: &EnvironmentName, query: &SavedQuery) -> String {
    format!("/p/{name}/monitoring/raw-logs?{}", query.params)
}

async fn search(
    app: &App,
    permit: &Reader,
    params: &RawLogParams,
    query: NamedQuery,
    range: Result<Range, Problem>,
    now: Time,
) -> Result<Grid, Problem> {
    let range = range?;
    let request = params.request(query, &range)?;
    let page = app.engine.logins(&permit.trail, &request, now).await?;
    let rows = page.rows.len() as u64;
    Access::of_request("search", &request, &params.filter, &page, rows).seen(app, permit).await?;
    Ok(Links { name: &permit.name, params, query, range: &range }.grid(page))
}
