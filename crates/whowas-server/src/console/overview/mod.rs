//! Monitoring › Overview: what happens in an environment, each part with the way to where it comes from.
//!
//! Every figure is counted by functions that other pages use too: one pass for the chart over time, one for the common
//! values, kept sessions for who is there. What is not exact says so.

mod chart;

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Html};
use jiff::tz::TimeZone;
use serde::Deserialize;
use whowas_collect::coverage::{self, report::StreamReport};
use whowas_event::{EnvironmentName, Time};
use whowas_query::{
    AtOnce, LoginRequest, NamedQuery, PresencePage, PresenceRequest, QueryError,
    facets::{Facet, Facets},
    histogram::Histogram,
};

use self::chart::{Column, Line, columns, lines};
use super::{
    Frame, SIGNED_IN, address, alarms,
    coverage::{Band, band},
    grouped, html,
    raw_logs::summary::client,
    show, stands_under,
    user_page::user_href,
};
use crate::{
    access::Access,
    api::params::{Params, relative},
    app::App,
    auth::Reader,
    problem::Problem,
};

/// Bars of a chart over time.
const BARS: usize = 48;
/// Points of the chart of those at once.
const POINTS: usize = 96;
/// Values of each field.
const VALUES: usize = 6;
/// Stretches up to now, by the word in the address.
const RANGES: [(&str, &str); 3] =
    [("-24h", "Last 24 hours"), ("-7d", "Last 7 days"), ("-30d", "Last 30 days")];
const RANGE_DEFAULT: &str = "-7d";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OverviewParams {
    range: String,
}

struct RangeLink {
    title: &'static str,
    href: String,
    is_current: bool,
}

struct Top {
    title: &'static str,
    values: Vec<(String, String, String)>,
    note: String,
}

struct Trail {
    records: String,
    people: String,
    archived: String,
    unarchived: String,
    checkpoint: String,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    is_stopped: bool,
    alarms: usize,
    ranges: Vec<RangeLink>,
    range: &'static str,
    now: String,
    online: String,
    without_end: String,
    sign_ins: String,
    failures: String,
    failure_share: String,
    users: String,
    users_note: &'static str,
    logs: String,
    failed: String,
    step: &'static str,
    sign_in_chart: Vec<Column>,
    failure_chart: Vec<Column>,
    highest: [String; 2],
    labels: Vec<String>,
    at_once: Option<AtOnceView>,
    tops: Vec<Top>,
    band: Band,
    trail: Trail,
}

struct AtOnceView {
    most: String,
    lines: Vec<Line>,
    more: usize,
}

stands_under!(OverviewPage, tab = "monitoring", sub_tab = "overview");

/// What was asked.
struct Answers {
    histogram: Histogram,
    facets: Facets,
    at_once: Option<AtOnce>,
    online: PresencePage,
    streams: Vec<StreamReport>,
    alarms: usize,
}

/// The page.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<OverviewParams>,
) -> Result<Html<String>, Problem> {
    let now = app.now();
    let word = if params.range.is_empty() { RANGE_DEFAULT } else { &params.range };
    let (word, range) = RANGES
        .into_iter()
        .find(|(known, _)| *known == word)
        .ok_or_else(|| Problem::invalid("range: write -24h, -7d or -30d"))?;
    let from = relative(word, now).unwrap_or(now);
    let answers = ask(&app, &permit, (from, now.saturating_add_ms(1)), now).await?;
    html(&page_of(&permit, word, range, answers, now))
}

