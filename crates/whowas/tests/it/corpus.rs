//! What the peers expect of real sign-ins, where their corpus lies beside the repository.

use std::{path::Path, process::Command};

/// Demands that at least `percent` of the facts of some sources of the corpus are right.
fn check(sources: &[&str], percent: &str) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let score = workspace.join("../shared/corpus/score.py");
    if !score.exists() {
        println!("skipped: there is no corpus beside the repository");
        return;
    }
    let output = Command::new("python3")
        .arg(score)
        .args(["--cmd", env!("CARGO_BIN_EXE_whowas"), "--brief", "--diff", "--min", percent])
        .args(sources.iter().flat_map(|source| ["--only", source]))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn entra_sign_ins_are_read_as_the_peers_read_them() {
    check(&["elastic-integrations/azure__signinlogs"], "99");
}

#[test]
fn sessions_of_wtmp_are_those_of_last() {
    check(&["util-linux-utmp"], "99");
}

#[test]
fn unix_logs_are_read_as_the_peers_read_them() {
    let sources = [
        "elastic-filebeat-system-auth",
        "elastic-integrations/system__auth",
        "crowdsec-hub/pam",
        "crowdsec-hub/sshd-invalid",
        "crowdsec-hub/sshd-success",
        "crowdsec-hub/opnsense-sshd",
        "fail2ban-testlogs/pam-generic",
    ];
    check(&sources, "99");
    // The rest speaks of connections that the lines before it name, or has no address.
    check(&["fail2ban-testlogs/sshd"], "96");
}
