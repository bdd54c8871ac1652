//! Windows events as JSON objects, in the shapes in which collectors and tools write them:
//!
//! | shape | written by |
//! |---|---|
//! | `winlog.event_id`, `winlog.event_data`, `winlog.user_data`, also with dots in the names, or in `_source` | Winlogbeat and Elastic Agent since 7 |
//! | `event_id`, `event_data` beside `computer_name` | Winlogbeat 6 |
//! | `Event.System`, `Event.EventData`, `Event.UserData`, or these without `Event` | evtx_dump, python-evtx, Velociraptor, other converters of the XML |
//! | `win.system`, `win.eventdata`, also in `data` | Wazuh |
//! | `EventID` beside the fields of the event | NXLog, Azure Monitor `SecurityEvent` |
//! | `EventID` and `EventData` as an object or as XML | Azure Monitor `WindowsEvent`, `Event` |
//! | `Id`, `ProviderName`, `MachineName`, `Properties` | PowerShell: `Get-WinEvent \| ConvertTo-Json` |
//!
//! An object is recognised by its members, and every member is looked for under all its names, so that
//! mixtures of these shapes are read, too. A list of one value stands for the value.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    positions,
    record::{Record, number},
    xml,
};

type Object = Map<String, Value>;

/// How deep objects of the event's data may lie in each other.
const DEPTH_MAX: usize = 4;

const EVENT_ID: &[&str] = &["eventid", "eventcode", "eventidentifier"];
const PROVIDER: &[&str] = &["providername", "provider", "sourcename", "eventsourcename", "source"];
const CHANNEL: &[&str] = &["channel", "logname", "eventlog", "logfile"];
const COMPUTER: &[&str] = &["computer", "computername", "hostname", "machinename"];
const RECORD_ID: &[&str] = &["eventrecordid", "recordid", "recordnumber"];
/// The event's own time before those of collectors.
const TIME: &[&str] =
    &["timecreated", "systemtime", "eventtime", "timegenerated", "utctime", "timestamp", "time"];
const DATA: &[&str] = &["eventdata", "userdata"];

/// Whether an object has the members by which Windows events are recognised.
pub(super) fn is_event(object: &Object) -> bool {
    let object = &*unwrapped(object);
    let parts = parts(object);
    let has = |names: &[&str]| find(&parts.system, names).is_some();
    let id = event_id(object, &parts).and_then(text).and_then(|id| number(&id));
    // Windows has numbers of 16 bits; where the shape is told by nothing else, larger ones are of others.
    id.is_some_and(|id| parts.is_nested || id <= 0xffff)
        && has(COMPUTER)
        && (parts.is_nested || has(CHANNEL) || has(PROVIDER.get(..4).unwrap_or_default()))
        && time(object, &parts).is_some()
}

/// The number of the event. PowerShell calls it `Id`, as many others call other things.
fn event_id<'a>(object: &'a Object, parts: &Parts<'a>) -> Option<&'a Value> {
    let is_power_shell =
        ["providername", "logname", "machinename"].iter().all(|name| member(object, name).is_some());
    let id = || find(&[object], &["id"]).filter(|_| is_power_shell);
    find(&parts.system, EVENT_ID).or_else(id)
}

/// What an object says.
pub(super) fn record(object: &Object) -> Result<Record, String> {
    let object = &*unwrapped(object);
    let parts = parts(object);
    let id = event_id(object, &parts).and_then(text);
    let Some(id) = id else { return Err("no Windows event: `EventID` is missing".to_owned()) };
    let event_id = number(&id).and_then(|id| u32::try_from(id).ok());
    let mut record = Record {
        event_id: event_id.ok_or_else(|| format!("`EventID` is `{id}`"))?,
        provider: find(&parts.system, PROVIDER).and_then(text).unwrap_or_default(),
        channel: find(&parts.system, CHANNEL).and_then(text).unwrap_or_default(),
        computer: find(&parts.system, COMPUTER).and_then(text).unwrap_or_default(),
        record_id: find(&parts.system, RECORD_ID).and_then(text).and_then(|id| number(&id)),
        time: time(object, &parts).unwrap_or_default(),
        data: Vec::new(),
    };
    for part in &parts.data {
        collect(part, DEPTH_MAX, &mut record.data);
    }
    let has_values = matches!(member(object, "properties"), Some(Value::Array(_)));
    if !parts.is_nested && !has_values {
        for (name, value) in object {
            record.data.extend(scalar(value).map(|value| (name.clone(), value)));
        }
    }
    if let (true, Some(Value::Array(values))) = (record.data.is_empty(), member(object, "properties")) {
        list(values, &mut record.data);
    }
    positions::name(&mut record);
    Ok(record)
}

/// The object with the event in it: in an answer of Elasticsearch, and with dots in names made into objects.
fn unwrapped(object: &Object) -> Cow<'_, Object> {
    if let Some(Value::Object(inner)) = object.get("_source") {
        return unwrapped_dots(inner);
    }
    match object.get("data") {
        Some(Value::Object(inner)) if inner.contains_key("win") => Cow::Borrowed(inner),
        _ => unwrapped_dots(object),
    }
}

