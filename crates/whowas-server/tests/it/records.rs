//! Native records in, searches and exports out.

use whowas_event::{
    Draft, Event, NativeId,
    admit::{RawData, admit},
};
use whowas_store::{Batch, POOL_RECORDS_MAX, WhenFull, control::Scope};

use crate::{
    client::Request,
    world::{World, api, login, logins},
};

#[tokio::test]
async fn records_come_back_from_a_search() {
    let world = World::new().await;
    let response = world.append(&logins(10)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let ack = response.json();
    let counts = ["recorded", "duplicate", "revised", "rejected", "first_position", "tree_size"];
    assert_eq!(counts.map(|count| ack[count].as_u64().unwrap()), [10, 0, 0, 0, 0, 10]);
    assert_eq!(ack.as_object().unwrap().len(), counts.len());

    // Again, with one changed and one that is no record.
    let again =
        logins(9) + &login(9, "somebody", "2026-11-23T08:00:00Z") + "{\"occurred_at\":\"yesterday\"}\n";
    let ack = world.append(&again).await.json();
    assert_eq!(counts.map(|count| ack[count].as_u64().unwrap()), [1, 9, 1, 1, 10, 11]);
    let rejected = world.store.control().rejected(&crate::world::environment(), 0, 9).await.unwrap();
    assert_eq!((rejected.len(), rejected[0].line), (1, Some(11)));

    let read = world.token(Scope::Read, None).await;
    let search = |query: &str| world.get(&api(&format!("logins?{query}"))).bearer(&read);
    let page = search("limit=4").send().await.json();
    assert_eq!((page["total"].as_u64(), page["rows"].as_array().unwrap().len()), (Some(11), 4));
    assert!(page["from"].as_str().unwrap().starts_with("2026-11-17T12:00:00.00"));
    let next = page["next"].as_str().unwrap();
    let older = search(&format!("limit=10&page={next}")).send().await.json();
    assert_eq!((older["rows"].as_array().unwrap().len(), older["next"].is_null()), (7, true));
    let one = search("filter=user:somebody&from=-2d").send().await.json();
    assert_eq!((one["total"].as_u64(), one["rows"][0]["revision"].as_u64()), (Some(1), Some(1)));
    for bad in ["query=nothing", "from=3/12/2025", "filter=nobody:knows", "limit=x", "page=x"] {
        let response = search(bad).send().await;
        assert_eq!(response.status, 400, "{bad}: {}", response.text());
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
    }
    world.end().await;
}

#[tokio::test]
async fn a_long_body_is_streamed() {
    let world = World::new().await;
    // Several batches, far above what is read at once.
    let ack = world.append(&logins(10_000)).await.json();
    assert_eq!((ack["recorded"].as_u64(), ack["tree_size"].as_u64()), (Some(10_000), Some(10_000)));
    assert_eq!(world.append("").await.json()["recorded"], 0);
    world.end().await;
}

#[tokio::test]
async fn many_small_requests_share_their_commits() {
    let world = World::new().await;
    let token = world.token(Scope::Ingest, None).await;
    let requests = (0..64).map(|id| {
        let line = login(id, "alice", "2026-11-23T08:00:00Z");
        world.post(&api("records")).bearer(&token).body(line).send()
    });
    let responses = futures::future::join_all(requests).await;
    let mut positions: Vec<u64> =
        responses.iter().map(|response| response.json()["first_position"].as_u64().unwrap()).collect();
    positions.sort_unstable();
    assert_eq!(positions, (0..64).collect::<Vec<_>>());
    assert!(world.trail().await.commits() < 64);
    world.end().await;
}

#[tokio::test]
async fn a_busy_trail_says_when_to_come_back() {
    let world = World::new().await;
    let trail = world.trail().await;
    // One caller takes the whole pool; until that is committed there is room for nobody.
    let event = Event { native_id: NativeId::Given("1".to_owned()), ..Event::default() };
    let record = admit(Draft { event, raw: Vec::new() }, RawData::Dropped).unwrap();
    let records = vec![record; usize::try_from(POOL_RECORDS_MAX).unwrap()];
    let batch = Batch { source: "bulk".to_owned(), format: "bulk".to_owned(), records, ..Batch::default() };
    let mut bulk = tokio::spawn({
        let trail = trail.clone();
        async move { trail.append(batch, WhenFull::Wait).await }
    });
    // The submission is in the pool once the task has waited for the first time.
    assert!(futures::poll!(&mut bulk).is_pending());
    tokio::task::yield_now().await;
    let response = world.append(&login(1, "alice", "2026-11-23T08:00:00Z")).await;
    assert_eq!(response.status, 503, "{}", response.text());
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(bulk.await.unwrap().unwrap().duplicate, u64::from(POOL_RECORDS_MAX) - 1);
    assert_eq!(world.append(&login(1, "alice", "2026-11-23T08:00:00Z")).await.json()["recorded"], 1);
    world.end().await;
}

#[tokio::test]
async fn exports_are_complete_and_safe() {
    let world = World::new().await;
    let evil = serde_json::json!({
        "id": "evil", "occurred_at": "2026-11-24T08:00:00Z", "activity": "logon",
        "user": { "uid": "u", "name": "=HYPERLINK(\"http://evil\")" }, "user_agent": "a,\"b\"\r\nc",
    });
    world.append(&format!("{}{evil}\n", logins(3_000))).await;
    let size = world.trail().await.snapshot().size;
    let read = world.token(Scope::Read, None).await;
    let export = |query: &str| world.get(&api(&format!("export?{query}"))).bearer(&read).send();
    let csv = export("as=csv&from=2026-11-01").await;
    assert_eq!(csv.status, 200, "{}", csv.text());
    assert!(csv.header("content-type").unwrap().starts_with("text/csv"));
    let name = "filename=\"contoso-production_user-login-events_2026-11-01_2026-11-24.csv\"";
    assert!(csv.header("content-disposition").unwrap().contains(name), "{:?}", csv.headers);
    let text = csv.text();
    assert_eq!(text.lines().count(), 1 + 3_001 + 2, "the header, the rows, two line breaks within one");
    assert!(text.contains("\"'=HYPERLINK(\"\"http://evil\"\")\""), "{}", text.lines().nth(1).unwrap());
    // Written down before the first byte left.
    assert_eq!(world.trail().await.snapshot().size, size + 1);
    let jsonl = export("as=jsonl&filter=user:user3").await;
    assert_eq!(jsonl.text().lines().count(), 3_000 / 7 + usize::from(3_000 % 7 > 3));
    assert_eq!(export("as=ocsf&from=2026-11-01").await.text().lines().count(), 3_001);
    assert!(export("as=csv-raw&from=2026-11-01").await.text().contains("\"=HYPERLINK("));
    // Both end with what only a complete file has.
    let parquet = export("as=parquet&from=2026-11-01").await;
    assert!(parquet.body.starts_with(b"PAR1") && parquet.body.ends_with(b"PAR1"));
    let xlsx = export("as=xlsx&from=2026-11-01").await;
    assert!(xlsx.body.starts_with(b"PK\x03\x04") && xlsx.body.windows(4).any(|four| four == b"PK\x05\x06"));
    assert!(xlsx.header("content-disposition").unwrap().ends_with(".xlsx\""));
    let refused = export("as=pdf").await;
    assert!(refused.status == 400 && refused.text().contains("xlsx"), "{}", refused.text());
    world.end().await;
}

#[tokio::test]
async fn the_public_log_is_open_and_matches() {
    let world = World::new().await;
    world.append(&logins(300)).await;
    let checkpoint = world.get("/trails/contoso/production/checkpoint").send().await;
    assert_eq!(checkpoint.header("content-type"), Some("text/plain; charset=utf-8"));
    let text = checkpoint.text();
    assert_eq!(text.lines().nth(1), Some("300"), "{text}");
    let tile =
        |path: &str| Request::new(world.address, "GET", &format!("/trails/contoso/production/tile/{path}"));
    for (path, bytes) in [("0/000", 256 * 32), ("0/001.p/44", 44 * 32), ("1/000.p/1", 32)] {
        let response = tile(path).send().await;
        assert_eq!((response.status, response.body.len()), (200, bytes), "{path}");
        assert!(response.header("cache-control").unwrap().contains("immutable"));
    }
    for bad in ["0/0", "0/../../checkpoint", "0/%2e%2e/%2e%2e/%2e%2e/keys", "9/000", "x", "0/002"] {
        assert_eq!(tile(bad).send().await.status, 404, "{bad}");
    }
    world.end().await;
}
