//! CSV after RFC 4180, inert in spreadsheets.

use whowas_query::{LoginRow, NameSource};

/// The columns of an export, in order: the grid's first, then what identifies the record.
pub const CSV_COLUMNS: [&str; 27] = [
    "user_id",
    "user_name",
    "full_name",
    "email_addr",
    "start",
    "end",
    "status",
    "ip",
    "client",
    "service",
    "activity",
    "status_code",
    "status_detail",
    "country",
    "city",
    "device",
    "user_agent",
    "session_id",
    "is_mfa",
    "auth_protocol",
    "logon_type",
    "source",
    "native_id",
    "revision",
    "name_source",
    "recorded_at",
    "position",
];

/// The header row.
pub fn csv_header() -> Vec<u8> {
    let mut out = CSV_COLUMNS.join(",").into_bytes();
    out.extend_from_slice(b"\r\n");
    out
}

/// Appends a row and its line end.
pub fn csv_row(row: &LoginRow, out: &mut Vec<u8>) {
    let start = out.len();
    let mut field = |text: &str| write_field(out, text);
    for text in [&row.user_uid, &row.user_name, &row.user_full_name, &row.user_email_addr] {
        field(text.as_deref().unwrap_or_default());
    }
    for time in [row.start, row.end] {
        field(&time.map(|time| time.to_string()).unwrap_or_default());
    }
    field(&row.status);
    for text in [&row.src_ip, &row.client, &row.service_name] {
        field(text.as_deref().unwrap_or_default());
    }
    field(&row.activity);
    let texts = [
        &row.status_code,
        &row.status_detail,
        &row.src_country,
        &row.src_city,
        &row.device_name,
        &row.user_agent,
        &row.session_uid,
    ];
    for text in texts {
        field(text.as_deref().unwrap_or_default());
    }
    field(row.is_mfa.map_or("", |is_mfa| if is_mfa { "true" } else { "false" }));
    for text in [&row.auth_protocol, &row.logon_type] {
        field(text.as_deref().unwrap_or_default());
    }
    field(&row.source);
    field(&row.native_id);
    field(&row.revision.to_string());
    field(match row.name_source {
        Some(NameSource::Record) => "record",
        Some(NameSource::Directory) => "directory",
        Some(NameSource::Erased) => "erased",
        None => "",
    });
    field(&row.recorded_at.to_string());
    field(&row.position.to_string());
    debug_assert!(out.len() > start);
    // The last field's comma becomes the line end.
    out.pop();
    out.extend_from_slice(b"\r\n");
}

/// One field and its comma. Quoted only where RFC 4180 needs it; guarded where a spreadsheet would compute.
fn write_field(out: &mut Vec<u8>, text: &str) {
    let is_guarded = is_formula(text);
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
        write_field(&mut out, text);
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
