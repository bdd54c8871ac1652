//! The archive: every record that left the tail, in Parquet files of a Delta table.
//!
//! Any Delta reader can use it. A file covers a stretch of positions; how rows lie in it is decided in
//! `layout.rs`. Files are small when they come from the tail; [`Archive::compact`] merges neighbours.

use std::{collections::HashMap, sync::Arc};

use arrow::{array::RecordBatch, datatypes::DataType as ArrowType};
use deltalake_core::{
    DeltaTable, DeltaTableBuilder,
    kernel::{
        Action, Add, DataType, PrimitiveType, StructField, Transaction,
        transaction::{CommitBuilder, CommitProperties},
    },
    operations::create::CreateBuilder,
    protocol::{DeltaOperation, SaveMode},
};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use url::Url;
use whowas_event::Time;

use crate::{
    StoreError,
    columns::SCHEMA,
    layout::{FILE_ROWS_MAX, decode_file, digest_in_name, encode_file},
};

/// The application id under which the Delta log states how far the archive reaches.
const TRANSACTION_APP: &str = "whowas-archived-to";
/// The one under which it states which erasures were carried out in it: all before this position. So an
/// archive that is put back from a backup is known to have fields that it must not have.
const ERASED_APP: &str = "whowas-erased-to";
/// Files of at most this many rows are merged by compaction.
const SMALL_FILE_ROWS: u64 = FILE_ROWS_MAX as u64 / 2;
/// So many small neighbours are worth a merge.
const COMPACT_FILES_MIN: usize = 4;

/// Makes other records of those of one file, or leaves them.
pub(crate) type Rewrite =
    dyn Fn(Vec<RecordBatch>) -> Result<Option<Vec<RecordBatch>>, StoreError> + Send + Sync;

/// One Parquet file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveFile {
    /// Path below the archive's root.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its records.
    pub rows: u64,
    /// The positions it covers, `start..end`.
    pub start: u64,
    /// One past its last position.
    pub end: u64,
    /// The earliest `occurred_at` in it.
    pub occurred_min: Time,
    /// The latest.
    pub occurred_max: Time,
    /// Lower-case hexadecimal SHA-256 of the whole file, from its name. It finds damage, not forgery:
    /// that the records are the committed ones is for the leaves to prove.
    pub sha256: String,
}

/// The Delta table of one trail.
#[derive(Debug)]
pub(crate) struct Archive {
    table: DeltaTable,
    store: Arc<dyn ObjectStore>,
    /// The trail's objects; `archive/` below it is the table.
    prefix: Path,
    files: Vec<ArchiveFile>,
    archived_to: u64,
    erased_to: u64,
}

impl Archive {
    /// Opens the table at `url`, creating it if there is none. `store` has the file system's root (or the
    /// bucket's) as its own.
    pub(crate) async fn open(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        url: Url,
    ) -> Result<Self, StoreError> {
        let builder = DeltaTableBuilder::from_url(url.clone())?.with_storage_backend(store.clone(), url);
        let mut table = builder.build()?;
        if table.verify_deltatable_existence().await? {
            table.load().await?;
        } else {
            table = CreateBuilder::new()
                .with_log_store(table.log_store())
                .with_table_name("records")
                .with_columns(delta_columns())
                .await?;
        }
        let mut archive = Self { table, store, prefix, files: Vec::new(), archived_to: 0, erased_to: 0 };
        archive.reload().await?;
        Ok(archive)
    }

