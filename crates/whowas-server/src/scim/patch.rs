//! What a PATCH makes of a resource (RFC 7644 §3.5.2), and of what real clients send that the RFC does not have.
//!
//! Pure. All operations take effect or none does. Beyond the RFC, because Entra and Okta send it: operations in any
//! case (`Replace`), truths as texts (`"False"`), values without a path whose keys are paths themselves
//! (`{"name.givenName": "Ada"}`), a removal with the values to remove beside the path, and a replacement of a value
//! that is not there yet (`emails[type eq "work"].value`), which adds it.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    filter::{Filter, Path},
    refused::Refused,
    resource::{complete, fitted, one},
    schema::{Attribute, Kind, Known, Mutability, Type},
};

/// Operations of one request.
const OPERATIONS_MAX: usize = 1_000;
/// What a PATCH says it is.
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

#[derive(Debug, Deserialize)]
struct Request {
    #[serde(default)]
    schemas: Vec<String>,
    #[serde(rename = "Operations", alias = "operations")]
    operations: Vec<Operation>,
}

#[derive(Debug, Deserialize)]
struct Operation {
    op: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Add,
    Remove,
    Replace,
}

/// The resource after all operations of a request.
pub(crate) fn patched(
    kind: Kind,
    kept: &Map<String, Value>,
    body: Value,
) -> Result<Map<String, Value>, Refused> {
    let request: Request =
        serde_json::from_value(body).map_err(|error| Refused::syntax(format!("the operations: {error}")))?;
    if !request.schemas.iter().any(|one| one.eq_ignore_ascii_case(PATCH_OP)) {
        return Err(Refused::syntax(format!("`schemas` names {PATCH_OP}")));
    }
    if request.operations.len() > OPERATIONS_MAX {
        return Err(Refused::too_many(format!("a request has at most {OPERATIONS_MAX} operations")));
    }
    let mut resource = kept.clone();
    for operation in request.operations {
        let op = match operation.op.to_ascii_lowercase().as_str() {
            "add" => Op::Add,
            "remove" => Op::Remove,
            "replace" => Op::Replace,
            other => return Err(Refused::syntax(format!("`{other}` is no operation"))),
        };
        match operation.path.as_deref().map(str::trim).filter(|path| !path.is_empty()) {
            Some(path) => at_path(kind, &mut resource, op, path, operation.value, true)?,
            None => without_path(kind, &mut resource, op, operation.value)?,
        }
    }
    complete(kind, &resource).map_err(|error| Refused::mutability(error.detail))?;
    Ok(resource)
}

/// Each member of the value is an operation on what its key means.
fn without_path(kind: Kind, resource: &mut Map<String, Value>, op: Op, value: Value) -> Result<(), Refused> {
    if op == Op::Remove {
        return Err(Refused::no_target("a removal has a path"));
    }
    let Value::Object(members) = value else {
        return Err(Refused::value("without a path the value is an object"));
    };
    for (key, value) in members {
        // What clients copy from our own answers.
        if !matches!(key.as_str(), "schemas" | "id" | "meta") {
            at_path(kind, resource, op, &key, value, false)?;
        }
    }
    Ok(())
}

