//! Excel workbooks (XLSX): each sheet as the delimited text that Excel would have saved, so that a format
//! for tables reads both alike; and `workbook`, which finds out whose table is in one.
//!
//! Cells of dates become `2025-03-12 07:22:01` whatever the display format, in either of Excel's date
//! systems. The raw bytes of a record are the line of text made of its row. A workbook is a zip with its
//! directory at the end, so it is held in memory; everything about it is bounded before it is opened.

use std::{
    io::{self, Cursor, Read},
    panic::{AssertUnwindSafe, catch_unwind},
};

use calamine::{Data, DataRef, Reader, Xlsx, XlsxCellReader, XlsxError};
use zip::ZipArchive;

use crate::{
    container::{RATIO_FREE_BYTES, RATIO_MAX, Refused},
    contract::{Format, Info, Options, ReadError, ReadSummary, Sample, Sink, Yields},
    dates::{self, SerialSystem},
    entra_analytics::EntraAnalytics,
    input,
    lcs::DynamicsLcs,
    registry,
    sysuserlog::DynamicsUserLog,
    table::Table,
    tabular::{self, Columns, Tabular},
    users::{DynamicsUsers, UsersCsv},
};

/// What a zip begins with.
pub const MAGIC: &[u8] = b"PK\x03\x04";
/// The largest workbook. A full sheet of a million rows and eleven columns has some 40 MiB.
pub const WORKBOOK_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The most bytes that may come out of it: the XML of such a sheet is some 400 MiB.
pub const INFLATED_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// The most files in it.
const PARTS_MAX: usize = 10_000;
/// The last row and the last column of Excel, counted from 1.
const ROWS_MAX: u32 = 1_048_576;
const COLUMNS_MAX: u32 = 16_384;

/// Whether the beginning of a zip is that of a workbook: among its first parts some are in `xl/`, or all
/// are such as any Office document has.
pub fn is_workbook(bytes: &[u8]) -> bool {
    if !bytes.starts_with(MAGIC) {
        return false;
    }
    let (mut is_office, mut is_sheet) = (true, false);
    for at in memchr::memmem::find_iter(bytes, MAGIC) {
        let name_bytes = bytes.get(at + 26..at + 28).and_then(|length| length.first_chunk::<2>());
        let end = at + 30 + name_bytes.map_or(0, |length| usize::from(u16::from_le_bytes(*length)));
        let Some(name) = bytes.get(at + 30..end) else { continue };
        is_sheet |= name.starts_with(b"xl/");
        is_office &= [&b"[Content_Types].xml"[..], b"_rels/", b"docProps/", b"customXml/", b"xl/"]
            .iter()
            .any(|known| name.starts_with(known));
    }
    is_sheet || is_office
}

/// A workbook in memory.
pub(crate) struct Workbook {
    xlsx: Xlsx<Cursor<Vec<u8>>>,
}

impl Workbook {
    /// Reads a whole workbook, within bounds.
    pub(crate) fn open(input: &mut dyn Read) -> Result<Self, ReadError> {
        let mut bytes = Vec::new();
        input.take(WORKBOOK_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > WORKBOOK_BYTES_MAX {
            return Err(ReadError::TooLarge("the workbook is larger than 64 MiB: save it as CSV".to_owned()));
        }
        check_parts(&bytes, INFLATED_BYTES_MAX)?;
        let xlsx = sound(|| Xlsx::new(Cursor::new(bytes))).map_err(ReadError::Broken)?;
        Ok(Self { xlsx })
    }

    /// The names of its sheets in their order.
    pub(crate) fn sheets(&self) -> Vec<String> {
        self.xlsx.sheet_names()
    }

    /// A sheet as delimited text.
    pub(crate) fn text(&mut self, sheet: &str) -> Result<SheetText<'_>, ReadError> {
        let is_1904 = self.xlsx.has_1904_epoch();
        let system = if is_1904 { SerialSystem::Since1904 } else { SerialSystem::Since1900 };
        let cells = sound(|| match self.xlsx.worksheet_cells_reader(sheet) {
            Err(XlsxError::NotAWorksheet(_)) => Ok(None), // A sheet of a chart.
            cells => cells.map(Some),
        });
        let cells = cells.map_err(ReadError::Broken)?;
        Ok(SheetText { cells, system, next: None, row: 0, columns: 0, line: Vec::new(), at: 0 })
    }
}

