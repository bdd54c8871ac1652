//! The task that makes exports, one at a time, and deletes those whose time is over.

use std::{fs::File, sync::Arc, sync::atomic::Ordering, time::Duration};

use futures::StreamExt;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use whowas_event::EnvironmentName;
use whowas_export::{Encoder, ExportFormat, FileFormat};
use whowas_query::{AsOf, Filter, LoginRequest, NamedQuery, QueryError};
use whowas_store::{
    StoreError, Trail,
    control::{Export, ExportState},
};

use super::{LISTED_MAX, Running, Shape, expires_at, shape};
use crate::{
    access::Access,
    app::App,
    evidence::{self, BundleError, BundleRequest},
};

/// How often files are looked at whose time may be over, if nothing else happens.
const SWEEP_PAUSE: Duration = Duration::from_secs(60);
/// How much of a finished file is read at once for its digest.
const DIGEST_CHUNK_BYTES: usize = 1 << 20;

/// Why an export could not be made, in words that name nobody.
#[derive(Debug)]
struct Reason(String);

impl From<QueryError> for Reason {
    fn from(error: QueryError) -> Self {
        Self(error.loggable().to_string())
    }
}

impl From<StoreError> for Reason {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<std::io::Error> for Reason {
    fn from(error: std::io::Error) -> Self {
        Self(format!("the file could not be written: {error}"))
    }
}

impl From<BundleError> for Reason {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::Query(error) => error.into(),
            BundleError::Store(error) => error.into(),
            BundleError::Write(error) => error.into(),
        }
    }
}

/// Runs until it is aborted. An export that was begun then begins again with the next process.
pub(crate) async fn work(app: Arc<App>) {
    loop {
        match round(&app).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "exports are not made"),
        }
        // A waiting export wakes this up; so does the time, for those that are to go.
        let _ = tokio::time::timeout(SWEEP_PAUSE, app.jobs.wakened.notified()).await;
    }
}

/// Sweeps, then makes the export that has waited longest; `false` if none waits.
async fn round(app: &App) -> Result<bool, StoreError> {
    let (mut oldest, mut bytes): (Option<(EnvironmentName, Export)>, u64) = (None, 0);
    for name in app.store.environments().await? {
        let exports = sweep(app, &name).await?;
        bytes +=
            exports.iter().filter(|one| one.state == ExportState::Done).map(|one| one.bytes).sum::<u64>();
        let waiting = exports.into_iter().rfind(|one| one.state.is_open());
        let is_older = |one: &Export| oldest.as_ref().is_none_or(|(_, known)| one.id < known.id);
        if let Some(waiting) = waiting.filter(is_older) {
            oldest = Some((name, waiting));
        }
    }
    let Some((name, export)) = oldest else { return Ok(false) };
    let running = Arc::new(Running { id: export.id, ..Running::default() });
    app.jobs.set_running(Some(running.clone()));
    let done = one(app, &name, export, &running, app.jobs.bytes_max.saturating_sub(bytes)).await;
    app.jobs.set_running(None);
    done.map(|()| true)
}

/// Deletes files whose time is over, and whatever belongs to no export; forgets the oldest that have no file.
async fn sweep(app: &App, name: &EnvironmentName) -> Result<Vec<Export>, StoreError> {
    let now = app.now();
    let mut exports = app.control().exports(name).await?;
    for export in &mut exports {
        if expires_at(export).is_some_and(|at| at <= now) {
            export.state = ExportState::Expired;
            app.control().change_export(name, ExportState::Done, export).await?;
        }
    }
    let has_no_file = |one: &&Export| !one.state.is_open() && one.state != ExportState::Done;
    for old in exports.iter().skip(LISTED_MAX).filter(has_no_file) {
        app.control().forget_export(name, old.id).await?;
    }
    let kept: Vec<i64> =
        exports.iter().filter(|one| one.state == ExportState::Done).map(|one| one.id).collect();
    let files = app.store.export_files(name);
    blocking(move || files.sweep(&kept)).await?;
    Ok(exports)
}

/// Makes one export and says what became of it.
async fn one(
    app: &App,
    name: &EnvironmentName,
    mut export: Export,
    running: &Running,
    room: u64,
) -> Result<(), StoreError> {
    let was = export.state;
    export.state = ExportState::Running;
    if !app.control().change_export(name, was, &export).await? {
        return Ok(());
    }
    let trail = app.store.trail(name).await?;
    let made = tokio::select! {
        made = make(app, &trail, &export, running, room) => made,
        () = running.stop.notified() => Err(Reason("canceled".to_owned())),
    };
    export.finished_at = Some(app.now());
    match made {
        Ok(made) => {
            export.state = ExportState::Done;
            (export.rows, export.bytes, export.sha256) = (made.rows, made.bytes, Some(made.sha256));
            tell(app, &trail, &export).await?;
        }
        Err(Reason(reason)) => {
            tracing::warn!(environment = %name, job = export.id, reason, "an export was not made");
            (export.state, export.reason) = (ExportState::Failed, Some(reason));
        }
    }
    // Canceled, or erased, in the meantime: then that holds, and nothing of the file is left.
    let is_said = app.control().change_export(name, ExportState::Running, &export).await?;
    if !is_said || export.state != ExportState::Done {
        let (files, id) = (app.store.export_files(name), export.id);
        blocking(move || files.remove(id)).await?;
    }
    Ok(())
}

