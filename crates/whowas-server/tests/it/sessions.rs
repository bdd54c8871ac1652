//! Sessions, presence and what is derived from sign-ins, over HTTP and in the console.

use serde_json::Value;
use whowas_store::control::Scope;

use crate::{
    client::Response,
    world::{World, api},
};

/// A sign-in or sign-out of a session, one line of native records.
fn event(id: u64, user: &str, activity: &str, session: &str, at: &str) -> String {
    serde_json::json!({
        "id": format!("s{id}"), "occurred_at": at, "activity": activity, "status": "success",
        "user": { "uid": format!("{user}-uid"), "name": user }, "session": { "uid": session },
        "src_endpoint": { "ip": "192.0.2.7" }, "service": { "name": "Mail" },
    })
    .to_string()
}

fn person(user: &str, enabled: bool) -> String {
    serde_json::json!({
        "kind": "identity", "native_id": user, "occurred_at": "2026-11-20T00:00:00Z",
        "user": { "uid": format!("{user}-uid"), "name": user, "full_name": format!("Full {user}") },
        "unmapped": { "enabled": enabled, "account_type": "Claims user", "alias": user },
    })
    .to_string()
}

/// Alice comes and goes; Bob stays; Carol, who left on the 20th, comes once more; Dave never came.
async fn world() -> World {
    let world = World::new().await;
    let lines = [
        person("carol", false),
        person("dave", true),
        event(1, "alice", "logon", "a1", "2026-11-23T08:00:00Z"),
        event(2, "alice", "logoff", "a1", "2026-11-23T09:30:00Z"),
        event(3, "bob", "logon", "b1", "2026-11-23T09:00:00Z"),
        event(4, "carol", "logon", "c1", "2026-11-21T10:00:00Z"),
        event(5, "carol", "logoff", "c1", "2026-11-21T11:00:00Z"),
        event(6, "erin", "logoff", "e1", "2026-11-22T12:00:00Z"),
        event(7, "alice", "logon", "a0", "2026-01-05T08:00:00Z"),
    ];
    let recorded = world.append(&lines.join("\n")).await.json()["recorded"].clone();
    assert_eq!(recorded, 9);
    world
}

async fn ask(world: &World, token: &str, path: &str) -> Value {
    let response = world.get(&api(path)).bearer(token).send().await;
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    response.json()
}

fn column<'a>(rows: &'a Value, name: &str) -> Vec<&'a str> {
    rows.as_array().unwrap().iter().map(|row| row[name].as_str().unwrap_or("-")).collect()
}

#[tokio::test]
async fn sessions_presence_and_those_at_once() {
    let world = world().await;
    let read = world.token(Scope::Read, None).await;
    let page = ask(&world, &read, "sessions").await;
    assert_eq!(column(&page["rows"], "user"), ["bob", "alice", "carol"]);
    assert_eq!(column(&page["rows"], "end_reason"), ["open", "logout", "logout"]);
    assert_eq!(column(&page["rows"], "end_confidence"), ["none", "explicit", "explicit"]);
    assert_eq!(page["rows"][1]["duration_s"], 5400);
    assert_eq!((page["total"].as_u64(), page["next"].as_str()), (Some(3), None));
    let without = ask(&world, &read, "sessions?query=logon-without-logoff&from=2026-01-01").await;
    assert_eq!(column(&without["rows"], "user"), ["bob", "alice"]);
    let lone = ask(&world, &read, "sessions?query=logoff-without-logon").await;
    assert_eq!((column(&lone["rows"], "user"), lone["rows"][0]["start"].is_null()), (vec!["erin"], true));
    let first = ask(&world, &read, "sessions?limit=1").await;
    let next = format!("sessions?limit=1&page={}", first["next"].as_str().unwrap());
    assert_eq!(column(&ask(&world, &read, &next).await["rows"], "user"), ["alice"]);

    let present = ask(&world, &read, "presence?at=2026-11-23T09:15:00Z").await;
    assert_eq!(column(&present["rows"], "user"), ["bob", "alice", "alice"]);
    assert_eq!((present["total"].as_u64(), present["without_end"].as_u64()), (Some(3), Some(2)));
    let filtered = ask(&world, &read, "presence?at=2026-11-23T09:15:00Z&filter=user:bob").await;
    assert_eq!(filtered["total"], 1);
    // Before the sign-out was recorded, and before anything was.
    let earlier = ask(&world, &read, "presence?at=2026-11-23T09:45:00Z&as_of=3").await;
    assert_eq!(column(&earlier["rows"], "end_reason"), ["open"]);
    assert_eq!(ask(&world, &read, "presence?as_of=2026-11-01").await["total"], 0);
    let at_once =
        ask(&world, &read, "at-once?from=2026-11-23T08:00:00Z&to=2026-11-23T10:00:00Z&points=2").await;
    assert_eq!(at_once["points"][0]["by_service"]["Mail"], 1);
    assert_eq!(at_once["points"][1]["without_end"], 2);

    for wrong in [
        "sessions?query=nothing",
        "sessions?as_of=1000000",
        "presence?at=2027-01-01",
        "presence?at=yesterday",
        "at-once?from=2026-11-23&to=2026-11-22",
        "sessions?page=bogus",
        "sessions?limit=many",
    ] {
        assert_eq!(world.get(&api(wrong)).bearer(&read).send().await.status, 400, "{wrong}");
    }
    world.end().await;
}

