//! JSON values for what has no word of ours, in a shape that has a canonical form.
//!
//! Two members of one name in an object are refused: readers disagree on which of them counts, so a record
//! could say one thing to us and another to an auditor. Numbers that have no canonical form in
//! [`whowas_event::jcs`] (fractions, integers beyond 2^53) become their text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, map::Entry};
use whowas_event::jcs::{self, SAFE_INTEGER_MAX};

/// A value without repeated members and without uncanonical numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Strict(pub(crate) Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        let is_safe = value.unsigned_abs() <= SAFE_INTEGER_MAX;
        Ok(if is_safe { Value::from(value) } else { Value::String(value.to_string()) })
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(if value <= SAFE_INTEGER_MAX { Value::from(value) } else { Value::String(value.to_string()) })
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::String(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let Strict(value) = members.next_value()?;
            insert(&mut out, name, value)?;
        }
        Ok(Value::Object(out))
    }
}

/// Adds a member; a second one of the same name is an error.
pub(crate) fn insert<E: Error>(object: &mut Map<String, Value>, name: String, value: Value) -> Result<(), E> {
    match object.entry(name) {
        Entry::Vacant(entry) => _ = entry.insert(value),
        Entry::Occupied(entry) => {
            return Err(E::custom(format!("`{}` is given twice", entry.key())));
        }
    }
    Ok(())
}

/// The canonical text of the members that say anything; `None` if none does.
pub(crate) fn canonical_object(mut object: Map<String, Value>) -> Result<Option<String>, String> {
    object.retain(|_, value| says_anything(value));
    if object.is_empty() {
        return Ok(None);
    }
    jcs::canonical(&Value::Object(object)).map(Some).map_err(|error| error.to_string())
}

fn says_anything(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_canonical_or_refused() {
        let Strict(value) =
            serde_json::from_str("{\"b\":[1.5,1e300,9007199254740993,-3,null,true],\"a\":{},\"c\":\" \"}")
                .unwrap();
        let object = value.as_object().unwrap().clone();
        let text = canonical_object(object).unwrap().unwrap();
        assert!(text.starts_with("{\"b\":[\"1.5\",\"1"), "{text}");
        assert!(text.ends_with("0\",\"9007199254740993\",-3,null,true]}"), "{text}");
        assert_eq!(canonical_object(Map::new()), Ok(None));
        let error = serde_json::from_str::<Strict>("{\"x\":{\"a\":1,\"\\u0061\":2}}").unwrap_err();
        assert!(error.to_string().starts_with("`a` is given twice"), "{error}");
    }
}