/// Calls calamine, which panics on some damage (numbers of rows that overflow). What it was about to change
/// is not used any more after an error.
fn sound<T>(work: impl FnOnce() -> Result<T, XlsxError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| format!("not a sound workbook: {error}")),
        Err(_) => Err("not a sound workbook: a sheet is damaged".to_owned()),
    }
}

/// Decompresses every part into nothing, to know that it can be done within bounds.
fn check_parts(bytes: &[u8], inflated_bytes_max: u64) -> Result<(), ReadError> {
    let broken = |error: &dyn std::fmt::Display| ReadError::Broken(format!("not a sound workbook: {error}"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    if archive.len() > PARTS_MAX {
        return Err(broken(&"it has more than 10000 parts"));
    }
    let mut left = inflated_bytes_max;
    for part in 0..archive.len() {
        let part = archive.by_index(part).map_err(|error| broken(&error))?;
        // The directory may claim more than there is, to look less like a bomb.
        let compressed = part.compressed_size().min(bytes.len() as u64);
        let most = RATIO_FREE_BYTES.max(compressed.saturating_mul(RATIO_MAX)).min(left);
        let inflated = io::copy(&mut part.take(most + 1), &mut io::sink()).map_err(|error| broken(&error))?;
        if inflated > most {
            let reason = "too much comes out of the workbook: save the sheet as CSV";
            return Err(ReadError::TooLarge(reason.to_owned()));
        }
        left -= inflated;
    }
    Ok(())
}

/// A sheet, read as text with commas between the fields. Every row of the sheet is a line; rows have at
/// least as many fields as the first one that has any.
pub(crate) struct SheetText<'w> {
    /// `None` at the end.
    cells: Option<XlsxCellReader<'w, Cursor<Vec<u8>>>>,
    system: SerialSystem,
    /// A cell that was read but belongs to a later row.
    next: Option<Cell>,
    /// The row that comes next.
    row: u32,
    /// Fields of the first row.
    columns: u32,
    line: Vec<u8>,
    at: usize,
}

struct Cell {
    row: u32,
    column: u32,
    text: String,
}

impl SheetText<'_> {
    /// The next cell that says anything.
    fn cell(&mut self) -> io::Result<Option<Cell>> {
        if let Some(cell) = self.next.take() {
            return Ok(Some(cell));
        }
        while let Some(cells) = &mut self.cells {
            let Some(cell) = sound(|| cells.next_cell()).map_err(broken)? else {
                self.cells = None;
                break;
            };
            let (row, column) = cell.get_position();
            if row >= ROWS_MAX || column >= COLUMNS_MAX {
                return Err(broken("a cell of the workbook is outside of what a sheet can have"));
            }
            let text = text(cell.get_value(), self.system);
            if !text.is_empty() {
                return Ok(Some(Cell { row, column, text }));
            }
        }
        Ok(None)
    }

    /// Writes the next row that has cells, and line breaks for those that have none; nothing at the end.
    fn write_row(&mut self) -> io::Result<()> {
        let Some(first) = self.cell()? else { return Ok(()) };
        let row = first.row;
        let empty_rows =
            row.checked_sub(self.row).ok_or_else(|| broken("rows of the sheet are not in order"))?;
        self.line.extend((0..empty_rows).map(|_| b'\n'));
        let mut fields = 0;
        let mut cell = Some(first);
        while let Some(Cell { row: _, column, text }) = cell {
            if fields > 0 {
                self.line.push(b',');
            }
            let empty = column
                .checked_sub(fields)
                .ok_or_else(|| broken("cells of a row of the sheet are not in order"))?;
            self.line.extend((0..empty).map(|_| b','));
            write_field(&mut self.line, &text);
            fields = column + 1;
            cell = self.cell()?;
            if let Some(later) = cell.take_if(|cell| cell.row != row) {
                self.next = Some(later);
            }
        }
        if self.columns == 0 {
            self.columns = fields;
        }
        self.line.extend((fields..self.columns).map(|_| b','));
        self.line.push(b'\n');
        self.row = row + 1;
        Ok(())
    }
}

