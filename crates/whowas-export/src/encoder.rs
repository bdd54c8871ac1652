//! Rows into the bytes of a file, a batch at a time.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use whowas_query::LoginRow;

use crate::{ExportFormat, csv::csv_raw_row, csv_header, ocsf::ocsf_row, table::Table, xlsx::Workbook};

/// What an export can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// One of those that an evidence bundle can prove.
    Rows(ExportFormat),
    /// CSV without the guard against formulas: lossless, for programs.
    CsvRaw,
    /// One OCSF Authentication object a line.
    Ocsf,
    /// Apache Parquet.
    Parquet,
    /// An Office Open XML workbook. A sheet has at most 1,048,576 rows; more go to further sheets.
    Xlsx,
}

impl FileFormat {
    /// Every format.
    pub const ALL: [Self; 6] = [
        Self::Rows(ExportFormat::Csv),
        Self::Xlsx,
        Self::Rows(ExportFormat::Jsonl),
        Self::Parquet,
        Self::Ocsf,
        Self::CsvRaw,
    ];

    /// The word on the command line and in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rows(format) => format.as_str(),
            Self::CsvRaw => "csv-raw",
            Self::Ocsf => "ocsf",
            Self::Parquet => "parquet",
            Self::Xlsx => "xlsx",
        }
    }

    /// The end of a file's name.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Rows(format) => format.as_str(),
            Self::CsvRaw => "csv",
            Self::Ocsf => "ocsf.jsonl",
            Self::Parquet => "parquet",
            Self::Xlsx => "xlsx",
        }
    }

    /// The media type of the file.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Rows(format) => format.media_type(),
            Self::CsvRaw => ExportFormat::Csv.media_type(),
            Self::Ocsf => ExportFormat::Jsonl.media_type(),
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    /// The format with this word.
    ///
    /// # Errors
    /// There is none; the text lists those there are.
    pub fn from_word(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|format| format.as_str() == word);
        let words = Self::ALL.map(Self::as_str).join(", ");
        found.ok_or_else(|| format!("there is no export of this name; there are {words}"))
    }
}

/// Why rows could not be written. Memory takes every byte, so it is a limit of the file format.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Of Parquet.
    #[error("Parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Of Arrow, on the way to Parquet.
    #[error("Parquet: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Of the zip archive that a workbook is.
    #[error("XLSX: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// Of writing into a workbook.
    #[error("XLSX: {0}")]
    Io(#[from] io::Error),
}

/// A file that is being written.
#[derive(Debug)]
pub struct Encoder {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Rows(ExportFormat),
    CsvRaw,
    Ocsf,
    Parquet(Box<Table>, Written),
    Xlsx(Box<Workbook>, Written),
}

impl Encoder {
    /// Begins a file. `out` gets its first bytes.
    pub fn new(format: FileFormat, out: &mut Vec<u8>) -> Result<Self, EncodeError> {
        let written = Written::default();
        let kind = match format {
            FileFormat::Rows(format) => {
                out.extend(format.header());
                Kind::Rows(format)
            }
            FileFormat::CsvRaw => {
                out.extend(csv_header());
                Kind::CsvRaw
            }
            FileFormat::Ocsf => Kind::Ocsf,
            FileFormat::Parquet => Kind::Parquet(Box::new(Table::new(written.clone())?), written),
            FileFormat::Xlsx => Kind::Xlsx(Box::new(Workbook::new(written.clone())?), written),
        };
        Ok(Self { kind })
    }

    /// Adds rows. `out` gets what is complete of the file.
    pub fn rows(&mut self, rows: &[LoginRow], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match &mut self.kind {
            Kind::Rows(format) => rows.iter().for_each(|row| format.row(row, out)),
            Kind::CsvRaw => rows.iter().for_each(|row| csv_raw_row(row, out)),
            Kind::Ocsf => rows.iter().for_each(|row| ocsf_row(row, out)),
            Kind::Parquet(table, written) => {
                table.rows(rows)?;
                written.take(out);
            }
            Kind::Xlsx(book, written) => {
                rows.iter().try_for_each(|row| book.row(row))?;
                written.take(out);
            }
        }
        Ok(())
    }

    /// Ends the file. `out` gets its last bytes.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self.kind {
            Kind::Rows(_) | Kind::CsvRaw | Kind::Ocsf => {}
            Kind::Parquet(table, written) => {
                table.finish()?;
                written.take(out);
            }
            Kind::Xlsx(book, written) => {
                book.finish()?;
                written.take(out);
            }
        }
        Ok(())
    }
}

/// Bytes that a library has written, to be taken away. A mutex because its writers want to be sent to
/// other threads; nobody else holds it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self, out: &mut Vec<u8>) {
        out.append(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "encoder_tests.rs"]
mod tests;
