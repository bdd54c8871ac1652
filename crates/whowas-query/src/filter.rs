//! The filter language: `user:alice -status:failure ip:10.0.0.0/8 app:"Dynamics 365" after:2026-11-01 word`.
//!
//! Terms stand side by side and must all hold. `key:value` looks at one field, `-` before a term excludes,
//! quotes keep spaces together, `*` in a value stands for anything, and a bare word is looked for in every
//! text that the grid shows. Case does not matter. [`Filter::matches`] is the reference: what it says is
//! what a filter means, and the engine must agree with it.

pub use crate::pattern::{Pattern, fits_user};
use std::net::IpAddr;

use whowas_event::{Time, admit::parse_ip};

/// Terms of one filter. Each becomes an expression of the query; more is no question a person asks.
pub const TERMS_MAX: usize = 64;
/// The longest filter text, in bytes.
pub const FILTER_BYTES_MAX: usize = 4096;

/// A parsed filter. The default holds for every record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// All of them must hold.
    pub terms: Vec<Term>,
}

/// One term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Whether it must not hold.
    pub is_excluded: bool,
    /// What it says.
    pub test: Test,
}

/// What a term says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// The user's id, login name (or its part before `@`), e-mail address or name, as recorded or as the
    /// directory knows it.
    User(Pattern),
    /// A text field.
    Text(TextField, Pattern),
    /// The address lies in a network.
    Ip(Network),
    /// Happened at or after.
    After(Time),
    /// Happened before.
    Before(Time),
    /// More than one factor was asked for.
    Mfa(bool),
    /// A word in any of the grid's texts.
    Anywhere(Pattern),
}

/// A field that one key looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextField {
    /// `status:`
    Status,
    /// `activity:`
    Activity,
    /// `app:`, `service:`
    Service,
    /// `client:`, `agent:`: the user agent
    UserAgent,
    /// `device:`
    Device,
    /// `country:`
    Country,
    /// `city:`
    City,
    /// `source:`
    Source,
    /// `format:`
    Format,
    /// `session:`
    Session,
    /// `id:`: the record's id at its source
    NativeId,
    /// `code:`: the source's code of the outcome
    StatusCode,
    /// `reason:`: the source's words for the outcome
    StatusDetail,
    /// `protocol:`
    AuthProtocol,
    /// `type:`: interactive, non_interactive …
    LogonType,
}

impl TextField {
    /// The archive's column.
    pub const fn column(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Activity => "activity",
            Self::Service => "service_name",
            Self::UserAgent => "user_agent",
            Self::Device => "device_name",
            Self::Country => "src_country",
            Self::City => "src_city",
            Self::Source => "source",
            Self::Format => "format",
            Self::Session => "session_uid",
            Self::NativeId => "native_id",
            Self::StatusCode => "status_code",
            Self::StatusDetail => "status_detail",
            Self::AuthProtocol => "auth_protocol",
            Self::LogonType => "logon_type",
        }
    }

    /// Whether a value without `*` may be a part of the text. Ids and enumerations must be equal.
    pub const fn is_searched_within(self) -> bool {
        matches!(self, Self::Service | Self::UserAgent | Self::Device | Self::City | Self::StatusDetail)
    }
}

/// An address or a range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The address, in canonical form.
    pub address: IpAddr,
    /// How many of its leading bits count.
    pub prefix_bits: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or one address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (parse_ip(address)?, Some(bits.parse::<u8>().ok()?)),
            None => (parse_ip(text)?, None),
        };
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = bits.unwrap_or(bits_max);
        (prefix_bits <= bits_max).then_some(Self { address, prefix_bits })
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let drop = width.saturating_sub(u32::from(self.prefix_bits));
            drop >= width || a >> drop == b >> drop
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }

    /// Whether it is one address.
    pub fn is_single(&self) -> bool {
        self.prefix_bits == if self.address.is_ipv4() { 32 } else { 128 }
    }
}

/// Why a text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No such key.
    #[error(
        "there is no field {0:?}; use user, ip, app, status, activity, client, device, country, city, source, format, session, id, code, reason, protocol, type, mfa, after, before"
    )]
    Key(String),
    /// The value is not of the field's kind.
    #[error("{key}:{value}: {expected}")]
    Value {
        /// The field.
        key: String,
        /// The value.
        value: String,
        /// What would be one.
        expected: &'static str,
    },
    /// A quotation mark is not closed.
    #[error("a quotation mark is not closed")]
    Quote,
    /// Too long.
    #[error("a filter has at most {TERMS_MAX} terms and {FILTER_BYTES_MAX} bytes")]
    Length,
}

