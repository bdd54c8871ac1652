//! SCIM's filters and paths (RFC 7644 §3.4.2.2 and §3.5.2, figures 1 and 7): parsed within bounds, and asked of a
//! resource.
//!
//! Pure. An attribute that no schema has is no error in a filter: no resource has it, so nothing but `not` and `ne`
//! finds anything, as the RFC says.

use serde_json::{Map, Value};
use whowas_event::Time;

use super::{
    refused::Refused,
    schema::{Attribute, Kind, Known, Type},
};

/// The longest filter or path.
pub(crate) const FILTER_BYTES_MAX: usize = 8 * 1024;
/// How deep parentheses, `not` and brackets may lie in each other: each level is a call of the parser.
const DEPTH_MAX: usize = 24;
/// Comparisons of one filter.
const TERMS_MAX: usize = 256;

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Ge,
    Lt,
    Le,
}

impl Operator {
    fn of(word: &str) -> Option<Self> {
        let words = [
            ("eq", Self::Eq),
            ("ne", Self::Ne),
            ("co", Self::Co),
            ("sw", Self::Sw),
            ("ew", Self::Ew),
            ("gt", Self::Gt),
            ("ge", Self::Ge),
            ("lt", Self::Lt),
            ("le", Self::Le),
        ];
        words.into_iter().find(|(one, _)| one.eq_ignore_ascii_case(word)).map(|(_, operator)| operator)
    }
}

/// The name of an attribute: of which schema, which, and which member of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// As it is written, without the colon that follows.
    pub(crate) schema: Option<String>,
    pub(crate) attribute: String,
    pub(crate) sub: Option<String>,
}

impl Name {
    /// Splits `urn:…:User:name.familyName`. A schema's version has a dot, so only what follows the last colon counts.
    pub(crate) fn parse(text: &str) -> Result<Self, Refused> {
        let (schema, rest) = match text.rsplit_once(':') {
            Some((schema, rest)) => (Some(schema.to_owned()), rest),
            None => (None, text),
        };
        let (attribute, sub) = match rest.split_once('.') {
            Some((attribute, sub)) => (attribute, Some(sub)),
            None => (rest, None),
        };
        let is_name = |name: &str| {
            let mut bytes = name.bytes();
            bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'$')
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'$'))
        };
        if !is_name(attribute) || sub.is_some_and(|sub| !is_name(sub)) {
            return Err(Refused::path(format!("`{text}` is no name of an attribute")));
        }
        Ok(Self { schema, attribute: attribute.to_owned(), sub: sub.map(str::to_owned) })
    }

    /// The extension it is of, if it is of one; an error if it is of a schema that this kind does not have.
    pub(crate) fn extension(&self, kind: Kind) -> Result<Option<&'static str>, Refused> {
        match self.schema.as_deref() {
            None => Ok(None),
            Some(urn) if urn.eq_ignore_ascii_case(kind.schema()) => Ok(None),
            Some(urn) => kind
                .extension(urn)
                .map(Some)
                .ok_or_else(|| Refused::path(format!("a {} has no schema `{urn}`", kind.name()))),
        }
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Present(Name),
    Compare(Name, Operator, Value),
    /// One value of an attribute that fits all of it: `emails[type eq "work"]`.
    Within(Name, Box<Filter>),
}

/// What a PATCH means: an attribute, some of its values, a member of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub(crate) name: Name,
    pub(crate) filter: Option<Filter>,
    pub(crate) sub: Option<String>,
}

impl Filter {
    pub(crate) fn parse(text: &str) -> Result<Self, Refused> {
        let mut parser = Parser::new(text)?;
        let filter = parser.any_of(0)?;
        match parser.rest.trim_start() {
            "" => Ok(filter),
            rest => Err(Refused::filter(format!("`{}` is not understood", beginning(rest)))),
        }
    }

