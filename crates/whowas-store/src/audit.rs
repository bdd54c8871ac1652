//! Checking a trail from its records: leaves, tiles, root, checkpoint. Repairs nothing.
//!
//! Memory is that of one archive file and of the last leaves (`DISTANCE_MAX`), whatever the size of the trail.

mod dated;
mod said;

use std::{collections::BTreeSet, fs, path::Path as FsPath, sync::Arc};

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use sha2::{Digest, Sha256};
use whowas_event::{Erasure, LeafWriter, Time, daily::DayBook};
use whowas_tlog::{
    checkpoint::Checkpoint,
    hash::{Hash, leaf_hash},
    note::VerifyingKey,
    tile::{TileId, TileSource, check_tiles},
    tree::Frontier,
};

use crate::{
    ArchiveFile, DurableLocal, Store, StoreError,
    archive::Archive,
    columns::{read_records, user_key},
    control::Environment,
    layout::decode_file,
    objects::{Objects, TileReader},
    recover::leaf_hashes,
    staging,
};
use dated::Dated;
use said::Said;

/// What a check of one trail found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Audit {
    /// Size of the tree that was checked.
    pub size: u64,
    /// Its root, base64.
    pub root: String,
    /// Records whose leaves were re-derived.
    pub leaves: u64,
    /// Records that lack personal fields, which the trail says were erased.
    pub erased: u64,
    /// Days of which the trail states how many sign-ins it had of them.
    pub days: u64,
    /// Of these, days that were stated again because sign-ins were added.
    pub days_revised: u64,
    /// Of these, days with sign-ins that no statement counts yet.
    pub days_late: u64,
    /// Public keys that signed this trail before, as its `key` records say.
    pub former_keys: Vec<String>,
    /// What is wrong; empty if everything holds. The first is the one to look at.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Where: an object, or a position.
    pub place: String,
    /// What.
    pub reason: String,
}

/// Findings that are listed; a broken file would otherwise fill the screen with its positions.
const FINDINGS_MAX: usize = 100;

impl Store {
    /// Checks one trail of this data folder. The trail must not be open for writing.
    pub async fn audit(&self, environment: &Environment) -> Result<Audit, StoreError> {
        let objects = self.trail_objects(&environment.name);
        let key = self.verifying_key(environment)?;
        let open = self.control().erasures(&environment.name).await?.into_iter().filter(|one| !one.is_done);
        let open = open.filter_map(|one| Erasure::of_body(one.kind, true, Some(&one.body))?.ok());
        let mut auditor = Auditor::new(objects);
        // A crash may have come between an erasure and its being carried out, which the next opening does.
        if self.pending_rotation(environment)?.is_some_and(|pending| pending.signs) {
            auditor.handing_over = Some(self.signer(environment)?.verifying_key().clone());
        }
        auditor.pending = open.flat_map(|one| one.records).map(|one| one.position).collect();
        auditor.run(environment, key).await;
        Ok(auditor.audit)
    }
}

/// Checks a copy of one trail (`checkpoint`, `tile/`, `staging/`, `archive/`) with the public key alone.
/// Writes nothing, so the folder may be read-only, and needs neither the control database nor the trail's
/// secrets.
///
/// # Errors
/// The folder is none, or cannot be named.
pub async fn audit_copy(folder: &FsPath, key: &VerifyingKey) -> Result<Audit, StoreError> {
    let folder = fs::canonicalize(folder).map_err(|e| StoreError::file(folder, e))?;
    let prefix = Path::from_absolute_path(&folder).map_err(|e| StoreError::Invalid(e.to_string()))?;
    let objects = Objects { store: Arc::new(DurableLocal::new()), prefix };
    let note = objects.get("checkpoint").await?.unwrap_or_default();
    let checkpoint = String::from_utf8_lossy(&note).into_owned();
    let signed = Checkpoint::open(&checkpoint, key.name(), std::slice::from_ref(key));
    // What a control database would say, as far as the copy says it itself.
    let environment = Environment {
        name: "copy/copy".parse().map_err(|_| StoreError::Invalid("no name".to_owned()))?,
        origin: key.name().to_owned(),
        secret: [0; 32],
        created_at: Time::default(),
        size: signed.map_or(0, |checkpoint| checkpoint.size),
        checkpoint,
        last_recorded_at: Time::default(),
    };
    let mut auditor = Auditor::new(objects);
    auditor.run(&environment, key.clone()).await;
    Ok(auditor.audit)
}

