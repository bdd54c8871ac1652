//! One session: when it began and ended, how that is known, and every record that it was derived from.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use whowas_event::{EnvironmentName, Time};
use whowas_query::{NameChange, SessionDetail, SessionRecord};

use super::{super::raw_logs::local, user_href};
use crate::{
    api::{
        params::{Params, zone},
        sessions::{find_one, looked_at_one},
    },
    app::App,
    auth::Reader,
    console::{Frame, SIGNED_IN, address, grouped, html, presence::duration, stands_under},
    problem::Problem,
};

/// Where the page of the session that began with this record is.
pub(crate) fn href(name: &EnvironmentName, position: u64) -> String {
    format!("/p/{name}/sessions/{position}")
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SessionPageParams {
    tz: String,
}

struct Line {
    position: u64,
    href: String,
    at: String,
    activity: &'static str,
    status: &'static str,
    detail: String,
    from: String,
    /// Since the session began.
    after: String,
    recorded: String,
}

struct Fact {
    name: &'static str,
    value: String,
    href: String,
}

#[derive(Template)]
#[template(path = "session_page.html")]
struct SessionView<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    position: u64,
    who: String,
    facts: Vec<Fact>,
    reason: &'static str,
    /// What the reason means.
    meaning: &'static str,
    confidence: &'static str,
    how: &'static str,
    lines: Vec<Line>,
    record_count: String,
    is_complete: bool,
    is_cut: bool,
    zone: String,
    logs: String,
    evidence: String,
    tree_size: String,
}

stands_under!(SessionView, tab = "user-log");

/// The page. The address of any of a session's records leads to the one that began it.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    permit: Reader,
    Path((_, _, key)): Path<(String, String, String)>,
    Params(params): Params<SessionPageParams>,
) -> Result<Response, Problem> {
    zone(&params.tz)?;
    let now = app.now();
    let found = find_one(&app, &permit, &key).await?;
    if found.session.position.to_string() != key {
        let to = address(&href(&permit.name, found.session.position), &[("tz", &params.tz)]);
        return Ok(Redirect::temporary(&to).into_response());
    }
    looked_at_one(&found).seen(&app, &permit).await?;
    Ok(view(&permit.name, &params.tz, found, now)?.into_response())
}

fn view(name: &EnvironmentName, tz: &str, found: SessionDetail, now: Time) -> Result<Html<String>, Problem> {
    let zone = zone(tz)?;
    let time = |time: Time| local(time, &zone, "%Y-%m-%d %H:%M:%S");
    let SessionDetail { session, records, record_count, is_complete, tree_size } = found;
    let begin = session.start.or(session.end);
    let is_cut = records.len() < record_count;
    let line = |record: SessionRecord| Line {
        position: record.position,
        href: address(&format!("/p/{name}/monitoring/raw-logs/{}", record.position), &[("tz", tz)]),
        at: time(record.occurred_at),
        activity: record.activity,
        status: record.status,
        detail: [record.status_detail, record.logon_type]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", "),
        from: record.src_ip.unwrap_or_default(),
        after: begin.map(|begin| since(begin, record.occurred_at)).unwrap_or_default(),
        recorded: time(record.recorded_at),
    };
    let (from, to) = bounds(&records, begin, session.end, now);
    let lines: Vec<Line> = records.into_iter().map(line).collect();
    let uid = session.session_uid.clone().filter(|uid| !uid.contains(['"', '*']));
    let filter = uid.map(|uid| format!("session:\"{uid}\"")).unwrap_or_default();
    let (evidence, logs) = links(name, tz, (from, to), &filter, &time);
    let who =
        session.user_full_name.clone().or_else(|| session.user.clone()).or_else(|| session.user_id.clone());
    html(&SessionView {
        frame: SIGNED_IN,
        name,
        position: session.position,
        who: who.unwrap_or_else(|| "somebody whom no record names".to_owned()),
        facts: facts(name, &session, &time),
        reason: session.end_reason,
        meaning: meaning(session.end_reason, session.start.is_none()),
        confidence: session.end_confidence,
        how: how(session.end_confidence),
        lines,
        record_count: grouped(record_count as u64),
        is_complete,
        is_cut,
        zone: if tz.is_empty() { "UTC".to_owned() } else { tz.to_owned() },
        logs,
        evidence,
        tree_size: grouped(tree_size),
    })
}

/// The time that has all records of the session.
fn bounds(records: &[SessionRecord], begin: Option<Time>, end: Option<Time>, now: Time) -> (Time, Time) {
    let times = || records.iter().map(|record| record.occurred_at);
    let from = times().chain(begin).min().unwrap_or(now);
    let to = times().chain(end.filter(|end| *end <= now)).max().unwrap_or(now);
    (from, to.saturating_add_ms(1))
}

