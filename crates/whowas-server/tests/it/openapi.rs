//! The description of the API is about the API there is.

use std::collections::BTreeSet;

use crate::{client::Request, world::World};

#[tokio::test]
async fn describes_every_route_and_no_other() {
    let document: serde_json::Value =
        serde_json::from_str(include_str!("../../assets/openapi.json")).unwrap();
    let described: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    let routes: BTreeSet<String> = include_str!("../../src/router.rs")
        .split(".route(")
        .skip(1)
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
        .filter(|path| {
            // What is for people, and gRPC, which has its own description.
            !["/p/", "/sign-", "/assets/", "/opentelemetry."].iter().any(|prefix| path.starts_with(prefix))
                && *path != "/"
        })
        .map(|path| path.replace("{*", "{"))
        .collect();
    assert_eq!(described, routes);

    let world = World::new().await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{project}", "contoso").replace("{environment}", "production");
        let path = path.replace("{token}", "t").replace("{user}", "ada").replace("{source}", "okta-log");
        let path = path.replace("{id}", "1").replace("{tile}", "0/000.p/1");
        let allowed: Vec<String> =
            methods.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let response = Request::new(world.address, method, &path).send().await;
            let is_allowed = allowed.iter().any(|one| one == method);
            assert_eq!(response.status != 405, is_allowed, "{method} {path}");
        }
    }
    world.end().await;
}

#[test]
fn every_reference_leads_somewhere() {
    let text = include_str!("../../assets/openapi.json");
    let document: serde_json::Value = serde_json::from_str(text).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let references: Vec<_> = text.split("\"#/components/schemas/").skip(1).collect();
    assert!(references.len() > 10);
    for reference in references {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}
