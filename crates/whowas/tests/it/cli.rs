//! The contract of the command line, as small scripts.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::script::{P_E, World, column, csv_rows, text};

const TWO_WEEKS: [&str; 2] = ["logins-week-45.csv", "logins-week-46.csv"];
const MIRA: &str = "7c0e5b1a-2f64-4d1e-9a31-0c5f6d2e8a01";

/// What tells one sign-in or sign-out from all others, in the order of time.
fn essence(world: &World) -> Vec<Value> {
    world.sql(
        "SELECT native_id, activity, occurred_at, user_uid, src_ip, session_uid, device_browser FROM logins ORDER BY occurred_at, native_id",
    )
}

#[test]
fn an_import_says_what_became_of_every_record() {
    let world = World::new();
    world.fixture("logins-week-45.csv");
    let line = format!("import --environment {P_E} logins-week-45.csv");
    let [first] = world.json(&line).try_into().unwrap();
    let keys: Vec<&str> = first.as_object().unwrap().keys().map(String::as_str).collect();
    let contract = [
        "file",
        "format",
        "read",
        "recorded",
        "duplicate",
        "revised",
        "rejected",
        "first_position",
        "tree_size",
        "warnings",
    ];
    assert_eq!(keys.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from(contract));
    // Five rows, four of which have an end; the pass and whoever made it become records too.
    let want = json!({
        "file": "logins-week-45.csv", "format": "dynamics-lcs", "read": 5, "recorded": 9, "duplicate": 0,
        "revised": 0, "rejected": 0, "first_position": 0, "tree_size": 11, "warnings": [],
    });
    assert_eq!(first, want);
    let [again] = world.json(&line).try_into().unwrap();
    assert_eq!([&again["recorded"], &again["duplicate"], &again["tree_size"]], [0, 9, 11]);
    assert_eq!(again["first_position"], Value::Null);
    let plain = world.run(&line).exits(0);
    plain.shows(
        "dynamics-lcs: 5 read, 0 recorded, 9 duplicate, 0 revised, 0 rejected; the trail has 11 records",
    );
}

#[test]
fn overlapping_weekly_files_give_the_trail_that_one_file_gives() {
    let weekly = World::with(&TWO_WEEKS);
    let whole = World::with(&["logins-both-weeks.csv"]);
    assert_eq!(essence(&weekly).len(), 14);
    assert_eq!(essence(&weekly), essence(&whole));
    // In the other order too.
    let backwards = World::with(&["logins-week-46.csv", "logins-week-45.csv"]);
    assert_eq!(essence(&backwards), essence(&whole));
}

#[test]
fn folders_standard_input_and_packed_files_are_imported() {
    let world = World::new();
    fs::create_dir(world.path("in")).unwrap();
    for name in TWO_WEEKS {
        world.fixture(name);
        fs::rename(world.path(name), world.path("in").join(name)).unwrap();
    }
    let files = world.json(&format!("import --environment {P_E} in"));
    assert_eq!(column(&files, "file"), ["in/logins-week-45.csv", "in/logins-week-46.csv"]);
    assert_eq!(column(&files, "recorded"), ["9", "5"]);
    let portal = fs::read(fixture_of(&world, "portal.ndjson")).unwrap();
    let run =
        world.run_with(&format!("--json import --environment {P_E} --source portal -"), &portal).exits(0);
    assert_eq!(column(&run.lines(), "file"), ["-"]);
    let sources = world.sql("SELECT DISTINCT source FROM logins ORDER BY source");
    assert_eq!(column(&sources, "source"), ["dynamics-lcs", "portal"]);
}

fn fixture_of(world: &World, name: &str) -> std::path::PathBuf {
    world.fixture(name);
    world.path(name)
}

