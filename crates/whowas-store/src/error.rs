//! What can go wrong in a store, and what the caller should do about it.

/// SQLite's code for a write that found no room.
const SQLITE_FULL: &str = "13";

/// What the caller should do: the one classification that HTTP statuses and exit codes follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Mend the request.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// Try again a little later.
    Busy,
    /// The place where data lies cannot be reached or is full.
    Unavailable,
    /// Evidence is broken: stop and call a human.
    Corrupt,
    /// A fault of this program.
    Internal,
}

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the data.
    #[error("{path} is in use by another whowas process{holder}; stop it, or ask it over HTTP")]
    Locked {
        /// The data folder.
        path: String,
        /// ` (process 42)`, where it is known.
        holder: String,
    },
    /// What was asked for cannot be done as asked.
    #[error("{0}")]
    Invalid(String),
    /// No such environment, token or other thing.
    #[error("{0}")]
    NotFound(String),
    /// The pool of records that wait for their position is full.
    #[error("too many records are waiting for their position; try again in a second")]
    Busy,
    /// The trail stopped itself after a failed write or a failed check. Reads go on.
    #[error("the trail has stopped accepting records: {0}")]
    Poisoned(String),
    /// There is no room for what the trail must write. Reads go on, and so do writes once there is room again.
    #[error("the trail has stopped accepting records: there is no space left ({0})")]
    NoSpace(String),
    /// What is stored contradicts itself.
    #[error("evidence is broken: {0}")]
    Corrupt(String),
    /// The bytes could not be had or written.
    #[error("storage: {0}")]
    Storage(#[from] object_store::Error),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The control database failed.
    #[error("control database: {0}")]
    Control(#[from] sqlx::Error),
    /// The archive's Delta log failed.
    #[error("archive: {0}")]
    Delta(#[from] deltalake_core::DeltaTableError),
    /// Columns could not be encoded or decoded.
    #[error("columns: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A Parquet file could not be encoded or decoded.
    #[error("Parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
}

impl StoreError {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }

    pub(crate) fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }

    /// Whether a write found no room, and nothing else went wrong. A failed fsync is never that (see
    /// `durable.rs`; SQLite has another code for it).
    pub(crate) fn is_no_space(&self) -> bool {
        use std::error::Error;
        if let Self::Control(sqlx::Error::Database(error)) = self {
            return error.code().as_deref() == Some(SQLITE_FULL);
        }
        let mut cause: Option<&(dyn Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<std::io::Error>()
                && matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
            {
                return true;
            }
            // What an `io::Error` wraps is its own; its source is one further.
            cause = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        matches!(self, Self::NoSpace(_))
    }

    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Busy => ErrorKind::Busy,
            Self::Corrupt(_) | Self::Parquet(_) | Self::Arrow(_) => ErrorKind::Corrupt,
            Self::Locked { .. }
            | Self::Poisoned(_)
            | Self::NoSpace(_)
            | Self::Storage(_)
            | Self::File { .. }
            | Self::Control(_)
            | Self::Delta(_) => ErrorKind::Unavailable,
        }
    }
}
