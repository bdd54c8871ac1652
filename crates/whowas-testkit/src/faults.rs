//! What goes wrong with a source, and when.

use whowas_event::Time;

use crate::random::Random;

/// A part of time.
pub type Spell = (Time, Time);

/// What goes wrong, as it follows from a seed.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// In these times some rows are left out of answers: identical requests have other counts, small windows
    /// are empty. Each row is left out in one of them at most, and none is as long as two passes are apart
    /// that confirm each other: what a source never shows nobody can know of.
    pub short: Vec<Spell>,
    /// Part of its rows that such a time hides, in percent.
    pub short_percent: u64,
    /// In these times everything is answered with 429, as often as not without `Retry-After`.
    pub storms: Vec<Spell>,
    /// In these times everything is answered with 503.
    pub outages: Vec<Spell>,
    /// When the source restarts: links to next pages are worth nothing afterwards.
    pub restarts: Vec<Time>,
    /// Links to next pages are good for so long.
    pub link_ms: i64,
    /// One request in a hundred each: answered with a 5xx, cut off, answered with 200 and nothing.
    pub broken_percent: u64,
    /// Rows in a hundred that are in a page twice.
    pub twice_percent: u64,
    /// Whether rows of a page are in another order than that which is documented.
    pub is_disordered: bool,
    /// How much the source's clock is ahead of ours.
    pub skew_ms: i64,
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

impl Faults {
    /// Faults within `[from, to)`.
    pub fn new(random: &mut Random, from: Time, to: Time) -> Self {
        let at = |random: &mut Random| from.saturating_add_ms(random.between(0, to.as_ms() - from.as_ms()));
        let spells = |random: &mut Random, count: i64, ms_max: i64| -> Vec<Spell> {
            let count = random.between(0, count + 1);
            (0..count)
                .map(|_| {
                    let begin = at(random);
                    (begin, begin.saturating_add_ms(random.between(1, ms_max)))
                })
                .collect()
        };
        Self {
            short: spells(random, 6, 6 * HOUR_MS),
            short_percent: [30, 60, 100][usize::try_from(random.between(0, 3)).unwrap()],
            storms: spells(random, 4, 2 * HOUR_MS),
            outages: spells(random, 3, 8 * HOUR_MS),
            restarts: (0..random.between(0, 10)).map(|_| at(random)).collect(),
            link_ms: random.between(5_000, 2 * HOUR_MS),
            broken_percent: u64::try_from(random.between(0, 8)).unwrap(),
            twice_percent: u64::try_from(random.between(0, 20)).unwrap(),
            is_disordered: random.happens(50),
            skew_ms: random.between(-600_000, 600_000),
        }
    }

    /// Whether a row is left out at `now`. `lot` is the row's own random number.
    pub fn hides(&self, lot: u64, now: Time) -> bool {
        let Some(only) = usize::try_from(lot).ok().and_then(|lot| lot.checked_rem(self.short.len())) else {
            return false;
        };
        (lot >> 32) % 100 < self.short_percent && within(&self.short[only..=only], now)
    }
}

/// Whether a moment is in one of the times.
pub fn within(spells: &[Spell], now: Time) -> bool {
    spells.iter().any(|(from, to)| (*from..*to).contains(&now))
}

/// When nothing of ours runs: some minutes now and then, days at times.
pub fn pauses(random: &mut Random, from: Time, to: Time) -> Vec<Spell> {
    let mut pauses: Vec<Spell> = (0..random.between(0, 5))
        .map(|_| {
            let begin = from.saturating_add_ms(random.between(0, to.as_ms() - from.as_ms()));
            (begin, begin.saturating_add_ms(random.between(1, 4 * HOUR_MS)))
        })
        .collect();
    if random.happens(25) {
        let begin = from.saturating_add_ms(random.between(0, to.as_ms() - from.as_ms()));
        pauses.push((begin, begin.saturating_add_ms(random.between(DAY_MS, 9 * DAY_MS))));
    }
    pauses
}
