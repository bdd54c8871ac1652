//! Portal downloads of invented people, with the oddities of real ones.

use super::*;
use crate::{
    DateOrder,
    testing::{options, read, read_with, recognizes},
};

const USER_HEADER: &str = "\u{feff}Date (UTC),Request ID,User agent,Correlation ID,User ID,User,Username,User type,Cross tenant access type,Incoming token type,Authentication Protocol,Unique token identifier,Application,Application ID ,Resource,Resource ID ,Resource tenant ID,Home tenant ID,IP address,Location,Status,Sign-in error code,Failure reason,Client app,Device ID,Browser,Operating System,Authentication requirement,Session ID,Autonomous system  number,Incoming token type,Conditional Access";
const USER_ROW: &str = "2026-11-20T08:15:30Z,req-1,\"Mozilla/5.0 (X11; Linux x86_64, KHTML)\",corr-1,u-1,Ada Lovelace,ada@contoso.example,Member,none,primaryRefreshToken,none,tok,Dynamics 365,app-1,Graph,res-1,ten-1,ten-1,2001:DB8::1,\"Zurich, Zurich, CH\",Failure,50126,Error validating credentials.,Browser,,Edge 131,Windows 11,Multifactor authentication,s-1,64500,none,Not Applied";

#[test]
fn the_portal_s_user_download() {
    let text =
        format!("{USER_HEADER}\r\n{USER_ROW}\r\n{}\r\n", USER_ROW.replace("Failure,50126", "Success,0"));
    assert!(recognizes(&EntraCsv, &text));
    let reading = read(&EntraCsv, &text);
    assert_eq!(reading.others, [""; 0]);
    let [failed, succeeded] = &reading.events[..] else { panic!("two rows") };
    assert_eq!(failed.native_id, NativeId::Given("req-1".into()));
    assert_eq!(failed.occurred_at.to_string(), "2026-11-20T08:15:30.000Z");
    assert_eq!((failed.status, failed.status_code.as_deref()), (Status::Failure, Some("50126")));
    assert_eq!((succeeded.status, &succeeded.status_code), (Status::Success, &None));
    assert_eq!(failed.user.name.as_deref(), Some("ada@contoso.example"));
    assert_eq!(failed.user.full_name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(failed.src_endpoint.ip.as_deref(), Some("2001:db8::1"));
    let location = &failed.src_endpoint.location;
    assert_eq!((location.city.as_deref(), location.country.as_deref()), (Some("Zurich"), Some("CH")));
    assert_eq!((failed.is_mfa, failed.session_uid.as_deref()), (Some(true), Some("s-1")));
    assert_eq!((&failed.auth_protocol, failed.service.uid.as_deref()), (&None, Some("app-1")));
    let unmapped = failed.unmapped.as_deref().unwrap();
    assert!(unmapped.contains("\"Incoming token type\":\"primaryRefreshToken\""), "{unmapped}");
    assert!(unmapped.contains("\"Autonomous system number\":\"64500\""), "{unmapped}");
}

#[test]
fn programs_are_users_of_a_resource() {
    let header = "Date (UTC),Request ID,Correlation ID,Service principal ID,Service principal name,Credential key ID,Credential thumbprint,Application,Application ID ,App owner tenant ID,Resource,Resource ID ,Resource tenant ID,Resource owner tenant ID,Home tenant ID,Home tenant name,IP address,Location,Status,Sign-in error code,Failure reason,Conditional Access";
    let row = "2026-11-20T08:15:30+00:00,req-2,corr-2,sp-1,nightly-export,key-1,,nightly-export,app-2,ten-1,Microsoft Graph,res-2,ten-1,,ten-1,Contoso,192.0.2.7,\"Dublin, Dublin, IE\",Success,0,Other.,Not Applied";
    let event = read(&EntraCsv, &format!("{header}\n{row}\n")).events.remove(0);
    assert_eq!(event.logon_type.as_deref(), Some("service_principal"));
    assert_eq!(
        (event.user.uid.as_deref(), event.user.name.as_deref()),
        (Some("sp-1"), Some("nightly-export"))
    );
    assert_eq!(event.service.name.as_deref(), Some("Microsoft Graph"));
    let managed = format!("{header},Managed Identity type\n{row},System assigned\n");
    assert_eq!(read(&EntraCsv, &managed).events[0].logon_type.as_deref(), Some("managed_identity"));
}

const FLAT: &str = "CreatedDateTime,UserPrincipalName,UserDisplayName,AppDisplayName,IPAddress,City,Country,Device,Browser,OS,Status,RiskState,RiskLevelDuringSignIn,RiskLevelAggregated,ConditionalAccessStatus\n3/12/2025 7:22:01 AM,ada@contoso.example,Ada Lovelace,Dynamics 365,192.0.2.7,Zurich,CH,laptop,Edge,Windows 11,Success,none,none,none,notApplied\n3/12/2025 7:22:01 AM,ada@contoso.example,Ada Lovelace,Dynamics 365,192.0.2.7,Zurich,CH,laptop,Edge,Windows 11,Success,none,none,none,notApplied\n";

#[test]
fn ambiguous_dates_are_refused_until_the_order_is_given() {
    let refused = read(&EntraCsv, FLAT);
    assert_eq!(refused.events.len(), 0);
    assert!(refused.others[0].starts_with("line 2, column 1: "), "{:?}", refused.others);
    assert!(refused.others[0].contains("--date-order"), "{:?}", refused.others);
    let options = Options { date_order: Some(DateOrder::MonthDayYear), ..options() };
    let reading = read_with(&EntraCsv, FLAT, &options).unwrap();
    assert_eq!(reading.events[0].occurred_at.to_string(), "2025-03-12T07:22:01.000Z");
    assert_eq!(reading.summary.times_without_zone, 2);
    // Equal rows are two sign-ins.
    assert_ne!(reading.events[0].native_id, reading.events[1].native_id);
}

#[test]
fn other_tables_are_not_claimed() {
    for header in ["a,b\n", "Date (UTC),Request ID,Username\n", "Date (UTC);Status\n", "{\"a\":1}\n"] {
        assert!(!recognizes(&EntraCsv, header), "{header}");
        let error = read_with(&EntraCsv, header, &options()).unwrap_err().to_string();
        assert!(error.starts_with("no Entra sign-ins: expected the columns `Date (UTC)`"), "{error}");
    }
}
