//! A folder that files are dropped in: each is imported once it has stopped growing.
//!
//! Files stay where they are. Which were read is kept in the cursor by name, size and time of change; a file
//! that changes is read again, and what is in the trail already is not recorded twice.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::json;
use whowas_event::{EnvironmentName, Time};
use whowas_store::{Batch, Store, StoreError, Trail, WhenFull, control::Progress};

use crate::{
    ImportError, ImportOptions,
    coverage::{FILES, HOUR_MS, Pass, PassKind, record_pass},
    import_file,
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// Files that are remembered; of more, the oldest are read again after a restart, which adds nothing.
const FILES_MAX: usize = 10_000;
/// The stream that holds the cursor.
const STREAM: &str = "folder";

/// A folder and how its files are read.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The source's name; each file's format names it if there is none.
    pub source: Option<String>,
    /// Where.
    pub path: PathBuf,
    /// How.
    pub options: ImportOptions,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Stamp {
    bytes: u64,
    pub(super) changed_at: Time,
}

/// Looks at a folder again and again. Ends only by being dropped.
pub async fn watch(store: Arc<Store>, environment: EnvironmentName, folder: Folder) {
    let mut watching: Option<Watching> = None;
    loop {
        let step = async {
            let current = match watching.take() {
                Some(current) => current,
                None => Watching::open(&store, &environment, folder.clone()).await?,
            };
            watching.insert(current).look(&store).await
        };
        if let Err(error) = step.await {
            tracing::warn!(%environment, %error, "the folder is not read");
            watching = None;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A folder that is being watched.
#[derive(Debug)]
pub struct Watching {
    trail: Arc<Trail>,
    folder: Folder,
    read: BTreeMap<String, Stamp>,
    /// As they were at the last look.
    seen: BTreeMap<String, Stamp>,
    last_pass_at: Time,
}

impl Watching {
    /// Takes up where the last one stopped.
    pub async fn open(
        store: &Store,
        environment: &EnvironmentName,
        folder: Folder,
    ) -> Result<Self, StoreError> {
        let trail = store.create_trail(environment).await?;
        let source = source(&folder);
        let streams = store.control().streams(environment).await?;
        let stream = streams.into_iter().find(|one| one.source == source && one.stream == STREAM);
        let read = stream.and_then(|one| serde_json::from_str(&one.cursor?).ok()).unwrap_or_default();
        Ok(Self { trail, folder, read, seen: BTreeMap::new(), last_pass_at: Time::default() })
    }

    /// Imports what is new and has stopped growing since the last look.
    pub async fn look(&mut self, store: &Store) -> Result<(), StoreError> {
        let path = self.folder.path.clone();
        let listed = tokio::task::spawn_blocking(move || list(&path)).await;
        let found = match listed.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(found) => found,
            Err(error) => {
                return self.note(store, Some(unreadable(&error)), "").await;
            }
        };
        let ready: Vec<(String, Stamp)> = found
            .iter()
            .filter(|(name, stamp)| {
                self.seen.get(*name) == Some(*stamp) && self.read.get(*name) != Some(*stamp)
            })
            .map(|(name, stamp)| (name.clone(), *stamp))
            .collect();
        self.seen = found;
        let is_idle = ready.is_empty();
        for (name, stamp) in ready {
            self.bring(store, &name, stamp).await?;
        }
        let now = store.clock().now();
        // A folder that gets nothing is still looked at: once an hour the trail says so.
        if is_idle && (now.as_ms() - self.last_pass_at.as_ms()).abs() >= HOUR_MS {
            self.note(store, None, "").await?;
        }
        Ok(())
    }

    async fn bring(&mut self, store: &Store, name: &str, stamp: Stamp) -> Result<(), StoreError> {
        let now = store.clock().now();
        let mut options = self.folder.options.clone();
        options.source.clone_from(&self.folder.source);
        (options.read.received_at, options.read.file_time) = (now, stamp.changed_at);
        let failure = match fs::File::open(self.folder.path.join(name)) {
            Err(error) => Some(format!("a file: {}", error.kind())),
            Ok(file) => match import_file(&self.trail, store.control(), file, name, options).await {
                Ok(_) => None,
                Err(ImportError::Store(error)) => return Err(error),
                Err(error) => Some(match error.kind() {
                    whowas_store::ErrorKind::Unavailable => "a file cannot be read".to_owned(),
                    _ => "a file is not understood".to_owned(),
                }),
            },
        };
        if failure.is_some() {
            self.note(store, failure, name).await?;
        }
        self.read.insert(name.to_owned(), stamp);
        while self.read.len() > FILES_MAX {
            let oldest = self.read.iter().min_by_key(|(_, stamp)| stamp.changed_at);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
            self.read.remove(&oldest);
        }
        let source = source(&self.folder);
        let progress = Progress {
            source: source.clone(),
            stream: STREAM.to_owned(),
            cursor: Some(serde_json::to_string(&self.read).expect("names and numbers are plain data")),
            ..Progress::default()
        };
        let batch = Batch { source, format: "whowas".to_owned(), received_at: now, records: Vec::new() };
        // After the file's records: a crash between the two reads it again, which adds nothing.
        self.trail.append_with(batch, Some(progress), WhenFull::Wait).await?;
        self.last_pass_at = now;
        Ok(())
    }

    /// A pass without records: nothing was there, or something failed.
    async fn note(&mut self, store: &Store, failure: Option<String>, file: &str) -> Result<(), StoreError> {
        let now = store.clock().now();
        let is_told = (now.as_ms() - self.last_pass_at.as_ms()).abs() < HOUR_MS;
        if file.is_empty() && is_told {
            return Ok(());
        }
        self.last_pass_at = now;
        let pass = Pass {
            is_complete: failure.is_none(),
            failure,
            ..Pass::new(&source(&self.folder), FILES, PassKind::File, (now, now), now)
        };
        let unmapped = if file.is_empty() { json!({}) } else { json!({ "file": crate::file_tail(file) }) };
        record_pass(&self.trail, store.control().as_ref(), &pass, unmapped).await?;
        Ok(())
    }
}

pub(super) fn source(folder: &Folder) -> String {
    folder.source.clone().unwrap_or_else(|| STREAM.to_owned())
}

/// Why a folder cannot be listed, in words that name no path: they go into a record.
pub(super) fn unreadable(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "the folder does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => {
            "the folder may not be read by the user that whowas runs as".to_owned()
        }
        kind => format!("the folder: {kind}"),
    }
}

/// The regular files of a folder, hidden ones left out: what is being copied is often named so.
pub(super) fn list(path: &Path) -> std::io::Result<BTreeMap<String, Stamp>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let (Ok(metadata), Ok(name)) = (entry.metadata(), entry.file_name().into_string()) else { continue };
        if !metadata.is_file() || name.starts_with('.') || found.len() == FILES_MAX {
            continue;
        }
        let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = i64::try_from(changed.as_millis()).unwrap_or_default();
        let changed_at = Time::from_ms(ms).unwrap_or_default();
        found.insert(name, Stamp { bytes: metadata.len(), changed_at });
    }
    Ok(found)
}