fn unwrapped_dots(object: &Object) -> Cow<'_, Object> {
    if object.contains_key("winlog") || !object.keys().any(|name| name.starts_with("winlog.")) {
        return Cow::Borrowed(object);
    }
    let mut nested = object.clone();
    let (mut winlog, mut data) = (Object::new(), Object::new());
    for (name, value) in object {
        let Some(name) = name.strip_prefix("winlog.") else { continue };
        match name.strip_prefix("event_data.").or_else(|| name.strip_prefix("user_data.")) {
            Some(name) => _ = data.insert(name.to_owned(), value.clone()),
            None => _ = winlog.insert(name.to_owned(), value.clone()),
        }
    }
    winlog.insert("event_data".to_owned(), Value::Object(data));
    nested.insert("winlog".to_owned(), Value::Object(winlog));
    Cow::Owned(nested)
}

/// Where the members of `System`, and the event's data, are to be looked for.
#[derive(Debug, Default)]
struct Parts<'a> {
    system: Vec<&'a Object>,
    data: Vec<&'a Value>,
    /// Whether the data has objects of its own, so that what is beside them is not data.
    is_nested: bool,
}

fn parts(object: &Object) -> Parts<'_> {
    let mut parts = Parts::default();
    let event = match member(object, "event") {
        // ECS has an `event` of its own.
        Some(Value::Object(event)) if member(event, "system").is_some() => event,
        _ => object,
    };
    let inner = [("winlog", object), ("win", object), ("system", event)];
    for (name, outer) in inner {
        let Some(Value::Object(inner)) = member(outer, name) else { continue };
        if let Some(Value::Object(system)) = member(inner, "system") {
            parts.system.push(system);
        }
        parts.system.push(inner);
        parts.data.extend(DATA.iter().filter_map(|name| member(inner, name)));
        parts.is_nested = true;
    }
    let beside = DATA.iter().filter_map(|name| member(event, name)).filter(|data| !is_empty(data));
    let before = parts.data.len();
    parts.data.extend(beside);
    // Azure's `SecurityEvent` has an empty `EventData` beside the fields.
    parts.is_nested |= parts.data.len() > before;
    if !parts.system.iter().any(|system| member(system, "eventid").is_some()) {
        parts.system.push(object);
    }
    parts
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// When the event happened: its own time, or that of a document around it.
fn time(object: &Object, parts: &Parts<'_>) -> Option<String> {
    let inner = TIME.iter().find_map(|name| find(&parts.system, &[name]).and_then(time_text));
    inner.or_else(|| TIME.iter().find_map(|name| find(&[object], &[name]).and_then(time_text)))
}

/// `TimeCreated` may be an object with `SystemTime` in it.
fn time_text(value: &Value) -> Option<String> {
    match value {
        Value::Object(inner) => {
            let inner = attributes(inner).unwrap_or(inner);
            member(inner, "systemtime").and_then(text)
        }
        value => text(value),
    }
}

/// The first of these members that says something, whatever their case and `_`.
fn find<'a>(objects: &[&'a Object], names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| {
        objects.iter().find_map(|object| member(object, name).filter(|value| !is_empty(value)))
    })
}

/// A member by its name in lower case, without what is neither letter nor digit.
fn member<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    let is_it = |have: &str| {
        let letters = have.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_lowercase());
        letters.eq(name.bytes())
    };
    object.iter().find(|(have, _)| is_it(have)).map(|(_, value)| value)
}

/// Attributes of an XML element, as converters write them.
fn attributes(object: &Object) -> Option<&Object> {
    ["#attributes", "@attributes", "$"].iter().find_map(|name| object.get(*name)?.as_object())
}

/// A value as text: a scalar, the text of an element with attributes, or the name of a provider.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Object(object) => {
            let inner = ["#text", "_", "Value", "Name", "@Name"].iter().find_map(|name| object.get(*name));
            let named = || attributes(object).and_then(|object| member(object, "name"));
            inner.or_else(named).and_then(scalar)
        }
        value => scalar(value),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Array(items) if items.len() == 1 => items.first().and_then(scalar),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Names and values of an event's data.
fn collect(value: &Value, depth: usize, out: &mut Vec<(String, String)>) {
    match value {
        // A text of XML or of JSON.
        Value::String(text) if text.trim_start().starts_with('<') => out.extend(xml::data(text)),
        Value::String(text) if text.trim_start().starts_with('{') => {
            if let (Ok(inner), Some(depth)) = (serde_json::from_str::<Value>(text), depth.checked_sub(1)) {
                collect(&inner, depth, out);
            }
        }
        Value::Object(object) => {
            for (name, value) in object {
                if name.starts_with(['#', '@']) {
                    continue;
                }
                match (value, depth.checked_sub(1)) {
                    (Value::Array(items), Some(_)) if name == "Data" => list(items, out),
                    (_, Some(_)) if text(value).is_some() => {
                        out.extend(text(value).map(|text| (name.clone(), text)));
                    }
                    (value, Some(depth)) => collect(value, depth, out),
                    (_, None) => {}
                }
            }
        }
        _ => {}
    }
}

/// `Data` elements: with a name each, or in their order.
fn list(items: &[Value], out: &mut Vec<(String, String)>) {
    for (at, item) in items.iter().enumerate() {
        let name = item.as_object().and_then(|object| {
            let object = attributes(object).unwrap_or(object);
            ["@Name", "Name", "name"].iter().find_map(|name| object.get(*name)?.as_str())
        });
        let value = match item {
            Value::Object(object) => ["#text", "content", "Value", "value", "_", "text"]
                .iter()
                .find_map(|name| object.get(*name))
                .and_then(text),
            item => scalar(item),
        };
        let name = name.map_or_else(|| format!("param{}", at + 1), str::to_owned);
        out.extend(value.map(|value| (name, value)));
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
