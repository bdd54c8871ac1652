//! `appinsights`: telemetry of Application Insights as its SDKs send it: envelopes, one a line or in an array.
//!
//! It has no sign-ins. Page views and events that carry a session and a user show that this user's session
//! goes on; of them come the records:
//!
//! | envelope | becomes |
//! |---|---|
//! | the first of a session and user | logon |
//! | a later one, [`SIGN_OF_LIFE_MS`] or more behind the last that was kept | *other*: a sign of life, by which the pairing infers the end |
//! | one in between | set aside, counted |
//! | an event that is called a sign-in or sign-out (`eventname.rs`) | logon, failed logon, logoff |
//! | without session or user, and all other types | set aside, counted by type |
//!
//! So an end is always inferred, but for such an event. What is *first* is remembered in [`KnownSessions`], for one
//! file or in one process; forgetting costs one more logon of the same session, which the pairing takes for
//! one that was told again.
//!
//! | field | from |
//! |---|---|
//! | `occurred_at` | `time` |
//! | `session.uid` | `ai.session.id` |
//! | `user.name` | `ai.user.authUserId`, else `ai.user.id` (Finance and Operations writes its user id there) |
//! | `src_endpoint` | `ai.location.ip`, unless it is masked as 0.0.0.0; `ai.location.country`, `.province`, `.city` |
//! | `device` | `ai.device.id`, `.model`, `.osVersion`, `ai.device.browser` |
//! | `service.name`, `dst_endpoint` | `ai.cloud.role`, `ai.cloud.roleInstance` |
//! | `correlation_uid` | `ai.operation.id` |
//! | `unmapped` | name, type, properties such as `LegalEntity`, `ai.session.isFirst`, the sampling rate |

use std::{collections::HashMap, io::Read};

use serde_json::{Map, Value};
use whowas_event::{Activity, Draft, Event, NativeId, Status, Time};

use crate::{
    contract::{Format, Info, Item, Options, Problem, ReadError, ReadSummary, Sample, Sink, Yields},
    dates, eventname, ids,
    jsonstream::{self, JsonRecord},
    strict::{Strict, canonical_object},
};

/// The format.
#[derive(Debug)]
pub struct AppInsights;

static INFO: Info = Info {
    name: "appinsights",
    product: "Application Insights SDKs; Dynamics 365 Finance and Operations telemetry",
    marker: "JSON objects with `iKey` or `tags`, and `data.baseType`",
    yields: Yields { start: true, end: true, failure: true, identity: false },
    row_caps: &[],
};

/// Signs of life of a session are kept so far apart: ends are inferred no more exactly than that.
pub const SIGN_OF_LIFE_MS: i64 = 5 * 60 * 1000;
/// Sessions that are remembered before the older half is forgotten; some 100 bytes each, twice: 13 MB.
const SESSIONS_MAX: usize = 64 * 1024;
/// Properties of an envelope are kept up to so many bytes together; beyond, the ones with these names.
const PROPERTIES_BYTES_MAX: usize = 4 * 1024;
const PROPERTIES_KEPT: [&str; 6] =
    ["LegalEntity", "BatchJobId", "ExecutionMode", "activityId", "environmentId", "FormName"];
/// The longest name of a type that is counted by itself.
const CATEGORY_CHARS_MAX: usize = 40;

impl Format for AppInsights {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        jsonstream::first_object(sample).is_some_and(|first| {
            let is_typed = first.get("data").is_some_and(|data| data.get("baseType").is_some());
            is_typed && (first.contains_key("iKey") || first.contains_key("tags"))
        })
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        read(input, options, &mut KnownSessions::default(), sink)
    }
}

/// The same with sessions that are known from before.
pub fn read(
    input: &mut dyn Read,
    options: &Options,
    known: &mut KnownSessions,
    sink: &mut Sink<'_>,
) -> Result<ReadSummary, ReadError> {
    let mut summary = ReadSummary::default();
    summary.read = jsonstream::read_records(input, &mut |found| {
        let item = found.and_then(|record| item(&record, options, known, &mut summary.times_without_zone));
        sink(item.unwrap_or_else(Item::Problem))
    })?;
    Ok(summary)
}

