//! Exports that are made in the background and kept for a while.
//!
//! What is known of one is in the control database, so that it survives this process; how far the one that is
//! being made has come is here. One is made at a time, oldest first (`run.rs`). Its `access` records say who
//! asked for it, what was made, with which digest, and who fetched it.

mod run;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};
use tokio::sync::Notify;
use whowas_event::{EnvironmentName, Time};
use whowas_export::{ExportFormat, FileFormat};
use whowas_query::LoginRequest;
use whowas_store::control::{Export, ExportState};

use crate::{
    access::Access,
    api::params::LoginParams,
    app::App,
    auth::{Permit, Reader},
    problem::Problem,
};

pub(crate) use run::work;

/// For how long a finished export is kept.
pub(crate) const KEPT_DAYS: i64 = 7;
/// Exports of one environment that wait or are made.
pub(crate) const OPEN_MAX: usize = 20;
/// Exports of one environment that are listed; the oldest that have no file are forgotten beyond.
pub(crate) const LISTED_MAX: usize = 200;

/// What an export is written as: a file of rows, or a bundle that proves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Rows(FileFormat),
    Evidence(ExportFormat),
}

impl Shape {
    /// Of the words in a request.
    pub(crate) fn of(format: &str, is_evidence: bool) -> Result<Self, Problem> {
        let word = if format.is_empty() { "csv" } else { format };
        if is_evidence {
            let format = ExportFormat::from_word(word);
            let format =
                format.ok_or_else(|| Problem::invalid("as: a bundle has its rows as csv or jsonl"))?;
            return Ok(Self::Evidence(format));
        }
        let format =
            FileFormat::from_word(word).map_err(|reason| Problem::invalid(format!("as: {reason}")))?;
        Ok(Self::Rows(format))
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Rows(format) => format.as_str(),
            Self::Evidence(format) => format.as_str(),
        }
    }

    /// The end of the file's name.
    const fn extension(self) -> &'static str {
        match self {
            Self::Rows(format) => format.extension(),
            Self::Evidence(_) => "evidence.zip",
        }
    }

    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Rows(format) => format.media_type(),
            Self::Evidence(_) => "application/zip",
        }
    }
}

/// The export that is being made.
#[derive(Debug, Default)]
struct Running {
    id: i64,
    rows: AtomicU64,
    bytes: AtomicU64,
    stop: Notify,
}

/// What requests and the task that makes exports share.
#[derive(Debug)]
pub(crate) struct Jobs {
    /// Bytes that all finished exports of all environments may have together.
    pub(crate) bytes_max: u64,
    wakened: Notify,
    running: Mutex<Option<Arc<Running>>>,
}

impl Jobs {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, wakened: Notify::new(), running: Mutex::default() }
    }

    fn running(&self) -> Option<Arc<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_running(&self, running: Option<Arc<Running>>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = running;
    }

    /// Adds what is only known here: how far the export has come that is being made.
    fn add_progress(&self, export: &mut Export) {
        let running = self.running().filter(|running| running.id == export.id);
        if let Some(running) = running.filter(|_| export.state == ExportState::Running) {
            export.rows = running.rows.load(Ordering::Relaxed);
            export.bytes = running.bytes.load(Ordering::Relaxed);
        }
    }
}

/// When its file is deleted, if it has one.
pub(crate) fn expires_at(export: &Export) -> Option<Time> {
    let finished_at = export.finished_at.filter(|_| export.state == ExportState::Done);
    finished_at.map(|at| at.saturating_add_ms(KEPT_DAYS * 86_400_000))
}

/// What it is written as. The words were checked when they were stored.
pub(crate) fn shape(export: &Export) -> Result<Shape, Problem> {
    Shape::of(&export.format, export.is_evidence)
}

/// Names and dates only: all of them are safe in a header and in a file system.
pub(crate) fn file_name(name: &EnvironmentName, export: &Export) -> Result<String, Problem> {
    let date = |time: Time| time.to_string().chars().take(10).collect::<String>();
    let last = export.to.saturating_add_ms(-1);
    let (environment, query) = (name.as_str().replace('/', "-"), &export.query);
    let extension = shape(export)?.extension();
    Ok(format!("{environment}_{query}_{}_{}_{}.{extension}", date(export.from), date(last), export.id))
}

