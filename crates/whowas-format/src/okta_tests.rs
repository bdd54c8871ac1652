//! Events of Okta's System Log, made up after its documentation.

use serde_json::json;

use super::*;
use crate::testing::{read, recognizes};

fn event(kind: &str, result: &str) -> Value {
    json!({
        "uuid": format!("id of {kind}"), "published": "2026-11-23T07:22:01.500Z", "eventType": kind, "severity": "INFO",
        "displayMessage": "something", "outcome": {"result": result, "reason": null},
        "actor": {"id": "00u1", "type": "User", "alternateId": "ada@contoso.example", "displayName": "Ada Adams"},
        "client": {
            "ipAddress": "192.0.2.7", "device": "Computer", "zone": "null",
            "userAgent": {"rawUserAgent": "Mozilla/5.0", "os": "Mac OS X", "browser": "FIREFOX"},
            "geographicalContext": {"city": "Zurich", "state": "Zurich", "country": "Switzerland"},
        },
        "authenticationContext": {"externalSessionId": "102abc"}, "transaction": {"id": "T1", "type": "WEB"},
        "target": null, "debugContext": {"debugData": {"requestUri": "/api/v1/authn"}},
    })
}

#[test]
fn sessions_begin_and_end() {
    let text =
        format!("{}\n{}", event("user.session.start", "SUCCESS"), event("user.session.end", "SUCCESS"));
    assert!(recognizes(&OktaLog, &text));
    let reading = read(&OktaLog, &text);
    assert_eq!(reading.others, [""; 0]);
    let start = &reading.events[0];
    assert_eq!((start.activity, start.status), (Activity::Logon, Status::Success));
    assert_eq!(start.native_id, NativeId::Given("id of user.session.start".into()));
    assert_eq!(start.occurred_at.to_string(), "2026-11-23T07:22:01.500Z");
    assert_eq!(start.user.uid.as_deref(), Some("00u1"));
    assert_eq!(start.user.email_addr.as_deref(), Some("ada@contoso.example"));
    assert_eq!(start.session_uid.as_deref(), Some("102abc"));
    assert_eq!(start.src_endpoint.ip.as_deref(), Some("192.0.2.7"));
    assert_eq!(start.src_endpoint.location.country.as_deref(), Some("Switzerland"));
    assert!(!start.unmapped.as_deref().unwrap().contains("zone"), "`null` as a text says nothing");
    assert_eq!(
        (reading.events[1].activity, reading.events[1].session_uid.as_deref()),
        (Activity::Logoff, Some("102abc"))
    );
}

#[test]
fn a_name_that_nobody_has_is_kept_as_it_was_typed() {
    let mut failed = event("user.session.start", "FAILURE");
    failed["outcome"]["reason"] = "INVALID_CREDENTIALS".into();
    failed["actor"] =
        json!({"id": "unknown", "type": "User", "alternateId": "root", "displayName": "unknown"});
    failed["authenticationContext"]["externalSessionId"] = "unknown".into();
    let event = read(&OktaLog, &format!("[{failed}]")).events.remove(0);
    assert_eq!((event.status, event.status_code.as_deref()), (Status::Failure, Some("INVALID_CREDENTIALS")));
    assert_eq!((event.user.uid, event.user.name.as_deref(), event.session_uid), (None, Some("root"), None));
}

#[test]
fn who_acts_on_somebody_is_the_actor() {
    let mut cleared = event("user.session.clear", "SUCCESS");
    cleared["target"] =
        json!([{"id": "00u2", "type": "User", "alternateId": "bob@contoso.example", "displayName": "Bob"}]);
    let mut sso = event("user.authentication.sso", "SUCCESS");
    sso["target"] = json!([
        {"id": "0ua", "type": "AppUser", "alternateId": "ada", "displayName": "Ada"},
        {"id": "0oa1", "type": "AppInstance", "alternateId": "Finance", "displayName": "Finance"},
    ]);
    let reading = read(&OktaLog, &format!("{cleared}\n{sso}"));
    let cleared = &reading.events[0];
    assert_eq!((cleared.user.uid.as_deref(), cleared.actor.uid.as_deref()), (Some("00u2"), Some("00u1")));
    assert_eq!(SessionHints::of(cleared).end.as_deref(), Some("revoked"));
    let sso = &reading.events[1];
    assert_eq!((sso.activity, sso.user.uid.as_deref()), (Activity::ServiceTicketRequest, Some("00u1")));
    assert_eq!(sso.service.name.as_deref(), Some("Finance"));
}

#[test]
fn what_is_no_sign_in_is_counted_and_what_is_broken_is_told() {
    let mut timeless = event("user.session.start", "SUCCESS");
    timeless["published"] = Value::Null;
    let text =
        format!("{}\n{timeless}\n{{\"eventType\":\"x\"", event("group.user_membership.add", "SUCCESS"));
    let reading = read(&OktaLog, &text);
    assert_eq!(reading.others[0], "set aside: group.user_membership.add");
    assert!(
        reading.others[1].ends_with("`published` is missing: export the events with it"),
        "{:?}",
        reading.others
    );
    assert_eq!((reading.others.len(), reading.events.len()), (3, 0));
    let long = event(&"\u{e9}".repeat(200), "SUCCESS").to_string();
    assert_eq!(read(&OktaLog, &long).others, [format!("set aside: {}", "\u{e9}".repeat(50))]);
}
