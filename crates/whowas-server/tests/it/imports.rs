//! Files over HTTP.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use whowas_store::control::Scope;

use crate::world::{World, api, environment, logins};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_file_is_imported_once() {
    let world = World::new().await;
    let token = world.token(Scope::Ingest, None).await;
    let import =
        |body: Vec<u8>| world.post(&api("imports?file=week.ndjson.gz")).bearer(&token).body(body).send();
    let response = import(gzip(logins(5_000).as_bytes())).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let summary = response.json()["files"][0].clone();
    assert_eq!((summary["format"].as_str(), summary["read"].as_u64()), (Some("whowas-event"), Some(5_000)));
    assert_eq!((summary["recorded"].as_u64(), summary["first_position"].as_u64()), (Some(5_000), Some(0)));
    // Beside the records: what was read, and who did it.
    assert_eq!(world.trail().await.snapshot().size, 5_002);
    let again = import(gzip(logins(5_000).as_bytes())).await.json();
    assert_eq!(
        (again["files"][0]["recorded"].as_u64(), again["files"][0]["duplicate"].as_u64()),
        (Some(0), Some(5_000))
    );
    assert_eq!(world.trail().await.snapshot().size, 5_003, "who did it, and nothing else");
    world.end().await;
}

#[tokio::test]
async fn a_gzip_bomb_is_too_large() {
    let world = World::new().await;
    let token = world.token(Scope::Ingest, None).await;
    // A record, and a gigabyte of spaces in a megabyte.
    let spaces = gzip(&vec![b' '; 1 << 20]).repeat(1 << 10);
    let bomb = [gzip(logins(1).as_bytes()), spaces].concat();
    assert!(bomb.len() < 2 << 20, "{}", bomb.len());
    for path in ["imports?file=bomb.gz", "records"] {
        let started = Instant::now();
        let response = world.post(&api(path)).bearer(&token).body(bomb.clone()).send().await;
        let took = started.elapsed();
        assert_eq!(response.status, 413, "{}", response.text());
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
        let problem = response.json();
        assert_eq!([&problem["title"], &problem["status"]], [&json!("Payload Too Large"), &json!(413)]);
        assert!(problem["detail"].as_str().unwrap().contains("bomb"), "{problem}");
        assert!(problem["operation_id"].is_string());
        assert!(took < Duration::from_secs(1), "{path}: {took:?}");
    }
    assert_eq!(world.trail().await.poisoned(), None);
    world.end().await;
}

#[tokio::test]
async fn what_is_no_file_of_ours_is_refused_with_the_reason() {
    let world = World::new().await;
    let token = world.token(Scope::Ingest, None).await;
    let cut = gzip(logins(2_000).as_bytes());
    for (body, reason) in [
        (cut[..cut.len() / 2].to_vec(), "too early"),
        (b"hello world, how are you".to_vec(), "not recognised"),
        (Vec::new(), "empty"),
    ] {
        let response = world.post(&api("imports")).bearer(&token).body(body).send().await;
        assert_eq!(response.status, 400, "{reason}: {}", response.text());
        assert!(response.text().contains(reason), "{reason}: {}", response.text());
    }
    for bad in ["source_timezone=Mars/Olympus", "date_order=ymd", "format=nothing"] {
        let response = world.post(&api(&format!("imports?{bad}"))).bearer(&token).body("{}").send().await;
        assert_eq!(response.status, 400, "{bad}: {}", response.text());
    }
    assert_eq!(world.trail().await.poisoned(), None);
    world.end().await;
}

#[tokio::test]
async fn rejected_records_are_kept_and_can_be_tried_again() {
    let world = World::new().await;
    let body = "UserId,LogoutDateTime,CreatedDateTime,SessionId,Computername\r\n\
                alice,2025-03-13T09:00:00Z,3/12/2025 7:22,7,PC1\r\n\
                bob,2025-03-13T09:00:00Z,2025-03-12T07:22:00Z,8,PC2\r\n";
    let token = world.token(Scope::Ingest, None).await;
    let response = world.post(&api("imports?file=log.csv")).bearer(&token).body(body).send().await;
    assert_eq!(response.status, 200, "{}", response.text());
    let summary = response.json()["files"][0].clone();
    assert_eq!(summary["rejected"], 1, "{summary}");
    let control = world.store.control();
    let rejected = control.rejected(&environment(), 0, 9).await.unwrap();
    assert_eq!((rejected.len(), rejected[0].line, rejected[0].input.as_str()), (1, Some(2), "log.csv"));

    let trail = world.trail().await;
    let mut options = whowas_collect::ImportOptions::default();
    let same = whowas_collect::retry_rejected(&trail, control, &options).await.unwrap();
    assert_eq!((same.retried, same.rejected, same.recorded), (1, 1, 0));
    options.read.date_order = Some(whowas_format::DateOrder::DayMonthYear);
    let now = whowas_collect::retry_rejected(&trail, control, &options).await.unwrap();
    assert_eq!((now.retried, now.rejected), (1, 0));
    assert!(now.recorded > 0);
    assert!(control.rejected(&environment(), 0, 9).await.unwrap().is_empty());
    world.end().await;
}
