//! What a log says about itself that was erased: read from the leaves of its own erasure records.

use std::collections::BTreeMap;

use serde_json::Value;
use whowas_event::{Erasure, Kind, erasure::SELF};

use super::Leaf;

/// Collected over leaves in any order.
#[derive(Debug, Default)]
pub(super) struct Stated {
    /// Number of fields that were erased of a record, and the last record that says so.
    fields: BTreeMap<u64, (u64, u64)>,
    /// Entries before this position need not be there.
    pub(super) minimum_index: u64,
}

impl Stated {
    /// Takes what the leaf at `position` says, if it is an erasure record.
    ///
    /// # Errors
    /// It is one, and cannot be read.
    pub(super) fn take(&mut self, position: u64, leaf: &Leaf) -> Result<(), String> {
        let (kind, is_ours, body) = own(leaf);
        match Erasure::of_body(kind, is_ours, body.as_deref()) {
            None => Ok(()),
            Some(Err(error)) => Err(error.to_string()),
            Some(Ok(erasure)) => {
                self.minimum_index = self.minimum_index.max(erasure.minimum_index);
                for one in erasure.records {
                    let (count, by) = self.fields.entry(one.position).or_default();
                    *count = count.saturating_add(u64::from(one.count));
                    *by = position;
                }
                Ok(())
            }
        }
    }

    /// What is wrong about a record of which `hidden` personal fields are not disclosed.
    pub(super) fn contradiction(&self, position: u64, hidden: u64) -> Option<String> {
        let (stated, by) = self.fields.get(&position).copied().unwrap_or_default();
        if hidden > stated {
            let more = hidden - stated;
            Some(format!(
                "position {position}: {more} personal fields are not disclosed, and no record says that they were erased"
            ))
        } else if hidden < stated {
            Some(format!(
                "position {position}: it discloses fields of which record {by} says that they were erased"
            ))
        } else {
            None
        }
    }
}

/// A leaf's kind, whether whowas says it about itself, and its body.
pub(super) fn own(leaf: &Leaf) -> (Kind, bool, Option<String>) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let kind = text(leaf.members.get("kind")).and_then(|word| Kind::from_word(&word)).unwrap_or_default();
    let metadata = |name: &str| text(leaf.members.get("metadata").and_then(|value| value.get(name)));
    let is_ours = ["log_name", "log_format"].iter().all(|name| metadata(name).as_deref() == Some(SELF));
    // Only what whowas says about itself is read on.
    let body = leaf.members.get("body").filter(|_| is_ours).map(Value::to_string);
    (kind, is_ours, body)
}
