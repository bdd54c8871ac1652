//! `entra-log-analytics`: sign-ins as rows of the Log Analytics (Microsoft Sentinel) tables `SigninLogs`,
//! `AADNonInteractiveUserSignInLogs`, `AADServicePrincipalSignInLogs` and `AADManagedIdentitySignInLogs`,
//! after the [reference of their columns][columns]; and the objects of Graph's PowerShell module, which
//! have the same names in the same capitals.
//!
//! Rows come as JSON (query results, continuous export) and as tables (the portal's CSV and Excel
//! downloads), where objects are JSON in a field and a header may have a zone behind its name
//! (`TimeGenerated [UTC]`). A row's names are turned into Graph's (`UserPrincipalName` is
//! `userPrincipalName`); what they mean is `entra.rs`'s affair. Times without an offset are UTC, as
//! the tables have them, unless the header says *Local Time*. A query may leave out any column but the
//! time, the person or program, and the result. `TenantId` is the workspace, `AADTenantId` the tenant.
//!
//! Rows of other tables (`union`) are set aside by their `Type`.
//!
//! [columns]: https://learn.microsoft.com/azure/azure-monitor/reference/tables/signinlogs

use std::io::Read;

use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use whowas_event::{Draft, Event};

use crate::{
    contract::{Format, Info, Item, Options, ReadError, ReadSummary, Sample, Sink, Yields},
    entra::{self, Context, Envelope, Refusal},
    entra_monitor::{CATEGORY_CHARS_MAX, is_sign_ins, logon_type},
    jsonstream,
    strict::Strict,
    table::{Header, Line, Row, Table},
    tabular::{self, Columns, Tabular},
};

/// The format.
#[derive(Debug)]
pub struct EntraAnalytics;

static INFO: Info = Info {
    name: "entra-log-analytics",
    product: "Microsoft Entra ID",
    marker: "JSON objects or a table with `TimeGenerated` (or `CreatedDateTime`), `UserPrincipalName` or `ServicePrincipalId`, and `ResultType` or `Status`",
    yields: Yields { start: true, end: false, failure: true, identity: false },
    // Rows that the portal shows and downloads (10,000 before 2021), and that the query API returns.
    row_caps: &[10_000, 30_000, 500_000],
};

/// How many records are looked at to recognize the format: a `union` may begin with another table.
const LOOKED_AT_MAX: usize = 64;

impl Format for EntraAnalytics {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        tabular::recognizes(self, sample)
            || jsonstream::first_objects(sample, LOOKED_AT_MAX)
                .iter()
                .any(|row| is_row(&|name| row.contains_key(name)))
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        tabular::read_json_or_table(self, read_json, input, options, sink)
    }
}

impl Tabular for EntraAnalytics {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn fits(&self, columns: &Columns) -> bool {
        // With `CreatedDateTime` alone it is the portal's older export: `entra-csv`.
        let names: Vec<&str> = columns.names().iter().map(|name| bare(name)).collect();
        names.contains(&"TimeGenerated") && is_row(&|name| names.contains(&name))
    }

    fn read_table(
        &self,
        mut table: Table<'_>,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let names: Vec<String> = table.header().names().iter().map(|name| graph_name(name)).collect();
        let time = time_column(table.header());
        let time_name = time.and_then(|at| table.header().names().get(at)).cloned().unwrap_or_default();
        let time_name = time_name.as_str();
        let is_local = time_name.contains("Local");
        let utc = in_utc(options);
        let mut context = Context::new(if is_local { options } else { &utc });
        while let Some(line) = table.next_line()? {
            sink(match line {
                Line::Problem(problem) => Item::Problem(problem),
                Line::Row(row) => match event(cells(&row, &names), row.raw, &mut context) {
                    Ok(Ok(event)) => Item::Draft(Draft { event, raw: row.raw.to_vec() }, row.place),
                    Ok(Err(category)) => Item::SetAside { category },
                    Err(refusal) => Item::Problem(row.problem(time, refusal.told(time_name))),
                },
            })?;
        }
        let times_without_zone = if is_local { context.times_without_zone } else { 0 };
        Ok(ReadSummary { read: table.rows(), times_without_zone, warnings: Vec::new() })
    }
}

fn read_json(input: &mut dyn Read, options: &Options, sink: &mut Sink<'_>) -> Result<ReadSummary, ReadError> {
    let utc = in_utc(options);
    let mut context = Context::new(&utc);
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
        sink(match event(in_graph_names(object), record.raw, &mut context) {
            Ok(Ok(event)) => Item::Draft(Draft { event, raw: record.raw.to_vec() }, record.place),
            Ok(Err(category)) => Item::SetAside { category },
            Err(refusal) => {
                let name = if refusal.member == "time" { "TimeGenerated" } else { "CreatedDateTime" };
                Item::Problem(refusal.of(&record, name))
            }
        })
    })?;
    Ok(ReadSummary { read, times_without_zone: 0, warnings: Vec::new() })
}

