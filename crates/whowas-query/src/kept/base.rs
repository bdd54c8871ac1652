//! All runs of a trail together: what was kept of its sessions up to a size of the tree.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use whowas_event::Time;

use super::{
    entry::{Gone, InLane, Kept, List, key_of_ms},
    run::Run,
};
use crate::sessions::Row;

/// Neighboring runs of like size that are merged into one: the number of runs grows with the logarithm of the trail.
const RUNS_PER_TIER: usize = 4;

/// Runs that follow one another from position 0, and what of them must be at hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Base {
    pub(crate) runs: Vec<Arc<Run>>,
    /// Of all runs, in their order.
    pub(crate) gone: Vec<Gone>,
    /// Position of a record to that of the later revision which took its place first.
    replaced: HashMap<u64, u64>,
}

impl Base {
    /// Opens the runs in a folder. One that does not check, was paired by other rules or covers more than the archive
    /// (`archived_to`) is deleted with all later ones, to be made again.
    pub(crate) fn open(folder: &Path, rules: &str, archived_to: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut names: Vec<(u64, std::cmp::Reverse<u64>, PathBuf)> = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match Run::parse_name(&path) {
                Some((from, to)) => names.push((from, std::cmp::Reverse(to), path)),
                // What a crash has left of a run that was being written.
                None if path.extension().is_some_and(|end| end == "tmp") => fs::remove_file(&path)?,
                None => {}
            }
        }
        names.sort();
        let mut base = Self::default();
        for (from, std::cmp::Reverse(to), path) in names {
            // A wider run sorts first; what it replaced is a leftover of a merge.
            let run = if from == base.to() && to <= archived_to { Run::open(&path)? } else { None };
            let is_right = |run: &Run| {
                (run.footer.from, run.footer.to) == (from, to)
                    && run.footer.rules == rules
                    && run.footer.steps.last() == Some(&to)
            };
            match run.filter(is_right) {
                Some(run) => base.push(Arc::new(run)),
                None => fs::remove_file(&path)?,
            }
        }
        Ok(base)
    }

    /// Everything below this position is in the runs.
    pub(crate) fn to(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.footer.to)
    }

    /// The last step that is not beyond a size.
    pub(crate) fn step_below(&self, size: u64) -> u64 {
        let steps = self.runs.iter().flat_map(|run| &run.footer.steps);
        steps.copied().take_while(|step| *step <= size).last().unwrap_or(0)
    }

    fn push(&mut self, run: Arc<Run>) {
        self.gone.extend(&run.gone);
        // Sorted runs one after the other: a stable sort merges them.
        self.gone.sort();
        for one in &run.replaced {
            let by = self.replaced.entry(one.position).or_insert(one.by);
            *by = one.by.min(*by);
        }
        self.runs.push(run);
    }

    /// The same with one run more, merged with its neighbors where there are many of its size.
    pub(crate) fn with(&self, run: Run, folder: &Path) -> io::Result<Self> {
        let mut next = self.clone();
        next.push(Arc::new(run));
        while let Some(first) = next.runs.len().checked_sub(RUNS_PER_TIER) {
            let Some(last) = next.runs.get(first..).filter(|last| is_one_tier(last)) else { break };
            let merged = Run::merge(folder, &last.iter().map(Arc::as_ref).collect::<Vec<_>>())?;
            // The wide run is on disk. A crash here leaves the narrow ones, which opening deletes; whoever reads them
            // now has them open.
            for old in next.runs.drain(first..) {
                fs::remove_file(&old.path)?;
            }
            next.runs.push(Arc::new(merged));
        }
        Ok(next)
    }

    /// Whether the record at a position stood in its lane at that size.
    pub(crate) fn is_in_force(&self, position: u64, size: u64) -> bool {
        position < size && self.replaced.get(&position).is_none_or(|by| *by >= size)
    }

    /// What stood in a lane at a size, in the order of time.
    pub(crate) fn lane(&self, lane: u64, size: u64) -> io::Result<Vec<InLane>> {
        let mut found = Vec::new();
        for run in self.runs.iter().filter(|run| run.footer.from < size && run.bloom.may_contain(lane)) {
            run.footer.lanes.find(&run.file, lane, &mut found)?;
        }
        found.retain(|one| self.is_in_force(one.position, size));
        found.sort_unstable_by_key(|one| (one.at, one.position));
        Ok(found)
    }

    /// Positions of the records that stated a boundary at a size.
    pub(crate) fn boundaries(&self, size: u64) -> Vec<u64> {
        let all = self.runs.iter().flat_map(|run| &run.boundaries).map(|one| one.position);
        all.filter(|position| self.is_in_force(*position, size)).collect()
    }

    /// Whether a row that came at the size `came` still holds at `size`.
    pub(crate) fn holds(&self, row: &Row, came: u64, size: u64) -> bool {
        if came > size {
            return false;
        }
        let (start, position) = (row.start.as_ms(), row.position);
        let from = self.gone.partition_point(|gone| (gone.start, gone.position) < (start, position));
        let of_row = self.gone.get(from..).unwrap_or_default().iter();
        let mut versions = of_row.take_while(|gone| (gone.start, gone.position) == (start, position));
        !versions.any(|gone| came < gone.size && gone.size <= size)
    }

    /// Rows of sessions that held at a size and go on at an instant or end or begin there, on one machine.
    pub(crate) fn crossing(&self, scope: u32, at: Time, size: u64) -> io::Result<Vec<Row>> {
        let mut found = Vec::new();
        for list in [List::Ended, List::Open] {
            self.each(list, (i64::MIN, at.as_ms()), at.as_ms(), size, |row| {
                if row.scope == scope {
                    found.push(row);
                }
                true
            })?;
        }
        Ok(found)
    }

    /// Every row of a list that held at a size, starts at `low..=high` and reaches at least to an instant. Newest first
    /// within a run; `false` of the callback ends the run.
    pub(crate) fn each(
        &self,
        list: List,
        (low, high): (i64, i64),
        reach: i64,
        size: u64,
        mut take: impl FnMut(Row) -> bool,
    ) -> io::Result<()> {
        for run in self.runs.iter().filter(|run| run.footer.from < size) {
            let section = run.footer.list(list);
            let blocks = section.spanning(key_of_ms(low), key_of_ms(high)).iter().rev();
            'run: for block in blocks.filter(|block| block.reach >= reach) {
                for kept in section.read(&run.file, block)?.iter().rev() {
                    if self.is_meant(kept, run, (low, high), reach, size) && !take(kept.row) {
                        break 'run;
                    }
                }
            }
        }
        Ok(())
    }

    fn is_meant(&self, kept: &Kept, run: &Run, (low, high): (i64, i64), reach: i64, size: u64) -> bool {
        let start = kept.row.start.as_ms();
        let is_in_range = low <= start && start <= high;
        let reaches = kept.row.end.is_none_or(|end| end.as_ms() >= reach);
        is_in_range && reaches && self.holds(&kept.row, run.came(kept), size)
    }

    /// How many rows of a list that start at `low..=high` hold now. Whole blocks are counted, not read.
    pub(crate) fn count(&self, list: List, (low, high): (i64, i64)) -> io::Result<u64> {
        if low > high {
            return Ok(0);
        }
        let keys = (key_of_ms(low), key_of_ms(high));
        let mut count = 0;
        for run in &self.runs {
            let section = run.footer.list(list);
            for block in section.spanning(keys.0, keys.1) {
                count += if keys.0 <= block.first && block.last <= keys.1 {
                    u64::from(block.entries)
                } else {
                    let is_in = |kept: &&Kept| (low..=high).contains(&kept.row.start.as_ms());
                    section.read(&run.file, block)?.iter().filter(is_in).count() as u64
                };
            }
        }
        // Each of these took away one row that was there.
        let from = self.gone.partition_point(|gone| gone.start < low);
        let gone = self.gone.get(from..).unwrap_or_default().iter().take_while(|gone| gone.start <= high);
        Ok(count.saturating_sub(gone.filter(|gone| gone.list == list).count() as u64))
    }
}

/// Runs belong to one tier if none is more than twice as long as another.
fn is_one_tier(runs: &[Arc<Run>]) -> bool {
    let length = |run: &Arc<Run>| run.footer.to - run.footer.from;
    let longest = runs.iter().map(length).max().unwrap_or(0);
    runs.iter().all(|run| length(run) * 2 >= longest)
}