/// A bundle and a search of the session's records: by its id where it has one, else of everything in its time.
fn links(
    name: &EnvironmentName,
    tz: &str,
    (from, to): (Time, Time),
    filter: &str,
    time: &dyn Fn(Time) -> String,
) -> (String, String) {
    let evidence = address(
        &format!("/api/v1/environments/{name}/evidence"),
        &[("query", "all-events"), ("from", &from.to_string()), ("to", &to.to_string()), ("filter", filter)],
    );
    let form = |at: Time| time(at).replace(' ', "T");
    let logs = address(
        &format!("/p/{name}/monitoring/raw-logs"),
        &[
            ("query", "all-events"),
            ("start", &form(from)),
            ("end", &form(to.saturating_add_ms(1_000))),
            ("tz", tz),
            ("filter", filter),
        ],
    );
    (evidence, logs)
}

fn facts(
    name: &EnvironmentName,
    session: &whowas_query::SessionRow,
    time: &dyn Fn(Time) -> String,
) -> Vec<Fact> {
    let person = session.user_id.as_ref().or(session.user.as_ref());
    let person_href = person.map(|id| user_href(name, id)).unwrap_or_default();
    let mut facts = Vec::new();
    let mut add = |name: &'static str, value: Option<String>, href: &str| {
        facts.extend(value.map(|value| Fact { name, value, href: href.to_owned() }));
    };
    add("User", session.user.clone().or_else(|| session.user_id.clone()), &person_href);
    add("Name in the directory", session.user_full_name.clone(), "");
    if session.name_change.is_some() {
        let now = match session.name_change {
            Some(NameChange::AnotherPerson) => "Another person has this id now",
            _ => "Name now",
        };
        add("Name at sign-in", session.name_at_sign_in.clone(), "");
        add(now, session.name_now.clone(), "");
    }
    add("Became this user", session.actor.clone(), "");
    add("Start", Some(session.start.map_or_else(|| "no sign-in is known".to_owned(), time)), "");
    add("End", Some(session.end.map_or_else(|| "not known".to_owned(), time)), "");
    add("Duration", session.duration_s.map(duration), "");
    add("From", session.host.clone(), "");
    add("Address", session.ip.clone().filter(|ip| session.host.as_ref() != Some(ip)), "");
    add("Machine", session.machine.clone(), "");
    add("Line", session.line.clone(), "");
    add("Service", session.service.clone(), "");
    add("Kind of logon", session.logon_type.clone(), "");
    add("Session id", session.session_uid.clone(), "");
    add("Source", Some(format!("{} ({})", session.source, session.format)), "");
    facts
}

/// What an end reason says to somebody who has not read the manual.
const fn meaning(reason: &str, is_lone: bool) -> &'static str {
    if is_lone {
        return "A sign-out is recorded, and no sign-in that it belongs to.";
    }
    match reason.as_bytes() {
        b"logout" => "The user signed out, or the source says no more than that it ended.",
        b"expired" => "The life of the credential was over.",
        b"revoked" => "Somebody ended it.",
        b"superseded" => "Another sign-in took its line or its id.",
        b"shutdown" => "The machine stopped or started.",
        b"timeout" => "Nothing was heard of it for too long.",
        b"open" => "Its source tells sign-outs and has told none of it yet.",
        _ => "Its source never tells sign-outs: it may have ended at any time.",
    }
}

const fn how(confidence: &str) -> &'static str {
    match confidence.as_bytes() {
        b"explicit" => "a record says so",
        b"inferred" => "a rule says so, no record",
        _ => "there is no end",
    }
}

/// `+0:05`, or how long before.
fn since(begin: Time, at: Time) -> String {
    let seconds = at.as_ms().saturating_sub(begin.as_ms()) / 1000;
    let sign = if seconds < 0 { "−" } else { "+" };
    format!("{sign}{}", duration(seconds.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use whowas_query::sessions::EndReason;

    use super::*;

    #[test]
    fn every_reason_has_words_of_its_own() {
        let mut words: Vec<&str> =
            EndReason::ALL.iter().map(|reason| meaning(reason.as_str(), false)).collect();
        words.push(meaning("logout", true));
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
    }

    #[test]
    fn times_within_a_session_are_told_from_its_beginning() {
        let at = |ms| Time::from_ms(ms).unwrap();
        assert_eq!(since(at(0), at(3_660_000)), "+1:01");
        assert_eq!(since(at(3_600_000), at(0)), "−1:00");
    }
}