/// `is_named` if the client named the path itself: then it must be one that it may change.
fn at_path(
    kind: Kind,
    resource: &mut Map<String, Value>,
    op: Op,
    path: &str,
    value: Value,
    is_named: bool,
) -> Result<(), Refused> {
    if let Some(urn) = kind.extension(path) {
        return whole_extension(kind, resource, op, urn, value);
    }
    let path_text = path;
    let path = Path::parse(path)?;
    let extension = path.name.extension(kind)?;
    let attribute = match kind.find(extension, &path.name.attribute) {
        Known::Attribute(attribute) => attribute,
        Known::NotKept => return Ok(()),
        Known::Not if is_named => {
            return Err(Refused::path(format!("a {} has no attribute `{path_text}`", kind.name())));
        }
        Known::Not => return Ok(()),
    };
    if attribute.is_read_only() {
        let refused = Refused::mutability(format!("`{}` is not set by clients", attribute.name));
        return if is_named { Err(refused) } else { Ok(()) };
    }
    let Some(urn) = extension else { return change(resource, attribute, &path, op, value) };
    let mut members = match resource.remove(urn) {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    let changed = change(&mut members, attribute, &path, op, value);
    if !members.is_empty() {
        resource.insert(urn.to_owned(), Value::Object(members));
    }
    changed
}

fn whole_extension(
    kind: Kind,
    resource: &mut Map<String, Value>,
    op: Op,
    urn: &str,
    value: Value,
) -> Result<(), Refused> {
    if op == Op::Remove {
        resource.remove(urn);
        return Ok(());
    }
    let Value::Object(members) = value else {
        return Err(Refused::value(format!("`{urn}` is an object")));
    };
    for (key, value) in members {
        at_path(kind, resource, op, &format!("{urn}:{key}"), value, false)?;
    }
    Ok(())
}

/// One operation on one attribute of `members`.
fn change(
    members: &mut Map<String, Value>,
    attribute: &'static Attribute,
    path: &Path,
    op: Op,
    value: Value,
) -> Result<(), Refused> {
    let sub = path.sub.as_deref().map(|name| sub_of(attribute, name)).transpose()?;
    if path.filter.is_some() && !attribute.is_multi {
        return Err(Refused::path(format!("`{}` has one value: no brackets", attribute.name)));
    }
    match (&path.filter, sub) {
        (None, None) => whole(members, attribute, op, &value),
        (None, Some(sub)) if !attribute.is_multi => {
            let mut inner = match members.remove(attribute.name) {
                Some(Value::Object(inner)) => inner,
                _ => Map::new(),
            };
            let changed = set(&mut inner, sub, op, &value);
            if !inner.is_empty() {
                members.insert(attribute.name.to_owned(), Value::Object(inner));
            }
            changed
        }
        (filter, sub) => some_values(members, attribute, (filter.as_ref(), sub), op, &value),
    }
}

fn sub_of(attribute: &'static Attribute, name: &str) -> Result<&'static Attribute, Refused> {
    let sub = attribute
        .sub(name)
        .ok_or_else(|| Refused::path(format!("`{}` has no member `{name}`", attribute.name)))?;
    if sub.is_read_only() || sub.mutability == Mutability::Immutable {
        return Err(Refused::mutability(format!("`{}.{}` is not changed", attribute.name, sub.name)));
    }
    Ok(sub)
}

/// Sets or removes one value by its name.
fn set(
    members: &mut Map<String, Value>,
    attribute: &Attribute,
    op: Op,
    value: &Value,
) -> Result<(), Refused> {
    let value = if op == Op::Remove { None } else { one(attribute, value)? };
    match value {
        Some(value) => members.insert(attribute.name.to_owned(), value),
        None => members.remove(attribute.name),
    };
    Ok(())
}

/// An operation on all of an attribute.
fn whole(
    members: &mut Map<String, Value>,
    attribute: &Attribute,
    op: Op,
    value: &Value,
) -> Result<(), Refused> {
    let name = attribute.name;
    if op == Op::Remove {
        return match (attribute.is_multi, value) {
            // Entra removes members of a group in this way.
            (true, Value::Array(_) | Value::Object(_)) => remove_values(members, attribute, value),
            _ => {
                members.remove(name);
                Ok(())
            }
        };
    }
    let Some(new) = fitted(attribute, value)? else {
        // To replace by nothing is to remove; to add nothing changes nothing.
        if op == Op::Replace {
            members.remove(name);
        }
        return Ok(());
    };
    match (members.get_mut(name), new, op) {
        (Some(Value::Array(known)), Value::Array(new), Op::Add) => {
            append(known, new);
            let all = members.get(name).unwrap_or(&Value::Null);
            fitted(attribute, all).map(drop)
        }
        // Members that are not named stay as they are.
        (Some(Value::Object(known)), Value::Object(new), _) => {
            known.extend(new);
            Ok(())
        }
        (_, new, _) => {
            members.insert(name.to_owned(), new);
            Ok(())
        }
    }
}

/// Adds values that are not there yet. A new primary value takes the place of the one that was.
fn append(known: &mut Vec<Value>, new: Vec<Value>) {
    let is_primary = |value: &Value| value.get("primary") == Some(&Value::Bool(true));
    if new.iter().any(is_primary) {
        for value in known.iter_mut().filter(|value| is_primary(value)).filter_map(Value::as_object_mut) {
            value.insert("primary".to_owned(), false.into());
        }
    }
    // By their texts: a group may have as many members as there are people.
    let mut texts: std::collections::HashSet<String> = known.iter().map(Value::to_string).collect();
    known.extend(new.into_iter().filter(|value| texts.insert(value.to_string())));
}

/// Removes the values that are listed, by their `value` where they have one.
fn remove_values(
    members: &mut Map<String, Value>,
    attribute: &Attribute,
    value: &Value,
) -> Result<(), Refused> {
    let Some(Value::Array(listed)) = fitted(attribute, value)? else { return Ok(()) };
    let key = |value: &Value| value.get("value").unwrap_or(value).to_string();
    let gone: std::collections::HashSet<String> = listed.iter().map(key).collect();
    if let Some(Value::Array(known)) = members.get_mut(attribute.name) {
        known.retain(|value| !gone.contains(&key(value)));
    }
    drop_if_empty(members, attribute);
    Ok(())
}

/// An operation on the values that fit a filter, or on all values, or on a member of them.
fn some_values(
    members: &mut Map<String, Value>,
    attribute: &'static Attribute,
    (filter, sub): (Option<&Filter>, Option<&'static Attribute>),
    op: Op,
    value: &Value,
) -> Result<(), Refused> {
    let mut values = match members.remove(attribute.name) {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    };
    let mut meant = Vec::with_capacity(values.len());
    for value in &values {
        meant.push(filter.map_or(Ok(true), |filter| filter.fits_value(attribute, value))?);
    }
    if op == Op::Remove && sub.is_none() {
        let mut meant = meant.into_iter();
        values.retain(|_| !meant.next().unwrap_or(false));
    } else {
        if op != Op::Remove && !meant.contains(&true) {
            values.push(began(attribute, filter)?);
            meant.push(true);
        }
        if sub.is_some_and(|sub| sub.name == "primary") && one_is_true(value) {
            values.iter_mut().filter_map(Value::as_object_mut).for_each(|other| {
                other.remove("primary");
            });
        }
        for (_, known) in meant.iter().zip(&mut values).filter(|(is_meant, _)| **is_meant) {
            let Some(known) = known.as_object_mut() else { continue };
            match sub {
                Some(sub) => set(known, sub, op, value)?,
                None => {
                    let Some(Value::Object(new)) = one(attribute, value)? else {
                        return Err(Refused::value(format!("a value of `{}` is an object", attribute.name)));
                    };
                    known.extend(new);
                }
            }
        }
    }
    values.retain(|value| value.as_object().is_none_or(|members| !members.is_empty()));
    // The whole is checked: bounds, and that one value at most is the primary one.
    if let Some(values) = fitted(attribute, &Value::Array(values))? {
        members.insert(attribute.name.to_owned(), values);
    }
    Ok(())
}

fn one_is_true(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true")))
}

/// A new value that fits the filter, where the filter says plainly what that is.
fn began(attribute: &'static Attribute, filter: Option<&Filter>) -> Result<Value, Refused> {
    let nothing = || Refused::no_target(format!("no value of `{}` fits the filter", attribute.name));
    let mut begun = Map::new();
    if let Some(filter) = filter {
        for (name, value) in filter.required_members().ok_or_else(nothing)? {
            let sub = attribute.sub(name).ok_or_else(nothing)?;
            begun.extend(one(sub, value)?.map(|value| (sub.name.to_owned(), value)));
        }
    }
    debug_assert!(attribute.kind == Type::Complex, "every attribute with several values is complex");
    Ok(Value::Object(begun))
}

fn drop_if_empty(members: &mut Map<String, Value>, attribute: &Attribute) {
    if members.get(attribute.name).and_then(Value::as_array).is_some_and(Vec::is_empty) {
        members.remove(attribute.name);
    }
}

/// A request of these operations, for tests.
#[cfg(test)]
fn apply(kind: Kind, resource: Value, operations: Value) -> Result<Value, Refused> {
    let kept = resource.as_object().cloned().unwrap_or_default();
    let body = serde_json::json!({ "schemas": [PATCH_OP], "Operations": operations });
    patched(kind, &kept, body).map(Value::Object)
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
