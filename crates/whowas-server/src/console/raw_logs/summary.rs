//! Above and beside the grid: when the rows of the whole range happened, and their most common values.
//!
//! A page of its own; the grid's page takes its body in when it is there.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Html};
use whowas_collect::coverage;
use whowas_event::{EnvironmentName, Time};
use whowas_query::{
    facets::{Facet, FacetValue, Facets},
    histogram::{BUCKETS_DEFAULT, Bucket, Histogram},
};

use super::{
    RawLogParams,
    grid::{Links, term},
    range::{Range, local},
};
use crate::{
    access::Access,
    api::params::{Params, named_query},
    app::App,
    auth::Reader,
    console::{
        Frame, SIGNED_IN,
        coverage::{Band, band},
        grouped, html, stands_under,
    },
    problem::Problem,
};

/// Values of each field beside the grid.
const VALUES: usize = 8;
/// The chart's height in units of its own.
const HEIGHT: u64 = 100;
/// The width of one bar and the gap after it.
const BAR: usize = 10;
/// Times below the chart.
const LABELS_MAX: usize = 6;
/// A fixed time in an address.
const EXACT: &str = "%Y-%m-%dT%H:%M:%S";

/// One bar: three pieces on top of each other.
struct Bar {
    x: usize,
    /// Failures, others, successes, from the bottom: where each begins from the top, and its height.
    pieces: [(&'static str, u64, u64); 3],
    title: String,
    href: String,
    start: String,
    end: String,
}

struct Value {
    text: String,
    label: String,
    count: String,
    /// Of all rows, in thousandths.
    share: u64,
    only: Option<String>,
    without: Option<String>,
}

struct Field {
    title: &'static str,
    values: Vec<Value>,
    /// Values that are not shown.
    more: String,
    is_complete: bool,
}

#[derive(Template)]
#[template(path = "summary.html")]
struct SummaryPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    width: usize,
    bars: Vec<Bar>,
    step: &'static str,
    highest: String,
    labels: Vec<String>,
    failures: String,
    fields: Vec<Field>,
    band: Band,
}

stands_under!(SummaryPage, tab = "monitoring", sub_tab = "activity");

/// The page.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<RawLogParams>,
) -> Result<Html<String>, Problem> {
    let now = app.now();
    let range = Range::of(&params, now)?;
    let query = named_query(&params.query)?;
    let request = params.request(query, &range)?;
    let histogram = app.engine.histogram(&permit.trail, &request, now, &range.zone, BUCKETS_DEFAULT).await?;
    let facets = app.engine.facets(&permit.trail, &request, now, VALUES).await?;
    let asked = (histogram.from, histogram.to, histogram.tree_size);
    let access = Access::of_range("summary", &request, &params.filter, asked);
    access.with("rows", histogram.total).seen(&app, &permit).await?;
    let links = Links { name: &permit.name, params: &params, query, range: &range };
    let asked = (histogram.from, histogram.to);
    let streams = coverage::reports(app.control().as_ref(), &permit.name, asked, now).await?;
    let starts: Vec<Time> = histogram.buckets.iter().map(|bucket| bucket.start).collect();
    html(&SummaryPage {
        band: band(&permit.name, &streams, (&starts, histogram.to), now),
        frame: SIGNED_IN,
        name: &permit.name,
        width: histogram.buckets.len() * BAR,
        step: histogram.step,
        highest: grouped(highest(&histogram)),
        labels: labels(&histogram, &range),
        failures: grouped(histogram.buckets.iter().map(|bucket| bucket.failure).sum()),
        bars: bars(&histogram, &links),
        fields: fields(facets, &links),
    })
}

fn rows_of(bucket: &Bucket) -> u64 {
    bucket.success + bucket.failure + bucket.other
}

fn highest(histogram: &Histogram) -> u64 {
    histogram.buckets.iter().map(rows_of).max().unwrap_or(0)
}

