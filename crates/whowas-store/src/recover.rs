//! Opening a trail: the same steps as a commit, for whatever a crash left undone.
//!
//! The control database says what is committed. Everything else is compared with it: what is ahead of it
//! is refused (a restored backup) or deleted (an uncommitted staging object), what is behind is redone.

use std::{path::PathBuf, sync::Arc};

use arrow::array::RecordBatch;
use url::Url;
use whowas_event::LeafWriter;
use whowas_tlog::{
    checkpoint::Checkpoint,
    hash::{HASH_BYTES, Hash, leaf_hash, node_hash},
    note::{Note, SigningKey},
    tile::TileBuilder,
    tree::Frontier,
};

use crate::{
    Clock, StoreError,
    archive::Archive,
    columns::read_records,
    control::{Control, Environment},
    cosigned::Newest,
    directory::{Directory, Observed},
    erase,
    layout::decode_file,
    objects::Objects,
    seen::SeenIndex,
    sequence::Sequencer,
    staging::{self, Span},
    trail::{Open, Shared, Snapshot, TailBatch},
    writer::apply,
};

/// What opening a trail needs.
pub(crate) struct Opening {
    pub(crate) environment: Environment,
    pub(crate) objects: Objects,
    pub(crate) archive_url: Url,
    /// Local folder of the index of seen records.
    pub(crate) seen_folder: PathBuf,
    pub(crate) signer: SigningKey,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether files that no log names are deleted: only while nobody reads.
    pub(crate) sweeps: bool,
}

impl Opening {
    pub(crate) async fn open(self) -> Result<Open, StoreError> {
        let committed = self.checkpoint(&self.environment.checkpoint, "the control database's checkpoint")?;
        if committed.size != self.environment.size {
            return Err(StoreError::corrupt("the control database's checkpoint and size disagree"));
        }
        let published = self.published(&committed).await?;
        let cosigned = self.cosigned(&committed).await?;
        let mut archive =
            Archive::open(self.objects.store.clone(), self.objects.prefix.clone(), self.archive_url.clone())
                .await?;
        if archive.archived_to() > published.size {
            return Err(StoreError::corrupt(format!(
                "the archive reaches position {}, the published checkpoint {}",
                archive.archived_to(),
                published.size
            )));
        }
        let mut tail = self.tail(archive.archived_to(), committed.size).await?;
        if self.sweeps {
            archive.sweep().await?;
        }
        let erased = erase::carry_out(&self, &mut archive, &mut tail).await?;
        let people = self.control.people(&self.environment.name).await?;
        let before = self.control.people_before(&self.environment.name).await?;
        let observed = Observed::new(people.iter());
        let sequencer = self.sequencer(&published, &committed, &archive, &tail, observed).await?;
        let snapshot = Snapshot {
            size: committed.size,
            checkpoint: self.environment.checkpoint.clone(),
            files: archive.files().to_vec(),
            tail,
            directory: Arc::new(Directory::with_before(people, before)),
            erased: Arc::new(erased),
        };
        let Environment { name, origin, .. } = self.environment;
        let shared = Shared::new((name, origin), self.objects, snapshot, cosigned, self.clock);
        Ok(Open::start(Arc::new(shared), sequencer, archive, self.signer, self.control))
    }

    fn checkpoint(&self, note: &str, what: &str) -> Result<Checkpoint, StoreError> {
        Checkpoint::open(note, &self.environment.origin, std::slice::from_ref(self.signer.verifying_key()))
            .map_err(|e| StoreError::corrupt(format!("{what}: {e}")))
    }

