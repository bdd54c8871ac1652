//! Files that are read back by other programs than the one that wrote them.

use calamine::{Data, Reader, Xlsx};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use whowas_event::Time;
use whowas_query::LoginRow;

use super::*;
use crate::EXPORT_COLUMNS;

fn row(position: u64, name: &str) -> LoginRow {
    let time = |text: &str| Time::parse_rfc3339(text).unwrap();
    LoginRow {
        position,
        occurred_at: time("2026-11-24T07:22:01.234Z"),
        start: Some(time("2026-11-24T07:22:01.234Z")),
        end: None,
        activity: "logon".into(),
        status: "success".into(),
        status_code: None,
        status_detail: None,
        user_uid: Some("a11ce".into()),
        user_name: None,
        user_full_name: Some(name.into()),
        user_email_addr: None,
        name_source: None,
        name_at_sign_in: None,
        name_now: None,
        name_change: None,
        src_ip: Some("192.0.2.7".into()),
        src_country: None,
        src_city: None,
        client: None,
        user_agent: None,
        device_name: None,
        service_name: Some("Dynamics 365".into()),
        session_uid: None,
        is_mfa: Some(true),
        auth_protocol: None,
        logon_type: None,
        source: "erp".into(),
        format: "whowas-event".into(),
        native_id: "e1".into(),
        revision: 2,
        received_at: time("2026-11-24T08:00:00Z"),
        recorded_at: time("2026-11-24T08:00:00Z"),
    }
}

/// The file of some batches.
fn file(format: FileFormat, batches: &[Vec<LoginRow>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(format, &mut out).unwrap();
    for batch in batches {
        encoder.rows(batch, &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    out
}

const HOSTILE: [&str; 6] =
    ["Ann <b> & \"Bob\"", "=1+1", "bell\u{7}_x0041_", "\u{202e}rtl", "two\nlines", "\u{1f600}"];

fn batches() -> Vec<Vec<LoginRow>> {
    let rows: Vec<LoginRow> = HOSTILE.iter().zip(0..).map(|(name, position)| row(position, name)).collect();
    rows.chunks(4).map(<[_]>::to_vec).collect()
}

#[test]
fn a_workbook_is_read_back_by_another_program() {
    let bytes = file(FileFormat::Xlsx, &batches());
    let mut book: Xlsx<_> = Xlsx::new(std::io::Cursor::new(bytes)).unwrap();
    assert_eq!(book.sheet_names(), ["Sign-ins"]);
    let sheet = book.worksheet_range("Sign-ins").unwrap();
    let rows: Vec<&[Data]> = sheet.rows().collect();
    assert_eq!(rows.len(), 1 + HOSTILE.len());
    let header: Vec<String> = rows[0].iter().map(ToString::to_string).collect();
    assert_eq!(header, EXPORT_COLUMNS);
    for (found, want) in rows[1..].iter().zip(HOSTILE) {
        let text = found[2].to_string();
        // The reader leaves escaped characters as they are written.
        let text = text.replace("_x0007_", "\u{7}").replace("_x005F_", "_").replace("_x000A_", "\n");
        assert_eq!(text, want);
    }
    let Data::DateTime(start) = &rows[1][4] else { panic!("{:?}", rows[1][4]) };
    let ms = (start.as_f64() - 25_569.0) * 86_400_000.0;
    assert!((ms - 1_795_504_921_234.0).abs() < 1.0, "{ms}");
    assert_eq!((&rows[1][5], &rows[1][18]), (&Data::Empty, &Data::Bool(true)));
    assert_eq!(rows[2][26].to_string(), "1");
}

#[test]
fn a_parquet_file_has_every_value_and_its_type() {
    let bytes = file(FileFormat::Parquet, &batches());
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap();
    let mut names = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let column =
            arrow::array::AsArray::as_string::<i32>(batch.column_by_name("full_name").unwrap()).clone();
        names.extend(column.iter().map(|name| name.unwrap().to_owned()));
        assert_eq!(batch.column_by_name("user_name").unwrap().null_count(), batch.num_rows());
        assert!(matches!(
            batch.column_by_name("start").unwrap().data_type(),
            arrow::datatypes::DataType::Timestamp(..)
        ));
    }
    assert_eq!(names, HOSTILE);
}

#[test]
fn ocsf_and_raw_csv_are_lossless_lines() {
    let text = String::from_utf8(file(FileFormat::Ocsf, &batches())).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), HOSTILE.len());
    assert_eq!((&lines[1]["class_uid"], &lines[1]["user"]["full_name"]), (&3002.into(), &"=1+1".into()));
    let raw = file(FileFormat::CsvRaw, &batches());
    let mut reader = csv::Reader::from_reader(raw.as_slice());
    let names: Vec<String> = reader.records().map(|record| record.unwrap()[2].to_owned()).collect();
    assert_eq!(names, HOSTILE);
}

#[test]
fn names_of_then_and_now_are_in_every_format() {
    let mut one = row(0, "Anna Berg");
    one.name_at_sign_in = Some("Anna Berg".into());
    one.name_now = Some("Anna Holm".into());
    one.name_change = Some(whowas_query::NameChange::Renamed);
    let rows = [vec![one]];
    let ocsf: serde_json::Value = serde_json::from_slice(&file(FileFormat::Ocsf, &rows)).unwrap();
    assert_eq!(ocsf["enrichments"][0]["value"], "Anna Berg");
    assert_eq!(
        ocsf["enrichments"][0]["data"],
        serde_json::json!({ "name_now": "Anna Holm", "name_change": "renamed" })
    );
    let json: serde_json::Value =
        serde_json::from_slice(&file(FileFormat::Rows(ExportFormat::Jsonl), &rows)).unwrap();
    assert_eq!((&json["name_now"], &json["name_change"]), (&"Anna Holm".into(), &"renamed".into()));
    let raw = file(FileFormat::CsvRaw, &rows);
    let mut reader = csv::Reader::from_reader(raw.as_slice());
    let cells: Vec<String> = reader.records().next().unwrap().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(cells[27..], ["Anna Berg", "Anna Holm", "renamed"]);
}

#[test]
fn every_format_has_a_word_and_an_empty_file() {
    for format in FileFormat::ALL {
        assert_eq!(FileFormat::from_word(format.as_str()), Ok(format));
        let bytes = file(format, &[]);
        assert_eq!(
            bytes.is_empty(),
            matches!(format, FileFormat::Ocsf | FileFormat::Rows(ExportFormat::Jsonl))
        );
    }
    assert!(FileFormat::from_word("pdf").unwrap_err().contains("xlsx"));
}

#[test]
fn the_longest_texts_fit_a_cell_and_say_that_they_were_cut() {
    let long = "\u{1f600}".repeat(20_000);
    let bytes = file(FileFormat::Xlsx, &[vec![row(0, &long)]]);
    let mut book: Xlsx<_> = Xlsx::new(std::io::Cursor::new(bytes)).unwrap();
    let text = book.worksheet_range("Sign-ins").unwrap().rows().nth(1).unwrap()[2].to_string();
    assert!(text.encode_utf16().count() <= 32_767 && text.ends_with('…'), "{}", text.len());
}
