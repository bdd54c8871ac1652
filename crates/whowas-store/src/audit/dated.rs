//! Which day each record of a stretch belongs to, and what it says of whole days: walked in the order of positions.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use whowas_event::{
    Record,
    daily::{Day, DayBook, Statement, StatementError},
};
use whowas_tlog::hash::Hash;

use crate::{StoreError, columns::read_records};

/// Of some positions without gaps.
#[derive(Debug)]
pub(super) struct Dated {
    start: u64,
    days: Vec<Option<Day>>,
    statements: BTreeMap<u64, Result<Statement, StatementError>>,
}

impl Dated {
    /// Of so many positions, in any order.
    pub(super) fn new(start: u64, count: usize) -> Self {
        Self { start, days: vec![None; count], statements: BTreeMap::new() }
    }

    /// Of the records of a batch.
    pub(super) fn of(start: u64, batch: &RecordBatch) -> Result<Self, StoreError> {
        let mut dated = Self::new(start, batch.num_rows());
        read_records(batch, |position, record, _| {
            dated.note(position, record);
            Ok(())
        })?;
        Ok(dated)
    }

    pub(super) fn note(&mut self, position: u64, record: &Record) {
        let slot = position.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        if let Some(day) = slot.and_then(|at| self.days.get_mut(at)) {
            *day = Day::of_event(&record.event);
            self.statements.extend(Statement::of(record).map(|said| (position, said)));
        }
    }

    /// Goes on with the book; gives what is wrong, with its position.
    pub(super) fn enter(mut self, book: &mut DayBook, hashes: &[Hash]) -> Vec<(u64, String)> {
        let mut reasons = Vec::new();
        for ((position, day), hash) in (self.start..).zip(self.days).zip(hashes) {
            book.leaf(position, day, hash.0);
            let wrong = match self.statements.remove(&position) {
                None => None,
                Some(Err(error)) => Some(error.to_string()),
                Some(Ok(said)) => book.statement(position, &said).err().map(|untrue| untrue.to_string()),
            };
            reasons.extend(wrong.map(|reason| (position, reason)));
        }
        reasons
    }
}
