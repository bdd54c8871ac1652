//! One record: every field, the name then and now, its raw bytes, its proof, its neighbours.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Html,
};
use serde::Deserialize;
use whowas_event::{EnvironmentName, Kind, Record, Status, Time};
use whowas_query::NameChange;
use whowas_store::{Snapshot, Stated};

use super::{grid::term, range::local};
use crate::{
    access::Access,
    api::params::{Params, zone},
    app::App,
    auth::Reader,
    console::{
        Frame, SIGNED_IN, address, html, stands_under,
        user_page::{session, user_href},
    },
    problem::Problem,
};

/// Of a raw record so much is shown; the proof and exports have all of it.
const RAW_BYTES_SHOWN: usize = 64 * 1024;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct RecordParams {
    #[serde(default)]
    tz: String,
}

struct Field {
    name: &'static str,
    value: String,
    /// A search for the same value, where there is one.
    href: Option<String>,
}

struct Now {
    name: String,
    email: String,
    /// What to say before the name.
    words: &'static str,
    is_other: bool,
}

#[derive(Template)]
#[template(path = "record.html")]
struct RecordPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    position: u64,
    kind: &'static str,
    zone: String,
    fields: Vec<Field>,
    now: Option<Now>,
    raw: String,
    raw_note: &'static str,
    newer: Option<String>,
    older: Option<String>,
    person: Option<String>,
    session: Option<String>,
}

stands_under!(RecordPage, tab = "monitoring", sub_tab = "activity");

/// The page.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    permit: Reader,
    Path((_, _, position)): Path<(String, String, String)>,
    Params(params): Params<RecordParams>,
) -> Result<Html<String>, Problem> {
    let position: u64 = position.parse().map_err(|_| Problem::not_found("a position is a number, from 0"))?;
    let zone = zone(&params.tz)?;
    let snapshot = permit.trail.snapshot();
    let found = app.engine.record_at(&permit.trail, position).await?;
    let (record, raw) =
        found.ok_or_else(|| Problem::not_found("the trail has no record at this position"))?;
    Access::new("record").with("position", position).seen(&app, &permit).await?;
    let path = format!("/p/{}/monitoring/raw-logs", permit.name);
    let neighbor = |position: u64| address(&format!("{path}/{position}"), &[("tz", &params.tz)]);
    let search = |key: &str, value: &str| {
        let filter = term(key, value)?;
        Some(address(
            &path,
            &[("query", "all-events"), ("range", "-365d"), ("tz", &params.tz), ("filter", &filter)],
        ))
    };
    let time = |time: Time| local(time, &zone, "%Y-%m-%d %H:%M:%S%.3f");
    let (raw, raw_note) = readable(&raw);
    html(&RecordPage {
        frame: SIGNED_IN,
        name: &permit.name,
        position,
        kind: record.event.kind.as_str(),
        zone: if params.tz.is_empty() { "UTC".to_owned() } else { params.tz.clone() },
        fields: fields(&record, &time, &search),
        now: now(&record, &snapshot),
        raw,
        raw_note,
        newer: (position + 1 < snapshot.size).then(|| neighbor(position + 1)),
        older: position.checked_sub(1).map(neighbor),
        person: person(&record).map(|id| user_href(&permit.name, id)),
        session: opens_session(&record).then(|| session::href(&permit.name, position)),
    })
}

/// By which of its names the user's page is found.
fn person(record: &Record) -> Option<&str> {
    let user = &record.event.user;
    let is_meant = matches!(record.event.kind, Kind::Login | Kind::Identity);
    let names = [&user.uid, &user.name, &user.email_addr].into_iter().flatten();
    names.map(String::as_str).next().filter(|_| is_meant)
}

/// Whether it may be part of a session; the session's page knows.
fn opens_session(record: &Record) -> bool {
    record.event.kind == Kind::Login && record.event.status != Status::Failure
}

