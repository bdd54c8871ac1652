//! `entra-graph`: sign-ins as Microsoft Graph's `GET /auditLogs/signIns` returns them, and as the portal's
//! JSON download has them: pages (`value`), arrays, or one object a line.

use std::io::Read;

use serde_json::Value;
use whowas_event::Draft;

use crate::{
    contract::{Format, Info, Item, Options, ReadError, ReadSummary, Sample, Sink, Yields},
    entra::{self, Context, Envelope},
    jsonstream,
    strict::Strict,
};

/// The format.
#[derive(Debug)]
pub struct EntraGraph;

static INFO: Info = Info {
    name: "entra-graph",
    product: "Microsoft Entra ID",
    marker: "JSON objects with `createdDateTime` and `appId`, `ipAddress` or `clientAppUsed`",
    yields: Yields { start: true, end: false, failure: true, identity: false },
    row_caps: &[100_000],
};

impl Format for EntraGraph {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        if memchr::memmem::find(sample.bytes, b"$metadata#auditLogs/signIns").is_some() {
            return jsonstream::is_json_like(sample);
        }
        jsonstream::first_object(sample).is_some_and(|first| {
            let has_one_of = ["appId", "appDisplayName", "ipAddress", "clientAppUsed"];
            first.contains_key("createdDateTime") && has_one_of.iter().any(|name| first.contains_key(*name))
        })
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let mut context = Context::new(options);
        let read = jsonstream::read_records(input, &mut |found| {
            let record = match found {
                Ok(record) => record,
                Err(problem) => return sink(Item::Problem(problem)),
            };
            let object = match serde_json::from_slice(record.raw) {
                Ok(Strict(Value::Object(object))) => object,
                Ok(_) => return sink(Item::Problem(record.problem("not a JSON object"))),
                Err(error) => return sink(Item::Problem(record.parse_problem(&error))),
            };
            sink(match entra::sign_in(&object, Envelope::default(), record.raw, &mut context) {
                Ok(event) => Item::Draft(Draft { event, raw: record.raw.to_vec() }, record.place),
                Err(refusal) => Item::Problem(refusal.of(&record, refusal.member)),
            })
        })?;
        Ok(ReadSummary { read, times_without_zone: context.times_without_zone, warnings: Vec::new() })
    }
}
