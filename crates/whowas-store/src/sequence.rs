//! The sequencer: which deliveries are new, which position each gets, and what the tree becomes.
//!
//! One per trail, and no I/O but look-ups in the index of seen records. It advances its own state as it
//! goes: if what it made cannot be committed, the trail is poisoned and opened anew.

use arrow::{array::RecordBatch, compute::concat_batches};
use whowas_event::{Admitted, Event, LeafWriter, Salt, Time, content_digest, dedup_key};
use whowas_tlog::{
    hash::{Hash, leaf_hash},
    tile::{TileBuilder, TileId},
    tree::Frontier,
};

use crate::{
    StoreError,
    columns::{BatchBuilder, RowBytes, SCHEMA, assign, empty_record},
    control::Person,
    directory::{Observed, person_of},
    seen::{Seen, SeenIndex},
};

/// A batch of so many rows tells what the next will need.
const SIZED_ROWS_MIN: usize = 256;
/// Fewer records are not worth another thread, which takes some 30 µs to begin.
const SHARE_ROWS_MIN: usize = 1024;

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
    last_recorded_at: Time,
    observed: Observed,
    /// Of the last batch.
    row_bytes: RowBytes,
}

impl Sequencer {
    pub(crate) fn new(
        secret: [u8; 32],
        seen: SeenIndex,
        frontier: Frontier,
        tiles: TileBuilder,
        observed: Observed,
    ) -> Self {
        Self {
            secret,
            seen,
            frontier,
            tiles,
            last_recorded_at: Time::default(),
            observed,
            row_bytes: RowBytes::default(),
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
        let mut placed =
            Placed { records: Vec::with_capacity(total), origins: Vec::new(), people: Vec::new() };
        let mut salts = random.chunks_exact(16).filter_map(|salt| salt.first_chunk::<16>());
        let mut receipts = Vec::with_capacity(pool.len());
        let first_position = self.seen.size();
        for batch in pool {
            let mut receipt = Receipt::default();
            for admitted in batch.records {
                let salt =
                    *salts.next().ok_or_else(|| StoreError::Invalid("too little randomness".to_owned()))?;
                self.place(admitted, &batch.source, salt, &mut receipt, &mut placed)?;
            }
            let (source, format, received_at) = (batch.source, batch.format, batch.received_at);
            placed.origins.push(Origin { source, format, received_at, recorded_at });
            receipts.push(receipt);
        }
        let Placed { records, origins, people } = placed;
        let (batch, hashes) = write_records(records, &origins, first_position, &self.row_bytes)?;
        if batch.num_rows() >= SIZED_ROWS_MIN {
            self.row_bytes = RowBytes::of(&batch);
        }
        let tiles = self.grow(&hashes)?;
        let (size, root) = (self.frontier.size(), self.frontier.root());
        receipts.iter_mut().for_each(|receipt| receipt.tree_size = size);
        Ok(Sequenced { batch, tiles, size, root, people, receipts })
    }

    /// Gives one record its position, unless it is there already. What is decided here is decided in order;
    /// what follows from it ([`write_records`]) is not.
    fn place(
        &mut self,
        admitted: Admitted,
        source: &str,
        salt: Salt,
        receipt: &mut Receipt,
        placed: &mut Placed,
    ) -> Result<(), StoreError> {
        let seen = self.seen_of(source, &admitted.event);
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
        placed.people.extend(person_of(&admitted.event, position));
        placed.people.extend(self.observed.note(&admitted.event, position));
        let origin_idx = placed.origins.len();
        placed.records.push(PlacedRecord { admitted, salt, revision: earlier.deliveries, origin_idx });
        Ok(())
    }

    /// Grows the tree by two paths that must agree: a bit that flips before signing would otherwise be
    /// signed, and no later check could mend the log.
    fn grow(&mut self, hashes: &[Hash]) -> Result<Vec<(TileId, Vec<u8>)>, StoreError> {
        self.tiles.append(hashes);
        for hash in hashes {
            self.frontier.append(*hash);
        }
        let (size, root) = (self.frontier.size(), self.frontier.root());
        if (self.tiles.size(), self.tiles.root()) != (size, root) || self.seen.size() != size {
            return Err(StoreError::corrupt(format!(
                "two ways of computing the root of size {size} disagree"
            )));
        }
        Ok(self.tiles.take_changed())
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

/// Records that have their positions, and what came with them.
struct Placed {
    records: Vec<PlacedRecord>,
    /// One for each batch.
    origins: Vec<Origin>,
    people: Vec<Person>,
}

struct PlacedRecord {
    admitted: Admitted,
    salt: Salt,
    revision: u32,
    origin_idx: usize,
}

/// What the records of one batch share.
struct Origin {
    source: String,
    format: String,
    received_at: Time,
    recorded_at: Time,
}

/// The columns and leaf hashes of records from `first_position` on. Most of a commit's work, and a function
/// of each record alone, so every core takes a share.
fn write_records(
    mut records: Vec<PlacedRecord>,
    origins: &[Origin],
    first_position: u64,
    row_bytes: &RowBytes,
) -> Result<(RecordBatch, Vec<Hash>), StoreError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share_rows = records.len().div_ceil(cores).max(SHARE_ROWS_MIN);
    let mut shares = Vec::new();
    while records.len() > share_rows {
        let from = (records.len() - 1) / share_rows * share_rows;
        shares.push((first_position + from as u64, records.split_off(from)));
    }
    shares.push((first_position, records));
    let written = std::thread::scope(|scope| {
        // The share with the first positions was cut last; this thread takes it.
        let own = shares.pop();
        let others: Vec<_> = shares
            .into_iter()
            .rev()
            .map(|(start, share)| scope.spawn(move || write_share(share, origins, start, row_bytes)))
            .collect();
        let own = own.map(|(start, share)| Ok(write_share(share, origins, start, row_bytes)));
        own.into_iter().chain(others.into_iter().map(|other| other.join())).collect::<Result<Vec<_>, _>>()
    })
    .map_err(|_| StoreError::Poisoned("a record could not be written".to_owned()))?;
    let (batches, hashes): (Vec<RecordBatch>, Vec<Vec<Hash>>) = written.into_iter().unzip();
    let batch = match batches.as_slice() {
        [only] => only.clone(),
        _ => concat_batches(&SCHEMA, &batches)?,
    };
    Ok((batch, hashes.concat()))
}

fn write_share(
    records: Vec<PlacedRecord>,
    origins: &[Origin],
    start: u64,
    row_bytes: &RowBytes,
) -> (RecordBatch, Vec<Hash>) {
    let mut columns = BatchBuilder::with_capacity(records.len(), row_bytes);
    let mut hashes = Vec::with_capacity(records.len());
    let mut leaves = LeafWriter::new();
    let mut record = empty_record();
    for (position, placed) in (start..).zip(records) {
        let PlacedRecord { admitted, salt, revision, origin_idx } = placed;
        if let Some(origin) = origins.get(origin_idx) {
            assign(&mut record.source, &origin.source);
            assign(&mut record.format, &origin.format);
            (record.received_at, record.recorded_at) = (origin.received_at, origin.recorded_at);
        }
        (record.event, record.raw_data_hash) = (admitted.event, admitted.raw_data_hash);
        (record.salt, record.revision) = (salt, revision);
        hashes.push(leaf_hash(leaves.leaf(&record)));
        columns.append(position, &record, &admitted.raw);
    }
    (columns.finish(), hashes)
}
