//! Pulling the plug: a server under load is killed at random moments, again and again.
//!
//! Nothing acknowledged is lost, nothing stands twice, no position is used twice, every restart verifies.
//! Clients do what real ones do: a batch whose answer never came is sent again.

use std::{
    collections::HashSet,
    env,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use crate::{
    http::Client,
    script::{P_E, World, text},
};

/// How often the server is killed, unless `WHOWAS_KILL_ROUNDS` says otherwise.
const ROUNDS: u64 = 100;
/// Rounds after which everything is re-derived and every id is looked for.
const FULL_CHECK_ROUNDS: u64 = 10;
/// Rounds after which a new trail begins, so that long runs do not get slower with every round.
const TRAIL_ROUNDS: u64 = 100;
const CLIENTS: u64 = 4;
const BATCH_RECORDS_MAX: u64 = 120;
/// For how long a server is under load before it is killed.
const LOAD_MS: std::ops::Range<u64> = 20..220;
/// Acknowledged batches that are sent once more after every restart.
const RESENT_BATCHES: usize = 8;

/// One client: what it was promised, and what it does not know about.
#[derive(Default)]
struct Sender {
    client: u64,
    next_id: u64,
    acknowledged: Vec<Vec<String>>,
    unanswered: Option<Vec<String>>,
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let rounds = number("WHOWAS_KILL_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("WHOWAS_KILL_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_secs() ^ u64::from(now.subsec_nanos())
    });
    println!("WHOWAS_KILL_SEED={seed}");
    let mut random = Random(seed);
    let mut left = rounds;
    while left > 0 {
        let count = left.min(TRAIL_ROUNDS);
        one_trail(&mut random, count);
        left -= count;
    }
}

/// Kills the server of one trail so many times.
fn one_trail(random: &mut Random, rounds: u64) {
    let world = World::with(&["portal.ndjson"]);
    let line = format!("token create --scope ingest --environment {P_E} --source erp");
    let token = text(&world.json(&line)[0], "token");
    let mut senders: Vec<_> = (0..CLIENTS).map(|client| Sender { client, ..Sender::default() }).collect();
    let mut tree_size = 0;
    for round in 1..=rounds {
        let serving = world.serve();
        let now = resend(&serving.address, &token, &mut senders, random);
        assert!(now >= tree_size, "round {round}: the tree had {tree_size} records and has {now}");
        let load = Duration::from_millis(LOAD_MS.start + random.below(LOAD_MS.end - LOAD_MS.start));
        let seeds: Vec<_> = senders.iter().map(|_| random.next()).collect();
        let is_killed = AtomicBool::new(false);
        let size = Mutex::new(now);
        thread::scope(|scope| {
            for (sender, seed) in senders.iter_mut().zip(seeds) {
                let (address, token, size, is_killed) = (&serving.address, &token, &size, &is_killed);
                let address = address.clone();
                scope.spawn(move || sender.load(&address, token, Random(seed), (size, is_killed)));
            }
            thread::sleep(load);
            is_killed.store(true, Ordering::Relaxed);
            serving.kill();
        });
        tree_size = size.into_inner().unwrap();
        if round % FULL_CHECK_ROUNDS == 0 || round == rounds {
            check(&world, &senders, tree_size, round);
        }
    }
    let sent: usize = senders.iter().flat_map(|sender| &sender.acknowledged).map(Vec::len).sum();
    println!("{rounds} kills, {sent} records acknowledged, none lost");
    assert!(sent > 0, "no server ever acknowledged anything");
}

