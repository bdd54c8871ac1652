//! Sources that leave files in object storage: an S3 prefix, or an Azure container with the logs of Azure Monitor.
//!
//! Everything below the prefix is listed again and again. An object that is new, or has another ETag, size or time, is
//! imported whole; what is in the trail already is not recorded twice. So a blob that grows during its hour
//! (`…/PT1H.json`) is read again until it stands still. Which states were read is kept in the cursor, as digests; objects
//! that fall out of it are told from new ones by their time.

use std::{
    collections::BTreeMap,
    io::{Seek, Write},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};
use serde_json::json;
use sha2::{Digest, Sha256};
use whowas_event::{EnvironmentName, Time};
use whowas_store::{Batch, Store, StoreError, Trail, WhenFull, control::Progress};

use crate::{
    ImportError, ImportOptions,
    coverage::{FILES, HOUR_MS, MINUTE_MS, Pass, PassKind, record_pass},
    import_file,
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(60);
/// Objects whose state is remembered: eleven years of hours. At 40 bytes each, 4 MB of cursor.
const REMEMBERED_MAX: usize = 100_000;
/// Objects of one listing: beyond, the prefix is too wide, and the ledger says so.
const LISTED_MAX: usize = 1_000_000;
/// An object that changes with every look is read so often.
const GROWING_MS: i64 = 5 * MINUTE_MS;
/// Bytes of one object.
const OBJECT_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// Objects that are read before the cursor is committed: a stop costs their repetition.
const COMMIT_OBJECTS: usize = 50;
/// The stream that holds the cursor.
const STREAM: &str = "objects";

/// A prefix and how its objects are read.
#[derive(Clone, Debug)]
pub struct Objects {
    /// The source's name; each object's format names it if there is none.
    pub source: Option<String>,
    /// The storage.
    pub store: Arc<dyn ObjectStore>,
    /// Below which objects are read.
    pub prefix: Path,
    /// How.
    pub options: ImportOptions,
}

/// What was read. Names are long and of no use here: a digest stands for each.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Read {
    /// By the digest of the name: that of the state that was read, and its time in seconds.
    states: BTreeMap<String, (String, i64)>,
    /// What is not among them and not newer than this (seconds) was read.
    before: i64,
}

