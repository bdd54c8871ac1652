//! The console in a real browser: the scripts in `browser/` click, this starts them on a trail of ours.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::script::{P_E, World};

/// What Debian and others call the browser, and where containers have it.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

#[test]
fn the_eight_steps_in_a_browser() {
    run("seed.mjs");
}

#[test]
fn the_console_by_keyboard_and_mouse() {
    run("console.mjs");
}

#[test]
fn exports_saved_queries_reports_and_every_other_page() {
    run("exports.mjs");
}

/// An environment beside: its sources do not keep the windows of the other one waiting.
const APART: &str = "contoso/test";

#[test]
fn schedules_and_alarms_in_the_console() {
    let world = World::with(&["portal.ndjson"]);
    world.file(
        "whowas.toml",
        format!(
            "[[schedule]]\nenvironment = \"{P_E}\"\nname = \"yearly\"\nbegin = \"2025-11-20\"\nevery = \"12m\"\nto = \"offline\"\n[[alarm]]\nname = \"on-call\"\nkinds = [\"failed_window\"]\n\
             [[source]]\nenvironment = \"{APART}\"\nkind = \"folder\"\nname = \"drop\"\nfolder = \"in\"\n\
             [[source]]\nenvironment = \"{APART}\"\nkind = \"folder\"\nname = \"gone\"\nfolder = \"nowhere\"\n"
        ),
    );
    world.run(&format!("import --environment {APART} portal.ndjson")).exits(0);
    std::fs::create_dir_all(world.path("in")).unwrap();
    std::fs::copy(world.path("portal.ndjson"), world.path("in/portal.ndjson")).unwrap();
    // Something else lies where the first window is to be written.
    let window = format!("offline/{P_E}/yearly/2025-11-20T00-00-00Z_2026-11-20T00-00-00Z");
    std::fs::create_dir_all(world.path(&window)).unwrap();
    world.file(&format!("{window}/window.json"), "{}");
    world.run("schedule run").exits(1).shows("failed");
    drive(&world, "schedules.mjs", &[&world.path(&window)]);
}

fn run(script: &str) {
    let world = World::with(&["logins-week-46.csv", "system-users.json"]);
    world.file("busy.csv", busy_day());
    world.run(&format!("import --environment {P_E} busy.csv")).exits(0);
    drive(&world, script, &[]);
}

fn drive(world: &World, script: &str, more: &[&Path]) {
    let tools = match tools() {
        Ok(tools) => tools,
        Err(missing) => {
            assert_ne!(env::var("CI").as_deref(), Ok("true"), "{missing}");
            println!("skipped: {missing}");
            return;
        }
    };
    let serving = world.serve();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("node")
        .arg(here.join("tests/browser").join(script))
        .arg(&serving.link)
        .arg(here.join("../../target/screenshots"))
        .arg(&tools.browser)
        .args(more)
        .env("NODE_PATH", &tools.modules)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// More sessions than a page shows, of people whom no directory knows.
fn busy_day() -> String {
    let row = |at: u32| {
        let (hour, minute) = (6 + at / 60, at % 60);
        format!(
            "{at:08x}-0000-4000-8000-00000000beef,2026-11-06T{hour:02}:{minute:02}:00Z,2026-11-06T17:00:00Z\n"
        )
    };
    std::iter::once("AADUserID,LoginStart,LoginEnd\n".to_owned()).chain((0..240).map(row)).collect()
}

struct Tools {
    browser: PathBuf,
    modules: PathBuf,
}

/// Where the browser and its driver are, or what is missing.
fn tools() -> Result<Tools, String> {
    if !on_path("node").is_some_and(|node| node.is_file()) {
        return Err("node is not installed".to_owned());
    }
    let browser = BROWSERS.iter().find_map(|name| on_path(name)).ok_or("Chromium is not installed")?;
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/browser/node_modules");
    let modules = env::var_os("NODE_PATH").map_or(ours, PathBuf::from);
    for package in ["playwright-core", "axe-core"] {
        if !modules.join(package).is_dir() {
            return Err(format!("{package} is not installed: scripts/test.sh does that"));
        }
    }
    Ok(Tools { browser, modules })
}

fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}