#[test]
fn a_search_has_the_last_seven_days_unless_told() {
    let world = World::with(&TWO_WEEKS);
    let search = |options: &str| world.json(&format!("search --environment {P_E} {options}"));
    let starts = |options: &str| column(&search(options), "start");
    assert_eq!(
        starts("--to 2026-11-12"),
        [
            "2026-11-12T23:59:59.000Z",
            "2026-11-10T06:50:44.000Z",
            "2026-11-09T08:00:05.000Z",
            "2026-11-08T21:40:10.000Z"
        ]
    );
    let run = world.run(&format!("search --environment {P_E} --to 2026-11-12")).exits(0);
    run.shows("Firefox 131").says("4 of 4 rows, 2026-11-06 00:00:00 to 2026-11-13 00:00:00");
    // The beginning is in the range, the end is not.
    assert_eq!(starts("--from 2026-11-02T08:15:03Z --to 2026-11-03T06:45:00Z"), ["2026-11-02T08:15:03.000Z"]);
    assert_eq!(starts("--from 2026-11-01 --to 2026-11-12").len(), 8);
    assert_eq!(search("").len(), 0, "the fixtures are of another week than this one");
    let ends = column(&search("--from 2026-11-01 --to 2026-11-02"), "end");
    assert_eq!(ends, ["2026-11-02T11:59:59.000Z", "2026-11-02T16:31:40.000Z"]);
    world
        .run(&format!("search --environment {P_E} --query nope"))
        .exits(2)
        .says("there is no query nope; use user-login-events");
    world
        .run(&format!("search --environment {P_E} --from 3/12/2026"))
        .exits(2)
        .says("3/12/2026 is no time: write 2026-11-24");
    world.run(&format!("search --environment {P_E} --from 2026-11-09 --to 2026-11-02")).exits(2);
}

#[test]
fn a_search_is_narrowed_by_the_filter_language() {
    let world = World::with(&["logins-week-46.csv", "portal.ndjson", "system-users.json"]);
    let ids = |filter: &str| {
        let found =
            world.json(&format!("search --environment {P_E} --to 2026-11-12 --query all-events {filter}"));
        column(
            &found.iter().filter(|row| row["source"] == "whowas-event").cloned().collect::<Vec<_>>(),
            "native_id",
        )
    };
    assert_eq!(ids(""), ["portal-4", "portal-3", "portal-2", "portal-1"]);
    assert_eq!(ids("status:failure"), ["portal-2"]);
    assert_eq!(ids("-status:failure user:tobias"), ["portal-3"]);
    assert_eq!(ids("ip:10.0.0.0/8"), ["portal-3", "portal-1"]);
    assert_eq!(ids("'app:Dynamics 365'"), ["portal-3"]);
    assert_eq!(ids("after:2026-11-10T09:15:00Z"), ["portal-4", "portal-3"]);
    assert_eq!(ids("sheets -tobias"), ["portal-4", "portal-1"]);
    let failures =
        world.json(&format!("search --environment {P_E} --to 2026-11-12 --query sign-in-failures"));
    assert_eq!(column(&failures, "status_detail"), ["Wrong password"]);
    let sign_outs =
        world.json(&format!("search --environment {P_E} --to 2026-11-12 --query sign-outs user:mira"));
    assert!(column(&sign_outs, "native_id").contains(&"portal-4".to_owned()));
    world.run(&format!("search --environment {P_E} ip:10.0.0.0/99")).exits(2).says("filter: ");
    world.run(&format!("search --environment {P_E} shoe:42")).exits(2).says("shoe");
}

#[test]
fn pages_follow_each_other_without_gap_or_double() {
    let world = World::with(&TWO_WEEKS);
    let mut positions = Vec::new();
    let mut page = String::new();
    loop {
        let line =
            format!("--json search --environment {P_E} --from 2026-11-01 --to 2026-11-12 --limit 3 {page}");
        let run = world.run(&line).exits(0);
        positions.extend(column(&run.lines(), "position"));
        let [summary] = run.error_lines().try_into().unwrap();
        assert_eq!([&summary["total"], &summary["from"]], [&json!(8), &json!("2026-11-01T00:00:00.000Z")]);
        match summary["next"].as_str() {
            Some(next) => page = format!("--page {next}"),
            None => break,
        }
    }
    let plain = format!("search --environment {P_E} --from 2026-11-01 --to 2026-11-12 --limit 3");
    world.run(&plain).exits(0).says("3 of 8 rows").says("more: --page ");
    assert_eq!(positions.len(), 8);
    assert_eq!(positions.iter().collect::<BTreeSet<_>>().len(), 8);
    world.run(&format!("search --environment {P_E} --page nonsense")).exits(2);
}

