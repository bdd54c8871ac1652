//! Real senders: the SDKs and daemons that people have, against the real binary. Those that are killed, and ours.

use std::{
    io::Write,
    net::{TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    http::Client,
    script::{P_E, Serving, World, column, text},
};

/// For what a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where `scripts/test.sh` installs SDKs.
fn installed(what: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/senders").join(what)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/senders").join(name)
}

fn python() -> Command {
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", installed("python")).env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
    python
}

/// Whether Python finds a module there; says that the test is skipped if not.
fn has_python(module: &str) -> bool {
    let found = python().args(["-c", &format!("import {module}")]).output();
    let is_there = found.is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("skipped: {module} is not in target/senders/python (scripts/test.sh installs it)");
    }
    is_there
}

fn has_command(name: &str) -> bool {
    let is_there =
        Command::new(name).arg("--version").output().is_ok() || Path::new("/usr/sbin").join(name).exists();
    if !is_there {
        eprintln!("skipped: {name} is not installed (scripts/test.sh installs it)");
    }
    is_there
}

/// Runs a sender to its end, which must be a good one.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// A trail with a token for one source.
fn world() -> (World, String) {
    let world = World::with(&["portal.ndjson"]);
    let line = format!("token create --scope ingest --environment {P_E} --source shop");
    let token = text(&world.json(&line)[0], "token");
    (world, token)
}

