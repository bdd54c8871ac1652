//! What a trail says of one day: how many sign-ins it has of it, by a digest of their leaves, at a size of its tree.
//!
//! The statement (a *day's manifest*) stands in clear in a leaf, so it can be re-derived by anybody who has the leaves
//! ([`DayBook`]). Not here: when a day is stated, which is for `whowas-collect`. The format is in `docs/format.md`, §8.2.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Event, Kind, Record, Time, erasure::SELF};

/// What the body's `action` says.
const ACTION: &str = "day";
const MS_PER_DAY: i64 = 86_400_000;
/// Days are stated from 1970 to 2199: each takes a hash state in whoever checks, and times are the sources' claims.
const DAYS_MAX: i64 = 84_006;
/// A statement is appended soon after the state that it is about. So many positions later it can be checked: whoever walks
/// the leaves once keeps this many hashes (48 bytes each). More than all that may wait for a trail's writer at once.
pub const DISTANCE_MAX: u64 = 1 << 20;

/// One day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// The day of an instant, from 1970 to 2199.
    pub fn of(at: Time) -> Option<Self> {
        let days = at.as_ms().div_euclid(MS_PER_DAY);
        (0..DAYS_MAX).contains(&days).then(|| i32::try_from(days).ok().map(Self)).flatten()
    }

    /// Of a record: sign-ins alone belong to a day.
    pub fn of_event(event: &Event) -> Option<Self> {
        (event.kind == Kind::Login).then(|| Self::of(event.occurred_at)).flatten()
    }

    /// Its first instant.
    pub fn start(self) -> Time {
        Time::default().saturating_add_ms(i64::from(self.0) * MS_PER_DAY)
    }

    /// The first instant after it.
    pub fn end(self) -> Time {
        self.start().saturating_add_ms(MS_PER_DAY)
    }

    /// The day after it, if it can be stated.
    pub fn next(self) -> Option<Self> {
        Self::of(self.end())
    }

    fn parse(text: &str) -> Option<Self> {
        let day = Self::of(Time::parse_rfc3339(&format!("{text}T00:00:00Z")).ok()?)?;
        (day.to_string() == text).then_some(day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.start().utc_date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// How complete the sources were for a day when it was stated, as their ledgers said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DayState {
    /// Every source that is asked had closed it.
    Closed,
    /// No source is asked; nothing but time has passed.
    Rested,
    /// A source had forgotten some of it before it was read.
    Lost,
    /// A source had still not closed it when no more was waited.
    Open,
}

impl DayState {
    const ALL: [Self; 4] = [Self::Closed, Self::Rested, Self::Lost, Self::Open];

    /// The word of the format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Rested => "rested",
            Self::Lost => "lost",
            Self::Open => "open",
        }
    }
}

/// What one record says of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Which.
    pub day: Day,
    /// 0, then one more each time that records were added to a day that was stated.
    pub revision: u64,
    /// The first so many leaves are meant.
    pub tree_size: u64,
    /// Sign-ins of that day among them.
    pub count: u64,
    /// SHA-256 over their leaf hashes, one after the other, by position; lower-case hexadecimal.
    pub digest: String,
    /// How complete the sources were.
    pub state: DayState,
}

/// A body that calls itself a day's manifest and is none of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is the manifest of a day in a way that this version does not read")]
pub struct StatementError;

impl Statement {
    /// The statement of a record; `None` for all others, and for those that whowas did not write itself.
    ///
    /// # Errors
    /// Its body is not one of this version.
    pub fn of(record: &Record) -> Option<Result<Self, StatementError>> {
        let is_ours = record.source == SELF && record.format == SELF;
        Self::of_body(record.event.kind, is_ours, record.event.body.as_deref())
    }

    /// The same from the parts of a record, or of a leaf.
    ///
    /// # Errors
    /// The body is not one of this version.
    pub fn of_body(kind: Kind, is_ours: bool, body: Option<&str>) -> Option<Result<Self, StatementError>> {
        if !is_ours || kind != Kind::Coverage {
            return None;
        }
        let body: Value = serde_json::from_str(body?).ok()?;
        (body.get("action").and_then(Value::as_str) == Some(ACTION))
            .then(|| Self::parse(&body).ok_or(StatementError))
    }

    fn parse(body: &Value) -> Option<Self> {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let number = |name: &str| body.get(name).and_then(Value::as_u64);
        let state = text("state")?;
        Some(Self {
            day: Day::parse(text("day")?)?,
            revision: number("revision")?,
            tree_size: number("tree_size")?,
            count: number("count")?,
            digest: text("digest")?.to_owned(),
            state: DayState::ALL.into_iter().find(|one| one.as_str() == state)?,
        })
    }

    /// The body that states it.
    pub fn to_body(&self) -> Value {
        json!({
            "action": ACTION, "count": self.count, "day": self.day.to_string(), "digest": self.digest,
            "revision": self.revision, "state": self.state.as_str(), "tree_size": self.tree_size,
        })
    }
}

/// Count and digest of a day, as its leaves come.
#[derive(Clone, Debug, Default)]
pub struct DaySum {
    hash: Sha256,
    count: u64,
}

