//! The sessions of one state of a trail: the runs up to a step, and what came after it.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
    io,
    sync::Arc,
};

use whowas_event::Time;

use super::{
    base::Base,
    begins::{Begins, Kind},
    delta::Delta,
    entry::{InLane, List, key_of_ms},
};
use crate::{places::Places, sessions::Row};

/// A place between rows: everything older follows it.
pub(crate) type Cursor = (Time, u64);

/// Whether a row is meant.
type Fits<'a> = Option<&'a dyn Fn(&Row) -> bool>;

/// Sessions as of one size of the tree.
#[derive(Clone, Debug)]
pub(crate) struct View {
    base: Arc<Base>,
    /// The step of the runs that it stands on.
    floor: u64,
    size: u64,
    /// Rows that came behind the step, in the order of their starts.
    came: Arc<Vec<Row>>,
    /// Rows of the runs that hold no longer.
    gone: Arc<Vec<Row>>,
    gone_places: Arc<HashSet<(Time, u64)>>,
    /// Which records behind the step stand in which lanes, sorted.
    lanes: Arc<Vec<InLane>>,
    /// Records whose place a later revision took behind the step.
    replaced: Arc<HashSet<u64>>,
}

/// The newest rows, and how many there are in all.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    limit: usize,
    before: Option<Cursor>,
    counted: u64,
    heap: BinaryHeap<Reverse<((Time, u64), Row)>>,
}

impl Newest {
    fn new(limit: usize, before: Option<Cursor>) -> Self {
        Self { limit, before, ..Self::default() }
    }

    /// `false` if whatever is older will not be among the newest.
    fn offer(&mut self, row: Row) -> bool {
        self.counted += 1;
        let place = (row.start, row.position);
        if self.before.is_some_and(|before| place >= before) {
            return true;
        }
        if self.heap.len() < self.limit {
            self.heap.push(Reverse((place, row)));
        } else if let Some(mut oldest) = self.heap.peek_mut() {
            if oldest.0.0 >= place {
                return false;
            }
            *oldest = Reverse((place, row));
        } else {
            return false;
        }
        true
    }

    fn into_rows(self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.heap.into_iter().map(|Reverse((_, row))| row).collect();
        rows.sort_unstable_by_key(|row| Reverse((row.start, row.position)));
        rows
    }
}

impl View {
    pub(crate) fn new(base: Arc<Base>, floor: u64, size: u64, delta: &Delta) -> Self {
        let (came, gone) = delta.rows();
        let gone_places = Arc::new(gone.iter().map(|row| (row.start, row.position)).collect());
        let lanes = Arc::new(delta.lanes());
        let replaced = Arc::new(delta.replaced());
        Self { base, floor, size, came: Arc::new(came), gone: Arc::new(gone), gone_places, lanes, replaced }
    }

    /// The same when the tree has grown by what is nobody's session.
    pub(crate) fn at_size(&self, size: u64) -> Self {
        Self { size, ..self.clone() }
    }

    /// The size of the tree.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The newest `limit` rows of some lists that start at `low..=high` and reach to an instant, older than `before`,
    /// and how many there are of all ages.
    pub(crate) fn newest(
        &self,
        lists: &[List],
        range: (Time, Time),
        reach: Option<Time>,
        fits: Fits<'_>,
        (before, limit): (Option<Cursor>, usize),
    ) -> io::Result<(u64, Vec<Row>)> {
        let mut newest = Newest::new(limit, before);
        let mut total = 0;
        for &list in lists {
            // An open session reaches to any instant.
            let reach = reach.filter(|_| list == List::Ended);
            let counted = newest.counted;
            let is_countable = fits.is_none() && reach.is_none() && self.floor == self.base.to();
            // What is newer than the page need not be read, only counted.
            let high = before.filter(|_| is_countable).map_or(range.1, |(start, _)| start.min(range.1));
            self.each(list, (range.0, high), reach, |row| {
                if fits.is_none_or(|fits| fits(&row)) { newest.offer(row) || !is_countable } else { true }
            })?;
            total += if is_countable { self.count(list, range)? } else { newest.counted - counted };
        }
        Ok((total, newest.into_rows()))
    }

    /// The newest rows of a list that fit, without counting the others.
    pub(crate) fn page(
        &self,
        list: List,
        range: (Time, Time),
        fits: &dyn Fn(&Row) -> bool,
        (before, limit): (Option<Cursor>, usize),
    ) -> io::Result<Vec<Row>> {
        let mut newest = Newest::new(limit, before);
        let high = before.map_or(range.1, |(start, _)| start.min(range.1));
        self.each(list, (range.0, high), None, |row| !fits(&row) || newest.offer(row))?;
        Ok(newest.into_rows())
    }

    /// The runs, if the view stands on all of them.
    pub(crate) fn whole_base(&self) -> Option<&Base> {
        (self.floor == self.base.to()).then_some(&self.base)
    }

