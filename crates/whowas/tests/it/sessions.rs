//! `whowas sessions` on files, as scripts; and side by side with `last` of util-linux, where that is installed.

use std::process::Command;

use serde_json::Value;

use crate::script::{P_E, World};

/// One record of a Linux wtmp file on x86-64.
struct Wtmp<'a> {
    kind: u16,
    process: u32,
    line: &'a str,
    user: &'a str,
    host: &'a str,
    seconds: u32,
}

impl Wtmp<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0; 384];
        out[0..2].copy_from_slice(&self.kind.to_le_bytes());
        out[4..8].copy_from_slice(&self.process.to_le_bytes());
        for (at, text) in [(8, self.line), (44, self.user), (76, self.host)] {
            out[at..at + text.len()].copy_from_slice(text.as_bytes());
        }
        out[340..344].copy_from_slice(&self.seconds.to_le_bytes());
        out
    }
}

fn wtmp(records: &[(u16, u32, &str, &str, &str, u32)]) -> Vec<u8> {
    let bytes = |&(kind, process, line, user, host, seconds): &_| {
        Wtmp { kind, process, line, user, host, seconds: seconds + 1_795_500_000 }.bytes()
    };
    records.iter().flat_map(bytes).collect()
}

const DAY: [(u16, u32, &str, &str, &str, u32); 8] = [
    (2, 0, "~", "reboot", "6.1.0-31-amd64", 0),
    (7, 101, "pts/0", "ada", "192.0.2.10", 60),
    (7, 102, "tty1", "grace", "", 120),
    (8, 101, "pts/0", "", "", 3_660),
    (7, 103, "pts/0", "linus", "desk.example.org", 4_000),
    (7, 104, "pts/0", "ada", "192.0.2.10", 5_000),
    (1, 0, "~", "shutdown", "6.1.0-31-amd64", 90_000),
    (8, 105, "pts/7", "", "", 90_100),
];

const AUTH_LOG: &str = "\
Nov 23 07:00:00 erp sshd[7]: Accepted publickey for ada from 192.0.2.10 port 50123 ssh2: ED25519 SHA256:abc
Nov 23 07:00:01 erp sshd[7]: pam_unix(sshd:session): session opened for user ada(uid=1000) by (uid=0)
Nov 23 07:00:05 erp sshd[8]: Failed password for root from 192.0.2.66 port 4 ssh2
Nov 23 07:01:00 erp su[9]: pam_unix(su:session): session opened for user root(uid=0) by ada(uid=1000)
Nov 23 07:02:00 erp su[9]: pam_unix(su:session): session closed for user root
Nov 23 07:30:01 erp sshd[7]: pam_unix(sshd:session): session closed for user ada
Nov 23 08:00:00 erp CRON[10]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)
";

#[test]
fn people_see_a_table_with_the_newest_first() {
    let world = World::new();
    world.file("wtmp", wtmp(&DAY));
    let run = world.run("sessions --file wtmp --timezone UTC").exits(0);
    let cells = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let rows: Vec<String> =
        run.stdout.lines().map(cells).filter(|line| !line.contains('─') && !line.contains('═')).collect();
    assert_eq!(
        rows,
        [
            "user host line service start end end reason end confidence duration",
            "ada 192.0.2.10 pts/0 2026-11-24 07:23:20 2026-11-25 07:00:00 shutdown inferred 23:36:40",
            "linus desk.example.org pts/0 2026-11-24 07:06:40 2026-11-24 07:23:20 superseded inferred 00:16:40",
            "grace tty1 2026-11-24 06:02:00 2026-11-25 07:00:00 shutdown inferred 1d 00:58:00",
            "ada 192.0.2.10 pts/0 2026-11-24 06:01:00 2026-11-24 07:01:00 logout explicit 01:00:00",
        ]
    );
    assert_eq!(run.stderr, "4 sessions; 1 sign-outs without a sign-in\n");
}

#[test]
fn programs_see_one_object_a_line() {
    let world = World::new();
    world.file("auth.log", AUTH_LOG);
    let sessions = world.json("sessions --file auth.log");
    let of = |name: &str| sessions.iter().map(|session| session[name].clone()).collect::<Vec<Value>>();
    assert_eq!(of("user"), ["root", "ada"]);
    assert_eq!(of("actor"), [Value::from("ada"), Value::Null]);
    assert_eq!(of("host"), [Value::Null, Value::from("192.0.2.10")]);
    assert_eq!(of("service"), ["su", "sshd"]);
    assert_eq!(of("duration_s"), [60, 1801]);
    assert_eq!(of("end_reason"), ["logout", "logout"]);
    assert_eq!(of("end_confidence"), ["explicit", "explicit"]);
    assert_eq!(of("session_uid"), ["erp su[9]", "erp sshd[7]"]);
    assert_eq!(sessions[1]["records"].as_array().map(Vec::len), Some(3));
    let members: Vec<&String> = sessions[1].as_object().unwrap().keys().collect();
    for name in ["user_id", "line", "start", "end", "last_seen", "ip", "machine", "domain", "logon_type"] {
        assert!(members.contains(&&name.to_owned()), "{name} is missing");
    }
    // Standard input, a packed file and a name for the format come to the same.
    let packed = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, AUTH_LOG.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let piped = world.run_with("--json sessions --file - --format auth-log", &packed).exits(0).lines();
    assert_eq!(piped.len(), sessions.len());
    assert_eq!(piped[1]["user"], sessions[1]["user"]);
}

