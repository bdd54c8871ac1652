//! What stands before every simulated source: limits, storms, outages, answers that break off.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use whowas_collect::poll::{HttpError, Request, Response};
use whowas_event::Time;
use whowas_store::Clock;

use crate::{
    clock::SimClock,
    faults::{Faults, within},
    random::Random,
};

/// What every request must carry.
pub const AUTHORIZATION: &str = "Bearer tomato";

/// How long an answer takes.
const ANSWER_MS: i64 = 700;

/// The front of a source.
#[derive(Debug)]
pub struct Front {
    /// Its time.
    pub clock: Arc<SimClock>,
    /// What goes wrong.
    pub faults: Faults,
    rate: (usize, i64),
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: Random,
    sent: VecDeque<Time>,
    too_fast: u64,
    requests: u64,
}

impl Front {
    /// Lets so many requests through in so many milliseconds.
    pub fn new(random: &mut Random, clock: Arc<SimClock>, faults: Faults, rate: (usize, i64)) -> Self {
        let random = Random::new(random.number());
        let state = State { random, sent: VecDeque::new(), too_fast: 0, requests: 0 };
        Self { clock, faults, rate, state: Mutex::new(state) }
    }

    /// How often it was asked: more often than it allows, and at all.
    pub fn counts(&self) -> (u64, u64) {
        let state = self.state.lock().unwrap();
        (state.too_fast, state.requests)
    }

    /// The source's clock.
    pub fn source_time(&self) -> Time {
        self.clock.now().saturating_add_ms(self.faults.skew_ms)
    }

    /// Whether a mark or link that was given at `made` is still known, as far as restarts go.
    pub fn knows(&self, made: Time) -> bool {
        let now = self.clock.now();
        !self.faults.restarts.iter().any(|at| (made..now).contains(at))
    }

    /// Sends a request, and takes its time. Before it and after it a kill can strike.
    pub async fn send(
        &self,
        request: &Request,
        page: impl FnOnce(&mut Random) -> Result<Response, u16>,
    ) -> Result<Response, HttpError> {
        tokio::task::yield_now().await;
        let answer = self.answer(request, page);
        self.clock.pass(ANSWER_MS);
        tokio::task::yield_now().await;
        answer
    }

    /// Answers with what `page` says, if nothing is in the way.
    fn answer(
        &self,
        request: &Request,
        page: impl FnOnce(&mut Random) -> Result<Response, u16>,
    ) -> Result<Response, HttpError> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        state.requests += 1;
        let status = |status| Ok(Response { status, ..Response::default() });
        if request.authorization.as_ref().map(|value| value.reveal()) != Some(AUTHORIZATION) {
            return status(401);
        }
        let (requests, per_ms) = self.rate;
        state.sent.retain(|at| now.as_ms() - at.as_ms() < per_ms);
        if state.sent.len() >= requests {
            state.too_fast += 1;
            return Ok(Response { status: 429, retry_after_ms: Some(per_ms), ..Response::default() });
        }
        state.sent.push_back(now);
        if within(&self.faults.outages, now) {
            return status(503);
        }
        if within(&self.faults.storms, now) {
            let retry_after_ms = state.random.happens(50).then(|| state.random.between(1, 300) * 1000);
            return Ok(Response { status: 429, retry_after_ms, ..Response::default() });
        }
        let response = match page(&mut state.random) {
            Ok(response) => Response { status: 200, date: Some(self.source_time()), ..response },
            Err(refused) => return status(refused),
        };
        if !state.random.happens(self.faults.broken_percent) {
            return Ok(response);
        }
        damaged(response, &mut state.random)
    }
}

/// What arrives of an answer that a fault strikes: an error, nothing, a half, or no body.
pub(crate) fn damaged(response: Response, random: &mut Random) -> Result<Response, HttpError> {
    let bytes = response.body.len();
    match random.between(0, 4) {
        0 => Ok(Response { status: 500, ..Response::default() }),
        1 => Err(HttpError::Broken("connection reset".to_owned())),
        2 => Ok(Response { body: response.body[..bytes / 2].to_vec(), ..response }),
        _ => Ok(Response { body: Vec::new(), ..response }),
    }
}
