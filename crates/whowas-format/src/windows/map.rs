//! What an event of a Windows log means, by its provider and number. Whatever framing it came in, the same
//! event gives the same record.
//!
//! Source: Microsoft's *Advanced security auditing* reference of each event, whose field names these are.

use serde_json::{Map, Value};
use whowas_event::{Activity, Event, NativeId, SessionHints, Status};

use super::{
    known::{Author, Fields, Known, Outcome, boundary, find},
    record::{Record, number, said},
    words,
};
use crate::{contract::Options, dates, ids::DerivedIds, instant, strict::canonical_object};

/// What makes up a reading of Windows events.
pub(super) struct Context<'a> {
    pub(super) options: &'a Options,
    pub(super) ids: DerivedIds,
    pub(super) times_without_zone: u64,
}

/// Fields of the event that have no word of ours, under their own names.
const KEPT: [&str; 37] = [
    "CertIssuerName",
    "CertSerialNumber",
    "CertThumbprint",
    "ElevatedToken",
    "FailureReason",
    "ImpersonationLevel",
    "KeyLength",
    "LmPackageName",
    "LogonProcessName",
    "PreAuthEncryptionType",
    "PreAuthType",
    "ProcessName",
    "RemoteCredentialGuard",
    "RestrictedAdminMode",
    "SessionId",
    "SessionName",
    "Status",
    "SubStatus",
    "SubjectDomainName",
    "SubjectLogonId",
    "SubjectUserName",
    "SubjectUserSid",
    "TargetInfo",
    "TargetLinkedLogonId",
    "TargetLogonId",
    "LogonID",
    "TargetOutboundDomainName",
    "TargetOutboundUserName",
    "TargetServerName",
    "TicketEncryptionType",
    "TicketOptions",
    "TransmittedServices",
    "VirtualAccount",
    "param1",
    "param3",
    "param5",
    "param6",
];

/// The SID of nobody: failed logons have it, whoever tried.
const NULL_SID: &str = "S-1-0-0";

/// The event of a record; `None` if it is set aside, because it is no sign-in.
pub(super) fn event(record: &Record, context: &mut Context<'_>) -> Result<Option<Event>, String> {
    let Some(known) = find(record) else { return Ok(None) };
    let time = read_time(&record.time, context.options)?;
    context.times_without_zone += u64::from(time.is_without_zone);
    let mut event = Event {
        occurred_at: time.time,
        raw_time: time.raw_time,
        activity: known.activity,
        status_detail: known.detail.map(str::to_owned),
        dst_hostname: said(&record.computer).map(str::to_owned),
        native_id: native_id(record, &mut context.ids),
        correlation_uid: correlation(record),
        ..Event::default()
    };
    outcome(record, known, &mut event);
    match known.fields {
        Fields::Target => target(record, known, &mut event),
        Fields::Ticket => ticket(record, &mut event),
        Fields::Account => account(record, &mut event),
        Fields::Terminal => terminal(record, &mut event),
        Fields::Params => params(record, &mut event),
        Fields::Power => power(record, &mut event),
    }
    event.unmapped = canonical_object(kept(record, known))?;
    Ok(Some(event))
}

fn read_time(text: &str, options: &Options) -> Result<instant::Instant, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the time of the event is missing".to_owned());
    }
    let refused = match instant::read(text, options) {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    // `/Date(1573122000000)/`, as PowerShell writes it, and milliseconds alone.
    let ms = text.trim_start_matches("/Date(").trim_end_matches(")/");
    if let Ok(time) = ms.parse().map_err(drop).and_then(|ms: i64| {
        let is_ms = ms.unsigned_abs() > 100_000_000_000;
        whowas_event::Time::from_ms(ms).map_err(drop).and_then(|time| is_ms.then_some(time).ok_or(()))
    }) {
        return Ok(instant::Instant { time, raw_time: None, is_without_zone: false });
    }
    dates::parse(text, options).map_err(|error| match error {
        dates::DateError::Shape(_) => format!("the time of the event is `{text}`: {refused}"),
        error => error.to_string(),
    })
}

/// `computer/log/record`. Names of computers and logs have no case.
fn native_id(record: &Record, ids: &mut DerivedIds) -> NativeId {
    let computer = record.computer.trim().to_lowercase();
    if let Some(record_id) = record.record_id
        && !computer.is_empty()
        && computer.len() + record.channel.len() < 400
    {
        let channel = said(&record.channel).unwrap_or("Security").to_lowercase();
        return NativeId::Given(format!("{computer}/{channel}/{record_id}"));
    }
    let id = record.event_id.to_string();
    let content = [record.computer.as_str(), record.provider.as_str(), id.as_str(), record.time.as_str()];
    let data = record.data.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    ids.next(content.into_iter().chain(data))
}

