//! Keycloak's user events: `GET /admin/realms/{realm}/events` by windows of time.
//!
//! Pages are offsets, newest first, so a purge of old events shifts none that is still to be read, and windows
//! end in the past, so that no new event shifts them. An event is there as soon as its transaction is. Times
//! in milliseconds are understood since version 26.2; ids of events are given since then, too.

use url::Url;
use whowas_event::Time;

use super::{
    api::{Api, Auth, Mode, Next, StreamSpec, Unreadable, array_len},
    graph::below,
    http::Response,
};
use crate::coverage::{HOUR_MS, MINUTE_MS, Terms, plan::Rhythm};

/// Events of a page.
const PAGE_ROWS: usize = 500;
/// Keycloak has no limit; its database has other work.
const RATE: (usize, i64) = (10, 10_000);

/// `GET /admin/realms/{realm}/events`
#[derive(Clone, Debug)]
pub struct KeycloakEvents {
    base: Url,
    auth: Auth,
    rhythm: Rhythm,
}

impl KeycloakEvents {
    /// Of the realm at `base` (`https://keycloak.example/admin/realms/contoso/`), which keeps events for so
    /// long, or for ever.
    pub fn new(base: Url, auth: Auth, retention_ms: Option<i64>) -> Self {
        let terms = Terms { retention_ms, late_ms: 5 * MINUTE_MS, settle_ms: 2 * HOUR_MS };
        let rhythm = Rhythm::new(HOUR_MS, MINUTE_MS, 5 * MINUTE_MS, terms);
        Self { base, auth, rhythm }
    }

    /// With other windows and delays.
    #[must_use]
    pub fn with_rhythm(mut self, window_ms: i64, every_ms: i64) -> Self {
        self.rhythm = Rhythm::new(window_ms, MINUTE_MS, every_ms, self.rhythm.terms);
        self
    }
}

impl Api for KeycloakEvents {
    fn format(&self) -> &'static str {
        "keycloak-events"
    }

    fn streams(&self) -> Vec<StreamSpec> {
        vec![StreamSpec { name: String::new(), mode: Mode::Windows(self.rhythm.clone()) }]
    }

    fn auth(&self) -> &Auth {
        &self.auth
    }

    fn rate(&self) -> (usize, i64) {
        RATE
    }

    fn first(&self, _: &str, from: Time, to: Time) -> Url {
        page(&self.base, from.as_ms(), to.as_ms(), 0)
    }

    fn next(&self, url: &Url, response: &Response) -> Result<Next, Unreadable> {
        if array_len(&response.body)? < PAGE_ROWS {
            return Ok(Next::End(None));
        }
        let number = |name: &str| {
            let pair = url.query_pairs().find(|(key, _)| key == name)?;
            pair.1.parse::<i64>().ok()
        };
        let (from, to, first) = (number("dateFrom"), number("dateTo"), number("first"));
        let (Some(from), Some(to), Some(first)) = (from, to, first) else {
            return Err(Unreadable("the address of a page".to_owned()));
        };
        Ok(Next::Page(page(&self.base, from, to, first + PAGE_ROWS as i64).to_string()))
    }

    fn hosts(&self) -> Vec<Url> {
        vec![self.base.clone()]
    }
}

fn page(base: &Url, from_ms: i64, to_ms: i64, first: i64) -> Url {
    let params = [("dateFrom", from_ms), ("dateTo", to_ms), ("first", first), ("max", PAGE_ROWS as i64)];
    let params = params.map(|(name, value)| (name, value.to_string()));
    below(base, "events", &params.each_ref().map(|(name, value)| (*name, value.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::Secret;

    #[test]
    fn a_full_page_is_followed_by_the_next_offset() {
        let base = Url::parse("https://k.example/admin/realms/c").unwrap();
        let api = KeycloakEvents::new(base, Auth::Header(Secret::new("Bearer x")), None);
        let first = api.first("", Time::from_ms(5).unwrap(), Time::from_ms(9).unwrap());
        assert_eq!(
            first.as_str(),
            "https://k.example/admin/realms/c/events?dateFrom=5&dateTo=9&first=0&max=500"
        );
        let answer = |rows: usize| {
            let body = format!("[{}]", vec!["{}"; rows].join(",")).into_bytes();
            api.next(&first, &Response { body, ..Response::default() })
        };
        assert_eq!(answer(499), Ok(Next::End(None)));
        assert_eq!(answer(500), Ok(Next::Page(first.as_str().replace("first=0", "first=500"))));
        let failed =
            api.next(&first, &Response { body: b"{\"error\":\"x\"}".to_vec(), ..Response::default() });
        assert!(failed.is_err());
    }
}
