//! The coverage ledger of files, on the command line.

use std::fmt::Write;

use serde_json::Value;

use crate::script::{P_E, World, column};

fn coverage(world: &World, options: &str) -> Vec<Value> {
    world.json(&format!("coverage --environment {P_E} --from 2026-10-01 --to 2026-12-01 {options}"))
}

/// An export of so many sessions, one a minute from that day on.
fn week(begin: &str, rows: usize) -> String {
    let mut text = "AADUserID,LoginStart,LoginEnd\n".to_owned();
    for minute in 0..rows {
        let (day, hour, minute) = (minute / 1440, minute / 60 % 24, minute % 60);
        let first: usize = begin[8..].parse().unwrap();
        let date = format!("{}{:02}", &begin[..8], first + day);
        writeln!(text, "7c0e5b1a-2f64-4d1e-9a31-0c5f6d2e8a01,{date}T{hour:02}:{minute:02}:00Z,").unwrap();
    }
    text
}

#[test]
fn files_cover_their_time_and_the_week_between_them_is_open() {
    let world = World::with(&["logins-week-45.csv"]);
    world.file("later.csv", week("2026-11-20", 10));
    world.run(&format!("import --environment {P_E} later.csv")).exits(0);
    let intervals = coverage(&world, "");
    assert_eq!(column(&intervals, "state"), ["closed", "open", "closed"]);
    assert_eq!(column(&intervals, "source"), vec!["dynamics-lcs"; 3]);
    assert_eq!(intervals[1]["from"], intervals[0]["to"]);
    assert_eq!(column(&intervals, "ids"), ["9", "0", "10"]);
    assert_eq!(intervals[2]["to"], "2026-11-20T00:09:00.001Z");
    // The same file once more changes nothing, and part of the same time adds nothing.
    world.run(&format!("import --environment {P_E} later.csv")).exits(0);
    assert_eq!(coverage(&world, ""), intervals);
    let shown = world.run(&format!("coverage --environment {P_E} --from 2026-10-01")).exits(0);
    shown.shows("dynamics-lcs").shows("closed").shows("2026-11-20 00:00:00");
    world.run("coverage --environment contoso/other").exits(2).says("there is no environment contoso/other");
}

#[test]
fn a_file_that_was_cut_off_does_not_close_its_time() {
    let world = World::new();
    // Exactly as many rows as the product exports at most.
    world.file("cut.csv", week("2026-11-01", 5_000));
    let summary = world.json(&format!("import --environment {P_E} cut.csv"));
    assert!(summary[0]["warnings"].to_string().contains("probably truncated"), "{summary:?}");
    assert_eq!(column(&coverage(&world, ""), "state"), ["open"]);
    // The rest, in a file that overlaps it.
    world.file("rest.csv", week("2026-11-03", 4_000));
    world.run(&format!("import --environment {P_E} rest.csv")).exits(0);
    let intervals = coverage(&world, "");
    assert_eq!(column(&intervals, "state"), ["open", "closed"]);
    assert_eq!(intervals[1]["from"], "2026-11-03T00:00:00.000Z");
}

#[test]
fn the_ledger_follows_from_the_trail_alone() {
    let world = World::with(&["logins-week-45.csv", "logins-week-46.csv"]);
    let intervals = coverage(&world, "");
    assert_eq!(coverage(&world, "--rebuild"), intervals);
    world.sqlite("DELETE FROM coverage; UPDATE streams SET summary = NULL");
    assert_eq!(coverage(&world, ""), [] as [Value; 0]);
    assert_eq!(coverage(&world, "--rebuild"), intervals);
    world.sqlite("UPDATE coverage SET entry = '{'");
    world.run(&format!("coverage --environment {P_E} --from 2026-10-01")).exits(4).says("--rebuild");
    assert_eq!(coverage(&world, "--rebuild"), intervals);
    let actions = column(&world.sql("SELECT action FROM access"), "action");
    assert_eq!(actions.iter().filter(|action| *action == "coverage-rebuild").count(), 3);
}

#[test]
fn another_export_of_the_same_time_is_compared_by_id() {
    let world = World::with(&["logins-week-45.csv", "logins-week-46.csv"]);
    let reconcile = |file: &str| world.json(&format!("reconcile --environment {P_E} {file}"));
    let counts =
        |summary: &Value| ["in_both", "file_only", "trail_only"].map(|name| summary[name].as_u64().unwrap());
    world.fixture("logins-both-weeks.csv");
    let [same] = reconcile("logins-both-weeks.csv").try_into().unwrap();
    assert_eq!((counts(&same), &same["agrees"]), ([14, 0, 0], &Value::Bool(true)));
    let size = world.sql("SELECT count(*) AS n FROM logins");
    // One row is taken out of the export, one is added to it.
    let text = std::fs::read_to_string(world.path("logins-both-weeks.csv")).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let removed = lines.remove(3).to_owned();
    let added = lines[1].replacen("2026-11-02", "2026-11-03", 2);
    assert_ne!(added, lines[1], "{text}");
    lines.push(&added);
    world.file("other.csv", lines.join("\n"));
    let mut told = reconcile("other.csv");
    let summary = told.pop().unwrap();
    let sides = column(&told, "side");
    let n = |side: &str| sides.iter().filter(|one| *one == side).count() as u64;
    assert_eq!(counts(&summary)[1..], [n("file_only"), n("trail_only")]);
    assert!(n("file_only") > 0 && n("trail_only") > 0 && summary["agrees"] == false, "{removed}: {summary}");
    let missing = told.iter().find(|one| one["side"] == "trail_only").unwrap();
    let position = missing["position"].as_u64().unwrap();
    let kept = world.sql(&format!("SELECT native_id FROM records WHERE position = {position}"));
    assert_eq!(kept[0]["native_id"], missing["native_id"]);
    assert_eq!(world.sql("SELECT count(*) AS n FROM logins"), size, "nothing of an export is recorded");
    // A week alone lacks nothing of the other one, though a session of the first ends in it.
    let [week] = reconcile("logins-week-46.csv").try_into().unwrap();
    assert_eq!(counts(&week)[1..], [0, 0], "{week}");
    let shown = world.run(&format!("reconcile --environment {P_E} other.csv")).exits(0);
    shown.shows("only in the trail").shows("only in the export");
    world.run(&format!("reconcile --environment {P_E} nowhere.csv")).exits(1);
}
