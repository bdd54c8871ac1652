//! The ledgers anew, from nothing but the trail's `coverage` records.

use std::collections::BTreeMap;

use whowas_event::Time;
use whowas_store::control::Progress;

use super::{Ledger, Pass, stored};

/// What follows from the bodies of all `coverage` records, with their times, in the order of the trail.
pub fn rebuild<'a>(records: impl Iterator<Item = (Time, &'a str)>) -> Vec<Progress> {
    let mut ledgers: BTreeMap<(String, String), Ledger> = BTreeMap::new();
    for (at, body) in records {
        if let Some(pass) = Pass::from_body(body, at) {
            ledgers.entry((pass.source.clone(), pass.stream.clone())).or_default().apply(&pass);
        }
    }
    ledgers
        .iter()
        .map(|((source, stream), ledger)| {
            let first = ledger.windows.first().map(|window| window.from);
            let last = ledger.windows.last().map(|window| window.to);
            stored((source, stream), ledger, first.zip(last), None)
        })
        .collect()
}
