//! Tests of Unix logs. All people and machines are invented; the texts are those of the programs.

use whowas_event::{Activity, Event, SessionHints, Status};

use super::*;
use crate::testing::{Reading, options, read, read_any, recognizes};

/// What a line says in words: what, outcome, user, actor, from where, service, session, why.
fn words(event: &Event) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or("-".to_owned());
    let (src, hints) = (&event.src_endpoint, SessionHints::of(event));
    let activity = match (hints.boundary, event.activity) {
        (Some(boundary), _) => boundary.as_str(),
        (None, Activity::AccountSwitch) => "switch",
        (None, activity) => activity.as_str(),
    };
    let port = src.port.map(|port| format!(":{port}")).unwrap_or_default();
    let from = src.ip.clone().or_else(|| src.hostname.clone()).unwrap_or("-".to_owned());
    let actor = event.actor.name.as_ref().map(|actor| format!("<{actor}")).unwrap_or_default();
    let status = if event.status == Status::Failure { "failed" } else { "ok" };
    let line = hints.line.map(|line| format!("@{line}")).unwrap_or_default();
    [
        format!("{activity} {status} {}{actor}{line}", text(&event.user.name)),
        format!("{from}{port}"),
        format!("{} {}", text(&event.service.name), text(&event.auth_protocol)),
        text(&event.session_uid),
        text(&event.status_detail),
    ]
    .join(" | ")
}

/// Reads messages of one program, each on a line.
fn told(program: &str, messages: &str) -> Vec<String> {
    let lines: String = messages
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|message| format!("Nov 23 07:22:01 erp {program}: {message}\n"))
        .collect();
    let Reading { events, others, .. } = read(&AuthLog, &lines);
    events.iter().map(words).chain(others).collect()
}

#[test]
fn sshd_says_who_came_from_where() {
    assert_eq!(
        told(
            "sshd[8317]",
            "Accepted publickey for ada from 192.0.2.10 port 63673 ssh2: ED25519 SHA256:abc
             Accepted keyboard-interactive/pam for ada from 2001:db8::7 port 1 ssh2
             pam_unix(sshd:session): session opened for user ada(uid=1000) by (uid=0)
             pam_unix(sshd:session): session closed for user ada"
        ),
        [
            "logon ok ada | 192.0.2.10:63673 | sshd publickey | erp sshd[8317] | -",
            "logon ok ada | 2001:db8::7:1 | sshd keyboard-interactive/pam | erp sshd[8317] | -",
            "logon ok ada | - | sshd - | erp sshd[8317] | -",
            "logoff ok ada | - | sshd - | erp sshd[8317] | -",
        ]
    );
    // The programs of one connection have one name.
    assert_eq!(
        told("sshd-session[8317]", "Accepted password for ada from 192.0.2.10 port 1 ssh2"),
        ["logon ok ada | 192.0.2.10:1 | sshd password | erp sshd[8317] | -"]
    );
}

#[test]
fn sshd_says_what_failed() {
    assert_eq!(
        told(
            "sshd[8317]",
            "Failed password for root from 192.0.2.66 port 29160 ssh2
             Failed password for invalid user eve from 192.0.2.66
             Invalid user eve from 192.0.2.66 port 33166
             error: PAM: Authentication failure for illegal user eve from gate.example.org
             User grace from 192.0.2.9 not allowed because not listed in AllowUsers
             ROOT LOGIN REFUSED FROM 192.0.2.66 port 12345 [preauth]
             error: maximum authentication attempts exceeded for root from 192.0.2.66 port 49940 ssh2 [preauth]
             Disconnecting invalid user eve 192.0.2.66 port 49941: Too many authentication failures [preauth]
             Connection closed by authenticating user root 192.0.2.66 port 46038 [preauth]
             Received disconnect from 192.0.2.66 port 58846:11: Bye Bye [preauth]
             message repeated 3 times: [ Failed password for root from 192.0.2.66 port 1 ssh2]
             refused connect from gate.example.org (192.0.2.66)"
        ),
        [
            "logon failed root | 192.0.2.66:29160 | sshd password | - | Failed password",
            "logon failed eve | 192.0.2.66 | sshd password | - | invalid user",
            "logon failed eve | 192.0.2.66:33166 | sshd - | - | Invalid user",
            "logon failed eve | gate.example.org | sshd - | - | Authentication failure",
            "logon failed grace | 192.0.2.9 | sshd - | - | not listed in AllowUsers",
            "logon failed root | 192.0.2.66:12345 | sshd - | - | ROOT LOGIN REFUSED",
            "logon failed root | 192.0.2.66:49940 | sshd - | - | maximum authentication attempts exceeded",
            "logon failed eve | 192.0.2.66:49941 | sshd - | - | Too many authentication failures",
            "logon failed root | 192.0.2.66:46038 | sshd - | - | Connection closed by",
            "logon failed - | 192.0.2.66:58846 | sshd - | - | 11: Bye Bye",
            "logon failed root | 192.0.2.66:1 | sshd password | - | Failed password",
            "logon failed - | 192.0.2.66 | sshd - | - | refused connect",
        ]
    );
}

