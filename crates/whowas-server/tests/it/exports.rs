//! Exports in the background: made, fetched in parts, cancelled, bounded, and not lost with the process.

use std::{io::Cursor, time::Duration};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use whowas_export::evidence::bundle;
use whowas_server::Limits;
use whowas_store::control::{Export, ExportState, Scope};
use whowas_tlog::policy::Policy;

use crate::{
    client::Response,
    world::{NOW, World, api, environment, logins},
};

/// Far more than an export of some hundred rows takes.
const PATIENCE: Duration = Duration::from_secs(30);

async fn ask(world: &World, token: &str, body: Value) -> Response {
    world.post(&api("exports")).bearer(token).json(body).send().await
}

/// Waits until an export is neither waiting nor running.
async fn ended(world: &World, token: &str, id: i64) -> Value {
    let looking = async {
        loop {
            let export = world.get(&api(&format!("exports/{id}"))).bearer(token).send().await.json();
            if !["waiting", "running"].contains(&export["state"].as_str().unwrap()) {
                return export;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap()
}

async fn made(world: &World, token: &str, body: Value) -> Value {
    let asked = ask(world, token, body).await;
    assert_eq!(asked.status, 202, "{}", asked.text());
    let id = asked.json()["id"].as_i64().unwrap();
    assert_eq!(asked.header("location"), Some(api(&format!("exports/{id}")).as_str()));
    ended(world, token, id).await
}

/// Bodies of the trail's records that name this export.
async fn said(world: &World, id: i64) -> Vec<String> {
    let trail = world.trail().await;
    let records = trail.records(0..trail.snapshot().size).await.unwrap();
    let bodies = records.into_iter().filter_map(|record| record.event.body);
    bodies.filter(|body| body.contains(&format!("\"job\":{id},"))).collect()
}

fn export(state: ExportState) -> Export {
    let at = |text| whowas_event::Time::parse_rfc3339(text).unwrap();
    Export {
        id: 0,
        state,
        asked_by: "administrator".into(),
        asked_at: at(NOW),
        query: "user-login-events".into(),
        from: at("2026-11-01T00:00:00Z"),
        to: at(NOW),
        filter: String::new(),
        format: "csv".into(),
        is_evidence: false,
        tree_size: 50,
        total: 50,
        rows: 0,
        bytes: 0,
        sha256: None,
        reason: None,
        finished_at: None,
    }
}

#[tokio::test]
async fn every_shape_is_made_with_its_digest_and_written_down() {
    let world = World::new().await;
    world.append(&logins(300)).await;
    let read = world.token(Scope::Read, None).await;
    let policy = Policy::of_log(world.trail().await.verifying_key().clone());
    for shape in ["csv", "xlsx", "jsonl", "parquet", "ocsf", "csv-raw"] {
        let export = made(&world, &read, json!({ "as": shape, "filter": "-user:user3" })).await;
        assert_eq!((&export["state"], &export["rows"]), (&json!("done"), &json!(257)), "{export}");
        let file = world.get(export["file"].as_str().unwrap()).bearer(&read).send().await;
        assert_eq!(json!(hex::encode(Sha256::digest(&file.body))), export["sha256"], "{shape}");
        assert_eq!(json!(file.body.len()), export["bytes"]);
        if shape == "csv" {
            let stream = api("export?as=csv&filter=-user:user3");
            assert_eq!(world.get(&stream).bearer(&read).send().await.body, file.body);
            assert!(file.header("content-disposition").unwrap().ends_with("_2026-11-17_2026-11-24_1.csv\""));
        }
        let [asked, made, fetched] = said(&world, export["id"].as_i64().unwrap()).await.try_into().unwrap();
        assert!(asked.contains("\"export_job\"") && asked.contains("\"rows\":257"), "{asked}");
        let digest = export["sha256"].as_str().unwrap();
        for (action, body) in [("\"export_made\"", made), ("\"fetch_export\"", fetched)] {
            assert!(
                body.contains(action) && body.contains(digest) && body.contains("\"rows\":257"),
                "{body}"
            );
        }
    }
    for shape in ["csv", "jsonl"] {
        let export = made(&world, &read, json!({ "as": shape, "evidence": true })).await;
        let file = world.get(export["file"].as_str().unwrap()).bearer(&read).send().await;
        assert_eq!(json!(hex::encode(Sha256::digest(&file.body))), export["sha256"], "{shape}");
        let report = bundle::verify(Cursor::new(&file.body), &policy, None);
        assert_eq!((report.findings, json!(report.rows)), (vec![], export["rows"].clone()));
    }
    let list = world.get(&api("exports")).bearer(&read).send().await.json();
    assert_eq!(list["exports"].as_array().unwrap().len(), 8);
    world.end().await;
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke_off() {
    let world = World::new().await;
    world.append(&logins(300)).await;
    let read = world.token(Scope::Read, None).await;
    let export = made(&world, &read, json!({})).await;
    let path = export["file"].as_str().unwrap();
    let whole = world.get(path).bearer(&read).send().await;
    assert_eq!((whole.status, whole.header("accept-ranges")), (200, Some("bytes")));
    let etag = whole.header("etag").unwrap();
    let part = |range: &str, known: &str| {
        world.get(path).bearer(&read).header("Range", range).header("If-Range", known).send()
    };
    let first = part("bytes=0-999", etag).await;
    let rest = part("bytes=1000-", etag).await;
    let total = whole.body.len();
    assert_eq!((first.status, rest.status), (206, 206));
    assert_eq!(first.header("content-range"), Some(format!("bytes 0-999/{total}").as_str()));
    assert_eq!([first.body, rest.body].concat(), whole.body);
    assert_eq!(part("bytes=1000-", "\"another\"").await.body, whole.body, "another file begins anew");
    let beyond = part(&format!("bytes={total}-"), etag).await;
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, Some(format!("bytes */{total}").as_str()))
    );
    world.end().await;
}

#[tokio::test]
async fn what_the_process_did_not_finish_the_next_one_makes() {
    let world = World::new().await;
    world.append(&logins(50)).await;
    let read = world.token(Scope::Read, None).await;
    let kept = made(&world, &read, json!({})).await;
    // What a process leaves that is killed while it writes, with another one waiting.
    let control = world.store.control().clone();
    let mut half = export(ExportState::Waiting);
    half.id = control.add_export(&environment(), &half).await.unwrap();
    let running = Export { state: ExportState::Running, ..half.clone() };
    control.change_export(&environment(), ExportState::Waiting, &running).await.unwrap();
    let waiting = control.add_export(&environment(), &half).await.unwrap();
    let folder = world.folder().join("trails/contoso/production/exports");
    std::fs::write(folder.join(format!(".tmp-{}", half.id)), "user_name\r\nhalf a").unwrap();
    std::fs::write(folder.join("stray"), "nobody knows").unwrap();
    drop(control);

    let world = world.restart().await;
    for id in [half.id, waiting] {
        let export = ended(&world, &read, id).await;
        assert_eq!((&export["state"], &export["rows"]), (&json!("done"), &json!(50)), "{export}");
    }
    let file = world.get(kept["file"].as_str().unwrap()).bearer(&read).send().await;
    assert_eq!(json!(hex::encode(Sha256::digest(&file.body))), kept["sha256"]);
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["1", "2", "3"]);
    world.end().await;
}

#[tokio::test]
async fn exports_end_are_cancelled_and_are_deleted() {
    let world = World::new().await;
    world.append(&logins(50)).await;
    let (read, other) = (world.token(Scope::Read, None).await, world.token(Scope::Read, None).await);
    let export = made(&world, &read, json!({})).await;
    let path = api(&format!("exports/{}", export["id"]));
    let (file, delete) = (export["file"].as_str().unwrap(), |token: &str| {
        crate::client::Request::new(world.address, "DELETE", &path).bearer(token).send()
    });
    assert_eq!(delete(&other).await.status, 403);
    world.pass(Duration::from_secs(7 * 86_400 - 60));
    assert_eq!(world.get(file).bearer(&read).send().await.status, 200);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.get(file).bearer(&read).send().await.status, 404, "its time is over");
    // The next round deletes it.
    let second = made(&world, &read, json!({})).await;
    let swept = world.get(&path).bearer(&read).send().await.json();
    assert_eq!(
        (&swept["state"], &swept["file"], &swept["sha256"]),
        (&json!("expired"), &json!(null), &export["sha256"])
    );
    assert!(!world.folder().join("trails/contoso/production/exports/1").exists());
    assert_eq!(delete(&read).await.status, 204);
    assert_eq!(delete(&read).await.status, 404);
    assert!(world.folder().join(format!("trails/contoso/production/exports/{}", second["id"])).exists());

    // Put there while nothing is made: it waits until somebody asks for another.
    let waiting = world.store.control().add_export(&environment(), &export_waiting()).await.unwrap();
    let path = api(&format!("exports/{waiting}"));
    let cancel = crate::client::Request::new(world.address, "DELETE", &path);
    assert_eq!(cancel.clone().bearer(&read).send().await.status, 403, "the administrator asked for it");
    let admin = world.token(Scope::Admin, None).await;
    assert_eq!(cancel.bearer(&admin).send().await.status, 204);
    assert_eq!(world.get(&path).bearer(&read).send().await.json()["state"], "canceled");
    assert!(said(&world, waiting).await.is_empty(), "the record of a cancel has no further member");
    world.end().await;
}

