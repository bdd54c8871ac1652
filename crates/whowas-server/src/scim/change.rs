//! Changes: what a client asks for, as `identity` records that are durable before anybody is answered.
//!
//! A change runs to its end even when its client goes away. If it is not known whether its records were committed,
//! the index is forgotten and made anew from the directory, which knows.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value, json};
use tokio::sync::OwnedRwLockWriteGuard;
use whowas_event::{
    Admitted, Draft, Event, Kind as RecordKind, NativeId, Time, User,
    admit::{OBJECT_BYTES_MAX, RawData, Rejection, admit},
    jcs,
};
use whowas_store::{Batch, Directory, Trail, WhenFull};

use super::{
    Fail, patch,
    refused::Refused,
    resource::{self, MEMBERS_MAX},
    schema::Kind,
    source::{Entry, Id, Index, KEPT_GROUP, KEPT_MEMBERS, KEPT_USER, Place, Shared},
};

/// The format of the records, and the name of the source if the token has none.
pub(crate) const FORMAT: &str = "scim";

/// What is to be changed.
#[derive(Debug)]
pub(crate) enum Change {
    Create(Kind, Map<String, Value>),
    Replace(Kind, Id, Map<String, Value>),
    Patch(Kind, Id, Value),
    Delete(Kind, Id),
}

/// The entity tags of which one must be the resource's; any if there are none.
pub(crate) type Expected = Option<Vec<String>>;

/// Makes a change of one source. The id of the resource comes back, unless it was deleted.
pub(crate) async fn make(
    trail: Arc<Trail>,
    shared: Shared,
    source: String,
    (change, expected): (Change, Expected),
    now: Time,
) -> Result<Option<Id>, Fail> {
    // On a task of its own: when the client hangs up, the handler ends, and the change must not.
    let task = tokio::spawn(async move {
        let mut guard = shared.write_owned().await;
        if guard.is_none() {
            *guard = Some(indexed(trail.clone(), source).await?);
        }
        let begun = tokio::task::spawn_blocking({
            let trail = trail.clone();
            move || begin(guard, &trail, change, expected, now)
        });
        let (mut guard, planned) = begun.await.map_err(Fail::internal)??;
        if planned.records.is_empty() {
            return Ok(planned.id);
        }
        match append(&trail, guard.as_ref().map_or("", Index::source), &planned.records, now).await {
            Ok(()) => {
                if let Some(index) = guard.as_mut() {
                    planned.effects.into_iter().for_each(|effect| effect.on(index));
                }
                Ok(planned.id)
            }
            Err(error) => {
                // Whether it was committed, only the directory knows.
                *guard = None;
                Err(error)
            }
        }
    });
    task.await.map_err(Fail::internal)?
}

/// The index of a source, from the directory.
pub(crate) async fn indexed(trail: Arc<Trail>, source: String) -> Result<Index, Fail> {
    let make = move || Index::of(&source, &trail.snapshot().directory);
    tokio::task::spawn_blocking(make).await.map_err(Fail::internal)
}

type Guard = OwnedRwLockWriteGuard<Option<Index>>;

/// What a change would write, and what it would do to the index.
#[derive(Debug, Default)]
struct Planned {
    id: Option<Id>,
    records: Vec<Event>,
    effects: Vec<Effect>,
}

#[derive(Debug)]
enum Effect {
    Put(Kind, Id, Option<Map<String, Value>>, Map<String, Value>),
    Remove(Kind, Id, Map<String, Value>),
    Members(Id, usize, BTreeSet<Id>),
}

impl Effect {
    fn on(self, index: &mut Index) {
        match self {
            Self::Put(kind, id, before, kept) => index.put(kind, id, before.as_ref(), &kept),
            Self::Remove(kind, id, before) => index.remove(kind, id, &before),
            Self::Members(group, shard, members) => index.put_members(group, shard, members),
        }
    }
}

