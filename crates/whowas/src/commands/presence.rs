//! `whowas sessions`, `whowas presence` and `whowas at-once`, of an environment.

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};
use whowas_event::{EnvironmentName, Time};
use whowas_query::{Filter, PresenceRequest, SessionQuery, SessionRequest, SessionRow, WINDOW_DAYS_DEFAULT};
use whowas_store::Clock;

use super::{access, search, sessions::duration};
use crate::{
    cli::{AtOnce, Global, Presence, Sessions},
    config,
    failure::{DONE, Failure},
    output, times,
};

const DAY_MS: i64 = 86_400_000;

pub(crate) async fn sessions(
    global: &Global,
    environment: &EnvironmentName,
    args: Sessions,
) -> Result<u8, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let now = config::SystemClock.now();
    let query = SessionQuery::from_word(&args.query).ok_or_else(|| {
        let names: Vec<_> = SessionQuery::ALL.iter().map(|query| query.as_str()).collect();
        Failure::not_understood(format!("there is no query {}; use {}", args.query, names.join(", ")))
    })?;
    let text = search::words(&args.filter);
    let request = SessionRequest {
        query,
        from: args.from.as_deref().map(|text| times::parse(text, now, &zone, false)).transpose()?,
        to: args.to.as_deref().map(|text| times::parse(text, now, &zone, true)).transpose()?,
        filter: filter(&text)?,
        limit: args.part.limit,
        page: args.part.page,
        as_of: search::as_of(args.part.as_of.as_deref(), now, &zone)?,
    };
    let store = config::open(global, false).await?;
    let trail = store.trail(environment).await?;
    let page = config::engine(global)?.sessions(&trail, &request, now).await?;
    let body = json!({"from": page.from.to_string(), "query": query.as_str(), "rows": page.total,
        "to": page.to.to_string(), "tree_size": page.tree_size});
    access::record(&trail, "sessions", body, personal(&text), now).await?;
    store.close().await?;
    show(global, &page.rows, &zone)?;
    let range = format!("{} to {}", times::show(page.from, &zone), times::show(page.to, &zone));
    let told = json!({"rows": page.rows.len(), "total": page.total, "from": page.from, "to": page.to,
        "tree_size": page.tree_size, "next": page.next});
    tell(global, &told, &format!("{} of {} sessions, {range}", page.rows.len(), page.total), page.next)
}

pub(crate) async fn presence(global: &Global, args: Presence) -> Result<u8, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let now = config::SystemClock.now();
    let text = search::words(&args.filter);
    let request = PresenceRequest {
        at: args.at.as_deref().map(|text| times::parse(text, now, &zone, false)).transpose()?,
        filter: filter(&text)?,
        limit: args.part.limit,
        page: args.part.page,
        as_of: search::as_of(args.part.as_of.as_deref(), now, &zone)?,
    };
    let store = config::open(global, false).await?;
    let trail = store.trail(&args.environment).await?;
    let page = config::engine(global)?.presence(&trail, &request, now).await?;
    let body = json!({"at": page.at.to_string(), "rows": page.total, "tree_size": page.tree_size});
    access::record(&trail, "presence", body, personal(&text), now).await?;
    store.close().await?;
    show(global, &page.rows, &zone)?;
    let told = json!({"rows": page.rows.len(), "total": page.total, "without_end": page.without_end,
        "at": page.at, "tree_size": page.tree_size, "next": page.next});
    let at = times::show(page.at, &zone);
    let (shown, total, open) = (page.rows.len(), page.total, page.without_end);
    let text = format!("{shown} of {total} sessions at {at}; of {open} the end is not known");
    tell(global, &told, &text, page.next)
}

pub(crate) async fn at_once(global: &Global, args: AtOnce) -> Result<u8, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let now = config::SystemClock.now();
    let range = range(args.from.as_deref(), args.to.as_deref(), now, &zone)?;
    let store = config::open(global, false).await?;
    let trail = store.trail(&args.environment).await?;
    let found = config::engine(global)?.at_once(&trail, range, args.points, None, now).await?;
    let body =
        json!({"from": found.from.to_string(), "to": found.to.to_string(), "tree_size": found.tree_size});
    access::record(&trail, "at-once", body, json!({}), now).await?;
    store.close().await?;
    if global.json {
        found.points.iter().try_for_each(output::json_line)?;
        return Ok(DONE);
    }
    let rows = found.points.iter().map(|point| {
        let by: Vec<String> =
            point.by_service.iter().map(|(service, count)| format!("{}: {count}", named(service))).collect();
        vec![
            times::show(point.at, &zone),
            point.most.to_string(),
            point.without_end.to_string(),
            by.join(", "),
        ]
    });
    output::table(&["from", "most at once", "without a known end", "by service"], rows)?;
    Ok(DONE)
}

fn named(service: &str) -> &str {
    if service.is_empty() { "no service" } else { service }
}

/// Seven days, if nobody says.
pub(super) fn range(
    from: Option<&str>,
    to: Option<&str>,
    now: Time,
    zone: &TimeZone,
) -> Result<(Time, Time), Failure> {
    let to = to.map(|text| times::parse(text, now, zone, true)).transpose()?;
    let to = to.unwrap_or_else(|| now.saturating_add_ms(1));
    let from = from.map(|text| times::parse(text, now, zone, false)).transpose()?;
    Ok((from.unwrap_or_else(|| to.saturating_add_ms(-WINDOW_DAYS_DEFAULT * DAY_MS)), to))
}

pub(super) fn filter(text: &str) -> Result<Filter, Failure> {
    Filter::parse(text).map_err(|e| Failure::not_understood(format!("filter: {e}")))
}

pub(super) fn personal(filter: &str) -> Value {
    if filter.is_empty() { json!({}) } else { json!({"filter": filter}) }
}

fn show(global: &Global, rows: &[SessionRow], zone: &TimeZone) -> Result<(), Failure> {
    if global.json {
        return rows.iter().try_for_each(output::json_line);
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let time = |value: Option<Time>| value.map(|time| times::show(time, zone)).unwrap_or_default();
    let rows = rows.iter().map(|row| {
        let user = row.user.clone().or_else(|| row.user_id.clone()).unwrap_or_default();
        vec![
            row.actor.as_ref().map_or_else(|| user.clone(), |actor| format!("{user} ({actor})")),
            text(&row.user_full_name),
            text(&row.host),
            text(&row.line),
            text(&row.service),
            time(row.start),
            time(row.end),
            row.end_reason.to_owned(),
            row.end_confidence.to_owned(),
            row.duration_s.map(duration).unwrap_or_default(),
        ]
    });
    let header = [
        "user",
        "name",
        "host",
        "line",
        "service",
        "start",
        "end",
        "end reason",
        "end confidence",
        "duration",
    ];
    output::table(&header, rows)
}

/// What is said beside the rows, on standard error.
fn tell(global: &Global, json: &impl Serialize, text: &str, next: Option<String>) -> Result<u8, Failure> {
    if global.json {
        let line = serde_json::to_string(json).map_err(|e| Failure::failed(e.to_string()))?;
        eprintln!("{line}");
        return Ok(DONE);
    }
    eprintln!("{text}");
    if let Some(next) = next {
        eprintln!("more: --page {next}");
    }
    Ok(DONE)
}
