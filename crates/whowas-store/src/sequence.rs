//! The sequencer: which deliveries are new, which position each gets, and what the tree becomes.
//!
//! One per trail, and no I/O but look-ups in the index of seen records. It advances its own state as it
//! goes: if what it made cannot be committed, the trail is poisoned and opened anew.

use arrow::{array::RecordBatch, compute::concat_batches};
use whowas_event::{
    Admitted, Erasure, Event, LeafWriter, NativeId, Record, Salt, Time, content_digest, dedup_key,
    erasure::SELF,
};
use whowas_tlog::{
    hash::{Hash, leaf_hash},
    tile::{TileBuilder, TileId},
    tree::Frontier,
};

use crate::{
    StoreError,
    columns::{BatchBuilder, RowBytes, SCHEMA, empty_record},
    control::{ErasureEntry, Person},
    directory::{Observed, person_of},
    seen::{Seen, SeenIndex},
};

/// A batch of so many rows tells what the next will need.
const SIZED_ROWS_MIN: usize = 256;
/// Fewer records are not worth another thread.
const SHARED_ROWS_MIN: usize = 2048;

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
    pub(crate) recorded_at: Time,
    pub(crate) people: Vec<Person>,
    pub(crate) erasures: Vec<ErasureEntry>,
    pub(crate) receipts: Vec<Receipt>,
}

