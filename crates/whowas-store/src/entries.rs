//! The public log of a trail: hash tiles as they are stored, entries re-derived from the records.
//!
//! Entry bundles are not stored: they would be the largest part of a trail, and every byte of them follows
//! from the records. What is derived is compared with the tiles before it is handed out, so that whoever
//! asks gets the entry that was committed or an error.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::Int64Type,
};
use bytes::Bytes;
use whowas_event::{LeafWriter, Record};
use whowas_tlog::{
    hash::leaf_hash,
    note::VerifyingKey,
    tile::{TileId, encode_entries},
};

use crate::{
    ArchiveFile, Snapshot, StoreError, Trail, columns::read_records, layout::decode_file, trail::Shared,
};

/// Positions whose leaves are derived together. The archive is sorted by person, so one bundle costs as
/// much as a whole file; 32 bundles at once make reading a log from end to end 32 times as cheap.
const STRIPE_RECORDS: u64 = 32 * BUNDLE_RECORDS;
/// Entries of a full bundle.
const BUNDLE_RECORDS: u64 = TileId::FULL_WIDTH as u64;
/// Leaves that are kept for the next bundle: at most 600 bytes each as a rule, so 5 MB; this bounds a
/// stretch of the largest ones.
const STRIPE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The leaves of the stretch that was read last, for a reader that reads on.
#[derive(Debug, Default)]
pub(crate) struct EntryCache {
    stripe: tokio::sync::Mutex<Stripe>,
    /// Held while an archive file is decoded: some 150 MB, so one at a time, however many ask for proofs.
    decoding: tokio::sync::Mutex<()>,
}

/// Leaves by position, without gaps.
#[derive(Debug, Default)]
struct Stripe {
    start: u64,
    leaves: Vec<Box<[u8]>>,
}

impl Stripe {
    fn get(&self, positions: &Range<u64>) -> Option<&[Box<[u8]>]> {
        let start = usize::try_from(positions.start.checked_sub(self.start)?).ok()?;
        let end = usize::try_from(positions.end.checked_sub(self.start)?).ok()?;
        self.leaves.get(start..end)
    }
}

impl Trail {
    /// The key by which its checkpoints are verified.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.open().key.clone()
    }

    /// A hash tile of the public log, if the tree has had a checkpoint with it. A partial tile that was
    /// superseded is answered from the full one, whose beginning it is.
    ///
    /// # Errors
    /// The store cannot be read, or a full tile is cut short.
    pub async fn tile(&self, id: TileId) -> Result<Option<Bytes>, StoreError> {
        self.shared().tile(id).await
    }

    /// The entry bundle under the level-0 tile `id`, if the tree has so many entries: the leaves of its
    /// positions, each checked against the tile.
    ///
    /// # Errors
    /// The records cannot be read, or do not have the leaves that were committed.
    pub async fn entry_bundle(&self, id: TileId) -> Result<Option<Vec<u8>>, StoreError> {
        let snapshot = self.snapshot();
        let Some(start) = id.index.checked_mul(BUNDLE_RECORDS) else { return Ok(None) };
        let positions = start..start.saturating_add(u64::from(id.width));
        // A bundle with any entry at or after the minimum index is whole.
        let is_pruned = id.width == TileId::FULL_WIDTH && positions.end <= snapshot.erased.minimum_index();
        if id.level != 0 || positions.end > snapshot.size || is_pruned {
            return Ok(None);
        }
        // Held while leaves are derived: many readers at once must not each decode an archive file.
        let shared = self.shared();
        let mut stripe = shared.entries.stripe.lock().await;
        if stripe.get(&positions).is_none() {
            // The old one goes first, so that there is only ever one in memory.
            *stripe = Stripe::default();
            *stripe = self.stripe(&snapshot, &positions).await?;
        }
        let leaves = stripe.get(&positions).unwrap_or_default();
        encode_entries(leaves)
            .map(Some)
            .map_err(|e| StoreError::corrupt(format!("{}: {e}", id.entries_path())))
    }

    /// The leaf bytes of some positions, in order, each checked against its tile.
    ///
    /// # Errors
    /// There are fewer records, they cannot be read, or do not have the leaves that were committed.
    pub async fn leaves(&self, positions: Range<u64>) -> Result<Vec<Box<[u8]>>, StoreError> {
        let snapshot = self.snapshot();
        let leaves =
            self.select(&snapshot, positions.clone(), |leaves, record| leaves.leaf(record).into()).await?;
        self.check_leaves(snapshot.size, positions.start, &leaves).await?;
        Ok(leaves)
    }

    /// The records of some positions, in order. Memory is that of one archive file and of the records.
    ///
    /// # Errors
    /// There are fewer records, or they cannot be read.
    pub async fn records(&self, positions: Range<u64>) -> Result<Vec<Record>, StoreError> {
        self.select(&self.snapshot(), positions, |_, record| record.clone()).await
    }

    async fn stripe(&self, snapshot: &Arc<Snapshot>, asked: &Range<u64>) -> Result<Stripe, StoreError> {
        let archived_to = snapshot.files.last().map_or(0, |file| file.end);
        let mut positions = asked.clone();
        // The tail is in memory: nothing is gained by deriving more than was asked for.
        if asked.start < archived_to {
            positions.start -= asked.start % STRIPE_RECORDS;
            positions.end = positions.start.saturating_add(STRIPE_RECORDS).min(archived_to).max(asked.end);
        }
        let start = positions.start;
        let mut leaves =
            self.select(snapshot, positions, |leaves, record| leaves.leaf(record).into()).await?;
        self.check_leaves(snapshot.size, start, &leaves).await?;
        let bytes: usize = leaves.iter().map(|leaf| leaf.len()).sum();
        if bytes <= STRIPE_BYTES_MAX {
            return Ok(Stripe { start, leaves });
        }
        let skipped = usize::try_from(asked.start - start).unwrap_or(usize::MAX).min(leaves.len());
        leaves.drain(..skipped);
        leaves.truncate(usize::try_from(asked.end - asked.start).unwrap_or(usize::MAX));
        Ok(Stripe { start: asked.start, leaves })
    }

    /// What `derive` makes of the records of `positions`, in order.
    async fn select<T: Send + 'static>(
        &self,
        snapshot: &Arc<Snapshot>,
        positions: Range<u64>,
        derive: fn(&mut LeafWriter, &Record) -> T,
    ) -> Result<Vec<T>, StoreError> {
        if positions.end > snapshot.size {
            return Err(StoreError::NotFound(format!("there are {} records", snapshot.size)));
        }
        let overlaps = |start: u64, end: u64| start < positions.end && end > positions.start;
        let mut selection = Selection::new(positions.clone(), derive)?;
        for file in snapshot.files.iter().filter(|file| overlaps(file.start, file.end)) {
            let shared = self.shared();
            let _decoding = shared.entries.decoding.lock().await;
            let body = shared.archive_file(file).await?;
            selection = on_blocking_thread(move || {
                decode_file(body)?.iter().try_for_each(|batch| selection.take(batch))?;
                Ok(selection)
            })
            .await?;
        }
        let batches: Vec<_> =
            snapshot.tail.iter().filter(|b| overlaps(b.span.start, b.span.end)).cloned().collect();
        on_blocking_thread(move || {
            batches.iter().try_for_each(|one| selection.take(&one.batch))?;
            selection.finish()
        })
        .await
    }

    /// Compares leaves with the hashes that were committed for their positions.
    async fn check_leaves(&self, size: u64, start: u64, leaves: &[Box<[u8]>]) -> Result<(), StoreError> {
        let mut tile: Option<(u64, Bytes)> = None;
        for (position, leaf) in (start..).zip(leaves) {
            let index = position / BUNDLE_RECORDS;
            if tile.as_ref().is_none_or(|(loaded, _)| *loaded != index) {
                let id = TileId::in_tree(0, index, size).unwrap_or(TileId::full(0, index));
                let body = self.shared().tile(id).await?;
                tile = Some((index, body.ok_or_else(|| StoreError::corrupt(format!("{id} is missing")))?));
            }
            let offset = usize::try_from(position % BUNDLE_RECORDS).unwrap_or(0) * 32;
            let stored = tile.as_ref().and_then(|(_, body)| body.get(offset..offset + 32));
            if stored != Some(&leaf_hash(leaf).0[..]) {
                return Err(StoreError::corrupt(format!(
                    "position {position}: the record does not have the leaf hash that was committed"
                )));
            }
        }
        Ok(())
    }
}

