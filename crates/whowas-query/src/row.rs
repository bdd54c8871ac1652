//! One row of an answer, completed from the directory.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Int32Type, Int64Type, TimestampMicrosecondType},
};
use whowas_event::Time;
use whowas_store::{Directory, NameChange, Snapshot, Stated, StoreError};

/// Where the names of a row come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NameSource {
    /// The record itself has them.
    Record,
    /// The record has only an id; the directory told the rest.
    Directory,
    /// The record had more about the person, and it was erased.
    Erased,
}

/// One sign-in or sign-out, as API, console and exports show it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LoginRow {
    /// Position in the trail.
    pub position: u64,
    /// When it happened.
    pub occurred_at: Time,
    /// Start of the session: of a sign-in, when it happened.
    pub start: Option<Time>,
    /// End of the session, where a sign-out of the same session is recorded.
    pub end: Option<Time>,
    /// `logon`, `logoff` …
    pub activity: String,
    /// `success`, `failure`, `unknown`, `other`
    pub status: String,
    /// The source's code for the outcome.
    pub status_code: Option<String>,
    /// The source's words for the outcome.
    pub status_detail: Option<String>,
    /// The user's id at the source.
    pub user_uid: Option<String>,
    /// Login name.
    pub user_name: Option<String>,
    /// The person's name.
    pub user_full_name: Option<String>,
    /// E-mail address.
    pub user_email_addr: Option<String>,
    /// Where these names come from.
    pub name_source: Option<NameSource>,
    /// From which address.
    pub src_ip: Option<String>,
    /// From which country.
    pub src_country: Option<String>,
    /// From which city.
    pub src_city: Option<String>,
    /// The client in few words: browser and system, else the user agent.
    pub client: Option<String>,
    /// The client's own words.
    pub user_agent: Option<String>,
    /// The device's name.
    pub device_name: Option<String>,
    /// To what.
    pub service_name: Option<String>,
    /// The source's session id.
    pub session_uid: Option<String>,
    /// More than one factor.
    pub is_mfa: Option<bool>,
    /// Protocol.
    pub auth_protocol: Option<String>,
    /// Kind of logon.
    pub logon_type: Option<String>,
    /// The source.
    pub source: String,
    /// The format.
    pub format: String,
    /// Id at the source.
    pub native_id: String,
    /// 0, or how often the source has changed the record.
    pub revision: u32,
    /// When it was read.
    pub received_at: Time,
    /// When it got its position.
    pub recorded_at: Time,
    /// The name at sign-in: the record's word, else the directory's of that time.
    pub name_at_sign_in: Option<String>,
    /// The directory's name now (in the state that was asked) of whoever has the id or login name.
    pub name_now: Option<String>,
    /// What became of the name since.
    pub name_change: Option<NameChange>,
}

/// The archive's columns that a row needs.
pub(crate) const COLUMNS: [&str; 29] = [
    "position",
    "occurred_at",
    "activity",
    "status",
    "status_code",
    "status_detail",
    "user_key",
    "user_uid",
    "user_name",
    "user_full_name",
    "user_email_addr",
    "src_ip",
    "src_country",
    "src_city",
    "user_agent",
    "device_name",
    "device_os",
    "device_browser",
    "service_name",
    "session_uid",
    "is_mfa",
    "auth_protocol",
    "logon_type",
    "source",
    "format",
    "native_id",
    "revision",
    "received_at",
    "recorded_at",
];

/// The rows of a batch that has [`COLUMNS`].
pub(crate) fn rows(batch: &RecordBatch, snapshot: &Snapshot) -> Result<Vec<LoginRow>, StoreError> {
    let reader = Reader { batch };
    let mut rows = (0..batch.num_rows())
        .map(|row| reader.row(row, &snapshot.directory))
        .collect::<Result<Vec<_>, StoreError>>()?;
    if !snapshot.erased.is_empty() {
        for row in rows.iter_mut().filter(|row| snapshot.erased.contains(row.position)) {
            if row.name_source.is_none() && row.user_uid.is_none() {
                row.name_source = Some(NameSource::Erased);
                // An erased person is nobody's past.
                (row.name_at_sign_in, row.name_now, row.name_change) = (None, None, None);
            }
        }
    }
    Ok(rows)
}

struct Reader<'a> {
    batch: &'a RecordBatch,
}

