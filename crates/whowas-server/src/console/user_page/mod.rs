//! One person: their sessions day by day, what they come with and from where, what failed, what the directory says.

mod days;
mod gantt;
pub(crate) mod session;
mod through_time;

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Html,
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Deserialize;
use whowas_event::{EnvironmentName, Time};
use whowas_query::{
    Filter, LoginPage, LoginRequest, NamedQuery, SessionPage, SessionRequest, SessionRow,
    facets::Facets,
    filter::{Pattern, Term, Test},
};
use whowas_store::{Person, Snapshot};

use self::{
    days::Days,
    gantt::{Span, days},
    through_time::ThroughTime,
};
use super::{Frame, SIGNED_IN, address, grouped, html, presence::duration, show, stands_under};
use crate::{access::Access, api::params::Params, app::App, auth::Reader, problem::Problem};

/// Sessions that are drawn and listed, the newest of the range; raw logs and the user log have all.
const SESSIONS_MAX: usize = 500;
/// Failures that are listed, the newest.
const FAILURES_MAX: usize = 10;
/// Values of each field.
const VALUES_MAX: usize = 8;
/// The height of one row of bars.
const LANE_PX: usize = 12;

/// Where the page of this person is.
pub(super) fn user_href(name: &EnvironmentName, id: &str) -> String {
    format!("/p/{name}/users/{}", segment(id))
}

/// A text as one segment of a path: all but letters, digits and `-_~` in hexadecimal, full stops too, which alone
/// would lead elsewhere.
fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'@' => out.push(char::from(byte)),
            b'.' if text.len() > 2 => out.push('.'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UserPageParams {
    start: String,
    end: String,
    tz: String,
}

struct BarView {
    href: String,
    x: String,
    width: String,
    y: usize,
    class: &'static str,
    title: String,
}

struct DayView {
    date: String,
    is_weekend: bool,
    height: usize,
    bars: Vec<BarView>,
    logs: String,
}

pub(super) struct SessionLink {
    href: String,
    start: String,
    end: String,
    duration: String,
    reason: &'static str,
    confidence: &'static str,
    from: String,
    service: String,
}

struct ValueView {
    label: String,
    count: String,
    href: Option<String>,
}

struct FieldView {
    title: &'static str,
    values: Vec<ValueView>,
    more: String,
}

struct FailureView {
    href: String,
    at: String,
    why: String,
    ip: String,
    service: String,
}

struct PersonView {
    name: String,
    email: String,
    login: String,
    uid: String,
    since: String,
    is_observed: bool,
    record: String,
    attributes: String,
}

struct Found {
    sessions_total: String,
    is_cut: bool,
    days: Vec<DayView>,
    sessions: Vec<SessionLink>,
    failures_total: String,
    failures: Vec<FailureView>,
    fields: Vec<FieldView>,
    records: String,
    through_time: ThroughTime,
}

#[derive(Template)]
#[template(path = "user_page.html")]
struct UserView<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    id: &'a str,
    heading: String,
    person: Option<PersonView>,
    start: String,
    end: String,
    zone: String,
    events: String,
    failed: String,
    evidence: String,
    message: Option<String>,
    found: Option<Found>,
}

stands_under!(UserView, tab = "users");

/// The page. An id that nobody has is a page that says so: people come and go, addresses stay.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    permit: Reader,
    Path((_, _, id)): Path<(String, String, String)>,
    Params(params): Params<UserPageParams>,
) -> Result<Html<String>, Problem> {
    let now = app.now();
    let snapshot = permit.trail.snapshot();
    let days = Days::of(&params, now);
    let (start, end) = match &days {
        Ok(days) => (days.first.to_string(), days.last.to_string()),
        Err(_) => (params.start.clone(), params.end.clone()),
    };
    let links = Links { name: &permit.name, id: &id, start: &start, end: &end, tz: &params.tz };
    let mut evidence = String::new();
    let (message, found) = match days {
        Ok(days) => {
            let begins = days.begins()?;
            evidence = links.evidence(&begins);
            (None, Some(find(&app, &permit, &links, (&days, &begins), now).await?))
        }
        Err(problem) => (Some(problem.mendable()?), None),
    };
    let person = snapshot.directory.find(Some(&id), Some(&id), Some(&id));
    html(&UserView {
        frame: SIGNED_IN,
        name: &permit.name,
        id: &id,
        heading: person.and_then(|one| one.full_name.clone()).unwrap_or_else(|| id.clone()),
        person: person.map(|one| PersonView::new(&permit.name, one, &snapshot)),
        events: links.logs("events-for-user", "", ""),
        failed: links.logs("sign-in-failures", "", ""),
        start,
        end,
        zone: if params.tz.is_empty() { "UTC".to_owned() } else { params.tz.clone() },
        evidence,
        message,
        found,
    })
}

