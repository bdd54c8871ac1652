//! A collector that reads a simulated source into a real store, and what must hold in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
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
    poll::{Api, Auth, GraphSignIns, Http, Secret},
};
use whowas_event::Time;
use whowas_query::Engine;
use whowas_store::{Clock, Store, Trail};

use crate::{
    clock::SimClock,
    faults::{Faults, pauses},
    graph::{BASE, FORM, SimGraph, TOKEN_URL},
    life::Life,
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
    life: Life,
    graph: Arc<SimGraph>,
    kinds: Vec<&'static str>,
    begin: Time,
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
        Self { life: Life { random, clock, pauses, end }, graph, kinds, begin }
    }

    /// Tells it, and checks what it led to. An error is what must not be.
    pub async fn tell(mut self, folder: &Path) -> Result<Outcome, String> {
        let parts: (Arc<dyn Http>, Arc<dyn Api>) = (self.graph.clone(), self.api());
        let kills = self.life.live(folder, parts, SOURCE).await?;
        self.check(folder, kills).await
    }

    fn api(&self) -> Arc<dyn Api> {
        let auth =
            Auth::ClientCredentials { token_url: Url::parse(TOKEN_URL).unwrap(), form: Secret::new(FORM) };
        let api = GraphSignIns::new(Url::parse(BASE).unwrap(), auth, 7 * DAY_MS).with_types(&self.kinds);
        let terms = api.terms();
        // Larger windows than in earnest: fewer commits a story.
        let rhythm = Rhythm::new(DAY_MS, 2 * 60_000, 12 * HOUR_MS, terms);
        Arc::new(api.with_rhythm(rhythm))
    }

    async fn check(&self, folder: &Path, kills: u32) -> Result<Outcome, String> {
        let (store, trail) = self.life.open(folder).await;
        let now = self.life.clock.now();
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
        if self.life.pauses.iter().all(|(from, to)| to.as_ms() - from.as_ms() < DAY_MS) {
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

pub(crate) fn told(interval: &Interval) -> String {
    format!("{} to {} ({}, {} passes)", interval.from, interval.to, interval.state.as_str(), interval.passes)
}

/// Whether the trail's own records lead to the ledger that is kept.
pub(crate) async fn is_rebuilt(store: &Store, trail: &Trail, records: &[Told]) -> Result<(), String> {
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
pub(crate) struct Told {
    pub(crate) at: Time,
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) unmapped: String,
    body: String,
}

/// Every record of a trail, by position.
pub(crate) async fn records(trail: &Trail) -> Vec<Told> {
    let statement = "SELECT CAST(occurred_at AS BIGINT) AS at, kind, native_id, user_full_name, unmapped, body FROM records ORDER BY position";
    let mut batches = Engine::new().unwrap().sql(trail, statement, Time::default()).await.unwrap();
    let mut records = Vec::new();
    while let Some(batch) = batches.next().await {
        let batch = batch.unwrap();
        let texts = |name: &str| cast(batch.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
        let at = batch.column_by_name("at").unwrap().as_primitive::<Int64Type>().clone();
        let [kind, id, name, unmapped, body] =
            ["kind", "native_id", "user_full_name", "unmapped", "body"].map(texts);
        for row in 0..batch.num_rows() {
            let text = |column: &ArrayRef| {
                let column = column.as_string::<i32>();
                if column.is_null(row) { String::new() } else { column.value(row).to_owned() }
            };
            let at = Time::from_ms(at.value(row) / 1000).unwrap();
            let [kind, id, name, unmapped, body] = [&kind, &id, &name, &unmapped, &body].map(text);
            records.push(Told { at, kind, id, name, unmapped, body });
        }
    }
    records
}
