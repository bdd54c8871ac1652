//! Reading tiles back: the one-verb contract of whoever keeps them, and the tree's hashes out of them.
//!
//! Nothing here trusts a tile. Every function either returns a root for the caller to compare with a
//! signed one, or feeds a proof that is verified before anyone sees it.

use std::collections::BTreeMap;

use super::{LEVELS, TILE_HEIGHT, TILE_WIDTH, TileBuilder, TileId, right_edge, tile_holding, tiles_for_size};
use crate::hash::{HASH_BYTES, Hash};
use crate::tree::{fold_peaks, root_of};

/// Whoever keeps the tiles: a directory, an object store, a map in memory, another log's URL.
pub trait TileSource {
    /// Why a tile could not be had.
    type Error: std::error::Error + 'static;

    /// Returns the bytes of a tile: `id.width()` hashes of 32 bytes.
    ///
    /// The full tile may be returned where a partial one is asked for (partial tiles may have been
    /// deleted); the hashes beyond the width are ignored. A missing tile is an error, never empty bytes.
    /// The bytes may be wrong: readers hash them up to a trusted root. The call may be repeated.
    fn tile(&mut self, id: TileId) -> Result<Vec<u8>, Self::Error>;
}

impl<S: TileSource + ?Sized> TileSource for &mut S {
    type Error = S::Error;

    fn tile(&mut self, id: TileId) -> Result<Vec<u8>, S::Error> {
        (**self).tile(id)
    }
}

/// Why the tree could not be read from its tiles. All but `Source` mean that the evidence is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError<E> {
    /// The tile could not be had; nothing is known about the tree.
    #[error("a tile could not be read")]
    Source(#[source] E),
    /// The tile has fewer hashes than it must, or bytes that are not hashes.
    #[error("{id} has {found} bytes instead of {}", id.hash_bytes())]
    TileLength {
        /// The tile.
        id: TileId,
        /// Its length as read.
        found: usize,
    },
    /// A stored tile is not the hash of the tiles below it.
    #[error("{id} is not what the level below hashes to")]
    TileMismatch {
        /// The upper tile.
        id: TileId,
    },
    /// The right edge does not hash to the root it should.
    #[error("the tiles of size {size} do not hash to the trusted root")]
    RootMismatch {
        /// The size whose right edge was read.
        size: u64,
    },
}

/// Reads one tile as exactly `id.width()` hashes.
pub(crate) fn read_tile<S: TileSource>(source: &mut S, id: TileId) -> Result<Vec<Hash>, ReadError<S::Error>> {
    let bytes = source.tile(id).map_err(ReadError::Source)?;
    let wrong_length = ReadError::TileLength { id, found: bytes.len() };
    let is_hashes = bytes.len().is_multiple_of(HASH_BYTES) && bytes.len() <= id.to_full().hash_bytes();
    match bytes.get(..id.hash_bytes()) {
        Some(wanted) if is_hashes => Ok(wanted.as_chunks().0.iter().copied().map(Hash::new).collect()),
        _ => Err(wrong_length),
    }
}

/// Root of the tree of `size` leaves as its right-edge tiles have it: at most eight reads.
///
/// This is the second path beside [`crate::Frontier::root`]. It says nothing about full tiles further
/// left: see [`verify_tiles`].
pub fn root_from_tiles<S: TileSource>(size: u64, source: &mut S) -> Result<Hash, ReadError<S::Error>> {
    Ok(TileBuilder::read(size, source)?.root())
}

/// Re-derives every tile of the tree of `size` leaves from its leaf hashes, compares each with the
/// stored one, and returns the root for the caller to compare with a signed one.
///
/// A checkpoint alone does not notice a wrong hash in an upper tile that is not on the right edge.
pub fn verify_tiles<S: TileSource>(size: u64, source: &mut S) -> Result<Hash, ReadError<S::Error>> {
    let mut builder = TileBuilder::new();
    for leaf_tile in tiles_for_size(size).take_while(|id| id.level() == 0) {
        builder.append(&read_tile(source, leaf_tile)?);
        check_upper(builder.take_completed(), source)?;
    }
    check_upper(builder.take_changed(), source)?;
    Ok(builder.root())
}

/// Compares derived tiles above level 0 with the stored ones.
fn check_upper<S: TileSource>(
    derived: Vec<(TileId, Vec<u8>)>,
    source: &mut S,
) -> Result<(), ReadError<S::Error>> {
    for (id, bytes) in derived.into_iter().filter(|(id, _)| id.level() > 0) {
        let stored = read_tile(source, id)?;
        if stored.iter().flat_map(Hash::as_bytes).ne(&bytes) {
            return Err(ReadError::TileMismatch { id });
        }
    }
    Ok(())
}

/// Reads the hashes of each level's right edge, empty where the size is a multiple of the level's span.
pub(super) fn read_right_edge<S: TileSource>(
    size: u64,
    source: &mut S,
) -> Result<[Vec<Hash>; LEVELS as usize], ReadError<S::Error>> {
    let mut levels: [Vec<Hash>; LEVELS as usize] = Default::default();
    for id in right_edge(size) {
        let level = levels.get_mut(usize::from(id.level())).expect("a right edge has eight levels at most");
        *level = read_tile(source, id)?;
    }
    Ok(levels)
}

/// Reads any subtree hash of a tree of a fixed size, each tile once.
pub(crate) struct NodeReader<'s, S> {
    source: &'s mut S,
    size: u64,
    /// At most two tiles per level in any one proof.
    tiles: BTreeMap<TileId, Vec<Hash>>,
}

impl<'s, S: TileSource> NodeReader<'s, S> {
    pub(crate) fn new(size: u64, source: &'s mut S) -> Self {
        Self { source, size, tiles: BTreeMap::new() }
    }

    /// `MTH(D[start : end])` where `start` is a multiple of the smallest power of two not below `end - start`,
    /// as for every subtree that RFC 6962 proofs name.
    pub(crate) fn subtree(&mut self, start: u64, end: u64) -> Result<Hash, ReadError<S::Error>> {
        assert!(start <= end && end <= self.size, "a subtree lies within the tree");
        let mut peaks = Vec::new();
        let mut at = end;
        for height in (0..u64::BITS).filter(|height| (end - start) >> height & 1 == 1) {
            at -= 1 << height;
            peaks.push(self.perfect(height, at >> height)?);
        }
        Ok(fold_peaks(peaks))
    }

    /// Root of the `node_idx`-th perfect subtree of 2^`height` leaves.
    fn perfect(&mut self, height: u32, node_idx: u64) -> Result<Hash, ReadError<S::Error>> {
        let level = u8::try_from(height / TILE_HEIGHT).expect("a height is below 64");
        let within = height % TILE_HEIGHT;
        let first = node_idx << within;
        let id = tile_holding(level, first, self.size);
        if !self.tiles.contains_key(&id) {
            self.tiles.insert(id, read_tile(self.source, id)?);
        }
        let offset = usize::try_from(first % u64::from(TILE_WIDTH)).expect("a remainder of 256");
        let span = self.tiles.get(&id).and_then(|tile| tile.get(offset..offset + (1 << within)));
        Ok(root_of(span.expect("a perfect subtree within the size lies within its tile")))
    }
}
