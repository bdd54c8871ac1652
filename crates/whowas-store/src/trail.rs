//! The life of one trail: its writer, its background work, and what readers see.
//!
//! `writer.rs` sequences and commits; everybody else holds a [`Trail`] and reads [`Snapshot`]s. A trail may be
//! opened anew while it is held: [`Open`] is what an opening makes.

use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arrow::array::RecordBatch;
use object_store::{ObjectStore, path::Path};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use whowas_event::{EnvironmentName, admit::CLEAR_BYTES_MAX};
use whowas_tlog::note::{SigningKey, VerifyingKey};

use crate::{
    Clock, StoreError,
    archive::{Archive, ArchiveFile},
    control::{Control, Progress},
    cosigned::Newest,
    directory::Directory,
    entries::EntryCache,
    erase::ErasedPositions,
    objects::Objects,
    outage::Stop,
    reopen::Reopening,
    sequence::{Batch, Receipt, Sequencer},
    staging::Span,
    writer::{self, Publisher, Submission},
};

/// Records that may wait for their position: at about 1 KiB each, 128 MiB.
pub const POOL_RECORDS_MAX: u32 = 128 * 1024;
/// The tail is moved to the archive when it has so many records: about 75 MB of columns …
pub(crate) const ARCHIVE_ROWS: u64 = 128 * 1024;
/// … or consists of so many commits: each is a staging object to read on opening …
const ARCHIVE_SPANS: usize = 1024;
/// … or nothing was committed for so long: other readers of the archive see a quiet trail's last records.
const ARCHIVE_IDLE: Duration = Duration::from_secs(300);
/// Above this the writer waits for the archive, so that memory stays flat under load.
pub(crate) const TAIL_ROWS_MAX: u64 = ARCHIVE_ROWS * 2;
/// When a trail is closed, a tail of so many staging objects is archived; fewer open quickly as they are.
const CLOSE_SPANS_MIN: usize = 32;

/// Records that are committed and not yet in the archive.
#[derive(Clone, Debug)]
pub struct TailBatch {
    pub(crate) span: Span,
    /// The records, in [`crate::columns::SCHEMA`].
    pub batch: RecordBatch,
}

/// What a reader sees: one committed state of the trail, which does not change any more.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Size of the tree.
    pub size: u64,
    /// The published checkpoint, a signed note.
    pub checkpoint: String,
    /// The archive's files, by position.
    pub files: Vec<ArchiveFile>,
    /// Everything after them, by position.
    pub tail: Vec<Arc<TailBatch>>,
    /// The people.
    pub directory: Arc<Directory>,
    /// Records that lack personal fields because they were erased.
    pub erased: Arc<ErasedPositions>,
}

impl Snapshot {
    pub(crate) fn tail_rows(&self) -> u64 {
        self.tail.iter().map(|batch| batch.span.end - batch.span.start).sum()
    }
}

/// State shared by writer, archiver and readers, from one opening of the trail to the next.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: EnvironmentName,
    pub(crate) origin: String,
    pub(crate) objects: Objects,
    pub(crate) entries: EntryCache,
    pub(crate) cosigned: Newest,
    pub(crate) stop: Stop,
    /// Replaced as a whole; the lock is held for the time of a pointer copy.
    snapshot: RwLock<Arc<Snapshot>>,
    /// Wakes the archiver after a commit, and the writer after an archive step.
    pub(crate) committed: Notify,
    pub(crate) archived: Notify,
    pub(crate) commits: AtomicU64,
    /// Somebody waits for an empty tail.
    pub(crate) is_settling: AtomicBool,
    /// The writer has ended, and the archiver shall.
    is_closing: AtomicBool,
    clock: Arc<dyn Clock>,
}

impl Shared {
    pub(crate) fn new(
        (name, origin): (EnvironmentName, String),
        objects: Objects,
        snapshot: Snapshot,
        cosigned: Newest,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            name,
            origin,
            objects,
            entries: EntryCache::default(),
            cosigned,
            stop: Stop::default(),
            snapshot: RwLock::new(Arc::new(snapshot)),
            committed: Notify::new(),
            archived: Notify::new(),
            commits: AtomicU64::new(0),
            is_settling: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            clock,
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Snapshot)) -> Weak<Snapshot> {
        let mut slot = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        let old = Arc::downgrade(&slot);
        let mut next = Snapshot::clone(&slot);
        change(&mut next);
        *slot = Arc::new(next);
        old
    }

    pub(crate) fn poison(&self, error: &StoreError) {
        if self.stop.because(error, self.clock.now()) {
            tracing::error!(environment = %self.name, %error, "the trail has stopped accepting records");
        }
        self.archived.notify_waiters();
    }

    pub(crate) fn poisoned(&self) -> Option<String> {
        self.stop.reason()
    }
}

