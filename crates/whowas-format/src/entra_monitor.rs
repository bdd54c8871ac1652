//! `entra-monitor`: Entra ID logs as Azure Monitor's diagnostic settings send them to event hubs and
//! storage accounts: `records` around them, one a line, or an array.
//!
//! Every category whose name ends in `SignInLogs` holds sign-ins; the others (audit, provisioning, risk)
//! come on the same stream and are set aside.

use std::io::Read;

use serde_json::{Map, Value};
use whowas_event::Draft;

use crate::{
    contract::{Format, Info, Item, Options, Problem, ReadError, ReadSummary, Sample, Sink, Yields},
    entra::{self, Context, Envelope},
    jsonstream::{self, JsonRecord},
    strict::Strict,
};

/// The format.
#[derive(Debug)]
pub struct EntraMonitor;

static INFO: Info = Info {
    name: "entra-monitor",
    product: "Microsoft Entra ID",
    marker: "JSON objects with `properties` and an Entra `category`, such as `SignInLogs`",
    yields: Yields { start: true, end: false, failure: true, identity: false },
    row_caps: &[],
};

/// The categories of Entra's diagnostic settings that hold no sign-ins.
const OTHER_CATEGORIES: [&str; 11] = [
    "AuditLogs",
    "ProvisioningLogs",
    "RiskyUsers",
    "UserRiskEvents",
    "RiskyServicePrincipals",
    "ServicePrincipalRiskEvents",
    "EnrichedOffice365AuditLogs",
    "MicrosoftGraphActivityLogs",
    "NetworkAccessTrafficLogs",
    "CustomSecurityAttributeAuditLogs",
    "RemoteNetworkHealthLogs",
];

/// How many records are looked at to recognise the format.
const LOOKED_AT_MAX: usize = 64;

/// The longest name of a category that is counted by itself.
pub(crate) const CATEGORY_CHARS_MAX: usize = 25;

impl Format for EntraMonitor {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        // Azure's own activity log may come on the same stream, and first.
        jsonstream::first_objects(sample, LOOKED_AT_MAX).iter().any(|record| {
            let category = entra::text(record, "category").unwrap_or_default();
            let is_known = OTHER_CATEGORIES.iter().any(|name| name.eq_ignore_ascii_case(&category));
            record.contains_key("properties") && (is_known || is_sign_ins(&category))
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
            sink(match found.and_then(|record| item(&record, &mut context)) {
                Ok(item) => item,
                Err(problem) => Item::Problem(problem),
            })
        })?;
        Ok(ReadSummary { read, times_without_zone: context.times_without_zone, warnings: Vec::new() })
    }
}

/// Whether a category of Azure Monitor, or a table of Log Analytics, holds sign-ins.
pub(crate) fn is_sign_ins(category: &str) -> bool {
    category.to_ascii_lowercase().ends_with("signinlogs")
}

/// The kind of logon that a category or table stands for.
pub(crate) fn logon_type(category: &str) -> Option<&'static str> {
    let category = category.to_ascii_lowercase();
    match category.strip_prefix("aad").unwrap_or(&category) {
        "signinlogs" => Some("interactive"),
        "noninteractiveusersigninlogs" => Some("non_interactive"),
        "serviceprincipalsigninlogs" | "microsoftserviceprincipalsigninlogs" => Some("service_principal"),
        "managedidentitysigninlogs" => Some("managed_identity"),
        _ => None,
    }
}

fn item(record: &JsonRecord<'_>, context: &mut Context<'_>) -> Result<Item, Problem> {
    let outer = match serde_json::from_slice(record.raw) {
        Ok(Strict(Value::Object(outer))) => outer,
        Ok(_) => return Err(record.problem("not a JSON object")),
        Err(error) => return Err(record.parse_problem(&error)),
    };
    let Some(category) = entra::text(&outer, "category") else {
        return Err(record.problem("`category` is missing: is this a record of Azure Monitor?"));
    };
    if !is_sign_ins(&category) {
        return Ok(Item::SetAside { category: category.chars().take(CATEGORY_CHARS_MAX).collect() });
    }
    let properties = match outer.get("properties") {
        Some(Value::Object(properties)) => properties.clone(),
        Some(Value::String(json)) => match serde_json::from_str(json) {
            Ok(Strict(Value::Object(properties))) => properties,
            _ => {
                let reason = "`properties` is a text that is no JSON object: export the record again";
                return Err(record.problem_at("properties", reason));
            }
        },
        _ => Map::new(),
    };
    let envelope = Envelope { outer: Some(&outer), logon_type: logon_type(&category) };
    let event = entra::sign_in(&properties, envelope, record.raw, context)
        .map_err(|refusal| refusal.of(record, refusal.member))?;
    Ok(Item::Draft(Draft { event, raw: record.raw.to_vec() }, record.place))
}
