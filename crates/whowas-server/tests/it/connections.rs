//! Connections that are slow, many, or open to the world.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use whowas_server::{Limits, Options, ServeError, Server};
use whowas_store::control::Scope;

use crate::{
    client::Response,
    world::{World, api, logins},
};

/// Enough for a slow machine, and far below the defaults.
const PATIENCE: Duration = Duration::from_secs(20);

fn short() -> Limits {
    let tenth = Duration::from_millis(200);
    Limits { header_timeout: tenth, body_idle_timeout: tenth, write_timeout: tenth, ..Limits::default() }
}

async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server cuts it");
    bytes
}

#[tokio::test]
async fn slow_headers_are_cut() {
    let world = World::with_limits(short()).await;
    for beginning in ["", "GET / HTTP/1.1\r\nHost: x\r\n", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let begun = Instant::now();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        // A header that drips in for ever is no excuse.
        let (mut reading, mut writing) = stream.into_split();
        let drip = tokio::spawn(async move {
            while !beginning.is_empty()
                && !beginning.ends_with("\r\n\r\n")
                && writing.write_all(b"X").await.is_ok()
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            tokio::time::sleep(PATIENCE).await;
        });
        let mut bytes = Vec::new();
        let _ = timeout(PATIENCE, reading.read_to_end(&mut bytes)).await.expect("the server cuts it");
        drip.abort();
        assert!(begun.elapsed() >= Duration::from_millis(190), "{beginning}");
    }
    world.end().await;
}

#[tokio::test]
async fn slow_bodies_are_cut() {
    let world = World::with_limits(short()).await;
    let token = world.token(Scope::Ingest, None).await;
    for resource in ["records", "imports"] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 1000\r\n\r\n{{",
            api(resource)
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let response = Response::parse(&read_to_end(&mut stream).await).unwrap();
        assert_eq!(response.status, 408, "{}", response.text());
    }
    world.end().await;
}

#[tokio::test]
async fn answers_that_nobody_reads_are_given_up() {
    let world = World::with_limits(Limits { connections_max: 1, ..short() }).await;
    assert_eq!(world.append(&logins(12_000)).await.status, 200);
    let token = world.token(Scope::Read, None).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n",
        api("export?as=jsonl")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The only connection there may be is never read; another is served once it was given up.
    let health = timeout(PATIENCE, world.get("/health").send()).await.expect("there is room again");
    assert_eq!(health.status, 200);
    drop(stream);
    world.end().await;
}

#[tokio::test]
async fn idle_connections_make_room() {
    // Idle ones are not cut by time in this test.
    let world = World::with_limits(Limits { connections_max: 8, ..Limits::default() }).await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(world.address).await.unwrap());
    }
    let health = timeout(PATIENCE, world.get("/health").send()).await.expect("it is served among them");
    assert_eq!(health.status, 200);
    // The newest idle ones are still there, the oldest were closed without a word.
    assert_eq!(read_to_end(&mut idle[0]).await, b"");
    let mut newest = idle.pop().unwrap();
    newest.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert_eq!(Response::parse(&read_to_end(&mut newest).await).unwrap().status, 200);
    world.end().await;
}

#[tokio::test]
async fn slow_clients_and_idle_ones_do_not_stop_it() {
    let world = World::with_limits(Limits { connections_max: 160, ..Limits::default() }).await;
    let token = world.token(Scope::Ingest, Some("contoso/production")).await;
    let mut held = Vec::new();
    for n in 0..400 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        if n < 100 {
            // A body of which a byte comes now and then.
            let head = format!(
                "POST /v1/logs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
        }
        held.push(stream);
    }
    let begun = Instant::now();
    for _ in 0..20 {
        let body = "{\"resourceLogs\":[]}";
        let answer =
            world.post("/v1/logs").bearer(&token).header("Content-Type", "application/json").body(body);
        assert_eq!(timeout(PATIENCE, answer.send()).await.unwrap().status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for slow in held.iter_mut().take(100) {
        slow.write_all(b" ").await.unwrap();
    }
    drop(held);
    world.end().await;
}

#[tokio::test]
async fn requests_in_hand_keep_their_connections() {
    let world = World::with_limits(Limits { connections_max: 2, ..Limits::default() }).await;
    let token = world.token(Scope::Ingest, None).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let record = logins(1);
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
            api("records"),
            record.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        busy.push((stream, record));
    }
    let third = tokio::spawn(world.get("/health").send());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!third.is_finished(), "there is no room, and nobody is idle");
    for (mut stream, record) in busy {
        stream.write_all(record.as_bytes()).await.unwrap();
        assert_eq!(Response::parse(&read_to_end(&mut stream).await).unwrap().status, 200);
    }
    assert_eq!(timeout(PATIENCE, third).await.unwrap().unwrap().status, 200);
    world.end().await;
}

#[tokio::test]
async fn heads_and_small_bodies_are_bounded() {
    let world = World::new().await;
    let long = world.get(&format!("/?{}", "x".repeat(70_000))).send().await;
    assert!([414, 431].contains(&long.status), "{}", long.status);
    let admin = world.token(Scope::Admin, None).await;
    let big = serde_json::json!({ "scope": "read", "source": "x".repeat(100_000) });
    let response = world.post("/api/v1/tokens").bearer(&admin).json(big).send().await;
    assert_eq!(response.status, 413, "{}", response.text());
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").await.unwrap();
    assert_eq!(Response::parse(&read_to_end(&mut stream).await).unwrap().status, 400);
    world.end().await;
}

#[tokio::test]
async fn only_loopback_without_tls() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new().await;
    let store = Arc::clone(&world.store);
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let options = Options { listen: listen.parse().unwrap(), tls: None, limits: Limits::default() };
        let refused = Server::bind(store.clone(), options).await;
        assert!(matches!(refused, Err(ServeError::TlsRequired(_))), "{listen}");
    }
    let missing = whowas_server::TlsFiles {
        certificate: folder.path().join("certificate.pem"),
        key: folder.path().join("key.pem"),
    };
    let options =
        Options { listen: "0.0.0.0:0".parse().unwrap(), tls: Some(missing), limits: Limits::default() };
    let refused = Server::bind(store, options).await;
    assert!(matches!(&refused, Err(ServeError::Tls(text)) if text.contains("certificate.pem")));
    world.end().await;
}

#[tokio::test]
async fn a_request_in_hand_is_answered_when_the_server_ends() {
    let world = World::new().await;
    let token = world.token(Scope::Ingest, None).await;
    let lines = logins(1);
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        api("records"),
        lines.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).await.unwrap();
    assert!(first.starts_with(b"HTTP/1.1 100 Continue"), "the handler runs");
    let address = world.address;
    let ending = tokio::spawn(world.end());
    // No new connections, but the one in hand is served.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(lines.as_bytes()).await.unwrap();
    let response = Response::parse(&read_to_end(&mut stream).await).unwrap();
    assert_eq!((response.status, response.json()["recorded"].as_u64()), (200, Some(1)));
    ending.await.unwrap();
}
