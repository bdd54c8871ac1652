//! Making an evidence bundle of an answer: for the API, the console and the command line.
//!
//! Everything is of one state of the trail, which others may go on appending to meanwhile. Memory is that of
//! the positions of the rows and of a stretch of records. Whoever calls this writes down who asked.

use std::{collections::BTreeSet, fs::File, io::BufWriter};

use futures::StreamExt;
use whowas_event::{LeafWriter, Time};
use whowas_export::{
    ExportFormat,
    evidence::{
        Disclose,
        bundle::{BundleWriter, Exported, Manifest, Question, judge::Asked},
    },
};
use whowas_query::{Engine, LoginRequest, QueryError};
use whowas_store::{Snapshot, StoreError, Trail};

/// Records that are in memory at once.
const STRETCH: u64 = 8192;

/// What is asked, and by whom.
#[derive(Debug)]
pub struct BundleRequest<'a> {
    /// The question.
    pub request: &'a LoginRequest,
    /// Its range: at or after …
    pub from: Time,
    /// … and before.
    pub to: Time,
    /// The filter as it was written.
    pub filter: &'a str,
    /// In which the exporter is shown times.
    pub time_zone: &'a str,
    /// The form of the rows.
    pub format: ExportFormat,
    /// Who, as the system knows them.
    pub exported_by: String,
    /// When.
    pub now: Time,
}

/// A bundle that was written.
#[derive(Debug)]
pub struct Bundle {
    /// The zip.
    pub file: File,
    /// What it says about itself.
    pub manifest: Manifest,
    /// SHA-256 of the manifest, which names the whole bundle.
    pub sha256: String,
}

/// Why a bundle could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file could not be written.
    #[error("the bundle could not be written: {0}")]
    Write(#[from] std::io::Error),
    /// The question could not be answered.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The trail could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes the bundle of an answer into a file, which is durable when this returns.
///
/// # Errors
/// The question, the trail or the file.
pub async fn write(
    file: File,
    engine: &Engine,
    trail: &Trail,
    asked: BundleRequest<'_>,
) -> Result<Bundle, BundleError> {
    let BundleRequest { request, from, to, filter, time_zone, format, exported_by, now } = asked;
    // The rows may be of a later state than this; what is beyond it is left out with its leaves.
    let snapshot = trail.snapshot();
    let tree_size = snapshot.size;
    let mut bundle = BundleWriter::new(BufWriter::new(file), format)?;
    let positions = write_rows(&mut bundle, engine, trail, (request, now), (format, tree_size)).await?;
    let recorded = first_recorded(trail, from, tree_size).await?;
    // A source whose clock is ahead may claim a time after it was recorded.
    let first_position = positions.first().map_or(recorded, |first| recorded.min(*first));
    write_leaves(&mut bundle, trail, &positions, first_position..tree_size).await?;
    let asked = Asked { query: request.query, from, to, filter: request.filter.clone() };
    let question = Question {
        query: request.query.as_str().to_owned(),
        from: from.to_string(),
        to: to.to_string(),
        filter: filter.to_owned(),
        time_zone: time_zone.to_owned(),
    };
    let exported = Exported {
        origin: trail.origin().to_owned(),
        vkey: trail.verifying_key().to_string(),
        checkpoint: checkpoint_of(trail, &snapshot),
        tree_size,
        first_position,
        peaks: trail.peaks(first_position).await?.iter().map(ToString::to_string).collect(),
        question,
        is_about_persons: asked.is_about_persons(),
        exported_by,
        exported_at: now.to_string(),
    };
    let (file, manifest, sha256) = bundle.finish(exported)?;
    let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(Bundle { file, manifest, sha256 })
}

/// The checkpoint of a state, with its cosignatures if witnesses have seen just that one.
fn checkpoint_of(trail: &Trail, snapshot: &Snapshot) -> String {
    match trail.cosigned().filter(|cosigned| cosigned.checkpoint.size == snapshot.size) {
        Some(cosigned) => cosigned.note.to_string(),
        None => snapshot.checkpoint.clone(),
    }
}

/// The rows of the state with so many records, and the positions that they have.
async fn write_rows(
    bundle: &mut BundleWriter<BufWriter<File>>,
    engine: &Engine,
    trail: &Trail,
    (request, now): (&LoginRequest, Time),
    (format, tree_size): (ExportFormat, u64),
) -> Result<BTreeSet<u64>, BundleError> {
    let mut positions = BTreeSet::new();
    let rows = engine.stream_logins(trail, request, now).await?;
    let mut rows = std::pin::pin!(rows);
    bundle.rows(&format.header(), 0)?;
    let mut bytes = Vec::new();
    while let Some(batch) = rows.next().await {
        bytes.clear();
        let mut count = 0;
        for row in batch?.iter().filter(|row| row.position < tree_size) {
            format.row(row, &mut bytes);
            positions.insert(row.position);
            count += 1;
        }
        bundle.rows(&bytes, count)?;
    }
    Ok(positions)
}

async fn write_leaves(
    bundle: &mut BundleWriter<BufWriter<File>>,
    trail: &Trail,
    rows: &BTreeSet<u64>,
    positions: std::ops::Range<u64>,
) -> Result<(), BundleError> {
    let mut leaves = LeafWriter::new();
    let mut start = positions.start;
    while start < positions.end {
        let end = (start + STRETCH).min(positions.end);
        for (position, record) in (start..).zip(trail.records(start..end).await?) {
            let shown = if rows.contains(&position) { Disclose::All } else { Disclose::None };
            bundle.leaf(leaves.leaf(&record), &shown.of(&record))?;
        }
        start = end;
    }
    Ok(())
}

/// The first position that was recorded at or after `from`: `recorded_at` never goes back.
async fn first_recorded(trail: &Trail, from: Time, size: u64) -> Result<u64, BundleError> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        let is_before =
            trail.records(middle..middle + 1).await?.first().is_some_and(|one| one.recorded_at < from);
        if is_before { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}
