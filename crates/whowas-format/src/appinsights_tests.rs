//! Envelopes: what becomes a record, what is counted, and what is sent again.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{options, read as read_file, recognizes};

fn envelope(time: &str, session: &str, user: &str) -> Value {
    json!({
        "name": "Microsoft.ApplicationInsights.PageView",
        "time": time,
        "iKey": "11111111-2222-3333-4444-555555555555",
        "sampleRate": 50,
        "tags": {
            "ai.session.id": session, "ai.session.isFirst": "true", "ai.user.id": user, "ai.cloud.role": "AOS",
            "ai.cloud.roleInstance": "aos-1", "ai.location.ip": "0.0.0.0", "ai.location.country": "Switzerland",
            "ai.operation.id": "op-1", "ai.device.type": "Browser",
        },
        "data": { "baseType": "PageViewData", "baseData": { "ver": 2, "name": "SalesTable", "properties": { "LegalEntity": "USMF", "ExecutionMode": "Interactive" } } },
    })
}

fn lines(envelopes: &[Value]) -> String {
    envelopes.iter().map(|envelope| format!("{envelope}\n")).collect()
}

#[test]
fn page_views_show_that_a_session_goes_on() {
    let text = lines(&[
        envelope("2026-11-24T07:00:00Z", "s-1", "ada"),
        envelope("2026-11-24T07:01:00Z", "s-1", "ada"),
        envelope("2026-11-24T07:02:00Z", "s-1", "eve"),
        envelope("2026-11-24T07:05:00Z", "s-1", "ada"),
        envelope("2026-11-24T07:06:00Z", "s-1", "ada"),
    ]);
    assert!(recognizes(&AppInsights, &text));
    let reading = read_file(&AppInsights, &text);
    assert_eq!(reading.others, ["set aside: PageViewData of a known session"; 2]);
    let shown: Vec<_> = reading
        .events
        .iter()
        .map(|event| {
            format!(
                "{} {} {}",
                event.occurred_at,
                event.activity.as_str(),
                event.user.name.as_deref().unwrap()
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "2026-11-24T07:00:00.000Z logon ada",
            "2026-11-24T07:02:00.000Z logon eve",
            "2026-11-24T07:05:00.000Z other ada"
        ]
    );
    let event = &reading.events[0];
    assert_eq!(
        (event.src_endpoint.ip.as_deref(), event.src_endpoint.location.country.as_deref()),
        (None, Some("Switzerland"))
    );
    assert_eq!(
        (event.service.name.as_deref(), event.logon_type.as_deref()),
        (Some("AOS"), Some("interactive"))
    );
    assert_eq!(
        event.unmapped.as_deref(),
        Some(
            "{\"device_type\":\"Browser\",\"is_first_session\":\"true\",\"name\":\"SalesTable\",\"properties\":{\"ExecutionMode\":\"Interactive\",\"LegalEntity\":\"USMF\"},\"sample_rate\":50,\"type\":\"PageViewData\"}"
        )
    );
}

#[test]
fn what_is_sent_again_says_the_same_again() {
    let text = lines(&[
        envelope("2026-11-24T07:00:00Z", "s-1", "ada"),
        envelope("2026-11-24T07:05:00Z", "s-1", "ada"),
    ]);
    let mut known = KnownSessions::default();
    let mut once = || {
        let mut events = Vec::new();
        read(&mut text.as_bytes(), &options(), &mut known, &mut |item| {
            if let Item::Draft(draft, _) = item {
                events.push(draft.event);
            }
            Ok(())
        })
        .unwrap();
        events
    };
    let (first, again) = (once(), once());
    assert_eq!(first.len(), 2);
    assert_eq!(again, first[..1], "the start is a start again, the sign of life is known");
    known.forget();
    let mut events = 0;
    read(&mut text.as_bytes(), &options(), &mut known, &mut |item| {
        events += usize::from(matches!(item, Item::Draft(..)));
        Ok(())
    })
    .unwrap();
    assert_eq!(events, 2);
}

#[test]
fn events_types_and_what_is_missing() {
    let of = |change: fn(&mut Value)| {
        let mut envelope = envelope("2026-11-24T07:00:00Z", "s-1", "ada");
        change(&mut envelope);
        let reading = read_file(&AppInsights, &envelope.to_string());
        match (reading.events.first(), reading.others.first()) {
            (Some(event), None) => format!(
                "{} {} {}",
                event.activity.as_str(),
                event.status.as_str(),
                event.user.name.as_deref().unwrap()
            ),
            (None, Some(other)) => other.clone(),
            other => panic!("{other:?}"),
        }
    };
    for (change, want) in [
        ((|_| {}) as fn(&mut Value), "logon success ada"),
        (
            |e| e["tags"]["ai.user.authUserId"] = "ada@contoso.example".into(),
            "logon success ada@contoso.example",
        ),
        (
            |e| e["data"] = json!({ "baseType": "EventData", "baseData": { "name": "User logged out" } }),
            "logoff success ada",
        ),
        (
            |e| e["data"] = json!({ "baseType": "EventData", "baseData": { "name": "LoginFailed" } }),
            "logon failure ada",
        ),
        (
            |e| e["data"] = json!({ "baseType": "EventData", "baseData": { "name": "Cart" } }),
            "logon success ada",
        ),
        (|e| e["data"]["baseData"]["properties"]["x"] = "y".repeat(10_000).into(), "logon success ada"),
        (|e| e["tags"]["ai.session.id"] = Value::Null, "set aside: PageViewData without session"),
        (|e| e["tags"]["ai.user.id"] = "".into(), "set aside: PageViewData without user"),
        (|e| e["tags"] = 7.into(), "set aside: PageViewData without user"),
        (|e| e["data"]["baseType"] = "MetricData".into(), "set aside: MetricData"),
        (
            |e| e["data"] = Value::Null,
            "line 1, column 1: `data.baseType` is missing: is this an envelope of Application Insights?",
        ),
        (|e| e["time"] = Value::Null, "line 1, column 1: `time` is missing: when did it happen?"),
        (
            |e| e["time"] = "noon".into(),
            "line 1, column 501: `time`: `noon` is not a date and time in a known notation, such as 2025-03-12 07:22:01",
        ),
    ] {
        assert_eq!(of(change), want);
    }
}

#[test]
fn the_key_is_found_before_the_rest_is_read() {
    for (text, want) in [
        ("{\"name\":\"x\",\"iKey\" : \"whowas_abc\",\"tags\":{", Some("whowas_abc")),
        ("[{\"iKey\":\"k\"}]", Some("k")),
        ("{\"iKey\":7}", None),
        ("{\"iKey\":\"a\\u0041\"}", None),
        ("{\"iKey\":\"cut", None),
        ("", None),
    ] {
        assert_eq!(instrumentation_key(text.as_bytes()).as_deref(), want, "{text}");
    }
}

proptest! {
    #[test]
    fn no_envelope_panics(text in "\\{\"time\":\"2026-11-24T07:00:00Z\",\"tags\":\\{\"ai.(session|user).id\":[\"0-9a\\[\\]]{0,8}\\},\"data\":[\\{\\}\"a-z:]{0,30}") {
        let _ = read_file(&AppInsights, &text);
        let _ = instrumentation_key(text.as_bytes());
    }
}
