//! Erasing personal fields from a trail, in everything that a data folder holds.
//!
//! An erasure is a record like any other: from its commit on it is true. What follows from it is carried
//! out when the trail is opened (`carry_out`), and nowhere else. So [`Store::erase`] commits the record,
//! closes the trail and opens it; after a crash at any moment, opening does the same. Every step may be
//! repeated. Whose records are meant is decided before (`whowas_event::whose`, filters); what a record must
//! lack afterward is compared by `audit.rs`.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use arrow::array::RecordBatch;
use serde_json::{Map, Value};
use whowas_event::{
    Draft, EnvironmentName, ErasedAt, Erasure, Event, Kind, LeafWriter, NativeId, Reach, Record, Status,
    Time, admit, admit::RawData, erasable, erase, erasure::SELF, jcs,
};

use crate::{
    Batch, Receipt, Store, StoreError, Trail, WhenFull,
    archive::Archive,
    columns::{BatchBuilder, RowBytes, read_records},
    control::Scrub,
    layout::decode_file,
    recover::Opening,
    staging,
    trail::TailBatch,
};

/// Positions with the widest reach that was asked for.
type Places = BTreeMap<u64, Reach>;

/// Positions of records that lack personal fields because they were erased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErasedPositions {
    sorted: Vec<u64>,
    minimum_index: u64,
}

impl ErasedPositions {
    /// Whether something of this record was erased.
    pub fn contains(&self, position: u64) -> bool {
        self.sorted.binary_search(&position).is_ok()
    }

    /// Entry bundles that end at or before this position are not handed out (C2SP pruning); 0 as a rule.
    pub const fn minimum_index(&self) -> u64 {
        self.minimum_index
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether nothing was ever erased.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }
}

/// What is to be erased, and what the record of it says.
#[derive(Clone, Debug)]
pub struct ErasureOrder {
    /// [`Kind::Erasure`], or [`Kind::Retention`] if a rule asks for it.
    pub kind: Kind,
    /// What is to go.
    pub erasure: Erasure,
    /// Members of the record's body beside those of the erasure. In clear in the leaf: they name nobody.
    pub body: Map<String, Value>,
    /// Who asks.
    pub user: String,
    /// Why, and whatever else may name people: only committed to.
    pub personal: Map<String, Value>,
}

impl Trail {
    /// Shows every record of the trail to `each`, with its raw bytes, in no order. Memory is that of one
    /// archive file.
    ///
    /// # Errors
    /// Records cannot be read.
    pub async fn visit<S: Send + 'static>(
        &self,
        mut state: S,
        each: fn(&mut S, u64, &Record, &[u8]),
    ) -> Result<S, StoreError> {
        let snapshot = self.snapshot();
        for file in &snapshot.files {
            let path = format!("archive/{}", file.path);
            let body = self.shared().objects.get(&path).await?;
            let body = body.ok_or_else(|| StoreError::corrupt(format!("{path} is missing")))?;
            state = on_blocking_thread(move || {
                for batch in decode_file(body)? {
                    show(&batch, &mut state, each)?;
                }
                Ok(state)
            })
            .await?;
        }
        on_blocking_thread(move || {
            for one in &snapshot.tail {
                show(&one.batch, &mut state, each)?;
            }
            Ok(state)
        })
        .await
    }
}

fn show<S>(
    batch: &RecordBatch,
    state: &mut S,
    each: fn(&mut S, u64, &Record, &[u8]),
) -> Result<(), StoreError> {
    read_records(batch, |position, record, raw| {
        each(state, position, record, raw);
        Ok(())
    })
}

/// Adds a record to an erasure, if it has something of what `reach` takes.
pub fn add(erasure: &mut Erasure, position: u64, record: &Record, reach: Reach) {
    if let Some(count) = u8::try_from(erasable(record, reach)).ok().filter(|count| *count > 0) {
        erasure.records.push(ErasedAt { position, reach, count });
    }
}

impl Store {
    /// Erases. When this returns, nothing of the values is left in this data folder, and the trail says
    /// what was erased. Snapshots that somebody holds from before are the exception: let go of them.
    ///
    /// # Errors
    /// Before the commit nothing has happened. After it, opening the trail carries the erasure out.
    pub async fn erase(&self, name: &EnvironmentName, order: ErasureOrder) -> Result<Receipt, StoreError> {
        let now = self.clock().now();
        let records = records_of(&order, now)?;
        let trail = self.trail(name).await?;
        let batch = Batch { source: SELF.to_owned(), format: SELF.to_owned(), received_at: now, records };
        let receipt = trail.append(batch, WhenFull::Wait).await?;
        // Committed. A crash here, or at any later moment, is completed by the next opening.
        trail.reopening.erases(true);
        let reopened = self.reopen(&trail, async { Ok(()) }).await;
        trail.reopening.erases(false);
        reopened.map(|()| receipt)
    }
}

