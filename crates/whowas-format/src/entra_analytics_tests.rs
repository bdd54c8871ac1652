//! Tests of rows of Log Analytics.

use serde_json::json;
use whowas_event::{Activity, NativeId, Status};

use super::*;
use crate::testing::{options, read, read_any, read_with, recognizes};

fn row() -> Value {
    json!({
        "TenantId": "workspace-1", "SourceSystem": "Azure AD", "TimeGenerated": "2026-11-20T08:15:30.1234567Z",
        "OperationName": "Sign-in activity", "Category": "SignInLogs", "ResultType": "50126",
        "ResultDescription": "Invalid username or password", "CorrelationId": "corr-1", "Identity": "Ada L.",
        "Level": "4", "Location": "CH", "AADTenantId": "ten-1", "AppDisplayName": "Dynamics 365",
        "AppId": "app-1", "ClientAppUsed": "Browser", "ConditionalAccessStatus": "success",
        "CreatedDateTime": "2026-11-20T08:15:29Z", "Id": "5c6f1a", "IPAddress": "192.0.2.7",
        "IsInteractive": true, "UserDisplayName": "Ada Lovelace", "UserPrincipalName": "ada@contoso.example",
        "UserId": "u-1", "UserAgent": "Mozilla/5.0", "AuthenticationRequirement": "multiFactorAuthentication",
        "ResourceDisplayName": "ERP", "RiskEventTypes_V2": ["unlikelyTravel"], "Type": "SigninLogs",
        "Status": {"errorCode": 50126, "failureReason": "Invalid username or password"},
        "DeviceDetail": {"deviceId": "d-1", "operatingSystem": "Windows 11", "browser": "Edge 131"},
        "LocationDetails": {"city": "Zürich", "state": "Zürich", "countryOrRegion": "CH"},
    })
}

/// The same row as a table: objects are JSON in a field.
fn csv(row: &Value, time_header: &str, time: &str) -> String {
    let row = row.as_object().unwrap();
    let header: Vec<String> =
        row.keys().map(|name| if name == "TimeGenerated" { time_header } else { name }.to_owned()).collect();
    let fields = row.iter().map(|(name, value)| match value {
        _ if name == "TimeGenerated" => format!("\"{time}\""),
        Value::String(text) => text.clone(),
        other => format!("\"{}\"", other.to_string().replace('"', "\"\"")),
    });
    format!("\u{feff}{}\r\n{}\r\n", header.join(","), fields.collect::<Vec<_>>().join(","))
}

#[test]
fn every_framing_of_a_row_says_the_same() {
    let texts = [
        json!([row()]).to_string(),
        format!("{}\n", row()),
        json!({"value": [row()]}).to_string(),
        csv(&row(), "TimeGenerated", "2026-11-20T08:15:30.1234567Z"),
        csv(&row(), "TimeGenerated [UTC]", "11/20/2026, 8:15:30.123 AM"),
    ];
    for text in texts {
        let (format, reading) = read_any(text.as_bytes(), &options()).unwrap();
        assert_eq!(format, "entra-log-analytics", "{text}");
        let [event] = &reading.events[..] else { panic!("one sign-in: {:?}", reading.others) };
        assert_eq!(event.native_id, NativeId::Given("5c6f1a".into()));
        assert_eq!(event.occurred_at.to_string(), "2026-11-20T08:15:30.123Z");
        assert_eq!((event.activity, event.status), (Activity::Logon, Status::Failure));
        assert_eq!(event.status_code.as_deref(), Some("50126"));
        assert_eq!(event.status_detail.as_deref(), Some("Invalid username or password"));
        assert_eq!(event.user.name.as_deref(), Some("ada@contoso.example"));
        assert_eq!(event.user.full_name.as_deref(), Some("Ada Lovelace"));
        assert_eq!((event.user.uid.as_deref(), event.tenant_uid.as_deref()), (Some("u-1"), Some("ten-1")));
        assert_eq!(event.src_endpoint.ip.as_deref(), Some("192.0.2.7"));
        assert_eq!(event.src_endpoint.location.city.as_deref(), Some("Zürich"));
        assert_eq!(event.src_endpoint.location.country.as_deref(), Some("CH"));
        assert_eq!(event.device.browser.as_deref(), Some("Edge 131"));
        assert_eq!((event.logon_type.as_deref(), event.is_mfa), (Some("interactive"), Some(true)));
        assert_eq!(event.service.name.as_deref(), Some("Dynamics 365"));
        let unmapped = event.unmapped.as_deref().unwrap();
        assert!(unmapped.contains("riskEventTypes_v2") && unmapped.contains("\"ERP\""), "{unmapped}");
        assert_eq!(reading.summary.times_without_zone, 0);
    }
}