fn begin(
    guard: Guard,
    trail: &Trail,
    change: Change,
    expected: Expected,
    now: Time,
) -> Result<(Guard, Planned), Fail> {
    let directory = trail.snapshot().directory.clone();
    let index = guard.as_ref().ok_or_else(|| Fail::internal("an index went away"))?;
    let plan = Plan { index, directory: &directory, now };
    let planned = match change {
        Change::Create(kind, sent) => plan.create(kind, sent)?,
        Change::Replace(kind, id, sent) => {
            let entry = plan.entry(kind, id, &expected)?;
            let kept = resource::accepted(kind, &sent)?;
            plan.put(kind, id, Some(entry), kept)?
        }
        Change::Patch(kind, id, body) => {
            let entry = plan.entry(kind, id, &expected)?;
            let kept = patch::patched(kind, &plan.with_members(kind, id, &entry), body)?;
            plan.put(kind, id, Some(entry), kept)?
        }
        Change::Delete(kind, id) => plan.delete(kind, id, plan.entry(kind, id, &expected)?)?,
    };
    Ok((guard, planned))
}

struct Plan<'a> {
    index: &'a Index,
    directory: &'a Directory,
    now: Time,
}

impl Plan<'_> {
    fn entry(&self, kind: Kind, id: Id, expected: &Expected) -> Result<Entry, Fail> {
        let entry = self.index.entry(self.directory, kind, id).ok_or_else(|| no_such(kind, id))?;
        let tag = entity_tag(entry.position);
        if let Some(tags) = expected
            && !tags.iter().any(|one| one == "*" || *one == tag)
        {
            return Err(
                Refused::with_status(412, format!("the resource has changed: it is {tag} now")).into()
            );
        }
        Ok(entry)
    }

    /// What is kept, with the members of a group.
    fn with_members(&self, kind: Kind, id: Id, entry: &Entry) -> Map<String, Value> {
        let mut kept = entry.kept.clone();
        let members: Vec<Value> =
            self.index.members(id).map(|id| json!({ "value": id.to_string() })).collect();
        if kind == Kind::Group && !members.is_empty() {
            kept.insert("members".to_owned(), members.into());
        }
        kept
    }

    fn create(&self, kind: Kind, sent: Map<String, Value>) -> Result<Planned, Fail> {
        let mut random = [0; 10];
        getrandom::fill(&mut random).map_err(Fail::internal)?;
        let kept = resource::accepted(kind, &sent)?;
        let id = Id::new(self.index.time_for_id(kind, self.now), random);
        self.put(kind, id, None, kept)
    }

    /// The records that make a resource what it shall be; none if it is.
    fn put(
        &self,
        kind: Kind,
        id: Id,
        before: Option<Entry>,
        mut kept: Map<String, Value>,
    ) -> Result<Planned, Fail> {
        self.index.is_free(kind, id, &kept)?;
        let members = kept.remove("members").filter(|_| kind == Kind::Group);
        let mut planned = Planned { id: Some(id), ..Planned::default() };
        if before.as_ref().is_none_or(|before| before.kept != kept) {
            let created_at = before.as_ref().map_or(self.now, |before| before.created_at);
            let place = Place::Resource(kind, id);
            let (user, mut beside) = match kind {
                Kind::User => (resource::person(&id.to_string(), &kept), resource::beside(&kept)),
                Kind::Group => (User::default(), Map::new()),
            };
            let member = if kind == Kind::User { KEPT_USER } else { KEPT_GROUP };
            beside.insert("created_at".to_owned(), created_at.to_string().into());
            beside.insert(member.to_owned(), Value::Object(kept.clone()));
            planned.records.push(self.record(place, user, beside)?);
            planned.effects.push(Effect::Put(kind, id, before.map(|before| before.kept), kept));
        }
        if kind == Kind::Group {
            self.put_members(id, &self.members(members)?, &mut planned)?;
        }
        Ok(planned)
    }

    /// The people whom a list of members means, all of whom there must be.
    fn members(&self, members: Option<Value>) -> Result<BTreeSet<Id>, Fail> {
        let Some(Value::Array(members)) = members else { return Ok(BTreeSet::new()) };
        if members.len() > MEMBERS_MAX {
            return Err(Refused::too_many(format!("a group has at most {MEMBERS_MAX} members")).into());
        }
        let found = members.iter().map(|member| {
            let text = member.get("value").and_then(Value::as_str).unwrap_or_default();
            let id = Id::parse(text).filter(|id| self.index.users.contains(id));
            id.ok_or_else(|| Refused::value(format!("no user has the id `{text}`")).into())
        });
        found.collect()
    }

    fn put_members(&self, group: Id, wanted: &BTreeSet<Id>, planned: &mut Planned) -> Result<(), Fail> {
        for (shard, members) in self.index.shards_for(group, wanted) {
            let ids: Vec<String> = members.iter().map(Id::to_string).collect();
            let beside = Map::from_iter([(KEPT_MEMBERS.to_owned(), json!(ids))]);
            planned.records.push(self.record(Place::Members(group, shard), User::default(), beside)?);
            planned.effects.push(Effect::Members(group, shard, members));
        }
        Ok(())
    }

    /// The name of who is deleted stays, with the time: sign-ins that were theirs go on having it.
    fn delete(&self, kind: Kind, id: Id, before: Entry) -> Result<Planned, Fail> {
        let mut planned = Planned::default();
        let (user, mut beside) = match kind {
            Kind::User => (resource::person(&id.to_string(), &before.kept), resource::beside(&before.kept)),
            Kind::Group => (User::default(), Map::new()),
        };
        beside.insert("created_at".to_owned(), before.created_at.to_string().into());
        beside.insert("deleted_at".to_owned(), self.now.to_string().into());
        beside.insert("removed".to_owned(), true.into());
        planned.records.push(self.record(Place::Resource(kind, id), user, beside)?);
        match kind {
            Kind::User => {
                for group in self.index.groups_of(id) {
                    let mut rest: BTreeSet<Id> = self.index.members(group).collect();
                    rest.remove(&id);
                    self.put_members(group, &rest, &mut planned)?;
                }
            }
            Kind::Group => self.put_members(id, &BTreeSet::new(), &mut planned)?,
        }
        planned.effects.push(Effect::Remove(kind, id, before.kept));
        Ok(planned)
    }

    fn record(&self, place: Place, user: User, beside: Map<String, Value>) -> Result<Event, Fail> {
        let native_id = place.native_id(self.index.source());
        // Later than the last record of this id: one that returns to what it was is not a repeated delivery.
        let last = self.directory.entry(&native_id).and_then(|person| person.since);
        let after_last = last.and_then(|last| Time::from_ms(last.as_ms() + 1).ok());
        let unmapped =
            jcs::canonical(&Value::Object(beside)).map_err(|error| Refused::value(error.to_string()))?;
        Ok(Event {
            kind: RecordKind::Identity,
            occurred_at: after_last.map_or(self.now, |after| after.max(self.now)),
            native_id: NativeId::Given(native_id),
            user,
            unmapped: Some(unmapped),
            ..Event::default()
        })
    }
}

