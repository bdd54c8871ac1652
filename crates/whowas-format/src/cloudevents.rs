//! `cloudevents`: CloudEvents 1.0 in JSON, one, several a line, or a batch, with a sign-in as their data.
//!
//! The data is a native event ([`crate::native`]), or a record of any other known format, recognized as in a file. What a native
//! event leaves out the envelope tells: `time`, `id` with `source`, and, in the last words of `type`, the activity
//! (`com.example.user.login`). An event whose data is neither, and whose type is of no sign-in, is set aside, counted by type.
//!
//! `source` and `id` together name an event for good, so they are its id, unless its data has one.

use std::io::Read;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use whowas_event::{Draft, admit::CLEAR_BYTES_MAX};

use crate::{
    contract::{
        Format, Info, Item, Options, PROBLEM_RAW_BYTES_MAX, Problem, ReadError, ReadSummary, Sample, Sink,
        Stop, Yields,
    },
    eventname,
    jsonstream::{self, JsonRecord},
    native::Native,
    registry,
    strict::Strict,
};

/// The format.
#[derive(Debug)]
pub struct CloudEvents;

static INFO: Info = Info {
    name: "cloudevents",
    product: "CloudEvents 1.0",
    marker: "JSON objects with `specversion`, `type`, `source` and `id`",
    yields: Yields { start: true, end: true, failure: true, identity: true },
    row_caps: &[],
};

/// The attributes that every event has.
const REQUIRED: [&str; 4] = ["specversion", "type", "source", "id"];
/// Members by which a native event tells its time, its id and its activity.
const TIMES: [&str; 4] = ["occurred_at", "timestamp", "@timestamp", "time"];
const IDS: [&str; 3] = ["native_id", "event_id", "id"];
const ACTIVITIES: [&str; 4] = ["activity", "action", "event_type", "kind"];
/// How many words of a type, from its end, are taken for the name of what happened.
const TYPE_WORDS_MAX: usize = 3;
/// The longest type that is counted by itself.
const CATEGORY_CHARS_MAX: usize = 60;
/// Records of one event that carry all of it as their raw data are no more than so large.
const REPEATED_BYTES_MAX: usize = 4 * 1024;

impl Format for CloudEvents {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        let first = jsonstream::first_object(sample);
        first.is_some_and(|first| REQUIRED.iter().all(|name| first.contains_key(*name)))
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let mut summary = ReadSummary::default();
        summary.read = jsonstream::read_records(input, &mut |found| match found {
            Ok(record) => event(&record, options, &mut summary.times_without_zone, sink),
            Err(problem) => sink(Item::Problem(problem)),
        })?;
        Ok(summary)
    }
}

/// The JSON of an event that came with its attributes in headers (binary mode): names without `ce-`.
pub fn structured(attributes: Vec<(String, String)>, content_type: Option<&str>, body: &[u8]) -> Vec<u8> {
    let mut event: Map<String, Value> =
        attributes.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let is_json = content_type.is_none_or(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.ends_with("/json") || kind.ends_with("+json")
    });
    if let Some(kind) = content_type {
        event.insert("datacontenttype".to_owned(), kind.into());
    }
    match (is_json, serde_json::from_slice::<Strict>(body)) {
        (true, Ok(Strict(data))) => _ = event.insert("data".to_owned(), data),
        _ => _ = event.insert("data_base64".to_owned(), STANDARD.encode(body).into()),
    }
    Value::Object(event).to_string().into_bytes()
}

type Event = Map<String, Value>;

fn event(
    record: &JsonRecord<'_>,
    options: &Options,
    times_without_zone: &mut u64,
    sink: &mut Sink<'_>,
) -> Result<(), Stop> {
    let event = match serde_json::from_slice(record.raw) {
        Ok(Strict(Value::Object(event))) => event,
        Ok(_) => return sink(Item::Problem(record.problem("not a JSON object"))),
        Err(error) => return sink(Item::Problem(record.parse_problem(&error))),
    };
    for name in REQUIRED {
        if text(&event, name).is_empty() {
            return sink(Item::Problem(
                record.problem(format!("`{name}` is missing: every CloudEvent has it")),
            ));
        }
    }
    match data(&event) {
        Ok(Some(bytes)) => inner(record, &event, &bytes, options, times_without_zone, sink),
        Ok(None) => sink(Item::SetAside { category: category(&event) }),
        Err(reason) => sink(Item::Problem(record.problem(reason))),
    }
}

fn text<'e>(event: &'e Event, name: &str) -> &'e str {
    event.get(name).and_then(Value::as_str).map(str::trim).unwrap_or_default()
}

fn category(event: &Event) -> String {
    text(event, "type").chars().take(CATEGORY_CHARS_MAX).collect()
}

