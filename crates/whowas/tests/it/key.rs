//! A trail that gets a new key, seen by those who trust the old one.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::script::{P_E, World, text};

fn rotate(statement: &str) -> String {
    format!("key rotate --environment {P_E} --reason yearly --statement {statement}")
}

fn vkey(world: &World) -> String {
    world.run(&format!("key show --environment {P_E}")).exits(0).stdout.trim().to_owned()
}

#[test]
fn whoever_trusts_the_old_key_follows_to_the_new_one() {
    let world = World::with(&["portal.ndjson"]);
    let old = vkey(&world);
    world.run(&format!("proof --environment {P_E} --position 0 --out old.tlog-proof")).exits(0);
    world.run(&format!("mirror --environment {P_E} --out before")).exits(0);
    fs::copy(world.path("before/checkpoint"), world.path("kept")).unwrap();
    world.run(&rotate("first")).exits(0).says("Tell your witnesses the new key");
    let middle = vkey(&world);
    assert_ne!(old, middle);
    let secret = world.path("data/keys/contoso/production.key");
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!world.path("data/keys/contoso/production.key.next").exists());
    world.run(&rotate("second")).exits(0);
    let new = vkey(&world);
    world.fixture("logins-week-45.csv");
    world.run(&format!("import --environment {P_E} logins-week-45.csv")).exits(0);
    world.run(&format!("proof --environment {P_E} --position 0 --out new.tlog-proof")).exits(0);
    world.run(&format!("mirror --environment {P_E} --out after")).exits(0);

    // The old proof stays what it was; the new one needs the way from the old key.
    world.run(&format!("verify old.tlog-proof --vkey {old}")).exits(0);
    world.run(&format!("verify new.tlog-proof --vkey {new}")).exits(0);
    world.run(&format!("verify new.tlog-proof --vkey {old}")).exits(4);
    world.run(&format!("verify new.tlog-proof --vkey {old} --rotation first --rotation second")).exits(0);
    world.run(&format!("verify new.tlog-proof --vkey {old} --rotation first")).exits(4);
    world.run(&format!("verify new.tlog-proof --vkey {old} --rotation second")).exits(2);
    world
        .run(&format!("verify new.tlog-proof --vkey {old} --rotation old.tlog-proof"))
        .exits(2)
        .says("does not say that the key");
    world
        .run(&format!("verify after --vkey {old} --rotation first --rotation second --checkpoint kept"))
        .exits(0);
    world.run(&format!("verify after --vkey {new}")).exits(0);
    // The folder knows which keys it had.
    world.run("verify data --checkpoint kept").exits(0);
    world.run(&format!("verify data --vkey {new}")).exits(0);
    let kinds = world.sql("SELECT kind FROM records");
    assert_eq!(kinds.iter().filter(|row| row["kind"] == "key").count(), 2);
}

/// A log is checked where it is served, by whoever has its key.
#[test]
fn a_live_log_is_verified_over_http() {
    let world = World::with(&["portal.ndjson"]);
    let vkey = vkey(&world);
    world.file("many.ndjson", (0..600).map(|n| format!("{{\"native_id\":\"m-{n}\",\"occurred_at\":\"2026-11-10T09:00:00Z\",\"activity\":\"logon\"}}\n")).collect::<String>());
    world.run(&format!("import --environment {P_E} many.ndjson")).exits(0);
    let token = text(&world.json(&format!("token create --scope read --environment {P_E}"))[0], "token");
    world.run(&format!("mirror --environment {P_E} --out copy")).exits(0);
    let serving = world.serve();
    let url = format!("http://{}/trails/{P_E}", serving.address);
    world.run(&format!("verify {url} --vkey {vkey}")).exits(0).shows("not checked: the entries");
    let [report] = world
        .json(&format!("verify {url} --vkey {vkey} --token {token} --checkpoint copy/checkpoint"))
        .try_into()
        .unwrap();
    assert_eq!((&report["verified"], &report["leaves"]), (&true.into(), &report["size"]), "{report}");
    let stranger =
        "whowas.localhost/contoso/production+687f6e83+AflLwcWzizaWS7IzN1UaJ/xPgBvVzFOk6H56LdVMTVsk";
    world.run(&format!("verify {url} --vkey {stranger}")).exits(4);
    world.run(&format!("verify {url}/nothing --vkey {vkey}")).exits(2).says("there is no log here");
    world.run(&format!("verify {url}")).exits(2).says("whom do you trust?");
    // A flipped bit is served as it lies there, and is found.
    let tile = world.path("data/trails/contoso/production/tile/0/000");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[70] ^= 1;
    fs::write(&tile, bytes).unwrap();
    world.run(&format!("verify {url} --vkey {vkey}")).exits(4).shows("BROKEN");
    drop(serving);
}

