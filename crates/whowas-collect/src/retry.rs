//! A second try for records that were not understood, with other options or a newer program.

use std::sync::Arc;

use serde::Serialize;
use whowas_store::{Batch, Trail, WhenFull, control::Control};

use crate::{BATCH_RECORDS, ImportError, ImportOptions, read::reread};

/// Rejected records that are looked at together.
const PAGE_RECORDS: u32 = 256;

/// What became of the rejected records of an environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RetrySummary {
    /// Records that were tried again.
    pub retried: u64,
    /// Records that are new in the trail now.
    pub recorded: u64,
    /// Records that were in the trail already.
    pub duplicate: u64,
    /// Records whose id was in the trail with other content.
    pub revised: u64,
    /// Records that are still not understood; they stay kept.
    pub rejected: u64,
    /// Size of the tree.
    pub tree_size: u64,
}

/// Reads every rejected record again. Those that are understood now are recorded, then forgotten.
pub async fn retry_rejected(
    trail: &Arc<Trail>,
    control: &Arc<dyn Control>,
    options: &ImportOptions,
) -> Result<RetrySummary, ImportError> {
    let mut summary = RetrySummary::default();
    let mut after = 0;
    loop {
        let page = control.rejected(trail.name(), after, PAGE_RECORDS).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        summary.retried += page.len() as u64;
        let options = options.clone();
        let read = tokio::task::spawn_blocking(move || {
            page.into_iter()
                .map(|rejected| reread(&rejected, &options).map(|records| (rejected, records)))
                .collect::<Vec<_>>()
        });
        let read = read.await.map_err(|_| ImportError::Thread("rejected records".to_owned()))?;
        summary.rejected += read.iter().filter(|one| one.is_none()).count() as u64;
        let mut understood = read.into_iter().flatten().peekable();
        while let Some((first, records)) = understood.next() {
            let (mut ids, received_at) = (vec![first.id], first.received_at);
            let mut batch = Batch { source: first.source, format: first.format, received_at, records };
            while let Some((next, records)) = understood.next_if(|(next, _)| {
                (&next.source, &next.format, next.received_at) == (&batch.source, &batch.format, received_at)
                    && batch.records.len() < BATCH_RECORDS
            }) {
                ids.push(next.id);
                batch.records.extend(records);
            }
            let receipt = trail.append(batch, WhenFull::Wait).await?;
            // A crash here keeps records that are in the trail: the next retry finds them to be duplicates.
            control.resolve_rejected(trail.name(), &ids).await?;
            summary.recorded += receipt.recorded;
            summary.duplicate += receipt.duplicate;
            summary.revised += receipt.revised;
        }
    }
    summary.tree_size = trail.snapshot().size;
    Ok(summary)
}
