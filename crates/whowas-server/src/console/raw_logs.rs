//! View raw logs: the *Query* drop-down, the end date, *Search*, the grid, *Export grid*.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Html};
use serde::Deserialize;
use whowas_event::{EnvironmentName, Time};
use whowas_query::{Filter, LoginPage, LoginRequest, LoginRow, NameSource, NamedQuery};

use super::{Frame, SIGNED_IN, address, grouped, html, show, stands_under};
use crate::{
    access::Access,
    api::params::{Params, named_query},
    app::App,
    auth::Reader,
    problem::Problem,
};

const DAY_MS: i64 = 86_400_000;
/// As in the original: start = end date − 7 days.
const WINDOW_DAYS: i64 = 7;
/// Rows of a page.
const PAGE_ROWS: usize = 100;
/// Newer pages that an address remembers; beyond, the way back leads to the first page.
const BACK_MAX: usize = 20;
/// Stands for the first page among remembered page tokens.
const FIRST_PAGE: &str = "first";

#[derive(Debug, Default, Deserialize)]
pub(crate) struct RawLogParams {
    #[serde(default)]
    query: String,
    #[serde(default)]
    start: String,
    #[serde(default)]
    end: String,
    #[serde(default)]
    filter: String,
    #[serde(default)]
    page: String,
    /// Tokens of the newer pages, the first page first, separated by full stops.
    #[serde(default)]
    back: String,
}

/// Two days, both included, in UTC.
struct Range {
    start: Time,
    end: Time,
}

impl Range {
    /// Of the form's fields; an empty end is today, an empty start seven days before the end.
    fn of(params: &RawLogParams, now: Time) -> Result<Self, Problem> {
        let date = |name: &str, text: &str| {
            let midnight = Time::parse_rfc3339(&format!("{text}T00:00:00Z"));
            midnight.map_err(|_| Problem::invalid(format!("{name}: write a date as 2026-11-24")))
        };
        let today = now.saturating_add_ms(-now.as_ms().rem_euclid(DAY_MS));
        let end = if params.end.is_empty() { today } else { date("End date", &params.end)? };
        let start = match params.start.as_str() {
            "" => end.saturating_add_ms(-WINDOW_DAYS * DAY_MS),
            text => date("Start date", text)?,
        };
        if start > end {
            return Err(Problem::invalid("the start date is after the end date"));
        }
        Ok(Self { start, end })
    }

    fn to(&self) -> Time {
        self.end.saturating_add_ms(DAY_MS)
    }
}

fn day(time: Time) -> String {
    time.to_string().chars().take(10).collect()
}

struct QueryOption {
    word: &'static str,
    title: &'static str,
    is_selected: bool,
}

/// A row as the grid shows it.
struct GridRow {
    position: u64,
    id: String,
    id_href: String,
    name: String,
    email: String,
    is_from_directory: bool,
    start: String,
    end: String,
    status: String,
    status_detail: String,
    ip: String,
    place: String,
    client: String,
    user_agent: String,
    service: String,
}

/// What a search found.
struct Grid {
    rows: Vec<GridRow>,
    total: String,
    /// Which rows of the whole answer are on the page, from 1, if the address remembers all newer pages.
    shown: Option<(String, String)>,
    newer: Option<String>,
    older: Option<String>,
    export: String,
    api: String,
}

#[derive(Template)]
#[template(path = "raw_logs.html")]
struct RawLogsPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    queries: Vec<QueryOption>,
    start: String,
    end: String,
    filter: &'a str,
    message: Option<String>,
    grid: Option<Grid>,
}

stands_under!(RawLogsPage, tab = "monitoring", sub_tab = "activity");

/// The page: its form, and what it found. A form that is not understood is shown again with the reason.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<RawLogParams>,
) -> Result<Html<String>, Problem> {
    let now = app.now();
    let range = Range::of(&params, now);
    let (start, end) = match &range {
        Ok(range) => (day(range.start), day(range.end)),
        Err(_) => (params.start.clone(), params.end.clone()),
    };
    let query = named_query(&params.query)?;
    let (message, grid) = match search(&app, &permit, &params, query, range, now).await {
        Ok(grid) => (None, Some(grid)),
        Err(problem) => (Some(problem.mendable()?), None),
    };
    let option =
        |one: &NamedQuery| QueryOption { word: one.as_str(), title: one.title(), is_selected: *one == query };
    html(&RawLogsPage {
        frame: SIGNED_IN,
        name: &permit.name,
        queries: NamedQuery::ALL.iter().map(option).collect(),
        start,
        end,
        filter: &params.filter,
        message,
        grid,
    })
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
    let request = LoginRequest {
        query,
        from: Some(range.start),
        to: Some(range.to()),
        filter: Filter::parse(&params.filter)?,
        limit: PAGE_ROWS,
        page: (!params.page.is_empty()).then(|| params.page.clone()),
        as_of: None,
    };
    let page = app.engine.logins(&permit.trail, &request, now).await?;
    let rows = page.rows.len() as u64;
    Access::of_request("search", &request, &params.filter, &page, rows).seen(app, permit).await?;
    Ok(grid(&permit.name, params, query, &range, page))
}

