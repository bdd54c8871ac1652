//! Microsoft Graph's `auditLogs/signIns`, as far as it is documented: newest first, pages by `@odata.nextLink`,
//! interactive sign-ins unless the filter names another type, five requests in ten seconds, and nothing that is
//! older than the tenant's retention. What it does beside that is in [`crate::faults`].

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use url::Url;
use whowas_collect::poll::{Http, HttpError, Request, Response};
use whowas_event::Time;
use whowas_store::Clock;

use crate::{
    clock::SimClock,
    faults::{Faults, within},
    front::damaged,
    random::Random,
};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The longest that a row is late or changes, as Microsoft documents it.
const LATE_MS_MAX: i64 = 3 * DAY_MS;
/// A token is good for so long.
const TOKEN_MS: i64 = HOUR_MS;
/// Longer than what is taken for one record.
const GIANT_BYTES: usize = 1_200_000;

/// One sign-in, and when it can be seen.
#[derive(Clone, Debug)]
pub struct Row {
    /// `id`
    pub id: String,
    /// `createdDateTime`, by the source's clock.
    pub created: Time,
    /// Its type.
    pub kind: &'static str,
    /// By our clock.
    pub arrives_at: Time,
    /// When its content changes, if it does.
    pub matures_at: Option<Time>,
    /// Larger than what is taken.
    pub is_giant: bool,
    lot: u64,
}

impl Row {
    /// What it says at `now`.
    pub fn json(&self, now: Time) -> Value {
        let risk = if self.is_mature(now) { "atRisk" } else { "none" };
        let mut row = json!({
            "id": self.id, "createdDateTime": self.created, "userPrincipalName": format!("u{}@contoso.example", self.lot % 9),
            "userId": format!("user-{}", self.lot % 9), "appId": "app", "appDisplayName": "Finance", "ipAddress": "192.0.2.7",
            "status": {"errorCode": 0}, "signInEventTypes": [self.kind], "riskState": risk,
        });
        if self.is_giant {
            row["userAgent"] = "x".repeat(GIANT_BYTES).into();
        }
        row
    }

    /// Whether its content has changed.
    pub fn is_mature(&self, now: Time) -> bool {
        self.matures_at.is_some_and(|at| at <= now)
    }
}

/// The source.
#[derive(Debug)]
pub struct SimGraph {
    /// Everything that it will ever hold.
    pub rows: Vec<Row>,
    clock: Arc<SimClock>,
    faults: Faults,
    retention_ms: i64,
    page_rows: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: Random,
    sent: VecDeque<Time>,
    token: Option<(u64, Time)>,
    too_fast: u64,
    requests: u64,
    kinds: BTreeSet<String>,
}

/// The address below which it answers.
pub const BASE: &str = "https://graph.sim.example/beta/";
/// Where it gives tokens.
pub const TOKEN_URL: &str = "https://login.sim.example/tenant/oauth2/v2.0/token";
/// What it gives them for.
pub const FORM: &str = "grant_type=client_credentials&client_id=app&client_secret=tomato&scope=x";

impl SimGraph {
    /// So many rows of these types within `[from, to)`.
    pub fn new(
        random: &mut Random,
        clock: Arc<SimClock>,
        faults: Faults,
        kinds: &[&'static str],
        (from, to): (Time, Time),
    ) -> Self {
        let count = random.between(40, 240);
        let rows = (0..count).map(|n| row(random, n, kinds, faults.skew_ms, (from, to))).collect();
        let state = State {
            random: Random::new(random.number()),
            sent: VecDeque::new(),
            token: None,
            too_fast: 0,
            requests: 0,
            kinds: BTreeSet::new(),
        };
        let page_rows = usize::try_from(random.between(5, 60)).unwrap();
        Self { rows, clock, faults, retention_ms: 7 * DAY_MS, page_rows, state: Mutex::new(state) }
    }

    /// How often it was asked more often than it allows.
    pub fn too_fast(&self) -> u64 {
        self.state.lock().unwrap().too_fast
    }

    /// How often it was asked.
    pub fn requests(&self) -> u64 {
        self.state.lock().unwrap().requests
    }

    fn answer(&self, request: &Request) -> Result<Response, HttpError> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        state.requests += 1;
        let status = |status| Ok(Response { status, ..Response::default() });
        let broken = state.random.happens(self.faults.broken_percent);
        if request.url.as_str() == TOKEN_URL {
            if broken {
                return status(502);
            }
            if request.form.as_ref().map(|form| form.reveal()) != Some(FORM) {
                return status(401);
            }
            let token = state.random.number();
            state.token = Some((token, now.saturating_add_ms(TOKEN_MS)));
            let body = json!({"access_token": format!("sim-{token}"), "expires_in": TOKEN_MS / 1000});
            return Ok(ok(body.to_string().into_bytes(), now));
        }
        let is_welcome = state.token.is_some_and(|(token, until)| {
            let value = request.authorization.as_ref().map(|value| value.reveal().to_owned());
            now < until && value == Some(format!("Bearer sim-{token}"))
        });
        if !is_welcome {
            return status(401);
        }
        state.sent.retain(|at| now.as_ms() - at.as_ms() < 10_000);
        if state.sent.len() >= 5 {
            state.too_fast += 1;
            return Ok(Response { status: 429, retry_after_ms: Some(10_000), ..Response::default() });
        }
        state.sent.push_back(now);
        if within(&self.faults.outages, now) {
            return status(503);
        }
        if within(&self.faults.storms, now) {
            let retry_after_ms = state.random.happens(50).then(|| state.random.between(1, 300) * 1000);
            return Ok(Response { status: 429, retry_after_ms, ..Response::default() });
        }
        let response = match self.page(&request.url, now, &mut state) {
            Some(body) => ok(body, now.saturating_add_ms(self.faults.skew_ms)),
            None => return status(400),
        };
        if !broken {
            return Ok(response);
        }
        damaged(response, &mut state.random)
    }