/// The bytes of the data: JSON, a text, or what was packed in base64.
fn data(event: &Event) -> Result<Option<Vec<u8>>, &'static str> {
    match (event.get("data"), event.get("data_base64")) {
        (None | Some(Value::Null), Some(Value::String(packed))) => {
            STANDARD.decode(packed).map(Some).map_err(|_| "`data_base64` is not in base64")
        }
        (Some(Value::String(text)), _) => Ok(Some(text.clone().into_bytes())),
        (Some(data @ (Value::Object(_) | Value::Array(_))), _) => Ok(Some(data.to_string().into_bytes())),
        _ => Ok(None),
    }
}

/// Reads the data as what it is.
fn inner(
    record: &JsonRecord<'_>,
    event: &Event,
    bytes: &[u8],
    options: &Options,
    times_without_zone: &mut u64,
    sink: &mut Sink<'_>,
) -> Result<(), Stop> {
    let (bytes, format) = match registry::detect(Sample { bytes, is_whole: true }) {
        Some(format) if format.info().name == INFO.name => {
            return sink(Item::Problem(record.problem("a CloudEvent in a CloudEvent: send the inner one")));
        }
        Some(format) if format.info().name != Native.info().name => (bytes.to_vec(), format),
        _ => match native(event, bytes) {
            Some(native) => (native, &Native as &dyn Format),
            None => return sink(Item::SetAside { category: category(event) }),
        },
    };
    let is_small = record.raw.len() <= REPEATED_BYTES_MAX;
    let mut own = |item: Item| match item {
        Item::Draft(Draft { event, raw }, _) => {
            let raw = if is_small { record.raw.to_vec() } else { raw };
            sink(Item::Draft(Draft { event, raw }, record.place))
        }
        Item::Problem(Problem { reason, raw, .. }) => {
            let whole = record.raw.get(..PROBLEM_RAW_BYTES_MAX).unwrap_or(record.raw);
            let raw = if is_small || raw.is_empty() { whole.to_vec() } else { raw };
            sink(Item::Problem(Problem { place: record.place, reason: format!("`data`: {reason}"), raw }))
        }
        aside @ Item::SetAside { .. } => sink(aside),
    };
    match format.read(&mut bytes.as_slice(), options, &mut own) {
        Ok(summary) => {
            *times_without_zone += summary.times_without_zone;
            Ok(())
        }
        Err(ReadError::Stopped(stop)) => Err(stop),
        Err(error) => sink(Item::Problem(record.problem(format!("`data`: {error}")))),
    }
}

/// The data as a native event, completed from the envelope; `None` if it is none.
fn native(event: &Event, bytes: &[u8]) -> Option<Vec<u8>> {
    let Ok(Strict(Value::Object(mut data))) = serde_json::from_slice(bytes) else { return None };
    let has = |data: &Event, names: &[&str]| names.iter().any(|name| data.contains_key(*name));
    let meaning = meaning(text(event, "type"));
    if !has(&data, &ACTIVITIES) {
        let (activity, status) = meaning?;
        data.insert("activity".to_owned(), activity.as_str().into());
        if !has(&data, &["status", "outcome", "result"]) {
            data.insert("status".to_owned(), status.as_str().into());
        }
    } else if meaning.is_none() && !data.contains_key("activity") && !data.contains_key("occurred_at") {
        // `action` and the like are words of many events.
        return None;
    }
    if !has(&data, &TIMES)
        && let Some(time) = event.get("time")
    {
        data.insert("occurred_at".to_owned(), time.clone());
    }
    if !has(&data, &IDS) {
        let id = format!("{} {}", text(event, "source"), text(event, "id"));
        // A longer id has no room in the leaf: the record's own text names it then.
        if id.len() <= CLEAR_BYTES_MAX {
            data.insert("native_id".to_owned(), id.into());
        }
    }
    Some(Value::Object(data).to_string().into_bytes())
}

