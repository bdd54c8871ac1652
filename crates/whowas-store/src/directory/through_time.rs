//! Whom a sign-in meant then, and what the directory calls them now.
//!
//! Made of the entries of today and those that they replaced. Whoever is only known from sign-ins has no name *now*: two
//! sources may spell one person in two ways, and that is no change.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;
use whowas_event::Time;

use super::{Directory, LAYER_RATIO, Layer, digest_of_id, digest_of_text, is_text, texts};
use crate::control::Person;

/// Replaced entries that are kept in memory, the newest: a source gone wild must not fill it.
const BEFORE_MAX: usize = 100_000;

/// What became of a name since a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NameChange {
    /// The same person has another name now.
    Renamed,
    /// The id or login name belongs to somebody else now.
    AnotherPerson,
}

impl NameChange {
    /// Its word in JSON and in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Renamed => "renamed",
            Self::AnotherPerson => "another_person",
        }
    }
}

/// The names that a record states.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stated<'a> {
    /// The person's id.
    pub uid: Option<&'a str>,
    /// Login name.
    pub name: Option<&'a str>,
    /// The person's name.
    pub full_name: Option<&'a str>,
    /// E-mail address.
    pub email_addr: Option<&'a str>,
}

/// The person of a sign-in, then and now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Naming<'a> {
    /// What the directory said of them when they signed in. `None` if it did not know them yet.
    pub then: Option<&'a Person>,
    /// What it says of whoever has their id or login name now.
    pub now: Option<&'a Person>,
    /// Who completes what the record does not state: the person who signed in, also if only sign-ins tell of them.
    pub known: Option<&'a Person>,
    /// What became of the name.
    pub change: Option<NameChange>,
}

impl Naming<'_> {
    /// The name at sign-in: the record's word, else the directory's of that time.
    pub fn name_at_sign_in(&self, stated: Stated<'_>) -> Option<String> {
        let then =
            |text: fn(&Person) -> &Option<String>| self.then.and_then(|person| text(person).as_deref());
        let full_name = stated.full_name.or(then(|person| &person.full_name));
        let name = full_name.or(stated.name).or(then(|person| &person.name));
        name.or(stated.email_addr).or(then(|person| &person.email_addr)).map(str::to_owned)
    }

    /// The name now, as the directory has it.
    pub fn name_now(&self) -> Option<String> {
        self.now.and_then(|now| {
            [&now.full_name, &now.name, &now.email_addr].into_iter().flatten().next().cloned()
        })
    }
}

