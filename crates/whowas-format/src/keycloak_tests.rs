//! Events of Keycloak, made up after its documentation.

use serde_json::json;

use super::*;
use crate::testing::{read, recognizes};

fn event(kind: &str) -> Value {
    json!({
        "id": format!("id of {kind}"), "time": 1_795_418_521_500_i64, "type": kind, "realmId": "r-1", "realmName": "contoso",
        "clientId": "portal", "userId": "u-1", "sessionId": "s-1", "ipAddress": "192.0.2.7",
        "details": {"username": "ada", "auth_method": "openid-connect", "code_id": "s-1", "consent": "no_consent_required"},
    })
}

#[test]
fn the_api_tells_of_logins_and_logouts() {
    let mut failed = event("LOGIN_ERROR");
    failed["error"] = "invalid_user_credentials".into();
    let text = format!("[{},{failed},{}]", event("LOGIN"), event("LOGOUT"));
    assert!(recognizes(&KeycloakEvents, &text));
    let reading = read(&KeycloakEvents, &text);
    let told: Vec<_> = reading.events.iter().map(|event| (event.activity, event.status)).collect();
    assert_eq!(
        told,
        [
            (Activity::Logon, Status::Success),
            (Activity::Logon, Status::Failure),
            (Activity::Logoff, Status::Success)
        ]
    );
    let login = &reading.events[0];
    assert_eq!(login.native_id, NativeId::Given("id of LOGIN".into()));
    assert_eq!(login.occurred_at.as_ms(), 1_795_418_521_500);
    assert_eq!((login.user.uid.as_deref(), login.user.name.as_deref()), (Some("u-1"), Some("ada")));
    assert_eq!((login.session_uid.as_deref(), login.tenant_uid.as_deref()), (Some("s-1"), Some("contoso")));
    assert_eq!(login.service.uid.as_deref(), Some("portal"));
    assert!(login.unmapped.as_deref().unwrap().contains("no_consent_required"));
    assert_eq!(reading.events[1].status_code.as_deref(), Some("invalid_user_credentials"));
}

#[test]
fn lines_of_the_log_are_read_with_and_without_quotes() {
    let head = "2026-11-23 07:22:01,500 WARN  [org.keycloak.events] (executor-thread-1)";
    let text = [
        "2026-11-23 07:20:00,000 INFO  [org.keycloak.services] (main) KC-SERVICES0009: Added user 'admin' to realm 'master'",
        &format!("{head} type=LOGIN_ERROR, realmId=test, clientId=portal, userId=null, ipAddress=192.0.2.7, error=user_not_found, redirect_uri=https://x.example/?a=b, code_id=c-1"),
        &format!("{head} type=\"LOGIN\", realmId=\"test\", clientId=\"portal\", userId=\"u-1\", ipAddress=\"192.0.2.7\", username=\"ada, countess\", code_id=\"c-2\""),
        &format!("{head} operationType=CREATE, realmId=test, resourceType=GROUP"),
        &format!("{head} type=REFRESH_TOKEN, realmId=test"),
        "yesterday [org.keycloak.events] (t) type=LOGIN",
    ]
    .join("\n");
    assert!(recognizes(&KeycloakEvents, &text));
    let reading = read(&KeycloakEvents, &text);
    let [failed, login] = reading.events.as_slice() else { panic!("{reading:#?}") };
    assert_eq!((failed.user.uid.as_deref(), failed.status_code.as_deref()), (None, Some("user_not_found")));
    assert!(failed.unmapped.as_deref().unwrap().contains("https://x.example/?a=b"));
    assert_eq!(failed.session_uid.as_deref(), Some("c-1"));
    assert_eq!(login.user.name.as_deref(), Some("ada, countess"));
    assert_eq!(login.occurred_at.to_string(), "2026-11-23T07:22:01.500Z");
    assert!(login.native_id.is_derived() && login.native_id != failed.native_id);
    assert_eq!(
        reading.others[..3],
        ["set aside: other lines of the log", "set aside: admin event", "set aside: REFRESH_TOKEN"]
    );
    assert!(reading.others[3].starts_with("line 6: the time `yesterday"), "{:?}", reading.others);
    assert_eq!(reading.summary.times_without_zone, 2);
}

#[test]
fn a_time_that_is_none_is_told() {
    let mut timeless = event("LOGIN");
    timeless["time"] = "yesterday".into();
    let reading = read(&KeycloakEvents, &timeless.to_string());
    assert!(reading.others[0].contains("`time` is missing, or no number"), "{:?}", reading.others);
    assert!(!recognizes(&KeycloakEvents, r#"{"type":"login","realmId":"x","time":1}"#));
}

proptest::proptest! {
    #[test]
    fn no_line_panics(line in "\\PC{0,80}", members in "[a-z=\", ]{0,60}") {
        read(&KeycloakEvents, &format!("{line}\n2026-11-23 07:22:01,500 WARN  [org.keycloak.events] (t) type=LOGIN, {members}"));
    }
}