fn export_waiting() -> Export {
    export(ExportState::Waiting)
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let world = World::with_limits(Limits { export_bytes_max: 20_000, ..Limits::default() }).await;
    world.append(&logins(300)).await;
    let read = world.token(Scope::Read, None).await;
    let small = made(&world, &read, json!({ "filter": "user:user1" })).await;
    assert_eq!(small["state"], "done");
    for body in [json!({}), json!({ "evidence": true })] {
        let large = made(&world, &read, body).await;
        assert_eq!((&large["state"], &large["file"]), (&json!("failed"), &json!(null)), "{large}");
        assert!(large["reason"].as_str().unwrap().contains("more than 20000 bytes together"), "{large}");
    }
    for (body, status) in [
        (json!({ "as": "doc" }), 400),
        (json!({ "as": "xlsx", "evidence": true }), 400),
        (json!({ "evidence": true, "as_of": "7" }), 400),
        (json!({ "filter": "colour:red" }), 400),
        (json!({ "from": "2026-11-24", "to": "2026-11-01" }), 400),
    ] {
        assert_eq!(ask(&world, &read, body.clone()).await.status, status, "{body}");
    }
    let ingest = world.token(Scope::Ingest, None).await;
    assert_eq!(ask(&world, &ingest, json!({})).await.status, 403);
    // Many that wait: another one is told to come back.
    for _ in 0..200 {
        world.store.control().add_export(&environment(), &export_waiting()).await.unwrap();
    }
    let busy = ask(&world, &read, json!({})).await;
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("1")), "{}", busy.text());
    world.end().await;
}