    /// How many of these records began a row of a kind. `begins` are those of the runs.
    pub(crate) fn count_at(&self, places: &Places, kind: Kind, begins: &Begins) -> u64 {
        let is_meant = |row: &&Row| places.contains(row.position) && Kind::of(row) == kind;
        let of = |rows: &[Row]| rows.iter().filter(is_meant).count() as u64;
        (places.positions().common(begins.of(kind)) + of(&self.came)).saturating_sub(of(&self.gone))
    }

    /// Whether a record began a row of a kind.
    pub(crate) fn begins_at(&self, place: (Time, u64), kind: Kind, begins: &Begins) -> bool {
        let from = self.came.partition_point(|row| row.start < place.0);
        let mut at_once =
            self.came.get(from..).unwrap_or_default().iter().take_while(|row| row.start == place.0);
        at_once.any(|row| row.position == place.1 && Kind::of(row) == kind)
            || (begins.of(kind).contains(place.1) && !self.gone_places.contains(&place))
    }

    /// Rows of a list that start at `low..=high` and end at or after an instant. `false` of the callback ends a part in
    /// which only older ones would come.
    pub(crate) fn each(
        &self,
        list: List,
        (low, high): (Time, Time),
        reach: Option<Time>,
        mut take: impl FnMut(Row) -> bool,
    ) -> io::Result<()> {
        let from = self.came.partition_point(|row| row.start < low);
        let to = self.came.partition_point(|row| row.start <= high);
        for row in self.came.get(from..to.max(from)).unwrap_or_default().iter().rev() {
            let reaches = reach.is_none_or(|reach| row.end.is_none_or(|end| end >= reach));
            if List::of(row) == list && reaches && !take(*row) {
                break;
            }
        }
        let reach = reach.map_or(i64::MIN, Time::as_ms);
        self.base.each(list, (low.as_ms(), high.as_ms()), reach, self.floor, |row| {
            if self.gone_places.contains(&(row.start, row.position)) { true } else { take(row) }
        })
    }

    fn count(&self, list: List, (low, high): (Time, Time)) -> io::Result<u64> {
        let of = |rows: &[Row]| {
            let is_meant = |row: &&Row| List::of(row) == list && low <= row.start && row.start <= high;
            rows.iter().filter(is_meant).count() as u64
        };
        let kept = self.base.count(list, (low.as_ms(), high.as_ms()))?;
        Ok((kept + of(&self.came)).saturating_sub(of(&self.gone)))
    }

    /// The rows of sessions that began with these records, by position.
    pub(crate) fn rows_at(&self, places: &[(Time, u64)]) -> io::Result<HashMap<u64, Row>> {
        let mut found = HashMap::new();
        let mut places = places.to_vec();
        places.sort_unstable();
        for row in self.came.iter() {
            if places.binary_search(&(row.start, row.position)).is_ok() {
                found.insert(row.position, *row);
            }
        }
        for run in self.base.runs.iter().filter(|run| run.footer.from < self.floor) {
            // A row is in the run of its record or in a later one: what came late replaces a session, or makes one begin
            // with a record that began none before.
            let wanted: Vec<(Time, u64)> =
                places.iter().filter(|(_, position)| *position < run.footer.to).copied().collect();
            for list in List::ALL {
                let section = run.footer.list(list);
                let mut at = 0;
                while let Some((start, _)) = wanted.get(at) {
                    let key = key_of_ms(start.as_ms());
                    let Some(block) = section.spanning(key, u64::MAX).first() else { break };
                    let mut to = wanted.partition_point(|(start, _)| key_of_ms(start.as_ms()) <= block.last);
                    if block.first
                        <= wanted.get(to.saturating_sub(1)).map_or(0, |last| key_of_ms(last.0.as_ms()))
                    {
                        // Rows of one instant may stand in two blocks.
                        for block in section.spanning(key, block.last) {
                            for kept in section.read(&run.file, block)? {
                                let place = (kept.row.start, kept.row.position);
                                if wanted.binary_search(&place).is_ok()
                                    && !self.gone_places.contains(&place)
                                    && self.base.holds(&kept.row, run.came(&kept), self.floor)
                                {
                                    found.insert(kept.row.position, kept.row);
                                }
                            }
                        }
                    }
                    if to <= at {
                        to = at + 1;
                    }
                    at = to;
                }
            }
        }
        Ok(found)
    }

    /// Positions of the records of a lane from an instant on, in the order of time, `limit` at most.
    pub(crate) fn lane(&self, lane: u64, from: Time, limit: usize) -> io::Result<Vec<u64>> {
        let mut found = self.base.lane(lane, self.floor)?;
        let at = self.lanes.partition_point(|one| one.lane < lane);
        found.extend(self.lanes.get(at..).unwrap_or_default().iter().take_while(|one| one.lane == lane));
        found.sort_unstable_by_key(|one| (one.at, one.position));
        let is_in_force = |one: &&InLane| !self.replaced.contains(&one.position);
        let later = found.iter().filter(|one| one.at >= from.as_ms()).filter(is_in_force);
        Ok(later.take(limit).map(|one| one.position).collect())
    }
}
