//! What the formats that are tables have in common: columns under several spellings, rows into items,
//! and a workbook wherever a text may be.

use std::io::{Cursor, Read};

use serde_json::{Map, Value};
use whowas_event::{Draft, Event};

use crate::{
    contract::{Format, Info, Item, Options, Problem, ReadError, ReadSummary, Sample, Sink},
    dates::{self, DateError},
    instant::Instant,
    jsonstream,
    table::{Header, Line, Row, Table},
    xlsx::{self, Workbook},
};

/// A format whose records are the rows of a table.
pub(crate) trait Tabular: Sync {
    /// What the format is.
    fn info(&self) -> &'static Info;

    /// Whether a table with these columns is of the format.
    fn fits(&self, columns: &Columns) -> bool;

    /// Reads the rows.
    fn read_table(
        &self,
        table: Table<'_>,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError>;
}

/// A format that comes as a table and in no other shape: being [`Tabular`] is all there is to it.
pub(crate) trait AlwaysTable: Tabular {}

impl<T: AlwaysTable> Format for T {
    fn info(&self) -> &'static Info {
        Tabular::info(self)
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        recognizes(self, sample)
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        read(self, input, options, sink)
    }
}

/// Whether a sample begins with a header that the format knows.
pub(crate) fn recognizes(format: &dyn Tabular, sample: Sample<'_>) -> bool {
    !jsonstream::is_json_like(sample)
        && !sample.bytes.contains(&0)
        && Header::of_sample(sample).is_some_and(|header| format.fits(&Columns::new(&header)))
}

