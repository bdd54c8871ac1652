//! Tiles after `c2sp.org/tlog-tiles`: names, paths, contents.
//!
//! A tile at level `l` holds up to 256 hashes of subtrees of `256^l` leaves:
//!
//! ```text
//! tile/<L>/<N>[.p/<W>]         hashes, 32 bytes each
//! tile/entries/<N>[.p/<W>]     the entries under tile <N> of level 0
//! ```
//!
//! Nothing here opens a file or a connection; [`TileSource`] is the seam, and
//! what it returns is not trusted: see [`check_tiles`].

mod builder;
mod bundle;
mod check;
mod id;
mod node;

pub use builder::TileBuilder;
pub use bundle::{BundleError, ENTRY_BYTES_MAX, decode_entries, encode_entries};
pub use check::check_tiles;
pub use id::{TileId, TilePathError, tiles_of_size};
pub(crate) use node::NodeReader;
pub use node::{peaks_at, root_at};

use crate::hash::{HASH_BYTES, Hash};

/// Tile levels a tree of fewer than 2^64 leaves can have: 256^8 = 2^64.
pub const LEVELS: usize = 8;

/// Hashes in a full tile.
pub(crate) const TILE_HASHES: usize = 256;

/// Any error of a [`TileSource`], boxed.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Where tiles are read from: a folder, a bucket, an HTTP mirror, memory.
pub trait TileSource {
    /// What can go wrong while reading; a `String` will do.
    type Error: Into<SourceError>;

    /// Returns exactly the `id.width` hashes of the tile, `id.byte_len()`
    /// bytes.
    ///
    /// A source that no longer has a partial tile must answer from the wider
    /// or full tile that superseded it, cut to `id.width`. Reading twice gives
    /// the same bytes: tiles never change.
    ///
    /// # Errors
    /// The tile cannot be read, now or ever; callers do not retry.
    fn read(&mut self, id: TileId) -> Result<Vec<u8>, Self::Error>;
}

impl<S: TileSource + ?Sized> TileSource for &mut S {
    type Error = S::Error;

    fn read(&mut self, id: TileId) -> Result<Vec<u8>, Self::Error> {
        (**self).read(id)
    }
}

/// Why tiles are not those of a tree.
#[derive(Debug, thiserror::Error)]
pub enum TileError {
    /// The source could not deliver the tile.
    #[error("{tile} cannot be read")]
    Read {
        /// The tile that was asked for.
        tile: TileId,
        /// What the source said.
        source: SourceError,
    },
    /// The tile does not hold as many hashes as its name says.
    #[error("{tile} has {bytes} bytes instead of {}", tile.byte_len())]
    Length {
        /// The tile that was asked for.
        tile: TileId,
        /// Bytes that came.
        bytes: usize,
    },
    /// A hash in an upper tile is not the hash of the tile below it: one of
    /// the two was changed, and only the entries can tell which.
    #[error("hash {slot} of {parent} is not the hash of {child}")]
    Mismatch {
        /// The upper tile.
        parent: TileId,
        /// Position of the hash in the upper tile.
        slot: u16,
        /// The full tile below.
        child: TileId,
    },
}

/// Reads a tile into the front of `buffer`; returns the filled part.
pub(crate) fn read_tile<'b, S: TileSource + ?Sized>(
    source: &mut S,
    tile: TileId,
    buffer: &'b mut [Hash; TILE_HASHES],
) -> Result<&'b mut [Hash], TileError> {
    let bytes = source.read(tile).map_err(|error| TileError::Read { tile, source: error.into() })?;
    if bytes.len() != tile.byte_len() {
        return Err(TileError::Length { tile, bytes: bytes.len() });
    }
    for (hash, chunk) in buffer.iter_mut().zip(bytes.as_chunks::<HASH_BYTES>().0) {
        *hash = Hash(*chunk);
    }
    let (filled, _) = buffer.split_at_mut(usize::from(tile.width).min(TILE_HASHES));
    Ok(filled)
}

/// The bytes of a tile.
fn encode_tile(hashes: &[Hash]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(hashes.len() * HASH_BYTES);
    for hash in hashes {
        bytes.extend_from_slice(&hash.0);
    }
    bytes
}
