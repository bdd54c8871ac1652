//! The newest rows of a scan, and how many there are.
//!
//! Two passes: the first reads only time and position of whatever matches, counts, and remembers the
//! newest; the second reads the other columns of those few rows. So a page costs what its filter costs,
//! however wide the rows are.

use std::{cmp::Reverse, collections::BTreeMap, collections::BinaryHeap, sync::Arc};

use arrow::{
    array::{AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{Int64Type, Schema, TimestampMicrosecondType},
};
use futures::future::try_join_all;
use whowas_store::StoreError;

use crate::{
    QueryError,
    files::ROW_NUMBER,
    scan::{Part, Scan, on_blocking_thread},
};

/// Where one row is, ordered by age: the greatest is the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    /// Microseconds since 1970.
    occurred_at: i64,
    position: i64,
    part: Part,
    row: usize,
}

/// A place between rows: everything older follows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    /// Microseconds since 1970.
    pub(crate) occurred_at: i64,
    pub(crate) position: i64,
}

#[derive(Default)]
struct Found {
    total: u64,
    /// At most as many as are wanted; the oldest is on top.
    newest: BinaryHeap<Reverse<Hit>>,
}

impl Found {
    fn add(
        &mut self,
        part: Part,
        batch: &RecordBatch,
        after: Option<Mark>,
        limit: usize,
    ) -> Result<(), QueryError> {
        let wrong = || StoreError::Corrupt("a record lacks its time or position".to_owned());
        let column = |name: &str| batch.column_by_name(name).ok_or_else(wrong);
        let times =
            column("occurred_at")?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
        let positions = column("position")?.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        let rows = column(ROW_NUMBER)?.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        self.total += batch.num_rows() as u64;
        for ((&occurred_at, &position), &row) in
            times.values().iter().zip(positions.values()).zip(rows.values())
        {
            let is_shown = |mark: Mark| (occurred_at, position) >= (mark.occurred_at, mark.position);
            if !after.is_some_and(is_shown) {
                let row = usize::try_from(row).map_err(|_| wrong())?;
                self.offer(Hit { occurred_at, position, part, row }, limit);
            }
        }
        Ok(())
    }

    fn offer(&mut self, hit: Hit, limit: usize) {
        if self.newest.len() < limit {
            self.newest.push(Reverse(hit));
        } else if let Some(mut oldest) = self.newest.peek_mut()
            && oldest.0 < hit
        {
            *oldest = Reverse(hit);
        }
    }
}

/// How many rows there are in all, and the newest `limit` of those that are older than `after`, in no order.
pub(crate) async fn newest(
    scan: &Scan,
    after: Option<Mark>,
    limit: usize,
) -> Result<(u64, Vec<Hit>), QueryError> {
    let parts = scan
        .fold(&["occurred_at", "position"], move |found: &mut Found, part, batch| {
            found.add(part, batch, after, limit)
        })
        .await?;
    let mut all = Found::default();
    for part in parts {
        all.total += part.total;
        part.newest.into_iter().for_each(|Reverse(hit)| all.offer(hit, limit));
    }
    Ok((all.total, all.newest.into_iter().map(|Reverse(hit)| hit).collect()))
}

/// The columns `names` of these rows, in no order.
pub(crate) async fn fetch(
    scan: &Scan,
    hits: &[Hit],
    names: &'static [&'static str],
) -> Result<Vec<RecordBatch>, QueryError> {
    let mut parts: BTreeMap<Part, Vec<usize>> = BTreeMap::new();
    for hit in hits {
        parts.entry(hit.part).or_default().push(hit.row);
    }
    let parts = parts.into_iter().map(|(part, mut numbers)| {
        numbers.sort_unstable();
        fetch_part(scan, part, Arc::new(numbers), names)
    });
    Ok(try_join_all(parts).await?.into_iter().flatten().collect())
}

/// Each core reads a share of the columns: most pages of one row group hold a row that is wanted, and
/// decoding them is nearly all the work of a page.
async fn fetch_part(
    scan: &Scan,
    part: Part,
    numbers: Arc<Vec<usize>>,
    names: &'static [&'static str],
) -> Result<Option<RecordBatch>, QueryError> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let shares = names.chunks(names.len().div_ceil(cores).max(1)).map(|share| {
        let (scan, numbers) = (scan.clone(), numbers.clone());
        on_blocking_thread(move || scan.rows(part, &numbers, share))
    });
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for batches in try_join_all(shares).await? {
        let Some(schema) = batches.first().map(RecordBatch::schema) else { return Ok(None) };
        let batch = concat_batches(&schema, &batches)?;
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            // Each share numbers its rows; they are the same rows.
            if field.name() != ROW_NUMBER {
                fields.push(field.clone());
                columns.push(column.clone());
            }
        }
    }
    Ok(Some(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?))
}
