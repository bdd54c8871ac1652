//! `cef`: the Common Event Format of ArcSight, which most security products write, with or without a syslog head.
//!
//! `CEF:0|vendor|product|version|event id|name|severity|key=value key=value …`. In the header `\|` and `\\` are escapes; in
//! values `\=`, `\\`, `\n` and `\r` are, and spaces are not: a value goes on up to the next key. What events mean is in
//! `seclog.rs`.

use std::io::Read;

use serde_json::Map;

use crate::{
    contract::{Format, Info, Options, ReadError, ReadSummary, Sample, Sink, Yields},
    seclines,
    seclog::SecurityEvent,
};

/// The format.
#[derive(Debug)]
pub struct Cef;

static INFO: Info = Info {
    name: "cef",
    product: "Security products: Common Event Format",
    marker: "lines with `CEF:0|`, at the beginning or behind a syslog head",
    yields: Yields { start: true, end: true, failure: true, identity: false },
    row_caps: &[],
};

/// What an event begins with; a digit and a bar follow.
pub(crate) const MARK: &str = "CEF:";

impl Format for Cef {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        seclines::recognizes(sample, MARK)
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        seclines::read(input, MARK, options, sink)
    }
}

/// Takes an event apart, from its mark on.
pub(crate) fn parse(text: &str) -> Result<SecurityEvent, String> {
    let rest = text.strip_prefix(MARK).ok_or("no `CEF:`")?;
    let mut parts = Vec::with_capacity(7);
    let mut rest = rest;
    while parts.len() < 7 {
        let Some((part, behind)) = header_part(rest) else {
            return Err("the header of CEF has seven parts with bars between them".to_owned());
        };
        parts.push(part);
        rest = behind;
    }
    let mut parts = parts.into_iter();
    let mut part = || parts.next().unwrap_or_default();
    let _version_of_cef = part();
    let mut event = SecurityEvent {
        vendor: part(),
        product: part(),
        version: part(),
        id: part(),
        name: part(),
        fields: Map::new(),
    };
    event.fields.insert("severity".to_owned(), part().into());
    for (key, value) in pairs(rest) {
        event.fields.insert(key.to_owned(), unescaped(value).into());
    }
    Ok(event)
}

/// The text up to the next bar that is not escaped, and what follows. The last part may end the line.
fn header_part(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '|' => return Some((part.trim().to_owned(), text.get(at + 1..).unwrap_or_default())),
            '\\' => match characters.next() {
                Some((_, escaped @ ('|' | '\\'))) => part.push(escaped),
                Some((_, other)) => part.extend(['\\', other]),
                None => part.push('\\'),
            },
            c => part.push(c),
        }
    }
    None
}

/// Keys and values as they stand there.
fn pairs(text: &str) -> Vec<(&str, &str)> {
    let bytes = text.as_bytes();
    // Where keys begin and their `=` stands.
    let mut keys: Vec<(usize, usize)> = Vec::new();
    for at in memchr::memchr_iter(b'=', bytes) {
        let before = text.get(..at).unwrap_or_default();
        let begin = before.rfind(|c: char| c.is_whitespace()).map_or(0, |space| space + 1);
        let key = before.get(begin..).unwrap_or_default();
        let is_key = !key.is_empty()
            && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']'));
        if is_key && keys.last().is_none_or(|(_, before)| begin > *before) {
            keys.push((begin, at));
        }
    }
    let ends = keys.iter().skip(1).map(|(begin, _)| *begin).chain([text.len()]);
    let slice = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    keys.iter().zip(ends).map(|((begin, at), end)| (slice(*begin, *at), slice(at + 1, end).trim())).collect()
}

fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match (c, c == '\\') {
            (_, true) => match characters.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some(escaped @ ('=' | '\\' | '|')) => out.push(escaped),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            (c, false) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keys_and_escapes() {
        let event = parse(r"CEF:0|Acme\|Co|Gate \\ way|1.0|100|Login failed|5|src=192.0.2.7 suser=ada lovelace msg=a\=b \\ c\nd cs1Label=Session ID cs1=s 1 empty= request=https://x/?a=b&c=d").unwrap();
        assert_eq!(
            (event.vendor.as_str(), event.product.as_str(), event.name.as_str()),
            ("Acme|Co", "Gate \\ way", "Login failed")
        );
        let text = |key: &str| event.fields[key].as_str().unwrap().to_owned();
        assert_eq!((text("src"), text("suser")), ("192.0.2.7".into(), "ada lovelace".into()));
        assert_eq!(text("msg"), "a=b \\ c\nd");
        assert_eq!(
            (text("cs1"), text("empty"), text("request")),
            ("s 1".into(), "".into(), "https://x/?a=b&c=d".into())
        );
        assert_eq!(parse("CEF:0|a|b|c|d|e|3|").unwrap().fields.len(), 1);
        assert!(parse("CEF:0|a|b|c|d|e|3").is_err() && parse("CEF:0|a").is_err() && parse("x").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_event_panics(text in "CEF:0(\\|[a-z\\\\|é]{0,4}){5,8}[a-z=\\\\ é|\\[\\]]{0,60}") {
            let _ = parse(&text);
        }
    }
}