/// What is open between two openings of a trail: what a crash would end, and opening makes anew.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) shared: Arc<Shared>,
    pub(crate) key: VerifyingKey,
    pool: Arc<Semaphore>,
    submissions: Mutex<Option<mpsc::UnboundedSender<Submission>>>,
    tasks: tokio::sync::Mutex<Option<(tokio::task::JoinHandle<()>, tokio::task::JoinHandle<Archive>)>>,
}

impl Open {
    pub(crate) fn start(
        shared: Arc<Shared>,
        sequencer: Sequencer,
        archive: Archive,
        signer: SigningKey,
        control: Arc<dyn Control>,
    ) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (key, clock) = (signer.verifying_key().clone(), shared.clock.clone());
        let publisher = Publisher { shared: shared.clone(), signer, control };
        let writing = writer::start(publisher, sequencer, clock, receiver);
        let archiving = tokio::spawn(archive_in_background(shared.clone(), archive));
        Self {
            shared,
            key,
            pool: Arc::new(Semaphore::new(POOL_RECORDS_MAX as usize)),
            submissions: Mutex::new(Some(sender)),
            tasks: tokio::sync::Mutex::new(Some((writing, archiving))),
        }
    }

    /// Hands records to the writer. Gives them back if it has ended.
    async fn submit(
        &self,
        (batch, progress): (Batch, Option<Progress>),
        when_full: WhenFull,
    ) -> Result<Result<Receipt, StoreError>, (Batch, Option<Progress>)> {
        let count = u32::try_from(batch.records.len()).unwrap_or(u32::MAX);
        if let Some(stopped) = self.shared.stop.error() {
            self.shared.stop.refused(1, u64::from(count));
            return Ok(Err(stopped));
        }
        let room = match when_full {
            WhenFull::Wait => self.pool.clone().acquire_many_owned(count).await.ok(),
            WhenFull::Fail => self.pool.clone().try_acquire_many_owned(count).ok(),
        };
        let Some(room) = room else { return Ok(Err(StoreError::Busy)) };
        let (reply, answer) = oneshot::channel();
        let sender = self.submissions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(sender) = sender else { return Err((batch, progress)) };
        let submission = Submission { batch, progress, reply, room };
        if let Err(mpsc::error::SendError(back)) = sender.send(submission) {
            return Err((back.batch, back.progress));
        }
        // Or else the writer would not end while this waits.
        drop(sender);
        let closed = |_| self.shared.stop.error().unwrap_or_else(is_closed);
        Ok(answer.await.map_err(closed).and_then(|receipt| receipt))
    }

    /// Ends the writer after what it has, and moves a long tail to the archive.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        self.submissions.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((writing, archiving)) = self.tasks.lock().await.take() else { return Ok(()) };
        let _ = writing.await;
        self.shared.is_closing.store(true, Ordering::Relaxed);
        self.shared.committed.notify_one();
        let mut archive = archiving.await.map_err(|e| StoreError::Poisoned(e.to_string()))?;
        let snapshot = self.shared.snapshot();
        if self.shared.poisoned().is_none()
            && (snapshot.tail.len() >= CLOSE_SPANS_MIN || snapshot.tail_rows() >= ARCHIVE_ROWS / 4)
        {
            archive_step(&self.shared, &mut archive, &mut Vec::new(), 1).await?;
        }
        Ok(())
    }
}

/// One trail of an open store. Whoever holds it goes on with it when it is opened anew (`reopen.rs`).
#[derive(Debug)]
pub struct Trail {
    name: EnvironmentName,
    origin: String,
    /// Replaced as a whole, by `reopen.rs` alone.
    pub(crate) open: RwLock<Arc<Open>>,
    pub(crate) reopening: Reopening,
    ledger: tokio::sync::Mutex<()>,
}

/// Whether a caller waits for room in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Wait: a bulk import.
    Wait,
    /// Fail with [`StoreError::Busy`]: a request over HTTP, which can be told to come back.
    Fail,
}

impl Trail {
    pub(crate) fn new(open: Open) -> Self {
        let (name, origin) = (open.shared.name.clone(), open.shared.origin.clone());
        let open = RwLock::new(Arc::new(open));
        Self { name, origin, open, reopening: Reopening::default(), ledger: tokio::sync::Mutex::new(()) }
    }

