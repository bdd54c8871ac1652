//! The rows of an answer as one can compare them with leaves: a digest of what a record says, and of each
//! name, because the directory may have filled in a name that the record lacks.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::judge::Known;
use crate::{ExportFormat, csv};

/// A row, in 96 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowDigest {
    fixed: [u8; 32],
    names: [[u8; 16]; 4],
}

/// A column of both formats: its name in JSON Lines and in CSV.
type Column = (&'static str, &'static str);

const NAMES: [Column; 4] = [
    ("user_uid", "user_id"),
    ("user_name", "user_name"),
    ("user_full_name", "full_name"),
    ("user_email_addr", "email_addr"),
];
const FIXED: [Column; 19] = [
    ("activity", "activity"),
    ("status", "status"),
    ("status_code", "status_code"),
    ("status_detail", "status_detail"),
    ("src_ip", "ip"),
    ("src_country", "country"),
    ("src_city", "city"),
    ("user_agent", "user_agent"),
    ("device_name", "device"),
    ("service_name", "service"),
    ("session_uid", "session_id"),
    ("is_mfa", "is_mfa"),
    ("auth_protocol", "auth_protocol"),
    ("logon_type", "logon_type"),
    ("source", "source"),
    ("native_id", "native_id"),
    ("revision", "revision"),
    ("recorded_at", "recorded_at"),
    ("occurred_at", "start"),
];

fn digest<'c>(cells: impl IntoIterator<Item = &'c str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for cell in cells {
        hash.update((cell.len() as u64).to_be_bytes());
        hash.update(cell);
    }
    hash.finalize().into()
}

fn short(cell: &str) -> [u8; 16] {
    *digest([cell]).first_chunk().expect("a SHA-256 value has 32 bytes")
}

fn row_digest(cell: impl Fn(&Column) -> String) -> RowDigest {
    let fixed: Vec<String> = FIXED.iter().map(&cell).collect();
    RowDigest {
        fixed: digest(fixed.iter().map(String::as_str)),
        names: NAMES.each_ref().map(|name| short(&cell(name))),
    }
}

/// The position and digest of a line of JSON Lines.
pub(super) fn of_json(line: &[u8]) -> Option<(u64, RowDigest)> {
    let row: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let cell = |(name, _): &Column| match row.get(*name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    Some((row.get("position")?.as_u64()?, row_digest(cell)))
}

/// The position and digest of a record of CSV, by the names of its columns.
pub(super) fn of_csv(row: &BTreeMap<&str, &str>) -> Option<(u64, RowDigest)> {
    let get = |name: &str| row.get(name).copied().unwrap_or_default();
    let cell = |(_, name): &Column| match *name {
        // A sign-out has no start; its time stands at the end of the session.
        "start" if get("activity") == "logoff" => get("end").to_owned(),
        name => get(name).to_owned(),
    };
    Some((get("position").parse().ok()?, row_digest(cell)))
}

/// The digest of the row that a record should be; names that the record lacks may be the directory's.
pub(super) fn is_of_record(row: &RowDigest, known: &Known<'_>, format: ExportFormat) -> bool {
    let written = |text: String| match format {
        ExportFormat::Csv => csv::guarded(text),
        ExportFormat::Jsonl => text,
    };
    let expected = row_digest(|(name, _)| written(cell_of(known, name)));
    let names = NAMES.iter().zip(row.names.iter().zip(&expected.names));
    expected.fixed == row.fixed
        && names
            .into_iter()
            .all(|((name, _), (found, wanted))| cell_of(known, name).is_empty() || found == wanted)
}

/// What the record says for a column.
fn cell_of(known: &Known<'_>, column: &str) -> String {
    let clear = |path: &[&str]| {
        known.clear(path).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let time = |path: &[&str]| known.time(path).map(|time| time.to_string());
    let personal = |name: &str, member: Option<&str>| known.personal(name, member).map(str::to_owned);
    let cell = match column {
        "activity" => Some(known.activity().to_owned()),
        "status" => Some(known.status().to_owned()),
        "status_code" | "is_mfa" | "auth_protocol" | "logon_type" => clear(&[column]),
        "service_name" => clear(&["service", "name"]),
        "source" => clear(&["metadata", "log_name"]),
        "revision" => clear(&["metadata", "revision"]),
        "native_id" => clear(&["metadata", "original_event_uid"])
            .or_else(|| personal("metadata.original_event_uid", None)),
        "recorded_at" => time(&["metadata", "processed_time"]),
        "occurred_at" => time(&["time"]),
        "status_detail" | "user_agent" => personal(column, None),
        "src_ip" => personal("src_endpoint.ip", None),
        "src_country" => personal("src_endpoint.location", Some("country")),
        "src_city" => personal("src_endpoint.location", Some("city")),
        "device_name" => personal("device", Some("name")),
        "session_uid" => personal("session.uid", None),
        "user_uid" => personal("user.uid", None),
        "user_name" => personal("user.name", None),
        "user_full_name" => personal("user.full_name", None),
        "user_email_addr" => personal("user.email_addr", None),
        _ => None,
    };
    cell.unwrap_or_default()
}
