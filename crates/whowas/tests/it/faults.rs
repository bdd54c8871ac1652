//! System calls that fail: the n-th fsync, write, rename …, by `strace` on the real binary; and a disk that
//! is full. Never a false acknowledgement, a clear error, and everything goes on once the fault is gone.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    http::Client,
    script::{P_E, World, text},
};

/// Calls that are made to fail in a run before a merge; `WHOWAS_FAULTS=all` goes on until none is left.
const FAULTS: usize = 8;

/// After so many seconds an import is killed: it takes one.
const TIME_LIMIT_S: &str = "20";

/// Runs one import under strace with a fault at the `nth` call; whether the fault came.
fn import_with_fault(world: &World, fault: &str, nth: usize, before: u64) -> bool {
    let log = world.path("strace.log");
    let (calls, error) = fault.split_once(':').unwrap();
    let run = Command::new("strace")
        .args(["-f", "-qq", "-e", &format!("trace={calls}"), "-e"])
        .arg(format!("inject={calls}:error={error}:when={nth}"))
        .arg("-o")
        .arg(&log)
        // A write that fails may be the runtime's, by which one thread wakes another: then nobody wakes.
        .args(["timeout", "--signal=KILL", TIME_LIMIT_S])
        .arg(env!("CARGO_BIN_EXE_whowas"))
        .args(["--json", "import", "--environment", P_E, "logins-week-45.csv"])
        .current_dir(world.path(""))
        .env("WHOWAS_DATA", world.path("data"))
        .env_remove("TZ")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let has_come = fs::read_to_string(&log).unwrap_or_default().contains("(INJECTED)");
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    let printed = String::from_utf8_lossy(&run.stdout).into_owned();
    // What was printed was promised, and so was success.
    let is_promised = run.status.success() || printed.contains("\"recorded\":9");
    assert!(run.status.success() || !said.is_empty(), "{fault} {nth}: it failed and said nothing");
    let found = world.run(&format!("--json sql --environment {P_E} 'SELECT count(*) AS n FROM logins'"));
    let count = match found.code() {
        Some(0) => found.lines()[0]["n"].as_u64().unwrap() - before,
        // No trail yet.
        Some(2) if before == 0 => 0,
        _ => panic!("{fault} {nth}: opening after the fault: {found}"),
    };
    assert!(!is_promised || count == 9, "{fault} {nth}: {count} of 9 after a promise; {said}");
    let [again] = world.json(&format!("import --environment {P_E} logins-week-45.csv")).try_into().unwrap();
    let sum = again["recorded"].as_u64().unwrap() + again["duplicate"].as_u64().unwrap();
    assert_eq!((sum, &again["revised"]), (9, &Value::from(0)), "{fault} {nth}: {again}");
    world.run("verify data").exits(0);
    has_come
}

#[test]
fn a_call_that_fails_is_no_false_promise() {
    let can = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    if !can.is_ok_and(|status| status.success()) {
        println!("skipped: there is no strace here, or it may not trace");
        return;
    }
    let is_all = env::var("WHOWAS_FAULTS").is_ok_and(|value| value == "all");
    let mut counts = Vec::new();
    for fault in [
        "fsync,fdatasync:EIO",
        "pwrite64:ENOSPC",
        "write:ENOSPC",
        "pwrite64:EIO",
        "rename,renameat,renameat2,linkat:EIO",
        "ftruncate:EIO",
        "mkdir,mkdirat:ENOSPC",
    ] {
        let mut came = 0;
        for nth in 1_usize.. {
            // Every fault meets a new trail and one that is there.
            let world = World::new();
            world.fixture("logins-week-45.csv");
            world.fixture("portal.ndjson");
            let before = if nth % 2 == 0 { 4 } else { 0 };
            if before > 0 {
                world.run(&format!("import --environment {P_E} portal.ndjson")).exits(0);
            }
            let has_come = import_with_fault(&world, fault, nth.div_ceil(2), before);
            came += usize::from(has_come);
            if (!has_come && nth % 2 == 0) || (!is_all && nth >= FAULTS) {
                break;
            }
        }
        counts.push((fault, came));
    }
    println!("faults that came: {counts:?}");
    assert!(counts.iter().all(|(_, came)| *came > 0), "{counts:?}");
}

/// A small file system of its own, unmounted when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// ext4 in a file, else a file system in memory; `None` where nobody may mount.
    fn mount(at: &Path, image: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let run = |program: &str, args: &[&str]| {
            Command::new(program)
                .args(args)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|s| s.success())
        };
        let (folder, file) = (at.to_str().unwrap(), image.to_str().unwrap());
        fs::File::create(image).unwrap().set_len(64 << 20).unwrap();
        let is_mounted = (run("mkfs.ext4", &["-q", "-F", file])
            && run("mount", &["-o", "loop", file, folder]))
            || run("mount", &["-t", "tmpfs", "-o", "size=64m", "tmpfs", folder]);
        is_mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn batch(from: usize) -> String {
    let line = |n| {
        format!(
            "{{\"native_id\":\"e-{n}\",\"occurred_at\":\"2026-11-10T09:00:00Z\",\"activity\":\"logon\",\"user\":{{\"name\":\"ada\"}},\"user_agent\":\"{n:0>2000}\"}}\n"
        )
    };
    (from..from + 200).map(line).collect()
}

