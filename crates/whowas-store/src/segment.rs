//! Records as files outside of the trail, and a trail from such files.
//!
//! A segment has all records of some positions, with their salts and raw bytes, as an archive file has them. Leaves,
//! tiles and root are re-derived from it. A restored trail is made a segment at a time: its records as a staging
//! object, a checkpoint of that size in the control database, and then the trail is opened: what recovery does with
//! a commit that was interrupted makes tiles, people, erasures and archive. Every checkpoint on the way is of a
//! beginning of the same log.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
    compute::{concat_batches, filter_record_batch, interleave_record_batch},
    datatypes::Int64Type,
};
use bytes::Bytes;
use whowas_event::{EnvironmentName, Erasure, Kind, Time, erasure::SELF};
use whowas_tlog::{
    checkpoint::Checkpoint,
    hash::{Hash, leaf_hash},
    note::{SigningKey, VerifyingKey},
    tree::Frontier,
};

use crate::{
    Snapshot, Store, StoreError, Trail,
    columns::{SCHEMA, read_records},
    control::{Commit, ErasureEntry, Person},
    directory::{Observed, person_of},
    layout::{decode_file, encode_file},
    staging::{self, Span},
};

/// Records of one segment: some 75 MB of columns, like a tail that is moved to the archive.
pub const SEGMENT_RECORDS_MAX: u64 = 128 * 1024;
/// Bytes of one segment: each record with a raw record of the largest size would be more, and no source does that.
pub const SEGMENT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Some records as one Parquet file.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The file.
    pub bytes: Vec<u8>,
    /// Lower-case hexadecimal SHA-256 of it.
    pub sha256: String,
    /// Sign-ins and sign-outs among them that happened before the time that was asked about.
    pub earlier: u64,
}

impl Trail {
    /// All records of `positions` as a file, and how many of them happened before `since`.
    ///
    /// # Errors
    /// There are fewer records, more than [`SEGMENT_RECORDS_MAX`] were asked for, or they cannot be read.
    pub async fn segment(
        &self,
        snapshot: &Arc<Snapshot>,
        positions: Range<u64>,
        since: Time,
    ) -> Result<Segment, StoreError> {
        let count = positions.end.saturating_sub(positions.start);
        if positions.end > snapshot.size || count > SEGMENT_RECORDS_MAX {
            return Err(StoreError::Invalid(format!(
                "a segment has at most {SEGMENT_RECORDS_MAX} of the trail's {} records",
                snapshot.size
            )));
        }
        let overlaps = |start: u64, end: u64| start < positions.end && end > positions.start;
        let mut batches = Vec::new();
        for file in snapshot.files.iter().filter(|file| overlaps(file.start, file.end)) {
            let path = format!("archive/{}", file.path);
            let body = self.shared().objects.get(&path).await?;
            let body = body.ok_or_else(|| StoreError::corrupt(format!("{path} is missing")))?;
            let positions = positions.clone();
            let within = move || {
                let decoded = decode_file(body)?;
                decoded.iter().map(|batch| within(batch, &positions)).collect::<Result<Vec<_>, _>>()
            };
            batches.extend(on_blocking_thread(within).await?);
        }
        for one in snapshot.tail.iter().filter(|one| overlaps(one.span.start, one.span.end)) {
            batches.push(within(&one.batch, &positions)?);
        }
        on_blocking_thread(move || {
            let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
            if rows != count {
                return Err(StoreError::corrupt(format!("{rows} records for {count} positions")));
            }
            let mut earlier = 0;
            for batch in &batches {
                read_records(batch, |_, record, _| {
                    let is_login = record.event.kind == Kind::Login;
                    earlier += u64::from(is_login && record.event.occurred_at < since);
                    Ok(())
                })?;
            }
            let (file, bytes) = encode_file(&batches, positions.start)?;
            Ok(Segment { bytes, sha256: file.sha256, earlier })
        })
        .await
    }
}

