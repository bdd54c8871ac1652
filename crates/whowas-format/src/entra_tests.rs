//! Sign-ins of invented people, as Graph and Azure Monitor write them.

use serde_json::json;
use whowas_event::{NativeId, Status};

use crate::{
    entra_graph::EntraGraph,
    entra_monitor::EntraMonitor,
    testing::{read, recognizes},
};

fn graph() -> serde_json::Value {
    json!({
        "id": "5c6f1a", "createdDateTime": "2026-11-20T08:15:30.1234567Z", "userDisplayName": "Ada Lovelace",
        "userPrincipalName": "ada@contoso.example", "userId": "u-1", "appId": "app-1",
        "appDisplayName": "Dynamics 365", "ipAddress": "192.0.2.7", "clientAppUsed": "Browser",
        "userAgent": "Mozilla/5.0", "correlationId": "corr-1", "conditionalAccessStatus": "success",
        "isInteractive": true, "riskDetail": "none", "riskLevelAggregated": "unknownFutureValue",
        "resourceDisplayName": "ERP", "resourceTenantId": "ten-1", "sessionId": "s-1",
        "authenticationRequirement": "multiFactorAuthentication", "authenticationProtocol": "oAuth2",
        "signInEventTypes": ["nonInteractiveUser"], "autonomousSystemNumber": 64500,
        "status": {"errorCode": 50126, "failureReason": "Invalid password.", "additionalDetails": "MFA"},
        "deviceDetail": {"deviceId": "d-1", "displayName": "laptop", "operatingSystem": "Windows 11",
            "browser": "Edge 131", "isCompliant": true, "trustType": ""},
        "location": {"city": "Zürich", "state": "Zürich", "countryOrRegion": "CH",
            "geoCoordinates": {"latitude": 47.37, "longitude": 8.54}},
    })
}

fn monitor(category: &str, properties: serde_json::Value) -> serde_json::Value {
    json!({
        "time": "2026-11-20T08:15:30.1234567Z", "category": category, "tenantId": "ten-1", "resultType": "0",
        "callerIpAddress": "<null>", "correlationId": "corr-2", "Level": "4", "location": "CH",
        "operationName": "Sign-in activity", "identity": "Ada Lovelace", "properties": properties,
    })
}

#[test]
fn a_graph_sign_in() {
    let page =
        json!({"@odata.context": "https://graph.example/$metadata#auditLogs/signIns", "value": [graph()]});
    for text in [graph().to_string(), page.to_string(), format!("{:#}", json!([graph()]))] {
        assert!(recognizes(&EntraGraph, &text), "{text}");
        assert!(!recognizes(&EntraMonitor, &text));
        let reading = read(&EntraGraph, &text);
        let [event] = &reading.events[..] else { panic!("one sign-in: {:?}", reading.others) };
        assert_eq!(event.native_id, NativeId::Given("5c6f1a".into()));
        assert_eq!(event.occurred_at.to_string(), "2026-11-20T08:15:30.123Z");
        assert_eq!(event.raw_time.as_deref(), Some("2026-11-20T08:15:30.1234567Z"));
        assert_eq!((event.status, event.status_code.as_deref()), (Status::Failure, Some("50126")));
        assert_eq!(event.status_detail.as_deref(), Some("Invalid password."));
        assert_eq!(event.logon_type.as_deref(), Some("non_interactive"));
        assert_eq!((event.is_mfa, event.session_uid.as_deref()), (Some(true), Some("s-1")));
        assert_eq!(event.service.name.as_deref(), Some("Dynamics 365"));
        assert_eq!(event.device.browser.as_deref(), Some("Edge 131"));
        assert_eq!(event.src_endpoint.location.city.as_deref(), Some("Zürich"));
        assert_eq!(
            event.unmapped.as_deref(),
            Some(
                "{\"additionalDetails\":\"MFA\",\"authenticationRequirement\":\"multiFactorAuthentication\",\"autonomousSystemNumber\":64500,\"clientAppUsed\":\"Browser\",\"conditionalAccessStatus\":\"success\",\"isCompliant\":true,\"isInteractive\":true,\"resourceDisplayName\":\"ERP\",\"resourceTenantId\":\"ten-1\",\"riskDetail\":\"none\",\"riskLevelAggregated\":\"unknownFutureValue\",\"signInEventTypes\":[\"nonInteractiveUser\"]}"
            )
        );
    }
}