/// What is asked about this person, by all of their names.
fn about(id: &str) -> Filter {
    // Exactly this text: a star in somebody's id stands for itself.
    let pattern = Pattern { pieces: vec![id.to_lowercase()] };
    Filter { terms: vec![Term { is_excluded: false, test: Test::User(pattern) }] }
}

async fn find(
    app: &App,
    permit: &Reader,
    links: &Links<'_>,
    (days, begins): (&Days, &[Time]),
    now: Time,
) -> Result<Found, Problem> {
    let (Some(&from), Some(&to)) = (begins.first(), begins.last()) else {
        return Err(Problem::invalid("the range has no day"));
    };
    let request = |query, limit| LoginRequest {
        query,
        from: Some(from),
        to: Some(to),
        filter: about(links.id),
        limit,
        ..LoginRequest::default()
    };
    let sessions = SessionRequest {
        from: Some(from),
        to: Some(to),
        filter: about(links.id),
        limit: SESSIONS_MAX,
        ..SessionRequest::default()
    };
    let (events, failures) =
        (request(NamedQuery::EventsForUser, 1), request(NamedQuery::SignInFailures, FAILURES_MAX));
    let engine = &app.engine;
    let trail = &permit.trail;
    let (sessions, facets, failures, history) = tokio::try_join!(
        engine.sessions(trail, &sessions, now),
        engine.facets(trail, &events, now, VALUES_MAX),
        engine.logins(trail, &failures, now),
        engine.user_history(trail, links.id, None, now),
    )?;
    Access::new("user")
        .with("from", from.to_string())
        .with("to", to.to_string())
        .with("rows", sessions.rows.len() as u64)
        .with("tree_size", sessions.tree_size)
        .with_personal("user", links.id)
        .seen(app, permit)
        .await?;
    let through_time = ThroughTime::of(&permit.name, history, &days.zone);
    Ok(Found { through_time, ..links.found(sessions, facets, failures, (days, begins)) })
}

/// Addresses that the page has.
struct Links<'a> {
    name: &'a EnvironmentName,
    id: &'a str,
    start: &'a str,
    end: &'a str,
    tz: &'a str,
}

impl Links<'_> {
    /// `user:"…"`, if the filter language can say it.
    fn filter(&self) -> Option<String> {
        let is_sayable = !self.id.is_empty() && !self.id.contains(['"', '*']);
        is_sayable.then(|| format!("user:\"{}\"", self.id))
    }

    fn logs(&self, query: &str, day: &str, more: &str) -> String {
        let Some(filter) = self.filter() else { return String::new() };
        let filter = format!("{filter} {more}");
        let (start, end) = if day.is_empty() { (self.start, self.end) } else { (day, day) };
        let params = [
            ("query", query),
            ("start", start),
            ("end", end),
            ("tz", self.tz),
            ("filter", filter.trim_end()),
        ];
        address(&format!("/p/{}/monitoring/raw-logs", self.name), &params)
    }

    fn evidence(&self, begins: &[Time]) -> String {
        let (Some(filter), Some(from), Some(to)) = (self.filter(), begins.first(), begins.last()) else {
            return String::new();
        };
        let (from, to) = (from.to_string(), to.to_string());
        let params = [("query", "events-for-user"), ("from", &from), ("to", &to), ("filter", &filter)];
        address(&format!("/api/v1/environments/{}/evidence", self.name), &params)
    }

    fn found(
        &self,
        sessions: SessionPage,
        facets: Facets,
        failures: LoginPage,
        (asked, begins): (&Days, &[Time]),
    ) -> Found {
        let records = grouped(facets.total);
        let spans: Vec<Span> =
            sessions.rows.iter().filter_map(|row| Some(Span { start: row.start?, end: row.end })).collect();
        let dates = asked.dates();
        let mut drawn: Vec<DayView> = days(&spans, begins)
            .into_iter()
            .filter_map(|day| {
                dates.get(day.day).map(|date| self.day(*date, &day, &sessions.rows, &asked.zone))
            })
            .collect();
        drawn.reverse();
        let link = |row: &SessionRow| session_link(self.name, row, &asked.zone);
        Found {
            sessions_total: grouped(sessions.total),
            is_cut: sessions.next.is_some(),
            days: drawn,
            sessions: sessions.rows.iter().map(link).collect(),
            failures_total: grouped(failures.total),
            failures: failures.rows.into_iter().map(|row| self.failure(row, &asked.zone)).collect(),
            fields: self.fields(facets),
            records,
            through_time: ThroughTime::default(),
        }
    }

    fn day(&self, date: Date, day: &gantt::Day, rows: &[SessionRow], zone: &TimeZone) -> DayView {
        let share = |hundredths: i64| format!("{}.{:02}%", hundredths / 100, hundredths % 100);
        let bar = |bar: &gantt::Bar| {
            let row = rows.get(bar.span)?;
            let link = session_link(self.name, row, zone);
            let until = if link.end.is_empty() { "no end is known" } else { &link.end };
            let title = format!("{} to {until} ({}) {} {}", link.start, link.reason, link.service, link.from);
            Some(BarView {
                href: link.href,
                x: share(bar.x),
                width: share(bar.width),
                y: bar.lane * LANE_PX + 1,
                class: if bar.is_open { "open" } else { link.confidence },
                title: title.trim_end().to_owned(),
            })
        };
        let text = date.to_string();
        DayView {
            is_weekend: matches!(date.weekday().to_monday_zero_offset(), 5 | 6),
            height: day.lanes.max(1) * LANE_PX + 2,
            bars: day.bars.iter().filter_map(bar).collect(),
            logs: self.logs("events-for-user", &text, ""),
            date: date.strftime("%a %Y-%m-%d").to_string(),
        }
    }

    fn failure(&self, row: whowas_query::LoginRow, zone: &TimeZone) -> FailureView {
        let why = row.status_detail.or(row.status_code).unwrap_or_else(|| "no reason is told".to_owned());
        FailureView {
            href: address(
                &format!("/p/{}/monitoring/raw-logs/{}", self.name, row.position),
                &[("tz", self.tz)],
            ),
            at: local(row.occurred_at, zone),
            why,
            ip: row.src_ip.unwrap_or_default(),
            service: row.service_name.unwrap_or_default(),
        }
    }

    fn fields(&self, facets: Facets) -> Vec<FieldView> {
        const SHOWN: [(&str, &str); 4] =
            [("client", "Clients"), ("ip", "Addresses"), ("country", "Countries"), ("app", "Services")];
        let mut fields = Vec::new();
        for (key, title) in SHOWN {
            let of_key = facets.facets.iter().find(|facet| facet.field == key && !facet.values.is_empty());
            let Some(facet) = of_key else { continue };
            let more = facet.distinct.saturating_sub(facet.values.len() as u64);
            let value = |one: &whowas_query::facets::FacetValue| ValueView {
                label: match key {
                    "client" => super::raw_logs::summary::client(&one.value),
                    _ => one.value.clone(),
                },
                count: grouped(one.count),
                href: (!one.value.contains('"'))
                    .then(|| self.logs("events-for-user", "", &format!("{key}:\"{}\"", one.value)))
                    .filter(|href| !href.is_empty()),
            };
            fields.push(FieldView {
                title,
                values: facet.values.iter().map(value).collect(),
                more: if more == 0 { String::new() } else { grouped(more) },
            });
        }
        fields
    }
}

