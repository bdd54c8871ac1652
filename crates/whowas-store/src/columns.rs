//! Records as Arrow columns, and back: the schema of staging objects and of the archive.
//!
//! One table of columns serves both directions, so that what is written can be read. The two derived
//! columns (`position` is the tree's, `user_key` is for searching) are not part of a [`Record`].

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryBuilder, BooleanBuilder, Int32Builder, Int64Builder, RecordBatch,
        StringBuilder, TimestampMicrosecondBuilder,
    },
    datatypes::{
        DataType, Field, Int32Type, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
    },
};
use sha2::{Digest, Sha256};
use whowas_event::{Activity, Erased, Kind, NativeId, Record, Status, Time, jcs};

use crate::StoreError;

/// A text column: its name and how it is read from and written to a record.
struct Text {
    name: &'static str,
    get: fn(&Record) -> Option<&str>,
    set: fn(&mut Record, Option<&str>) -> Option<()>,
}

/// Puts a text where another record's stood, in its memory.
fn assign(slot: &mut String, text: &str) {
    slot.clear();
    slot.push_str(text);
}

fn assign_option(slot: &mut Option<String>, text: Option<&str>) {
    match (slot.as_mut(), text) {
        (Some(slot), Some(text)) => assign(slot, text),
        (_, text) => *slot = text.map(str::to_owned),
    }
}

macro_rules! optional {
    ($($name:literal => $($path:ident).+;)+) => {
        &[$(Text {
            name: $name,
            get: |r| r.event.$($path).+.as_deref(),
            set: |r, v| { assign_option(&mut r.event.$($path).+, v); Some(()) },
        }),+]
    };
}

/// Texts that every record has.
static REQUIRED: &[Text] = &[
    Text {
        name: "kind",
        get: |r| Some(r.event.kind.as_str()),
        set: |r, v| Kind::from_word(v?).map(|kind| r.event.kind = kind),
    },
    Text {
        name: "source",
        get: |r| Some(&r.source),
        set: |r, v| {
            assign(&mut r.source, v?);
            Some(())
        },
    },
    Text {
        name: "format",
        get: |r| Some(&r.format),
        set: |r, v| {
            assign(&mut r.format, v?);
            Some(())
        },
    },
    Text {
        name: "native_id",
        get: |r| Some(r.event.native_id.as_str()),
        set: |r, v| {
            let (NativeId::Given(id) | NativeId::Derived(id)) = &mut r.event.native_id;
            assign(id, v?);
            Some(())
        },
    },
    Text {
        name: "activity",
        get: |r| Some(r.event.activity.as_str()),
        set: |r, v| Activity::from_word(v?).map(|activity| r.event.activity = activity),
    },
    Text {
        name: "status",
        get: |r| Some(r.event.status.as_str()),
        set: |r, v| Status::from_word(v?).map(|status| r.event.status = status),
    },
];

/// Texts that a record may lack.
static OPTIONAL: &[Text] = optional! {
    "raw_time" => raw_time;
    "status_code" => status_code;
    "status_detail" => status_detail;
    "user_uid" => user.uid;
    "user_name" => user.name;
    "user_full_name" => user.full_name;
    "user_email_addr" => user.email_addr;
    "user_domain" => user.domain;
    "actor_uid" => actor.uid;
    "actor_name" => actor.name;
    "src_ip" => src_endpoint.ip;
    "src_hostname" => src_endpoint.hostname;
    "src_country" => src_endpoint.location.country;
    "src_region" => src_endpoint.location.region;
    "src_city" => src_endpoint.location.city;
    "user_agent" => user_agent;
    "device_uid" => device.uid;
    "device_name" => device.name;
    "device_os" => device.os;
    "device_browser" => device.browser;
    "dst_hostname" => dst_hostname;
    "service_name" => service.name;
    "service_uid" => service.uid;
    "auth_protocol" => auth_protocol;
    "logon_type" => logon_type;
    "session_uid" => session_uid;
    "correlation_uid" => correlation_uid;
    "tenant_uid" => tenant_uid;
    "unmapped" => unmapped;
    "body" => body;
};

/// The columns that are not text, in schema order after the texts.
const OTHERS: [&str; 11] = [
    "position",
    "occurred_at",
    "received_at",
    "recorded_at",
    "revision",
    "native_id_derived",
    "src_port",
    "is_mfa",
    "user_roles",
    "salt",
    "raw_data",
];

