//! Bad input: every message says which file, where in it, what is wrong and what to do.

use std::{fs, io::Write};

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::script::{P_E, Run, World, column};

/// Imports one file and expects this exit code.
#[track_caller]
fn import(world: &World, name: &str, code: i32) -> Run {
    world.run(&format!("--json import --environment {P_E} {name}")).exits(code)
}

/// What `rejected list` says.
fn rejected(world: &World) -> String {
    world.run(&format!("rejected list --environment {P_E}")).exits(0).stdout
}

#[track_caller]
fn assert_listed(world: &World, texts: &[&str]) {
    let listed = rejected(world);
    for text in texts {
        assert!(listed.contains(text), "not listed: {text}\n{listed}");
    }
    assert_eq!(listed.lines().count(), texts.len(), "{listed}");
}

#[test]
fn files_that_are_not_there_or_say_nothing() {
    let world = World::new();
    fs::create_dir(world.path("folder")).unwrap();
    world.file("empty.json", "");
    world.file("prose.txt", "Dear auditor,\nnobody signed in.\n");
    import(&world, "missing.csv", 2).says("missing.csv: No such file or directory");
    import(&world, "folder", 2).says("folder: the folder has no files");
    // The command was wrong, so nothing was created.
    assert!(!world.path("data").exists());
    import(&world, "empty.json", 2)
        .says("empty.json: not recognised: the file is empty: export or copy it again");
    import(&world, "prose.txt", 2).says("prose.txt: not recognised: ").says("Dear auditor");
    import(&world, "--format nope empty.json", 2)
        .says("there is no format `nope`; `whowas formats` lists them");
    world.run(&format!("import --environment {P_E}")).exits(2).says("<FILES>...");
    world.run("import empty.json").exits(2).says("--environment <P/E>");
    let zone = format!("import --environment {P_E} --source-timezone Mars/Olympus empty.json");
    world.run(&zone).exits(2).says("there is no time zone Mars/Olympus; write one like Europe/Zurich");
    world
        .run("search --environment contoso/production --data elsewhere")
        .exits(2)
        .says("there is no data folder elsewhere; import a file or start the server to create it");
    world
        .run("search --environment contoso/production --data s3://bucket")
        .exits(2)
        .says("--data s3://bucket: this version stores data in a local folder only");
    world.file("whowas.toml", "lisen = \"127.0.0.1:1\"\n");
    world.run("token list").exits(2).says("whowas.toml: ").says("lisen");
}

#[test]
fn one_broken_file_does_not_keep_the_others_out() {
    let world = World::new();
    world.fixture("logins-week-45.csv");
    world.file("a-empty.json", "");
    let run = import(&world, "a-empty.json logins-week-45.csv", 2).says("a-empty.json: not recognised");
    assert_eq!(column(&run.lines(), "recorded"), ["9"]);
}

#[test]
fn records_that_are_not_understood_are_kept_with_their_place() {
    let world = World::new();
    world.fixture("broken.ndjson");
    let run = import(&world, "broken.ndjson", 3);
    let [summary] = run.lines().try_into().unwrap();
    assert_eq!([&summary["read"], &summary["recorded"], &summary["rejected"]], [7, 2, 5]);
    let members = "unknown, logon, logoff, authentication_ticket, service_ticket_request, service_ticket_renew, preauth, account_switch, other";
    let unknown = format!("broken.ndjson, line 4, column 59: `activity` is `teleport`: none of {members}");
    assert_listed(
        &world,
        &[
            "broken.ndjson, line 2, column 91: `user.uid` is given twice: remove one of them",
            "broken.ndjson, line 3, column 2: `occurred_at` is `2026-02-30T09:00:00Z`: no such date or time of day; write it like 2026-11-24T07:22:01Z",
            &unknown,
            "broken.ndjson, line 5, column 75: `status` is `perhaps`: none of unknown, success, failure, other",
            "broken.ndjson, line 6, column 1: not a JSON object: a line has one record in braces",
        ],
    );
    // Offsets are honoured, record by record.
    let rows = world.sql("SELECT occurred_at FROM logins ORDER BY native_id");
    assert_eq!(column(&rows, "occurred_at"), ["2026-11-10T09:00:00Z"; 2]);
    let first = &world.json(&format!("rejected list --environment {P_E}"))[0];
    assert_eq!(
        [&first["input"], &first["record"], &first["line"], &first["column"]],
        [&json!("broken.ndjson"), &json!(2), &json!(2), &json!(91)]
    );
    let plain = world.run(&format!("import --environment {P_E} broken.ndjson")).exits(3);
    plain
        .says("rejected records are kept: whowas rejected list --environment contoso/production")
        .shows("  rejected: line 2, column 91: `user.uid` is given twice: remove one of them");
}

