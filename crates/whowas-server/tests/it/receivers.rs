//! Receivers: who may send, what is refused and how, what is kept. Real senders are in the tests of the binary.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use whowas_format::otlp::WirePartial;
use whowas_store::control::Scope;

use crate::{
    client::Response,
    world::{World, environment},
};

const ENVIRONMENT: &str = "contoso/production";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// A start of a session in OTLP's JSON encoding.
fn start(session: &str) -> Value {
    json!({
        "timeUnixNano": "1764000000123456789",
        "eventName": "session.start",
        "attributes": [
            { "key": "session.id", "value": { "stringValue": session } },
            { "key": "user.name", "value": { "stringValue": "ada" } },
        ],
    })
}

fn request(records: &[Value]) -> Vec<u8> {
    json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] }).to_string().into_bytes()
}

async fn send(world: &World, token: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
    let mut request = world.post("/v1/logs").bearer(token);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(body).send().await
}

async fn metrics(world: &World) -> String {
    world.get("/metrics").send().await.text()
}

const JSON: (&str, &str) = ("Content-Type", "application/json");
const PROTOBUF: (&str, &str) = ("Content-Type", "application/x-protobuf");

#[tokio::test]
async fn log_records_are_recorded_counted_and_refused() {
    let world = World::new().await;
    let token = world.token(Scope::Ingest, Some(ENVIRONMENT)).await;
    let broken = json!({ "eventName": "session.start" });
    let records = [start("s-1"), json!({ "eventName": "cart.checkout" }), broken, start("s-2")];
    let answer = send(&world, &token, &[JSON], request(&records)).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(
        answer.json(),
        json!({ "partialSuccess": { "rejectedLogRecords": "1", "errorMessage": "record 3: `timeUnixNano` is missing: when did it happen?" } })
    );
    assert_eq!(world.trail().await.snapshot().size, 2);
    // The same again, packed: nothing is doubled.
    let gzipped = ("Content-Encoding", "gzip");
    let answer = send(&world, &token, &[JSON, gzipped], gzip(&request(&[start("s-1"), start("s-2")]))).await;
    assert_eq!((answer.status, answer.json()), (200, json!({})));
    assert_eq!(world.trail().await.snapshot().size, 2);
    let rejected = world.store.control().rejected(&environment(), 0, 10).await.unwrap();
    assert_eq!(rejected.len(), 1);
    assert_eq!((rejected[0].format.as_str(), rejected[0].input.as_str()), ("otlp-logs", "POST /v1/logs"));
    assert!(String::from_utf8_lossy(&rejected[0].raw).contains("session.start"));
    let metrics = metrics(&world).await;
    for (outcome, count) in
        [("recorded", 2), ("duplicate", 2), ("set_aside", 1), ("rejected", 1), ("refused", 0), ("dropped", 0)]
    {
        let line = format!(
            "whowas_receiver_records_total{{receiver=\"otlp\",environment=\"contoso/production\",source=\"otlp-logs\",outcome=\"{outcome}\"}} {count}\n"
        );
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    world.end().await;
}

type Wrong<'a> = (&'a str, Vec<(&'a str, &'a str)>, Vec<u8>, u16, &'a str);

/// Requests that are refused as a whole: token, headers, body, and how they are.
fn wrong<'a>(token: &'a str, reader: &'a str, unbound: &'a str) -> Vec<Wrong<'a>> {
    let fine = request(&[start("s-1")]);
    let protobuf = PROTOBUF;
    vec![
        ("whowas_no", vec![JSON], fine.clone(), 401, "sign in, or send an API token that is in force"),
        (reader, vec![JSON], fine.clone(), 403, "this needs the scope ingest; the token has read"),
        (
            unbound,
            vec![JSON],
            fine.clone(),
            403,
            "this needs a token for one environment: create it with --environment PROJECT/ENVIRONMENT",
        ),
        (
            token,
            vec![("Content-Type", "text/plain")],
            fine.clone(),
            415,
            "the content type is application/x-protobuf or application/json",
        ),
        (
            token,
            vec![JSON, ("Content-Encoding", "br")],
            fine.clone(),
            415,
            "bodies come as they are, or in gzip or deflate",
        ),
        (
            token,
            vec![JSON, ("Content-Encoding", "gzip")],
            fine.clone(),
            400,
            "the compressed body is damaged or cut off",
        ),
        (
            token,
            vec![JSON],
            b"{".to_vec(),
            400,
            "not valid JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            token,
            vec![JSON],
            vec![b' '; 17 << 20],
            413,
            "a body has at most 16 MiB here: send smaller batches",
        ),
        (
            token,
            vec![protobuf],
            fine.clone(),
            400,
            "not an ExportLogsServiceRequest in protocol buffers: a field is of wire type 3, which is not used",
        ),
    ]
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_in_its_own_words() {
    let world = World::new().await;
    let token = world.token(Scope::Ingest, Some(ENVIRONMENT)).await;
    let protobuf = PROTOBUF;
    let reader = world.token(Scope::Read, Some(ENVIRONMENT)).await;
    let unbound = world.token(Scope::Ingest, None).await;
    for (token, headers, body, status, text) in wrong(&token, &reader, &unbound) {
        let answer = send(&world, token, &headers, body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.header("retry-after").is_none());
        if headers[0] == protobuf {
            assert_eq!(answer.header("content-type"), Some("application/x-protobuf"));
            assert_eq!(answer.body, whowas_format::otlp::status(3, text));
        } else {
            assert_eq!(answer.json()["message"], text);
            assert!(answer.json()["code"].as_u64().unwrap() > 0);
        }
    }
    assert_eq!(world.trail().await.snapshot().size, 0);
    assert_eq!(world.get("/v1/logs").send().await.status, 405);
    let answer = send(&world, &token, &[protobuf], Vec::new()).await;
    assert_eq!((answer.status, WirePartial::read(&answer.body)), (200, Ok(WirePartial::default())));
    world.end().await;
}

