//! `okta-log`: events of Okta's System Log, as its API returns them, one a line or in an array.
//!
//! | event type | becomes |
//! |---|---|
//! | `user.session.start` | logon, or a failed one |
//! | `user.session.end`, `user.session.clear` | logoff; the second revokes |
//! | `user.authentication.sso` | a ticket for the application that is signed in to |
//! | `user.authentication.…` | a factor or a provider that was tried, before a session |
//! | `user.session.impersonation.…` | account switch |
//! | `policy.evaluate_sign_on` | other: whether a sign-on was allowed |
//! | anything else | set aside, counted by its type |
//!
//! A session is known by `externalSessionId`, which is `unknown` where none began. The actor is the user, except
//! where an administrator or a program acts on a user: then that is in `target`.

use std::io::Read;

use serde_json::{Map, Value};
use whowas_event::{Activity, Draft, Event, NativeId, SessionHints, Status};

use crate::{
    contract::{Format, Info, Item, Options, Problem, ReadError, ReadSummary, Sample, Sink, Yields},
    dates,
    ids::DerivedIds,
    jsonstream::{self, JsonRecord},
    strict::{Strict, canonical_object},
};

/// The format.
#[derive(Debug)]
pub struct OktaLog;

static INFO: Info = Info {
    name: "okta-log",
    product: "Okta",
    marker: "JSON objects with `eventType`, `published`, `actor` and `uuid`",
    yields: Yields { start: true, end: true, failure: true, identity: false },
    row_caps: &[],
};

/// Bytes of a type that is set aside.
const CATEGORY_BYTES_MAX: usize = 100;

/// What is worth keeping without a word of ours: where it stands, and its name.
const KEPT: [(&[&str], &str); 22] = [
    (&["eventType"], "event_type"),
    (&["legacyEventType"], "legacy_event_type"),
    (&["displayMessage"], "message"),
    (&["severity"], "severity"),
    (&["actor", "type"], "actor_type"),
    (&["authenticationContext", "authenticationProvider"], "authentication_provider"),
    (&["authenticationContext", "credentialProvider"], "credential_provider"),
    (&["authenticationContext", "credentialType"], "credential_type"),
    (&["authenticationContext", "rootSessionId"], "root_session_uid"),
    (&["client", "device"], "device_type"),
    (&["client", "id"], "client_id"),
    (&["client", "zone"], "zone"),
    (&["client", "geographicalContext", "postalCode"], "postal_code"),
    (&["securityContext", "asNumber"], "as_number"),
    (&["securityContext", "asOrg"], "as_org"),
    (&["securityContext", "isp"], "isp"),
    (&["securityContext", "isProxy"], "is_proxy"),
    (&["debugContext", "debugData", "behaviors"], "behaviors"),
    (&["debugContext", "debugData", "deviceFingerprint"], "device_fingerprint"),
    (&["debugContext", "debugData", "factor"], "factor"),
    (&["debugContext", "debugData", "requestUri"], "request_uri"),
    (&["debugContext", "debugData", "threatSuspected"], "threat_suspected"),
];

impl Format for OktaLog {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        jsonstream::first_object(sample).is_some_and(|first| {
            ["eventType", "published", "actor", "uuid"].iter().all(|name| first.contains_key(*name))
        })
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let mut log = Log { options, ids: DerivedIds::default(), times_without_zone: 0 };
        let read = jsonstream::read_records(input, &mut |found| {
            sink(found.and_then(|record| log.item(&record)).unwrap_or_else(Item::Problem))
        })?;
        Ok(ReadSummary { read, times_without_zone: log.times_without_zone, warnings: Vec::new() })
    }
}

struct Log<'o> {
    options: &'o Options,
    ids: DerivedIds,
    times_without_zone: u64,
}

