//! The shape of the RFC 6962 Merkle tree: split at the largest power of two
//! below the size.
//!
//! [`Frontier`] is the cheap running root, one hash per set bit of the size.
//! It stores no tree and proves nothing: tiles live in [`crate::tile`], proofs
//! in [`crate::proof`].

use std::cell::Cell;

use crate::hash::{Hash, empty_root, node_hash};

/// Why peaks do not make a [`Frontier`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A tree has one peak per set bit of its size.
    #[error("a tree of size {size} has {expected} peaks, not {found}")]
    PeakCount {
        /// Size that was claimed.
        size: u64,
        /// Peaks a tree of that size has.
        expected: u32,
        /// Peaks that were given.
        found: usize,
    },
}

/// The right edge of a tree in its most compact form: the roots of the
/// complete subtrees it consists of, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up a stored frontier. The peaks themselves cannot be checked
    /// here: compare [`Frontier::root`] with a signed checkpoint.
    ///
    /// # Errors
    /// The number of peaks does not belong to the size.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Result<Self, TreeError> {
        let expected = size.count_ones();
        if usize::try_from(expected) != Ok(peaks.len()) {
            return Err(TreeError::PeakCount { size, expected, found: peaks.len() });
        }
        Ok(Self { size, peaks })
    }

    /// Adds one leaf hash at the right.
    pub fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("a tree has one peak per set bit of its size");
            hash = node_hash(&left, &hash);
        }
        self.peaks.push(hash);
        self.size = self.size.checked_add(1).expect("2^64 leaves cannot have been hashed");
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the complete subtrees, largest (leftmost) first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Root of the tree; of the empty tree, [`empty_root`].
    #[must_use]
    pub fn root(&self) -> Hash {
        let smallest_first = self.peaks.iter().rev().copied();
        smallest_first.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
    }
}

/// The root over all `leaves`, by the recursive definition of RFC 6962 §2.1.
#[must_use]
pub fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// Hashes neighbors together in place until one node is left; an odd last
/// node moves up unchanged, which is the RFC 6962 shape built from below.
/// `None` if there are no nodes.
pub(crate) fn fold_in_place(nodes: &mut [Hash]) -> Option<Hash> {
    let mut nodes = Cell::from_mut(nodes).as_slice_of_cells();
    while nodes.len() > 1 {
        let pairs = nodes.chunks_exact(2);
        let odd = pairs.remainder().first().map(Cell::get);
        let half = nodes.len() / 2;
        for (parent, pair) in nodes.iter().zip(pairs) {
            if let [left, right] = pair {
                parent.set(node_hash(&left.get(), &right.get()));
            }
        }
        if let (Some(hash), Some(place)) = (odd, nodes.get(half)) {
            place.set(hash);
        }
        nodes = nodes.split_at(nodes.len().div_ceil(2)).0;
    }
    nodes.first().map(Cell::get)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::golden;

    #[test]
    fn golden_roots() {
        let leaves = golden::leaves(70_000);
        let mut frontier = Frontier::new();
        for (size, root) in golden::ROOTS {
            let prefix = &leaves[..usize::try_from(*size).unwrap()];
            let new = prefix.iter().skip(usize::try_from(frontier.size()).unwrap());
            new.for_each(|leaf| frontier.append(*leaf));
            assert_eq!(frontier.root().to_string(), *root, "frontier of {size}");
            assert_eq!(root_of(prefix).to_string(), *root, "definition for {size}");
        }
    }

    #[test]
    fn peaks_must_fit_the_size() {
        let peak = golden::leaves(1);
        assert!(Frontier::from_peaks(4, peak.clone()).is_ok());
        assert_eq!(
            Frontier::from_peaks(3, peak),
            Err(TreeError::PeakCount { size: 3, expected: 2, found: 1 })
        );
    }

    proptest! {
        #[test]
        fn three_ways_to_the_root_agree(size in 0usize..600) {
            let mut leaves = golden::leaves(size);
            let mut frontier = Frontier::new();
            leaves.iter().for_each(|leaf| frontier.append(*leaf));
            let root = root_of(&leaves);
            prop_assert_eq!(frontier.root(), root);
            let again = Frontier::from_peaks(frontier.size(), frontier.peaks().to_vec()).unwrap();
            prop_assert_eq!(&again, &frontier);
            prop_assert_eq!(fold_in_place(&mut leaves).unwrap_or_else(empty_root), root);
        }
    }
}