#[tokio::test]
async fn a_bomb_is_refused_in_under_a_second() {
    let world = World::new().await;
    let token = world.token(Scope::Ingest, Some(ENVIRONMENT)).await;
    let bomb = gzip(&vec![b' '; 12 << 20]);
    let begun = Instant::now();
    let answer = send(&world, &token, &[JSON, ("Content-Encoding", "gzip")], bomb).await;
    let took = begun.elapsed();
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(answer.text().contains("decompression bomb"), "{}", answer.text());
    world.end().await;
}

#[tokio::test]
async fn few_bytes_that_would_be_very_many_are_refused() {
    let world = World::new().await;
    let token = world.token(Scope::Ingest, Some(ENVIRONMENT)).await;
    // A resource of 4 KB, which would stand in each of 30,000 records.
    let record = start("s").to_string();
    let records = vec![record; 30_000].join(",");
    let body = format!(
        "{{\"resourceLogs\":[{{\"resource\":{{\"attributes\":[{{\"key\":\"x\",\"value\":{{\"stringValue\":\"{}\"}}}}]}},\"scopeLogs\":[{{\"logRecords\":[{records}]}}]}}]}}",
        "x".repeat(3_900)
    );
    let answer = send(&world, &token, &[JSON], body.into_bytes()).await;
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!(world.trail().await.snapshot().size, 0);
    world.end().await;
}

#[tokio::test]
async fn a_trail_that_has_stopped_asks_senders_to_come_back() {
    let world = World::new().await;
    let token = world.token(Scope::Ingest, Some(ENVIRONMENT)).await;
    assert_eq!(send(&world, &token, &[JSON], request(&[start("s-0")])).await.status, 200);
    let staging = world.folder().join("trails").join(ENVIRONMENT).join("staging");
    std::fs::rename(&staging, staging.with_extension("gone")).unwrap();
    std::fs::write(&staging, "not a folder").unwrap();
    let answer = send(&world, &token, &[JSON], request(&[start("s-1")])).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{}", answer.text());
    assert_eq!(answer.json()["code"], 14);
    assert!(metrics(&world).await.contains("outcome=\"refused\"} 1\n"));
    world.end().await;
}

fn envelope(key: &str, session: &str, time: &str) -> String {
    let envelope = json!({
        "name": "Microsoft.ApplicationInsights.PageView", "time": time, "iKey": key,
        "tags": { "ai.session.id": session, "ai.user.id": "ada" },
        "data": { "baseType": "PageViewData", "baseData": { "ver": 2, "name": "SalesTable" } },
    });
    format!("{envelope}\n")
}

