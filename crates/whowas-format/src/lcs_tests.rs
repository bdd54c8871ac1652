//! Tests of *User Login Events*. All people are invented.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::{
    contract::DateOrder,
    testing::{Reading, options, read, read_any, read_with, recognizes},
};

const ADA: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const PLAIN: &str = "\
AADUserID,LoginStart,LoginEnd,Browser,IP,EventId,RoleInstance
0F8FAD5B-D9CB-469F-A165-70867728950E,2025-03-12T07:22:01.5Z,2025-03-12T15:52:00Z,Edge 133,192.0.2.7,41,AOS_1
7c9e6679-7425-40de-944b-e07fc1f90ae7,2025-03-12T08:00:00Z,,,,42,
";

/// Every event as a line.
fn lines(reading: &Reading) -> Vec<String> {
    let line = |event: &Event| {
        let user = event.user.uid.as_deref().unwrap_or_default().get(..4).unwrap_or_default();
        format!("{} {} {user}", event.occurred_at, event.activity.as_str())
    };
    reading.events.iter().map(line).chain(reading.others.iter().cloned()).collect()
}

/// What a trail keeps of readings one after another: contents by id.
fn trail(readings: &[&str]) -> BTreeMap<String, Event> {
    let events = readings.iter().flat_map(|text| read(&DynamicsLcs, text).events);
    events.map(|event| (event.native_id.as_str().to_owned(), event)).collect()
}

#[test]
fn a_row_is_a_logon_and_perhaps_a_logoff() {
    let reading = read(&DynamicsLcs, PLAIN);
    assert_eq!(
        lines(&reading),
        [
            "2025-03-12T07:22:01.500Z logon 0f8f",
            "2025-03-12T15:52:00.000Z logoff 0f8f",
            "2025-03-12T08:00:00.000Z logon 7c9e",
        ]
    );
    let [logon, logoff, open] = &reading.events[..] else { panic!("three events") };
    assert_eq!(logon.user.uid.as_deref(), Some(ADA));
    assert_eq!(logon.session_uid, logoff.session_uid);
    assert_eq!(logon.session_uid.as_deref(), Some(logon.native_id.as_str()));
    assert_eq!(logoff.native_id.as_str(), format!("{}.end", logon.native_id.as_str()));
    assert!(logon.native_id.is_derived() && logoff.native_id.is_derived());
    assert_ne!(open.session_uid, logon.session_uid);
    assert_eq!(logon.device.browser.as_deref(), Some("Edge 133"));
    assert_eq!(logon.src_endpoint.ip.as_deref(), Some("192.0.2.7"));
    assert_eq!(logon.unmapped.as_deref(), Some("{\"EventId\":\"41\",\"RoleInstance\":\"AOS_1\"}"));
    assert_eq!((logon.status, logoff.unmapped.as_deref()), (Status::Success, None));
    assert_eq!(reading.summary, ReadSummary { read: 2, times_without_zone: 0, warnings: Vec::new() });
}

#[test]
fn the_same_export_in_other_dress() {
    let want = lines(&read(&DynamicsLcs, PLAIN));
    let semicolons = PLAIN.replace(',', ";");
    let utf16: Vec<u8> = format!("\u{feff}{PLAIN}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, what) in [
        (PLAIN.as_bytes().to_vec(), "plain"),
        (format!("\u{feff}{PLAIN}").replace('\n', "\r\n").into_bytes(), "byte order mark"),
        (PLAIN.replace("AADUserID", "Microsoft Entra IDUserID").into_bytes(), "mangled column"),
        (PLAIN.replace("AADUserID", "\"aad user id \"").into_bytes(), "spaced column"),
        (PLAIN.replace("LoginStart,LoginEnd", "Login start time,Login end time").into_bytes(), "labels"),
        (semicolons.clone().into_bytes(), "semicolons"),
        (format!("sep=;\r\n{semicolons}").into_bytes(), "Excel's first line"),
        (PLAIN.replace('\n', ",,\n").into_bytes(), "empty columns"),
        (utf16, "UTF-16"),
    ] {
        let (format, reading) = read_any(&bytes, &options()).unwrap();
        assert_eq!((format, lines(&reading)), ("dynamics-lcs", want.clone()), "{what}");
    }
}

#[test]
fn localized_dates_need_an_order_and_a_zone() {
    let saved = "Microsoft Entra IDUserID;Start time;End time\n\
                 u1;3/12/2025 7:22;3/12/2025 16:00\n\
                 u2;13/12/2025 7:22;\n";
    let reading = read(&DynamicsLcs, saved);
    assert_eq!(
        lines(&reading),
        [
            "2025-12-13T07:22:00.000Z logon ",
            "line 2, column 2: `3/12/2025 7:22` is either 3 December 2025 or 12 March 2025: pass `--date-order dmy` or `--date-order mdy`",
        ]
    );
    let zone = TimeZone::get("Europe/Zurich").unwrap();
    let options = Options { source_timezone: zone, date_order: Some(DateOrder::DayMonthYear), ..options() };
    let reading = read_with(&DynamicsLcs, saved, &options).unwrap();
    assert_eq!(reading.events[0].occurred_at.to_string(), "2025-12-03T06:22:00.000Z");
    assert_eq!(reading.events[0].raw_time.as_deref(), Some("3/12/2025 7:22"));
    assert_eq!(reading.summary.times_without_zone, 3);
    // A name that says UTC is believed.
    let told = saved.replace("Start time;End time", "Start time (UTC);End time (UTC)");
    let reading = read_with(&DynamicsLcs, &told, &options).unwrap();
    assert_eq!(reading.events[0].occurred_at.to_string(), "2025-12-03T07:22:00.000Z");
    assert_eq!(reading.summary.times_without_zone, 0);
}