pub(crate) struct Sequencer {
    secret: [u8; 32],
    pub(crate) seen: SeenIndex,
    frontier: Frontier,
    tiles: TileBuilder,
    pub(crate) last_recorded_at: Time,
    observed: Observed,
    /// Erasures that the records of the last batch state.
    erasures: Vec<ErasureEntry>,
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
            erasures: Vec::new(),
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
        let mut salts = random.chunks_exact(16).filter_map(|salt| salt.first_chunk::<16>());
        let (mut placed, mut receipts) = (Vec::with_capacity(pool.len()), Vec::with_capacity(pool.len()));
        let mut people = Vec::new();
        for batch in pool {
            let (start, mut receipt) = (self.seen.size(), Receipt::default());
            let mut places = Vec::with_capacity(batch.records.len());
            for admitted in &batch.records {
                let salt =
                    *salts.next().ok_or_else(|| StoreError::Invalid("too little randomness".to_owned()))?;
                let of = (batch.source.as_str(), batch.format.as_str());
                places.push(self.place(&admitted.event, of, salt, &mut receipt, &mut people)?);
            }
            placed.push(PlacedBatch { batch, recorded_at, start, places });
            receipts.push(receipt);
        }
        let (batch, hashes) = write_records(placed, &self.row_bytes)?;
        if batch.num_rows() >= SIZED_ROWS_MIN {
            self.row_bytes = RowBytes::of(&batch);
        }
        let tiles = self.grow(&hashes)?;
        let (size, root) = (self.frontier.size(), self.frontier.root());
        receipts.iter_mut().for_each(|receipt| receipt.tree_size = size);
        let erasures = std::mem::take(&mut self.erasures);
        Ok(Sequenced { batch, tiles, size, root, recorded_at, people, erasures, receipts })
    }

    /// Gives one record the next position, unless it is there already. What is decided here is decided in
    /// order; what follows from it ([`write_records`]) is not.
    fn place(
        &mut self,
        event: &Event,
        (source, format): (&str, &str),
        salt: Salt,
        receipt: &mut Receipt,
        people: &mut Vec<Person>,
    ) -> Result<Option<Place>, StoreError> {
        let seen = self.seen_of(source, event);
        let earlier = self.seen.find(seen)?;
        if earlier.is_known {
            receipt.duplicate += 1;
            return Ok(None);
        }
        let position = self.seen.size();
        self.seen.insert(seen);
        receipt.recorded += 1;
        receipt.revised += u64::from(earlier.deliveries > 0);
        receipt.first_position.get_or_insert(position);
        people.extend(person_of(event, position, format));
        people.extend(self.observed.note(event, position));
        if let Some(Ok(_)) = Erasure::of_body(event.kind, source == SELF, event.body.as_deref()) {
            let body = event.body.clone().unwrap_or_default();
            self.erasures.push(ErasureEntry { position, kind: event.kind, body, is_done: false });
        }
        Ok(Some(Place { salt, revision: earlier.deliveries }))
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

    /// How the index knows a record that may have been erased. An id that the source gave stands in the leaf
    /// and stays; of others nothing stays but that there is a record.
    pub(crate) fn seen_of_record(&self, position: u64, record: &Record) -> Seen {
        let event = &record.event;
        match (&record.erased, &event.native_id) {
            (None, _) => self.seen_of(&record.source, event),
            (Some(_), NativeId::Derived(id)) if id.is_empty() => {
                let place = NativeId::Derived(format!("erased position {position}"));
                Seen::erased(dedup_key(&self.secret, SELF, &place))
            }
            (Some(_), id) => Seen::erased(dedup_key(&self.secret, &record.source, id)),
        }
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

/// A batch whose new records have positions from `start` on, in their order.
struct PlacedBatch {
    batch: Batch,
    recorded_at: Time,
    start: u64,
    /// One for each record; `None` for a duplicate.
    places: Vec<Option<Place>>,
}

/// What a record got with its position.
struct Place {
    salt: Salt,
    revision: u32,
}

/// The columns and leaf hashes of the new records. Most of a commit's work, and a function of each record
/// alone, so every core takes a share of the batches.
fn write_records(
    mut placed: Vec<PlacedBatch>,
    row_bytes: &RowBytes,
) -> Result<(RecordBatch, Vec<Hash>), StoreError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rows: usize = placed.iter().map(|placed| placed.places.len()).sum();
    let share = if rows < SHARED_ROWS_MIN { placed.len() } else { placed.len().div_ceil(cores) };
    let rest = placed.split_off(share.min(placed.len()));
    let mut others: Vec<Vec<PlacedBatch>> = Vec::new();
    for (at, batch) in rest.into_iter().enumerate() {
        match others.last_mut() {
            Some(last) if at % share != 0 => last.push(batch),
            _ => others.push(vec![batch]),
        }
    }
    let written = std::thread::scope(|scope| {
        let spawn = |share| scope.spawn(move || write_share(share, row_bytes));
        let others: Vec<_> = others.into_iter().map(spawn).collect();
        let own = std::iter::once(Ok(write_share(placed, row_bytes)));
        own.chain(others.into_iter().map(|other| other.join())).collect::<Result<Vec<_>, _>>()
    })
    .map_err(|_| StoreError::Poisoned("a record could not be written".to_owned()))?;
    let (batches, hashes): (Vec<RecordBatch>, Vec<Vec<Hash>>) = written.into_iter().unzip();
    let batch = match batches.as_slice() {
        [only] => only.clone(),
        _ => concat_batches(&SCHEMA, &batches)?,
    };
    Ok((batch, hashes.concat()))
}

fn write_share(share: Vec<PlacedBatch>, row_bytes: &RowBytes) -> (RecordBatch, Vec<Hash>) {
    let rows = share.iter().map(|placed| placed.places.len()).sum();
    let mut columns = BatchBuilder::with_capacity(rows, row_bytes);
    let mut hashes = Vec::with_capacity(rows);
    let mut leaves = LeafWriter::new();
    let mut record = empty_record();
    for PlacedBatch { batch, recorded_at, start, places } in share {
        (record.source, record.format) = (batch.source, batch.format);
        (record.received_at, record.recorded_at) = (batch.received_at, recorded_at);
        let placed = batch.records.into_iter().zip(places);
        let new = placed.filter_map(|(admitted, place)| Some((admitted, place?)));
        for (position, (admitted, place)) in (start..).zip(new) {
            (record.event, record.raw_data_hash) = (admitted.event, admitted.raw_data_hash);
            (record.salt, record.revision) = (place.salt, place.revision);
            hashes.push(leaf_hash(leaves.leaf(&record)));
            columns.append(position, &record, &admitted.raw);
        }
    }
    (columns.finish(), hashes)
}
