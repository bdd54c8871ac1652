//! CSV after RFC 4180, inert in spreadsheets.

use whowas_query::LoginRow;

use crate::cells::{Cell, EXPORT_COLUMNS, cells};

/// The header row.
pub fn csv_header() -> Vec<u8> {
    let mut out = EXPORT_COLUMNS.join(",").into_bytes();
    out.extend_from_slice(b"\r\n");
    out
}

/// Appends a row and its line end. A value that a spreadsheet would compute is guarded.
pub fn csv_row(row: &LoginRow, out: &mut Vec<u8>) {
    write_row(row, true, out);
}

/// Appends a row as it is: for programs, not for spreadsheets.
pub(crate) fn csv_raw_row(row: &LoginRow, out: &mut Vec<u8>) {
    write_row(row, false, out);
}

fn write_row(row: &LoginRow, is_inert: bool, out: &mut Vec<u8>) {
    for cell in cells(row) {
        match cell {
            Cell::Text(text) => write_field(out, text, is_inert),
            Cell::Time(time) => {
                write_field(out, &time.map(|time| time.to_string()).unwrap_or_default(), is_inert)
            }
            Cell::Flag(flag) => {
                write_field(out, flag.map_or("", |is_so| if is_so { "true" } else { "false" }), is_inert);
            }
            Cell::Number(number) => write_field(out, &number.to_string(), is_inert),
        }
    }
    // The last field's comma becomes the line end.
    out.pop();
    out.extend_from_slice(b"\r\n");
}

/// One field and its comma. Quoted only where RFC 4180 needs it; guarded where a spreadsheet would compute.
fn write_field(out: &mut Vec<u8>, text: &str, is_inert: bool) {
    let is_guarded = is_inert && is_formula(text);
    let is_quoted = is_guarded || text.bytes().any(|b| matches!(b, b'"' | b',' | b'\r' | b'\n'));
    if is_quoted {
        out.push(b'"');
    }
    if is_guarded {
        out.push(b'\'');
    }
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    if is_quoted {
        out.push(b'"');
    }
    out.push(b',');
}

/// A value as it stands in a cell once a reader has taken the quotes off.
pub(crate) fn guarded(text: String) -> String {
    if is_formula(&text) { format!("'{text}") } else { text }
}

/// Whether a spreadsheet may take a value for a formula: its first character, also in full width.
fn is_formula(text: &str) -> bool {
    matches!(
        text.chars().next(),
        Some(
            '=' | '+'
                | '-'
                | '@'
                | '\t'
                | '\r'
                | '\n'
                | '\0'
                | '\u{ff1d}'
                | '\u{ff0b}'
                | '\u{ff0d}'
                | '\u{ff20}'
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_field(&mut out, text, true);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_inert_and_nothing_else_is_touched() {
        for (text, want) in [
            ("plain", "plain,"),
            ("a,b", "\"a,b\","),
            ("say \"hi\"", "\"say \"\"hi\"\"\","),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\","),
            ("-1", "\"'-1\","),
            ("@SUM(A1)", "\"'@SUM(A1)\","),
            ("\tx", "\"'\tx\","),
            ("\u{ff1d}1+1", "\"'\u{ff1d}1+1\","),
            ("a-b", "a-b,"),
            ("two\nlines", "\"two\nlines\","),
        ] {
            assert_eq!(written(text), want, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_csv_reader_gets_every_value_back(text in "\\PC{0,30}|[\"\n\r,;=+@-]{0,8}") {
            let line = written(&text);
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
            let read = reader.records().next().map_or(String::new(), |record| record.unwrap()[0].to_owned());
            let guarded = if is_formula(&text) { format!("'{text}") } else { text };
            prop_assert_eq!(read, guarded);
        }
    }
}