/// One number of the metrics: a sum over all lines with this outcome.
fn received(address: &str, outcome: &str) -> u64 {
    let metrics = Client::connect(address, "").unwrap().get("/metrics").unwrap().body;
    let wanted = format!("outcome=\"{outcome}\"");
    let lines = metrics.lines().filter(|line| line.contains(&wanted));
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

/// Waits until so many records had this outcome.
#[track_caller]
fn wait_for(address: &str, outcome: &str, want: u64) {
    let begun = Instant::now();
    loop {
        let got = received(address, outcome);
        if got >= want {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{got} of {want} are {outcome}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// What stands in the trail of one source, when the server is gone.
fn logins(world: &World, source: &str) -> Vec<Value> {
    world.sql(&format!("SELECT * FROM logins WHERE source = $${source}$$ ORDER BY occurred_at, native_id"))
}

fn otel(protocol: &str, address: &str, token: &str, count: u32, pause_s: &str) -> Command {
    let mut command = python();
    command.arg(script("otel.py")).args([protocol, address, token, &count.to_string(), pause_s]);
    command
}

/// Every session once, with its start and its end.
#[track_caller]
fn assert_sessions(world: &World, count: usize) {
    let rows = logins(world, "shop");
    assert_eq!(rows.len(), 2 * count);
    for activity in ["logon", "logoff"] {
        let of = rows.iter().filter(|row| row["activity"] == activity).cloned().collect::<Vec<_>>();
        let mut sessions = column(&of, "session_uid");
        sessions.sort();
        sessions.dedup();
        assert_eq!(sessions.len(), count, "{activity}");
    }
    let [report] = world.json(&format!("fsck --environment {P_E}")).try_into().unwrap();
    assert_eq!(report["verified"], true);
}

#[test]
fn the_sdk_of_opentelemetry_sends_sessions() {
    if !has_python("opentelemetry.exporter.otlp.proto.grpc") {
        return;
    }
    for protocol in ["http", "grpc"] {
        let (world, token) = world();
        let serving = world.serve();
        run(&mut otel(protocol, &serving.address, &token, 40, "0"));
        // A sender that was restarted and begins again.
        run(&mut otel(protocol, &serving.address, &token, 40, "0"));
        let outcomes = ["recorded", "duplicate", "set_aside", "rejected", "refused"];
        assert_eq!(
            outcomes.map(|outcome| received(&serving.address, outcome)),
            [80, 80, 80, 0, 0],
            "{protocol}"
        );
        serving.kill();
        assert_sessions(&world, 40);
        let row = &logins(&world, "shop")[0];
        assert_eq!(
            (text(row, "user_name"), text(row, "src_ip")),
            ("user0".to_owned(), "192.0.2.10".to_owned())
        );
        assert_eq!(
            (text(row, "service_name"), text(row, "format")),
            ("shop".to_owned(), "otlp-logs".to_owned())
        );
    }
}

#[test]
fn grpc_tells_what_is_wrong_by_its_codes() {
    if !has_python("grpc") {
        return;
    }
    let (world, token) = world();
    let serving = world.serve();
    let said = run(python().arg(script("grpc_codes.py")).args([&serving.address, &token]));
    let lines: Vec<&str> = said.lines().collect();
    let want = [
        "OK",
        "OK",
        "UNAUTHENTICATED sign in, or send an API token that is in force",
        "INVALID_ARGUMENT not an ExportLogsServiceRequest in protocol buffers: a field is of wire type 7, which is not used",
        "RESOURCE_EXHAUSTED a body has at most 16 MiB here: send smaller batches",
    ];
    assert_eq!(lines, want);
}

#[test]
fn nothing_is_lost_or_doubled_when_sender_and_server_are_killed() {
    if !has_python("opentelemetry.exporter.otlp.proto.grpc") {
        return;
    }
    for protocol in ["http", "grpc"] {
        let (world, token) = world();
        let serving = world.serve();
        let address = serving.address.clone();
        let sender = |pause_s: &str| otel(protocol, &address, &token, 150, pause_s).spawn().unwrap();
        let mut first: Child = sender("0.02");
        wait_for(&address, "recorded", 40);
        first.kill().unwrap();
        first.wait().unwrap();
        // Another from the beginning; this time the server goes away while it sends.
        let mut second = sender("0.01");
        wait_for(&address, "duplicate", 20);
        serving.kill();
        thread::sleep(Duration::from_millis(300));
        let serving = world.serve_at(&address);
        assert!(second.wait().unwrap().success());
        wait_for(&address, "recorded", 1);
        serving.kill();
        assert_sessions(&world, 150);
    }
}

#[test]
fn the_sdk_of_application_insights_sends_page_views() {
    let module = installed("node_modules/applicationinsights");
    if !module.exists() || !has_command("node") {
        eprintln!("skipped: applicationinsights is not in target/senders (scripts/test.sh installs it)");
        return;
    }
    let (world, token) = world();
    let serving = world.serve();
    let address = &serving.address;
    let guid = "11111111-2222-3333-4444-555555555555";
    for (connection, recorded) in [
        (format!("InstrumentationKey={token};IngestionEndpoint=http://{address}/"), 9),
        (format!("InstrumentationKey={guid};IngestionEndpoint=http://{address}/appinsights/{token}/"), 9),
    ] {
        let mut node = Command::new("node");
        node.env("NODE_PATH", installed("node_modules")).env("TMPDIR", world.path("."));
        let said = run(node.arg(script("appinsights.js")).args([&connection, "4"]));
        // Twelve page views of which four are in between, a sign-out, a trace and an exception.
        assert!(said.contains("\"itemsAccepted\":15") && said.contains("\"errors\":[]"), "{said}");
        assert!(received(address, "recorded") >= recorded, "{said}");
    }
    assert_eq!(received(address, "rejected"), 0);
    serving.kill();
    let rows = logins(&world, "shop");
    // The same page views were sent under another key: of the same sessions, and known by then.
    let activities = column(&rows, "activity");
    let count = |activity: &str| activities.iter().filter(|other| *other == activity).count();
    assert_eq!((count("logon"), count("other"), count("logoff")), (4, 4, 2), "{activities:?}");
    // Ids are made of envelopes, which have the token in them: their order is another every time.
    let mut users = column(&rows, "user_name");
    users.sort();
    users.dedup();
    assert_eq!(users, ["user0", "user1", "user2"]);
    assert!(rows.iter().all(|row| row["service_name"] == "AOS"), "{rows:?}");
}

#[test]
fn the_sdk_of_cloudevents_sends_sign_ins() {
    if !has_python("cloudevents.core.bindings.http") {
        return;
    }
    let (world, token) = world();
    let serving = world.serve();
    run(python().arg(script("cloud.py")).args([&serving.address, &token]));
    assert_eq!(received(&serving.address, "set_aside"), 1);
    assert_eq!(received(&serving.address, "rejected"), 0);
    serving.kill();
    let rows = logins(&world, "shop");
    let mut ids = column(&rows, "native_id");
    ids.sort();
    ids.dedup();
    assert_eq!(ids, ["/shop e-1", "/shop e-2", "/shop e-3"]);
    assert_eq!(column(&rows, "user_name")[0], "user1");
}

/// An address that nobody has.
fn free(transport: &str) -> String {
    match transport {
        "udp" => UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string(),
        _ => TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string(),
    }
}

/// A server that listens for syslog in three ways; the addresses in this order.
fn listening(world: &World) -> (Serving, [String; 3]) {
    let tls = Path::new(env!("CARGO_MANIFEST_DIR")).join("../whowas-server/tests/it/tls");
    let addresses = ["udp", "tcp", "tls"].map(|transport| (transport, free(transport)));
    let mut settings = String::new();
    for (transport, address) in &addresses {
        settings += &format!(
            "[[syslog]]\ntransport = \"{transport}\"\nlisten = \"{address}\"\nenvironment = \"{P_E}\"\nsource = \"unix-{transport}\"\n"
        );
    }
    let tls = tls.canonicalize().unwrap();
    settings += &format!("tls_cert = \"{0}/certificate.pem\"\ntls_key = \"{0}/key.pem\"\n", tls.display());
    world.file("whowas.toml", settings);
    (world.serve(), addresses.map(|(_, address)| address))
}

#[test]
fn logger_sends_in_both_formats_and_framings() {
    if !has_command("logger") {
        return;
    }
    let world = World::with(&["portal.ndjson"]);
    let (serving, [udp, tcp, _]) = listening(&world);
    let logger = |address: &str, options: &str, tag: &str, message: &str| {
        let (host, port) = address.rsplit_once(':').unwrap();
        let mut command = Command::new("logger");
        command.args(["--server", host, "--port", port, "--tag", tag]).args(options.split(' ')).arg(message);
        run(&mut command);
    };
    let accepted = "Accepted publickey for ada from 192.0.2.7 port 50123 ssh2";
    logger(&udp, "--udp --rfc5424", "sshd", accepted);
    logger(&udp, "--udp --rfc3164", "gate", "CEF:0|Acme|Gate|1|1|login|3|suser=ada src=192.0.2.8");
    logger(&udp, "--udp --rfc5424", "cron", "no sign-in");
    logger(&tcp, "--tcp --rfc5424", "sshd", "pam_unix(sshd:session): session closed for user ada");
    logger(
        &tcp,
        "--tcp --rfc3164 --octet-count",
        "sshd",
        "Failed password for eve from 192.0.2.9 port 50124 ssh2",
    );
    logger(
        &tcp,
        "--tcp --rfc5424 --octet-count",
        "gate",
        "LEEF:1.0|Acme|Gate|1|x|isLoginEvent=true\tusrName=bob",
    );
    wait_for(&serving.address, "recorded", 5);
    serving.kill();
    let shown: Vec<String> = ["unix-udp", "unix-tcp"]
        .iter()
        .flat_map(|source| logins(&world, source))
        .map(|row| ["format", "activity", "status", "user_name"].map(|name| text(&row, name)).join(" "))
        .collect();
    for want in [
        "auth-log logon success ada",
        "cef logon success ada",
        "auth-log logoff success ada",
        "auth-log logon failure eve",
        "leef logon success bob",
    ] {
        assert!(shown.iter().any(|row| row == want), "{want}: {shown:?}");
    }
    assert_eq!(shown.len(), 5);
}

#[test]
fn rsyslog_waits_for_a_server_that_was_killed() {
    if !has_command("rsyslogd") || !has_command("logger") {
        return;
    }
    let world = World::with(&["portal.ndjson"]);
    let (serving, [_, tcp, tls]) = listening(&world);
    let certificate =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../whowas-server/tests/it/tls/certificate.pem");
    let has_gnutls = Path::new("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so").exists()
        || Path::new("/usr/lib/aarch64-linux-gnu/rsyslog/lmnsd_gtls.so").exists();
    let forward = |address: &str, more: &str| {
        let port = address.rsplit_once(':').unwrap().1;
        format!(
            "action(type=\"omfwd\" Target=\"127.0.0.1\" Port=\"{port}\" Protocol=\"tcp\" TCP_Framing=\"octet-counted\" Template=\"RSYSLOG_SyslogProtocol23Format\" action.resumeRetryCount=\"-1\" action.resumeInterval=\"1\" queue.type=\"LinkedList\" {more})\n"
        )
    };
    let mut config = format!(
        "global(workDirectory=\"{0}\" DefaultNetstreamDriverCAFile=\"{1}\")\nmodule(load=\"imuxsock\" SysSock.Use=\"off\")\ninput(type=\"imuxsock\" Socket=\"{0}/log.sock\" RateLimit.Interval=\"0\")\n",
        world.path(".").canonicalize().unwrap().display(),
        certificate.canonicalize().unwrap().display(),
    );
    config += &forward(&tcp, "");
    if has_gnutls {
        config +=
            &forward(&tls, "StreamDriver=\"gtls\" StreamDriverMode=\"1\" StreamDriverAuthMode=\"anon\"");
    } else {
        eprintln!("skipped: TLS of rsyslog, rsyslog-gnutls is not installed (scripts/test.sh installs it)");
    }
    world.file("rsyslog.conf", config);
    let mut rsyslog = Command::new("/usr/sbin/rsyslogd");
    rsyslog.arg("-n").arg("-f").arg(world.path("rsyslog.conf")).arg("-i").arg(world.path("rsyslog.pid"));
    let mut rsyslog = Killed(rsyslog.stdin(Stdio::null()).spawn().unwrap());
    let socket = world.path("log.sock");
    let begun = Instant::now();
    while !socket.exists() {
        assert!(
            begun.elapsed() < PATIENCE && rsyslog.0.try_wait().unwrap().is_none(),
            "rsyslog does not start"
        );
        thread::sleep(Duration::from_millis(20));
    }
    let log = |from: u32, to: u32| {
        for n in from..to {
            let message = format!("Failed password for user{n} from 192.0.2.7 port {} ssh2", 50_000 + n);
            let mut logger = Command::new("logger");
            run(logger.args(["--socket"]).arg(&socket).args(["--tag", "sshd", "--id=4711", &message]));
        }
    };
    let streams = if has_gnutls { 2 } else { 1 };
    log(0, 40);
    wait_for(&serving.address, "recorded", 40 * streams);
    serving.kill();
    log(40, 60);
    let serving = world.serve();
    log(60, 80);
    wait_for(&serving.address, "recorded", 40 * streams);
    serving.kill();
    for source in ["unix-tcp", "unix-tls"].iter().take(usize::try_from(streams).unwrap()) {
        let users = column(&logins(&world, source), "user_name");
        let mut distinct = users.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!((users.len(), distinct.len()), (80, 80), "{source}: every line once");
    }
}

#[test]
fn senders_over_tls_show_certificates() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: openssl is not installed (scripts/test.sh installs it)");
        return;
    }
    let world = World::with(&["portal.ndjson"]);
    let files =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../whowas-server/tests/it/tls").canonicalize().unwrap();
    let [certificate, key] =
        ["certificate.pem", "key.pem"].map(|name| files.join(name).display().to_string());
    let address = free("tcp");
    world.file(
        "whowas.toml",
        format!(
            "[[syslog]]\ntransport = \"tls\"\nlisten = \"{address}\"\nenvironment = \"{P_E}\"\nsource = \"tls\"\ntls_cert = \"{certificate}\"\ntls_key = \"{key}\"\ntls_client_ca = \"{certificate}\"\n"
        ),
    );
    let serving = world.serve();
    let send = |user: &str, options: &[&str]| {
        let line = format!(
            "<38>1 2026-11-20T08:00:00Z web-1 sshd 83 - - Accepted publickey for {user} from 192.0.2.7 port 22 ssh2\n"
        );
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-quiet", "-no_ign_eof", "-connect", &address]).args(options);
        let mut openssl =
            openssl.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdin = openssl.stdin.take().unwrap();
        let _ = stdin.write_all(line.as_bytes());
        // The end of its input ends it; the line must be on its way by then.
        thread::sleep(Duration::from_millis(500));
        drop(stdin);
        let _ = openssl.wait();
    };
    send("nobody", &[]);
    send("ada", &["-cert", &certificate, "-key", &key]);
    wait_for(&serving.address, "recorded", 1);
    serving.kill();
    assert_eq!(column(&logins(&world, "tls"), "user_name"), ["ada"]);
}

#[test]
fn telemetry_in_a_file_gives_sessions_that_end_by_silence() {
    let world = World::new();
    let page = |time: &str| {
        format!(
            "{{\"iKey\":\"k\",\"time\":\"2026-11-20T{time}:00Z\",\"tags\":{{\"ai.session.id\":\"s\",\"ai.user.id\":\"ada\"}},\"data\":{{\"baseType\":\"PageViewData\",\"baseData\":{{}}}}}}\n"
        )
    };
    world.file("telemetry.json", ["08:00", "08:02", "08:10", "08:20"].map(page).concat());
    let [session] = world.json("sessions --file telemetry.json").try_into().unwrap();
    assert_eq!(text(&session, "start"), "2026-11-20T08:00:00.000Z");
    assert_eq!(text(&session, "end"), "2026-11-20T08:50:00.000Z");
    assert_eq!(
        (text(&session, "end_reason"), text(&session, "end_confidence")),
        ("timeout".to_owned(), "inferred".to_owned())
    );
}

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
