//! One source that is asked: step by step, each at most one request and the commit of what it brought.
//!
//! A stop between any two steps, or within one, loses nothing: what was committed says where to go on, and
//! what was not is asked for again.

use std::sync::Arc;

use serde_json::json;
use url::Url;
use whowas_event::{Time, admit::RawData};
use whowas_store::{Batch, Clock, StoreError, Trail, WhenFull, control::Control};

use super::{
    api::{Api, Auth, Mode, Next},
    bucket::Bucket,
    cursor::{Cursor, Running},
    http::{Allowed, Http, Request, Response, Secret},
    outcome::Outcome,
    page::Reading,
    token,
};
use crate::coverage::{
    self, HOUR_MS, Ledger, MINUTE_MS, PassKind, Terms, is_emptiness_suspicious, load,
    plan::{self, Limits, Plan},
};

/// Ids of one pass: beyond, its window is read in halves. The cursor holds them, 20 bytes each, with every page.
const IDS_MAX: usize = 10_000;
/// Windows are not made narrower than this; a source with more than [`IDS_MAX`] in it is read all the same.
const NARROWEST_MS: i64 = MINUTE_MS;
/// Requests of one pass: beyond, the source does not end.
const REQUESTS_MAX: u64 = 2000;
/// A pass that takes longer is read in halves, too.
const PASS_MS_MAX: i64 = 30 * MINUTE_MS;
/// Failures in a row before a pass is given up.
const ATTEMPTS_MAX: u32 = 6;
/// Times that a pass begins anew because its links expired.
const RESTARTS_MAX: u32 = 3;
/// Pauses after passes that were given up: doubled each time, up to the second.
const PAUSES_MS: (i64, i64) = (MINUTE_MS, HOUR_MS);
/// A source forgets by its own clock; what is this near to its end counts as forgotten.
const CLOCK_MARGIN_MS: i64 = 15 * MINUTE_MS;
/// A token is renewed so long before its end.
const TOKEN_MARGIN_MS: i64 = 2 * MINUTE_MS;

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something was done; go on.
    Done,
    /// There is nothing to do before this.
    Wait(Time),
}

/// Where and what a collector reads.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The source's name.
    pub source: String,
    /// Whether raw records are kept.
    pub raw: RawData,
}

/// A source that is asked.
#[derive(Debug)]
pub struct Collector {
    trail: Arc<Trail>,
    control: Arc<dyn Control>,
    http: Arc<dyn Http>,
    api: Arc<dyn Api>,
    clock: Arc<dyn Clock>,
    setup: Setup,
    allowed: Allowed,
    streams: Vec<Stream>,
    bucket: Bucket,
    token: Option<(Secret, Time)>,
    blocked_until: Time,
    /// Failures in a row of the pass that goes on.
    attempts: u32,
    /// Passes in a row that were given up.
    given_up: u32,
}

#[derive(Debug)]
struct Stream {
    name: String,
    mode: Mode,
    ledger: Ledger,
    cursor: Cursor,
    last_fast_at: Option<Time>,
    limits: Limits,
    /// Of marks: when the last poll began.
    last_poll_at: Option<Time>,
}

impl Collector {
    /// Takes up where the last one stopped.
    pub async fn open(
        trail: Arc<Trail>,
        control: Arc<dyn Control>,
        (http, api): (Arc<dyn Http>, Arc<dyn Api>),
        clock: Arc<dyn Clock>,
        setup: Setup,
    ) -> Result<Self, StoreError> {
        let now = clock.now();
        let mut streams = Vec::new();
        for spec in api.streams() {
            let reach = terms(&spec.mode).retention_ms.unwrap_or(30 * coverage::DAY_MS) + coverage::DAY_MS;
            let range = (now.saturating_add_ms(-reach), now.saturating_add_ms(coverage::DAY_MS));
            let key = (setup.source.as_str(), spec.name.as_str());
            let kept =
                load(control.as_ref(), trail.name(), Some(key), range).await?.pop().unwrap_or_default();
            streams.push(Stream {
                name: spec.name,
                mode: spec.mode,
                ledger: kept.ledger,
                cursor: Cursor::parse(kept.cursor.as_deref()),
                last_fast_at: None,
                limits: Limits::default(),
                last_poll_at: None,
            });
        }
        let (requests, per_ms) = api.rate();
        let mut hosts = api.hosts();
        if let Auth::ClientCredentials { token_url, .. } = api.auth() {
            hosts.push(token_url.clone());
        }
        Ok(Self {
            allowed: Allowed::of(&hosts),
            bucket: Bucket::used_up(requests, per_ms, now),
            token: None,
            blocked_until: Time::default(),
            attempts: 0,
            given_up: 0,
            trail,
            control,
            http,
            api,
            clock,
            setup,
            streams,
        })
    }

