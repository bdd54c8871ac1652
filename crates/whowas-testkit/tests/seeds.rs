//! Stories of a simulated source by seed: what ends in the trail is exactly what the source held, or the
//! ledger names the time that is missing.
//!
//! `WHOWAS_SEEDS` says how many (50), `WHOWAS_SEED` picks one.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use whowas_testkit::{
    drive::{Outcome, Story},
    tale::{KINDS, Tale},
};

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

/// Tells one story or tale in a folder of its own.
fn tell<F>(telling: impl FnOnce(std::path::PathBuf) -> F) -> Result<Outcome, String>
where
    F: Future<Output = Result<Outcome, String>>,
{
    // Commits wait for the disk; in memory a story takes a tenth of the time.
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.map_err(|e| e.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(telling(folder.path().to_owned()))
}

/// What came of each seed; none may have failed.
fn tell_all(tell: impl Fn(u64) -> Result<Outcome, String> + Sync) -> Vec<(u64, Outcome)> {
    let seeds: Vec<u64> = match number("WHOWAS_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("WHOWAS_SEEDS").unwrap_or(50)).collect(),
    };
    let (next, threads) = (AtomicU64::new(0), thread::available_parallelism().map_or(1, usize::from));
    let told: Vec<(u64, Result<Outcome, String>)> = thread::scope(|scope| {
        let work = || {
            let mut told = Vec::new();
            while let Some(seed) =
                usize::try_from(next.fetch_add(1, Ordering::Relaxed)).ok().and_then(|at| seeds.get(at))
            {
                told.push((*seed, tell(*seed)));
            }
            told
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a story does not panic")).collect()
    });
    let failed: Vec<String> = told
        .iter()
        .filter_map(|(seed, outcome)| Some(format!("seed {seed}: {}", outcome.as_ref().err()?)))
        .collect();
    assert!(failed.is_empty(), "{} of {} stories:\n{}", failed.len(), told.len(), failed.join("\n"));
    told.into_iter().filter_map(|(seed, outcome)| Some((seed, outcome.ok()?))).collect()
}

/// Tells what came of them, and returns how many rows were missing, and how often a collector was killed.
fn sum(what: &str, outcomes: &[&Outcome]) -> (u64, u64) {
    let sum = |count: fn(&Outcome) -> u64| outcomes.iter().map(|outcome| count(outcome)).sum::<u64>();
    let (missing, kills) = (sum(|one| one.missing as u64), sum(|one| u64::from(one.kills)));
    println!(
        "{what}: {} stories, {} rows, {missing} missing and named, {} requests, {kills} kills",
        outcomes.len(),
        sum(|one| one.rows as u64),
        sum(|one| one.requests),
    );
    (missing, kills)
}

#[test]
fn a_trail_holds_what_the_source_held_or_says_what_is_missing() {
    let told = tell_all(|seed| tell(|folder| async move { Story::new(seed).tell(&folder).await }));
    let outcomes: Vec<&Outcome> = told.iter().map(|(_, outcome)| outcome).collect();
    let (missing, kills) = sum("graph-sign-ins", &outcomes);
    // A world in which nothing goes wrong would show nothing.
    if outcomes.len() >= 50 {
        assert!(missing > 0 && kills > 50);
    }
}

#[test]
fn every_other_source_keeps_the_same_contract() {
    let told = tell_all(|seed| tell(|folder| async move { Tale::new(seed).tell(&folder).await }));
    let (mut missing, mut kills) = (0, 0);
    for (at, kind) in (0_u64..).zip(KINDS) {
        let those: Vec<&Outcome> =
            told.iter().filter(|(seed, _)| seed % 4 == at).map(|(_, outcome)| outcome).collect();
        let (more_missing, more_kills) = sum(kind, &those);
        (missing, kills) = (missing + more_missing, kills + more_kills);
    }
    if told.len() >= 50 {
        assert!(missing > 0 && kills > 20, "{missing} missing, {kills} kills");
    }
}
