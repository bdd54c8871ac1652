//! A collector that reads a simulated source into a real store, and what must hold in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    path::Path,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use futures::StreamExt;
use url::Url;
use whowas_collect::{
    coverage::{
        self, State,
        plan::Rhythm,
        report::{Interval, StreamReport},
    },
    poll::{Auth, Collector, GraphSignIns, Secret, Setup, Step},
};
use whowas_event::{EnvironmentName, Time, admit::RawData};
use whowas_query::Engine;
use whowas_store::{Clock, Store, Trail};

use crate::{
    clock::SimClock,
    faults::{Faults, Spell, pauses, within},
    graph::{BASE, FORM, SimGraph, TOKEN_URL},
    random::Random,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const SOURCE: &str = "entra";
/// Days that a story lasts; rows happen in all but the last eight, so that each can be closed and looked at
/// for the last time.
const DAYS: i64 = 14;
const KINDS: [&str; 4] = ["interactiveUser", "nonInteractiveUser", "servicePrincipal", "managedIdentity"];

/// What follows from a seed.
pub struct Story {
    random: Random,
    clock: Arc<SimClock>,
    graph: Arc<SimGraph>,
    kinds: Vec<&'static str>,
    pauses: Vec<Spell>,
    begin: Time,
    end: Time,
}

/// What came of a story.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Rows that the source held.
    pub rows: usize,
    /// Rows that are missing, all of them in time that the ledger names.
    pub missing: usize,
    /// Requests.
    pub requests: u64,
    /// How often the collector was killed.
    pub kills: u32,
}

