//! `keycloak-events`: user events of Keycloak, as its admin API and its listeners write them as JSON, and as
//! its log has them (`[org.keycloak.events] … type=LOGIN, realmId=…`).
//!
//! | type | becomes |
//! |---|---|
//! | `LOGIN`, `LOGIN_ERROR` | logon, failed logon |
//! | `CLIENT_LOGIN` | the same of a program |
//! | `LOGOUT`, `USER_SESSION_DELETED` | logoff |
//! | `CODE_TO_TOKEN`, `TOKEN_EXCHANGE` | a ticket for an application |
//! | `IMPERSONATE` | account switch |
//! | refreshed and inspected tokens, changes by users and administrators, other lines of the log | set aside, counted |
//!
//! With `_ERROR` behind it, each is a failure. A session is known by `sessionId`, in the log by `code_id`, which is
//! the same.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use serde_json::{Map, Value};
use whowas_event::{Activity, Draft, Event, NativeId, Status, Time};

use crate::{
    contract::{
        Format, Info, Item, Options, PROBLEM_RAW_BYTES_MAX, Place, Problem, ReadError, ReadSummary, Sample,
        Sink, Yields,
    },
    ids::DerivedIds,
    instant,
    jsonstream::{self, JsonRecord},
    lines::Lines,
    strict::{Strict, canonical_object},
};

/// The format.
#[derive(Debug)]
pub struct KeycloakEvents;

static INFO: Info = Info {
    name: "keycloak-events",
    product: "Keycloak",
    marker: "JSON objects with `type`, `realmId` and `time`, or log lines of `[org.keycloak.events]`",
    yields: Yields { start: true, end: true, failure: true, identity: false },
    row_caps: &[],
};

/// How lines of the log name events.
const LOGGER: &str = "[org.keycloak.events]";

impl Format for KeycloakEvents {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        if jsonstream::is_json_like(sample) {
            return jsonstream::first_object(sample).is_some_and(|first| {
                let is_type = first.get("type").and_then(Value::as_str).is_some_and(is_type);
                is_type && first.contains_key("realmId") && first.contains_key("time")
            });
        }
        memchr::memmem::find(sample.bytes, LOGGER.as_bytes()).is_some()
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let mut first = Vec::new();
        (&mut *input).take(1).read_to_end(&mut first)?;
        let is_json = first == b"{" || first == b"[";
        let mut input = Cursor::new(first).chain(input);
        let mut ids = DerivedIds::default();
        if !is_json {
            return read_log(&mut input, options, &mut ids, sink);
        }
        let read = jsonstream::read_records(&mut input, &mut |found| {
            sink(found.and_then(|record| json_item(&record, &mut ids)).unwrap_or_else(Item::Problem))
        })?;
        Ok(ReadSummary { read, ..ReadSummary::default() })
    }
}

fn is_type(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit())
}

/// An event before it has our words: its members by Keycloak's names.
struct Told {
    occurred_at: Time,
    raw_time: Option<String>,
    members: BTreeMap<String, String>,
}

impl Told {
    fn text(&self, name: &str) -> Option<String> {
        self.members.get(name).and_then(|text| crate::entra::said(text)).map(str::to_owned)
    }

    fn item(self, raw: &[u8], ids: &mut DerivedIds) -> Result<Item, String> {
        let Some(kind) = self.text("type") else {
            let category = if self.members.contains_key("operationType") {
                "admin event"
            } else {
                "event without a type"
            };
            return Ok(Item::SetAside { category: category.to_owned() });
        };
        let (what, is_error) = match kind.strip_suffix("_ERROR") {
            Some(what) => (what, true),
            None => (kind.as_str(), false),
        };
        let Some(activity) = activity(what) else {
            return Ok(Item::SetAside { category: kind.chars().take(50).collect() });
        };
        let mut event = Event {
            occurred_at: self.occurred_at,
            raw_time: self.raw_time.clone(),
            activity,
            status: if is_error { Status::Failure } else { Status::Success },
            status_code: self.text("error"),
            auth_protocol: self.text("auth_method"),
            logon_type: (what == "CLIENT_LOGIN").then(|| "service".to_owned()),
            tenant_uid: self.text("realmName").or_else(|| self.text("realmId")),
            session_uid: ["sessionId", "code_id", "authSessionParentId"]
                .iter()
                .find_map(|name| self.text(name)),
            correlation_uid: self.text("code_id"),
            ..Event::default()
        };
        event.user.uid = self.text("userId");
        event.user.name = self.text("username");
        event.user.email_addr =
            self.text("email").or_else(|| event.user.name.clone().filter(|name| name.contains('@')));
        event.src_endpoint.ip = self.text("ipAddress");
        event.service.uid = self.text("clientId");
        event.service.name.clone_from(&event.service.uid);
        if what == "IMPERSONATE" {
            event.actor.name = self.text("impersonator");
        }
        event.native_id = match self.text("id") {
            Some(id) => NativeId::Given(id),
            None => ids.next([String::from_utf8_lossy(raw).as_ref()]),
        };
        let known = [
            "type",
            "id",
            "userId",
            "username",
            "email",
            "ipAddress",
            "clientId",
            "error",
            "time",
            "impersonator",
        ];
        let kept: Map<String, Value> = self
            .members
            .iter()
            .filter(|(name, text)| !known.contains(&name.as_str()) && crate::entra::said(text).is_some())
            .map(|(name, text)| (name.clone(), text.as_str().into()))
            .chain([("type".to_owned(), kind.as_str().into())])
            .collect();
        event.unmapped = canonical_object(kept)?;
        Ok(Item::Draft(Draft { event, raw: raw.to_vec() }, Place::default()))
    }
}

