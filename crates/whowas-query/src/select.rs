//! Whose records are meant, by an erasure, a rule of retention and a legal hold: asked of every record, not of
//! an index. The command line and the API decide by it; `whowas-store` carries out.

use std::sync::Arc;

use whowas_event::{EnvironmentName, Erasure, Kind, Reach, Record, Time, whose::Person};
use whowas_store::{
    Snapshot, Trail,
    control::{Control, Hold, Rejected},
    erase::add,
};

use crate::{Filter, QueryError, subject_of};

/// Rejected records that are in memory at once: each has at most 1 MiB.
const REJECTED_PAGE: u32 = 64;

/// Which records of a trail are meant.
#[derive(Clone, Debug)]
pub enum Selector {
    /// Every one.
    All,
    /// Those about one person.
    Person(Person),
    /// Sign-ins for which a filter holds.
    Filter(Filter),
}

impl Selector {
    /// A person, with the names that the directory and the sessions that the records have for them.
    ///
    /// # Errors
    /// Records cannot be read.
    pub async fn person(trail: &Trail, id: &str) -> Result<Self, QueryError> {
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
    ///
    /// # Errors
    /// It is none, or is empty.
    pub fn filter(text: &str) -> Result<Self, QueryError> {
        let filter = Filter::parse(text)?;
        if filter.terms.is_empty() {
            return Err(QueryError::Invalid("the filter is empty: it would mean every sign-in".to_owned()));
        }
        Ok(Self::Filter(filter))
    }

    /// What a hold covers.
    ///
    /// # Errors
    /// As of the others.
    pub async fn of_hold(trail: &Trail, hold: &Hold) -> Result<Self, QueryError> {
        match hold.covers.as_str() {
            "user" => Self::person(trail, &hold.text).await,
            "filter" => Self::filter(&hold.text),
            _ => Ok(Self::All),
        }
    }

    /// How much of a record is meant.
    pub fn reach(&self, record: &Record, raw: &[u8], snapshot: &Snapshot) -> Option<Reach> {
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

    /// Refuses a reason that names whom it is about: it stays in the trail.
    ///
    /// # Errors
    /// It does.
    pub fn check_reason(&self, reason: &str) -> Result<(), QueryError> {
        match self {
            Self::Person(person) if person.mentions(reason) => Err(QueryError::Invalid(
                "the reason names the person, and stays in the trail: say why without the name".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Whether a rejected record is meant: only a person's names can be looked for in what was not understood.
    pub fn is_rejected(&self, rejected: &Rejected) -> bool {
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
pub struct Holds {
    list: Vec<(i64, Selector)>,
}

impl Holds {
    /// Those that a control database has.
    ///
    /// # Errors
    /// One of them cannot be read, or records cannot.
    pub async fn of(trail: &Trail, holds: Vec<Hold>) -> Result<Self, QueryError> {
        let mut list = Vec::with_capacity(holds.len());
        for hold in holds {
            list.push((hold.id, Selector::of_hold(trail, &hold).await?));
        }
        Ok(Self { list })
    }

    /// The first hold that covers a record.
    pub fn on(&self, record: &Record, raw: &[u8], snapshot: &Snapshot) -> Option<i64> {
        self.list.iter().find(|(_, held)| held.reach(record, raw, snapshot).is_some()).map(|(id, _)| *id)
    }
}

/// A pass over a trail: what is to be erased, and what a hold keeps.
pub struct Pass {
    /// What it looks at.
    pub snapshot: Arc<Snapshot>,
    /// What is looked for.
    pub selector: Selector,
    /// What stays.
    pub holds: Holds,
    /// What is to go.
    pub erasure: Erasure,
    /// Records that would go and are held.
    pub held: u64,
    /// The number of the first hold that was met.
    pub held_by: Option<i64>,
    /// The earliest and the latest time of what is to go.
    pub range: Option<(Time, Time)>,
}

impl Pass {
    /// Nothing is looked at yet.
    pub fn new(trail: &Trail, selector: Selector, holds: Holds) -> Self {
        let (snapshot, erasure) = (trail.snapshot(), Erasure::default());
        Self { snapshot, selector, holds, erasure, held: 0, held_by: None, range: None }
    }

    /// Takes a record that is meant, unless it is held or has nothing left.
    pub fn take(&mut self, position: u64, record: &Record, raw: &[u8], reach: Reach) {
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
    pub fn counts(&self) -> [usize; 3] {
        Reach::ALL.map(|reach| self.erasure.records.iter().filter(|one| one.reach == reach).count())
    }
}

/// Looks at every record for what the selector means.
///
/// # Errors
/// Records cannot be read.
pub async fn survey(trail: &Trail, selector: Selector, holds: Holds) -> Result<Pass, QueryError> {
    let pass = Pass::new(trail, selector, holds);
    let found = trail.visit(pass, |pass, position, record, raw| {
        if let Some(reach) = pass.selector.reach(record, raw, &pass.snapshot) {
            pass.take(position, record, raw, reach);
        }
    });
    Ok(found.await?)
}

/// Numbers of the rejected records that name the person.
///
/// # Errors
/// The control database cannot be read.
pub async fn rejected(
    control: &dyn Control,
    name: &EnvironmentName,
    selector: &Selector,
) -> Result<Vec<u64>, QueryError> {
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let page = control.rejected(name, after, REJECTED_PAGE).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = last.id;
        let meant = page.iter().filter(|one| selector.is_rejected(one));
        found.extend(meant.filter_map(|one| u64::try_from(one.id).ok()));
    }
}

/// Deletes the saved queries that name the person. Kept exports go with the erasure itself.
///
/// # Errors
/// The control database cannot be read or written.
pub async fn forget_queries(
    control: &dyn Control,
    name: &EnvironmentName,
    selector: &Selector,
) -> Result<(), QueryError> {
    let Selector::Person(person) = selector else { return Ok(()) };
    for query in control.saved_queries(name).await? {
        let params = url::form_urlencoded::parse(query.params.as_bytes());
        let mut texts = params.map(|(_, value)| value.into_owned()).chain([query.title]);
        if texts.any(|text| person.mentions(&text)) {
            control.forget_query(name, query.id).await?;
        }
    }
    Ok(())
}

/// A rule of retention, and what a pass over the trail finds of it.
pub struct Rule {
    /// What is to go.
    pub pass: Pass,
    /// Records of what happened before are past the rule, also those that were imported later.
    pub cutoff: Time,
    /// The kind of record; every one if none.
    kind: Option<Kind>,
    /// The first position that is not past every rule, or is held.
    first_kept: u64,
}

impl Rule {
    /// The kind that a word means: one of those with personal data that a rule may take, or `all`.
    ///
    /// # Errors
    /// It is none of them.
    pub fn kind(word: &str) -> Result<Option<Kind>, QueryError> {
        if word == "all" {
            return Ok(None);
        }
        let kinds = [Kind::Login, Kind::Identity, Kind::Access, Kind::Coverage];
        let kind = Kind::from_word(word).filter(|kind| kinds.contains(kind));
        kind.map(Some).ok_or_else(|| {
            QueryError::Invalid(format!("kind {word}: use login, identity, access, coverage or all"))
        })
    }

    /// Looks at every record for what is past the rule. With `prunes`, entries before the first that is not
    /// are refused, too.
    ///
    /// # Errors
    /// Records cannot be read.
    pub async fn survey(
        trail: &Trail,
        (selector, holds): (Selector, Holds),
        (kind, cutoff): (Option<Kind>, Time),
        prunes: bool,
    ) -> Result<Self, QueryError> {
        let pass = Pass::new(trail, selector, holds);
        let first_kept = pass.snapshot.size;
        let rule = Self { pass, cutoff, kind, first_kept };
        let mut rule = trail.visit(rule, Self::look).await?;
        if prunes {
            rule.pass.erasure.minimum_index = rule.first_kept;
        }
        Ok(rule)
    }

    fn look(&mut self, position: u64, record: &Record, raw: &[u8]) {
        let is_old = record.event.occurred_at < self.cutoff;
        let is_kind = self.kind.is_none_or(|kind| kind == record.event.kind);
        let reach = self.pass.selector.reach(record, raw, &self.pass.snapshot);
        let held = self.pass.held;
        if is_kind && is_old && reach.is_some() {
            self.pass.take(position, record, raw, Reach::All);
        }
        if !is_old || self.pass.held > held {
            self.first_kept = self.first_kept.min(position);
        }
    }
}

/// `400d`, `52w`, `36h`, `30m`, in milliseconds.
pub fn age_ms(text: &str) -> Option<i64> {
    const MINUTE_MS: i64 = 60_000;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = number.parse().ok().filter(|number| *number >= 0)?;
    let unit_ms = match unit {
        "m" => MINUTE_MS,
        "h" => 60 * MINUTE_MS,
        "d" => 24 * 60 * MINUTE_MS,
        "w" => 7 * 24 * 60 * MINUTE_MS,
        _ => return None,
    };
    number.checked_mul(unit_ms)
}

/// The time that was so long ago, which is in the past.
///
/// # Errors
/// It is no age.
pub fn cutoff(age: &str, now: Time) -> Result<Time, QueryError> {
    age_ms(age)
        .map(|ms| now.saturating_add_ms(-ms))
        .filter(|then| *then < now)
        .ok_or_else(|| QueryError::Invalid(format!("{age} is no age: write 400d, 52w or 36h")))
}