#[test]
fn a_full_disk_stops_writing_and_not_reading_until_there_is_space() {
    let world = World::new();
    let Some(disk) = SmallDisk::mount(&world.path("data"), &world.path("image")) else {
        println!("skipped: nothing can be mounted here");
        return;
    };
    world.fixture("portal.ndjson");
    world.run(&format!("import --environment {P_E} portal.ndjson")).exits(0);
    let token = |scope: &str| {
        text(&world.json(&format!("token create --scope {scope} --environment {P_E}"))[0], "token")
    };
    let (ingest, read) = (token("ingest"), token("read"));
    let serving = world.serve();
    let path = format!("/api/v1/environments/{P_E}/records");
    let mut client = Client::connect(&serving.address, &ingest).unwrap();
    assert_eq!(client.post(&path, &batch(0)).unwrap().status, 200);
    let filler = world.path("data/filler");
    fill(&filler);
    let mut acknowledged = 200;
    let refused = loop {
        let asked = Instant::now();
        let answer = client.post(&path, &batch(acknowledged)).unwrap();
        if answer.status != 200 {
            assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
            break answer;
        }
        acknowledged += 200;
        assert!(acknowledged < 100_000, "the disk is never full");
    };
    assert_eq!(refused.status, 503, "{}", refused.body);
    let problem: Value = serde_json::from_str(&refused.body).unwrap();
    assert!(text(&problem, "detail").contains("there is no space left"), "{problem}");
    // Reading goes on, and health says what is wrong.
    let mut reader = Client::connect(&serving.address, &read).unwrap();
    let checkpoint = reader.get(&format!("/trails/{P_E}/checkpoint")).unwrap();
    assert_eq!(checkpoint.status, 200);
    let found = reader.get(&format!("/api/v1/environments/{P_E}/logins?from=2026-11-01&limit=1")).unwrap();
    assert_eq!(found.status, 200, "{}", found.body);
    let health = reader.get("/health").unwrap();
    assert_eq!(health.status, 503);
    assert!(health.body.contains(&format!("\"stopped\":[\"{P_E}\"]")), "{}", health.body);
    assert!(health.body.contains(&format!("\"no_space\":[\"{P_E}\"]")), "{}", health.body);
    // It is tried again and again, and stays as it is.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(client.post(&path, &batch(acknowledged)).unwrap().status, 503);
    // Space is freed: the same process goes on by itself, has everything that it promised, and takes the rest.
    fs::remove_file(&filler).unwrap();
    let freed = Instant::now();
    while reader.get("/health").unwrap().status != 200 {
        assert!(freed.elapsed() < Duration::from_secs(30), "the trail does not go on");
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("accepted again {} ms after space was freed", freed.elapsed().as_millis());
    for from in (0..acknowledged).step_by(200) {
        let answer: Value = serde_json::from_str(&client.post(&path, &batch(from)).unwrap().body).unwrap();
        assert_eq!(answer["duplicate"], 200, "{answer}");
    }
    let rest = client.post(&path, &batch(acknowledged)).unwrap();
    assert_eq!(rest.status, 200, "{}", rest.body);
    serving.kill();
    world.run("verify data").exits(0);
    assert_outage_is_told(&world);
    drop(disk);
}

/// Nothing can be added to a full disk, and the outage is known all the same after the server was killed.
#[test]
fn an_outage_outlives_the_server_that_had_it() {
    let world = World::new();
    let Some(disk) = SmallDisk::mount(&world.path("data"), &world.path("image")) else {
        println!("skipped: nothing can be mounted here");
        return;
    };
    world.fixture("portal.ndjson");
    world.run(&format!("import --environment {P_E} portal.ndjson")).exits(0);
    let token = world.json(&format!("token create --scope ingest --environment {P_E}"));
    let serving = world.serve();
    let mut client = Client::connect(&serving.address, &text(&token[0], "token")).unwrap();
    let path = format!("/api/v1/environments/{P_E}/records");
    let filler = world.path("data/filler");
    fill(&filler);
    let mut sent = 0;
    while client.post(&path, &batch(sent)).unwrap().status == 200 {
        sent += 200;
        assert!(sent < 100_000, "the disk is never full");
    }
    // Two tries to go on, each of which notes what was refused until then.
    std::thread::sleep(Duration::from_secs(5));
    serving.kill();
    fs::remove_file(&filler).unwrap();
    world.serve().kill();
    assert_outage_is_told(&world);
    let refused = |rows: Vec<Value>| rows.iter().filter(|row| row.to_string().contains("no_space")).count();
    assert_eq!(refused(world.sql("SELECT * FROM records")), 1);
    // It is told once, however often servers start.
    world.serve().kill();
    assert_eq!(refused(world.sql("SELECT * FROM records")), 1);
    world.run("verify data").exits(0);
    drop(disk);
}

/// Somebody else fills the disk.
fn fill(filler: &Path) {
    let mut file = fs::File::create(filler).unwrap();
    let chunk = vec![7; 1 << 16];
    while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
}

/// The outage is in the trail: from when to when, why, and how much was refused.
#[track_caller]
fn assert_outage_is_told(world: &World) {
    let rows = world.sql("SELECT * FROM records");
    let rows: Vec<String> = rows.iter().map(Value::to_string).filter(|row| row.contains("outage")).collect();
    assert!(!rows.is_empty(), "no record of the outage");
    let told = rows.join("\n");
    for member in ["began_at", "ended_at", "no_space", "refused_records", "refused_submissions"] {
        assert!(told.contains(member), "{told}");
    }
}
