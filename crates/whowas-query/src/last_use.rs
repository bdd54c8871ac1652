//! When everybody signed in last, kept in memory from one question to the next: a question then reads only the records
//! that have come since.
//!
//! Exact, because the records below a position never change, but by an erasure, which forgets all of this
//! ([`crate::Engine::forget`]). [Decision 52](../../../docs/decisions/0052-last-sign-ins-are-kept-in-memory.md).

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

/// People of all trails together whose last sign-in is kept, about 100 bytes each. With more, every question reads
/// everything.
const PEOPLE_MAX: usize = 1024 * 1024;

/// Latest times in microseconds, by `user_key`.
pub(crate) type Latest = HashMap<String, i64>;

/// The last sign-ins among the records below a position.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastUse {
    /// Records at and after this position are not in it.
    pub(crate) to: u64,
    pub(crate) latest: Arc<Latest>,
}

/// What is kept of every trail, by the folder of its sessions.
#[derive(Debug, Default)]
pub(crate) struct LastUses(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How often everything was forgotten: an answer that was begun before is not kept.
    era: u64,
    known: HashMap<PathBuf, LastUse>,
}

impl LastUses {
    /// What is known of a trail, and the era, which [`LastUses::keep`] wants back. To be asked before a snapshot is taken.
    pub(crate) fn get(&self, folder: &PathBuf) -> (u64, LastUse) {
        let state = self.lock();
        (state.era, state.known.get(folder).cloned().unwrap_or_default())
    }

    /// Keeps what a question has found, unless more is known or it may be of records that were erased.
    pub(crate) fn keep(&self, folder: PathBuf, era: u64, found: LastUse) {
        let mut state = self.lock();
        let is_known = state.known.get(&folder).is_some_and(|known| known.to >= found.to);
        if state.era != era || is_known {
            return;
        }
        let others: usize =
            state.known.iter().filter(|(at, _)| **at != folder).map(|(_, one)| one.latest.len()).sum();
        if others + found.latest.len() > PEOPLE_MAX {
            state.known.clear();
        }
        if found.latest.len() <= PEOPLE_MAX {
            state.known.insert(folder, found);
        }
    }

    /// Forgets everything.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        state.era += 1;
        state.known.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LastUse {
    /// With what later records say, up to the position `to`.
    pub(crate) fn with(self, parts: Vec<Latest>, to: u64) -> Self {
        let Self { mut latest, .. } = self;
        for (key, at) in parts.into_iter().flatten() {
            let known = Arc::make_mut(&mut latest).entry(key).or_insert(at);
            *known = at.max(*known);
        }
        Self { to, latest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latest(people: impl IntoIterator<Item = (usize, i64)>) -> Latest {
        people.into_iter().map(|(n, at)| (format!("user{n}"), at)).collect()
    }

    #[test]
    fn later_records_move_a_last_sign_in_forward_only() {
        let first = LastUse::default().with(vec![latest([(1, 10), (2, 20)])], 5);
        let second = first.clone().with(vec![latest([(1, 30)]), latest([(2, 15), (3, 1)])], 9);
        assert_eq!((second.to, &*second.latest), (9, &latest([(1, 30), (2, 20), (3, 1)])));
        assert_eq!((first.to, &*first.latest), (5, &latest([(1, 10), (2, 20)])));
    }

    #[test]
    fn what_was_begun_before_an_erasure_is_not_kept() {
        let (uses, folder) = (LastUses::default(), PathBuf::from("a"));
        let found = |to| LastUse { to, latest: Arc::new(latest([(1, 10)])) };
        let (era, known) = uses.get(&folder);
        assert_eq!(known.to, 0);
        uses.forget();
        uses.keep(folder.clone(), era, found(7));
        assert_eq!(uses.get(&folder).1.to, 0);
        let (era, _) = uses.get(&folder);
        uses.keep(folder.clone(), era, found(7));
        uses.keep(folder.clone(), era, found(3));
        assert_eq!(uses.get(&folder).1.to, 7);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (uses, many) = (LastUses::default(), latest((0..PEOPLE_MAX).map(|n| (n, 1))));
        let (a, b) = (PathBuf::from("a"), PathBuf::from("b"));
        uses.keep(a.clone(), 0, LastUse { to: 1, latest: Arc::new(latest([(1, 1)])) });
        uses.keep(b.clone(), 0, LastUse { to: 1, latest: Arc::new(many.clone()) });
        assert_eq!((uses.get(&a).1.to, uses.get(&b).1.to), (0, 1));
        let more = LastUse { to: 2, latest: Arc::new(many) }.with(vec![latest([(PEOPLE_MAX, 1)])], 2);
        uses.keep(b.clone(), 0, more);
        assert_eq!(uses.get(&b).1.to, 0);
    }
}
