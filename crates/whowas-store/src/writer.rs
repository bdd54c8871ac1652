//! The writer of one trail: the commit protocol, in two stages that work side by side.
//!
//! A thread owns the sequencer and prepares commits; a task, the publisher, makes one after the other
//! durable, commits and publishes it, and only then answers. While one commit is written, the next is
//! prepared, and the pool for the one after fills. A pool that is small waits half a
//! millisecond for others.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use whowas_tlog::{checkpoint::Checkpoint, note::SigningKey, tile::TileId};

use crate::{
    Clock, StoreError,
    control::{Commit, Control, Progress},
    objects::Objects,
    sequence::{Batch, Receipt, Sequenced, Sequencer},
    staging::{self, Span},
    trail::{Shared, TAIL_ROWS_MAX, TailBatch, is_closed},
};

/// Records of one commit. Larger commits would make small callers wait for large ones.
const COMMIT_RECORDS_MAX: usize = 32 * 1024;
/// So many waiting records are prepared while another commit is being written. Fewer wait until it is
/// done: they commit together with what comes until then, and a commit costs the same for one as for a hundred.
const AHEAD_RECORDS_MIN: usize = 4 * 1024;

/// So long a pool that is small waits for others when nothing is being written: a tenth of what a commit takes.
const GATHERING: Duration = Duration::from_micros(500);

/// Records that wait for their position, and whom to answer.
pub(crate) struct Submission {
    pub(crate) batch: Batch,
    /// How far its source has been read with it.
    pub(crate) progress: Option<Progress>,
    pub(crate) reply: oneshot::Sender<Result<Receipt, StoreError>>,
    /// Gives the pool its room back when the submission is dropped.
    pub(crate) room: OwnedSemaphorePermit,
}

/// Who waits for a commit, in the order of its receipts.
type Replies = Vec<(oneshot::Sender<Result<Receipt, StoreError>>, OwnedSemaphorePermit)>;

/// A commit that exists in memory only.
struct Prepared {
    expected_size: u64,
    sequenced: Sequenced,
    /// The body of its staging object; empty without new records.
    staged: Vec<u8>,
    progress: Vec<Progress>,
    replies: Replies,
}

/// Starts both stages. They end when the sender of `submissions` is gone and everything is answered.
pub(crate) fn start(
    publisher: Publisher,
    sequencer: Sequencer,
    clock: Arc<dyn Clock>,
    submissions: mpsc::UnboundedReceiver<Submission>,
) -> tokio::task::JoinHandle<()> {
    // One waits, one is published: a prepared commit holds all its columns in memory.
    let (prepared, receiver) = mpsc::channel(1);
    let (done, published) = watch::channel(0);
    let shared = publisher.shared.clone();
    let preparer = Preparer { shared: shared.clone(), sequencer, clock, prepared, published, sent: 0 };
    let runtime = tokio::runtime::Handle::current();
    // A thread of its own, for as long as the trail is open: the allocator keeps memory by thread.
    let thread = std::thread::Builder::new().name("sequencer".to_owned());
    if let Err(error) = thread.spawn(move || preparer.run(&runtime, submissions)) {
        shared.poison(&StoreError::Poisoned(format!("no thread for the sequencer: {error}")));
    }
    tokio::spawn(publisher.run(receiver, done))
}

/// The first stage: pools of records become commits in memory.
struct Preparer {
    shared: Arc<Shared>,
    sequencer: Sequencer,
    clock: Arc<dyn Clock>,
    prepared: mpsc::Sender<Prepared>,
    /// How many prepared commits were dealt with.
    published: watch::Receiver<u64>,
    /// How many were handed over.
    sent: u64,
}

impl Preparer {
    fn run(mut self, runtime: &tokio::runtime::Handle, mut submissions: mpsc::UnboundedReceiver<Submission>) {
        while let Some((batches, progress, replies)) = runtime.block_on(self.pool(&mut submissions)) {
            // Even a stopped trail passes on what it is asked, so that answers keep their order.
            let result = match self.shared.stop.error() {
                Some(stopped) => Err(stopped),
                None => self.prepare(runtime, batches),
            };
            match result {
                Ok((expected_size, sequenced, staged)) => {
                    let commit = Prepared { expected_size, sequenced, staged, progress, replies };
                    if self.prepared.blocking_send(commit).is_err() {
                        return;
                    }
                    self.sent += 1;
                }
                Err(error) => refuse(&self.shared, &error, replies),
            }
        }
        // The index on disk knows committed records only. It is rebuildable: a failure costs time on opening.
        runtime.block_on(until_published(&mut self.published, self.sent));
        if self.shared.poisoned().is_none()
            && let Err(error) = self.sequencer.seen.close()
        {
            tracing::warn!(%error, "the index of seen records was not written when the trail closed");
        }
    }

