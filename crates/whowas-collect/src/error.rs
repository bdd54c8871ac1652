//! What can go wrong with an import as a whole.

use whowas_format::ReadError;
use whowas_store::{ErrorKind, StoreError};

use crate::ImportSummary;

/// Characters of an error with its causes: some services answer with whole documents.
const CAUSES_CHARS_MAX: usize = 300;

/// An error with what caused it, for people: the outer one alone says little.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text.chars().take(CAUSES_CHARS_MAX).collect()
}

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
