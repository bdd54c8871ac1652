//! What records say about sessions, read from archive and tail. For blocking threads.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{
        ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array, RecordBatch, TimestampMicrosecondArray,
    },
    compute::{filter_record_batch, take_record_batch},
    datatypes::{DataType, Int64Type},
};
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use object_store::{ObjectStore, path::Path};
use parquet::{arrow::arrow_reader::RowSelection, file::statistics::Statistics};
use whowas_event::{Kind, Record};
use whowas_store::{ArchiveFile, Snapshot, StoreError, Trail, columns::SCHEMA, columns::read_records};

use crate::{
    QueryError,
    files::{FileCache, OpenFile, ROW_NUMBER},
    record::ALL_COLUMNS,
    scan::read,
    sessions::{LoginRecord, Mark, RecordKey},
};

/// The columns that a mark is made of, and those by which its record is known.
const MARK_COLUMNS: [&str; 25] = [
    "kind",
    "source",
    "format",
    "native_id",
    "native_id_derived",
    "activity",
    "status",
    "user_uid",
    "user_name",
    "user_email_addr",
    "user_full_name",
    "user_domain",
    "actor_uid",
    "actor_name",
    "src_ip",
    "src_hostname",
    "dst_hostname",
    "service_name",
    "logon_type",
    "session_uid",
    "unmapped",
    "occurred_at",
    "recorded_at",
    "revision",
    "position",
];
const KEY_COLUMNS: [&str; 4] = ["source", "native_id", "native_id_derived", "position"];

/// A record, as far as sessions are concerned.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) position: u64,
    pub(crate) revision: u32,
    pub(crate) key: RecordKey,
    /// `None` if it has nothing to do with sessions.
    pub(crate) mark: Option<Mark>,
}

/// A later revision, of which earlier deliveries are looked for.
pub(crate) struct Revised {
    pub(crate) key: RecordKey,
    /// When it happened: a revision seldom changes that.
    pub(crate) at_ms: i64,
    /// How many deliveries there are.
    pub(crate) deliveries: u32,
}

/// The records of one snapshot.
#[derive(Clone)]
pub(crate) struct Records {
    pub(crate) snapshot: Arc<Snapshot>,
    store: Arc<dyn ObjectStore>,
    archive: Path,
    files: Arc<FileCache>,
}

impl Records {
    pub(crate) fn new(trail: &Trail, snapshot: Arc<Snapshot>, files: Arc<FileCache>) -> Self {
        let (store, archive) = trail.archive_location();
        Self { snapshot, store, archive, files }
    }

    /// Every position below this is in the archive.
    pub(crate) fn archived_to(&self) -> u64 {
        self.snapshot.files.last().map_or(0, |file| file.end)
    }

    /// The records at the positions `from..to`, in their order.
    pub(crate) fn range(&self, from: u64, to: u64) -> Result<Vec<Item>, QueryError> {
        let mut items = Vec::new();
        for file in self.snapshot.files.iter().filter(|file| file.start < to && file.end > from) {
            let open = self.open(file)?;
            let bounds = [from, to.saturating_sub(1)].map(|at| i64::try_from(at).unwrap_or(i64::MAX));
            let plan = groups_with(&open, |group| overlaps(&open, group, "position", bounds));
            if plan.row_group_indexes().is_empty() {
                continue;
            }
            for batch in read(&open, plan, &MARK_COLUMNS, None)? {
                read_items(&within(&batch?, from, to)?, &mut items)?;
            }
        }
        for tail in &self.snapshot.tail {
            let first = position_at(&tail.batch, 0);
            let is_wanted =
                first.is_some_and(|first| first < to && first + tail.batch.num_rows() as u64 > from);
            if is_wanted {
                read_items(&within(&tail.batch, from, to)?, &mut items)?;
            }
        }
        items.sort_unstable_by_key(|item| item.position);
        Ok(items)
    }

    /// The records at these positions, in no order.
    pub(crate) fn at(&self, positions: &[u64]) -> Result<Vec<Item>, QueryError> {
        let mut items = Vec::with_capacity(positions.len());
        for batch in self.rows_at(positions, &MARK_COLUMNS)? {
            read_items(&batch, &mut items)?;
        }
        Ok(items)
    }