    /// The records of the next commit: those that wait, and if they are few and another commit is being
    /// written, those that come until it is done.
    async fn pool(
        &mut self,
        submissions: &mut mpsc::UnboundedReceiver<Submission>,
    ) -> Option<(Vec<Batch>, Vec<Progress>, Replies)> {
        let mut pool = vec![submissions.recv().await?];
        let mut records = pool.first().map_or(0, |first| first.batch.records.len());
        let mut has_gathered = false;
        while records < COMMIT_RECORDS_MAX {
            let next = match submissions.try_recv() {
                Ok(next) => next,
                Err(_) if records >= AHEAD_RECORDS_MIN => break,
                Err(_) => tokio::select! {
                    next = submissions.recv() => match next {
                        Some(next) => next,
                        None => break,
                    },
                    () = until_published(&mut self.published, self.sent) => {
                        if has_gathered {
                            break;
                        }
                        // Those who were just answered come again at once: without this, the first of
                        // them would be committed alone and the others after it.
                        has_gathered = true;
                        tokio::time::sleep(GATHERING).await;
                        continue;
                    }
                },
            };
            records += next.batch.records.len();
            pool.push(next);
        }
        let progress = pool.iter_mut().filter_map(|one| one.progress.take()).collect();
        let (batches, replies) = pool.into_iter().map(|one| (one.batch, (one.reply, one.room))).unzip();
        Some((batches, progress, replies))
    }

    fn prepare(
        &mut self,
        runtime: &tokio::runtime::Handle,
        pool: Vec<Batch>,
    ) -> Result<(u64, Sequenced, Vec<u8>), StoreError> {
        if self.sequencer.seen.is_full() {
            // The index on disk knows committed records only.
            runtime.block_on(until_published(&mut self.published, self.sent));
            self.sequencer.seen.maintain()?;
        }
        let records: usize = pool.iter().map(|batch| batch.records.len()).sum();
        let mut random = vec![0; records * 16];
        getrandom::fill(&mut random).map_err(|e| StoreError::Poisoned(format!("no randomness: {e}")))?;
        let expected_size = self.sequencer.size();
        let sequenced = self.sequencer.sequence(pool, self.clock.now(), &random)?;
        let staged =
            if sequenced.size > expected_size { staging::encode(&sequenced.batch)? } else { Vec::new() };
        Ok((expected_size, sequenced, staged))
    }
}

/// Waits until so many commits were dealt with, or nobody deals with them any more.
async fn until_published(published: &mut watch::Receiver<u64>, count: u64) {
    let _ = published.wait_for(|done| *done >= count).await;
}

/// Stops the trail and tells everybody who waits for a commit that failed.
fn refuse(shared: &Shared, error: &StoreError, replies: Replies) {
    shared.poison(error);
    for (reply, room) in replies {
        shared.stop.refused(1, room.num_permits() as u64);
        // A caller that went away will repeat, and be told the same.
        let _ = reply.send(Err(shared.stop.error().unwrap_or_else(is_closed)));
    }
}

/// The second stage: prepared commits become durable, committed and published, in their order.
pub(crate) struct Publisher {
    pub(crate) shared: Arc<Shared>,
    pub(crate) signer: SigningKey,
    pub(crate) control: Arc<dyn Control>,
}

impl Publisher {
    async fn run(self, mut prepared: mpsc::Receiver<Prepared>, done: watch::Sender<u64>) {
        while let Some(commit) = prepared.recv().await {
            self.wait_for_archive().await;
            let Prepared { expected_size, sequenced, staged, progress, replies } = commit;
            let result = match self.shared.stop.error() {
                Some(stopped) => Err(stopped),
                None => self.publish(expected_size, sequenced, staged, progress).await,
            };
            match result {
                Ok(receipts) => {
                    for ((reply, _room), receipt) in replies.into_iter().zip(receipts) {
                        // A caller that went away will repeat, and be told of duplicates.
                        let _ = reply.send(Ok(receipt));
                    }
                }
                Err(error) => refuse(&self.shared, &error, replies),
            }
            done.send_modify(|count| *count += 1);
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
    async fn publish(
        &self,
        expected_size: u64,
        sequenced: Sequenced,
        staged: Vec<u8>,
        progress: Vec<Progress>,
    ) -> Result<Vec<Receipt>, StoreError> {
        // Positions exist in memory only. A crash here loses nothing that was acknowledged.
        let Sequenced { batch, tiles, size, root, recorded_at, people, erasures, receipts } = sequenced;
        if size == expected_size {
            // Only duplicates, of records that were published before this; a source may have been read further.
            self.commit_progress(size, progress).await?;
            return Ok(receipts);
        }
        let span = Span { start: expected_size, end: size };
        self.shared.objects.put(span.path().as_ref(), staged).await?;
        // The records are durable but not committed. A crash here leaves garbage that opening deletes.
        let checkpoint =
            Checkpoint { origin: self.shared.origin.clone(), size, root, extensions: Vec::new() };
        let checkpoint = checkpoint.sign(&self.signer);
        let (note, people_changed) = (checkpoint.clone(), people.clone());
        let commit = Commit {
            expected_size,
            size,
            checkpoint: note,
            recorded_at,
            people: people_changed,
            erasures,
            progress,
        };
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
        Ok(receipts)
    }

    /// Commits how far sources have been read, under the checkpoint that is there.
    async fn commit_progress(&self, size: u64, progress: Vec<Progress>) -> Result<(), StoreError> {
        if progress.is_empty() {
            return Ok(());
        }
        let checkpoint = self.shared.snapshot().checkpoint.clone();
        self.swap(&Commit { expected_size: size, size, checkpoint, progress, ..Commit::default() }).await
    }

    /// The commit point.
    async fn swap(&self, commit: &Commit) -> Result<(), StoreError> {
        if self.control.commit(&self.shared.name, commit).await? {
            return Ok(());
        }
        Err(StoreError::Poisoned(format!(
            "another writer has committed to this trail beyond position {}",
            commit.expected_size
        )))
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