    pub(crate) fn open(&self) -> Arc<Open> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.open().shared.clone()
    }

    /// Its environment.
    pub fn name(&self) -> &EnvironmentName {
        &self.name
    }

    /// The origin line of its checkpoints.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What can be read now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared().snapshot()
    }

    /// The store and the prefix under which the archive's files lie.
    pub fn archive_location(&self) -> (Arc<dyn ObjectStore>, Path) {
        let shared = self.shared();
        (shared.objects.store.clone(), shared.objects.path("archive"))
    }

    /// Why the trail accepts no records, if it does not.
    pub fn poisoned(&self) -> Option<String> {
        self.shared().poisoned()
    }

    /// Commits made since the trail was opened.
    pub fn commits(&self) -> u64 {
        self.shared().commits.load(Ordering::Relaxed)
    }

    /// Appends records. When this returns `Ok` they are durable, have their positions, and are covered by
    /// the published checkpoint. Safe to repeat: what is in the trail already is a duplicate. An error
    /// means that the caller does not know: repeat.
    pub async fn append(&self, batch: Batch, when_full: WhenFull) -> Result<Receipt, StoreError> {
        self.append_with(batch, None, when_full).await
    }

    /// The same; how far a source has been read becomes true in the same commit as the records, or not at all.
    pub async fn append_with(
        &self,
        batch: Batch,
        progress: Option<Progress>,
        when_full: WhenFull,
    ) -> Result<Receipt, StoreError> {
        if batch.records.len() > POOL_RECORDS_MAX as usize {
            return Err(StoreError::Invalid(format!("more than {POOL_RECORDS_MAX} records in one batch")));
        }
        for (what, name) in [("source", &batch.source), ("format", &batch.format)] {
            if name.is_empty() || name.len() > CLEAR_BYTES_MAX {
                let length = name.len();
                return Err(StoreError::Invalid(format!(
                    "the name of a {what} has 1 to {CLEAR_BYTES_MAX} bytes, this one {length}"
                )));
            }
        }
        let mut given = (batch, progress);
        loop {
            let open = self.open();
            match open.submit(given, when_full).await {
                Ok(answer) => return answer,
                Err(back) => given = back,
            }
            self.wait_for_the_next(&open, when_full).await?;
        }
    }

    /// To be held from reading a ledger to the end of the append that changes it.
    pub fn ledger(&self) -> &tokio::sync::Mutex<()> {
        &self.ledger
    }

    /// Ends the writer after what it has, and moves a long tail to the archive.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.open().close().await
    }
}

pub(crate) fn is_closed() -> StoreError {
    StoreError::Poisoned("it is closed".to_owned())
}

/// Moves the tail to the archive when it is long, and compacts. Ends when the trail closes.
async fn archive_in_background(shared: Arc<Shared>, mut archive: Archive) -> Archive {
    let mut garbage = Vec::new();
    loop {
        let is_idle = tokio::time::timeout(ARCHIVE_IDLE, shared.committed.notified()).await.is_err();
        if shared.is_closing.load(Ordering::Relaxed) {
            return archive;
        }
        let is_all = is_idle || shared.is_settling.load(Ordering::Relaxed);
        let rows_min = if is_all { 1 } else { ARCHIVE_ROWS };
        let step = archive_step(&shared, &mut archive, &mut garbage, rows_min).await;
        if let Err(error) = step {
            shared.poison(&error);
        }
        shared.archived.notify_waiters();
    }
}

/// Objects that were replaced, and the last snapshot that may read them.
type Garbage = Vec<(Weak<Snapshot>, Vec<Path>)>;

async fn archive_step(
    shared: &Shared,
    archive: &mut Archive,
    garbage: &mut Garbage,
    rows_min: u64,
) -> Result<(), StoreError> {
    let tail = shared.snapshot().tail.clone();
    let mut rows = 0;
    let spans = tail.len();
    let taken: Vec<Arc<TailBatch>> = tail
        .into_iter()
        .take_while(|batch| {
            let is_room = rows < crate::layout::FILE_ROWS_MAX as u64 / 2;
            rows += batch.batch.num_rows() as u64;
            is_room
        })
        .collect();
    if rows >= rows_min.max(1) || spans >= ARCHIVE_SPANS {
        let end = taken.last().map_or(0, |last| last.span.end);
        archive.append(taken.iter().map(|one| one.batch.clone()).collect(), shared.clock.now()).await?;
        // The Delta commit is durable: the archive has these records, and readers may take them from it.
        shared.update(|snapshot| {
            snapshot.files = archive.files().to_vec();
            snapshot.tail.retain(|batch| batch.span.start >= end);
        });
        shared.archived.notify_waiters();
        for one in &taken {
            shared.objects.delete(one.span.path().as_ref()).await?;
        }
    }
    while let Some(range) = archive.worth_compacting() {
        let replaced = archive.compact(range, shared.clock.now()).await?;
        let old = shared.update(|snapshot| snapshot.files = archive.files().to_vec());
        garbage.push((old, replaced));
    }
    sweep(shared, garbage).await
}

/// Deletes replaced objects that no reader's snapshot names any more. Snapshots are replaced in order, so
/// the oldest that still lives holds everything younger.
async fn sweep(shared: &Shared, garbage: &mut Garbage) -> Result<(), StoreError> {
    use object_store::ObjectStoreExt;
    while let Some((snapshot, _)) = garbage.first()
        && snapshot.strong_count() == 0
    {
        for path in garbage.remove(0).1 {
            match shared.objects.store.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
