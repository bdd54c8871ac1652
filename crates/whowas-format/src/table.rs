//! Tables in delimited text, row by row, in memory that does not grow with the file.
//!
//! Tolerant where real exports differ: `,` `;` tab or `|` between fields, Excel's `sep=` line, spaces and
//! capitals in headers, repeated headers (the first one counts), empty rows, empty fields too many. Strict
//! where data would be lost: a row with too few or too many fields is a [`Problem`] that names line and
//! column. A quote that is never closed costs the line it stands on, not the rest of the file.
//!
//! The splitting of records is `csv-core`'s; this file adds the bounds and the places.

use std::{
    collections::{HashMap, hash_map::Entry},
    io::Read,
};

use csv_core::ReadRecordResult;

use crate::{
    chunk::Postponed,
    contract::{PROBLEM_RAW_BYTES_MAX, Place, Problem, RECORD_BYTES_MAX, ReadError, Sample},
};

/// How many bytes are asked of the input at once.
const READ_BYTES: usize = 64 * 1024;

/// The most columns a table may have. The widest known export has 57.
const COLUMNS_MAX: usize = 4096;

/// The characters tried as delimiter, in order of preference when they are equally frequent.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What is wrong with bytes that are no text, and what to do.
const NOT_UTF8: &str = "not UTF-8: save the file as UTF-8 and import it once more";

/// The names of the columns, found however they are spelled.
#[derive(Clone, Debug, Default)]
pub struct Header {
    names: Vec<String>,
    columns: HashMap<String, usize>,
    repeated: Vec<String>,
}

impl Header {
    /// Tidies the names; of equal ones the first counts.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut header = Self::default();
        for (column, name) in names.into_iter().enumerate() {
            let name = tidy(name);
            match header.columns.entry(name.to_lowercase()) {
                Entry::Vacant(entry) => _ = entry.insert(column),
                Entry::Occupied(_) => header.repeated.push(name.clone()),
            }
            header.names.push(name);
        }
        header
    }

    /// The column of this name, however capitalised and spaced.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.get(&tidy(name).to_lowercase()).copied()
    }

    /// Whether all these columns are there.
    pub fn has_all(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.find(name).is_some())
    }

    /// The names as written, without superfluous space.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Names that occur again after their first column.
    pub fn repeated(&self) -> &[String] {
        &self.repeated
    }

    /// The header at the beginning of a sample; `None` if that cannot be a table of two columns or more.
    pub fn of_sample(sample: Sample<'_>) -> Option<Self> {
        let mut input = sample.bytes;
        let table = Table::open(&mut input).ok()?;
        let is_text = |name: &String| !name.contains(char::is_control);
        (table.header.names.len() > 1 && table.header.names.iter().all(is_text)).then_some(table.header)
    }
}

/// Without byte order mark, with single spaces.
fn tidy(name: &str) -> String {
    name.trim_start_matches('\u{feff}').split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Row<'t> {
    /// Where it stands.
    pub place: Place,
    /// Its bytes as in the file, without the line break at its end.
    pub raw: &'t [u8],
    text: &'t str,
    ends: &'t [usize],
}

impl<'t> Row<'t> {
    /// The field of a column as written, possibly empty; `None` if there is no such column.
    pub fn field(&self, column: usize) -> Option<&'t str> {
        let end = *self.ends.get(column)?;
        let start = column.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.text.get(start..end)
    }

    /// The trimmed field of a column if it says anything.
    pub fn text(&self, column: Option<usize>) -> Option<&'t str> {
        self.field(column?).map(str::trim).filter(|text| !text.is_empty())
    }

    /// All fields.
    pub fn fields(&self) -> impl Iterator<Item = &'t str> {
        let row = *self;
        (0..row.ends.len()).map_while(move |column| row.field(column))
    }

    /// A problem with this row; `column` counts from 0 like everywhere but in [`Place`].
    pub fn problem(&self, column: Option<usize>, reason: impl Into<String>) -> Problem {
        let column = column.map(|column| column as u64 + 1);
        problem(Place { column, ..self.place }, reason, self.raw)
    }
}

/// A row, or why there is none at this place.
#[derive(Clone, Debug)]
pub enum Line<'t> {
    /// A row with as many fields as the header.
    Row(Row<'t>),
    /// A row that cannot be told apart into its fields.
    Problem(Problem),
}

/// A table that is being read.
pub struct Table<'r> {
    input: Window<'r>,
    parser: csv_core::Reader,
    header: Header,
    /// Unescaped fields of the current record, one behind the other, and where each ends.
    fields: Vec<u8>,
    ends: Vec<usize>,
    raw: Vec<u8>,
    /// The lines on which the current record and the next one begin.
    line: u64,
    next_line: u64,
    rows: u64,
}

