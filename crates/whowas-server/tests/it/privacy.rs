//! Erasure, retention, holds and a new key, while the server runs and others write.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};
use whowas_export::evidence::record;
use whowas_store::control::Scope;
use whowas_tlog::{checkpoint::Checkpoint, policy::Policy};

use crate::world::{World, api, login, logins};

async fn change(world: &World, token: &str, resource: &str, body: Value) -> (u16, Value) {
    let response = world.post(&api(resource)).bearer(token).json(body).send().await;
    let text = response.text();
    (response.status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// What the API shows of a person.
async fn found(world: &World, token: &str, user: &str) -> usize {
    let path = api(&format!("logins?query=all-events&from=2026-11-01&limit=1000&filter=user:{user}"));
    let response = world.get(&path).bearer(token).send().await;
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["rows"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_erased_while_others_sign_in() {
    let world = Arc::new(World::new().await);
    assert_eq!(world.append(&logins(70)).await.status, 200);
    world.trail().await.settle().await;
    assert_eq!(world.append(&login(900, "user3", "2026-11-23T09:00:00Z")).await.status, 200);
    let (admin, read) = (world.token(Scope::Admin, None).await, world.token(Scope::Read, None).await);
    // Sessions are kept and files are opened: what is in memory must go, too.
    let sessions = world.get(&api("sessions?from=2026-11-01")).bearer(&read).send().await;
    assert_eq!((sessions.status, found(&world, &read, "user3").await), (200, 11));

    let (status, _) = change(&world, &read, "erasures", json!({ "user": "user3" })).await;
    assert_eq!(status, 403);
    let (status, preview) = change(&world, &admin, "erasures", json!({ "user": "user3" })).await;
    assert_eq!((status, &preview["erased"], &preview["all"]), (200, &json!(false), &json!(11)), "{preview}");
    for wrong in [
        json!({ "dry_run": false, "reason": "Art. 17" }),
        json!({ "user": "user3", "dry_run": false }),
        json!({ "user": "user3", "dry_run": false, "reason": "user3 asked for it" }),
        json!({ "filter": "", "dry_run": false, "reason": "all" }),
    ] {
        let (status, problem) = change(&world, &admin, "erasures", wrong.clone()).await;
        assert_eq!(status, 400, "{wrong}: {problem}");
    }
    assert_eq!(found(&world, &read, "user3").await, 11, "nothing was erased so far");

    // Somebody writes all the time: each record is acknowledged, or refused with the request to come back.
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (world, stop) = (world.clone(), stop.clone());
        async move {
            let (mut recorded, mut refused) = (0, 0);
            while !stop.load(Ordering::SeqCst) {
                let response = world.append(&login(1000 + recorded, "bob", "2026-11-23T10:00:00Z")).await;
                match response.status {
                    200 => recorded += 1,
                    503 => {
                        assert!(response.header("retry-after").is_some());
                        refused += 1;
                    }
                    other => panic!("{other}: {}", response.text()),
                }
            }
            (recorded, refused)
        }
    });
    let order = json!({ "user": "user3", "reason": "Art. 17", "dry_run": false });
    let (status, done) = change(&world, &admin, "erasures", order).await;
    assert_eq!((status, &done["erased"], &done["all"]), (200, &json!(true), &json!(11)), "{done}");
    stop.store(true, Ordering::SeqCst);
    let (recorded, refused) = writing.await.unwrap();
    println!("meanwhile {recorded} records were acknowledged, {refused} refused");
    assert_eq!(found(&world, &read, "user3").await, 0);
    assert_eq!(found(&world, &read, "bob").await, recorded);
    let sessions = world.get(&api("sessions?from=2026-11-01")).bearer(&read).send().await;
    assert_eq!(sessions.status, 200, "{}", sessions.text());
    assert!(!sessions.text().contains("user3"), "{}", sessions.text());
    let (status, _) = change(&world, &admin, "erasures", json!({ "user": "user3" })).await;
    assert_eq!(status, 200);
    let listed = world.get(&api("erasures")).bearer(&admin).send().await.json();
    assert_eq!(listed["erasures"][0]["position"], done["position"]);
    Arc::into_inner(world).unwrap().end_and_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_wins_over_erasure_and_retention() {
    let world = World::new().await;
    assert_eq!(world.append(&logins(21)).await.status, 200);
    let admin = world.token(Scope::Admin, Some("contoso/production")).await;
    let read = world.token(Scope::Read, None).await;
    let (status, hold) =
        change(&world, &admin, "holds", json!({ "user": "user2", "reason": "case 7" })).await;
    assert_eq!((status, &hold["hold"]), (201, &json!(1)));
    for wrong in [json!({ "reason": "r" }), json!({ "user": "a", "all": true, "reason": "r" })] {
        assert_eq!(change(&world, &admin, "holds", wrong).await.0, 400);
    }
    let order = json!({ "user": "user2", "reason": "Art. 17", "dry_run": false });
    let (status, problem) = change(&world, &admin, "erasures", order.clone()).await;
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("legal hold 1"), "{problem}");
    let rule = json!({ "older_than": "1h", "reason": "rule", "dry_run": false });
    let (status, kept) = change(&world, &admin, "retention", rule).await;
    assert_eq!((status, &kept["done"], &kept["held"]), (200, &json!(true), &json!(3)), "{kept}");
    assert_eq!((found(&world, &read, "user2").await, found(&world, &read, "user1").await), (3, 0));
    // The signed statement of the run is the proof of its record.
    let path = api(&format!("records/{}/proof", kept["position"]));
    let statement = world.get(&path).bearer(&read).send().await;
    let trusted = Policy::of_log(world.trail().await.verifying_key());
    assert!(record::verify(&statement.body, &trusted).is_ok());
    assert_eq!(change(&world, &admin, "retention", json!({ "older_than": "soon" })).await.0, 400);
    assert_eq!(
        change(&world, &admin, "retention", json!({ "older_than": "1d", "kind": "key" })).await.0,
        400
    );

    assert_eq!(change(&world, &admin, "holds/2/release", json!({ "reason": "closed" })).await.0, 404);
    assert_eq!(change(&world, &admin, "holds/1/release", json!({ "reason": "closed" })).await.0, 204);
    let holds = world.get(&api("holds")).bearer(&admin).send().await.json();
    assert_eq!(holds["holds"], json!([]));
    assert_eq!(change(&world, &admin, "erasures", order).await.0, 200);
    assert_eq!(found(&world, &read, "user2").await, 0);
    world.end_and_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_signs_and_the_statement_leads_to_it() {
    let world = World::new().await;
    assert_eq!(world.append(&logins(5)).await.status, 200);
    let admin = world.token(Scope::Admin, None).await;
    let old = world.trail().await.verifying_key();
    assert_eq!(change(&world, &admin, "key/rotate", json!({ "reason": " " })).await.0, 400);
    let (status, rotated) = change(&world, &admin, "key/rotate", json!({ "reason": "yearly" })).await;
    assert_eq!((status, &rotated["old"]), (200, &json!(old.to_string())), "{rotated}");
    let statement = rotated["statement"].as_str().unwrap().as_bytes();
    assert!(record::verify(statement, &Policy::of_log(old.clone())).is_ok());
    // What is published and what is appended from now on is the new key's.
    let published = world.get("/trails/contoso/production/vkey").send().await.text();
    assert_eq!(published.trim(), rotated["vkey"].as_str().unwrap());
    assert_eq!(world.append(&login(7, "ada", "2026-11-23T10:00:00Z")).await.status, 200);
    let note = world.get("/trails/contoso/production/checkpoint").send().await.text();
    let new = world.trail().await.verifying_key();
    assert!(Checkpoint::open(&note, new.name(), std::slice::from_ref(&new)).is_ok());
    assert!(Checkpoint::open(&note, old.name(), std::slice::from_ref(&old)).is_err());
    world.end_and_audit().await;
}
