//! The people of one environment as the directory knows them now, found by id, login name or address.
//!
//! Readers hold a directory while the writer adds to it, so it is made of immutable layers that copies
//! share: a commit adds a small one, and small ones are merged. A layer is a list of people and a sorted
//! list of digests of their names, 16 bytes for each name.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::Arc,
};

use whowas_event::{Event, Kind};

use crate::control::Person;

mod through_time;

pub use through_time::{NameChange, Naming, Stated};

/// A layer is merged into the one below when that is not so many times larger: a directory of n people
/// has log₄ n layers, and each person is copied as often.
const LAYER_RATIO: usize = 4;

/// The directory of one environment. Look-ups ignore case. Copies are cheap.
///
/// It also holds whom sign-ins themselves named beside an id: enough to name records that have only the id,
/// and to find everybody's records by any of their names. What a directory says goes before that.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// The oldest, and largest, first.
    layers: Vec<Arc<Layer>>,
    /// What was said of people before, likewise: entries that were replaced. Each is here once.
    before: Vec<Arc<Layer>>,
}

impl Directory {
    /// A directory of these people.
    pub fn new(people: impl IntoIterator<Item = Person>) -> Self {
        Self::with_before(people, [])
    }

    /// The same, with the entries that theirs have replaced.
    pub fn with_before(
        people: impl IntoIterator<Item = Person>,
        before: impl IntoIterator<Item = Person>,
    ) -> Self {
        // In the order in which they became known, as a directory that grew has them: of two with one name the newest
        // is meant.
        let mut people: Vec<Person> = people.into_iter().collect();
        people.sort_by_key(|person| person.position);
        let mut directory = Self::default();
        directory.extend(people);
        directory.keep(before.into_iter().map(Arc::new).collect());
        directory
    }

    /// Adds people, or replaces the entries with their ids.
    pub fn extend(&mut self, people: impl IntoIterator<Item = Person>) {
        let people: Vec<Arc<Person>> = people.into_iter().map(Arc::new).collect();
        self.keep(self.replaced_by(&people));
        let mut layer = Layer::new(people);
        while let Some(below) = self.layers.last()
            && below.people.len() < layer.people.len() * LAYER_RATIO
        {
            layer = Layer::new(below.people.iter().chain(&layer.people).cloned().collect());
            self.layers.pop();
        }
        if !layer.people.is_empty() {
            self.layers.push(Arc::new(layer));
        }
    }

    /// Whom a record means: by its id, else by its login name, else by its address.
    pub fn find(&self, uid: Option<&str>, name: Option<&str>, email_addr: Option<&str>) -> Option<&Person> {
        let by_uid = uid.and_then(|uid| {
            let uid = uid.to_lowercase();
            self.newest(&uid, |person| is_text(&person.uid, &uid))
        });
        let by_name = |name: &str| {
            let name = name.to_lowercase();
            self.newest(&name, |person| is_text(&person.name, &name) || is_text(&person.email_addr, &name))
        };
        by_uid.or_else(|| [name, email_addr].into_iter().flatten().find_map(by_name))
    }

    /// The newest of those whom a directory told; without any, the newest of those who were observed.
    fn newest(&self, text: &str, is_meant: impl Fn(&Person) -> bool) -> Option<&Person> {
        let mut observed = None;
        for person in self.named(text).filter(|person| is_meant(person)) {
            if !person.is_observed {
                return Some(person);
            }
            observed = observed.or(Some(person));
        }
        observed
    }

    /// People who have this text, in lower case, for a name (and perhaps a few others), the newest first.
    fn named(&self, text: &str) -> impl Iterator<Item = &Person> {
        self.with_digest(digest_of_text(text)).filter(|person| self.is_last_word(person))
    }

    fn with_digest(&self, digest: u64) -> impl Iterator<Item = &Person> {
        self.layers.iter().rev().flat_map(move |layer| layer.with_digest(digest))
    }

    /// Whether no newer entry has the same id. Within a layer none has; an older layer may be behind.
    fn is_last_word(&self, person: &Person) -> bool {
        let last = self.with_digest(digest_of_id(&person.id)).find(|other| other.id == person.id);
        last.is_none_or(|last| std::ptr::eq(last, person))
    }

    /// The keys (see [`crate::columns::user_key`]) under which records of the people may lie who have this
    /// id, login name, address or name, in lower case; or, with `or_local_part`, an address that begins
    /// with it and `@`.
    pub fn keys_of(&self, text: &str, or_local_part: bool) -> BTreeSet<String> {
        let is_it = |name: &str| {
            let name = name.to_lowercase();
            name == text || (or_local_part && name.split_once('@').is_some_and(|(local, _)| local == text))
        };
        let people = self.named(text).filter(|person| texts(person).any(is_it));
        people.flat_map(keys).collect()
    }

    /// The same for the people who have an id, login name, address or name that `fits`: looks at everyone.
    pub fn keys_matching(&self, fits: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let people = self.layers.iter().flat_map(|layer| &layer.people);
        let found = people.filter(|person| texts(person).any(&fits) && self.is_last_word(person));
        found.flat_map(|person| keys(person)).collect()
    }

    /// Everyone, in no order: each person once, as [`find`](Self::find) would answer for them.
    pub fn iter(&self) -> impl Iterator<Item = &Person> {
        let is_current = |person: &&Person| {
            let found =
                self.find(person.uid.as_deref(), person.name.as_deref(), person.email_addr.as_deref());
            found.is_none_or(|found| found.id == person.id)
        };
        let people = self.layers.iter().flat_map(|layer| &layer.people).map(Arc::as_ref);
        // Groups of SCIM are entries, too, and nobody's names.
        let is_somebody = |person: &&Person| texts(person).next().is_some();
        people.filter(is_somebody).filter(|person| self.is_last_word(person)).filter(is_current)
    }

