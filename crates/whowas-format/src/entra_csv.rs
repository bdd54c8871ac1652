//! `entra-csv`: sign-ins as the Entra portal downloads them, read by header.
//!
//! * interactive and non-interactive users (one header for both, which is why `logon_type` stays open);
//! * applications and managed identities (`Service principal ID` without `Username`);
//! * the older flat export (`CreatedDateTime`), whose dates may be day or month first.
//!
//! Known oddities: spaces in and behind names, a header that stands twice. Columns without a word of ours
//! go to `unmapped` under their own names.

use std::io::Read;

use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use whowas_event::{Activity, Draft, Event, NativeId, Status};

use crate::{
    contract::{Format, Info, Item, Options, ReadError, ReadSummary, Sample, Sink, Yields},
    dates, entra,
    ids::DerivedIds,
    strict::canonical_object,
    table::{Header, Line, Row, Table},
};

/// The format.
#[derive(Debug)]
pub struct EntraCsv;

static INFO: Info = Info {
    name: "entra-csv",
    product: "Microsoft Entra ID",
    marker: "the columns `Date (UTC)`, `Request ID` and `Username` or `Service principal ID`; or `CreatedDateTime` and `UserPrincipalName`",
    yields: Yields { start: true, end: false, failure: true, identity: false },
    row_caps: &[100_000, 250_000],
};

impl Format for EntraCsv {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        Header::of_sample(sample).is_some_and(|header| Layout::of(&header).is_some())
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let mut table = Table::open(input)?;
        let Some(layout) = Layout::of(table.header()) else {
            return Err(ReadError::Shape(format!("no Entra sign-ins: expected {}", INFO.marker)));
        };
        let columns = Columns::of(table.header(), layout);
        // The portal's column says UTC, whatever zone the source is in.
        let utc = Options { source_timezone: TimeZone::UTC, ..options.clone() };
        let mut reading = Reading {
            columns,
            layout,
            options: if layout == Layout::Flat { options } else { &utc },
            ids: DerivedIds::default(),
            summary: ReadSummary::default(),
        };
        while let Some(line) = table.next_line()? {
            sink(match line {
                Line::Problem(problem) => Item::Problem(problem),
                Line::Row(row) => match reading.event(row) {
                    Ok(event) => Item::Draft(Draft { event, raw: row.raw.to_vec() }, row.place),
                    Err((column, reason)) => Item::Problem(row.problem(column, reason)),
                },
            })?;
        }
        Ok(ReadSummary { read: table.rows(), ..reading.summary })
    }
}

/// Which of the downloads it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    User,
    Application,
    ManagedIdentity,
    Flat,
}

impl Layout {
    fn of(header: &Header) -> Option<Self> {
        if header.has_all(&["CreatedDateTime", "UserPrincipalName", "IPAddress", "Status"]) {
            return Some(Self::Flat);
        }
        if !header.has_all(&["Date (UTC)", "Request ID", "IP address", "Status"]) {
            return None;
        }
        let is_managed = header.find("Managed Identity type").is_some();
        match (header.find("Username"), header.find("Service principal ID")) {
            (Some(_), _) => Some(Self::User),
            (None, Some(_)) if is_managed => Some(Self::ManagedIdentity),
            (None, Some(_)) => Some(Self::Application),
            (None, None) => None,
        }
    }

    const fn logon_type(self) -> Option<&'static str> {
        match self {
            Self::Application => Some("service_principal"),
            Self::ManagedIdentity => Some("managed_identity"),
            Self::User | Self::Flat => None,
        }
    }
}

/// Where the columns stand that have a word of ours.
#[derive(Debug)]
struct Columns {
    time: Option<usize>,
    id: Option<usize>,
    user_id: Option<usize>,
    user_name: Option<usize>,
    full_name: Option<usize>,
    service: Option<usize>,
    service_id: Option<usize>,
    ip: Option<usize>,
    location: Option<usize>,
    city: Option<usize>,
    country: Option<usize>,
    status: Option<usize>,
    code: Option<usize>,
    reason: Option<usize>,
    user_agent: Option<usize>,
    device_id: Option<usize>,
    device_name: Option<usize>,
    browser: Option<usize>,
    os: Option<usize>,
    protocol: Option<usize>,
    requirement: Option<usize>,
    session: Option<usize>,
    correlation: Option<usize>,
    tenant: Option<usize>,
    /// All others: for `unmapped`, with their names.
    others: Vec<(usize, String)>,
}

impl Columns {
    fn of(header: &Header, layout: Layout) -> Self {
        let mut used = Vec::new();
        let mut find = |names: &[&str]| {
            let column = names.iter().find_map(|name| header.find(name));
            used.extend(column);
            column
        };
        let is_program = matches!(layout, Layout::Application | Layout::ManagedIdentity);
        // A program that signs in is the user; what it came for is the service.
        let service: &[&str] = if is_program { &["Resource"] } else { &["Application", "AppDisplayName"] };
        let service_id: &[&str] = if is_program { &["Resource ID"] } else { &["Application ID", "AppId"] };
        let mut columns = Self {
            time: find(&["Date (UTC)", "CreatedDateTime"]),
            id: find(&["Request ID", "Id"]),
            user_id: find(if is_program { &["Service principal ID"] } else { &["User ID", "UserId"] }),
            user_name: find(if is_program {
                &["Service principal name"]
            } else {
                &["Username", "UserPrincipalName"]
            }),
            full_name: find(&["User", "UserDisplayName"]),
            service: find(service),
            service_id: find(service_id),
            ip: find(&["IP address", "IPAddress"]),
            location: find(&["Location"]),
            city: find(&["City"]),
            country: find(&["Country"]),
            status: find(&["Status"]),
            code: find(&["Sign-in error code", "ErrorCode"]),
            reason: find(&["Failure reason", "FailureReason"]),
            user_agent: find(&["User agent", "UserAgent"]),
            device_id: find(&["Device ID", "DeviceId"]),
            device_name: find(&["Device"]),
            browser: find(&["Browser"]),
            os: find(&["Operating System", "OS"]),
            protocol: find(&["Authentication Protocol"]),
            requirement: find(&["Authentication requirement"]),
            session: find(&["Session ID"]),
            correlation: find(&["Correlation ID", "CorrelationId"]),
            tenant: find(&["Resource tenant ID"]),
            others: Vec::new(),
        };
        let names = header.names().iter().cloned().enumerate();
        columns.others = names.filter(|(column, name)| !used.contains(column) && !name.is_empty()).collect();
        columns
    }
}