/// The archive's schema: `user_key`, the texts, then the others.
pub static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![Field::new("user_key", DataType::Utf8, false)];
    fields.extend(REQUIRED.iter().map(|text| Field::new(text.name, DataType::Utf8, false)));
    fields.extend(OPTIONAL.iter().map(|text| Field::new(text.name, DataType::Utf8, true)));
    let instant = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    fields.extend(OTHERS.iter().map(|&name| match name {
        "position" => Field::new(name, DataType::Int64, false),
        "revision" => Field::new(name, DataType::Int32, false),
        "native_id_derived" => Field::new(name, DataType::Boolean, false),
        "src_port" => Field::new(name, DataType::Int32, true),
        "is_mfa" => Field::new(name, DataType::Boolean, true),
        "user_roles" => Field::new(name, DataType::Utf8, true),
        "salt" => Field::new(name, DataType::Binary, false),
        "raw_data" => Field::new(name, DataType::Binary, true),
        _ => Field::new(name, instant(), false),
    }));
    Arc::new(Schema::new(fields))
});

/// By what people are found: the first of id, login name, address and name that there is, in lower case.
///
/// The archive is sorted by it, so that one person's history lies together.
pub fn user_key(record: &Record) -> String {
    let user = &record.event.user;
    [&user.uid, &user.name, &user.email_addr, &user.full_name]
        .into_iter()
        .flatten()
        .next()
        .map(|key| key.to_lowercase())
        .unwrap_or_default()
}

/// Builds one batch from records.
pub struct BatchBuilder {
    user_key: StringBuilder,
    required: Vec<StringBuilder>,
    optional: Vec<StringBuilder>,
    position: Int64Builder,
    times: [TimestampMicrosecondBuilder; 3],
    revision: Int32Builder,
    derived: BooleanBuilder,
    src_port: Int32Builder,
    is_mfa: BooleanBuilder,
    roles: StringBuilder,
    salt: BinaryBuilder,
    raw_data: BinaryBuilder,
}

/// How many bytes a row takes in each column of texts, as an earlier batch had it: a batch whose memory has
/// the right size at once is not copied while it grows.
#[derive(Clone, Debug, Default)]
pub struct RowBytes {
    by_column: Vec<usize>,
}

impl RowBytes {
    /// What the rows of `batch` take, rounded up.
    pub fn of(batch: &RecordBatch) -> Self {
        let rows = batch.num_rows().max(1);
        let bytes = |column: &ArrayRef| match column.data_type() {
            DataType::Utf8 => column.as_string::<i32>().values().len().div_ceil(rows),
            DataType::Binary => column.as_binary::<i32>().values().len().div_ceil(rows),
            _ => 0,
        };
        Self { by_column: batch.columns().iter().map(bytes).collect() }
    }

    /// Room for `rows` in a column, and an eighth more.
    fn room(&self, column: usize, rows: usize) -> usize {
        self.by_column.get(column).map_or(0, |bytes| rows * bytes * 9 / 8)
    }
}

impl BatchBuilder {
    /// An empty builder with room for `rows`, of about the sizes of `row_bytes`.
    pub fn with_capacity(rows: usize, row_bytes: &RowBytes) -> Self {
        let text = |column| StringBuilder::with_capacity(rows, row_bytes.room(column, rows));
        let time = || TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC");
        let (first_required, first_optional) = (1, 1 + REQUIRED.len());
        let first_other = first_optional + OPTIONAL.len();
        Self {
            user_key: text(0),
            required: (0..REQUIRED.len()).map(|at| text(first_required + at)).collect(),
            optional: (0..OPTIONAL.len()).map(|at| text(first_optional + at)).collect(),
            position: Int64Builder::with_capacity(rows),
            times: [time(), time(), time()],
            revision: Int32Builder::with_capacity(rows),
            derived: BooleanBuilder::with_capacity(rows),
            src_port: Int32Builder::with_capacity(rows),
            is_mfa: BooleanBuilder::with_capacity(rows),
            roles: text(first_other + OTHERS.len() - 3),
            salt: BinaryBuilder::with_capacity(rows, rows * 16),
            raw_data: BinaryBuilder::with_capacity(
                rows,
                row_bytes.room(first_other + OTHERS.len() - 1, rows),
            ),
        }
    }

