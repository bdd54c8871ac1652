//! Okta's System Log, polled: `GET /api/v1/logs` without `until`, ascending.
//!
//! Only this way of asking is documented to return every event, in the order in which it was kept rather than
//! published. The link to the next page is always there; an empty page ends a poll, and its link is where the
//! next one goes on. Links are never made here: `after` is opaque.

use url::Url;
use whowas_event::Time;

use super::{
    api::{Api, Auth, Mode, Next, StreamSpec, Unreadable, array_len, link},
    graph::below,
    http::Response,
};
use crate::coverage::{DAY_MS, MINUTE_MS, Terms};

/// Events of a page: the documented maximum.
const PAGE_ROWS: &str = "1000";
/// Half of what an organization may ask (120 in a minute): what a token gets by default.
const RATE: (usize, i64) = (10, 10_000);
/// Okta keeps events for so long.
const RETENTION_MS: i64 = 90 * DAY_MS;

/// `GET /api/v1/logs`
#[derive(Clone, Debug)]
pub struct OktaLog {
    base: Url,
    auth: Auth,
    every_ms: i64,
    retention_ms: i64,
}

impl OktaLog {
    /// Below `base` (`https://contoso.okta.com/`). The header is `SSWS` and an API token, or `Bearer` and
    /// one of OAuth.
    pub fn new(base: Url, auth: Auth) -> Self {
        Self { base, auth, every_ms: MINUTE_MS, retention_ms: RETENTION_MS }
    }

    /// With another time between polls, in an organization that keeps events for so long.
    #[must_use]
    pub fn with_times(mut self, every_ms: i64, retention_ms: i64) -> Self {
        (self.every_ms, self.retention_ms) = (every_ms, retention_ms);
        self
    }
}

impl Api for OktaLog {
    fn format(&self) -> &'static str {
        "okta-log"
    }

    fn streams(&self) -> Vec<StreamSpec> {
        let terms = Terms { retention_ms: Some(self.retention_ms), late_ms: 0, settle_ms: 0 };
        // If its link is not accepted any more, a day before it is read again.
        let mode = Mode::Marks { every_ms: self.every_ms, terms, overlap_ms: DAY_MS };
        vec![StreamSpec { name: String::new(), mode }]
    }

    fn auth(&self) -> &Auth {
        &self.auth
    }

    fn rate(&self) -> (usize, i64) {
        RATE
    }

    fn first(&self, _: &str, from: Time, _: Time) -> Url {
        let since = from.to_string();
        below(
            &self.base,
            "api/v1/logs",
            &[("since", &since), ("sortOrder", "ASCENDING"), ("limit", PAGE_ROWS)],
        )
    }

    fn next(&self, url: &Url, response: &Response) -> Result<Next, Unreadable> {
        let events = array_len(&response.body)?;
        let next = response.links.iter().flat_map(|header| header.split(',')).find_map(next_link);
        match (events, next) {
            (0, next) => Ok(Next::End(Some(next.map_or_else(|| Ok(url.to_string()), link)?))),
            (_, Some(next)) => Ok(Next::Page(link(next)?)),
            (_, None) => Err(Unreadable("a page of events has no link to the next".to_owned())),
        }
    }

    fn hosts(&self) -> Vec<Url> {
        vec![self.base.clone()]
    }
}

/// The address of `<https://…>; rel="next"`.
fn next_link(part: &str) -> Option<&str> {
    let (address, parameters) = part.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.split(';').any(|one| matches!(one.trim(), "rel=\"next\"" | "rel=next"));
    is_next.then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::Secret;

    #[test]
    fn links_are_followed_until_a_page_is_empty_and_kept_then() {
        let api = OktaLog::new(Url::parse("https://o.example").unwrap(), Auth::Header(Secret::new("SSWS x")));
        let first = api.first("", Time::from_ms(0).unwrap(), Time::from_ms(1).unwrap());
        assert_eq!(
            first.as_str(),
            "https://o.example/api/v1/logs?since=1970-01-01T00%3A00%3A00.000Z&sortOrder=ASCENDING&limit=1000"
        );
        let links = vec![
            "<https://o.example/api/v1/logs?limit=1000>; rel=\"self\"".to_owned(),
            "<https://o.example/api/v1/logs?after=17_1&limit=1000>; rel=\"next\"".to_owned(),
        ];
        let answer = |body: &str, links: &[String]| {
            let (body, links) = (body.as_bytes().to_vec(), links.to_vec());
            api.next(&first, &Response { body, links, ..Response::default() })
        };
        let next = || "https://o.example/api/v1/logs?after=17_1&limit=1000".to_owned();
        assert_eq!(answer("[{}]", &links), Ok(Next::Page(next())));
        assert_eq!(answer("[]", &links), Ok(Next::End(Some(next()))));
        assert_eq!(answer("[]", &[]), Ok(Next::End(Some(first.to_string()))));
        assert_eq!(answer("[]", &[links.join(", ")]), Ok(Next::End(Some(next()))));
        assert!(answer("[{}]", &[]).is_err() && answer("[{}", &links).is_err());
    }
}
