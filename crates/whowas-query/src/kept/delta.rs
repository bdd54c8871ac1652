//! What some records add to the sessions that are kept: the lanes they touch are paired before and after.
//!
//! Of a lane that has earlier records those are read from the trail again, from a place on at which a session begins
//! for certain. What comes out is exact rows that came and rows that are gone, and depends on how records were
//! cut into batches in nothing else.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use whowas_event::Time;

use super::{
    base::Base,
    entry::{AtBoundary, Gone, InLane, Kept, List, Replaced},
    records::{Item, Records, Revised},
    run::Content,
};
use crate::{
    QueryError,
    sessions::{
        LaneKey, Mark, RecordKey, Role, Row, SessionBuilder, SessionRules, scope_digest, sure_start_of,
    },
};

/// Earlier records of a lane that are read at first; four times as many each time no session begins in them for certain.
const LANE_RECORDS: usize = 64;
/// At most so many are read: of a session that goes on for longer, say under one id for all there is, the
/// first records are left out. A mark has some 300 bytes.
pub(crate) const LANE_RECORDS_MAX: usize = 64 * LANE_RECORDS * 64;

/// Rows before and after.
#[derive(Debug, Default)]
struct Change {
    before: Vec<Row>,
    after: Vec<Row>,
}

/// The difference that the records at `floor..` make to what was kept at `floor`.
#[derive(Debug)]
pub(crate) struct Delta {
    base: Arc<Base>,
    floor: u64,
    before: SessionBuilder,
    after: SessionBuilder,
    /// From which instant on earlier records of a lane are in both builders.
    loaded: HashMap<u64, i64>,
    changes: HashMap<LaneKey, Change>,
    lanes: Vec<InLane>,
    replaced: Vec<Replaced>,
    boundaries: Vec<AtBoundary>,
    /// How often each record was delivered since `floor`.
    deliveries: HashMap<RecordKey, u32>,
}

impl Delta {
    pub(crate) fn new(
        base: Arc<Base>,
        floor: u64,
        rules: &SessionRules,
        records: &Records,
    ) -> Result<Self, QueryError> {
        let mut delta = Self {
            before: SessionBuilder::new(rules.clone()),
            after: SessionBuilder::new(rules.clone()),
            floor,
            loaded: HashMap::new(),
            changes: HashMap::new(),
            lanes: Vec::new(),
            replaced: Vec::new(),
            boundaries: Vec::new(),
            deliveries: HashMap::new(),
            base,
        };
        for item in records.at(&delta.base.boundaries(floor))? {
            delta.insert_earlier(item);
        }
        Ok(delta)
    }

    /// Takes records into account, in the order of their positions, all of them at or behind `floor`.
    pub(crate) fn add(&mut self, items: Vec<Item>, records: &Records) -> Result<(), QueryError> {
        let mut wanted: HashMap<u64, i64> = HashMap::new();
        let mut boundaries: BTreeSet<(u32, Time)> = BTreeSet::new();
        let mut want = |mark: &Mark| {
            if let Role::Boundary(_) = mark.role {
                boundaries.insert((scope_digest(&mark.scope()), mark.at));
            } else {
                let from = wanted.entry(mark.lane().digest()).or_insert(i64::MAX);
                *from = mark.at.as_ms().min(*from);
            }
        };
        for item in self.earlier(&items, records)? {
            item.mark.iter().for_each(&mut want);
            self.insert_earlier(item);
        }
        for item in &items {
            item.mark.iter().for_each(&mut want);
            if item.revision > 0 {
                self.after.held(&item.key).and_then(|(_, mark)| mark).into_iter().for_each(&mut want);
            }
        }
        for (scope, at) in boundaries {
            let crossing = self.base.crossing(scope, at, self.floor)?;
            let positions: Vec<u64> = crossing.iter().map(|row| row.position).collect();
            for item in records.at(&positions)? {
                if let Some(mark) = item.mark {
                    let from = wanted.entry(mark.lane().digest()).or_insert(i64::MAX);
                    *from = at.as_ms().min(*from);
                }
            }
        }
        self.load(wanted, records)?;
        for item in items {
            self.insert(item);
        }
        for lane in self.after.take_touched() {
            let (before, after) = (self.before.rows_of(&lane), self.after.rows_of(&lane));
            self.changes.insert(lane, Change { before, after });
        }
        Ok(())
    }

    /// What was delivered before `floor` of the records that are later revisions.
    fn earlier(&mut self, items: &[Item], records: &Records) -> Result<Vec<Item>, QueryError> {
        let mut revised = Vec::new();
        for item in items {
            let known = self.deliveries.entry(item.key.clone()).or_default();
            if item.revision > *known && self.before.held(&item.key).is_none() {
                let at = item.mark.as_ref().map_or(0, |mark| mark.at.as_ms());
                let deliveries = item.revision - *known;
                revised.push(Revised { key: item.key.clone(), at_ms: at, deliveries });
            }
            *known += 1;
        }
        if revised.is_empty() { Ok(Vec::new()) } else { records.earlier(&revised, self.floor) }
    }