impl Directory {
    /// Whom a record of this time means, and what they are called now.
    pub fn naming(&self, stated: Stated<'_>, at: Time) -> Naming<'_> {
        let found = self.find(stated.uid, stated.name, stated.email_addr);
        if found.is_none() && self.before.is_empty() {
            return Naming::default();
        }
        let told = found.filter(|person| !person.is_observed);
        let Some((then, key)) = self.held_at(stated, at) else {
            let change = told.and_then(|now| change_since_record(stated, now));
            return Naming { then: None, now: told, known: found, change };
        };
        let current = self.entry(&then.id).filter(|entry| !entry.is_observed);
        let is_still = |entry: &&Person| !is_removed(entry) && (key.fits)(entry, &key.text);
        let holder = told.filter(|holder| holder.id != then.id);
        let other = match current.filter(is_still) {
            Some(_) => None,
            None => holder.filter(|holder| is_another(then, holder)),
        };
        if other.is_some() {
            return Naming {
                then: Some(then),
                now: other,
                known: Some(then),
                change: Some(NameChange::AnotherPerson),
            };
        }
        let now = current.filter(is_still).or(holder).or(current);
        let is_renamed = now.is_some_and(|now| match (&then.full_name, &now.full_name) {
            (Some(then), Some(now)) => !is_same_name(then, now),
            _ => matches!((&then.name, &now.name), (Some(then), Some(now)) if !is_same_name(then, now)),
        });
        let change = is_renamed.then_some(NameChange::Renamed);
        Naming { then: Some(then), now, known: found.or(now), change }
    }

    /// The directory as it was when the tree had this size.
    pub fn at_size(&self, size: u64) -> Self {
        let newest = |layers: &[Arc<Layer>]| layers.iter().filter_map(|layer| layer.newest).max();
        if newest(&self.layers).is_none_or(|newest| newest < size) {
            return self.clone();
        }
        let current = self.layers.iter().flat_map(|layer| &layer.people);
        let current = current.filter(|person| self.is_last_word(person));
        let mut people: Vec<Arc<Person>> = current
            .chain(self.before.iter().flat_map(|layer| &layer.people))
            .filter(|person| person.position < size)
            .cloned()
            .collect();
        people.sort_by_key(|person| person.position);
        let last: HashMap<&str, u64> =
            people.iter().map(|person| (person.id.as_str(), person.position)).collect();
        let is_before =
            |person: &&Arc<Person>| last.get(person.id.as_str()).is_some_and(|last| person.position < *last);
        let before: Vec<Arc<Person>> = people.iter().filter(is_before).cloned().collect();
        let layers = |layer: Layer| if layer.people.is_empty() { Vec::new() } else { vec![Arc::new(layer)] };
        Self { before: layers(Layer::of_all(before)), layers: layers(Layer::new(people)) }
    }

    /// The entries that new ones replace, those of the same commit as well. Those that name nobody are nobody's past.
    pub(super) fn replaced_by(&self, people: &[Arc<Person>]) -> Vec<Arc<Person>> {
        let mut latest: HashMap<&str, &Arc<Person>> = HashMap::new();
        let mut replaced = Vec::new();
        for person in people {
            let here = latest.insert(&person.id, person);
            let old = here.or_else(|| self.entry_arc(&person.id));
            replaced.extend(
                old.filter(|old| old.position < person.position && texts(old).next().is_some()).cloned(),
            );
        }
        replaced
    }

    /// Keeps entries that were replaced.
    pub(super) fn keep(&mut self, replaced: Vec<Arc<Person>>) {
        if replaced.is_empty() {
            return;
        }
        let mut all = replaced;
        while let Some(below) = self.before.last()
            && below.people.len() < all.len() * LAYER_RATIO
        {
            all = below.people.iter().chain(&all).cloned().collect();
            self.before.pop();
        }
        let surplus = all.len().saturating_sub(BEFORE_MAX);
        self.before.push(Arc::new(Layer::of_all(all.split_off(surplus))));
    }

    fn entry_arc(&self, id: &str) -> Option<&Arc<Person>> {
        let digest = digest_of_id(id);
        let mut found = self.layers.iter().rev().flat_map(|layer| layer.arcs_with_digest(digest));
        found.find(|person| person.id == id)
    }

    /// Everything that was ever said by this digest, as far as it is kept.
    fn said(&self, digest: u64) -> impl Iterator<Item = &Person> {
        self.layers.iter().chain(&self.before).flat_map(move |layer| layer.with_digest(digest))
    }

    /// Whom a directory called by what the record states, at that time, and by what of it they were found.
    fn held_at(&self, stated: Stated<'_>, at: Time) -> Option<(&Person, Key)> {
        let by_name = |text: &str| Key { text: text.to_lowercase(), fits: is_name };
        let keys = stated
            .uid
            .map(|uid| Key { text: uid.to_lowercase(), fits: |person, uid| is_text(&person.uid, uid) });
        let keys =
            keys.into_iter().chain([stated.name, stated.email_addr].into_iter().flatten().map(by_name));
        keys.into_iter().find_map(|key| {
            let candidates = self.said(digest_of_text(&key.text));
            let candidates =
                candidates.filter(|one| !one.is_observed && is_begun(one, at) && (key.fits)(one, &key.text));
            let of_then = candidates.filter_map(|one| self.version_at(&one.id, at));
            let held = of_then.filter(|one| (key.fits)(one, &key.text));
            let last = held.max_by_key(|one| (!is_removed(one), one.since, one.position))?;
            Some((last, key))
        })
    }

    /// What was true of an entry at a time: of two with the same beginning the later record counts.
    fn version_at(&self, id: &str, at: Time) -> Option<&Person> {
        let versions = self.said(digest_of_id(id)).filter(|one| one.id == id && is_begun(one, at));
        versions.max_by_key(|one| (one.since, one.position))
    }
}

impl Layer {
    pub(super) fn arcs_with_digest(&self, digest: u64) -> impl Iterator<Item = &Arc<Person>> {
        let from = self.names.partition_point(|(other, _)| *other < digest);
        let to = self.names.partition_point(|(other, _)| *other <= digest);
        let found = self.names.get(from..to).unwrap_or_default().iter().rev();
        found.filter_map(|(_, at)| self.people.get(usize::try_from(*at).ok()?))
    }
}

/// By what somebody was found.
struct Key {
    text: String,
    fits: fn(&Person, &str) -> bool,
}

fn is_name(person: &Person, text: &str) -> bool {
    is_text(&person.name, text) || is_text(&person.email_addr, text)
}

fn is_begun(person: &Person, at: Time) -> bool {
    person.since.is_none_or(|since| since <= at)
}

/// Whether the directory said that they are gone.
fn is_removed(person: &Person) -> bool {
    let Some(attributes) = person.attributes.as_deref().filter(|text| text.contains("\"removed\"")) else {
        return false;
    };
    let value: Option<serde_json::Value> = serde_json::from_str(attributes).ok();
    value.and_then(|value| value.get("removed").cloned()).is_some_and(|removed| removed != false)
}

/// Whether two entries that share an id or login name are of two people. Ids decide where they differ; where one id went
/// from one entry to another, as after a deletion by mistake, names do.
fn is_another(then: &Person, holder: &Person) -> bool {
    match (&then.uid, &holder.uid) {
        (Some(a), Some(b)) if !a.eq_ignore_ascii_case(b) => true,
        _ => match (&then.full_name, &holder.full_name) {
            (Some(a), Some(b)) => !is_same_name(a, b),
            _ => false,
        },
    }
}

/// What a record states, against the directory of today that did not know the person then.
fn change_since_record(stated: Stated<'_>, now: &Person) -> Option<NameChange> {
    let is_other_name = !is_same_name(stated.full_name?, now.full_name.as_deref()?);
    let is_other_id = matches!((stated.uid, &now.uid), (Some(a), Some(b)) if !a.eq_ignore_ascii_case(b));
    let change = if is_other_id { NameChange::AnotherPerson } else { NameChange::Renamed };
    is_other_name.then_some(change)
}

/// *Berg, Anna* and *anna BERG* are one name.
fn is_same_name(a: &str, b: &str) -> bool {
    let words = |text: &str| {
        let text = text.to_lowercase();
        let mut words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        words.sort_unstable();
        words
    };
    a == b || words(a) == words(b)
}

#[cfg(test)]
#[path = "through_time_tests.rs"]
mod tests;
