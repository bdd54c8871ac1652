//! The life of one trail: its writer, its background work, and what readers see.
//!
//! One task owns the sequencer and commits; everybody else holds a [`Trail`] and reads [`Snapshot`]s.

mod swap;
mod sweep;

use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arrow::array::RecordBatch;
use object_store::{ObjectStore, path::Path};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use whowas_event::{EnvironmentName, admit::CLEAR_BYTES_MAX};
use whowas_tlog::{
    checkpoint::Checkpoint,
    note::{SigningKey, VerifyingKey},
    tile::TileId,
};

use crate::{
    Clock, StoreError,
    archive::{Archive, ArchiveFile},
    control::{Commit, Control, Progress},
    cosigned::Newest,
    directory::Directory,
    entries::EntryCache,
    objects::Objects,
    sequence::{Batch, Receipt, Sequenced, Sequencer},
    staging::{self, Span},
    trail::sweep::{Garbage, sweep},
};

/// Records that may wait for their position: at about 1 KiB each, 128 MiB.
pub const POOL_RECORDS_MAX: u32 = 128 * 1024;
/// Records of one commit. Larger commits would make small callers wait for large ones.
const COMMIT_RECORDS_MAX: usize = 32 * 1024;
/// The tail is moved to the archive when it has so many records: about 75 MB of columns …
pub(crate) const ARCHIVE_ROWS: u64 = 128 * 1024;
/// … or consists of so many commits: each is a staging object to read on opening …
const ARCHIVE_SPANS: usize = 1024;
/// … or nothing was committed for so long: other readers of the archive see a quiet trail's last records.
const ARCHIVE_IDLE: Duration = Duration::from_secs(300);
/// Above this the writer waits for the archive, so that memory stays flat under load.
const TAIL_ROWS_MAX: u64 = ARCHIVE_ROWS * 2;
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
}

impl Snapshot {
    fn tail_rows(&self) -> u64 {
        self.tail.iter().map(|batch| batch.span.end - batch.span.start).sum()
    }
}

