//! Events from the messages of a Unix log, however the log is written down.
//!
//! A session is told by machine, program and process id (`precise32 sshd[8317]`), because that is what PAM's
//! opening and closing have in common; `session_uid` holds it. Process ids come back, so the pairing takes
//! a second login under one id for another session. A program that writes no process id (sudo on some
//! systems) is told by its user instead.

use serde_json::Map;
use whowas_event::{Activity, Event, SessionHints, Status, admit::parse_ip};

use crate::{
    authmessage::{Act, Meaning, Told, understand},
    ids::DerivedIds,
    instant::Instant,
    strict::canonical_object,
};

/// A message with its head, from whichever notation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnixMessage<'a> {
    pub(crate) host: Option<&'a str>,
    pub(crate) program: &'a str,
    pub(crate) process: Option<u32>,
    pub(crate) message: &'a str,
}

/// What a message is.
#[derive(Debug)]
pub(crate) enum Reading {
    Event(Box<Event>),
    Aside(String),
}

/// Reads a message. `time` is as it stands in the record, `instant` what that means.
pub(crate) fn read(
    from: UnixMessage<'_>,
    time: &str,
    instant: Instant,
    ids: &mut DerivedIds,
) -> Result<Reading, String> {
    let told = match understand(from.program, from.message) {
        Meaning::Aside(category) => return Ok(Reading::Aside(category.chars().take(100).collect())),
        Meaning::Told(told) => told,
    };
    let mut event = event(from, told)?;
    let process = from.process.map(|id| id.to_string()).unwrap_or_default();
    let content = [time, from.host.unwrap_or_default(), from.program, &process, from.message];
    event.native_id = ids.next(content);
    event.occurred_at = instant.time;
    event.raw_time = instant.raw_time;
    Ok(Reading::Event(Box::new(event)))
}

fn event(from: UnixMessage<'_>, told: Told<'_>) -> Result<Event, String> {
    let program = program(from.program);
    let service = if told.service.is_empty() { program } else { told.service };
    let mut event = Event {
        activity: match told.act {
            Act::Logon => Activity::Logon,
            Act::Logoff | Act::SwitchBack => Activity::Logoff,
            Act::Switch => Activity::AccountSwitch,
            Act::Machine(_) => Activity::Other,
        },
        status: if told.is_failure { Status::Failure } else { Status::Success },
        status_detail: text(told.reason),
        dst_hostname: from.host.map(str::to_owned),
        auth_protocol: text(told.method),
        logon_type: logon_type(service, told.act).map(str::to_owned),
        ..Event::default()
    };
    event.service.name = text(service);
    event.user.name = text(told.user);
    event.actor.name = text(told.actor);
    match parse_ip(told.peer) {
        Some(ip) => event.src_endpoint.ip = Some(ip.to_string()),
        None if is_address_like(told.peer) => event.src_endpoint.ip = text(told.peer),
        None => event.src_endpoint.hostname = text(told.peer),
    }
    event.src_endpoint.port = told.port;
    if !told.is_failure && !matches!(told.act, Act::Machine(_)) {
        let host = from.host.unwrap_or("-");
        event.session_uid = Some(match from.process {
            Some(process) => format!("{host} {program}[{process}]"),
            None => format!("{host} {program} {}", told.user),
        });
    }
    event.unmapped = unmapped(from, told)?;
    Ok(event)
}

fn unmapped(from: UnixMessage<'_>, told: Told<'_>) -> Result<Option<String>, String> {
    let mut unmapped = Map::new();
    unmapped.insert("program".to_owned(), from.program.into());
    unmapped.insert("user_number".to_owned(), told.user_number.into());
    unmapped.insert("count".to_owned(), told.count.into());
    let boundary = if let Act::Machine(boundary) = told.act { Some(boundary) } else { None };
    let line = text(told.line.trim_start_matches("/dev/")).filter(|line| line != "ssh" && line != "unknown");
    SessionHints { line, process: from.process, boundary, ..SessionHints::default() }.write(&mut unmapped);
    canonical_object(unmapped)
}

/// The name under which a program is known: recent versions of sshd have one program for each stage.
fn program(name: &str) -> &str {
    match name {
        "sshd-session" | "sshd-auth" => "sshd",
        name => name,
    }
}

fn logon_type(service: &str, act: Act) -> Option<&'static str> {
    match service {
        _ if !matches!(act, Act::Logon) => None,
        "sshd" | "dropbear" => Some("remote_interactive"),
        "login" | "lightdm" | "sddm" | "lxdm" | "xdm" => Some("interactive"),
        service if service.starts_with("gdm") => Some("interactive"),
        _ => None,
    }
}

/// Whether a text is four numbers, as of an address: `192.030.0.6` is none today, but no name either.
fn is_address_like(text: &str) -> bool {
    text.split('.').count() == 4 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn text(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
