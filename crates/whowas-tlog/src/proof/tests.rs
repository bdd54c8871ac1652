//! Tests of inclusion and consistency proofs.

use proptest::prelude::*;

use super::*;
use crate::golden::{self, MemoryTiles};
use crate::tile::{TileId, root_at};
use crate::tree::root_of;

fn root(leaves: &[Hash], size: u64) -> Hash {
    root_of(&leaves[..usize::try_from(size).unwrap()])
}

#[test]
fn golden_consistency_has_18_hashes() {
    let mut tiles = MemoryTiles::of_size(70_000);
    let old: Hash = golden::ROOTS[5].1.parse().unwrap();
    let new: Hash = golden::ROOTS[6].1.parse().unwrap();
    let proof = prove_consistency(1_235, 70_000, &new, &mut tiles).unwrap();
    assert_eq!(proof.len(), 18);
    assert_eq!(verify_consistency(&proof, 1_235, &old, 70_000, &new), Ok(()));
    assert_eq!(root_at(1_235, 70_000, &mut tiles).unwrap(), old);
}

#[test]
fn inclusion_across_three_tile_levels() {
    let leaves = golden::leaves(70_000);
    let mut tiles = MemoryTiles::of_size(70_000);
    let root = golden::ROOTS[6].1.parse().unwrap();
    for index in [0, 1, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_998, 69_999] {
        let leaf = &leaves[usize::try_from(index).unwrap()];
        let proof = prove_inclusion(index, leaf, 70_000, &root, &mut tiles).unwrap();
        assert_eq!(verify_inclusion(&proof, index, leaf, 70_000, &root), Ok(()), "{index}");
    }
}

#[test]
fn every_pair_of_small_sizes() {
    let leaves = golden::leaves(40);
    for new_size in 0..=40u64 {
        let mut tiles = MemoryTiles::of_size(usize::try_from(new_size).unwrap());
        let new_root = root(&leaves, new_size);
        for old_size in 0..=new_size {
            let proof = prove_consistency(old_size, new_size, &new_root, &mut tiles).unwrap();
            let old_root = root(&leaves, old_size);
            assert_eq!(verify_consistency(&proof, old_size, &old_root, new_size, &new_root), Ok(()));
        }
        for (index, leaf) in (0..new_size).zip(&leaves) {
            let proof = prove_inclusion(index, leaf, new_size, &new_root, &mut tiles).unwrap();
            assert_eq!(verify_inclusion(&proof, index, leaf, new_size, &new_root), Ok(()));
        }
    }
}

#[test]
fn impossible_requests_are_named() {
    let leaves = golden::leaves(3);
    let (old, new) = (root(&leaves, 2), root(&leaves, 3));
    let beyond = ProofError::IndexBeyondTree { index: 3, size: 3 };
    assert_eq!(verify_inclusion(&[], 3, &leaves[0], 3, &new), Err(beyond));
    let shrinks = ProofError::TreeShrinks { old_size: 3, new_size: 2 };
    assert_eq!(verify_consistency(&[], 3, &new, 2, &old), Err(shrinks));
    assert_eq!(verify_consistency(&[], 2, &old, 3, &new), Err(ProofError::Length));
    assert_eq!(verify_consistency(&[], 3, &old, 3, &new), Err(ProofError::RootMismatch));
    assert_eq!(verify_consistency(&[old], 3, &new, 3, &new), Err(ProofError::Length));
    assert_eq!(verify_consistency(&[], 0, &old, 3, &new), Err(ProofError::OldRootMismatch));
    assert_eq!(verify_consistency(&[], 0, &empty_root(), 3, &new), Ok(()));
    let huge = verify_inclusion(&[old; 64], u64::MAX - 1, &old, u64::MAX, &new);
    assert!(huge.is_err());
}