/// State shared by writer, archiver and readers.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: EnvironmentName,
    pub(crate) origin: String,
    pub(crate) objects: Objects,
    pub(crate) entries: EntryCache,
    pub(crate) cosigned: Newest,
    /// Replaced as a whole; the lock is held for the time of a pointer copy.
    snapshot: RwLock<Arc<Snapshot>>,
    /// Why the trail stopped, if it did.
    poison: Mutex<Option<String>>,
    /// Wakes the archiver after a commit.
    pub(crate) committed: Notify,
    pub(crate) archived: Notify,
    commits: AtomicU64,
    /// Somebody waits for an empty tail.
    pub(crate) is_settling: AtomicBool,
    /// The writer has ended, and the archiver shall.
    is_closing: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        name: EnvironmentName,
        origin: String,
        objects: Objects,
        snapshot: Snapshot,
        cosigned: Newest,
    ) -> Self {
        Self {
            name,
            origin,
            objects,
            entries: EntryCache::default(),
            cosigned,
            snapshot: RwLock::new(Arc::new(snapshot)),
            poison: Mutex::new(None),
            committed: Notify::new(),
            archived: Notify::new(),
            commits: AtomicU64::new(0),
            is_settling: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn update(&self, change: impl FnOnce(&mut Snapshot)) -> Weak<Snapshot> {
        let mut slot = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        let old = Arc::downgrade(&slot);
        let mut next = Snapshot::clone(&slot);
        change(&mut next);
        *slot = Arc::new(next);
        old
    }

    pub(crate) fn poison(&self, error: &StoreError) {
        let mut reason = self.poison.lock().unwrap_or_else(PoisonError::into_inner);
        if reason.is_none() {
            tracing::error!(environment = %self.name, %error, "the trail has stopped accepting records");
            *reason = Some(error.to_string());
        }
        self.archived.notify_waiters();
    }

    fn poisoned(&self) -> Option<String> {
        self.poison.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Submission {
    batch: Batch,
    progress: Option<Progress>,
    reply: oneshot::Sender<Result<Receipt, StoreError>>,
    /// Gives the pool its room back when the submission is dropped.
    _room: OwnedSemaphorePermit,
}

/// One open trail.
#[derive(Debug)]
pub struct Trail {
    pub(crate) shared: Arc<Shared>,
    pub(crate) key: VerifyingKey,
    pool: Arc<Semaphore>,
    submissions: Mutex<Option<mpsc::UnboundedSender<Submission>>>,
    tasks: tokio::sync::Mutex<Option<(tokio::task::JoinHandle<()>, tokio::task::JoinHandle<Archive>)>>,
    clock: Arc<dyn Clock>,
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
    pub(crate) fn start(
        shared: Arc<Shared>,
        sequencer: Sequencer,
        archive: Archive,
        signer: SigningKey,
        control: Arc<dyn Control>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let key = signer.verifying_key().clone();
        let writer = Writer {
            shared: shared.clone(),
            sequencer: Some(Box::new(sequencer)),
            signer,
            control,
            clock: clock.clone(),
        };
        let writing = tokio::spawn(writer.run(receiver));
        let archiving = tokio::spawn(archive_in_background(shared.clone(), archive, clock.clone()));
        Self {
            shared,
            key,
            pool: Arc::new(Semaphore::new(POOL_RECORDS_MAX as usize)),
            submissions: Mutex::new(Some(sender)),
            tasks: tokio::sync::Mutex::new(Some((writing, archiving))),
            clock,
            ledger: tokio::sync::Mutex::new(()),
        }
    }

    /// Its environment.
    pub fn name(&self) -> &EnvironmentName {
        &self.shared.name
    }

    /// The origin line of its checkpoints.
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// What can be read now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot()
    }

    /// The store and the prefix under which the archive's files lie.
    pub fn archive_location(&self) -> (Arc<dyn ObjectStore>, Path) {
        (self.shared.objects.store.clone(), self.shared.objects.path("archive"))
    }

    /// Why the trail accepts no records, if it does not.
    pub fn poisoned(&self) -> Option<String> {
        self.shared.poisoned()
    }

    /// Commits made since the trail was opened.
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
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
        let count = u32::try_from(batch.records.len()).unwrap_or(u32::MAX);
        if count > POOL_RECORDS_MAX {
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
        if let Some(reason) = self.poisoned() {
            return Err(StoreError::Poisoned(reason));
        }
        let room = match when_full {
            WhenFull::Wait => {
                self.pool.clone().acquire_many_owned(count).await.map_err(|_| StoreError::Busy)?
            }
            WhenFull::Fail => {
                self.pool.clone().try_acquire_many_owned(count).map_err(|_| StoreError::Busy)?
            }
        };
        let (reply, answer) = oneshot::channel();
        let closed = || StoreError::Poisoned(self.poisoned().unwrap_or_else(|| "it is closed".to_owned()));
        {
            let sender = self.submissions.lock().unwrap_or_else(PoisonError::into_inner);
            let sender = sender.as_ref().ok_or_else(closed)?;
            sender.send(Submission { batch, progress, reply, _room: room }).map_err(|_| closed())?;
        }
        answer.await.map_err(|_| closed())?
    }

    /// To be held from reading a ledger to the end of the append that changes it.
    pub fn ledger(&self) -> &tokio::sync::Mutex<()> {
        &self.ledger
    }

    /// Ends the writer after what it has, and moves a long tail to the archive.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.submissions.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((writing, archiving)) = self.tasks.lock().await.take() else { return Ok(()) };
        let _ = writing.await;
        self.shared.is_closing.store(true, Ordering::Relaxed);
        self.shared.committed.notify_one();
        let mut archive = archiving.await.map_err(|e| StoreError::Poisoned(e.to_string()))?;
        let snapshot = self.shared.snapshot();
        if self.poisoned().is_none()
            && (snapshot.tail.len() >= CLOSE_SPANS_MIN || snapshot.tail_rows() >= ARCHIVE_ROWS / 4)
        {
            archive_step(&self.shared, &mut archive, self.clock.as_ref(), &mut Vec::new(), 1).await?;
        }
        Ok(())
    }
}

struct Writer {
    shared: Arc<Shared>,
    /// Out while a blocking thread works with it.
    sequencer: Option<Box<Sequencer>>,
    signer: SigningKey,
    control: Arc<dyn Control>,
    clock: Arc<dyn Clock>,
}

impl Writer {
    /// Group commit without a timer: while one commit is written, the next pool fills.
    async fn run(mut self, mut submissions: mpsc::UnboundedReceiver<Submission>) {
        while let Some(first) = submissions.recv().await {
            let mut records = first.batch.records.len();
            let mut pool = vec![first];
            while records < COMMIT_RECORDS_MAX
                && let Ok(next) = submissions.try_recv()
            {
                records += next.batch.records.len();
                pool.push(next);
            }
            self.wait_for_archive().await;
            let progress: Vec<Progress> = pool.iter_mut().filter_map(|one| one.progress.take()).collect();
            let (batches, replies): (Vec<_>, Vec<_>) =
                pool.into_iter().map(|one| (one.batch, (one.reply, one._room))).unzip();
            let result = match self.shared.poisoned() {
                Some(reason) => Err(StoreError::Poisoned(reason)),
                None => self.commit(batches, records, progress).await,
            };
            match result {
                Ok(receipts) => {
                    for ((reply, _room), receipt) in replies.into_iter().zip(receipts) {
                        // A caller that went away will repeat, and be told of duplicates.
                        let _ = reply.send(Ok(receipt));
                    }
                }
                Err(error) => {
                    self.shared.poison(&error);
                    let reason = self.shared.poisoned().unwrap_or_default();
                    for (reply, _room) in replies {
                        let _ = reply.send(Err(StoreError::Poisoned(reason.clone())));
                    }
                }
            }
        }
    }

    async fn wait_for_archive(&self) {
        loop {
            let archived = self.shared.archived.notified();
            if self.shared.snapshot().tail_rows() <= TAIL_ROWS_MAX || self.shared.poisoned().is_some() {
                return;
            }
            self.shared.committed.notify_one();
            archived.await;
        }
    }

    /// The commit protocol. Each step says what is true after it, and what a crash there means.
    async fn commit(
        &mut self,
        pool: Vec<Batch>,
        records: usize,
        progress: Vec<Progress>,
    ) -> Result<Vec<Receipt>, StoreError> {
        let sequencer =
            self.sequencer.take().ok_or_else(|| StoreError::Poisoned("the sequencer is gone".into()))?;
        let expected_size = sequencer.size();
        let now = self.clock.now();
        let (mut sequencer, sequenced, staged) = tokio::task::spawn_blocking(move || {
            let mut sequencer = sequencer;
            let mut random = vec![0; records * 16];
            getrandom::fill(&mut random).map_err(|e| StoreError::Poisoned(format!("no randomness: {e}")))?;
            let sequenced = sequencer.sequence(pool, now, &random)?;
            let staged =
                if sequenced.size > expected_size { staging::encode(&sequenced.batch)? } else { Vec::new() };
            Ok::<_, StoreError>((sequencer, sequenced, staged))
        })
        .await
        .map_err(|e| StoreError::Poisoned(e.to_string()))??;
        // Positions exist in memory only. A crash here loses nothing that was acknowledged.
        let Sequenced { batch, tiles, size, root, people, receipts } = sequenced;
        if size == expected_size {
            self.sequencer = Some(sequencer);
            // Nothing but duplicates: no new tree, but a source may have been read further.
            self.commit_progress(size, progress).await?;
            return Ok(receipts);
        }
        let span = Span { start: expected_size, end: size };
        self.shared.objects.put(span.path().as_ref(), staged).await?;
        // The records are durable but not committed. A crash here leaves garbage that opening deletes.
        let origin = self.shared.origin.clone();
        let checkpoint = Checkpoint { origin, size, root, extensions: Vec::new() }.sign(&self.signer);
        let commit =
            Commit { expected_size, size, checkpoint: checkpoint.clone(), people: people.clone(), progress };
        self.swap(&commit).await?;
        // Committed: from here on opening completes what is missing, with the same code.
        apply(&self.shared.objects, tiles, &checkpoint).await?;
        // Tiles and checkpoint are published: whoever reads them can check every record of this commit.
        self.shared.update(|snapshot| {
            snapshot.size = size;
            snapshot.checkpoint = checkpoint;
            snapshot.tail.push(Arc::new(TailBatch { span, batch }));
            if !people.is_empty() {
                Arc::make_mut(&mut snapshot.directory).extend(people);
            }
        });
        // Searchable. Only now is anybody told.
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        self.shared.committed.notify_one();
        self.sequencer = Some(
            tokio::task::spawn_blocking(move || sequencer.seen.maintain().map(|()| sequencer))
                .await
                .map_err(|e| StoreError::Poisoned(e.to_string()))??,
        );
        Ok(receipts)
    }
}

/// Publishes a commit: its tiles, then its checkpoint. Recovery calls it too.
pub(crate) async fn apply(
    objects: &Objects,
    tiles: Vec<(TileId, Vec<u8>)>,
    checkpoint: &str,
) -> Result<(), StoreError> {
    objects.put_tiles(tiles).await?;
    objects.put("checkpoint", checkpoint.as_bytes().to_vec()).await
}

/// Moves the tail to the archive when it is long, and compacts. Ends when the trail closes.
async fn archive_in_background(shared: Arc<Shared>, mut archive: Archive, clock: Arc<dyn Clock>) -> Archive {
    let mut garbage = Vec::new();
    loop {
        let is_idle = tokio::time::timeout(ARCHIVE_IDLE, shared.committed.notified()).await.is_err();
        if shared.is_closing.load(Ordering::Relaxed) {
            return archive;
        }
        let is_all = is_idle || shared.is_settling.load(Ordering::Relaxed);
        let rows_min = if is_all { 1 } else { ARCHIVE_ROWS };
        let step = archive_step(&shared, &mut archive, clock.as_ref(), &mut garbage, rows_min).await;
        if let Err(error) = step {
            shared.poison(&error);
        }
        shared.archived.notify_waiters();
    }
}

async fn archive_step(
    shared: &Shared,
    archive: &mut Archive,
    clock: &dyn Clock,
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
        archive.append(taken.iter().map(|one| one.batch.clone()).collect(), clock.now()).await?;
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
        let replaced = archive.compact(range, clock.now()).await?;
        let old = shared.update(|snapshot| snapshot.files = archive.files().to_vec());
        garbage.push((old, replaced));
    }
    sweep(shared, garbage).await
}
