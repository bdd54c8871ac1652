//! A resource as it is kept and as it is shown: what clients send, made to fit the schema; what they ask for,
//! cut out of it; and what the directory of people makes of it.
//!
//! Pure. A kept resource is a JSON object of known attributes under the names of the schema, without `schemas`, `id`
//! and `meta`, in which nothing is null or empty.

use serde_json::{Map, Value};
use whowas_event::User;

use super::{
    filter::Name,
    refused::Refused,
    schema::{Attribute, ENTERPRISE, Kind, Known, Type},
};

/// People in one group.
pub(crate) const MEMBERS_MAX: usize = 100_000;
/// Values of one other attribute.
const VALUES_MAX: usize = 256;
/// Names in `attributes` or `excludedAttributes`.
const PROJECTED_MAX: usize = 128;

/// What a client sent, as it is kept. Unknown attributes are ignored, as RFC 7644 §3.3 allows; so are those that
/// only we set.
pub(crate) fn accepted(kind: Kind, sent: &Map<String, Value>) -> Result<Map<String, Value>, Refused> {
    let mut kept = Map::new();
    for (key, value) in sent {
        if let Some(urn) = kind.extension(key) {
            let Some(members) = value.as_object() else {
                return Err(Refused::value(format!("`{urn}` is no object")));
            };
            let mut extension = Map::new();
            for (key, value) in members {
                put(kind, Some(urn), key, value, &mut extension)?;
            }
            if !extension.is_empty() {
                kept.insert(urn.to_owned(), Value::Object(extension));
            }
        } else {
            put(kind, None, key, value, &mut kept)?;
        }
    }
    complete(kind, &kept)?;
    Ok(kept)
}

fn put(
    kind: Kind,
    extension: Option<&str>,
    key: &str,
    value: &Value,
    into: &mut Map<String, Value>,
) -> Result<(), Refused> {
    if let Known::Attribute(attribute) = kind.find(extension, key)
        && !attribute.is_read_only()
        && let Some(value) = fitted(attribute, value)?
    {
        into.insert(attribute.name.to_owned(), value);
    }
    Ok(())
}

/// Refuses a resource that lacks what it must have.
pub(crate) fn complete(kind: Kind, kept: &Map<String, Value>) -> Result<(), Refused> {
    let missing = kind.attributes().iter().find(|one| one.is_required && !kept.contains_key(one.name));
    missing.map_or(Ok(()), |one| Err(Refused::value(format!("a {} has a `{}`", kind.name(), one.name))))
}

/// A value as the schema has it; `None` for what is unassigned.
pub(crate) fn fitted(attribute: &Attribute, value: &Value) -> Result<Option<Value>, Refused> {
    if !attribute.is_multi {
        return one(attribute, value);
    }
    let values = match value {
        Value::Array(values) => values.as_slice(),
        Value::Null => &[],
        one => std::slice::from_ref(one),
    };
    let max = if attribute.name == "members" { MEMBERS_MAX } else { VALUES_MAX };
    if values.len() > max {
        return Err(Refused::too_many(format!("`{}` has at most {max} values", attribute.name)));
    }
    let fitted = values.iter().filter_map(|value| one(attribute, value).transpose());
    let fitted = fitted.collect::<Result<Vec<_>, _>>()?;
    let is_primary = |value: &&Value| value.get("primary") == Some(&Value::Bool(true));
    if fitted.iter().filter(is_primary).count() > 1 {
        return Err(Refused::value(format!(
            "one value of `{}` is the primary one, not several",
            attribute.name
        )));
    }
    Ok((!fitted.is_empty()).then_some(Value::Array(fitted)))
}