    /// The published checkpoint, which may be behind the committed one by the commit that was interrupted,
    /// and never ahead.
    async fn published(&self, committed: &Checkpoint) -> Result<Checkpoint, StoreError> {
        let Some(note) = self.objects.get("checkpoint").await? else {
            return match committed.size {
                0 => Ok(committed.clone()),
                _ => Err(StoreError::corrupt("the published checkpoint is missing")),
            };
        };
        let note = std::str::from_utf8(&note)
            .map_err(|_| StoreError::corrupt("the published checkpoint is no text"))?;
        let published = self.checkpoint(note, "the published checkpoint")?;
        if published.size > committed.size {
            return Err(StoreError::corrupt(format!(
                "the control database is older than the trail (it knows {} records, a checkpoint for {} is published): \
                 was it restored from a backup?",
                committed.size, published.size
            )));
        }
        if published.size == committed.size && published.root != committed.root {
            return Err(StoreError::corrupt("two checkpoints of one size have different roots"));
        }
        Ok(published)
    }

    /// What witnesses cosigned, which is never ahead of what is committed.
    async fn cosigned(&self, committed: &Checkpoint) -> Result<Newest, StoreError> {
        let keys = std::slice::from_ref(self.signer.verifying_key());
        let open = |note: &Note| {
            Checkpoint::open_note(note, &self.environment.origin, keys).map_err(|e| e.to_string())
        };
        // Damaged, it is only a memory less: records do not depend on it, and the witnesses have it too.
        let newest = Newest::load(&self.objects, open).await.unwrap_or_else(|error| {
            tracing::warn!(environment = %self.environment.name, %error, "the cosigned checkpoint is not used");
            Newest::default()
        });
        match newest.get() {
            Some(cosigned) if cosigned.checkpoint.size > committed.size => Err(StoreError::corrupt(format!(
                "the control database is older than the trail (it knows {} records, witnesses cosigned {}): \
                 was it restored from a backup?",
                committed.size, cosigned.checkpoint.size
            ))),
            _ => Ok(newest),
        }
    }

    /// The committed records that are not archived, and nothing else in the staging folder.
    async fn tail(&self, archived_to: u64, size: u64) -> Result<Vec<Arc<TailBatch>>, StoreError> {
        let mut tail = Vec::new();
        let mut at = archived_to;
        for span in self.objects.spans().await? {
            if span.end <= archived_to || span.start >= size || span.start < at {
                // Archived already, or never committed.
                self.objects.delete(span.path().as_ref()).await?;
                continue;
            }
            if span.start != at || span.end > size {
                break;
            }
            let batch = staging::decode(span, &self.objects.get_span(span).await?)?;
            tail.push(Arc::new(TailBatch { span, batch }));
            at = span.end;
        }
        if at != size {
            return Err(StoreError::corrupt(format!("the records of positions {at} to {size} are missing")));
        }
        Ok(tail)
    }

    /// The sequencer at the committed size: tiles are read up to the published one and redone from there.
    async fn sequencer(
        &self,
        published: &Checkpoint,
        committed: &Checkpoint,
        archive: &Archive,
        tail: &[Arc<TailBatch>],
        observed: Observed,
    ) -> Result<Sequencer, StoreError> {
        let mut reader = self.objects.tile_reader();
        let size = published.size;
        let folder = self.seen_folder.clone();
        let (tiles, seen) = tokio::task::spawn_blocking(move || {
            let tiles =
                TileBuilder::restore(size, &mut reader).map_err(|e| StoreError::corrupt(e.to_string()))?;
            Ok::<_, StoreError>((tiles, SeenIndex::open(folder)?))
        })
        .await
        .map_err(|e| StoreError::Poisoned(e.to_string()))??;
        if tiles.root() != published.root {
            return Err(StoreError::corrupt(format!(
                "the tiles do not have the root of the checkpoint of size {size}"
            )));
        }
        let frontier = frontier_of(&tiles)?;
        let mut sequencer = Sequencer::new(self.environment.secret, seen, frontier, tiles, observed);
        sequencer.last_recorded_at = self.environment.last_recorded_at;
        for batch in tail {
            if batch.span.end > size {
                let hashes = leaf_hashes(batch.span, &batch.batch)?;
                let tiles = sequencer.replay_tree(&hashes);
                if batch.span.end == committed.size {
                    self.check_root(&sequencer, committed)?;
                }
                apply(&self.objects, tiles, &self.environment.checkpoint).await?;
            }
        }
        self.check_root(&sequencer, committed)?;
        self.replay_seen(&mut sequencer, archive, tail).await?;
        Ok(sequencer)
    }

