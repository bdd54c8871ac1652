//! Why a trail has stopped, and the way out of a full disk.
//!
//! A trail that stopped goes on only if nothing but room was missing: a write, a rename or SQLite's
//! transaction found none, and was refused as a whole. Then what is on the disk is what a crash at that moment would have
//! left, and opening the trail by the same code as ever is safe. A failed fsync or a failed check is no
//! lack of room ([`StoreError::is_no_space`]): such a trail waits for a human.

mod note;

use std::{
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::json;
use whowas_event::{
    Admitted, Draft, EnvironmentName, Event, Kind, NativeId, Status, Time, admit, admit::RawData,
    erasure::SELF, jcs,
};

use crate::{Batch, Store, StoreError, Trail, WhenFull, control::Outage};

/// So much must fit on the disk before a trail is opened anew: the staging object of a large commit with its
/// tiles. With less, it would stop again at once; a multiple of this is what a busy minute takes.
const ROOM_BYTES: usize = 8 * 1024 * 1024;
/// What is written at once to see whether it fits.
const ROOM_CHUNK_BYTES: usize = 256 * 1024;

/// Why a trail has stopped, if it has, and whom it refused since.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    cause: Mutex<Option<Cause>>,
    submissions: AtomicU64,
    records: AtomicU64,
}

#[derive(Clone, Debug)]
struct Cause {
    reason: String,
    since: Time,
    /// Nothing else was wrong.
    is_no_space: bool,
}

impl Stop {
    /// Stops for this cause, if nothing as bad has stopped the trail yet; whether that is so.
    pub(crate) fn because(&self, error: &StoreError, now: Time) -> bool {
        let mut cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        let is_no_space = error.is_no_space();
        let since = match cause.as_ref() {
            // Room alone is not enough any more.
            Some(known) if known.is_no_space && !is_no_space => known.since,
            Some(_) => return false,
            None => now,
        };
        *cause = Some(Cause { reason: error.to_string(), since, is_no_space });
        true
    }

    fn cause(&self) -> Option<Cause> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn reason(&self) -> Option<String> {
        self.cause().map(|cause| cause.reason)
    }

    /// What whoever appends is told.
    pub(crate) fn error(&self) -> Option<StoreError> {
        self.cause().map(|cause| match cause.is_no_space {
            true => StoreError::NoSpace(cause.reason),
            false => StoreError::Poisoned(cause.reason),
        })
    }

