//! Identity providers over SCIM: conformance checks and a client that are not ours, against the real binary.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::script::{P_E, Serving, World, text};

/// Where `scripts/test.sh` installs scim2-tester and scim2-client.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/scim/python")
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/senders").join(name)
}

/// Whether the libraries are there; says that the test is skipped if not.
fn has_libraries() -> bool {
    let is_there = installed().join("scim2_tester").exists();
    if !is_there {
        eprintln!("skipped: scim2_tester is not in target/scim/python (scripts/test.sh installs it)");
    }
    is_there
}

/// A trail with a token for provisioning.
fn world() -> (World, String) {
    let world = World::with(&["portal.ndjson"]);
    let line = format!("token create --scope scim --environment {P_E} --source entra");
    let token = text(&world.json(&line)[0], "token");
    (world, token)
}

/// Runs a client to its end, which must be a good one.
#[track_caller]
fn run(script: &Path, serving: &Serving, token: &str, more: &[&str]) -> String {
    let mut command = Command::new("python3");
    let base = format!("http://{}/scim/v2/", serving.address);
    command.env("PYTHONPATH", installed()).arg(script).arg(base).arg(token).args(more);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn the_conformance_checks_find_no_fault() {
    if !has_libraries() {
        return;
    }
    let (world, token) = world();
    let serving = world.serve();
    let said = run(&script("scim_tester.py"), &serving, &token, &[]);
    assert!(said.contains("'SUCCESS': 1"), "{said}");
}

#[test]
fn a_life_of_people_is_provisioned_and_stands_in_the_trail() {
    if !has_libraries() {
        return;
    }
    let (world, token) = world();
    let serving = world.serve();
    let ids: Value = serde_json::from_str(&run(&script("scim_client.py"), &serving, &token, &[])).unwrap();
    drop(serving);
    let history = |user: &str| world.json(&format!("users show --environment {P_E} --history {user}"));
    let names = |versions: &[Value]| -> Vec<String> {
        versions
            .iter()
            .map(|version| format!("{} {}", text(version, "name"), text(version, "full_name")))
            .collect()
    };
    let ada = history("entra-1");
    assert_eq!(names(&ada), ["ada@contoso.example Ada Byron", "ada.king@contoso.example Ada King"]);
    assert_eq!((&ada[0]["to"], &ada[1]["to"]), (&ada[1]["from"], &Value::Null));
    assert_eq!(text(&ada[0], "id"), format!("scim:entra:user:{}", text(&ids, "ada")));
    // The name that she had is somebody else's now.
    assert_eq!(names(&history("entra-3")), ["ada@contoso.example Ada Smith"]);
    // As of the size before she was renamed, she was not.
    let size = ada[1]["position"].as_u64().unwrap();
    let then = world.json(&format!("users show --environment {P_E} --history --as-of {size} entra-1"));
    assert_eq!(names(&then), ["ada@contoso.example Ada Byron"]);
    assert_eq!(then[0]["to"], Value::Null);
    // Deleted and created again: two ids of the directory under one of the client.
    let bob = history("entra-2");
    let of =
        |id: &str| bob.iter().filter(|one| text(one, "id").ends_with(&text(&ids, id))).collect::<Vec<_>>();
    let (first, second) = (of("bob"), of("again"));
    assert_eq!(first.last().unwrap()["is_removed"], true);
    assert_eq!(first[1]["attributes"]["enabled"], false);
    assert!(second.iter().all(|one| one["is_removed"] == false) && second.len() >= 3);
    let valid =
        world.sql("select user_uid, valid_to is null as is_now from user_history order by valid_from");
    let hers = valid.iter().filter(|row| row["user_uid"] == "entra-1");
    assert_eq!(hers.map(|row| row["is_now"].as_bool().unwrap()).collect::<Vec<_>>(), [false, true]);
    world.run(&format!("users show --environment {P_E} --history entra-1")).exits(0).shows("Ada Byron");
    world.run(&format!("users show --environment {P_E} --history nobody")).exits(2);
    world.run(&format!("fsck --environment {P_E}")).exits(0);
}

#[test]
fn many_people_are_provisioned_over_several_connections() {
    let (world, token) = world();
    let serving = world.serve();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/provision.py");
    let said = run(&script, &serving, &token, &["--users", "600"]);
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&told["users"], &told["members"]), (&600.into(), &600.into()), "{said}");
}
