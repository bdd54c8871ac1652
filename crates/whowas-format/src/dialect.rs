//! Events in the words of others: ECS 9, OCSF 1.8 class 3002, and our own JSON.
//!
//! The mapping is one table in three functions, so that whoever changes a word sees all of them. Members
//! that say nothing are left out. What ECS and OCSF have no field for stands under `labels` and `unmapped`;
//! ECS's labels are texts without objects in them, so objects of `unmapped` are JSON in `labels.unmapped`.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use whowas_event::{Activity, Event, Kind, SessionHints, Status, User, hints::Boundary};

/// The version of OCSF whose words are written.
pub const OCSF_VERSION: &str = "1.8.0";
/// The version of ECS whose words are written.
pub const ECS_VERSION: &str = "9.4.0";

/// An event with where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Sourced<'a> {
    /// The event.
    pub event: &'a Event,
    /// The name of its source.
    pub source: &'a str,
    /// The name of its format.
    pub format: &'a str,
    /// Its own bytes, if they are to be shown.
    pub raw: Option<&'a [u8]>,
}

/// Sets the value at a path of names, unless it says nothing.
fn set(object: &mut Map<String, Value>, path: &str, value: impl Into<Value>) {
    let value = value.into();
    let is_silent = match &value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    if is_silent {
        return;
    }
    match path.split_once('.') {
        None => _ = object.insert(path.to_owned(), value),
        Some((first, rest)) => {
            let inner = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

/// Sets texts of the event at paths of names.
fn set_texts<const N: usize>(object: &mut Map<String, Value>, texts: [(&str, &Option<String>); N]) {
    for (path, text) in texts {
        if let Some(text) = text {
            set(object, path, text.as_str());
        }
    }
}

/// The bytes of a record as text. Those of a binary format, which have NULs, are written as `base64:…`.
fn raw_text(raw: Option<&[u8]>) -> Option<String> {
    raw.map(|raw| match raw.contains(&0) {
        true => format!("base64:{}", STANDARD.encode(raw)),
        false => String::from_utf8_lossy(raw).into_owned(),
    })
}

fn unmapped(event: &Event) -> Value {
    event.unmapped.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

/// The event in our own words, as [`crate::native`] reads them.
pub fn native(sourced: Sourced<'_>) -> Value {
    let Sourced { event, source, format, raw } = sourced;
    let mut out = Map::new();
    set(&mut out, "occurred_at", event.occurred_at.to_string());
    set(&mut out, "native_id", event.native_id.as_str());
    set(&mut out, "kind", event.kind.as_str());
    set(&mut out, "activity", event.activity.as_str());
    set(&mut out, "status", event.status.as_str());
    set(&mut out, "user.roles", event.user.roles.clone());
    set(&mut out, "src_endpoint.port", event.src_endpoint.port);
    set(&mut out, "is_mfa", event.is_mfa);
    set(&mut out, "unmapped", unmapped(event));
    set(&mut out, "source", source);
    set(&mut out, "format", format);
    set(&mut out, "raw_data", raw_text(raw));
    let (user, src, device) = (&event.user, &event.src_endpoint, &event.device);
    set_texts(
        &mut out,
        [
            ("raw_time", &event.raw_time),
            ("status_code", &event.status_code),
            ("status_detail", &event.status_detail),
            ("user.uid", &user.uid),
            ("user.name", &user.name),
            ("user.full_name", &user.full_name),
            ("user.email_addr", &user.email_addr),
            ("user.domain", &user.domain),
            ("actor.uid", &event.actor.uid),
            ("actor.name", &event.actor.name),
            ("src_endpoint.ip", &src.ip),
            ("src_endpoint.hostname", &src.hostname),
            ("src_endpoint.location.country", &src.location.country),
            ("src_endpoint.location.region", &src.location.region),
            ("src_endpoint.location.city", &src.location.city),
            ("user_agent", &event.user_agent),
            ("device.uid", &device.uid),
            ("device.name", &device.name),
            ("device.os", &device.os),
            ("device.browser", &device.browser),
            ("dst_endpoint.hostname", &event.dst_hostname),
            ("service.name", &event.service.name),
            ("service.uid", &event.service.uid),
            ("auth_protocol", &event.auth_protocol),
            ("logon_type", &event.logon_type),
            ("session.uid", &event.session_uid),
            ("correlation_uid", &event.correlation_uid),
            ("tenant_uid", &event.tenant_uid),
        ],
    );
    Value::Object(out)
}

/// The event as an ECS document.
pub fn ecs(sourced: Sourced<'_>) -> Value {
    let Sourced { event, source, format, raw } = sourced;
    let mut out = Map::new();
    set(&mut out, "@timestamp", event.occurred_at.to_string());
    set(&mut out, "ecs.version", ECS_VERSION);
    ecs_event(event, &mut out);
    set(&mut out, "event.module", format);
    set(&mut out, "event.provider", source);
    set(&mut out, "event.original", raw_text(raw));
    ecs_parties(event, &mut out);
    let (src, device) = (&event.src_endpoint, &event.device);
    // An address that is none is still worth its text.
    let is_ip = src.ip.as_deref().is_some_and(|ip| whowas_event::admit::parse_ip(ip).is_some());
    set_texts(
        &mut out,
        [
            (if is_ip { "source.ip" } else { "source.address" }, &src.ip),
            ("source.domain", &src.hostname),
            (country_path(event), &src.location.country),
            ("source.geo.region_name", &src.location.region),
            ("source.geo.city_name", &src.location.city),
            ("user_agent.original", &event.user_agent),
            ("user_agent.name", &device.browser),
            ("user_agent.os.full", &device.os),
            ("destination.domain", &event.dst_hostname),
            ("service.name", &event.service.name),
            ("service.id", &event.service.uid),
            ("session.id", &event.session_uid),
            ("trace.id", &event.correlation_uid),
            ("organization.id", &event.tenant_uid),
            ("labels.auth_protocol", &event.auth_protocol),
            ("labels.logon_type", &event.logon_type),
            ("labels.device_id", &device.uid),
            ("labels.device_name", &device.name),
            ("labels.raw_time", &event.raw_time),
        ],
    );
    set(&mut out, "labels.is_mfa", event.is_mfa.map(|is_mfa| is_mfa.to_string()));
    ecs_labels(event, &mut out);
    set(&mut out, "source.port", event.src_endpoint.port);
    if is_ip {
        set(&mut out, "related.ip", json!([src.ip]));
    }
    Value::Object(out)
}

/// The members of `unmapped` under their own names; a label of ours comes before one of the same name.
fn ecs_labels(event: &Event, out: &mut Map<String, Value>) {
    let Value::Object(members) = unmapped(event) else { return };
    let Value::Object(labels) = out.entry("labels").or_insert_with(|| Value::Object(Map::new())) else {
        return;
    };
    let mut nested = Map::new();
    for (name, value) in members {
        let text = match &value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        // A dot would make an object of the name.
        let label = name.replace('.', "_");
        match text {
            Some(text) if label != "unmapped" && !labels.contains_key(&label) => {
                _ = labels.insert(label, text.into())
            }
            _ => _ = nested.insert(name, value),
        }
    }
    if !nested.is_empty() {
        labels.insert("unmapped".to_owned(), Value::Object(nested).to_string().into());
    }
}

fn country_path(event: &Event) -> &'static str {
    let country = event.src_endpoint.location.country.as_deref().unwrap_or_default();
    let is_code = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
    if is_code { "source.geo.country_iso_code" } else { "source.geo.country_name" }
}

/// What happened, in ECS's four words for it.
fn ecs_event(event: &Event, out: &mut Map<String, Value>) {
    let boundary = (event.activity == Activity::Other).then(|| SessionHints::of(event).boundary).flatten();
    let (category, types, action) = match (event.kind, event.activity) {
        (Kind::Login, _) if boundary == Some(Boundary::Boot) => (json!(["host"]), "start", "boot"),
        (Kind::Login, _) if boundary == Some(Boundary::Shutdown) => (json!(["host"]), "end", "shutdown"),
        (Kind::Login, Activity::Logon) => (json!(["authentication", "session"]), "start", "logon"),
        (Kind::Login, Activity::Logoff) => (json!(["authentication", "session"]), "end", "logoff"),
        (Kind::Login, activity) => (json!(["authentication"]), "info", activity.as_str()),
        (Kind::Identity, _) => (json!(["iam"]), "user", "identity"),
        (kind, _) => (json!(["configuration"]), "info", kind.as_str()),
    };
    // A failed attempt starts no session.
    let is_failed_logon = event.status == Status::Failure && types == "start";
    let category = if is_failed_logon { json!(["authentication"]) } else { category };
    let outcome = match event.status {
        Status::Success => "success",
        Status::Failure => "failure",
        Status::Unknown | Status::Other => "unknown",
    };
    set(out, "event.kind", "event");
    set(out, "event.category", category);
    set(out, "event.type", json!([types]));
    set(out, "event.action", action);
    set(out, "event.outcome", outcome);
    set(out, "event.id", event.native_id.as_str());
    set_texts(out, [("event.code", &event.status_code), ("event.reason", &event.status_detail)]);
}

/// ECS's `user` is who acts; whom they become is the `user.target`. In a sign-in it is who signs in, also if
/// another account asked for it: Beats has it so, and rules for ECS count on it.
fn ecs_parties(event: &Event, out: &mut Map<String, Value>) {
    let is_sign_in = matches!(event.activity, Activity::Logon | Activity::Logoff);
    let has_actor = event.actor.uid.is_some() || event.actor.name.is_some();
    let user = if has_actor && !is_sign_in { "user.target" } else { "user" };
    let User { uid, name, full_name, email_addr, domain, roles } = &event.user;
    for (member, text) in
        [("id", uid), ("name", name), ("full_name", full_name), ("email", email_addr), ("domain", domain)]
    {
        set_texts(out, [(&*format!("{user}.{member}"), text)]);
    }
    set(out, &format!("{user}.roles"), roles.clone());
    if has_actor {
        let paths =
            if is_sign_in { ["labels.actor_id", "labels.actor_name"] } else { ["user.id", "user.name"] };
        let [id, name] = paths;
        set_texts(out, [(id, &event.actor.uid), (name, &event.actor.name)]);
    }
    let related: Vec<&str> = [name, email_addr, uid, &event.actor.name, &event.actor.uid]
        .into_iter()
        .filter_map(Option::as_deref)
        .collect();
    set(out, "related.user", related);
}

/// The event as an OCSF Authentication event.
pub fn ocsf(sourced: Sourced<'_>) -> Value {
    let Sourced { event, source, format, raw } = sourced;
    let mut out = Map::new();
    let activity_id = event.activity.ocsf_id();
    set(&mut out, "class_uid", 3002);
    set(&mut out, "class_name", "Authentication");
    set(&mut out, "category_uid", 3);
    set(&mut out, "category_name", "Identity & Access Management");
    set(&mut out, "activity_id", activity_id);
    set(&mut out, "activity_name", event.activity.as_str());
    set(&mut out, "type_uid", 300_200 + u32::from(activity_id));
    set(&mut out, "severity_id", 1);
    set(&mut out, "status_id", event.status.ocsf_id());
    set(&mut out, "status", event.status.as_str());
    set(&mut out, "time", event.occurred_at.as_ms());
    set(&mut out, "metadata.version", OCSF_VERSION);
    set(&mut out, "metadata.product.name", format);
    set(&mut out, "metadata.log_name", source);
    set(&mut out, "metadata.original_event_uid", event.native_id.as_str());
    set(&mut out, "is_mfa", event.is_mfa);
    set(&mut out, "src_endpoint.port", event.src_endpoint.port);
    set(&mut out, "raw_data", raw_text(raw));
    set(&mut out, "unmapped", unmapped(event));
    let groups: Vec<Value> = event.user.roles.iter().map(|role| json!({"name": role})).collect();
    set(&mut out, "user.groups", groups);
    ocsf_kinds(event, &mut out);
    ocsf_texts(event, &mut out);
    out.entry("user").or_insert_with(|| json!({}));
    Value::Object(out)
}

fn ocsf_texts(event: &Event, out: &mut Map<String, Value>) {
    let (user, src, device) = (&event.user, &event.src_endpoint, &event.device);
    set_texts(
        out,
        [
            ("metadata.original_time", &event.raw_time),
            ("metadata.correlation_uid", &event.correlation_uid),
            ("metadata.tenant_uid", &event.tenant_uid),
            ("status_code", &event.status_code),
            ("status_detail", &event.status_detail),
            ("user.uid", &user.uid),
            ("user.name", &user.name),
            ("user.full_name", &user.full_name),
            ("user.email_addr", &user.email_addr),
            ("user.domain", &user.domain),
            ("actor.user.uid", &event.actor.uid),
            ("actor.user.name", &event.actor.name),
            ("src_endpoint.ip", &src.ip),
            ("src_endpoint.hostname", &src.hostname),
            ("src_endpoint.location.country", &src.location.country),
            ("src_endpoint.location.region", &src.location.region),
            ("src_endpoint.location.city", &src.location.city),
            ("src_endpoint.uid", &device.uid),
            ("src_endpoint.name", &device.name),
            ("src_endpoint.os.name", &device.os),
            ("unmapped.browser", &device.browser),
            ("http_request.user_agent", &event.user_agent),
            ("dst_endpoint.hostname", &event.dst_hostname),
            ("service.name", &event.service.name),
            ("service.uid", &event.service.uid),
            ("session.uid", &event.session_uid),
        ],
    );
    if let Some(Value::Object(os)) = out.get_mut("src_endpoint").and_then(|src| src.get_mut("os")) {
        os.insert("type_id".to_owned(), json!(0));
    }
}

/// Protocol and kind of logon: OCSF's number and our word.
fn ocsf_kinds(event: &Event, out: &mut Map<String, Value>) {
    if let Some(protocol) = &event.auth_protocol {
        let id = match protocol.to_ascii_lowercase().as_str() {
            "ntlm" => 1,
            "kerberos" => 2,
            "digest" => 3,
            "oidc" | "openid" | "openidconnect" => 4,
            "saml" | "saml2" | "saml20" => 5,
            "oauth" | "oauth2" | "oauth2-device" | "devicecode" => 6,
            "pap" => 7,
            "chap" => 8,
            "eap" => 9,
            "radius" => 10,
            "basic" => 11,
            "ldap" => 12,
            _ => 99,
        };
        set(out, "auth_protocol_id", id);
        set(out, "auth_protocol", protocol.as_str());
    }
    if let Some(logon_type) = &event.logon_type {
        let id = match logon_type.to_ascii_lowercase().as_str() {
            "system" => 1,
            "interactive" => 2,
            "network" => 3,
            "batch" => 4,
            "service" => 5,
            "unlock" => 7,
            "network_cleartext" => 8,
            "new_credentials" => 9,
            "remote_interactive" => 10,
            "cached_interactive" => 11,
            "cached_remote_interactive" => 12,
            "cached_unlock" => 13,
            _ => 99,
        };
        set(out, "logon_type_id", id);
        set(out, "logon_type", logon_type.as_str());
    }
}

#[cfg(test)]
#[path = "dialect_tests.rs"]
mod tests;