    /// The text that an attribute without a schema must be equal to, if that is all there is to it.
    pub(crate) fn is_equal(&self, attribute: &str) -> Option<&str> {
        match self {
            Self::Compare(
                Name { schema: None, attribute: name, sub: None },
                Operator::Eq,
                Value::String(text),
            ) => name.eq_ignore_ascii_case(attribute).then_some(text),
            _ => None,
        }
    }

    /// Whether a whole resource fits.
    pub(crate) fn fits(&self, kind: Kind, resource: &Map<String, Value>) -> Result<bool, Refused> {
        match self {
            Self::And(a, b) => Ok(a.fits(kind, resource)? && b.fits(kind, resource)?),
            Self::Or(a, b) => Ok(a.fits(kind, resource)? || b.fits(kind, resource)?),
            Self::Not(inner) => Ok(!inner.fits(kind, resource)?),
            Self::Present(name) => {
                Ok(found(kind, resource, name).is_some_and(|(_, value)| is_present(value)))
            }
            Self::Compare(name, operator, wanted) => match found(kind, resource, name) {
                Some((attribute, value)) => {
                    compare_any(attribute, name.sub.as_deref(), value, *operator, wanted)
                }
                None => Ok(is_unassigned(*operator, wanted)),
            },
            Self::Within(name, inner) => {
                let Some((attribute, value)) = found(kind, resource, name) else { return Ok(false) };
                for one in values(value) {
                    if inner.fits_value(attribute, one)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Whether one value of an attribute fits.
    pub(crate) fn fits_value(&self, attribute: &Attribute, value: &Value) -> Result<bool, Refused> {
        match self {
            Self::And(a, b) => Ok(a.fits_value(attribute, value)? && b.fits_value(attribute, value)?),
            Self::Or(a, b) => Ok(a.fits_value(attribute, value)? || b.fits_value(attribute, value)?),
            Self::Not(inner) => Ok(!inner.fits_value(attribute, value)?),
            Self::Present(name) => Ok(member(value, &name.attribute).is_some_and(is_present)),
            Self::Compare(name, operator, wanted) => {
                let Some(sub) = attribute.sub(&name.attribute) else {
                    return Ok(is_unassigned(*operator, wanted));
                };
                match member(value, sub.name) {
                    Some(value) => compare(sub, value, *operator, wanted),
                    None => Ok(is_unassigned(*operator, wanted)),
                }
            }
            Self::Within(..) => Err(Refused::filter("brackets cannot stand in brackets")),
        }
    }

    /// What a value must have at least to fit, where that is plain: members that are equal to something.
    pub(crate) fn required_members(&self) -> Option<Vec<(&str, &Value)>> {
        match self {
            Self::Compare(name, Operator::Eq, wanted) => Some(vec![(name.attribute.as_str(), wanted)]),
            Self::And(a, b) => {
                let mut members = a.required_members()?;
                members.extend(b.required_members()?);
                Some(members)
            }
            _ => None,
        }
    }
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, Refused> {
        let mut parser = Parser::new(text).map_err(|error| Refused::path(error.detail))?;
        let name = Name::parse(parser.word())?;
        let mut path = Self { name, filter: None, sub: None };
        if let Some(rest) = parser.rest.strip_prefix('[') {
            parser.rest = rest;
            path.filter = Some(parser.any_of(1)?);
            parser.expect(']')?;
            if let Some(sub) = parser.rest.strip_prefix('.') {
                path.sub = Some(Name::parse(sub)?.attribute);
                parser.rest = "";
            }
        } else {
            path.sub = path.name.sub.take();
        }
        match parser.rest.trim() {
            "" => Ok(path),
            rest => Err(Refused::path(format!("`{}` is not understood", beginning(rest)))),
        }
    }
}

/// The attribute that a name means and its value in a resource.
fn found<'a>(
    kind: Kind,
    resource: &'a Map<String, Value>,
    name: &Name,
) -> Option<(&'static Attribute, &'a Value)> {
    let extension = name.extension(kind).ok()?;
    let Known::Attribute(attribute) = kind.find(extension, &name.attribute) else { return None };
    let value = match extension {
        Some(urn) => resource.get(urn)?.get(attribute.name)?,
        None => resource.get(attribute.name)?,
    };
    match &name.sub {
        Some(sub) if !attribute.is_multi => Some((attribute.sub(sub)?, member(value, sub)?)),
        _ => Some((attribute, value)),
    }
}

/// The values of an attribute with several; the one of others.
fn values(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        one => std::slice::from_ref(one),
    }
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let members = value.as_object()?;
    members
        .get(name)
        .or_else(|| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v))
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => values.iter().any(is_present),
        Value::Object(members) => members.values().any(is_present),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// What has no value is equal to null, and not equal to anything else.
fn is_unassigned(operator: Operator, wanted: &Value) -> bool {
    match operator {
        Operator::Eq => wanted.is_null(),
        Operator::Ne => !wanted.is_null(),
        _ => false,
    }
}

/// Whether one of an attribute's values fits; for `ne`, whether none is equal.
fn compare_any(
    attribute: &Attribute,
    sub: Option<&str>,
    value: &Value,
    operator: Operator,
    wanted: &Value,
) -> Result<bool, Refused> {
    if operator == Operator::Ne {
        return Ok(!compare_any(attribute, sub, value, Operator::Eq, wanted)?);
    }
    if wanted.is_null() {
        return Ok(false);
    }
    if attribute.kind != Type::Complex {
        for one in values(value) {
            if compare(attribute, one, operator, wanted)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    // Of a complex value without a member its `value` is meant.
    let Some(sub) = attribute.sub(sub.unwrap_or("value")) else {
        return Err(Refused::filter(format!("`{}` has no member that could be compared", attribute.name)));
    };
    for one in values(value).iter().filter_map(|one| member(one, sub.name)) {
        if compare(sub, one, operator, wanted)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn compare(
    attribute: &Attribute,
    value: &Value,
    operator: Operator,
    wanted: &Value,
) -> Result<bool, Refused> {
    if let Value::Bool(value) = value {
        let wanted = match wanted {
            Value::Bool(wanted) => *wanted,
            // Entra writes truths as texts.
            Value::String(text) if text.eq_ignore_ascii_case("true") => true,
            Value::String(text) if text.eq_ignore_ascii_case("false") => false,
            _ => return Ok(operator == Operator::Ne),
        };
        return match operator {
            Operator::Eq => Ok(*value == wanted),
            Operator::Ne => Ok(*value != wanted),
            _ => Err(Refused::filter(format!("`{}` is true or false, without an order", attribute.name))),
        };
    }
    let (Value::String(value), Value::String(wanted)) = (value, wanted) else {
        return Ok(operator == Operator::Ne);
    };
    if let (Ok(value), Ok(wanted)) = (Time::parse_rfc3339(value), Time::parse_rfc3339(wanted)) {
        return Ok(ordered(&value, operator, &wanted).unwrap_or(false));
    }
    let fold = |text: &str| if attribute.is_case_exact { text.to_owned() } else { text.to_lowercase() };
    let (value, wanted) = (fold(value), fold(wanted));
    Ok(match operator {
        Operator::Co => value.contains(&wanted),
        Operator::Sw => value.starts_with(&wanted),
        Operator::Ew => value.ends_with(&wanted),
        _ => ordered(&value, operator, &wanted).unwrap_or(false),
    })
}

fn ordered<T: Ord>(value: &T, operator: Operator, wanted: &T) -> Option<bool> {
    Some(match operator {
        Operator::Eq => value == wanted,
        Operator::Ne => value != wanted,
        Operator::Gt => value > wanted,
        Operator::Ge => value >= wanted,
        Operator::Lt => value < wanted,
        Operator::Le => value <= wanted,
        Operator::Co | Operator::Sw | Operator::Ew => return None,
    })
}

struct Parser<'a> {
    rest: &'a str,
    terms: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, Refused> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(Refused::filter(format!("a filter or path has at most {FILTER_BYTES_MAX} bytes")));
        }
        Ok(Self { rest: text.trim_start(), terms: 0 })
    }

    fn any_of(&mut self, depth: usize) -> Result<Filter, Refused> {
        let mut filter = self.all_of(depth)?;
        while self.takes_word("or") {
            filter = Filter::Or(Box::new(filter), Box::new(self.all_of(depth)?));
        }
        Ok(filter)
    }

    fn all_of(&mut self, depth: usize) -> Result<Filter, Refused> {
        let mut filter = self.one(depth)?;
        while self.takes_word("and") {
            filter = Filter::And(Box::new(filter), Box::new(self.one(depth)?));
        }
        Ok(filter)
    }

    fn one(&mut self, depth: usize) -> Result<Filter, Refused> {
        if depth > DEPTH_MAX {
            return Err(Refused::filter(format!("a filter is at most {DEPTH_MAX} deep")));
        }
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest;
            let inner = self.any_of(depth + 1)?;
            self.expect(')')?;
            return Ok(inner);
        }
        let before = self.rest;
        if self.takes_word("not") {
            if let Some(rest) = self.rest.trim_start().strip_prefix('(') {
                self.rest = rest;
                let inner = self.any_of(depth + 1)?;
                self.expect(')')?;
                return Ok(Filter::Not(Box::new(inner)));
            }
            self.rest = before;
        }
        self.comparison(depth)
    }

    fn comparison(&mut self, depth: usize) -> Result<Filter, Refused> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(Refused::filter(format!("a filter has at most {TERMS_MAX} comparisons")));
        }
        let name = Name::parse(self.word()).map_err(|error| Refused::filter(error.detail))?;
        if let Some(rest) = self.rest.strip_prefix('[') {
            self.rest = rest;
            let inner = self.any_of(depth + 1)?;
            self.expect(']')?;
            return Ok(Filter::Within(name, Box::new(inner)));
        }
        if self.takes_word("pr") {
            return Ok(Filter::Present(name));
        }
        self.rest = self.rest.trim_start();
        let word = self.word();
        let operator = Operator::of(word)
            .ok_or_else(|| Refused::filter(format!("`{}` is no operator", beginning(word))))?;
        let value = self.value()?;
        let is_text_only = matches!(operator, Operator::Co | Operator::Sw | Operator::Ew);
        if is_text_only && !value.is_string() {
            return Err(Refused::filter("co, sw and ew compare texts"));
        }
        Ok(Filter::Compare(name, operator, value))
    }