    /// Adds one record. `raw` is empty where it is not kept.
    pub fn append(&mut self, position: u64, record: &Record, raw: &[u8]) {
        let event = &record.event;
        self.user_key.append_value(user_key(record));
        for (builder, text) in self.required.iter_mut().zip(REQUIRED) {
            builder.append_value((text.get)(record).unwrap_or_default());
        }
        for (builder, text) in self.optional.iter_mut().zip(OPTIONAL) {
            builder.append_option((text.get)(record));
        }
        self.position.append_value(i64::try_from(position).unwrap_or(i64::MAX));
        for (builder, time) in
            self.times.iter_mut().zip([event.occurred_at, record.received_at, record.recorded_at])
        {
            builder.append_value(time.as_ms() * 1000);
        }
        self.revision.append_value(i32::try_from(record.revision).unwrap_or(i32::MAX));
        self.derived.append_value(event.native_id.is_derived());
        self.src_port.append_option(event.src_endpoint.port.map(i32::from));
        self.is_mfa.append_option(event.is_mfa);
        self.roles.append_option(roles_to_text(&event.user.roles));
        match &record.erased {
            None => self.salt.append_value(record.salt),
            Some(erased) => self.salt.append_value(erased.to_bytes()),
        }
        self.raw_data.append_option(record.raw_data_hash.map(|_| raw));
    }

    /// The batch of everything appended.
    pub fn finish(mut self) -> RecordBatch {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.user_key.finish())];
        let texts = self.required.iter_mut().chain(self.optional.iter_mut());
        columns.extend(texts.map(|builder| Arc::new(builder.finish()) as ArrayRef));
        columns.push(Arc::new(self.position.finish()));
        columns.extend(self.times.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        columns.push(Arc::new(self.revision.finish()));
        columns.push(Arc::new(self.derived.finish()));
        columns.push(Arc::new(self.src_port.finish()));
        columns.push(Arc::new(self.is_mfa.finish()));
        columns.push(Arc::new(self.roles.finish()));
        columns.push(Arc::new(self.salt.finish()));
        columns.push(Arc::new(self.raw_data.finish()));
        RecordBatch::try_new(SCHEMA.clone(), columns).expect("the builders follow SCHEMA")
    }
}

fn roles_to_text(roles: &[String]) -> Option<String> {
    if roles.is_empty() {
        return None;
    }
    let array = serde_json::Value::from(roles.to_vec());
    Some(jcs::canonical(&array).expect("an array of strings has a canonical form"))
}

