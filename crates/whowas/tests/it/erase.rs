//! What a privacy officer does: erase a person, keep what is on hold, let old data go.

use std::{fs, process::Command};

use serde_json::json;

use crate::script::{P_E, World, column, text};

const MIRA: [&str; 3] = ["mira", "mira.okonjo@contoso.example", "10.1.2.3"];
const ERASE: &str = "erase --environment contoso/production --user mira --reason Art.17";

/// A trail in which Mira signed in, was rejected once, is known to the directory, and was searched for.
fn world() -> World {
    let world = World::with(&["portal.ndjson", "logins-both-weeks.csv"]);
    world
        .file("bad.ndjson", "{\"native_id\":\"x\",\"occurred_at\":\"never\",\"user\":{\"name\":\"mira\"}}\n");
    world.run(&format!("import --environment {P_E} --format whowas-event bad.ndjson")).exits(3);
    world.run(&format!("search --environment {P_E} --from 2026-11-01 user:mira")).exits(0);
    world
}

fn traces(world: &World) -> Vec<&'static str> {
    let records = world.sql("SELECT * FROM records").into_iter().chain(world.sql("SELECT * FROM users"));
    let shown = records.map(|row| row.to_string().to_lowercase()).collect::<String>();
    MIRA.into_iter().filter(|name| shown.contains(name) || world.data_has(name)).collect()
}

#[test]
fn a_person_is_erased_and_everything_that_was_signed_holds() {
    let world = world();
    world.run(&format!("proof --environment {P_E} --position 0 --out before.tlog-proof")).exits(0);
    world.run(&format!("mirror --environment {P_E} --out copy")).exits(0);
    fs::copy(world.path("copy/checkpoint"), world.path("kept")).unwrap();
    let vkey = fs::read_to_string(world.path("copy/vkey")).unwrap();
    assert_eq!(traces(&world).len(), 3);

    let [preview] = world.json(&format!("{ERASE} --dry-run")).try_into().unwrap();
    assert_eq!(preview["erased"], false);
    assert_eq!(preview["names"], json!(["mira", "mira.okonjo@contoso.example", "u-17"]));
    assert_eq!((&preview["all"], &preview["rejected"]), (&json!(2), &json!(1)), "{preview}");
    assert_eq!(traces(&world).len(), 3, "a dry run erases nothing");
    world
        .run(&format!("erase --environment {P_E} --user mira --reason 'Mira asked for it'"))
        .exits(2)
        .says("the reason names the person");

    let [done] = world.json(ERASE).try_into().unwrap();
    assert_eq!((&done["erased"], &done["all"]), (&json!(true), &json!(2)), "{done}");
    // The search for her, and the raw bytes of it, name her too.
    assert_eq!((&done["texts"], &done["rejected"]), (&json!(1), &json!(1)), "{done}");
    assert_eq!(traces(&world), Vec::<&str>::new());

    // What was signed before still verifies, and so does the folder.
    world
        .run(&format!("verify before.tlog-proof --vkey {vkey}"))
        .exits(0)
        .shows("mira.okonjo@contoso.example");
    world.run("verify data --checkpoint kept").exits(0).shows("3 records lack personal fields");
    world.run(&format!("fsck --environment {P_E}")).exits(0);
    world.run(&format!("proof --environment {P_E} --position 0 --out after.tlog-proof")).exits(0);
    world
        .run(&format!("verify after.tlog-proof --vkey {vkey}"))
        .exits(0)
        .shows("committed to and not disclosed");
    world.run(&format!("mirror --environment {P_E} --out copy")).exits(0);
    world.run(&format!("verify copy --vkey {vkey} --checkpoint kept")).exits(0);

    // Searches and exports show that something was there.
    let rows =
        world.json(&format!("search --environment {P_E} --from 2026-11-01 --query all-events id:portal-1"));
    assert_eq!(column(&rows, "name_source"), ["erased"]);
    assert_eq!(
        (text(&rows[0], "user_name"), text(&rows[0], "service_name")),
        (String::new(), "Time sheets".into())
    );
    world
        .run(&format!("search --environment {P_E} --from 2026-11-01 id:portal-1"))
        .exits(0)
        .shows("(erased)");
    let bundle =
        format!("export --environment {P_E} --from 2026-11-01 --evidence --out bundle.zip --as jsonl");
    world.run(&bundle).exits(0);
    let verified = world.run(&format!("verify bundle.zip --vkey {vkey}")).exits(0);
    verified.shows("1 rows lack personal fields").shows("complete for positions");
    // Nothing is left to erase, and what the source gave an id does not come back.
    world.run(ERASE).exits(0).shows("0 records, 0 personal fields would be erased");
    let [again] = world.json(&format!("import --environment {P_E} portal.ndjson")).try_into().unwrap();
    assert_eq!((&again["recorded"], &again["duplicate"]), (&json!(0), &json!(4)), "{again}");
    assert_eq!(traces(&world), Vec::<&str>::new());
    // Whoever asks for her names her again.
    world.run(&format!("users show --environment {P_E} mira")).exits(2);
    world
        .run(ERASE)
        .exits(0)
        .shows("0 of the person, 0 in which they acted for somebody, 1 that mention them");
}

