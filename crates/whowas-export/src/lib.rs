//! Files out: rows as CSV and as JSON Lines, and evidence that can be checked without us.
//!
//! Rows are pure functions to bytes, so that a file of any length is written in constant memory by
//! whoever has the rows. JSON Lines is lossless. CSV follows RFC 4180, and a value that a spreadsheet
//! would take for a formula gets an apostrophe in front (OWASP ASVS 1.2.10).

mod csv;
pub mod evidence;
mod jsonl;

pub use csv::{CSV_COLUMNS, csv_header, csv_row};
pub use jsonl::jsonl_row;

/// What an export is written as.
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
