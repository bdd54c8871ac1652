//! Rows as an Office Open XML workbook (ECMA-376), written as a stream.
//!
//! Texts are inline strings, which no spreadsheet computes; times are dates of the spreadsheet, in UTC. What
//! a cell or a sheet cannot hold is not lost silently: a longer text ends with `…`, further rows go to
//! further sheets.

use std::io::Write;

use whowas_event::Time;
use whowas_query::LoginRow;
use zip::{
    CompressionMethod, ZipWriter,
    write::{SimpleFileOptions, StreamWriter},
};

use crate::{
    EncodeError,
    cells::{Cell, EXPORT_COLUMNS, cells},
    encoder::Written,
};

/// Rows of a sheet, its header among them (ECMA-376 leaves it open; this is Excel's).
const SHEET_ROWS_MAX: u32 = 1_048_576;
/// UTF-16 units of a cell (Excel's).
const CELL_UNITS_MAX: usize = 32_767;
/// Milliseconds from 1899-12-30, day 0 of spreadsheets, to 1970-01-01.
const EPOCH_MS: i64 = 25_569 * 86_400_000;
/// The first day that all spreadsheets count alike: 1900-03-01.
const FIRST_DAY_MS: i64 = 61 * 86_400_000;

const SHEET_START: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetViews><sheetView workbookViewId=\"0\">\
<pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/></sheetView></sheetViews>\
<cols><col min=\"1\" max=\"27\" width=\"20\" customWidth=\"1\"/></cols><sheetData>";
const SHEET_END: &str = "</sheetData></worksheet>";
/// Style 0 is plain, 1 a date with time, 2 the header's.
const STYLES: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
<styleSheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">\
<numFmts count=\"1\"><numFmt numFmtId=\"164\" formatCode=\"yyyy\\-mm\\-dd\\ hh:mm:ss\"/></numFmts>\
<fonts count=\"2\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font><font><b/><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts>\
<fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill></fills>\
<borders count=\"1\"><border/></borders><cellStyleXfs count=\"1\"><xf/></cellStyleXfs>\
<cellXfs count=\"3\"><xf/><xf numFmtId=\"164\" applyNumberFormat=\"1\"/><xf fontId=\"1\" applyFont=\"1\"/></cellXfs></styleSheet>";
const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

pub(crate) struct Workbook {
    zip: ZipWriter<StreamWriter<Written>>,
    sheets: u32,
    /// Of the sheet that is being written.
    rows: u32,
    /// The row that is being made.
    line: Vec<u8>,
}

impl std::fmt::Debug for Workbook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Workbook({} sheets)", self.sheets)
    }
}

fn options() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(true)
}

impl Workbook {
    pub(crate) fn new(written: Written) -> Result<Self, EncodeError> {
        let mut book = Self { zip: ZipWriter::new_stream(written), sheets: 0, rows: 0, line: Vec::new() };
        book.begin_sheet()?;
        Ok(book)
    }

    fn begin_sheet(&mut self) -> Result<(), EncodeError> {
        self.sheets += 1;
        self.zip.start_file(format!("xl/worksheets/sheet{}.xml", self.sheets), options())?;
        self.zip.write_all(SHEET_START.as_bytes())?;
        self.line.clear();
        self.line.extend_from_slice(b"<row>");
        for name in EXPORT_COLUMNS {
            write_text(&mut self.line, name, " s=\"2\"");
        }
        self.line.extend_from_slice(b"</row>");
        self.zip.write_all(&self.line)?;
        self.rows = 1;
        Ok(())
    }

    pub(crate) fn row(&mut self, row: &LoginRow) -> Result<(), EncodeError> {
        if self.rows == SHEET_ROWS_MAX {
            self.zip.write_all(SHEET_END.as_bytes())?;
            self.begin_sheet()?;
        }
        self.line.clear();
        self.line.extend_from_slice(b"<row>");
        for cell in cells(row) {
            match cell {
                Cell::Text(text) => write_text(&mut self.line, text, ""),
                Cell::Time(None) | Cell::Flag(None) => self.line.extend_from_slice(b"<c/>"),
                Cell::Time(Some(time)) => write_time(&mut self.line, time),
                Cell::Flag(Some(flag)) => write!(self.line, "<c t=\"b\"><v>{}</v></c>", u8::from(flag))?,
                Cell::Number(number) => write!(self.line, "<c><v>{number}</v></c>")?,
            }
        }
        self.line.extend_from_slice(b"</row>");
        self.zip.write_all(&self.line)?;
        self.rows += 1;
        Ok(())
    }