fn grid(
    name: &EnvironmentName,
    params: &RawLogParams,
    query: NamedQuery,
    range: &Range,
    page: LoginPage,
) -> Grid {
    let path = format!("/p/{name}/monitoring/raw-logs");
    let (start, end) = (day(range.start), day(range.end));
    let link = |filter: &str, token: &str, back: &str| {
        let params = [
            ("query", query.as_str()),
            ("start", &start),
            ("end", &end),
            ("filter", filter),
            ("page", token),
        ];
        let mut params = params.to_vec();
        params.push(("back", back));
        address(&path, &params)
    };
    let api = |resource: &str, format: &str| {
        let (from, to) = (range.start.to_string(), range.to().to_string());
        let params = [
            ("as", format),
            ("query", query.as_str()),
            ("from", &from),
            ("to", &to),
            ("filter", &params.filter),
        ];
        address(&format!("/api/v1/environments/{name}/{resource}"), &params)
    };
    let (newer, older) = (back_of(params), forth_of(params));
    let page_rows = page.rows.len();
    Grid {
        rows: page.rows.into_iter().map(|row| shown(row, &|filter| link(filter, "", ""))).collect(),
        total: grouped(page.total),
        shown: shown_rows(params, page_rows),
        newer: newer.map(|(token, back)| link(&params.filter, &token, &back)),
        older: page.next.map(|token| link(&params.filter, &token, &older)),
        export: api("export", "csv"),
        api: api("logins", ""),
    }
}

/// The page before this one, newer, and what that page remembers.
fn back_of(params: &RawLogParams) -> Option<(String, String)> {
    if params.page.is_empty() {
        return None;
    }
    let (back, last) = params.back.rsplit_once('.').unwrap_or(("", &params.back));
    let token = if last == FIRST_PAGE { "" } else { last };
    Some((token.to_owned(), back.to_owned()))
}

/// The first and the last row of a page that has so many. `None` if there is none, or if it is unknown how
/// many pages were before.
fn shown_rows(params: &RawLogParams, page_rows: usize) -> Option<(String, String)> {
    let pages_before = if params.page.is_empty() { 0 } else { params.back.split('.').count() };
    let is_known = params.page.is_empty() || params.back.starts_with(FIRST_PAGE);
    let before = pages_before * PAGE_ROWS;
    let number = |row: usize| grouped(row as u64);
    (is_known && page_rows > 0).then(|| (number(before + 1), number(before + page_rows)))
}

/// What the next page, older, remembers.
fn forth_of(params: &RawLogParams) -> String {
    let this = if params.page.is_empty() { FIRST_PAGE } else { &params.page };
    let mut pages: Vec<&str> = params.back.split('.').filter(|token| !token.is_empty()).collect();
    pages.push(this);
    let skipped = pages.len().saturating_sub(BACK_MAX);
    pages.into_iter().skip(skipped).collect::<Vec<_>>().join(".")
}

fn shown(row: LoginRow, link: &dyn Fn(&str) -> String) -> GridRow {
    let id = row.user_uid.clone().or_else(|| row.user_name.clone()).unwrap_or_default();
    let time = |time: Option<Time>| time.map(show).unwrap_or_default();
    let place = [row.src_city, row.src_country].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let email = row.user_email_addr.or_else(|| row.user_name.clone().filter(|name| name.contains('@')));
    let is_from_directory = row.name_source == Some(NameSource::Directory);
    // A filter's value may hold anything but quotes.
    let id_href =
        if id.is_empty() || id.contains('"') { String::new() } else { link(&format!("user:\"{id}\"")) };
    GridRow {
        position: row.position,
        id_href,
        id,
        name: row.user_full_name.or(row.user_name).unwrap_or_default(),
        email: email.unwrap_or_default(),
        is_from_directory,
        start: time(row.start),
        end: time(row.end),
        status: row.status,
        status_detail: row.status_detail.or(row.status_code).unwrap_or_default(),
        ip: row.src_ip.unwrap_or_default(),
        place,
        client: row.client.unwrap_or_default(),
        user_agent: row.user_agent.unwrap_or_default(),
        service: row.service_name.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(page: &str, back: &str) -> RawLogParams {
        RawLogParams { page: page.to_owned(), back: back.to_owned(), ..RawLogParams::default() }
    }

    #[test]
    fn the_way_back_is_in_the_address() {
        assert_eq!(back_of(&params("", "")), None);
        assert_eq!(forth_of(&params("", "")), "first");
        assert_eq!(back_of(&params("t1", "first")), Some((String::new(), String::new())));
        assert_eq!(forth_of(&params("t1", "first")), "first.t1");
        assert_eq!(back_of(&params("t2", "first.t1")), Some(("t1".to_owned(), "first".to_owned())));
        // Without a memory the way back leads to the first page.
        assert_eq!(back_of(&params("t9", "")), Some((String::new(), String::new())));
        let rows = |page: &str, back: &str, rows: usize| shown_rows(&params(page, back), rows);
        let text = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));
        assert_eq!([rows("", "", 0), rows("t9", "t1.t2", 7)], [None, None]);
        assert_eq!(rows("", "", 100), text("1", "100"));
        assert_eq!(rows("t2", "first.t1", 44), text("201", "244"));
        let long = (0..50).fold(String::new(), |back, at| forth_of(&params(&format!("t{at}"), &back)));
        assert_eq!(long.split('.').count(), BACK_MAX);
    }

    #[test]
    fn the_range_is_seven_days_before_the_end_date() {
        let now = Time::parse_rfc3339("2026-11-24T15:00:00Z").unwrap();
        let range = |start: &str, end: &str| {
            let params =
                RawLogParams { start: start.to_owned(), end: end.to_owned(), ..RawLogParams::default() };
            Range::of(&params, now).map(|range| (day(range.start), day(range.end), range.to().to_string()))
        };
        let want = ("2026-11-17".to_owned(), "2026-11-24".to_owned(), "2026-11-25T00:00:00.000Z".to_owned());
        assert_eq!(range("", "").unwrap(), want);
        assert_eq!(range("", "2017-11-02").unwrap().0, "2017-10-26");
        assert_eq!(range("2017-01-01", "2017-11-02").unwrap().0, "2017-01-01");
        assert!(range("2017-12-01", "2017-11-02").is_err());
        assert!(range("", "2/11/2017").is_err());
    }
}
