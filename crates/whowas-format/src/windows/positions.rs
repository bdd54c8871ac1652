//! The order of the values of events of the Security log, for framings that write values without names:
//! `Get-WinEvent | ConvertTo-Json` has them under `Properties`.
//!
//! Source: the templates of Microsoft-Windows-Security-Auditing, whose newer versions only add values at the
//! end; what the newest one has put in between is not named here.

use super::record::Record;

const SUBJECT: [&str; 4] = ["SubjectUserSid", "SubjectUserName", "SubjectDomainName", "SubjectLogonId"];
const TARGET: [&str; 4] = ["TargetUserSid", "TargetUserName", "TargetDomainName", "TargetLogonId"];

/// The names of an event's values, in parts.
fn names(event_id: u32) -> &'static [&'static [&'static str]] {
    match event_id {
        4624 => &[
            &SUBJECT,
            &TARGET,
            &["LogonType", "LogonProcessName", "AuthenticationPackageName", "WorkstationName", "LogonGuid"],
            &["TransmittedServices", "LmPackageName", "KeyLength", "ProcessId", "ProcessName"],
            &["IpAddress", "IpPort", "ImpersonationLevel", "RestrictedAdminMode"],
        ],
        4625 => &[
            &SUBJECT,
            &["TargetUserSid", "TargetUserName", "TargetDomainName", "Status", "FailureReason", "SubStatus"],
            &["LogonType", "LogonProcessName", "AuthenticationPackageName", "WorkstationName"],
            &["TransmittedServices", "LmPackageName", "KeyLength", "ProcessId", "ProcessName"],
            &["IpAddress", "IpPort"],
        ],
        4634 => &[&TARGET, &["LogonType"]],
        4647 => &[&TARGET],
        4648 => &[
            &SUBJECT,
            &["LogonGuid", "TargetUserName", "TargetDomainName", "TargetLogonGuid", "TargetServerName"],
            &["TargetInfo", "ProcessId", "ProcessName", "IpAddress", "IpPort"],
        ],
        4768 => &[
            &["TargetUserName", "TargetDomainName", "TargetSid", "ServiceName", "ServiceSid"],
            &["TicketOptions", "Status", "TicketEncryptionType", "PreAuthType", "IpAddress", "IpPort"],
            &["CertIssuerName", "CertSerialNumber", "CertThumbprint"],
        ],
        4769 => &[
            &["TargetUserName", "TargetDomainName", "ServiceName", "ServiceSid", "TicketOptions"],
            &["TicketEncryptionType", "IpAddress", "IpPort", "Status", "LogonGuid", "TransmittedServices"],
        ],
        4770 => &[
            &["TargetUserName", "TargetDomainName", "ServiceName", "ServiceSid", "TicketOptions"],
            &["TicketEncryptionType", "IpAddress", "IpPort"],
        ],
        4771 => &[
            &["TargetUserName", "TargetSid", "ServiceName", "TicketOptions", "Status", "PreAuthType"],
            &["IpAddress", "IpPort", "CertIssuerName", "CertSerialNumber", "CertThumbprint"],
        ],
        4776 => &[&["PackageName", "TargetUserName", "Workstation", "Status"]],
        4778 | 4779 => {
            &[&["AccountName", "AccountDomain", "LogonID", "SessionName", "ClientName", "ClientAddress"]]
        }
        4800..=4803 => &[&TARGET, &["SessionId"]],
        _ => &[],
    }
}

/// Names the values of an event of the Security log that have none: `param1` is the first one.
pub(super) fn name(record: &mut Record) {
    let is_unnamed = record.data.first().is_some_and(|(name, _)| name.starts_with("param"));
    if !is_unnamed || !record.channel.eq_ignore_ascii_case("Security") {
        return;
    }
    let names: Vec<&str> = names(record.event_id).iter().copied().flatten().copied().collect();
    for (name, _) in &mut record.data {
        let position = name.strip_prefix("param").and_then(|number| number.parse::<usize>().ok());
        if let Some(known) = position.and_then(|position| names.get(position.checked_sub(1)?)) {
            (*known).clone_into(name);
        }
    }
}
