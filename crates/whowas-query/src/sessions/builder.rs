//! Sessions of a growing set of records.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use whowas_event::{Event, Time};

use super::{
    mark::{LaneId, LaneKey, Mark, RecordKey, Role, Scope},
    pair::{Boundaries, Lane, Pairing},
    row::Row,
    rules::SessionRules,
};

/// A record as it is handed to the pairing.
#[derive(Clone, Copy, Debug)]
pub struct LoginRecord<'a> {
    /// The source it came from.
    pub source: &'a str,
    /// The format it was read with.
    pub format: &'a str,
    /// Which delivery of its native id it is.
    pub revision: u32,
    /// Its position in the trail, if it is in one.
    pub position: Option<u64>,
    /// What happened.
    pub event: &'a Event,
}

/// What became of a record that was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    /// It has nothing to do with sessions: a failure, a change in the directory, a ticket without a session.
    NoSession,
    /// It was not known.
    New,
    /// It takes the place of an earlier revision.
    Replaced,
    /// It is known.
    Duplicate,
    /// A later revision of it is known.
    Stale,
}

/// Derives sessions from records that come in any order, how often and in whatever batches.
///
/// What is kept is one mark (some 300 bytes) for each record that opens, ends or shows a session, by lane: memory
/// grows with the records of sessions, not with failures. A lane's sessions depend on its own marks and on the
/// boundaries of its machine alone, so a caller that keeps sessions elsewhere may feed a builder the newest
/// revisions of the records of a few lanes, with the starts and stops of their machines, and
/// [`SessionBuilder::take_touched`] says which lanes a batch has changed.
#[derive(Clone, Debug)]
pub struct SessionBuilder {
    rules: SessionRules,
    /// The newest revision of every record that matters; `None` if it does not open, end or show a session.
    records: HashMap<RecordKey, (u32, Option<Arc<Mark>>)>,
    lanes: BTreeMap<LaneKey, BTreeSet<Arc<Mark>>>,
    boundaries: BTreeMap<Scope, Boundaries>,
    /// The lanes that have marks of a machine, and how many.
    scopes: BTreeMap<Scope, BTreeMap<LaneKey, usize>>,
    touched: BTreeSet<LaneKey>,
}

impl SessionBuilder {
    /// No records yet.
    pub fn new(rules: SessionRules) -> Self {
        Self {
            rules,
            records: HashMap::new(),
            lanes: BTreeMap::new(),
            boundaries: BTreeMap::new(),
            scopes: BTreeMap::new(),
            touched: BTreeSet::new(),
        }
    }

    /// Takes a record into account.
    ///
    /// Of several deliveries of one record the highest revision counts. Two deliveries that claim one revision
    /// and say different things, which no trail has, are settled by an order of their content.
    pub fn insert(&mut self, record: LoginRecord<'_>) -> Insertion {
        let key = RecordKey::of(&record);
        let mark = Mark::of(&record, key.clone());
        self.insert_mark(key, record.revision, mark)
    }

    /// The same for a record of which only the mark is kept.
    pub(crate) fn insert_mark(&mut self, key: RecordKey, revision: u32, mark: Option<Mark>) -> Insertion {
        let mark = mark.map(Arc::new);
        let known = self.records.get(&key);
        let insertion = match known {
            None if mark.is_none() && revision == 0 => return Insertion::NoSession,
            None => Insertion::New,
            Some((held, _)) if *held > revision => return Insertion::Stale,
            Some((held, _)) if *held < revision => Insertion::Replaced,
            Some((_, held)) if *held >= mark => return Insertion::Duplicate,
            Some(_) => Insertion::Replaced,
        };
        if let Some((_, Some(held))) = self.records.insert(key, (revision, mark.clone())) {
            self.remove(&held);
        }
        let is_of_session = mark.is_some();
        if let Some(mark) = mark {
            self.add(mark);
        }
        if is_of_session || insertion == Insertion::Replaced { insertion } else { Insertion::NoSession }
    }

    /// Every session that follows from the records so far, as it looks at the instant `as_of`: silence is
    /// counted up to there. Newest start first.
    pub fn pairing(&self, as_of: Time) -> Pairing {
        self.pairing_of(self.lanes.keys(), as_of)
    }

    /// The same for some lanes; a lane that has no records (any more) has no sessions.
    pub fn pairing_of<'k>(&self, lanes: impl IntoIterator<Item = &'k LaneKey>, as_of: Time) -> Pairing {
        let mut out = Pairing::default();
        for key in lanes {
            let Some(marks) = self.lanes.get(key) else { continue };
            self.lane(key, as_of).pair(marks.iter().map(Arc::as_ref), &mut out);
        }
        // The lane is the last word between equals, and lanes come in their order.
        out.sessions.sort_by(|a, b| (b.start, &b.records).cmp(&(a.start, &a.records)));
        out.ends_without_start.sort_by(|a, b| (a.at, &a.record).cmp(&(b.at, &b.record)));
        out
    }

    /// One lane's sessions and lone ends as rows, in the order of time.
    pub(crate) fn rows_of(&self, key: &LaneKey) -> Vec<Row> {
        let mut rows = Vec::new();
        if let Some(marks) = self.lanes.get(key) {
            self.lane(key, Time::default()).pair(marks.iter().map(Arc::as_ref), &mut rows);
        }
        rows
    }

    /// The newest revision of a record that is known, and what it does.
    pub(crate) fn held(&self, key: &RecordKey) -> Option<(u32, Option<&Mark>)> {
        self.records.get(key).map(|(revision, mark)| (*revision, mark.as_deref()))
    }

    fn lane(&self, key: &LaneKey, as_of: Time) -> Lane<'_> {
        Lane {
            is_line: matches!(key.id, LaneId::Line { .. }),
            boundaries: &self.boundaries,
            rules: &self.rules,
            as_of,
        }
    }

    /// The lanes whose sessions may have changed since this was asked last.
    pub fn take_touched(&mut self) -> BTreeSet<LaneKey> {
        std::mem::take(&mut self.touched)
    }

    fn add(&mut self, mark: Arc<Mark>) {
        let scope = mark.scope();
        if let Role::Boundary(boundary) = mark.role {
            self.touch_all(&scope);
            let known = self.boundaries.entry(scope).or_default();
            known.insert((mark.at, boundary, mark.key.clone()));
            return;
        }
        let lane = mark.lane();
        *self.scopes.entry(scope).or_default().entry(lane.clone()).or_default() += 1;
        self.touched.insert(lane.clone());
        self.lanes.entry(lane).or_default().insert(mark);
    }

    fn remove(&mut self, mark: &Arc<Mark>) {
        let scope = mark.scope();
        if let Role::Boundary(boundary) = mark.role {
            self.touch_all(&scope);
            if let Some(known) = self.boundaries.get_mut(&scope) {
                known.remove(&(mark.at, boundary, mark.key.clone()));
            }
            return;
        }
        let lane = mark.lane();
        if let Some(marks) = self.lanes.get_mut(&lane) {
            marks.remove(mark);
            if marks.is_empty() {
                self.lanes.remove(&lane);
            }
        }
        if let Some(lanes) = self.scopes.get_mut(&scope)
            && let Some(count) = lanes.get_mut(&lane)
        {
            *count -= 1;
            if *count == 0 {
                lanes.remove(&lane);
            }
        }
        self.touched.insert(lane);
    }

    fn touch_all(&mut self, scope: &Scope) {
        self.touched.extend(self.scopes.get(scope).into_iter().flat_map(BTreeMap::keys).cloned());
    }
}