#[test]
fn a_legal_hold_wins_until_it_is_released() {
    let world = world();
    let hold = |options: &str| format!("hold add --environment {P_E} {options} --reason 'case 7'");
    world.run(&hold("--user u-17")).exits(0).shows("hold 1 is in force");
    world.run(&hold("--filter app:payroll")).exits(0).shows("hold 2 is in force");
    world.run(&hold("")).exits(2).says("what is held?");
    world.run(ERASE).exits(2).says("are under legal hold 1: nothing was erased");
    assert_eq!(traces(&world).len(), 3);
    let retain = format!("retain --environment {P_E} --older-than 1d --reason rule");
    let [kept] = world.json(&retain).try_into().unwrap();
    assert_eq!((&kept["held"], &kept["done"]), (&json!(2), &json!(true)), "{kept}");
    assert_eq!(traces(&world).len(), 3, "her records are kept");
    let listed = world.json(&format!("hold list --environment {P_E}"));
    assert_eq!(column(&listed, "covers"), ["user", "filter"]);
    world.run(&format!("hold release --environment {P_E} 1 --reason closed")).exits(0);
    world
        .run(&format!("hold release --environment {P_E} 1 --reason closed"))
        .exits(2)
        .says("there is no hold 1");
    world.run(ERASE).exits(0).shows("recorded at position");
    assert_eq!(traces(&world), Vec::<&str>::new());
    world.run("verify data").exits(0);
}

#[test]
fn old_data_goes_by_rule_with_a_signed_statement() {
    let world = world();
    let retain = format!("retain --environment {P_E} --older-than 1d --prune --reason 'keep one day'");
    let [preview] = world.json(&format!("{retain} --dry-run")).try_into().unwrap();
    assert_eq!((&preview["done"], &preview["held"]), (&json!(false), &json!(0)));
    let first_import = world.sql("SELECT min(position) AS at FROM coverage")[0]["at"].clone();
    // The importer's own records are of today: pruning stops there.
    assert_eq!(preview["minimum_index"], first_import);
    let [done] = world.json(&format!("{retain} --statement statement.tlog-proof")).try_into().unwrap();
    assert_eq!((&done["records"], &done["done"]), (&preview["records"], &json!(true)));
    let vkey = world.run(&format!("key show --environment {P_E}")).exits(0).stdout;
    let vkey = vkey.trim();
    let statement = world.run(&format!("verify statement.tlog-proof --vkey {vkey}")).exits(0);
    statement.shows("retention").shows("keep one day").shows("\"older_than\":\"1d\"");
    // Logins are gone; what is younger, and of other kinds, is not.
    assert_eq!(world.sql("SELECT 1 FROM logins WHERE user_uid IS NOT NULL OR src_ip IS NOT NULL").len(), 0);
    assert!(!world.data_has("192.0.2.10"));
    world.run("verify data").exits(0);
    world
        .run(&format!("retain --environment {P_E} --older-than soon --dry-run"))
        .exits(2)
        .says("soon is no age");
    world
        .run(&format!("retain --environment {P_E} --older-than 1d --kind key --dry-run"))
        .exits(2)
        .says("use login");
}

#[test]
fn a_trail_from_an_older_backup_is_told_what_was_erased_since() {
    let world = world();
    let copy = |from: &str, to: &str| {
        let status = Command::new("cp").arg("-r").arg(world.path(from)).arg(world.path(to)).status().unwrap();
        assert!(status.success());
    };
    copy("data", "backup");
    world.run(ERASE).exits(0);
    let list = world.run(&format!("erase --environment {P_E} --list")).exits(0).stdout;
    assert!(list.contains("\"kind\":\"erasure\"") && !list.contains("mira"), "{list}");
    world.file("erased.jsonl", &list);
    fs::remove_dir_all(world.path("data")).unwrap();
    copy("backup", "data");
    assert_eq!(traces(&world).len(), 3);
    world
        .run(&format!("erase --environment {P_E} --again erased.jsonl --reason backup"))
        .exits(0)
        .shows("recorded at");
    // Rejected records have other numbers elsewhere, and are not in the list.
    let left: Vec<&str> = traces(&world);
    assert!(!left.contains(&"10.1.2.3") && !left.contains(&"mira.okonjo@contoso.example"), "{left:?}");
    world.run("verify data").exits(0);
    world.file("other.jsonl", list.replace(P_E, "contoso/test"));
    world
        .run(&format!("erase --environment {P_E} --again other.jsonl --reason b"))
        .exits(2)
        .says("another trail");
    world.file("nonsense.jsonl", "{}");
    world
        .run(&format!("erase --environment {P_E} --again nonsense.jsonl --reason b"))
        .exits(2)
        .says("line 1");
}

/// Wherever `erase` is killed: either nothing has happened, or everything is done when the trail is opened.
#[test]
fn an_erasure_that_was_killed_is_completed_on_opening() {
    let world = world();
    Command::new("cp").arg("-r").arg(world.path("data")).arg(world.path("whole")).status().unwrap();
    let (mut completed, mut undone) = (0, 0);
    for step in 0.. {
        fs::remove_dir_all(world.path("data")).unwrap();
        Command::new("cp").arg("-r").arg(world.path("whole")).arg(world.path("data")).status().unwrap();
        let ms = 4 + step * 12;
        let has_ended = world.killed_after(ERASE, ms);
        let is_said = !world.run(&format!("erase --environment {P_E} --list")).exits(0).stdout.is_empty();
        let left = traces(&world);
        match is_said {
            true => assert_eq!(left, Vec::<&str>::new(), "killed after {ms} ms"),
            false => assert_eq!(left.len(), 3),
        }
        completed += usize::from(is_said && !has_ended);
        undone += usize::from(!is_said);
        world.run("verify data").exits(0);
        if has_ended {
            break;
        }
    }
    assert!(
        completed > 0 && undone > 0,
        "{completed} completed, {undone} undone: the kills came too late or too early"
    );
}
