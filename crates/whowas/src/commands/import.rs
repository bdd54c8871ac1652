//! `whowas import`: files, folders, standard input.

use std::{
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;
use whowas_collect::{Delivery, ImportError, ImportOptions, ImportSummary, file_tail, import, import_file};
use whowas_event::{Time, admit::RawData};
use whowas_store::{Store, Trail};

use super::access;
use crate::{
    cli::{DateOrder, Global, Import, Reading},
    config,
    failure::{DONE, Failure, REJECTED},
    output, times,
};

/// Files below one folder; beyond that a folder was given by mistake.
const FOLDER_FILES_MAX: usize = 1_000_000;

pub(crate) async fn run(global: &Global, args: Import) -> Result<u8, Failure> {
    // What is wrong with the command is told before anything is created.
    let files = files(&args.files)?;
    read_options(&args.reading, Time::default())?;
    let store = config::open(global, true).await?;
    let result = import_all(global, &args, &store, files).await;
    store.close().await?;
    result
}

async fn import_all(
    global: &Global,
    args: &Import,
    store: &Store,
    files: Vec<PathBuf>,
) -> Result<u8, Failure> {
    let trail = store.create_trail(&args.environment).await?;
    let mut code = DONE;
    let mut failure = None;
    for path in files {
        match import_one(store, &trail, args, &path).await {
            Ok(mut summaries) => {
                leave_trace(store, &trail, &path, &mut summaries).await?;
                if summaries.iter().any(|summary| summary.rejected > 0) {
                    code = REJECTED;
                }
                show(global, &summaries)?;
            }
            // One broken file does not keep the others out; the exit code tells.
            Err(ImportError::Read { file, error, mut partial }) => {
                leave_trace(store, &trail, &path, &mut partial).await?;
                show(global, &partial)?;
                let error = Failure::from(ImportError::Read { file, error, partial });
                if let Some(earlier) = failure.replace(error) {
                    Failure::report(earlier);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    if code == REJECTED && !global.json {
        eprintln!("rejected records are kept: whowas rejected list --environment {}", args.environment);
    }
    failure.map_or(Ok(code), Err)
}

/// Who brought the file, if it changed anything; the trail's new size is that of the last summary.
async fn leave_trace(
    store: &Store,
    trail: &Arc<Trail>,
    path: &Path,
    summaries: &mut [ImportSummary],
) -> Result<(), Failure> {
    let sum = |count: fn(&ImportSummary) -> u64| summaries.iter().map(count).sum::<u64>();
    let (recorded, rejected) = (sum(|one| one.recorded), sum(|one| one.rejected));
    if recorded + rejected == 0 {
        return Ok(());
    }
    let body = json!({"recorded": recorded, "rejected": rejected});
    let personal = json!({"file": file_tail(&path.display().to_string())});
    let receipt = access::record(trail, "import", body, personal, store.clock().now()).await?;
    if let Some(last) = summaries.last_mut() {
        last.tree_size = receipt.tree_size;
    }
    Ok(())
}

async fn import_one(
    store: &Store,
    trail: &Arc<Trail>,
    args: &Import,
    path: &Path,
) -> Result<Vec<ImportSummary>, ImportError> {
    let unreadable = |error: io::Error| ImportError::Read {
        file: path.display().to_string(),
        error: error.into(),
        partial: Vec::new(),
    };
    let received_at = store.clock().now();
    let options = ImportOptions {
        format: format_name(&args.reading),
        source: args.source.clone(),
        raw: if args.no_raw { RawData::Dropped } else { RawData::Kept },
        delivery: Delivery::File,
        // Checked before; a second reading of the same arguments cannot fail.
        read: read_options(&args.reading, received_at).unwrap_or_else(|_| default_options(received_at)),
    };
    if path == Path::new("-") {
        return import(trail, store.control(), io::stdin(), "-", options).await;
    }
    let file = File::open(path).map_err(unreadable)?;
    let options = ImportOptions { read: dated(options.read, &file), ..options };
    import_file(trail, store.control(), file, &path.display().to_string(), options).await
}

/// The same options with the time at which the file was changed last: dates without a year are before it.
pub(crate) fn dated(options: whowas_format::Options, file: &File) -> whowas_format::Options {
    let file_time = modified_at(file).unwrap_or(options.received_at);
    whowas_format::Options { file_time, ..options }
}

fn modified_at(file: &File) -> Option<Time> {
    let modified = file.metadata().ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    Time::from_ms(i64::try_from(since.as_millis()).ok()?).ok()
}

/// The format's name, unless it is to be recognised.
pub(crate) fn format_name(reading: &Reading) -> Option<String> {
    (reading.format != "auto").then(|| reading.format.clone())
}

/// How foreign files are read, from flags and environment.
pub(crate) fn read_options(reading: &Reading, received_at: Time) -> Result<whowas_format::Options, Failure> {
    let from_environment = env::var("TZ").ok().map(|zone| zone.trim_start_matches(':').to_owned());
    let zone = reading.source_timezone.clone().or(from_environment).filter(|zone| !zone.is_empty());
    let date_order = reading.date_order.map(|order| match order {
        DateOrder::Dmy => whowas_format::DateOrder::DayMonthYear,
        DateOrder::Mdy => whowas_format::DateOrder::MonthDayYear,
    });
    let source_timezone = times::zone(zone.as_deref())?;
    Ok(whowas_format::Options { source_timezone, date_order, received_at, file_time: received_at })
}

fn default_options(received_at: Time) -> whowas_format::Options {
    whowas_format::Options {
        source_timezone: jiff::tz::TimeZone::UTC,
        date_order: None,
        received_at,
        file_time: received_at,
    }
}

/// The files that are meant: folders are walked in the order of names.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            found.push(path.clone());
            continue;
        }
        let metadata =
            fs::metadata(path).map_err(|e| Failure::not_understood(format!("{}: {e}", path.display())))?;
        if metadata.is_dir() {
            let before = found.len();
            walk(path, &mut found)?;
            if found.len() == before {
                return Err(Failure::not_understood(format!("{}: the folder has no files", path.display())));
            }
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = fs::read_dir(folder).map_err(|e| Failure::file(folder, &e))?;
    let mut paths = entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    for path in paths {
        // Links are not followed: they may lead in circles, or out of what the user meant.
        let metadata = fs::symlink_metadata(&path).map_err(|e| Failure::file(&path, &e))?;
        if metadata.is_dir() {
            walk(&path, found)?;
        } else if metadata.is_file() {
            found.push(path);
        }
        if found.len() > FOLDER_FILES_MAX {
            return Err(Failure::not_understood(format!(
                "more than {FOLDER_FILES_MAX} files: name the ones you mean"
            )));
        }
    }
    Ok(())
}

/// The summaries of an import, for people or programs.
pub(crate) fn show(global: &Global, summaries: &[ImportSummary]) -> Result<(), Failure> {
    for summary in summaries {
        if global.json {
            output::json_line(summary)?;
            continue;
        }
        let format = summary.format.as_deref().unwrap_or("not recognised");
        output::line(format_args!(
            "{}: {format}: {} read, {} recorded, {} duplicate, {} revised, {} rejected; the trail has {} records",
            output::printable(&summary.file),
            summary.read,
            summary.recorded,
            summary.duplicate,
            summary.revised,
            summary.rejected,
            summary.tree_size
        ))?;
        for reason in &summary.reasons {
            output::line(format_args!("  rejected: {}", output::printable(reason)))?;
        }
        for warning in &summary.warnings {
            output::line(format_args!("  warning: {}", output::printable(warning)))?;
        }
    }
    Ok(())
}