#[test]
fn an_export_has_the_rows_of_the_search() {
    let world = World::with(&["logins-both-weeks.csv", "system-users.json"]);
    let range = "--from 2026-11-01 --to 2026-11-12";
    let found = world.json(&format!("search --environment {P_E} {range}"));
    let [summary] = world
        .json(&format!("export --environment {P_E} {range} --as jsonl --out rows.jsonl"))
        .try_into()
        .unwrap();
    assert_eq!(
        [&summary["rows"], &summary["as"], &summary["file"]],
        [&json!(8), &json!("jsonl"), &json!("rows.jsonl")]
    );
    let rows = crate::script::parse_lines(&fs::read_to_string(world.path("rows.jsonl")).unwrap());
    assert_eq!(column(&rows, "position"), column(&found, "position"));
    assert_eq!(rows, found);
    world
        .run(&format!("export --environment {P_E} {range} --as csv --out rows.csv"))
        .exits(0)
        .says("8 rows from");
    let csv = csv_rows(&fs::read_to_string(world.path("rows.csv")).unwrap());
    for (csv, row) in csv.iter().zip(&found) {
        for (here, there) in [
            ("user_id", "user_uid"),
            ("full_name", "user_full_name"),
            ("email_addr", "user_email_addr"),
            ("start", "start"),
            ("end", "end"),
            ("status", "status"),
            ("ip", "src_ip"),
            ("position", "position"),
        ] {
            assert_eq!(csv[here], text(row, there), "{here}");
        }
    }
    assert_eq!(csv.len(), found.len());
    // What a spreadsheet would run is text, and the record itself is as it was.
    assert_eq!(csv[1]["client"], "'=HYPERLINK(contoso)");
    assert_eq!(found[1]["client"], "=HYPERLINK(contoso)");
    let piped = world.run(&format!("export --environment {P_E} {range} --out -")).exits(0);
    assert_eq!(csv_rows(&piped.stdout), csv);
    world
        .run(&format!("export --environment {P_E} --as docx --out x"))
        .exits(2)
        .says("there is no export of this name; there are csv, xlsx, jsonl, parquet, ocsf, csv-raw");
}

#[test]
fn the_directory_names_bare_ids() {
    let world = World::with(&["logins-week-45.csv"]);
    let search = format!("search --environment {P_E} --to 2026-11-08 user:{MIRA}");
    assert_eq!(column(&world.json(&search), "user_full_name"), ["", ""]);
    world.fixture("system-users.json");
    let line = format!("users import --environment {P_E} system-users.json");
    let [summary] = world.json(&line).try_into().unwrap();
    assert_eq!([&summary["format"], &summary["recorded"]], [&json!("dynamics-users"), &json!(3)]);
    let named = world.json(&search);
    assert_eq!(column(&named, "user_full_name"), ["Mira Okonjo", "Mira Okonjo"]);
    assert_eq!(column(&named, "user_email_addr"), ["mira.okonjo@contoso.example"; 2]);
    assert_eq!(column(&named, "name_source"), ["directory", "directory"]);
    world.run(&search).exits(0).shows("Mira Okonjo").shows("mira.okonjo@contoso.example");
    let people = world.json(&format!("users list --environment {P_E}"));
    assert_eq!(column(&people, "full_name"), ["Mira Okonjo", "Tobias Lindqvist", "Yuki Marchetti"]);
    let [shown] = world
        .json(&format!("users show --environment {P_E} tobias.lindqvist@contoso.example"))
        .try_into()
        .unwrap();
    assert_eq!(shown["name"], "TOBIAS");
    assert_eq!(shown["attributes"]["company"], "CON");
    world
        .run(&format!("users show --environment {P_E} nobody"))
        .exits(2)
        .says("contoso/production knows nobody with the id, login name or address nobody");
}