#[test]
fn json_that_is_cut_off_names_line_and_column() {
    let first = "{\"occurred_at\":\"2026-11-10T09:00:00Z\",\"activity\":\"logon\",\"native_id\":\"a\"}";
    for (name, text, place, reason) in [
        (
            "cut.json",
            format!("[{first},\n {{\"occurred_at\":\"2026-11-10T09:"),
            "line 2, column 32",
            "the JSON ends in the middle of a record: the file is cut off; export or copy it again",
        ),
        (
            "open.json",
            format!("{{\"value\":[\n{first},\n"),
            "line 3, column 1",
            "the JSON ends before its array is closed: the file is cut off; export or copy it again",
        ),
        (
            "cut.ndjson",
            format!("{first}\n{{\"occurred_at\":\n{first}\n"),
            "line 2, column 16",
            "the record is cut off, the next one begins behind it: correct it, or export the file again, and import it once more",
        ),
        (
            "pretty.json",
            format!("[{first},\n{{\n  \"occurred_at\": \"2026-11-10T09:00:00Z\",\n  \"acti"),
            "line 4, column 8",
            "the JSON ends in the middle of a record that begins on line 2: the file is cut off; export or copy it again",
        ),
        (
            "wrong.json",
            format!("[{first},\n{{\"occurred_at\": 2026-11-10}}]"),
            "line 2, column 21",
            "not valid JSON: expected `,` or `}`: correct it, or export the file again, and import it once more",
        ),
    ] {
        let world = World::new();
        world.file(name, text);
        let [summary] = import(&world, name, 3).lines().try_into().unwrap();
        assert_eq!([&summary["recorded"], &summary["rejected"]], [1, 1]);
        assert_listed(&world, &[&format!("{name}, {place}: {reason}")]);
        let run = world.run(&format!("normalize {name}")).exits(3);
        let [told] = run.error_lines().try_into().unwrap();
        assert_eq!(format!("line {}, column {}", told["line"], told["column"]), place);
        assert_eq!(told["reason"], reason);
    }
}

#[test]
fn dates_that_may_be_either_are_refused_until_the_order_is_told() {
    let world = World::new();
    world.fixture("ambiguous-dates.csv");
    import(&world, "ambiguous-dates.csv", 3);
    assert_listed(
        &world,
        &[
            "ambiguous-dates.csv, line 2, column 2: `3/12/2026 7:22` is either 3 December 2026 or 12 March 2026: pass `--date-order dmy` or `--date-order mdy`",
            "ambiguous-dates.csv, line 4, column 2: `31/2/2026 8:00`: there is no 31 February 2026; correct it and import the file once more",
        ],
    );
    let retry = |order: &str, code| {
        let run = world.run(&format!("--json rejected retry --environment {P_E} --date-order {order}"));
        run.exits(code).lines().remove(0)
    };
    let retried = retry("dmy", 3);
    assert_eq!([&retried["retried"], &retried["recorded"], &retried["rejected"]], [2, 2, 1]);
    let starts =
        world.sql("SELECT occurred_at FROM logins WHERE activity = $$logon$$ ORDER BY occurred_at DESC");
    assert_eq!(column(&starts, "occurred_at")[0], "2026-12-03T07:22:00Z");
    assert_listed(&world, &["there is no 31 February 2026"]);
    // The other order contradicts the second row of the same file.
    let other = World::new();
    other.fixture("ambiguous-dates.csv");
    import(&other, "--date-order mdy ambiguous-dates.csv", 3);
    assert!(
        rejected(&other)
            .contains("`13/3/2026 8:00` contradicts `--date-order mdy`: that order is wrong for this file")
    );
    world
        .run(&format!("import --environment {P_E} --date-order ymd ambiguous-dates.csv"))
        .exits(2)
        .says("[possible values: dmy, mdy]");
}

#[test]
fn times_without_a_zone_are_counted_and_read_in_the_zone_that_was_told() {
    let world = World::new();
    world.file(
        "local.ndjson",
        "{\"occurred_at\":\"2026-07-01 12:00:00\",\"activity\":\"logon\",\"native_id\":\"a\"}\n",
    );
    let [summary] =
        import(&world, "--source-timezone Europe/Zurich local.ndjson", 0).lines().try_into().unwrap();
    assert_eq!(summary["warnings"], json!(["1 times had no zone and were read in the source's time zone"]));
    let rows = world.sql("SELECT occurred_at FROM logins");
    assert_eq!(column(&rows, "occurred_at"), ["2026-07-01T10:00:00Z"]);
    let shown =
        world.run(&format!("search --environment {P_E} --to 2026-07-02 --timezone Asia/Tokyo")).exits(0);
    shown.shows("2026-07-01 19:00:00");
}

