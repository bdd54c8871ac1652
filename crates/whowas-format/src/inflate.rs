//! Compressed bodies of requests, whole and bounded. Files and streams are opened by [`crate::container`].

use std::io::Read;

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};

use crate::container::{RATIO_FREE_BYTES, RATIO_MAX};

/// Why a body does not come out of its compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// The data is damaged or cut off.
    #[error("the compressed body is damaged or cut off")]
    Broken,
    /// More would come out than is taken.
    #[error("more than {0} bytes come out of the compressed body: send smaller batches")]
    TooLarge(usize),
    /// Only a bomb compresses so well.
    #[error(
        "more than {RATIO_MAX} bytes come out of each byte of the compressed body: is it a decompression bomb?"
    )]
    Bomb,
}

/// How much is decompressed at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// What comes out of gzip, or of zlib (which HTTP calls `deflate`), up to `bytes_max`.
pub fn inflate(compressed: &[u8], is_gzip: bool, bytes_max: usize) -> Result<Vec<u8>, InflateError> {
    if is_gzip {
        bounded(MultiGzDecoder::new(compressed), |inner| inner.get_ref().len(), compressed.len(), bytes_max)
    } else {
        bounded(ZlibDecoder::new(compressed), |inner| inner.get_ref().len(), compressed.len(), bytes_max)
    }
}

/// The beginning of what comes out, if so much is there: to look at before the rest is worth it.
pub fn inflated_beginning(compressed: &[u8], is_gzip: bool, bytes_max: usize) -> Vec<u8> {
    let mut out = Vec::new();
    // What is damaged shows when the whole is read.
    let limit = bytes_max as u64;
    let _ = if is_gzip {
        MultiGzDecoder::new(compressed).take(limit).read_to_end(&mut out)
    } else {
        ZlibDecoder::new(compressed).take(limit).read_to_end(&mut out)
    };
    out
}

/// Reads all of a decompressor; `left` tells how many bytes it has not taken yet.
fn bounded<D: Read>(
    mut inner: D,
    left: impl Fn(&D) -> usize,
    compressed_bytes: usize,
    bytes_max: usize,
) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::new();
    loop {
        let read = (&mut inner).take(CHUNK_BYTES as u64).read_to_end(&mut out);
        if read.map_err(|_| InflateError::Broken)? == 0 {
            return Ok(out);
        }
        // By what was taken so far: a ratio to all of it would let the beginning of a bomb through.
        let taken = compressed_bytes.saturating_sub(left(&inner)) as u64;
        let ratio = out.len() as u64 / taken.max(1);
        if out.len() as u64 > RATIO_FREE_BYTES && ratio > RATIO_MAX {
            return Err(InflateError::Bomb);
        }
        if out.len() > bytes_max {
            return Err(InflateError::TooLarge(bytes_max));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder, write::ZlibEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::default());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn bodies_come_out_within_bounds() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let packed = gzip(&text);
        assert_eq!(inflate(&packed, true, text.len()).as_deref(), Ok(&text[..]));
        assert_eq!(inflate(&packed, true, text.len() - 1), Err(InflateError::TooLarge(text.len() - 1)));
        assert_eq!(inflate(&packed[..packed.len() / 2], true, text.len()), Err(InflateError::Broken));
        assert_eq!(inflate(b"no gzip", true, 100), Err(InflateError::Broken));
        assert_eq!(inflated_beginning(&packed, true, 100), text[..100]);
        assert_eq!(inflated_beginning(&packed[..packed.len() / 2], true, 100), text[..100]);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(b"hello").unwrap();
        assert_eq!(inflate(&zlib.finish().unwrap(), false, 5).as_deref(), Ok(&b"hello"[..]));
        let twice = [gzip(b"one"), gzip(b"two")].concat();
        assert_eq!(inflate(&twice, true, 6).as_deref(), Ok(&b"onetwo"[..]), "gzip may have members");
    }

    #[test]
    fn a_bomb_is_refused_early() {
        let bomb = gzip(&vec![0; 8 * 1024 * 1024]);
        let begun = std::time::Instant::now();
        assert_eq!(inflate(&bomb, true, usize::MAX), Err(InflateError::Bomb));
        assert!(begun.elapsed() < std::time::Duration::from_secs(1));
    }
}
