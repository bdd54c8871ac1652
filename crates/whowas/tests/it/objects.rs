//! Object storage as a source: blobs that grow within their hour, read by a server that is killed again and again.

use std::{collections::BTreeSet, fmt::Write, thread, time::Duration};

use serde_json::json;

use crate::{
    clouds::Emulator,
    script::{P_E, World, column},
};

/// Blobs: of two categories, two hours each.
const BLOBS: [&str; 4] = ["a/h=07", "a/h=08", "b/h=07", "b/h=08"];
/// How often each grows, and by how many records.
const ROUNDS: usize = 4;
const RECORDS: usize = 30;
/// A last server reads for so long at most.
const LAST_SECONDS: usize = 60;

/// What a blob has in one round: everything from before, and more.
fn blob(no: usize, round: usize) -> String {
    (0..(round + 1) * RECORDS).fold(String::new(), |mut text, n| {
        let record = json!({
            "uuid": format!("{no}-{n}"), "published": format!("2026-11-23T07:{:02}:{:02}Z", n / 60, n % 60),
            "eventType": "user.session.start", "outcome": {"result": "SUCCESS"},
            "actor": {"id": format!("u{n}"), "type": "User", "alternateId": format!("user{n}@contoso.example")},
        });
        writeln!(text, "{record}").unwrap();
        text
    })
}

/// Grows the blobs while servers read them and are killed, and says what is in the trail.
fn read_through(
    world: &World,
    source: &str,
    variables: &[(&str, &str)],
    put: impl Fn(&str, &std::path::Path),
) {
    world.file(
        "whowas.toml",
        format!("[[source]]\nenvironment = \"{P_E}\"\nkind = \"object-storage\"\nname = \"blobs\"\nurl = \"{source}\"\n"),
    );
    let variables = [variables, &[("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1")]].concat();
    let serve = || world.serve_by(|command| command.envs(variables.iter().copied()));
    let ids = || column(&world.sql("SELECT native_id FROM records WHERE kind = 'login'"), "native_id");
    for round in 0..ROUNDS {
        for (no, name) in BLOBS.iter().enumerate() {
            world.file("blob", blob(no, round));
            put(&format!("insights/{name}/PT1H.json"), &world.path("blob"));
        }
        // Somewhere between the listing and the last commit.
        for pause_ms in [40, 150, 400] {
            let serving = serve();
            thread::sleep(Duration::from_millis(pause_ms * (round as u64 + 1)));
            serving.kill();
        }
    }
    let want = BLOBS.len() * ROUNDS * RECORDS;
    let mut found = Vec::new();
    // A server looks as soon as it runs, so what it needs is a moment.
    for seconds in (1..LAST_SECONDS).step_by(5) {
        let serving = serve();
        thread::sleep(Duration::from_secs(seconds as u64));
        serving.kill();
        found = ids();
        if found.len() >= want {
            break;
        }
    }
    assert_eq!(found.len(), want, "lost or doubled");
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), want, "each once");
    let tested = world.run_in("source test blobs --json", &variables).exits(0).lines();
    assert_eq!(
        (&tested[0]["page"]["format"], &tested[0]["ok"]),
        (&json!("okta-log"), &json!(true)),
        "{tested:?}"
    );
    world.run("verify data").exits(0);
}

#[test]
fn an_s3_prefix_is_read_while_it_grows_and_servers_die() {
    let Some(s3) = Emulator::s3() else { return };
    s3.create("s3", "", "logs");
    let endpoint = format!("http://127.0.0.1:{}", s3.port);
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ];
    let put = |name: &str, file: &std::path::Path| s3.put("s3", "", &format!("logs/{name}"), file);
    read_through(&World::new(), "s3://logs/insights", &variables, put);
}

#[test]
fn an_azure_container_is_read_while_it_grows_and_servers_die() {
    let folder = tempfile::tempdir().unwrap();
    let Some(azure) = Emulator::azure(folder.path()) else { return };
    azure.create("azure", "/devstoreaccount1", "logs");
    let endpoint = format!("http://127.0.0.1:{}", azure.port);
    let variables = [("AZURE_STORAGE_USE_EMULATOR", "true"), ("AZURITE_BLOB_STORAGE_URL", endpoint.as_str())];
    let put = |name: &str, file: &std::path::Path| {
        azure.put("azure", "/devstoreaccount1", &format!("logs/{name}"), file);
    };
    read_through(&World::new(), "az://logs/insights", &variables, put);
}
