//! The console, page by page: the original's path, and what stands on it.

use whowas_store::control::Scope;

use crate::{
    client::Response,
    world::{World, api, login},
};

async fn open(world: &World, cookie: &str, path: &str) -> Response {
    let response = world.get(path).header("Cookie", cookie).send().await;
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let text = response.text();
    assert!(!text.contains("style=") && !text.contains("<style") && !text.contains("onclick"), "{path}");
    response
}

/// The address behind the first link that contains `part`.
fn link(page: &Response, part: &str) -> String {
    let text = page.text();
    let mut links = text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let found = links.find(|href| href.contains(part)).unwrap_or_else(|| panic!("no {part} in {text}"));
    found.replace("&#38;", "&").replace("&amp;", "&")
}

#[tokio::test]
async fn the_path_of_the_original() {
    let world = World::new().await;
    let person = serde_json::json!({
        "kind": "identity", "native_id": "alice", "occurred_at": "2026-11-01T00:00:00Z",
        "user": { "uid": "a11ce", "name": "alice@contoso.example", "full_name": "Alice <Adams>",
                  "email_addr": "alice@contoso.example" },
    });
    let event = serde_json::json!({
        "id": "e1", "occurred_at": "2026-11-23T07:22:01Z", "activity": "logon", "status": "success",
        "user": { "uid": "a11ce" }, "src_endpoint": { "ip": "192.0.2.7" }, "service": { "name": "Dynamics 365" },
    });
    let old = login(2, "bob", "2026-10-01T08:00:00Z");
    assert_eq!(world.append(&format!("{person}\n{event}\n{old}")).await.json()["recorded"], 3);
    let cookie = world.sign_in().await;

    let projects = open(&world, &cookie, "/").await;
    assert!(projects.text().contains("contoso"));
    let details = open(&world, &cookie, &link(&projects, "/p/contoso/production")).await;
    assert!(details.text().contains("Environment details"));
    let monitoring = open(&world, &cookie, &link(&details, "/monitoring")).await;
    let activity = open(&world, &cookie, &link(&monitoring, "/activity")).await;
    let logs = open(&world, &cookie, &link(&activity, "/raw-logs")).await;
    let text = logs.text();
    let first = text.find("<option").unwrap();
    assert!(
        text[first..].starts_with("<option value=\"user-login-events\" selected>User login events</option>")
    );
    assert!(
        text.contains("id=\"start\" value=\"2026-11-17\"")
            && text.contains("id=\"end\" value=\"2026-11-24\"")
    );
    for cell in
        ["a11ce", "Alice &#60;Adams&#62;", "alice@contoso.example", "2026-11-23 07:22:01", "192.0.2.7"]
    {
        assert!(text.contains(cell), "{cell}: {text}");
    }
    assert!(text.contains("<strong id=\"total\">1</strong>") && !text.contains("bob-uid"));

    let export = world.get(&link(&logs, "/export?")).header("Cookie", &cookie).send().await;
    assert_eq!((export.status, export.text().lines().count()), (200, 2));
    assert!(export.text().contains("a11ce"));
    let earlier = "/p/contoso/production/monitoring/raw-logs?query=user-login-events&end=2026-10-03";
    assert!(open(&world, &cookie, earlier).await.text().contains("bob-uid"));
    let wrong = open(&world, &cookie, "/p/contoso/production/monitoring/raw-logs?filter=nobody:knows").await;
    assert!(wrong.text().contains("role=\"alert\""));

    let users = open(&world, &cookie, &link(&logs, "/users")).await;
    assert!(users.text().contains("Alice &#60;Adams&#62;"));
    world.end().await;
}

