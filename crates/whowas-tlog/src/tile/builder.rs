//! Growing a log: leaf hashes in, changed tiles and the root out.
//!
//! The root is computed from the tiles, by another way than
//! [`crate::tree::Frontier`] takes, so that a writer can compare both before
//! it signs: one flipped bit must not be signed.

use super::id::level_width;
use super::{LEVELS, TILE_HASHES, TileError, TileId, TileSource, encode_tile, read_tile};
use crate::hash::{HASH_BYTES, Hash, empty_root};
use crate::tree::fold_in_place;

/// The right-edge tiles of a growing tree, at most 8 KiB per level.
///
/// A clone is a draft: append to it, and drop it if the commit fails.
#[derive(Debug, Clone, Default)]
pub struct TileBuilder {
    size: u64,
    edges: [Edge; LEVELS],
    completed: Vec<(TileId, Vec<u8>)>,
}

/// The last tile of one level; never full.
#[derive(Debug, Clone, Default)]
struct Edge {
    index: u64,
    hashes: Vec<Hash>,
    changed: bool,
}

impl TileBuilder {
    /// The log without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up a log of `size` entries by reading its partial tiles, one per
    /// level. They are not verified: compare [`TileBuilder::root`] with the
    /// signed checkpoint. Nothing counts as changed.
    ///
    /// # Errors
    /// A right-edge tile cannot be read or has the wrong length.
    pub fn restore(size: u64, source: &mut impl TileSource) -> Result<Self, TileError> {
        let mut builder = Self { size, ..Self::default() };
        let mut buffer = [Hash([0; HASH_BYTES]); TILE_HASHES];
        for (level, edge) in (0u8..).zip(&mut builder.edges) {
            edge.index = level_width(level, size) / u64::from(TileId::FULL_WIDTH);
            if let Some(tile) = TileId::in_tree(level, edge.index, size) {
                edge.hashes = read_tile(source, tile, &mut buffer)?.to_vec();
            }
        }
        Ok(builder)
    }

    /// Adds leaf hashes at the right.
    pub fn append(&mut self, leaves: &[Hash]) {
        for leaf in leaves {
            self.push(*leaf);
        }
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree, computed from the right-edge tiles; of the empty
    /// tree, [`empty_root`].
    #[must_use]
    pub fn root(&self) -> Hash {
        root_from_edges(self.edges.iter().map(|edge| edge.hashes.as_slice()))
    }

    /// What must be stored: the full tiles completed since the last call, and
    /// the right-edge partial tiles that changed since then, in the order
    /// they may be written (a tile never precedes those it hashes).
    pub fn take_changed(&mut self) -> Vec<(TileId, Vec<u8>)> {
        let mut tiles = std::mem::take(&mut self.completed);
        for (level, edge) in (0u8..).zip(&mut self.edges) {
            if std::mem::take(&mut edge.changed) {
                tiles.extend(edge.tile(level));
            }
        }
        tiles
    }

    /// All right-edge partial tiles, changed or not, from the leaves up.
    #[must_use]
    pub fn right_edge(&self) -> Vec<(TileId, Vec<u8>)> {
        (0u8..).zip(&self.edges).filter_map(|(level, edge)| edge.tile(level)).collect()
    }

    fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for (level, edge) in (0u8..).zip(&mut self.edges) {
            edge.hashes.push(hash);
            edge.changed = true;
            if edge.hashes.len() < TILE_HASHES {
                break;
            }
            self.completed.push((TileId::full(level, edge.index), encode_tile(&edge.hashes)));
            // Folding destroys the tile, which is already on its way out.
            hash = fold_in_place(&mut edge.hashes).expect("a full tile has hashes");
            *edge = Edge { index: edge.index + 1, hashes: std::mem::take(&mut edge.hashes), changed: false };
            edge.hashes.clear();
        }
        self.size = self.size.checked_add(1).expect("2^64 leaves cannot have been hashed");
    }
}