    fn insert_earlier(&mut self, item: Item) {
        self.before.insert_mark(item.key.clone(), item.revision, item.mark.clone());
        self.after.insert_mark(item.key, item.revision, item.mark);
    }

    fn insert(&mut self, item: Item) {
        if item.revision > 0
            && let Some((held, Some(mark))) = self.after.held(&item.key)
            && held < item.revision
            && let Some(position) = mark.position
        {
            self.replaced.push(Replaced { position, by: item.position });
        }
        match &item.mark {
            Some(Mark { role: Role::Boundary(_), .. }) => {
                self.boundaries.push(AtBoundary { position: item.position });
            }
            Some(mark) => {
                let lane = mark.lane().digest();
                self.lanes.push(InLane { lane, at: mark.at.as_ms(), position: item.position });
            }
            None => {}
        }
        self.after.insert_mark(item.key, item.revision, item.mark);
    }

    /// Brings the earlier records of lanes into both builders, as far back as they matter for what happens from an
    /// instant on.
    fn load(&mut self, wanted: HashMap<u64, i64>, records: &Records) -> Result<(), QueryError> {
        let is_missing = |(lane, from): &(u64, i64)| {
            self.loaded.get(lane).is_none_or(|loaded| *loaded > i64::MIN && loaded >= from)
        };
        let mut waiting: Vec<(u64, i64)> = wanted.into_iter().filter(is_missing).collect();
        waiting.sort_unstable();
        let mut lanes = Vec::with_capacity(waiting.len());
        for (lane, from) in waiting {
            let known = self.base.lane(lane, self.floor)?;
            if known.is_empty() {
                self.loaded.insert(lane, i64::MIN);
            } else {
                lanes.push((lane, from, known));
            }
        }
        let mut count = LANE_RECORDS;
        while !lanes.is_empty() {
            let first = |from: i64, known: &[InLane]| {
                known.partition_point(|one| one.at < from).saturating_sub(count.min(LANE_RECORDS_MAX))
            };
            let chosen = lanes.iter().flat_map(|(_, from, known)| known.iter().skip(first(*from, known)));
            let positions: Vec<u64> = chosen.map(|one| one.position).collect();
            let mut found: HashMap<u64, Item> =
                records.at(&positions)?.into_iter().map(|item| (item.position, item)).collect();
            let mut left = Vec::new();
            for (lane, from, known) in lanes {
                let at = first(from, &known);
                let items: Vec<Item> =
                    known.iter().skip(at).filter_map(|one| found.remove(&one.position)).collect();
                let begins = if at == 0 {
                    Some(i64::MIN)
                } else {
                    let before = Time::from_ms(from).unwrap_or_default();
                    let mut marks: Vec<&Mark> = items.iter().filter_map(|item| item.mark.as_ref()).collect();
                    sure_start_of(&mut marks, before).map(Time::as_ms)
                };
                let begins = begins.or_else(|| {
                    let is_all = count >= LANE_RECORDS_MAX;
                    is_all.then(|| known.get(at).map_or(i64::MIN, |one| one.at))
                });
                let Some(begins) = begins else {
                    left.push((lane, from, known));
                    continue;
                };
                self.loaded.insert(lane, begins);
                for item in items {
                    if item.mark.as_ref().is_some_and(|mark| mark.at.as_ms() >= begins) {
                        self.insert_earlier(item);
                    }
                }
            }
            lanes = left;
            count *= 4;
        }
        Ok(())
    }

    /// Rows that came, and rows that were there before and are gone.
    pub(crate) fn rows(&self) -> (Vec<Row>, Vec<Row>) {
        let (mut came, mut gone) = (Vec::new(), Vec::new());
        for Change { before, after } in self.changes.values() {
            // Nearly every lane is new.
            if before.is_empty() {
                came.extend(after);
                continue;
            }
            let (old, new): (BTreeSet<&Row>, BTreeSet<&Row>) =
                (before.iter().collect(), after.iter().collect());
            came.extend(after.iter().filter(|row| !old.contains(row)));
            gone.extend(before.iter().filter(|row| !new.contains(row)));
        }
        came.sort_unstable();
        gone.sort_unstable();
        (came, gone)
    }

    /// Which of the records stand in which lanes, sorted.
    pub(crate) fn lanes(&self) -> Vec<InLane> {
        let mut lanes = self.lanes.clone();
        lanes.sort_unstable();
        lanes
    }

    /// The records that stand in their lanes no longer.
    pub(crate) fn replaced(&self) -> HashSet<u64> {
        self.replaced.iter().map(|one| one.position).collect()
    }

    /// The same as a run that makes the sessions right for the size `to`.
    pub(crate) fn content(self, to: u64) -> Content {
        let (came, gone) = self.rows();
        let gone_of = |row: &Row| Gone {
            start: row.start.as_ms(),
            position: row.position,
            size: to,
            list: List::of(row),
        };
        Content {
            rows: came.into_iter().map(|row| Kept { row, step: 0 }).collect(),
            gone: gone.iter().map(gone_of).collect(),
            lanes: self.lanes,
            replaced: self.replaced,
            boundaries: self.boundaries,
        }
    }
}