    /// Takes what could be a name or an operator.
    fn word(&mut self) -> &'a str {
        let end =
            self.rest.find(|c: char| c.is_whitespace() || "()[]\"".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// Takes this word if it is next.
    fn takes_word(&mut self, word: &str) -> bool {
        let before = self.rest;
        self.rest = self.rest.trim_start();
        if self.word().eq_ignore_ascii_case(word) {
            return true;
        }
        self.rest = before;
        false
    }

    fn expect(&mut self, wanted: char) -> Result<(), Refused> {
        let rest = self.rest.trim_start();
        self.rest = rest
            .strip_prefix(wanted)
            .ok_or_else(|| Refused::filter(format!("`{wanted}` is missing before `{}`", beginning(rest))))?;
        Ok(())
    }

    /// A JSON text, number, truth or null.
    fn value(&mut self) -> Result<Value, Refused> {
        self.rest = self.rest.trim_start();
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<Value>();
        let value = match values.next() {
            Some(Ok(value)) if !value.is_object() && !value.is_array() => value,
            _ => {
                // Entra has been seen to write True; RFC 7644 has lower case only.
                let word = self.word();
                let lower = word.to_ascii_lowercase();
                return serde_json::from_str(&lower).ok().filter(Value::is_boolean).ok_or_else(|| {
                    Refused::filter(format!(
                        "`{}` is no value: texts stand in quotation marks",
                        beginning(word)
                    ))
                });
            }
        };
        let end = values.byte_offset();
        self.rest = self.rest.get(end..).unwrap_or_default();
        Ok(value)
    }
}

/// As much of what was not understood as helps to find it.
fn beginning(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
