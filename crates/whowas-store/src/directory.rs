//! The people of one environment as the directory knows them now, found by id, login name or address.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::Arc,
};

use whowas_event::{Event, Kind};

use crate::control::Person;

/// The directory of one environment. Look-ups ignore case.
///
/// It also holds whom sign-ins themselves named beside an id: enough to name records that have only the id,
/// and to find everybody's records by any of their names. What a directory says goes before that.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    people: HashMap<String, Arc<Person>>,
    by_uid: HashMap<String, Arc<Person>>,
    by_name: HashMap<String, Arc<Person>>,
}

impl Directory {
    /// A directory of these people.
    pub fn new(people: impl IntoIterator<Item = Person>) -> Self {
        let mut directory = Self::default();
        for person in people {
            directory.insert(person);
        }
        directory
    }

    /// Adds or replaces the entry with this person's id.
    pub fn insert(&mut self, person: Person) {
        let person = Arc::new(person);
        let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase());
        if let Some(uid) = lower(&person.uid) {
            set(&mut self.by_uid, uid, &person);
        }
        for name in [lower(&person.name), lower(&person.email_addr)].into_iter().flatten() {
            set(&mut self.by_name, name, &person);
        }
        self.people.insert(person.id.clone(), person);
    }

    /// Whom a record means: by its id, else by its login name, else by its address.
    pub fn find(&self, uid: Option<&str>, name: Option<&str>, email_addr: Option<&str>) -> Option<&Person> {
        let by_uid = uid.and_then(|uid| self.by_uid.get(&uid.to_lowercase()));
        let by_name =
            || [name, email_addr].into_iter().flatten().find_map(|n| self.by_name.get(&n.to_lowercase()));
        by_uid.or_else(by_name).map(Arc::as_ref)
    }

    /// The keys (see [`crate::columns::user_key`]) under which records of the people may lie who have an
    /// id, login name, address or name that `fits`.
    pub fn keys_matching(&self, fits: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for person in self.people.values() {
            let texts = [&person.uid, &person.name, &person.email_addr, &person.full_name];
            if texts.into_iter().flatten().any(|text| fits(text)) {
                keys.extend(texts.into_iter().flatten().map(|text| text.to_lowercase()));
            }
        }
        keys
    }

    /// Everyone, in no order: each person once, as [`find`](Self::find) would answer for them.
    pub fn iter(&self) -> impl Iterator<Item = &Person> {
        let is_current = |person: &&Person| {
            let found =
                self.find(person.uid.as_deref(), person.name.as_deref(), person.email_addr.as_deref());
            found.is_none_or(|found| found.id == person.id)
        };
        self.people.values().map(Arc::as_ref).filter(is_current)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }
}

/// What was observed never replaces what a directory said.
fn set(map: &mut HashMap<String, Arc<Person>>, key: String, person: &Arc<Person>) {
    let is_known_better = person.is_observed && map.get(&key).is_some_and(|known| !known.is_observed);
    if !is_known_better {
        map.insert(key, person.clone());
    }
}

/// Remembers which combinations of id and names sign-ins have shown, so that each is noted once.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    digests: HashSet<u64>,
}

impl Observed {
    pub(crate) fn new<'a>(people: impl Iterator<Item = &'a Person>) -> Self {
        let digests = people.filter(|person| person.is_observed).map(digest_of).collect();
        Self { digests }
    }

    /// The entry to add for a sign-in that names somebody in a way not seen before.
    pub(crate) fn note(&mut self, event: &Event, position: u64) -> Option<Person> {
        let user = &event.user;
        let texts = [&user.uid, &user.name, &user.email_addr, &user.full_name];
        // Who has one name only is found by it without help.
        if event.kind != Kind::Login || texts.into_iter().flatten().count() < 2 {
            return None;
        }
        let digest = digest_of_texts(&user.uid, &user.name, &user.email_addr, &user.full_name);
        self.digests.insert(digest).then(|| Person {
            id: format!("seen:{digest:016x}"),
            uid: user.uid.clone(),
            name: user.name.clone(),
            full_name: user.full_name.clone(),
            email_addr: user.email_addr.clone(),
            attributes: None,
            position,
            since: Some(event.occurred_at),
            is_observed: true,
        })
    }
}

fn digest_of(person: &Person) -> u64 {
    digest_of_texts(&person.uid, &person.name, &person.email_addr, &person.full_name)
}

/// A collision leaves one way of naming somebody out of the directory; odds of 2^-64 a pair.
fn digest_of_texts(a: &Option<String>, b: &Option<String>, c: &Option<String>, d: &Option<String>) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one((a, b, c, d))
}

/// The directory entry that an identity record states; `None` for other records.
pub(crate) fn person_of(event: &Event, position: u64) -> Option<Person> {
    (event.kind == Kind::Identity).then(|| Person {
        id: event.native_id.as_str().to_owned(),
        uid: event.user.uid.clone(),
        name: event.user.name.clone(),
        full_name: event.user.full_name.clone(),
        email_addr: event.user.email_addr.clone(),
        attributes: event.unmapped.clone(),
        position,
        since: Some(event.occurred_at),
        is_observed: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str, uid: &str, name: &str, is_observed: bool) -> Person {
        Person {
            id: id.into(),
            uid: Some(uid.into()),
            name: Some(name.into()),
            is_observed,
            ..Person::default()
        }
    }

    #[test]
    fn what_a_directory_says_goes_before_what_was_seen() {
        let told = person("user:1", "U1", "ada", false);
        let seen = person("seen:1", "u1", "ada@contoso.example", true);
        for order in [[told.clone(), seen.clone()], [seen.clone(), told.clone()]] {
            let directory = Directory::new(order);
            assert_eq!(directory.find(Some("u1"), None, None), Some(&told));
            assert_eq!(directory.find(None, Some("ADA@contoso.example"), None), Some(&seen));
            assert_eq!((directory.len(), directory.iter().next()), (1, Some(&told)));
            let keys = directory.keys_matching(|text| text.starts_with("ada@"));
            assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["ada@contoso.example", "u1"]);
        }
    }
}
