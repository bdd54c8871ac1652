//! Names at sign-in and now: in answers of today, in those as of an earlier state, and in the console.

use serde_json::{Value, json};
use whowas_store::control::Scope;

use crate::world::{World, api};

const RANGE: &str = "from=2026-11-20&to=2026-11-24T11:00:00Z";

fn login(id: &str, user: &Value, session: &str, at: &str) -> String {
    json!({
        "id": id, "occurred_at": at, "activity": "logon", "status": "success", "user": user,
        "session": { "uid": session }, "service": { "name": "Mail" },
    })
    .to_string()
}

fn person(id: &str, (uid, name, full_name): (&str, &str, &str), since: &str, unmapped: &Value) -> String {
    json!({
        "kind": "identity", "native_id": id, "occurred_at": since, "unmapped": unmapped,
        "user": { "uid": uid, "name": name, "full_name": full_name },
    })
    .to_string()
}

async fn recorded(world: &World, lines: &[String]) {
    let said = world.append(&lines.join("\n")).await.json();
    assert_eq!(said["recorded"], lines.len(), "{said}");
}

/// Anna signs in by id, Abe by login name.
async fn world() -> World {
    let world = World::new().await;
    let lines = [
        person("p:1", ("u-1", "anna.berg", "Anna Berg"), "2026-11-01T00:00:00Z", &json!({ "enabled": true })),
        person("p:2", ("u-2", "abe", "Abe Lund"), "2026-11-01T00:00:00Z", &json!({ "enabled": true })),
        login("e1", &json!({ "uid": "u-1" }), "s1", "2026-11-23T07:00:00Z"),
        login("e2", &json!({ "name": "abe" }), "s2", "2026-11-23T08:00:00Z"),
    ];
    recorded(&world, &lines).await;
    world
}

/// Anna marries; Abe leaves, and a newcomer gets his login name.
async fn change(world: &World) {
    let lines = [
        person("p:1", ("u-1", "anna.holm", "Anna Holm"), "2026-11-24T01:00:00Z", &json!({ "enabled": true })),
        person("p:2", ("u-2", "abe", "Abe Lund"), "2026-11-24T02:00:00Z", &json!({ "removed": true })),
        person("p:3", ("u-3", "abe", "Abelone Krag"), "2026-11-24T03:00:00Z", &json!({ "enabled": true })),
    ];
    recorded(world, &lines).await;
}

async fn rows(world: &World, token: &str, path: &str) -> Value {
    let response = world.get(&api(path)).bearer(token).send().await;
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    response.json()["rows"].clone()
}

fn names(rows: &Value) -> Vec<[String; 3]> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
    let of = |row| ["name_at_sign_in", "name_now", "name_change"].map(|name| text(row, name));
    rows.as_array().unwrap().iter().map(of).collect()
}

#[tokio::test]
async fn names_of_then_and_now_in_every_answer() {
    let world = world().await;
    let read = world.token(Scope::Read, None).await;
    let paths = [
        format!("logins?{RANGE}"),
        format!("logins?{RANGE}&filter=user:anna*"),
        format!("sessions?{RANGE}"),
        "presence?at=2026-11-23T09:00:00Z".to_owned(),
    ];
    // Looking at records is recorded: those come behind the size that is asked later.
    let size = world.trail().await.snapshot().size;
    let mut saved = Vec::new();
    for path in &paths {
        saved.push(rows(&world, &read, path).await);
    }
    assert_eq!(names(&saved[0]), [["Abe Lund", "Abe Lund", "-"], ["Anna Berg", "Anna Berg", "-"]]);
    assert_eq!(names(&saved[1]).len(), 1);
    change(&world).await;
    let changed = [["Abe Lund", "Abelone Krag", "another_person"], ["Anna Berg", "Anna Holm", "renamed"]];
    for path in [&paths[0], &paths[2], &paths[3]] {
        assert_eq!(names(&rows(&world, &read, path).await), changed, "{path}");
    }
    let now = rows(&world, &read, &paths[0]).await;
    assert_eq!(now[0]["user_full_name"], "Abe Lund", "not the newcomer's");
    let world = world.restart().await;
    for (path, saved) in paths.iter().zip(&saved) {
        let then = rows(&world, &read, &format!("{path}&as_of={size}")).await;
        assert_eq!(&then, saved, "{path}");
    }
    assert_eq!(names(&rows(&world, &read, &paths[0]).await), changed, "after opening again");
    world.end_and_audit().await;
}

#[tokio::test]
async fn the_grid_and_the_record_show_both_names() {
    let world = world().await;
    change(&world).await;
    let cookie = world.sign_in().await;
    let open = async |path: &str| {
        let response =
            world.get(&format!("/p/contoso/production/{path}")).header("Cookie", &cookie).send().await;
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        response.text()
    };
    let grid = open("monitoring/raw-logs?start=2026-11-20&end=2026-11-24").await;
    for part in [
        "Anna Holm <small class=\"other-name\">was Anna Berg</small>",
        "Abe Lund <small class=\"other-name\">now the id of Abelone Krag</small>",
    ] {
        assert!(grid.contains(part), "{part}: {grid}");
    }
    assert!(open("monitoring/raw-logs/2").await.contains("Known today as <strong>Anna Holm</strong>"));
    let other = open("monitoring/raw-logs/3").await;
    assert!(other.contains("Another person has this id or login name today: <strong>Abelone Krag</strong>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_erased_has_no_past() {
    let world = world().await;
    change(&world).await;
    let admin = world.token(Scope::Admin, Some("contoso/production")).await;
    let read = world.token(Scope::Read, None).await;
    let order = json!({ "user": "u-1", "reason": "Art. 17", "dry_run": false });
    let erased = world.post(&api("erasures")).bearer(&admin).json(order).send().await;
    assert_eq!(erased.status, 200, "{}", erased.text());
    let size = world.trail().await.snapshot().size;
    for path in [format!("logins?{RANGE}"), format!("logins?{RANGE}&as_of={}", size - 1)] {
        let response = world.get(&api(&path)).bearer(&read).send().await;
        assert_eq!(response.status, 200, "{}", response.text());
        let text = response.text();
        assert!(!text.contains("Anna") && text.contains("Abe"), "{path}: {text}");
    }
    world.end_and_audit().await;
}