/// What the record says, in the words of OCSF, without what it leaves out.
fn fields(
    record: &Record,
    time: &dyn Fn(Time) -> String,
    search: &dyn Fn(&str, &str) -> Option<String>,
) -> Vec<Field> {
    let event = &record.event;
    let (user, src, place, device) =
        (&event.user, &event.src_endpoint, &event.src_endpoint.location, &event.device);
    let mut fields = Vec::new();
    let mut add = |name: &'static str, key: &str, value: Option<&str>| {
        if let Some(value) = value {
            let href = if key.is_empty() { None } else { search(key, value) };
            fields.push(Field { name, value: value.to_owned(), href });
        }
    };
    add("occurred_at", "", Some(&time(event.occurred_at)));
    add("raw_time", "", event.raw_time.as_deref());
    add("activity", "activity", Some(event.activity.as_str()));
    add("status", "status", Some(event.status.as_str()));
    add("status_code", "code", event.status_code.as_deref());
    add("status_detail", "reason", event.status_detail.as_deref());
    add("user.uid", "user", user.uid.as_deref());
    add("user.name", "user", user.name.as_deref());
    add("user.full_name", "user", user.full_name.as_deref());
    add("user.email_addr", "user", user.email_addr.as_deref());
    add("user.domain", "", user.domain.as_deref());
    add("user.roles", "", (!user.roles.is_empty()).then(|| user.roles.join(", ")).as_deref());
    add("actor.uid", "", event.actor.uid.as_deref());
    add("actor.name", "", event.actor.name.as_deref());
    add("src_endpoint.ip", "ip", src.ip.as_deref());
    add("src_endpoint.port", "", src.port.map(|port| port.to_string()).as_deref());
    add("src_endpoint.hostname", "", src.hostname.as_deref());
    add("src_endpoint.location.city", "city", place.city.as_deref());
    add("src_endpoint.location.region", "", place.region.as_deref());
    add("src_endpoint.location.country", "country", place.country.as_deref());
    add("user_agent", "client", event.user_agent.as_deref());
    add("device.uid", "", device.uid.as_deref());
    add("device.name", "device", device.name.as_deref());
    add("device.os", "", device.os.as_deref());
    add("device.browser", "", device.browser.as_deref());
    add("dst_endpoint.hostname", "", event.dst_hostname.as_deref());
    add("service.name", "app", event.service.name.as_deref());
    add("service.uid", "", event.service.uid.as_deref());
    add("auth_protocol", "protocol", event.auth_protocol.as_deref());
    add("logon_type", "type", event.logon_type.as_deref());
    add("is_mfa", "", event.is_mfa.map(|is_mfa| if is_mfa { "yes" } else { "no" }));
    add("session.uid", "session", event.session_uid.as_deref());
    add("correlation_uid", "", event.correlation_uid.as_deref());
    add("tenant_uid", "", event.tenant_uid.as_deref());
    add("native_id", "id", Some(event.native_id.as_str()));
    add("revision", "", (record.revision > 0).then(|| record.revision.to_string()).as_deref());
    add("source", "source", Some(&record.source));
    add("format", "format", Some(&record.format));
    add("received_at", "", Some(&time(record.received_at)));
    add("recorded_at", "", Some(&time(record.recorded_at)));
    add("unmapped", "", event.unmapped.as_deref());
    add("body", "", event.body.as_deref());
    fields
}

/// What the directory calls the person today, or who has their id today.
fn now(record: &Record, snapshot: &Snapshot) -> Option<Now> {
    let user = &record.event.user;
    let stated = Stated {
        uid: user.uid.as_deref(),
        name: user.name.as_deref(),
        full_name: user.full_name.as_deref(),
        email_addr: user.email_addr.as_deref(),
    };
    let naming = snapshot.directory.naming(stated, record.event.occurred_at);
    let person = naming.now.or(naming.known)?;
    let differs =
        |then: &Option<String>, now: &Option<String>| then.is_some() && now.is_some() && then != now;
    let is_other = naming.change.is_some()
        || differs(&user.full_name, &person.full_name)
        || differs(&user.email_addr, &person.email_addr)
        || differs(&user.name, &person.name);
    Some(Now {
        words: match naming.change {
            Some(NameChange::AnotherPerson) => "Another person has this id or login name today:",
            _ if is_other => "Known today as",
            _ => "In the directory:",
        },
        is_other,
        name: person.full_name.clone().or_else(|| person.name.clone()).unwrap_or_default(),
        email: person.email_addr.clone().unwrap_or_default(),
    })
}

/// Raw bytes as text, and what to say about them. JSON is set out in lines.
fn readable(raw: &[u8]) -> (String, &'static str) {
    if raw.is_empty() {
        return (String::new(), "The raw record was not kept, or this record has none.");
    }
    let json = serde_json::from_slice::<serde_json::Value>(raw).ok();
    let text = json.and_then(|json| serde_json::to_string_pretty(&json).ok());
    let text = text.unwrap_or_else(|| String::from_utf8_lossy(raw).into_owned());
    match text.char_indices().find(|(at, _)| *at >= RAW_BYTES_SHOWN) {
        Some((at, _)) => (text.get(..at).unwrap_or_default().to_owned(), "Only the first 64 KiB are shown."),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_records_are_shown_as_they_are_read_best() {
        assert_eq!(readable(b"{\"a\":[1]}").0, "{\n  \"a\": [\n    1\n  ]\n}");
        assert_eq!(readable(b"plain, \xff").0, "plain, \u{fffd}");
        assert!(!readable(b"").1.is_empty());
        let (text, note) = readable("\u{20ac}".repeat(RAW_BYTES_SHOWN).as_bytes());
        assert!(text.len() < RAW_BYTES_SHOWN + 4 && note.contains("64 KiB"));
    }
}