#[test]
fn overlapping_weeks_are_the_trail_of_one_file() {
    let row = |day: u32| format!("{ADA},2025-03-{day:02}T07:00:00Z,2025-03-{day:02}T15:00:00Z\n");
    let file = |days: std::ops::Range<u32>| {
        // Two sessions that nothing tells apart on the tenth.
        let rows: String = days.map(|day| if day == 10 { row(day).repeat(2) } else { row(day) }).collect();
        format!("AADUserID,LoginStart,LoginEnd\n{rows}")
    };
    let weeks = trail(&[&file(3..11), &file(9..17), &file(3..11)]);
    assert_eq!(weeks, trail(&[&file(3..17)]));
    assert_eq!(weeks.len(), 2 * 15);
}

#[test]
fn an_end_that_arrives_later_adds_only_the_logoff() {
    let open = "AADUserID,LoginStart,LoginEnd,Duration\nu1,2025-03-12T07:22:01Z,,\n";
    let ended = "AADUserID,LoginStart,LoginEnd,Duration\nu1,2025-03-12T07:22:01Z,2025-03-12T09:22:01Z,120\n";
    let (before, after) = (trail(&[open]), trail(&[open, ended]));
    assert_eq!((before.len(), after.len()), (1, 2));
    assert!(before.iter().all(|(id, event)| after.get(id) == Some(event)));
    let logoff = after.values().find(|event| event.activity == Activity::Logoff).unwrap();
    assert_eq!(logoff.unmapped.as_deref(), Some("{\"duration\":\"120\"}"));
}

#[test]
fn a_full_file_is_probably_cut() {
    let file = |rows: usize| {
        let rows = (0..rows).map(|row| format!("u{row},2025-03-12T07:22:01Z\n"));
        format!("AADUserID,LoginStart\n{}", rows.collect::<String>())
    };
    let warnings = |rows| read_any(file(rows).as_bytes(), &options()).unwrap().1.summary.warnings;
    assert_eq!(
        warnings(5000),
        [
            "exactly 5,000 rows: that is where Dynamics Lifecycle Services cuts its exports, so this one is probably truncated"
        ]
    );
    assert_eq!(warnings(4999), [""; 0]);
}

#[test]
fn bad_rows_cost_only_themselves() {
    let text = "AADUserID,StartTime,EndTime,Note\n\
                ,2025-03-12T07:22:01Z,,\n\
                u1,,,\n\
                u2,2025-02-30 07:22,,\n\
                u3,2025-03-12T07:22:01Z,2025-03-12T07:00:00Z,a,b\n\
                u4,2025-03-12T07:22:01Z,2025-03-12T07:00:00Z,x\n\
                u5,2025-03-12T07:22:01Z,1900-01-01 00:00:00,\n";
    let reading = read(&DynamicsLcs, text);
    assert_eq!(
        lines(&reading),
        [
            "2025-03-12T07:22:01.000Z logon ",
            "2025-03-12T07:00:00.000Z logoff ",
            "2025-03-12T07:22:01.000Z logon ",
            "line 2, column 1: the user is missing",
            "line 3, column 2: the start of the session is missing",
            "line 4, column 2: `2025-02-30 07:22`: there is no 30 February 2025; correct it and import the file once more",
            "line 5, column 5: the row has 5 fields, the header 4: is a field with the delimiter in it unquoted?",
        ]
    );
    assert_eq!(
        reading.summary.warnings,
        ["1 sessions end before they start: are the order of dates and the time zone right?"]
    );
}

#[test]
fn other_tables_are_not_taken() {
    for text in [
        "UserId,CreatedDateTime,LogoutDateTime,SessionId\n",
        "Date (UTC),Request ID,User ID,Username,Status\n",
        "AADUserID,UserName,Email\n",
        "[{\"AADUserID\":\"u\",\"LoginStart\":\"\"}]",
        "AADUserID\n",
    ] {
        assert!(!recognizes(&DynamicsLcs, text), "{text}");
    }
    let error = read_with(&DynamicsLcs, "User,Start\n", &options()).unwrap_err();
    assert_eq!(error.to_string(), "no column tells the user (`AADUserID`); there are User, Start");
}

proptest! {
    #[test]
    fn no_rows_panic(rows in "([a-z0-9,;\"/: .-]|\n){0,200}") {
        read(&DynamicsLcs, &format!("AADUserID,Start,End\n{rows}"));
    }
}
