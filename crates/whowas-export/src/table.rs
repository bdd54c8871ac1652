//! Rows as one Apache Parquet file: for lakes and data frames.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, RecordBatch, StringBuilder, TimestampMillisecondBuilder, UInt64Builder,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use whowas_query::LoginRow;

use crate::{
    EncodeError,
    cells::{Cell, EXPORT_COLUMNS, cells},
    encoder::Written,
};

/// Rows of a row group: what is held in memory, about 10 MB encoded.
const GROUP_ROWS: usize = 64 * 1024;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let time = || DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let fields = EXPORT_COLUMNS.iter().map(|&name| match name {
        "start" | "end" | "recorded_at" => Field::new(name, time(), true),
        "is_mfa" => Field::new(name, DataType::Boolean, true),
        "revision" | "position" => Field::new(name, DataType::UInt64, false),
        _ => Field::new(name, DataType::Utf8, true),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
});

pub(crate) struct Table {
    writer: ArrowWriter<Written>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Table")
    }
}

impl Table {
    pub(crate) fn new(written: Written) -> Result<Self, EncodeError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_created_by("whowas".to_owned());
        Ok(Self { writer: ArrowWriter::try_new(written, SCHEMA.clone(), Some(properties.build()))? })
    }

    pub(crate) fn rows(&mut self, rows: &[LoginRow]) -> Result<(), EncodeError> {
        Ok(self.writer.write(&batch(rows)?)?)
    }

    pub(crate) fn finish(self) -> Result<(), EncodeError> {
        self.writer.close()?;
        Ok(())
    }
}

/// Grows one column by the cells of its kind.
enum Column {
    Text(StringBuilder),
    Time(TimestampMillisecondBuilder),
    Flag(BooleanBuilder),
    Number(UInt64Builder),
}

impl Column {
    fn new(field: &Field) -> Self {
        match field.data_type() {
            DataType::Timestamp(..) => Self::Time(TimestampMillisecondBuilder::new().with_timezone("UTC")),
            DataType::Boolean => Self::Flag(BooleanBuilder::new()),
            DataType::UInt64 => Self::Number(UInt64Builder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Text(column), Cell::Text(text)) => {
                column.append_option((!text.is_empty()).then_some(text))
            }
            (Self::Time(column), Cell::Time(time)) => column.append_option(time.map(|time| time.as_ms())),
            (Self::Flag(column), Cell::Flag(flag)) => column.append_option(flag),
            (Self::Number(column), Cell::Number(number)) => column.append_value(number),
            // The schema follows the cells; a column that is too short would be refused.
            _ => debug_assert!(false, "a cell of another kind than its column"),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Text(mut column) => Arc::new(column.finish()),
            Self::Time(mut column) => Arc::new(column.finish()),
            Self::Flag(mut column) => Arc::new(column.finish()),
            Self::Number(mut column) => Arc::new(column.finish()),
        }
    }
}

fn batch(rows: &[LoginRow]) -> Result<RecordBatch, EncodeError> {
    let mut columns: Vec<Column> = SCHEMA.fields().iter().map(|field| Column::new(field)).collect();
    for row in rows {
        columns.iter_mut().zip(cells(row)).for_each(|(column, cell)| column.push(cell));
    }
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns.into_iter().map(Column::finish).collect())?)
}