/// A time of a zone, as people read it.
fn local(time: Time, zone: &TimeZone) -> String {
    let at = zone.to_datetime(Timestamp::from_millisecond(time.as_ms()).unwrap_or_default());
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn session_link(name: &EnvironmentName, row: &SessionRow, zone: &TimeZone) -> SessionLink {
    SessionLink {
        href: session::href(name, row.position),
        start: row.start.map(|start| local(start, zone)).unwrap_or_default(),
        end: row.end.map(|end| local(end, zone)).unwrap_or_default(),
        duration: row.duration_s.map(duration).unwrap_or_default(),
        reason: row.end_reason,
        confidence: row.end_confidence,
        from: row.host.clone().or_else(|| row.ip.clone()).unwrap_or_default(),
        service: row.service.clone().unwrap_or_default(),
    }
}

impl PersonView {
    fn new(name: &EnvironmentName, person: &Person, snapshot: &Snapshot) -> Self {
        let record = format!("/p/{name}/monitoring/raw-logs/{}", person.position);
        Self {
            name: person.full_name.clone().unwrap_or_default(),
            email: person.email_addr.clone().unwrap_or_default(),
            login: person.name.clone().unwrap_or_default(),
            uid: person.uid.clone().unwrap_or_default(),
            since: person.since.map(show).unwrap_or_default(),
            is_observed: person.is_observed,
            record: if person.position < snapshot.size { record } else { String::new() },
            attributes: person.attributes.clone().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_of_a_path() {
        for (id, want) in [
            ("alice@contoso.example", "alice@contoso.example"),
            ("CONTOSO\\alice", "CONTOSO%5Calice"),
            ("a/b?c#d e", "a%2Fb%3Fc%23d%20e"),
            ("..", "%2E%2E"),
            ("Zo\u{eb}", "Zo%C3%AB"),
        ] {
            assert_eq!(segment(id), want);
        }
    }

    #[test]
    fn a_star_in_an_id_stands_for_itself() {
        let links = |id| {
            let name = "contoso/production".parse().unwrap();
            Links { name: &name, id, start: "a", end: "b", tz: "" }.logs("q", "", "")
        };
        assert_eq!([links("a*"), links("a\"b")], ["", ""]);
        assert!(links("a b").contains("filter=user%3A%22a+b%22"));
    }
}