/// The GUID by which the events of one logon on several computers are found together.
fn correlation(record: &Record) -> Option<String> {
    let name = if record.event_id == 4648 { "TargetLogonGuid" } else { "LogonGuid" };
    let guid = record.get(name)?.trim_matches(['{', '}']).to_ascii_lowercase();
    let is_zero = guid.bytes().all(|byte| matches!(byte, b'0' | b'-'));
    (!is_zero && guid.len() <= 36).then_some(guid)
}

fn outcome(record: &Record, known: &Known, event: &mut Event) {
    let code_of = |name| record.get(name).and_then(number).filter(|code| *code != 0);
    let code = code_of("SubStatus").or_else(|| code_of("Status")).or_else(|| code_of("FailureCode"));
    event.status = match known.outcome {
        Outcome::Success => Status::Success,
        Outcome::ByStatus if code.is_none() => Status::Success,
        Outcome::ByStatus | Outcome::Failure => Status::Failure,
        Outcome::None => return,
    };
    if event.status != Status::Failure {
        return;
    }
    let Some(code) = code else { return };
    // Kerberos codes are small, NTSTATUS codes of errors have the two highest bits.
    let (text, meaning) = match code {
        0..=0xff => (format!("{code:#x}"), words::kerberos(code)),
        _ => (format!("{code:#010x}"), words::nt_status(code)),
    };
    event.status_code = Some(text);
    let reason = || record.get("FailureReason").map(|reason| words::message(reason).unwrap_or(reason));
    event.status_detail = meaning.or_else(reason).map(str::to_owned);
}

fn target(record: &Record, known: &Known, event: &mut Event) {
    event.user.uid = record.get("TargetUserSid").filter(|sid| *sid != NULL_SID).map(str::to_owned);
    event.user.name = record.get("TargetUserName").map(str::to_owned);
    event.user.domain = record.get("TargetDomainName").map(str::to_owned);
    let is_failure = event.status == Status::Failure;
    if !is_failure && let Some(logon) = record.get("TargetLogonId") {
        event.session_uid = session_uid(record, logon);
    }
    place(record, event);
    event.logon_type = record.get("LogonType").map(|text| {
        let word = number(text).and_then(|number| u32::try_from(number).ok()).and_then(words::logon_type);
        word.unwrap_or(text).to_owned()
    });
    event.auth_protocol = match record.get("AuthenticationPackageName").or_else(|| record.get("PackageName"))
    {
        Some("MICROSOFT_AUTHENTICATION_PACKAGE_V1_0") => Some("NTLM".to_owned()),
        protocol => protocol.map(str::to_owned),
    };
    if known.activity == Activity::AccountSwitch || known.activity == Activity::Logon {
        actor(record, known, event);
    }
}

/// The account that asked for the logon. It is somebody else only if it is a person or a service with an
/// account of its own: for most logons the computer itself asks.
fn actor(record: &Record, known: &Known, event: &mut Event) {
    let (sid, name) = (record.get("SubjectUserSid"), record.get("SubjectUserName"));
    let is_switch = known.activity == Activity::AccountSwitch;
    let is_account = sid.is_some_and(|sid| sid.starts_with("S-1-5-21-") || sid.starts_with("S-1-12-"));
    let is_computer = name.is_some_and(|name| name.ends_with('$'));
    let is_user = match (sid, event.user.uid.as_deref()) {
        (Some(sid), Some(uid)) => sid == uid,
        _ => name.is_some() && name == event.user.name.as_deref(),
    };
    if is_switch || (is_account && !is_computer && !is_user) {
        event.actor.uid = sid.filter(|sid| *sid != NULL_SID).map(str::to_owned);
        event.actor.name = name.map(str::to_owned);
    }
}

fn ticket(record: &Record, event: &mut Event) {
    event.auth_protocol = Some("Kerberos".to_owned());
    let sid = record.get("TargetSid").or_else(|| record.get("TargetUserSid"));
    event.user.uid = sid.filter(|sid| *sid != NULL_SID).map(str::to_owned);
    let name = record.get("TargetUserName");
    let (name, realm) = match name.and_then(|name| name.split_once('@')) {
        Some((name, realm)) => (said(name), said(realm)),
        None => (name, None),
    };
    event.user.name = name.map(str::to_owned);
    event.user.domain = record.get("TargetDomainName").or(realm).map(str::to_owned);
    event.service.name = record.get("ServiceName").map(str::to_owned);
    event.service.uid = record.get("ServiceSid").filter(|sid| *sid != NULL_SID).map(str::to_owned);
    place(record, event);
}