/// The records that state an erasure: one commit, as many as their bodies need.
fn records_of(order: &ErasureOrder, now: Time) -> Result<Vec<whowas_event::Admitted>, StoreError> {
    let parts = order.erasure.clone().into_parts();
    let count = parts.len();
    let canonical = |members: Map<String, Value>| {
        jcs::canonical(&Value::Object(members))
            .map_err(|e| StoreError::Invalid(format!("an erasure record: {e}")))
    };
    let mut records = Vec::with_capacity(count);
    for (at, part) in parts.into_iter().enumerate() {
        let mut body = order.body.clone();
        body.extend(part.members());
        body.insert("part".to_owned(), Value::from(at + 1));
        body.insert("parts".to_owned(), Value::from(count));
        let mut event = Event {
            kind: order.kind,
            occurred_at: now,
            status: Status::Success,
            native_id: NativeId::Derived(format!("{}:{}:{at}", order.kind.as_str(), now.as_ms())),
            body: Some(canonical(body)?),
            ..Event::default()
        };
        event.user.name = Some(order.user.clone());
        if !order.personal.is_empty() {
            event.unmapped = Some(canonical(order.personal.clone())?);
        }
        let admitted = admit(Draft { event, raw: Vec::new() }, RawData::Dropped);
        records.push(admitted.map_err(|e| StoreError::Invalid(format!("an erasure record: {e}")))?);
    }
    Ok(records)
}

/// Carries out what the trail's erasure records state and this folder does not know as done: in the tail,
/// the archive, the index of seen records, leftovers of crashes and the control database.
pub(crate) async fn carry_out(
    opening: &Opening,
    archive: &mut Archive,
    tail: &mut [Arc<TailBatch>],
) -> Result<ErasedPositions, StoreError> {
    let name = &opening.environment.name;
    let entries = opening.control.erasures(name).await?;
    let (mut all, mut open, mut rejected) = (Places::new(), Places::new(), Vec::new());
    let (mut is_open, mut minimum_index) = (false, 0);
    for entry in &entries {
        let read = Erasure::of_body(entry.kind, true, Some(&entry.body));
        let Some(Ok(erasure)) = read else {
            return Err(StoreError::corrupt(format!(
                "the erasure of position {} cannot be read",
                entry.position
            )));
        };
        // An archive from a backup may be behind what was done before.
        let is_new = !entry.is_done || entry.position >= archive.erased_to();
        is_open |= is_new;
        minimum_index = minimum_index.max(erasure.minimum_index);
        for one in &erasure.records {
            all.insert(one.position, one.reach);
            if is_new {
                open.entry(one.position)
                    .and_modify(|reach| *reach = one.reach.min(*reach))
                    .or_insert(one.reach);
            }
        }
        rejected.extend(erasure.rejected);
    }
    let done = ErasedPositions { sorted: all.into_keys().collect(), minimum_index };
    let (true, Some(last)) = (is_open, entries.last()) else { return Ok(done) };
    tracing::info!(environment = %name, records = open.len(), "personal fields are being erased");
    let open = Arc::new(open);
    // First: indexes, kept sessions and exports were made of the values. What is derived is made anew of what is
    // left; exports are not.
    if let Some(trail) = opening.seen_folder.parent() {
        remove_derived(trail)?;
    }
    rewrite_tail(opening, tail, &open).await?;
    let places = open.clone();
    let is_meant = move |file: &crate::ArchiveFile| places.range(file.start..file.end).next().is_some();
    let places = open.clone();
    let rewrite = move |batches: Vec<RecordBatch>| rewrite_batches(&batches, &places);
    let now = opening.clock.now();
    archive.rewrite(is_meant, Arc::new(rewrite), (last.position + 1, now)).await?;
    archive.sweep().await?;
    if let Some(folder) = opening.seen_folder.parent() {
        remove_leftovers(folder)?;
    }
    let with = |takes: fn(Reach) -> bool| {
        open.iter().filter(|(_, reach)| takes(**reach)).map(|(position, _)| *position).collect()
    };
    let scrub = Scrub { people: with(|reach| reach == Reach::All), attributes: with(|_| true), rejected };
    // Last: from here on the erasure is done, and is not looked at again.
    opening.control.scrub(name, &scrub, last.position).await?;
    Ok(done)
}

