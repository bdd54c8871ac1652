//! Evidence that leaves the house: proofs, mirrors, copies, and verifiers that are not ours.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    http::Client,
    script::{P_E, World, column, text},
};

/// The public key, as its holder would give it to an auditor.
fn vkey(world: &World) -> String {
    let [shown] = world.json(&format!("key show --environment {P_E}")).try_into().unwrap();
    assert_eq!(text(&shown, "origin"), format!("whowas.localhost/{P_E}"));
    text(&shown, "vkey")
}

fn verified(world: &World, line: &str, code: i32) -> Value {
    let [report] = world.run(&format!("--json verify {line}")).exits(code).lines().try_into().unwrap();
    assert_eq!(report["verified"], json!(code == 0), "{report}");
    report
}

fn reason(report: &Value) -> String {
    text(&report["findings"][0], "reason")
}

#[test]
fn a_proof_is_a_file_that_needs_only_a_key() {
    let world = World::with(&["logins-both-weeks.csv", "portal.ndjson"]);
    let key = vkey(&world);
    world.run(&format!("key show --environment {P_E}")).exits(0).shows(&key);
    world
        .run(&format!("proof --environment {P_E} --position 7 --out 7.tlog-proof"))
        .exits(0)
        .says("proves position 7");
    let piped = world.run(&format!("proof --environment {P_E} --position 7 --disclose none")).exits(0).stdout;
    world.file("bare.tlog-proof", &piped);
    // The trail is gone: what follows is what an auditor has.
    fs::rename(world.path("data"), world.path("away")).unwrap();
    world.file("key", format!("{key}\n"));
    world.file("policy", format!("log {key}\nquorum none\n"));
    for trust in [format!("--vkey '{key}'"), "--vkey key".to_owned(), "--policy policy".to_owned()] {
        let report = verified(&world, &format!("7.tlog-proof {trust}"), 0);
        assert_eq!(report["record"]["position"], 7);
        assert!(!report["record"]["disclosed"].as_object().unwrap().is_empty());
    }
    let report = verified(&world, "bare.tlog-proof --vkey key", 0);
    assert!(report["record"]["disclosed"].as_object().unwrap().is_empty());
    world
        .run("verify bare.tlog-proof --vkey key")
        .exits(0)
        .shows("verified: position 7 of")
        .shows("personal fields are committed to and not disclosed")
        .shows("not proven: that the source told the truth");
    let changed = fs::read_to_string(world.path("7.tlog-proof")).unwrap().replace("index 7", "index 8");
    world.file("changed.tlog-proof", changed);
    let report = verified(&world, "changed.tlog-proof --vkey key", 4);
    assert_eq!(reason(&report), "entry is not in the log: proof does not lead to the root of the tree");
    world
        .run("verify changed.tlog-proof --vkey key")
        .exits(4)
        .shows("BROKEN changed.tlog-proof: entry is not in the log");
    world.run("verify 7.tlog-proof").exits(2).says("whom do you trust?");
    world.run("verify 7.tlog-proof --vkey nonsense").exits(2).says("write a vkey or a file that holds it");
    world.run("verify key --vkey key").exits(2).says("this is no .tlog-proof file and no evidence bundle");
    world.file("bad-policy", "quorum w\n");
    world.run("verify 7.tlog-proof --policy bad-policy").exits(2).says("line 1: a name is not defined");
}

#[test]
fn proofs_are_asked_for_by_position_and_recorded() {
    let world = World::with(&["logins-week-45.csv"]);
    world
        .run(&format!("proof --environment {P_E} --position 4711"))
        .exits(2)
        .says("there is no position 4711");
    world
        .run(&format!("proof --environment {P_E} --position 0 --disclose shoe"))
        .exits(2)
        .says("no personal field \"shoe\"");
    world.run(&format!("proof --environment {P_E} --position 0 --out p")).exits(0);
    let looks = world.sql("SELECT body FROM records");
    let bodies: Vec<String> = looks.iter().map(|look| text(look, "body")).collect();
    assert!(
        bodies.iter().any(|body| body.contains("proof") && body.contains("\"position\":0")),
        "{bodies:?}"
    );
}