struct Auditor {
    objects: Objects,
    audit: Audit,
    frontier: Frontier,
    said: Said,
    /// What is stated of whole days; given up where records could not be read.
    book: Option<DayBook>,
    /// Positions of erasures that are not carried out yet.
    pending: BTreeSet<u64>,
    /// The key before the one that signs, while what it signed last may still be published.
    handing_over: Option<VerifyingKey>,
}

impl Auditor {
    fn new(objects: Objects) -> Self {
        let (audit, frontier, said) = (Audit::default(), Frontier::new(), Said::default());
        let book = Some(DayBook::default());
        Self { objects, audit, frontier, said, book, pending: BTreeSet::new(), handing_over: None }
    }

    fn found(&mut self, place: impl Into<String>, reason: impl Into<String>) {
        if self.audit.findings.len() < FINDINGS_MAX {
            self.audit.findings.push(Finding { place: place.into(), reason: reason.into() });
        }
    }

    async fn run(&mut self, environment: &Environment, key: VerifyingKey) {
        let Some(checkpoint) = self.checkpoint(environment, &key).await else { return };
        self.audit.size = checkpoint.size;
        self.audit.root = checkpoint.root.to_string();
        if let Err(error) = self.records(environment, &checkpoint).await {
            self.found("records", error.to_string());
        }
        let said = std::mem::take(&mut self.said);
        self.audit.erased = said.erased();
        self.audit.former_keys = said.former_keys();
        for (position, reason) in said.contradictions(&self.pending) {
            self.found(format!("position {position}"), reason);
        }
        let days = self.book.take().map(DayBook::totals).unwrap_or_default();
        (self.audit.days, self.audit.days_revised, self.audit.days_late) =
            (days.stated, days.revised, days.late);
        if self.frontier.size() != checkpoint.size {
            let have = self.frontier.size();
            self.found(
                "records",
                format!("there are {have} records, the checkpoint says {}", checkpoint.size),
            );
        } else if self.frontier.root() != checkpoint.root {
            self.found("records", "the records do not have the root of the checkpoint");
        }
        let mut reader = self.objects.tile_reader();
        let size = checkpoint.size;
        let checked =
            tokio::task::spawn_blocking(move || check_tiles(size, &mut reader).map_err(|e| e.to_string()))
                .await;
        match checked.map_err(|e| e.to_string()).and_then(|result| result) {
            Ok(root) if root == checkpoint.root => {}
            Ok(_) => self.found("tiles", "the tiles do not have the root of the checkpoint"),
            Err(reason) => self.found("tiles", reason),
        }
        if let Err(error) = self.older_tiles(checkpoint.size, environment.size).await {
            self.found("tiles", error.to_string());
        }
    }

    /// Partial tiles of earlier sizes are still served: each must be the beginning of what replaced it.
    async fn older_tiles(&mut self, size: u64, committed: u64) -> Result<(), StoreError> {
        let prefix = self.objects.path("tile");
        let listed: Vec<_> = self.objects.store.list(Some(&prefix)).try_collect().await?;
        for meta in listed {
            let path = meta.location.as_ref();
            let below =
                path.strip_prefix(self.objects.prefix.as_ref()).unwrap_or(path).trim_start_matches('/');
            let id = TileId::parse(below).ok();
            let current = id.and_then(|id| TileId::in_tree(id.level, id.index, size));
            match (id, current) {
                (Some(id), Some(current)) if id.width < current.width => {
                    let old = self.objects.get(&id.path()).await?;
                    let mut new = self.objects.get(&current.path()).await?;
                    if new.is_none() {
                        // A commit that completed the tile was interrupted while it removed the partial ones.
                        new = self.objects.get(&TileId::full(id.level, id.index).path()).await?;
                    }
                    let is_prefix = old.zip(new).is_some_and(|(old, new)| {
                        old.len() == id.byte_len() && new.get(..old.len()) == Some(old.as_ref())
                    });
                    if !is_prefix {
                        self.found(below, "it is not the beginning of the tile that replaced it");
                    }
                }
                (Some(id), Some(current)) if id == current => {}
                // A commit that a crash interrupted may have written tiles ahead of the published checkpoint.
                (Some(id), _)
                    if TileId::in_tree(id.level, id.index, committed)
                        .is_some_and(|tile| id.width <= tile.width) => {}
                _ => self.found(below, format!("it does not belong to a tree of size {size}")),
            }
        }
        Ok(())
    }

