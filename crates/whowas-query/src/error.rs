//! What can go wrong with a question.

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;
use whowas_store::{ErrorKind, StoreError};

/// An error of a query.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The filter is no filter.
    #[error("filter: {0}")]
    Filter(#[from] crate::FilterError),
    /// The question cannot be answered as asked.
    #[error("{0}")]
    Invalid(String),
    /// The SQL is not understood.
    #[error("SQL: {0}")]
    Sql(String),
    /// The engine failed.
    #[error("query engine: {0}")]
    Engine(#[from] DataFusionError),
    /// A file of the archive cannot be read.
    #[error("archive: {0}")]
    File(#[from] ParquetError),
    /// Columns are not what they are said to be.
    #[error("archive: {0}")]
    Columns(#[from] ArrowError),
    /// What is kept of sessions cannot be read or written.
    #[error("kept sessions: {0}")]
    Kept(#[from] std::io::Error),
    /// A mistake of this program.
    #[error("query engine: {0}")]
    Internal(&'static str),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl QueryError {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Filter(_) | Self::Invalid(_) | Self::Sql(_) => ErrorKind::Invalid,
            Self::Engine(DataFusionError::ParquetError(_) | DataFusionError::ArrowError(..)) => {
                ErrorKind::Corrupt
            }
            Self::Engine(DataFusionError::ObjectStore(_) | DataFusionError::ResourcesExhausted(_)) => {
                ErrorKind::Unavailable
            }
            Self::File(ParquetError::External(_)) | Self::Kept(_) => ErrorKind::Unavailable,
            Self::File(_) | Self::Columns(_) => ErrorKind::Corrupt,
            Self::Engine(_) | Self::Internal(_) => ErrorKind::Internal,
            Self::Store(error) => error.kind(),
        }
    }

    /// What a log may say of it (`docs/LOGGING.md`): files and amounts, but no values, which the engine
    /// quotes in most of its errors.
    pub fn loggable(&self) -> String {
        match self {
            Self::Engine(
                error @ (DataFusionError::ParquetError(_)
                | DataFusionError::ObjectStore(_)
                | DataFusionError::ResourcesExhausted(_)),
            ) => format!("query engine: {}", error.strip_backtrace()),
            Self::Engine(error) => {
                let text = error.strip_backtrace();
                format!("query engine: {}", text.split(": ").next().unwrap_or_default())
            }
            Self::Filter(_) | Self::Invalid(_) | Self::Sql(_) => "the question is not understood".to_owned(),
            Self::Columns(_) => "archive: a column is not what it is said to be".to_owned(),
            Self::File(_) | Self::Internal(_) | Self::Kept(_) => self.to_string(),
            Self::Store(error) => error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_logged() {
        let cast = arrow::error::ArrowError::CastError("cannot cast 'mira@contoso.example'".to_owned());
        let error = QueryError::from(DataFusionError::ArrowError(Box::new(cast), None));
        assert!(error.to_string().contains("mira"));
        assert_eq!(error.loggable(), "query engine: Arrow error");
        let error = QueryError::from(DataFusionError::ResourcesExhausted("7 GiB".to_owned()));
        assert_eq!(error.loggable(), "query engine: Resources exhausted: 7 GiB");
        assert!(!QueryError::Sql("no field mira".to_owned()).loggable().contains("mira"));
    }
}