/// Appends all records in one commit.
async fn append(trail: &Trail, source: &str, events: &[Event], now: Time) -> Result<(), Fail> {
    // The body itself is not kept: it may hold a password, and what else we do not want to know.
    let admitted = |event: &Event| admit(Draft { event: event.clone(), raw: Vec::new() }, RawData::Dropped);
    let records: Vec<Admitted> =
        events.iter().map(admitted).collect::<Result<_, _>>().map_err(of_rejection)?;
    let batch = Batch { source: source.to_owned(), format: FORMAT.to_owned(), received_at: now, records };
    let receipt = trail.append(batch, WhenFull::Fail).await?;
    if receipt.recorded != events.len() as u64 {
        return Err(Fail::internal("a change of a person was taken for a repetition"));
    }
    Ok(())
}

fn of_rejection(rejection: Rejection) -> Fail {
    let detail = match rejection {
        Rejection::TooLong { field: "unmapped", .. } => {
            format!("of a resource {} KiB are kept, this one is larger", OBJECT_BYTES_MAX / 1024)
        }
        other => other.to_string(),
    };
    Refused::value(detail).into()
}

pub(crate) fn no_such(kind: Kind, id: impl std::fmt::Display) -> Refused {
    Refused::not_found(format!("there is no {} with the id `{id}`", kind.name()))
}

/// The version of a resource: which record says what it is.
pub(crate) fn entity_tag(position: u64) -> String {
    format!("W/\"{position}\"")
}