impl Story {
    /// The story of a seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let begin =
            Time::parse_rfc3339("2026-11-02T00:00:00Z").unwrap().saturating_add_ms(random.between(0, DAY_MS));
        let end = begin.saturating_add_ms(DAYS * DAY_MS);
        let clock = Arc::new(SimClock::at(begin));
        let faults = Faults::new(&mut random, begin, end);
        let kinds: Vec<_> = KINDS.into_iter().take(if random.happens(20) { 4 } else { 1 }).collect();
        let range = (begin.saturating_add_ms(-6 * DAY_MS), end.saturating_add_ms(-2 * DAY_MS));
        let graph = Arc::new(SimGraph::new(&mut random, clock.clone(), faults, &kinds, range));
        let pauses = pauses(&mut random, begin, end.saturating_add_ms(-DAY_MS));
        Self { random, clock, graph, kinds, pauses, begin, end }
    }

    /// Tells it, and checks what it led to. An error is what must not be.
    pub async fn tell(mut self, folder: &Path) -> Result<Outcome, String> {
        let mut kills = 0;
        while self.clock.now() < self.end {
            let (store, trail) = self.open(folder).await;
            let mut collector = self.collector(&store, &trail).await;
            let lifetime = self.random.between(20, 400);
            let mut was_killed = false;
            for _ in 0..lifetime {
                if self.clock.now() >= self.end || self.pause() {
                    break;
                }
                // Somewhere within the step, or not at all.
                let polls = if self.random.happens(1) { self.random.between(1, 5) } else { i64::MAX };
                match Bounded::new(pin!(collector.step()), polls).await {
                    None => {
                        was_killed = true;
                        break;
                    }
                    Some(step) => match step.map_err(|e| format!("the store: {e}"))? {
                        Step::Done => self.clock.pass(5),
                        Step::Wait(at) if at <= self.clock.now() => {
                            return Err(format!("waits for {at}, which is over"));
                        }
                        Step::Wait(at) => self.clock.set(at.min(self.end)),
                    },
                }
            }
            kills += u32::from(was_killed);
            drop(collector);
            store.close().await.map_err(|e| e.to_string())?;
        }
        self.check(folder, kills).await
    }

    /// Skips the time in which nothing of ours runs.
    fn pause(&self) -> bool {
        let now = self.clock.now();
        let Some((_, until)) = self.pauses.iter().find(|pause| within(&[**pause], now)) else { return false };
        self.clock.set(*until);
        true
    }

    async fn open(&self, folder: &Path) -> (Store, Arc<Trail>) {
        let store = Store::open(folder, true, self.clock.clone()).await.unwrap();
        let name: EnvironmentName = "contoso/production".parse().unwrap();
        let trail = store.create_trail(&name).await.unwrap();
        (store, trail)
    }

    async fn collector(&self, store: &Store, trail: &Arc<Trail>) -> Collector {
        let auth =
            Auth::ClientCredentials { token_url: Url::parse(TOKEN_URL).unwrap(), form: Secret::new(FORM) };
        let api = GraphSignIns::new(Url::parse(BASE).unwrap(), auth, 7 * DAY_MS).with_types(&self.kinds);
        let terms = api.terms();
        // Larger windows than in earnest: fewer commits a story.
        let rhythm = Rhythm::new(DAY_MS, 2 * 60_000, 12 * HOUR_MS, terms);
        let api = Arc::new(api.with_rhythm(rhythm));
        let setup = Setup { source: SOURCE.to_owned(), raw: RawData::Dropped };
        let (http, clock) = (self.graph.clone(), self.clock.clone());
        Collector::open(trail.clone(), store.control().clone(), (http, api), clock, setup).await.unwrap()
    }

    async fn check(&self, folder: &Path, kills: u32) -> Result<Outcome, String> {
        let (store, trail) = self.open(folder).await;
        let now = self.clock.now();
        let range = (self.begin.saturating_add_ms(-30 * DAY_MS), now);
        let reports = coverage::reports(store.control().as_ref(), trail.name(), range, now)
            .await
            .map_err(|e| e.to_string())?;
        let records = records(&trail).await;
        let rejected = store.control().rejected(trail.name(), 0, 10_000).await.map_err(|e| e.to_string())?;
        let environment = store.control().environment(trail.name()).await.map_err(|e| e.to_string())?;
        let audit = store.audit(&environment.expect("it is there")).await;
        let findings = audit.map_err(|e| format!("the trail: {e}"))?.findings;
        if !findings.is_empty() {
            return Err(format!("the trail: {findings:?}"));
        }
        let rebuilt = is_rebuilt(&store, &trail, &records).await;
        store.close().await.map_err(|e| e.to_string())?;
        rebuilt?;
        let held = self.held(&records)?;
        let giants = self.graph.rows.iter().filter(|row| row.is_giant).count();
        if rejected.len() > giants {
            return Err(format!("{} records rejected, {giants} are too large", rejected.len()));
        }
        if self.graph.too_fast() > 0 {
            return Err(format!("{} requests faster than allowed", self.graph.too_fast()));
        }
        let missing = self.missing(&reports, &held, now)?;
        if self.pauses.iter().all(|(from, to)| to.as_ms() - from.as_ms() < DAY_MS) {
            self.is_closed(&reports, now)?;
        }
        Ok(Outcome { rows: self.graph.rows.len(), missing, requests: self.graph.requests(), kills })
    }

    /// Which rows are in the trail, and whether their latest content is; nothing twice, nothing invented.
    fn held(&self, records: &[Told]) -> Result<BTreeMap<String, bool>, String> {
        let rows: BTreeSet<&str> = self.graph.rows.iter().map(|row| row.id.as_str()).collect();
        let (mut held, mut contents) = (BTreeMap::new(), BTreeSet::new());
        for record in records.iter().filter(|record| record.kind == "login") {
            let id = record.id.as_str();
            if !rows.contains(id) {
                return Err(format!("{id} was never there"));
            }
            let is_mature = record.unmapped.contains("atRisk");
            if !contents.insert((id.to_owned(), is_mature)) {
                return Err(format!("{id} is there twice"));
            }
            *held.entry(id.to_owned()).or_default() |= is_mature;
        }
        Ok(held)
    }

    /// How many rows are missing; an error if one is that the ledger calls closed, or if its latest content is.
    fn missing(
        &self,
        reports: &[StreamReport],
        held: &BTreeMap<String, bool>,
        now: Time,
    ) -> Result<usize, String> {
        let mut missing = 0;
        for row in self.graph.rows.iter().filter(|row| row.arrives_at <= now && !row.is_giant) {
            let Some(report) = reports.iter().find(|report| report.stream == row.kind) else { continue };
            let those = report.intervals.iter().find(|one| (one.from..one.to).contains(&row.created));
            // What was before the ledger's beginning is not claimed.
            let Some(interval) = those else { continue };
            let is_closed = interval.state == State::Closed;
            match held.get(&row.id) {
                None if is_closed => return Err(format!("{row:?} is missing from {}", told(interval))),
                None => missing += 1,
                Some(false) if is_closed && row.is_mature(now) => {
                    return Err(format!("{row:?} is not what it became, in {}", told(interval)));
                }
                Some(_) => {}
            }
        }
        Ok(missing)
    }

    /// Where nothing of ours stood still for long, all is closed that ended five days ago.
    fn is_closed(&self, reports: &[StreamReport], now: Time) -> Result<(), String> {
        let settled = now.saturating_add_ms(-6 * DAY_MS);
        for report in reports {
            if let Some(pair) = report.intervals.windows(2).find(|pair| pair[0].to != pair[1].from) {
                return Err(format!("a hole between {} and {}", told(&pair[0]), told(&pair[1])));
            }
            let late = |one: &&Interval| one.state != State::Closed && one.from < settled;
            if let Some(interval) = report.intervals.iter().find(late) {
                return Err(format!("{}: never closed: {}", report.stream, told(interval)));
            }
        }
        Ok(())
    }
}

