//! Sessions kept as rows beside a trail, so that *who was signed in at T* is a look-up and not a pairing.
//!
//! What is kept is derived: rows without texts (times, reason, the position of the record that began it) and which
//! record stands in which lane. It is made from the archive's records in steps, in the background, and written as
//! immutable runs (`run.rs`) that are merged like those of the seen index. The records that are not in a run yet are
//! paired in memory on top of it (`delta.rs`), so an answer is always of the whole trail. A run that is missing or
//! damaged is made again. Nothing here decides what happened, and nothing is dropped: the sessions as of any
//! earlier size of the tree follow from the same runs (`view.rs`).
//!
//! How sessions are paired is decided in [`crate::sessions`], only there. [Decision 19](../../../../docs/decisions/0019-sessions-are-kept-as-rows.md).

mod base;
mod begins;
mod blocks;
mod bloom;
mod delta;
mod entry;
mod positions;
mod records;
mod run;
mod view;

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use self::{
    base::Base,
    delta::Delta,
    run::{Run, is_damage},
};
pub(crate) use self::{
    begins::{Begins, Kind},
    entry::List,
    positions::Positions,
    records::{Item, Records},
    view::{Cursor, View},
};
use crate::{QueryError, sessions::SessionRules};

/// Views of earlier states that are kept, so that the pages of one answer need not be paired anew. Each has up to
/// [`Steps::rows_max`] records' sessions.
const VIEWS_KEPT: usize = 4;

/// Up to so many times the records of a step, the records that fit a filter are known one by one (16 bytes each). Beyond,
/// sessions are looked through from the newest on until a page is full.
const FEW_STEPS: u64 = 4;

/// How much of the archive becomes a run at once.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// Fewer records than this wait for more: they are paired in memory until then.
    pub rows_min: u64,
    /// More than this become several runs: their marks are in memory together, some 2 KB each with all that is made of them.
    pub rows_max: u64,
}

impl Default for Steps {
    fn default() -> Self {
        Self { rows_min: 32 * 1024, rows_max: 64 * 1024 }
    }
}

/// The kept sessions of one trail.
#[derive(Debug)]
pub(crate) struct Index {
    folder: PathBuf,
    pub(crate) rules: SessionRules,
    rules_digest: String,
    steps: Steps,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    base: Option<Arc<Base>>,
    overlay: Option<Overlay>,
    views: Vec<Arc<View>>,
    /// Once a filter was asked.
    begins: Option<Arc<Begins>>,
}

/// What is paired in memory, up to the size that was seen last.
#[derive(Debug)]
struct Overlay {
    to: u64,
    delta: Delta,
    view: Arc<View>,
}

impl Index {
    pub(crate) fn new(folder: PathBuf, rules: SessionRules, steps: Steps) -> Self {
        let rules_digest = hex(&Sha256::digest(format!("{rules:?}")));
        Self { folder, rules, rules_digest, steps, state: Mutex::default() }
    }

    /// Asks the sessions as of a size of the tree; of the whole snapshot if none is given. What turns out to be damaged is
    /// made again, and asked again. For blocking threads.
    pub(crate) fn ask<T>(
        &self,
        records: &Records,
        size: Option<u64>,
        question: impl Fn(&View) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let answer = self.view(records, size).and_then(|view| question(&view));
        match answer {
            Err(QueryError::Kept(error)) if is_damage(&error) => {
                tracing::warn!(%error, "kept sessions are damaged and are made again");
                self.forget()?;
                self.view(records, size).and_then(|view| question(&view))
            }
            answer => answer,
        }
    }

    /// Makes runs of what is in the archive. Returns whether there may be more to do: one call makes one.
    pub(crate) fn advance(&self, records: &Records) -> Result<bool, QueryError> {
        let mut state = self.lock();
        let base = self.base(&mut state, records)?;
        if records.archived_to().saturating_sub(base.to()) < self.steps.rows_min.max(1) {
            return Ok(false);
        }
        self.step(&mut state, base, records)?;
        Ok(true)
    }

    /// How many records that fit a filter are known one by one at most.
    pub(crate) fn few_max(&self) -> usize {
        usize::try_from(self.steps.rows_max.saturating_mul(FEW_STEPS)).unwrap_or(usize::MAX)
    }

