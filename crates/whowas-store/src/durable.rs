//! A local object store whose writes are durable when they return.
//!
//! `object_store`'s `LocalFileSystem` of this version never calls fsync. This wrapper writes whole
//! objects in the order of `docs/format.md`: temporary file, fsync, link or rename, fsync of the
//! directory. Reads, lists and deletes are the inner store's. It is not a cache and knows no layout.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path as FsPath,
    sync::atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, local::LocalFileSystem, path::Path,
};

/// Local files, fsynced.
#[derive(Debug)]
pub struct DurableLocal {
    inner: LocalFileSystem,
    /// Makes the names of temporary files unique within the process; the data lock makes the process one.
    temporary: AtomicU64,
}

impl DurableLocal {
    /// A store whose paths are absolute paths of the file system.
    pub fn new() -> Self {
        Self { inner: LocalFileSystem::new(), temporary: AtomicU64::new(0) }
    }
}

impl Default for DurableLocal {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Display for DurableLocal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DurableLocal")
    }
}

#[async_trait]
impl ObjectStore for DurableLocal {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if matches!(opts.mode, PutMode::Update(_)) {
            return self.inner.put_opts(location, payload, opts).await;
        }
        let target = self.inner.path_to_filesystem(location)?;
        let serial = self.temporary.fetch_add(1, Ordering::Relaxed);
        let is_create = opts.mode == PutMode::Create;
        let written = tokio::task::spawn_blocking(move || {
            let write = |file: &mut File| payload.iter().try_for_each(|chunk| file.write_all(chunk));
            write_durably(&target, serial, is_create, write)
        })
        .await;
        match written.map_err(io::Error::other).and_then(|result| result) {
            Ok(()) => Ok(PutResult { e_tag: None, version: None }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(object_store::Error::AlreadyExists { path: location.to_string(), source: error.into() })
            }
            Err(error) => Err(object_store::Error::Generic { store: "DurableLocal", source: error.into() }),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// When this returns, the object and its directory entry survive a loss of power.
fn write_durably(
    target: &FsPath,
    serial: u64,
    is_create: bool,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let parent = target.parent().ok_or_else(|| io::Error::other("an object needs a directory"))?;
    let directory = open_directory(parent)?;
    let temporary = parent.join(format!(".tmp-{serial}#{}", std::process::id()));
    let result = write_and_link(&temporary, target, is_create, write);
    if result.is_err() {
        // The name is ours alone; a leftover is ignored by lists and harmless.
        let _ = fs::remove_file(&temporary);
    }
    result?;
    directory.sync_all().map_err(not_synced)
}

fn write_and_link(
    temporary: &FsPath,
    target: &FsPath,
    is_create: bool,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    write(&mut file)?;
    file.sync_all().map_err(not_synced)?;
    if is_create {
        fs::hard_link(temporary, target)?;
        fs::remove_file(temporary)
    } else {
        fs::rename(temporary, target)
    }
}

/// An fsync that failed, for whatever reason: afterward nobody knows what is on the disk, and a second fsync
/// that succeeds says nothing about it. The cause is kept as text only, so that nobody takes it for a write
/// that found no room and may be repeated.
fn not_synced(error: io::Error) -> io::Error {
    io::Error::other(format!("fsync: {error}"))
}

/// Opens a directory, creating it and syncing the parent of every directory that had to be created.
fn open_directory(path: &FsPath) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().ok_or(error)?;
            let parent = open_directory(parent)?;
            match fs::create_dir(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => parent.sync_all().map_err(not_synced)?,
            }
            File::open(path)
        }
        opened => opened,
    }
}

/// Writes a local file that is no object (an index, a key), durably and replacing an older one at once.
pub(crate) fn write_file(path: &FsPath, bytes: &[u8]) -> io::Result<()> {
    replace_file(path, |file| file.write_all(bytes))
}

/// The same for a file that is too large to be made in memory. If `write` fails, the older one stays.
pub(crate) fn replace_file(path: &FsPath, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    write_durably(path, serial | 1 << 63, false, write)
}

/// Copies a file to a place where there is none, whole or not at all and durably; `AlreadyExists` if there is one.
///
/// # Errors
/// The file system.
pub fn publish_file(path: &FsPath, from: &mut File) -> io::Result<()> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    write_durably(path, serial | 1 << 62, true, |file| io::copy(from, file).map(drop))
}

/// Creates a folder and those above it, as far as they are not there. Their entries are durable.
pub(crate) fn create_folder(path: &FsPath) -> io::Result<()> {
    open_directory(&std::path::absolute(path)?).map(drop)
}

/// Makes the directory entry of a file durable.
pub(crate) fn sync_parent(path: &FsPath) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| open_directory(parent)?.sync_all().map_err(not_synced))
}
