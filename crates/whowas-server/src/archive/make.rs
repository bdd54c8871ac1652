//! Writing one window: its files first, then the manifest that names them. A crash before the manifest leaves
//! files that nothing names; after it the window is there, and is found by whoever tries to write it again.

use std::{
    fs::File,
    io::{self, Write},
};

use futures::StreamExt;
use sha2::{Digest, Sha256};
use whowas_event::Time;
use whowas_export::{
    EncodeError, Encoder, ExportFormat, FileFormat,
    evidence::bundle::{extract_data, read_checkpoint},
    windows::{Covered, Done, Window},
};
use whowas_query::{Engine, LoginRequest, NamedQuery, QueryError};
use whowas_store::{SEGMENT_RECORDS_MAX, StoreError, Trail};

use super::{
    Scheduled,
    manifest::{self, FILES_MAX, FORMAT, MANIFEST, Manifest, Part, Purpose, Uncovered},
    offline::OfflineError,
};
use crate::evidence::{self, Bundle, BundleError, BundleRequest};

/// Why a window could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum MakeError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("a temporary file: {0}")]
    Temporary(#[from] io::Error),
    #[error(transparent)]
    Offline(#[from] OfflineError),
    #[error("{0} records are more than one window can have")]
    TooMany(u64),
}

/// What is to be written.
pub(super) struct Task<'a> {
    pub(super) one: &'a Scheduled,
    pub(super) window: Window,
    pub(super) previous: Option<&'a Done>,
    pub(super) covered: Covered,
    pub(super) uncovered: Vec<Uncovered>,
    pub(super) now: Time,
}

/// Writes a window, and gives what it is.
pub(super) async fn make(
    trail: &Trail,
    engine: &Engine,
    task: Task<'_>,
) -> Result<(Manifest, String), MakeError> {
    let Task { one, window, previous, covered, uncovered, now } = task;
    let folder = manifest::folder(one.environment.as_str(), &one.schedule.name, window);
    let mut writing = Writing { one, folder: &folder, files: Vec::new() };
    let request = LoginRequest {
        query: NamedQuery::AllEvents,
        from: Some(window.from),
        to: Some(window.to),
        ..LoginRequest::default()
    };
    let mut bundle = evidence(trail, engine, &request, (one, window, now)).await?;
    let tree_size = bundle.manifest.tree_size;
    writing.put(&mut bundle.file, ("evidence", "zip"), (Purpose::Evidence, None)).await?;
    for format in &one.formats {
        let mut file = match format {
            // The very bytes that the evidence is about.
            FileFormat::Rows(ExportFormat::Csv) => {
                let mut file = tempfile::tempfile()?;
                extract_data(&mut bundle.file, &bundle.manifest, &mut file)?;
                file
            }
            format => rows(trail, engine, &request, (*format, tree_size), now).await?,
        };
        writing.put(&mut file, ("sign-ins", format.extension()), (Purpose::Rows, None)).await?;
    }
    let first_position = previous.map_or(0, |done| done.tree_size);
    // What happened before the first window is no row of any; it is in the records all the same.
    let since = previous.map_or(Time::from_ms(i64::MIN).unwrap_or_default(), |_| window.from);
    let earlier = writing.records(trail, first_position..tree_size, since).await?;
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        environment: one.environment.to_string(),
        origin: trail.origin().to_owned(),
        vkey: trail.verifying_key().to_string(),
        schedule: one.schedule.name.clone(),
        from: window.from,
        to: window.to,
        covered,
        uncovered,
        previous: previous.map(|done| done.sha256.clone()),
        first_position,
        tree_size,
        peaks: trail.peaks(first_position).await?.iter().map(ToString::to_string).collect(),
        checkpoint: read_checkpoint(&mut bundle.file)?,
        rows: bundle.manifest.rows,
        late_rows: if previous.is_some() { earlier } else { 0 },
        files: writing.files,
        made_at: now,
    };
    let bytes = manifest.to_bytes();
    let sha256 = hex::encode(Sha256::digest(&bytes));
    // From here on the window is there.
    one.storage.create(&format!("{folder}/{MANIFEST}"), bytes).await?;
    Ok((manifest, sha256))
}

async fn evidence(
    trail: &Trail,
    engine: &Engine,
    request: &LoginRequest,
    (one, window, now): (&Scheduled, Window, Time),
) -> Result<Bundle, MakeError> {
    let asked = BundleRequest {
        request,
        from: window.from,
        to: window.to,
        filter: "",
        time_zone: "UTC",
        format: ExportFormat::Csv,
        exported_by: format!("schedule {}", one.schedule.name),
        now,
    };
    Ok(evidence::write(tempfile::tempfile()?, engine, trail, asked).await?)
}

/// The rows of the state with so many records, as a file.
async fn rows(
    trail: &Trail,
    engine: &Engine,
    request: &LoginRequest,
    (format, tree_size): (FileFormat, u64),
    now: Time,
) -> Result<File, MakeError> {
    let mut file = tempfile::tempfile()?;
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(format, &mut bytes)?;
    let rows = engine.stream_logins(trail, request, now).await?;
    let mut rows = std::pin::pin!(rows);
    while let Some(batch) = rows.next().await {
        let mut batch = batch?;
        batch.retain(|row| row.position < tree_size);
        encoder.rows(&batch, &mut bytes)?;
        file.write_all(&bytes)?;
        bytes.clear();
    }
    encoder.finish(&mut bytes)?;
    file.write_all(&bytes)?;
    Ok(file)
}

/// The files of a window, as they are written.
struct Writing<'a> {
    one: &'a Scheduled,
    folder: &'a str,
    files: Vec<Part>,
}

impl Writing<'_> {
    /// Stores a file under a name that its content decides.
    async fn put(
        &mut self,
        file: &mut File,
        (stem, extension): (&str, &str),
        (purpose, positions): (Purpose, Option<std::ops::Range<u64>>),
    ) -> Result<(), MakeError> {
        use std::io::Seek;
        file.rewind()?;
        let mut digest = Sha256::new();
        let bytes = io::copy(file, &mut HashWriter(&mut digest))?;
        let sha256 = hex::encode(digest.finalize());
        let short = sha256.get(..16).unwrap_or_default();
        let name = format!("{stem}-{short}.{extension}");
        self.one.storage.create_from(&format!("{}/{name}", self.folder), file).await?;
        let (start, end) = positions.map(|at| (at.start, at.end)).unzip();
        self.files.push(Part { name, purpose, bytes, sha256, start, end });
        Ok(())
    }

    /// Stores records as segments, and counts those that happened before `since`.
    async fn records(
        &mut self,
        trail: &Trail,
        positions: std::ops::Range<u64>,
        since: Time,
    ) -> Result<u64, MakeError> {
        let count = positions.end.saturating_sub(positions.start);
        if count / SEGMENT_RECORDS_MAX >= (FILES_MAX / 2) as u64 {
            return Err(MakeError::TooMany(count));
        }
        let snapshot = trail.snapshot();
        let (mut start, mut earlier) = (positions.start, 0);
        while start < positions.end {
            let end = (start + SEGMENT_RECORDS_MAX).min(positions.end);
            let segment = trail.segment(&snapshot, start..end, since).await?;
            earlier += segment.earlier;
            let mut file = tempfile::tempfile()?;
            file.write_all(&segment.bytes)?;
            let stem = format!("records-{start}-{end}");
            self.put(&mut file, (&stem, "parquet"), (Purpose::Records, Some(start..end))).await?;
            start = end;
        }
        Ok(earlier)
    }
}

struct HashWriter<'d>(&'d mut Sha256);

impl Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
