//! What a resource keeps and shows.

use serde_json::json;

use super::*;

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

#[test]
fn what_clients_send_is_made_to_fit() {
    let sent = json!({
        "schemas": ["whatever"],
        "id": "mine",
        "username": "ada",
        "ACTIVE": "False",
        "password": "secret",
        "phoneNumbers": [{ "value": "1" }],
        "unheardOf": { "a": 1 },
        "title": "",
        "nickName": null,
        "groups": [{ "value": "g" }],
        "emails": [{ "value": "a@x", "type": "work", "unheardOf": 1 }, null, {}],
        "roles": ["Auditor"],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user": { "Department": "Sales", "manager": "M1" },
    });
    let want = json!({
        "userName": "ada",
        "active": false,
        "emails": [{ "value": "a@x", "type": "work" }],
        "roles": [{ "value": "Auditor" }],
        ENTERPRISE: { "department": "Sales", "manager": { "value": "M1" } },
    });
    let kept = accepted(Kind::User, &object(sent)).unwrap();
    assert_eq!(Value::Object(kept.clone()), want);
    let told = person("our-id", &kept);
    assert_eq!((told.uid.as_deref(), told.email_addr.as_deref()), (Some("our-id"), Some("a@x")));
    assert_eq!(told.roles, ["Auditor"]);
    assert_eq!(beside(&kept), object(json!({ "enabled": false, "department": "Sales" })));
}

#[test]
fn names_come_from_wherever_they_are_told() {
    let of = |kept: Value| person("our-id", &object(kept));
    let told = of(json!({
        "userName": "ada@x",
        "externalId": "A0A0A0A0-0000-4000-8000-00000000000F",
        "name": { "givenName": "Ada", "familyName": "King" },
        "emails": [{ "value": "first@x" }, { "value": "main@x", "primary": true }],
    }));
    assert_eq!(told.uid.as_deref(), Some("a0a0a0a0-0000-4000-8000-00000000000f"));
    assert_eq!((told.full_name.as_deref(), told.email_addr.as_deref()), (Some("Ada King"), Some("main@x")));
    let told = of(json!({ "userName": "ada@x", "displayName": "Ada", "name": { "formatted": "Countess" } }));
    assert_eq!((told.full_name.as_deref(), told.email_addr.as_deref()), (Some("Ada"), Some("ada@x")));
}

#[test]
fn what_does_not_fit_is_refused() {
    let table = [
        (json!({ "title": "x" }), "a User has a `userName`"),
        (json!({ "userName": " " }), "a User has a `userName`"),
        (json!({ "userName": ["a"] }), "`userName` is a text"),
        (json!({ "userName": "a", "active": "maybe" }), "`active` is true or false"),
        (json!({ "userName": "a", "name": "Ada" }), "`name` is an object"),
        (
            json!({ "userName": "a", "emails": [{ "value": "1", "primary": true }, { "value": "2", "primary": true }] }),
            "one value of `emails` is the primary one, not several",
        ),
        (json!({ "userName": "a", "roles": vec!["r"; 257] }), "`roles` has at most 256 values"),
    ];
    for (sent, want) in table {
        assert_eq!(accepted(Kind::User, &object(sent.clone())).unwrap_err().detail, want, "{sent}");
    }
}

fn projection(only: &str, without: &str) -> Result<Projection, Refused> {
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    Projection::of_lists(&list(only), &list(without))
}

#[test]
fn clients_get_the_attributes_they_ask_for() {
    let ada = object(json!({
        "schemas": ["s"], "id": "1", "userName": "ada", "title": "t",
        "name": { "givenName": "Ada", "familyName": "King" },
        "emails": [{ "value": "a", "type": "work" }, { "value": "b" }],
        ENTERPRISE: { "department": "Sales", "division": "North" },
    }));
    let check = |only: &str, without: &str, want: Value| {
        let shown = projection(only, without).unwrap().of(Kind::User, ada.clone());
        assert_eq!(Value::Object(shown), want, "{only} without {without}");
    };
    check("USERNAME", "", json!({ "schemas": ["s"], "id": "1", "userName": "ada" }));
    check(
        "name.familyName, emails.value,emails.type,none",
        "",
        json!({ "schemas": ["s"], "id": "1", "name": { "familyName": "King" },
            "emails": [{ "value": "a", "type": "work" }, { "value": "b" }] }),
    );
    let department = format!("{ENTERPRISE}:department");
    check(&department, "", json!({ "schemas": ["s"], "id": "1", ENTERPRISE: { "department": "Sales" } }));
    let without = format!("id,schemas,name.givenName,emails,title,userName,{department}");
    check(
        "",
        &without,
        json!({ "schemas": ["s"], "id": "1", "name": { "familyName": "King" }, ENTERPRISE: { "division": "North" } }),
    );
    let without = projection("", "members").unwrap();
    assert!(!without.shows("members") && without.shows("displayName"));
    assert!(projection("a b", "").is_err());
}