    /// Deletes Parquet files that the table does not name: replaced ones whose readers are gone, and those
    /// of a commit that a crash interrupted. Only while nobody reads, so: on opening.
    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        let listed: Vec<_> = self.store.list(Some(&self.location(""))).try_collect().await?;
        for meta in listed {
            let name = meta.location.filename().unwrap_or_default();
            let is_ours = digest_in_name(name).is_some();
            if is_ours && !self.files.iter().any(|file| file.path == name) {
                self.store.delete(&meta.location).await?;
            }
        }
        Ok(())
    }

    /// Takes the list of files from the Delta log.
    async fn reload(&mut self) -> Result<(), StoreError> {
        let state = self.table.snapshot()?;
        let log_store = self.table.log_store();
        let reached = state.snapshot().transaction_version(log_store.as_ref(), TRANSACTION_APP).await?;
        self.archived_to = u64::try_from(reached.unwrap_or(0)).unwrap_or(0);
        let erased = state.snapshot().transaction_version(log_store.as_ref(), ERASED_APP).await?;
        self.erased_to = u64::try_from(erased.unwrap_or(0)).unwrap_or(0);
        self.files.clear();
        for file in state.log_data().iter() {
            let stats: Stats = file
                .stats()
                .and_then(|text| serde_json::from_str(&text).ok())
                .ok_or_else(|| StoreError::corrupt(format!("archive: {} has no statistics", file.path())))?;
            let mut found = stats.file(file.path().into_owned(), u64::try_from(file.size()).unwrap_or(0))?;
            found.sha256 = digest_in_name(&found.path).unwrap_or_default().to_owned();
            self.files.push(found);
        }
        self.files.sort_by_key(|file| file.start);
        let mut at = 0;
        for file in &self.files {
            if file.start != at || file.end < file.start || file.rows != file.end - file.start {
                return Err(StoreError::corrupt(format!(
                    "archive: positions {at} to {} are missing",
                    file.start
                )));
            }
            at = file.end;
        }
        if at != self.archived_to {
            return Err(StoreError::corrupt(format!(
                "archive: its files reach position {at}, its log says {}",
                self.archived_to
            )));
        }
        Ok(())
    }

    pub(crate) fn files(&self) -> &[ArchiveFile] {
        &self.files
    }

    /// Every position below this is in the archive.
    pub(crate) const fn archived_to(&self) -> u64 {
        self.archived_to
    }

    /// Adds the batches, which follow `archived_to` without a gap. When this returns they are durable and
    /// their staging objects may go.
    pub(crate) async fn append(&mut self, batches: Vec<RecordBatch>, now: Time) -> Result<(), StoreError> {
        let start = self.archived_to;
        let (file, body) = tokio::task::spawn_blocking(move || encode_file(&batches, start))
            .await
            .map_err(|e| StoreError::Poisoned(e.to_string()))??;
        self.put(&file, body).await?;
        let end = file.end;
        self.commit(
            vec![add_action(&file, now, true)],
            (end, self.erased_to),
            DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None },
        )
        .await
    }

    async fn put(&self, file: &ArchiveFile, body: Vec<u8>) -> Result<(), StoreError> {
        self.store.put(&self.location(&file.path), body.into()).await?;
        Ok(())
    }

    fn location(&self, path: &str) -> Path {
        Path::from(format!("{}/archive/{path}", self.prefix).trim_end_matches('/'))
    }

    async fn commit(
        &mut self,
        actions: Vec<Action>,
        (end, erased_to): (u64, u64),
        operation: DeltaOperation,
    ) -> Result<(), StoreError> {
        let mark = |app, to: u64| Transaction::new(app, i64::try_from(to).unwrap_or(i64::MAX));
        let properties = CommitProperties::default()
            .with_application_transactions(vec![mark(TRANSACTION_APP, end), mark(ERASED_APP, erased_to)])
            .with_cleanup_expired_logs(Some(true));
        let log_store = self.table.log_store();
        let state = self.table.snapshot()?.clone();
        CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(&state), log_store, operation)
            .await?;
        self.table.update_state().await?;
        self.reload().await
    }

    /// Every erasure that a record before this position states was carried out here.
    pub(crate) const fn erased_to(&self) -> u64 {
        self.erased_to
    }

    /// Replaces every file that `rewrite` changes, in one commit that says so. The replaced files still lie
    /// there, unused, until [`sweep`](Self::sweep). `None` from `rewrite` leaves a file as it is.
    pub(crate) async fn rewrite(
        &mut self,
        is_meant: impl Fn(&ArchiveFile) -> bool,
        rewrite: Arc<Rewrite>,
        (erased_to, now): (u64, Time),
    ) -> Result<(), StoreError> {
        let (mut replaced, mut actions) = (Vec::new(), Vec::new());
        for old in self.files.iter().filter(|file| is_meant(file)) {
            let body = self.store.get(&self.location(&old.path)).await?.bytes().await?;
            let (start, rewrite) = (old.start, rewrite.clone());
            let written = tokio::task::spawn_blocking(move || match rewrite(decode_file(body)?)? {
                Some(batches) => encode_file(&batches, start).map(Some),
                None => Ok(None),
            });
            if let Some((file, body)) = written.await.map_err(|e| StoreError::Poisoned(e.to_string()))?? {
                self.put(&file, body).await?;
                actions.push(add_action(&file, now, true));
                replaced.push(old.path.clone());
            }
        }
        let state = self.table.snapshot()?;
        for view in state.log_data().iter().filter(|view| replaced.iter().any(|path| *path == view.path())) {
            actions.push(Action::Remove(view.remove_action(true)));
        }
        let reached = (self.archived_to, erased_to);
        self.commit(actions, reached, DeltaOperation::Update { predicate: None }).await
    }

    /// Neighbouring small files that are worth a merge: a range of [`Self::files`].
    pub(crate) fn worth_compacting(&self) -> Option<std::ops::Range<usize>> {
        let mut start = 0;
        while start < self.files.len() {
            let mut rows = 0;
            let run = self
                .files
                .iter()
                .skip(start)
                .take_while(|file| {
                    rows += file.rows;
                    file.rows <= SMALL_FILE_ROWS && rows <= FILE_ROWS_MAX as u64
                })
                .count();
            // Files of like size only: a large one is not rewritten for the sake of a few rows.
            let merged: u64 = self.files.iter().skip(start).take(run).map(|file| file.rows).sum();
            let largest = self.files.iter().skip(start).take(run).map(|file| file.rows).max().unwrap_or(0);
            if run >= COMPACT_FILES_MIN && largest * 2 <= merged {
                return Some(start..start + run);
            }
            start += run.max(1);
        }
        None
    }

    /// Merges the files of `range` into one, and returns the objects that no reader needs any more once
    /// running queries are done.
    pub(crate) async fn compact(
        &mut self,
        range: std::ops::Range<usize>,
        now: Time,
    ) -> Result<Vec<Path>, StoreError> {
        let old: Vec<ArchiveFile> = self.files.get(range).unwrap_or_default().to_vec();
        let (Some(first), true) = (old.first(), old.len() > 1) else { return Ok(Vec::new()) };
        let start = first.start;
        let mut batches = Vec::new();
        for file in &old {
            let body = self.store.get(&self.location(&file.path)).await?.bytes().await?;
            batches.extend(decode_file(body)?);
        }
        let (file, body) = tokio::task::spawn_blocking(move || encode_file(&batches, start))
            .await
            .map_err(|e| StoreError::Poisoned(e.to_string()))??;
        self.put(&file, body).await?;
        let mut actions = vec![add_action(&file, now, false)];
        let state = self.table.snapshot()?;
        for view in state.log_data().iter() {
            if old.iter().any(|file| file.path == view.path()) {
                actions.push(Action::Remove(view.remove_action(false)));
            }
        }
        let operation = DeltaOperation::Optimize {
            predicate: None,
            target_size: i64::try_from(FILE_ROWS_MAX).unwrap_or(i64::MAX),
        };
        let reached = (self.archived_to, self.erased_to);
        self.commit(actions, reached, operation).await?;
        Ok(old.iter().map(|file| self.location(&file.path)).collect())
    }
}

