//! How records lie in an archive file: order, row groups, pages, encodings, filters.
//!
//! Rows are cut into row groups by time, and each row group is sorted by person, then newest first. So a
//! row group spans a short time (the newest rows of a trail are in one or two), and one person's rows in
//! it are one run of pages, which the pages' statistics find; a bloom filter tells which row groups have
//! none. The order carries no meaning: every row states its position.

use std::cmp::Reverse;

use arrow::{
    array::{AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    compute::interleave_record_batch,
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, Encoding, ZstdLevel},
    file::properties::{EnabledStatistics, WriterProperties},
    schema::types::ColumnPath,
};
use sha2::{Digest, Sha256};
use whowas_event::Time;

use crate::{ArchiveFile, StoreError, columns::SCHEMA};

/// Rows of one file.
pub(crate) const FILE_ROWS_MAX: usize = 256 * 1024;
/// Rows of one row group: what the newest page of a search must decode in the worst case. Larger ones
/// compress better and give each person fewer runs.
const GROUP_ROWS: usize = 32 * 1024;
/// Rows of one page: what must be decoded to show one row. Smaller pages find single rows faster and
/// compress worse.
const PAGE_ROWS: usize = 1024;

/// About what a row without raw data takes in a file.
const ROW_BYTES: usize = 112;

/// The batches of one Parquet file.
pub(crate) fn decode_file(body: bytes::Bytes) -> Result<Vec<RecordBatch>, StoreError> {
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(body)?
        .with_batch_size(8192)
        .build()?;
    Ok(reader.collect::<Result<Vec<_>, _>>()?)
}

/// Orders and encodes records that cover the positions from `start` on. Besides the result only one row
/// group is copied at a time.
pub(crate) fn encode_file(batches: &[RecordBatch], start: u64) -> Result<(ArchiveFile, Vec<u8>), StoreError> {
    let keys = batches.iter().map(Keys::new).collect::<Result<Vec<_>, _>>()?;
    let mut rows: Vec<(usize, usize)> = keys
        .iter()
        .enumerate()
        .flat_map(|(batch, keys)| (0..keys.positions.len()).map(move |row| (batch, row)))
        .collect();
    let end = start + rows.len() as u64;
    let extent = extent(&keys, start..end)?;
    rows.sort_unstable_by_key(|&at| time_of(&keys, at));
    let sources: Vec<&RecordBatch> = batches.iter().collect();
    let mut body = Vec::with_capacity(rows.len() * ROW_BYTES);
    let mut writer =
        ArrowWriter::try_new(&mut body, SCHEMA.clone(), Some(writer_properties(rows.len().min(GROUP_ROWS))))?;
    for group in rows.chunks_mut(GROUP_ROWS) {
        group.sort_unstable_by(|&a, &b| {
            let by_person = user_of(&keys, a).cmp(user_of(&keys, b));
            by_person.then_with(|| Reverse(time_of(&keys, a)).cmp(&Reverse(time_of(&keys, b))))
        });
        writer.write(&interleave_record_batch(&sources, group)?)?;
        writer.flush()?;
    }
    writer.close()?;
    let sha256 = hex::encode(Sha256::digest(&body));
    let file = ArchiveFile {
        path: format!("{start:020}-{end:020}-{sha256}.parquet"),
        bytes: body.len() as u64,
        rows: end - start,
        start,
        end,
        occurred_min: extent.0,
        occurred_max: extent.1,
        sha256,
    };
    Ok((file, body))
}

/// The columns that decide the order.
struct Keys<'a> {
    users: &'a StringArray,
    times: &'a TimestampMicrosecondArray,
    positions: &'a Int64Array,
}

impl<'a> Keys<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Self, StoreError> {
        let column = |name| batch.column_by_name(name);
        let found = (
            column("user_key").and_then(|c| c.as_string_opt()),
            column("occurred_at").and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>()),
            column("position").and_then(|c| c.as_primitive_opt::<Int64Type>()),
        );
        match found {
            (Some(users), Some(times), Some(positions)) => Ok(Self { users, times, positions }),
            _ => Err(StoreError::corrupt("a batch lacks its people, times or positions")),
        }
    }
}