/// The event of a row in Graph's names, or the table it is from, if that holds no sign-ins.
fn event(
    mut row: Map<String, Value>,
    raw: &[u8],
    context: &mut Context<'_>,
) -> Result<Result<Event, String>, Refusal> {
    let table = entra::text(&row, "type").or_else(|| entra::text(&row, "category"));
    if let Some(table) = table.as_deref().filter(|table| !is_sign_ins(table)) {
        return Ok(Err(table.chars().take(CATEGORY_CHARS_MAX).collect()));
    }
    // Around the sign-in, as in Azure Monitor: its own members are Graph's.
    let mut outer = Map::new();
    for (name, around) in
        [("timeGenerated", "time"), ("aadTenantId", "tenantId"), ("resultType", "resultType")]
    {
        outer.extend(row.remove(name).map(|value| (around.to_owned(), value)));
    }
    for name in ["resultDescription", "identity"] {
        outer.extend(row.remove(name).map(|value| (name.to_owned(), value)));
    }
    // `Location` is a country, `LocationDetails` what Graph calls location.
    if let Some(country) = row.remove("location") {
        let is_object = country.is_object() || country.as_str().is_some_and(|text| text.starts_with('{'));
        let (object, name) = if is_object { (&mut row, "location") } else { (&mut outer, "location") };
        object.insert(name.to_owned(), country);
    }
    if let Some(details) = row.remove("locationDetails") {
        row.insert("location".to_owned(), details);
    }
    let logon_type = table.as_deref().and_then(logon_type);
    entra::sign_in(&row, Envelope { outer: Some(&outer), logon_type }, raw, context).map(Ok)
}

fn in_utc(options: &Options) -> Options {
    Options { source_timezone: TimeZone::UTC, ..options.clone() }
}

/// Whether an object or header with these names is a row of such a table.
fn is_row(has: &dyn Fn(&str) -> bool) -> bool {
    let has_any = |names: &[&str]| names.iter().any(|name| has(name));
    has_any(&["TimeGenerated", "TimeGenerated [UTC]", "CreatedDateTime"])
        && has_any(&["UserPrincipalName", "ServicePrincipalId", "ServicePrincipalName"])
        && has_any(&["ResultType", "Status"])
        && has_any(&[
            "AppDisplayName",
            "AppId",
            "IPAddress",
            "IpAddress",
            "ClientAppUsed",
            "ConditionalAccessStatus",
            "ResourceDisplayName",
        ])
}

/// A header's name without the zone that the portal writes behind it.
fn bare(name: &str) -> &str {
    name.split(" [").next().unwrap_or(name)
}

fn time_column(header: &Header) -> Option<usize> {
    let find = |wanted: &str| header.names().iter().position(|name| bare(name) == wanted);
    find("TimeGenerated").or_else(|| find("CreatedDateTime"))
}

/// The fields of a row that say anything, under Graph's names. Of equal names the first counts.
fn cells(row: &Row<'_>, names: &[String]) -> Map<String, Value> {
    let mut members = Map::new();
    for (column, name) in names.iter().enumerate() {
        if let Some(text) = row.text(Some(column))
            && !members.contains_key(name)
        {
            members.insert(name.clone(), text.into());
        }
    }
    members
}

/// The same members, and theirs, under Graph's names.
fn in_graph_names(object: Map<String, Value>) -> Map<String, Value> {
    let renamed = object.into_iter().map(|(name, value)| {
        let value = match value {
            Value::Object(inner) => Value::Object(in_graph_names(inner)),
            other => other,
        };
        (graph_name(&name), value)
    });
    renamed.collect()
}

/// `UserPrincipalName` as Graph has it: `userPrincipalName`. Of an abbreviation in front all letters get
/// small but the one that begins a word: `IPAddress` is `ipAddress`.
fn graph_name(name: &str) -> String {
    let name = bare(name);
    let capitals = name.chars().take_while(char::is_ascii_uppercase).count();
    let is_all = capitals == name.chars().count();
    let small = if capitals > 1 && !is_all { capitals - 1 } else { capitals };
    let (front, rest) = name.split_at_checked(small).unwrap_or((name, ""));
    let name = front.to_ascii_lowercase() + rest;
    if name == "riskEventTypes_V2" { "riskEventTypes_v2".to_owned() } else { name }
}

#[cfg(test)]
#[path = "entra_analytics_tests.rs"]
mod tests;
