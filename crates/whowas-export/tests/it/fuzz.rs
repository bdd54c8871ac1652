//! A bounded run of the fuzz targets, on stable Rust: every file of the corpus, and changed copies of it.

use std::{env, fs, path::Path, time::Instant};

#[path = "../../../../fuzz/targets.rs"]
mod targets;

/// Changed copies for each target, unless `WHOWAS_FUZZ` says otherwise.
const ROUNDS: usize = 3000;

/// A small generator of numbers: a run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 17).unwrap() % end.max(1)
    }
}

/// One to four changes: a bit, a byte, a piece that is cut out, doubled, or comes from another file.
fn changed(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let (at, other) = (random.below(bytes.len()), &seeds[random.below(seeds.len())]);
        let end = (at + random.below(40)).min(bytes.len());
        match random.below(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = [0, b'\n', b'0', b' ', 0xff, b'+', b'/'][random.below(7)],
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => bytes.truncate(at),
            5 => {
                let from = random.below(other.len());
                let piece = other[from..(from + random.below(80)).min(other.len())].to_vec();
                bytes.splice(at..end, piece);
            }
            _ => bytes.extend_from_slice(&other[random.below(other.len())..]),
        }
    }
    bytes
}

#[test]
fn hostile_evidence_is_refused_without_harm() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let rounds = env::var("WHOWAS_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let mut random = Random(0x5eed);
    for (name, target) in targets::TARGETS {
        let mut paths: Vec<_> =
            fs::read_dir(corpus.join(name)).unwrap().map(|one| one.unwrap().path()).collect();
        paths.sort();
        let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        assert!(!seeds.is_empty(), "{name} has no corpus");
        seeds.iter().for_each(|seed| target(seed));
        let start = Instant::now();
        for round in 0..rounds {
            let bytes = changed(&mut random, &seeds);
            let run = std::panic::catch_unwind(|| target(&bytes));
            assert!(run.is_ok(), "{name}, round {round}: {}", hex::encode(&bytes));
        }
        println!("{name}: {} seeds, {rounds} changed copies in {:?}", seeds.len(), start.elapsed());
    }
}

/// The corpus reaches what lies behind the signature: otherwise most of the code would not be tried.
#[test]
fn the_corpus_is_good_evidence() {
    use whowas_export::evidence::{bundle, record};
    use whowas_tlog::{note::VerifyingKey, policy::Policy};
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let read = |path: &str| fs::read(folder.join(path)).unwrap();
    let key = String::from_utf8(read("vkey")).unwrap();
    let policy = Policy::of_log(VerifyingKey::parse(key.trim()).unwrap());
    assert_eq!(record::verify(&read("corpus/proof/full.tlog-proof"), &policy).unwrap().position, 0);
    assert!(record::handed_over(&read("corpus/proof/rotation.tlog-proof"), &policy).is_ok());
    for name in ["csv.zip", "jsonl.zip"] {
        let file = std::io::Cursor::new(read(&format!("corpus/bundle/{name}")));
        assert_eq!(bundle::verify(file, &policy, None).findings, [], "{name}");
    }
}
