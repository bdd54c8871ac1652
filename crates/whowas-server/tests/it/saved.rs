//! Queries under a name: saved, shown, shared, renamed, deleted, and whose they are.

use serde_json::json;
use whowas_store::control::Scope;

use crate::{
    client::Request,
    world::{World, api, logins},
};

#[tokio::test]
async fn a_query_is_saved_under_a_name_and_shown_again() {
    let world = World::new().await;
    world.append(&logins(50)).await;
    let cookie = world.sign_in().await;
    let page = |path: String| world.get(&path).header("Cookie", &cookie).send();
    let post = |path: &str, form: &str| {
        world.post(path).header("Cookie", &cookie).header("Sec-Fetch-Site", "same-origin").form(form).send()
    };
    let queries = "/p/contoso/production/monitoring/queries";
    assert!(page(queries.into()).await.text().contains("None yet"));
    let form =
        "name=One+%3Cof%3E+seven&query=user-login-events&range=-7d&filter=user%3Auser1&tz=Asia%2FTokyo";
    let saved = post(queries, form).await;
    let address = "/p/contoso/production/monitoring/raw-logs?query=user-login-events&range=-7d&tz=Asia%2FTokyo&filter=user%3Auser1";
    assert_eq!((saved.status, saved.header("location")), (303, Some(address)));
    let shown = page(address.into()).await.text();
    assert!(shown.contains("<option value=\"saved:1\" selected>One &#60;of&#62; seven</option>"), "{shown}");
    // The drop-down sends the number, and leads there.
    let chosen =
        page("/p/contoso/production/monitoring/raw-logs?query=saved%3A1&start=2026-01-01".into()).await;
    assert_eq!((chosen.status, chosen.header("location")), (303, Some(address)));
    for wrong in ["saved%3A2", "saved%3Ax"] {
        let path = format!("/p/contoso/production/monitoring/raw-logs?query={wrong}");
        assert_eq!(page(path).await.status, 404, "{wrong}");
    }
    for (form, status) in [
        (form, 400),
        ("name=&query=user-login-events", 400),
        ("name=x&query=shoes", 400),
        ("name=x&filter=colour%3Ared", 400),
        ("name=x&range=7d", 400),
        ("name=x&query=events-for-user", 400),
    ] {
        assert_eq!(post(queries, form).await.status, status, "{form}");
    }
    let one = format!("{queries}/1");
    assert_eq!(post(&one, "name=Week&shared=on").await.status, 303);
    let text = page(queries.into()).await.text();
    assert!(text.contains(">Week</a>") && text.contains(">shared</span>"), "{text}");
    assert_eq!(post(&one, "delete=1").await.status, 303);
    assert_eq!(post(&one, "delete=1").await.status, 404);
    // Names and filters are only committed to.
    let trail = world.trail().await;
    let records = trail.records(0..trail.snapshot().size).await.unwrap();
    let bodies: Vec<_> = records.iter().filter_map(|record| record.event.body.as_deref()).collect();
    for action in ["save_query", "change_query", "delete_query"] {
        assert!(
            bodies.iter().any(|body| body.contains(action) && body.contains("\"saved_query\":1")),
            "{action}"
        );
    }
    assert!(!bodies.iter().any(|body| body.contains("user1") || body.contains("Week")));
    world.end().await;
}

#[tokio::test]
async fn settings_create_and_revoke_tokens_for_administrators_only() {
    let world = World::new().await;
    world.append(&logins(5)).await;
    let cookie = world.sign_in().await;
    let settings = "/p/contoso/production/settings";
    let post = |path: String, form: &'static str| {
        world.post(&path).header("Cookie", &cookie).header("Sec-Fetch-Site", "same-origin").form(form).send()
    };
    let made = post(format!("{settings}/tokens"), "scope=read&environment=this&source=payroll").await.text();
    let token = made.split("id=\"fresh-token\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(world.get(&api("logins")).bearer(&token).send().await.status, 200);
    let again = world.get(settings).header("Cookie", &cookie).send().await.text();
    assert!(!again.contains(&token) && again.contains("payroll"), "it is shown once");
    // Whoever may only read sees no tokens, and makes none.
    let theirs = world.get(settings).bearer(&token).send().await.text();
    assert!(theirs.contains("Only an administrator sees tokens") && !theirs.contains("payroll"));
    let path = format!("{settings}/tokens");
    let denied = world.post(&path).bearer(&token).form("scope=admin").send().await;
    assert_eq!(denied.status, 403);
    assert_eq!(post(path, "scope=everything").await.status, 400);
    assert_eq!(post(format!("{settings}/tokens/2/revoke"), "").await.status, 303);
    assert_eq!(world.get(&api("logins")).bearer(&token).send().await.status, 401);
    assert_eq!(post(format!("{settings}/tokens/2/revoke"), "").await.status, 404);
    world.end().await;
}

#[tokio::test]
async fn only_shared_queries_are_seen_by_others_and_only_owners_change_them() {
    let world = World::new().await;
    let (mine, theirs) = (world.token(Scope::Read, None).await, world.token(Scope::Read, None).await);
    let save = |token: &str, name: &str, shared: bool| {
        let body = json!({ "name": name, "shared": shared, "filter": "status:failure" });
        world.post(&api("queries")).bearer(token).json(body).send()
    };
    let secret = save(&mine, "secret", false).await;
    assert_eq!(secret.status, 201, "{}", secret.text());
    let open = save(&mine, "open", true).await.json();
    let listed = world.get(&api("queries")).bearer(&theirs).send().await.json();
    assert_eq!(listed["queries"].as_array().unwrap().len(), 1);
    assert_eq!(listed["queries"][0]["name"], "open");
    let at = |id: &serde_json::Value| api(&format!("queries/{id}"));
    let ask = |method: &str, path: String, token: &str| {
        Request::new(world.address, method, &path).bearer(token).json(json!({ "name": "taken over" })).send()
    };
    for method in ["PUT", "DELETE"] {
        assert_eq!(ask(method, at(&open["id"]), &theirs).await.status, 403, "{method}");
        assert_eq!(ask(method, at(&secret.json()["id"]), &theirs).await.status, 404, "{method}");
    }
    let admin = world.token(Scope::Admin, None).await;
    assert_eq!(ask("PUT", at(&open["id"]), &admin).await.status, 200);
    assert_eq!(ask("DELETE", at(&open["id"]), &mine).await.status, 204);
    world.end().await;
}
