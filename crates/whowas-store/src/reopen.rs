//! Opening a trail anew while it is held: after a lack of space, to carry out an erasure, for a new key.
//!
//! The writer ends in good order, and opening is the same code as at the start of the process. Meanwhile
//! whoever appends waits or is told to come back; readers keep the snapshot that they have. If opening
//! fails, the trail has stopped.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    Store, StoreError, Trail, WhenFull,
    trail::{Open, is_closed},
};

/// How long an append waits for a trail that is being opened: a trail of a hundred million records needs less.
const REOPENING_MAX: Duration = Duration::from_secs(60);

/// Whether a trail is being opened anew.
#[derive(Debug)]
pub(crate) struct Reopening {
    /// One at a time.
    one: tokio::sync::Mutex<()>,
    is_going_on: watch::Sender<bool>,
    is_erasing: AtomicBool,
}

impl Default for Reopening {
    fn default() -> Self {
        let (one, is_erasing) = (tokio::sync::Mutex::default(), AtomicBool::new(false));
        Self { one, is_going_on: watch::Sender::new(false), is_erasing }
    }
}

impl Reopening {
    pub(crate) fn erases(&self, is_erasing: bool) {
        self.is_erasing.store(is_erasing, Ordering::Relaxed);
    }
}

/// Whatever becomes of an opening, also if nobody waits for it any more: those who wait for it go on.
struct GoingOn<'a>(&'a Trail);

impl Drop for GoingOn<'_> {
    fn drop(&mut self) {
        self.0.reopening.is_going_on.send_replace(false);
    }
}

impl Trail {
    /// Personal fields are being taken out of the files that readers read. Ask again in a moment.
    pub fn is_being_erased(&self) -> bool {
        self.reopening.is_erasing.load(Ordering::Relaxed)
    }

    /// For an append that found `closed` closed: waits for what is opened in its place.
    pub(crate) async fn wait_for_the_next(
        &self,
        closed: &Arc<Open>,
        when_full: WhenFull,
    ) -> Result<(), StoreError> {
        let mut is_going_on = self.reopening.is_going_on.subscribe();
        if *is_going_on.borrow_and_update() {
            if when_full == WhenFull::Fail {
                return Err(StoreError::Busy);
            }
            let ended = tokio::time::timeout(REOPENING_MAX, is_going_on.wait_for(|is| !is)).await;
            ended.map_err(|_| StoreError::Busy)?.map_err(|_| is_closed())?;
        }
        match Arc::ptr_eq(&self.open(), closed) {
            true => Err(closed.shared.stop.error().unwrap_or_else(is_closed)),
            false => Ok(()),
        }
    }
}

impl Store {
    /// Closes a trail, does `change`, and opens it again for everybody who holds it.
    pub(crate) async fn reopen(
        &self,
        trail: &Trail,
        change: impl Future<Output = Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        let _one = trail.reopening.one.lock().await;
        let closing = trail.open();
        trail.reopening.is_going_on.send_replace(true);
        let _going_on = GoingOn(trail);
        let opened = async {
            closing.close().await?;
            change.await?;
            self.open_anew(trail).await
        }
        .await;
        match opened {
            Ok(open) => {
                *trail.open.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(open);
                Ok(())
            }
            Err(error) => {
                closing.shared.poison(&error);
                Err(error)
            }
        }
    }

    async fn open_anew(&self, trail: &Trail) -> Result<Open, StoreError> {
        let name = trail.name();
        let Some(environment) = self.control().environment(name).await? else {
            return Err(StoreError::NotFound(format!("there is no environment {name}")));
        };
        self.finish_rotation(&environment).await?;
        // Files that no log names may still be read by whoever has an older snapshot; but nothing that was
        // erased may stay.
        let mut opening = self.opening(environment)?;
        opening.sweeps = trail.is_being_erased();
        opening.open().await
    }
}