fn account(record: &Record, event: &mut Event) {
    event.user.name = record.get("AccountName").map(str::to_owned);
    event.user.domain = record.get("AccountDomain").map(str::to_owned);
    event.session_uid = record.get("LogonID").and_then(|logon| session_uid(record, logon));
    event.src_endpoint.hostname = record.get("ClientName").filter(|name| is_named(name)).map(str::to_owned);
    event.src_endpoint.ip =
        record.get("ClientAddress").filter(|address| is_named(address)).map(str::to_owned);
}

fn terminal(record: &Record, event: &mut Event) {
    let name = record.get("User");
    let (domain, name) = match name.and_then(|name| name.split_once('\\')) {
        Some((domain, name)) => (said(domain), said(name)),
        None => (None, name),
    };
    event.user.name = name.map(str::to_owned);
    event.user.domain = domain.map(str::to_owned);
    event.src_endpoint.ip = record.get("Address").filter(|address| is_named(address)).map(str::to_owned);
    // The console is one of the sessions; another address than `LOCAL` came over the network.
    event.logon_type = event
        .src_endpoint
        .ip
        .as_ref()
        .map(|_| "remote_interactive".to_owned())
        .or_else(|| record.get("Address").map(|_| "interactive".to_owned()));
    event.session_uid = record.get("SessionID").map(|id| keyed(record, &format!("ts/{id}")));
}

fn params(record: &Record, event: &mut Event) {
    event.user.name = record.get("Param1").map(str::to_owned);
    event.user.domain = record.get("Param2").map(str::to_owned);
    event.src_endpoint.ip = record.get("Param3").map(str::to_owned);
    event.logon_type = Some("remote_interactive".to_owned());
}

fn power(record: &Record, event: &mut Event) {
    let name = record.get("param7").filter(|_| record.event_id == 1074);
    if let Some(name) = name {
        let (domain, name) =
            name.split_once('\\').map_or((None, name), |(domain, name)| (said(domain), name));
        event.user.name = said(name).map(str::to_owned);
        event.user.domain = domain.map(str::to_owned);
    }
}

/// From where.
fn place(record: &Record, event: &mut Event) {
    let src = &mut event.src_endpoint;
    src.ip = record.get("IpAddress").filter(|address| is_named(address)).map(str::to_owned);
    src.port = record.get("IpPort").and_then(|port| port.parse().ok()).filter(|port| *port > 0);
    let name = record.get("WorkstationName").or_else(|| record.get("Workstation"));
    src.hostname = name.and_then(|name| said(name.trim_start_matches('\\'))).map(str::to_owned);
}

/// Whether a place is one: these words stand for the console and for nothing.
fn is_named(place: &str) -> bool {
    !["LOCAL", "Unknown", "0.0.0.0"].iter().any(|word| word.eq_ignore_ascii_case(place))
}

/// The session of a logon id, the same for all events of it. An id is unique on a computer until it restarts.
fn session_uid(record: &Record, logon: &str) -> Option<String> {
    let id = number(logon).filter(|id| *id != 0)?;
    Some(keyed(record, &format!("{id:#x}")))
}

fn keyed(record: &Record, id: &str) -> String {
    match said(&record.computer) {
        Some(computer) => format!("{}/{id}", computer.to_lowercase()),
        None => id.to_owned(),
    }
}

/// What has no word of ours.
fn kept(record: &Record, known: &Known) -> Map<String, Value> {
    let mut kept = Map::new();
    kept.insert("EventID".to_owned(), record.event_id.into());
    if known.author != Author::Security {
        kept.insert("Channel".to_owned(), record.channel.as_str().into());
        kept.insert("Provider".to_owned(), record.provider.as_str().into());
    }
    let is_failure = matches!(known.outcome, Outcome::Failure | Outcome::ByStatus);
    for name in KEPT {
        let Some(value) = record.get(name) else { continue };
        let is_id = name.ends_with("LogonId") || name == "LogonID";
        let is_code = matches!(name, "Status" | "SubStatus");
        let number = if is_id || is_code { number(value) } else { None };
        let value = match number {
            Some(0) => continue,
            _ if is_code && !is_failure => continue,
            Some(number) => format!("{number:#x}"),
            None => words::message(value).unwrap_or(value).to_owned(),
        };
        if !(name == "KeyLength" && value == "0") {
            kept.insert(name.to_owned(), value.into());
        }
    }
    SessionHints { boundary: boundary(known), ..SessionHints::default() }.write(&mut kept);
    kept
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
