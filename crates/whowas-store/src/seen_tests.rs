//! The index of seen records: across runs, merges, closing and damage.

use super::*;

fn key(n: u64) -> u64 {
    u64::from_be_bytes(*Sha256::digest(n.to_be_bytes()).first_chunk().unwrap())
}

/// The first bytes tell contents apart.
fn content(n: u64) -> u64 {
    n << 16
}

fn fill(index: &mut SeenIndex, from: u64, to: u64) {
    for n in from..to {
        // Every tenth record is a revision of the one nine before.
        let key = if n % 10 == 9 { key(n - 9) } else { key(n) };
        index.insert(Seen::new(key, content(n)));
        index.maintain().unwrap();
    }
}

#[test]
fn remembers_across_runs_merges_and_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let n = MEMORY_ENTRIES_MAX as u64 * 6 + 100;
    let mut index = SeenIndex::open(folder.path().to_owned()).unwrap();
    fill(&mut index, 0, n);
    assert!(index.runs.len() < RUNS_PER_TIER, "{} runs", index.runs.len());
    drop(index);
    let mut index = SeenIndex::open(folder.path().to_owned()).unwrap();
    assert_eq!(index.size(), n - 100);
    fill(&mut index, n - 100, n);
    for at in (0..n).step_by(997) {
        let deliveries = match at % 10 {
            0 => 2,
            9 => 0,
            _ => 1,
        };
        for (content, is_known) in [(at, at % 10 != 9), (at + 9, at % 10 == 0), (at + 1, false)] {
            let earlier = index.find(Seen::new(key(at), self::content(content))).unwrap();
            assert_eq!(earlier, Earlier { deliveries, is_known }, "{at} {content}");
        }
    }
    let absent = (n..n + 10_000).filter(|&at| index.runs[0].bloom.may_contain(key(at))).count();
    assert!(absent < 300, "{absent} of 10,000 absent keys passed the filter");
}

#[test]
fn closing_keeps_runs_few_however_unevenly_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let mut from = 0;
    for visit in 0..24 {
        let mut index = SeenIndex::open(folder.path().to_owned()).unwrap();
        assert_eq!(index.size(), from, "what was closed is there without being read again");
        // Long and short visits.
        let to = from + CLOSE_ENTRIES_MIN * [1, 4, 2, 9][visit % 4];
        fill(&mut index, from, to);
        index.close().unwrap();
        from = to;
        assert!(index.runs.len() <= 9, "{:?}", index.runs.iter().map(|run| run.entries).collect::<Vec<_>>());
    }
    let mut index = SeenIndex::open(folder.path().to_owned()).unwrap();
    let earlier = index.find(Seen::new(key(0), content(0))).unwrap();
    assert_eq!(earlier, Earlier { deliveries: 2, is_known: true });
    fill(&mut index, from, from + CLOSE_ENTRIES_MIN - 1);
    index.close().unwrap();
    assert_eq!(SeenIndex::open(folder.path().to_owned()).unwrap().size(), from);
}

#[test]
fn a_damaged_run_is_rebuilt_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = SeenIndex::open(folder.path().to_owned()).unwrap();
    fill(&mut index, 0, MEMORY_ENTRIES_MAX as u64);
    let path = index.runs[0].path.clone();
    drop(index);
    let mut bytes = fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(SeenIndex::open(folder.path().to_owned()).unwrap().size(), 0);
}