fn bars(histogram: &Histogram, links: &Links<'_>) -> Vec<Bar> {
    let most = highest(histogram).max(1);
    let zone = &links.range.zone;
    let ends = histogram.buckets.iter().skip(1).map(|bucket| bucket.start).chain([histogram.to]);
    let bar = |(at, (bucket, end)): (usize, (&Bucket, Time))| {
        let (start, end) = (local(bucket.start, zone, EXACT), local(end, zone, EXACT));
        let mut top = HEIGHT;
        let piece = |(class, count): (&'static str, u64)| {
            // What is there is seen, however little of the whole.
            let height = if count == 0 { 0 } else { (count * HEIGHT / most).max(1) };
            top = top.saturating_sub(height);
            (class, top, height)
        };
        let pieces =
            [("failure", bucket.failure), ("other", bucket.other), ("success", bucket.success)].map(piece);
        let (failed, all) = (grouped(bucket.failure), grouped(rows_of(bucket)));
        Bar {
            x: at * BAR,
            pieces,
            title: format!("{}: {all} rows, {failed} failed", local(bucket.start, zone, "%a %Y-%m-%d %H:%M")),
            href: links.with_range(&start, &end),
            start,
            end,
        }
    };
    histogram.buckets.iter().zip(ends).enumerate().map(bar).collect()
}

/// A few times below the chart, the first and the last among them.
fn labels(histogram: &Histogram, range: &Range) -> Vec<String> {
    let days = (range.to.as_ms() - range.from.as_ms()) / 86_400_000;
    let pattern = if days > 400 {
        "%Y-%m"
    } else if days > 2 {
        "%-d %b"
    } else {
        "%H:%M"
    };
    let count = histogram.buckets.len().min(LABELS_MAX);
    let last = histogram.buckets.len().saturating_sub(1);
    let at = |nth: usize| histogram.buckets.get(if count > 1 { last * nth / (count - 1) } else { 0 });
    (0..count).filter_map(at).map(|bucket| local(bucket.start, &range.zone, pattern)).collect()
}

fn fields(facets: Facets, links: &Links<'_>) -> Vec<Field> {
    let total = facets.total.max(1);
    let field = |facet: Facet| {
        let more = facet.distinct.saturating_sub(facet.values.len() as u64);
        let key = facet.field;
        Field {
            title: title(key),
            is_complete: facet.is_complete,
            more: if more == 0 { String::new() } else { grouped(more) },
            values: facet.values.into_iter().map(|value| shown(value, key, total, links)).collect(),
        }
    };
    facets.facets.into_iter().filter(|facet| !facet.values.is_empty()).map(field).collect()
}

fn shown(value: FacetValue, key: &str, total: u64, links: &Links<'_>) -> Value {
    let term = term(key, &value.value);
    let with = |sign: &str| {
        let term = term.as_ref()?;
        let filter = format!("{} {sign}{term}", links.params.filter);
        Some(links.with_filter(filter.trim_start()))
    };
    Value {
        only: with(""),
        without: with("-"),
        label: match key {
            "client" => client(&value.value),
            _ => value.label.unwrap_or_else(|| value.value.clone()),
        },
        count: grouped(value.count),
        share: value.count * 1000 / total,
        text: value.value,
    }
}

/// What a field is called beside the grid.
fn title(key: &str) -> &'static str {
    match key {
        "user" => "User",
        "app" => "Service",
        "status" => "Status",
        "country" => "Country",
        "client" => "Client",
        _ => "IP address",
    }
}

/// A browser's name and its system, of what it says of itself; the whole text of other clients.
pub(in crate::console) fn client(user_agent: &str) -> String {
    // Most say the names of those whom they resemble too: the first of these that is there is meant.
    const BROWSERS: [(&str, &str); 6] = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Version/", "Safari"),
        ("Trident/", "Internet Explorer"),
    ];
    let Some(rest) = user_agent.strip_prefix("Mozilla/5.0 (") else { return user_agent.to_owned() };
    let system = rest.split([';', ')']).next().unwrap_or_default().trim();
    let found = BROWSERS.iter().find_map(|(token, name)| {
        let (_, version) = user_agent.split_once(token)?;
        Some(format!("{name} {}, {system}", version.split(['.', ' ', ';', ')']).next().unwrap_or_default()))
    });
    found.unwrap_or_else(|| user_agent.to_owned())
}

#[cfg(test)]
mod tests {
    use super::client;

    #[test]
    fn clients_have_short_names() {
        for (user_agent, want) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36 Edg/134.0.0.0",
                "Edge 134, Windows NT 10.0",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
                "Safari 18, Macintosh",
            ),
            (
                "Mozilla/5.0 (X11; Fedora; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
                "Firefox 133, X11",
            ),
            ("Mozilla/5.0 (strange", "Mozilla/5.0 (strange"),
            ("okhttp/4.12", "okhttp/4.12"),
        ] {
            assert_eq!(client(user_agent), want);
        }
    }
}