#[test]
fn a_name_cannot_pose_as_an_address() {
    assert_eq!(
        told(
            "sshd[8317]",
            "Failed password for invalid user from 10.10.1.1 from 192.0.2.66 port 58946 ssh2
             Failed password for invalid user eve from 10.10.1.2 port 5 ssh2 from 192.0.2.66 port 6 ssh2
             Failed password for ada from 192.0.2.66 port 20000 ssh1: ruser eve from 10.10.1.1
             Accepted publickey for eve from 10.10.1.1 from 192.0.2.66 port 7 ssh2
             Invalid user eve from 10.10.1.1 from 192.0.2.66 port 8
             Invalid user  from 192.0.2.66 port 9
             pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser=eve rhost=10.10.1.1 rhost=192.0.2.66"
        ),
        [
            "logon failed from 10.10.1.1 | 192.0.2.66:58946 | sshd password | - | invalid user",
            "logon failed eve from 10.10.1.2 port 5 ssh2 | 192.0.2.66:6 | sshd password | - | invalid user",
            "logon failed ada | 192.0.2.66:20000 | sshd password | - | Failed password",
            "logon ok eve from 10.10.1.1 | 192.0.2.66:7 | sshd publickey | erp sshd[8317] | -",
            "logon failed eve from 10.10.1.1 | 192.0.2.66:8 | sshd - | - | Invalid user",
            "logon failed - | 192.0.2.66:9 | sshd - | - | Invalid user",
            "logon failed eve rhost=10.10.1.1 | 192.0.2.66 | sshd - | - | authentication failure",
        ]
    );
}

#[test]
fn su_and_sudo_switch_accounts() {
    assert_eq!(
        told(
            "su[12]",
            "Successful su for root by ada
             FAILED su for root by ada
             (to root) ada on pts/0
             FAILED SU (to root) ada on pts/0
             BAD SU ada to root on /dev/ttyp0
             ada to root on /dev/ttyp0
             + /dev/pts/0 ada:root
             pam_unix(su-l:session): session opened for user root(uid=0) by ada(uid=1000)
             pam_unix(su-l:session): session closed for user root"
        ),
        [
            "switch ok root<ada | - | su - | erp su[12] | -",
            "switch failed root<ada | - | su - | - | FAILED su",
            "switch ok root<ada@pts/0 | - | su - | erp su[12] | -",
            "switch failed root<ada@pts/0 | - | su - | - | FAILED SU",
            "switch failed root<ada@ttyp0 | - | su - | - | BAD SU",
            "switch ok root<ada@ttyp0 | - | su - | erp su[12] | -",
            "switch ok root<ada | - | su-l - | erp su[12] | -",
            "logoff ok root | - | su-l - | erp su[12] | -",
            "set aside: su",
        ]
    );
    assert_eq!(
        told(
            "sudo",
            "ada : TTY=pts/0 ; PWD=/home/ada ; USER=root ; COMMAND=/bin/ls
             ada : (command continued) x
             ada : user NOT in sudoers ; TTY=pts/1 ; PWD=/home/ada ; USER=root ; COMMAND=/bin/ls
             ada : 3 incorrect password attempts ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/ls
             pam_unix(sudo:session): session opened for user root by ada(uid=1000)
             pam_unix(sudo:session): session closed for user root
             pam_unix(sudo:auth): authentication failure; logname=ada uid=1000 euid=0 tty=/dev/pts/1 ruser=ada rhost=  user=ada"
        ),
        [
            "switch failed root<ada@pts/1 | - | sudo - | - | user NOT in sudoers",
            "switch failed root<ada@pts/1 | - | sudo - | - | 3 incorrect password attempts",
            "switch ok root<ada | - | sudo - | erp sudo root | -",
            "logoff ok root | - | sudo - | erp sudo root | -",
            "switch failed ada<ada@pts/1 | - | sudo - | - | authentication failure",
            "set aside: command by sudo",
            "set aside: command by sudo",
        ]
    );
}