impl Edge {
    /// The tile as it is now, or `None` if it is empty: empty tiles do not exist.
    fn tile(&self, level: u8) -> Option<(TileId, Vec<u8>)> {
        let width = u16::try_from(self.hashes.len()).ok().filter(|width| *width > 0)?;
        Some((TileId { level, index: self.index, width }, encode_tile(&self.hashes)))
    }
}

/// Root of a tree from its right-edge tiles, leaves first. What is left over
/// at one level is a smaller subtree to the right of the next level's hashes.
pub(super) fn root_from_edges<'e>(edges: impl Iterator<Item = &'e [Hash]>) -> Hash {
    let mut right = None;
    let mut nodes = Vec::with_capacity(TILE_HASHES);
    for edge in edges {
        nodes.clear();
        nodes.extend_from_slice(edge);
        nodes.extend(right);
        right = fold_in_place(&mut nodes);
    }
    right.unwrap_or_else(empty_root)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::golden::{self, MemoryTiles};
    use crate::tile::tiles_of_size;
    use crate::tree::root_of;

    #[test]
    fn golden_roots_and_tiles() {
        let leaves = golden::leaves(70_000);
        for (size, root) in golden::ROOTS {
            let mut builder = TileBuilder::new();
            builder.append(&leaves[..usize::try_from(*size).unwrap()]);
            assert_eq!(builder.root().to_string(), *root, "size {size}");
            let mut ids: Vec<_> = builder.take_changed().into_iter().map(|(id, _)| id).collect();
            ids.sort();
            assert_eq!(ids, tiles_of_size(*size).collect::<Vec<_>>());
            assert!(builder.take_changed().is_empty());
        }
    }

    #[test]
    fn an_unchanged_partial_is_not_taken_again() {
        let mut builder = TileBuilder::new();
        builder.append(&golden::leaves(300));
        builder.take_changed();
        builder.append(&golden::leaves(1));
        let paths: Vec<_> = builder.take_changed().iter().map(|(id, _)| id.path()).collect();
        assert_eq!(paths, ["tile/0/001.p/45"]);
        let edge: Vec<_> = builder.right_edge().iter().map(|(id, _)| id.path()).collect();
        assert_eq!(edge, ["tile/0/001.p/45", "tile/1/000.p/1"]);
    }

    #[test]
    fn restore_names_the_missing_or_short_tile() {
        let mut tiles = MemoryTiles::of_size(300);
        let edge = TileId { level: 0, index: 1, width: 44 };
        tiles.0.get_mut(&edge).unwrap().pop();
        let error = TileBuilder::restore(300, &mut tiles).unwrap_err();
        assert_eq!(error.to_string(), "tile/0/001.p/44 has 1407 bytes instead of 1408");
        tiles.0.remove(&edge);
        let error = TileBuilder::restore(300, &mut tiles).unwrap_err();
        assert_eq!(error.to_string(), "tile/0/001.p/44 cannot be read");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_split_and_restart_equals_one_batch(splits in prop::collection::vec((0usize..700, any::<bool>()), 0..6)) {
            let leaves = golden::leaves(splits.iter().map(|(n, _)| n).sum());
            let mut builder = TileBuilder::new();
            let mut tiles = MemoryTiles::default();
            let mut rest = leaves.as_slice();
            for (n, restart) in splits {
                let (batch, later) = rest.split_at(n);
                rest = later;
                builder.append(batch);
                tiles.0.extend(builder.take_changed());
                if restart {
                    builder = TileBuilder::restore(builder.size(), &mut tiles).unwrap();
                }
            }
            prop_assert_eq!(builder.root(), root_of(&leaves));
            let expected = MemoryTiles::of_size(leaves.len());
            for (id, bytes) in &expected.0 {
                prop_assert_eq!(tiles.0.get(id), Some(bytes));
            }
        }
    }
}