/// The same for one value.
pub(crate) fn one(attribute: &Attribute, value: &Value) -> Result<Option<Value>, Refused> {
    let wrong = |what: &str| Err(Refused::value(format!("`{}` is {what}", attribute.name)));
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(None),
        (Type::Boolean, Value::Bool(_)) => Ok(Some(value.clone())),
        // Entra writes truths as texts, with a capital.
        (Type::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true.into())),
        (Type::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false.into())),
        (Type::Boolean, _) => wrong("true or false"),
        (Type::Text | Type::Reference, Value::String(text)) => {
            let is_said = !text.trim().is_empty();
            Ok(is_said.then(|| Value::String(text.clone())))
        }
        (Type::Text, Value::Number(number)) => Ok(Some(number.to_string().into())),
        (Type::Text | Type::Reference, _) => wrong("a text"),
        (Type::Complex, Value::Object(members)) => {
            let mut fitted = Map::new();
            for (key, value) in members {
                if let Some(sub) = attribute.sub(key)
                    && !sub.is_read_only()
                    && let Some(value) = one(sub, value)?
                {
                    fitted.insert(sub.name.to_owned(), value);
                }
            }
            // A member is its id: addresses differ between the names of a server.
            if attribute.name == "members" {
                fitted.retain(|name, _| name == "value");
            }
            Ok((!fitted.is_empty()).then_some(Value::Object(fitted)))
        }
        // Of a complex attribute with a `value` the value alone: Entra's manager, Okta's roles.
        (Type::Complex, Value::String(text)) => match attribute.sub("value") {
            Some(_) if text.trim().is_empty() => Ok(None),
            Some(sub) => {
                Ok(Some(Value::Object(Map::from_iter([(sub.name.to_owned(), text.clone().into())]))))
            }
            None => wrong("an object"),
        },
        (Type::Complex, _) => wrong("an object"),
    }
}

/// Which attributes of a resource are shown.
#[derive(Debug, Default)]
pub(crate) struct Projection {
    only: Vec<Name>,
    without: Vec<Name>,
}

impl Projection {
    /// Only these, or all but those.
    pub(crate) fn of_lists(only: &[String], without: &[String]) -> Result<Self, Refused> {
        let names = |list: &[String]| -> Result<Vec<Name>, Refused> {
            let named: Vec<&str> =
                list.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
            if named.len() > PROJECTED_MAX {
                return Err(Refused::too_many(format!("at most {PROJECTED_MAX} attributes are named")));
            }
            // A schema alone means all of it.
            let parse = |name: &str| match name.eq_ignore_ascii_case(ENTERPRISE) {
                true => Ok(Name { schema: Some(ENTERPRISE.to_owned()), attribute: String::new(), sub: None }),
                false => Name::parse(name).map_err(|error| Refused::value(error.detail)),
            };
            named.into_iter().map(parse).collect()
        };
        Ok(Self { only: names(only)?, without: names(without)? })
    }

    /// Whether this attribute would be shown: what takes work to show need not be made.
    pub(crate) fn shows(&self, attribute: &str) -> bool {
        let is = |name: &Name| name.attribute.eq_ignore_ascii_case(attribute);
        match self.only.is_empty() {
            true => !self.without.iter().any(|name| is(name) && name.sub.is_none()),
            false => self.only.iter().any(is),
        }
    }

    /// What is shown of a resource. `schemas` and `id` always are.
    pub(crate) fn of(&self, kind: Kind, mut resource: Map<String, Value>) -> Map<String, Value> {
        if !self.only.is_empty() {
            let mut shown = Map::new();
            for always in ["schemas", "id"] {
                shown.extend(resource.get(always).map(|value| (always.to_owned(), value.clone())));
            }
            for name in &self.only {
                copy(kind, name, &resource, &mut shown);
            }
            return shown;
        }
        for name in &self.without {
            remove(kind, name, &mut resource);
        }
        resource
    }
}

/// Copies what a name means; unknown names mean nothing.
fn copy(kind: Kind, name: &Name, from: &Map<String, Value>, to: &mut Map<String, Value>) {
    match name.extension(kind) {
        Ok(None) => {
            let Known::Attribute(attribute) = kind.find(None, &name.attribute) else { return };
            copy_one(attribute, name, from, to);
        }
        Ok(Some(urn)) => {
            let Some(from) = from.get(urn).and_then(Value::as_object) else { return };
            if name.attribute.is_empty() {
                to.insert(urn.to_owned(), Value::Object(from.clone()));
                return;
            }
            let Known::Attribute(attribute) = kind.find(Some(urn), &name.attribute) else { return };
            let slot = to.entry(urn).or_insert_with(|| Value::Object(Map::new()));
            if let Some(to) = slot.as_object_mut() {
                copy_one(attribute, name, from, to);
            }
        }
        Err(_) => {}
    }
}

