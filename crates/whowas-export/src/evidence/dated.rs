//! What a log says of whole days, compared with its leaves: by whoever walks them from a first position on.

use std::collections::BTreeSet;

use serde_json::Value;
use whowas_event::{
    Kind, Time,
    daily::{Day, DayBook, DayTotals, Statement, Untrue},
};
use whowas_tlog::hash::Hash;

use super::{Leaf, stated::own};

/// The days that can be checked, and what is known of them.
#[derive(Debug)]
pub(super) struct Dated {
    book: DayBook,
    /// Days that begin and end within are checked.
    within: (Time, Time),
    /// Whether there are leaves before the first one.
    has_before: bool,
    /// Days of which the log states more than the leaves have.
    before: BTreeSet<Day>,
}

impl Dated {
    /// Checks every day: all leaves of the log come.
    pub(super) fn of_all() -> Self {
        let ends = (Time::default(), Time::default().saturating_add_ms(i64::MAX));
        Self { book: DayBook::default(), within: ends, has_before: false, before: BTreeSet::new() }
    }

    /// Checks the days of a question, whose leaves begin at `first`.
    pub(super) fn of_question(within: (Time, Time), first: u64) -> Self {
        Self { within, has_before: first > 0, ..Self::of_all() }
    }

    /// The next leaf.
    ///
    /// # Errors
    /// It states a day, and that is not so.
    pub(super) fn take(&mut self, position: u64, leaf: &Leaf, hash: &Hash) -> Result<(), String> {
        let (kind, is_ours, body) = own(leaf);
        let time = leaf.members.get("time").and_then(Value::as_i64).and_then(|ms| Time::from_ms(ms).ok());
        let day = time.filter(|_| kind == Kind::Login).and_then(Day::of).filter(|day| self.is_within(*day));
        self.book.leaf(position, day, hash.0);
        let said = match Statement::of_body(kind, is_ours, body.as_deref()) {
            None => return Ok(()),
            Some(said) => said.map_err(|e| e.to_string())?,
        };
        if !self.is_within(said.day) {
            return Ok(());
        }
        match self.book.statement(position, &said) {
            // A source's clock was ahead: the record lies before the leaves that are here. No lie, but not all of the day.
            Err(Untrue::Count { stated, found, .. }) if self.has_before && stated > found => {
                self.before.insert(said.day);
                Ok(())
            }
            done => done.map_err(|untrue| untrue.to_string()),
        }
    }

    fn is_within(&self, day: Day) -> bool {
        day.start() >= self.within.0 && day.end() <= self.within.1
    }

    /// What is stated, and of how many days the log states more than there is here.
    pub(super) fn finish(self) -> (DayTotals, u64) {
        (self.book.totals(), self.before.len() as u64)
    }
}
