//! Which time of which source is covered, and sums of it for those who watch.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use whowas_collect::coverage::{self, State as Coverage, report::StreamReport};
use whowas_event::Time;
use whowas_store::StoreError;

use super::params::{Params, time};
use crate::{app::App, auth::Reader, problem::Problem};

/// How far back is looked if the caller does not say.
const DAYS_DEFAULT: i64 = 90;
const DAY_MS: i64 = 86_400_000;
/// Sums go back so far: the longest that the usual sources keep records …
const SUM_DAYS: i64 = 30;
/// … and are so old at most: monitoring asks every few seconds, and reading ledgers takes the one
/// connection that commits.
const SUM_TTL: Duration = Duration::from_secs(60);

#[derive(Debug, Default, Deserialize)]
pub(crate) struct CoverageParams {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct CoverageAnswer {
    from: Time,
    to: Time,
    now: Time,
    pub(crate) streams: Vec<StreamReport>,
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<CoverageParams>,
) -> Result<Json<CoverageAnswer>, Problem> {
    Ok(Json(answer(&app, &permit, &params).await?))
}

/// Everything about the streams of an environment. Nothing in it is about people, so it leaves no trace.
pub(crate) async fn answer(
    app: &App,
    permit: &Reader,
    params: &CoverageParams,
) -> Result<CoverageAnswer, Problem> {
    let now = app.now();
    let to = time("to", &params.to, now)?.unwrap_or(now);
    let from =
        time("from", &params.from, now)?.unwrap_or_else(|| to.saturating_add_ms(-DAYS_DEFAULT * DAY_MS));
    if from >= to {
        return Err(Problem::invalid("from: not before to"));
    }
    let streams = coverage::reports(app.control().as_ref(), &permit.name, (from, to), now).await?;
    Ok(CoverageAnswer { from, to, now, streams })
}

/// Sums over all streams of all environments, without a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) streams: u64,
    pub(crate) failing: u64,
    pub(crate) silent: u64,
    /// Seconds of the last 30 days, by [`Coverage::ALL`].
    pub(crate) seconds: [u64; 4],
}

/// The last sums.
#[derive(Debug, Default)]
pub(crate) struct SumCache(Mutex<Option<(Instant, Sums)>>);

impl SumCache {
    /// The sums of the last minute.
    pub(crate) async fn get(&self, app: &App) -> Result<Sums, StoreError> {
        if let Some((at, sums)) = *self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && at.elapsed() < SUM_TTL
        {
            return Ok(sums);
        }
        let now = app.now();
        let from = now.saturating_add_ms(-SUM_DAYS * DAY_MS);
        let mut sums = Sums::default();
        for name in app.store.environments().await? {
            for stream in coverage::reports(app.control().as_ref(), &name, (from, now), now).await? {
                sums.add(&stream);
            }
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), sums));
        Ok(sums)
    }
}

impl Sums {
    fn add(&mut self, stream: &StreamReport) {
        self.streams += 1;
        self.failing += u64::from(stream.failing_since.is_some());
        self.silent += u64::from(stream.silence.is_some());
        for (state, sum) in Coverage::ALL.into_iter().zip(&mut self.seconds) {
            let those = stream.intervals.iter().filter(|interval| interval.state == state);
            let ms: i64 = those.map(|interval| interval.to.as_ms() - interval.from.as_ms()).sum();
            *sum += u64::try_from(ms / 1000).unwrap_or_default();
        }
    }
}