    /// The entry with the id that a directory gave.
    pub fn entry(&self, id: &str) -> Option<&Person> {
        self.with_digest(digest_of_id(id)).find(|person| person.id == id)
    }

    /// Every entry that is the last word about its id, also those that another one stands for, and those that name
    /// nobody.
    pub fn entries(&self) -> impl Iterator<Item = &Person> {
        let people = self.layers.iter().flat_map(|layer| &layer.people).map(Arc::as_ref);
        people.filter(|person| self.is_last_word(person))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

/// People who became known together, or were merged; the newest last, each id once.
#[derive(Debug)]
struct Layer {
    people: Vec<Arc<Person>>,
    /// Digests of ids and names, each with the person's place in `people`; sorted.
    names: Vec<(u64, u32)>,
    /// The newest position.
    newest: Option<u64>,
}

impl Layer {
    fn new(mut people: Vec<Arc<Person>>) -> Self {
        let last: HashMap<&str, usize> =
            people.iter().enumerate().map(|(at, person)| (person.id.as_str(), at)).collect();
        if last.len() < people.len() {
            let kept: HashSet<usize> = last.into_values().collect();
            people =
                people.into_iter().enumerate().filter(|(at, _)| kept.contains(at)).map(|(_, p)| p).collect();
        }
        Self::of_all(people)
    }

    /// Of all of them, also of several with one id.
    fn of_all(people: Vec<Arc<Person>>) -> Self {
        let mut names = Vec::with_capacity(people.len() * 4);
        for (at, person) in (0_u32..).zip(&people) {
            names.push((digest_of_id(&person.id), at));
            for text in texts(person) {
                let text = text.to_lowercase();
                names.push((digest_of_text(&text), at));
                names.extend(text.split_once('@').map(|(local, _)| (digest_of_text(local), at)));
            }
        }
        names.sort_unstable();
        names.dedup();
        names.shrink_to_fit();
        let newest = people.iter().map(|person| person.position).max();
        Self { people, names, newest }
    }

    fn with_digest(&self, digest: u64) -> impl Iterator<Item = &Person> {
        self.arcs_with_digest(digest).map(Arc::as_ref)
    }
}

fn texts(person: &Person) -> impl Iterator<Item = &str> {
    [&person.uid, &person.name, &person.email_addr, &person.full_name]
        .into_iter()
        .flatten()
        .map(String::as_str)
}

fn keys(person: &Person) -> impl Iterator<Item = String> {
    texts(person).map(str::to_lowercase)
}

fn is_text(slot: &Option<String>, lower: &str) -> bool {
    slot.as_ref().is_some_and(|text| text.to_lowercase() == lower)
}

/// Apart from names, which have no control characters.
fn digest_of_id(id: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(("\u{1}", id))
}

/// A collision shows one more person to whoever asks, who compares the text itself.
fn digest_of_text(lower: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(lower)
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
            // By position, so that the table of people, which is sorted by id, grows at its end.
            id: format!("seen:{position:020}"),
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

/// What the ids of entries begin with that identity providers give over SCIM …
const SCIM_IDS: &str = "scim:";
/// … and the format of their records.
const SCIM: &str = "scim";

/// The directory entry that an identity record states; `None` for other records.
///
/// Ids of SCIM are SCIM's: a record of another format that claims one is in the trail, and no entry. Whoever may add records
/// must not rename or remove whom an identity provider manages.
pub(crate) fn person_of(event: &Event, position: u64, format: &str) -> Option<Person> {
    let id = event.native_id.as_str();
    let is_entry = event.kind == Kind::Identity && (format == SCIM || !id.starts_with(SCIM_IDS));
    is_entry.then(|| Person {
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
            assert_eq!(directory.keys_of("ada@contoso.example", false).len(), 2);
            assert_eq!(directory.keys_of("ada", true).len(), 3);
            assert_eq!(directory.keys_of("ada", false).len(), 2);
        }
    }

    #[test]
    fn a_directory_that_grows_by_layers_answers_like_one_that_was_made_at_once() {
        let people: Vec<Person> = (0..300)
            .map(|n| {
                person(
                    &format!("user:{}", n % 90),
                    &format!("U{}", n % 97),
                    &format!("name{}@x", n % 50),
                    n % 3 == 0,
                )
            })
            .collect();
        let at_once = Directory::new(people.clone());
        let mut grown = Directory::default();
        let mut copies = Vec::new();
        for few in people.chunks(7) {
            grown.extend(few.iter().cloned());
            copies.push((grown.clone(), grown.len()));
        }
        assert!(grown.layers.len() < 6, "{} layers", grown.layers.len());
        assert!(copies.iter().all(|(copy, len)| copy.len() == *len), "a copy has changed");
        for n in 0..100 {
            let (uid, name) = (format!("u{n}"), format!("NAME{n}@X"));
            assert_eq!(grown.find(Some(&uid), None, None), at_once.find(Some(&uid), None, None), "{uid}");
            assert_eq!(grown.find(None, Some(&name), None), at_once.find(None, Some(&name), None), "{name}");
            let local = format!("name{n}");
            let looked_at =
                at_once.keys_matching(|text| text.to_lowercase().split('@').next() == Some(&local));
            assert_eq!(grown.keys_of(&local, true), looked_at, "{local}");
        }
    }
}
