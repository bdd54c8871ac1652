//! What one log record means.

use serde_json::{Map, Value, json};
use whowas_event::{Activity, Event, NativeId, SessionHints, Status, admit::parse_ip};

use crate::{eventname, ids, instant, strict::canonical_object};

/// What a record is.
pub(super) enum Found {
    /// A sign-in or sign-out, and perhaps the end of the session before.
    Events(Vec<Event>),
    /// Something else, by the name of its event.
    Aside(String),
}

type Attributes = Map<String, Value>;

/// What is kept of a resource that is too large to be kept, and under `unmapped` of every one.
const RESOURCE_KEPT: [&str; 7] = [
    "service.namespace",
    "service.version",
    "service.instance.id",
    "deployment.environment.name",
    "host.name",
    "host.id",
    "k8s.namespace.name",
];
/// Attributes of a record that say that it was made by software, and nothing more.
const IGNORED: [&str; 1] = ["event.domain"];
/// The longest category that is counted by itself, in characters.
const CATEGORY_CHARS_MAX: usize = 32;
/// What a record without a name is counted as.
const NAMELESS: &str = "log record without event name";

/// The attributes of an object of OTLP as members of one object.
pub(super) fn attributes(object: &Value) -> Result<Attributes, String> {
    let mut out = Map::new();
    let pairs = object.get("attributes").and_then(Value::as_array);
    for pair in pairs.into_iter().flatten() {
        let key = pair.get("key").and_then(Value::as_str).unwrap_or_default();
        let value = plain(pair.get("value").unwrap_or(&Value::Null));
        if out.insert(key.to_owned(), value).is_some() {
            return Err(format!("the attribute `{key}` is given twice: remove one of them"));
        }
    }
    Ok(out)
}

/// The plain JSON value of an `AnyValue`. Its nesting was bounded by who parsed it.
fn plain(value: &Value) -> Value {
    let Some((name, inner)) = value.as_object().and_then(|object| object.iter().next()) else {
        return Value::Null;
    };
    let values = || inner.get("values").and_then(Value::as_array).into_iter().flatten();
    match name.as_str() {
        "arrayValue" | "array_value" => values().map(plain).collect(),
        "kvlistValue" | "kvlist_value" => {
            let pair = |pair: &Value| {
                let key = pair.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
                (key, plain(pair.get("value").unwrap_or(&Value::Null)))
            };
            Value::Object(values().map(pair).collect())
        }
        // 64-bit numbers are texts in this encoding; small ones are numbers for us.
        "intValue" | "int_value" => match inner.as_str().and_then(|text| text.parse::<i64>().ok()) {
            Some(number) if number.unsigned_abs() <= whowas_event::jcs::SAFE_INTEGER_MAX => number.into(),
            _ => inner.clone(),
        },
        _ => inner.clone(),
    }
}

/// A resource of the attributes that are read.
pub(super) fn resource_of(attributes: &Attributes) -> Value {
    let kept = ["service.name"].iter().chain(&RESOURCE_KEPT).filter_map(|name| {
        let text = attributes.get(*name)?.as_str()?;
        let text: String = text.chars().take(256).collect();
        Some(json!({ "key": name, "value": { "stringValue": text } }))
    });
    json!({ "attributes": kept.collect::<Vec<_>>() })
}

/// The id that the record gives, or one of its content.
pub(super) fn native_id(given: NativeId, raw: &[u8]) -> NativeId {
    match given {
        NativeId::Given(id) => NativeId::Given(id),
        NativeId::Derived(part) => {
            let text = std::str::from_utf8(raw).unwrap_or_default();
            let id = ids::of_key([text]);
            NativeId::Derived(format!("{}{part}", id.as_str()))
        }
    }
}

