//! Tests of the user log. All people are invented.

use proptest::prelude::*;

use super::*;
use crate::testing::{Reading, options, read, read_any, recognizes};

const FIELDS: &str = "\
UserId,CreatedDateTime,LogoutDateTime,SessionId,TerminatedOk,Computername,ClientType,BuildNum,Type,Alive,RolesWithAccessToSensitiveData
ADA,2025-03-12 07:22:01,2025-03-12 15:52:00,12,1,PC-0042,3,6.3.6000.0,0,0,\"Accountant; Clerk, payments\"
GRACE,2025-03-12 08:00:00,2025-03-12 08:45:00,13,0,PC-0043,3,6.3.6000.0,0,5,
Axrunner,2025-03-12 00:00:00,1900-01-01 00:00:00,14,0,AOS-1,,,,,
";

fn lines(reading: &Reading) -> Vec<String> {
    let line = |event: &Event| {
        let name = event.user.name.as_deref().unwrap_or_default();
        format!(
            "{} {} {name} {}",
            event.occurred_at,
            event.activity.as_str(),
            event.unmapped.as_deref().unwrap_or("-")
        )
    };
    reading.events.iter().map(line).chain(reading.others.iter().cloned()).collect()
}

#[test]
fn only_closed_rows_have_an_end() {
    let reading = read(&DynamicsUserLog, FIELDS);
    assert_eq!(
        lines(&reading),
        [
            "2025-03-12T07:22:01.000Z logon ADA {\"build_number\":\"6.3.6000.0\",\"client_type\":\"3\",\"session_id\":\"12\",\"type\":\"0\"}",
            "2025-03-12T15:52:00.000Z logoff ADA {\"alive\":\"0\"}",
            "2025-03-12T08:00:00.000Z logon GRACE {\"alive\":\"5\",\"build_number\":\"6.3.6000.0\",\"client_type\":\"3\",\"last_seen_at\":\"2025-03-12T08:45:00.000Z\",\"session_id\":\"13\",\"type\":\"0\"}",
            "2025-03-12T00:00:00.000Z logon Axrunner {\"account_class\":\"system\",\"session_id\":\"14\"}",
        ]
    );
    let [logon, logoff, ..] = &reading.events[..] else { panic!("four events") };
    assert_eq!(logon.session_uid, logoff.session_uid);
    assert_eq!(logon.src_endpoint.hostname.as_deref(), Some("PC-0042"));
    assert_eq!(logon.user.roles, ["Accountant", "Clerk, payments"]);
    assert_eq!((logon.status, logon.native_id.is_derived()), (Status::Success, true));
    assert_eq!(reading.summary.times_without_zone, 5);
}

#[test]
fn labels_of_the_form() {
    let text = "User ID;User name;Type;Created date and time;Online time;Logoff date time;Session ID;Closed;Computer name;Build number;Client type\n\
                ADA;Lovelace, Ada;Login;12.03.2025 07:22:01;08:30:00;12.03.2025 15:52:00;12;Ja;PC-0042;6.3;\n";
    let (format, reading) = read_any(text.as_bytes(), &options()).unwrap();
    assert_eq!(format, "dynamics-user-log");
    assert_eq!(
        lines(&reading),
        [
            "2025-03-12T07:22:01.000Z logon ADA {\"build_number\":\"6.3\",\"session_id\":\"12\",\"type\":\"Login\"}",
            "2025-03-12T15:52:00.000Z logoff ADA {\"online_time\":\"08:30:00\"}",
        ]
    );
    assert_eq!(reading.events[0].user.full_name.as_deref(), Some("Lovelace, Ada"));
    // The same session by the names of fields has the same id.
    assert_eq!(reading.events[0].native_id, read(&DynamicsUserLog, FIELDS).events[0].native_id);
}

#[test]
fn date_and_time_in_two_columns() {
    let text = "User ID,Created date,Created time,Logoff date time,Closed\n\
                ADA,2025-03-12,07:22:01,2025-03-12 15:52:00,Yes\n\
                ADA,2025-03-12 00:00:00,07:22:01,,No\n\
                ADA,3/12/2025,7:22:01 AM,,No\n";
    let reading = read(&DynamicsUserLog, text);
    assert_eq!(
        lines(&reading),
        [
            "2025-03-12T07:22:01.000Z logon ADA -",
            "2025-03-12T15:52:00.000Z logoff ADA -",
            "2025-03-12T07:22:01.000Z logon ADA -",
            "line 4, column 2: `3/12/2025 7:22:01 AM` is either 3 December 2025 or 12 March 2025: pass `--date-order dmy` or `--date-order mdy`",
        ]
    );
    // Without a session id only the order tells equal rows apart.
    assert_eq!(reading.events[2].native_id.as_str(), format!("{}.2", reading.events[0].native_id.as_str()));
}

#[test]
fn a_later_export_revises_an_open_session_and_leaves_a_closed_one() {
    let later = FIELDS.replace("08:45:00,13,0", "09:15:00,13,1");
    let (before, after) = (read(&DynamicsUserLog, FIELDS).events, read(&DynamicsUserLog, &later).events);
    assert_eq!(before[..2], after[..2]);
    assert_eq!(before[2].native_id, after[2].native_id);
    assert_ne!(before[2].unmapped, after[2].unmapped);
    assert_eq!((after[3].activity, &after[3].session_uid), (Activity::Logoff, &before[2].session_uid));
    // A file in which a session stands twice says nothing new.
    let twice = format!("{FIELDS}{}", FIELDS.lines().nth(1).unwrap());
    let events = read(&DynamicsUserLog, &twice).events;
    assert_eq!(events[..2], events[4..]);
}

#[test]
fn what_is_not_understood_is_said() {
    let text = "UserId,CreatedDateTime,LogoutDateTime,TerminatedOk\n\
                ,2025-03-12 07:22:01,,\n\
                ADA,1900-01-01 00:00:00,,\n\
                ADA,2025-03-12 07:22:01,soon,\n\
                ADA,2025-03-12 07:22:01,,perhaps\n\
                ADA,2025-03-12 07:22:01,,yes\n";
    assert_eq!(
        lines(&read(&DynamicsUserLog, text)),
        [
            "2025-03-12T07:22:01.000Z logon ADA {\"closed\":true}",
            "line 2, column 1: the user id is missing",
            "line 3, column 2: the start of the session is missing",
            "line 4, column 3: `soon` is not a date and time in a known notation, such as 2025-03-12 07:22:01",
            "line 5, column 4: `perhaps` is neither yes nor no",
        ]
    );
}

#[test]
fn other_tables_are_not_taken() {
    for text in [
        "AADUserID,LoginStart,LoginEnd\n",
        "User ID,User name,Email,Enabled,Created date and time\n",
        "CreatedDateTime,UserPrincipalName,UserDisplayName,IPAddress,Status\n",
    ] {
        assert!(!recognizes(&DynamicsUserLog, text), "{text}");
    }
}

proptest! {
    #[test]
    fn no_rows_panic(rows in "([a-z0-9,;\"/: .-]|\n){0,200}") {
        read(&DynamicsUserLog, &format!("UserId,CreatedDateTime,LogoutDateTime,Closed\n{rows}"));
    }
}
