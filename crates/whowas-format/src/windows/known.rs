//! Which events are kept, and what kind each is.
//!
//! | events | activity | |
//! |---|---|---|
//! | 4624 | `logon` | the session is *computer/TargetLogonId* |
//! | 4625 | `logon`, failure | code and words of `SubStatus`, else `Status` |
//! | 4634, 4647 | `logoff` | |
//! | 4648 | `account_switch` | the subject acts, with the target's credentials |
//! | 4768, 4769, 4770 | tickets | failure unless `Status` is 0 |
//! | 4771, 4772, 4776, 4777 | `preauth` | checked by a domain controller; the logon itself is recorded elsewhere |
//! | 4778, 4779, 4800–4803 | `other` | the session goes on: neither start nor end |
//! | LocalSessionManager 21, 23 | `logon`, `logoff` | of a terminal session: *computer/ts/SessionID* |
//! | LocalSessionManager 24, 25 | `other` | |
//! | RemoteConnectionManager 1149 | `preauth` | network level authentication |
//! | 1074, 1076, 4608, 4609, 6005, 6006, 6008, 12, 13, 41, 1100 | `other` | start and end of the computer or its log |
//!
//! Source: Microsoft's *Advanced security auditing* reference of each event.

use whowas_event::{Activity, hints::Boundary};

use super::record::Record;

/// Who writes an event: numbers have a meaning only with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    Security,
    EventLog,
    User32,
    KernelGeneral,
    KernelPower,
    TerminalSessions,
    TerminalConnections,
}

/// Which fields tell the user, the session and the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    /// `TargetUserName`, `TargetLogonId` …
    Target,
    /// Kerberos: `TargetUserName` may be `name@REALM`, and there is no logon id.
    Ticket,
    /// `AccountName`, `LogonID`, `ClientName`, `ClientAddress`
    Account,
    /// `User` as `DOMAIN\name`, `SessionID`, `Address`
    Terminal,
    /// `Param1` … `Param3`: name, domain, address
    Params,
    /// `param7`: who shut down
    Power,
}

/// How an event tells its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    Failure,
    /// By `Status`, which is 0 for success.
    ByStatus,
    /// Nobody tried anything.
    None,
}

/// An event that is kept.
pub(super) struct Known {
    pub(super) id: u32,
    pub(super) author: Author,
    pub(super) activity: Activity,
    pub(super) outcome: Outcome,
    pub(super) fields: Fields,
    /// What happened, where activity and status do not say it.
    pub(super) detail: Option<&'static str>,
}

const fn known(
    id: u32,
    author: Author,
    activity: Activity,
    outcome: Outcome,
    fields: Fields,
    detail: &'static str,
) -> Known {
    let detail = if detail.is_empty() { None } else { Some(detail) };
    Known { id, author, activity, outcome, fields, detail }
}