/// Reads a record. What is no sign-in is told before anything else of it is looked at.
pub(super) fn read(log: &Value, resource: &Attributes, scope: &Value) -> Result<Found, String> {
    let member = |name: &str, other: &str| log.get(name).or_else(|| log.get(other));
    let named = member("eventName", "event_name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = named.map(str::to_owned).or_else(|| event_name_attribute(log)).unwrap_or_default();
    let Some((activity, status)) = eventname::meaning(&name) else {
        let category = if name.is_empty() { NAMELESS } else { &name };
        return Ok(Found::Aside(category.chars().take(CATEGORY_CHARS_MAX).collect()));
    };
    let mut attributes = attributes(log)?;
    attributes.remove("event.name");
    // Before events had attributes of their own, what they said stood in the body.
    let body = plain(log.get("body").unwrap_or(&Value::Null));
    if let Value::Object(said) = &body {
        for (name, value) in said {
            attributes.entry(name).or_insert_with(|| value.clone());
        }
    }
    let mut event = Event { activity, status, ..Event::default() };
    time(log, &mut event)?;
    event.correlation_uid = member("traceId", "trace_id").and_then(Value::as_str).and_then(said);
    let mut all = Told { attributes };
    if let Some(id) = all.text(&["log.record.uid"]) {
        event.native_id = NativeId::Given(id);
    }
    event.session_uid = all.text(&["session.id"]);
    let previous = all.text(&["session.previous_id"]);
    if event.session_uid.is_none() && name.starts_with("session") {
        return Err("`session.id` is missing: a session without an id cannot be followed".to_owned());
    }
    who(&mut all, &mut event);
    from_where(&mut all, &mut event);
    to_what(&mut all, resource, &mut event);
    outcome(&mut all, &mut event);
    let mut unmapped = all.attributes;
    unmapped.retain(|name, _| !IGNORED.contains(&name.as_str()));
    if let Some(previous) = &previous {
        unmapped.insert("session.previous_id".to_owned(), previous.as_str().into());
    }
    around(log, body, resource, scope, &mut unmapped);
    event.unmapped = canonical_object(unmapped)?;
    let ended = previous
        .filter(|previous| activity == Activity::Logon && Some(previous) != event.session_uid.as_ref());
    let end = ended.map(|previous| end_of_previous(&event, previous)).transpose()?;
    Ok(Found::Events([Some(event), end].into_iter().flatten().collect()))
}

fn event_name_attribute(log: &Value) -> Option<String> {
    let pairs = log.get("attributes").and_then(Value::as_array)?;
    let pair = pairs.iter().find(|pair| pair.get("key").and_then(Value::as_str) == Some("event.name"))?;
    plain(pair.get("value")?).as_str().map(str::to_owned)
}

/// A start that goes on with another session ends that one: so the conventions say.
fn end_of_previous(start: &Event, previous: String) -> Result<Event, String> {
    let mut unmapped = Map::new();
    SessionHints { end: Some("superseded".to_owned()), ..SessionHints::default() }.write(&mut unmapped);
    let native_id = match &start.native_id {
        NativeId::Given(id) => NativeId::Given(format!("{id}.end")),
        NativeId::Derived(_) => NativeId::Derived(".end".to_owned()),
    };
    Ok(Event {
        activity: Activity::Logoff,
        native_id,
        session_uid: Some(previous),
        unmapped: canonical_object(unmapped)?,
        ..start.clone()
    })
}

fn time(log: &Value, event: &mut Event) -> Result<(), String> {
    for (name, other) in
        [("timeUnixNano", "time_unix_nano"), ("observedTimeUnixNano", "observed_time_unix_nano")]
    {
        let nanoseconds = match log.get(name).or_else(|| log.get(other)) {
            None | Some(Value::Null) => continue,
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.parse::<u64>().ok(),
            Some(_) => None,
        };
        let wrong = || format!("`{name}` is no count of nanoseconds since 1970");
        match nanoseconds.ok_or_else(wrong)? {
            // The value of a field that was not set.
            0 => {}
            nanoseconds => {
                let instant = instant::of_nanoseconds(nanoseconds).map_err(|_| wrong())?;
                event.occurred_at = instant.time;
                event.raw_time = instant.raw_time;
                return Ok(());
            }
        }
    }
    Err("`timeUnixNano` is missing: when did it happen?".to_owned())
}

/// The attributes that nobody has taken yet.
struct Told {
    attributes: Attributes,
}

impl Told {
    /// Takes the first of these attributes that says something.
    fn text(&mut self, names: &[&str]) -> Option<String> {
        let name = names
            .iter()
            .find(|name| self.attributes.get(**name).is_some_and(|value| text(value).is_some()))?;
        self.attributes.remove(*name).as_ref().and_then(text)
    }

    fn texts(&mut self, name: &str) -> Vec<String> {
        match self.attributes.remove(name) {
            Some(Value::Array(items)) => items.iter().filter_map(text).collect(),
            Some(value) => {
                let text = text(&value).unwrap_or_default();
                text.split(',').filter_map(said).collect()
            }
            None => Vec::new(),
        }
    }
}

fn said(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => said(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is_so) => Some(is_so.to_string()),
        _ => None,
    }
}

