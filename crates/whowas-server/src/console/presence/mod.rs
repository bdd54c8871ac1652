//! Presence: who was signed in at an instant, and *Online users*: who is now.

mod day;

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Html};
use whowas_collect::coverage;
use whowas_event::{EnvironmentName, Time};
use whowas_query::{PresencePage, QueryError, SessionRow};

use self::day::Day;
use super::{
    Frame, SIGNED_IN, address,
    coverage::band::statement,
    grouped, html, show, stands_under,
    user_page::{session, user_href},
};
use crate::{
    api::{
        params::Params,
        sessions::{SessionParams, looked_at_instant},
    },
    app::App,
    auth::Reader,
    problem::Problem,
};

/// A session as grids show it.
pub(super) struct SessionLine {
    pub(super) position: u64,
    pub(super) user: String,
    pub(super) user_href: String,
    pub(super) session_href: String,
    pub(super) name: String,
    pub(super) host: String,
    pub(super) machine: String,
    pub(super) line: String,
    pub(super) service: String,
    pub(super) kind: String,
    pub(super) session: String,
    pub(super) start: String,
    pub(super) end: String,
    pub(super) reason: &'static str,
    pub(super) confidence: &'static str,
    pub(super) duration: String,
}

impl SessionLine {
    pub(super) fn new(name: &EnvironmentName, row: SessionRow) -> Self {
        let time = |time: Option<Time>| time.map(show).unwrap_or_default();
        let user = row.user.clone().or_else(|| row.user_id.clone()).unwrap_or_default();
        let meant = row.user_id.as_ref().or(row.user.as_ref());
        let href = meant.map(|id| user_href(name, id)).unwrap_or_default();
        let user = row.actor.map_or_else(|| user.clone(), |actor| format!("{user} ({actor})"));
        Self {
            position: row.position,
            user,
            user_href: href,
            session_href: session::href(name, row.position),
            name: row.user_full_name.unwrap_or_default(),
            host: row.host.unwrap_or_default(),
            machine: row.machine.unwrap_or_default(),
            line: row.line.unwrap_or_default(),
            service: row.service.unwrap_or_default(),
            kind: row.logon_type.unwrap_or_default(),
            session: row.session_uid.unwrap_or_default(),
            start: time(row.start),
            end: time(row.end),
            reason: row.end_reason,
            confidence: row.end_confidence,
            duration: row.duration_s.map(duration).unwrap_or_default(),
        }
    }

    /// Why somebody whose end is not before that instant counts as signed in.
    fn why(&self) -> &'static str {
        match (self.end.is_empty(), self.reason) {
            (true, "open") => "no sign-out is recorded yet",
            (true, _) => "its source never tells sign-outs",
            (false, _) if self.confidence == "explicit" => "signed out later",
            (false, _) => "ended later, as inferred",
        }
    }
}

/// `3 d 04:05`
pub(super) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    if days > 0 { format!("{days} d {hours:02}:{minutes:02}") } else { format!("{hours}:{minutes:02}") }
}

struct Found {
    rows: Vec<SessionLine>,
    total: String,
    without_end: String,
    at: String,
    instant: Time,
    next: Option<String>,
    api: String,
    proof: Proof,
}

/// What an answer follows from, as a bundle.
struct Proof {
    href: String,
    from: String,
    to: String,
    /// Whether every session of the answer began within it.
    is_whole: bool,
}

#[derive(Template)]
#[template(path = "presence.html")]
struct PresenceView<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    at: String,
    filter: &'a str,
    message: Option<String>,
    found: Option<Found>,
    day: Option<Day>,
    covered: String,
}

stands_under!(PresenceView, tab = "presence", sub_tab = "at");

#[derive(Template)]
#[template(path = "online.html")]
struct OnlineView<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    filter: &'a str,
    message: Option<String>,
    found: Option<Found>,
}

stands_under!(OnlineView, tab = "presence", sub_tab = "online");

