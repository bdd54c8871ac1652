//! Offline storage: a folder, an S3 bucket, or an Azure container, in which nothing is ever overwritten.
//!
//! An object is created under a name that nobody has (`If-None-Match: *`; a folder: a link of a file that is
//! complete and durable). Objects too large for one request are named by their digest, so that whoever else
//! writes the same name writes the same bytes. Nothing is deleted here: that is for the storage's own rules
//! (object lock, immutability policies, lifecycles).

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::PathBuf,
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt};
use object_store::{
    GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, WriteMultipart, path::Path,
};
use sha2::{Digest, Sha256};
use whowas_store::DurableLocal;

/// Larger objects go in parts.
const SINGLE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of one part: with the 10,000 that S3 allows, objects up to 160 GB.
const PART_BYTES: usize = 16 * 1024 * 1024;
/// Parts on their way at once.
const PARTS_MAX: usize = 4;
/// Names of one listing: more windows than a century of days has.
const NAMES_MAX: usize = 40_000;

/// Where windows are kept.
#[derive(Debug)]
pub struct Offline {
    place: Place,
    shown: String,
}

#[derive(Debug)]
enum Place {
    Folder(PathBuf),
    Remote(Arc<dyn ObjectStore>, Path),
}

/// Why the storage could not be used.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The address is none.
    #[error("{0}")]
    Address(String),
    /// Something else has the name.
    #[error("{0} is there already, with other content")]
    Taken(String),
    /// It is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// It is longer than what is expected there.
    #[error("{0} is longer than {1} bytes")]
    TooLong(String, u64),
    /// The storage does not answer as it should.
    #[error("{0}: {1}")]
    Storage(String, object_store::Error),
    /// A file could not be written or read.
    #[error("{0}: {1}")]
    File(String, io::Error),
}

impl Offline {
    /// Opens a folder (a path or `file://`), `s3://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`. Credentials and endpoints of
    /// the latter come from the variables that their own tools use (`AWS_…`, `AZURE_STORAGE_…`).
    ///
    /// # Errors
    /// The address is none, or credentials are incomplete.
    pub fn open(address: &str) -> Result<Self, OfflineError> {
        let wrong = |reason: String| OfflineError::Address(format!("{address}: {reason}"));
        let address = address.trim_end_matches('/');
        let place = match address.split_once("://") {
            None => Place::Folder(std::path::absolute(address).map_err(|e| wrong(e.to_string()))?),
            Some(("file", path)) => Place::Folder(PathBuf::from(path)),
            Some(_) => {
                let (store, prefix) = whowas_store::remote(address).map_err(OfflineError::Address)?;
                Place::Remote(store, prefix)
            }
        };
        Ok(Self { place, shown: address.to_owned() })
    }

    /// The address, as it was given. It has no credentials.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The address of something below.
    pub fn shown_below(&self, below: &str) -> String {
        format!("{}/{below}", self.shown)
    }

    fn failed(&self, below: &str, error: object_store::Error) -> OfflineError {
        match error {
            object_store::Error::NotFound { .. } => OfflineError::Missing(self.shown_below(below)),
            error => OfflineError::Storage(self.shown_below(below), error),
        }
    }

    /// Creates a small object, durably. One that is there with the same content is as good.
    pub async fn create(&self, below: &str, bytes: Vec<u8>) -> Result<(), OfflineError> {
        let (store, location) = self.object(below)?;
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match store.put_opts(&location, PutPayload::from(bytes.clone()), options).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                let most = bytes.len() as u64;
                match self.read(below, most).await {
                    Ok(there) if there == bytes => Ok(()),
                    Ok(_) | Err(OfflineError::TooLong(..)) => {
                        Err(OfflineError::Taken(self.shown_below(below)))
                    }
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(self.failed(below, error)),
        }
    }

