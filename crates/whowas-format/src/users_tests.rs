//! Tests of directories. All people are invented.

use proptest::prelude::*;
use whowas_event::{Event, Kind};

use super::*;
use crate::testing::{Reading, options, read, read_any};

const GUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

/// Every event as a line: who, then what else.
fn lines(reading: &Reading) -> Vec<String> {
    let line = |event: &Event| {
        assert_eq!(event.kind, Kind::Identity);
        assert!(event.native_id.is_derived());
        let user = &event.user;
        let [uid, name, full_name, email] = [&user.uid, &user.name, &user.full_name, &user.email_addr]
            .map(|text| text.as_deref().unwrap_or("-"));
        let uid = if uid == GUID { "GUID" } else { uid };
        format!("{uid} | {name} | {full_name} | {email} | {}", event.unmapped.as_deref().unwrap_or("-"))
    };
    reading.events.iter().map(line).chain(reading.others.iter().cloned()).collect()
}

fn read_as(format: &str, text: &str) -> Reading {
    let (name, reading) = read_any(text.as_bytes(), &options()).unwrap();
    assert_eq!(name, format, "{text}");
    reading
}

#[test]
fn system_users_of_finance_and_operations() {
    let json = r#"{"@odata.context":"https://erp.contoso.example/data/$metadata#SystemUsers","value":[
        {"@odata.etag":"W/1","UserID":"ADA","UserName":"Ada Lovelace","Email":"ada@contoso.example",
         "UserObjectId":"{0F8FAD5B-D9CB-469F-A165-70867728950E}","Enabled":true,"Company":"USMF",
         "AccountType":"ClaimsUser","NetworkDomain":"https://sts.windows.net/","UserInfo_language":"en-US",
         "SecurityIdentifier":"S-1-19-1","HomePageRefreshDuration":0},
        {"UserID":"FRServiceUser","UserName":"FRServiceUser","Email":"","Enabled":"No",
         "UserObjectId":"00000000-0000-0000-0000-000000000000","SecurityIdentifier":""},
        {"UserName":"nobody"}]}"#;
    let reading = read_as("dynamics-users", json);
    assert_eq!(
        lines(&reading),
        [
            "GUID | ADA | Ada Lovelace | ada@contoso.example | {\"account_type\":\"ClaimsUser\",\"company\":\"USMF\",\"enabled\":true,\"security_id\":\"S-1-19-1\",\"user_language\":\"en-US\"}",
            "- | FRServiceUser | - | - | {\"account_class\":\"system\",\"enabled\":false}",
            "- | nobody | - | - | -",
        ]
    );
    let [ada, service, ..] = &reading.events[..] else { panic!("three events") };
    assert_eq!(ada.user.domain.as_deref(), Some("https://sts.windows.net/"));
    assert_eq!(ada.native_id.as_str(), format!("user:{GUID}"));
    assert_eq!(service.native_id.as_str(), "user:FRServiceUser");
    assert_eq!(ada.occurred_at, options().received_at);

    let table = format!(
        "User ID;User name;Provider;Email;Company;Enabled;Telemetry ID\nADA;Ada Lovelace;;ada@contoso.example;USMF;Yes;{GUID}\n"
    );
    assert_eq!(
        lines(&read_as("dynamics-users", &table)),
        ["GUID | ADA | Ada Lovelace | ada@contoso.example | {\"company\":\"USMF\",\"enabled\":true}"]
    );
}

