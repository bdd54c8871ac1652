//! Hashing leaves into tiles and a root.

#![allow(missing_docs, reason = "criterion's macros make functions without documentation")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use whowas_tlog::{hash::leaf_hash, tile::TileBuilder, tree::Frontier};

/// Leaves of one commit: 64 full tiles.
const LEAVES: u64 = 16_384;

fn trees(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tree");
    group.throughput(Throughput::Elements(LEAVES));
    let leaf = [b'x'; 900];
    group.bench_function("leaf hashes of 900 bytes", |b| {
        b.iter(|| {
            (0..LEAVES)
                .map(|_| leaf_hash(black_box(&leaf)).0[0])
                .fold(0_u64, |sum, byte| sum + u64::from(byte))
        });
    });
    let hashes = vec![leaf_hash(&leaf); usize::try_from(LEAVES).expect("a small number")];
    group.bench_function("tiles and root", |b| {
        b.iter(|| {
            let (mut tiles, mut frontier) = (TileBuilder::new(), Frontier::new());
            tiles.append(black_box(&hashes));
            hashes.iter().for_each(|hash| frontier.append(*hash));
            assert_eq!(tiles.root(), frontier.root());
            tiles.take_changed().len()
        });
    });
    group.finish();
}

criterion_group!(benches, trees);
criterion_main!(benches);
