//! `leef`: the Log Event Extended Format of QRadar, with or without a syslog head.
//!
//! `LEEF:1.0|vendor|product|version|event id|` and then keys and values with tabs between them; `LEEF:2.0` names what
//! stands between them in a sixth part: one character, or its number as `0x5e` or `x5e`. What events mean is in
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
pub struct Leef;

static INFO: Info = Info {
    name: "leef",
    product: "Security products: Log Event Extended Format",
    marker: "lines with `LEEF:1.0|` or `LEEF:2.0|`, at the beginning or behind a syslog head",
    yields: Yields { start: true, end: true, failure: true, identity: false },
    row_caps: &[],
};

/// What an event begins with; the version and a bar follow.
pub(crate) const MARK: &str = "LEEF:";

impl Format for Leef {
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
    let rest = text.strip_prefix(MARK).ok_or("no `LEEF:`")?;
    let shape = || "the header of LEEF has five parts, each with a bar behind it".to_owned();
    let mut rest = rest;
    let mut part = || {
        let (part, behind) = rest.split_once('|').ok_or_else(shape)?;
        rest = behind;
        Ok::<_, String>(part.trim())
    };
    let version = part()?;
    let (vendor, product, product_version, id) = (part()?, part()?, part()?, part()?);
    let delimiter = match version {
        "1.0" | "1" => '\t',
        "2.0" | "2" => {
            // Some products leave the part out where it is a tab.
            let named = rest.split_once('|').and_then(|(word, behind)| Some((delimiter(word)?, behind)));
            match named {
                Some((delimiter, behind)) => {
                    rest = behind;
                    delimiter
                }
                None => '\t',
            }
        }
        other => return Err(format!("there is no version `{other}` of LEEF")),
    };
    let mut event = SecurityEvent {
        vendor: vendor.to_owned(),
        product: product.to_owned(),
        version: product_version.to_owned(),
        id: id.to_owned(),
        name: String::new(),
        fields: Map::new(),
    };
    for pair in rest.split(delimiter) {
        if let Some((key, value)) = pair.split_once('=') {
            event.fields.insert(key.trim().to_owned(), value.trim().into());
        }
    }
    Ok(event)
}

fn delimiter(word: &str) -> Option<char> {
    let mut characters = word.chars();
    match (characters.next(), characters.next()) {
        (None, _) => Some('\t'),
        (Some(one), None) => Some(one),
        _ => {
            let number = word.strip_prefix("0x").or_else(|| word.strip_prefix('x'))?;
            u32::from_str_radix(number, 16).ok().and_then(char::from_u32)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_and_their_delimiters() {
        for text in [
            "LEEF:1.0|Acme|Gate|2|login|usrName=ada\tsrc=192.0.2.7",
            "LEEF:2.0|Acme|Gate|2|login|^|usrName=ada^src=192.0.2.7",
            "LEEF:2.0|Acme|Gate|2|login|0x5e|usrName=ada^src=192.0.2.7",
            "LEEF:2.0|Acme|Gate|2|login|x5E|usrName=ada^src=192.0.2.7",
            "LEEF:2.0|Acme|Gate|2|login||usrName=ada\tsrc=192.0.2.7",
            "LEEF:2.0|Acme|Gate|2|login|usrName=ada\tsrc=192.0.2.7",
        ] {
            let event = parse(text).unwrap();
            assert_eq!((event.product.as_str(), event.id.as_str()), ("Gate", "login"), "{text}");
            assert_eq!(
                (event.fields["usrName"].as_str(), event.fields["src"].as_str()),
                (Some("ada"), Some("192.0.2.7"))
            );
        }
        assert_eq!(parse("LEEF:3.0|a|b|c|d|").unwrap_err(), "there is no version `3.0` of LEEF");
        assert!(parse("LEEF:1.0|a|b|c").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_event_panics(text in "LEEF:[12].0(\\|[a-zx0-9é^]{0,4}){4,7}[a-z=\t^ é|]{0,60}") {
            let _ = parse(&text);
        }
    }
}