#[test]
fn a_mirror_and_a_copy_verify_with_the_public_key_alone() {
    let world = World::with(&["logins-both-weeks.csv", "portal.ndjson"]);
    let key = vkey(&world);
    world.file("key", &key);
    let [made] = world.json(&format!("mirror --environment {P_E} --out log")).try_into().unwrap();
    let size = made["size"].clone();
    let report = verified(&world, "log --vkey key", 0);
    assert_eq!([&report["size"], &report["leaves"]], [&size, &size]);
    // Again: nothing is new, and what was kept is part of what grew.
    let [again] = world.json(&format!("mirror --environment {P_E} --out log")).try_into().unwrap();
    assert_eq!(again["written"], 0);
    fs::copy(world.path("log/checkpoint"), world.path("kept")).unwrap();
    world.run(&format!("search --environment {P_E} --from 2020-01-01")).exits(0);
    world.run(&format!("mirror --environment {P_E} --out log")).exits(0);
    verified(&world, "log --vkey key --checkpoint kept", 0);
    world.run("verify log --vkey key").exits(0).shows("not checked: whether a newer state");

    // The trail's own folder, without its key and its control database.
    copy(&world.path("data/trails").join(P_E), &world.path("copy"));
    let report = verified(&world, "copy --vkey key --checkpoint kept", 0);
    assert_eq!(report["leaves"], report["size"]);
    let staged = fs::read_dir(world.path("copy/staging")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&staged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&staged, bytes).unwrap();
    let report = verified(&world, "copy --vkey key", 4);
    assert!(reason(&report).contains("its bytes are not those that were written"), "{report}");
    // An old mirror does not contain what is kept from a newer one.
    fs::copy(world.path("log/checkpoint"), world.path("newer")).unwrap();
    fs::copy(world.path("kept"), world.path("log/checkpoint")).unwrap();
    let report = verified(&world, "log --vkey key --checkpoint newer", 4);
    assert!(reason(&report).contains("the log was rolled back or restored from a backup"), "{report}");
    world.run("verify log").exits(2).says("whom do you trust?");
    world.run("verify .").exits(2).says("no copy of a log (it has no checkpoint)");
}

