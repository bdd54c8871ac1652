//! One whole record, with the bytes it was made from.

use std::sync::LazyLock;

use datafusion::logical_expr::{col, lit};
use whowas_event::Record;
use whowas_store::{
    Trail,
    columns::{SCHEMA, read_records},
};

use crate::{
    Engine, QueryError,
    newest::{fetch, newest},
};

/// Every column of the archive.
static ALL_COLUMNS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| SCHEMA.fields().iter().map(|field| field.name().as_str()).collect());

impl Engine {
    /// The record at a position, of whatever kind, and its raw bytes, which are empty where they are not kept.
    /// `None` if the trail is not so long.
    pub async fn record_at(
        &self,
        trail: &Trail,
        position: u64,
    ) -> Result<Option<(Record, Vec<u8>)>, QueryError> {
        let at = i64::try_from(position).unwrap_or(i64::MAX);
        let scan = self.scan_where(trail, trail.snapshot(), &col("position").eq(lit(at)))?;
        let (_, hits) = newest(&scan, None, 1).await?;
        let mut found = None;
        for batch in fetch(&scan, &hits, &ALL_COLUMNS).await? {
            read_records(&batch, |_, record, raw| {
                found = Some((record.clone(), raw.to_vec()));
                Ok(())
            })?;
        }
        Ok(found)
    }
}