/// Why a row is no event, and the column that is to blame.
type Refusal = (Option<usize>, String);

struct Reading<'a> {
    columns: Columns,
    layout: Layout,
    options: &'a Options,
    ids: DerivedIds,
    summary: ReadSummary,
}

impl Reading<'_> {
    fn event(&mut self, row: Row<'_>) -> Result<Event, Refusal> {
        let columns = &self.columns;
        let told = |column| row.text(column).and_then(entra::said).map(str::to_owned);
        let Some(time) = row.text(columns.time) else {
            return Err((columns.time, "the time is empty".to_owned()));
        };
        let read = dates::parse(time, self.options).map_err(|error| (columns.time, error.to_string()))?;
        let mut event = Event {
            occurred_at: read.time,
            raw_time: read.raw_time,
            activity: Activity::Logon,
            logon_type: self.layout.logon_type().map(str::to_owned),
            user_agent: told(columns.user_agent),
            auth_protocol: told(columns.protocol).filter(|protocol| !protocol.eq_ignore_ascii_case("none")),
            is_mfa: entra::mfa(row.text(columns.requirement)),
            session_uid: told(columns.session),
            correlation_uid: told(columns.correlation),
            tenant_uid: told(columns.tenant),
            ..Event::default()
        };
        event.user.uid = told(columns.user_id);
        event.user.name = told(columns.user_name);
        event.user.full_name = told(columns.full_name);
        event.user.email_addr = event.user.name.clone().filter(|name| name.contains('@'));
        event.service.name = told(columns.service);
        event.service.uid = told(columns.service_id);
        event.device.uid = told(columns.device_id);
        event.device.name = told(columns.device_name);
        event.device.browser = told(columns.browser);
        event.device.os = told(columns.os);
        self.place(row, &mut event);
        self.outcome(row, &mut event);
        event.unmapped = self.unmapped(row).map_err(|error| (None, error))?;
        event.native_id = match told(columns.id) {
            Some(id) => NativeId::Given(id),
            None => self.ids.next(row.fields()),
        };
        let is_without_zone = read.is_without_zone && self.layout == Layout::Flat;
        self.summary.times_without_zone += u64::from(is_without_zone);
        Ok(event)
    }

    fn place(&self, row: Row<'_>, event: &mut Event) {
        let told = |column| row.text(column).and_then(entra::said).map(str::to_owned);
        let src = &mut event.src_endpoint;
        src.ip = told(self.columns.ip);
        src.location.city = told(self.columns.city);
        src.location.country = told(self.columns.country);
        // "City, State, CC"; parts may be empty.
        if let Some(text) = row.text(self.columns.location) {
            let parts: Vec<&str> = text.split(',').map(str::trim).collect();
            let part = |at: usize| parts.get(at).and_then(|part| entra::said(part)).map(str::to_owned);
            let is_full = parts.len() >= 3;
            src.location.country = part(parts.len() - 1);
            src.location.region = part(parts.len().saturating_sub(2)).filter(|_| is_full);
            src.location.city = part(0).filter(|_| parts.len() > 1);
        }
    }

    fn outcome(&self, row: Row<'_>, event: &mut Event) {
        let code = row.text(self.columns.code).filter(|code| !matches!(*code, "0" | "None"));
        let status = row.text(self.columns.status).unwrap_or_default().to_ascii_lowercase();
        event.status = match (status.as_str(), code) {
            ("success" | "0", _) => Status::Success,
            ("", None) => Status::Unknown,
            // "Interrupted" too: at that moment nobody was signed in.
            ("failure" | "interrupted" | "", _) | (_, Some(_)) => Status::Failure,
            (other, None) if other.bytes().all(|b| b.is_ascii_digit()) => Status::Failure,
            _ => Status::Other,
        };
        if event.status != Status::Success {
            let is_code = !status.is_empty() && status.bytes().all(|b| b.is_ascii_digit());
            event.status_code = code.map(str::to_owned).or(is_code.then(|| status.clone()));
            let reason = row.text(self.columns.reason).filter(|reason| *reason != "Other.");
            event.status_detail = reason.map(str::to_owned);
        }
    }

    fn unmapped(&self, row: Row<'_>) -> Result<Option<String>, String> {
        let mut kept = Map::new();
        for (column, name) in &self.columns.others {
            if let Some(text) = row.text(Some(*column)).and_then(entra::said)
                && !kept.contains_key(name)
            {
                kept.insert(name.clone(), Value::String(text.to_owned()));
            }
        }
        canonical_object(kept)
    }
}

#[cfg(test)]
#[path = "entra_csv_tests.rs"]
mod tests;