/// The sessions that envelopes were seen of.
#[derive(Debug, Default)]
pub struct KnownSessions {
    recent: HashMap<NativeId, Seen>,
    older: HashMap<NativeId, Seen>,
}

#[derive(Clone, Debug)]
struct Seen {
    /// The id of the envelope that was the first: when it is sent again, it is so again.
    first: NativeId,
    kept_at: Time,
}

/// What an envelope is for its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    First,
    SignOfLife,
    InBetween,
}

impl KnownSessions {
    /// Forgets all: what was told of them may not have been recorded.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    fn place(&mut self, session: [&str; 2], id: &NativeId, at: Time) -> Place {
        let key = ids::of_key(session);
        if let Some(seen) = self.recent.get_mut(&key).or_else(|| self.older.get_mut(&key)) {
            if seen.first == *id {
                return Place::First;
            }
            if at.as_ms().saturating_sub(seen.kept_at.as_ms()) < SIGN_OF_LIFE_MS {
                return Place::InBetween;
            }
            seen.kept_at = at;
            return Place::SignOfLife;
        }
        if self.recent.len() >= SESSIONS_MAX {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(key, Seen { first: id.clone(), kept_at: at });
        Place::First
    }
}

/// The instrumentation key that the first envelope of a body has, looked for without reading the rest.
pub fn instrumentation_key(beginning: &[u8]) -> Option<String> {
    let (_, rest) = beginning.split_at(memchr::memmem::find(beginning, b"\"iKey\"")?);
    let rest = rest.strip_prefix(b"\"iKey\"")?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let rest = rest.strip_prefix(b"\"")?;
    let end = memchr::memchr2(b'"', b'\\', rest)?;
    let key = rest.get(..end).filter(|_| rest.get(end) == Some(&b'"'))?;
    Some(std::str::from_utf8(key).ok()?.to_owned())
}

type Object = Map<String, Value>;

fn item(
    record: &JsonRecord<'_>,
    options: &Options,
    known: &mut KnownSessions,
    times_without_zone: &mut u64,
) -> Result<Item, Problem> {
    let envelope = match serde_json::from_slice(record.raw) {
        Ok(Strict(Value::Object(envelope))) => envelope,
        Ok(_) => return Err(record.problem("not a JSON object")),
        Err(error) => return Err(record.parse_problem(&error)),
    };
    let empty = Object::new();
    let object = |of: &'_ Object, name| of.get(name).and_then(Value::as_object).cloned();
    let data = object(&envelope, "data").unwrap_or_default();
    let Some(base_type) = text(&data, "baseType") else {
        return Err(
            record.problem("`data.baseType` is missing: is this an envelope of Application Insights?")
        );
    };
    let base = object(&data, "baseData").unwrap_or_default();
    let tags = envelope.get("tags").and_then(Value::as_object).unwrap_or(&empty);
    let aside = |why: &str| {
        let category = format!("{base_type}{why}");
        Ok(Item::SetAside { category: category.chars().take(CATEGORY_CHARS_MAX).collect() })
    };
    if !matches!(base_type.as_str(), "PageViewData" | "EventData") {
        return aside("");
    }
    let session = text(tags, "ai.session.id");
    let Some(user) = text(tags, "ai.user.authUserId").or_else(|| text(tags, "ai.user.id")) else {
        return aside(" without user");
    };
    let named = text(&base, "name").filter(|_| base_type == "EventData");
    let named = named.as_deref().and_then(eventname::meaning);
    let raw = std::str::from_utf8(record.raw).unwrap_or_default();
    let native_id = ids::of_key([raw]);
    let mut event = Event { native_id, session_uid: session, ..Event::default() };
    time(&envelope, record, options, times_without_zone, &mut event)?;
    (event.activity, event.status) = match (named, &event.session_uid) {
        (Some(meaning), _) => meaning,
        (None, None) => return aside(" without session"),
        (None, Some(session)) => match known.place([session, &user], &event.native_id, event.occurred_at) {
            Place::First => (Activity::Logon, Status::Success),
            Place::SignOfLife => (Activity::Other, Status::Success),
            Place::InBetween => return aside(" of a known session"),
        },
    };
    event.user.name = Some(user);
    describe(&envelope, tags, &base, &base_type, &mut event).map_err(|reason| record.problem(reason))?;
    Ok(Item::Draft(Draft { event, raw: record.raw.to_vec() }, record.place))
}

