//! A blocked bloom filter over digests: nearly all lanes of a batch are new, and a run is not asked about them.

/// About 1 % of absent keys pass.
const BITS_PER_ENTRY: usize = 10;
const PROBES: u32 = 6;
/// Words of 64 bits in one block: a cache line.
const BLOCK_WORDS: usize = 8;

#[derive(Debug)]
pub(crate) struct Bloom {
    words: Vec<u64>,
}

impl Bloom {
    pub(crate) fn with_capacity(entries: usize) -> Self {
        let blocks = (entries * BITS_PER_ENTRY).div_ceil(64 * BLOCK_WORDS).max(1);
        Self { words: vec![0; blocks * BLOCK_WORDS] }
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let words = bytes.chunks_exact(8).filter_map(|word| word.first_chunk());
        Self { words: words.map(|word| u64::from_be_bytes(*word)).collect() }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// The word and bit of each probe. All of a key fall into one block.
    fn probes(&self, key: u64) -> impl Iterator<Item = (usize, u64)> + use<> {
        // The high bits of a key also order the run, so it is mixed once more (the finalizer of MurmurHash3).
        let mut hash = (key ^ (key >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 33;
        let blocks = (self.words.len() / BLOCK_WORDS).max(1) as u64;
        let block = usize::try_from(hash % blocks).unwrap_or_default();
        let bits = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        (0..PROBES).map(move |probe| {
            let at = (bits >> (probe * 9)) & 511;
            let word = usize::try_from(at / 64).unwrap_or_default();
            (block * BLOCK_WORDS + word, 1 << (at % 64))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_it_passes_and_little_else() {
        let key = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut bloom = Bloom::with_capacity(10_000);
        (0..10_000).for_each(|n| bloom.insert(key(n)));
        let bloom = Bloom::from_bytes(&bloom.to_bytes());
        assert!((0..10_000).all(|n| bloom.may_contain(key(n))));
        let passed = (10_000..110_000).filter(|n| bloom.may_contain(key(*n))).count();
        assert!(passed < 3_000, "{passed} of 100,000");
    }
}