/// Writes down what was made, before anybody can have it. A trail that has stopped can still be exported.
async fn tell(app: &App, trail: &Trail, export: &Export) -> Result<(), StoreError> {
    if trail.poisoned().is_some() {
        tracing::warn!(job = export.id, "exported from a trail that accepts no access records");
        return Ok(());
    }
    let access = Access::new("export_made").with("job", export.id).with("query", export.query.as_str());
    let access = access.with("rows", export.rows).with("bytes", export.bytes);
    let sha256 = export.sha256.as_deref().unwrap_or_default();
    access.with("sha256", sha256).of_job(app, trail, &export.asked_by).await
}

/// A file that was written and published.
struct Made {
    rows: u64,
    bytes: u64,
    sha256: String,
}

async fn make(
    app: &App,
    trail: &Trail,
    export: &Export,
    running: &Running,
    room: u64,
) -> Result<Made, Reason> {
    let shape = shape(export).map_err(|problem| Reason(problem.detail().to_owned()))?;
    let (files, id) = (app.store.export_files(trail.name()), export.id);
    let beginning = files.clone();
    let file = blocking(move || beginning.begin(id)).await?;
    let made = match shape {
        Shape::Rows(format) => write_rows(app, trail, export, running, (file, format, room)).await?,
        Shape::Evidence(format) => write_bundle(app, trail, export, (file, format)).await?,
    };
    if made.bytes > room {
        return Err(no_room(app));
    }
    blocking(move || files.publish(id)).await?;
    Ok(made)
}

fn no_room(app: &App) -> Reason {
    let bytes = app.jobs.bytes_max;
    Reason(format!(
        "kept exports would have more than {bytes} bytes together: delete some, or wait until they expire"
    ))
}

fn request(export: &Export) -> Result<LoginRequest, Reason> {
    let filter = Filter::parse(&export.filter).map_err(|error| QueryError::from(error).loggable());
    Ok(LoginRequest {
        query: NamedQuery::from_word(&export.query)
            .ok_or_else(|| Reason("this version knows no such query".to_owned()))?,
        from: Some(export.from),
        to: Some(export.to),
        filter: filter.map_err(|reason| Reason(reason.to_string()))?,
        limit: 0,
        page: None,
        as_of: None,
    })
}

async fn write_rows(
    app: &App,
    trail: &Trail,
    export: &Export,
    running: &Running,
    (file, format, room): (File, FileFormat, u64),
) -> Result<Made, Reason> {
    // What is recorded while this waits is not in the answer that was asked for.
    let request = LoginRequest { as_of: Some(AsOf::Size(export.tree_size)), ..request(export)? };
    let rows = app.engine.stream_logins(trail, &request, export.asked_at).await?;
    let mut rows = std::pin::pin!(rows);
    let mut file = tokio::fs::File::from_std(file);
    let (mut digest, mut bytes, mut count) = (Sha256::new(), 0_u64, 0_u64);
    let mut out = Vec::new();
    let failed = |error: whowas_export::EncodeError| Reason(error.to_string());
    let mut encoder = Encoder::new(format, &mut out).map_err(failed)?;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        encoder.rows(&batch, &mut out).map_err(failed)?;
        count += batch.len() as u64;
        bytes += out.len() as u64;
        if bytes > room {
            return Err(no_room(app));
        }
        digest.update(&out);
        file.write_all(&out).await?;
        out.clear();
        running.rows.store(count, Ordering::Relaxed);
        running.bytes.store(bytes, Ordering::Relaxed);
    }
    finish(encoder, out, (file, digest), (count, bytes)).await
}

/// Writes what an encoder has left, and makes the file durable.
async fn finish(
    encoder: Encoder,
    mut out: Vec<u8>,
    (mut file, mut digest): (tokio::fs::File, Sha256),
    (rows, bytes): (u64, u64),
) -> Result<Made, Reason> {
    encoder.finish(&mut out).map_err(|error| Reason(error.to_string()))?;
    digest.update(&out);
    file.write_all(&out).await?;
    file.sync_all().await?;
    Ok(Made { rows, bytes: bytes + out.len() as u64, sha256: hex::encode(digest.finalize()) })
}

/// The bundle is of the state when it is made: it proves that nothing was left out up to its checkpoint.
async fn write_bundle(
    app: &App,
    trail: &Trail,
    export: &Export,
    (file, format): (File, ExportFormat),
) -> Result<Made, Reason> {
    let request = request(export)?;
    let asked = BundleRequest {
        request: &request,
        from: export.from,
        to: export.to,
        filter: &export.filter,
        time_zone: "UTC",
        format,
        exported_by: export.asked_by.clone(),
        now: app.now(),
    };
    let made = evidence::write(file, &app.engine, trail, asked).await?;
    let rows = made.manifest.rows;
    let (bytes, sha256) = blocking(move || digest(made.file)).await?;
    Ok(Made { rows, bytes, sha256 })
}

fn digest(mut file: File) -> Result<(u64, String), StoreError> {
    use std::io::{Read, Seek};
    let failed = |source| StoreError::File { path: "an export".to_owned(), source };
    file.rewind().map_err(failed)?;
    let (mut hash, mut length, mut chunk) = (Sha256::new(), 0, vec![0; DIGEST_CHUNK_BYTES]);
    loop {
        let count = file.read(&mut chunk).map_err(failed)?;
        let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
        length += read.len() as u64;
    }
    Ok((length, hex::encode(hash.finalize())))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| StoreError::Poisoned(e.to_string()))?
}