/// After a restart: what was promised is there, what was left open is settled. Gives the size of the tree.
fn resend(address: &str, token: &str, senders: &mut [Sender], random: &mut Random) -> u64 {
    let mut client = Client::connect(address, token).unwrap();
    let mut size = 0;
    let mut send = |batch: &[String]| {
        let answer = client.post(&records_path(), &body(batch)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        size = answer["tree_size"].as_u64().unwrap();
        let count = |name: &str| answer[name].as_u64().unwrap();
        assert_eq!(count("recorded") + count("duplicate"), batch.len() as u64, "{answer}");
        assert_eq!([count("revised"), count("rejected")], [0, 0], "{answer}");
        count("recorded")
    };
    send(&[]);
    for sender in senders {
        for _ in 0..RESENT_BATCHES.min(sender.acknowledged.len()) {
            let batch = &sender.acknowledged[random.index(sender.acknowledged.len())];
            assert_eq!(send(batch), 0, "acknowledged records were new after a restart");
        }
        if let Some(newest) = sender.acknowledged.last() {
            assert_eq!(send(newest), 0, "the newest acknowledged records were new after a restart");
        }
        if let Some(batch) = sender.unanswered.take() {
            send(&batch);
            sender.acknowledged.push(batch);
        }
    }
    size
}

impl Sender {
    /// Sends batches until the server is gone.
    fn load(
        &mut self,
        address: &str,
        token: &str,
        mut random: Random,
        (size, is_killed): (&Mutex<u64>, &AtomicBool),
    ) {
        let Ok(mut client) = Client::connect(address, token) else { return };
        while !is_killed.load(Ordering::Relaxed) {
            // Single records as well as batches: their commits look different.
            let count = if random.below(4) == 0 { 1 } else { 1 + random.below(BATCH_RECORDS_MAX) };
            let ids =
                (self.next_id..self.next_id + count).map(|id| format!("{}-{id}", self.client)).collect();
            self.next_id += count;
            let batch: Vec<String> = self.unanswered.insert(ids).clone();
            let Ok(answer) = client.post(&records_path(), &body(&batch)) else { return };
            match answer.status {
                200 => {}
                // Refused as a whole, nothing of it taken: it is sent again after the restart.
                429 | 503 => return,
                status => panic!("{status}: {}", answer.body),
            }
            let answer: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(answer["recorded"], count, "{answer}");
            self.unanswered = None;
            self.acknowledged.push(batch);
            let mut size = size.lock().unwrap();
            *size = (*size).max(answer["tree_size"].as_u64().unwrap());
        }
    }
}

/// Re-derives everything, before and after recovery, and looks for every id.
fn check(world: &World, senders: &[Sender], tree_size: u64, round: u64) {
    let fsck = || {
        let [report] = world.json(&format!("fsck --environment {P_E}")).try_into().unwrap();
        assert_eq!(report["verified"], true, "round {round}: {report}");
        report["size"].as_u64().unwrap()
    };
    let published = fsck();
    assert!(
        published >= tree_size,
        "round {round}: {tree_size} were acknowledged, {published} are published"
    );
    let statement =
        "SELECT count(*) AS n, count(DISTINCT position) AS n_distinct, max(position) AS last FROM records";
    let [positions] = world.sql(statement).try_into().unwrap();
    let [n, n_distinct, last] = ["n", "n_distinct", "last"].map(|name| positions[name].as_u64().unwrap());
    assert_eq!([n_distinct, last + 1], [n, n], "round {round}: every position once");
    // The statement has replayed what was committed and not published, and left a record of itself.
    assert!(n >= published, "round {round}: {published} were published, {n} are there");
    assert_eq!(fsck(), n + 1, "round {round}: the tree has the records");
    let rows = world.sql("SELECT native_id FROM logins WHERE source = $$erp$$");
    let mut found = HashSet::with_capacity(rows.len());
    for row in &rows {
        let id = row["native_id"].as_str().unwrap();
        assert!(found.insert(id), "round {round}: {id} stands in the trail twice");
    }
    for id in senders.iter().flat_map(|sender| &sender.acknowledged).flatten() {
        assert!(found.contains(id.as_str()), "round {round}: {id} was acknowledged and is lost");
    }
    // An unanswered batch may be there or not; anything else was never sent.
    let sent: usize = senders.iter().map(|sender| usize::try_from(sender.next_id).unwrap()).sum();
    assert!(found.len() <= sent, "round {round}: {} records of {sent} that were sent", found.len());
}

fn records_path() -> String {
    format!("/api/v1/environments/{P_E}/records")
}

/// Native records with these ids; the same ids always give the same bytes.
fn body(ids: &[String]) -> String {
    let record = |id: &String| {
        format!(
            "{{\"native_id\":\"{id}\",\"occurred_at\":\"2026-11-10T09:00:00Z\",\"activity\":\"logon\",\"status\":\"success\",\"user\":{{\"uid\":\"user-{id}\"}},\"src_endpoint\":{{\"ip\":\"192.0.2.7\"}}}}\n"
        )
    };
    ids.iter().map(record).collect()
}

/// splitmix64: the same seed gives the same loads and moments.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }
}