impl Shared {
    async fn tile(&self, id: TileId) -> Result<Option<Bytes>, StoreError> {
        if let Some(body) = self.objects.get(&id.path()).await? {
            return Ok(Some(body));
        }
        let full = TileId::full(id.level, id.index);
        let Some(body) = self.objects.get(&full.path()).await? else { return Ok(None) };
        if body.len() < id.byte_len() {
            return Err(StoreError::corrupt(format!("{full} is cut short")));
        }
        Ok(Some(body.slice(..id.byte_len())))
    }

    async fn archive_file(&self, file: &ArchiveFile) -> Result<Bytes, StoreError> {
        let path = format!("archive/{}", file.path);
        let body = self.objects.get(&path).await?;
        body.ok_or_else(|| StoreError::corrupt(format!("{path} is missing")))
    }
}

/// Records of a stretch of positions, as they are found in whatever order.
struct Selection<T> {
    positions: Range<u64>,
    found: Vec<Option<T>>,
    leaves: LeafWriter,
    derive: fn(&mut LeafWriter, &Record) -> T,
}

impl<T> Selection<T> {
    fn new(positions: Range<u64>, derive: fn(&mut LeafWriter, &Record) -> T) -> Result<Self, StoreError> {
        let count = usize::try_from(positions.end.saturating_sub(positions.start))
            .map_err(|_| StoreError::Invalid("too many positions at once".to_owned()))?;
        let found = std::iter::repeat_with(|| None).take(count).collect();
        Ok(Self { positions, found, leaves: LeafWriter::new(), derive })
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        let positions = batch.column_by_name("position").and_then(|c| c.as_primitive_opt::<Int64Type>());
        let positions = positions.ok_or_else(|| StoreError::corrupt("records lack their positions"))?;
        let is_wanted = |at: &i64| u64::try_from(*at).is_ok_and(|at| self.positions.contains(&at));
        // Reading a row into a record costs more than choosing it.
        let mask: BooleanArray = positions.values().iter().map(|at| Some(is_wanted(at))).collect();
        let batch = filter_record_batch(batch, &mask)?;
        read_records(&batch, |position, record, _| {
            let slot = position.checked_sub(self.positions.start).and_then(|at| usize::try_from(at).ok());
            match slot.and_then(|at| self.found.get_mut(at)) {
                Some(slot) if slot.is_none() => *slot = Some((self.derive)(&mut self.leaves, record)),
                _ => {
                    return Err(StoreError::corrupt(format!(
                        "position {position} stands in the archive twice"
                    )));
                }
            }
            Ok(())
        })
    }

    fn finish(self) -> Result<Vec<T>, StoreError> {
        let missing = || StoreError::corrupt("records are missing between the archive's files and the tail");
        self.found.into_iter().collect::<Option<Vec<T>>>().ok_or_else(missing)
    }
}

async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| StoreError::Poisoned(e.to_string()))?
}