#[test]
fn a_bundle_shows_that_nothing_was_left_out() {
    let world = World::with(&["logins-both-weeks.csv", "portal.ndjson"]);
    let key = vkey(&world);
    world.file("key", &key);
    let range = "--from 2026-11-01 --to 2026-11-30";
    let export = |out: &str, rest: &str| {
        let line = format!("export --environment {P_E} --evidence --out {out} {range} {rest}");
        let [made] = world.json(&line).try_into().unwrap();
        made
    };
    let all = export("all.zip", "");
    export("lines.zip", "--as jsonl");
    export("person.zip", "-- user:alice*");
    // What an auditor has.
    fs::rename(world.path("data"), world.path("away")).unwrap();
    for name in ["all.zip", "lines.zip"] {
        let report = verified(&world, &format!("{name} --vkey key"), 0);
        assert_eq!(
            [&report["complete"], &report["bundle"]["rows"]],
            [&json!(true), &all["rows"]],
            "{report}"
        );
    }
    world
        .run("verify all.zip --vkey key")
        .exits(0)
        .shows("complete for positions")
        .shows("asked: user-login-events from 2026-11-01");
    let report = verified(&world, "person.zip --vkey key", 0);
    assert_eq!(report["complete"], false, "personal fields of the others are not disclosed");
    world.run("verify person.zip --vkey key").exits(0).shows("not proven complete: ");
    let mut bytes = fs::read(world.path("all.zip")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    world.file("bad.zip", bytes);
    verified(&world, "bad.zip --vkey key", 4);
    world.run("verify all.zip").exits(2).says("whom do you trust?");
    fs::rename(world.path("away"), world.path("data")).unwrap();
    // That it was made, and which one, is in the trail.
    let bodies = column(&world.sql("SELECT body FROM records"), "body");
    let sha256 = text(&all, "manifest_sha256");
    assert!(bodies.iter().any(|body| body.contains(&sha256)), "{sha256}: {bodies:?}");
    world
        .run(&format!("export --environment {P_E} --evidence --out - {range}"))
        .exits(2)
        .says("--evidence makes a zip file");
}

#[test]
fn a_data_folder_is_compared_with_what_the_verifier_kept() {
    let world = World::with(&["logins-week-45.csv"]);
    copy(&world.path("data"), &world.path("backup"));
    world.fixture("logins-week-46.csv");
    world.run(&format!("import --environment {P_E} logins-week-46.csv")).exits(0);
    fs::copy(world.path("data/trails").join(P_E).join("checkpoint"), world.path("kept")).unwrap();
    world.run("verify data --checkpoint kept").exits(0).shows("verified: ");
    // The whole folder, restored from a backup, verifies by itself: only the memory tells.
    world.run("verify backup").exits(0).shows("not checked: whether a newer state");
    let report = verified(&world, "backup --checkpoint kept", 4);
    assert!(reason(&report).contains("rolled back or restored from a backup"), "{report}");
    let stranger = "stranger+56a67b7f+Af1NVMGy1/UbffzJQ6ICSclpG+Cp8uyYKoBjCRex58VU";
    let report = world.run(&format!("--json verify data --vkey {stranger}"));
    assert_ne!(report.code(), Some(0), "{report}");
}

/// Our witness and our trail, as two processes with nothing in common but keys.
#[test]
fn a_witness_cosigns_and_a_policy_asks_for_it() {
    let world = World::with(&["logins-week-45.csv"]);
    let key = vkey(&world);
    world.file("key", &key);
    let witness = world.witness("--state w --name witness.example/w1 --vkey key");
    world.file(
        "whowas.toml",
        format!("[[witness]]\nurl = \"http://{}/\"\nvkey = \"{}\"\n", witness.address, witness.link),
    );
    let serving = world.serve();
    let mut client = Client::connect(&serving.address, "").unwrap();
    let note = client.get(&format!("/trails/{P_E}/checkpoint")).unwrap().body;
    assert_eq!(note.matches("\n— ").count(), 2, "{note}");
    serving.kill();
    world.run(&format!("proof --environment {P_E} --position 3 --out p")).exits(0);
    world.file("policy", format!("log {key}\nwitness w {}\nquorum w\n", witness.link));
    let report = verified(&world, "p --policy policy", 0);
    assert_eq!(report["record"]["cosignatures"][0][0], "w");
    world.run("verify p --policy policy").exits(0).shows("cosigned by w at 20");
    // Without the cosignature the same record is not accepted.
    let text = fs::read_to_string(world.path("p")).unwrap();
    let bare: String = text.split_inclusive('\n').filter(|line| !line.starts_with("— witness")).collect();
    world.file("bare", bare);
    let report = verified(&world, "bare --policy policy", 4);
    assert!(reason(&report).contains("too few witnesses have cosigned"), "{report}");
    world
        .run("witness --state w --vkey key --listen 127.0.0.1:0")
        .exits(1)
        .says("is in use by another whowas process");
    world.run("witness --state nowhere --vkey key").exits(2).says("give it a name");
    world.run("witness --state w2 --name w2").exits(2).says("whom do you trust?");
}

/// Stock OpenSSL checks the signature of a checkpoint.
#[test]
fn openssl_checks_the_signature() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: openssl is not installed (scripts/test.sh installs it)");
        return;
    }
    let world = World::with(&["logins-week-45.csv"]);
    let checkpoint = fs::read_to_string(world.path("data/trails").join(P_E).join("checkpoint")).unwrap();
    let (text, signature) = checkpoint.split_once("\n\n").unwrap();
    let decode = |encoded: &str| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.decode(encoded.trim()).unwrap()
    };
    let blob = decode(signature.rsplit(' ').next().unwrap());
    let public = decode(vkey(&world).splitn(3, '+').nth(2).unwrap());
    // SubjectPublicKeyInfo of Ed25519 (RFC 8410): a fixed head, then the key.
    let head = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    world.file("key.der", [&head[..], &public[1..]].concat());
    world.file("text", format!("{text}\n"));
    world.file("signature", &blob[4..]);
    let verify = |text: &str| {
        let mut openssl = Command::new("openssl");
        openssl.args(
            "pkeyutl -verify -rawin -pubin -keyform DER -inkey key.der -sigfile signature -in".split(' '),
        );
        openssl.arg(text).current_dir(world.path(".")).output().unwrap().status.success()
    };
    assert!(verify("text"));
    world.file("other", format!("{text} \n"));
    assert!(!verify("other"), "openssl must be able to refuse");
}