#[tokio::test]
async fn a_connection_string_is_a_token() {
    let world = World::new().await;
    let token = world.token(Scope::Ingest, Some(ENVIRONMENT)).await;
    let guid = "11111111-2222-3333-4444-555555555555";
    let page = |at: &str| envelope(&token, "s-1", &format!("2026-11-24T{at}:00Z"));
    let (first, between, second) = (page("07:00"), page("07:01"), page("07:06"));
    // The key of the envelopes, NDJSON in gzip.
    let body = gzip(format!("{first}{between}{second}").as_bytes());
    let send = |path: String, body: Vec<u8>| world.post(&path).body(body);
    let answer = send("/v2.1/track".into(), body.clone()).header("Content-Encoding", "gzip").send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({ "itemsReceived": 3, "itemsAccepted": 3, "errors": [] }));
    assert_eq!(world.trail().await.snapshot().size, 2);
    // Sent again, as an array: the start is known.
    let array = format!("[{first},{second}]").into_bytes();
    assert_eq!(send("/v2/track".into(), array).send().await.status, 200);
    assert_eq!(world.trail().await.snapshot().size, 2);
    // The path, where the key must be a GUID; and a damaged envelope beside a sound one.
    let body = envelope(guid, "s-2", "2026-11-24T07:00:00Z") + "{\"iKey\":\"x\",\"data\":{}}\n";
    let answer = send(format!("/appinsights/{token}/v2.1/track"), body.into_bytes()).send().await;
    assert_eq!(answer.status, 206);
    let message = "`data.baseType` is missing: is this an envelope of Application Insights?";
    let error = json!({ "index": 1, "statusCode": 400, "message": message });
    assert_eq!(answer.json(), json!({ "itemsReceived": 2, "itemsAccepted": 1, "errors": [error] }));
    assert_eq!(world.trail().await.snapshot().size, 3);
    for (path, body, status) in [
        ("/v2/track".to_owned(), envelope(guid, "s-1", "2026-11-24T07:00:00Z"), 401),
        ("/v2/track".to_owned(), "{\"data\":7}".to_owned(), 401),
        ("/v2/track".to_owned(), " ".repeat(100_000), 401),
        (format!("/appinsights/{guid}/v2/track"), first.clone(), 401),
        (format!("/appinsights/{token}/v2/track"), "{}\n".to_owned(), 400),
    ] {
        let answer = send(path, body.into_bytes()).send().await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.json()["itemsAccepted"], 0);
        assert_eq!(answer.json()["errors"][0]["statusCode"], status);
    }
    assert_eq!(world.trail().await.snapshot().size, 3);
    world.end().await;
}

#[tokio::test]
async fn cloudevents_come_in_three_modes() {
    let world = World::new().await;
    let token = world.token(Scope::Ingest, Some(ENVIRONMENT)).await;
    let event = |id: &str, kind: &str| {
        json!({
            "specversion": "1.0", "id": id, "source": "/shop", "type": kind, "time": "2026-11-23T10:00:00Z",
            "data": { "user_name": "ada" },
        })
    };
    let login = "com.example.user.login";
    let batch = json!([event("1", login), event("2", login), event("3", "com.example.order"), { "id": "4" }]);
    let post = |kind: &str, body: String| {
        world.post("/cloudevents").bearer(&token).header("Content-Type", kind).body(body)
    };
    let answer = post("application/cloudevents-batch+json; charset=utf-8", batch.to_string()).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let counts = |answer: &Response| {
        ["recorded", "duplicate", "set_aside", "rejected"].map(|name| answer.json()[name].as_u64().unwrap())
    };
    assert_eq!(counts(&answer), [2, 0, 1, 1]);
    let answer = post("application/cloudevents+json", event("2", login).to_string()).send().await;
    assert_eq!(counts(&answer), [0, 1, 0, 0]);
    let binary = [("specversion", "1.0"), ("id", "5"), ("source", "/shop"), ("type", login)];
    let binary = binary.into_iter().fold(
        post("application/json", "{\"user_name\":\"ada\"}".to_owned())
            .header("ce-time", "2026-11-23T10:00:00Z"),
        |request, (name, value)| request.header(&format!("ce-{name}"), value),
    );
    let answer = binary.clone().send().await;
    assert_eq!((answer.status, counts(&answer)), (200, [1, 0, 0, 0]), "{}", answer.text());
    assert_eq!(counts(&binary.send().await), [0, 1, 0, 0]);
    let answer = post("text/plain", "hello".to_owned()).send().await;
    assert_eq!((answer.status, answer.header("content-type")), (415, Some("application/problem+json")));
    assert_eq!(world.post("/cloudevents").body("{}").send().await.status, 401);
    world.end().await;
}
