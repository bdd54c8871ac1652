//! What one client has provisioned: which people and groups there are, under which names, and who is in which group.
//!
//! This is only an index. The resources themselves stand in the directory of people, as the last `identity` records
//! say (see [`Entry`]), so that a commit changes both at once and an erasure takes both. The index is made from the
//! directory when it is first asked for, follows each change, and is made anew when a change has failed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Map, Value};
use tokio::sync::RwLock;
use whowas_event::{EnvironmentName, Time};
use whowas_store::{Directory, control::Person};

use super::{refused::Refused, resource::text, schema::Kind};

/// What the ids of the records begin with. The source's name follows.
const PREFIX: &str = "scim";
/// Members of a group that stand in one record: of 36 bytes each, they stay below the 16 KiB of a record. A change
/// of members writes the records it touches anew, not the whole group.
pub(crate) const SHARD_MEMBERS_MAX: usize = 256;
/// The member of a record's other attributes that holds what is kept of a person …
pub(crate) const KEPT_USER: &str = "scim";
/// … of a group …
pub(crate) const KEPT_GROUP: &str = "scim_group";
/// … and the ids of members.
pub(crate) const KEPT_MEMBERS: &str = "scim_members";

/// The id of a resource: a UUID that begins with the time, so that the order of ids is the order of creation and
/// pages of a list stay where they are while others are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(u128);

impl Id {
    /// A UUID of version 7.
    pub(crate) fn new(now: Time, random: [u8; 10]) -> Self {
        let ms = u128::from(u64::try_from(now.as_ms()).unwrap_or_default() & 0xffff_ffff_ffff);
        let rest = random.into_iter().fold(0_u128, |rest, byte| rest << 8 | u128::from(byte));
        let rest = rest & !(0xf << 76) | 0x7 << 76;
        let rest = rest & !(0x3 << 62) | 0x2 << 62;
        Self(ms << 80 | rest)
    }

    fn created_at_ms(self) -> i64 {
        i64::try_from(self.0 >> 80).unwrap_or(i64::MAX)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_shaped = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
            });
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        u128::from_str_radix(&digits, 16).ok().filter(|_| is_shaped).map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = format!("{:032x}", self.0);
        for at in [20, 16, 12, 8] {
            digits.insert(at, '-');
        }
        f.write_str(&digits)
    }
}

/// Which record of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Resource(Kind, Id),
    Members(Id, usize),
}

impl Place {
    /// The id of its records, by which the directory finds the last one.
    pub(crate) fn native_id(self, source: &str) -> String {
        match self {
            Self::Resource(Kind::User, id) => format!("{PREFIX}:{source}:user:{id}"),
            Self::Resource(Kind::Group, id) => format!("{PREFIX}:{source}:group:{id}"),
            Self::Members(id, shard) => format!("{PREFIX}:{source}:members:{id}:{shard}"),
        }
    }

    fn parse(source: &str, native_id: &str) -> Option<Self> {
        let rest =
            native_id.strip_prefix(PREFIX)?.strip_prefix(':')?.strip_prefix(source)?.strip_prefix(':')?;
        let (what, rest) = rest.split_once(':')?;
        match what {
            "user" => Some(Self::Resource(Kind::User, Id::parse(rest)?)),
            "group" => Some(Self::Resource(Kind::Group, Id::parse(rest)?)),
            "members" => {
                let (id, shard) = rest.split_once(':')?;
                Some(Self::Members(Id::parse(id)?, shard.parse().ok()?))
            }
            _ => None,
        }
    }
}

/// A resource as the directory has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) kept: Map<String, Value>,
    pub(crate) created_at: Time,
    pub(crate) changed_at: Time,
    /// Position of the last record about it.
    pub(crate) position: u64,
}

impl Entry {
    /// `None` if the person is no resource of SCIM, any more.
    fn of(person: &Person, kind: Kind) -> Option<Self> {
        let Value::Object(mut attributes) = serde_json::from_str(person.attributes.as_deref()?).ok()? else {
            return None;
        };
        let member = if kind == Kind::User { KEPT_USER } else { KEPT_GROUP };
        let Some(Value::Object(kept)) = attributes.remove(member) else { return None };
        let changed_at = person.since?;
        let created_at = text(&attributes, "created_at").and_then(|text| Time::parse_rfc3339(text).ok());
        Some(Self {
            kept,
            created_at: created_at.unwrap_or(changed_at),
            changed_at,
            position: person.position,
        })
    }
}