    /// Both checkpoints, the published and the committed one, must verify; they may differ by the one
    /// commit that a crash interrupted.
    async fn checkpoint(&mut self, environment: &Environment, key: &VerifyingKey) -> Option<Checkpoint> {
        let committed =
            Checkpoint::open(&environment.checkpoint, &environment.origin, std::slice::from_ref(key));
        let keys: Vec<VerifyingKey> = self.handing_over.iter().chain([key]).cloned().collect();
        let open = |note: &str| {
            // One key is enough: a note with a signature of either is one that this trail published.
            let tries =
                keys.iter().map(|key| Checkpoint::open(note, &environment.origin, std::slice::from_ref(key)));
            tries
                .reduce(|one, other| one.or(other))
                .unwrap_or_else(|| Checkpoint::open(note, &environment.origin, &[]))
        };
        let published = match self.objects.get("checkpoint").await {
            Ok(Some(note)) => open(&String::from_utf8_lossy(&note)).map_err(|e| e.to_string()),
            Ok(None) => Err("it is missing".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let published = match published {
            Ok(published) => published,
            Err(reason) => {
                self.found("checkpoint", reason);
                return None;
            }
        };
        match self
            .objects
            .get("cosigned")
            .await
            .map(|note| note.map(|note| open(&String::from_utf8_lossy(&note))))
        {
            Ok(None | Some(Ok(_))) => {}
            Ok(Some(Err(error))) => self.found("cosigned", error.to_string()),
            Err(error) => self.found("cosigned", error.to_string()),
        }
        match committed {
            Err(error) => self.found("control database", format!("its checkpoint: {error}")),
            Ok(committed) if committed.size == published.size && committed.root != published.root => {
                self.found("checkpoint", "the control database has another root for the same size");
            }
            Ok(committed) if committed.size < published.size => {
                let (has, knows) = (published.size, committed.size);
                self.found(
                    "control database",
                    format!("it knows {knows} records, a checkpoint for {has} is published"),
                );
            }
            Ok(_) => {}
        }
        Some(published)
    }

    /// Re-derives every leaf in the order of positions and compares it with its tile.
    async fn records(
        &mut self,
        environment: &Environment,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        let url = format!("file:///{}/archive/", self.objects.prefix);
        let url = url::Url::parse(&url).map_err(|e| StoreError::Invalid(e.to_string()))?;
        let log = self.objects.path("archive/_delta_log");
        // Opening would create a table where there is none, and an auditor writes nothing.
        let files = if self.objects.store.list(Some(&log)).try_next().await?.is_some() {
            let store = self.objects.store.clone();
            Archive::open(store, self.objects.prefix.clone(), url).await?.files().to_vec()
        } else {
            Vec::new()
        };
        // Files are checked side by side, a core each, and taken in the order of their positions.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let checks = files.into_iter().map(|file| {
            let (objects, size) = (self.objects.clone(), checkpoint.size);
            async move {
                let path = format!("archive/{}", file.path);
                let checked = match objects.get(&path).await {
                    Ok(Some(body)) => {
                        let mut tiles = TileCompare::new(objects.tile_reader(), size);
                        on_blocking_thread(move || check_file(&file, body, &mut tiles)).await
                    }
                    Ok(None) => Err(StoreError::corrupt("the file is missing")),
                    Err(error) => Err(error),
                };
                (path, checked.and_then(|checked| checked))
            }
        });
        let mut checks = futures::stream::iter(checks.collect::<Vec<_>>()).buffered(cores);
        while let Some((path, checked)) = checks.next().await {
            self.take(&path, checked);
        }
        let mut tiles = TileCompare::new(self.objects.tile_reader(), checkpoint.size);
        for span in self.objects.spans().await? {
            // Committed records only; what lies beyond was never acknowledged.
            if span.start < self.frontier.size() || span.start >= environment.size {
                continue;
            }
            let body = self.objects.get_span(span).await?;
            let decoded = staging::decode(span, &body).and_then(|batch| {
                Ok((leaf_hashes(span, &batch)?, Said::of(&batch)?, Dated::of(span.start, &batch)?))
            });
            let path = span.path().to_string();
            match decoded {
                Ok((hashes, said, dated)) if span.start < checkpoint.size => {
                    let compare = move || (tiles.compare(span.start, &hashes), (tiles, hashes));
                    let (reasons, (back, hashes)) = on_blocking_thread(compare).await?;
                    tiles = back;
                    self.take(&path, Ok(Checked { hashes, reasons, said, dated }));
                }
                Ok(_) => {}
                Err(error) => self.take(&path, Err(error)),
            }
        }
        Ok(())
    }

