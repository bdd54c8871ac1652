//! Checking every stored tile of a tree against the level below it.
//!
//! This finds a bit flipped in any upper tile, which re-deriving the root from
//! entries alone does not. Entries are not read: hashing them against level 0
//! is the caller's part.

use super::builder::root_from_edges;
use super::id::level_width;
use super::{LEVELS, TILE_HASHES, TileError, TileId, TileSource, read_tile};
use crate::hash::{HASH_BYTES, Hash};
use crate::tree::fold_in_place;

/// Reads every tile of a tree of `size` leaves once, in the order of the
/// leaves, holding one tile per level (64 KiB); returns the root.
///
/// The right edge of level 0 is hashed by no other tile, so a change there
/// shows only in the root: **compare it with a signed checkpoint**.
///
/// # Errors
/// A tile cannot be read, is too short or long, or contradicts the tile below
/// or above it. The error names the tiles.
pub fn check_tiles(size: u64, source: &mut impl TileSource) -> Result<Hash, TileError> {
    let mut check = Check { size, source, current: std::array::from_fn(|_| CurrentTile::default()) };
    for index in 0..level_width(1, size) {
        let leaves = TileId::full(0, index);
        check.load(leaves)?;
        check.climb(leaves)?;
    }
    for (level, index) in (0u8..).take(LEVELS).map(|level| (level, level_width(level, size) >> 8)) {
        // Upper right-edge tiles were loaded with the first tile below them.
        match TileId::in_tree(level, index, size) {
            Some(edge) if level == 0 => check.load(edge)?,
            Some(_) => {}
            None => check.clear(level),
        }
    }
    Ok(root_from_edges(check.current.iter().map(CurrentTile::hashes)))
}

struct Check<'s, S> {
    size: u64,
    source: &'s mut S,
    /// The tile being compared at each level, the leaves first.
    current: [CurrentTile; LEVELS],
}

struct CurrentTile {
    hashes: Box<[Hash; TILE_HASHES]>,
    width: usize,
}

impl Default for CurrentTile {
    fn default() -> Self {
        Self { hashes: Box::new([Hash([0; HASH_BYTES]); TILE_HASHES]), width: 0 }
    }
}

impl CurrentTile {
    fn hashes(&self) -> &[Hash] {
        self.hashes.split_at(self.width).0
    }
}

impl<S: TileSource> Check<'_, S> {
    fn tile(&mut self, level: u8) -> &mut CurrentTile {
        self.current.get_mut(usize::from(level)).expect("a tree of 64-bit size has no higher tiles")
    }

    fn clear(&mut self, level: u8) {
        self.tile(level).width = 0;
    }

    fn load(&mut self, id: TileId) -> Result<(), TileError> {
        let current =
            self.current.get_mut(usize::from(id.level)).expect("a tree of 64-bit size has no higher tiles");
        current.width = read_tile(self.source, id, &mut current.hashes)?.len();
        Ok(())
    }

    /// Compares the full tile `child`, which is loaded, with its hash in the
    /// level above; if that completes the upper tile, goes on with it.
    fn climb(&mut self, mut child: TileId) -> Result<(), TileError> {
        while child.is_full() {
            let hash = fold_in_place(self.tile(child.level).hashes.as_mut_slice());
            let (index, slot) = (child.index / 256, child.index % 256);
            let parent = TileId::in_tree(child.level + 1, index, self.size)
                .expect("a full tile has a hash in the level above");
            if slot == 0 {
                self.load(parent)?;
            }
            let slot = u16::try_from(slot).expect("a remainder of 256 fits");
            if self.tile(parent.level).hashes().get(usize::from(slot)) != hash.as_ref() {
                return Err(TileError::Mismatch { parent, slot, child });
            }
            if slot + 1 < parent.width {
                return Ok(());
            }
            child = parent;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::golden::{self, MemoryTiles};
    use crate::tree::root_of;

    #[test]
    fn golden_roots() {
        let mut tiles = MemoryTiles::of_size(70_000);
        for (size, root) in golden::ROOTS {
            assert_eq!(check_tiles(*size, &mut tiles).unwrap().to_string(), *root, "size {size}");
        }
    }

    #[test]
    fn every_tile_is_read_once() {
        struct Counting(MemoryTiles, Vec<TileId>);
        impl TileSource for Counting {
            type Error = String;
            fn read(&mut self, id: TileId) -> Result<Vec<u8>, String> {
                self.1.push(id);
                self.0.read(id)
            }
        }
        for size in [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 66_000] {
            let mut source = Counting(MemoryTiles::of_size(size), Vec::new());
            check_tiles(u64::try_from(size).unwrap(), &mut source).unwrap();
            source.1.sort();
            let expected: Vec<_> = crate::tile::tiles_of_size(u64::try_from(size).unwrap()).collect();
            assert_eq!(source.1, expected, "size {size}");
        }
    }

    /// A changed tile is named, or, at the right edge of the leaves, shows in the root.
    fn assert_found(tiles: &mut MemoryTiles, size: u64, root: Hash, changed: TileId) {
        match check_tiles(size, tiles) {
            Ok(found) => {
                assert_ne!(found, root, "{changed}");
                assert!(changed.level == 0 && !changed.is_full(), "{changed} was not named");
            }
            Err(TileError::Mismatch { parent, child, .. }) => {
                assert!(changed == parent || changed == child, "{changed}: {parent}, {child}");
            }
            Err(TileError::Length { tile, .. } | TileError::Read { tile, .. }) => assert_eq!(tile, changed),
        }
    }

    #[test]
    fn one_flipped_byte_in_each_tile_of_70_000_is_found() {
        let size = 70_000;
        let mut tiles = MemoryTiles::of_size(size);
        let root = root_of(&golden::leaves(size));
        let ids: Vec<_> = tiles.0.keys().copied().filter(|id| id.level > 0 || id.index % 31 == 0).collect();
        for id in ids.into_iter().chain([TileId { level: 0, index: 273, width: 112 }]) {
            let middle = id.byte_len() / 2;
            tiles.0.get_mut(&id).unwrap()[middle] ^= 0x40;
            assert_found(&mut tiles, 70_000, root, id);
            tiles.0.get_mut(&id).unwrap()[middle] ^= 0x40;
        }
        assert_eq!(check_tiles(70_000, &mut tiles).unwrap(), root);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_flipped_byte_is_found(size in 1usize..1500, tile: prop::sample::Index, byte: prop::sample::Index, mask in 1u8..) {
            let mut tiles = MemoryTiles::of_size(size);
            let root = root_of(&golden::leaves(size));
            let id = *tile.get(&tiles.0.keys().copied().collect::<Vec<_>>());
            *tiles.0.get_mut(&id).unwrap().get_mut(byte.index(id.byte_len())).unwrap() ^= mask;
            assert_found(&mut tiles, u64::try_from(size).unwrap(), root, id);
        }

        #[test]
        fn a_tile_of_wrong_length_is_named(size in 1usize..1500, tile: prop::sample::Index, missing in any::<bool>()) {
            let mut tiles = MemoryTiles::of_size(size);
            let root = root_of(&golden::leaves(size));
            let id = *tile.get(&tiles.0.keys().copied().collect::<Vec<_>>());
            if missing {
                tiles.0.remove(&id);
            } else {
                tiles.0.get_mut(&id).unwrap().pop();
            }
            assert_found(&mut tiles, u64::try_from(size).unwrap(), root, id);
        }
    }
}