/// What the last words of a type say: `com.example.user.login.v1` ends in a version, which says nothing.
fn meaning(kind: &str) -> Option<(whowas_event::Activity, whowas_event::Status)> {
    let is_version = |word: &str| {
        word.len() <= 4 && word.starts_with('v') && word.bytes().skip(1).all(|b| b.is_ascii_digit())
    };
    let mut words: Vec<&str> = kind.split(['.', '/', ':']).filter(|word| !word.is_empty()).collect();
    if words.last().is_some_and(|word| is_version(word)) {
        words.pop();
    }
    let first = words.len().saturating_sub(TYPE_WORDS_MAX);
    (first..words.len()).find_map(|at| eventname::meaning(&words.get(at..)?.join(".")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use whowas_event::NativeId;

    use super::*;
    use crate::testing::{read, recognizes};

    fn envelope(kind: &str, data: Value) -> Value {
        json!({ "specversion": "1.0", "id": "A-1", "source": "/shop", "type": kind, "time": "2026-11-23T10:00:00Z", "data": data })
    }

    fn shown(text: &str) -> Vec<String> {
        let reading = read(&CloudEvents, text);
        let events = reading.events.iter().map(|event| {
            let given = matches!(event.native_id, NativeId::Given(_));
            let id = if given { event.native_id.as_str() } else { "-" };
            let user = event.user.name.as_deref().unwrap_or("-");
            format!("{} {} {} {user} {id}", event.occurred_at, event.activity.as_str(), event.status.as_str())
        });
        events.chain(reading.others).collect()
    }

    #[test]
    fn native_events_are_completed_from_the_envelope() {
        for (event, want) in [
            (
                envelope("com.example.user.login.v1", json!({"user_name": "ada"})),
                "2026-11-23T10:00:00.000Z logon success ada /shop A-1",
            ),
            (
                envelope("com.example.login_failed", json!({"user_name": "ada"})),
                "2026-11-23T10:00:00.000Z logon failure ada /shop A-1",
            ),
            (
                envelope("x", json!({"activity": "logoff", "user_name": "ada", "native_id": "n"})),
                "2026-11-23T10:00:00.000Z logoff unknown ada n",
            ),
            (
                envelope(
                    "x",
                    json!({"occurred_at": "2026-11-23T11:00:00Z", "activity": "logon", "user_name": "ada"}),
                ),
                "2026-11-23T11:00:00.000Z logon unknown ada /shop A-1",
            ),
            (
                envelope("com.example.order.created", json!({"action": "create"})),
                "set aside: com.example.order.created",
            ),
            (envelope("com.example.user.login", Value::Null), "set aside: com.example.user.login"),
            (
                envelope("x", json!({"activity": "jump"})),
                "line 1, column 1: `data`: `activity` is `jump`: none of unknown, logon, logoff, authentication_ticket, service_ticket_request, service_ticket_renew, preauth, account_switch, other",
            ),
            (
                json!({"specversion": "1.0", "id": "1", "source": "/s"}),
                "line 1, column 1: `type` is missing: every CloudEvent has it",
            ),
        ] {
            assert_eq!(shown(&event.to_string()), [want], "{event}");
        }
    }

    #[test]
    fn other_formats_are_recognized_as_in_files() {
        let sign_in = json!({
            "id": "e-1", "createdDateTime": "2026-11-23T10:00:00Z", "userPrincipalName": "ada@contoso.example",
            "userId": "u", "appDisplayName": "shop", "status": { "errorCode": 0 },
        });
        let text = envelope("x", sign_in.clone()).to_string();
        assert!(recognizes(&CloudEvents, &text));
        assert_eq!(shown(&text), ["2026-11-23T10:00:00.000Z logon success ada@contoso.example e-1"]);
        let line = "CEF:0|A|B|1|1|login|3|suser=ada rt=Nov 23 2026 10:00:00 UTC";
        let mut packed = envelope("x", Value::Null);
        packed["data_base64"] = STANDARD.encode(line).into();
        let batch = json!([envelope("x", line.into()), packed]).to_string();
        assert_eq!(shown(&batch), ["2026-11-23T10:00:00.000Z logon success ada -"; 2]);
        let nested = envelope("x", envelope("x", sign_in)).to_string();
        assert_eq!(shown(&nested), ["line 1, column 1: a CloudEvent in a CloudEvent: send the inner one"]);
        packed_wrongly();
    }

    fn packed_wrongly() {
        let mut event = envelope("x", Value::Null);
        event["data_base64"] = "!".into();
        assert_eq!(shown(&event.to_string()), ["line 1, column 1: `data_base64` is not in base64"]);
    }

    #[test]
    fn attributes_in_headers_say_the_same() {
        let attributes = || {
            let event = envelope("com.example.user.login", Value::Null);
            let pairs = event.as_object().unwrap().iter().filter(|(name, _)| *name != "data");
            pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect::<Vec<_>>()
        };
        let want = ["2026-11-23T10:00:00.000Z logon success ada /shop A-1"];
        for kind in [None, Some("application/json; charset=utf-8"), Some("application/vnd.x+json")] {
            let text = structured(attributes(), kind, b"{\"user_name\":\"ada\"}");
            assert_eq!(shown(std::str::from_utf8(&text).unwrap()), want);
        }
        let line = b"CEF:0|A|B|1|1|login|3|suser=ada rt=Nov 23 2026 10:00:00 UTC";
        let text = structured(attributes(), Some("text/plain"), line);
        assert_eq!(
            shown(std::str::from_utf8(&text).unwrap()),
            ["2026-11-23T10:00:00.000Z logon success ada -"]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_event_panics(data in "[\\{\\}\\[\\]\"a-z:,1]{0,40}", kind in "[a-z.v0-9]{1,20}") {
            let text = format!("{{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"{kind}\",\"data\":{data}}}");
            let _ = read(&CloudEvents, &text);
            let _ = structured(vec![("type".to_owned(), kind)], Some("application/json"), data.as_bytes());
        }
    }
}