fn told(interval: &Interval) -> String {
    format!("{} to {} ({}, {} passes)", interval.from, interval.to, interval.state.as_str(), interval.passes)
}

/// Whether the trail's own records lead to the ledger that is kept.
async fn is_rebuilt(store: &Store, trail: &Trail, records: &[Told]) -> Result<(), String> {
    let bodies: Vec<(Time, &str)> = records
        .iter()
        .filter(|record| record.kind == "coverage")
        .map(|record| (record.at, record.body.as_str()))
        .collect();
    for progress in coverage::rebuild(bodies.iter().copied()) {
        let key = (progress.source.as_str(), progress.stream.as_str());
        let all = (Time::from_ms(0).unwrap(), Time::parse_rfc3339("9999-01-01T00:00:00Z").unwrap());
        let kept = store.control().windows(trail.name(), key, all).await.map_err(|e| e.to_string())?;
        let rebuilt = progress.coverage.map(|change| change.windows).unwrap_or_default();
        if kept != rebuilt {
            let differs = kept.iter().zip(&rebuilt).find(|(a, b)| a != b);
            return Err(format!(
                "the ledger does not follow from the trail: {} windows kept, {} rebuilt, {differs:#?}",
                kept.len(),
                rebuilt.len()
            ));
        }
        let streams = store.control().streams(trail.name()).await.map_err(|e| e.to_string())?;
        let stream = streams.iter().find(|one| one.source == key.0 && one.stream == key.1);
        if stream.and_then(|one| one.summary.as_ref()) != progress.summary.as_ref() {
            return Err("the stream's summary does not follow from the trail".to_owned());
        }
    }
    Ok(())
}

/// What matters here of a record.
struct Told {
    at: Time,
    kind: String,
    id: String,
    unmapped: String,
    body: String,
}

/// Every record of a trail, by position.
async fn records(trail: &Trail) -> Vec<Told> {
    let statement = "SELECT CAST(occurred_at AS BIGINT) AS at, kind, native_id, unmapped, body FROM records ORDER BY position";
    let mut batches = Engine::new().unwrap().sql(trail, statement, Time::default()).await.unwrap();
    let mut records = Vec::new();
    while let Some(batch) = batches.next().await {
        let batch = batch.unwrap();
        let texts = |name: &str| cast(batch.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
        let at = batch.column_by_name("at").unwrap().as_primitive::<Int64Type>().clone();
        let [kind, id, unmapped, body] = ["kind", "native_id", "unmapped", "body"].map(texts);
        for row in 0..batch.num_rows() {
            let text = |column: &ArrayRef| {
                let column = column.as_string::<i32>();
                if column.is_null(row) { String::new() } else { column.value(row).to_owned() }
            };
            let at = Time::from_ms(at.value(row) / 1000).unwrap();
            let [kind, id, unmapped, body] = [&kind, &id, &unmapped, &body].map(text);
            records.push(Told { at, kind, id, unmapped, body });
        }
    }
    records
}

/// A future that is dropped after so many polls: what a kill does to it.
pub struct Bounded<'a, F> {
    inner: Pin<&'a mut F>,
    polls: i64,
}

impl<'a, F: Future> Bounded<'a, F> {
    /// So often.
    pub fn new(inner: Pin<&'a mut F>, polls: i64) -> Self {
        Self { inner, polls }
    }
}

impl<F: Future> Future for Bounded<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        match self.inner.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // The next poll is the last; it comes at once.
            Poll::Pending if self.polls == 0 => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