/// Wherever a rotation is killed, the stopped folder is not broken: a rotation is pending, and which end it
/// will have is said.
#[test]
fn a_rotation_that_was_killed_is_pending_and_not_broken() {
    let can = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    if !can.is_ok_and(|status| status.success()) {
        println!("skipped: there is no strace here, or it may not trace");
        return;
    }
    let world = World::with(&["portal.ndjson"]);
    let old = vkey(&world);
    world.run(&format!("mirror --environment {P_E} --out before")).exits(0);
    fs::copy(world.path("before/checkpoint"), world.path("kept")).unwrap();
    Command::new("cp").arg("-r").arg(world.path("data")).arg(world.path("whole")).status().unwrap();
    let (mut undone, mut completed) = (0, 0);
    for step in 1.. {
        assert!(step < 200, "the rotation does not end");
        fs::remove_dir_all(world.path("data")).unwrap();
        Command::new("cp").arg("-r").arg(world.path("whole")).arg(world.path("data")).status().unwrap();
        let calls = "fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat";
        let run = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e"])
            .arg(format!("inject={calls}:signal=KILL:when={step}"))
            .arg(env!("CARGO_BIN_EXE_whowas"))
            .args(rotate("statement").split(' '))
            .current_dir(world.path(""))
            .env("WHOWAS_DATA", world.path("data"))
            .env_remove("TZ")
            .output()
            .unwrap();
        let verified = world.run("verify data --checkpoint kept").exits(0);
        let is_pending = verified.stdout.contains("pending: a rotation of the key");
        let next = world.path("data/keys/contoso/production.key.next");
        // A key that was cut while it was written is none, and has never signed.
        assert!(!is_pending || next.exists(), "{step}: {verified}");
        let will_complete = verified.stdout.contains("completes it");
        world.run(&format!("search --environment {P_E} --from 2026-11-01")).exits(0);
        let is_new = vkey(&world) != old;
        assert!(!is_pending || will_complete == is_new, "{step}: {verified}");
        assert!(!next.exists(), "{step}");
        world.run("verify data --checkpoint kept").exits(0);
        undone += usize::from(is_pending && !is_new);
        completed += usize::from(is_pending && is_new);
        if run.status.success() {
            break;
        }
    }
    println!("pending rotations: {undone} undone, {completed} completed");
    assert!(undone > 0 && completed > 0, "{undone} undone, {completed} completed");
}

/// Wherever a rotation is killed, the trail has one key afterward, and goes on.
#[test]
fn a_rotation_that_was_killed_is_completed_or_undone() {
    let world = World::with(&["portal.ndjson"]);
    let old = vkey(&world);
    Command::new("cp").arg("-r").arg(world.path("data")).arg(world.path("whole")).status().unwrap();
    let (mut before, mut after) = (0, 0);
    for step in 0.. {
        fs::remove_dir_all(world.path("data")).unwrap();
        Command::new("cp").arg("-r").arg(world.path("whole")).arg(world.path("data")).status().unwrap();
        let ms = 4 + step * 8;
        let has_ended = world.killed_after(&rotate("statement"), ms);
        world.run(&format!("search --environment {P_E} --from 2026-11-01")).exits(0);
        assert!(!world.path("data/keys/contoso/production.key.next").exists(), "{ms} ms");
        if vkey(&world) == old {
            before += 1
        } else {
            after += 1
        }
        world.run("verify data").exits(0);
        if has_ended {
            break;
        }
    }
    assert!(before > 0 && after > 0, "{before} before, {after} after");
}
