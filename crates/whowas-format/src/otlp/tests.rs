//! Log records in both encodings, and what is wrong with them.

use proptest::prelude::*;
use whowas_event::{NativeId, Status};

use super::*;
use crate::{
    protobuf::Message,
    testing::{read, recognizes},
};

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn request(records: Vec<Value>) -> Value {
    json!({ "resourceLogs": [{
        "resource": { "attributes": [attribute("service.name", "shop"), attribute("host.name", "web-1"), attribute("service.version", "1.2")] },
        "scopeLogs": [{ "scope": { "name": "auth" }, "logRecords": records }],
    }] })
}

fn start() -> Value {
    json!({
        "timeUnixNano": "1764000000123456789",
        "eventName": "session.start",
        "traceId": "5b8efff798038103d269b633813fc60c",
        "severityText": "INFO",
        "attributes": [
            attribute("session.id", "s-2"),
            attribute("session.previous_id", "s-1"),
            attribute("user.id", "u-1"),
            attribute("user.name", "ada"),
            { "key": "user.roles", "value": { "arrayValue": { "values": [{ "stringValue": "Clerk" }, { "stringValue": "Buyer" }] } } },
            attribute("client.address", "192.0.2.10"),
            { "key": "client.port", "value": { "intValue": "50123" } },
            attribute("user_agent.original", "Mozilla/5.0"),
            attribute("shop.branch", "Zürich"),
        ],
    })
}

#[test]
fn a_start_that_goes_on_with_another_session_ends_that_one() {
    let text = request(vec![start()]).to_string();
    assert!(recognizes(&OtlpLogs, &text));
    let reading = read(&OtlpLogs, &text);
    assert_eq!(reading.others, [""; 0]);
    let [start, end] = &reading.events[..] else { panic!("{:?}", reading.events) };
    assert_eq!(
        (start.activity.as_str(), start.status, start.session_uid.as_deref()),
        ("logon", Status::Success, Some("s-2"))
    );
    assert_eq!((end.activity.as_str(), end.session_uid.as_deref()), ("logoff", Some("s-1")));
    assert_eq!(end.unmapped.as_deref(), Some("{\"session\":{\"end\":\"superseded\"}}"));
    assert_eq!(end.native_id.as_str(), format!("{}.end", start.native_id.as_str()));
    assert_eq!(start.raw_time.as_deref(), Some("2025-11-24T16:00:00.123456789Z"));
    assert_eq!((start.user.uid.as_deref(), start.user.name.as_deref()), (Some("u-1"), Some("ada")));
    assert_eq!(start.user.roles, ["Clerk", "Buyer"]);
    assert_eq!(
        (start.src_endpoint.ip.as_deref(), start.src_endpoint.port),
        (Some("192.0.2.10"), Some(50123))
    );
    assert_eq!((start.service.name.as_deref(), start.dst_hostname.as_deref()), (Some("shop"), Some("web-1")));
    assert_eq!(start.correlation_uid.as_deref(), Some("5b8efff798038103d269b633813fc60c"));
    assert_eq!(
        start.unmapped.as_deref(),
        Some(
            "{\"resource\":{\"host.name\":\"web-1\",\"service.version\":\"1.2\"},\"scope\":\"auth\",\"session.previous_id\":\"s-1\",\"severity\":\"INFO\",\"shop.branch\":\"Zürich\"}"
        )
    );
}

