//! `whowas report`: what an auditor gets, read by other programs.

use std::{fs, process::Command};

use crate::script::{P_E, World};

/// The program's output, or nothing where it is not installed.
fn tool(program: &str, arguments: &[&str]) -> Option<String> {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{program} (poppler-utils) is not installed");
        println!("skipped: {program} is not installed");
        return None;
    };
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{program}: {complaints}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_report_says_what_is_there_and_how_to_check_it() {
    let world = World::with(&["logins-week-46.csv", "portal.ndjson", "system-users.json"]);
    let report = format!("report --environment {P_E} --from 2026-11-01 --to 2026-11-30");
    let [said] = world.json(&format!("{report} --out report.pdf")).try_into().unwrap();
    world.run(&format!("{report} --as html --out report.html")).exits(0).says("a report of");
    let html = fs::read_to_string(world.path("report.html")).unwrap();
    for part in [
        "Sign-ins of contoso/production",
        "2026-11-01 00:00:00 to 2026-12-01 00:00:00",
        "none: every sign-in",
        "dynamics-lcs",
        "Coverage",
        "Sign-in failures",
        "Logon without logoff",
        "whowas.localhost/contoso/production",
        "whowas verify answer.zip --vkey",
        "Approved by",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let rows = said["rows"].as_u64().unwrap();
    assert!(rows > 0 && html.contains(&format!("<td>User login events</td><td>{rows}</td>")), "{html}");
    let path = world.path("report.pdf");
    let path = path.to_str().unwrap();
    let Some(text) = tool("pdftotext", &["-layout", path, "-"]) else { return };
    for part in ["Sign-ins of contoso/production", "whowas.localhost/contoso/production", "Approved by"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let fonts = tool("pdffonts", &[path]).unwrap();
    let embedded = fonts.lines().filter(|line| line.contains("DejaVuSans") && line.contains("yes"));
    assert_eq!(embedded.count(), 2, "{fonts}");
    // What it looks like, for whoever looks.
    let shots = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/screenshots");
    fs::create_dir_all(shots).unwrap();
    tool("pdftoppm", &["-r", "80", "-png", path, &format!("{shots}/report")]);
    // Whoever makes one leaves a trace, with the file's digest.
    let traces = world.sql("SELECT body FROM records WHERE json_text(body, 'action') = 'report'");
    assert_eq!(traces.len(), 2);
    assert!(traces[0].to_string().contains(said["sha256"].as_str().unwrap()), "{traces:?}");
}

#[test]
fn a_report_of_nothing_and_wrong_questions() {
    let world = World::with(&["portal.ndjson"]);
    let report = format!("report --environment {P_E}");
    world
        .run(&format!("{report} --from 2001-01-01 --to 2001-01-02 --out old.pdf"))
        .exits(0)
        .says("a report of 0");
    world.run(&format!("{report} --as doc --out x")).exits(2);
    world
        .run(&format!("{report} --from 2026-11-02 --to 2026-11-01 --out x"))
        .exits(2)
        .says("the range is empty");
    world.run(&format!("{report} --out x colour:red")).exits(2);
    world.run("report --environment no/where --out x").exits(2);
    let run = world.run(&format!("{report} --as html --from 2026-11-01 --out - user:nobody")).exits(0);
    run.shows("<!doctype html>").shows("user:nobody");
}