    /// Creates an object from a file. Its name must contain the digest of its content.
    pub async fn create_from(&self, below: &str, file: &mut File) -> Result<(), OfflineError> {
        let broken = |error| OfflineError::File(self.shown_below(below), error);
        let length = file.seek(SeekFrom::End(0)).map_err(broken)?;
        file.seek(SeekFrom::Start(0)).map_err(broken)?;
        if length <= SINGLE_BYTES_MAX {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(broken)?;
            return self.create(below, bytes).await;
        }
        match &self.place {
            Place::Folder(root) => {
                let mut file = file.try_clone().map_err(broken)?;
                let path = root.join(below);
                let copied =
                    tokio::task::spawn_blocking(move || whowas_store::publish_file(&path, &mut file)).await;
                match copied.unwrap_or_else(|error| Err(io::Error::other(error))) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        self.is_there(below, length).await
                    }
                    copied => copied.map_err(broken),
                }
            }
            Place::Remote(store, _) => {
                let (_, location) = self.object(below)?;
                if let Ok(meta) = store.head(&location).await {
                    return self.same_length(below, meta.size, length);
                }
                let upload =
                    store.put_multipart(&location).await.map_err(|error| self.failed(below, error))?;
                let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
                let mut piece = vec![0; 1024 * 1024];
                loop {
                    let count = file.read(&mut piece).map_err(broken)?;
                    if count == 0 {
                        break;
                    }
                    writer.wait_for_capacity(PARTS_MAX).await.map_err(|error| self.failed(below, error))?;
                    writer.write(piece.get(..count).unwrap_or_default());
                }
                writer.finish().await.map(drop).map_err(|error| self.failed(below, error))
            }
        }
    }

    async fn is_there(&self, below: &str, length: u64) -> Result<(), OfflineError> {
        let (store, location) = self.object(below)?;
        let meta = store.head(&location).await.map_err(|error| self.failed(below, error))?;
        self.same_length(below, meta.size, length)
    }

    fn same_length(&self, below: &str, there: u64, length: u64) -> Result<(), OfflineError> {
        match there == length {
            true => Ok(()),
            false => Err(OfflineError::Taken(self.shown_below(below))),
        }
    }

    /// Reads a small object.
    pub async fn read(&self, below: &str, bytes_max: u64) -> Result<Vec<u8>, OfflineError> {
        let mut bytes = Vec::new();
        self.fetch(below, bytes_max, &mut bytes).await?;
        Ok(bytes)
    }

    /// Copies an object, and gives its size and SHA-256.
    pub async fn fetch(
        &self,
        below: &str,
        bytes_max: u64,
        out: &mut (impl Write + Send),
    ) -> Result<(u64, String), OfflineError> {
        let (store, location) = self.object(below)?;
        let got = store.get_opts(&location, GetOptions::default()).await;
        let mut pieces = got.map_err(|error| self.failed(below, error))?.into_stream();
        let (mut length, mut digest) = (0, Sha256::new());
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| self.failed(below, error))?;
            length += piece.len() as u64;
            if length > bytes_max {
                return Err(OfflineError::TooLong(self.shown_below(below), bytes_max));
            }
            digest.update(&piece);
            out.write_all(&piece)
                .map_err(|error| OfflineError::File("a temporary file".to_owned(), error))?;
        }
        Ok((length, hex::encode(digest.finalize())))
    }

    /// The names of what looks like a folder below, in order.
    pub async fn folders(&self, below: &str) -> Result<Vec<String>, OfflineError> {
        let (store, location) = self.object(below)?;
        let listed =
            store.list_with_delimiter(Some(&location)).await.map_err(|error| self.failed(below, error))?;
        let mut names: Vec<String> = listed
            .common_prefixes
            .iter()
            .filter_map(|path| path.filename().map(str::to_owned))
            .take(NAMES_MAX)
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Whether there is anything at all that starts with this name.
    pub async fn has(&self, below: &str) -> Result<bool, OfflineError> {
        let (store, location) = self.object(below)?;
        match store.head(&location).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed(below, error)),
        }
    }

    fn object(&self, below: &str) -> Result<(Arc<dyn ObjectStore>, Path), OfflineError> {
        let wrong = |reason: String| OfflineError::Address(format!("{}: {reason}", self.shown_below(below)));
        match &self.place {
            Place::Folder(root) => {
                let location =
                    Path::from_absolute_path(root.join(below)).map_err(|e| wrong(e.to_string()))?;
                Ok((Arc::new(DurableLocal::new()), location))
            }
            Place::Remote(store, prefix) => {
                let location = match (prefix.as_ref(), below) {
                    ("", below) => path(below),
                    (_, "") => Ok(prefix.clone()),
                    (prefix, below) => path(&format!("{prefix}/{below}")),
                };
                Ok((store.clone(), location.map_err(wrong)?))
            }
        }
    }

    /// Every object below, with size; for tests and tools.
    pub async fn list(&self, below: &str) -> Result<Vec<(String, u64)>, OfflineError> {
        let (store, location) = self.object(below)?;
        let listed: Result<Vec<_>, _> = store.list(Some(&location)).try_collect().await;
        let listed = listed.map_err(|error| self.failed(below, error))?;
        Ok(listed.into_iter().map(|meta| (meta.location.to_string(), meta.size)).collect())
    }
}

fn path(text: &str) -> Result<Path, String> {
    Path::parse(text).map_err(|e| e.to_string())
}

#[cfg(test)]
#[path = "offline_tests.rs"]
mod tests;