/// Looks at a prefix again and again. Ends only by being dropped.
pub async fn watch_objects(store: Arc<Store>, environment: EnvironmentName, objects: Objects) {
    let mut watching: Option<WatchingObjects> = None;
    loop {
        let step = async {
            let current = match watching.take() {
                Some(current) => current,
                None => WatchingObjects::open(&store, &environment, objects.clone()).await?,
            };
            watching.insert(current).look(&store).await
        };
        if let Err(error) = step.await {
            tracing::warn!(%environment, %error, "the object storage is not read");
            watching = None;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A prefix that is being watched.
#[derive(Debug)]
pub struct WatchingObjects {
    trail: Arc<Trail>,
    objects: Objects,
    read: Read,
    /// States at the last look, and when an object was last read.
    seen: BTreeMap<String, String>,
    read_at: BTreeMap<String, Time>,
    last_pass_at: Time,
    /// When it was last told that an object cannot be had.
    told_at: Option<Time>,
}

impl WatchingObjects {
    /// Takes up where the last one stopped.
    pub async fn open(
        store: &Store,
        environment: &EnvironmentName,
        objects: Objects,
    ) -> Result<Self, StoreError> {
        let trail = store.create_trail(environment).await?;
        let source = source(&objects);
        let streams = store.control().streams(environment).await?;
        let stream = streams.into_iter().find(|one| one.source == source && one.stream == STREAM);
        let read = stream.and_then(|one| serde_json::from_str(&one.cursor?).ok()).unwrap_or_default();
        let (seen, read_at) = Default::default();
        Ok(Self { trail, objects, read, seen, read_at, last_pass_at: Time::default(), told_at: None })
    }

    /// Imports what is new or has changed.
    pub async fn look(&mut self, store: &Store) -> Result<(), StoreError> {
        let now = store.clock().now();
        let listed = self.list().await;
        let found = match listed {
            Ok(found) => found,
            Err(reason) => return self.note(store, Some(reason)).await,
        };
        let mut ready = Vec::new();
        let mut seen = BTreeMap::new();
        for object in found {
            let (name, state) = (digest(object.location.as_ref()), state(&object));
            let is_still = self.seen.get(&name) == Some(&state);
            let is_long_ago =
                self.read_at.get(&name).is_none_or(|at| now.as_ms() - at.as_ms() >= GROWING_MS || now < *at);
            if !self.read.knows(&name, &state, seconds(&object)) && (is_still || is_long_ago) {
                ready.push((name.clone(), state.clone(), object));
            }
            seen.insert(name, state);
        }
        self.read_at.retain(|name, _| seen.contains_key(name));
        self.seen = seen;
        let is_idle = ready.is_empty();
        for (count, (name, state, object)) in ready.into_iter().enumerate() {
            let is_read = self.bring(store, &object).await?;
            self.read_at.insert(name.clone(), now);
            if is_read {
                self.read.remember(name, state, seconds(&object));
            }
            if count % COMMIT_OBJECTS == COMMIT_OBJECTS - 1 {
                self.commit(store).await?;
            }
        }
        if !is_idle {
            return self.commit(store).await;
        }
        // A prefix that gets nothing is still looked at: once an hour the trail says so.
        match (now.as_ms() - self.last_pass_at.as_ms()).abs() >= HOUR_MS {
            true => self.note(store, None).await,
            false => Ok(()),
        }
    }

    /// In the order of their times, so that what was written first is recorded first.
    async fn list(&self) -> Result<Vec<ObjectMeta>, String> {
        let listing = self.objects.store.list(Some(&self.objects.prefix)).take(LISTED_MAX + 1);
        let listed: Result<Vec<_>, _> = listing.try_collect().await;
        let mut found = listed.map_err(|error| format!("the listing: {}", word(&error)))?;
        if found.len() > LISTED_MAX {
            return Err(format!("the listing: more than {LISTED_MAX} objects; use a longer prefix"));
        }
        // Hierarchical containers list folders as empty objects.
        found.retain(|object| object.size > 0);
        found.sort_by(|a, b| (a.last_modified, &a.location).cmp(&(b.last_modified, &b.location)));
        Ok(found)
    }

    /// Imports one object. What cannot be had is tried again with every look, and told once an hour; what is not
    /// understood is told and not tried again. Says whether it was read.
    async fn bring(&mut self, store: &Store, object: &ObjectMeta) -> Result<bool, StoreError> {
        let now = store.clock().now();
        let mut options = self.objects.options.clone();
        options.source.clone_from(&self.objects.source);
        let changed_at = Time::from_ms(object.last_modified.timestamp_millis()).unwrap_or_default();
        (options.read.received_at, options.read.file_time) = (now, changed_at);
        let file = match self.fetch(object).await {
            Ok(file) => file,
            Err(reason) => {
                let is_told = self.told_at.is_some_and(|at| (now.as_ms() - at.as_ms()).abs() < HOUR_MS);
                if !is_told {
                    self.told_at = Some(now);
                    self.note(store, Some(format!("an object: {reason}"))).await?;
                }
                return Ok(false);
            }
        };
        let name = object.location.filename().unwrap_or("object");
        let failure = match import_file(&self.trail, store.control(), file, name, options).await {
            Ok(_) => None,
            Err(ImportError::Store(error)) => return Err(error),
            Err(_) => Some("an object is not understood".to_owned()),
        };
        self.last_pass_at = now;
        if failure.is_some() {
            self.note(store, failure).await?;
        }
        Ok(true)
    }

    async fn fetch(&self, object: &ObjectMeta) -> Result<std::fs::File, String> {
        if object.size > OBJECT_BYTES_MAX {
            return Err(format!("it has {} bytes; {OBJECT_BYTES_MAX} are the most", object.size));
        }
        let path = std::env::temp_dir().join(format!(
            ".whowas-{}-{}",
            std::process::id(),
            digest(object.location.as_ref())
        ));
        let options = std::fs::File::options().read(true).write(true).create_new(true).open(&path);
        let mut file = options.map_err(|error| format!("a temporary file: {error}"))?;
        // The name goes at once: nothing is left behind, whatever happens.
        std::fs::remove_file(&path).map_err(|error| format!("a temporary file: {error}"))?;
        let got = self.objects.store.get(&object.location).await.map_err(|error| word(&error))?;
        let mut pieces = got.into_stream();
        let mut length = 0;
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| word(&error))?;
            length += piece.len() as u64;
            if length > OBJECT_BYTES_MAX {
                return Err("it grew beyond what is read".to_owned());
            }
            file.write_all(&piece).map_err(|error| format!("a temporary file: {error}"))?;
        }
        file.rewind().map_err(|error| format!("a temporary file: {error}"))?;
        Ok(file)
    }

    /// After the objects' records: a crash between the two reads them again, which adds nothing.
    async fn commit(&mut self, store: &Store) -> Result<(), StoreError> {
        let now = store.clock().now();
        let source = source(&self.objects);
        let progress = Progress {
            source: source.clone(),
            stream: STREAM.to_owned(),
            cursor: Some(serde_json::to_string(&self.read).expect("digests and numbers are plain data")),
            ..Progress::default()
        };
        let batch = Batch { source, format: "whowas".to_owned(), received_at: now, records: Vec::new() };
        self.trail.append_with(batch, Some(progress), WhenFull::Wait).await?;
        Ok(())
    }

    /// A pass without records: nothing was there, or something failed.
    async fn note(&mut self, store: &Store, failure: Option<String>) -> Result<(), StoreError> {
        let now = store.clock().now();
        self.last_pass_at = now;
        let pass = Pass {
            is_complete: failure.is_none(),
            failure,
            ..Pass::new(&source(&self.objects), FILES, PassKind::File, (now, now), now)
        };
        record_pass(&self.trail, store.control().as_ref(), &pass, json!({})).await?;
        Ok(())
    }
}

impl Read {
    fn knows(&self, name: &str, state: &str, at: i64) -> bool {
        match self.states.get(name) {
            Some((read, _)) => read == state,
            None => at <= self.before,
        }
    }

    fn remember(&mut self, name: String, state: String, at: i64) {
        self.states.insert(name, (state, at));
        while self.states.len() > REMEMBERED_MAX {
            let oldest = self.states.iter().min_by_key(|(_, (_, at))| *at);
            let Some((name, at)) = oldest.map(|(name, (_, at))| (name.clone(), *at)) else { break };
            self.states.remove(&name);
            self.before = self.before.max(at);
        }
    }
}

pub(super) fn source(objects: &Objects) -> String {
    objects.source.clone().unwrap_or_else(|| STREAM.to_owned())
}

fn seconds(object: &ObjectMeta) -> i64 {
    object.last_modified.timestamp()
}

/// What tells one state of an object from another.
fn state(object: &ObjectMeta) -> String {
    let tag = object.e_tag.as_deref().unwrap_or_default();
    digest(&format!("{}/{}/{tag}", object.size, object.last_modified.timestamp_millis()))
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What went wrong, without the addresses and documents that storages answer with.
pub(super) fn word(error: &object_store::Error) -> String {
    match error {
        object_store::Error::NotFound { .. } => "not found",
        object_store::Error::PermissionDenied { .. } => "permission denied",
        object_store::Error::Unauthenticated { .. } => "the credentials are not accepted",
        _ => "the storage does not answer as it should",
    }
    .to_owned()
}

#[cfg(test)]
#[path = "objects_tests.rs"]
mod tests;
