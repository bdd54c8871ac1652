//! Tile names: coordinates, paths, and which tiles a tree of some size has.
//! No contents.

use std::fmt;
use std::str::FromStr;

use super::{LEVELS, TILE_HASHES};
use crate::hash::HASH_BYTES;

/// The name of a tile. Ordered by level, then index, then width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// Level, 0 for leaf hashes; at most [`TileId::LEVEL_MAX`].
    pub level: u8,
    /// Position among the tiles of its level.
    pub index: u64,
    /// Hashes in the tile: 256 if full, 1 to 255 if partial.
    pub width: u16,
}

/// The path is not one that [`TileId::path`] or [`TileId::entries_path`] writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a tile path")]
pub struct TilePathError(pub String);

impl TileId {
    /// Width of a full tile.
    pub const FULL_WIDTH: u16 = 256;

    /// Largest level the specification lets a path have.
    pub const LEVEL_MAX: u8 = 63;

    /// The full tile at `index` of `level`.
    #[must_use]
    pub fn full(level: u8, index: u64) -> Self {
        Self { level, index, width: Self::FULL_WIDTH }
    }

    /// The tile at `index` of `level` in a tree of `size` leaves: full,
    /// partial, or `None` if the tree has no such tile.
    #[must_use]
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let hashes = level_width(level, size);
        let start = index.checked_mul(u64::from(Self::FULL_WIDTH))?;
        let here = hashes.checked_sub(start)?.min(u64::from(Self::FULL_WIDTH));
        let width = u16::try_from(here).ok().filter(|width| *width > 0)?;
        Some(Self { level, index, width })
    }

    /// Whether the tile has all its 256 hashes.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.width == Self::FULL_WIDTH
    }

    /// Bytes of the tile: 32 for each hash.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        usize::from(self.width) * HASH_BYTES
    }

    /// Path under the log's prefix, such as `tile/0/x001/x234/067.p/8`.
    #[must_use]
    pub fn path(&self) -> String {
        self.to_string()
    }

    /// Path of the entry bundle under a tile of level 0, such as
    /// `tile/entries/x001/x234/067.p/8`. The level is not looked at.
    #[must_use]
    pub fn entries_path(&self) -> String {
        let mut path = String::from("tile/entries/");
        self.write_position(&mut path).expect("writing to a String does not fail");
        path
    }

    /// The tile whose [`TileId::path`] is exactly `path`.
    ///
    /// # Errors
    /// There is none.
    pub fn parse(path: &str) -> Result<Self, TilePathError> {
        let tile = path.strip_prefix("tile/").and_then(|rest| {
            let (level, position) = rest.split_once('/')?;
            let level = level.parse().ok().filter(|level| *level <= Self::LEVEL_MAX)?;
            parse_position(level, position)
        });
        // Comparing with the written form rejects every second spelling.
        tile.filter(|tile| tile.path() == path).ok_or_else(|| TilePathError(path.to_owned()))
    }

    /// The level-0 tile whose [`TileId::entries_path`] is exactly `path`.
    ///
    /// # Errors
    /// There is none.
    pub fn parse_entries(path: &str) -> Result<Self, TilePathError> {
        let tile = path.strip_prefix("tile/entries/").and_then(|position| parse_position(0, position));
        tile.filter(|tile| tile.entries_path() == path).ok_or_else(|| TilePathError(path.to_owned()))
    }

    fn write_position(&self, out: &mut impl fmt::Write) -> fmt::Result {
        write_thousands(out, self.index / 1000)?;
        write!(out, "{:03}", self.index % 1000)?;
        if !self.is_full() {
            write!(out, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        self.write_position(f)
    }
}

impl FromStr for TileId {
    type Err = TilePathError;

    fn from_str(path: &str) -> Result<Self, TilePathError> {
        Self::parse(path)
    }
}

/// All tiles of a tree of `size` leaves, level by level from the leaves up:
/// the full ones, then the one partial tile a level may end in.
pub fn tiles_of_size(size: u64) -> impl Iterator<Item = TileId> {
    (0u8..).take(LEVELS).flat_map(move |level| {
        let n_tiles = level_width(level, size).div_ceil(u64::from(TileId::FULL_WIDTH));
        (0..n_tiles).filter_map(move |index| TileId::in_tree(level, index, size))
    })
}

/// Hashes at `level` in a tree of `size` leaves: `floor(size / 256^level)`.
pub(super) fn level_width(level: u8, size: u64) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

fn write_thousands(out: &mut impl fmt::Write, thousands: u64) -> fmt::Result {
    if thousands == 0 {
        return Ok(());
    }
    write_thousands(out, thousands / 1000)?;
    write!(out, "x{:03}/", thousands % 1000)
}

fn parse_position(level: u8, position: &str) -> Option<TileId> {
    let (index, width) = match position.split_once(".p/") {
        Some((index, width)) => (index, width.parse().ok()?),
        None => (position, TileId::FULL_WIDTH),
    };
    if width == 0 || usize::from(width) > TILE_HASHES {
        return None;
    }
    let index = index.split('/').try_fold(0u64, |index, group| {
        let digits = group.strip_prefix('x').unwrap_or(group);
        index.checked_mul(1000)?.checked_add(digits.parse().ok()?)
    })?;
    Some(TileId { level, index, width })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_of_the_specification() {
        let check = |level, index, width, path: &str| {
            let id = TileId { level, index, width };
            assert_eq!(id.path(), path);
            assert_eq!(TileId::parse(path), Ok(id));
        };
        check(0, 0, 256, "tile/0/000");
        check(0, 1_234_067, 256, "tile/0/x001/x234/067");
        check(0, 1_234_067, 8, "tile/0/x001/x234/067.p/8");
        check(0, 273, 112, "tile/0/273.p/112");
        check(1, 1, 17, "tile/1/001.p/17");
        check(63, 1_000, 256, "tile/63/x001/000");
        check(2, u64::MAX, 1, "tile/2/x018/x446/x744/x073/x709/x551/615.p/1");
        let entries = TileId { level: 0, index: 1_234_067, width: 9 };
        assert_eq!(entries.entries_path(), "tile/entries/x001/x234/067.p/9");
        assert_eq!(TileId::parse_entries("tile/entries/x001/x234/067.p/9"), Ok(entries));
    }

    #[test]
    fn second_spellings_are_rejected() {
        for path in [
            "",
            "tile/0/",
            "tile/0/0",
            "tile/00/000",
            "tile/64/000",
            "tile/+1/000",
            "tile/0/x000/001",
            "tile/0/001/x002",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/1000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/257",
            "tile/0/000.p/01",
            "tile/0/000.p/1/",
            "tile/0/000.p/",
            "/tile/0/000",
            "tile/-1/000",
            "tile/entries/000",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/+00",
        ] {
            assert_eq!(TileId::parse(path), Err(TilePathError(path.to_owned())));
        }
        assert!(TileId::parse_entries("tile/0/000").is_err());
        assert!(TileId::parse_entries("tile/entries/000.p/256").is_err());
    }

    #[test]
    fn tiles_of_70_000() {
        let tiles: Vec<_> = tiles_of_size(70_000).collect();
        let full = |level| tiles.iter().filter(|tile| tile.level == level && tile.is_full()).count();
        assert_eq!((full(0), full(1), full(2)), (273, 1, 0));
        let partial: Vec<_> = tiles.iter().filter(|tile| !tile.is_full()).map(TileId::path).collect();
        assert_eq!(partial, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
        assert_eq!(tiles_of_size(0).count(), 0);
        assert_eq!(
            tiles_of_size(256).map(|tile| tile.path()).collect::<Vec<_>>(),
            ["tile/0/000", "tile/1/000.p/1"]
        );
    }

    proptest! {
        #[test]
        fn path_round_trips(level in 0u8..64, index: u64, width in 1u16..=256) {
            let id = TileId { level, index, width };
            prop_assert_eq!(id.path().parse(), Ok(id));
            let bundle = TileId { level: 0, ..id };
            prop_assert_eq!(TileId::parse_entries(&bundle.entries_path()), Ok(bundle));
        }

        #[test]
        fn any_text_parses_to_itself_or_not_at_all(path in "tile/[0-9x]{1,2}/[0-9x/.p+]{0,16}") {
            if let Ok(id) = TileId::parse(&path) {
                prop_assert_eq!(id.path(), path);
            }
        }
    }
}
