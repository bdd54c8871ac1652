//! Who may do what: every kind of caller at every kind of door.

use std::time::Duration;

use whowas_store::control::Scope;

use crate::{
    client::Response,
    world::{World, api},
};

#[tokio::test]
async fn every_door_asks_for_its_scope() {
    let world = World::new().await;
    let ingest = world.token(Scope::Ingest, None).await;
    let read = world.token(Scope::Read, None).await;
    let admin = world.token(Scope::Admin, None).await;
    let elsewhere = world.token(Scope::Admin, Some("contoso/test")).await;
    let wrong = format!("whowas_{}", "A".repeat(43));
    let (records, imports) = (api("records"), api("imports"));
    let proof = api("records/0/proof");
    let test = api("sources/okta-log/test");
    let (logins, users, export) = (api("logins"), api("users"), api("export?as=csv"));
    // Statuses for: nobody, a wrong token, ingest, read, admin, admin of another environment.
    let doors = [
        ("POST", records.as_str(), [401, 401, 200, 403, 200, 403]),
        ("POST", imports.as_str(), [401, 401, 400, 403, 400, 403]),
        ("GET", logins.as_str(), [401, 401, 403, 200, 200, 403]),
        ("GET", users.as_str(), [401, 401, 403, 200, 200, 403]),
        ("GET", export.as_str(), [401, 401, 403, 200, 200, 403]),
        ("GET", "/api/v1/environments", [401, 401, 403, 200, 200, 200]),
        ("GET", "/api/v1/tokens", [401, 401, 403, 403, 200, 403]),
        ("DELETE", "/api/v1/tokens/99", [401, 401, 403, 403, 404, 403]),
        ("POST", test.as_str(), [401, 401, 403, 403, 404, 403]),
        ("GET", "/", [303, 303, 403, 200, 200, 200]),
        ("GET", "/p/contoso/production", [303, 303, 403, 200, 200, 403]),
        ("GET", "/health", [200; 6]),
        ("GET", "/metrics", [200; 6]),
        ("GET", "/api/openapi.json", [200; 6]),
        ("GET", "/trails/contoso/production/checkpoint", [200; 6]),
        ("GET", "/trails/contoso/nowhere/checkpoint", [404; 6]),
        ("GET", "/trails/contoso/production/vkey", [200; 6]),
        ("GET", "/trails/contoso/production/tile/entries/000.p/1", [401, 401, 403, 200, 200, 403]),
        ("GET", proof.as_str(), [401, 401, 403, 200, 200, 403]),
    ];
    for (method, path, statuses) in doors {
        let tokens = [None, Some(&wrong), Some(&ingest), Some(&read), Some(&admin), Some(&elsewhere)];
        for (token, status) in tokens.into_iter().zip(statuses) {
            let mut request = crate::client::Request::new(world.address, method, path);
            if let Some(token) = token {
                request = request.bearer(token);
            }
            let response = request.send().await;
            assert_eq!(response.status, status, "{method} {path} {token:?}: {}", response.text());
            check_headers(&response);
        }
    }
    world.end().await;
}

/// What every answer has, and what none has.
fn check_headers(response: &Response) {
    let csp = response.header("content-security-policy").unwrap();
    assert!(csp.starts_with("default-src 'none'; style-src 'self'; script-src 'self';"), "{csp}");
    assert!(csp.contains("frame-ancestors 'none'") && !csp.contains("unsafe"), "{csp}");
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(response.header("cross-origin-opener-policy"), Some("same-origin"));
    assert_eq!(response.header("cross-origin-resource-policy"), Some("same-origin"));
    assert!(response.header("permissions-policy").is_some());
    assert!(response.header("cache-control").is_some());
    assert_eq!(response.header("access-control-allow-origin"), None);
    assert_eq!(response.header("strict-transport-security"), None, "there is no TLS here");
    if response.status >= 400 && response.header("content-type") == Some("application/problem+json") {
        let problem = response.json();
        assert_eq!(problem["status"], response.status);
        assert!(problem["operation_id"].as_str().unwrap().len() > 8);
    }
}

