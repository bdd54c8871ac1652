//! Okta's System Log and Keycloak's user events, as far as they are documented.
//!
//! Okta: everything behind a mark, in the order in which it was kept rather than happened; the link to the next page is
//! always there. Keycloak: windows of time, newest first, pages by offset, and a job that purges what is old.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use url::Url;
use whowas_collect::poll::{Http, HttpError, Request, Response};
use whowas_event::Time;
use whowas_store::Clock;

use crate::{clock::SimClock, faults::Faults, front::Front, random::Random};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// For how long both keep events here.
pub const RETENTION_MS: i64 = 7 * DAY_MS;
/// Longer than what is taken for one record.
const GIANT_BYTES: usize = 1_200_000;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// `GET /api/v1/logs`
    Okta,
    /// `GET /admin/realms/{realm}/events`
    Keycloak,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// When it happened, by the source's clock.
    pub at: Time,
    /// From when on it is returned, by ours.
    pub arrives_at: Time,
    /// Larger than what is taken.
    pub is_giant: bool,
}

/// The source.
#[derive(Debug)]
pub struct SimLog {
    log: Log,
    /// Everything that it will ever hold, in the order in which it arrives.
    pub rows: Vec<Row>,
    /// What is before it.
    pub front: Front,
    page_rows: usize,
}

impl SimLog {
    /// Some rows within `[from, to)`.
    pub fn new(
        log: Log,
        random: &mut Random,
        clock: Arc<SimClock>,
        faults: Faults,
        (from, to): (Time, Time),
    ) -> Self {
        // Now and then more on one day than Keycloak has on a page.
        let burst = if log == Log::Keycloak && random.happens(20) { random.between(500, 1300) } else { 0 };
        let noon = from.saturating_add_ms(random.between(0, to.as_ms() - from.as_ms() - DAY_MS));
        let count = random.between(40, 240);
        let mut rows: Vec<Row> = (0..count + burst)
            .map(|n| {
                let within = if n < count { (from, to) } else { (noon, noon.saturating_add_ms(DAY_MS / 8)) };
                row(log, random, n, faults.skew_ms, within)
            })
            .collect();
        rows.sort_by_key(|row| row.arrives_at);
        let page_rows = usize::try_from(random.between(5, 60)).unwrap();
        let front = Front::new(random, clock, faults, (10, 10_000));
        Self { log, rows, front, page_rows }
    }

    fn page(&self, url: &Url, random: &mut Random) -> Result<Response, u16> {
        match self.log {
            Log::Okta => self.okta(url, random),
            Log::Keycloak => self.keycloak(url),
        }
    }

    /// Whether it is there and not forgotten.
    fn is_there(&self, row: &Row) -> bool {
        row.arrives_at <= self.front.clock.now()
            && row.at > self.front.source_time().saturating_add_ms(-RETENTION_MS)
    }

    fn okta(&self, url: &Url, random: &mut Random) -> Result<Response, u16> {
        let param = |name: &str| param(url, name);
        if url.path() != "/api/v1/logs" || param("until").is_some() {
            return Err(400);
        }
        let limit: usize = param("limit").and_then(|text| text.parse().ok()).ok_or(400_u16)?;
        let now = self.front.clock.now();
        let (behind, since) = match param("after") {
            Some(after) => {
                let (made, behind) = after.split_once('_').ok_or(400_u16)?;
                let made = made.parse().ok().and_then(|ms| Time::from_ms(ms).ok()).ok_or(400_u16)?;
                if !self.front.knows(made) {
                    return Err(400);
                }
                (behind.parse().map_err(|_| 400_u16)?, Time::default())
            }
            None => (0, Time::parse_rfc3339(&param("since").ok_or(400_u16)?).map_err(|_| 400_u16)?),
        };
        let (mut events, mut last) = (Vec::new(), behind);
        for (at, row) in self.rows.iter().enumerate().skip(behind) {
            if events.len() >= limit.min(self.page_rows) || row.arrives_at > now {
                break;
            }
            last = at + 1;
            if self.is_there(row) && row.at >= since {
                events.push(okta_event(row));
                if random.happens(self.front.faults.twice_percent) {
                    events.push(okta_event(row));
                }
            }
        }
        let base = "https://source.sim.example/api/v1/logs";
        let links = vec![
            format!("<{url}>; rel=\"self\""),
            format!("<{base}?limit={limit}&after={}_{last}>; rel=\"next\"", now.as_ms()),
        ];
        Ok(Response { body: Value::Array(events).to_string().into_bytes(), links, ..Response::default() })
    }

    fn keycloak(&self, url: &Url) -> Result<Response, u16> {
        if url.path() != "/admin/realms/contoso/events" {
            return Err(404);
        }
        let number = |name: &str| param(url, name).and_then(|text| text.parse::<i64>().ok()).ok_or(400_u16);
        let (from, to) = (number("dateFrom")?, number("dateTo")?);
        let (first, max) = (number("first")?, number("max")?);
        let mut found: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| self.is_there(row) && (from..=to).contains(&row.at.as_ms()))
            .collect();
        found.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
        let [first, max] = [first, max].map(|number| usize::try_from(number).unwrap_or_default());
        let events: Vec<Value> = found.into_iter().skip(first).take(max).map(keycloak_event).collect();
        Ok(Response { body: Value::Array(events).to_string().into_bytes(), ..Response::default() })
    }
}

fn param(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn row(log: Log, random: &mut Random, n: i64, skew_ms: i64, (from, to): (Time, Time)) -> Row {
    let happened = from.saturating_add_ms(random.between(0, to.as_ms() - from.as_ms()));
    let late_ms = match (log, random.between(0, 10)) {
        // Its transaction ends soon.
        (Log::Keycloak, _) => random.between(0, 4 * MINUTE_MS),
        (Log::Okta, 0) => random.between(0, 3 * DAY_MS),
        (Log::Okta, _) => random.between(0, 10 * MINUTE_MS),
    };
    let arrives_at = happened.saturating_add_ms(late_ms);
    let is_giant = random.number().is_multiple_of(2000);
    Row { id: format!("row-{n}"), at: happened.saturating_add_ms(skew_ms), arrives_at, is_giant }
}

fn okta_event(row: &Row) -> Value {
    let agent = if row.is_giant { "x".repeat(GIANT_BYTES) } else { "Mozilla/5.0".to_owned() };
    json!({
        "uuid": row.id, "published": row.at, "eventType": "user.session.start", "outcome": {"result": "SUCCESS"},
        "actor": {"id": "00u1", "type": "User", "alternateId": "ada@contoso.example", "displayName": "Ada"},
        "client": {"ipAddress": "192.0.2.7", "userAgent": {"rawUserAgent": agent}},
    })
}

fn keycloak_event(row: &Row) -> Value {
    let agent = if row.is_giant { "x".repeat(GIANT_BYTES) } else { "Mozilla/5.0".to_owned() };
    json!({
        "id": row.id, "time": row.at.as_ms(), "type": "LOGIN", "realmId": "r-1", "realmName": "contoso",
        "clientId": "erp", "userId": "u1", "ipAddress": "192.0.2.7",
        "details": {"username": "ada", "user_agent": agent},
    })
}

#[async_trait]
impl Http for SimLog {
    async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        self.front.send(request, |random| self.page(&request.url, random)).await
    }
}