#[tokio::test]
async fn the_page_asks_shows_and_removes() {
    let world = World::new().await;
    world.append(&logins(50)).await;
    let cookie = world.sign_in().await;
    let page = |path: &'static str| world.get(path).header("Cookie", &cookie).send();
    assert!(page("/p/contoso/production/exports").await.text().contains("No export was asked for yet"));
    let form =
        "query=user-login-events&from=2026-11-20&to=2026-11-24&filter=user%3Auser1&shape=evidence-jsonl";
    let post = |path: String, form: &'static str| {
        world.post(&path).header("Cookie", &cookie).header("Sec-Fetch-Site", "same-origin").form(form).send()
    };
    let asked = post("/p/contoso/production/exports".into(), form).await;
    assert_eq!((asked.status, asked.header("location")), (303, Some("/p/contoso/production/exports")));
    let read = world.token(Scope::Read, None).await;
    assert_eq!(ended(&world, &read, 1).await["state"], "done");
    let text = page("/p/contoso/production/exports").await.text();
    for part in [
        "Evidence bundle, JSON Lines",
        "user:user1",
        "exports/1/file",
        "administrator",
        "data-open=\"false\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(post("/p/contoso/production/exports/1/remove".into(), "").await.status, 303);
    assert_eq!(post("/p/contoso/production/exports/1/remove".into(), "").await.status, 404);
    let wrong = post("/p/contoso/production/exports".into(), "shape=doc").await;
    assert_eq!(wrong.status, 400);
    world.end().await;
}