#[test]
fn users_of_graph() {
    let user = format!(
        r##"{{"id":"{GUID}","userPrincipalName":"bo_fabrikam.example#EXT#@contoso.example","displayName":"Bo","mail":"bo@fabrikam.example","accountEnabled":true,"userType":"Guest","mobilePhone":"555","createdDateTime":"2020-01-01T00:00:00Z","signInActivity":{{"lastSignInDateTime":"2025-03-12T07:22:01Z"}},"assignedLicenses":[{{"skuId":"s-1","disabledPlans":[]}}]}}"##
    );
    let want = "GUID | bo_fabrikam.example#EXT#@contoso.example | Bo | bo@fabrikam.example | {\"created_at\":\"2020-01-01T00:00:00Z\",\"enabled\":true,\"licenses\":[\"s-1\"],\"sign_in_activity\":{\"lastSignInDateTime\":\"2025-03-12T07:22:01Z\"},\"user_type\":\"Guest\"}";
    let page = format!(
        r##"{{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users","value":[{user},{{"id":"u-2","@removed":{{"reason":"deleted"}}}}]}}"##
    );
    assert_eq!(
        lines(&read_as("graph-users", &page)),
        [want, "u-2 | - | - | - | {\"removed\":{\"reason\":\"deleted\"}}"]
    );
    for text in [user.clone(), format!("[{user}]"), format!("{user}\n")] {
        assert_eq!(lines(&read_as("graph-users", &text)), [want]);
    }
    let bad = format!("{user}\n{{\"id\":\"x\",\"id\":\"y\"}}\n{{\"displayName\":\"Nobody\"}}\n");
    let reading = read(&GraphUsers, &bad);
    assert_eq!(reading.summary.read, 3);
    assert!(reading.others[0].ends_with("`id` is given twice: remove one of them"), "{:?}", reading.others);
    assert_eq!(reading.others[1], "line 3, column 1: neither id, login name nor e-mail address is given");
}

#[test]
fn tables_of_people() {
    for (text, want) in [
        (
            "Object ID,User principal name,Display name,Account enabled\n0F8FAD5B-D9CB-469F-A165-70867728950E,ada@contoso.example,Ada,FALSE\n",
            "GUID | ada@contoso.example | Ada | ada@contoso.example | {\"enabled\":false}",
        ),
        ("login;full name;e-mail;disabled\nada;Ada;;nein\n", "- | ada | Ada | - | {\"enabled\":true}"),
        ("user_id,user_name,roles\n17,ada,\n", "- | 17 | ada | - | -"),
        ("id,username,department\n17,ada,IT\n", "17 | ada | - | - | {\"department\":\"IT\"}"),
        (
            "User ID,Username,Email\n0f8fad5b-d9cb-469f-a165-70867728950e,ada,a@contoso.example\n",
            "GUID | ada | - | a@contoso.example | -",
        ),
        (
            "User ID,User name,Alias,Company,Enabled,Last login,Days since last login,Account type\nADA,Ada,ada,USMF,Yes,,-1,Claims user\n",
            "- | ADA | Ada | - | {\"account_type\":\"Claims user\",\"alias\":\"ada\",\"company\":\"USMF\",\"enabled\":true}",
        ),
    ] {
        assert_eq!(lines(&read_as("users-csv", text)), [want], "{text}");
    }
    let changed =
        read(&UsersCsv, "login,name,roles,modified\nada,Ada,Clerk;Auditor,12.3.2025 7:22\nbo,Bo,,soon\n");
    assert_eq!(changed.events[0].occurred_at.to_string(), "2025-03-12T07:22:00.000Z");
    assert_eq!(changed.events[0].user.roles, ["Clerk", "Auditor"]);
    assert!(changed.others[0].starts_with("line 3: `soon` is not a date"), "{:?}", changed.others);
    assert_eq!(changed.summary.times_without_zone, 1);
}

#[test]
fn sign_ins_are_not_taken_for_people() {
    assert!(SIGN_IN_MARKS.is_sorted());
    for text in [
        "CreatedDateTime,UserPrincipalName,UserDisplayName,AppDisplayName,IPAddress,Status\n",
        "Date (UTC),User ID,User,Username\n",
        "timestamp,user_id,username,email\n",
        "id,name\n",
        "user,email address of support\n",
        "CreationDate,UserIds,Operations,AuditData\n",
        "id,name,price\n",
        "login,email,source IP\n",
        "{\"userPrincipalName\":\"ada@contoso.example\",\"id\":\"1\",\"appId\":\"a\"}",
        "{\"UserID\":\"ada\",\"UserObjectId\":\"a\",\"timestamp\":1}",
    ] {
        let sample = Sample { bytes: text.as_bytes(), is_whole: true };
        let takers: [&dyn Format; 3] = [&DynamicsUsers, &GraphUsers, &UsersCsv];
        for format in takers {
            assert!(!format.recognizes(sample), "{} takes {text}", format.info().name);
        }
    }
}

proptest! {
    #[test]
    fn no_rows_panic(rows in "([a-z0-9,;\"@/: .-]|\n){0,200}") {
        read(&UsersCsv, &format!("id,login,email,enabled,modified\n{rows}"));
        read(&DynamicsUsers, &format!("[{rows}]"));
        read(&GraphUsers, &rows);
    }
}