impl Log<'_> {
    fn item(&mut self, record: &JsonRecord<'_>) -> Result<Item, Problem> {
        let object = match serde_json::from_slice(record.raw) {
            Ok(Strict(Value::Object(object))) => object,
            Ok(_) => return Err(record.problem("not a JSON object")),
            Err(error) => return Err(record.parse_problem(&error)),
        };
        let Some(kind) = text(&object, &["eventType"]) else {
            return Err(record.problem_at("eventType", "`eventType` is missing"));
        };
        let Some(activity) = activity(&kind) else {
            let mut category = kind;
            let mut end = category.len().min(CATEGORY_BYTES_MAX);
            while !category.is_char_boundary(end) {
                end -= 1;
            }
            category.truncate(end);
            return Ok(Item::SetAside { category });
        };
        let event = self.event(&object, &kind, activity, record)?;
        Ok(Item::Draft(Draft { event, raw: record.raw.to_vec() }, record.place))
    }

    fn event(
        &mut self,
        object: &Map<String, Value>,
        kind: &str,
        activity: Activity,
        record: &JsonRecord<'_>,
    ) -> Result<Event, Problem> {
        let Some(published) = text(object, &["published"]) else {
            return Err(record.problem_at("published", "`published` is missing: export the events with it"));
        };
        let time = dates::parse(&published, self.options)
            .map_err(|error| record.problem_at("published", format!("`published`: {error}")))?;
        self.times_without_zone += u64::from(time.is_without_zone);
        let of = |path: &[&str]| text(object, path);
        let result = of(&["outcome", "result"]).unwrap_or_default();
        let reason = of(&["outcome", "reason"]);
        // A reason is a code (`INVALID_CREDENTIALS`), or a sentence.
        let is_code =
            |text: &str| text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit());
        let mut event = Event {
            occurred_at: time.time,
            raw_time: time.raw_time,
            activity,
            status: status(&result),
            status_code: reason.clone().filter(|reason| is_code(reason)),
            status_detail: reason,
            user_agent: of(&["client", "userAgent", "rawUserAgent"]),
            session_uid: of(&["authenticationContext", "externalSessionId"]).filter(|id| id != "unknown"),
            correlation_uid: of(&["transaction", "id"]),
            is_mfa: (kind == "user.authentication.auth_via_mfa").then_some(true),
            ..Event::default()
        };
        event.native_id = match of(&["uuid"]) {
            Some(id) => NativeId::Given(id),
            None => self.ids.next([String::from_utf8_lossy(record.raw).as_ref()]),
        };
        who(object, kind, &mut event);
        from_where(object, &mut event);
        let mut kept = Map::new();
        kept.insert("result".to_owned(), result.into());
        for (path, name) in KEPT {
            if let Some(text) = of(path) {
                kept.insert(name.to_owned(), text.into());
            }
        }
        if kind == "user.session.clear" {
            SessionHints { end: Some("revoked".to_owned()), ..SessionHints::default() }.write(&mut kept);
        }
        event.unmapped = canonical_object(kept).map_err(|reason| record.problem(reason))?;
        Ok(event)
    }
}

fn activity(kind: &str) -> Option<Activity> {
    Some(match kind {
        "user.session.start" => Activity::Logon,
        "user.session.end" | "user.session.clear" => Activity::Logoff,
        "user.authentication.sso" => Activity::ServiceTicketRequest,
        "policy.evaluate_sign_on" => Activity::Other,
        _ if kind.starts_with("user.session.impersonation.") => Activity::AccountSwitch,
        _ if kind.starts_with("user.authentication.") => Activity::Preauth,
        _ => return None,
    })
}

fn status(result: &str) -> Status {
    match result {
        "SUCCESS" | "ALLOW" => Status::Success,
        "FAILURE" | "DENY" | "ABANDONED" | "UNANSWERED" | "RATE_LIMIT" => Status::Failure,
        "" | "UNKNOWN" => Status::Unknown,
        _ => Status::Other,
    }
}

/// The text at a path of members; `None` if it says nothing.
fn text(object: &Map<String, Value>, path: &[&str]) -> Option<String> {
    let (last, way) = path.split_last()?;
    let mut object = object;
    for name in way {
        object = object.get(*name)?.as_object()?;
    }
    match object.get(*last)? {
        Value::String(text) => crate::entra::said(text).map(str::to_owned),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// Of the targets the first of this type.
fn target<'a>(object: &'a Map<String, Value>, kind: &str) -> Option<&'a Map<String, Value>> {
    let targets = object.get("target")?.as_array()?;
    let mut targets = targets.iter().filter_map(Value::as_object);
    targets.find(|target| target.get("type").and_then(Value::as_str) == Some(kind))
}

fn who(object: &Map<String, Value>, kind: &str, event: &mut Event) {
    let none = Map::new();
    let actor = object.get("actor").and_then(Value::as_object).unwrap_or(&none);
    let is_user = text(actor, &["type"]).is_none_or(|kind| kind == "User");
    let other = target(object, "User").filter(|target| {
        let is_acted_on = !is_user || kind == "user.session.clear" || kind.contains("impersonation");
        is_acted_on && text(target, &["id"]) != text(actor, &["id"])
    });
    let party = other.unwrap_or(actor);
    // Who could not be found has the id `unknown`, and what was typed as a name.
    event.user.uid = text(party, &["id"]).filter(|id| id != "unknown");
    event.user.name = text(party, &["alternateId"]).filter(|name| name != "unknown");
    event.user.email_addr = event.user.name.clone().filter(|name| name.contains('@'));
    event.user.full_name = text(party, &["displayName"]).filter(|name| name != "unknown");
    if other.is_some() {
        event.actor.uid = text(actor, &["id"]);
        event.actor.name = text(actor, &["alternateId"]);
    }
    let app = target(object, "AppInstance").or_else(|| target(object, "AppUser"));
    if let Some(app) = app.filter(|app| text(app, &["type"]).as_deref() == Some("AppInstance")) {
        event.service.name = text(app, &["displayName"]).or_else(|| text(app, &["alternateId"]));
        event.service.uid = text(app, &["id"]);
    }
}

fn from_where(object: &Map<String, Value>, event: &mut Event) {
    let of = |path: &[&str]| text(object, path);
    let place = |name: &str| of(&["client", "geographicalContext", name]);
    let src = &mut event.src_endpoint;
    src.ip = of(&["client", "ipAddress"]);
    src.location.country = place("country");
    src.location.region = place("state");
    src.location.city = place("city");
    event.device.os = of(&["client", "userAgent", "os"]).filter(|os| os != "Unknown");
    event.device.browser = of(&["client", "userAgent", "browser"]).filter(|name| name != "UNKNOWN");
}

#[cfg(test)]
#[path = "okta_tests.rs"]
mod tests;