/// The index of one source.
#[derive(Debug, Default)]
pub(crate) struct Index {
    source: String,
    pub(crate) users: BTreeSet<Id>,
    /// By login name in lower case.
    names: HashMap<String, Id>,
    external_ids: HashMap<(Kind, String), Id>,
    /// The members of each group, as they stand in records.
    pub(crate) groups: BTreeMap<Id, Vec<BTreeSet<Id>>>,
    groups_of: HashMap<Id, BTreeSet<Id>>,
}

impl Index {
    /// Of what a directory has of this source.
    pub(crate) fn of(source: &str, directory: &Directory) -> Self {
        let mut index = Self { source: source.to_owned(), ..Self::default() };
        let mut shards = Vec::new();
        for person in directory.entries() {
            match Place::parse(source, &person.id) {
                Some(Place::Resource(kind, id)) => {
                    if let Some(entry) = Entry::of(person, kind) {
                        index.put(kind, id, None, &entry.kept);
                    }
                }
                Some(Place::Members(group, shard)) => shards.push((group, shard, members_of(person))),
                None => {}
            }
        }
        for (group, shard, members) in shards {
            index.put_members(group, shard, members);
        }
        index
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The resource, if there is one.
    pub(crate) fn entry(&self, directory: &Directory, kind: Kind, id: Id) -> Option<Entry> {
        let is_there = match kind {
            Kind::User => self.users.contains(&id),
            Kind::Group => self.groups.contains_key(&id),
        };
        let entry = |place: Place| directory.entry(&place.native_id(&self.source));
        let mut found = Entry::of(entry(Place::Resource(kind, id)).filter(|_| is_there)?, kind)?;
        // Members stand in records of their own.
        for shard in 0..self.groups.get(&id).map_or(0, Vec::len) {
            if let Some(person) = entry(Place::Members(id, shard)) {
                found.position = found.position.max(person.position);
                found.changed_at = found.changed_at.max(person.since.unwrap_or(found.changed_at));
            }
        }
        Some(found)
    }

    /// The time for a new id: after that of the last one, also when two are created in one millisecond or the clock
    /// was set back.
    pub(crate) fn time_for_id(&self, kind: Kind, now: Time) -> Time {
        let last = match kind {
            Kind::User => self.users.last(),
            Kind::Group => self.groups.keys().next_back(),
        };
        let after_last = last.and_then(|last| Time::from_ms(last.created_at_ms() + 1).ok());
        after_last.map_or(now, |after| after.max(now))
    }

    /// The ids of a kind, in the order of creation.
    pub(crate) fn ids(&self, kind: Kind) -> Vec<Id> {
        match kind {
            Kind::User => self.users.iter().copied().collect(),
            Kind::Group => self.groups.keys().copied().collect(),
        }
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<Id> {
        self.names.get(&name.to_lowercase()).copied()
    }

    pub(crate) fn by_external_id(&self, kind: Kind, external_id: &str) -> Option<Id> {
        self.external_ids.get(&(kind, external_id.to_owned())).copied()
    }

    pub(crate) fn groups_of(&self, user: Id) -> impl Iterator<Item = Id> {
        self.groups_of.get(&user).into_iter().flatten().copied()
    }

    /// Refuses a resource whose names another one has.
    pub(crate) fn is_free(&self, kind: Kind, id: Id, kept: &Map<String, Value>) -> Result<(), Refused> {
        let is_other = |found: Option<Id>| found.is_some_and(|found| found != id);
        if kind == Kind::User && is_other(text(kept, "userName").and_then(|name| self.by_name(name))) {
            return Err(Refused::taken("another user has this `userName`"));
        }
        let external_id = text(kept, "externalId");
        if is_other(external_id.and_then(|external_id| self.by_external_id(kind, external_id))) {
            return Err(Refused::taken(format!("another {} has this `externalId`", kind.name())));
        }
        Ok(())
    }

    /// Takes over a resource that is new or has changed.
    pub(crate) fn put(
        &mut self,
        kind: Kind,
        id: Id,
        before: Option<&Map<String, Value>>,
        kept: &Map<String, Value>,
    ) {
        if let Some(before) = before {
            self.forget_names(kind, id, before);
        }
        if let Some(name) = text(kept, "userName").filter(|_| kind == Kind::User) {
            self.names.insert(name.to_lowercase(), id);
        }
        if let Some(external_id) = text(kept, "externalId") {
            self.external_ids.insert((kind, external_id.to_owned()), id);
        }
        match kind {
            Kind::User => {
                self.users.insert(id);
            }
            Kind::Group => {
                self.groups.entry(id).or_default();
            }
        }
    }

    fn forget_names(&mut self, kind: Kind, id: Id, before: &Map<String, Value>) {
        if let Some(name) = text(before, "userName").filter(|_| kind == Kind::User) {
            let name = name.to_lowercase();
            if self.names.get(&name) == Some(&id) {
                self.names.remove(&name);
            }
        }
        if let Some(external_id) = text(before, "externalId") {
            let key = (kind, external_id.to_owned());
            if self.external_ids.get(&key) == Some(&id) {
                self.external_ids.remove(&key);
            }
        }
    }

    /// Forgets a resource that was deleted.
    pub(crate) fn remove(&mut self, kind: Kind, id: Id, before: &Map<String, Value>) {
        self.forget_names(kind, id, before);
        match kind {
            Kind::User => {
                self.users.remove(&id);
                self.groups_of.remove(&id);
            }
            Kind::Group => {
                let members: Vec<Id> = self.groups.remove(&id).into_iter().flatten().flatten().collect();
                for member in members {
                    self.leave(id, member);
                }
            }
        }
    }

    fn leave(&mut self, group: Id, member: Id) {
        if let Some(groups) = self.groups_of.get_mut(&member) {
            groups.remove(&group);
            if groups.is_empty() {
                self.groups_of.remove(&member);
            }
        }
    }

    /// Takes over the members that one record of a group lists.
    pub(crate) fn put_members(&mut self, group: Id, shard: usize, members: BTreeSet<Id>) {
        let Some(shards) = self.groups.get_mut(&group) else { return };
        if shard >= shards.len() {
            shards.resize_with(shard + 1, BTreeSet::new);
        }
        let Some(slot) = shards.get_mut(shard) else { return };
        // Who was erased is in no group any more, whatever the group's record still lists.
        let members: BTreeSet<Id> = members.intersection(&self.users).copied().collect();
        let before = std::mem::replace(slot, members);
        let gone: Vec<Id> = before.difference(slot).copied().collect();
        for member in slot.iter() {
            self.groups_of.entry(*member).or_default().insert(group);
        }
        for member in gone {
            self.leave(group, member);
        }
    }

    /// The records that change when a group gets these members: which, and what they list then.
    pub(crate) fn shards_for(&self, group: Id, wanted: &BTreeSet<Id>) -> Vec<(usize, BTreeSet<Id>)> {
        let known = self.groups.get(&group).map(Vec::as_slice).unwrap_or_default();
        let mut shards: Vec<BTreeSet<Id>> = known.to_vec();
        let mut new = wanted.clone();
        for shard in &mut shards {
            shard.retain(|member| new.remove(member));
        }
        let mut at = 0;
        for member in new {
            while shards.get(at).is_some_and(|shard| shard.len() >= SHARD_MEMBERS_MAX) {
                at += 1;
            }
            match shards.get_mut(at) {
                Some(shard) => {
                    shard.insert(member);
                }
                None => shards.push(BTreeSet::from([member])),
            }
        }
        let changed = shards.into_iter().enumerate().filter(|(at, shard)| known.get(*at) != Some(shard));
        changed.collect()
    }

    /// The members of a group.
    pub(crate) fn members(&self, group: Id) -> impl Iterator<Item = Id> {
        self.groups.get(&group).into_iter().flatten().flatten().copied()
    }
}

fn members_of(person: &Person) -> BTreeSet<Id> {
    let attributes = person.attributes.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let members = attributes.as_ref().and_then(|attributes| attributes.get(KEPT_MEMBERS)?.as_array());
    members.into_iter().flatten().filter_map(|id| Id::parse(id.as_str()?)).collect()
}

/// The index of one source, if it is made; readers share it, and a change has it alone.
pub(crate) type Shared = Arc<RwLock<Option<Index>>>;

/// The indexes of all sources that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    by_name: Mutex<HashMap<(EnvironmentName, String), Shared>>,
}

impl Sources {
    /// That of one source. There are no more of them than tokens.
    pub(crate) fn of(&self, environment: &EnvironmentName, source: &str) -> Shared {
        let mut all = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry((environment.clone(), source.to_owned())).or_default().clone()
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
