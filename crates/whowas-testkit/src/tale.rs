//! The contract of every source that is asked: what ends in the trail is what the source held, or the ledger names
//! the time that is missing; nothing is there twice.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use url::Url;
use whowas_collect::{
    coverage::{self, State, report::StreamReport},
    poll::{Api, Auth, DynamicsUsers, GraphUsers, Http, KeycloakEvents, OktaLog, Secret},
};
use whowas_event::Time;
use whowas_store::Clock;

use crate::{
    clock::SimClock,
    drive::{Outcome, Told, is_rebuilt, records, told},
    faults::{Faults, pauses},
    front::{AUTHORIZATION, Front},
    life::Life,
    logs::{Log, RETENTION_MS, SimLog},
    people::{Directory, SimPeople},
    random::Random,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Days that a tale lasts. Nothing new happens in the last five, and nothing goes wrong on the last one.
const DAYS: i64 = 14;

/// Every kind of source here, so that a seed gives one.
pub const KINDS: [&str; 4] = ["okta", "keycloak", "dynamics-users", "graph-users"];

enum Source {
    Log(Log, Arc<SimLog>),
    People(Directory, Arc<SimPeople>),
}

/// What follows from a seed.
pub struct Tale {
    life: Life,
    source: Source,
    begin: Time,
}

impl Tale {
    /// The tale of a seed. Every fourth is of the same kind of source.
    pub fn new(seed: u64) -> Self {
        // Another generator than that of stories.
        let mut random = Random::new(seed ^ 0x5eed_0000_0000);
        let noon = Time::parse_rfc3339("2026-11-02T00:00:00Z").unwrap();
        let begin = noon.saturating_add_ms(random.between(0, DAY_MS));
        let end = begin.saturating_add_ms(DAYS * DAY_MS);
        let quiet = end.saturating_add_ms(-DAY_MS);
        let clock = Arc::new(SimClock::at(begin));
        let mut faults = Faults::new(&mut random, begin, quiet);
        faults.short.clear();
        faults.restarts.retain(|at| *at < quiet);
        let mut pauses = pauses(&mut random, begin, quiet);
        pauses.retain(|(_, until)| *until < quiet);
        let happens = (begin.saturating_add_ms(-6 * DAY_MS), end.saturating_add_ms(-5 * DAY_MS));
        let (r, c) = (&mut random, clock.clone());
        let source = match seed % 4 {
            0 => Source::Log(Log::Okta, Arc::new(SimLog::new(Log::Okta, r, c, faults, happens))),
            1 => Source::Log(Log::Keycloak, Arc::new(SimLog::new(Log::Keycloak, r, c, faults, happens))),
            2 => {
                let directory = Directory::Dynamics;
                Source::People(directory, Arc::new(SimPeople::new(directory, r, c, faults, happens)))
            }
            _ => {
                let directory = Directory::Graph;
                Source::People(directory, Arc::new(SimPeople::new(directory, r, c, faults, happens)))
            }
        };
        Self { life: Life { random, clock, pauses, end }, source, begin }
    }

    /// Tells it, and checks what it led to. An error is what must not be.
    pub async fn tell(mut self, folder: &Path) -> Result<Outcome, String> {
        let parts = (self.http(), self.api());
        let kills = self.life.live(folder, parts, "source").await?;
        let (store, trail) = self.life.open(folder).await;
        let (now, from) = (self.life.clock.now(), self.begin.saturating_add_ms(-30 * DAY_MS));
        let reports = coverage::reports(store.control().as_ref(), trail.name(), (from, now), now).await;
        let reports = reports.map_err(|e| e.to_string())?;
        let records = records(&trail).await;
        let rejected = store.control().rejected(trail.name(), 0, 10_000).await.map_err(|e| e.to_string())?;
        let rebuilt = is_rebuilt(&store, &trail, &records).await;
        store.close().await.map_err(|e| e.to_string())?;
        rebuilt?;
        let (too_fast, requests) = self.front().counts();
        if too_fast > 0 {
            return Err(format!("{too_fast} requests faster than allowed"));
        }
        let [report] = &reports[..] else { return Err(format!("{} streams", reports.len())) };
        if let Some(pair) = report.intervals.windows(2).find(|pair| pair[0].to != pair[1].from) {
            return Err(format!("a hole between {} and {}", told(&pair[0]), told(&pair[1])));
        }
        let (rows, missing) = match &self.source {
            Source::Log(log, source) => {
                let giants = source.rows.iter().filter(|row| row.is_giant).count();
                if rejected.len() > giants {
                    return Err(format!("{} records rejected, {giants} are too large", rejected.len()));
                }
                (source.rows.len(), self.check_log(*log, source, &records, report)?)
            }
            Source::People(_, source) => (source.people.len(), check_people(source, &records, now)?),
        };
        Ok(Outcome { rows, missing, requests, kills })
    }

    fn http(&self) -> Arc<dyn Http> {
        match &self.source {
            Source::Log(_, source) => source.clone(),
            Source::People(_, source) => source.clone(),
        }
    }

    fn front(&self) -> &Front {
        match &self.source {
            Source::Log(_, source) => &source.front,
            Source::People(_, source) => &source.front,
        }
    }

    /// As in earnest, but asked more rarely: fewer commits a tale.
    fn api(&self) -> Arc<dyn Api> {
        let auth = || Auth::Header(Secret::new(AUTHORIZATION));
        let base = |path: &str| Url::parse(&format!("https://source.sim.example/{path}")).unwrap();
        match &self.source {
            Source::Log(Log::Okta, _) => {
                Arc::new(OktaLog::new(base(""), auth()).with_times(HOUR_MS, RETENTION_MS))
            }
            Source::Log(Log::Keycloak, _) => {
                let api = KeycloakEvents::new(base("admin/realms/contoso/"), auth(), Some(RETENTION_MS));
                Arc::new(api.with_rhythm(DAY_MS, 12 * HOUR_MS))
            }
            Source::People(Directory::Dynamics, _) => Arc::new(DynamicsUsers::new(base(""), auth())),
            Source::People(Directory::Graph, _) => Arc::new(GraphUsers::new(base("v1.0/"), auth())),
        }
    }

    /// Nothing twice, nothing invented; how many are missing, each in time that the ledger calls lost.
    fn check_log(
        &self,
        log: Log,
        source: &SimLog,
        records: &[Told],
        report: &StreamReport,
    ) -> Result<usize, String> {
        let rows: BTreeSet<&str> = source.rows.iter().map(|row| row.id.as_str()).collect();
        let mut held = BTreeSet::new();
        for record in records.iter().filter(|record| record.kind == "login") {
            if !rows.contains(record.id.as_str()) {
                return Err(format!("{} was never there", record.id));
            }
            if !held.insert(record.id.as_str()) {
                return Err(format!("{} is there twice", record.id));
            }
        }
        let mut missing = 0;
        for row in source.rows.iter().filter(|row| !row.is_giant && !held.contains(row.id.as_str())) {
            let those = report.intervals.iter().find(|one| (one.from..one.to).contains(&row.at));
            // What was before the ledger's beginning is not claimed.
            let Some(interval) = those else { continue };
            if interval.state == State::Lost {
                missing += 1;
            } else if !(log == Log::Okta && self.came_while_away(row.at, row.arrives_at)) {
                return Err(format!("{row:?} is missing from {}", told(interval)));
            }
        }
        Ok(missing)
    }

    /// Late by more than a poll, kept while nothing of ours ran, and forgotten before that was over: a mark that has
    /// read a time says nothing about what comes to it later.
    fn came_while_away(&self, at: Time, arrives_at: Time) -> bool {
        let forgotten_at = at.saturating_add_ms(RETENTION_MS - HOUR_MS);
        self.life.pauses.iter().any(|(from, until)| {
            at <= from.saturating_add_ms(HOUR_MS) && arrives_at >= *from && forgotten_at <= *until
        })
    }
}

/// Everybody is known as they are now, by every name once, and by none that they never had.
fn check_people(source: &SimPeople, records: &[Told], now: Time) -> Result<usize, String> {
    let identities: Vec<&Told> = records.iter().filter(|record| record.kind == "identity").collect();
    let mut told = 0;
    for person in &source.people {
        let id = format!("user:{}", person.id);
        let names: Vec<&str> =
            identities.iter().filter(|one| one.id == id).map(|one| one.name.as_str()).collect();
        told += names.len();
        let expected = person.name(now).map(|(_, name)| name.as_str());
        if names.last().copied() != expected {
            return Err(format!("{person:?} is told of as {names:?}"));
        }
        let mut had = person.names.iter().map(|(_, name)| name.as_str());
        // In the order in which they had them, some left out that lasted shorter than a poll.
        if !names.iter().all(|name| had.any(|one| one == *name)) {
            return Err(format!("{person:?} is told of as {names:?}: twice, or not in order"));
        }
    }
    if told != identities.len() {
        return Err(format!("{} records of people, {told} of people who are there", identities.len()));
    }
    Ok(0)
}