fn copy_one(attribute: &Attribute, name: &Name, from: &Map<String, Value>, to: &mut Map<String, Value>) {
    let Some(value) = from.get(attribute.name) else { return };
    let Some(sub) = &name.sub else {
        to.insert(attribute.name.to_owned(), value.clone());
        return;
    };
    let Some(sub) = attribute.sub(sub) else { return };
    let picked = |value: &Value| {
        let picked = value.get(sub.name).map(|value| (sub.name.to_owned(), value.clone()));
        Map::from_iter(picked)
    };
    match (value, to.get_mut(attribute.name)) {
        (Value::Array(values), None) => {
            let picked = values.iter().map(|value| Value::Object(picked(value))).collect();
            to.insert(attribute.name.to_owned(), Value::Array(picked));
        }
        (Value::Array(values), Some(Value::Array(shown))) => {
            for (value, shown) in values.iter().zip(shown) {
                if let Some(shown) = shown.as_object_mut() {
                    shown.extend(picked(value));
                }
            }
        }
        (value, Some(Value::Object(shown))) => shown.extend(picked(value)),
        (value, _) => {
            to.insert(attribute.name.to_owned(), Value::Object(picked(value)));
        }
    }
}

fn remove(kind: Kind, name: &Name, resource: &mut Map<String, Value>) {
    let (extension, members) = match name.extension(kind) {
        Ok(None) => (None, Some(resource)),
        Ok(Some(urn)) if name.attribute.is_empty() => {
            resource.remove(urn);
            return;
        }
        Ok(Some(urn)) => (Some(urn), resource.get_mut(urn).and_then(Value::as_object_mut)),
        Err(_) => return,
    };
    let (Known::Attribute(attribute), Some(members)) = (kind.find(extension, &name.attribute), members)
    else {
        return;
    };
    if matches!(attribute.name, "schemas" | "id") {
        return;
    }
    let Some(sub) = name.sub.as_deref().map(|sub| attribute.sub(sub)) else {
        members.remove(attribute.name);
        return;
    };
    let (Some(sub), Some(value)) = (sub, members.get_mut(attribute.name)) else { return };
    let values = match value {
        Value::Array(values) => values.as_mut_slice(),
        one => std::slice::from_mut(one),
    };
    for value in values.iter_mut().filter_map(Value::as_object_mut) {
        value.remove(sub.name);
    }
}

/// A text of a kept resource.
pub(crate) fn text<'a>(kept: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    kept.get(name).and_then(Value::as_str)
}

/// Whom a kept person is in the directory. Sign-ins name people by the ids of whoever provisions them, so the
/// client's id goes before ours.
pub(crate) fn person(id: &str, kept: &Map<String, Value>) -> User {
    let name = |part: &str| kept.get("name").and_then(|name| name.get(part)).and_then(Value::as_str);
    let user_name = text(kept, "userName");
    let emails = kept.get("emails").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_primary = |email: &&Value| email.get("primary") == Some(&Value::Bool(true));
    let email = emails.iter().find(is_primary).or(emails.first());
    let email = email.and_then(|email| email.get("value")).and_then(Value::as_str);
    let parts: Vec<&str> = [name("givenName"), name("familyName")].into_iter().flatten().collect();
    let full_name = text(kept, "displayName").or(name("formatted")).map(str::to_owned);
    let uid = text(kept, "externalId").unwrap_or(id);
    let roles = kept.get("roles").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    User {
        uid: Some(if is_guid(uid) { uid.to_ascii_lowercase() } else { uid.to_owned() }),
        name: user_name.map(str::to_owned),
        full_name: full_name.or_else(|| (!parts.is_empty()).then(|| parts.join(" "))),
        email_addr: email.or(user_name.filter(|name| name.contains('@'))).map(str::to_owned),
        domain: None,
        roles: roles.iter().filter_map(|role| role.get("value")?.as_str()).map(str::to_owned).collect(),
    }
}

/// GUIDs are in lower case everywhere, so that they meet those in sign-ins.
fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// What the directory says of a person beside names, under the names that imports give it.
pub(crate) fn beside(kept: &Map<String, Value>) -> Map<String, Value> {
    let mut beside = Map::new();
    // RFC 7643 leaves open what no `active` means; clients that never send it mean people who may sign in.
    let active = kept.get("active").cloned().unwrap_or(Value::Bool(true));
    beside.insert("enabled".to_owned(), active);
    let extension = kept.get(ENTERPRISE);
    let told = [
        ("user_type", kept.get("userType")),
        ("job_title", kept.get("title")),
        ("language", kept.get("preferredLanguage")),
        ("time_zone", kept.get("timezone")),
        ("department", extension.and_then(|one| one.get("department"))),
        ("company", extension.and_then(|one| one.get("organization"))),
        ("employee_id", extension.and_then(|one| one.get("employeeNumber"))),
    ];
    beside.extend(told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.clone()))));
    beside
}

#[cfg(test)]
#[path = "resource_tests.rs"]
mod tests;
