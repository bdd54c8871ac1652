//! A row as the columns of a table: what CSV, XLSX and Parquet have in common.

use whowas_event::Time;
use whowas_query::{LoginRow, NameSource};

/// The columns of an export, in order: the grid's first, then what identifies the record.
pub const EXPORT_COLUMNS: [&str; 30] = [
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
    "name_at_sign_in",
    "name_now",
    "name_change",
];

/// One value. Texts that the row lacks are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    Text(&'a str),
    Time(Option<Time>),
    Flag(Option<bool>),
    Number(u64),
}

/// The values of a row, in the order of [`EXPORT_COLUMNS`].
pub(crate) fn cells(row: &LoginRow) -> [Cell<'_>; EXPORT_COLUMNS.len()] {
    fn text(text: &Option<String>) -> Cell<'_> {
        Cell::Text(text.as_deref().unwrap_or_default())
    }
    [
        text(&row.user_uid),
        text(&row.user_name),
        text(&row.user_full_name),
        text(&row.user_email_addr),
        Cell::Time(row.start),
        Cell::Time(row.end),
        Cell::Text(&row.status),
        text(&row.src_ip),
        text(&row.client),
        text(&row.service_name),
        Cell::Text(&row.activity),
        text(&row.status_code),
        text(&row.status_detail),
        text(&row.src_country),
        text(&row.src_city),
        text(&row.device_name),
        text(&row.user_agent),
        text(&row.session_uid),
        Cell::Flag(row.is_mfa),
        text(&row.auth_protocol),
        text(&row.logon_type),
        Cell::Text(&row.source),
        Cell::Text(&row.native_id),
        Cell::Number(u64::from(row.revision)),
        Cell::Text(match row.name_source {
            Some(NameSource::Record) => "record",
            Some(NameSource::Directory) => "directory",
            Some(NameSource::Erased) => "erased",
            None => "",
        }),
        Cell::Time(Some(row.recorded_at)),
        Cell::Number(row.position),
        text(&row.name_at_sign_in),
        text(&row.name_now),
        Cell::Text(row.name_change.map_or("", |change| change.as_str())),
    ]
}
