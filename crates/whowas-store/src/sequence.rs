//! The sequencer: which deliveries are new, which position each gets, and what the tree becomes.
//!
//! One per trail, and no I/O but look-ups in the index of seen records. It advances its own state as it
//! goes: if what it made cannot be committed, the trail is poisoned and opened anew.

use arrow::array::RecordBatch;
use whowas_event::{Admitted, Event, LeafWriter, Record, Salt, Time, content_digest, dedup_key};
use whowas_tlog::{
    hash::{Hash, leaf_hash},
    tile::{TileBuilder, TileId},
    tree::Frontier,
};

use crate::{
    StoreError,
    columns::{BatchBuilder, RowBytes, assign, empty_record},
    control::Person,
    directory::{Observed, person_of},
    seen::{Seen, SeenIndex},
};

/// A batch of so many rows tells what the next will need.
const SIZED_ROWS_MIN: usize = 256;

/// Records that one caller hands in together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The source they come from.
    pub source: String,
    /// The format they were read with.
    pub format: String,
    /// When they were read.
    pub received_at: Time,
    /// The records.
    pub records: Vec<Admitted>,
}

/// What became of a batch. When a caller has it, the records are durable, sequenced and provable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Receipt {
    /// Records that are new in the trail, revisions among them.
    pub recorded: u64,
    /// Records that were in the trail already.
    pub duplicate: u64,
    /// Records whose native id was in the trail with other content.
    pub revised: u64,
    /// Position of the first recorded one.
    pub first_position: Option<u64>,
    /// Size of the tree that holds them.
    pub tree_size: u64,
}

/// Everything one commit makes true.
pub(crate) struct Sequenced {
    pub(crate) batch: RecordBatch,
    pub(crate) tiles: Vec<(TileId, Vec<u8>)>,
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) people: Vec<Person>,
    pub(crate) receipts: Vec<Receipt>,
}

pub(crate) struct Sequencer {
    secret: [u8; 32],
    pub(crate) seen: SeenIndex,
    frontier: Frontier,
    tiles: TileBuilder,
    leaves: LeafWriter,
    last_recorded_at: Time,
    observed: Observed,
    /// Of the last batch.
    row_bytes: RowBytes,
    /// The record at hand; its texts keep their memory.
    record: Record,
}

impl Sequencer {
    pub(crate) fn new(
        secret: [u8; 32],
        seen: SeenIndex,
        frontier: Frontier,
        tiles: TileBuilder,
        observed: Observed,
    ) -> Self {
        let leaves = LeafWriter::new();
        Self {
            secret,
            seen,
            frontier,
            tiles,
            leaves,
            last_recorded_at: Time::default(),
            observed,
            row_bytes: RowBytes::default(),
            record: empty_record(),
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Gives every new record of `pool` its position. `random` has 16 bytes for each record.
    pub(crate) fn sequence(
        &mut self,
        pool: Vec<Batch>,
        now: Time,
        random: &[u8],
    ) -> Result<Sequenced, StoreError> {
        // The clock may be set back; the order of positions and the order of recorded_at agree all the same.
        let recorded_at = now.max(self.last_recorded_at);
        self.last_recorded_at = recorded_at;
        let total = pool.iter().map(|batch| batch.records.len()).sum();
        let mut made = Made {
            columns: BatchBuilder::with_capacity(total, &self.row_bytes),
            hashes: Vec::with_capacity(total),
            people: Vec::new(),
        };
        let mut salts = random.chunks_exact(16).filter_map(|salt| salt.first_chunk::<16>());
        let mut receipts = Vec::with_capacity(pool.len());
        for batch in pool {
            let mut receipt = Receipt::default();
            for admitted in batch.records {
                let salt =
                    *salts.next().ok_or_else(|| StoreError::Invalid("too little randomness".to_owned()))?;
                let origin = (batch.source.as_str(), batch.format.as_str(), batch.received_at);
                self.place(admitted, origin, recorded_at, salt, &mut receipt, &mut made)?;
            }
            receipts.push(receipt);
        }
        self.grow(made, receipts)
    }

    fn place(
        &mut self,
        admitted: Admitted,
        (source, format, received_at): (&str, &str, Time),
        recorded_at: Time,
        salt: Salt,
        receipt: &mut Receipt,
        made: &mut Made,
    ) -> Result<(), StoreError> {
        let Admitted { event, raw, raw_data_hash } = admitted;
        let seen = self.seen_of(source, &event);
        let earlier = self.seen.find(seen)?;
        if earlier.is_known {
            receipt.duplicate += 1;
            return Ok(());
        }
        let position = self.seen.size();
        self.seen.insert(seen);
        receipt.recorded += 1;
        receipt.revised += u64::from(earlier.deliveries > 0);
        receipt.first_position.get_or_insert(position);
        let record = &mut self.record;
        assign(&mut record.source, source);
        assign(&mut record.format, format);
        *record = Record {
            event,
            source: std::mem::take(&mut record.source),
            format: std::mem::take(&mut record.format),
            revision: earlier.deliveries,
            received_at,
            recorded_at,
            salt,
            raw_data_hash,
        };
        made.hashes.push(leaf_hash(self.leaves.leaf(record)));
        made.columns.append(position, record, &raw);
        made.people.extend(person_of(&record.event, position));
        made.people.extend(self.observed.note(&record.event, position));
        Ok(())
    }

    /// Grows the tree by two paths that must agree: a bit that flips before signing would otherwise be
    /// signed, and no later check could mend the log.
    fn grow(&mut self, made: Made, mut receipts: Vec<Receipt>) -> Result<Sequenced, StoreError> {
        self.tiles.append(&made.hashes);
        for hash in made.hashes {
            self.frontier.append(hash);
        }
        let (size, root) = (self.frontier.size(), self.frontier.root());
        if (self.tiles.size(), self.tiles.root()) != (size, root) || self.seen.size() != size {
            return Err(StoreError::corrupt(format!(
                "two ways of computing the root of size {size} disagree"
            )));
        }
        for receipt in &mut receipts {
            receipt.tree_size = size;
        }
        let tiles = self.tiles.take_changed();
        let batch = made.columns.finish();
        if batch.num_rows() >= SIZED_ROWS_MIN {
            self.row_bytes = RowBytes::of(&batch);
        }
        Ok(Sequenced { batch, tiles, size, root, people: made.people, receipts })
    }

    /// Replays committed records: the same growth, from their columns.
    pub(crate) fn replay_tree(&mut self, hashes: &[Hash]) -> Vec<(TileId, Vec<u8>)> {
        self.tiles.append(hashes);
        for hash in hashes {
            self.frontier.append(*hash);
        }
        self.tiles.take_changed()
    }

    pub(crate) fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Whether tiles and frontier agree.
    pub(crate) fn is_consistent(&self) -> bool {
        (self.tiles.size(), self.tiles.root()) == (self.frontier.size(), self.frontier.root())
    }

    /// How the index of seen records knows an event.
    pub(crate) fn seen_of(&self, source: &str, event: &Event) -> Seen {
        Seen::new(dedup_key(&self.secret, source, &event.native_id), content_digest(&self.secret, event))
    }

    /// Replays a committed record into the index of seen records, if it is the next that is missing there.
    pub(crate) fn replay_seen(&mut self, position: u64, seen: Seen) -> Result<(), StoreError> {
        if position != self.seen.size() {
            return Ok(());
        }
        self.seen.insert(seen);
        self.seen.maintain()
    }
}

struct Made {
    columns: BatchBuilder,
    hashes: Vec<Hash>,
    people: Vec<Person>,
}