#[test]
fn login_and_dropbear() {
    assert_eq!(
        told(
            "login[9]",
            "LOGIN ON tty1 BY ada
             LOGIN ON pts/3 BY ada FROM gate.example.org
             ROOT LOGIN ON tty1
             ROOT LOGIN  on '/dev/tty1'
             FAILED LOGIN (1) on '/dev/tty1' FOR 'ada', Authentication failure
             FAILED LOGIN 2 FROM gate.example.org FOR eve, User not known to the underlying authentication module
             pam_unix(login:session): session opened for user ada by LOGIN(uid=0)"
        ),
        [
            "logon ok ada@tty1 | - | login - | erp login[9] | -",
            "logon ok ada@pts/3 | gate.example.org | login - | erp login[9] | -",
            "logon ok root@tty1 | - | login - | erp login[9] | -",
            "logon ok root@tty1 | - | login - | erp login[9] | -",
            "logon failed ada@tty1 | - | login - | - | Authentication failure",
            "logon failed eve | gate.example.org | login - | - | User not known to the underlying authentication module",
            "logon ok ada | - | login - | erp login[9] | -",
        ]
    );
    assert_eq!(
        told(
            "dropbear[7]",
            "Password auth succeeded for 'root' from 192.0.2.5:33331
             Pubkey auth succeeded for 'ada' with key md5 aa:bb from 192.0.2.5:33332
             Bad password attempt for 'root' from 192.0.2.66:4
             Login attempt for nonexistent user from 192.0.2.66:5
             Exit (root): Disconnect received
             Child connection from 192.0.2.5:33331"
        ),
        [
            "logon ok root | 192.0.2.5:33331 | dropbear password | erp dropbear[7] | -",
            "logon ok ada | 192.0.2.5:33332 | dropbear publickey | erp dropbear[7] | -",
            "logon failed root | 192.0.2.66:4 | dropbear password | - | Bad password attempt",
            "logon failed - | 192.0.2.66:5 | dropbear - | - | nonexistent user",
            "logoff ok root | - | dropbear - | erp dropbear[7] | -",
            "set aside: dropbear",
        ]
    );
}

#[test]
fn pam_of_any_program_and_the_machine_itself() {
    let lines = "\
Nov 23 07:00:01 erp CRON[1]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)
Nov 23 07:00:02 erp systemd[2]: pam_unix(systemd-user:session): session opened for user ada(uid=1000) by (uid=0)
Nov 23 07:00:03 erp gdm-password][3]: pam_unix(gdm-password:session): session opened for user ada(uid=1000) by (uid=0)
Nov 23 07:00:04 erp vsftpd: pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=eve rhost=gate.example.org
Nov 23 07:00:05 erp pop(pam_unix)[4]: authentication failure; logname= uid=0 euid=0 tty= ruser= rhost=192.0.2.66 user=ada
Nov 23 07:00:06 erp sshd[5]: PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.66  user=root
Nov 23 07:00:07 erp sshd[5]: pam_sss(sshd:auth): authentication success; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.66 user=ada
Nov 23 07:00:08 erp sudo: pam_tally2(sudo:auth): user eve (4001) tally 6, deny 5
Nov 23 07:00:09 erp systemd-logind[6]: New session 8 of user ada.
Nov 23 07:00:10 erp systemd-logind[6]: System is rebooting (Kernel update).
Nov 23 07:00:11 erp kernel: [    0.000000] Linux version 6.1.0-31-amd64
Nov 23 07:00:12 erp useradd[7]: new user: name=apache, UID=48, GID=48, home=/usr/share/httpd
";
    let Reading { events, others, summary } = read(&AuthLog, lines);
    assert_eq!(
        events.iter().map(words).chain(others).collect::<Vec<_>>(),
        [
            "logon ok ada | - | gdm-password - | erp gdm-password[3] | -",
            "logon failed eve@ftp | gate.example.org | vsftpd - | - | authentication failure",
            "logon failed ada | 192.0.2.66 | pop - | - | authentication failure",
            "logon failed root | 192.0.2.66 | sshd - | - | authentication failure",
            "switch failed eve | - | sudo - | - | user eve (4001) tally 6, deny 5",
            "shutdown ok - | - | systemd-logind - | - | -",
            "boot ok - | - | kernel - | - | -",
            "set aside: session of a job or manager",
            "set aside: session of a job or manager",
            "set aside: details of PAM",
            "set aside: systemd-logind",
            "set aside: useradd",
        ]
    );
    assert_eq!(summary.read, 12);
    assert_eq!(
        summary.warnings,
        [
            "7 lines have no year: the latest was taken that keeps them before the file's time, 2026-11-24T00:00:00.000Z"
        ]
    );
}

