//! Events in the words of others, word for word.

use super::*;
use crate::{native::Native, testing};

const RECORD: &str = r#"{"occurred_at":"2026-11-20T08:15:30.250Z","native_id":"n-1","activity":"logon","status":"failure","status_code":"50126","status_detail":"Invalid password","user_id":"u-1","user_name":"ada","display_name":"Ada Lovelace","email":"ada@contoso.example","roles":["Clerk"],"src_ip":"192.0.2.10","src_port":50123,"country":"CH","city":"Zürich","user_agent":"Mozilla/5.0","device_id":"d-1","os":"Windows 11","app":"Dynamics 365","auth_protocol":"oidc","logon_type":"interactive","is_mfa":true,"session_id":"s-1","risk":1}"#;

fn event(text: &str) -> Event {
    testing::read(&Native, text).events.remove(0)
}

fn sourced(event: &Event) -> Sourced<'_> {
    Sourced { event, source: "erp", format: "whowas-event", raw: Some(b"raw") }
}

#[test]
fn ecs_words() {
    let event = event(RECORD);
    assert_eq!(
        ecs(sourced(&event)),
        json!({
            "@timestamp": "2026-11-20T08:15:30.250Z",
            "ecs": {"version": "9.4.0"},
            "event": {
                "kind": "event", "category": ["authentication"], "type": ["start"], "action": "logon",
                "outcome": "failure", "id": "n-1", "code": "50126", "reason": "Invalid password",
                "module": "whowas-event", "provider": "erp", "original": "raw",
            },
            "user": {
                "id": "u-1", "name": "ada", "full_name": "Ada Lovelace", "email": "ada@contoso.example",
                "roles": ["Clerk"],
            },
            "related": {"user": ["ada", "ada@contoso.example", "u-1"], "ip": ["192.0.2.10"]},
            "source": {
                "ip": "192.0.2.10", "port": 50123, "geo": {"country_iso_code": "CH", "city_name": "Zürich"},
            },
            "user_agent": {"original": "Mozilla/5.0", "os": {"full": "Windows 11"}},
            "service": {"name": "Dynamics 365"},
            "session": {"id": "s-1"},
            "labels": {
                "auth_protocol": "oidc", "logon_type": "interactive", "device_id": "d-1",
                "is_mfa": "true", "risk": "1",
            },
        })
    );
}

#[test]
fn ocsf_words() {
    let event = event(RECORD);
    assert_eq!(
        ocsf(sourced(&event)),
        json!({
            "class_uid": 3002, "class_name": "Authentication",
            "category_uid": 3, "category_name": "Identity & Access Management",
            "activity_id": 1, "activity_name": "logon", "type_uid": 300_201, "severity_id": 1,
            "status_id": 2, "status": "failure", "status_code": "50126", "status_detail": "Invalid password",
            "time": 1_795_162_530_250_i64,
            "metadata": {
                "version": "1.8.0", "product": {"name": "whowas-event"}, "log_name": "erp",
                "original_event_uid": "n-1",
            },
            "user": {
                "uid": "u-1", "name": "ada", "full_name": "Ada Lovelace",
                "email_addr": "ada@contoso.example", "groups": [{"name": "Clerk"}],
            },
            "src_endpoint": {
                "ip": "192.0.2.10", "port": 50123, "uid": "d-1", "os": {"name": "Windows 11", "type_id": 0},
                "location": {"country": "CH", "city": "Zürich"},
            },
            "http_request": {"user_agent": "Mozilla/5.0"},
            "service": {"name": "Dynamics 365"},
            "session": {"uid": "s-1"},
            "auth_protocol_id": 4, "auth_protocol": "oidc", "logon_type_id": 2, "logon_type": "interactive",
            "is_mfa": true, "raw_data": "raw", "unmapped": {"risk": 1},
        })
    );
    let bare = r#"{"occurred_at":"2026-11-20T08:15:30Z","activity":"logoff"}"#;
    let bare = ocsf(sourced(&testing::read(&Native, bare).events[0]));
    assert_eq!((&bare["user"], &bare["type_uid"]), (&json!({}), &json!(300_202)));
}

#[test]
fn machines_that_start_are_no_sign_ins_and_bytes_no_text() {
    let text = r#"{"occurred_at":"2026-11-20T08:15:30Z","activity":"other","unmapped":{"session":{"boundary":"boot"}}}"#;
    let event = event(text);
    let document = ecs(Sourced { raw: Some(b"a\0\xff"), ..sourced(&event) });
    assert_eq!(document["event"]["category"], json!(["host"]));
    assert_eq!(document["event"]["action"], json!("boot"));
    assert_eq!(document["event"]["original"], json!("base64:YQD/"));
}

#[test]
fn our_own_words_are_read_again() {
    let event = event(RECORD);
    let own = Sourced { raw: None, ..sourced(&event) };
    let mut again = testing::read(&Native, &native(own).to_string()).events.remove(0);
    assert_eq!(
        again.unmapped.as_deref(),
        Some("{\"format\":\"whowas-event\",\"risk\":1,\"source\":\"erp\"}")
    );
    again.unmapped = event.unmapped.clone();
    assert_eq!(again, event);
}

#[test]
fn an_actor_is_the_ecs_user() {
    let text = r#"{"occurred_at":"2026-11-20T08:15:30Z","activity":"account_switch","user_name":"ada","actor_name":"root"}"#;
    let document = ecs(sourced(&event(text)));
    assert_eq!(document["user"], json!({"name": "root", "target": {"name": "ada"}}));
    assert_eq!(document["event"]["type"], json!(["info"]));
    // Who asked for a sign-in does not sign in.
    let document = ecs(sourced(&event(&text.replace("account_switch", "logon"))));
    assert_eq!(document["user"], json!({"name": "ada"}));
    assert_eq!(document["labels"], json!({"actor_name": "root"}));
}

#[test]
fn labels_are_texts() {
    let text = r#"{"occurred_at":"2026-11-20T08:15:30Z","activity":"logon","logon_type":"network","unmapped":{"a.b":true,"n":7,"logon_type":"x","list":[1],"unmapped":"y","z":{"q":1}}}"#;
    let document = ecs(sourced(&event(text)));
    let want = json!({
        "a_b": "true", "n": "7", "logon_type": "network",
        "unmapped": "{\"list\":[1],\"logon_type\":\"x\",\"unmapped\":\"y\",\"z\":{\"q\":1}}",
    });
    assert_eq!(document["labels"], want);
}
