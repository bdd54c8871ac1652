//! Files out: rows as CSV, XLSX, JSON Lines, Parquet and OCSF, and evidence that can be checked without us.
//!
//! Rows are turned into bytes a batch at a time ([`Encoder`]), so that a file of any length is written in
//! constant memory by whoever has the rows. JSON Lines is lossless. CSV follows RFC 4180, and a value that a
//! spreadsheet would take for a formula gets an apostrophe in front (OWASP ASVS 1.2.10), but in `csv-raw`.

mod cells;
mod csv;
pub mod delivery;
mod encoder;
pub mod evidence;
mod jsonl;
mod ocsf;
pub mod report;
mod table;
pub mod windows;
mod xlsx;

pub use cells::EXPORT_COLUMNS;
pub use csv::{csv_header, csv_row};
pub use encoder::{EncodeError, Encoder, FileFormat};
pub use jsonl::jsonl_row;

/// The formats whose rows an evidence bundle can prove: those that are read back line by line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// RFC 4180 with a header row, safe to open in a spreadsheet.
    Csv,
    /// One JSON object a line, lossless.
    Jsonl,
}

impl ExportFormat {
    /// The word on the command line and in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }

    /// The format with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Csv, Self::Jsonl].into_iter().find(|format| format.as_str() == word)
    }

    /// The media type of the file.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Jsonl => "application/x-ndjson",
        }
    }

    /// What stands before the first row.
    pub fn header(self) -> Vec<u8> {
        match self {
            Self::Csv => csv_header(),
            Self::Jsonl => Vec::new(),
        }
    }

    /// Appends one row.
    pub fn row(self, row: &whowas_query::LoginRow, out: &mut Vec<u8>) {
        match self {
            Self::Csv => csv_row(row, out),
            Self::Jsonl => jsonl_row(row, out),
        }
    }
}