    /// Does what is to be done next, if it is time. An error is one of the store: open the collector anew.
    pub async fn step(&mut self) -> Result<Step, StoreError> {
        let now = self.clock.now();
        // A pause is an hour at most; a clock that was set back must not make it longer.
        if self.blocked_until > now && self.blocked_until.as_ms() - now.as_ms() <= PAUSES_MS.1 {
            return Ok(Step::Wait(self.blocked_until));
        }
        let idx = match self.choose(now) {
            Ok(idx) => idx,
            Err(at) => return Ok(Step::Wait(at)),
        };
        if self.running(idx).is_some_and(|running| running.is_read) {
            self.conclude(idx).await?;
            return Ok(Step::Done);
        }
        if let Some(horizon) = self.forgotten(idx, now) {
            self.skip(idx, horizon, now).await?;
        }
        let authorization = match self.authorize(now).await {
            Ok(authorization) => authorization,
            Err(outcome) => return self.settle(idx, outcome).await,
        };
        if let Err(at) = self.bucket.take(self.clock.now()) {
            return Ok(Step::Wait(at));
        }
        let Some((url, is_link)) = self.address(idx) else { return Ok(Step::Done) };
        if let Some(running) = self.running_mut(idx) {
            running.requests += 1;
        }
        let request = Request { url: url.clone(), authorization: Some(authorization), form: None };
        let answer = match self.allowed.check(&url) {
            Ok(()) => self.http.send(&request).await,
            Err(error) => Err(error),
        };
        match Outcome::of(answer, is_link, self.attempts) {
            Outcome::Page(response) => match self.api.next(&url, &response) {
                Ok(next) => self.take_page(idx, response, next).await,
                Err(error) => self.settle(idx, Outcome::Again(error.to_string())).await,
            },
            other => self.settle(idx, other).await,
        }
    }

    fn running(&self, idx: usize) -> Option<&Running> {
        self.streams.get(idx)?.cursor.running.as_ref()
    }

    fn running_mut(&mut self, idx: usize) -> Option<&mut Running> {
        self.streams.get_mut(idx)?.cursor.running.as_mut()
    }

    /// The stream to go on with; a pass that began is finished first. If none, when there is one.
    fn choose(&mut self, now: Time) -> Result<usize, Time> {
        if let Some(idx) = self.streams.iter().position(|stream| stream.cursor.running.is_some()) {
            return Ok(idx);
        }
        let mut earliest: Option<Time> = None;
        let mut best: Option<(usize, Running)> = None;
        for (idx, stream) in self.streams.iter().enumerate() {
            match stream.plan(now) {
                Plan::Wait(at) => earliest = Some(earliest.map_or(at, |earliest| earliest.min(at))),
                // Among several the oldest: so none waits for ever.
                Plan::Pass(kind, from, to) => {
                    if best.as_ref().is_none_or(|(_, other)| from < other.from) {
                        best = Some((idx, Running::new(kind, from, to, now)));
                    }
                }
            }
        }
        let Some((idx, running)) = best else {
            return Err(earliest
                .unwrap_or_else(|| now.saturating_add_ms(HOUR_MS))
                .max(now.saturating_add_ms(1)));
        };
        if let Some(stream) = self.streams.get_mut(idx) {
            match running.kind() {
                PassKind::Fast => stream.last_fast_at = Some(now),
                PassKind::Cursor => stream.last_poll_at = Some(now),
                PassKind::Window | PassKind::File => {}
            }
            stream.cursor.running = Some(running);
        }
        self.attempts = 0;
        Ok(idx)
    }