/// What a filter looks at: one record, and how the directory knows its user.
#[derive(Clone, Debug, Default)]
pub struct Subject<'a> {
    /// When it happened.
    pub occurred_at: Time,
    /// The user's id, login name, e-mail address and name, as recorded and as the directory has them.
    pub user: Vec<&'a str>,
    /// The address.
    pub ip: Option<&'a str>,
    /// More than one factor.
    pub is_mfa: Option<bool>,
    /// The text fields that have a value.
    pub texts: Vec<(TextField, &'a str)>,
}

impl Filter {
    /// Reads a filter.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(FilterError::Length);
        }
        let terms = words(text)?.into_iter().map(Word::term).collect::<Result<Vec<_>, _>>()?;
        if terms.len() > TERMS_MAX { Err(FilterError::Length) } else { Ok(Self { terms }) }
    }

    /// Whether a record passes: the meaning of a filter.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.terms.iter().all(|term| term.test.holds(subject) != term.is_excluded)
    }
}

impl Test {
    fn holds(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::User(pattern) => subject.user.iter().any(|name| fits_user(pattern, name)),
            Self::Text(field, pattern) => subject.texts.iter().any(|(of, text)| {
                of == field
                    && if field.is_searched_within() { pattern.fits_within(text) } else { pattern.fits(text) }
            }),
            Self::Ip(network) => subject.ip.and_then(parse_ip).is_some_and(|ip| network.contains(ip)),
            Self::After(time) => subject.occurred_at >= *time,
            Self::Before(time) => subject.occurred_at < *time,
            Self::Mfa(wanted) => subject.is_mfa == Some(*wanted),
            Self::Anywhere(pattern) => {
                let texts = subject.texts.iter().map(|(_, text)| *text);
                subject
                    .user
                    .iter()
                    .copied()
                    .chain(subject.ip)
                    .chain(texts)
                    .any(|text| pattern.fits_within(text))
            }
        }
    }
}

#[derive(Debug, Default)]
struct Word {
    is_excluded: bool,
    key: Option<String>,
    value: String,
}

/// Splits at spaces outside quotation marks; `-` and `key:` count only outside them too.
fn words(text: &str) -> Result<Vec<Word>, FilterError> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let mut word = Word::default();
        if let Some(after) = rest.strip_prefix('-') {
            word.is_excluded = true;
            rest = after;
        }
        let mut is_quoted = false;
        let mut end = rest.len();
        for (at, c) in rest.char_indices() {
            match c {
                '"' => is_quoted = !is_quoted,
                ':' if !is_quoted && word.key.is_none() && is_key(&word.value) => {
                    word.key = Some(std::mem::take(&mut word.value).to_lowercase());
                }
                c if c.is_whitespace() && !is_quoted => {
                    end = at;
                    break;
                }
                c => word.value.push(c),
            }
        }
        if is_quoted {
            return Err(FilterError::Quote);
        }
        rest = rest.split_at(end).1.trim_start();
        if word.key.is_some() || !word.value.is_empty() {
            words.push(word);
        }
    }
    Ok(words)
}

/// What stands before a colon is a key only if it looks like one; `2001:db8::1` and `12:30` do not.
fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_')
}

impl Word {
    fn term(self) -> Result<Term, FilterError> {
        let is_excluded = self.is_excluded;
        let test = match &self.key {
            None => match Network::parse(&self.value) {
                // A bare address is meant as one.
                Some(network) => Test::Ip(network),
                None => Test::Anywhere(Pattern::new(&self.value)),
            },
            Some(key) => self.keyed(key)?,
        };
        Ok(Term { is_excluded, test })
    }

