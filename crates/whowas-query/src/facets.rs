//! The most common values of a search's whole range, by field: what stands beside a grid.
//!
//! Counts of the values shown are exact as long as [`Facet::is_complete`] says so.

use std::{collections::HashMap, sync::Arc};

use arrow::array::{AsArray, RecordBatch};
use whowas_store::{Directory, StoreError};

use crate::QueryError;

/// The columns that are counted, and the key of the filter language that asks for one of their values.
const FIELDS: [(&str, &str); 6] = [
    ("user_key", "user"),
    ("service_name", "app"),
    ("status", "status"),
    ("src_country", "country"),
    ("user_agent", "client"),
    ("src_ip", "ip"),
];
/// The columns that [`Tally::add`] needs.
pub(crate) const FACET_COLUMNS: [&str; FIELDS.len()] =
    ["user_key", "service_name", "status", "src_country", "user_agent", "src_ip"];
/// Distinct values of one field that are counted, about 100 bytes each. Those that come later are not, and the answer says so.
const DISTINCT_MAX: usize = 256 * 1024;
/// Most values of a field in an answer.
pub const VALUES_MAX: usize = 200;

/// A value and how many rows have it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FacetValue {
    /// As the filter language takes it.
    pub value: String,
    /// The person's name, where the value is one's id.
    pub label: Option<String>,
    /// Rows that have it.
    pub count: u64,
}

/// The common values of one field.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Facet {
    /// The field, by its key in the filter language.
    pub field: &'static str,
    /// The most common first, then in the order of the text.
    pub values: Vec<FacetValue>,
    /// How many different values there are.
    pub distinct: u64,
    /// Whether every value was counted; if not, `distinct` is a lower bound and a value may be missing.
    pub is_complete: bool,
}

/// The common values of a search.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Facets {
    /// One for each field.
    pub facets: Vec<Facet>,
    /// Rows that were counted.
    pub total: u64,
    /// The range that was asked: at or after …
    pub from: whowas_event::Time,
    /// … and before.
    pub to: whowas_event::Time,
    /// The size of the tree that was asked.
    pub tree_size: u64,
}

/// Values of one field.
#[derive(Debug, Default)]
struct Values {
    counts: HashMap<Box<str>, u64>,
    is_cut: bool,
}

impl Values {
    fn add(&mut self, value: &str, count: u64) {
        if let Some(known) = self.counts.get_mut(value) {
            *known += count;
        } else if self.counts.len() < DISTINCT_MAX {
            self.counts.insert(value.into(), count);
        } else {
            self.is_cut = true;
        }
    }
}

/// Values of every field, of one part of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    fields: [Values; FIELDS.len()],
    total: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        self.total += batch.num_rows() as u64;
        for ((column, _), values) in FIELDS.iter().zip(&mut self.fields) {
            let wrong = || StoreError::Corrupt(format!("there is no column {column}"));
            let texts = batch.column_by_name(column).and_then(|c| c.as_string_opt::<i32>());
            let texts = texts.ok_or_else(wrong)?;
            // Rows are sorted by person, so values come in runs; a run is looked up once.
            let mut run: Option<(&str, u64)> = None;
            for text in texts.iter().flatten().filter(|text| !text.is_empty()) {
                match &mut run {
                    Some((value, count)) if *value == text => *count += 1,
                    _ => {
                        if let Some((value, count)) = run.replace((text, 1)) {
                            values.add(value, count);
                        }
                    }
                }
            }
            if let Some((value, count)) = run {
                values.add(value, count);
            }
        }
        Ok(())
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.total += other.total;
        for (mine, theirs) in self.fields.iter_mut().zip(other.fields) {
            mine.is_cut |= theirs.is_cut;
            theirs.counts.iter().for_each(|(value, count)| mine.add(value, *count));
        }
        self
    }

    /// The `limit` most common values of each field, and how many rows there were.
    pub(crate) fn top(self, limit: usize, directory: &Arc<Directory>) -> (Vec<Facet>, u64) {
        let facet = |((_, field), values): (&(&str, &'static str), Values)| {
            let distinct = values.counts.len() as u64;
            let mut all: Vec<(Box<str>, u64)> = values.counts.into_iter().collect();
            all.sort_unstable_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
            all.truncate(limit.min(VALUES_MAX));
            let value = |(value, count): (Box<str>, u64)| {
                let label = (*field == "user").then(|| name_of(&value, directory)).flatten();
                FacetValue { value: value.into_string(), label, count }
            };
            Facet {
                field,
                values: all.into_iter().map(value).collect(),
                distinct,
                is_complete: !values.is_cut,
            }
        };
        (FIELDS.iter().zip(self.fields).map(facet).collect(), self.total)
    }
}

fn name_of(key: &str, directory: &Directory) -> Option<String> {
    let person = directory.find(Some(key), Some(key), Some(key))?;
    person.full_name.clone().or_else(|| person.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_common_come_first_and_a_cut_is_told() {
        let mut values = Values::default();
        for n in 0..DISTINCT_MAX {
            values.add(&format!("v{n}"), 1);
        }
        assert!(!values.is_cut);
        values.add("v7", 4);
        assert!(!values.is_cut);
        values.add("one more", 1);
        assert!(values.is_cut);
        let mut tally = Tally::default();
        tally.fields[1] = values;
        let mut other = Tally { total: 3, ..Tally::default() };
        other.fields[1].add("v9", 2);
        let (facets, total) = tally.merge(other).top(3, &Arc::default());
        let found: Vec<_> = facets[1].values.iter().map(|v| (v.value.as_str(), v.count)).collect();
        assert_eq!((found, total), (vec![("v7", 5), ("v9", 3), ("v0", 1)], 3));
        assert_eq!((facets[1].distinct, facets[1].is_complete), (DISTINCT_MAX as u64, false));
        assert!(facets[0].is_complete && facets[0].values.is_empty());
    }
}