#[test]
fn every_look_leaves_a_trace() {
    let world = World::with(&["logins-week-45.csv"]);
    world.run(&format!("search --environment {P_E} --to 2026-11-08 status:success")).exits(0);
    world.run(&format!("export --environment {P_E} --to 2026-11-08 --out rows.csv")).exits(0);
    world.sql("SELECT 1");
    let traces = world.sql("SELECT native_id FROM records WHERE kind = $$access$$ ORDER BY position");
    let actions: Vec<_> =
        column(&traces, "native_id").iter().map(|id| id.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(actions, ["import", "search", "export", "sql"]);
    // Looking at what was rejected and at people is looking too.
    world.fixture("broken.ndjson");
    world.run(&format!("import --environment {P_E} broken.ndjson")).exits(3);
    world.run(&format!("rejected list --environment {P_E}")).exits(0);
    world.run(&format!("rejected retry --environment {P_E}")).exits(3);
    world.run(&format!("users list --environment {P_E}")).exits(0);
    // An import without news changes nothing, so it is no change.
    world.run(&format!("import --environment {P_E} logins-week-45.csv")).exits(0);
    let traces = world.sql("SELECT action, interface FROM access WHERE action <> $$sql$$ ORDER BY position");
    let want = ["import", "search", "export", "import", "rejected", "retry_rejected", "users"];
    assert_eq!(column(&traces, "action"), want);
    assert_eq!(column(&traces, "interface"), ["command-line"; 7]);
}

#[test]
fn tokens_leave_traces_in_every_trail_that_they_open() {
    let world = World::with(&["logins-week-45.csv"]);
    world.run("import --environment contoso/test logins-week-45.csv").exits(0);
    world.run(&format!("token create --scope ingest --environment {P_E} --source erp")).exits(0);
    world.run("token create --scope read").exits(0);
    let [revoked] = world.json("token revoke 2").try_into().unwrap();
    assert_eq!(revoked, json!({"id": 2, "revoked": true}));
    let traces = |environment: &str| {
        let statement = "SELECT action, json_text(body, $$token$$) AS token, json_text(body, $$scope$$) AS scope FROM access WHERE action LIKE $$%token$$ ORDER BY position";
        let rows = world.json(&format!("sql --environment {environment} '{statement}'"));
        let words = |row: &Value| ["action", "token", "scope"].map(|name| text(row, name)).join(" ");
        rows.iter().map(words).collect::<Vec<_>>()
    };
    assert_eq!(traces(P_E), ["create_token 1 ingest", "create_token 2 read", "revoke_token 2 read"]);
    assert_eq!(traces("contoso/test"), ["create_token 2 read", "revoke_token 2 read"]);
}

#[test]
fn sql_has_tables_of_people_passes_and_looks() {
    let world = World::with(&["logins-week-45.csv", "system-users.json"]);
    let people = world.sql("SELECT user_name, user_full_name, known_from, json_text(attributes, $$company$$) AS company FROM users");
    assert_eq!(column(&people, "user_full_name"), ["Mira Okonjo", "Tobias Lindqvist", "Yuki Marchetti"]);
    assert_eq!(people[0]["company"], "CON");
    let joined = world.sql("SELECT users.user_full_name, count(*) AS n FROM logins JOIN users USING (user_uid) GROUP BY 1 ORDER BY 1");
    assert_eq!(joined[0], json!({"user_full_name": "Mira Okonjo", "n": 4}));
    let passes = world.sql("SELECT source, format, file, complete, read, recorded, duplicate, rejected, first_occurred_at FROM coverage ORDER BY position");
    let want = json!({
        "source": "dynamics-lcs", "format": "dynamics-lcs", "file": "logins-week-45.csv", "complete": true,
        "read": 5, "recorded": 9, "duplicate": 0, "rejected": 0, "first_occurred_at": "2026-11-02T07:58:12Z",
    });
    assert_eq!((&passes[0], passes.len()), (&want, 2));
    world.run(&format!("search --environment {P_E} --to 2026-11-08 user:mira")).exits(0);
    let looks = world.sql("SELECT query, range_to, rows, json_text(detail, $$filter$$) AS filter FROM access WHERE action = $$search$$");
    assert_eq!(
        looks,
        [
            json!({"query": "user-login-events", "range_to": "2026-11-09T00:00:00Z", "rows": 2, "filter": "user:mira"})
        ]
    );
    // What a row lacks is null, not absent: programs find every column they asked for.
    assert_eq!(world.sql("SELECT user_agent FROM logins LIMIT 1"), [json!({"user_agent": null})]);
}

#[test]
fn times_are_read_and_shown_in_the_zone_that_was_asked_for() {
    let world = World::with(&TWO_WEEKS);
    // 2026-11-12T23:59:59Z is the 13th in Tokyo.
    let tokyo = format!("search --environment {P_E} --timezone Asia/Tokyo --from 2026-11-13 --to 2026-11-13");
    world
        .run(&tokyo)
        .exits(0)
        .shows("2026-11-13 08:59:59")
        .says("1 of 1 rows, 2026-11-13 00:00:00 to 2026-11-14 00:00:00");
    // JSON has UTC all the same.
    assert_eq!(column(&world.json(&tokyo), "start"), ["2026-11-12T23:59:59.000Z"]);
    world
        .run(&format!("search --environment {P_E} --timezone Mars/Olympus"))
        .exits(2)
        .says("there is no time zone");
    world.run(&format!("search --environment {P_E} --from -90m")).exits(0).says("0 of 0 rows");
    world
        .run(&format!("export --environment {P_E} --from -1h --to now --out -"))
        .exits(0)
        .says("0 rows from");
}

#[test]
fn settings_come_from_flags_then_environment_then_file() {
    let world = World::with(&["logins-week-45.csv"]);
    let search = format!("search --environment {P_E} --to 2026-11-08");
    let found = |line: &str, settings: &[(&str, &str)]| {
        world.run_in(line, settings).exits(0).says("5 of 5 rows");
    };
    let data = world.path("data").display().to_string();
    found(&format!("{search} --data {data}"), &[("WHOWAS_DATA", "nowhere")]);
    found(&format!("{search} --data file://{data}"), &[]);
    found(&search, &[("WHOWAS_DATA", &format!("file://{data}"))]);
    world.file("whowas.toml", format!("data = \"{data}\"\n"));
    found(&search, &[("WHOWAS_DATA", "")]);
    world.file("other.toml", format!("data = \"{data}\"\ncontrol = \"sqlite://{data}/control.db\"\n"));
    found(&search, &[("WHOWAS_DATA", ""), ("WHOWAS_CONFIG", "other.toml")]);
    found(&format!("{search} --config other.toml"), &[("WHOWAS_DATA", "")]);
    found(&format!("{search} --control sqlite://{data}/control.db"), &[]);
    world
        .run(&format!("{search} --config missing.toml"))
        .exits(2)
        .says("settings missing.toml: No such file");
    let shown = world.run_in(&search, &[("WHOWAS_TIMEZONE", "Asia/Tokyo")]).exits(0);
    shown.says("2026-11-02 00:00:00 to 2026-11-09 00:00:00");
}

#[test]
fn every_answer_has_a_form_for_programs() {
    let world = World::with(&["logins-week-45.csv", "portal.ndjson", "system-users.json"]);
    world.run(&format!("token create --scope read --environment {P_E}")).exits(0);
    for line in [
        "formats",
        "token list",
        "verify data",
        &format!("fsck --environment {P_E}"),
        &format!("users list --environment {P_E}"),
        &format!("users show --environment {P_E} mira.okonjo@contoso.example"),
        &format!("search --environment {P_E} --from 2026-11-01"),
        &format!("export --environment {P_E} --from 2026-11-01 --as csv --out rows.csv"),
        &format!("export --environment {P_E} --from 2026-11-01 --as jsonl --out -"),
        &format!("import --environment {P_E} portal.ndjson"),
        &format!("rejected retry --environment {P_E}"),
        &format!("sql --environment {P_E} 'SELECT * FROM logins'"),
    ] {
        let lines = world.json(line);
        assert!(!lines.is_empty() && lines.iter().all(Value::is_object), "{line}: {lines:?}");
    }
    assert_eq!(world.json(&format!("rejected list --environment {P_E}")), [json!(null); 0]);
    world.run("rejected list --environment contoso/nowhere").exits(2).says("there is no environment");
}

#[test]
fn shells_and_man_know_every_command() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        world.run(&format!("completions {shell}")).exits(0).shows("normalize");
    }
    world.run("completions csh").exits(2).says("possible values: bash");
    world.run("man").exits(0).shows(".TH whowas 1").shows("SUBCOMMANDS");
    world.run("man pages").exits(0);
    for page in ["whowas.1", "whowas-import.1", "whowas-token-create.1"] {
        let text = fs::read_to_string(world.path("pages").join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}");
    }
    world.run("--version").exits(0).shows("whowas ");
    world.run("").exits(2).says("Usage:");
}

