//! The data root: one folder, one control database, many trails, one process.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Write},
    path::{Path as FsPath, PathBuf},
    sync::Arc,
};

use object_store::{ObjectStore, path::Path};
use url::Url;
use whowas_event::{EnvironmentName, Time};
use whowas_tlog::{
    checkpoint::Checkpoint,
    hash::empty_root,
    note::{SigningKey, VerifyingKey},
};

use crate::{
    StoreError,
    control::{Control, Environment, SqliteControl},
    durable::{self, DurableLocal},
    objects::Objects,
    recover::Opening,
    trail::Trail,
};

/// The only clock of the store.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The time now.
    fn now(&self) -> Time;
}

/// What an origin begins with until the administrator sets another: no public name is claimed.
pub const DEFAULT_ORIGIN_BASE: &str = "whowas.localhost";

/// What may lie elsewhere than by default.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// The control database's file; `control.db` in the data folder by default.
    pub control: Option<PathBuf>,
    /// What the origins of new trails begin with; [`DEFAULT_ORIGIN_BASE`] by default.
    pub origin_base: Option<String>,
}

/// An open data root. While it is open, no other process can open it.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    objects: Arc<dyn ObjectStore>,
    control: Arc<dyn Control>,
    clock: Arc<dyn Clock>,
    origin_base: String,
    /// One creation at a time: two would each write a key, and one of them would not be the trail's.
    creating: tokio::sync::Mutex<()>,
    /// One opening at a time; the map is small.
    pub(crate) trails: tokio::sync::Mutex<BTreeMap<EnvironmentName, Arc<Trail>>>,
    /// Held, never written after opening: the operating system frees it when the process ends.
    _lock: File,
}

impl Store {
    /// Opens the data folder with everything at its default place, creating it if `create`.
    pub async fn open(root: &FsPath, create: bool, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::open_with(root, create, clock, StoreOptions::default()).await
    }

    /// Opens the data folder, creating it if `create`.
    pub async fn open_with(
        root: &FsPath,
        create: bool,
        clock: Arc<dyn Clock>,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        if !root.exists() {
            if !create {
                return Err(StoreError::NotFound(format!(
                    "there is no data folder {}; import a file or start the server to create it",
                    root.display()
                )));
            }
            durable::create_folder(root).map_err(|e| StoreError::file(root, e))?;
        }
        let root = fs::canonicalize(root).map_err(|e| StoreError::file(root, e))?;
        let lock = lock(&root)?;
        let control_path = options.control.unwrap_or_else(|| root.join("control.db"));
        create_private(&control_path)?;
        // SQLite gives its write-ahead log the mode of the database.
        let control = SqliteControl::open(&control_path).await?;
        Ok(Self {
            root,
            objects: Arc::new(DurableLocal::new()),
            control: Arc::new(control),
            clock,
            origin_base: options.origin_base.unwrap_or_else(|| DEFAULT_ORIGIN_BASE.to_owned()),
            creating: tokio::sync::Mutex::new(()),
            trails: tokio::sync::Mutex::new(BTreeMap::new()),
            _lock: lock,
        })
    }

    /// The control database.
    pub fn control(&self) -> &Arc<dyn Control> {
        &self.control
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The data folder.
    pub fn root(&self) -> &FsPath {
        &self.root
    }

    /// The names of all environments.
    pub async fn environments(&self) -> Result<Vec<EnvironmentName>, StoreError> {
        Ok(self.control.environments().await?.into_iter().map(|environment| environment.name).collect())
    }

    /// The trail of an environment that exists.
    pub async fn trail(&self, name: &EnvironmentName) -> Result<Arc<Trail>, StoreError> {
        let mut trails = self.trails.lock().await;
        if let Some(trail) = trails.get(name) {
            return Ok(trail.clone());
        }
        let Some(environment) = self.control.environment(name).await? else {
            return Err(StoreError::NotFound(format!("there is no environment {name}")));
        };
        self.finish_rotation(&environment).await?;
        let trail = Arc::new(Trail::new(self.opening(environment)?.open().await?));
        trails.insert(name.clone(), trail.clone());
        Ok(trail)
    }

    /// The trail of an environment, which is created if there is none: a key pair, an empty signed tree.
    pub async fn create_trail(&self, name: &EnvironmentName) -> Result<Arc<Trail>, StoreError> {
        let _held = self.creating.lock().await;
        if self.control.environment(name).await?.is_none() {
            let origin = format!("{}/{name}", self.origin_base);
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|e| StoreError::Poisoned(format!("no randomness: {e}")))?;
            let signer =
                SigningKey::from_seed(&origin, seed).map_err(|e| StoreError::Invalid(e.to_string()))?;
            self.create(name, &signer).await?;
        }
        self.trail(name).await
    }