/// Who was signed in at…
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(mut params): Params<SessionParams>,
) -> Result<Html<String>, Problem> {
    // A form sends minutes, without a zone: the console's times are UTC.
    if params.at.len() == "2026-11-24T08:00".len() {
        params.at.push_str(":00Z");
    }
    let (message, found) = found(&app, &permit, &params, "presence").await?;
    let (day, covered) = match &found {
        Some(found) => around(&app, &permit, &params.filter, found.instant).await?,
        None => (None, String::new()),
    };
    let at = match (&found, params.at.as_str()) {
        (Some(found), "") => found.at.clone(),
        (_, text) => text.to_owned(),
    };
    let at = at.chars().take(16).map(|c| if c == ' ' { 'T' } else { c }).collect();
    html(&PresenceView {
        frame: SIGNED_IN,
        name: &permit.name,
        at,
        filter: &params.filter,
        message,
        found,
        day,
        covered,
    })
}

/// Online users.
pub(crate) async fn online(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(mut params): Params<SessionParams>,
) -> Result<Html<String>, Problem> {
    params.at.clear();
    let (message, found) = found(&app, &permit, &params, "online").await?;
    html(&OnlineView { frame: SIGNED_IN, name: &permit.name, filter: &params.filter, message, found })
}

async fn found(
    app: &App,
    permit: &Reader,
    params: &SessionParams,
    page: &str,
) -> Result<(Option<String>, Option<Found>), Problem> {
    match search(app, permit, params).await {
        Ok(answer) => Ok((None, Some(shown(&permit.name, params, page, answer)))),
        Err(problem) => Ok((Some(problem.mendable()?), None)),
    }
}

async fn search(app: &App, permit: &Reader, params: &SessionParams) -> Result<PresencePage, Problem> {
    let now = app.now();
    let answer = app.engine.presence(&permit.trail, &params.presence(now)?, now).await?;
    looked_at_instant(&answer, &params.filter).seen(app, permit).await?;
    Ok(answer)
}

fn shown(name: &EnvironmentName, params: &SessionParams, page: &str, answer: PresencePage) -> Found {
    let at = answer.at.to_string();
    let link = |token: &String| {
        let params = [("at", at.as_str()), ("filter", &params.filter), ("page", token)];
        address(&format!("/p/{name}/{page}"), &params)
    };
    let is_whole = answer.next.is_none() && params.page.is_empty();
    Found {
        proof: proof(name, &answer, is_whole),
        next: answer.next.as_ref().map(link),
        api: address(
            &format!("/api/v1/environments/{name}/presence"),
            &[("at", &at), ("filter", &params.filter)],
        ),
        rows: answer.rows.into_iter().map(|row| SessionLine::new(name, row)).collect(),
        total: grouped(answer.total),
        without_end: grouped(answer.without_end),
        at: show(answer.at),
        instant: answer.at,
    }
}

/// The day around an instant, and what is known of it to be there.
async fn around(
    app: &App,
    permit: &Reader,
    filter: &str,
    at: Time,
) -> Result<(Option<Day>, String), Problem> {
    let now = app.now();
    let range = day::range(at, now);
    let found = app.engine.at_once(&permit.trail, range, day::points_of(range), None, now).await;
    // So many sessions that counting them was refused: the steps are left.
    let found = match found {
        Ok(found) => Some(found),
        Err(QueryError::Invalid(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let until = (range.0, at.max(range.0.saturating_add_ms(1)));
    let streams = coverage::reports(app.control().as_ref(), &permit.name, until, now).await?;
    let day = Day::new(&permit.name, filter, at, now, found.as_ref());
    Ok((Some(day), statement(&streams, until)))
}

/// The bundle of all sign-ins and sign-outs from the first of these sessions to the instant: who was signed in follows
/// from it. A filter is left out, because a sign-out may not fit what its sign-in does.
fn proof(name: &EnvironmentName, answer: &PresencePage, is_whole: bool) -> Proof {
    let oldest = answer.rows.iter().filter_map(|row| row.start).min();
    let from = oldest.filter(|_| is_whole).unwrap_or_else(|| day::begin(answer.at)).min(answer.at);
    let to = answer.at.saturating_add_ms(1);
    let params = [("query", "all-events"), ("from", &from.to_string()), ("to", &to.to_string())];
    Proof {
        href: address(&format!("/api/v1/environments/{name}/evidence"), &params),
        from: show(from),
        to: show(answer.at),
        is_whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_at_a_glance() {
        assert_eq!([59, 60, 3_660, 90_061].map(duration), ["0:00", "0:01", "1:01", "1 d 01:01"]);
    }
}
