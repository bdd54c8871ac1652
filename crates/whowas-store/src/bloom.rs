//! The filter in front of a run of the seen index: whether a key may be in it.
//!
//! Not the filters of archive files, which are Parquet's.

/// About 1 % of absent keys pass the filter.
const BLOOM_BITS_PER_ENTRY: usize = 10;
const BLOOM_PROBES: u32 = 6;
/// Words of 64 bits in one block of the filter: a cache line.
const BLOOM_BLOCK_WORDS: usize = 8;

/// A blocked bloom filter: all probes of a key fall into one cache line.
#[derive(Debug)]
pub(crate) struct Bloom {
    pub(crate) words: Vec<u64>,
}

impl Bloom {
    pub(crate) fn with_capacity(entries: usize) -> Self {
        let blocks = (entries * BLOOM_BITS_PER_ENTRY).div_ceil(64 * BLOOM_BLOCK_WORDS).max(1);
        Self { words: vec![0; blocks * BLOOM_BLOCK_WORDS] }
    }

    /// The word and bit of each probe. The key is a digest, but its high bits also order the run, so it is
    /// mixed once more (the finalizer of MurmurHash3).
    fn probes(&self, key: u64) -> impl Iterator<Item = (usize, u64)> + use<> {
        let mut hash = (key ^ (key >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 33;
        let blocks = (self.words.len() / BLOOM_BLOCK_WORDS).max(1) as u64;
        let block = usize::try_from(hash % blocks).expect("a block number is below the number of words");
        let bits = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        (0..BLOOM_PROBES).map(move |probe| {
            let at = (bits >> (probe * 9)) & 511;
            let word = usize::try_from(at / 64).expect("below eight");
            (block * BLOOM_BLOCK_WORDS + word, 1 << (at % 64))
        })
    }

    pub(crate) fn insert(&mut self, key: u64) {
        for (word, bit) in self.probes(key) {
            if let Some(word) = self.words.get_mut(word) {
                *word |= bit;
            }
        }
    }

    pub(crate) fn may_contain(&self, key: u64) -> bool {
        self.probes(key).all(|(word, bit)| self.words.get(word).is_some_and(|word| word & bit != 0))
    }
}