#[tokio::test]
async fn pages_lead_to_older_and_back_to_newer() {
    let world = World::new().await;
    world.append(&crate::world::logins(250)).await;
    let cookie = world.sign_in().await;
    let rows = |page: &Response| page.text().matches("data-position").count();
    let first = open(&world, &cookie, "/p/contoso/production/monitoring/raw-logs").await;
    let second = open(&world, &cookie, &link(&first, "page=")).await;
    let third = open(&world, &cookie, &link(&second, "back=first.")).await;
    assert_eq!([&first, &second, &third].map(rows), [100, 100, 50]);
    assert!(!first.text().contains("Newer") && !third.text().contains("Older"));
    let newer =
        third.text().split("rel=\"prev\" href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let back = open(&world, &cookie, &newer.replace("&#38;", "&").replace("&amp;", "&")).await;
    let positions = |page: &Response| {
        page.text()
            .split("data-position=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(positions(&back), positions(&second));
    world.end().await;
}

#[tokio::test]
async fn assets_are_kept_for_ever_and_errors_are_pages() {
    let world = World::new().await;
    let page = world.get("/sign-in").send().await;
    for (name, kind) in [
        ("console.css", "text/css"),
        ("console.js", "text/javascript"),
        ("theme.js", "text/javascript"),
        ("icon.svg", "image/svg"),
    ] {
        let prefix = link(&page, "/assets/").rsplit_once('/').unwrap().0.to_owned();
        let asset = world.get(&format!("{prefix}/{name}")).send().await;
        assert!(asset.header("content-type").unwrap().starts_with(kind), "{name}");
        assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"));
    }
    let missing = world.get("/nothing/here").send().await;
    assert_eq!(missing.status, 404);
    assert!(
        missing.header("content-type").unwrap().starts_with("text/html")
            && missing.text().contains("Operation")
    );
    let method = world.post("/health").send().await;
    assert_eq!((method.status, method.header("content-type")), (405, Some("application/problem+json")));
    world.end().await;
}

#[tokio::test]
async fn a_look_at_people_is_written_down() {
    let world = World::new().await;
    world.append(&login(1, "alice", "2026-11-23T08:00:00Z")).await;
    let read = world.token(Scope::Read, None).await;
    for path in [api("logins?filter=user:alice"), api("users?filter=alice"), api("export?as=csv")] {
        let size = world.trail().await.snapshot().size;
        assert_eq!(world.get(&path).bearer(&read).send().await.status, 200);
        assert_eq!(world.trail().await.snapshot().size, size + 1, "{path}");
    }
    let cookie = world.sign_in().await;
    for path in ["/p/contoso/production/monitoring/raw-logs?filter=alice", "/p/contoso/production/users"] {
        let size = world.trail().await.snapshot().size;
        open(&world, &cookie, path).await;
        assert_eq!(world.trail().await.snapshot().size, size + 1, "{path}");
    }
    world.end().await;
}

#[tokio::test]
async fn the_whole_range_has_a_chart_and_its_common_values() {
    let world = World::new().await;
    world.append(&crate::world::logins(250)).await;
    world.append(&login(900, "alice", "2026-11-24T08:00:00Z")).await;
    let cookie = world.sign_in().await;
    let page =
        open(&world, &cookie, "/p/contoso/production/monitoring/raw-logs?range=-7d&tz=Europe/Vienna").await;
    assert!(
        page.text().contains("<option value=\"-7d\" selected>")
            && page.text().contains("Times are Europe/Vienna")
    );
    let summary = open(&world, &cookie, &link(&page, "/raw-logs/summary")).await;
    let text = summary.text();
    assert!(text.contains("id=\"histogram\"") && text.contains("<rect class=\"success\""));
    let only = link(&summary, "filter=user%3A%22alice");
    assert!(only.contains("range=-7d") && only.contains("tz=Europe%2FVienna"), "{only}");
    assert!(open(&world, &cookie, &only).await.text().contains("<strong id=\"total\">1</strong>"));
    let zoomed = open(&world, &cookie, &link(&summary, "start=2026-11-24T")).await;
    assert!(zoomed.text().contains("type=\"datetime-local\""), "{}", zoomed.text());
    world.end().await;
}

#[tokio::test]
async fn a_record_is_shown_whole_and_inert() {
    let world = World::new().await;
    let event = serde_json::json!({
        "id": "e1", "occurred_at": "2026-11-23T07:22:01Z", "activity": "logon", "status": "success",
        "user": { "uid": "a11ce", "full_name": "Alice \u{202e}Smada", "email_addr": "old@contoso.example" },
        "user_agent": "<script>alert(1)</script>", "service": { "name": "Dynamics 365" },
    });
    let person = serde_json::json!({
        "kind": "identity", "native_id": "alice", "occurred_at": "2026-11-24T00:00:00Z",
        "user": { "uid": "a11ce", "full_name": "Alice Married", "email_addr": "new@contoso.example" },
    });
    world.append(&format!("{event}\n{person}")).await;
    let cookie = world.sign_in().await;
    let logs = open(&world, &cookie, "/p/contoso/production/monitoring/raw-logs").await;
    let size = world.trail().await.snapshot().size;
    let record = open(&world, &cookie, &link(&logs, "/raw-logs/0")).await;
    assert_eq!(world.trail().await.snapshot().size, size + 1, "the look is written down");
    let text = record.text();
    assert!(!text.contains("<script>alert") && text.contains("&#60;script&#62;alert(1)"));
    assert!(text.contains("Known today as") && text.contains("Alice Married") && text.contains("Raw record"));
    assert!(text.contains("old@contoso.example") && text.contains("2026-11-23 07:22:01"));
    for wrong in ["99", "-1", "x"] {
        let path = format!("/p/contoso/production/monitoring/raw-logs/{wrong}");
        assert_eq!(world.get(&path).header("Cookie", &cookie).send().await.status, 404, "{wrong}");
    }
    world.end().await;
}

#[tokio::test]
async fn the_api_counts_whole_ranges() {
    let world = World::new().await;
    world.append(&crate::world::logins(250)).await;
    world.append(&login(900, "alice", "2026-11-24T08:00:00Z")).await;
    let read = world.token(Scope::Read, None).await;
    let get = |path: String| {
        let (world, read) = (&world, &read);
        async move { world.get(&path).bearer(read).send().await }
    };
    let histogram = get(api("histogram?from=2026-11-17&timezone=Europe/Vienna&buckets=10")).await.json();
    let buckets = histogram["buckets"].as_array().unwrap();
    let sum: u64 = buckets
        .iter()
        .map(|bucket| bucket["success"].as_u64().unwrap() + bucket["failure"].as_u64().unwrap())
        .sum();
    assert_eq!((histogram["total"].as_u64(), sum, histogram["step"].as_str()), (Some(251), 251, Some("1d")));
    assert_eq!(buckets[0]["start"], "2026-11-17T00:00:00.000Z");
    assert_eq!(buckets[1]["start"], "2026-11-17T23:00:00.000Z", "midnight in Vienna");
    let facets = get(api("facets?from=2026-11-17&limit=3")).await.json();
    let statuses =
        facets["facets"].as_array().unwrap().iter().find(|facet| facet["field"] == "status").unwrap();
    assert_eq!((&statuses["values"][0]["count"], &statuses["is_complete"]), (&251.into(), &true.into()));
    for wrong in
        ["histogram?buckets=0", "histogram?buckets=401", "histogram?timezone=Mars", "facets?filter=a:b"]
    {
        assert_eq!(get(api(wrong)).await.status, 400, "{wrong}");
    }
    world.end().await;
}