/// Time, then position: an order that does not depend on how records were cut into batches.
fn time_of(keys: &[Keys<'_>], (batch, row): (usize, usize)) -> (i64, i64) {
    keys.get(batch).map_or((0, 0), |keys| (keys.times.value(row), keys.positions.value(row)))
}

fn user_of<'a>(keys: &[Keys<'a>], (batch, row): (usize, usize)) -> &'a str {
    keys.get(batch).map_or("", |keys| keys.users.value(row))
}

/// The earliest and the latest time, if every position is one of `range`.
fn extent(keys: &[Keys<'_>], range: std::ops::Range<u64>) -> Result<(Time, Time), StoreError> {
    let positions = keys.iter().flat_map(|keys| keys.positions.values());
    if !positions.copied().all(|position| u64::try_from(position).is_ok_and(|p| range.contains(&p))) {
        return Err(StoreError::corrupt(format!("a batch for positions from {} has others", range.start)));
    }
    let times = || keys.iter().flat_map(|keys| keys.times.values()).copied();
    let instant = |micros: Option<i64>| {
        Time::from_ms(micros.unwrap_or(0) / 1000).map_err(|_| StoreError::corrupt("a time is out of range"))
    };
    Ok((instant(times().min())?, instant(times().max())?))
}

/// The digest that ends the name of an archive file.
pub(crate) fn digest_in_name(path: &str) -> Option<&str> {
    path.strip_suffix(".parquet")?.rsplit_once('-').map(|(_, digest)| digest)
}

/// Columns with few distinct values, for which a dictionary pays. The others repeat within one person's
/// run, where zstd finds the repetition, and a dictionary of them would have to be decoded for every row.
const DICTIONARY_COLUMNS: [&str; 17] = [
    "kind",
    "source",
    "format",
    "activity",
    "status",
    "status_code",
    "user_domain",
    "src_country",
    "src_region",
    "src_city",
    "device_os",
    "service_name",
    "service_uid",
    "auth_protocol",
    "logon_type",
    "recorded_at",
    "received_at",
];
/// Columns by which pages are chosen.
const INDEXED_COLUMNS: [&str; 5] = ["user_key", "occurred_at", "position", "src_ip", "session_uid"];
/// Columns that searches decide by: their encodings leave little to compress, and to set up a decompressor
/// for each takes longer than to read them. And salts, which are random.
const UNCOMPRESSED_COLUMNS: [&str; 7] =
    ["user_key", "kind", "activity", "status", "occurred_at", "position", "salt"];

/// Columns by whose values row groups are chosen, and the share of row groups that may be read in vain.
/// A person's history asks every row group, so its filter is finer.
const BLOOM_COLUMNS: [(&str, f64); 4] =
    [("user_key", 0.01), ("src_ip", 0.05), ("session_uid", 0.05), ("native_id", 0.05)];

fn writer_properties(rows: usize) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("1 is a level of zstd")))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_created_by("whowas".to_owned());
    for name in DICTIONARY_COLUMNS {
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(name), true);
    }
    for name in INDEXED_COLUMNS {
        builder = builder.set_column_statistics_enabled(ColumnPath::from(name), EnabledStatistics::Page);
    }
    for name in ["occurred_at", "position"] {
        builder = builder.set_column_encoding(ColumnPath::from(name), Encoding::DELTA_BINARY_PACKED);
    }
    builder = builder.set_column_encoding(ColumnPath::from("user_key"), Encoding::DELTA_BYTE_ARRAY);
    // All have one length, which then takes no room.
    builder = builder.set_column_encoding(ColumnPath::from("salt"), Encoding::DELTA_LENGTH_BYTE_ARRAY);
    for (name, false_positives) in BLOOM_COLUMNS {
        builder = builder
            .set_column_bloom_filter_enabled(ColumnPath::from(name), true)
            .set_column_bloom_filter_fpp(ColumnPath::from(name), false_positives)
            // An upper bound: the writer folds a filter to what its values need.
            .set_column_bloom_filter_max_ndv(ColumnPath::from(name), rows.max(1) as u64);
    }
    for name in UNCOMPRESSED_COLUMNS {
        builder = builder.set_column_compression(ColumnPath::from(name), Compression::UNCOMPRESSED);
    }
    builder.build()
}