#[rustfmt::skip]
static KNOWN: [Known; 35] = {
    use Activity::{AccountSwitch, AuthenticationTicket, Logoff, Logon, Other, Preauth, ServiceTicketRenew, ServiceTicketRequest};
    use Author::{EventLog, KernelGeneral, KernelPower, Security, TerminalConnections, TerminalSessions, User32};
    use Fields::{Account, Params, Power, Target, Terminal, Ticket};
    use Outcome::{ByStatus, Failure, None, Success};
    [
        known(4624, Security, Logon, Success, Target, ""),
        known(4625, Security, Logon, Failure, Target, ""),
        known(4634, Security, Logoff, Success, Target, ""),
        known(4647, Security, Logoff, Success, Target, "initiated by the user"),
        known(4648, Security, AccountSwitch, Success, Target, ""),
        known(4768, Security, AuthenticationTicket, ByStatus, Ticket, ""),
        known(4769, Security, ServiceTicketRequest, ByStatus, Ticket, ""),
        known(4770, Security, ServiceTicketRenew, ByStatus, Ticket, ""),
        known(4771, Security, Preauth, Failure, Ticket, ""),
        known(4772, Security, AuthenticationTicket, Failure, Ticket, ""),
        known(4773, Security, ServiceTicketRequest, Failure, Ticket, ""),
        known(4776, Security, Preauth, ByStatus, Target, ""),
        known(4777, Security, Preauth, Failure, Target, ""),
        known(4778, Security, Other, Success, Account, "session reconnected"),
        known(4779, Security, Other, Success, Account, "session disconnected"),
        known(4800, Security, Other, Success, Target, "workstation locked"),
        known(4801, Security, Other, Success, Target, "workstation unlocked"),
        known(4802, Security, Other, Success, Target, "screen saver started"),
        known(4803, Security, Other, Success, Target, "screen saver ended"),
        known(21, TerminalSessions, Logon, Success, Terminal, ""),
        known(23, TerminalSessions, Logoff, Success, Terminal, ""),
        known(24, TerminalSessions, Other, Success, Terminal, "session disconnected"),
        known(25, TerminalSessions, Other, Success, Terminal, "session reconnected"),
        known(1149, TerminalConnections, Preauth, Success, Params, ""),
        known(4608, Security, Other, None, Power, "system boot"),
        known(4609, Security, Other, None, Power, "system shutdown"),
        known(12, KernelGeneral, Other, None, Power, "system boot"),
        known(13, KernelGeneral, Other, None, Power, "system shutdown"),
        known(41, KernelPower, Other, None, Power, "system crash: it restarted without shutting down"),
        known(1074, User32, Other, None, Power, "system shutdown requested"),
        known(1076, User32, Other, None, Power, "reason for the last unexpected shutdown"),
        known(6005, EventLog, Other, None, Power, "event log started"),
        known(6006, EventLog, Other, None, Power, "event log stopped"),
        known(6008, EventLog, Other, None, Power, "system crash: the previous shutdown was unexpected"),
        known(1100, EventLog, Other, None, Power, "event log stopped"),
    ]
};

/// What is known of the record's provider and number.
pub(super) fn find(record: &Record) -> Option<&'static Known> {
    let author = author(record)?;
    KNOWN.iter().find(|known| known.id == record.event_id && known.author == author)
}

/// Whether no session goes on behind the event. A stopped event log alone does not tell that, and a shutdown
/// that was requested can be called off.
pub(super) fn boundary(known: &Known) -> Option<Boundary> {
    match (known.author, known.id) {
        (Author::Security, 4608) | (Author::KernelGeneral, 12) => Some(Boundary::Boot),
        (Author::KernelPower, 41) | (Author::EventLog, 6008) => Some(Boundary::Boot),
        (Author::Security, 4609) | (Author::KernelGeneral, 13) => Some(Boundary::Shutdown),
        _ => None,
    }
}

/// Who wrote the record: by the provider, or by the log where only that is told.
fn author(record: &Record) -> Option<Author> {
    let provider = record.provider.to_ascii_lowercase();
    let channel = record.channel.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().all(|part| provider.contains(part));
    Some(match provider.as_str() {
        "" => match channel.as_str() {
            "security" if record.event_id == 1100 => Author::EventLog,
            // The log has one provider, but for the service that keeps it.
            "security" => Author::Security,
            "system" if (6005..=6008).contains(&record.event_id) => Author::EventLog,
            "system" if matches!(record.event_id, 1074 | 1076) => Author::User32,
            log if log.contains("localsessionmanager") => Author::TerminalSessions,
            log if log.contains("remoteconnectionmanager") => Author::TerminalConnections,
            _ => return None,
        },
        "eventlog" | "microsoft-windows-eventlog" => Author::EventLog,
        "user32" | "microsoft-windows-user32" => Author::User32,
        "microsoft-windows-kernel-general" => Author::KernelGeneral,
        "microsoft-windows-kernel-power" => Author::KernelPower,
        _ if has(&["localsessionmanager"]) => Author::TerminalSessions,
        _ if has(&["remoteconnectionmanager"]) => Author::TerminalConnections,
        // Some collectors write the name that viewers show, `Microsoft Windows security auditing.`
        _ if has(&["windows", "security", "auditing"]) => Author::Security,
        _ => return None,
    })
}