/// The rows of a batch whose positions are wanted.
fn within(batch: &RecordBatch, wanted: &Range<u64>) -> Result<RecordBatch, StoreError> {
    let positions = positions_of(batch)?;
    let is_wanted = |at: &i64| u64::try_from(*at).is_ok_and(|at| wanted.contains(&at));
    let mask: BooleanArray = positions.values().iter().map(|at| Some(is_wanted(at))).collect();
    Ok(filter_record_batch(batch, &mask)?)
}

fn positions_of(batch: &RecordBatch) -> Result<&arrow::array::Int64Array, StoreError> {
    let column = batch.column_by_name("position").and_then(|c| c.as_primitive_opt::<Int64Type>());
    column.ok_or_else(|| StoreError::corrupt("records lack their positions"))
}

/// The records of a segment, in the order of their positions, which are exactly `positions`.
fn ordered(body: Bytes, positions: &Range<u64>) -> Result<RecordBatch, StoreError> {
    let broken =
        |what: &str| StoreError::corrupt(format!("records {} to {}: {what}", positions.start, positions.end));
    let batches = decode_file(body)?;
    if batches.iter().any(|batch| batch.schema().fields() != SCHEMA.fields()) {
        return Err(broken("the columns are not those of a record"));
    }
    let mut rows = Vec::new();
    for (at, batch) in batches.iter().enumerate() {
        if rows.len() as u64 > positions.end - positions.start {
            break;
        }
        rows.extend(
            positions_of(batch)?.values().iter().enumerate().map(|(row, position)| (*position, at, row)),
        );
    }
    rows.sort_unstable();
    let is_next =
        |((position, ..), wanted): (&(i64, usize, usize), u64)| u64::try_from(*position) == Ok(wanted);
    if rows.len() as u64 != positions.end - positions.start
        || !rows.iter().zip(positions.start..).all(is_next)
    {
        return Err(broken("they are not the records of these positions"));
    }
    let places: Vec<(usize, usize)> = rows.iter().map(|&(_, batch, row)| (batch, row)).collect();
    let sources: Vec<&RecordBatch> = batches.iter().collect();
    match sources.as_slice() {
        [] => Ok(concat_batches(&SCHEMA, [])?),
        // The schema that Parquet gives back has metadata of its own; the columns are compared above.
        _ => {
            let batch = interleave_record_batch(&sources, &places)?;
            Ok(RecordBatch::try_new(SCHEMA.clone(), batch.columns().to_vec())?)
        }
    }
}

/// The leaf hashes of a segment's records, in the order of their positions.
///
/// # Errors
/// The file does not have exactly the records of `positions`.
pub fn segment_leaves(body: Bytes, positions: Range<u64>) -> Result<Vec<Hash>, StoreError> {
    let batch = ordered(body, &positions)?;
    let mut leaves = whowas_event::LeafWriter::new();
    let mut hashes = Vec::with_capacity(batch.num_rows());
    read_records(&batch, |_, record, _| {
        hashes.push(leaf_hash(leaves.leaf(record)));
        Ok(())
    })?;
    Ok(hashes)
}

/// A trail that is being made from segments.
#[derive(Debug)]
pub struct Restoring<'s> {
    store: &'s Store,
    name: EnvironmentName,
    signer: SigningKey,
    frontier: Frontier,
    observed: Observed,
}

