//! What records lack, and what erasure records say that they lack: the two must be the same.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use serde_json::Value;
use whowas_event::{Erasure, Kind, Record, erasure::SELF};

use crate::{StoreError, columns::read_records};

/// Collected over records in any order.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Number of erased fields by position.
    lacking: BTreeMap<u64, u32>,
    /// Number of fields that erasure records state, and the last of those records.
    stated: BTreeMap<u64, (u32, u64)>,
    /// Erasure records that cannot be read.
    unreadable: Vec<u64>,
    /// Keys that handed over, by position of the record.
    former_keys: BTreeMap<u64, String>,
}

impl Said {
    /// What the records of a batch say.
    pub(super) fn of(batch: &RecordBatch) -> Result<Self, StoreError> {
        let mut said = Self::default();
        read_records(batch, |position, record, _| {
            said.note(position, record);
            Ok(())
        })?;
        Ok(said)
    }

    pub(super) fn note(&mut self, position: u64, record: &Record) {
        if let Some(erased) = &record.erased {
            self.lacking.insert(position, u32::try_from(erased.count()).unwrap_or(u32::MAX));
        }
        if record.event.kind == Kind::Key && record.source == SELF && record.format == SELF {
            let body = record.event.body.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
            let old = body.as_ref().and_then(|body| body.get("old")).and_then(Value::as_str);
            self.former_keys.extend(old.map(|old| (position, old.to_owned())));
        }
        match Erasure::of(record) {
            None => {}
            Some(Err(_)) => self.unreadable.push(position),
            Some(Ok(erasure)) => {
                for one in erasure.records {
                    self.state(one.position, u32::from(one.count), position);
                }
            }
        }
    }

    fn state(&mut self, position: u64, count: u32, by: u64) {
        let stated = self.stated.entry(position).or_default();
        *stated = (stated.0.saturating_add(count), stated.1.max(by));
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.lacking.extend(other.lacking);
        for (position, (count, by)) in other.stated {
            self.state(position, count, by);
        }
        self.unreadable.extend(other.unreadable);
        self.former_keys.extend(other.former_keys);
    }

    /// In the order of the records.
    pub(super) fn former_keys(&self) -> Vec<String> {
        self.former_keys.values().cloned().collect()
    }

    /// Number of records that lack something.
    pub(super) fn erased(&self) -> u64 {
        self.lacking.len() as u64
    }

    /// Positions at which the two differ. Those of `pending` may still have what is to be erased.
    pub(super) fn contradictions(self, pending: &BTreeSet<u64>) -> Vec<(u64, String)> {
        let mut found: Vec<(u64, String)> = self
            .unreadable
            .iter()
            .map(|at| {
                (
                    *at,
                    "it says that something was erased, in a way that this version does not read".to_owned(),
                )
            })
            .collect();
        let positions: BTreeSet<u64> = self.lacking.keys().chain(self.stated.keys()).copied().collect();
        for position in positions {
            let lacking = self.lacking.get(&position).copied().unwrap_or_default();
            let (stated, by) = self.stated.get(&position).copied().unwrap_or_default();
            if lacking > stated {
                let more = lacking - stated;
                found.push((
                    position,
                    format!("{more} personal fields are missing, and no record says that they were erased"),
                ));
            } else if stated > lacking && !pending.contains(&position) {
                found.push((
                    position,
                    format!(
                        "record {by} says that {stated} personal fields were erased, and {lacking} are missing: \
                         was a backup put back?"
                    ),
                ));
            }
        }
        found
    }
}