    /// Deletes everything that is kept.
    pub(crate) fn forget(&self) -> io::Result<()> {
        let mut state = self.lock();
        *state = State::default();
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn base(&self, state: &mut State, records: &Records) -> Result<Arc<Base>, QueryError> {
        if let Some(base) = &state.base {
            return Ok(base.clone());
        }
        let base = Arc::new(Base::open(&self.folder, &self.rules_digest, records.archived_to())?);
        state.base = Some(base.clone());
        Ok(base)
    }

    fn step(&self, state: &mut State, base: Arc<Base>, records: &Records) -> Result<Arc<Base>, QueryError> {
        let (from, to) = (base.to(), records.archived_to().min(base.to() + self.steps.rows_max.max(1)));
        let mut delta = Delta::new(base.clone(), from, &self.rules, records)?;
        delta.add(records.range(from, to)?, records)?;
        let run = Run::write(&self.folder, (from, to), &self.rules_digest, delta.content(to))?;
        let base = Arc::new(base.with(run, &self.folder)?);
        let (views, begins) = (std::mem::take(&mut state.views), state.begins.take());
        *state = State { base: Some(base.clone()), overlay: None, views, begins };
        Ok(base)
    }

    /// The sessions as of a size of the tree; of the whole snapshot if none is given.
    pub(crate) fn view(&self, records: &Records, size: Option<u64>) -> Result<Arc<View>, QueryError> {
        let mut state = self.lock();
        let mut base = self.base(&mut state, records)?;
        while records.archived_to().saturating_sub(base.to()) >= self.steps.rows_min.max(1) {
            base = self.step(&mut state, base, records)?;
        }
        let newest = records.snapshot.size;
        let size = size.unwrap_or(newest).min(newest);
        if let Some(known) = state.views.iter().find(|view| view.size() == size) {
            return Ok(known.clone());
        }
        let is_current = size == newest && state.overlay.as_ref().is_none_or(|overlay| overlay.to <= newest);
        if is_current && base.to() <= size {
            return self.current(&mut state, base, records);
        }
        let floor = base.step_below(size);
        let mut delta = Delta::new(base.clone(), floor, &self.rules, records)?;
        delta.add(records.range(floor, size)?, records)?;
        let view = Arc::new(View::new(base, floor, size, &delta));
        if state.views.len() >= VIEWS_KEPT {
            state.views.remove(0);
        }
        state.views.push(view.clone());
        Ok(view)
    }

    /// The beginnings of the sessions that a view stands on. `None` for a view that stands on less than its runs, or on
    /// fewer than were seen since: such a question reads the rows.
    pub(crate) fn begins(&self, view: &View) -> Result<Option<Arc<Begins>>, QueryError> {
        let Some(base) = view.whole_base() else { return Ok(None) };
        let mut state = self.lock();
        if state.begins.as_ref().is_some_and(|begins| begins.to() > base.to()) {
            return Ok(None);
        }
        // What was known is given up on a failure: whatever it was, it is made of the runs again.
        let mut begins = state.begins.take().unwrap_or_default();
        if begins.to() < base.to() {
            Arc::make_mut(&mut begins).bring_up_to(base)?;
        }
        state.begins = Some(begins.clone());
        Ok(Some(begins))
    }

    /// The view of everything, which grows with the trail.
    fn current(
        &self,
        state: &mut State,
        base: Arc<Base>,
        records: &Records,
    ) -> Result<Arc<View>, QueryError> {
        let size = records.snapshot.size;
        let floor = base.to();
        let mut overlay = match state.overlay.take() {
            Some(overlay) => overlay,
            None => {
                let delta = Delta::new(base.clone(), floor, &self.rules, records)?;
                let view = Arc::new(View::new(base.clone(), floor, floor, &delta));
                Overlay { to: floor, delta, view }
            }
        };
        if overlay.to < size {
            let items = records.range(overlay.to, size)?;
            overlay.to = size;
            // Most of what arrives while people look are the records of their looking.
            if items.is_empty() {
                overlay.view = Arc::new(overlay.view.at_size(size));
            } else {
                overlay.delta.add(items, records)?;
                overlay.view = Arc::new(View::new(base, floor, size, &overlay.delta));
            }
        }
        let view = overlay.view.clone();
        state.overlay = Some(overlay);
        Ok(view)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