/// What [`Table::advance`] found.
enum Found {
    End,
    Record {
        fields: usize,
        bytes: usize,
    },
    /// Why, and in which field, counted from 1.
    Unfit(&'static str, u64),
}

impl<'r> Table<'r> {
    /// Finds the delimiter and reads the header.
    pub fn open(input: &'r mut dyn Read) -> Result<Self, ReadError> {
        let mut input =
            Window { input, postponed: Postponed::default(), bytes: Vec::new(), at: 0, is_at_end: false };
        let mut next_line = 1;
        input.fill_to_line_end()?;
        let delimiter = match sep_line(input.rest()) {
            Some((delimiter, bytes)) => {
                input.at += bytes;
                next_line += 1;
                input.fill_to_line_end()?;
                delimiter
            }
            None => find_delimiter(input.rest()),
        };
        let mut table = Self {
            input,
            parser: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            header: Header::default(),
            fields: vec![0; 4096],
            ends: vec![0; 64],
            raw: Vec::new(),
            line: 1,
            next_line,
            rows: 0,
        };
        match table.advance()? {
            Found::End => Err(ReadError::Shape(
                "the file is empty, it has no header row: export or copy it again".to_owned(),
            )),
            Found::Unfit(reason, column) => {
                let reason = format!("the header row cannot be read: column {column}: {reason}");
                Err(ReadError::Shape(reason))
            }
            Found::Record { fields, .. } => {
                let row = row_of(&table.fields, &table.ends, fields, &[], Place::default());
                let row = row.ok_or_else(|| ReadError::Shape(format!("the header row is {NOT_UTF8}")))?;
                table.header = Header::new(row.fields());
                Ok(table)
            }
        }
    }

    /// The names of the columns.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Rows so far, problems included.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The next row; `None` at the end.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, ReadError> {
        let columns = self.header.names.len();
        let (mut fields, bytes) = loop {
            match self.advance()? {
                Found::End => return Ok(None),
                Found::Record { bytes: 0, .. } => {} // A row of nothing but delimiters, as Excel leaves them.
                Found::Record { fields, bytes } => break (fields, bytes),
                Found::Unfit(reason, column) => {
                    self.rows += 1;
                    let place = self.place(Some(column));
                    return Ok(Some(Line::Problem(problem(place, reason, &self.raw))));
                }
            }
        };
        self.rows += 1;
        if fields > columns && self.ends.get(columns.saturating_sub(1)) == Some(&bytes) {
            fields = columns; // Fields too many, but empty: Excel's trailing delimiters.
        }
        if fields != columns {
            let place = self.place(Some(fields.min(columns) as u64 + 1));
            let reason = format!(
                "the row has {fields} fields, the header {columns}: is a field with the delimiter in it unquoted?"
            );
            return Ok(Some(Line::Problem(problem(place, reason, &self.raw))));
        }
        let place = self.place(None);
        Ok(Some(match row_of(&self.fields, &self.ends, fields, &self.raw, place) {
            Some(row) => Line::Row(row),
            None => {
                let column = Some(self.first_not_utf8(fields));
                Line::Problem(problem(Place { column, ..place }, format!("the row is {NOT_UTF8}"), &self.raw))
            }
        }))
    }

    /// The first field with bytes that are no UTF-8, counted from 1.
    fn first_not_utf8(&self, fields: usize) -> u64 {
        let ends = self.ends.get(..fields).unwrap_or_default();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let is_text = |(start, end): (usize, &usize)| {
            self.fields.get(start..*end).is_some_and(|field| std::str::from_utf8(field).is_ok())
        };
        starts.zip(ends).take_while(|field| is_text(*field)).count() as u64 + 1
    }

    fn place(&self, column: Option<u64>) -> Place {
        Place { record: self.rows, line: Some(self.line), column }
    }

    /// Reads one record into `fields`, `ends` and `raw`.
    fn advance(&mut self) -> Result<Found, ReadError> {
        self.raw.clear();
        let (mut bytes, mut fields) = (0, 0);
        loop {
            if self.input.rest().is_empty() {
                self.input.fill()?;
            }
            let (out, ends) = (self.fields.get_mut(bytes..), self.ends.get_mut(fields..));
            let (result, taken, written, ended) =
                self.parser.read_record(self.input.rest(), out.unwrap_or_default(), ends.unwrap_or_default());
            self.raw.extend_from_slice(self.input.rest().get(..taken).unwrap_or_default());
            self.input.at += taken;
            bytes += written;
            fields += ended;
            if self.raw.len() > RECORD_BYTES_MAX {
                let reason = "the row is longer than 1 MiB: close the quote if one is open, or shorten it";
                return self.give_up(reason, fields as u64 + 1);
            }
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if self.ends.len() >= COLUMNS_MAX => {
                    return self
                        .give_up("the row has more than 4096 fields: is this a table?", fields as u64);
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record
                    if self.input.is_at_end && taken == 0 && is_quote_open(&self.raw) =>
                {
                    let reason = "a quote is opened and never closed: close it and import the file once more";
                    return self.give_up(reason, fields as u64);
                }
                ReadRecordResult::Record => {
                    self.place_record();
                    return Ok(Found::Record { fields, bytes });
                }
                ReadRecordResult::End => return Ok(Found::End),
            }
        }
    }