fn time(
    envelope: &Object,
    record: &JsonRecord<'_>,
    options: &Options,
    times_without_zone: &mut u64,
    event: &mut Event,
) -> Result<(), Problem> {
    let Some(time) = text(envelope, "time") else {
        return Err(record.problem("`time` is missing: when did it happen?"));
    };
    let read = dates::parse(&time, options)
        .map_err(|error| record.problem_at("time", format!("`time`: {error}")))?;
    *times_without_zone += u64::from(read.is_without_zone);
    event.occurred_at = read.time;
    event.raw_time = read.raw_time;
    Ok(())
}

/// Everything beside who, when and which session.
fn describe(
    envelope: &Object,
    tags: &Object,
    base: &Object,
    base_type: &str,
    event: &mut Event,
) -> Result<(), String> {
    let tag = |name: &str| text(tags, name);
    let properties = base.get("properties").and_then(Value::as_object);
    let property = |name: &str| properties.and_then(|properties| text(properties, name));
    event.user.domain = tag("ai.user.accountId");
    event.src_endpoint.ip = tag("ai.location.ip").filter(|ip| ip != "0.0.0.0");
    event.src_endpoint.location.country = tag("ai.location.country");
    event.src_endpoint.location.region = tag("ai.location.province");
    event.src_endpoint.location.city = tag("ai.location.city");
    event.device.uid = tag("ai.device.id");
    event.device.name = tag("ai.device.model");
    event.device.os = tag("ai.device.osVersion").or_else(|| tag("ai.device.os"));
    event.device.browser = tag("ai.device.browser");
    event.user_agent = tag("ai.user.userAgent");
    event.service.name = tag("ai.cloud.role");
    event.dst_hostname = tag("ai.cloud.roleInstance");
    event.correlation_uid = tag("ai.operation.id");
    event.logon_type = property("ExecutionMode").map(|mode| mode.to_lowercase());
    let anonymous = tag("ai.user.id").filter(|id| Some(id) != event.user.name.as_ref());
    let rate = envelope
        .get("sampleRate")
        .filter(|rate| !matches!(rate.to_string().trim_matches('"'), "100" | "100.0"));
    let kept = match properties {
        Some(all) if Value::Object(all.clone()).to_string().len() <= PROPERTIES_BYTES_MAX => all.clone(),
        Some(all) => PROPERTIES_KEPT
            .iter()
            .filter_map(|name| {
                Some(((*name).to_owned(), text(all, name)?.chars().take(256).collect::<String>().into()))
            })
            .collect(),
        None => Object::new(),
    };
    let members = [
        ("name", text(base, "name").map(Value::String)),
        ("type", Some(base_type.into())),
        ("anonymous_id", anonymous.map(Value::String)),
        ("is_first_session", tag("ai.session.isFirst").map(Value::String)),
        ("device_type", tag("ai.device.type").map(Value::String)),
        ("sample_rate", rate.cloned()),
        ("properties", Some(Value::Object(kept))),
    ];
    let unmapped: Object =
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    event.unmapped = canonical_object(unmapped)?;
    Ok(())
}

/// The text of a member; `None` if it says nothing.
fn text(object: &Object, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is_so) => Some(is_so.to_string()),
        _ => None,
    }
}

#[cfg(test)]
#[path = "appinsights_tests.rs"]
mod tests;
