//! SCIM: what is answered, what is refused and how, and what stands in the trail afterwards. Real clients are in the
//! tests of the binary.

use serde_json::{Value, json};
use whowas_event::Kind;
use whowas_store::control::Scope;

use crate::{
    client::Response,
    world::{World, environment},
};

const ENVIRONMENT: &str = "contoso/production";

struct Scim<'a> {
    world: &'a World,
    token: String,
}

impl<'a> Scim<'a> {
    async fn new(world: &'a World) -> Self {
        Self { world, token: world.token(Scope::Scim, Some(ENVIRONMENT)).await }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Response {
        let mut request = self.world.request(method, &format!("/scim/v2/{path}")).bearer(&self.token);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if !body.is_null() {
            request = request.header("Content-Type", "application/scim+json").body(body.to_string());
        }
        request.send().await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, &[], Value::Null).await;
        assert_eq!(answer.header("content-type"), Some("application/scim+json"), "{path}");
        answer.json()
    }

    async fn create(&self, kind: &str, body: Value) -> Value {
        let answer = self.send("POST", kind, &[], body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let created = answer.json();
        assert_eq!(answer.header("location"), created["meta"]["location"].as_str());
        assert_eq!(answer.header("etag"), created["meta"]["version"].as_str());
        created
    }

    async fn patch(&self, path: &str, operations: Value) -> Response {
        let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
        self.send("PATCH", path, &[], json!({ "schemas": [schema], "Operations": operations })).await
    }

    async fn names(&self, query: &str) -> Vec<String> {
        let page = self.get(&format!("Users?{query}")).await;
        let resources = page["Resources"].as_array().unwrap();
        resources.iter().map(|one| one["userName"].as_str().unwrap().to_owned()).collect()
    }
}

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

#[tokio::test]
async fn only_a_token_of_scope_scim_for_one_environment_provisions() {
    let world = World::new().await;
    let scim = Scim::new(&world).await;
    for (scope, only, status) in [
        (Scope::Ingest, Some(ENVIRONMENT), 403),
        (Scope::Read, Some(ENVIRONMENT), 403),
        (Scope::Scim, None, 403),
        (Scope::Admin, Some(ENVIRONMENT), 200),
    ] {
        let token = world.token(scope, only).await;
        let answer = world.get("/scim/v2/Users").bearer(&token).send().await;
        assert_eq!(answer.status, status, "{scope:?}");
        let schemas = &answer.json()["schemas"];
        if status == 403 {
            assert_eq!(*schemas, json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
        }
    }
    assert_eq!(world.get("/scim/v2/Users").send().await.status, 401);
    let cookie = world.sign_in().await;
    assert_eq!(world.get("/scim/v2/Users").header("Cookie", &cookie).send().await.status, 401);
    // And it does nothing else.
    for path in ["users", "logins"] {
        let answer = world.get(&crate::world::api(path)).bearer(&scim.token).send().await;
        assert_eq!(answer.status, 403, "{path}");
    }
    world.end().await;
}

#[tokio::test]
async fn who_may_add_records_does_not_change_what_is_provisioned() {
    let world = World::new().await;
    let scim = Scim::new(&world).await;
    let ada = scim.create("Users", json!({ "userName": "ada", "displayName": "Ada Byron" })).await;
    let native_id = format!("scim:scim:user:{}", id(&ada));
    let entry = async || world.trail().await.snapshot().directory.entry(&native_id).cloned().unwrap();
    let before = entry().await;
    let line = json!({
        "kind": "identity", "native_id": native_id, "occurred_at": "2026-11-24T11:59:00Z",
        "user": { "uid": id(&ada), "name": "mallory" }, "unmapped": { "removed": true },
    });
    // The record is kept, and nobody's entry.
    let said = world.append(&line.to_string()).await.json();
    assert_eq!((&said["recorded"], &said["rejected"]), (&1.into(), &0.into()), "{said}");
    assert_eq!(entry().await, before);
    let world = world.restart().await;
    assert_eq!(world.trail().await.snapshot().directory.entry(&native_id), Some(&before));
    world.end_and_audit().await;
}

#[tokio::test]
async fn every_change_is_a_record_and_repetition_is_none() {
    let world = World::new().await;
    let scim = Scim::new(&world).await;
    let ada = scim.create("Users", json!({ "userName": "ada", "password": "hunter2", "active": true })).await;
    let path = format!("Users/{}", id(&ada));
    let size = || async { world.trail().await.snapshot().size };
    assert_eq!(size().await, 1);
    // Back to what it was, within one millisecond of the clock: a change all the same.
    for (active, want) in [("False", 2), ("False", 2), ("True", 3), ("False", 4)] {
        let answer = scim.patch(&path, json!([{ "op": "Replace", "path": "active", "value": active }])).await;
        assert_eq!((answer.status, size().await), (200, want), "{}", answer.text());
    }
    let person = world.trail().await.snapshot().directory.find(Some(id(&ada)), None, None).cloned().unwrap();
    assert_eq!((person.name.as_deref(), person.position), (Some("ada"), 3));
    assert!(!person.attributes.as_deref().unwrap().contains("hunter2"));
    assert!(person.attributes.unwrap().contains("\"enabled\":false"));
    assert_eq!(scim.send("DELETE", &path, &[], Value::Null).await.status, 204);
    assert_eq!(scim.send("DELETE", &path, &[], Value::Null).await.status, 404);
    assert_eq!(scim.send("GET", &path, &[], Value::Null).await.status, 404);
    let trail = world.trail().await;
    let kinds = trail.visit(Vec::new(), |kinds: &mut Vec<(Kind, String)>, _, record, _| {
        kinds.push((record.event.kind, record.source.clone()));
    });
    let kinds = kinds.await.unwrap();
    assert_eq!(kinds, vec![(Kind::Identity, "scim".to_owned()); 5]);
    // The name stays with the id, for the sign-ins of the past.
    let snapshot = trail.snapshot();
    let gone = snapshot.directory.find(Some(id(&ada)), None, None).unwrap();
    assert!(gone.attributes.as_deref().unwrap().contains("\"removed\":true"));
    assert_eq!(snapshot.directory.len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_person_is_known_through_time() {
    let world = World::new().await;
    let scim = Scim::new(&world).await;
    let ada = scim
        .create("Users", json!({ "userName": "ada", "externalId": "E-1", "displayName": "Ada <Byron>" }))
        .await;
    let path = format!("Users/{}", id(&ada));
    let renamed = json!([{ "op": "replace", "value": { "displayName": "Ada King", "active": false } }]);
    assert_eq!(scim.patch(&path, renamed).await.status, 200);
    assert_eq!(scim.send("DELETE", &path, &[], Value::Null).await.status, 204);
    let token = world.token(Scope::Read, Some(ENVIRONMENT)).await;
    let ask =
        |query: &str| world.get(&format!("{}{query}", crate::world::api("users/e-1"))).bearer(&token).send();
    let told = ask("").await.json();
    let names: Vec<&str> =
        told["versions"].as_array().unwrap().iter().map(|one| one["full_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Ada <Byron>", "Ada King", "Ada King"]);
    assert_eq!((&told["versions"][2]["is_removed"], &told["user"]["uid"]), (&json!(true), &json!("E-1")));
    let then = ask("?as_of=1").await.json();
    assert_eq!(
        (&then["total"], &then["versions"][0]["to"], &then["user"]),
        (&json!(1), &Value::Null, &Value::Null)
    );
    let nobody = world.get(&crate::world::api("users/nobody")).bearer(&token).send().await;
    assert_eq!(nobody.status, 404);
    let cookie = world.sign_in().await;
    let page = world.get("/p/contoso/production/users/E-1").header("Cookie", &cookie).send().await.text();
    let table = page.split_once("id=\"through-time\"").unwrap().1;
    assert!(
        table.contains("Ada &#60;Byron&#62;") && table.contains("deleted") && table.contains("disabled"),
        "{table}"
    );
    world.end().await;
}

#[tokio::test]
async fn names_are_unique_free_again_and_known_after_a_restart() {
    let world = World::new().await;
    let scim = Scim::new(&world).await;
    let ada = scim.create("Users", json!({ "userName": "Ada", "externalId": "1" })).await;
    let refused = |body: Value| async {
        let answer = scim.send("POST", "Users", &[], body).await;
        (answer.status, answer.json()["scimType"].as_str().unwrap_or_default().to_owned())
    };
    let taken = (409, "uniqueness".to_owned());
    assert_eq!(refused(json!({ "userName": "ADA" })).await, taken);
    assert_eq!(refused(json!({ "userName": "bob", "externalId": "1" })).await, taken);
    let renamed = json!([{ "op": "replace", "path": "userName", "value": "ada.king" }]);
    assert_eq!(scim.patch(&format!("Users/{}", id(&ada)), renamed).await.status, 200);
    let second = scim.create("Users", json!({ "userName": "ada", "externalId": "2" })).await;
    assert_eq!(scim.names("filter=userName%20eq%20%22ADA%22").await, ["ada"]);
    let group = scim
        .create(
            "Groups",
            json!({ "displayName": "g", "members": [{ "value": id(&ada) }, { "value": id(&second) }] }),
        )
        .await;
    // Another source has people of its own.
    let other =
        Scim { world: &world, token: world.token_of(Scope::Scim, Some(ENVIRONMENT), Some("okta")).await };
    assert_eq!(other.names("").await, Vec::<String>::new());
    other.create("Users", json!({ "userName": "ada" })).await;

    // Opened anew, the index comes from the directory.
    let token = scim.token.clone();
    let world = world.restart().await;
    let scim = Scim { world: &world, token };
    assert_eq!(scim.names("").await, ["ada.king", "ada"]);
    assert_eq!(scim.send("POST", "Users", &[], json!({ "userName": "ada" })).await.status, 409);
    let known = scim.get(&format!("Groups/{}", id(&group))).await;
    assert_eq!(known["meta"]["version"], group["meta"]["version"]);
    let members: Vec<&str> =
        known["members"].as_array().unwrap().iter().map(|one| one["value"].as_str().unwrap()).collect();
    assert_eq!(members, [id(&ada), id(&second)]);
    assert_eq!(scim.send("DELETE", &format!("Users/{}", id(&ada)), &[], Value::Null).await.status, 204);
    let known = scim.get(&format!("Groups/{}", id(&group))).await;
    assert_eq!(known["members"].as_array().unwrap().len(), 1);
    assert_ne!(known["meta"]["version"], group["meta"]["version"]);
    assert!(world.store.control().rejected(&environment(), 0, 1).await.unwrap().is_empty());
    world.end().await;
}

#[tokio::test]
async fn lists_have_pages_filters_orders_and_attributes() {
    let world = World::new().await;
    let scim = Scim::new(&world).await;
    for (name, title) in [("eve", "b"), ("ada", "a"), ("bob", "c"), ("dan", "")] {
        scim.create("Users", json!({ "userName": name, "title": title, "displayName": name.to_uppercase() }))
            .await;
    }
    for (query, want) in [
        ("", vec!["eve", "ada", "bob", "dan"]),
        ("startIndex=2&count=2", vec!["ada", "bob"]),
        ("startIndex=-5&count=1", vec!["eve"]),
        ("count=0", vec![]),
        ("count=-1", vec![]),
        ("startIndex=9", vec![]),
        ("sortBy=userName", vec!["ada", "bob", "dan", "eve"]),
        ("sortBy=title&sortOrder=descending", vec!["dan", "bob", "eve", "ada"]),
        ("filter=title+pr+and+not+(userName+sw+%22a%22)", vec!["eve", "bob"]),
        ("filter=meta.created+gt+%222000-01-01T00:00:00Z%22&count=1", vec!["eve"]),
    ] {
        assert_eq!(scim.names(query).await, want, "{query}");
    }
    let page = scim.get("Users?count=1&attributes=displayName&startIndex=2").await;
    assert_eq!(
        (&page["totalResults"], &page["startIndex"], &page["itemsPerPage"]),
        (&json!(4), &json!(2), &json!(1))
    );
    let members: Vec<&String> = page["Resources"][0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["displayName", "id", "schemas"]);
    let schema = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
    let search =
        json!({ "schemas": [schema], "filter": "userName eq \"dan\"", "excludedAttributes": ["meta"] });
    for path in ["Users/.search", ".search"] {
        let found = scim.send("POST", path, &[], search.clone()).await.json();
        assert_eq!(
            (&found["totalResults"], &found["Resources"][0]["meta"]),
            (&json!(1), &Value::Null),
            "{path}"
        );
    }
    let config = scim.get("ServiceProviderConfig").await;
    assert_eq!(config["patch"]["supported"], true);
    assert_eq!(scim.get("Schemas").await["totalResults"], 3);
    let group = scim.get("Schemas/urn%3Aietf%3Aparams%3Ascim%3Aschemas%3Acore%3A2.0%3AGroup").await;
    assert_eq!(group["name"], "Group");
    assert_eq!(scim.get("ResourceTypes/User").await["endpoint"], "/Users");
    world.end().await;
}

#[tokio::test]
async fn versions_guard_changes_and_spare_answers() {
    let world = World::new().await;
    let scim = Scim::new(&world).await;
    let ada = scim.create("Users", json!({ "userName": "ada" })).await;
    let (path, tag) = (format!("Users/{}", id(&ada)), ada["meta"]["version"].as_str().unwrap().to_owned());
    let strong = tag.trim_start_matches("W/").to_owned();
    for (header, value, method, status) in [
        ("If-None-Match", tag.as_str(), "GET", 304),
        ("If-None-Match", "W/\"99\", *", "GET", 304),
        ("If-None-Match", "W/\"99\"", "GET", 200),
        ("If-Match", "W/\"99\"", "PUT", 412),
        ("If-Match", "W/\"99\"", "DELETE", 412),
        ("If-Match", strong.as_str(), "PUT", 200),
        ("If-Match", tag.as_str(), "PUT", 412),
        ("If-Match", "*", "DELETE", 204),
    ] {
        let body = if method == "PUT" { json!({ "userName": "ada", "title": "t" }) } else { Value::Null };
        let answer = scim.send(method, &path, &[(header, value)], body).await;
        assert_eq!(answer.status, status, "{method} {header} {value}: {}", answer.text());
    }
    world.end().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_words_of_scim() {
    let world = World::new().await;
    let scim = Scim::new(&world).await;
    let ada = scim.create("Users", json!({ "userName": "ada" })).await;
    let path = format!("Users/{}", id(&ada));
    let long = json!({ "userName": "bob", "displayName": "x".repeat(17 * 1024) });
    let table = [
        ("POST", "Users", json!({ "displayName": "x" }), 400, "invalidValue"),
        ("POST", "Users", json!([]), 400, "invalidSyntax"),
        ("POST", "Users", long, 400, "invalidValue"),
        ("POST", "Groups", json!({ "displayName": "x", "members": [{ "value": "y" }] }), 400, "invalidValue"),
        ("GET", "Users?filter=userName", Value::Null, 400, "invalidFilter"),
        ("GET", "Users?count=many", Value::Null, 400, "invalidValue"),
        ("GET", "Users/none", Value::Null, 404, ""),
        ("PUT", "Users/none", json!({ "userName": "x" }), 404, ""),
        ("PATCH", &path, json!({ "Operations": [] }), 400, "invalidSyntax"),
        ("GET", "Nothing", Value::Null, 404, ""),
        ("GET", "Nothing/at/all", Value::Null, 404, ""),
        ("GET", "Schemas?filter=id+pr", Value::Null, 403, ""),
        ("GET", "Me", Value::Null, 501, ""),
        ("POST", "Bulk", json!({}), 501, ""),
        ("PUT", "Users", json!({}), 405, ""),
        ("POST", &path, json!({}), 405, ""),
        ("DELETE", "Schemas", Value::Null, 405, ""),
    ];
    for (method, path, body, status, scim_type) in table {
        let answer = scim.send(method, path, &[], body).await;
        let said = answer.json();
        assert_eq!(answer.header("content-type"), Some("application/scim+json"), "{method} {path}");
        assert_eq!(
            (answer.status, said["status"].as_str(), said["scimType"].as_str().unwrap_or_default()),
            (status, Some(status.to_string().as_str()), scim_type),
            "{method} {path}: {said}"
        );
        assert!(!said["detail"].as_str().unwrap().is_empty());
    }
    let request = world.post("/scim/v2/Users").bearer(&scim.token).header("Content-Type", "text/plain");
    assert_eq!(request.body("{}").send().await.status, 415);
    let request = world.post("/scim/v2/Users").bearer(&scim.token).body("{");
    assert_eq!(request.send().await.json()["scimType"], "invalidSyntax");
    let large = vec![b' '; 5 * 1024 * 1024];
    assert_eq!(world.post("/scim/v2/Users").bearer(&scim.token).body(large).send().await.status, 413);
    assert_eq!(world.trail().await.snapshot().size, 1, "nothing of it was recorded");
    world.end().await;
}
