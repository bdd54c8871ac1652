//! Parameters of questions, as they stand in addresses.

use axum::extract::{FromRequestParts, Query};
use hyper::http::request::Parts;
use jiff::tz::TimeZone;
use serde::{Deserialize, de::DeserializeOwned};
use whowas_event::Time;
use whowas_query::{AsOf, Filter, LoginRequest, NamedQuery, filter::parse_time};

use crate::problem::Problem;

/// [`Query`], with an error in our form.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(Problem::invalid(rejection.body_text())),
        }
    }
}

/// What a search or export is about.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct LoginParams {
    #[serde(default)]
    query: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    pub(crate) filter: String,
    #[serde(default)]
    limit: String,
    #[serde(default)]
    page: String,
    #[serde(default)]
    as_of: String,
}

impl LoginParams {
    /// The question. An empty parameter is an absent one, as forms send them.
    pub(crate) fn request(&self, now: Time) -> Result<LoginRequest, Problem> {
        Ok(LoginRequest {
            query: named_query(&self.query)?,
            from: time("from", &self.from, now)?,
            to: time("to", &self.to, now)?,
            filter: Filter::parse(&self.filter)?,
            limit: number("limit", &self.limit, 0)?,
            page: (!self.page.is_empty()).then(|| self.page.clone()),
            as_of: as_of(&self.as_of, now)?,
        })
    }
}

/// The named query; the first of the list if none is named.
pub(crate) fn named_query(word: &str) -> Result<NamedQuery, Problem> {
    if word.is_empty() {
        return Ok(NamedQuery::default());
    }
    NamedQuery::from_word(word).ok_or_else(|| {
        let names: Vec<_> = NamedQuery::ALL.iter().map(|query| query.as_str()).collect();
        Problem::invalid(format!("query: there is no query of this name; there are {}", names.join(", ")))
    })
}

/// A number; `absent` if the parameter is.
pub(crate) fn number<N: std::str::FromStr>(name: &str, text: &str, absent: N) -> Result<N, Problem> {
    if text.is_empty() {
        return Ok(absent);
    }
    text.parse().map_err(|_| Problem::invalid(format!("{name}: not a number")))
}

/// An earlier state of the trail: a size of the tree, or a time.
pub(crate) fn as_of(text: &str, now: Time) -> Result<Option<AsOf>, Problem> {
    let read = |text: &str| {
        time("as_of", text, now)?.ok_or_else(|| Problem::invalid("as_of: write a size of the tree or a time"))
    };
    if text.is_empty() { Ok(None) } else { AsOf::parse(text, read).map(Some) }
}

/// The time zone of this name; UTC if none is named.
pub(crate) fn zone(name: &str) -> Result<TimeZone, Problem> {
    match name {
        "" | "UTC" => Ok(TimeZone::UTC),
        _ => TimeZone::get(name).map_err(|_| {
            Problem::invalid("time zone: there is none of this name; write one like Europe/Zurich or UTC")
        }),
    }
}

pub(crate) fn time(name: &str, text: &str, now: Time) -> Result<Option<Time>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = relative(text, now).or_else(|| parse_time(text));
    let read = read.ok_or_else(|| {
        Problem::invalid(format!("{name}: write a date (2026-11-24), a time (2026-11-24T07:22:01Z) or -7d"))
    })?;
    Ok(Some(read))
}

/// `now`, or `-7d`, `-12h`, `-30m`, `-2w` before it.
pub(crate) fn relative(text: &str, now: Time) -> Option<Time> {
    if text == "now" {
        return Some(now);
    }
    let (digits, unit) = text.strip_prefix('-')?.split_at_checked(text.len().checked_sub(2)?)?;
    let minutes = match unit {
        "m" => 1,
        "h" => 60,
        "d" => 24 * 60,
        "w" => 7 * 24 * 60,
        _ => return None,
    };
    let count: i64 = digits.parse().ok()?;
    (count >= 0).then(|| now.saturating_add_ms(count.saturating_mul(-60_000 * minutes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_relative() {
        let now = parse_time("2026-11-24T12:00:00Z").unwrap();
        for (text, want) in [
            ("2026-11-24", Some("2026-11-24T00:00:00.000Z")),
            ("2026-11-24T07:22:01+01:00", Some("2026-11-24T06:22:01.000Z")),
            ("-7d", Some("2026-11-17T12:00:00.000Z")),
            ("-90m", Some("2026-11-24T10:30:00.000Z")),
            ("now", Some("2026-11-24T12:00:00.000Z")),
            ("-7", None),
            ("-d", None),
            ("--1d", None),
            ("3/12/2025", None),
            ("\u{2212}1\u{e9}", None),
        ] {
            assert_eq!(
                time("from", text, now).ok().flatten().map(|t| t.to_string()).as_deref(),
                want,
                "{text}"
            );
        }
        assert_eq!(time("from", "", now).unwrap(), None);
    }
}
