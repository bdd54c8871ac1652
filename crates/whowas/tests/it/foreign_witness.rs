//! A witness that is not ours, `aics-witness` from PyPI, cosigns our log and remembers it.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    http::Client,
    script::{P_E, World, text},
};

const NAME: &str = "witness.fabrikam.example/w1";

/// The package's own command line; `None` where it is not installed.
fn witness(world: &World, arguments: &[&str]) -> Option<Command> {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/witness/python");
    if !packages.join("aics_witness").is_dir() {
        return None;
    }
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages).args(["-m", "aics_witness.cli"]).args(arguments);
    command.args(["--config", "witness.json"]).current_dir(world.path(""));
    command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped());
    Some(command)
}

/// The witness while it runs, and its address.
struct Running(Child, String);

impl Running {
    fn start(world: &World) -> Self {
        let mut child = witness(world, &["serve"]).unwrap().spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = said
            .find_map(|line| {
                let line = line.unwrap();
                Some(line.split_once("listening on ")?.1.split(' ').next()?.to_owned())
            })
            .expect("the witness does not say where it listens");
        // Somebody must take what it goes on saying.
        std::thread::spawn(move || said.for_each(drop));
        Self(child, address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a checkpoint with so many signatures.
fn checkpoint(client: &mut Client, signatures: usize) -> String {
    let asked = Instant::now();
    loop {
        let note = client.get(&format!("/trails/{P_E}/checkpoint")).unwrap().body;
        if note.matches("\n— ").count() == signatures {
            return note;
        }
        assert!(asked.elapsed() < Duration::from_secs(20), "{note}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_witness_from_pypi_cosigns_our_log_and_stops_an_older_one() {
    let world = World::with(&["logins-week-45.csv"]);
    let Some(mut init) = witness(&world, &["init", "--name", NAME, "--listen", "127.0.0.1:0"]) else {
        println!("skipped: aics-witness is not in target/witness/python (scripts/test.sh installs it)");
        return;
    };
    let made = init.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let witness_key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let key = text(&world.json(&format!("key show --environment {P_E}"))[0], "vkey");
    let origin = format!("whowas.localhost/{P_E}");
    let added = witness(&world, &["add-log", "--origin", &origin, "--vkey", &key]).unwrap().output().unwrap();
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let running = Running::start(&world);
    world.file("whowas.toml", format!("[[witness]]\nurl = \"{}/\"\nvkey = \"{witness_key}\"\n", running.1));
    let copied = Command::new("cp").arg("-r").arg(world.path("data")).arg(world.path("backup")).status();
    assert!(copied.unwrap().success());
    let token = text(&world.json(&format!("token create --scope ingest --environment {P_E}"))[0], "token");

    let serving = world.serve();
    let mut client = Client::connect(&serving.address, &token).unwrap();
    checkpoint(&mut client, 2);
    // It follows as the trail grows, by proofs of consistency; through tiles that fill up, too.
    for round in 0..4 {
        let record = |n| {
            let record = json!({ "native_id": format!("{round}-{n}"), "occurred_at": "2026-11-10T09:00:00Z", "activity": "logon" });
            format!("{record}\n")
        };
        let body: String = (0..150).map(record).collect();
        let answer = client.post(&format!("/api/v1/environments/{P_E}/records"), &body).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let note = checkpoint(&mut client, 2);
        assert!(note.contains(&format!("\n— {NAME} ")), "{note}");
    }
    serving.kill();

    // A verifier that asks for it is convinced, and not without it.
    world.run(&format!("proof --environment {P_E} --position 300 --out p")).exits(0);
    world.file("policy", format!("log {key}\nwitness fabrikam {witness_key}\nquorum fabrikam\n"));
    world.run("verify p --policy policy").exits(0).shows("cosigned by fabrikam at 20");
    let whole = fs::read_to_string(world.path("p")).unwrap();
    let bare: String = whole.split_inclusive('\n').filter(|line| !line.starts_with("— witness")).collect();
    world.file("bare", bare);
    world.run("verify bare --policy policy").exits(4).shows("too few witnesses have cosigned");

    // An older state of the same trail is stopped before its first append: the witness remembers.
    fs::remove_dir_all(world.path("data")).unwrap();
    fs::rename(world.path("backup"), world.path("data")).unwrap();
    let serving = world.serve();
    let mut client = Client::connect(&serving.address, "").unwrap();
    let health = client.get("/health").unwrap();
    assert_eq!(health.status, 503, "{}", health.body);
    assert!(health.body.contains(P_E) && health.body.contains("\"no_space\":[]"), "{}", health.body);
    drop(running);
}