    /// The whole records at these positions, in no order.
    pub(crate) fn whole_at(&self, positions: &[u64]) -> Result<Vec<(u64, Record)>, QueryError> {
        let mut found = Vec::with_capacity(positions.len());
        for batch in self.rows_at(positions, &ALL_COLUMNS)? {
            read_records(&batch, |position, record, _| {
                found.push((position, record.clone()));
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// The rows at these positions, in no order.
    fn rows_at(&self, positions: &[u64], names: &[&str]) -> Result<Vec<RecordBatch>, QueryError> {
        let mut batches = Vec::new();
        let mut by_file: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        let mut in_tail: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for &position in positions {
            let file = self.snapshot.files.partition_point(|file| file.end <= position);
            if file < self.snapshot.files.len() {
                by_file.entry(file).or_default().push(position);
            } else {
                let starts = |tail: &Arc<whowas_store::TailBatch>| position_at(&tail.batch, 0);
                let tail =
                    self.snapshot.tail.partition_point(|one| starts(one).is_some_and(|at| at <= position));
                in_tail.entry(tail.saturating_sub(1)).or_default().push(position);
            }
        }
        for (file, mut positions) in by_file {
            positions.sort_unstable();
            let Some(file) = self.snapshot.files.get(file) else { continue };
            batches.extend(rows_of_file(&*self.open(file)?, &positions, names)?);
        }
        for (tail, positions) in in_tail {
            let Some(batch) = self.snapshot.tail.get(tail).map(|tail| &tail.batch) else { continue };
            let first = position_at(batch, 0).unwrap_or_default();
            let rows = positions.iter().map(|position| position.saturating_sub(first));
            let rows: arrow::array::UInt64Array = rows.filter(|row| *row < batch.num_rows() as u64).collect();
            batches.push(take_record_batch(batch, &rows)?);
        }
        Ok(batches)
    }

    /// What was delivered under these keys before, below a position of the archive. Looked for where records of the
    /// same time are; what is not found there, everywhere.
    pub(crate) fn earlier(&self, revised: &[Revised], below: u64) -> Result<Vec<Item>, QueryError> {
        let mut wanted: HashMap<RecordKey, u32> =
            revised.iter().map(|one| (one.key.clone(), one.deliveries)).collect();
        let mut times: Vec<i64> = revised.iter().map(|one| one.at_ms.saturating_mul(1000)).collect();
        times.sort_unstable();
        let mut positions = Vec::new();
        let mut looked_at = HashSet::new();
        for is_everywhere in [false, true] {
            if wanted.is_empty() {
                break;
            }
            for (at, file) in self.snapshot.files.iter().enumerate().filter(|(_, file)| file.start < below) {
                let open = self.open(file)?;
                let plan = groups_with(&open, |group| {
                    let is_of_its_time = is_everywhere || has_one_of(&open, group, "occurred_at", &times);
                    is_of_its_time && looked_at.insert((at, group))
                });
                if !plan.row_group_indexes().is_empty() {
                    for batch in read(&open, plan, &KEY_COLUMNS, None)? {
                        find_keys(&batch?, below, &mut wanted, &mut positions)?;
                    }
                }
            }
            wanted.retain(|_, left| *left > 0);
        }
        self.at(&positions)
    }

    /// The size of the tree when an instant had passed.
    pub(crate) fn size_at(&self, at: whowas_event::Time) -> Result<u64, QueryError> {
        let micros = at.as_ms().saturating_mul(1000);
        for tail in self.snapshot.tail.iter().rev() {
            if let Some(size) = last_recorded(&tail.batch, micros)? {
                return Ok(size);
            }
        }
        // `recorded_at` never goes back from one position to the next.
        for file in self.snapshot.files.iter().rev() {
            let open = self.open(file)?;
            let plan = ParquetAccessPlan::new_all(open.metadata.metadata().row_groups().len());
            let mut size = None;
            for batch in read(&open, plan, &["recorded_at", "position"], None)? {
                size = size.max(last_recorded(&batch?, micros)?);
            }
            if let Some(size) = size {
                return Ok(size);
            }
        }
        Ok(0)
    }

    /// When the record at a position was recorded.
    pub(crate) fn recorded_at(&self, position: u64) -> Result<Option<whowas_event::Time>, QueryError> {
        let batches = self.rows_at(&[position], &["recorded_at", "position"])?;
        let micros = batches.iter().filter(|batch| batch.num_rows() > 0).find_map(|batch| {
            let column = batch.column_by_name("recorded_at")?;
            Some(column.as_primitive_opt::<arrow::datatypes::TimestampMicrosecondType>()?.value(0))
        });
        Ok(micros.and_then(|micros| whowas_event::Time::from_ms(micros / 1000).ok()))
    }

    fn open(&self, file: &ArchiveFile) -> Result<Arc<OpenFile>, QueryError> {
        self.files.open(&self.store, &self.archive, file)
    }
}

/// The size after the last record of a batch that was recorded by then.
fn last_recorded(batch: &RecordBatch, micros: i64) -> Result<Option<u64>, QueryError> {
    let wrong = || StoreError::Corrupt("a record lacks its time or position".to_owned());
    let times = batch.column_by_name("recorded_at").and_then(|column| column.as_primitive_opt());
    let times: &TimestampMicrosecondArray = times.ok_or_else(wrong)?;
    let recorded = times.values().iter().enumerate().filter(|(_, time)| **time <= micros);
    Ok(recorded.filter_map(|(row, _)| position_at(batch, row)).max().map(|position| position + 1))
}

fn positions(batch: &RecordBatch) -> Option<&Int64Array> {
    batch.column_by_name("position").and_then(|column| column.as_primitive_opt::<Int64Type>())
}

fn position_at(batch: &RecordBatch, row: usize) -> Option<u64> {
    positions(batch)
        .and_then(|column| column.values().get(row).copied())
        .and_then(|at| u64::try_from(at).ok())
}

/// The rows of a batch whose positions are `from..to`.
fn within(batch: &RecordBatch, from: u64, to: u64) -> Result<RecordBatch, QueryError> {
    let positions =
        positions(batch).ok_or_else(|| StoreError::Corrupt("a batch has no column position".to_owned()))?;
    let is_within = |position: &i64| u64::try_from(*position).is_ok_and(|at| (from..to).contains(&at));
    let mask: BooleanArray = positions.values().iter().map(|position| Some(is_within(position))).collect();
    Ok(if mask.true_count() == batch.num_rows() { batch.clone() } else { filter_record_batch(batch, &mask)? })
}

fn rows_of_file(open: &OpenFile, wanted: &[u64], names: &[&str]) -> Result<Vec<RecordBatch>, QueryError> {
    let groups = open.metadata.metadata().row_groups();
    let mut rows = Vec::with_capacity(wanted.len());
    let places: Vec<i64> = wanted.iter().filter_map(|at| i64::try_from(*at).ok()).collect();
    let plan = groups_with(open, |group| has_one_of(open, group, "position", &places));
    if plan.row_group_indexes().is_empty() {
        return Ok(Vec::new());
    }
    for batch in read(open, plan, &["position"], None)? {
        let batch = batch?;
        let numbers =
            batch.column_by_name(ROW_NUMBER).and_then(|column| column.as_primitive_opt::<Int64Type>());
        let (Some(positions), Some(numbers)) = (positions(&batch), numbers) else { continue };
        for (position, number) in positions.values().iter().zip(numbers.values()) {
            let is_wanted = u64::try_from(*position).is_ok_and(|at| wanted.binary_search(&at).is_ok());
            if is_wanted && let Ok(number) = usize::try_from(*number) {
                rows.push(number);
            }
        }
    }
    rows.sort_unstable();
    let total = groups.iter().filter_map(|group| usize::try_from(group.num_rows()).ok()).sum();
    let selection = RowSelection::from_consecutive_ranges(rows.iter().map(|&row| row..row + 1), total);
    let plan = ParquetAccessPlan::try_new_from_overall_row_selection(selection, groups)?;
    read(open, plan, names, None)?.collect()
}

fn groups_with(open: &OpenFile, mut is_wanted: impl FnMut(usize) -> bool) -> ParquetAccessPlan {
    let count = open.metadata.metadata().row_groups().len();
    let mut plan = ParquetAccessPlan::new_none(count);
    (0..count).filter(|group| is_wanted(*group)).for_each(|group| plan.scan(group));
    plan
}

/// The least and the greatest value of a column in a row group, as far as its statistics tell.
fn extent(open: &OpenFile, group: usize, column: &str) -> Option<[i64; 2]> {
    let column = SCHEMA.index_of(column).ok()?;
    let group = open.metadata.metadata().row_groups().get(group)?;
    match group.column(column).statistics()? {
        Statistics::Int64(known) => Some([*known.min_opt()?, *known.max_opt()?]),
        _ => None,
    }
}

fn overlaps(open: &OpenFile, group: usize, column: &str, [low, high]: [i64; 2]) -> bool {
    extent(open, group, column).is_none_or(|[min, max]| min <= high && low <= max)
}

/// Whether a row group may have one of these values, which are ascending.
fn has_one_of(open: &OpenFile, group: usize, column: &str, values: &[i64]) -> bool {
    let is_in = |[min, max]: [i64; 2]| {
        values.get(values.partition_point(|value| *value < min)).is_some_and(|value| *value <= max)
    };
    extent(open, group, column).is_none_or(is_in)
}

fn find_keys(
    batch: &RecordBatch,
    below: u64,
    wanted: &mut HashMap<RecordKey, u32>,
    found: &mut Vec<u64>,
) -> Result<(), QueryError> {
    let wrong = || StoreError::Corrupt("a record lacks its source or id".to_owned());
    let text = |name: &str| {
        batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>()).ok_or_else(wrong)
    };
    let (sources, ids) = (text("source")?, text("native_id")?);
    let derived = batch.column_by_name("native_id_derived").and_then(|column| column.as_boolean_opt());
    let derived = derived.ok_or_else(wrong)?;
    let mut key = RecordKey { source: String::new(), native_id: String::new(), is_derived: false };
    for row in 0..batch.num_rows() {
        ids.value(row).clone_into(&mut key.native_id);
        sources.value(row).clone_into(&mut key.source);
        key.is_derived = derived.value(row);
        if let Some(left) = wanted.get_mut(&key)
            && let Some(position) = position_at(batch, row).filter(|at| *at < below)
        {
            *left = left.saturating_sub(1);
            found.push(position);
        }
    }
    Ok(())
}

fn read_items(batch: &RecordBatch, items: &mut Vec<Item>) -> Result<(), QueryError> {
    let whole = with_every_column(batch)?;
    read_records(&whole, |position, record, _| {
        if record.event.kind == Kind::Login {
            items.push(item(position, record));
        }
        Ok(())
    })?;
    Ok(())
}

fn item(position: u64, record: &Record) -> Item {
    let login = LoginRecord {
        source: &record.source,
        format: &record.format,
        revision: record.revision,
        position: Some(position),
        event: &record.event,
    };
    let key = RecordKey::of(&login);
    let mark = Mark::of(&login, key.clone());
    Item { position, revision: record.revision, key, mark }
}

/// A batch with every column of the archive, those that were not read without a meaning.
fn with_every_column(batch: &RecordBatch) -> Result<RecordBatch, QueryError> {
    let rows = batch.num_rows();
    let columns = SCHEMA.fields().iter().map(|field| -> ArrayRef {
        if let Some(column) = batch.column_by_name(field.name()) {
            return column.clone();
        }
        match field.data_type() {
            DataType::Timestamp(..) => {
                Arc::new(TimestampMicrosecondArray::from(vec![0; rows]).with_timezone("UTC"))
            }
            DataType::Binary if !field.is_nullable() => {
                Arc::new(BinaryArray::from_iter_values(std::iter::repeat_n([0; 16], rows)))
            }
            DataType::Utf8 if !field.is_nullable() => {
                Arc::new(arrow::array::StringArray::from_iter_values(std::iter::repeat_n("", rows)))
            }
            kind => arrow::array::new_null_array(kind, rows),
        }
    });
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns.collect())?)
}