    /// Up to where the source has forgotten what a mark has still to read: the mark goes on behind it without a word.
    fn forgotten(&self, idx: usize, now: Time) -> Option<Time> {
        let stream = self.streams.get(idx)?;
        let running = stream.cursor.running.as_ref().filter(|one| one.kind() == PassKind::Cursor)?;
        let horizon = now.saturating_add_ms(CLOCK_MARGIN_MS - terms(&stream.mode).retention_ms?);
        (running.position() < horizon).then_some(horizon)
    }

    /// What is read so far is one pass, what can still be had another; between them the ledger has a hole, and says
    /// that it is lost.
    async fn skip(&mut self, idx: usize, horizon: Time, now: Time) -> Result<(), StoreError> {
        let format = self.api.format();
        let Some(stream) = self.streams.get_mut(idx) else { return Ok(()) };
        let Some(mut running) = stream.cursor.running.take() else { return Ok(()) };
        stream.cursor.running = Some(running.rest(horizon, now));
        if running.position() == running.from {
            return Ok(());
        }
        running.to = running.position();
        let mut pass = running.pass(&self.setup.source, &stream.name, format, now);
        pass.terms = terms(&stream.mode);
        let cursor = Some(stream.cursor.to_text());
        coverage::append(&self.trail, &mut stream.ledger, &pass, json!({}), cursor).await?;
        Ok(())
    }

    /// Where the pass goes on, and whether the source gave that address.
    fn address(&self, idx: usize) -> Option<(Url, bool)> {
        let stream = self.streams.get(idx)?;
        let running = stream.cursor.running.as_ref()?;
        let given = running.next.as_ref().or(stream.cursor.mark.as_ref());
        match given.and_then(|link| Url::parse(link).ok()) {
            Some(link) => Some((link, true)),
            None => {
                // By a mark more is asked for than is claimed.
                let margin_ms = if running.kind() == PassKind::Cursor { CLOCK_MARGIN_MS } else { 0 };
                let from = running.from.saturating_add_ms(-margin_ms);
                Some((self.api.first(&stream.name, from, running.to), false))
            }
        }
    }

    /// Appends what a page brought, together with where to go on.
    async fn take_page(&mut self, idx: usize, response: Response, next: Next) -> Result<Step, StoreError> {
        let now = self.clock.now();
        let snapshot = self.trail.snapshot();
        let reading = Reading {
            source: &self.setup.source,
            format: self.api.format(),
            raw: self.setup.raw,
            received_at: now,
            directory: &snapshot.directory,
        };
        let Some(stream) = self.streams.get_mut(idx) else { return Ok(Step::Done) };
        let Some(mut running) = stream.cursor.running.take() else { return Ok(Step::Done) };
        // Read into copies: a page that turns out to be broken leaves no trace in them.
        let (mut cursor, before) = (stream.cursor.clone(), running.clone());
        let page = match reading.read(&response.body, &mut cursor, &mut running) {
            Ok(page) => page,
            Err(error) => {
                stream.cursor.running = Some(before);
                return self.settle(idx, Outcome::Again(error.to_string())).await;
            }
        };
        stream.cursor = cursor;
        self.attempts = 0;
        running.skew_s = response.date.map(|date| (date.as_ms() - now.as_ms()) / 1000).or(running.skew_s);
        running.duplicate += page.unchanged;
        match next {
            Next::Page(link) => running.next = Some(link),
            Next::End(mark) => (running.is_read, running.mark) = (true, mark),
        }
        let is_too_large = !running.is_read && is_too_large(&running, now) && !stream.is_closed(running.from);
        if !page.rejected.is_empty() {
            self.control.reject(self.trail.name(), &page.rejected).await?;
        }
        if is_too_large {
            stream.narrow(&running);
        } else {
            stream.cursor.running = Some(running);
        }
        let progress = coverage::stored(
            (&self.setup.source, &stream.name),
            &stream.ledger,
            None,
            Some(stream.cursor.to_text()),
        );
        let batch = Batch {
            source: self.setup.source.clone(),
            format: self.api.format().to_owned(),
            received_at: now,
            records: page.records,
        };
        let receipt = self.trail.append_with(batch, Some(progress), WhenFull::Wait).await?;
        // The page is durable, and so is where to go on. A crash before this asks for it once more.
        if let Some(running) = self.running_mut(idx) {
            running.recorded += receipt.recorded;
            running.duplicate += receipt.duplicate;
            running.revised += receipt.revised;
        }
        Ok(Step::Done)
    }

