//! Reading inner nodes of a tree out of its tiles. Nothing read is trusted:
//! what comes of it is compared with a root the caller trusts.

use std::collections::BTreeMap;

use super::{TILE_HASHES, TileError, TileId, TileSource, read_tile};
use crate::hash::{HASH_BYTES, Hash, empty_root, node_hash};
use crate::tree::fold_in_place;

/// Tree levels a tile spans: 2^8 = 256.
const TILE_HEIGHT: u32 = 8;

/// The root the log had at `past_size`, computed from the tiles it has at
/// `size`. Compare it with the checkpoint of then.
///
/// # Errors
/// A tile cannot be read or has the wrong length.
///
/// # Panics
/// `past_size` is larger than `size`.
pub fn root_at(past_size: u64, size: u64, source: &mut impl TileSource) -> Result<Hash, TileError> {
    NodeReader::new(size, source).subtree(0, past_size)
}

/// The roots of the complete subtrees that the log consisted of at `past_size`, largest first: what
/// [`crate::tree::Frontier::from_peaks`] takes. Whoever appends all later leaves to them gets the root of
/// today, or the peaks were wrong.
///
/// # Errors
/// A tile cannot be read or has the wrong length.
///
/// # Panics
/// `past_size` is larger than `size`.
pub fn peaks_at(past_size: u64, size: u64, source: &mut impl TileSource) -> Result<Vec<Hash>, TileError> {
    let mut tree = NodeReader::new(size, source);
    let mut start = 0;
    let heights = (0..u64::BITS).rev().filter(|height| (past_size >> height) & 1 == 1);
    heights
        .map(|height| {
            let end = start + (1 << height);
            let peak = tree.subtree(start, end);
            start = end;
            peak
        })
        .collect()
}

/// Subtree hashes of a tree of one size; each tile is read once.
pub(crate) struct NodeReader<'s, S> {
    size: u64,
    source: &'s mut S,
    /// A proof needs at most two tiles of each level.
    tiles: BTreeMap<TileId, Vec<Hash>>,
}

impl<'s, S: TileSource> NodeReader<'s, S> {
    pub(crate) fn new(size: u64, source: &'s mut S) -> Self {
        Self { size, source, tiles: BTreeMap::new() }
    }

    /// The hash over leaves `start..end`, one of the subtrees RFC 6962 names:
    /// `start` is a multiple of the power of two that `end - start` rounds up to.
    pub(crate) fn subtree(&mut self, start: u64, end: u64) -> Result<Hash, TileError> {
        assert!(start <= end && end <= self.size, "a subtree lies within the tree");
        let mut at = end;
        let mut right = None;
        for height in (0..u64::BITS).filter(|height| ((end - start) >> height) & 1 == 1) {
            at -= 1 << height;
            let left = self.complete(height, at >> height)?;
            right = Some(right.map_or(left, |right| node_hash(&left, &right)));
        }
        Ok(right.unwrap_or_else(empty_root))
    }

    /// The hash of the `index`-th complete subtree of `2^height` leaves.
    fn complete(&mut self, height: u32, index: u64) -> Result<Hash, TileError> {
        let level = u8::try_from(height / TILE_HEIGHT).expect("a height is below 64");
        let span = 1usize << (height % TILE_HEIGHT);
        let first = index << (height % TILE_HEIGHT);
        let tile = TileId::in_tree(level, first >> TILE_HEIGHT, self.size)
            .expect("a complete subtree within the tree has a tile");
        let mut nodes = [Hash([0; HASH_BYTES]); TILE_HASHES];
        if !self.tiles.contains_key(&tile) {
            let hashes = read_tile(self.source, tile, &mut nodes)?.to_vec();
            self.tiles.insert(tile, hashes);
        }
        let offset = usize::try_from(first % 256).expect("a remainder of 256 fits");
        let hashes = self.tiles.get(&tile).and_then(|hashes| hashes.get(offset..offset + span));
        let hashes = hashes.expect("a complete subtree within the tree lies within one tile");
        let (nodes, _) = nodes.split_at_mut(span);
        nodes.copy_from_slice(hashes);
        Ok(fold_in_place(nodes).expect("a span is at least one hash"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::golden::{self, MemoryTiles};
    use crate::tree::Frontier;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Peaks of any earlier size, and every leaf after it, give today's root.
        #[test]
        fn peaks_and_the_later_leaves_are_the_tree(size in 1usize..1500, past: prop::sample::Index) {
            let leaves = golden::leaves(size);
            let past = past.index(size + 1);
            let mut tiles = MemoryTiles::of_size(size);
            let peaks = peaks_at(past as u64, size as u64, &mut tiles).unwrap();
            let mut frontier = Frontier::from_peaks(past as u64, peaks).unwrap();
            leaves.iter().skip(past).for_each(|leaf| frontier.append(*leaf));
            prop_assert_eq!(frontier.root(), root_at(size as u64, size as u64, &mut tiles).unwrap());
        }
    }
}
