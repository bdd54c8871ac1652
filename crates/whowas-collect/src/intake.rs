//! What receivers got since the start: one set of counters for each receiver, environment and source, for the metrics.
//!
//! Every record has one outcome. Nothing here decides anything but how many rejected records are kept:
//! whoever may send, may send nonsense without end, and it is kept on our disk.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use whowas_event::{EnvironmentName, Time};

/// Receivers, environments and sources that are told apart. Sources are named by whoever makes tokens and settings.
const INTAKES_MAX: usize = 1024;
/// Rejected records of one intake that are kept in an hour; beyond, they are counted. At 1 KiB each, 10 MB.
pub const REJECTED_KEPT_PER_HOUR_MAX: u64 = 10_000;
const HOUR_MS: i64 = 60 * 60 * 1000;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// New in the trail, revisions among them.
    Recorded,
    /// In the trail already.
    Duplicate,
    /// No sign-in: counted, not kept.
    SetAside,
    /// Not understood: kept with the reason, as far as there is room.
    Rejected,
    /// Not taken now, and the sender was told: it sends again.
    Refused,
    /// Lost: the sender cannot be told.
    Dropped,
}

impl Outcome {
    /// Every one, in the order of the counters.
    pub const ALL: [Self; 6] =
        [Self::Recorded, Self::Duplicate, Self::SetAside, Self::Rejected, Self::Refused, Self::Dropped];

    /// The word in the metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Duplicate => "duplicate",
            Self::SetAside => "set_aside",
            Self::Rejected => "rejected",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
        }
    }
}

/// Who receives from where into what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IntakeName {
    /// `otlp`, `syslog` …
    pub receiver: &'static str,
    /// The environment.
    pub environment: EnvironmentName,
    /// The source.
    pub source: String,
}

/// The counters of one intake.
#[derive(Debug, Default)]
pub struct Intake {
    counts: [AtomicU64; Outcome::ALL.len()],
    /// The beginning of an hour, in milliseconds, and the rejected records kept in it.
    kept: Mutex<(i64, u64)>,
}

impl Intake {
    /// Counts records.
    pub fn add(&self, outcome: Outcome, records: u64) {
        if let Some(count) = self.counts.get(outcome as usize) {
            count.fetch_add(records, Ordering::Relaxed);
        }
    }

    /// How many records had this outcome.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.counts.get(outcome as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Of so many rejected records, how many are kept.
    pub(crate) fn room_for_rejected(&self, wanted: usize, now: Time) -> usize {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = now.as_ms().div_euclid(HOUR_MS);
        if kept.0 != hour {
            *kept = (hour, 0);
        }
        let room = (REJECTED_KEPT_PER_HOUR_MAX - kept.1).min(wanted as u64);
        kept.1 += room;
        usize::try_from(room).unwrap_or(wanted)
    }
}

/// All intakes of a process.
#[derive(Debug, Default)]
pub struct Intakes(Mutex<BTreeMap<IntakeName, Arc<Intake>>>);

impl Intakes {
    /// The counters with this name. Beyond the bound on names, sources of one receiver and environment share one.
    pub fn of(&self, name: IntakeName) -> Arc<Intake> {
        let mut intakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_room = intakes.len() < INTAKES_MAX || intakes.contains_key(&name);
        let name = if is_room { name } else { IntakeName { source: "other sources".to_owned(), ..name } };
        intakes.entry(name).or_default().clone()
    }

    /// Every intake.
    pub fn all(&self) -> Vec<(IntakeName, Arc<Intake>)> {
        let intakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        intakes.iter().map(|(name, intake)| (name.clone(), intake.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejected_records_are_kept_within_bounds() {
        let intake = Intake::default();
        let at = |ms| Time::from_ms(ms).unwrap();
        assert_eq!(intake.room_for_rejected(9_000, at(5)), 9_000);
        assert_eq!(intake.room_for_rejected(9_000, at(HOUR_MS - 1)), 1_000);
        assert_eq!(intake.room_for_rejected(1, at(HOUR_MS - 1)), 0);
        assert_eq!(intake.room_for_rejected(1, at(HOUR_MS)), 1);
    }

    #[test]
    fn names_are_bounded() {
        let intakes = Intakes::default();
        let name = |n: usize| IntakeName {
            receiver: "otlp",
            environment: "contoso/production".parse().unwrap(),
            source: format!("s{n}"),
        };
        for n in 0..INTAKES_MAX + 5 {
            intakes.of(name(n)).add(Outcome::Recorded, 1);
        }
        intakes.of(name(0)).add(Outcome::Recorded, 1);
        let all = intakes.all();
        assert_eq!(all.len(), INTAKES_MAX + 1);
        let counted: u64 = all.iter().map(|(_, intake)| intake.count(Outcome::Recorded)).sum();
        assert_eq!(counted, INTAKES_MAX as u64 + 6);
        assert_eq!(intakes.of(name(0)).count(Outcome::Recorded), 2);
    }
}