async fn ask(app: &App, permit: &Reader, (from, to): (Time, Time), now: Time) -> Result<Answers, Problem> {
    let request = LoginRequest {
        query: NamedQuery::UserLoginEvents,
        from: Some(from),
        to: Some(to),
        ..LoginRequest::default()
    };
    let (engine, trail) = (&app.engine, &permit.trail);
    let zone = TimeZone::UTC;
    let present = PresenceRequest { limit: 1, ..PresenceRequest::default() };
    let (histogram, facets, online) = tokio::try_join!(
        engine.histogram(trail, &request, now, &zone, BARS),
        engine.facets(trail, &request, now, VALUES),
        engine.presence(trail, &present, now),
    )?;
    let at_once = match engine.at_once(trail, (from, to), POINTS, None, now).await {
        Ok(found) => Some(found),
        // More sessions than may be looked at together: the tile says so.
        Err(QueryError::Invalid(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let streams = coverage::reports(app.control().as_ref(), &permit.name, (from, to), now).await?;
    let asked = (histogram.from, histogram.to, histogram.tree_size);
    Access::of_range("overview", &request, "", asked).with("rows", histogram.total).seen(app, permit).await?;
    let alarms = alarms::table(app, &permit.name).await?.open;
    Ok(Answers { histogram, facets, at_once, online, streams, alarms })
}

fn page_of<'a>(
    permit: &'a Reader,
    word: &'static str,
    range: &'static str,
    answers: Answers,
    now: Time,
) -> OverviewPage<'a> {
    let Answers { histogram, facets, at_once, online, streams, alarms } = answers;
    let name = &permit.name;
    let logs = |query: NamedQuery, filter: &str| {
        let params = [("query", query.as_str()), ("range", word), ("filter", filter)];
        address(&format!("/p/{name}/monitoring/raw-logs"), &params)
    };
    let path = format!("/p/{name}/monitoring");
    let link = |(known, title): (&'static str, &'static str)| RangeLink {
        title,
        href: address(&path, &[("range", known)]),
        is_current: known == word,
    };
    let buckets = &histogram.buckets;
    let failures: u64 = buckets.iter().map(|bucket| bucket.failure).sum();
    let most =
        |of: &dyn Fn(&whowas_query::histogram::Bucket) -> u64| buckets.iter().map(of).max().unwrap_or(0);
    let people = facets.facets.iter().find(|facet| facet.field == "user");
    let starts: Vec<Time> = buckets.iter().map(|bucket| bucket.start).collect();
    let zoom = |query: NamedQuery| move |from: Time, to: Time| zoomed(name, query, (from, to));
    let thousandths = failures.saturating_mul(1000) / histogram.total.max(1);
    OverviewPage {
        frame: SIGNED_IN,
        name,
        alarms,
        is_stopped: permit.trail.poisoned().is_some(),
        ranges: RANGES.into_iter().map(link).collect(),
        range,
        now: show(now),
        online: grouped(online.total),
        without_end: grouped(online.without_end),
        sign_ins: grouped(histogram.total),
        failure_share: format!("{}.{} %", thousandths / 10, thousandths % 10),
        failures: grouped(failures),
        users: people.map(|facet| grouped(facet.distinct)).unwrap_or_default(),
        users_note: match people.is_none_or(|facet| facet.is_complete) {
            true => "",
            false => " at least: there are too many to count them all",
        },
        logs: logs(NamedQuery::UserLoginEvents, ""),
        failed: logs(NamedQuery::SignInFailures, ""),
        step: histogram.step,
        highest: [
            grouped(most(&|bucket| bucket.success + bucket.failure + bucket.other)),
            grouped(most(&|bucket| bucket.failure)),
        ],
        sign_in_chart: columns(
            &histogram,
            |bucket| bucket.success + bucket.failure + bucket.other,
            zoom(NamedQuery::UserLoginEvents),
        ),
        failure_chart: columns(&histogram, |bucket| bucket.failure, zoom(NamedQuery::SignInFailures)),
        labels: chart::labels(&histogram),
        at_once: at_once.as_ref().map(at_once_view),
        tops: tops(name, facets, &logs),
        band: band(name, &streams, (&starts, histogram.to), now),
        trail: trail(permit),
    }
}

fn trail(permit: &Reader) -> Trail {
    let snapshot = permit.trail.snapshot();
    let unarchived = snapshot.tail.iter().map(|tail| tail.batch.num_rows() as u64).sum::<u64>();
    Trail {
        records: grouped(snapshot.size),
        people: grouped(snapshot.directory.len() as u64),
        archived: grouped(snapshot.size.saturating_sub(unarchived)),
        unarchived: grouped(unarchived),
        checkpoint: snapshot.checkpoint.clone(),
    }
}

/// A search of one stretch.
fn zoomed(name: &EnvironmentName, query: NamedQuery, (from, to): (Time, Time)) -> String {
    let exact = |time: Time| time.to_string().chars().take("2026-11-24T08:00:00".len()).collect::<String>();
    // The form has whole seconds; the present's own second is still part of the range.
    let to = if to.as_ms().rem_euclid(1000) == 0 { to } else { to.saturating_add_ms(1000) };
    let params = [("query", query.as_str()), ("start", &exact(from)), ("end", &exact(to))];
    address(&format!("/p/{name}/monitoring/raw-logs"), &params)
}

fn at_once_view(found: &AtOnce) -> AtOnceView {
    let (lines, more) = lines(found);
    AtOnceView { most: grouped(found.points.iter().map(|point| point.most).max().unwrap_or(0)), lines, more }
}

/// The most common values, each with the way to its rows; of users, to their page.
fn tops(name: &EnvironmentName, facets: Facets, logs: &dyn Fn(NamedQuery, &str) -> String) -> Vec<Top> {
    const SHOWN: [(&str, &str); 5] = [
        ("user", "Most active users"),
        ("app", "Services"),
        ("country", "Countries"),
        ("client", "Clients"),
        ("ip", "Addresses"),
    ];
    let of = |key: &str| facets.facets.iter().find(|facet| facet.field == key);
    let top = |(key, title): (&'static str, &'static str)| {
        let facet: &Facet = of(key).filter(|facet| !facet.values.is_empty())?;
        let more = facet.distinct.saturating_sub(facet.values.len() as u64);
        let value = |one: &whowas_query::facets::FacetValue| {
            let label = match key {
                "client" => client(&one.value),
                _ => one.label.clone().unwrap_or_else(|| one.value.clone()),
            };
            let href = match key {
                "user" => user_href(name, &one.value),
                _ if one.value.contains('"') => String::new(),
                _ => logs(NamedQuery::UserLoginEvents, &format!("{key}:\"{}\"", one.value)),
            };
            (label, grouped(one.count), href)
        };
        let note = match (more, facet.is_complete) {
            (0, _) => String::new(),
            (more, true) => format!("and {} more", grouped(more)),
            (more, false) => {
                format!("and {} more at least: there are too many to count them all", grouped(more))
            }
        };
        Some(Top { title, values: facet.values.iter().map(value).collect(), note })
    };
    SHOWN.into_iter().filter_map(top).collect()
}
