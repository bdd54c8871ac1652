//! A small seeded generator: xoshiro256++ (Blackman and Vigna), filled by splitmix64.
//!
//! Nothing secret comes from here; the same seed gives the same world on every machine.

use std::fmt::Write;

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream of a seed and of a label within it, so that one part of the world does not shift another.
    pub(crate) fn new(seed: u64, label: u64) -> Self {
        let mut at = seed ^ label.wrapping_mul(0xd6e8_feb8_6659_fd93);
        Self { state: [(); 4].map(|()| splitmix64(&mut at)) }
    }

    /// 64 random bits.
    pub(crate) fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let (mut c, mut d) = (c ^ a, d ^ b);
        let result = a.wrapping_add(self.state[3]).rotate_left(23).wrapping_add(a);
        let (new_b, new_a) = (b ^ c, a ^ d);
        c ^= b << 17;
        d = d.rotate_left(45);
        self.state = [new_a, new_b, c, d];
        result
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("128 bits shifted by 64 leave 64")
    }

    /// A number from `low` up to and including `high`.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high.saturating_sub(low).unsigned_abs().saturating_add(1);
        low.saturating_add_unsigned(self.below(span))
    }

    /// Around `middle`, at most `spread` away, nearer values more often.
    pub(crate) fn around(&mut self, middle: i64, spread: i64) -> i64 {
        let sum: i64 = (0..3).map(|_| self.between(-spread, spread)).sum();
        middle + sum / 3
    }

    /// True in `per_mille` of 1,000 cases.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// One of `items`, which must not be empty.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let at = self.below(items.len().try_into().expect("a length has at most 64 bits"));
        let at = usize::try_from(at).expect("it is below a length");
        items.get(at).expect("callers pass a list with items")
    }

    /// A random GUID (RFC 9562 version 4).
    pub(crate) fn guid(&mut self) -> String {
        let version = (self.next() & !0xf000) | 0x4000;
        let variant = (self.next() >> 2) | (1 << 63);
        let (high, low) = (format!("{version:016x}"), format!("{variant:016x}"));
        let mut out = String::with_capacity(36);
        for (at, digit) in high.chars().chain(low.chars()).enumerate() {
            if matches!(at, 8 | 12 | 16 | 20) {
                out.push('-');
            }
            out.push(digit);
        }
        out
    }

    /// `digits` hexadecimal digits.
    pub(crate) fn hex(&mut self, digits: usize) -> String {
        let mut out = String::with_capacity(digits.next_multiple_of(16));
        while out.len() < digits {
            write!(out, "{:016x}", self.next()).expect("a String takes every text");
        }
        out.truncate(digits);
        out
    }
}

fn splitmix64(at: &mut u64) -> u64 {
    *at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *at;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xoshiro_gives_its_published_beginning() {
        // The vector of the rand_xoshiro crate for state 1, 2, 3, 4.
        let mut random = Random { state: [1, 2, 3, 4] };
        let want = [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386];
        assert_eq!(want.map(|_| random.next()), want);
    }

    #[test]
    fn numbers_stay_in_their_bounds() {
        let mut random = Random::new(7, 1);
        let mut seen = [0_u32; 5];
        for _ in 0..1000 {
            let number = random.between(-2, 2);
            seen[usize::try_from(number + 2).unwrap()] += 1;
            assert!((90..=110).contains(&random.around(100, 10)));
        }
        assert!(seen.iter().all(|&count| count > 100), "{seen:?}");
        let guid = random.guid();
        assert!(guid.len() == 36 && guid.as_bytes()[14] == b'4' && b"89ab".contains(&guid.as_bytes()[19]));
        assert_ne!(Random::new(7, 1).next(), Random::new(7, 2).next());
    }
}