impl Store {
    /// Begins a trail that gets its records from segments. `key` is the text of the trail's secret key; without it the
    /// trail gets a new one.
    ///
    /// # Errors
    /// There is an environment of this name, or the key is of another origin.
    pub async fn restore(
        &self,
        name: &EnvironmentName,
        origin: &str,
        key: Option<&str>,
    ) -> Result<Restoring<'_>, StoreError> {
        let signer = match key {
            Some(text) => {
                SigningKey::parse(text.trim()).map_err(|e| StoreError::Invalid(format!("the key: {e}")))?
            }
            None => {
                let mut seed = [0; 32];
                getrandom::fill(&mut seed)
                    .map_err(|e| StoreError::Poisoned(format!("no randomness: {e}")))?;
                SigningKey::from_seed(origin, seed).map_err(|e| StoreError::Invalid(e.to_string()))?
            }
        };
        if signer.verifying_key().name() != origin {
            let other = signer.verifying_key().name();
            return Err(StoreError::Invalid(format!("the key is of {other}, the trail is {origin}")));
        }
        if self.control().environment(name).await?.is_some() {
            return Err(StoreError::Invalid(format!("there is an environment {name} already")));
        }
        self.create(name, &signer).await?;
        let frontier = Frontier::default();
        Ok(Restoring {
            store: self,
            name: name.clone(),
            signer,
            frontier,
            observed: Observed::new([].iter()),
        })
    }
}

impl Restoring<'_> {
    /// Records that are there.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over them.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// By which the trail's checkpoints are verified.
    pub fn verifying_key(&self) -> &VerifyingKey {
        self.signer.verifying_key()
    }

    /// Adds the records of a segment, which has those up to `end`. When this returns they are committed.
    ///
    /// # Errors
    /// The file does not have exactly these records, or cannot be stored.
    pub async fn add(&mut self, body: Bytes, end: u64) -> Result<(), StoreError> {
        let span = Span { start: self.size(), end };
        if end <= span.start || end - span.start > SEGMENT_RECORDS_MAX {
            return Err(StoreError::Invalid(format!("a segment from {} to {end}", span.start)));
        }
        let batch = on_blocking_thread(move || ordered(body, &(span.start..span.end))).await?;
        let (mut people, mut erasures, mut recorded_at) = (Vec::new(), Vec::new(), Time::default());
        let mut leaves = whowas_event::LeafWriter::new();
        read_records(&batch, |position, record, _| {
            self.frontier.append(leaf_hash(leaves.leaf(record)));
            recorded_at = recorded_at.max(record.recorded_at);
            let event = &record.event;
            // What was erased says nothing of people any more.
            if record.erased.is_none() {
                people.extend(person_of(event, position, &record.format));
                people.extend(self.observed.note(event, position));
            }
            if let Some(Ok(_)) = Erasure::of_body(event.kind, record.source == SELF, event.body.as_deref()) {
                let body = event.body.clone().unwrap_or_default();
                erasures.push(ErasureEntry { position, kind: event.kind, body, is_done: false });
            }
            Ok(())
        })?;
        let objects = self.store.trail_objects(&self.name);
        objects.put(span.path().as_ref(), staging::encode(&batch)?).await?;
        self.commit(span, recorded_at, people, erasures).await?;
        // Opening makes tiles and what else there is of a trail; closing leaves no records in memory.
        let trail = self.store.trail(&self.name).await?;
        trail.settle().await;
        if let Some(reason) = trail.poisoned() {
            return Err(StoreError::Poisoned(reason));
        }
        drop(trail);
        self.store.forget(&self.name).await
    }

    async fn commit(
        &self,
        span: Span,
        recorded_at: Time,
        people: Vec<Person>,
        erasures: Vec<ErasureEntry>,
    ) -> Result<(), StoreError> {
        let origin = self.signer.verifying_key().name().to_owned();
        let checkpoint = Checkpoint { origin, size: span.end, root: self.root(), extensions: Vec::new() };
        let commit = Commit {
            expected_size: span.start,
            size: span.end,
            checkpoint: checkpoint.sign(&self.signer),
            recorded_at,
            people,
            erasures,
            progress: Vec::new(),
        };
        if self.store.control().commit(&self.name, &commit).await? {
            return Ok(());
        }
        Err(StoreError::Poisoned("another writer has committed to this trail".to_owned()))
    }
}

async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| StoreError::Poisoned(e.to_string()))?
}
