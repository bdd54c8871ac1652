//! `otlp-logs`: log records of OpenTelemetry that say that somebody's session starts or ends.
//!
//! A document is a request of OTLP's `LogsService/Export` in the protocol's JSON encoding, as the Collector's file exporter
//! writes them, one a line. Requests in protocol buffers become the same (`wire.rs`), so that a record says the same however
//! it was sent. Which record is a sign-in is decided by its event name (`eventname.rs`); all others are set aside, counted by name.
//!
//! | field | attributes, by the semantic conventions (1.44) and what came before them |
//! |---|---|
//! | `occurred_at` | `timeUnixNano`, else `observedTimeUnixNano` |
//! | `native_id` | `log.record.uid`; else made of the record: with times in nanoseconds, equal records are one that was sent again |
//! | `activity`, `status` | event name, in `eventName` or the attribute `event.name`; `error.type` or `event.outcome` = `failure` make a logon a failed one |
//! | `session.uid` | `session.id`; a start with `session.previous_id` is also the end of that session (`superseded`) |
//! | `user.*` | `user.id`, `user.name`, `user.full_name`, `user.email`, `user.roles`; `enduser.id`, `enduser.role`, `enduser.pseudo.id`, `user.hash` |
//! | `src_endpoint.*` | `client.address`, `client.port`, `source.address`, `geo.*` |
//! | `user_agent` | `user_agent.original`, `http.user_agent` |
//! | `device.*` | `device.id`, `device.model.name`, `os.name`, `user_agent.name` |
//! | `service.*`, `dst_endpoint` | `service.name`, `service.instance.id`, `host.name` of the resource; `server.address` |
//! | `status_code`, `status_detail` | `error.type`; `error.message`, `exception.message` |
//! | `correlation_uid` | `traceId` |
//! | `unmapped` | every other attribute under its own name; `resource`, `scope`, `body`, `severity` |
//!
//! `raw_data` is a request with the one record in it, so that it can be read again as it stands.

mod record;
mod wire;

use std::io::Read;

use serde_json::{Map, Value, json};
use whowas_event::Draft;

pub use wire::{WirePartial, answer, status};

use crate::{
    contract::{Format, Info, Item, Options, Place, Problem, ReadError, ReadSummary, Sample, Sink, Yields},
    jsonstream,
    protobuf::WireError,
    strict::Strict,
};

/// The format.
#[derive(Debug)]
pub struct OtlpLogs;

static INFO: Info = Info {
    name: "otlp-logs",
    product: "OpenTelemetry: OTLP logs",
    marker: "JSON objects with `resourceLogs`",
    yields: Yields { start: true, end: true, failure: true, identity: false },
    row_caps: &[],
};

/// The largest request that is read, in bytes, however it comes: the Collector's batches of 8,192 records have some 8 MiB.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A larger resource is not repeated with each of its records: only what is read of it is.
const RESOURCE_BYTES_MAX: usize = 4 * 1024;

/// Why a request as a whole is not understood.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The protocol buffers are damaged.
    #[error("not an ExportLogsServiceRequest in protocol buffers: {0}")]
    Wire(#[from] WireError),
    /// The JSON is damaged.
    #[error("not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is no such request.
    #[error("not an ExportLogsServiceRequest: {0}")]
    Shape(&'static str),
    /// Nobody takes the records any more.
    #[error(transparent)]
    Stop(#[from] crate::Stop),
}

impl Format for OtlpLogs {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        let first = jsonstream::first_object(sample);
        first.is_some_and(|first| {
            ["resourceLogs", "resource_logs"].iter().any(|name| first.contains_key(*name))
        })
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let _ = options; // Times are counted from 1970 in UTC.
        let mut read = 0;
        jsonstream::read_records_within(input, REQUEST_BYTES_MAX, &mut |found| {
            let document = found.and_then(|document| {
                let request = serde_json::from_slice(document.raw).map_err(|e| document.parse_problem(&e))?;
                Ok((request, document))
            });
            match document {
                Ok((Strict(request), document)) => match read_request(request, document.place, sink) {
                    Ok(records) => read += records,
                    Err(RequestError::Stop(stop)) => return Err(stop),
                    Err(error) => {
                        read += 1;
                        sink(Item::Problem(document.problem(error.to_string())))?;
                    }
                },
                Err(problem) => {
                    read += 1;
                    sink(Item::Problem(problem))?;
                }
            }
            Ok(())
        })?;
        Ok(ReadSummary { read, ..ReadSummary::default() })
    }
}

/// Reads a request in JSON; returns how many records it has.
pub fn read_json(request: &[u8], sink: &mut Sink<'_>) -> Result<u64, RequestError> {
    let Strict(request) = serde_json::from_slice(request)?;
    read_request(request, Place::default(), sink)
}

/// Reads a request in protocol buffers; returns how many records it has.
pub fn read_protobuf(request: &[u8], sink: &mut Sink<'_>) -> Result<u64, RequestError> {
    read_request(wire::request(request)?, Place::default(), sink)
}

/// The lists under a name, in either spelling that JSON of protocol buffers has.
fn list<'v>(object: &'v Value, name: &str, other: &str) -> Result<&'v [Value], ()> {
    match object.get(name).or_else(|| object.get(other)) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(()),
    }
}