    fn take(&mut self, path: &str, checked: Result<Checked, StoreError>) {
        match checked {
            Ok(Checked { hashes, reasons, said, dated }) => {
                self.said.merge(said);
                self.audit.leaves += hashes.len() as u64;
                // Where records are missing, the finding that says so is enough.
                if hashes.is_empty() {
                    self.book = None;
                }
                let untrue = self.book.as_mut().map(|book| dated.enter(book, &hashes)).unwrap_or_default();
                for (position, reason) in untrue {
                    self.found(format!("position {position}"), reason);
                }
                hashes.into_iter().for_each(|hash| self.frontier.append(hash));
                reasons.into_iter().for_each(|reason| self.found(path, reason));
            }
            Err(error) => {
                self.book = None;
                self.found(path, error.to_string());
            }
        }
    }
}

async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| StoreError::Poisoned(e.to_string()))
}

/// The leaf hashes of some records in the order of their positions, what is wrong with them, and what they
/// say and lack of erased fields.
struct Checked {
    hashes: Vec<Hash>,
    reasons: Vec<String>,
    said: Said,
    dated: Dated,
}

/// Checks one archive file.
fn check_file(
    file: &ArchiveFile,
    body: bytes::Bytes,
    tiles: &mut TileCompare,
) -> Result<Checked, StoreError> {
    let mut reasons = Vec::new();
    let mut said = Said::default();
    if hex::encode(Sha256::digest(&body)) != file.sha256 {
        return Err(StoreError::corrupt("its bytes are not those that were written"));
    }
    let rows = usize::try_from(file.rows).map_err(|_| StoreError::corrupt("it states too many rows"))?;
    let mut hashes: Vec<Option<Hash>> = vec![None; rows];
    let mut dated = Dated::new(file.start, rows);
    let mut leaves = LeafWriter::new();
    let mut times: Option<(Time, Time)> = None;
    for batch in decode_file(body)? {
        let keys = batch.column_by_name("user_key").cloned();
        let keys = keys.as_ref().and_then(|c| arrow::array::AsArray::as_string_opt::<i32>(c));
        let mut row = 0;
        read_records(&batch, |position, record, _| {
            let slot = position.checked_sub(file.start).and_then(|at| usize::try_from(at).ok());
            let at = record.event.occurred_at;
            times = times.map_or(Some((at, at)), |(min, max)| Some((min.min(at), max.max(at))));
            match slot.and_then(|at| hashes.get_mut(at)) {
                None => reasons.push(format!("position {position} does not belong here")),
                Some(Some(_)) => reasons.push(format!("position {position} stands here twice")),
                Some(slot) => *slot = Some(leaf_hash(leaves.leaf(record))),
            }
            if keys.is_none_or(|keys| keys.value(row) != user_key(record)) {
                reasons.push(format!("position {position}: user_key is not the user's"));
            }
            said.note(position, record);
            dated.note(position, record);
            row += 1;
            Ok(())
        })?;
    }
    // Searches choose files by these times: a wrong one would hide records that are all there.
    if times != Some((file.occurred_min, file.occurred_max)) {
        reasons.push("the archive's log states other times than the records have".to_owned());
    }
    reasons.truncate(FINDINGS_MAX);
    let Some(hashes) = hashes.into_iter().collect::<Option<Vec<Hash>>>() else {
        reasons.push("records are missing".to_owned());
        return Ok(Checked { hashes: Vec::new(), reasons, said, dated });
    };
    reasons.extend(tiles.compare(file.start, &hashes));
    Ok(Checked { hashes, reasons, said, dated })
}

/// Compares leaf hashes with level 0 of the tiles.
struct TileCompare {
    reader: TileReader,
    size: u64,
}

impl TileCompare {
    fn new(reader: TileReader, size: u64) -> Self {
        Self { reader, size }
    }

    fn compare(&mut self, start: u64, hashes: &[Hash]) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut tile: Option<(u64, Vec<u8>)> = None;
        for (at, hash) in hashes.iter().enumerate() {
            let position = start + at as u64;
            let index = position / 256;
            if tile.as_ref().is_none_or(|(loaded, _)| *loaded != index) {
                let width = (self.size - (index * 256).min(self.size)).min(256);
                let id = TileId { level: 0, index, width: u16::try_from(width).unwrap_or(256) };
                match self.reader.read(id) {
                    Ok(body) => tile = Some((index, body)),
                    Err(error) => {
                        reasons.push(error.to_string());
                        return reasons;
                    }
                }
            }
            let offset = usize::try_from(position % 256).unwrap_or(0) * 32;
            let stored = tile.as_ref().and_then(|(_, body)| body.get(offset..offset + 32));
            if stored != Some(&hash.0[..]) && reasons.len() < FINDINGS_MAX {
                reasons.push(format!(
                    "position {position}: the record does not have the leaf hash that was committed"
                ));
            }
        }
        reasons
    }
}
