//! The table `sessions` of SQL: what is kept of sessions, joined with the records that began them.
//!
//! The rows come a block at a time, so memory does not grow with the trail; the join is the engine's. Texts are those of
//! the first record of each session.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use datafusion::{
    catalog::streaming::StreamingTable,
    common::{DataFusionError, JoinType, Result},
    dataframe::DataFrame,
    execution::{SendableRecordBatchStream, TaskContext},
    functions::expr_fn::coalesce,
    logical_expr::{ScalarUDF, col, lit},
    physical_plan::{stream::RecordBatchReceiverStreamBuilder, streaming::PartitionStream},
    prelude::SessionContext,
};
use whowas_event::Time;

use crate::{
    QueryError,
    kept::{Index, List, View},
    sessions::Row,
};

/// Rows of one batch.
const BATCH_ROWS: usize = 8192;
/// Batches that wait for the plan above.
const BATCHES_WAITING: usize = 2;

/// Sessions of one state of a trail.
#[derive(Debug)]
struct KeptRows {
    view: Arc<View>,
    index: Arc<Index>,
    as_of: Time,
    schema: SchemaRef,
}

fn schema() -> SchemaRef {
    let instant = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("began_at", DataType::Int64, false),
        Field::new("start", instant(), false),
        Field::new("end", instant(), true),
        Field::new("end_reason", DataType::Utf8, false),
        Field::new("end_confidence", DataType::Utf8, false),
        Field::new("duration_s", DataType::Int64, true),
    ]))
}

impl PartitionStream for KeptRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(self.schema.clone(), BATCHES_WAITING);
        let sender = builder.tx();
        let (view, index, schema, as_of) =
            (self.view.clone(), self.index.clone(), self.schema.clone(), self.as_of);
        builder.spawn_blocking(move || {
            let mut rows = Vec::with_capacity(BATCH_ROWS);
            // Whoever reads may have enough.
            let send = |rows: &mut Vec<Row>| {
                let batch = batch(&schema, rows, as_of);
                rows.clear();
                sender.blocking_send(batch).is_ok()
            };
            let all =
                (Time::default().saturating_add_ms(i64::MIN), Time::default().saturating_add_ms(i64::MAX));
            for list in [List::Ended, List::Open] {
                let read = view.each(list, all, None, |row| {
                    rows.push(row);
                    rows.len() < BATCH_ROWS || send(&mut rows)
                });
                if let Err(error) = read {
                    // What is damaged is made again for the next statement.
                    let _ = index.forget();
                    return Err(DataFusionError::External(Box::new(QueryError::Kept(error))));
                }
            }
            if !rows.is_empty() {
                send(&mut rows);
            }
            Ok(())
        });
        builder.build()
    }
}

fn batch(schema: &SchemaRef, rows: &[Row], as_of: Time) -> Result<RecordBatch> {
    let ends: Vec<_> = rows.iter().map(|row| row.end_as_of(as_of)).collect();
    let micros = |time: Time| time.as_ms().saturating_mul(1000);
    let starts: TimestampMicrosecondArray = rows.iter().map(|row| Some(micros(row.start))).collect();
    let times: TimestampMicrosecondArray = ends.iter().map(|(end, ..)| end.map(micros)).collect();
    let durations: Int64Array = rows
        .iter()
        .zip(&ends)
        .map(|(row, (end, ..))| end.map(|end| end.as_ms().saturating_sub(row.start.as_ms()).div_euclid(1000)))
        .collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| i64::try_from(row.position).ok()).collect::<Int64Array>()),
        Arc::new(starts.with_timezone("UTC")),
        Arc::new(times.with_timezone("UTC")),
        Arc::new(ends.iter().map(|(_, reason, _)| Some(reason.as_str())).collect::<StringArray>()),
        Arc::new(ends.iter().map(|(_, _, confidence)| Some(confidence.as_str())).collect::<StringArray>()),
        Arc::new(durations),
    ];
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// The sessions of a view, with the texts of the records that began them.
pub(crate) fn sessions(
    context: &SessionContext,
    (index, view): (Arc<Index>, Arc<View>),
    as_of: Time,
    records: DataFrame,
    json: &ScalarUDF,
) -> Result<DataFrame> {
    let schema = schema();
    let rows = Arc::new(KeptRows { view, index, as_of, schema: schema.clone() });
    let kept = context.read_table(Arc::new(StreamingTable::try_new(schema, vec![rows])?))?;
    let hints = json.call(vec![col("unmapped"), lit("session")]);
    let told = records.select(vec![
        col("position"),
        coalesce(vec![col("user_name"), col("user_email_addr"), col("user_full_name")]).alias("user"),
        col("user_uid").alias("user_id"),
        col("user_domain").alias("domain"),
        coalesce(vec![col("src_hostname"), col("src_ip")]).alias("host"),
        col("src_ip").alias("ip"),
        col("dst_hostname").alias("machine"),
        json.call(vec![hints, lit("line")]).alias("line"),
        col("service_name").alias("service"),
        col("logon_type"),
        col("session_uid"),
        col("source"),
        col("format"),
    ])?;
    kept.join(told, JoinType::Inner, &["began_at"], &["position"], None)?.select_columns(&[
        "user",
        "user_id",
        "domain",
        "host",
        "ip",
        "machine",
        "line",
        "service",
        "logon_type",
        "start",
        "end",
        "end_reason",
        "end_confidence",
        "duration_s",
        "session_uid",
        "source",
        "format",
        "position",
    ])
}
