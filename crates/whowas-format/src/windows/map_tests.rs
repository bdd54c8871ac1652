//! What events mean, a line for each.

use super::super::{
    WindowsEvents,
    fixture::{Data, LOGOFF, LOGON, xml, xml_of},
};
use crate::testing::read;

/// An event in short: what happened, to whom, from where, in which session, and what is kept beside.
fn shown(text: &str) -> String {
    let reading = read(&WindowsEvents, text);
    let Some(event) = reading.events.first() else { return reading.others.concat() };
    let user = &event.user;
    let src = &event.src_endpoint;
    let told = [
        Some(event.activity.as_str().to_owned()),
        Some(event.status.as_str().to_owned()),
        event.status_code.as_ref().map(|code| format!("code {code}")),
        event.status_detail.as_ref().map(|detail| format!("({detail})")),
        user.name.as_ref().map(|name| format!("user {name}")),
        user.domain.as_ref().map(|domain| format!("of {domain}")),
        user.uid.as_ref().map(|uid| format!("uid {uid}")),
        event.actor.name.as_ref().map(|name| format!("by {name}")),
        src.ip.as_ref().map(|ip| format!("from {ip}")),
        src.port.map(|port| format!("port {port}")),
        src.hostname.as_ref().map(|host| format!("at {host}")),
        event.service.name.as_ref().map(|service| format!("to {service}")),
        event.auth_protocol.as_ref().map(|protocol| format!("with {protocol}")),
        event.logon_type.clone(),
        event.session_uid.as_ref().map(|uid| format!("session {uid}")),
        event.correlation_uid.as_ref().map(|uid| format!("correlation {uid}")),
        event.unmapped.clone(),
    ];
    told.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn check(event_id: u32, data: Data<'_>, want: &str) {
    assert_eq!(shown(&xml(event_id, 7, data)), want, "{event_id}");
}

#[test]
fn logons_and_logoffs() {
    check(
        4624,
        LOGON,
        "logon success user ada of CONTOSO uid S-1-5-21-1-2-3-1104 from 192.0.2.7 port 50123 at DC-1 with Negotiate \
         remote_interactive session dc-1.contoso.example/0x1493896 correlation 6528f8ad-2c11-4bdd-d0cc-30ca3ff0f235 \
         {\"ElevatedToken\":\"Yes\",\"EventID\":4624,\"LogonProcessName\":\"User32\",\
         \"ProcessName\":\"C:\\\\Windows\\\\System32\\\\svchost.exe\",\"SubjectDomainName\":\"CONTOSO\",\
         \"SubjectLogonId\":\"0x3e7\",\"SubjectUserName\":\"DC-1$\",\"SubjectUserSid\":\"S-1-5-18\",\
         \"TargetLogonId\":\"0x1493896\"}",
    );
    let session = "session dc-1.contoso.example/0x1493896 {\"EventID\":4634,\"TargetLogonId\":\"0x1493896\"}";
    let ada = "user ada of CONTOSO uid S-1-5-21-1-2-3-1104";
    check(4634, LOGOFF, &format!("logoff success {ada} remote_interactive {session}"));
    let session = session.replace("4634", "4647");
    let logoff = &LOGOFF[..4];
    check(4647, logoff, &format!("logoff success (initiated by the user) {ada} {session}"));
    for (id, detail) in [(4800, "workstation locked"), (4801, "workstation unlocked")] {
        let session = session.replace("4647", &id.to_string());
        check(id, logoff, &format!("other success ({detail}) {ada} {session}"));
    }
}

#[test]
fn computers_services_and_nobody() {
    let computer = [
        ("TargetUserName", "DC-1$"),
        ("TargetUserSid", "S-1-5-18"),
        ("LogonType", "3"),
        ("IpAddress", "::1"),
    ];
    check(4624, &computer, "logon success user DC-1$ uid S-1-5-18 from ::1 network {\"EventID\":4624}");
    let service = [
        ("TargetUserName", "LOCAL SERVICE"),
        ("TargetLogonId", "0x3e5"),
        ("LogonType", "5"),
        ("IpAddress", "-"),
    ];
    check(
        4624,
        &service,
        "logon success user LOCAL SERVICE service session dc-1.contoso.example/0x3e5 {\"EventID\":4624,\"TargetLogonId\":\"0x3e5\"}",
    );
    let nobody = [
        ("TargetUserName", "ANONYMOUS LOGON"),
        ("TargetUserSid", "S-1-5-7"),
        ("LogonType", "99"),
        ("TargetLogonId", "0x0"),
        ("LogonGuid", "{00000000-0000-0000-0000-000000000000}"),
    ];
    check(4624, &nobody, "logon success user ANONYMOUS LOGON uid S-1-5-7 99 {\"EventID\":4624}");
}

#[test]
fn failures_have_a_code_and_words() {
    let failed = |status, sub_status| {
        let data = [
            ("SubjectUserSid", "S-1-5-21-1-2-3-500"),
            ("SubjectUserName", "admin"),
            ("TargetUserSid", "S-1-0-0"),
            ("TargetUserName", "bob"),
            ("Status", status),
            ("FailureReason", "%%2313"),
            ("SubStatus", sub_status),
            ("LogonType", "2"),
        ];
        shown(&xml(4625, 7, &data)).split_once(" {").unwrap().0.to_owned()
    };
    let who = "user bob by admin interactive";
    let reason = "Unknown user name or bad password";
    for (status, sub_status, want) in [
        ("0xc000006d", "0xc0000064", "code 0xc0000064 (user name does not exist)"),
        ("0xC000006D", "0xC000006A", "code 0xc000006a (wrong password)"),
        ("0xc0000234", "0x0", "code 0xc0000234 (account locked out)"),
        ("-1073741715", "-", "code 0xc000006d (bad user name or authentication information)"),
        ("0xc0ffee00", "0x0", &*format!("code 0xc0ffee00 ({reason})")),
    ] {
        let want = format!("logon failure {want} {who}").replace("  ", " ");
        assert_eq!(failed(status, sub_status), want);
    }
}

#[test]
fn who_asks_for_a_logon() {
    let asked = |event_id, sid, name| {
        let data = [
            ("SubjectUserSid", sid),
            ("SubjectUserName", name),
            ("TargetUserSid", "S-1-5-21-1-2-3-1104"),
            ("TargetUserName", "ada"),
            ("TargetLogonGuid", "{CA57EC33-2E4B-499B-D832-A80818E844FA}"),
        ];
        shown(&xml(event_id, 7, &data)).split_once(" {").unwrap().0.to_owned()
    };
    let ada = "success user ada uid S-1-5-21-1-2-3-1104";
    assert_eq!(asked(4624, "S-1-5-21-1-2-3-500", "admin"), format!("logon {ada} by admin"));
    assert_eq!(asked(4624, "S-1-5-21-1-2-3-1104", "ada"), format!("logon {ada}"));
    assert_eq!(asked(4624, "S-1-5-21-1-2-3-1001", "DC-1$"), format!("logon {ada}"));
    assert_eq!(asked(4624, "S-1-5-18", "SYSTEM"), format!("logon {ada}"));
    assert_eq!(
        asked(4648, "S-1-5-21-1-2-3-500", "admin"),
        format!("account_switch {ada} by admin correlation ca57ec33-2e4b-499b-d832-a80818e844fa")
    );
}

#[test]
fn tickets_and_checked_credentials() {
    let ticket = [
        ("TargetUserName", "ada@CONTOSO.EXAMPLE"),
        ("TargetDomainName", "CONTOSO.EXAMPLE"),
        ("ServiceName", "krbtgt"),
        ("ServiceSid", "S-1-0-0"),
        ("Status", "0x0"),
        ("IpAddress", "::ffff:192.0.2.7"),
    ];
    let who = "user ada of CONTOSO.EXAMPLE from 192.0.2.7 to krbtgt with Kerberos";
    check(4768, &ticket, &format!("authentication_ticket success {who} {{\"EventID\":4768}}"));
    check(4769, &ticket, &format!("service_ticket_request success {who} {{\"EventID\":4769}}"));
    check(
        4770,
        &ticket[..4],
        "service_ticket_renew success user ada of CONTOSO.EXAMPLE to krbtgt with Kerberos {\"EventID\":4770}",
    );
    let refused =
        [("TargetUserName", "ada"), ("TargetSid", "S-1-5-21-1"), ("Status", "0x18"), ("IpPort", "0")];
    let who = "code 0x18 (wrong password) user ada uid S-1-5-21-1 with Kerberos";
    check(4771, &refused, &format!("preauth failure {who} {{\"EventID\":4771,\"Status\":\"0x18\"}}"));
    check(
        4768,
        &refused,
        &format!("authentication_ticket failure {who} {{\"EventID\":4768,\"Status\":\"0x18\"}}"),
    );
    let ntlm = [
        ("PackageName", "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0"),
        ("TargetUserName", "ada"),
        ("Workstation", "\\\\PC-7"),
        ("Status", "0xc0000072"),
    ];
    check(
        4776,
        &ntlm,
        "preauth failure code 0xc0000072 (account disabled) user ada at PC-7 with NTLM {\"EventID\":4776,\"Status\":\"0xc0000072\"}",
    );
    check(4776, &ntlm[..3], "preauth success user ada at PC-7 with NTLM {\"EventID\":4776}");
}

#[test]
fn sessions_go_on() {
    let data = [
        ("AccountName", "ada"),
        ("AccountDomain", "CONTOSO"),
        ("LogonID", "0x76fea87"),
        ("SessionName", "RDP-Tcp#127"),
        ("ClientName", "PC-7"),
        ("ClientAddress", "192.0.2.7"),
    ];
    let rest = "user ada of CONTOSO from 192.0.2.7 at PC-7 session dc-1.contoso.example/0x76fea87";
    for (id, detail) in [(4778, "session reconnected"), (4779, "session disconnected")] {
        let kept = format!("{{\"EventID\":{id},\"LogonID\":\"0x76fea87\",\"SessionName\":\"RDP-Tcp#127\"}}");
        check(id, &data, &format!("other success ({detail}) {rest} {kept}"));
    }
    let local = [("AccountName", "ada"), ("ClientName", "Unknown"), ("ClientAddress", "LOCAL")];
    check(4779, &local, "other success (session disconnected) user ada {\"EventID\":4779}");
}

#[test]
fn terminal_services() {
    let provider = "Microsoft-Windows-TerminalServices-LocalSessionManager";
    let channel = "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational";
    let session = |id, address| {
        let data = [("User", "CONTOSO\\ada"), ("SessionID", "2"), ("Address", address)];
        shown(&xml_of(provider, channel, id, 7, &data)).split_once(" {").unwrap().0.to_owned()
    };
    let rest = "session dc-1.contoso.example/ts/2";
    let who = "success user ada of CONTOSO from 192.0.2.7 remote_interactive";
    assert_eq!(session(21, "192.0.2.7"), format!("logon {who} {rest}"));
    assert_eq!(session(23, "LOCAL"), format!("logoff success user ada of CONTOSO interactive {rest}"));
    let who = who.replace("success", "success (session disconnected)");
    assert_eq!(session(24, "192.0.2.7"), format!("other {who} {rest}"));
    let data = [("Param1", "ada"), ("Param2", "CONTOSO"), ("Param3", "192.0.2.7")];
    let text = xml_of("Microsoft-Windows-TerminalServices-RemoteConnectionManager", "x", 1149, 7, &data);
    let want = "preauth success user ada of CONTOSO from 192.0.2.7 remote_interactive {\"Channel\":\"x\",";
    assert!(shown(&text).starts_with(want));
}

#[test]
fn computers_start_and_stop() {
    check(4608, &[], "other unknown (system boot) {\"EventID\":4608,\"session\":{\"boundary\":\"boot\"}}");
    let stop = xml_of("Microsoft-Windows-Kernel-General", "System", 13, 7, &[]);
    assert_eq!(
        shown(&stop),
        "other unknown (system shutdown) {\"Channel\":\"System\",\"EventID\":13,\
         \"Provider\":\"Microsoft-Windows-Kernel-General\",\"session\":{\"boundary\":\"shutdown\"}}"
    );
    let asked = [("param5", "restart"), ("param7", "CONTOSO\\ada")];
    let asked = shown(&xml_of("User32", "System", 1074, 7, &asked));
    assert!(asked.starts_with("other unknown (system shutdown requested) user ada of CONTOSO {"), "{asked}");
    assert!(asked.contains("\"param5\":\"restart\"") && !asked.contains("boundary"), "{asked}");
    // The log alone stopped, perhaps.
    assert!(!shown(&xml_of("EventLog", "System", 6006, 7, &[])).contains("boundary"));
}

#[test]
fn numbers_mean_nothing_without_their_provider() {
    for (provider, channel, id, want) in [
        ("Contoso-App", "Security", 4624, "set aside: Security 4624"),
        (
            "Microsoft-Windows-Sysmon",
            "Microsoft-Windows-Sysmon/Operational",
            1,
            "set aside: Microsoft-Windows-Sysmon/Operational 1",
        ),
        ("Microsoft-Windows-Security-Auditing", "Security", 4672, "set aside: Security 4672"),
        ("Contoso-App", "", 21, "set aside: Contoso-App 21"),
    ] {
        assert_eq!(shown(&xml_of(provider, channel, id, 7, &[])), want);
    }
    // A log of one provider tells it.
    let data = [("TargetUserName", "ada")];
    assert!(shown(&xml_of("", "Security", 4634, 7, &data)).starts_with("logoff"));
    assert!(shown(&xml_of("", "System", 6008, 7, &[])).starts_with("other unknown (system crash"));
    assert_eq!(shown(&xml_of("", "Application", 4634, 7, &data)), "set aside: Application 4634");
}