/// The statistics of a file in the Delta log: what this program needs, under the names of the protocol.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    num_records: u64,
    min_values: StatValues,
    max_values: StatValues,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct StatValues {
    position: u64,
    occurred_at: Time,
}

impl Stats {
    fn file(&self, path: String, bytes: u64) -> Result<ArchiveFile, StoreError> {
        let end = self.max_values.position.checked_add(1);
        Ok(ArchiveFile {
            path,
            bytes,
            rows: self.num_records,
            start: self.min_values.position,
            end: end.ok_or_else(|| StoreError::corrupt("archive: a position is out of range"))?,
            occurred_min: self.min_values.occurred_at,
            occurred_max: self.max_values.occurred_at,
            sha256: String::new(),
        })
    }
}

fn add_action(file: &ArchiveFile, now: Time, data_change: bool) -> Action {
    let stats = Stats {
        num_records: file.rows,
        min_values: StatValues { position: file.start, occurred_at: file.occurred_min },
        max_values: StatValues { position: file.end - 1, occurred_at: file.occurred_max },
    };
    Action::Add(Add {
        path: file.path.clone(),
        partition_values: HashMap::new(),
        size: i64::try_from(file.bytes).unwrap_or(i64::MAX),
        modification_time: now.as_ms(),
        data_change,
        stats: Some(serde_json::to_string(&stats).expect("statistics are plain data")),
        ..Add::default()
    })
}

fn delta_columns() -> Vec<StructField> {
    let primitive = |field: &arrow::datatypes::Field| match field.data_type() {
        ArrowType::Int64 => PrimitiveType::Long,
        ArrowType::Int32 => PrimitiveType::Integer,
        ArrowType::Boolean => PrimitiveType::Boolean,
        ArrowType::Binary => PrimitiveType::Binary,
        ArrowType::Timestamp(..) => PrimitiveType::Timestamp,
        _ => PrimitiveType::String,
    };
    SCHEMA
        .fields()
        .iter()
        .map(|field| {
            StructField::new(field.name(), DataType::Primitive(primitive(field)), field.is_nullable())
        })
        .collect()
}
