//! OTLP's messages in protocol buffers: a request as its own JSON encoding, and the answers.
//!
//! Field numbers are those of `opentelemetry/proto/{collector/logs,logs,common,resource}/v1` (1.x, frozen), and of
//! `google/rpc/status.proto`. Fields that nobody reads are left out.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::protobuf::{Field, Fields, Message, Wire, WireError};

/// How deep values may stand in each other; serde_json allows the same to JSON.
const DEPTH_MAX: usize = 32;

/// `ExportLogsServiceRequest`
pub(super) fn request(message: &[u8]) -> Result<Value, WireError> {
    let logs = repeated(message, 1, resource_logs)?;
    Ok(json!({ "resourceLogs": logs }))
}

/// Every occurrence of a nested message.
fn repeated(
    message: &[u8],
    number: u32,
    read: impl Fn(&[u8]) -> Result<Value, WireError>,
) -> Result<Vec<Value>, WireError> {
    let mut found = Vec::new();
    for field in Fields::new(message) {
        let field = field?;
        if field.number == number {
            found.push(read(field.bytes()?)?);
        }
    }
    Ok(found)
}

/// `ResourceLogs`: resource = 1, scope_logs = 2
fn resource_logs(message: &[u8]) -> Result<Value, WireError> {
    let resource = repeated(message, 1, |resource| {
        Ok(json!({ "attributes": repeated(resource, 1, |pair| key_value(pair, 0))? }))
    })?;
    let resource = resource.into_iter().next_back().unwrap_or_default();
    Ok(json!({ "resource": resource, "scopeLogs": repeated(message, 2, scope_logs)? }))
}

/// `ScopeLogs`: scope = 1, log_records = 2
fn scope_logs(message: &[u8]) -> Result<Value, WireError> {
    let scope = repeated(message, 1, scope)?.into_iter().next_back().unwrap_or_default();
    Ok(json!({ "scope": scope, "logRecords": repeated(message, 2, log_record)? }))
}

/// `InstrumentationScope`: name = 1, version = 2
fn scope(message: &[u8]) -> Result<Value, WireError> {
    let mut scope = Map::new();
    for field in Fields::new(message) {
        let field = field?;
        match field.number {
            1 => _ = scope.insert("name".to_owned(), field.text()?.into()),
            2 => _ = scope.insert("version".to_owned(), field.text()?.into()),
            _ => {}
        }
    }
    Ok(Value::Object(scope))
}

fn log_record(message: &[u8]) -> Result<Value, WireError> {
    let mut record = Map::new();
    let mut attributes = Vec::new();
    for field in Fields::new(message) {
        let field = field?;
        let (name, value) = match field.number {
            1 => ("timeUnixNano", field.fixed64()?.to_string().into()),
            2 => ("severityNumber", field.varint()?.into()),
            3 => ("severityText", field.text()?.into()),
            5 => ("body", any_value(field.bytes()?, 0)?),
            6 => {
                attributes.push(key_value(field.bytes()?, 0)?);
                continue;
            }
            9 => ("traceId", hex(field.bytes()?).into()),
            10 => ("spanId", hex(field.bytes()?).into()),
            11 => ("observedTimeUnixNano", field.fixed64()?.to_string().into()),
            12 => ("eventName", field.text()?.into()),
            _ => continue,
        };
        record.insert(name.to_owned(), value);
    }
    record.insert("attributes".to_owned(), Value::Array(attributes));
    Ok(Value::Object(record))
}

/// `KeyValue`: key = 1, value = 2
fn key_value(message: &[u8], depth: usize) -> Result<Value, WireError> {
    let (mut key, mut value) = ("", Value::Object(Map::new()));
    for field in Fields::new(message) {
        let field = field?;
        match field.number {
            1 => key = field.text()?,
            2 => value = any_value(field.bytes()?, depth)?,
            _ => {}
        }
    }
    Ok(json!({ "key": key, "value": value }))
}

/// `AnyValue`; of several the last counts, as in every `oneof`.
fn any_value(message: &[u8], depth: usize) -> Result<Value, WireError> {
    if depth == DEPTH_MAX {
        return Err(WireError::Depth(DEPTH_MAX));
    }
    let mut value = Value::Object(Map::new());
    for field in Fields::new(message) {
        let field = field?;
        value = match field.number {
            1 => json!({ "stringValue": field.text()? }),
            2 => json!({ "boolValue": field.varint()? != 0 }),
            // As text, like every 64-bit number in this encoding; two's complement on the wire.
            3 => json!({ "intValue": field.varint()?.cast_signed().to_string() }),
            4 => json!({ "doubleValue": f64::from_bits(field.fixed64()?).to_string() }),
            5 => {
                json!({ "arrayValue": { "values": repeated(field.bytes()?, 1, |one| any_value(one, depth + 1))? } })
            }
            6 => {
                json!({ "kvlistValue": { "values": repeated(field.bytes()?, 1, |one| key_value(one, depth + 1))? } })
            }
            7 => json!({ "bytesValue": STANDARD.encode(field.bytes()?) }),
            _ => continue,
        };
    }
    Ok(value)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(out, "{byte:02x}").expect("a String takes all that is written");
    }
    out
}

/// `ExportLogsServiceResponse`: all was taken, but for so many records, for this reason.
pub fn answer(rejected: u64, reason: &str) -> Vec<u8> {
    let partial = Message::default().varint(1, rejected).bytes(2, reason.as_bytes()).into_bytes();
    Message::default().bytes(1, &partial).into_bytes()
}

/// What a client reads of an answer: the rejected records, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WirePartial {
    /// `rejected_log_records`
    pub rejected: u64,
    /// `error_message`
    pub reason: String,
}

impl WirePartial {
    /// Reads an `ExportLogsServiceResponse`.
    pub fn read(response: &[u8]) -> Result<Self, WireError> {
        let mut out = Self::default();
        for partial in Fields::new(response) {
            let partial = partial?;
            if partial.number != 1 {
                continue;
            }
            for field in Fields::new(partial.bytes()?) {
                match field? {
                    Field { number: 1, value: Wire::Varint(rejected) } => out.rejected = rejected,
                    field if field.number == 2 => field.text()?.clone_into(&mut out.reason),
                    _ => {}
                }
            }
        }
        Ok(out)
    }
}

/// `google.rpc.Status`: a code of gRPC and a sentence.
pub fn status(code: u32, text: &str) -> Vec<u8> {
    Message::default().varint(1, u64::from(code)).bytes(2, text.as_bytes()).into_bytes()
}
