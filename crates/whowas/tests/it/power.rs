//! Loss of power at every write and fsync of the real binary, SQLite and Delta log included.
//!
//! `strace` records what a command does to its files; a model of a file system plays it back up to some
//! call and then keeps what a disk may have kept: what was fsynced, and of the rest nothing, all of it, or
//! any sectors of 512 bytes and any beginning of the changes of each folder. The folder that is left is
//! opened: everything that was acknowledged must be there, and everything must verify.
//!
//! `WHOWAS_POWER_CUTS=all` cuts at every call in every way; otherwise each call is cut in one of them.

#[path = "power/disk.rs"]
mod disk;
#[path = "power/trace.rs"]
mod trace;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use self::{
    disk::{Disk, Kept},
    trace::{Op, parse},
};

const P_E: &str = "contoso/production";
/// System calls that change files, or tell that they are durable.
const CALLS: &str = "openat,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,fallocate,fsync,fdatasync,sync_file_range,\
                     rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,copy_file_range,sendfile";

fn whowas(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whowas"));
    command.args(args).current_dir(folder).env("WHOWAS_DATA", folder.join("data")).env_remove("TZ");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn can_trace() -> bool {
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    let is_there = traced.is_ok_and(|status| status.success());
    if !is_there {
        println!("skipped: there is no strace here, or it may not trace");
    }
    is_there
}

/// Runs commands one after another under strace: what they did to `folder`, and what they printed when.
fn traced(folder: &Path, lines: &[&str]) -> Vec<Op> {
    let mut ops = Vec::new();
    for line in lines {
        let out = folder.join("trace");
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-xx", "-s", "16777216", "-e"]).arg(format!("trace={CALLS}"));
        command.arg("-o").arg(&out).arg(env!("CARGO_BIN_EXE_whowas")).args(line.split(' '));
        command.current_dir(folder).env("WHOWAS_DATA", folder.join("data")).env_remove("TZ");
        let run = command.stdin(Stdio::null()).output().unwrap();
        assert!(run.status.success(), "{line}: {}", String::from_utf8_lossy(&run.stderr));
        ops.extend(parse(&fs::read_to_string(&out).unwrap(), folder));
        fs::remove_file(out).unwrap();
    }
    ops
}

fn records(name: &str, count: usize) -> String {
    let line = |n| {
        format!(
            "{{\"native_id\":\"{name}-{n}\",\"occurred_at\":\"2026-11-10T09:00:00Z\",\"activity\":\"logon\",\"user\":{{\"name\":\"ada\"}}}}\n"
        )
    };
    (0..count).map(line).collect()
}

fn import(folder: &Path, name: &str, count: usize) -> String {
    fs::write(folder.join(format!("{name}.ndjson")), records(name, count)).unwrap();
    format!("--json import --environment {P_E} --format whowas-event {name}.ndjson")
}

/// A workload on a disk: what it did, and how the disk was before.
struct Recorded {
    folder: PathBuf,
    before: Disk,
    ops: Vec<Op>,
}

/// What must be found after a cut: how many records of each import were acknowledged by then.
fn acknowledged(ops: &[Op]) -> Vec<(String, u64)> {
    let printed = ops.iter().filter_map(|op| match op {
        Op::Print(text) => serde_json::from_str::<serde_json::Value>(text).ok(),
        _ => None,
    });
    let file = |value: serde_json::Value| {
        let name = value["file"].as_str()?.strip_suffix(".ndjson")?.to_owned();
        Some((name, value["recorded"].as_u64()?))
    };
    printed.filter_map(file).collect()
}

/// Opens what is left of a disk, and says what is wrong.
fn examine(folder: &Path, promised: &[(String, u64)]) -> Result<(), String> {
    let run = |args: &[&str]| {
        let run = whowas(folder, args).output().unwrap();
        (
            run.status.code(),
            String::from_utf8_lossy(&run.stdout).into_owned(),
            String::from_utf8_lossy(&run.stderr).into_owned(),
        )
    };
    let environment = ["--environment", P_E];
    let statement = "SELECT native_id FROM records";
    let (code, found, said) = run(&[&["--json", "sql"][..], &environment, &[statement]].concat());
    match code {
        Some(0) => {}
        // Nothing was promised before there was a trail.
        Some(2) if promised.is_empty() => return Ok(()),
        _ => return Err(format!("opening: exit code {code:?}: {said}")),
    }
    for (name, count) in promised {
        let have = found.matches(&format!("\"{name}-")).count() as u64;
        if have < *count {
            return Err(format!("{have} of the {count} acknowledged records of {name} are there"));
        }
    }
    let (code, found, said) = run(&["verify", "data"]);
    if code != Some(0) {
        return Err(format!("verify: exit code {code:?}: {found}{said}"));
    }
    Ok(())
}

impl Recorded {
    /// The folder after a cut before call `at`, in a place of its own.
    fn cut(&self, at: usize, kept: Kept, is_synced: bool) -> Result<(), String> {
        let left = tempfile::tempdir().unwrap();
        let ops = &self.ops[..at];
        self.replayed(at, is_synced).write(left.path(), kept);
        let shown = format!("cut before call {at} of {} ({kept:?})", self.ops.len());
        examine(left.path(), &acknowledged(ops)).map_err(|reason| format!("{shown}: {reason}"))
    }

    fn replayed(&self, at: usize, is_synced: bool) -> Disk {
        let mut disk = self.before.clone();
        for op in &self.ops[..at] {
            match op {
                Op::Sync(_) if !is_synced => {}
                op => disk.apply(op),
            }
        }
        disk
    }

    /// Every call, in one way or in all.
    fn cuts(&self) -> Vec<(usize, Kept)> {
        let is_all = env::var("WHOWAS_POWER_CUTS").is_ok_and(|value| value == "all");
        let ways =
            |at: usize| [Kept::Synced, Kept::Torn(at as u64), Kept::All, Kept::Torn(at as u64 + 1_000_000)];
        let changes =
            (0..=self.ops.len()).filter(|at| *at == 0 || !matches!(self.ops[*at - 1], Op::Print(_)));
        changes
            .filter(|at| is_all || self.ops.len() < 300 || at % 2 == self.ops.len() % 2)
            .flat_map(|at| {
                let ways = ways(at);
                let chosen = if is_all { ways.to_vec() } else { vec![ways[at / 2 % 2]] };
                chosen.into_iter().map(move |kept| (at, kept))
            })
            .collect()
    }

    /// Cuts side by side; the first failure.
    fn survive(&self) {
        let cuts = self.cuts();
        let next = AtomicUsize::new(0);
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let failures: Vec<String> = std::thread::scope(|scope| {
            let work = || {
                let mut failures = Vec::new();
                while let Some((at, kept)) = cuts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    failures.extend(self.cut(*at, *kept, true).err());
                }
                failures
            };
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        println!("{} cuts over {} calls", cuts.len(), self.ops.len());
        assert!(cuts.len() > 20, "the trace is empty");
        assert!(
            failures.is_empty(),
            "{} of {} failed; {:#?}",
            failures.len(),
            cuts.len(),
            &failures[..failures.len().min(5)]
        );
    }
}

/// From nothing: the folder, its key, the first trail, the first records.
fn beginning(folder: &Path) -> Recorded {
    let line = import(folder, "a", 3);
    let before = Disk::new(folder);
    let ops = traced(folder, &[&line]);
    Recorded { folder: folder.to_owned(), before, ops }
}

/// A trail whose tail is moved to the archive when it is closed, and from which somebody is erased.
fn later(folder: &Path) -> Recorded {
    for n in 0..15 {
        let line = import(folder, &format!("base{n}"), 20);
        let run = whowas(folder, &line.split(' ').collect::<Vec<_>>()).output().unwrap();
        assert!(run.status.success());
    }
    let before = Disk::new(folder);
    let lines = [import(folder, "b", 30), import(folder, "c", 2)];
    let erase = format!("erase --environment {P_E} --user ada --reason x");
    let ops = traced(folder, &[&lines[0], &lines[1], &erase]);
    assert!(
        ops.iter().any(|op| matches!(op, Op::Link(_, to) if to.to_string_lossy().contains("_delta_log")))
    );
    Recorded { folder: folder.to_owned(), before, ops }
}

#[test]
fn the_first_records_survive_a_loss_of_power_at_every_call() {
    if can_trace() {
        let folder = tempfile::tempdir().unwrap();
        beginning(folder.path()).survive();
    }
}

#[test]
fn archive_and_erasure_survive_a_loss_of_power_at_every_call() {
    if can_trace() {
        let folder = tempfile::tempdir().unwrap();
        let recorded = later(folder.path());
        // The model plays back to what is really there.
        let played = tempfile::tempdir().unwrap();
        recorded.replayed(recorded.ops.len(), true).write(played.path(), Kept::All);
        for path in disk::files(&recorded.folder.join("data")) {
            let below = path.strip_prefix(&recorded.folder).unwrap();
            // The index of SQLite's log is mapped memory, and is made anew.
            if !below.ends_with("control.db-shm") {
                assert_eq!(
                    fs::read(&path).ok(),
                    fs::read(played.path().join(below)).ok(),
                    "{}",
                    below.display()
                );
            }
        }
        recorded.survive();
    }
}

/// A second loss while the first is being recovered from.
#[test]
fn recovery_survives_a_loss_of_power_too() {
    if can_trace() {
        let folder = tempfile::tempdir().unwrap();
        let recorded = later(folder.path());
        let is_all = env::var("WHOWAS_POWER_CUTS").is_ok_and(|value| value == "all");
        // After the commits of the import and of the erasure, where there is most to complete.
        let commits: Vec<usize> = (0..recorded.ops.len())
            .filter(|at| matches!(&recorded.ops[*at], Op::Sync(path) if path.ends_with("control.db-wal")))
            .map(|at| at + 1)
            .collect();
        let chosen: Vec<usize> = if is_all { commits } else { vec![commits[1], commits[commits.len() - 2]] };
        for at in chosen {
            let left = tempfile::tempdir().unwrap();
            recorded.replayed(at, true).write(left.path(), Kept::Synced);
            let before = Disk::new(left.path());
            let opening = format!("search --environment {P_E}");
            let again =
                Recorded { folder: left.path().to_owned(), before, ops: traced(left.path(), &[&opening]) };
            again.survive();
        }
    }
}

/// The control: if fsync did nothing, this test would notice.
#[test]
fn a_disk_that_ignores_fsync_loses_what_was_acknowledged() {
    if can_trace() {
        let folder = tempfile::tempdir().unwrap();
        let recorded = beginning(folder.path());
        let end = recorded.ops.len();
        assert_eq!(recorded.cut(end, Kept::Synced, true), Ok(()));
        let lost = recorded.cut(end, Kept::Synced, false).unwrap_err();
        assert!(lost.contains("opening: exit code"), "{lost}");
    }
}