#[test]
fn sql_reads_and_does_nothing_else() {
    let world = World::with(&["logins-week-45.csv"]);
    let rows = world.sql("SELECT user_uid, count(*) AS sessions FROM logins WHERE activity = $$logon$$ GROUP BY user_uid ORDER BY sessions DESC, user_uid LIMIT 1");
    assert_eq!(rows, [json!({"user_uid": "1b9d7e42-8c35-4f0a-b6e7-5a2c9f4d1b02", "sessions": 2})]);
    world.run("sql 'SELECT count(*) AS n FROM logins'").exits(0).shows("| 9 ");
    for statement in [
        "DROP TABLE logins",
        "INSERT INTO logins VALUES (1)",
        "COPY logins TO $$x.csv$$",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION $$x.csv$$",
    ] {
        let run = world.run(&format!("sql '{statement}'")).exits(2);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{run}");
    }
    world.run("sql 'SELECT shoe FROM logins'").exits(2).says("shoe");
}

#[test]
fn a_second_environment_has_to_be_named() {
    let world = World::with(&["logins-week-45.csv"]);
    world.run("import --environment contoso/test logins-week-45.csv").exits(0);
    world.run("sql 'SELECT 1'").exits(2).says("say which --environment: contoso/production, contoso/test");
    let read = world.json("sql --environment contoso/test 'SELECT count(*) AS n FROM logins'");
    assert_eq!(read, [json!({"n": 9})]);
    world
        .run("search --environment contoso/nowhere")
        .exits(2)
        .says("there is no environment contoso/nowhere");
    world.run("search --environment contoso").exits(2).says("write the environment as PROJECT/ENVIRONMENT");
    world
        .run("import --environment Contoso/Production x")
        .exits(2)
        .says("\"Contoso\" is not a name: use 1 to 63 of a-z");
}