#[test]
fn what_windows_and_excel_make_of_a_file_is_the_same_file() {
    let text = fs::read_to_string(fixture("logins-week-45.csv")).unwrap();
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let excel = format!("\u{feff}sep=;\r\n{}", text.replace(',', ";").replace('\n', "\r\n"));
    let mangled = text.replace("AADUserID", "Microsoft Entra IDUserID");
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    let world = World::with(&["logins-week-45.csv"]);
    for (name, bytes) in [
        ("powershell.csv", utf16),
        ("excel.csv", excel.into_bytes()),
        ("mangled.csv", mangled.into_bytes()),
        ("logins.csv.gz", packed.finish().unwrap()),
    ] {
        world.file(name, bytes);
        let [summary] = import(&world, name, 0).lines().try_into().unwrap();
        assert_eq!(
            [&summary["recorded"], &summary["duplicate"], &summary["rejected"]],
            [0, 9, 0],
            "{summary}"
        );
    }
}

fn fixture(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn a_giant_line_costs_itself_only() {
    let world = World::new();
    let record = |id: &str, name: &str| {
        format!(
            "{{\"occurred_at\":\"2026-11-10T09:00:00Z\",\"activity\":\"logon\",\"native_id\":\"{id}\",\"user\":{{\"name\":\"{name}\"}}}}\n"
        )
    };
    let giant = "x".repeat(3 * 1024 * 1024);
    world.file("giant.ndjson", [record("a", "mira"), record("b", &giant), record("c", "yuki")].concat());
    let [summary] = import(&world, "giant.ndjson", 3).lines().try_into().unwrap();
    assert_eq!([&summary["recorded"], &summary["rejected"]], [2, 1]);
    assert_listed(
        &world,
        &[
            "giant.ndjson, line 2, column 1: the record is longer than 1 MiB: shorten its texts at the source, or remove it",
        ],
    );
}

#[test]
fn what_admission_refuses_has_its_place_too() {
    let world = World::new();
    let event = |user: &str| {
        json!({ "occurred_at": "2026-11-10T09:00:00Z", "activity": "logon", "user": { "name": user } })
            .to_string()
    };
    world.file("long.ndjson", [event("ada"), String::new(), event(&"x".repeat(20_000))].join("\n"));
    import(&world, "long.ndjson", 3);
    assert_listed(&world, &["long.ndjson, line 3, column 1: user.name has 20000 bytes, more than the "]);
    world.run("normalize long.ndjson --as ecs").exits(3).says("\"line\":3").says("user.name has 20000 bytes");
}

#[test]
fn a_gzip_bomb_is_put_down() {
    let world = World::new();
    let mut record = GzEncoder::new(Vec::new(), Compression::fast());
    record
        .write_all(b"{\"occurred_at\":\"2026-11-10T09:00:00Z\",\"activity\":\"logon\",\"native_id\":\"a\"}\n")
        .unwrap();
    let mut blanks = GzEncoder::new(Vec::new(), Compression::best());
    blanks.write_all(&vec![b' '; 1 << 20]).unwrap();
    let bomb = [record.finish().unwrap(), blanks.finish().unwrap().repeat(64)].concat();
    world.file("bomb.gz", bomb);
    let run = import(&world, "bomb.gz", 2).says("bomb.gz: more than 400 bytes come out of each compressed byte: is it a decompression bomb? If you trust it, unpack it first (1 records before that are recorded)");
    assert_eq!(column(&run.lines(), "recorded"), ["1"]);
    let cut = fs::read(world.path("bomb.gz")).unwrap();
    world.file("cut.gz", &cut[..40]);
    import(&world, "cut.gz", 2)
        .says("cut.gz: the compressed data ends too early: the file is cut off; copy it again");
}

#[test]
fn a_file_of_exactly_the_cap_is_probably_truncated() {
    let world = World::new();
    let rows = |count: u32| -> String {
        let row = |at| {
            format!("7c0e5b1a-2f64-4d1e-9a31-{at:012},2026-11-10T{:02}:{:02}:00Z\n", at / 60 % 24, at % 60)
        };
        std::iter::once("AADUserID,LoginStart\n".to_owned()).chain((0..count).map(row)).collect()
    };
    world.file("capped.csv", rows(5000));
    world.file("shorter.csv", rows(4999));
    let warning = "exactly 5,000 rows: that is where Dynamics Lifecycle Services cuts its exports, so this one is probably truncated";
    let [capped] = import(&world, "capped.csv", 0).lines().try_into().unwrap();
    assert_eq!(capped["warnings"], json!([warning]));
    let [shorter] = import(&world, "shorter.csv", 0).lines().try_into().unwrap();
    assert_eq!([&shorter["warnings"], &shorter["duplicate"]], [&json!([]), &json!(4999)]);
    world
        .run(&format!("import --environment {P_E} capped.csv"))
        .exits(0)
        .shows(&format!("warning: {warning}"));
}