    fn check_root(&self, sequencer: &Sequencer, committed: &Checkpoint) -> Result<(), StoreError> {
        if sequencer.size() == committed.size
            && sequencer.root() == committed.root
            && sequencer.is_consistent()
        {
            return Ok(());
        }
        Err(StoreError::corrupt("the records do not have the root of the committed checkpoint"))
    }

    /// Brings the index of seen records up to the committed size.
    async fn replay_seen(
        &self,
        sequencer: &mut Sequencer,
        archive: &Archive,
        tail: &[Arc<TailBatch>],
    ) -> Result<(), StoreError> {
        for file in archive.files() {
            if file.end <= sequencer.seen.size() {
                continue;
            }
            let path = format!("archive/{}", file.path);
            let body = self.objects.get(&path).await?;
            let body = body.ok_or_else(|| StoreError::corrupt(format!("{path} is missing")))?;
            // The file is not sorted by position, and the index grows by it.
            let mut deliveries = Vec::new();
            for batch in decode_file(body)? {
                read_records(&batch, |position, record, _| {
                    deliveries.push((position, sequencer.seen_of_record(position, record)));
                    Ok(())
                })?;
            }
            deliveries.sort_unstable();
            for (position, seen) in deliveries {
                sequencer.replay_seen(position, seen)?;
            }
        }
        for batch in tail {
            read_records(&batch.batch, |position, record, _| {
                let seen = sequencer.seen_of_record(position, record);
                sequencer.replay_seen(position, seen)
            })?;
        }
        if sequencer.seen.size() != sequencer.size() {
            return Err(StoreError::corrupt("the index of seen records is ahead of the trail"));
        }
        Ok(())
    }
}

/// The peaks of the tree from its right edge: a partial tile of width `w` holds one perfect subtree for
/// every bit of `w`, the largest first, and higher levels come before lower ones.
fn frontier_of(tiles: &TileBuilder) -> Result<Frontier, StoreError> {
    let mut edge = tiles.right_edge();
    edge.sort_by_key(|(id, _)| std::cmp::Reverse(id.level));
    let mut peaks = Vec::new();
    for (id, body) in &edge {
        let hashes: Vec<Hash> =
            body.chunks_exact(HASH_BYTES).filter_map(|bytes| bytes.try_into().ok()).map(Hash).collect();
        let mut rest = hashes.as_slice();
        for bit in (0..u16::BITS).rev().filter(|bit| id.width >> bit & 1 == 1) {
            let Some((subtree, after)) = rest.split_at_checked(1 << bit) else { break };
            peaks.push(perfect_root(subtree));
            rest = after;
        }
    }
    Frontier::from_peaks(tiles.size(), peaks).map_err(|e| StoreError::corrupt(e.to_string()))
}

/// The root over hashes whose number is a power of two.
fn perfect_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [only] => *only,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            node_hash(&perfect_root(left), &perfect_root(right))
        }
    }
}

/// The leaf hashes of a batch whose rows are in the order of their positions.
pub(crate) fn leaf_hashes(span: Span, batch: &RecordBatch) -> Result<Vec<Hash>, StoreError> {
    let mut leaves = LeafWriter::new();
    let mut hashes = Vec::with_capacity(batch.num_rows());
    read_records(batch, |position, record, _| {
        if position != span.start + hashes.len() as u64 {
            return Err(StoreError::corrupt(format!("{} has position {position} out of order", span.path())));
        }
        hashes.push(leaf_hash(leaves.leaf(record)));
        Ok(())
    })?;
    Ok(hashes)
}
