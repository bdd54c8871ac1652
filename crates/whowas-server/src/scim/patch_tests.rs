//! PATCH as the RFC has it, and as Entra and Okta send it.

use serde_json::json;

use super::*;
use crate::scim::schema::ENTERPRISE;

fn user() -> Value {
    json!({
        "userName": "ada",
        "name": { "givenName": "Ada", "familyName": "Byron" },
        "active": true,
        "emails": [
            { "value": "a@work", "type": "work", "primary": true },
            { "value": "a@home", "type": "home" },
        ],
    })
}

#[track_caller]
fn check(operations: Value, change: impl FnOnce(&mut Map<String, Value>)) {
    let mut want = user().as_object().cloned().unwrap();
    change(&mut want);
    assert_eq!(apply(Kind::User, user(), operations.clone()), Ok(Value::Object(want)), "{operations}");
}

#[test]
fn operations_do_what_the_rfc_says() {
    check(json!([{ "op": "add", "path": "title", "value": "Countess" }]), |user| {
        user.insert("title".into(), "Countess".into());
    });
    check(json!([{ "op": "replace", "path": "name", "value": { "familyName": "King" } }]), |user| {
        user["name"] = json!({ "givenName": "Ada", "familyName": "King" });
    });
    check(json!([{ "op": "remove", "path": "name.givenName" }]), |user| {
        user["name"] = json!({ "familyName": "Byron" });
    });
    check(
        json!([{ "op": "add", "path": "emails", "value": [{ "value": "a@home", "type": "home" }] }]),
        |_| {},
    );
    check(
        json!([{ "op": "add", "path": "emails", "value": [{ "value": "new", "primary": true }] }]),
        |user| {
            user["emails"] = json!([
                { "value": "a@work", "type": "work", "primary": false },
                { "value": "a@home", "type": "home" },
                { "value": "new", "primary": true },
            ]);
        },
    );
    check(json!([{ "op": "remove", "path": "emails[type eq \"home\"]" }]), |user| {
        user["emails"] = json!([{ "value": "a@work", "type": "work", "primary": true }]);
    });
    check(json!([{ "op": "replace", "path": "emails[type eq \"home\"].value", "value": "x" }]), |user| {
        user["emails"][1]["value"] = "x".into();
    });
    check(json!([{ "op": "replace", "path": "emails[type eq \"home\"].primary", "value": true }]), |user| {
        user["emails"] = json!([
            { "value": "a@work", "type": "work" },
            { "value": "a@home", "type": "home", "primary": true },
        ]);
    });
    check(json!([{ "op": "replace", "path": "emails", "value": [] }]), |user| {
        user.remove("emails");
    });
    let department = format!("{ENTERPRISE}:department");
    check(json!([{ "op": "add", "path": department, "value": "Sales" }]), |user| {
        user.insert(ENTERPRISE.into(), json!({ "department": "Sales" }));
    });
}

#[test]
fn operations_do_what_clients_mean() {
    check(json!([{ "op": "Replace", "path": "active", "value": "False" }]), |user| {
        user["active"] = false.into();
    });
    let dotted = json!({
        "active": "False",
        "name.givenName": "Augusta",
        "emails[type eq \"work\"].value": "new@work",
        "emails[type eq \"other\"].value": "new@other",
        (format!("{ENTERPRISE}:department")): "Sales",
        ENTERPRISE: { "manager": "M1" },
        "phoneNumbers[type eq \"work\"].value": "1",
        "groups": [],
        "id": "mine",
        "unheardOf": 1,
    });
    check(json!([{ "op": "Add", "value": dotted }]), |user| {
        user["active"] = false.into();
        user["name"]["givenName"] = "Augusta".into();
        user["emails"][0]["value"] = "new@work".into();
        user["emails"].as_array_mut().unwrap().push(json!({ "type": "other", "value": "new@other" }));
        user.insert(ENTERPRISE.into(), json!({ "department": "Sales", "manager": { "value": "M1" } }));
    });
    let members = |ids: &[&str]| {
        let members: Vec<Value> = ids.iter().map(|id| json!({ "value": id })).collect();
        json!({ "displayName": "g", "members": members })
    };
    let group = |operations: Value| apply(Kind::Group, members(&["a", "b", "c"]), operations);
    assert_eq!(
        group(json!([{ "op": "Remove", "path": "members", "value": [{ "value": "b" }, { "value": "z" }] }])),
        Ok(members(&["a", "c"]))
    );
    assert_eq!(
        group(
            json!([{ "op": "remove", "path": "members[value eq \"a\"]" }, { "op": "add", "path": "members", "value": { "value": "d", "display": "D", "$ref": "x" } }])
        ),
        Ok(members(&["b", "c", "d"]))
    );
    assert_eq!(group(json!([{ "op": "remove", "path": "members" }])), Ok(json!({ "displayName": "g" })));
}

#[test]
fn what_cannot_be_done_is_refused_by_its_reason() {
    let table = [
        (json!([{ "op": "move", "path": "title" }]), "invalidSyntax"),
        (json!([{ "path": "title" }]), "invalidSyntax"),
        (json!("all"), "invalidSyntax"),
        (json!([{ "op": "remove" }]), "noTarget"),
        (json!([{ "op": "add", "value": 5 }]), "invalidValue"),
        (json!([{ "op": "add", "path": "unheardOf", "value": 5 }]), "invalidPath"),
        (json!([{ "op": "add", "path": "name.unheardOf", "value": "x" }]), "invalidPath"),
        (json!([{ "op": "add", "path": "urn:x:y:title", "value": "x" }]), "invalidPath"),
        (json!([{ "op": "add", "path": "name[x eq 1]", "value": "x" }]), "invalidPath"),
        (json!([{ "op": "add", "path": "emails[type eq]", "value": "x" }]), "invalidFilter"),
        (json!([{ "op": "replace", "path": "emails[type co \"x\"].value", "value": "x" }]), "noTarget"),
        (json!([{ "op": "add", "path": "active", "value": "perhaps" }]), "invalidValue"),
        (json!([{ "op": "replace", "path": "id", "value": "x" }]), "mutability"),
        (json!([{ "op": "replace", "path": "groups", "value": [] }]), "mutability"),
        (json!([{ "op": "remove", "path": "userName" }]), "mutability"),
        (json!([{ "op": "replace", "path": "emails.primary", "value": true }]), "invalidValue"),
    ];
    for (operations, want) in table {
        let refused = apply(Kind::User, user(), operations.clone()).unwrap_err();
        assert_eq!(refused.scim_type, Some(want), "{operations}: {refused:?}");
    }
    let one = json!({ "op": "add", "path": "title", "value": "x" });
    let refused = apply(Kind::User, user(), json!(vec![one; OPERATIONS_MAX + 1])).unwrap_err();
    assert_eq!(refused.scim_type, Some("tooMany"));
}