    /// Takes the line breaks around the record away from `raw`; knows its line and that of the next.
    fn place_record(&mut self) {
        let leading = self.raw.iter().take_while(|b| is_break(**b)).count();
        let before = self.raw.drain(..leading).filter(|b| *b == b'\n').count() as u64;
        self.line = self.next_line + before;
        self.next_line = self.line + self.raw.iter().filter(|b| **b == b'\n').count() as u64;
        let trailing = self.raw.iter().rev().take_while(|b| is_break(**b)).count();
        self.raw.truncate(self.raw.len() - trailing);
    }

    /// Ends what cannot be a record after its first line; what follows is read again as new records.
    fn give_up(&mut self, reason: &'static str, column: u64) -> Result<Found, ReadError> {
        let taken = std::mem::take(&mut self.raw);
        let leading = taken.iter().take_while(|b| is_break(**b)).count();
        let (before, record) = taken.split_at(leading);
        let first_line = record.iter().position(|b| *b == b'\n');
        let (first, again) = record.split_at(first_line.map_or(record.len(), |at| at + 1));
        self.raw.extend_from_slice(before);
        self.raw.extend_from_slice(first);
        self.input.give_back(again);
        if first_line.is_none() && self.input.skip_line()? {
            self.raw.push(b'\n');
        }
        self.place_record();
        self.parser.reset();
        Ok(Found::Unfit(reason, column))
    }
}

/// The input's bytes that were read but not parsed.
struct Window<'r> {
    input: &'r mut dyn Read,
    postponed: Postponed,
    bytes: Vec<u8>,
    at: usize,
    is_at_end: bool,
}

impl Window<'_> {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Reads more behind the rest.
    fn fill(&mut self) -> Result<(), ReadError> {
        self.bytes.drain(..self.at);
        self.at = 0;
        let read = self.postponed.read(self.input, READ_BYTES, &mut self.bytes)?;
        self.is_at_end |= read == 0;
        Ok(())
    }

    /// Reads until the rest has a line break, is as long as a sample, or is all there is.
    fn fill_to_line_end(&mut self) -> Result<(), ReadError> {
        while !self.is_at_end && self.rest().len() < READ_BYTES && !self.rest().contains(&b'\n') {
            self.fill()?;
        }
        if let Some(text) = self.rest().strip_prefix(b"\xef\xbb\xbf") {
            self.at = self.bytes.len() - text.len();
        }
        Ok(())
    }

    /// Puts bytes before the rest.
    fn give_back(&mut self, bytes: &[u8]) {
        self.bytes.splice(..self.at, bytes.iter().copied());
        self.at = 0;
    }

    /// Goes behind the next line break; whether there was one.
    fn skip_line(&mut self) -> Result<bool, ReadError> {
        loop {
            if let Some(at) = self.rest().iter().position(|b| *b == b'\n') {
                self.at += at + 1;
                return Ok(true);
            }
            if self.is_at_end {
                self.at = self.bytes.len();
                return Ok(false);
            }
            self.at = self.bytes.len();
            self.fill()?;
        }
    }
}

fn is_break(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Whether a quote is open behind `raw`: doubled quotes count twice, so the sum tells.
fn is_quote_open(raw: &[u8]) -> bool {
    raw.iter().filter(|b| **b == b'"').count() % 2 == 1
}

/// Excel's first line `sep=;`: the delimiter, and the length of the line.
fn sep_line(text: &[u8]) -> Option<(u8, usize)> {
    let line_bytes = text.iter().position(|b| *b == b'\n')? + 1;
    let line = text.get(..line_bytes)?.trim_ascii_end();
    let delimiter = match line {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => *delimiter,
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'='] => b'\t', // The tab was trimmed.
        _ => return None,
    };
    Some((delimiter, line_bytes))
}

/// The most frequent delimiter outside quotes in the first line that says anything.
fn find_delimiter(text: &[u8]) -> u8 {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut is_quoted = false;
    for byte in text.trim_ascii_start() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' if !is_quoted => break,
            _ if is_quoted => {}
            _ => {
                for (delimiter, count) in DELIMITERS.iter().zip(&mut counts) {
                    *count += usize::from(delimiter == byte);
                }
            }
        }
    }
    let most = DELIMITERS.into_iter().zip(counts).rev().max_by_key(|(_, count)| *count);
    most.map_or(b',', |(delimiter, _)| delimiter)
}

/// A view of the parser's output; `None` if it is not UTF-8.
fn row_of<'t>(
    fields: &'t [u8],
    ends: &'t [usize],
    n_fields: usize,
    raw: &'t [u8],
    place: Place,
) -> Option<Row<'t>> {
    let ends = ends.get(..n_fields)?;
    let text = std::str::from_utf8(fields.get(..ends.last().copied().unwrap_or(0))?).ok()?;
    Some(Row { place, raw, text, ends })
}

/// A problem with the beginning of its bytes.
fn problem(place: Place, reason: impl Into<String>, raw: &[u8]) -> Problem {
    let raw = raw.get(..PROBLEM_RAW_BYTES_MAX).unwrap_or(raw).to_vec();
    Problem { place, reason: reason.into(), raw }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