impl DaySum {
    /// The next leaf hash of the day, by position.
    pub fn add(&mut self, hash: &[u8; 32]) {
        self.hash.update(hash);
        self.count += 1;
    }

    /// How many there were, and the digest in hexadecimal.
    pub fn finish(self) -> (u64, String) {
        let digest = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        (self.count, digest)
    }
}

/// Why a statement does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrue {
    /// It cannot be about the leaves before it.
    #[error("the manifest of {0} speaks of a tree that is not one of the last before it")]
    Size(Day),
    /// One before it is missing, or it is there twice.
    #[error("the manifest of {day} is revision {found}, and revision {expected} would be next")]
    Revision {
        /// Which day.
        day: Day,
        /// What would be next.
        expected: u64,
        /// What it says.
        found: u64,
    },
    /// Another number of sign-ins.
    #[error("the manifest of {day} states {stated} sign-ins, and the first {tree_size} leaves have {found}")]
    Count {
        /// Which day.
        day: Day,
        /// What it says.
        stated: u64,
        /// What there is.
        found: u64,
        /// Among so many leaves.
        tree_size: u64,
    },
    /// As many, but others.
    #[error("the manifest of {0} states other sign-ins than the leaves have")]
    Digest(Day),
}

/// What is known of the last statement of a day.
#[derive(Clone, Copy, Debug)]
struct Stated {
    revision: u64,
    count: u64,
}

/// Walks leaves in the order of positions, and compares what statements say with what was there.
#[derive(Debug, Default)]
pub struct DayBook {
    days: BTreeMap<Day, DaySum>,
    /// The last leaves, which a statement may not speak of yet.
    recent: VecDeque<(u64, Day, [u8; 32])>,
    stated: BTreeMap<Day, Stated>,
}

/// What statements say of all days together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayTotals {
    /// Days with a manifest.
    pub stated: u64,
    /// Of these, how many have more than one.
    pub revised: u64,
    /// Of these, how many have sign-ins that came after the last.
    pub late: u64,
}

impl DayBook {
    /// The next leaf; `day` if it is a sign-in.
    pub fn leaf(&mut self, position: u64, day: Option<Day>, hash: [u8; 32]) {
        self.recent.extend(day.map(|day| (position, day, hash)));
        let until = position.saturating_sub(DISTANCE_MAX);
        while let Some((_, day, hash)) = self.recent.pop_front_if(|(at, ..)| *at < until) {
            self.days.entry(day).or_default().add(&hash);
        }
    }

    /// A statement in the leaf at `position`, which was not given to [`leaf`](Self::leaf) or was; it makes no difference.
    ///
    /// # Errors
    /// It does not hold.
    pub fn statement(&mut self, position: u64, said: &Statement) -> Result<(), Untrue> {
        let day = said.day;
        let expected = self.stated.get(&day).map_or(0, |last| last.revision + 1);
        self.stated.insert(day, Stated { revision: said.revision, count: said.count });
        if said.tree_size > position || position - said.tree_size > DISTANCE_MAX {
            return Err(Untrue::Size(day));
        }
        let (found, digest) = self.sum(day, said.tree_size).finish();
        if found != said.count {
            return Err(Untrue::Count { day, stated: said.count, found, tree_size: said.tree_size });
        }
        if digest != said.digest {
            return Err(Untrue::Digest(day));
        }
        if said.revision != expected {
            return Err(Untrue::Revision { day, expected, found: said.revision });
        }
        Ok(())
    }

    fn sum(&self, day: Day, size: u64) -> DaySum {
        let mut sum = self.days.get(&day).cloned().unwrap_or_default();
        let recent = self.recent.iter().take_while(|(at, ..)| *at < size);
        recent.filter(|(_, of, _)| *of == day).for_each(|(_, _, hash)| sum.add(hash));
        sum
    }