#[test]
fn exit_codes_are_those_of_every_command() {
    let world = World::new();
    let mut damaged = wtmp(&DAY);
    damaged[384] = 99;
    damaged.truncate(damaged.len() - 10);
    world.file("damaged", &damaged);
    let run = world.run("--json sessions --file damaged --format wtmp").exits(3);
    assert_eq!(run.lines().len(), 3);
    let reasons: Vec<Value> = run.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!([&reasons[0]["record"], &reasons[1]["record"]], [2, 8]);
    assert_eq!(reasons[1]["reason"], "not a record of utmp: the file ends within the record");
    world.file("notes.txt", "nothing of that kind\n");
    let run = world.run("sessions --file notes.txt").exits(2);
    assert!(run.stderr.contains("not recognised"), "{}", run.stderr);
    world.run("sessions --file nowhere").exits(2);
    world.run("sessions --file notes.txt --format wtmp").exits(2);
    world.run("sessions --file notes.txt --format no-such-format").exits(2);
    // What is not there is not offered.
    world.run("sessions --environment contoso/production").exits(2);
    world.run("sessions").exits(2);
    assert!(!world.path("data").exists(), "no store was touched");
}

#[test]
fn rules_are_settings() {
    let world = World::new();
    world.file("wtmp", wtmp(&DAY[..3]));
    let ends = || {
        let sessions = world.json("sessions --file wtmp");
        sessions.iter().map(|one| format!("{} {}", one["end_reason"], one["end"])).collect::<Vec<_>>()
    };
    assert_eq!(ends(), ["\"open\" null", "\"open\" null"]);
    world.file("whowas.toml", "[sessions.wtmp]\ntimeout_s = 60\n");
    let timeouts = [r#""timeout" "2026-11-24T06:03:00.000Z""#, r#""timeout" "2026-11-24T06:02:00.000Z""#];
    assert_eq!(ends(), timeouts);
    world.file("whowas.toml", "[sessions.wtmp]\ntime_out = 60\n");
    world.run("sessions --file wtmp").exits(2).says("time_out");
}

#[test]
fn a_journal_is_paired_like_a_log() {
    let world = World::new();
    let entry = |(seconds, message): (u64, &str)| {
        let time = (1_795_500_000 + seconds) * 1_000_000;
        format!(
            "__CURSOR=s=1;i={seconds}\n__REALTIME_TIMESTAMP={time}\n_HOSTNAME=erp\n_PID=7\nSYSLOG_IDENTIFIER=sshd\nMESSAGE={message}\n\n"
        )
    };
    let entries = [
        (0, "Accepted password for ada from 192.0.2.10 port 1 ssh2"),
        (1, "pam_unix(sshd:session): session opened for user ada(uid=1000) by (uid=0)"),
        (60, "pam_unix(sshd:session): session closed for user ada"),
        // The same process id, much later, and once more without a sign-out.
        (90_000, "Accepted password for grace from 192.0.2.11 port 2 ssh2"),
        (95_000, "Accepted password for linus from 192.0.2.12 port 3 ssh2"),
    ];
    world.file("entries", entries.map(entry).concat());
    let sessions = world.json("sessions --file entries");
    let rows: Vec<String> = sessions
        .iter()
        .map(|one| format!("{} {} {}", one["user"], one["end_reason"], one["duration_s"]))
        .collect();
    let want = [r#""linus" "open" null"#, r#""grace" "superseded" 5000"#, r#""ada" "logout" 60"#];
    assert_eq!(rows, want);
}

#[test]
fn an_end_that_a_user_log_only_guesses_is_inferred() {
    let world = World::new();
    world.file(
        "UserLog.csv",
        "UserId,CreatedDateTime,LogoutDateTime,SessionId,TerminatedOk\n\
         ADA,2025-03-12 07:22:01,2025-03-12 15:52:00,12,1\n\
         GRACE,2025-03-12 08:00:00,2025-03-12 08:45:00,13,0\n",
    );
    let sessions = world.json("sessions --file UserLog.csv --source-timezone UTC");
    let words = |session: &Value| {
        ["user", "end", "end_reason", "end_confidence"].map(|name| session[name].as_str().unwrap().to_owned())
    };
    assert_eq!(words(&sessions[0]), ["GRACE", "2025-03-12T09:00:00.000Z", "timeout", "inferred"]);
    assert_eq!(words(&sessions[1]), ["ADA", "2025-03-12T15:52:00.000Z", "logout", "explicit"]);
}

#[test]
fn unix_logs_are_imported_once() {
    let world = World::new();
    world.file("auth.log", AUTH_LOG);
    world.file("wtmp", wtmp(&DAY));
    let import = "import --environment contoso/production auth.log wtmp";
    let first = world.json(import);
    let recorded: Vec<&Value> = first.iter().map(|summary| &summary["recorded"]).collect();
    // One line of cron is set aside; everything in this wtmp says something.
    assert_eq!(recorded, [6, 8]);
    let again = world.json(import);
    assert!(again.iter().all(|summary| summary["recorded"] == 0 && summary["revised"] == 0), "{again:?}");
}

/// What a line of `last` says of a login; `None` for starts of the machine and other lines.
fn of_last(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [user, tty, host, start, end @ ..] = words.as_slice() else { return None };
    if *user == "reboot" || !start.starts_with("20") {
        return None;
    }
    let end = match end {
        ["-", time, ..] if time.starts_with("20") => time.replace("+00:00", ".000Z"),
        ["-", "down" | "crash", ..] => "machine".to_owned(),
        _ => "open".to_owned(),
    };
    Some(format!("{user} {tty} {host} {} {end}", start.replace("+00:00", ".000Z")))
}

/// Logins, logouts, crashes and shutdowns of some weeks, from a seed.
fn weeks(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((state >> 33) % below).unwrap()
    };
    let (users, hosts) = (["ada", "grace", "linus", "barbara"], ["192.0.2.10", "desk.example.org", ":0"]);
    let lines = ["pts/0", "pts/1", "pts/2", "tty1"];
    let mut at = 1_790_000_000;
    let mut out = Vec::new();
    for _ in 0..400 {
        at += 1 + random(5_000);
        let pick = |from: &[&'static str], index: u32| from[index as usize % from.len()];
        let (line, user, host) = (pick(&lines, random(4)), pick(&users, random(4)), pick(&hosts, random(3)));
        let (kind, process, line, user, host) = match random(20) {
            0 => (2, 0, "~", "reboot", "6.1.0-31-amd64"),
            1 => (1, 0, "~", "shutdown", "6.1.0-31-amd64"),
            2 => (1, 53, "~", "runlevel", "6.1.0-31-amd64"),
            3 => (6, 700, line, "LOGIN", ""),
            4..=10 => (8, 700, line, "", ""),
            _ => (7, 1_000_000 + random(1000), line, user, host),
        };
        out.extend(Wtmp { kind, process, line, user, host, seconds: at }.bytes());
    }
    out
}

#[test]
fn sessions_are_those_of_last() {
    let has_last = Command::new("last")
        .arg("--version")
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("util-linux"));
    if !has_last {
        println!("skipped: there is no `last` of util-linux");
        return;
    }
    for seed in 1..=8 {
        let world = World::new();
        world.file("wtmp", weeks(seed));
        let output = Command::new("last")
            .args(["--time-format", "iso", "--fullnames", "--file"])
            .arg(world.path("wtmp"))
            .env("TZ", "UTC")
            .output()
            .unwrap();
        let mut want: Vec<String> =
            String::from_utf8(output.stdout).unwrap().lines().filter_map(of_last).collect();
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let mut got: Vec<String> = world
            .json("sessions --file wtmp")
            .iter()
            .map(|session| {
                let end = match session["end_reason"].as_str() {
                    Some("shutdown") => "machine".to_owned(),
                    _ => session["end"].as_str().unwrap_or("open").to_owned(),
                };
                let [user, line, host, start] =
                    ["user", "line", "host", "start"].map(|name| text(&session[name]));
                format!("{user} {line} {host} {start} {end}")
            })
            .collect();
        assert!(want.len() > 100, "{want:?}");
        want.sort();
        got.sort();
        assert_eq!(got, want, "seed {seed}");
    }
}

/// What `sessions` tells of a session alike, whether it comes from a file or from a trail.
const MEMBERS: [&str; 16] = [
    "user",
    "user_id",
    "domain",
    "actor",
    "host",
    "ip",
    "machine",
    "line",
    "service",
    "logon_type",
    "start",
    "end",
    "end_reason",
    "end_confidence",
    "duration_s",
    "session_uid",
];

fn told(mut rows: Vec<Value>) -> Vec<Vec<Value>> {
    rows.sort_by_key(|row| row["start"].to_string() + &row["session_uid"].to_string());
    rows.iter().map(|row| MEMBERS.iter().map(|member| row[member].clone()).collect()).collect()
}

#[test]
fn a_trail_has_the_sessions_of_its_files() {
    for (name, bytes) in [("wtmp", wtmp(&DAY)), ("auth.log", AUTH_LOG.as_bytes().to_vec())] {
        let world = World::new();
        world.file(name, bytes);
        let of_file = told(world.json(&format!("sessions --file {name}")));
        world.run(&format!("import --environment {P_E} {name}")).exits(0);
        let ask = format!("sessions --environment {P_E} --from 2000-01-01 --to 2100-01-01 --json");
        assert!(of_file.len() > 1);
        assert_eq!(told(world.run(&ask).exits(0).lines()), of_file, "{name}");
        // Once more: what looking left in the trail is nobody's session.
        assert_eq!(told(world.run(&ask).exits(0).lines()), of_file, "{name}");
        let rows = world.sql("SELECT \"user\", line, end_reason FROM sessions WHERE \"end\" IS NOT NULL");
        let is_ended = |session: &&Vec<Value>| !session[11].is_null();
        assert_eq!(rows.len(), of_file.iter().filter(is_ended).count(), "{name}");
        world.run(&format!("fsck --environment {P_E}")).exits(0);
    }
}

#[test]
fn who_was_signed_in_then_as_it_was_known_then() {
    let world = World::new();
    world.file("wtmp", wtmp(&DAY));
    world.run(&format!("import --environment {P_E} wtmp")).exits(0);
    let present = |more: &str| {
        let rows = world.json(&format!("presence --environment {P_E} {more}"));
        let mut users: Vec<String> = rows
            .iter()
            .map(|row| format!("{} {}", row["user"].as_str().unwrap(), row["end_reason"]))
            .collect();
        users.sort();
        users
    };
    let at = "--at 2026-11-24T06:30:00Z";
    assert_eq!(present(at), ["ada \"logout\"", "grace \"shutdown\""]);
    // The first three records are the start of the machine and two logins.
    assert_eq!(present(&format!("{at} --as-of 3")), ["ada \"open\"", "grace \"open\""]);
    assert_eq!(present(&format!("{at} --as-of 2020-01-01")), [""; 0]);
    assert_eq!(present(&format!("{at} -- user:grace")), ["grace \"shutdown\""]);
    let run = world.run(&format!("presence --environment {P_E} {at}")).exits(0).says("2 of 2 sessions");
    assert!(run.stdout.contains("grace") && run.stdout.contains("tty1"), "{run}");
    world.run(&format!("presence --environment {P_E} --at 2100-01-01")).exits(2).says("has not come yet");
    world.run(&format!("presence --environment {P_E} --as-of 1000")).exits(2).says("the tree has");
    world.run("sessions --timezone UTC").exits(2);
    let page = world.run(&format!(
        "sessions --environment {P_E} --from 2000-01-01 --to 2100-01-01 --limit 3 --query logon-without-logoff"
    ));
    page.exits(0).says("3 of 3 sessions").shows("superseded");
    let rows =
        world.json(&format!("at-once --environment {P_E} --from 2026-11-24 --to 2026-11-24 --points 4"));
    assert_eq!(rows.iter().map(|row| row["most"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 2, 2, 2]);
}

#[test]
fn who_uses_the_system_and_who_does_not() {
    let world = World::with(&["logins-week-46.csv", "system-users.json"]);
    let everybody = world.json(&format!("dormant --environment {P_E} --days 0"));
    let never = everybody.iter().filter(|one| one["last_login"].is_null()).count();
    assert!(everybody.len() > never, "{everybody:?}");
    assert!(everybody.iter().all(|one| one["days_since_last_login"].as_i64() != Some(-1)));
    let ages = world.json(&format!("aging --environment {P_E} --ranges 1,2,3650"));
    let sum: u64 = ages.iter().map(|range| range["users"].as_u64().unwrap()).sum();
    assert_eq!((ages.len(), sum), (5, everybody.len() as u64));
    let distinct = world.json(&format!("distinct-users --environment {P_E} --from 2000-01-01"));
    assert_eq!(distinct.len(), everybody.len() - never);
    let by_day = world.json(&format!("distinct-users --environment {P_E} --from 2000-01-01 --by-day"));
    assert!(by_day.len() >= distinct.len() && by_day.iter().all(|row| row["day"].is_string()));
    world.run(&format!("after-leaving --environment {P_E}")).exits(0).says("sign-ins");
    world.run(&format!("dormant --environment {P_E} --status asleep")).exits(2);
    world.run(&format!("search --environment {P_E} --query events-for-user")).exits(2).says("which user");
    let looks = world.sql("SELECT action FROM access");
    for action in ["dormant", "aging", "distinct-users", "after-leaving"] {
        assert!(looks.iter().any(|look| look["action"] == action), "{action}");
    }
}
