//! A set of positions of one trail, a bit for each. Pure.

/// Positions lie close together, so the set spans from the first to the last: at most an eighth of the tree's size in
/// bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Positions {
    /// The number of the first word.
    start: usize,
    words: Vec<u64>,
}

impl Positions {
    /// The caller sees to it that positions are below the size of the tree: one far out takes room for all before it.
    pub(crate) fn insert(&mut self, position: u64) {
        let Some((word, bit)) = place(position) else { return };
        self.span(word, word + 1);
        if let Some(word) = self.words.get_mut(word - self.start) {
            *word |= bit;
        }
    }

    pub(crate) fn remove(&mut self, position: u64) {
        let place = place(position).and_then(|(word, bit)| Some((word.checked_sub(self.start)?, bit)));
        if let Some((word, bit)) = place
            && let Some(word) = self.words.get_mut(word)
        {
            *word &= !bit;
        }
    }

    pub(crate) fn contains(&self, position: u64) -> bool {
        let Some((word, bit)) = place(position) else { return false };
        let word = word.checked_sub(self.start).and_then(|word| self.words.get(word));
        word.is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn add_all(&mut self, others: &Self) {
        if others.words.is_empty() {
            return;
        }
        self.span(others.start, others.start + others.words.len());
        let mine = self.words.iter_mut().skip(others.start - self.start);
        mine.zip(&others.words).for_each(|(mine, other)| *mine |= other);
    }

    /// How many are in both.
    pub(crate) fn common(&self, others: &Self) -> u64 {
        let from = self.start.max(others.start);
        let part = |set: &Self| from - set.start;
        let mine = self.words.iter().skip(part(self));
        mine.zip(others.words.iter().skip(part(others)))
            .map(|(mine, other)| u64::from((mine & other).count_ones()))
            .sum()
    }

    /// Makes room for the words `from..to`.
    fn span(&mut self, from: usize, to: usize) {
        if self.words.is_empty() {
            self.start = from;
        }
        if from < self.start {
            self.words.splice(0..0, std::iter::repeat_n(0, self.start - from));
            self.start = from;
        }
        if to - self.start > self.words.len() {
            self.words.resize(to - self.start, 0);
        }
    }
}

/// The number of the word that has a position, and its bit there.
fn place(position: u64) -> Option<(usize, u64)> {
    Some((usize::try_from(position / 64).ok()?, 1 << (position % 64)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(of: &BTreeSet<u64>) -> Positions {
        let mut set = Positions::default();
        of.iter().rev().for_each(|position| set.insert(*position));
        set
    }

    proptest! {
        #[test]
        fn it_is_a_set(
            a in prop::collection::btree_set(300_u64..900, 0..40),
            b in prop::collection::btree_set(0_u64..700, 0..40),
            gone in prop::collection::vec(0_u64..1000, 0..20),
        ) {
            let (mut mine, mut left) = (set(&a), a.clone());
            gone.iter().for_each(|position| {
                mine.remove(*position);
                left.remove(position);
            });
            let others = set(&b);
            prop_assert_eq!(mine.common(&others), left.intersection(&b).count() as u64);
            prop_assert_eq!(others.common(&mine), left.intersection(&b).count() as u64);
            mine.add_all(&others);
            for position in 0..1000 {
                prop_assert_eq!(mine.contains(position), left.contains(&position) || b.contains(&position));
            }
        }
    }
}