    /// What was stated of the days, now that all leaves were seen.
    pub fn totals(mut self) -> DayTotals {
        for (_, day, hash) in std::mem::take(&mut self.recent) {
            self.days.entry(day).or_default().add(&hash);
        }
        let mut totals = DayTotals::default();
        for (day, last) in self.stated {
            totals.stated += 1;
            totals.revised += u64::from(last.revision > 0);
            totals.late += u64::from(self.days.get(&day).is_some_and(|sum| sum.count > last.count));
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn hash(n: u8) -> [u8; 32] {
        [n; 32]
    }

    fn said(day: Day, revision: u64, tree_size: u64, hashes: &[u8]) -> Statement {
        let mut sum = DaySum::default();
        hashes.iter().for_each(|n| sum.add(&hash(*n)));
        let (count, digest) = sum.finish();
        Statement { day, revision, tree_size, count, digest, state: DayState::Closed }
    }

    #[test]
    fn days_are_those_of_utc_and_bounded() {
        for (ms, want) in [
            (0, Some("1970-01-01")),
            (-1, None),
            (MS_PER_DAY - 1, Some("1970-01-01")),
            (1_790_000_000_000, Some("2026-09-21")),
            (7_258_118_399_999, Some("2199-12-31")),
            (7_258_118_400_000, None),
        ] {
            let found = Day::of(Time::from_ms(ms).unwrap()).map(|day| day.to_string());
            assert_eq!(found.as_deref(), want, "{ms}");
        }
        assert_eq!(day("2026-02-28").next(), Some(day("2026-03-01")));
        for wrong in ["2026-02-30", "2026-2-3", "2026-02-03T", "", "1969-12-31", "+026-02-03"] {
            assert_eq!(Day::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_statement_is_read_as_it_is_written_and_nothing_else_is_taken_for_one() {
        let one = said(day("2026-09-21"), 3, 70, &[1, 2]);
        let body = one.to_body();
        let of = |body: &Value, is_ours| Statement::of_body(Kind::Coverage, is_ours, Some(&body.to_string()));
        assert_eq!(of(&body, true), Some(Ok(one)));
        assert_eq!(of(&body, false), None);
        assert_eq!(Statement::of_body(Kind::Access, true, Some(&body.to_string())), None);
        assert_eq!(of(&json!({ "action": "outage" }), true), None);
        for member in ["day", "revision", "tree_size", "count", "digest", "state"] {
            let mut less = body.clone();
            less.as_object_mut().unwrap().remove(member);
            assert_eq!(of(&less, true), Some(Err(StatementError)), "without {member}");
            less[member] = json!(-1);
            assert_eq!(of(&less, true), Some(Err(StatementError)), "with another {member}");
        }
    }

    /// Leaves 0, 1, 3 are of one day and 2 of the next; 4 is no sign-in.
    fn book() -> DayBook {
        let (one, other) = (day("2026-09-21"), day("2026-09-22"));
        let mut book = DayBook::default();
        for (at, day) in [(0, Some(one)), (1, Some(one)), (2, Some(other)), (3, Some(one)), (4, None)] {
            book.leaf(at, day, hash(u8::try_from(at).unwrap()));
        }
        book
    }

    #[test]
    fn what_a_manifest_states_must_be_what_the_leaves_before_it_have() {
        let one = day("2026-09-21");
        let wrong = |statement: Statement| book().statement(5, &statement).unwrap_err();
        assert_eq!(book().statement(5, &said(one, 0, 5, &[0, 1, 3])), Ok(()));
        // Of an earlier state: what came since is not counted.
        assert_eq!(book().statement(5, &said(one, 0, 3, &[0, 1])), Ok(()));
        assert_eq!(book().statement(5, &said(day("2026-09-25"), 0, 5, &[])), Ok(()));
        let count = |stated, found, tree_size| Untrue::Count { day: one, stated, found, tree_size };
        assert_eq!(wrong(said(one, 0, 5, &[0, 1])), count(2, 3, 5));
        assert_eq!(wrong(said(one, 0, 3, &[0, 1, 3])), count(3, 2, 3));
        // As many, but others; or the same in another order.
        assert_eq!(wrong(said(one, 0, 5, &[0, 1, 2])), Untrue::Digest(one));
        assert_eq!(wrong(said(one, 0, 5, &[1, 0, 3])), Untrue::Digest(one));
        assert_eq!(wrong(said(one, 0, 6, &[0, 1, 3])), Untrue::Size(one));
        let next = Untrue::Revision { day: one, expected: 0, found: 1 };
        assert_eq!(wrong(said(one, 1, 5, &[0, 1, 3])), next);
    }

    #[test]
    fn what_comes_after_a_manifest_shows_until_it_is_revised() {
        let one = day("2026-09-21");
        let mut book = book();
        book.statement(5, &said(one, 0, 5, &[0, 1, 3])).unwrap();
        book.leaf(6, Some(one), hash(6));
        book.statement(7, &said(day("2026-09-22"), 0, 6, &[2])).unwrap();
        let mut revised =
            DayBook { days: book.days.clone(), recent: book.recent.clone(), stated: book.stated.clone() };
        assert_eq!(book.totals(), DayTotals { stated: 2, revised: 0, late: 1 });
        // Repeated, or with the number before.
        let again = said(one, 0, 7, &[0, 1, 3, 6]);
        assert!(matches!(revised.statement(8, &again), Err(Untrue::Revision { expected: 1, found: 0, .. })));
        revised.statement(9, &said(one, 1, 7, &[0, 1, 3, 6])).unwrap();
        assert_eq!(revised.totals(), DayTotals { stated: 2, revised: 1, late: 0 });
    }

    #[test]
    fn leaves_far_back_are_kept_as_a_sum() {
        let one = day("2026-09-21");
        let mut book = DayBook::default();
        book.leaf(0, Some(one), hash(0));
        book.leaf(1, Some(one), hash(1));
        book.leaf(DISTANCE_MAX + 1, Some(one), hash(2));
        assert_eq!(book.recent.len(), 2);
        let at = DISTANCE_MAX + 2;
        book.statement(at, &said(one, 0, at, &[0, 1, 2])).unwrap();
        assert_eq!(book.statement(at, &said(one, 1, 1, &[0])), Err(Untrue::Size(one)));
    }
}
