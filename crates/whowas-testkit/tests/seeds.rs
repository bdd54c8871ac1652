//! Stories of a simulated source by seed: what ends in the trail is exactly what the source held, or the
//! ledger names the time that is missing.
//!
//! `WHOWAS_SEEDS` says how many (50), `WHOWAS_SEED` picks one.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use whowas_testkit::drive::{Outcome, Story};

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

fn tell(seed: u64) -> Result<Outcome, String> {
    // Commits wait for the disk; in memory a story takes a tenth of the time.
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.map_err(|e| e.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(Story::new(seed).tell(folder.path()))
}

#[test]
fn a_trail_holds_what_the_source_held_or_says_what_is_missing() {
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
    let outcomes: Vec<&Outcome> = told.iter().filter_map(|(_, outcome)| outcome.as_ref().ok()).collect();
    let sum = |count: fn(&Outcome) -> u64| outcomes.iter().map(|outcome| count(outcome)).sum::<u64>();
    println!(
        "{} stories, {} rows, {} missing and named, {} requests, {} kills",
        outcomes.len(),
        sum(|outcome| outcome.rows as u64),
        sum(|outcome| outcome.missing as u64),
        sum(|outcome| outcome.requests),
        sum(|outcome| u64::from(outcome.kills)),
    );
    // A world in which nothing goes wrong would show nothing.
    if outcomes.len() >= 50 {
        assert!(sum(|outcome| outcome.missing as u64) > 0 && sum(|outcome| u64::from(outcome.kills)) > 50);
    }
}