    fn keyed(&self, key: &str) -> Result<Test, FilterError> {
        let value = self.value.as_str();
        let wrong = |expected| FilterError::Value { key: key.to_owned(), value: value.to_owned(), expected };
        if value.is_empty() {
            return Err(wrong("a value must follow the colon"));
        }
        let time = || {
            parse_time(value)
                .ok_or_else(|| wrong("write a date (2026-11-01) or a time (2026-11-01T08:00:00Z)"))
        };
        let field = match key {
            "user" => return Ok(Test::User(Pattern::new(value))),
            "ip" => {
                return Network::parse(value)
                    .map(Test::Ip)
                    .ok_or_else(|| wrong("write an address or a network such as 10.0.0.0/8"));
            }
            "after" | "from" | "since" => return Ok(Test::After(time()?)),
            "before" | "until" => return Ok(Test::Before(time()?)),
            "mfa" => {
                return match value {
                    "yes" | "true" => Ok(Test::Mfa(true)),
                    "no" | "false" => Ok(Test::Mfa(false)),
                    _ => Err(wrong("write yes or no")),
                };
            }
            "app" | "service" => TextField::Service,
            "status" => TextField::Status,
            "activity" => TextField::Activity,
            "client" | "agent" | "user_agent" => TextField::UserAgent,
            "device" => TextField::Device,
            "country" => TextField::Country,
            "city" => TextField::City,
            "source" => TextField::Source,
            "format" => TextField::Format,
            "session" => TextField::Session,
            "id" => TextField::NativeId,
            "code" => TextField::StatusCode,
            "reason" => TextField::StatusDetail,
            "protocol" => TextField::AuthProtocol,
            "type" => TextField::LogonType,
            _ => return Err(FilterError::Key(key.to_owned())),
        };
        Ok(Test::Text(field, Pattern::new(value)))
    }
}

/// A date (its first instant, UTC) or an RFC 3339 time.
pub fn parse_time(text: &str) -> Option<Time> {
    let midnight = || Time::parse_rfc3339(&format!("{text}T00:00:00Z")).ok();
    Time::parse_rfc3339(text).ok().or_else(midnight).or_else(|| Time::parse_without_offset(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn subject() -> Subject<'static> {
        Subject {
            occurred_at: parse_time("2026-11-03T10:00:00Z").unwrap(),
            user: vec!["3f2a", "Alice@contoso.example", "Alice Adams"],
            ip: Some("10.1.2.3"),
            is_mfa: Some(true),
            texts: vec![
                (TextField::Status, "success"),
                (TextField::Service, "Dynamics 365 Finance"),
                (TextField::UserAgent, "Mozilla/5.0 (Windows NT 10.0)"),
                (TextField::City, "Z\u{fc}rich"),
            ],
        }
    }

    #[test]
    fn filters_mean_what_they_say() {
        for (text, want) in [
            ("", true),
            ("user:alice", true),
            ("user:alice@contoso.example", true),
            ("user:\"alice adams\"", true),
            ("user:ali", false),
            ("user:ali*", true),
            ("USER:ALICE -status:failure ip:10.0.0.0/8 app:\"Dynamics 365\" after:2026-11-01", true),
            ("-user:alice", false),
            ("status:succ", false),
            ("status:succ*", true),
            ("-status:success", false),
            ("ip:10.1.2.0/24", true),
            ("ip:10.1.3.0/24", false),
            ("10.1.2.3", true),
            ("ip:2001:db8::/32", false),
            ("before:2026-11-03T10:00:00Z", false),
            ("after:2026-11-03T10:00:00Z", true),
            ("windows", true),
            ("z\u{dc}RICH", true),
            ("linux", false),
            ("-linux mfa:yes", true),
            ("mfa:no", false),
            ("client:mozilla*nt", true),
        ] {
            let filter = Filter::parse(text).unwrap();
            assert_eq!(filter.matches(&subject()), want, "{text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, want) in [
            ("colour:red", "there is no field \"colour\"; use user, ip"),
            ("ip:10.0.0.0/99", "ip:10.0.0.0/99: write an address or a network such as 10.0.0.0/8"),
            ("after:yesterday", "after:yesterday: write a date"),
            ("app:\"x", "a quotation mark is not closed"),
            ("user:", "user:: a value must follow the colon"),
        ] {
            let error = Filter::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(want), "{text}: {error}");
        }
        assert_eq!(Filter::parse(&"a ".repeat(65)), Err(FilterError::Length));
    }

    proptest! {
        #[test]
        fn no_filter_panics(text in "\\PC{0,60}") {
            if let Ok(filter) = Filter::parse(&text) {
                filter.matches(&subject());
            }
        }

        #[test]
        fn stars_are_anything(a in "[a-z]{0,5}", b in "[a-z]{0,5}", c in "[a-z]{0,5}") {
            let text = format!("{a}{b}{c}");
            let pattern = Pattern::new(&format!("{a}*{c}"));
            prop_assert!(pattern.fits(&text));
        }
    }
}
