//! What can go wrong with an import as a whole.

use whowas_format::ReadError;
use whowas_store::{ErrorKind, StoreError};

use crate::ImportSummary;

/// Why an import ended early. What was recorded before stays recorded; repeating the import adds the rest.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The input cannot be read (any further).
    #[error("{file}: {error}{}", recorded_before(.partial))]
    Read {
        /// The input.
        file: String,
        /// Why.
        error: ReadError,
        /// What was done before.
        partial: Vec<ImportSummary>,
    },
    /// The store did not take the records.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The reading thread ended without an answer.
    #[error("the reading of {0} ended without an answer")]
    Thread(String),
}

impl ImportError {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { error: ReadError::Io(_), .. } => ErrorKind::Unavailable,
            Self::Read { .. } => ErrorKind::Invalid,
            Self::Store(error) => error.kind(),
            Self::Thread(_) => ErrorKind::Internal,
        }
    }
}

fn recorded_before(partial: &[ImportSummary]) -> String {
    match partial.iter().map(|summary| summary.recorded).sum::<u64>() {
        0 => String::new(),
        recorded => format!(" ({recorded} records before that are recorded)"),
    }
}
