//! Whose records are meant, by `erase`, `retain` and `hold`: asked of every record, not of an index.

use std::sync::Arc;

use whowas_event::{Erasure, Kind, Reach, Record, Time, whose::Person};
use whowas_query::{Filter, subject_of};
use whowas_store::{
    Snapshot, Trail,
    control::{Hold, Rejected},
    erase::add,
};

use crate::failure::Failure;

/// Which records of a trail are meant.
#[derive(Clone, Debug)]
pub(crate) enum Selector {
    /// Every one.
    All,
    /// Those about one person.
    Person(Person),
    /// Sign-ins for which a filter holds.
    Filter(Filter),
}

impl Selector {
    /// A person, with the names that the directory and the sessions that the records have for them.
    pub(crate) async fn person(trail: &Trail, id: &str) -> Result<Self, Failure> {
        let person = trail.snapshot().directory.person(id);
        let person = trail
            .visit(person, |person, _, record, _| {
                if let Some(uid) = record.event.session_uid.as_ref().filter(|_| person.is_user(record)) {
                    person.sessions.insert((record.source.clone(), uid.clone()));
                }
            })
            .await?;
        Ok(Self::Person(person))
    }

    /// A filter, which must say something.
    pub(crate) fn filter(text: &str) -> Result<Self, Failure> {
        let filter = Filter::parse(text).map_err(|e| Failure::not_understood(format!("filter: {e}")))?;
        if filter.terms.is_empty() {
            return Err(Failure::not_understood("the filter is empty: it would mean every sign-in"));
        }
        Ok(Self::Filter(filter))
    }

    /// What a hold covers.
    pub(crate) async fn of_hold(trail: &Trail, hold: &Hold) -> Result<Self, Failure> {
        match hold.covers.as_str() {
            "user" => Self::person(trail, &hold.text).await,
            "filter" => Self::filter(&hold.text),
            _ => Ok(Self::All),
        }
    }

    /// How much of a record is meant.
    pub(crate) fn reach(&self, record: &Record, raw: &[u8], snapshot: &Snapshot) -> Option<Reach> {
        match self {
            Self::All => Some(Reach::All),
            Self::Person(person) => person.reach(record, raw),
            Self::Filter(filter) => {
                let is_meant = record.event.kind == Kind::Login
                    && filter.matches(&subject_of(record, &snapshot.directory));
                is_meant.then_some(Reach::All)
            }
        }
    }

    /// Whether a rejected record is meant: only a person's names can be looked for in what was not understood.
    pub(crate) fn is_rejected(&self, rejected: &Rejected) -> bool {
        match self {
            Self::Person(person) => {
                let texts = [&rejected.reason, &rejected.input];
                texts.into_iter().any(|text| person.mentions(text))
                    || person.mentions(&String::from_utf8_lossy(&rejected.raw))
            }
            Self::All | Self::Filter(_) => false,
        }
    }
}

/// The holds in force on a trail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds {
    list: Vec<(i64, Selector)>,
}

impl Holds {
    pub(crate) async fn of(trail: &Trail, holds: Vec<Hold>) -> Result<Self, Failure> {
        let mut list = Vec::with_capacity(holds.len());
        for hold in holds {
            list.push((hold.id, Selector::of_hold(trail, &hold).await?));
        }
        Ok(Self { list })
    }

    /// The first hold that covers a record.
    pub(crate) fn on(&self, record: &Record, raw: &[u8], snapshot: &Snapshot) -> Option<i64> {
        self.list.iter().find(|(_, held)| held.reach(record, raw, snapshot).is_some()).map(|(id, _)| *id)
    }
}

/// A pass over a trail: what is to be erased, and what a hold keeps.
pub(crate) struct Pass {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) selector: Selector,
    pub(crate) holds: Holds,
    pub(crate) erasure: Erasure,
    /// Records that would go and are held, and the number of the first hold that was met.
    pub(crate) held: u64,
    pub(crate) held_by: Option<i64>,
    /// The earliest and the latest time of what is to go.
    pub(crate) range: Option<(Time, Time)>,
}

impl Pass {
    pub(crate) fn new(trail: &Trail, selector: Selector, holds: Holds) -> Self {
        let (snapshot, erasure) = (trail.snapshot(), Erasure::default());
        Self { snapshot, selector, holds, erasure, held: 0, held_by: None, range: None }
    }

    /// Takes a record that is meant, unless it is held or has nothing left.
    pub(crate) fn take(&mut self, position: u64, record: &Record, raw: &[u8], reach: Reach) {
        if whowas_event::erasable(record, reach) == 0 {
            return;
        }
        if let Some(hold) = self.holds.on(record, raw, &self.snapshot) {
            self.held += 1;
            self.held_by.get_or_insert(hold);
            return;
        }
        add(&mut self.erasure, position, record, reach);
        let at = record.event.occurred_at;
        self.range = Some(self.range.map_or((at, at), |(from, to)| (from.min(at), to.max(at))));
    }

    /// Number of records of each reach, widest first.
    pub(crate) fn counts(&self) -> [usize; 3] {
        Reach::ALL.map(|reach| self.erasure.records.iter().filter(|one| one.reach == reach).count())
    }
}

/// Looks at every record for what the selector means.
pub(crate) async fn survey(trail: &Trail, selector: Selector, holds: Holds) -> Result<Pass, Failure> {
    let pass = Pass::new(trail, selector, holds);
    let found = trail.visit(pass, |pass, position, record, raw| {
        if let Some(reach) = pass.selector.reach(record, raw, &pass.snapshot) {
            pass.take(position, record, raw, reach);
        }
    });
    Ok(found.await?)
}