#[tokio::test]
async fn a_link_signs_in_once_and_a_session_ends() {
    let world = World::new().await;
    let (path, code) = world.link();
    // Looking at the link does not use it up.
    for _ in 0..2 {
        let page = world.get(&path).send().await;
        assert!(page.text().contains(&format!("value=\"{code}\"")));
    }
    let response = world.post("/sign-in").form(&format!("code={code}")).send().await;
    assert_eq!((response.status, response.header("location")), (303, Some("/")));
    let cookie = response.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("whowas=")
            && cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200")
    );
    let again = world.post("/sign-in").form(&format!("code={code}")).send().await;
    assert_eq!((again.status, again.header("set-cookie")), (403, None));
    assert!(again.text().contains("used already"));

    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert_eq!(world.get("/").header("Cookie", &cookie).send().await.status, 200);
    assert_eq!(world.get("/").header("Cookie", "whowas=guess").send().await.status, 303);
    let out = world
        .post("/sign-out")
        .header("Cookie", &cookie)
        .header("Sec-Fetch-Site", "same-origin")
        .send()
        .await;
    assert_eq!(out.status, 303);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(world.get("/").header("Cookie", &cookie).send().await.status, 303, "ended on the server too");
    world.end().await;
}

#[tokio::test]
async fn links_and_sessions_expire() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    world.pass(Duration::from_secs(12 * 3600 - 1));
    assert_eq!(world.get("/").header("Cookie", &cookie).send().await.status, 200);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.get("/").header("Cookie", &cookie).send().await.status, 303);
    world.end().await;

    let world = World::new().await;
    world.pass(Duration::from_secs(15 * 60 + 1));
    let late = world.post("/sign-in").form(&format!("code={}", world.link().1)).send().await;
    assert_eq!(late.status, 403);
    world.end().await;
}

#[tokio::test]
async fn other_sites_cannot_make_a_browser_change_anything() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let token = serde_json::json!({ "scope": "read" });
    let create = || world.post("/api/v1/tokens").header("Cookie", &cookie).json(token.clone());
    assert_eq!(create().send().await.status, 403, "no word about where it comes from");
    for site in ["cross-site", "same-site"] {
        assert_eq!(create().header("Sec-Fetch-Site", site).send().await.status, 403, "{site}");
    }
    assert_eq!(create().header("Origin", "http://evil.example").send().await.status, 403);
    assert_eq!(create().header("Sec-Fetch-Site", "same-origin").send().await.status, 201);
    let origin = format!("http://{}", world.address);
    assert_eq!(create().header("Origin", &origin).send().await.status, 201);
    assert_eq!(world.post("/sign-out").header("Cookie", &cookie).send().await.status, 403);
    // Somebody else's page cannot sign a browser in either.
    let code = format!("code={}", world.link().1);
    let login = world.post("/sign-in").header("Sec-Fetch-Site", "cross-site").form(&code).send().await;
    assert_eq!(login.status, 403);
    world.end().await;
}

#[tokio::test]
async fn tokens_are_shown_once_and_revoked_at_once() {
    let world = World::new().await;
    let admin = world.token(Scope::Admin, None).await;
    let size = world.trail().await.snapshot().size;
    let new = serde_json::json!({ "scope": "read", "environment": "contoso/production" });
    let created = world.post("/api/v1/tokens").bearer(&admin).json(new).send().await;
    assert_eq!(created.status, 201, "{}", created.text());
    let token = created.json()["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("whowas_") && token.len() == 7 + 43);
    assert_eq!(world.get(&api("logins")).bearer(&token).send().await.status, 200);
    let list = world.get("/api/v1/tokens").bearer(&admin).send().await;
    assert!(!list.text().contains(&token) && list.json()["tokens"][1]["environment"] == "contoso/production");
    let id = created.json()["id"].as_i64().unwrap();
    let delete = || crate::client::Request::new(world.address, "DELETE", &format!("/api/v1/tokens/{id}"));
    assert_eq!(delete().bearer(&admin).send().await.status, 204);
    assert_eq!(delete().bearer(&admin).send().await.status, 404);
    assert_eq!(world.get(&api("logins")).bearer(&token).send().await.status, 401);
    // Created, searched, revoked: each is a record.
    assert_eq!(world.trail().await.snapshot().size, size + 3);
    for bad in [r#"{"scope":"root"}"#, r#"{"scope":"read","environment":"contoso/nowhere"}"#] {
        let refused = world.post("/api/v1/tokens").bearer(&admin).json(serde_json::from_str(bad).unwrap());
        assert!([400, 404].contains(&refused.send().await.status), "{bad}");
    }
    world.end().await;
}