/// The reference code of Go's checksum database, from Debian's packages, checks a whole log.
#[test]
fn go_s_reference_code_checks_a_log() {
    let packages = Path::new("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog");
    if Command::new("go").arg("version").output().is_err() || !packages.exists() {
        eprintln!(
            "skipped: golang-go or golang-golang-x-mod-dev is not installed (scripts/test.sh installs them)"
        );
        return;
    }
    let world = World::new();
    // Beyond one tile, so that there are upper levels.
    let login = |n: usize| {
        format!(
            "{{\"occurred_at\":\"2026-11-10T09:00:00Z\",\"activity\":\"logon\",\"native_id\":\"n{n}\",\"user\":{{\"name\":\"u{}\"}}}}\n",
            n % 9
        )
    };
    world.file("many.ndjson", (0..700).map(login).collect::<String>());
    world.run(&format!("import --environment {P_E} many.ndjson")).exits(0);
    world.run(&format!("mirror --environment {P_E} --out log")).exits(0);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verifiers/check_log.go");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(world.path("check_log"))
        .arg(source)
        .envs([("GO111MODULE", "off"), ("GOPATH", "/usr/share/gocode"), ("GOFLAGS", "")])
        .env("GOCACHE", world.path("go-cache"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let check = || {
        let output =
            Command::new(world.path("check_log")).arg(world.path("log")).arg(vkey(&world)).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (is_right, said) = check();
    assert!(is_right && said.starts_with("go: 70"), "{said}");
    let bundle = world.path("log/tile/entries/001");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[100] ^= 1;
    fs::write(bundle, bytes).unwrap();
    assert!(!check().0, "it must be able to refuse");
}

/// An implementation from PyPI checks a log, its growth, a cosigned proof and the witness's cosignature.
#[test]
fn a_python_implementation_checks_a_log_and_a_proof() {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python");
    let python = || {
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", &packages);
        python
    };
    let found = python().args(["-c", "import tlog_scales.reader"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: tlog-scales is not in target/python (scripts/test.sh installs it)");
        return;
    }
    let world = World::with(&["logins-week-45.csv"]);
    let key = vkey(&world);
    world.file("key", &key);
    fs::copy(world.path("data/trails").join(P_E).join("checkpoint"), world.path("earlier")).unwrap();
    let login = |n: usize| {
        format!(
            "{{\"occurred_at\":\"2026-11-10T09:00:00Z\",\"activity\":\"logon\",\"native_id\":\"n{n}\",\"user\":{{\"name\":\"u\"}}}}\n"
        )
    };
    world.file("many.ndjson", (0..300).map(login).collect::<String>());
    world.run(&format!("import --environment {P_E} many.ndjson")).exits(0);
    let witness = world.witness("--state w --name witness.example/w1 --vkey key");
    world.file(
        "whowas.toml",
        format!("[[witness]]\nurl = \"http://{}/\"\nvkey = \"{}\"\n", witness.address, witness.link),
    );
    world.serve().kill();
    world.run(&format!("proof --environment {P_E} --position 7 --out p")).exits(0);
    world.run(&format!("mirror --environment {P_E} --out log")).exits(0);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verifiers/check_proof.py");
    let check = || {
        let paths = ["log", "earlier", "p"].map(|name| world.path(name));
        let output = python().arg(&script).args(paths).args([&key, &witness.link]).output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        )
    };
    let (is_right, said) = check();
    assert!(is_right && said.contains("position 7 with"), "{said}");
    let text = fs::read_to_string(world.path("p")).unwrap();
    world.file("p", text.replace("index 7", "index 6"));
    assert!(!check().0, "it must be able to refuse");
}

fn copy(from: &Path, to: &PathBuf) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}
