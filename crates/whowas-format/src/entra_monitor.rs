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
    ids::DerivedIds,
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
const CATEGORY_CHARS_MAX: usize = 25;

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
        let mut context = Context { options, ids: DerivedIds::default(), times_without_zone: 0 };
        let read = jsonstream::read_records(input, &mut |found| {
            sink(match found.and_then(|record| item(&record, &mut context)) {
                Ok(item) => item,
                Err(problem) => Item::Problem(problem),
            })
        })?;
        Ok(ReadSummary { read, times_without_zone: context.times_without_zone, warnings: Vec::new() })
    }
}

fn is_sign_ins(category: &str) -> bool {
    category.to_ascii_lowercase().ends_with("signinlogs")
}

fn logon_type(category: &str) -> Option<&'static str> {
    match category.to_ascii_lowercase().as_str() {
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
        return Err(record.problem("`category` is missing"));
    };
    if !is_sign_ins(&category) {
        return Ok(Item::SetAside { category: category.chars().take(CATEGORY_CHARS_MAX).collect() });
    }
    let properties = match outer.get("properties") {
        Some(Value::Object(properties)) => properties.clone(),
        Some(Value::String(json)) => match serde_json::from_str(json) {
            Ok(Strict(Value::Object(properties))) => properties,
            _ => return Err(record.problem("`properties` is a text that is no JSON object")),
        },
        _ => Map::new(),
    };
    let envelope = Envelope { outer: Some(&outer), logon_type: logon_type(&category) };
    let event = entra::sign_in(&properties, envelope, record.raw, context)
        .map_err(|reason| record.problem(reason))?;
    Ok(Item::Draft(Draft { event, raw: record.raw.to_vec() }))
}
