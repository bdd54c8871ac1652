//! Entry bundles: the entries under one tile of level 0, each with its length
//! in two bytes before it.
//!
//! ```text
//! { u16 length, big endian ‖ entry }  1 to 256 times
//! ```

use super::TILE_HASHES;

/// Longest entry a bundle can carry, by its two-byte length.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Why bytes are not a bundle, or entries do not fit one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// An entry is longer than its length field can say.
    #[error("entry {position} has {bytes} bytes, more than 65535")]
    EntryTooLong {
        /// Position of the entry in the bundle.
        position: usize,
        /// Its length.
        bytes: usize,
    },
    /// More entries than a tile has hashes.
    #[error("more than 256 entries in one bundle")]
    TooManyEntries,
    /// The bytes end inside an entry or its length.
    #[error("bundle ends inside entry {position}")]
    Truncated {
        /// Position of the entry in the bundle.
        position: usize,
    },
}

/// The bytes of a bundle.
///
/// # Errors
/// There are more than 256 entries, or one is longer than [`ENTRY_BYTES_MAX`].
pub fn encode_entries<E: AsRef<[u8]>>(entries: impl IntoIterator<Item = E>) -> Result<Vec<u8>, BundleError> {
    let mut bundle = Vec::new();
    for (position, entry) in entries.into_iter().enumerate() {
        if position == TILE_HASHES {
            return Err(BundleError::TooManyEntries);
        }
        let entry = entry.as_ref();
        let too_long = BundleError::EntryTooLong { position, bytes: entry.len() };
        let length = u16::try_from(entry.len()).map_err(|_| too_long)?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Ok(bundle)
}

/// The entries of a bundle, in order. The caller compares their number with
/// the width in the bundle's path, and their hashes with the tile.
///
/// # Errors
/// The bytes do not divide into entries, or there are more than 256.
pub fn decode_entries(bundle: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    let mut rest = bundle;
    while !rest.is_empty() {
        let position = entries.len();
        if position == TILE_HASHES {
            return Err(BundleError::TooManyEntries);
        }
        let (length, after) = rest.split_first_chunk().ok_or(BundleError::Truncated { position })?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(BundleError::Truncated { position })?;
        entries.push(entry);
        rest = after;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits_are_named() {
        assert_eq!(encode_entries([b"ab".as_slice(), b""]).unwrap(), b"\0\x02ab\0\0");
        assert!(encode_entries([vec![0; ENTRY_BYTES_MAX]]).is_ok());
        let error = BundleError::EntryTooLong { position: 0, bytes: 65_536 };
        assert_eq!(encode_entries([vec![0; ENTRY_BYTES_MAX + 1]]), Err(error));
        assert_eq!(encode_entries([b""; 257]), Err(BundleError::TooManyEntries));
        assert_eq!(decode_entries(&[0; 2 * 257]), Err(BundleError::TooManyEntries));
        assert_eq!(decode_entries(b"\0\x01a\0"), Err(BundleError::Truncated { position: 1 }));
        assert_eq!(decode_entries(b"\0\x02a"), Err(BundleError::Truncated { position: 0 }));
    }

    proptest! {
        #[test]
        fn round_trips(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..=256)) {
            let bundle = encode_entries(&entries).unwrap();
            prop_assert_eq!(decode_entries(&bundle).unwrap(), entries);
        }

        #[test]
        fn any_bytes_decode_to_themselves_or_not_at_all(bytes in prop::collection::vec(0u8..4, 0..64)) {
            if let Ok(entries) = decode_entries(&bytes) {
                prop_assert_eq!(encode_entries(entries).unwrap(), bytes);
            }
        }
    }
}