#[test]
fn normalize_touches_no_store() {
    let world = World::new();
    world.fixture("logins-week-45.csv");
    let events = world.json("normalize --as event logins-week-45.csv");
    assert_eq!(events.len(), 9);
    assert_eq!(events[0]["user"]["uid"], MIRA);
    assert_eq!([&events[0]["activity"], &events[1]["activity"]], ["logon", "logoff"]);
    let ecs = world.json("normalize --as ecs logins-week-45.csv");
    assert_eq!([&ecs[0]["event"]["action"], &ecs[0]["source"]["ip"]], ["logon", "192.0.2.10"]);
    let ocsf = world.json("normalize --as ocsf logins-week-45.csv");
    assert_eq!([&ocsf[0]["class_uid"], &ocsf[0]["activity_id"], &ocsf[1]["activity_id"]], [3002, 1, 2]);
    world.fixture("broken.ndjson");
    let broken = world.run("normalize broken.ndjson").exits(3);
    assert_eq!(broken.lines().len(), 2);
    let rejected = broken.error_lines();
    assert_eq!(column(&rejected, "record"), ["2", "3", "4", "5", "6"]);
    assert_eq!(rejected[0]["reason"], "`user.uid` is given twice: remove one of them");
    let piped =
        world.run_with("normalize -", b"{\"occurred_at\":\"2026-11-10T09:00:00Z\",\"activity\":\"logon\"}\n");
    assert_eq!(piped.exits(0).lines().len(), 1);
    assert!(!world.path("data").exists());
}

#[test]
fn what_normalize_writes_is_read_again() {
    let world = World::with(&["logins-week-45.csv"]);
    let events = world.run("normalize --as event logins-week-45.csv").exits(0).stdout;
    world.file("events.ndjson", events);
    let [summary] = world
        .json(&format!("import --environment {P_E} --source dynamics-lcs events.ndjson"))
        .try_into()
        .unwrap();
    assert_eq!([&summary["format"], &summary["read"]], [&json!("whowas-event"), &json!(9)]);
    assert_eq!(summary["rejected"], 0);
}

#[test]
fn formats_are_listed_with_what_they_tell() {
    let world = World::new();
    let formats = world.json("formats");
    let names = column(&formats, "format");
    for name in ["entra-graph", "dynamics-lcs", "dynamics-users", "graph-users", "users-csv", "whowas-event"]
    {
        assert!(names.contains(&name.to_owned()), "{name} is not among {names:?}");
    }
    let lcs = formats.iter().find(|format| format["format"] == "dynamics-lcs").unwrap();
    assert_eq!(
        ["start", "end", "failure", "identity"].map(|what| lcs[what] == true),
        [true, true, false, false]
    );
    assert!(text(lcs, "marker").contains("AADUserID"));
    world.run("formats").exits(0).shows("recognised by").shows("Dynamics Lifecycle Services");
}
