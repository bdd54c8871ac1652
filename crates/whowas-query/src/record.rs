//! Whole records: one with the bytes it was made from, and those about whowas itself.

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
pub(crate) static ALL_COLUMNS: LazyLock<Vec<&'static str>> =
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

    /// The newest `access` records of one action, at most `limit`, the newest first, and how many there are.
    pub async fn access_records(
        &self,
        trail: &Trail,
        action: &str,
        limit: usize,
    ) -> Result<(u64, Vec<(u64, Record)>), QueryError> {
        // A body is canonical JSON, whose first member is the action. The wildcards of `like` mean themselves in no action.
        let begin = format!("{{\"action\":\"{action}\"%");
        let condition = col("kind").eq(lit("access")).and(col("body").like(lit(begin)));
        let scan = self.scan_where(trail, trail.snapshot(), &condition)?;
        let (total, hits) = newest(&scan, None, limit).await?;
        let mut found = Vec::with_capacity(hits.len());
        for batch in fetch(&scan, &hits, &ALL_COLUMNS).await? {
            read_records(&batch, |position, record, _| {
                found.push((position, record.clone()));
                Ok(())
            })?;
        }
        found.sort_unstable_by_key(|(position, _)| std::cmp::Reverse(*position));
        Ok((total, found))
    }
}