fn activity(what: &str) -> Option<Activity> {
    Some(match what {
        "LOGIN" | "CLIENT_LOGIN" => Activity::Logon,
        "LOGOUT" | "USER_SESSION_DELETED" => Activity::Logoff,
        "CODE_TO_TOKEN" | "TOKEN_EXCHANGE" => Activity::ServiceTicketRequest,
        "IMPERSONATE" => Activity::AccountSwitch,
        _ => return None,
    })
}

fn json_item(record: &JsonRecord<'_>, ids: &mut DerivedIds) -> Result<Item, Problem> {
    let object = match serde_json::from_slice(record.raw) {
        Ok(Strict(Value::Object(object))) => object,
        Ok(_) => return Err(record.problem("not a JSON object")),
        Err(error) => return Err(record.parse_problem(&error)),
    };
    let time = object.get("time").and_then(Value::as_i64).and_then(|ms| Time::from_ms(ms).ok());
    let Some(occurred_at) = time else {
        return Err(record.problem_at("time", "`time` is missing, or no number of milliseconds since 1970"));
    };
    let mut members = BTreeMap::new();
    let details = object.get("details").and_then(Value::as_object);
    for (name, value) in details.into_iter().flatten().chain(&object) {
        match value {
            Value::String(text) => _ = members.insert(name.clone(), text.clone()),
            Value::Number(number) => _ = members.insert(name.clone(), number.to_string()),
            Value::Bool(value) => _ = members.insert(name.clone(), value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => {}
        }
    }
    members.remove("time");
    let told = Told { occurred_at, raw_time: None, members };
    told.item(record.raw, ids).map(|item| item.at(record.place)).map_err(|reason| record.problem(reason))
}

fn read_log(
    input: &mut dyn Read,
    options: &Options,
    ids: &mut DerivedIds,
    sink: &mut Sink<'_>,
) -> Result<ReadSummary, ReadError> {
    let mut summary = ReadSummary::default();
    let mut lines = Lines::new(input);
    while let Some(is_whole) = lines.next()? {
        let raw = lines.bytes();
        if raw.is_empty() {
            continue;
        }
        summary.read += 1;
        let item = match is_whole {
            true => line_item(raw, options, ids, &mut summary.times_without_zone),
            false => Err("the line is longer than 1 MiB".to_owned()),
        };
        let place = Place { record: summary.read, line: Some(lines.line()), column: None };
        let problem = |reason| {
            let raw = raw.get(..PROBLEM_RAW_BYTES_MAX).unwrap_or(raw).to_vec();
            Item::Problem(Problem { place, reason, raw })
        };
        sink(item.map_or_else(problem, |item| item.at(place)))?;
    }
    Ok(summary)
}

/// `2026-11-23 07:22:01,500 WARN  [org.keycloak.events] (executor-thread-1) type="LOGIN_ERROR", realmId="…"`
fn line_item(
    raw: &[u8],
    options: &Options,
    ids: &mut DerivedIds,
    without_zone: &mut u64,
) -> Result<Item, String> {
    let text = String::from_utf8_lossy(raw);
    let Some((head, message)) = text.split_once(LOGGER) else {
        return Ok(Item::SetAside { category: "other lines of the log".to_owned() });
    };
    let time = head.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let time = time.split_once("  ").map_or(time.as_str(), |(time, _)| time);
    let instant = instant::read(time, options).map_err(|error| format!("the time `{time}`: {error}"))?;
    // The name of the thread stands in parentheses before the members.
    let members = message.split_once(") ").map_or(message, |(_, members)| members);
    let item = Told { occurred_at: instant.time, raw_time: instant.raw_time, members: pairs(members.trim()) }
        .item(raw, ids)?;
    *without_zone += u64::from(instant.is_without_zone && matches!(item, Item::Draft(..)));
    Ok(item)
}

/// `a=b, c="d, e"`: values may be quoted, and unquoted ones may hold `=`.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((name, value)) = rest.split_once('=') {
        let (value, next) = match value.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((value, next)) => (value, next.strip_prefix(',').unwrap_or(next)),
                None => (quoted, ""),
            },
            None => value.split_once(", ").unwrap_or((value, "")),
        };
        found.entry(name.trim().to_owned()).or_insert_with(|| value.to_owned());
        rest = next;
    }
    found
}

#[cfg(test)]
#[path = "keycloak_tests.rs"]
mod tests;