fn read_request(request: Value, place: Place, sink: &mut Sink<'_>) -> Result<u64, RequestError> {
    if !request.is_object() {
        return Err(RequestError::Shape("it is no JSON object"));
    }
    let mut read = 0;
    let lists = list(&request, "resourceLogs", "resource_logs");
    for logs in lists.map_err(|()| RequestError::Shape("`resourceLogs` is no list"))? {
        let none = Value::Null;
        let resource = Around::new(logs.get("resource").unwrap_or(&none));
        let scopes = list(logs, "scopeLogs", "scope_logs");
        for scoped in scopes.map_err(|()| RequestError::Shape("`scopeLogs` is no list"))? {
            let scope = scope(scoped.get("scope").unwrap_or(&none));
            let records = list(scoped, "logRecords", "log_records");
            for record in records.map_err(|()| RequestError::Shape("`logRecords` is no list"))? {
                read += 1;
                let place = Place { record: place.record.max(1) - 1 + read, ..place };
                each(record, &resource, &scope, place, sink)?;
            }
        }
    }
    Ok(read)
}

/// The resource that records come from.
struct Around {
    /// Its JSON, as it is kept with each record.
    kept: String,
    attributes: Map<String, Value>,
}

impl Around {
    fn new(resource: &Value) -> Self {
        let attributes = record::attributes(resource).unwrap_or_default();
        let whole = resource.to_string();
        let is_small = whole.len() <= RESOURCE_BYTES_MAX;
        let kept = if is_small { whole } else { record::resource_of(&attributes).to_string() };
        Self { kept, attributes }
    }
}

/// The name and version of a scope, as it is kept with each record.
fn scope(scope: &Value) -> Value {
    let text = |name| scope.get(name).and_then(Value::as_str).filter(|text| text.len() <= 256);
    json!({ "name": text("name").unwrap_or_default(), "version": text("version").unwrap_or_default() })
}

/// The JSON of a request with one record. What is around the record is not written anew each time.
fn of_one(log: &Value, resource: &Around, scope: &Value) -> Vec<u8> {
    let kept = &resource.kept;
    format!(
        "{{\"resourceLogs\":[{{\"resource\":{kept},\"scopeLogs\":[{{\"scope\":{scope},\"logRecords\":[{log}]}}]}}]}}"
    )
    .into_bytes()
}

fn each(
    log: &Value,
    resource: &Around,
    scope: &Value,
    place: Place,
    sink: &mut Sink<'_>,
) -> Result<(), crate::Stop> {
    let found = record::read(log, &resource.attributes, scope);
    if let Ok(record::Found::Aside(category)) = found {
        return sink(Item::SetAside { category });
    }
    let raw = of_one(log, resource, scope);
    match found {
        Err(reason) => sink(Item::Problem(Problem { place, reason, raw })),
        Ok(record::Found::Events(events)) => events.into_iter().try_for_each(|mut event| {
            event.native_id = record::native_id(event.native_id, &raw);
            sink(Item::Draft(Draft { event, raw: raw.clone() }, place))
        }),
        Ok(record::Found::Aside(_)) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