/// Every staging object with a record that is meant is replaced by one of the same name.
async fn rewrite_tail(
    opening: &Opening,
    tail: &mut [Arc<TailBatch>],
    places: &Arc<Places>,
) -> Result<(), StoreError> {
    for one in tail {
        let span = one.span;
        if places.range(span.start..span.end).next().is_none() {
            continue;
        }
        let (batch, places) = (one.batch.clone(), places.clone());
        let rewritten = on_blocking_thread(move || {
            let Some(batches) = rewrite_batches(&[batch], &places)? else { return Ok(None) };
            let batch = arrow::compute::concat_batches(&crate::columns::SCHEMA, &batches)?;
            let body = staging::encode(&batch)?;
            Ok(Some((batch, body)))
        })
        .await?;
        if let Some((batch, body)) = rewritten {
            opening.objects.put(span.path().as_ref(), body).await?;
            *one = Arc::new(TailBatch { span, batch });
        }
    }
    Ok(())
}

/// The same records without what is erased; `None` if nothing of it was there any more.
fn rewrite_batches(batches: &[RecordBatch], places: &Places) -> Result<Option<Vec<RecordBatch>>, StoreError> {
    let mut out = Vec::with_capacity(batches.len());
    let mut is_changed = false;
    for batch in batches {
        let mut columns = BatchBuilder::with_capacity(batch.num_rows(), &RowBytes::of(batch));
        let mut gone = 0;
        read_records(batch, |position, record, raw| {
            match places.get(&position) {
                None => columns.append(position, record, raw),
                Some(reach) => {
                    let erased = without(position, record, *reach)?;
                    gone += usize::from(erased != *record);
                    columns.append(position, &erased, raw);
                }
            }
            Ok(())
        })?;
        is_changed |= gone > 0;
        out.push(if gone > 0 { columns.finish() } else { batch.clone() });
    }
    Ok(is_changed.then_some(out))
}

/// The record without its fields, if its leaf stays what it is: what is erased cannot be had again, so a
/// leaf that would change stops everything while the record is still whole.
fn without(position: u64, record: &Record, reach: Reach) -> Result<Record, StoreError> {
    let mut leaves = LeafWriter::new();
    let before = leaves.leaf(record).to_vec();
    let mut erased = record.clone();
    erase(&mut erased, reach);
    if leaves.leaf(&erased) != before {
        return Err(StoreError::corrupt(format!("position {position}: erasing would change the leaf")));
    }
    Ok(erased)
}

/// Each needs another file that comes into being while the folder is being emptied.
const REMOVE_TRIES: u32 = 8;

/// Folders of a trail that are not derived from its records.
const TRUE_FOLDERS: [&str; 3] = ["archive", "staging", "tile"];

/// Deletes every other folder, whoever made it: whatever is derived from records can be derived again.
fn remove_derived(trail: &Path) -> Result<(), StoreError> {
    let failed = |path: &Path, e| StoreError::file(path, e);
    for entry in fs::read_dir(trail).map_err(|e| failed(trail, e))? {
        let entry = entry.map_err(|e| failed(trail, e))?;
        let path = entry.path();
        let is_true = TRUE_FOLDERS.iter().any(|name| entry.file_name() == *name);
        if path.is_dir() && !is_true {
            remove_folder(&path).map_err(|e| failed(&path, e))?;
        }
    }
    crate::durable::sync_parent(&trail.join("seen")).map_err(|e| failed(trail, e))
}

/// Deletes a folder into which somebody may still be writing: what is derived is derived beside the writer.
fn remove_folder(path: &Path) -> std::io::Result<()> {
    let mut tries = 0..REMOVE_TRIES;
    loop {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty && tries.next().is_some() => {
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            done => return done,
        }
    }
}

/// Temporary files that a crash left may hold records.
fn remove_leftovers(trail: &Path) -> Result<(), StoreError> {
    for below in ["", "staging", "archive", "archive/_delta_log", "seen"] {
        let folder = trail.join(below);
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(".tmp-") {
                fs::remove_file(&path).map_err(|e| StoreError::file(&path, e))?;
            }
        }
    }
    Ok(())
}

async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| StoreError::Poisoned(e.to_string()))?
}
