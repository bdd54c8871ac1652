//! Alarms with the real binary and a receiver of webhooks: told once, over restarts; resolved when it is over.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::script::{P_E, World, column};

/// For what a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(90);

/// Takes everything that is posted to it.
fn hook() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut bytes = Vec::new();
            let mut piece = [0; 4096];
            let body = loop {
                let count = stream.read(&mut piece).unwrap_or(0);
                bytes.extend_from_slice(&piece[..count]);
                let text = String::from_utf8_lossy(&bytes);
                let body = text.split_once("\r\n\r\n").map(|(_, body)| serde_json::from_str::<Value>(body));
                match body {
                    Some(Ok(body)) => break body,
                    _ if count == 0 => return,
                    _ => {}
                }
            };
            let _ = stream.write_all(b"HTTP/1.1 204 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            if sender.send(body).is_err() {
                return;
            }
        }
    });
    (url, receiver)
}

/// Waits until the newest alarm of the list is as it should be and everybody was told.
fn wait_for(world: &World, state: &str) {
    let begin = Instant::now();
    loop {
        let serving = world.serve();
        std::thread::sleep(Duration::from_secs(2));
        serving.kill();
        let all = world.run("--json alarms").lines();
        if all.iter().any(|one| one["state"] == state && one["told_at"].is_string()) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{all:?}");
    }
}

#[test]
fn a_window_that_fails_is_told_once_and_when_it_is_mended() {
    let (url, told) = hook();
    let world = World::with(&["portal.ndjson"]);
    world.file("hook.secret", "0123456789abcdef0123456789abcdef");
    world.file(
        "whowas.toml",
        format!(
            "[[schedule]]\nenvironment = \"{P_E}\"\nname = \"yearly\"\nbegin = \"2025-11-20\"\nevery = \"12m\"\nto = \"offline\"\n\
             [[alarm]]\nname = \"on-call\"\nkinds = [\"failed_window\"]\nurl = \"{url}\"\nsecret_file = \"hook.secret\"\n"
        ),
    );
    let windows = world.json("schedule run");
    let first = windows.iter().find(|window| window["sha256"].is_string()).unwrap();
    let manifest = world.path(first["location"].as_str().unwrap()).join("window.json");
    let good = std::fs::read(&manifest).unwrap();
    wait_for_silence(&world);
    assert!(told.try_recv().is_err(), "nothing is wrong yet");

    // Something else lies where the window should be.
    world.sqlite("DELETE FROM archived");
    std::fs::write(&manifest, b"{}").unwrap();
    world.run("schedule run").exits(1).shows("failed");
    wait_for(&world, "raised");
    let raised = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(raised["type"], "alarm.raised", "{raised}");
    assert_eq!(
        (&raised["data"]["kind"], &raised["data"]["subject"]),
        (&"failed_window".into(), &"yearly".into())
    );
    assert_eq!(raised["data"]["from"], first["from"]);
    let listed = world.run("--json alarms").exits(1).lines();
    assert_eq!(column(&listed, "state"), ["raised"]);
    let position = listed[0]["raised_position"].as_u64().unwrap();
    let said = world.sql(&format!("SELECT action FROM access WHERE position = {position}"));
    assert_eq!(said[0]["action"], "alarm", "{said:?}");

    // Killed and started again: nobody is told twice.
    wait_for_silence(&world);
    assert!(told.try_recv().is_err());

    std::fs::write(&manifest, good).unwrap();
    world.sqlite("DELETE FROM archived");
    world.run("schedule run").exits(0).shows("verified");
    wait_for(&world, "resolved");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap()["type"], "alarm.resolved");
    world.run("alarms").exits(0).shows("resolved");
    wait_for_silence(&world);
    assert!(told.try_recv().is_err());
}

/// Serves for as long as it takes to look once.
fn wait_for_silence(world: &World) {
    let serving = world.serve();
    std::thread::sleep(Duration::from_secs(2));
    serving.kill();
}

#[test]
fn alarms_that_cannot_work_are_refused_at_the_start() {
    let world = World::with(&["portal.ndjson"]);
    world.file("whowas.toml", "[[alarm]]\nname = \"a\"\nkinds = [\"fire\"]\n");
    world.run("serve").exits(2).says("alarm a: kinds: fire: write some of silence");
    world.file("whowas.toml", "[[alarm]]\nname = \"a\"\nurl = \"https://x.example/secret-path\"\n");
    let said = world.run("serve").exits(2).says("alarm a: secret_env or secret_file");
    assert!(!said.stderr.contains("secret-path"), "{}", said.stderr);
}
