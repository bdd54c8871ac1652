//! What the process exits with, decided once.

use whowas_collect::ImportError;
use whowas_format::ReadError;
use whowas_query::QueryError;
use whowas_store::{ErrorKind, StoreError};

/// Done.
pub(crate) const DONE: u8 = 0;
/// Failed: try again, or look at the machine.
pub(crate) const FAILED: u8 = 1;
/// The input or the command is not understood.
pub(crate) const NOT_UNDERSTOOD: u8 = 2;
/// Done, with records rejected.
pub(crate) const REJECTED: u8 = 3;
/// Evidence is broken.
pub(crate) const BROKEN: u8 = 4;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
    /// Whoever reads our output went away: that is no failure.
    is_broken_pipe: bool,
    /// Another process has the data folder.
    is_locked: bool,
}

impl Failure {
    /// The command or its input is not understood.
    pub(crate) fn not_understood(message: impl Into<String>) -> Self {
        Self { code: NOT_UNDERSTOOD, message: message.into(), is_broken_pipe: false, is_locked: false }
    }

    /// Something did not work.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into(), is_broken_pipe: false, is_locked: false }
    }

    /// Evidence is broken.
    pub(crate) fn broken(message: impl Into<String>) -> Self {
        Self { code: BROKEN, message: message.into(), is_broken_pipe: false, is_locked: false }
    }

    /// A file could not be read or written.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        let is_broken_pipe = error.kind() == std::io::ErrorKind::BrokenPipe;
        Self { is_broken_pipe, ..Self::failed(format!("{}: {error}", path.display())) }
    }

    fn of_kind(kind: ErrorKind, message: String) -> Self {
        let code = match kind {
            ErrorKind::Invalid | ErrorKind::NotFound => NOT_UNDERSTOOD,
            ErrorKind::Busy | ErrorKind::Unavailable | ErrorKind::Internal => FAILED,
            ErrorKind::Corrupt => BROKEN,
        };
        Self { code, message, is_broken_pipe: false, is_locked: false }
    }

    /// Whether another process has the data folder.
    pub(crate) const fn is_locked(&self) -> bool {
        self.is_locked
    }

    /// The same, and what to do about it.
    pub(crate) fn and(self, advice: &str) -> Self {
        Self { message: format!("{}\nwhowas: {advice}", self.message), ..self }
    }

    /// Tells the user, and says what to exit with.
    pub(crate) fn report(self) -> u8 {
        if self.is_broken_pipe {
            return DONE;
        }
        eprintln!("whowas: {}", self.message);
        self.code
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let is_locked = matches!(error, StoreError::Locked { .. });
        Self { is_locked, ..Self::of_kind(error.kind(), error.to_string()) }
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self::of_kind(error.kind(), error.to_string())
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        let mut message = error.to_string();
        if matches!(&error, ImportError::Read { error: ReadError::Unrecognized(_), .. }) {
            message.push_str(
                "\nwhowas: `whowas formats` lists what is understood, and by what it is recognised",
            );
        }
        Self::of_kind(error.kind(), message)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self {
            is_broken_pipe: error.kind() == std::io::ErrorKind::BrokenPipe,
            ..Self::failed(error.to_string())
        }
    }
}