#[test]
fn what_is_kept_of_a_record_reads_as_the_same_record() {
    let mut raws = Vec::new();
    let mut first = Vec::new();
    read_json(request(vec![start(), start()]).to_string().as_bytes(), &mut |item| {
        if let Item::Draft(draft, _) = item {
            raws.push(draft.raw);
            first.push(draft.event);
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(
        (&first[0], &first[1]),
        (&first[2], &first[3]),
        "equal to the nanosecond: one record, sent again"
    );
    let again = read(&OtlpLogs, &raws[0]);
    assert_eq!(again.events, first[..2]);
}

#[test]
fn outcomes_names_and_times() {
    let of = |record: Value| {
        let reading = read(&OtlpLogs, &request(vec![record]).to_string());
        match (reading.events.first(), reading.others.first()) {
            (Some(event), None) => format!(
                "{} {} {} {} {}",
                event.activity.as_str(),
                event.status.as_str(),
                event.user.name.as_deref().or(event.user.uid.as_deref()).unwrap_or("-"),
                event.status_code.as_deref().unwrap_or("-"),
                event.native_id.as_str().len()
            ),
            (None, Some(other)) => other.clone(),
            other => panic!("{other:?}"),
        }
    };
    let at = "1764000000000000000";
    for (record, want) in [
        (
            json!({"timeUnixNano": at, "eventName": "user.login", "attributes": [attribute("enduser.id", "ada")]}),
            "logon success ada - 32",
        ),
        (
            json!({"timeUnixNano": at, "eventName": "user.login", "attributes": [attribute("enduser.pseudo.id", "QdH5"), attribute("error.type", "invalid_password")]}),
            "logon failure QdH5 invalid_password 32",
        ),
        (
            json!({"timeUnixNano": at, "eventName": "login.failed", "attributes": [attribute("user.name", "ada")]}),
            "logon failure ada - 32",
        ),
        (
            json!({"timeUnixNano": at, "eventName": "login", "attributes": [attribute("event.outcome", "failure")]}),
            "logon failure - - 32",
        ),
        (
            json!({"observedTimeUnixNano": 1764000000000000000_u64, "attributes": [attribute("event.name", "session.end"), attribute("session.id", "s"), attribute("log.record.uid", "01J")]}),
            "logoff success - - 3",
        ),
        (
            json!({"timeUnixNano": at, "eventName": "session.start", "body": {"kvlistValue": {"values": [attribute("session.id", "s"), attribute("user.name", "eve")]}}}),
            "logon success eve - 32",
        ),
        (json!({"timeUnixNano": at, "eventName": "cart.checkout"}), "set aside: cart.checkout"),
        (json!({"body": {"stringValue": "hello"}}), "set aside: log record without event name"),
        (
            json!({"eventName": "session.start", "attributes": [attribute("session.id", "s")]}),
            "line 1, column 1: `timeUnixNano` is missing: when did it happen?",
        ),
        (
            json!({"timeUnixNano": "soon", "eventName": "login"}),
            "line 1, column 1: `timeUnixNano` is no count of nanoseconds since 1970",
        ),
        (
            json!({"timeUnixNano": at, "eventName": "session.start"}),
            "line 1, column 1: `session.id` is missing: a session without an id cannot be followed",
        ),
        (
            json!({"timeUnixNano": at, "eventName": "login", "attributes": [attribute("user.id", "a"), attribute("user.id", "b")]}),
            "line 1, column 1: the attribute `user.id` is given twice: remove one of them",
        ),
        (json!(7), "set aside: log record without event name"),
    ] {
        assert_eq!(of(record.clone()), want, "{record}");
    }
}

#[test]
fn a_request_that_is_none_is_refused_as_a_whole() {
    let refused = |bytes: &[u8]| read_json(bytes, &mut |_| Ok(())).map_err(|error| error.to_string());
    assert_eq!(refused(b"{\"resourceLogs\":[]}"), Ok(0));
    assert_eq!(refused(b"{}"), Ok(0));
    assert_eq!(refused(b"[]").unwrap_err(), "not an ExportLogsServiceRequest: it is no JSON object");
    assert_eq!(
        refused(b"{\"resourceLogs\":7}").unwrap_err(),
        "not an ExportLogsServiceRequest: `resourceLogs` is no list"
    );
    assert!(refused(b"{\"resourceLogs\":[").unwrap_err().starts_with("not valid JSON: EOF"));
    assert!(refused(&[b"{\"resourceLogs\":".to_vec(), vec![b'['; 1000]].concat()).is_err());
    let reading = read(&OtlpLogs, "{\"resourceLogs\":7}\n{\"resourceLogs\":[]}\n");
    assert_eq!(
        reading.others,
        ["line 1, column 1: not an ExportLogsServiceRequest: `resourceLogs` is no list"]
    );
    // One record of a large resource does not carry all of it, over and over.
    let mut large = request(vec![start(), start()]);
    large["resourceLogs"][0]["resource"]["attributes"]
        .as_array_mut()
        .unwrap()
        .push(attribute("x", &"x".repeat(100_000)));
    read_json(large.to_string().as_bytes(), &mut |item| {
        if let Item::Draft(draft, _) = item {
            assert!(draft.raw.len() < 2_000 && draft.event.service.name.is_some());
        }
        Ok(())
    })
    .unwrap();
}

fn pair(key: &str, value: Message) -> Vec<u8> {
    Message::default().bytes(1, key.as_bytes()).bytes(2, &value.into_bytes()).into_bytes()
}

fn text(value: &str) -> Message {
    Message::default().bytes(1, value.as_bytes())
}

/// `start()` in protocol buffers, by hand.
fn wire_start() -> Vec<u8> {
    let roles =
        Message::default().bytes(1, &text("Clerk").into_bytes()).bytes(1, &text("Buyer").into_bytes());
    let mut record = vec![0x09];
    record.extend(1764000000123456789_u64.to_le_bytes());
    let rest = Message::default()
        .bytes(3, b"INFO")
        .bytes(6, &pair("session.id", text("s-2")))
        .bytes(6, &pair("session.previous_id", text("s-1")))
        .bytes(6, &pair("user.id", text("u-1")))
        .bytes(6, &pair("user.name", text("ada")))
        .bytes(6, &pair("user.roles", Message::default().bytes(5, &roles.into_bytes())))
        .bytes(6, &pair("client.address", text("192.0.2.10")))
        .bytes(6, &pair("client.port", Message::default().varint(3, 50123)))
        .bytes(6, &pair("user_agent.original", text("Mozilla/5.0")))
        .bytes(6, &pair("shop.branch", text("Zürich")))
        .bytes(9, b"\x5b\x8e\xff\xf7\x98\x03\x81\x03\xd2\x69\xb6\x33\x81\x3f\xc6\x0c")
        .bytes(12, b"session.start")
        .varint(99, 7);
    record.extend(rest.into_bytes());
    record
}

fn wire_request(record: &[u8]) -> Vec<u8> {
    let resource = Message::default()
        .bytes(1, &pair("service.name", text("shop")))
        .bytes(1, &pair("host.name", text("web-1")))
        .bytes(1, &pair("service.version", text("1.2")));
    let scope_logs =
        Message::default().bytes(1, &Message::default().bytes(1, b"auth").into_bytes()).bytes(2, record);
    let logs = Message::default().bytes(1, &resource.into_bytes()).bytes(2, &scope_logs.into_bytes());
    Message::default().bytes(1, &logs.into_bytes()).into_bytes()
}

#[test]
fn both_encodings_say_the_same() {
    let mut events = Vec::new();
    let mut sink = |item| {
        if let Item::Draft(draft, _) = item {
            events.push(draft.event);
        }
        Ok(())
    };
    read_protobuf(&wire_request(&wire_start()), &mut sink).unwrap();
    read_json(request(vec![start()]).to_string().as_bytes(), &mut sink).unwrap();
    assert!(events.iter().all(|event| matches!(event.native_id, NativeId::Derived(_))));
    assert_eq!(events.len(), 4);
    assert_eq!((&events[0], &events[1]), (&events[2], &events[3]));
}

#[test]
fn damaged_protocol_buffers_are_named() {
    let whole = wire_request(&wire_start());
    let error = read_protobuf(&whole[..whole.len() - 9], &mut |_| Ok(())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "not an ExportLogsServiceRequest in protocol buffers: the message ends in the middle of a field"
    );
    let mut value = text("deep");
    for _ in 0..40 {
        value = Message::default().bytes(5, &Message::default().bytes(1, &value.into_bytes()).into_bytes());
    }
    let record = Message::default().bytes(6, &pair("x", value)).into_bytes();
    let error = read_protobuf(&wire_request(&record), &mut |_| Ok(())).unwrap_err();
    assert!(error.to_string().ends_with("values are nested deeper than 32 levels"), "{error}");
}

#[test]
fn answers_are_read_as_they_are_written() {
    assert_eq!(answer(0, ""), b"");
    let partial = WirePartial::read(&answer(3, "record 1: why")).unwrap();
    assert_eq!(partial, WirePartial { rejected: 3, reason: "record 1: why".to_owned() });
    assert_eq!(status(3, "no"), b"\x08\x03\x12\x02no");
}

proptest! {
    #[test]
    fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..60), at in 0_usize..400, flip in any::<u8>()) {
        let _ = read_protobuf(&bytes, &mut |_| Ok(()));
        let mut damaged = wire_request(&wire_start());
        let at = at % damaged.len();
        damaged[at] ^= flip;
        let _ = read_protobuf(&damaged, &mut |_| Ok(()));
        bytes.splice(0..0, *b"{\"resourceLogs\":[{\"scopeLogs\":[");
        let _ = read_json(&bytes, &mut |_| Ok(()));
    }
}