    /// Counts what was refused.
    pub(crate) fn refused(&self, submissions: u64, records: u64) {
        self.submissions.fetch_add(submissions, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    /// The outage so far, if room is all that is missing.
    fn outage(&self, now: Time) -> Option<Outage> {
        let cause = self.cause().filter(|cause| cause.is_no_space)?;
        Some(Outage {
            began_at: cause.since,
            ended_at: now.max(cause.since),
            submissions: self.submissions.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
        })
    }
}

impl Trail {
    /// Whether the trail accepts no records because there is no room for them, and nothing else is wrong.
    pub fn is_without_space(&self) -> bool {
        matches!(self.shared().stop.error(), Some(StoreError::NoSpace(_)))
    }
}

impl Store {
    /// Opens a trail anew that stopped for lack of space, if there is space again, and has it say in a record
    /// from when to when it refused records. `false` if there was nothing to do, or still is no space.
    ///
    /// # Errors
    /// The trail stays stopped; unless the reason is again a lack of space, for good.
    pub async fn recover(&self, name: &EnvironmentName) -> Result<bool, StoreError> {
        let trail = self.trail(name).await?;
        let stopped = trail.shared();
        let Some(outage) = stopped.stop.outage(self.clock().now()) else { return Ok(false) };
        match self.resume(&trail, &outage).await {
            Err(error) if error.is_no_space() => {
                let noted = self.with_note(name, move |path| note::add(path, &outage)).await;
                if let Err(error) = noted {
                    tracing::warn!(environment = %name, %error, "an outage is not noted: ending the process would forget it");
                }
                return Ok(false);
            }
            done => done?,
        }
        // Whom it refused until now is in the memory of the trail that stopped.
        if let Some(outage) = stopped.stop.outage(self.clock().now()) {
            self.control().keep_outage(name, &outage).await?;
            // What was noted of it is older than what is kept now.
            let others = move |path: &std::path::Path| {
                let mut noted = note::read(path)?;
                noted.retain(|one| one.began_at != outage.began_at);
                note::write(path, &noted)
            };
            self.with_note(name, others).await?;
        }
        self.tell_outages(name).await?;
        Ok(true)
    }

    async fn resume(&self, trail: &Trail, outage: &Outage) -> Result<(), StoreError> {
        let folder = self.trail_folder(trail.name());
        tokio::task::spawn_blocking(move || has_room(&folder))
            .await
            .map_err(|e| StoreError::Poisoned(e.to_string()))??;
        // More than a note. A transaction that failed may have left whole pages beyond the end of SQLite's
        // log, its commit among them, which a crash would bring back to life after opening has deleted
        // the records. This transaction is written over them and fsynced before anything is deleted.
        self.control().keep_outage(trail.name(), outage).await?;
        self.reopen(trail, async { Ok(()) }).await
    }

    /// Does something with the file of the note.
    async fn with_note<T: Send + 'static>(
        &self,
        name: &EnvironmentName,
        work: impl FnOnce(&std::path::Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let path: PathBuf = self.trail_folder(name).join("outage");
        let done = tokio::task::spawn_blocking(move || work(&path).map_err(|e| StoreError::file(&path, e)));
        done.await.map_err(|e| StoreError::Poisoned(e.to_string()))?
    }

    /// What a process that ended had noted is kept from now on where everything is kept, and room is taken for the next.
    async fn keep_noted(&self, name: &EnvironmentName) -> Result<(), StoreError> {
        let noted = self.with_note(name, note::read).await?;
        for outage in &noted {
            self.control().keep_outage(name, outage).await?;
        }
        let is_noted = !noted.is_empty();
        self.with_note(name, move |path| if is_noted { note::write(path, &[]) } else { note::reserve(path) })
            .await
    }

    /// Appends the records of outages that are over, also of those that an earlier process noted. Each is there once, however often this is repeated.
    ///
    /// # Errors
    /// What is not told yet is told by the next call, also after a crash.
    pub async fn tell_outages(&self, name: &EnvironmentName) -> Result<(), StoreError> {
        self.keep_noted(name).await?;
        let outages = self.control().outages(name).await?;
        if outages.is_empty() {
            return Ok(());
        }
        let trail = self.trail(name).await?;
        for outage in outages {
            let records = vec![record(&outage)?];
            let (source, format) = (SELF.to_owned(), SELF.to_owned());
            let batch = Batch { source, format, received_at: outage.ended_at, records };
            trail.append(batch, WhenFull::Wait).await?;
            self.control().forget_outage(name, &outage).await?;
        }
        Ok(())
    }
}

/// Whether so much can be written and fsynced.
fn has_room(folder: &std::path::Path) -> Result<(), StoreError> {
    // The name of a temporary file: what a crash leaves of it is ignored, and goes with the next erasure.
    let path = folder.join(format!(".tmp-room#{}", std::process::id()));
    let chunk = vec![0x5a; ROOM_CHUNK_BYTES];
    let written = File::create(&path).and_then(|mut file| {
        (0..ROOM_BYTES / ROOM_CHUNK_BYTES).try_for_each(|_| file.write_all(&chunk))?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written.and(removed).map_err(|e| StoreError::file(&path, e))
}

fn record(outage: &Outage) -> Result<Admitted, StoreError> {
    let wrong = |e: String| StoreError::Invalid(format!("the record of an outage: {e}"));
    // No `from` and `to`: this is no pass of a collector, and closes no time of any source.
    let body = json!({
        "action": "outage", "began_at": outage.began_at, "ended_at": outage.ended_at, "reason": "no_space",
        "refused_records": outage.records, "refused_submissions": outage.submissions,
    });
    let event = Event {
        kind: Kind::Coverage,
        occurred_at: outage.began_at,
        status: Status::Failure,
        native_id: NativeId::Derived(format!("outage:{}", outage.began_at.as_ms())),
        body: Some(jcs::canonical(&body).map_err(|e| wrong(e.to_string()))?),
        ..Event::default()
    };
    admit(Draft { event, raw: Vec::new() }, RawData::Dropped).map_err(|e| wrong(e.to_string()))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn at(ms: i64) -> Time {
        Time::from_ms(ms).unwrap()
    }

    fn file(kind: io::ErrorKind) -> StoreError {
        StoreError::file("x".as_ref(), kind.into())
    }

    #[test]
    fn only_a_write_without_room_is_a_lack_of_space() {
        let storage = |source: io::Error| {
            StoreError::from(object_store::Error::Generic { store: "x", source: Box::new(source) })
        };
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        for (error, want) in [
            (file(io::ErrorKind::StorageFull), true),
            (file(io::ErrorKind::QuotaExceeded), true),
            (storage(full()), true),
            (storage(io::Error::other(full())), true),
            (StoreError::NoSpace("again".to_owned()), true),
            // As `durable.rs` tells of an fsync that failed, even for that reason.
            (storage(io::Error::other(format!("fsync: {}", full()))), false),
            (file(io::ErrorKind::PermissionDenied), false),
            (StoreError::corrupt("no space left"), false),
            (StoreError::Poisoned("no space left".to_owned()), false),
        ] {
            assert_eq!(error.is_no_space(), want, "{error:?}");
        }
    }

    #[test]
    fn a_worse_cause_takes_the_place_of_a_full_disk_and_not_the_other_way() {
        let stop = Stop::default();
        assert!(stop.error().is_none());
        assert!(stop.because(&file(io::ErrorKind::StorageFull), at(5)));
        stop.refused(2, 30);
        assert!(!stop.because(&StoreError::NoSpace("again".to_owned()), at(6)));
        let outage = stop.outage(at(9)).unwrap();
        assert_eq!((outage.began_at, outage.ended_at), (at(5), at(9)));
        assert_eq!((outage.submissions, outage.records), (2, 30));
        // A clock that was set back does not end an outage before it began.
        assert_eq!(stop.outage(at(1)).unwrap().ended_at, at(5));
        assert!(stop.because(&StoreError::corrupt("two roots"), at(7)));
        assert!(stop.outage(at(9)).is_none());
        assert!(matches!(stop.error(), Some(StoreError::Poisoned(_))));
        assert!(!stop.because(&file(io::ErrorKind::StorageFull), at(8)));
        assert!(stop.reason().unwrap().contains("two roots"));
    }
}