    /// Records a pass that has read everything.
    async fn conclude(&mut self, idx: usize) -> Result<(), StoreError> {
        let (now, format) = (self.clock.now(), self.api.format());
        let Some(stream) = self.streams.get_mut(idx) else { return Ok(()) };
        let Some(running) = stream.cursor.running.take() else { return Ok(()) };
        if running.kind() == PassKind::Cursor {
            stream.cursor.mark.clone_from(&running.mark);
        }
        let mut pass = running.pass(&self.setup.source, &stream.name, format, now);
        pass.terms = terms(&stream.mode);
        pass.is_suspicious = pass.ids == 0
            && pass.kind != PassKind::Cursor
            && is_emptiness_suspicious(&stream.ledger.windows, pass.from, pass.to);
        stream.limits.forget(running.from);
        let cursor = Some(stream.cursor.to_text());
        self.given_up = 0;
        coverage::append(&self.trail, &mut stream.ledger, &pass, json!({}), cursor).await?;
        Ok(())
    }

    /// The value of the header, from a token that is in force.
    async fn authorize(&mut self, now: Time) -> Result<Secret, Outcome> {
        let (token_url, form) = match self.api.auth() {
            Auth::Header(value) => return Ok(value.clone()),
            Auth::ClientCredentials { token_url, form } => (token_url.clone(), form.clone()),
        };
        if let Some((token, until)) = &self.token
            && now < *until
        {
            return Ok(token.clone());
        }
        let (token, lasts_ms) = token::ask(self.http.as_ref(), &token_url, &form, self.attempts).await?;
        let lasts_ms = lasts_ms - TOKEN_MARGIN_MS;
        self.token = Some((token.clone(), now.saturating_add_ms(lasts_ms)));
        Ok(token)
    }

    /// What to do when there is no page.
    async fn settle(&mut self, idx: usize, outcome: Outcome) -> Result<Step, StoreError> {
        let now = self.clock.now();
        match outcome {
            Outcome::Page(_) => {}
            Outcome::Later { pause_ms } => {
                self.blocked_until = now.saturating_add_ms(pause_ms);
                if let Some(running) = self.running_mut(idx) {
                    running.throttled += 1;
                }
                // Not a failure, but a source that never lets anybody in is one.
                self.attempts += 1;
                if self.attempts > 10 * ATTEMPTS_MAX {
                    return self.give_up(idx, "it always says: later".to_owned()).await;
                }
            }
            Outcome::Unauthorized if self.token.take().is_some() && self.attempts == 0 => self.attempts += 1,
            Outcome::Unauthorized => return self.give_up(idx, "HTTP 401".to_owned()).await,
            Outcome::Expired => {
                let Some(stream) = self.streams.get_mut(idx) else { return Ok(Step::Done) };
                let Some(running) = &mut stream.cursor.running else { return Ok(Step::Done) };
                if running.restarts >= RESTARTS_MAX {
                    return self.give_up(idx, "its links to next pages expire".to_owned()).await;
                }
                if running.next.is_none() {
                    stream.forget_mark();
                } else {
                    running.restart();
                }
            }
            Outcome::Again(why) => {
                self.attempts += 1;
                self.blocked_until = now.saturating_add_ms(1000 << self.attempts.min(8));
                if self.attempts > ATTEMPTS_MAX {
                    return self.give_up(idx, why).await;
                }
            }
            Outcome::Refused(why) => return self.give_up(idx, why).await,
        }
        Ok(Step::Done)
    }