impl Read for SheetText<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.line.len() {
            self.line.clear();
            self.at = 0;
            self.write_row()?;
        }
        let read = self.line.get(self.at..).unwrap_or_default().read(out)?;
        self.at += read;
        Ok(read)
    }
}

fn broken(reason: impl Into<String>) -> io::Error {
    Refused::Broken(reason.into()).into()
}

/// Quotes where a reader could take a character for a delimiter.
fn write_field(line: &mut Vec<u8>, text: &str) {
    if !text.contains(['"', ',', ';', '\t', '|', '\n', '\r']) {
        line.extend_from_slice(text.as_bytes());
        return;
    }
    line.push(b'"');
    line.extend(text.bytes().flat_map(|byte| std::iter::repeat_n(byte, if byte == b'"' { 2 } else { 1 })));
    line.push(b'"');
}

/// What a cell says.
fn text(value: &DataRef<'_>, system: SerialSystem) -> String {
    match value {
        DataRef::DateTime(date) if date.is_duration() => {
            dates::duration_text(date.as_f64()).unwrap_or_else(|| date.as_f64().to_string())
        }
        DataRef::DateTime(date) => {
            dates::serial_text(date.as_f64(), system).unwrap_or_else(|| date.as_f64().to_string())
        }
        // Whole numbers are written without a fraction.
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        other => Data::from(other.clone()).to_string(),
    }
}

/// `workbook`: an Excel file with the table of one of the other formats.
#[derive(Debug)]
pub struct AnyWorkbook;

/// The name of the format.
pub(crate) const WORKBOOK: &str = "workbook";

static INFO: Info = Info {
    name: WORKBOOK,
    product: "Microsoft Excel",
    marker: "zip with `xl/` in it; a sheet has the columns of a User log, of User Login Events, of `SigninLogs` or of users",
    yields: Yields { start: true, end: true, failure: false, identity: true },
    row_caps: &[],
};

/// The formats whose tables are looked for in workbooks, most specific first.
static IN_WORKBOOKS: [&dyn Tabular; 5] =
    [&EntraAnalytics, &DynamicsLcs, &DynamicsUserLog, &DynamicsUsers, &UsersCsv];

/// The format of the table in a workbook, so that records have the same source whether the table came as
/// text or as a workbook. `None` leaves it to reading the workbook to say why.
pub(crate) fn table_format(mut bytes: &[u8]) -> Option<&'static dyn Format> {
    let mut workbook = Workbook::open(&mut bytes).ok()?;
    for sheet in workbook.sheets() {
        let mut text = workbook.text(&sheet).ok()?;
        let Ok(table) = Table::open(&mut text) else { continue };
        let columns = Columns::new(table.header());
        if let Some(format) = IN_WORKBOOKS.iter().find(|format| format.fits(&columns)) {
            return registry::find(format.info().name);
        }
    }
    None
}

impl Format for AnyWorkbook {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        is_workbook(sample.bytes)
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let (format, mut summary) = tabular::read_workbook(&IN_WORKBOOKS, input, options, sink)?;
        summary.warnings.extend(input::cap_warning(format.info(), summary.read));
        Ok(summary)
    }
}

#[cfg(test)]
#[path = "xlsx_tests.rs"]
mod tests;
