//! Scheduled exports with the real binary: into a folder, an S3 bucket, an Azure container; and back.

use crate::{
    clouds::Emulator,
    script::{P_E, World, column},
};

/// Years, so that a test of later years has few of them.
fn settings(to: &str) -> String {
    format!(
        "[[schedule]]\nenvironment = \"{P_E}\"\nname = \"yearly\"\nbegin = \"2025-11-20\"\nevery = \"12m\"\nto = \"{to}\"\n"
    )
}

#[test]
fn a_trail_comes_back_from_its_archive() {
    let world = World::with(&["portal.ndjson"]);
    world.file("whowas.toml", settings("offline"));
    let listed = world.json("schedule list");
    assert!(column(&listed, "state").contains(&"waiting".to_owned()), "{listed:?}");
    world.run("schedule run").exits(0).shows("verified").shows("upcoming");
    let windows = world.json("schedule run");
    let first = windows.iter().find(|window| window["from"] == "2025-11-20T00:00:00.000Z").unwrap();
    assert_eq!(first["state"], "verified", "{first}");
    assert!(first["rows"].as_u64().unwrap() > 3, "{first}");
    let schedule = format!("offline/{P_E}/yearly");
    let window = first["location"].as_str().unwrap();

    let vkey = format!("data/trails/{P_E}/vkey");
    let verified = world.json(&format!("archive verify {schedule} --vkey {vkey}"));
    assert_eq!(verified[0]["verified"], true);
    assert_eq!(verified[0]["sha256"], first["sha256"]);
    world.run(&format!("archive verify {window} --vkey {vkey}")).exits(0).shows("verified:");
    world.run(&format!("archive verify {schedule}")).exits(2).says("whom do you trust?");
    world.run(&format!("archive verify nowhere --vkey {vkey}")).exits(2).says("window.json");

    // The machine is lost; its key was kept elsewhere.
    let size = first["tree_size"].as_u64().unwrap();
    std::fs::copy(world.path(&format!("data/keys/{P_E}.key")), world.path("kept.key")).unwrap();
    std::fs::copy(world.path(&vkey), world.path("kept.vkey")).unwrap();
    world
        .run(&format!("archive restore {schedule} --key kept.key --vkey kept.vkey"))
        .exits(2)
        .says("already");
    std::fs::rename(world.path("data"), world.path("lost")).unwrap();
    world.run(&format!("archive restore {schedule} --vkey kept.vkey")).exits(2).says("--key");
    let restored = world.json(&format!("archive restore {schedule} --key kept.key --vkey kept.vkey"));
    assert_eq!((&restored[0]["size"], &restored[0]["is_same_key"]), (&size.into(), &true.into()));
    world.run("verify data --vkey kept.vkey").exits(0).shows("verified");
    let rows = world.json(&format!("search --environment {P_E} --from 2026-01-01 --to 2026-11-20"));
    assert!(!rows.is_empty());
    // What is in the archive is found there.
    let again = world.json("schedule run");
    let found = again.iter().find(|window| window["from"] == first["from"]).unwrap();
    assert_eq!((&found["sha256"], &found["state"]), (&first["sha256"], &first["state"]));

    // One byte, and nothing is restored from it.
    let folder = world.path(window);
    let records = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let records = records.into_iter().find(|path| path.to_string_lossy().contains("records-")).unwrap();
    let mut bytes = std::fs::read(&records).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&records, bytes).unwrap();
    world.run(&format!("archive verify {schedule} --vkey kept.vkey")).exits(4);
    std::fs::rename(world.path("data"), world.path("second")).unwrap();
    let refused = world.run(&format!("archive restore {schedule} --key kept.key --vkey kept.vkey")).exits(4);
    refused.says("another size or SHA-256");
    assert!(!world.path("data").exists() && !world.path("data.restoring").exists());
}

#[test]
fn settings_that_cannot_work_are_refused_at_the_start() {
    let world = World::with(&["portal.ndjson"]);
    world.file("whowas.toml", settings("ftp://x"));
    world.run("schedule list").exits(2).says("write a folder");
    world.file("whowas.toml", format!("{}{}", settings("a"), settings("b")));
    world.run("schedule list").exits(2).says("two with the name yearly");
    world.file(
        "whowas.toml",
        format!("{}[[webhook]]\nurl = \"http://x.example/secret-path\"\n", settings("a")),
    );
    let said = world.run("schedule run").exits(2).says("webhook 1: secret_env or secret_file");
    assert!(!said.stderr.contains("secret-path"), "{}", said.stderr);
    world.file("whowas.toml", "");
    world.run("schedule run").exits(2).says("no [[schedule]]");
}

/// The whole way through a storage that is not a folder.
fn through(world: &World, to: &str, variables: &[(&str, &str)]) {
    let variables = &[variables, &[("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1")]].concat();
    world.file("whowas.toml", settings(to));
    world.run_in("schedule run", variables).exits(0).shows("verified");
    let listed = world.run_in("--json schedule list", variables).exits(0).lines();
    let written = listed.iter().find(|window| window["sha256"].is_string()).unwrap();
    let schedule = format!("{to}/{P_E}/yearly");
    std::fs::copy(world.path(&format!("data/trails/{P_E}/vkey")), world.path("kept.vkey")).unwrap();
    std::fs::copy(world.path(&format!("data/keys/{P_E}.key")), world.path("kept.key")).unwrap();
    let verify = format!("--json archive verify {schedule} --vkey kept.vkey");
    let verified = world.run_in(&verify, variables).exits(0).lines();
    assert_eq!(verified[0]["sha256"], written["sha256"]);
    // What is known of it is lost: the window is found, not written again and not overwritten.
    world.sqlite("DELETE FROM archived");
    world.run_in("schedule run", variables).exits(0);
    let listed = world.run_in("--json schedule list", variables).exits(0).lines();
    assert!(listed.iter().any(|window| window["sha256"] == written["sha256"]), "{listed:?}");
    std::fs::rename(world.path("data"), world.path("lost")).unwrap();
    let restore = format!("--json archive restore {schedule} --key kept.key --vkey kept.vkey");
    let restored = world.run_in(&restore, variables).exits(0).lines();
    assert_eq!(restored[0]["size"], written["tree_size"]);
    world.run("verify data --vkey kept.vkey").exits(0);
}

#[test]
fn windows_go_to_an_s3_bucket() {
    let Some(s3) = Emulator::s3() else { return };
    s3.create("s3", "", "kept");
    let endpoint = format!("http://127.0.0.1:{}", s3.port);
    let world = World::with(&["portal.ndjson"]);
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ];
    through(&world, "s3://kept/off/line", &variables);
}

#[test]
fn windows_go_to_an_azure_container() {
    let folder = tempfile::tempdir().unwrap();
    let Some(azure) = Emulator::azure(folder.path()) else { return };
    azure.create("azure", "/devstoreaccount1", "kept");
    let endpoint = format!("http://127.0.0.1:{}", azure.port);
    let world = World::with(&["portal.ndjson"]);
    let variables = [("AZURE_STORAGE_USE_EMULATOR", "true"), ("AZURITE_BLOB_STORAGE_URL", endpoint.as_str())];
    through(&world, "az://kept/off/line", &variables);
}