/// Asks for an export. When this returns, it will be made, and an `access` record says so.
pub(crate) async fn ask(
    app: &App,
    permit: &Reader,
    params: &LoginParams,
    shape: Shape,
) -> Result<Export, Problem> {
    let now = app.now();
    let mut request = params.request(now)?;
    (request.page, request.limit) = (None, 1);
    if request.as_of.is_some() && matches!(shape, Shape::Evidence(_)) {
        return Err(Problem::invalid("as_of: a bundle proves the present state"));
    }
    let known = app.control().exports(&permit.name).await?;
    if known.iter().filter(|one| one.state.is_open()).count() >= OPEN_MAX {
        return Err(Problem::busy(format!("{OPEN_MAX} exports are waiting already: cancel some, or wait")));
    }
    let page = app.engine.logins(&permit.trail, &request, now).await?;
    let mut export = Export {
        id: 0,
        state: ExportState::Waiting,
        asked_by: permit.caller.name(),
        asked_at: now,
        query: request.query.as_str().to_owned(),
        from: page.from,
        to: page.to,
        filter: params.filter.clone(),
        format: shape.word().to_owned(),
        is_evidence: matches!(shape, Shape::Evidence(_)),
        tree_size: page.tree_size,
        total: page.total,
        rows: 0,
        bytes: 0,
        sha256: None,
        reason: None,
        finished_at: None,
    };
    export.id = app.control().add_export(&permit.name, &export).await?;
    if let Err(problem) = asked(app, permit, &request, &export).await {
        app.control().forget_export(&permit.name, export.id).await?;
        return Err(problem);
    }
    app.jobs.wakened.notify_one();
    Ok(export)
}

async fn asked(app: &App, permit: &Permit, request: &LoginRequest, export: &Export) -> Result<(), Problem> {
    let range = (export.from, export.to, export.tree_size);
    let access = Access::of_range("export_job", request, &export.filter, range);
    let access = access.with("job", export.id).with("as", export.format.as_str()).with("rows", export.total);
    access.with("is_evidence", export.is_evidence).seen(app, permit).await
}

/// Every export of the environment, newest first.
pub(crate) async fn list(app: &App, permit: &Permit) -> Result<Vec<Export>, Problem> {
    let mut exports = app.control().exports(&permit.name).await?;
    exports.iter_mut().for_each(|export| app.jobs.add_progress(export));
    Ok(exports)
}

/// One export.
pub(crate) async fn find(app: &App, permit: &Permit, id: i64) -> Result<Export, Problem> {
    let found = list(app, permit).await?.into_iter().find(|export| export.id == id);
    found.ok_or_else(|| Problem::not_found("there is no export of this number"))
}

/// Cancels an export, or deletes its file and forgets it. Only whoever asked for it may, and administrators.
pub(crate) async fn remove(app: &App, permit: &Permit, id: i64) -> Result<(), Problem> {
    let mut export = find(app, permit, id).await?;
    if export.asked_by != permit.caller.name() && !permit.caller.is_admin() {
        return Err(Problem::denied("this export is somebody else's"));
    }
    let (control, was) = (app.control(), export.state);
    let action = if was.is_open() { "cancel_export" } else { "delete_export" };
    let access = Access::new(action).with("job", id);
    access.done(app, &permit.trail, &permit.caller).await?;
    if was.is_open() {
        (export.state, export.finished_at) = (ExportState::Canceled, Some(app.now()));
        if control.change_export(&permit.name, was, &export).await? {
            if let Some(running) = app.jobs.running().filter(|running| running.id == id) {
                running.stop.notify_one();
            }
            return Ok(());
        }
        // It was begun, or done, in this moment.
        return Err(Problem::busy("the export has just gone on; try again"));
    }
    control.forget_export(&permit.name, id).await?;
    let files = app.store.export_files(&permit.name);
    tokio::task::spawn_blocking(move || files.remove(id)).await.map_err(Problem::internal)??;
    Ok(())
}

/// As the API shows it.
pub(crate) fn view(name: &EnvironmentName, export: &Export) -> Value {
    let file = (export.state == ExportState::Done).then(|| file_path(name, export.id));
    json!({
        "id": export.id, "state": export.state, "query": export.query, "from": export.from, "to": export.to,
        "filter": export.filter, "as": export.format, "evidence": export.is_evidence,
        "tree_size": export.tree_size, "total": export.total, "rows": export.rows, "bytes": export.bytes,
        "sha256": export.sha256, "reason": export.reason, "asked_by": export.asked_by,
        "asked_at": export.asked_at, "finished_at": export.finished_at, "expires_at": expires_at(export),
        "file": file,
    })
}

/// Where its file is.
pub(crate) fn file_path(name: &EnvironmentName, id: i64) -> String {
    format!("/api/v1/environments/{name}/exports/{id}/file")
}
