//! The coverage ledger over HTTP, in the console and in the metrics.

use whowas_store::control::Scope;

use crate::world::{World, api, logins};

#[tokio::test]
async fn a_file_shows_in_api_console_and_metrics() {
    let world = World::new().await;
    let ingest = world.token(Scope::Ingest, None).await;
    let body = logins(50).into_bytes();
    let imported = world.post(&api("imports?file=week.ndjson")).bearer(&ingest).body(body).send().await;
    assert_eq!(imported.status, 200, "{}", imported.text());
    assert_eq!(world.get(&api("coverage")).send().await.status, 401);
    assert_eq!(world.get(&api("coverage")).bearer(&ingest).send().await.status, 403);
    let token = world.token(Scope::Read, None).await;
    let size = world.trail().await.snapshot().size;
    let answer = world.get(&api("coverage?from=2020-01-01")).bearer(&token).send().await.json();
    let stream = &answer["streams"][0];
    assert_eq!((stream["source"].as_str(), stream["stream"].as_str()), (Some("whowas-event"), Some("files")));
    assert_eq!(stream["intervals"][0]["state"], "closed", "{answer:#}");
    assert_eq!(stream["intervals"][0]["ids"], 50);
    assert_eq!(stream["retention_s"], serde_json::Value::Null);
    assert_eq!(world.get(&api("coverage?from=tomorrow")).bearer(&token).send().await.status, 400);
    assert_eq!(
        world.get(&api("coverage?from=2026-02-01&to=2026-01-01")).bearer(&token).send().await.status,
        400
    );
    assert_eq!(world.trail().await.snapshot().size, size, "nothing in it is about people");

    let cookie = world.sign_in().await;
    let path = "/p/contoso/production/monitoring/health?from=2020-01-01";
    let page = world.get(path).header("Cookie", &cookie).send().await;
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(text.contains("whowas-event · files") && text.contains("badge closed"), "{text}");
    assert!(!text.contains("style="), "{text}");

    let metrics = world.get("/metrics").send().await.text();
    assert!(metrics.contains("whowas_streams{health=\"all\"} 1"), "{metrics}");
    assert!(metrics.contains("whowas_coverage_seconds{state=\"lost\"} 0"), "{metrics}");
    world.end().await;
}