impl Reader<'_> {
    fn text(&self, name: &str, row: usize) -> Option<String> {
        let column = self.batch.column_by_name(name)?;
        if column.is_null(row) {
            return None;
        }
        // Parquet readers may hand out views where the schema says strings.
        let text = match column.as_string_opt::<i32>() {
            Some(strings) => strings.value(row),
            None => column.as_string_view_opt()?.value(row),
        };
        Some(text.to_owned())
    }

    fn required(&self, name: &'static str, row: usize) -> Result<String, StoreError> {
        self.text(name, row).ok_or_else(|| StoreError::Corrupt(format!("a record has no {name}")))
    }

    fn time(&self, name: &'static str, row: usize) -> Result<Time, StoreError> {
        let column =
            self.batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        column
            .and_then(|column| Time::from_ms(column.value(row) / 1000).ok())
            .ok_or_else(|| StoreError::Corrupt(format!("a record has no {name}")))
    }

    fn row(&self, row: usize, directory: &Directory) -> Result<LoginRow, StoreError> {
        let position = self.batch.column_by_name("position").and_then(|c| c.as_primitive_opt::<Int64Type>());
        let position = position.and_then(|column| u64::try_from(column.value(row)).ok());
        let revision = self.batch.column_by_name("revision").and_then(|c| c.as_primitive_opt::<Int32Type>());
        let is_mfa = self.batch.column_by_name("is_mfa").and_then(|c| c.as_boolean_opt());
        let occurred_at = self.time("occurred_at", row)?;
        let activity = self.required("activity", row)?;
        let user_agent = self.text("user_agent", row);
        let mut found = LoginRow {
            position: position.ok_or_else(|| StoreError::Corrupt("a record has no position".to_owned()))?,
            occurred_at,
            start: (activity != "logoff").then_some(occurred_at),
            end: (activity == "logoff").then_some(occurred_at),
            activity,
            status: self.required("status", row)?,
            status_code: self.text("status_code", row),
            status_detail: self.text("status_detail", row),
            user_uid: self.text("user_uid", row),
            user_name: self.text("user_name", row),
            user_full_name: self.text("user_full_name", row),
            user_email_addr: self.text("user_email_addr", row),
            name_source: None,
            src_ip: self.text("src_ip", row),
            src_country: self.text("src_country", row),
            src_city: self.text("src_city", row),
            client: self.client(row).or_else(|| user_agent.clone()),
            user_agent,
            device_name: self.text("device_name", row),
            service_name: self.text("service_name", row),
            session_uid: self.text("session_uid", row),
            is_mfa: is_mfa.filter(|column| !column.is_null(row)).map(|column| column.value(row)),
            auth_protocol: self.text("auth_protocol", row),
            logon_type: self.text("logon_type", row),
            source: self.required("source", row)?,
            format: self.required("format", row)?,
            native_id: self.required("native_id", row)?,
            revision: revision.and_then(|column| u32::try_from(column.value(row)).ok()).unwrap_or(0),
            received_at: self.time("received_at", row)?,
            recorded_at: self.time("recorded_at", row)?,
            name_at_sign_in: None,
            name_now: None,
            name_change: None,
        };
        complete(&mut found, directory);
        Ok(found)
    }

    fn client(&self, row: usize) -> Option<String> {
        match (self.text("device_browser", row), self.text("device_os", row)) {
            (Some(browser), Some(os)) => Some(format!("{browser} on {os}")),
            (browser, os) => browser.or(os),
        }
    }
}

/// Fills in what the record does not say from the directory; never overwrites what it does say.
fn complete(row: &mut LoginRow, directory: &Directory) {
    let is_named = row.user_name.is_some() || row.user_full_name.is_some() || row.user_email_addr.is_some();
    row.name_source = is_named.then_some(NameSource::Record);
    let stated = Stated {
        uid: row.user_uid.as_deref(),
        name: row.user_name.as_deref(),
        full_name: row.user_full_name.as_deref(),
        email_addr: row.user_email_addr.as_deref(),
    };
    let naming = directory.naming(stated, row.occurred_at);
    (row.name_at_sign_in, row.name_now) = (naming.name_at_sign_in(stated), naming.name_now());
    row.name_change = naming.change;
    let Some(person) = naming.known else { return };
    let slots = [
        (&mut row.user_name, &person.name),
        (&mut row.user_full_name, &person.full_name),
        (&mut row.user_email_addr, &person.email_addr),
    ];
    for (slot, known) in slots {
        if slot.is_none() && known.is_some() {
            slot.clone_from(known);
            row.name_source.get_or_insert(NameSource::Directory);
        }
    }
}
