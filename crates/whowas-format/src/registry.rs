//! The formats that are known, and which of them an input is.

use crate::{
    appinsights::AppInsights,
    authlog::AuthLog,
    cef::Cef,
    cloudevents::CloudEvents,
    contract::{Format, Sample},
    entra_analytics::EntraAnalytics,
    entra_csv::EntraCsv,
    entra_graph::EntraGraph,
    entra_monitor::EntraMonitor,
    journal::Journal,
    jsonstream,
    keycloak::KeycloakEvents,
    lcs::DynamicsLcs,
    leef::Leef,
    native::Native,
    okta::OktaLog,
    otlp::OtlpLogs,
    sysuserlog::DynamicsUserLog,
    table::Header,
    users::{DynamicsUsers, GraphUsers, UsersCsv},
    windows::WindowsEvents,
    wtmp::{Btmp, Wtmp},
    xlsx::AnyWorkbook,
};

/// Every format, in the order in which they are asked whether they recognise an input.
pub static FORMATS: &[&dyn Format] = &[
    &CloudEvents,
    &EntraMonitor,
    &EntraGraph,
    &EntraAnalytics,
    &EntraCsv,
    &OktaLog,
    &KeycloakEvents,
    &Native,
    &OtlpLogs,
    &AppInsights,
    &WindowsEvents,
    &DynamicsLcs,
    &DynamicsUserLog,
    &DynamicsUsers,
    &GraphUsers,
    &AnyWorkbook,
    &Journal,
    &Btmp,
    &Wtmp,
    &Cef,
    &Leef,
    &AuthLog,
    &UsersCsv,
];

/// How many column or member names are shown of an input that is not recognised.
const NAMES_SHOWN_MAX: usize = 8;

/// Files of one format that go by several names.
const OTHER_NAMES: &[(&str, &str)] = &[("utmp", "wtmp"), ("utmpx", "wtmp")];

/// The format of this name.
pub fn find(name: &str) -> Option<&'static dyn Format> {
    let name = OTHER_NAMES.iter().find(|(other, _)| *other == name).map_or(name, |(_, name)| name);
    FORMATS.iter().copied().find(|format| format.info().name == name)
}

/// The first format that recognises the beginning of an input.
pub fn detect(sample: Sample<'_>) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.recognizes(sample))
}

/// What an input that no format recognises looks like, to tell the user.
pub fn describe(sample: Sample<'_>) -> String {
    let text = sample.bytes.trim_ascii_start();
    if text.is_empty() {
        return "the file is empty: export or copy it again".to_owned();
    }
    if text.contains(&0) {
        return "binary data of an unknown kind".to_owned();
    }
    if let Some(first) = jsonstream::first_object(sample) {
        let names: Vec<&str> = first.keys().map(String::as_str).collect();
        return format!("JSON records with the members {}", listed(&names));
    }
    if text.starts_with(b"{") || text.starts_with(b"[") {
        let why = match sample.is_whole {
            true => "JSON without a complete record: the file is cut off; export or copy it again",
            false => "JSON without a complete record in its first MiB: if you know its format, pass --format",
        };
        return why.to_owned();
    }
    match Header::of_sample(sample) {
        Some(header) => {
            let names: Vec<&str> = header.names().iter().map(String::as_str).collect();
            format!("a table with the columns {}", listed(&names))
        }
        None => {
            let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
            let line = String::from_utf8_lossy(line.get(..80).unwrap_or(line));
            format!("text that begins with `{}`", line.trim())
        }
    }
}

fn listed(names: &[&str]) -> String {
    let shown = names.get(..NAMES_SHOWN_MAX).unwrap_or(names);
    let tail = if shown.len() < names.len() { ", …" } else { "" };
    format!("{}{tail}", shown.join(", "))
}