#[tokio::test]
async fn who_comes_and_who_does_not() {
    let world = world().await;
    let read = world.token(Scope::Read, None).await;
    let dormant = ask(&world, &read, "dormant?days=3").await;
    // Erin is known only by a sign-out.
    assert_eq!(column(&dormant["users"], "user_id"), ["dave", "erin", "carol"]);
    assert_eq!(dormant["users"][0]["last_login"], Value::Null);
    assert_eq!(dormant["users"][2]["days_since_last_login"], 3);
    assert_eq!(dormant["users"][2]["enabled"], false);
    let enabled = ask(&world, &read, "dormant?days=0&status=enabled&account_type=claims%20user").await;
    assert_eq!(column(&enabled["users"], "user_id"), ["dave"]);
    let aging = ask(&world, &read, "aging?ranges=2,5").await;
    assert_eq!(
        (aging["ranges"][0]["users"].as_u64(), aging["ranges"][1]["users"].as_u64()),
        (Some(2), Some(1))
    );
    assert_eq!(aging["never"], 2);
    let distinct = ask(&world, &read, "distinct-users?from=2026-01-01&by=day").await;
    assert_eq!(column(&distinct["users"], "day"), ["2026-01-05", "2026-11-23", "2026-11-23", "2026-11-21"]);
    assert_eq!(distinct["users"][0]["sessions"], 1);
    let leavers = ask(&world, &read, "after-leaving").await;
    assert_eq!((leavers["total"].as_u64(), column(&leavers["rows"], "user_name")), (Some(1), vec!["carol"]));
    let of_user = ask(&world, &read, "logins?query=events-for-user&filter=user:alice&from=2026-11-01").await;
    assert_eq!(of_user["total"], 2);
    let nobody = world.get(&api("logins?query=events-for-user")).bearer(&read).send().await;
    assert!(nobody.status == 400 && nobody.text().contains("which user"), "{}", nobody.text());
    let then = ask(&world, &read, "logins?from=2026-01-01&as_of=3").await;
    assert_eq!(column(&then["rows"], "user_name"), ["alice"]);
    world.end().await;
}

async fn open(world: &World, cookie: &str, path: &str) -> String {
    let response: Response = world.get(path).header("Cookie", cookie).send().await;
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    let text = response.text();
    assert!(!text.contains("style=") && !text.contains("onclick"), "{path}");
    text
}

#[tokio::test]
async fn the_forms_that_people_know() {
    let world = world().await;
    let cookie = world.sign_in().await;
    for (path, shown, not_shown) in [
        ("presence?at=2026-11-23T09:15", vec!["alice", "bob", "signed out later"], vec!["carol"]),
        ("online", vec!["bob", "no sign-out is recorded yet"], vec!["carol", "erin"]),
        ("user-log", vec!["Online time", "1:30", "logout", "carol"], vec!["erin"]),
        ("user-log?tab=general", vec!["Computer name", "192.0.2.7", "c1"], vec!["erin"]),
        ("user-log?tab=statistics", vec!["Logons", "Full carol"], vec!["erin"]),
        ("user-log?tab=logoff-without-logon", vec!["erin"], vec!["bob"]),
        ("user-log?tab=logon-without-logoff", vec!["bob"], vec!["carol"]),
        ("dormant?days=2", vec!["Full dave", "Full carol", "Claims user"], vec!["bob"]),
        ("dormant?days=x", vec!["role=\"alert\""], vec!["carol"]),
        ("aging", vec!["0 to 9 days", "120 days and more", "never"], vec![]),
        ("distinct-users?by=day", vec!["2026-11-23", "alice"], vec!["dave"]),
        ("after-leaving", vec!["Full carol"], vec!["alice"]),
        ("presence?at=2026-11-23T09:15&filter=nobody:knows", vec!["role=\"alert\""], vec!["bob"]),
    ] {
        let before = world.trail().await.snapshot().size;
        let text = open(&world, &cookie, &format!("/p/contoso/production/{path}")).await;
        for part in shown {
            assert!(text.contains(part), "{path} lacks {part}: {text}");
        }
        for part in not_shown {
            // As a cell: the page around the grid has words of its own.
            assert!(!text.contains(&format!(">{part}<")), "{path} shows {part}: {text}");
        }
        let is_refused = text.contains("role=\"alert\"");
        let seen = world.trail().await.snapshot().size - before;
        assert_eq!(seen, u64::from(!is_refused), "{path}: every look is written down");
    }
    world.end().await;
}
