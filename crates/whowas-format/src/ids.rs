//! Ids for records whose source gives none.
//!
//! Equal records get equal ids, so that a file that is read twice adds nothing; a record that occurs twice
//! in one file gets an occurrence number, so that both are kept.

use std::{collections::HashMap, fmt::Write};

use sha2::{Digest, Sha256};
use whowas_event::NativeId;

/// How many different records are remembered before the older half is forgotten: exports are sorted by
/// time, so equal rows stand near each other. 24 bytes each, twice: some 50 MB at worst.
const REMEMBERED_MAX: usize = 1 << 20;

/// Derives ids for the records of one file.
#[derive(Debug, Default)]
pub struct DerivedIds {
    recent: HashMap<u128, u32>,
    older: HashMap<u128, u32>,
}

impl DerivedIds {
    /// The id of a record with this content. Give what the record says, not how it is written.
    pub fn next<'a>(&mut self, content: impl IntoIterator<Item = &'a str>) -> NativeId {
        let key = digest(content);
        let mut id = String::with_capacity(36);
        write!(id, "{key:032x}").expect("a String takes all that is written");
        let occurrence = self.count(key);
        if occurrence > 1 {
            write!(id, ".{occurrence}").expect("a String takes all that is written");
        }
        NativeId::Derived(id)
    }

    fn count(&mut self, key: u128) -> u32 {
        if self.recent.len() == REMEMBERED_MAX {
            self.older = std::mem::take(&mut self.recent);
        }
        let before = self.older.get(&key).copied().unwrap_or(0);
        let count = self.recent.entry(key).or_insert(before);
        *count = count.saturating_add(1);
        *count
    }
}

/// The id of a record that has a key of its own: however often it is read, it is the same record.
pub fn of_key<'a>(key: impl IntoIterator<Item = &'a str>) -> NativeId {
    NativeId::Derived(format!("{:032x}", digest(key)))
}

/// The id of a session's end that stands in the record of its start.
pub fn end_of(start: &NativeId) -> NativeId {
    NativeId::Derived(format!("{}.end", start.as_str()))
}

fn digest<'a>(content: impl IntoIterator<Item = &'a str>) -> u128 {
    let mut hash = Sha256::new();
    for part in content {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    u128::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_file_gives_the_same_ids() {
        let ids = || {
            let mut ids = DerivedIds::default();
            [ids.next(["a", "b"]), ids.next(["ab", ""]), ids.next(["a", "b"])]
        };
        let [first, second, third] = ids();
        assert_eq!(ids(), [first.clone(), second.clone(), third.clone()]);
        assert_ne!(first, second);
        assert_eq!(third.as_str(), format!("{}.2", first.as_str()));
        assert!(first.is_derived());
        assert_eq!([of_key(["a", "b"]), of_key(["a", "b"])], [first.clone(), first]);
    }
}