    /// Ends the last sheet and says what there is.
    pub(crate) fn finish(mut self) -> Result<(), EncodeError> {
        self.zip.write_all(SHEET_END.as_bytes())?;
        let sheets = 1..=self.sheets;
        let each = |make: &dyn Fn(u32) -> String| sheets.clone().map(make).collect::<String>();
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
        let types = each(&|n| {
            format!(
                "<Override PartName=\"/xl/worksheets/sheet{n}.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/>"
            )
        });
        let named = each(&|n| {
            format!(
                "<sheet name=\"Sign-ins{}\" sheetId=\"{n}\" r:id=\"rId{n}\"/>",
                if n > 1 { format!(" {n}") } else { String::new() }
            )
        });
        let related = each(&|n| {
            format!(
                "<Relationship Id=\"rId{n}\" Type=\"{RELATIONSHIPS}/worksheet\" Target=\"worksheets/sheet{n}.xml\"/>"
            )
        });
        let parts = [
            (
                "[Content_Types].xml",
                format!(
                    "{head}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" ContentType=\"application/xml\"/><Override PartName=\"/xl/workbook.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/><Override PartName=\"/xl/styles.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml\"/>{types}</Types>"
                ),
            ),
            (
                "_rels/.rels",
                format!(
                    "{head}<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" Type=\"{RELATIONSHIPS}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
                ),
            ),
            (
                "xl/workbook.xml",
                format!(
                    "{head}<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" xmlns:r=\"{RELATIONSHIPS}\"><sheets>{named}</sheets></workbook>"
                ),
            ),
            (
                "xl/_rels/workbook.xml.rels",
                format!(
                    "{head}<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">{related}<Relationship Id=\"rIdStyles\" Type=\"{RELATIONSHIPS}/styles\" Target=\"styles.xml\"/></Relationships>"
                ),
            ),
            ("xl/styles.xml", STYLES.to_owned()),
        ];
        for (name, text) in parts {
            self.zip.start_file(name, options())?;
            self.zip.write_all(text.as_bytes())?;
        }
        self.zip.finish()?;
        Ok(())
    }
}

fn write_time(out: &mut Vec<u8>, time: Time) {
    let ms = time.as_ms().saturating_add(EPOCH_MS);
    if ms < FIRST_DAY_MS {
        return write_text(out, &time.to_string(), "");
    }
    // A day has 86,400,000 milliseconds; nine decimals keep each.
    let (day, rest) = (ms / 86_400_000, ms % 86_400_000);
    let fraction =
        rest * 1_000_000_000 / 86_400_000 + i64::from(rest * 1_000_000_000 % 86_400_000 >= 43_200_000);
    out.extend_from_slice(format!("<c s=\"1\"><v>{day}.{fraction:09}</v></c>").as_bytes());
}

/// A cell with a text. Characters that XML cannot have are written as ECMA-376 does, `_x0007_`.
fn write_text(out: &mut Vec<u8>, text: &str, style: &str) {
    if text.is_empty() {
        return out.extend_from_slice(b"<c/>");
    }
    out.extend_from_slice(b"<c t=\"inlineStr\"");
    out.extend_from_slice(style.as_bytes());
    out.extend_from_slice(b"><is><t xml:space=\"preserve\">");
    let mut units = 0;
    let is_long = text.len() > CELL_UNITS_MAX && text.encode_utf16().count() > CELL_UNITS_MAX;
    for (at, c) in text.char_indices() {
        units += c.len_utf16();
        if is_long && units >= CELL_UNITS_MAX {
            out.extend_from_slice("…".as_bytes());
            break;
        }
        match c {
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '&' => out.extend_from_slice(b"&amp;"),
            '_' if is_escape(text.get(at..).unwrap_or_default()) => out.extend_from_slice(b"_x005F_"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                out.extend_from_slice(format!("_x{:04X}_", u32::from(c)).as_bytes());
            }
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.extend_from_slice(b"</t></is></c>");
}

/// Whether a text begins like an escaped character, and must be escaped to stay what it is.
fn is_escape(text: &str) -> bool {
    let Some((b'_', [b'x', digits @ ..])) = text.as_bytes().split_first() else { return false };
    let Some((digits, [b'_', ..])) = digits.split_at_checked(4) else { return false };
    digits.iter().all(u8::is_ascii_hexdigit)
}