#[test]
fn heads_of_every_kind_and_what_is_none() {
    let lines = "\
2026-11-24T07:22:01.123456+01:00 erp sshd[1]: Accepted password for ada from 192.0.2.1 port 1 ssh2
<38>1 2026-11-24T06:22:02Z erp sshd 2 - [meta sequenceId=\"1\"] Invalid user eve from 192.0.2.66 port 2
Nov 23 07:22:01 erp sshd[3]: Invalid user eve from 192.0.2.66 port 2
Nov 31 07:22:01 erp sshd[3]: Invalid user eve from 192.0.2.66 port 2

a line of something else
";
    let (format, Reading { events, others, summary }) = read_any(lines.as_bytes(), &options()).unwrap();
    assert_eq!(format, "auth-log");
    let times: Vec<String> = events
        .iter()
        .map(|event| format!("{} {}", event.occurred_at, event.raw_time.as_deref().unwrap_or("-")))
        .collect();
    assert_eq!(
        times,
        [
            "2026-11-24T06:22:01.123Z 2026-11-24T07:22:01.123456+01:00",
            "2026-11-24T06:22:02.000Z -",
            "2026-11-23T07:22:01.000Z Nov 23 07:22:01",
        ]
    );
    assert_eq!(
        others,
        [
            "line 4: the time `Nov 31 07:22:01`: no such date or time of day",
            "line 6: no syslog line: it does not begin with a time and a program",
        ]
    );
    assert_eq!((summary.read, summary.times_without_zone), (5, 1));
}

#[test]
fn only_logs_of_sign_ins_are_recognised() {
    for (lines, want) in [
        ("Nov 23 07:22:01 erp sshd[3]: Server listening on :: port 22.\n", true),
        ("Nov 23 07:22:01 erp CRON[1]: pam_unix(cron:session): session closed for user root\n", true),
        ("Nov 23 07:22:01 mail postfix/smtpd[3]: connect from unknown[192.0.2.66]\n", false),
        ("Nov 23 07:22:01 vpn charon: 05[IKE] authentication of 'ada' successful\n", false),
        ("{\"message\":\"Nov 23 07:22:01 erp sshd[3]: x\"}\n", false),
        ("sshd[3]: Invalid user eve from 192.0.2.66\n", false),
        ("", false),
    ] {
        assert_eq!(recognizes(&AuthLog, lines), want, "{lines}");
    }
    // A cut line at the end of a sample is no doubt, and a line that is too long is one problem.
    let line = "Nov 23 07:22:01 erp sshd[3]: Invalid user eve from 192.0.2.66\n";
    let long = format!("{line}Nov 23 07:22:01 erp sshd[3]: {}\n{line}", "x".repeat(2 * 1024 * 1024));
    let reading = read(&AuthLog, &long);
    assert_eq!(
        (reading.events.len(), reading.others),
        (2, vec!["line 2: the line is longer than 1 MiB".to_owned()])
    );
    let ids: Vec<&str> = reading.events.iter().map(|event| event.native_id.as_str()).collect();
    assert_eq!(ids[1], format!("{}.2", ids[0]));
}

#[test]
fn long_lines_of_an_attacker_are_read_in_no_time() {
    let from = " from 192.0.2.66 port 1 x".repeat(20_000);
    let repeated = "message repeated 2 times: [ ".repeat(20_000);
    let known =
        "pam_unix(sshd:auth): authentication failure; logname=".to_owned() + &" rhost=1 x".repeat(50_000);
    let messages =
        [format!("Failed password for eve{from}"), repeated, format!("Invalid user eve{from}"), known];
    assert!(
        told("sshd[1]", &messages.join("\n"))
            .iter()
            .all(|line| line.starts_with("set aside") || line.contains("failed"))
    );
}

proptest::proptest! {
    #[test]
    fn no_message_panics(
        program in "(sshd|sudo|su|login|dropbear|kernel|x)",
        head in "(Failed|Accepted|Invalid user|User|Disconnecting|Received disconnect from|FAILED su for|PAM 2|pam_unix\\(|FAILED LOGIN|\\(to)?",
        rest in "[ -~é]{0,40}( from | for |: | port |; logname=| rhost=| by )?[ -~é]{0,40}",
    ) {
        let line = format!("Nov 23 07:22:01 erp {program}[1]: {head} {rest}\n");
        let reading = read(&AuthLog, &line);
        proptest::prop_assert_eq!(reading.events.len() + reading.others.len(), 1);
    }
}