    /// Creates an environment that there is not: its key's file, an empty signed tree.
    pub(crate) async fn create(&self, name: &EnvironmentName, signer: &SigningKey) -> Result<(), StoreError> {
        let origin = signer.verifying_key().name().to_owned();
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|e| StoreError::Poisoned(format!("no randomness: {e}")))?;
        let path = self.key_path(name);
        if let Some(folder) = path.parent() {
            durable::create_folder(folder).map_err(|e| StoreError::file(folder, e))?;
        }
        write_secret(&path, &signer.to_secret_text())?;
        let empty =
            Checkpoint { origin: origin.clone(), size: 0, root: empty_root(), extensions: Vec::new() };
        let checkpoint = empty.sign(signer);
        let objects = self.trail_objects(name);
        objects.put("checkpoint", checkpoint.clone().into_bytes()).await?;
        objects.put("vkey", format!("{}\n", signer.verifying_key()).into_bytes()).await?;
        let created_at = self.clock.now();
        let (name, last_recorded_at) = (name.clone(), Time::default());
        let environment =
            Environment { name, origin, secret, created_at, size: 0, checkpoint, last_recorded_at };
        // The environment exists from here on; a crash before leaves files that the next try replaces.
        self.control.create_environment(&environment).await
    }

    /// Closes a trail and holds it no longer; the next who asks opens it.
    pub(crate) async fn forget(&self, name: &EnvironmentName) -> Result<(), StoreError> {
        let trail = self.trails.lock().await.remove(name);
        match trail {
            Some(trail) => trail.close().await,
            None => Ok(()),
        }
    }

    /// Ends every open trail in good order.
    pub async fn close(&self) -> Result<(), StoreError> {
        let trails = std::mem::take(&mut *self.trails.lock().await);
        for trail in trails.values() {
            trail.close().await?;
        }
        Ok(())
    }

    /// The public key by which an environment's checkpoints are verified: also if a crash came between its
    /// first signature and its taking the old one's place.
    pub fn verifying_key(&self, environment: &Environment) -> Result<VerifyingKey, StoreError> {
        match self.pending_rotation(environment)? {
            Some(pending) if pending.signs => Ok(pending.next),
            _ => Ok(self.signer(environment)?.verifying_key().clone()),
        }
    }

    pub(crate) fn opening(&self, environment: Environment) -> Result<Opening, StoreError> {
        let folder = self.trail_folder(&environment.name);
        let archive = folder.join("archive");
        durable::create_folder(&archive).map_err(|e| StoreError::file(&archive, e))?;
        let archive_url = Url::from_directory_path(&archive)
            .map_err(|()| StoreError::Invalid(format!("{} is no absolute path", archive.display())))?;
        Ok(Opening {
            objects: self.trail_objects(&environment.name),
            archive_url,
            seen_folder: folder.join("seen"),
            signer: self.signer(&environment)?,
            control: self.control.clone(),
            clock: self.clock.clone(),
            environment,
            sweeps: true,
        })
    }

    pub(crate) fn trail_objects(&self, name: &EnvironmentName) -> Objects {
        let prefix = Path::from_absolute_path(self.trail_folder(name))
            .unwrap_or_else(|_| Path::from(self.trail_folder(name).to_string_lossy().as_ref()));
        Objects { store: self.objects.clone(), prefix }
    }

    pub(crate) fn trail_folder(&self, name: &EnvironmentName) -> PathBuf {
        self.root.join("trails").join(name.project()).join(name.environment())
    }

    /// The key that a rotation is about to bring in.
    pub(crate) fn next_key_path(&self, name: &EnvironmentName) -> PathBuf {
        self.root.join("keys").join(name.project()).join(format!("{}.key.next", name.environment()))
    }

    pub(crate) fn key_path(&self, name: &EnvironmentName) -> PathBuf {
        self.root.join("keys").join(name.project()).join(format!("{}.key", name.environment()))
    }

    pub(crate) fn signer(&self, environment: &Environment) -> Result<SigningKey, StoreError> {
        let path = self.key_path(&environment.name);
        let text = fs::read_to_string(&path).map_err(|e| StoreError::file(&path, e))?;
        let wrong = |e: String| StoreError::corrupt(format!("{}: {e}", path.display()));
        let signer = SigningKey::parse(text.trim()).map_err(|e| wrong(e.to_string()))?;
        if signer.verifying_key().name() != environment.origin {
            return Err(wrong(format!("it is the key of {}", signer.verifying_key().name())));
        }
        Ok(signer)
    }
}

/// Takes the data folder for this process, at once or not at all.
pub(crate) fn lock(root: &FsPath) -> Result<File, StoreError> {
    let path = root.join("lock");
    let mut options = File::options();
    let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = opened.map_err(|e| StoreError::file(&path, e))?;
    if file.try_lock().is_err() {
        let mut holder = String::new();
        // Best effort: the message is clear without it.
        let _ = Read::by_ref(&mut file).take(32).read_to_string(&mut holder);
        let holder = holder.trim();
        let holder = if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
        return Err(StoreError::Locked { path: root.display().to_string(), holder });
    }
    file.set_len(0).map_err(|e| StoreError::file(&path, e))?;
    write!(file, "{}", std::process::id()).map_err(|e| StoreError::file(&path, e))?;
    Ok(file)
}

/// Creates the file empty and readable for its owner only, or makes it so.
fn create_private(path: &FsPath) -> Result<(), StoreError> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(|e| StoreError::file(path, e))?;
    file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(|e| StoreError::file(path, e))
}

/// A secret is never on disk in a file that others can read.
pub(crate) fn write_secret(path: &FsPath, text: &str) -> Result<(), StoreError> {
    create_private(path)?;
    let mut file = File::create(path).map_err(|e| StoreError::file(path, e))?;
    let written = file.write_all(format!("{text}\n").as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|e| StoreError::file(path, e))?;
    durable::sync_parent(path).map_err(|e| StoreError::file(path, e))
}
