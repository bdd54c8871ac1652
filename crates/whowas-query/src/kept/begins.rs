//! Which records began a session, as sets of positions in memory: how many of the records that fit a filter did is then
//! counted, without reading what is kept of each.
//!
//! Made of the runs when a filter is asked for the first time, and brought up with each new run.
//! [Decision 51](../../../../docs/decisions/0051-filtered-sessions-are-counted-by-position.md).

use std::io;

use super::{base::Base, entry::List, positions::Positions};
use crate::sessions::{EndConfidence, Row};

/// What a row is, as far as a question may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A session with an end that a record tells.
    Ended,
    /// A session with an end that follows from something else.
    Inferred,
    /// A session without an end.
    Open,
    /// A sign-out without a sign-in.
    Lone,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Ended, Self::Inferred, Self::Open, Self::Lone];

    pub(crate) fn of(row: &Row) -> Self {
        match List::of(row) {
            List::Lone => Self::Lone,
            List::Open => Self::Open,
            List::Ended if row.confidence == EndConfidence::Explicit => Self::Ended,
            List::Ended => Self::Inferred,
        }
    }

    pub(crate) const fn list(self) -> List {
        match self {
            Self::Ended | Self::Inferred => List::Ended,
            Self::Open => List::Open,
            Self::Lone => List::Lone,
        }
    }
}

/// The beginnings of the rows of all runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Begins {
    /// The size of the tree up to which they are known: that of a step.
    to: u64,
    kinds: [Positions; Kind::ALL.len()],
}

impl Begins {
    /// The size of the tree as of which they hold.
    pub(crate) fn to(&self) -> u64 {
        self.to
    }

    pub(crate) fn of(&self, kind: Kind) -> &Positions {
        let [ended, inferred, open, lone] = &self.kinds;
        match kind {
            Kind::Ended => ended,
            Kind::Inferred => inferred,
            Kind::Open => open,
            Kind::Lone => lone,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut Positions {
        let [ended, inferred, open, lone] = &mut self.kinds;
        match kind {
            Kind::Ended => ended,
            Kind::Inferred => inferred,
            Kind::Open => open,
            Kind::Lone => lone,
        }
    }

    /// Takes in what runs added since. A row that is gone was replaced by one that came with the same step, or by none.
    pub(crate) fn bring_up_to(&mut self, base: &Base) -> io::Result<()> {
        let (from, to) = (self.to, base.to());
        for gone in base.gone.iter().filter(|gone| gone.size > from) {
            self.kinds.iter_mut().for_each(|kind| kind.remove(gone.position));
        }
        for run in base.runs.iter().filter(|run| run.footer.to > from) {
            for list in List::ALL {
                for kept in run.footer.list(list).iter(&run.file) {
                    let kept = kept?;
                    if kept.row.position >= to {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    let came = run.came(&kept);
                    if came > from && base.holds(&kept.row, came, to) {
                        self.of_mut(Kind::of(&kept.row)).insert(kept.row.position);
                    }
                }
            }
        }
        self.to = to;
        Ok(())
    }
}
