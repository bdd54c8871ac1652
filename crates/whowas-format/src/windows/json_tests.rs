//! One event in every shape of JSON.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use whowas_event::{Event, NativeId};

use super::super::{
    WindowsEvents,
    fixture::{COMPUTER, Data, LOGOFF, LOGON, TIME, xml},
};
use crate::{
    contract::Options,
    entra_graph::EntraGraph,
    native::Native,
    testing::{options, read, read_any, read_with, recognizes},
};

const PROVIDER: &str = "Microsoft-Windows-Security-Auditing";

fn object(data: Data<'_>) -> Map<String, Value> {
    data.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}

fn with(mut outer: Value, data: Data<'_>) -> Value {
    outer.as_object_mut().unwrap().extend(object(data));
    outer
}

/// An event in every shape.
fn shapes(id: u32, record_id: u64, data: Data<'_>) -> Vec<Value> {
    [beats(id, record_id, data), converted(id, record_id, data), flat(id, record_id, data)].concat()
}

/// Winlogbeat.
fn beats(id: u32, record_id: u64, data: Data<'_>) -> Vec<Value> {
    let winlog = json!({
        "@timestamp": "2026-11-20T08:20:00.000Z", "host": {"name": "collector"}, "event": {"code": id, "kind": "event"},
        "winlog": {"event_id": id, "provider_name": PROVIDER, "channel": "Security", "computer_name": COMPUTER,
            "record_id": record_id, "time_created": TIME, "event_data": object(data)},
    });
    let dotted: Map<String, Value> = [
        ("winlog.event_id", json!(id.to_string())),
        ("winlog.provider_name", json!([PROVIDER])),
        ("winlog.channel", json!(["Security"])),
        ("winlog.computer_name", json!(COMPUTER)),
        ("winlog.record_id", json!(record_id)),
        ("@timestamp", json!(TIME)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .chain(data.iter().map(|(name, value)| (format!("winlog.event_data.{name}"), json!([value]))))
    .collect();
    let beats_6 = json!({
        "@timestamp": TIME, "event_id": id, "log_name": "Security", "source_name": PROVIDER,
        "computer_name": COMPUTER, "record_number": record_id.to_string(), "event_data": object(data),
    });
    vec![json!({"_index": "winlogbeat", "_source": winlog}), winlog, Value::Object(dotted), beats_6]
}

/// Converters of the XML, and Wazuh.
fn converted(id: u32, record_id: u64, data: Data<'_>) -> Vec<Value> {
    let system = json!({
        "Provider": {"#attributes": {"Name": PROVIDER, "Guid": "54849625"}}, "EventID": id, "Channel": "Security",
        "TimeCreated": {"#attributes": {"SystemTime": TIME}}, "EventRecordID": record_id, "Computer": COMPUTER,
        "Security": null,
    });
    let evtx_dump =
        json!({"Event": {"#attributes": {"xmlns": "x"}, "System": system, "EventData": object(data)}});
    let list: Vec<Value> = data.iter().map(|(name, value)| json!({"@Name": name, "#text": value})).collect();
    let converted = json!({
        "System": {"Provider": {"@Name": PROVIDER}, "EventID": {"@Qualifiers": "0", "#text": id.to_string()},
            "TimeCreated": {"@SystemTime": TIME}, "EventRecordID": record_id.to_string(), "Channel": "Security",
            "Computer": COMPUTER},
        "EventData": {"Data": list},
    });
    let camel: Map<String, Value> = data
        .iter()
        .map(|(name, value)| (format!("{}{}", name[..1].to_lowercase(), &name[1..]), json!(value)))
        .collect();
    let wazuh = json!({"agent": {"name": "a"}, "timestamp": "2026-11-20T08:20:00.000+0000", "data": {"win": {
        "system": {"providerName": PROVIDER, "eventID": id.to_string(), "systemTime": TIME, "channel": "Security",
            "eventRecordID": record_id.to_string(), "computer": COMPUTER},
        "eventdata": camel,
    }}});
    vec![evtx_dump["Event"].clone(), evtx_dump, converted, wazuh]
}

/// NXLog and the tables of Azure Monitor.
fn flat(id: u32, record_id: u64, data: Data<'_>) -> Vec<Value> {
    let nxlog = json!({
        "EventTime": TIME, "Hostname": COMPUTER, "EventID": id, "SourceName": PROVIDER, "Channel": "Security",
        "RecordNumber": record_id, "Severity": "INFO", "host": "collector", "tags": ["a"], "port": 60122,
        "Keywords": -9214364837600034816_i64,
    });
    let security_event = json!({
        "TimeGenerated": TIME, "Computer": COMPUTER, "EventSourceName": PROVIDER, "Channel": "Security", "EventID": id,
        "EventRecordId": record_id.to_string(), "EventData": "", "Activity": "4624 - …", "Account": "CONTOSO\\ada",
        "Type": "SecurityEvent",
    });
    let windows_event = json!({
        "TimeGenerated": TIME, "Computer": COMPUTER, "Provider": PROVIDER, "Channel": "Security", "EventID": id,
        "EventRecordId": record_id, "EventData": object(data), "Type": "WindowsEvent",
    });
    let elements: String =
        data.iter().map(|(name, value)| format!("<Data Name=\"{name}\">{value}</Data>")).collect();
    let event_table = json!({
        "TimeGenerated": TIME, "Computer": COMPUTER, "Source": PROVIDER, "EventLog": "Security", "EventID": id,
        "EventRecordId": record_id, "Type": "Event",
        "EventData": format!("<DataItem type=\"x\"><EventData xmlns=\"y\">{elements}</EventData></DataItem>"),
    });
    vec![
        with(nxlog, data),
        with(security_event, data),
        windows_event.clone(),
        json!({"EventData": Value::Object(object(data)).to_string(), "x": windows_event, "EventID": id, "Provider": PROVIDER,
            "Channel": "Security", "Computer": COMPUTER, "TimeGenerated": TIME, "EventRecordId": record_id}),
        event_table,
    ]
}

#[test]
fn every_shape_says_the_same() {
    for (id, record_id, data) in [(4624, 7, LOGON), (4634, 8, LOGOFF), (4625, 9, LOGON)] {
        let want: Event = read(&WindowsEvents, &xml(id, record_id, data)).events.remove(0);
        for shape in shapes(id, record_id, data) {
            let text = shape.to_string();
            assert!(recognizes(&WindowsEvents, &text), "{text}");
            assert!(!recognizes(&Native, &text) && !recognizes(&EntraGraph, &text), "{text}");
            let (format, reading) = read_any(text.as_bytes(), &options()).unwrap();
            assert_eq!((format, reading.others), ("windows-event", Vec::new()), "{text}");
            assert_eq!(reading.events[0], want, "{text}");
        }
    }
}

/// What PowerShell makes of an event: values without names, ids as numbers, SIDs as objects or texts.
#[test]
fn power_shell() {
    let sid = "S-1-5-21-1-2-3-1104";
    for value in [json!(sid), json!({"BinaryLength": 28, "AccountDomainSid": null, "Value": sid})] {
        let record = json!({
            "Id": 4634, "Version": 0, "RecordId": 8, "ProviderName": PROVIDER, "LogName": "Security",
            "MachineName": COMPUTER, "TimeCreated": TIME, "Message": "An account was logged off. …",
            "Properties": [{"Value": value}, {"Value": "ada"}, {"Value": "CONTOSO"}, {"Value": 0x0149_3896}, {"Value": 10}],
        });
        let text = json!([record]).to_string();
        assert!(recognizes(&WindowsEvents, &text));
        assert_eq!(read(&WindowsEvents, &text).events, read(&WindowsEvents, &xml(4634, 8, LOGOFF)).events);
    }
    // Values that say nothing keep their place.
    let unnamed = xml(4776, 7, &[]).replace(
        "<EventData>",
        "<EventData><Data>MICROSOFT_AUTHENTICATION_PACKAGE_V1_0</Data><Data/><Data>PC-7</Data><Data>0xc0000064</Data>",
    );
    let event = &read(&WindowsEvents, &unnamed).events[0];
    assert_eq!((event.user.name.as_deref(), event.src_endpoint.hostname.as_deref()), (None, Some("PC-7")));
    assert_eq!(event.status_detail.as_deref(), Some("user name does not exist"));
}

#[test]
fn others_with_such_names_are_not_taken() {
    for record in [
        json!({"id": 7, "hostname": "a", "source": "b", "timestamp": TIME}),
        json!({"eventId": "login", "hostname": "a", "channel": "web", "time": TIME}),
        json!({"EventID": 70_000, "Computer": "a", "Channel": "b", "TimeGenerated": TIME}),
        json!({"event_id": 1, "computer": "a", "source": "b", "time": TIME}),
        json!({"EventID": 1, "Channel": "Security", "EventTime": TIME}),
    ] {
        assert!(!recognizes(&WindowsEvents, &record.to_string()), "{record}");
    }
}

#[test]
fn lists_and_lines_are_read() {
    let shapes = shapes(4624, 7, LOGON);
    let lines: String = shapes.iter().map(|shape| format!("{shape}\n")).collect();
    for text in [lines, json!(shapes).to_string(), json!({"records": shapes}).to_string()] {
        assert_eq!(read(&WindowsEvents, &text).events.len(), shapes.len());
    }
}

#[test]
fn local_times_are_counted() {
    let data = [("EventTime", "2026-07-01 12:00:00"), ("EventReceivedTime", "2026-07-01 12:00:03")];
    let record = json!({
        "@timestamp": "2026-07-01T10:00:03.100Z", "Hostname": COMPUTER, "EventID": 4634, "Channel": "Security",
        "SourceName": "Microsoft Windows security auditing.", "TargetUserName": "ada",
    });
    let text = with(record, &data).to_string();
    let zurich = TimeZone::get("Europe/Zurich").unwrap();
    let reading =
        read_with(&WindowsEvents, &text, &Options { source_timezone: zurich, ..options() }).unwrap();
    assert_eq!(reading.events[0].occurred_at.to_string(), "2026-07-01T10:00:00.000Z");
    assert_eq!(reading.summary.times_without_zone, 1);
    // Without a number of the record, the id is made from what it says.
    assert!(reading.events[0].native_id.is_derived());
}

#[test]
fn times_of_other_tools() {
    for (time, want) in [
        (json!("/Date(1795162530123)/"), "2026-11-20T08:15:30.123Z"),
        (json!(1_795_162_530_123_i64), "2026-11-20T08:15:30.123Z"),
        (json!({"SystemTime": "2026-11-20 08:15:30.123456 UTC"}), "2026-11-20T08:15:30.123Z"),
        (json!("11/20/2026, 8:15:30.123 AM"), "2026-11-20T08:15:30.123Z"),
        (json!("2026-11-20T08:15:30.1234567+00:00"), "2026-11-20T08:15:30.123Z"),
    ] {
        let record = json!({
            "TimeCreated": time, "MachineName": COMPUTER, "LogName": "Security", "EventID": 4634, "RecordId": 7,
            "ProviderName": "Microsoft-Windows-Security-Auditing", "TargetUserName": "ada",
        });
        let reading = read(&WindowsEvents, &record.to_string());
        assert_eq!(reading.others, [""; 0]);
        assert_eq!(reading.events[0].occurred_at.to_string(), want, "{time}");
        let id = NativeId::Given("dc-1.contoso.example/security/7".to_owned());
        assert_eq!(reading.events[0].native_id, id);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let logon = with(
        json!({"EventID": 4624, "Channel": "Security", "Hostname": COMPUTER, "EventTime": "yesterday"}),
        LOGON,
    );
    for (record, want) in [
        (logon, "line 1, column 1: the time of the event is `yesterday`: not an RFC 3339 time"),
        (json!({"a": 1}), "line 1, column 1: no Windows event: `EventID` is missing"),
        (json!({"EventID": 1.5}), "line 1, column 1: `EventID` is `1.5`"),
        (
            json!({"EventID": 4624, "Channel": "Security"}),
            "line 1, column 1: the time of the event is missing",
        ),
        (json!({"EventID": 7, "SourceName": "x"}), "set aside: x 7"),
    ] {
        assert_eq!(read(&WindowsEvents, &record.to_string()).others, [want], "{record}");
    }
    for text in ["{\"EventID\":1,\"EventID\":2}", "[7]", "{\"EventID\":", "nothing"] {
        assert_eq!(read(&WindowsEvents, text).others.len(), 1, "{text}");
        assert!(!recognizes(&WindowsEvents, text), "{text}");
    }
}
