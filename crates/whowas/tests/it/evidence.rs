//! What auditors and administrators do: verify, one process at a time, tokens.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    http::Client,
    script::{P_E, World, column, text},
};

/// Changes one bit in the middle of a file.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn an_untouched_folder_verifies() {
    let world = World::with(&["logins-both-weeks.csv", "portal.ndjson"]);
    let [report] = world.json("verify data").try_into().unwrap();
    assert_eq!([&report["verified"], &report["findings"]], [&json!(true), &json!([])]);
    assert_eq!([&report["environment"], &report["leaves"]], [&json!(P_E), &report["size"]]);
    world
        .run("verify data")
        .exits(0)
        .shows("verified: 22 records, root ")
        .shows("not checked: whether a newer state");
    let [fsck] = world.json(&format!("fsck --environment {P_E}")).try_into().unwrap();
    assert_eq!(fsck, report);
    world.run("fsck --environment contoso/nowhere").exits(2).says("there is no environment contoso/nowhere");
    world.run("verify .").exits(2).says("this is no data folder (it has no control.db), no copy of a log");
}

#[test]
fn a_flipped_byte_anywhere_is_found() {
    let world = World::with(&["logins-both-weeks.csv", "portal.ndjson"]);
    for (below, reason) in [("staging", "staging/"), ("tile/0", "tile"), ("", "checkpoint")] {
        let files = world.trail_files(below);
        let is_meant = |path: &&std::path::PathBuf| !below.is_empty() || path.ends_with("checkpoint");
        let file = files.iter().rfind(is_meant).unwrap();
        let before = fs::read(file).unwrap();
        flip(file);
        for command in ["verify data".to_owned(), format!("fsck --environment {P_E}")] {
            let [report] = world.run(&format!("--json {command}")).exits(4).lines().try_into().unwrap();
            assert_eq!(report["verified"], false);
            let findings = report["findings"].to_string();
            assert!(findings.contains(reason), "{file:?}: {findings}");
        }
        world.run("verify data").exits(4).shows("BROKEN ");
        fs::write(file, before).unwrap();
        world.run("verify data").exits(0);
    }
}

#[test]
fn a_missing_record_is_found() {
    let world = World::with(&["logins-week-45.csv"]);
    let staging = world.trail_files("staging");
    fs::remove_file(&staging[0]).unwrap();
    world.run("verify data").exits(4).shows("BROKEN ").shows("records");
}

#[test]
fn a_second_process_is_refused_at_once() {
    let world = World::with(&["logins-week-45.csv"]);
    let serving = world.serve();
    let pid = fs::read_to_string(world.path("data/lock")).unwrap();
    let message =
        format!("is in use by another whowas process (process {pid}); stop it, or ask it over HTTP");
    for command in [
        format!("search --environment {P_E}"),
        format!("import --environment {P_E} logins-week-45.csv"),
        "verify data".to_owned(),
        "serve --listen 127.0.0.1:0".to_owned(),
    ] {
        world.run(&command).exits(1).says(&message);
    }
    // What the running server does, too, is asked of it.
    for (command, resource) in [
        ("erase --user ada --reason r", "erasures"),
        ("retain --older-than 1d --reason r", "retention"),
        ("hold list", "holds"),
        ("key rotate --reason r --statement s", "key/rotate"),
    ] {
        let address = format!("POST /api/v1/environments/{P_E}/{resource}");
        world.run(&format!("{command} --environment {P_E}")).exits(1).says(&message).says(&address);
    }
    serving.kill();
    // The operating system frees what a killed process held.
    world.run(&format!("search --environment {P_E}")).exits(0);
}

#[test]
fn addresses_that_others_reach_need_tls() {
    let world = World::new();
    world.run("serve --listen 0.0.0.0:0").exits(2).says("0.0.0.0:0 can be reached from other machines: give a TLS certificate and key, or listen on 127.0.0.1");
    world
        .run("serve --listen everywhere")
        .exits(2)
        .says("--listen everywhere: write an address and a port, such as 127.0.0.1:8787");
    world.run("serve --tls-cert a.pem").exits(2).says("--tls-key <FILE>");
}

#[test]
fn a_token_is_shown_once_and_can_be_revoked() {
    let world = World::with(&["logins-week-45.csv"]);
    let create = |options: &str| text(&world.json(&format!("token create {options}"))[0], "token");
    let token = create(&format!("--scope ingest --environment {P_E} --source erp"));
    let reader = create("--scope read");
    let listed = world.json("token list");
    assert_eq!(column(&listed, "scope"), ["ingest", "read"]);
    let everything = world.run("token list").exits(0).shows("in force");
    assert!(!everything.stdout.contains(&token) && !format!("{listed:?}").contains(&token));
    for file in ["data/control.db", "data/control.db-wal"] {
        let bytes = fs::read(world.path(file)).unwrap_or_default();
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()), "{file} holds a token");
    }
    assert_eq!(post(&world, &token).0, 200);
    let (status, problem) = post(&world, &reader);
    assert_eq!(
        (status, text(&problem, "detail").as_str()),
        (403, "this needs the scope ingest; the token has read")
    );
    assert_eq!(post(&world, "nonsense").0, 401);
    world.run("token revoke 1").exits(0).shows("token 1 is revoked");
    assert_eq!(post(&world, &token).0, 401);
    world.run("token revoke 1").exits(2).says("there is no token 1 in force");
    world
        .run("token create --scope everything")
        .exits(2)
        .says("there is no scope everything; use ingest, read, scim or admin");
    world
        .run("token create --scope read --environment contoso/nowhere")
        .exits(2)
        .says("there is no environment contoso/nowhere");
}

/// Sends one record with this token; gives the status and the body.
fn post(world: &World, token: &str) -> (u16, Value) {
    let serving = world.serve();
    let mut client = Client::connect(&serving.address, token).unwrap();
    let record = "{\"occurred_at\":\"2026-11-10T09:00:00Z\",\"activity\":\"logon\",\"native_id\":\"a\"}\n";
    let answer = client.post(&format!("/api/v1/environments/{P_E}/records"), record).unwrap();
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

#[test]
fn pushed_records_are_acknowledged_as_the_contract_says() {
    let world = World::with(&["logins-week-45.csv"]);
    let token = text(&world.json(&format!("token create --scope ingest --environment {P_E}"))[0], "token");
    let (_, answer) = post(&world, &token);
    let want = json!({
        "recorded": 1, "duplicate": 0, "revised": 0, "rejected": 0, "first_position": 12, "tree_size": 13,
    });
    assert_eq!(answer, want);
    let (_, again) = post(&world, &token);
    assert_eq!([&again["recorded"], &again["duplicate"], &again["tree_size"]], [0, 1, 13]);
}