    /// Records a pass that failed, and lets the source rest.
    async fn give_up(&mut self, idx: usize, why: String) -> Result<Step, StoreError> {
        let (now, format) = (self.clock.now(), self.api.format());
        self.attempts = 0;
        let pause_ms = (PAUSES_MS.0 << self.given_up.min(6)).min(PAUSES_MS.1);
        self.given_up += 1;
        self.blocked_until = now.saturating_add_ms(pause_ms);
        let Some(stream) = self.streams.get_mut(idx) else { return Ok(Step::Done) };
        let Some(running) = stream.cursor.running.take() else { return Ok(Step::Done) };
        tracing::warn!(environment = %self.trail.name(), source = self.setup.source, stream = stream.name, why, "a pass was given up");
        let mut pass = running.pass(&self.setup.source, &stream.name, format, now);
        (pass.is_complete, pass.failure, pass.terms) = (false, Some(why), terms(&stream.mode));
        if pass.kind == PassKind::Window {
            // Others first; and in parts, if it was on its way and did not come to the end.
            if running.read > 0 {
                stream.narrow(&running);
            }
            stream.limits.put_off(running.from, now.saturating_add_ms(HOUR_MS));
        }
        let cursor = Some(stream.cursor.to_text());
        coverage::append(&self.trail, &mut stream.ledger, &pass, json!({}), cursor).await?;
        Ok(Step::Done)
    }
}

fn terms(mode: &Mode) -> Terms {
    match mode {
        Mode::Windows(rhythm) => rhythm.terms,
        Mode::Marks { terms, .. } => *terms,
    }
}

fn is_too_large(running: &Running, now: Time) -> bool {
    let is_narrow = running.to.as_ms() - running.from.as_ms() <= NARROWEST_MS;
    running.kind() != PassKind::Cursor
        && !is_narrow
        && (running.ids.len() > IDS_MAX
            || running.requests > REQUESTS_MAX
            || now.as_ms() - running.started_at.as_ms() > PASS_MS_MAX)
}

impl Stream {
    /// What is next, by the mode.
    fn plan(&self, now: Time) -> Plan {
        match &self.mode {
            Mode::Windows(rhythm) => plan::next(rhythm, &self.ledger, self.last_fast_at, &self.limits, now),
            Mode::Marks { every_ms, terms, overlap_ms } => {
                let read_to = self.ledger.summary.as_ref().map(|summary| summary.read_to);
                if let Some(at) = self.last_poll_at
                    && now < at.saturating_add_ms(*every_ms)
                    && at <= now
                {
                    return Plan::Wait(at.saturating_add_ms(*every_ms));
                }
                let reach = terms.retention_ms.unwrap_or(0);
                let begin = read_to.unwrap_or_else(|| now.saturating_add_ms(-reach));
                let from =
                    if self.cursor.mark.is_some() { begin } else { begin.saturating_add_ms(-overlap_ms) };
                Plan::Pass(PassKind::Cursor, from.min(now), now)
            }
        }
    }

    /// A source that does not answer a window is asked for half of it.
    fn narrow(&mut self, running: &Running) {
        // What was closed as a whole is looked at as a whole: its parts would have to be confirmed anew.
        if self.is_closed(running.from) {
            return;
        }
        let half = (running.to.as_ms() - running.from.as_ms()) / 2;
        self.limits.narrow(running.from, half.max(NARROWEST_MS));
    }

    fn is_closed(&self, from: Time) -> bool {
        let windows = &self.ledger.windows;
        let found = windows.binary_search_by_key(&from, |window| window.from);
        found.is_ok_and(|at| windows.get(at).is_some_and(|window| window.known.closed_at.is_some()))
    }

    /// The mark is not accepted any more: the next poll begins some time before it.
    fn forget_mark(&mut self) {
        self.cursor.mark = None;
        self.cursor.running = None;
        self.last_poll_at = None;
    }
}
