//! The golden log shared by all tests of the crate: roots cross-checked by
//! independent implementations, and a tile source in memory.

use std::collections::BTreeMap;

use crate::hash::{Hash, leaf_hash};
use crate::tile::{TileBuilder, TileId, TileSource};

/// Roots of the golden log, ascending by size.
pub(crate) const ROOTS: &[(u64, &str)] = &[
    (0, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    (1, "3CEd4+cPiPfpHSL0ZqYiFmYNzYyT2sYLcLxgNLp2Pic="),
    (3, "wgpti8bKWazKZrq/fozic/XkTZfTvVqIJLRnbTm+Ro0="),
    (256, "Yms4bbCgQw3m0U4FUEdNN9sGxvs9odUrLa0/aa5kxmA="),
    (257, "5uNJH6LaQI1jqpV7OE8+6q72/Sb1pofJGebiDcIKMng="),
    (1_235, "4FTmKIeL2lYYkg+WqnN0KJkevf78HJ//fx/6qrOrfos="),
    (70_000, "2IFDaEWDM4+oxW7itddErwYCjfRykgECC1/r3RUBmac="),
];

/// Verifier key of the golden log.
pub(crate) const VKEY: &str = "audit.example/log1+f9bb2e7f+Af1NVMGy1/UbffzJQ6ICSclpG+Cp8uyYKoBjCRex58VU";

/// The signed checkpoint of size 1,235.
pub(crate) const NOTE_1235: &str = "audit.example/log1\n1235\n4FTmKIeL2lYYkg+WqnN0KJkevf78HJ//fx/6qrOrfos=\n\n\
— audit.example/log1 +bsuf9ywO/9TU+WjCte3ryGe7CW861G/Y6E0nKdc66zJDCL5Jeex4ktFkr7anZLvBbDbysb8emj7itnd52+lwW9W1Ac=\n";

/// The signed checkpoint of size 70,000.
pub(crate) const NOTE_70000: &str = "audit.example/log1\n70000\n2IFDaEWDM4+oxW7itddErwYCjfRykgECC1/r3RUBmac=\n\n\
— audit.example/log1 +bsuf1tpAUv4FHsF49zBxjFeU7d9Je9J1O8Pl2mSGsnG3mop7BQqUiZrzz2BEwOOer9qWvsKBqOCpJ0RgAkkLZEEqgM=\n";

/// Entry `i` of the golden log.
pub(crate) fn entry(i: usize) -> Vec<u8> {
    format!("{{\"i\": {i}, \"user\": \"u{}\", \"ev\": \"login\"}}", i % 97).into_bytes()
}

/// The first `size` leaf hashes of the golden log.
pub(crate) fn leaves(size: usize) -> Vec<Hash> {
    (0..size).map(|i| leaf_hash(&entry(i))).collect()
}

/// Tiles by id. A partial tile that is missing is cut from a wider one, as a
/// server that deleted superseded partials would.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryTiles(pub(crate) BTreeMap<TileId, Vec<u8>>);

impl MemoryTiles {
    /// All tiles of the golden log at `size`.
    pub(crate) fn of_size(size: usize) -> Self {
        let mut builder = TileBuilder::new();
        builder.append(&leaves(size));
        Self(builder.take_changed().into_iter().collect())
    }
}

impl TileSource for MemoryTiles {
    type Error = String;

    fn read(&mut self, id: TileId) -> Result<Vec<u8>, String> {
        let wider = (id.width..=TileId::FULL_WIDTH).find_map(|width| self.0.get(&TileId { width, ..id }));
        let bytes = wider.ok_or_else(|| format!("no {id}"))?;
        Ok(bytes.iter().take(id.byte_len()).copied().collect())
    }
}