fn who(all: &mut Told, event: &mut Event) {
    let user = &mut event.user;
    user.uid = all.text(&["user.id"]);
    user.name = all.text(&["user.name"]);
    user.full_name = all.text(&["user.full_name"]);
    user.email_addr = all.text(&["user.email"]);
    user.domain = all.text(&["user.domain"]);
    user.roles = all.texts("user.roles");
    user.roles.extend(all.texts("enduser.role"));
    // "It maybe a username, email address, or other identifier": as a name it is of use whatever it is.
    if user.name.is_none() {
        user.name = all.text(&["enduser.id"]);
    }
    if user.uid.is_none() && user.name.is_none() {
        user.uid = all.text(&["enduser.pseudo.id", "user.hash"]);
    }
    if user.email_addr.is_none() {
        user.email_addr = user.name.clone().filter(|name| name.contains('@'));
    }
}

fn from_where(all: &mut Told, event: &mut Event) {
    let src = &mut event.src_endpoint;
    let address = all.text(&["client.address", "source.address", "http.client_ip", "net.sock.peer.addr"]);
    match address.as_deref().and_then(parse_ip) {
        Some(ip) => src.ip = Some(ip.to_string()),
        None => src.hostname = address,
    }
    src.port = all.text(&["client.port", "source.port"]).and_then(|port| port.parse().ok());
    src.location.country = all.text(&["geo.country.iso_code", "geo.country_iso_code"]);
    src.location.region = all.text(&["geo.region.iso_code", "geo.region_iso_code"]);
    src.location.city = all.text(&["geo.locality.name", "geo.city_name"]);
    event.user_agent = all.text(&["user_agent.original", "http.user_agent"]);
    event.device.uid = all.text(&["device.id"]);
    event.device.name = all.text(&["device.model.name", "device.model.identifier"]);
    event.device.os = all.text(&["user_agent.os.name", "os.name"]);
    event.device.browser = all.text(&["user_agent.name"]);
}

fn to_what(all: &mut Told, resource: &Attributes, event: &mut Event) {
    let of_resource = |name: &str| resource.get(name).and_then(text);
    event.service.name = all.text(&["service.name"]).or_else(|| of_resource("service.name"));
    event.service.uid = all.text(&["service.id"]);
    event.dst_hostname = all.text(&["server.address", "host.name"]).or_else(|| of_resource("host.name"));
    event.auth_protocol = all.text(&["auth.protocol", "auth.method"]);
    event.tenant_uid = all.text(&["tenant.id", "organization.id"]);
}

fn outcome(all: &mut Told, event: &mut Event) {
    let word = all.attributes.get("event.outcome").and_then(text).unwrap_or_default().to_ascii_lowercase();
    let code = all.text(&["error.type", "exception.type"]);
    if event.activity == Activity::Logon
        && (code.is_some() || matches!(word.as_str(), "failure" | "failed" | "error"))
    {
        event.status = Status::Failure;
    }
    if matches!(word.as_str(), "success" | "failure" | "failed" | "error") {
        all.attributes.remove("event.outcome");
    }
    event.status_code = code;
    event.status_detail = all.text(&["error.message", "exception.message", "event.reason"]);
}

/// What stands around the attributes.
fn around(log: &Value, body: Value, resource: &Attributes, scope: &Value, unmapped: &mut Attributes) {
    if body.is_string() || body.is_number() || body.is_array() {
        unmapped.insert("body".to_owned(), body);
    }
    if let Some(severity) = log.get("severityText").or_else(|| log.get("severity_text")) {
        unmapped.insert("severity".to_owned(), severity.clone());
    }
    if let Some(name) = scope.get("name").and_then(Value::as_str) {
        unmapped.insert("scope".to_owned(), name.into());
    }
    let kept: Map<String, Value> = RESOURCE_KEPT
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), text(resource.get(*name)?)?.into())))
        .collect();
    unmapped.insert("resource".to_owned(), Value::Object(kept));
}