#[test]
fn monitor_records_in_all_categories() {
    let program = json!({
        "id": "id-2", "createdDateTime": "2026-11-20T08:15:30.1234567+00:00", "userId": null, "appId": "app-2",
        "servicePrincipalId": "sp-1", "servicePrincipalName": "nightly-export", "resourceDisplayName": "Graph",
        "ipAddress": "", "status": {"errorCode": 0}, "location": {"city": ""}, "authenticationProtocol": "none",
    });
    let mut texts = graph();
    for member in ["status", "location", "deviceDetail"] {
        texts[member] = texts[member].to_string().into();
    }
    let records = json!({"records": [
        monitor("SignInLogs", texts),
        monitor("AuditLogs", json!({})),
        monitor("NonInteractiveUserSIgnInLogs", graph()),
        monitor("ServicePrincipalSignInLogs", program.clone()),
        monitor("ManagedIdentitySignInLogs", json!(program.to_string())),
    ]});
    let text = records.to_string();
    assert!(recognizes(&EntraMonitor, &text) && !recognizes(&EntraGraph, &text));
    let reading = read(&EntraMonitor, &text);
    assert_eq!(reading.others, ["set aside: AuditLogs"]);
    assert_eq!(reading.summary.read, 5);
    let types: Vec<_> = reading.events.iter().map(|event| event.logon_type.as_deref().unwrap()).collect();
    assert_eq!(types, ["interactive", "non_interactive", "service_principal", "managed_identity"]);
    // JSON in a string says what the object says.
    assert_eq!(reading.events[0].status_code.as_deref(), Some("50126"));
    assert_eq!(reading.events[0].src_endpoint.location.city.as_deref(), Some("Zürich"));
    assert_eq!(reading.events[0].device, reading.events[1].device);
    let program = &reading.events[2];
    assert_eq!((program.status, program.src_endpoint.ip.as_deref()), (Status::Success, None));
    assert_eq!(program.user.name.as_deref(), Some("nightly-export"));
    assert_eq!((program.service.name.as_deref(), &program.auth_protocol), (Some("Graph"), &None));
    assert_eq!(program.tenant_uid.as_deref(), Some("ten-1"));
}

#[test]
fn offsets_are_mixed_and_times_may_be_wrong() {
    let sign_in = |time: &str| json!({"id": time, "appId": "a", "createdDateTime": time}).to_string();
    let text = [
        sign_in("2026-11-20T03:15:30.5-05:00"),
        sign_in("2026-02-30T08:15:30Z"),
        json!({"id": "x", "appId": "a", "createdDateTime": null}).to_string(),
        "{\"id\":\"x\",\"id\":\"y\",\"createdDateTime\":\"2026-11-20T08:15:30Z\"}".to_owned(),
    ]
    .join("\n");
    let reading = read(&EntraGraph, &text);
    assert_eq!(reading.events[0].occurred_at.to_string(), "2026-11-20T08:15:30.500Z");
    assert_eq!(reading.events[0].status, Status::Unknown);
    assert_eq!(
        reading.others,
        [
            "line 2, column 14: `createdDateTime`: `2026-02-30T08:15:30Z`: there is no 30 February 2026; correct it and import the file once more",
            "line 3, column 14: `createdDateTime` is missing: export the file with it",
            "line 4, column 18: `id` is given twice: remove one of them",
        ]
    );
}

#[test]
fn directories_are_not_taken_for_sign_ins() {
    let person = json!({"id": "u", "createdDateTime": "2026-11-20T08:15:30Z", "userPrincipalName": "ada@contoso.example"});
    assert!(!recognizes(&EntraGraph, &person.to_string()));
    let activity = json!({"category": "Administrative", "properties": {}, "time": "2026-11-20T08:15:30Z"});
    assert!(!recognizes(&EntraMonitor, &activity.to_string()));
    let mut worded = monitor("SignInLogs", json!({"id": "x"}));
    worded["resultType"] = "Success".into();
    let reading = read(&EntraMonitor, &worded.to_string());
    assert_eq!((reading.events[0].status, &reading.events[0].status_code), (Status::Success, &None));
    let mixed = format!("{activity}\n{}", monitor("SignInLogs", graph()));
    assert!(recognizes(&EntraMonitor, &mixed));
    assert_eq!(read(&EntraMonitor, &mixed).others, ["set aside: Administrative"]);
}
