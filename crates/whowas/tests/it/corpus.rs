//! What the peers expect of real sign-ins, where their corpus lies beside the repository.

use std::{path::Path, process::Command};

#[test]
fn entra_sign_ins_are_read_as_the_peers_read_them() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let score = workspace.join("../shared/corpus/score.py");
    if !score.exists() {
        println!("skipped: there is no corpus beside the repository");
        return;
    }
    let output = Command::new("python3")
        .arg(score)
        .args(["--cmd", env!("CARGO_BIN_EXE_whowas"), "--brief", "--min", "99"])
        .args(["--only", "elastic-integrations/azure__signinlogs"])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}