/// Reads records back from a batch with every column of [`SCHEMA`]. All are read into the same memory:
/// verification reads millions, and an allocation for each of their texts would take as long as hashing.
///
/// Whatever stands in the columns comes from disk and is not trusted: a value that no record can have is
/// an error that names the column.
pub fn read_records(
    batch: &RecordBatch,
    mut each: impl FnMut(u64, &Record, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let rows = Rows::new(batch)?;
    let mut record = empty_record();
    for row in 0..batch.num_rows() {
        let position = rows.read(row, &mut record)?;
        let raw = if rows.raw_data.is_null(row) { &[][..] } else { rows.raw_data.value(row) };
        each(position, &record, raw)?;
    }
    Ok(())
}

/// A record that says nothing: memory for others.
pub(crate) fn empty_record() -> Record {
    Record {
        event: Default::default(),
        source: String::new(),
        format: String::new(),
        revision: 0,
        received_at: Time::default(),
        recorded_at: Time::default(),
        salt: [0; 16],
        raw_data_hash: None,
        erased: None,
    }
}

/// The typed columns of one batch.
struct Rows<'a> {
    required: Vec<&'a arrow::array::StringArray>,
    optional: Vec<&'a arrow::array::StringArray>,
    position: &'a arrow::array::Int64Array,
    times: [&'a arrow::array::TimestampMicrosecondArray; 3],
    revision: &'a arrow::array::Int32Array,
    derived: &'a arrow::array::BooleanArray,
    src_port: &'a arrow::array::Int32Array,
    is_mfa: &'a arrow::array::BooleanArray,
    roles: &'a arrow::array::StringArray,
    salt: &'a arrow::array::BinaryArray,
    raw_data: &'a arrow::array::BinaryArray,
}

impl<'a> Rows<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Self, StoreError> {
        let column = |name: &str| -> Result<&'a ArrayRef, StoreError> {
            batch
                .column_by_name(name)
                .ok_or_else(|| StoreError::corrupt(format!("there is no column {name}")))
        };
        let wrong = |name: &str| StoreError::corrupt(format!("column {name} has another type"));
        let text = |name: &str| column(name)?.as_string_opt::<i32>().ok_or_else(|| wrong(name));
        let time = |name: &str| {
            column(name)?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| wrong(name))
        };
        let int = |name: &str| column(name)?.as_primitive_opt::<Int32Type>().ok_or_else(|| wrong(name));
        let flag = |name: &str| column(name)?.as_boolean_opt().ok_or_else(|| wrong(name));
        let bytes = |name: &str| column(name)?.as_binary_opt::<i32>().ok_or_else(|| wrong(name));
        Ok(Self {
            required: REQUIRED.iter().map(|t| text(t.name)).collect::<Result<_, _>>()?,
            optional: OPTIONAL.iter().map(|t| text(t.name)).collect::<Result<_, _>>()?,
            position: column("position")?.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong("position"))?,
            times: [time("occurred_at")?, time("received_at")?, time("recorded_at")?],
            revision: int("revision")?,
            derived: flag("native_id_derived")?,
            src_port: int("src_port")?,
            is_mfa: flag("is_mfa")?,
            roles: text("user_roles")?,
            salt: bytes("salt")?,
            raw_data: bytes("raw_data")?,
        })
    }

    /// Reads one row over whatever `record` was, and returns its position.
    fn read(&self, row: usize, record: &mut Record) -> Result<u64, StoreError> {
        let position = u64::try_from(self.position.value(row))
            .map_err(|_| StoreError::corrupt("a position is negative".to_owned()))?;
        let bad = |column: &str| {
            StoreError::corrupt(format!("position {position}: column {column} is out of range"))
        };
        let [occurred_at, received_at, recorded_at] = self.times.map(|column| column.value(row));
        let time = |micros: i64, name: &str| {
            // Times are whole milliseconds; anything between was not written here.
            if micros % 1000 == 0 {
                Time::from_ms(micros / 1000).map_err(|_| bad(name))
            } else {
                Err(bad(name))
            }
        };
        record.revision = u32::try_from(self.revision.value(row)).map_err(|_| bad("revision"))?;
        record.received_at = time(received_at, "received_at")?;
        record.recorded_at = time(recorded_at, "recorded_at")?;
        (record.salt, record.erased) = match self.salt.value(row).try_into() {
            Ok(salt) => (salt, None),
            Err(_) => {
                let erased = Erased::from_bytes(self.salt.value(row)).ok_or_else(|| bad("salt"))?;
                (Default::default(), Some(Box::new(erased)))
            }
        };
        record.raw_data_hash =
            (!self.raw_data.is_null(row)).then(|| Sha256::digest(self.raw_data.value(row)).into());
        let required = self.required.iter().zip(REQUIRED);
        for (column, text) in required.chain(self.optional.iter().zip(OPTIONAL)) {
            let value = (!column.is_null(row)).then(|| column.value(row));
            (text.set)(record, value).ok_or_else(|| bad(text.name))?;
        }
        let event = &mut record.event;
        event.occurred_at = time(occurred_at, "occurred_at")?;
        let (NativeId::Given(id) | NativeId::Derived(id)) = std::mem::take(&mut event.native_id);
        event.native_id = if self.derived.value(row) { NativeId::Derived(id) } else { NativeId::Given(id) };
        event.src_endpoint.port = match self.src_port.is_null(row) {
            true => None,
            false => Some(u16::try_from(self.src_port.value(row)).map_err(|_| bad("src_port"))?),
        };
        event.is_mfa = (!self.is_mfa.is_null(row)).then(|| self.is_mfa.value(row));
        event.user.roles.clear();
        if !self.roles.is_null(row) {
            event.user.roles = serde_json::from_str(self.roles.value(row)).map_err(|_| bad("user_roles"))?;
        }
        Ok(position)
    }
}