#[test]
fn tables_of_one_union_are_told_apart() {
    let typed = |table: &str, more: Value| {
        let mut row = row();
        let members = row.as_object_mut().unwrap();
        members.remove("Category");
        members.insert("Type".to_owned(), table.into());
        members.extend(more.as_object().unwrap().clone());
        row.to_string()
    };
    let program = json!({
        "UserId": "", "UserPrincipalName": "", "ServicePrincipalId": "sp-1",
        "ServicePrincipalName": "nightly-export", "ResultType": 0, "Status": "", "IsInteractive": "False",
    });
    // In this table objects are texts.
    let status = json!({"Status": "{\"errorCode\":0}", "ResultType": "0", "IsInteractive": false});
    let text = [
        typed("AuditLogs", json!({})),
        typed("AADNonInteractiveUserSignInLogs", status),
        typed("AADServicePrincipalSignInLogs", program.clone()),
        typed("AADManagedIdentitySignInLogs", program),
    ]
    .join("\n");
    assert!(recognizes(&EntraAnalytics, &text));
    let reading = read(&EntraAnalytics, &text);
    assert_eq!(reading.others, ["set aside: AuditLogs"]);
    let types: Vec<_> = reading.events.iter().map(|event| event.logon_type.as_deref().unwrap()).collect();
    assert_eq!(types, ["non_interactive", "service_principal", "managed_identity"]);
    assert!(reading.events.iter().all(|event| event.status == Status::Success));
    assert_eq!(reading.events[1].user.name.as_deref(), Some("nightly-export"));
}

#[test]
fn a_query_may_leave_out_most_columns() {
    let text = "TimeGenerated [Local Time];UserPrincipalName;ResultType;AppDisplayName\n2026-11-20 09:15:30;ada@contoso.example;0;ERP\n;ada@contoso.example;0;ERP\n31/2/2026 8:00;bob@contoso.example;50053;ERP\n";
    let zurich = TimeZone::get("Europe/Zurich").unwrap();
    let options = Options { source_timezone: zurich, ..options() };
    let reading = read_with(&EntraAnalytics, text, &options).unwrap();
    assert_eq!(reading.events[0].occurred_at.to_string(), "2026-11-20T08:15:30.000Z");
    assert_eq!(reading.summary.times_without_zone, 1);
    assert!(reading.events[0].native_id.is_derived());
    assert_eq!(
        reading.others,
        [
            "line 3, column 1: `TimeGenerated [Local Time]` is missing: export the file with it",
            "line 4, column 1: `TimeGenerated [Local Time]`: `31/2/2026 8:00`: there is no 31 February 2026; correct it and import the file once more"
        ]
    );
    assert!(recognizes(&EntraAnalytics, text));
    let audit = json!({"TimeGenerated": "2026-11-20T08:15:30Z", "Identity": "x", "ResultType": "", "CorrelationId": "c"});
    assert!(!recognizes(&EntraAnalytics, &audit.to_string()));
}

#[test]
fn objects_of_powershell() {
    let object = json!({
        "AppDisplayName": "Dynamics 365", "AppId": "app-1", "ClientAppUsed": "Browser", "Id": "5c6f1a",
        "CreatedDateTime": "/Date(1795162530000)/", "IPAddress": "192.0.2.7", "UserId": "u-1",
        "UserPrincipalName": "ada@contoso.example", "Status": {"ErrorCode": 0, "FailureReason": "Other."},
        "DeviceDetail": {"Browser": "Edge 131", "OperatingSystem": "Windows 11"},
        "Location": {"City": "Zürich", "CountryOrRegion": "CH"},
    });
    let (format, reading) = read_any(json!([object]).to_string().as_bytes(), &options()).unwrap();
    assert_eq!(format, "entra-log-analytics");
    let event = &reading.events[0];
    assert_eq!(event.occurred_at.to_string(), "2026-11-20T08:15:30.000Z");
    assert_eq!((event.status, event.device.browser.as_deref()), (Status::Success, Some("Edge 131")));
    assert_eq!(event.src_endpoint.location.city.as_deref(), Some("Zürich"));
}

#[test]
fn names_are_those_of_graph() {
    for (column, graph) in [
        ("UserPrincipalName", "userPrincipalName"),
        ("IPAddress", "ipAddress"),
        ("IPAddressFromResourceProvider", "ipAddressFromResourceProvider"),
        ("AADTenantId", "aadTenantId"),
        ("Id", "id"),
        ("OS", "os"),
        ("TimeGenerated [UTC]", "timeGenerated"),
        ("RiskEventTypes_V2", "riskEventTypes_v2"),
        ("_ItemId", "_ItemId"),
        ("errorCode", "errorCode"),
    ] {
        assert_eq!(graph_name(column), graph);
    }
}
