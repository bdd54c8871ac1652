//! Tests of workbooks. They are made by `fixtures/make_workbooks.py`; all people are invented.

use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::testing::{options, read_any};

const USER_LOG: &[u8] = include_bytes!("../fixtures/user-log.xlsx");
const LOGINS_1904: &[u8] = include_bytes!("../fixtures/user-logins-1904.xlsx");

fn sheet_text(bytes: &[u8], sheet: &str) -> String {
    let mut input = bytes;
    let mut out = String::new();
    Workbook::open(&mut input).unwrap().text(sheet).unwrap().read_to_string(&mut out).unwrap();
    out
}

fn zip_of(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        out.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        out.write_all(bytes).unwrap();
    }
    out.finish().unwrap().into_inner()
}

#[test]
fn a_sheet_becomes_the_text_that_excel_would_save() {
    assert_eq!(
        sheet_text(USER_LOG, "User log"),
        "User ID,User name,Type,Created date and time,Online time,Logoff date time,Session ID,Closed,Computer name,Build number,Client type\n\
         ADA,\"Lovelace, Ada\",Login,2025-03-12 07:22:01,8:30:00,2025-03-12 15:52:01,12,true,PC-0042,6.3.6000.0,3\n\
         \n\
         GRACE,\"Grace \"\"G\"\" Hopper\",Login,2025-03-12 08:00:00,,2025-03-12 08:45:00,13,false,PC-0043,6.3.6000.0,3\n\
         Axrunner,,Login,2025-03-12,,1900-01-01,14,false,AOS-1,,\n"
    );
}

#[test]
fn a_user_log_in_a_workbook() {
    let (format, reading) = read_any(USER_LOG, &options()).unwrap();
    assert_eq!(format, "dynamics-user-log");
    let lines: Vec<String> = reading
        .events
        .iter()
        .map(|event| {
            let name = event.user.name.as_deref().unwrap_or_default();
            format!("{} {} {name}", event.occurred_at, event.activity.as_str())
        })
        .collect();
    assert_eq!(
        lines,
        [
            "2025-03-12T07:22:01.000Z logon ADA",
            "2025-03-12T15:52:01.000Z logoff ADA",
            "2025-03-12T08:00:00.000Z logon GRACE",
            "2025-03-12T00:00:00.000Z logon Axrunner",
        ]
    );
    assert_eq!(reading.summary.read, 3);
    assert_eq!(reading.summary.warnings, ["only the sheet `User log` was read, not Notes"]);
    // The workbook and its text are the same records.
    let text = sheet_text(USER_LOG, "User log");
    assert_eq!(read_any(text.as_bytes(), &options()).unwrap().1.events, reading.events);
}

#[test]
fn a_format_by_name_reads_a_workbook_too() {
    let mut events = Vec::new();
    let mut input = LOGINS_1904;
    let mut sink = |item| {
        events.push(item);
        Ok(())
    };
    let format = Some("dynamics-lcs");
    let input = crate::Input::Stream(&mut input);
    crate::read_all(input, "logins.xlsx", format, &options(), &mut sink).unwrap();
    let crate::Item::Draft(logon, _) = &events[0] else { panic!("a draft") };
    assert_eq!(logon.event.occurred_at.to_string(), "2025-03-12T07:22:01.000Z");
    assert_eq!(logon.event.raw_time.as_deref(), Some("2025-03-12 07:22:01"));
    assert_eq!(
        String::from_utf8_lossy(&logon.raw),
        "0f8fad5b-d9cb-469f-a165-70867728950e,2025-03-12 07:22:01,2025-03-12 09:00:00,Edge"
    );
    assert_eq!(events.len(), 2);
}

#[test]
fn what_is_no_workbook_of_ours_is_refused() {
    let message = |bytes: &[u8]| read_any(bytes, &options()).unwrap_err().to_string();
    assert!(is_workbook(USER_LOG) && is_workbook(LOGINS_1904));
    assert!(!is_workbook(&zip_of(&[("logs/a.csv", b"x")])) && !is_workbook(b"PK"));
    let document = zip_of(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<d/>")]);
    assert!(message(&document).starts_with("not recognised: binary data"), "{}", message(&document));
    let bare = zip_of(&[("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", b"<oops")]);
    assert!(message(&bare).starts_with("not a sound workbook: "), "{}", message(&bare));
    let cut = &USER_LOG[..USER_LOG.len() / 2];
    assert!(message(cut).contains("not a sound zip"), "{}", message(cut));
}

#[test]
fn a_row_number_that_overflows_is_damage() {
    let sheet = b"<worksheet><sheetData><row r=\"aAaaAaaa\"><c/></row></sheetData></worksheet>";
    let error = read_any(&with_sheet(sheet), &options()).unwrap_err().to_string();
    assert!(error.starts_with("not a sound workbook: "), "{error}");
}

#[test]
fn a_bomb_is_not_opened() {
    let workbook = |part: &[u8]| {
        let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for name in ["xl/sharedStrings.xml", "xl/styles.xml"] {
            out.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            out.write_all(part).unwrap();
        }
        out.finish().unwrap().into_inner()
    };
    let refused = |bytes: &[u8], inflated_bytes_max: u64| match check_parts(bytes, inflated_bytes_max) {
        Err(ReadError::TooLarge(reason)) => assert!(reason.contains("save the sheet as CSV"), "{reason}"),
        other => panic!("{other:?}"),
    };
    // By the sum of its parts …
    let rows: String = (0..50_000).map(|row| format!("<c>{row}</c>")).collect();
    let sheet = workbook(rows.as_bytes());
    let bytes = 2 * rows.len() as u64;
    refused(&sheet, bytes - 1);
    assert!(check_parts(&sheet, bytes).is_ok());
    // … and by how much comes out of little, long before that sum.
    refused(&workbook(&vec![b' '; 4 << 20]), INFLATED_BYTES_MAX);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_damage_panics(at in 0..USER_LOG.len(), byte: u8) {
        let mut bytes = USER_LOG.to_vec();
        bytes[at] = byte;
        let _ = read_any(&bytes, &options());
    }

    #[test]
    fn no_sheet_panics(xml in "(<(/?(row|c|v|f|is|t))( (r|s|t)=\"[A-Za-z0-9]{0,12}\"){0,3}/?>|[0-9.e-]{0,6}){0,30}") {
        let sheet = format!("<worksheet><sheetData>{xml}</sheetData></worksheet>");
        let _ = read_any(&with_sheet(sheet.as_bytes()), &options());
    }
}

/// The user log with another first sheet.
fn with_sheet(sheet: &[u8]) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(USER_LOG)).unwrap();
    let mut parts = Vec::new();
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).unwrap();
        let name = part.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        part.read_to_end(&mut bytes).unwrap();
        parts.push((name, bytes));
    }
    let named = |(name, bytes): &(String, Vec<u8>)| {
        let is_sheet = name == "xl/worksheets/sheet1.xml";
        (name.clone(), if is_sheet { sheet.to_vec() } else { bytes.clone() })
    };
    let parts: Vec<(String, Vec<u8>)> = parts.iter().map(named).collect();
    zip_of(&parts.iter().map(|(name, bytes)| (&**name, &**bytes)).collect::<Vec<_>>())
}