    /// One page; `None` if the request is not understood or its link is not good any more.
    fn page(&self, url: &Url, now: Time, state: &mut State) -> Option<Vec<u8>> {
        if url.path() != "/beta/auditLogs/signIns" {
            return None;
        }
        let param =
            |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let filter = param("$filter")?;
        let (from, to, kind) = parse(&filter)?;
        state.kinds.insert(kind.clone());
        let top: usize = param("$top")?.parse().ok().filter(|top| (1..=1000).contains(top))?;
        let behind = match param("$skiptoken") {
            Some(token) => Some(self.link(&token, now)?),
            None => None,
        };
        let oldest = now.saturating_add_ms(self.faults.skew_ms - self.retention_ms);
        let mut found: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| row.arrives_at <= now && row.kind == kind && row.created > oldest)
            .filter(|row| row.created >= from && row.created <= to && !self.faults.hides(row.lot, now))
            .filter(|row| behind.as_ref().is_none_or(|(created, id)| (row.created, &row.id) < (*created, id)))
            .collect();
        found.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        let rows = top.min(self.page_rows);
        let has_more = found.len() > rows;
        found.truncate(rows);
        let last = found.last().map(|row| (row.created, row.id.clone()));
        let mut page: Vec<Value> = Vec::new();
        for row in found {
            page.push(row.json(now));
            if state.random.happens(self.faults.twice_percent) {
                page.push(row.json(now));
            }
        }
        if self.faults.is_disordered {
            let rows = page.len().max(1);
            page.rotate_left(usize::try_from(state.random.between(0, 7)).unwrap() % rows);
        }
        let mut body =
            json!({"@odata.context": "https://graph.sim.example/beta/$metadata#auditLogs/signIns"});
        if let (true, Some((created, id))) = (has_more, last) {
            let mut next = url.clone();
            let token = format!("{}|{}|{id}", now.as_ms(), created.as_ms());
            next.query_pairs_mut().clear().extend_pairs([
                ("$top", top.to_string().as_str()),
                ("$filter", &filter),
                ("$skiptoken", &token),
            ]);
            body["@odata.nextLink"] = next.as_str().into();
        }
        body["value"] = page.into();
        Some(body.to_string().into_bytes())
    }

    /// Where a link goes on, if it is still good.
    fn link(&self, token: &str, now: Time) -> Option<(Time, String)> {
        let mut parts = token.splitn(3, '|');
        let time = |text: Option<&str>| Time::from_ms(text?.parse().ok()?).ok();
        let (made, created) = (time(parts.next())?, time(parts.next())?);
        let is_good = now.as_ms() - made.as_ms() < self.faults.link_ms
            && !self.faults.restarts.iter().any(|at| (made..now).contains(at));
        is_good.then(|| (created, parts.next().unwrap_or_default().to_owned()))
    }
}

fn ok(body: Vec<u8>, date: Time) -> Response {
    Response { status: 200, body, date: Some(date), ..Response::default() }
}

fn row(random: &mut Random, n: i64, kinds: &[&'static str], skew_ms: i64, (from, to): (Time, Time)) -> Row {
    let happened = from.saturating_add_ms(random.between(0, to.as_ms() - from.as_ms()));
    // Some at the same moment, and some on the edge of a window.
    let happened = match random.between(0, 10) {
        0 => Time::from_ms(happened.as_ms() / HOUR_MS * HOUR_MS - skew_ms).unwrap(),
        _ => happened,
    };
    let late_ms = match random.between(0, 10) {
        0 => random.between(0, LATE_MS_MAX - 2 * 600_000),
        1 | 2 => random.between(0, 6 * HOUR_MS),
        _ => random.between(2 * MINUTE_MS, 15 * MINUTE_MS),
    };
    let created = happened.saturating_add_ms(skew_ms);
    let arrives_at = happened.saturating_add_ms(late_ms);
    let matures_at = random.happens(30).then(|| {
        let left = LATE_MS_MAX - 600_000 - late_ms;
        arrives_at.saturating_add_ms(random.between(1, left.max(2)))
    });
    let kind = kinds[usize::try_from(random.between(0, i64::try_from(kinds.len()).unwrap())).unwrap()];
    let is_giant = random.number().is_multiple_of(2000);
    let lot = random.number();
    Row { id: format!("row-{n}"), created, kind, arrives_at, matures_at, is_giant, lot }
}

/// Range and type of a filter as it is documented.
fn parse(filter: &str) -> Option<(Time, Time, String)> {
    let (mut from, mut to, mut kind) = (None, None, "interactiveUser".to_owned());
    for part in filter.split(" and ") {
        if let Some(time) = part.strip_prefix("createdDateTime ge ") {
            from = Time::parse_rfc3339(time).ok();
        } else if let Some(time) = part.strip_prefix("createdDateTime le ") {
            to = Time::parse_rfc3339(time).ok();
        } else {
            let named = part.strip_prefix("signInEventTypes/any(t: t eq '")?.strip_suffix("')")?;
            named.clone_into(&mut kind);
        }
    }
    Some((from?, to?, kind))
}

#[async_trait]
impl Http for SimGraph {
    async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        // A place where a kill can strike.
        tokio::task::yield_now().await;
        let answer = self.answer(request);
        self.clock.pass(700);
        tokio::task::yield_now().await;
        answer
    }
}