/// Reads delimited text or, if the format was asked for by name, a workbook.
pub(crate) fn read(
    format: &dyn Tabular,
    input: &mut dyn Read,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<ReadSummary, ReadError> {
    let mut magic = Vec::new();
    (&mut *input).take(xlsx::MAGIC.len() as u64).read_to_end(&mut magic)?;
    let is_workbook = magic == xlsx::MAGIC;
    let mut input = Cursor::new(magic).chain(input);
    if !is_workbook {
        return format.read_table(Table::open(&mut input)?, options, sink);
    }
    read_workbook(&[format], &mut input, options, sink).map(|(_, summary)| summary)
}

/// How a format reads its records where they are JSON.
pub(crate) type ReadJson = fn(&mut dyn Read, &Options, &mut Sink<'_>) -> Result<ReadSummary, ReadError>;

/// Reads a format that comes as JSON and as tables, by how the input begins.
pub(crate) fn read_json_or_table(
    format: &dyn Tabular,
    read_json: ReadJson,
    input: &mut dyn Read,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<ReadSummary, ReadError> {
    let (is_json, mut input) = jsonstream::begins_like_json(input)?;
    if is_json { read_json(&mut input, options, sink) } else { read(format, &mut input, options, sink) }
}

/// Reads the first sheet that one of the formats fits; says which format that is.
pub(crate) fn read_workbook<'f>(
    formats: &[&'f dyn Tabular],
    input: &mut dyn Read,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<(&'f dyn Tabular, ReadSummary), ReadError> {
    let mut workbook = Workbook::open(input)?;
    let mut seen = Vec::new();
    let sheets = workbook.sheets();
    for (at, sheet) in sheets.iter().enumerate() {
        let mut text = workbook.text(sheet)?;
        let table = match Table::open(&mut text) {
            Ok(table) => table,
            Err(ReadError::Shape(_)) => continue, // An empty sheet.
            Err(error) => return Err(error),
        };
        let columns = Columns::new(table.header());
        let Some(format) = formats.iter().find(|format| format.fits(&columns)) else {
            seen.push(format!("`{sheet}` has the columns {}", table.header().names().join(", ")));
            continue;
        };
        let mut summary = format.read_table(table, options, sink)?;
        let others: Vec<&str> =
            sheets.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, name)| &**name).collect();
        if !others.is_empty() {
            summary.warnings.push(format!("only the sheet `{sheet}` was read, not {}", others.join(", ")));
        }
        return Ok((*format, summary));
    }
    let seen = if seen.is_empty() { "its sheets are empty".to_owned() } else { seen.join("; ") };
    Err(ReadError::Unrecognized(format!("no sheet of the workbook is of a known format: {seen}")))
}

/// A name's letters and digits in lower case: `Login start-time` and `LoginStartTime` are one.
pub(crate) fn squash(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The columns of a table. Each is taken by one meaning at most; what is left has none.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    names: Vec<String>,
    squashed: Vec<Option<String>>,
}

impl Columns {
    pub(crate) fn new(header: &Header) -> Self {
        let names = header.names().to_vec();
        let squashed = names.iter().map(|name| Some(squash(name))).collect();
        Self { names, squashed }
    }

    /// The column of the first of these spellings that there is; `(UTC)` behind it does not matter.
    pub(crate) fn find(&self, spellings: &[&str]) -> Option<usize> {
        spellings.iter().find_map(|spelling| {
            self.squashed.iter().position(|name| {
                let name = name.as_deref().unwrap_or_default();
                name == *spelling || name.strip_suffix("utc") == Some(spelling)
            })
        })
    }

    /// The same, and the column has its meaning then.
    pub(crate) fn take(&mut self, spellings: &[&str]) -> Option<usize> {
        let column = self.find(spellings)?;
        if let Some(name) = self.squashed.get_mut(column) {
            *name = None;
        }
        Some(column)
    }

    /// Takes a column of times. If its name says UTC, they are.
    pub(crate) fn take_time(&mut self, spellings: &[&str], options: &Options) -> Option<TimeColumn> {
        let column = self.find(spellings)?;
        let is_utc = self.squashed.get(column)?.as_ref()?.ends_with("utc");
        let mut options = options.clone();
        if is_utc {
            options.source_timezone = jiff::tz::TimeZone::UTC;
        }
        self.take(spellings);
        Some(TimeColumn { column, clock: None, is_utc, options })
    }

    /// The names as written.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The squashed names of columns without a meaning so far.
    pub(crate) fn squashed(&self) -> impl Iterator<Item = (usize, &str)> {
        self.squashed.iter().enumerate().filter_map(|(column, name)| Some((column, name.as_deref()?)))
    }

    /// The columns without a meaning, with their names; `column 7` if it has none.
    pub(crate) fn rest(&self) -> Vec<(usize, String)> {
        let named = self.squashed().map(|(column, squashed)| {
            let name = self.names.get(column).filter(|_| !squashed.is_empty());
            (column, name.cloned().unwrap_or_else(|| format!("column {}", column + 1)))
        });
        named.collect()
    }

    /// Why a table cannot be read without a column.
    pub(crate) fn missing(&self, what: &str) -> ReadError {
        ReadError::Shape(format!("no column tells {what}; there are {}", self.names.join(", ")))
    }
}

/// A column of times, or one of dates with one of times of day.
#[derive(Clone, Debug)]
pub(crate) struct TimeColumn {
    column: usize,
    /// The column of times of day.
    pub(crate) clock: Option<usize>,
    is_utc: bool,
    options: Options,
}

impl TimeColumn {
    /// The time in a row; `None` if there is none. Counts those that have no zone.
    pub(crate) fn read(&self, row: &Row<'_>, without_zone: &mut u64) -> Result<Option<Instant>, Problem> {
        let of_row = |error: DateError| row.problem(Some(self.column), error.to_string());
        let Some(date) = row.text(Some(self.column)) else { return Ok(None) };
        let joined = row.text(self.clock).map(|clock| {
            // Forms show the date of a pair with a midnight that means nothing.
            let bare = if date.contains(':') { date.split([' ', 'T']).next().unwrap_or(date) } else { date };
            format!("{bare} {clock}")
        });
        let text = joined.as_deref().unwrap_or(date);
        let found = dates::parse_optional(Some(text), &self.options).map_err(of_row)?;
        *without_zone += u64::from(!self.is_utc && found.as_ref().is_some_and(|found| found.is_without_zone));
        Ok(found)
    }

    /// A problem with the time in a row.
    pub(crate) fn problem(&self, row: &Row<'_>, reason: &str) -> Problem {
        row.problem(Some(self.column), reason)
    }
}

/// Makes the events of a row, to be put behind those of the other argument.
pub(crate) type EachRow<'a> = dyn FnMut(&Row<'_>, &mut Vec<Event>) -> Result<(), Problem> + 'a;

/// Reads all rows and hands on what becomes of them.
pub(crate) fn read_rows(
    mut table: Table<'_>,
    sink: &mut Sink<'_>,
    each: &mut EachRow<'_>,
) -> Result<ReadSummary, ReadError> {
    let mut summary = ReadSummary::default();
    let repeated = table.header().repeated().iter().filter(|name| !name.is_empty());
    for name in repeated {
        summary.warnings.push(format!("the column `{name}` is there twice: the first one counts"));
    }
    let mut events = Vec::new();
    while let Some(line) = table.next_line()? {
        let row = match line {
            Line::Row(row) => row,
            Line::Problem(problem) => {
                sink(Item::Problem(problem))?;
                continue;
            }
        };
        match each(&row, &mut events) {
            Ok(()) => {
                for event in events.drain(..) {
                    sink(Item::Draft(Draft { event, raw: row.raw.to_vec() }, row.place))?;
                }
            }
            Err(problem) => {
                events.clear();
                sink(Item::Problem(problem))?;
            }
        }
    }
    summary.read = table.rows();
    Ok(summary)
}

/// The fields of these columns that say anything, as members of an object.
pub(crate) fn members<'n>(
    row: &Row<'_>,
    columns: impl IntoIterator<Item = (usize, &'n str)>,
) -> Map<String, Value> {
    let told = columns
        .into_iter()
        .filter_map(|(column, name)| Some((name.to_owned(), Value::from(row.text(Some(column))?))));
    told.collect()
}

/// Yes or no, as check boxes are exported in several languages.
pub(crate) fn yes_no(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "1" | "yes" | "true" | "y" | "x" | "ja" | "oui" | "sí" | "si" | "sì" | "sim" | "tak" | "kyllä"
        | "да" => Some(true),
        "0" | "no" | "false" | "n" | "nein" | "nee" | "nej" | "nei" | "non" | "não" | "nie" | "ei"
        | "нет" => Some(false),
        _ => None,
    }
}