#[test]
fn no_proof_is_handed_out_from_changed_tiles() {
    let leaves = golden::leaves(300);
    let new_root = root(&leaves, 300);
    let mut tiles = MemoryTiles::of_size(300);
    tiles.0.get_mut(&TileId::full(0, 0)).unwrap()[40] ^= 1;
    let inclusion = prove_inclusion(5, &leaves[5], 300, &new_root, &mut tiles);
    assert!(matches!(inclusion, Err(ProveError::Proof(ProofError::RootMismatch))));
    let consistency = prove_consistency(100, 300, &new_root, &mut tiles);
    assert!(matches!(consistency, Err(ProveError::Proof(ProofError::RootMismatch))));
    tiles.0.clear();
    let missing = prove_inclusion(5, &leaves[5], 300, &new_root, &mut tiles);
    assert!(matches!(missing, Err(ProveError::Tile(_))));
}

/// The proof with one bit flipped, one hash more, one less, or two swapped.
fn mutations(proof: &[Hash], at: usize, bit: u8) -> Vec<Vec<Hash>> {
    let mut mutated = Vec::new();
    let mut extended = proof.to_vec();
    extended.insert(at % (proof.len() + 1), Hash([bit; 32]));
    mutated.push(extended);
    if !proof.is_empty() {
        let at = at % proof.len();
        let mut flipped = proof.to_vec();
        flipped[at].0[usize::from(bit / 8)] ^= 1 << (bit % 8);
        let mut shortened = proof.to_vec();
        shortened.remove(at);
        mutated.extend([flipped, shortened]);
        let mut swapped = proof.to_vec();
        swapped.swap(at, 0);
        mutated.extend((swapped != proof).then_some(swapped));
    }
    mutated
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_two_sizes_are_consistent(a in 0u64..1500, b in 0u64..1500, at: usize, bit: u8) {
        let (old_size, new_size) = (a.min(b), a.max(b));
        let leaves = golden::leaves(usize::try_from(new_size).unwrap());
        let (old_root, new_root) = (root(&leaves, old_size), root(&leaves, new_size));
        let mut tiles = MemoryTiles::of_size(leaves.len());
        let proof = prove_consistency(old_size, new_size, &new_root, &mut tiles).unwrap();
        prop_assert_eq!(verify_consistency(&proof, old_size, &old_root, new_size, &new_root), Ok(()));
        prop_assert_eq!(root_at(old_size, new_size, &mut tiles).unwrap(), old_root);
        for mutated in mutations(&proof, at, bit) {
            prop_assert!(verify_consistency(&mutated, old_size, &old_root, new_size, &new_root).is_err());
        }
        let other = Hash([bit; 32]);
        prop_assert!(verify_consistency(&proof, old_size, &other, new_size, &new_root).is_err());
        if old_size > 0 {
            prop_assert!(verify_consistency(&proof, old_size, &old_root, new_size, &other).is_err());
        }
    }

    #[test]
    fn any_leaf_is_included(size in 1u64..1500, index: u64, at: usize, bit: u8) {
        let index = index % size;
        let leaves = golden::leaves(usize::try_from(size).unwrap());
        let leaf = &leaves[usize::try_from(index).unwrap()];
        let root = root_of(&leaves);
        let proof = prove_inclusion(index, leaf, size, &root, &mut MemoryTiles::of_size(leaves.len())).unwrap();
        prop_assert_eq!(verify_inclusion(&proof, index, leaf, size, &root), Ok(()));
        for mutated in mutations(&proof, at, bit) {
            prop_assert!(verify_inclusion(&mutated, index, leaf, size, &root).is_err());
        }
        prop_assert!(verify_inclusion(&proof, index, &Hash([bit; 32]), size, &root).is_err());
        prop_assert!(size == 1 || verify_inclusion(&proof, (index + 1) % size, leaf, size, &root).is_err());
    }

    #[test]
    fn hostile_proofs_are_refused_without_a_panic(
        sizes: (u64, u64), index: u64, hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70)
    ) {
        let proof: Vec<_> = hashes.into_iter().map(Hash).collect();
        let (a, b) = (empty_root(), Hash([1; 32]));
        prop_assert!(verify_inclusion(&proof, index, &a, sizes.1, &b).is_err());
        prop_assert!(verify_consistency(&proof, sizes.0.max(1), &a, sizes.1, &b).is_err());
    }
}
