//! What may be logged (`docs/LOGGING.md`): nothing of people, of tokens and of questions, at any level.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use crate::script::{P_E, World, text};

const USER: &str = "zofia.kowalska";
const UID: &str = "5f0e3c1d-77aa-4b6e-8a55-9f1e2d3c4b5a";
const NAME: &str = "Zofia Kowalska";
const IP: &str = "203.0.113.77";
const AGENT: &str = "KowalskaBrowser/7";

fn record(id: u32) -> String {
    format!(
        "{{\"native_id\":\"r{id}\",\"occurred_at\":\"2026-11-10T09:00:00Z\",\"activity\":\"logon\",\"user\":{{\"uid\":\"{UID}\",\"name\":\"{USER}\",\"full_name\":\"{NAME}\",\"email_addr\":\"{USER}@contoso.example\"}},\"src_endpoint\":{{\"ip\":\"{IP}\"}},\"user_agent\":\"{AGENT}\"}}\n"
    )
}

/// One request on a connection of its own; the whole answer as text.
fn ask(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request =
        format!("{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Fails if the log tells anything of these; `lines` are what must be there, or the test could not fail.
#[track_caller]
fn assert_discreet(log: &str, secrets: &[&str], lines: &[&str]) {
    for secret in secrets {
        assert!(!log.contains(secret), "the log tells {secret}:\n{log}");
    }
    for line in lines {
        assert!(log.contains(line), "the log lacks {line}:\n{log}");
    }
}

#[test]
fn a_server_logs_nothing_of_people_and_tokens() {
    let world = World::new();
    world.file("first.ndjson", record(0));
    world.run(&format!("import --environment {P_E} first.ndjson")).exits(0);
    let token = text(&world.json("token create --scope admin")[0], "token");
    let ingest = text(&world.json(&format!("token create --scope ingest --environment {P_E}"))[0], "token");
    let syslog = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    world.file(
        "whowas.toml",
        format!("[[syslog]]\ntransport = \"tcp\"\nlisten = \"{syslog}\"\nenvironment = \"{P_E}\"\nsource = \"unix\"\n"),
    );
    let log_path = world.path("server.log");
    let log_file = fs::File::create(&log_path).unwrap();
    let serving = world.serve_by(|command| command.env("RUST_LOG", "trace").stderr(log_file));
    let address = serving.address.clone();
    let code = serving.link.split_once("code=").unwrap().1.to_owned();
    let api = format!("/api/v1/environments/{P_E}");
    let bearer =
        |line: &str| format!("{line} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nUser-Agent: {AGENT}");
    let expect = |head: &str, body: &str, status: &str| {
        let answer = ask(&address, head, body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head}\n{answer}");
        answer
    };
    let signed_in = expect(
        "POST /sign-in HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin",
        &format!("code={code}"),
        "303",
    );
    let cookie = signed_in.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    expect(&bearer(&format!("POST {api}/records")), &record(1), "200");
    expect(&bearer(&format!("POST {api}/imports?file={USER}.ndjson")), &(record(2) + "{broken\n"), "200");
    expect(
        &bearer(&format!("GET {api}/logins?from=2026-11-01T00:00:00Z&filter=user:{USER}%20ip:{IP}")),
        "",
        "200",
    );
    expect(&bearer(&format!("GET {api}/logins?filter=shoe:{USER}")), "", "400");
    expect(&bearer(&format!("GET {api}/export?as=csv&from=2026-11-01T00:00:00Z&filter={USER}")), "", "200");
    expect(&bearer(&format!("GET {api}/users?filter={USER}")), "", "200");
    expect(&bearer(&format!("GET /{USER}?ip={IP}")), "", "404");
    let console = format!(
        "GET /p/{P_E}/monitoring/raw-logs?end=2026-11-12&filter=user:{USER} HTTP/1.1\r\nCookie: {cookie}"
    );
    assert!(expect(&console, "", "200").contains(NAME));
    receive(&address, &syslog, &ingest);
    // The disk fails: that is logged, with the cause, and so is whatever is refused because of it.
    let staging = world.path("data/trails").join(P_E).join("staging");
    fs::rename(&staging, staging.with_extension("gone")).unwrap();
    fs::write(&staging, "not a folder").unwrap();
    expect(&bearer(&format!("POST {api}/records")), &record(3), "503");
    expect(&console, "", "200");
    let session = cookie.split_once('=').unwrap().1;
    let log = read_when(&log_path, "read from a trail that accepts no access records");
    serving.kill();
    let secrets =
        [USER, "Zofia", "Kowalska", UID, IP, AGENT, &token, &ingest, &code, session, "127.0.0.1", "code="];
    assert_discreet(&log, &secrets, &["the trail has stopped accepting records", "request failed"]);
}

/// A person's sign-ins over every receiver: understood, not understood, and refused.
fn receive(address: &str, syslog: &str, ingest: &str) {
    let send = |path: &str, more: &str, body: &str, status: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nUser-Agent: {AGENT}{more}");
        let answer = ask(address, &head, body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}\n{answer}");
    };
    let bearer = format!("\r\nAuthorization: Bearer {ingest}\r\nContent-Type: application/json");
    let text =
        |name: &str, value: &str| format!("{{\"key\":\"{name}\",\"value\":{{\"stringValue\":\"{value}\"}}}}");
    let logs = format!(
        "{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{\"timeUnixNano\":\"1764000000000000000\",\"eventName\":\"login\",\"attributes\":[{},{}]}},{{\"eventName\":\"login\",\"attributes\":[{}]}}]}}]}}]}}",
        text("user.name", USER),
        text("client.address", IP),
        text("user.name", USER),
    );
    send("/v1/logs", &bearer, &logs, "200");
    send("/v1/logs", &bearer, &format!("{{{USER}"), "400");
    let envelope = |key: &str| {
        format!(
            "{{\"iKey\":\"{key}\",\"time\":\"2026-11-10T09:00:00Z\",\"tags\":{{\"ai.session.id\":\"s\",\"ai.user.id\":\"{USER}\",\"ai.location.ip\":\"{IP}\"}},\"data\":{{\"baseType\":\"PageViewData\",\"baseData\":{{}}}}}}"
        )
    };
    send("/v2/track", "", &envelope(ingest), "200");
    send(&format!("/appinsights/{ingest}/v2.1/track"), "", &envelope("x"), "200");
    send(&format!("/appinsights/{ingest}/v2.1/track"), "", &format!("{{\"{USER}\":"), "400");
    send(&format!("/appinsights/{USER}/v2.1/track"), "", &envelope("x"), "401");
    let event = format!(
        "{{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"login\",\"data\":{{\"user_name\":\"{USER}\",\"src_ip\":\"{IP}\"}}}}"
    );
    send("/cloudevents", &bearer.replace("/json", "/cloudevents+json"), &event, "200");
    let mut stream = TcpStream::connect(syslog).unwrap();
    let line = format!(
        "<38>Nov 10 09:00:00 web-1 sshd[7]: Accepted publickey for {USER} from {IP} port 22 ssh2\n{USER} {IP}\n"
    );
    stream.write_all(line.as_bytes()).unwrap();
    drop(stream);
    let metrics = || ask(address, "GET /metrics HTTP/1.1", "");
    let begun = Instant::now();
    while !metrics().contains("source=\"unix\",outcome=\"rejected\"} 1") {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", metrics());
    }
    let metrics = metrics();
    assert!(metrics.contains("source=\"unix\",outcome=\"recorded\"} 1"), "{metrics}");
    assert_discreet(
        &metrics,
        &[USER, IP, ingest],
        &["receiver=\"otlp\"", "receiver=\"appinsights\"", "receiver=\"cloudevents\""],
    );
}

/// The log, once it has this text: the server writes it beside its answers.
fn read_when(path: &Path, wanted: &str) -> String {
    let started = Instant::now();
    loop {
        let log = fs::read_to_string(path).unwrap();
        if log.contains(wanted) {
            return log;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{wanted} is never logged:\n{log}");
        std::thread::yield_now();
    }
}

#[test]
fn the_command_line_logs_nothing_of_people_and_tokens() {
    let world = World::new();
    // A byte that is no UTF-8 makes a warning, so that there is a log at all.
    let mut records = record(0).into_bytes();
    let accent = records.windows(5).position(|five| five == b"Zofia").unwrap();
    records[accent + 1] = 0xf3;
    world.file("latin.ndjson", records);
    world.file("one.ndjson", record(1));
    let trace = [("RUST_LOG", "trace")];
    let run = world.run_in("normalize latin.ndjson", &trace).exits(0);
    let secrets = [USER, "fia", "Kowalska", UID, IP, AGENT];
    assert_discreet(&run.stderr, &secrets, &["INFO", "Windows-1252"]);
    let token_line = format!("token create --scope read --environment {P_E}");
    for line in [
        format!("import --environment {P_E} one.ndjson"),
        format!("import --environment {P_E} latin.ndjson"),
        format!("search --environment {P_E} --from 2026-11-01 user:{USER} ip:{IP}"),
        format!("export --environment {P_E} --from 2026-11-01 --out rows.csv {USER}"),
        format!("sql --environment {P_E} 'SELECT * FROM logins WHERE user_name = $${USER}$$'"),
        format!("users list --environment {P_E}"),
        format!("users show --environment {P_E} {USER}"),
        format!("rejected list --environment {P_E}"),
        format!("fsck --environment {P_E}"),
        "verify data".to_owned(),
        token_line,
    ] {
        let run = world.run_in(&line, &trace).exits(0);
        assert_discreet(&run.stderr, &secrets, &[]);
        if line.starts_with("token") {
            assert_discreet(&run.stderr, &[run.stdout.trim()], &[]);
        }
    }
}
