//! The records that fit a filter on sessions: where they are, and which sessions they began.

use std::sync::Arc;

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use datafusion::logical_expr::{Expr, col, lit};
use whowas_event::Time;
use whowas_store::{StoreError, Trail};

use crate::{Engine, Filter, QueryError, kept::Positions, lower, session_search::Asked};

/// Records that fit a filter: one by one while they are few, and always as a set of positions.
#[derive(Debug, Default)]
pub(crate) struct Places {
    few: Vec<(Time, u64)>,
    count: usize,
    latest: Option<Time>,
    positions: Positions,
}

impl Places {
    /// `size` is that of the tree, `few_max` how many are known one by one at most.
    fn add(&mut self, batch: &RecordBatch, (size, few_max): (u64, usize)) -> Result<(), QueryError> {
        let wrong = || StoreError::Corrupt("a record lacks its time or position".to_owned());
        let column = |name: &str| batch.column_by_name(name).ok_or_else(wrong);
        let times =
            column("occurred_at")?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
        let positions = column("position")?.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        for (time, position) in times.values().iter().zip(positions.values()) {
            let time = Time::from_ms(time / 1000).map_err(|_| wrong())?;
            let position = u64::try_from(*position).ok().filter(|at| *at < size).ok_or_else(wrong)?;
            self.positions.insert(position);
            self.count += 1;
            self.latest = self.latest.max(Some(time));
            if self.few.len() < few_max {
                self.few.push((time, position));
            }
        }
        Ok(())
    }

    fn merge(mut self, other: Self, few_max: usize) -> Self {
        self.count += other.count;
        self.latest = self.latest.max(other.latest);
        let room = few_max.saturating_sub(self.few.len());
        self.few.extend(other.few.into_iter().take(room));
        self.positions.add_all(&other.positions);
        self
    }

    /// All of them, if they are few.
    pub(crate) fn few(&self) -> Option<&[(Time, u64)]> {
        (self.few.len() == self.count).then_some(&self.few)
    }

    /// When the last of them was; `None` if there are none.
    pub(crate) fn latest(&self) -> Option<Time> {
        self.latest
    }

    pub(crate) fn positions(&self) -> &Positions {
        &self.positions
    }

    pub(crate) fn contains(&self, position: u64) -> bool {
        self.positions.contains(position)
    }
}

impl Engine {
    /// Records that fit a filter, if there is one.
    pub(crate) async fn places(
        &self,
        trail: &Trail,
        asked: &Asked,
        filter: &Filter,
        (low, high): (Time, Time),
    ) -> Result<Option<Arc<Places>>, QueryError> {
        let snapshot = &asked.records.snapshot;
        let Some(condition) = lower::filter(filter, &snapshot.directory).into_iter().reduce(Expr::and) else {
            return Ok(None);
        };
        let size = asked.size;
        let condition = condition
            .and(col("occurred_at").gt_eq(lower::instant(low)))
            .and(col("occurred_at").lt_eq(lower::instant(high)))
            .and(col("position").lt(lit(i64::try_from(size).unwrap_or(i64::MAX))))
            .and(col("kind").eq(lit("login")));
        let scan = self.scan_where(trail, snapshot.clone(), &condition)?;
        let fields = &["occurred_at", "position"];
        let few_max = asked.index.few_max();
        let step = move |places: &mut Places, _, batch: &_| places.add(batch, (size, few_max));
        let parts = scan.fold(fields, step).await?;
        let places = parts.into_iter().reduce(|a, b| a.merge(b, few_max)).unwrap_or_default();
        Ok(Some(Arc::new(places)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW_MAX: usize = 1000;

    fn batch(positions: impl Iterator<Item = i64>) -> RecordBatch {
        use arrow::array::{ArrayRef, Int64Array, TimestampMicrosecondArray};
        let positions: Int64Array = positions.collect();
        let times: TimestampMicrosecondArray =
            positions.iter().map(|at| at.map(|at| at % 1_000_000 * 1000)).collect();
        let columns: [(&str, ArrayRef); 2] =
            [("occurred_at", Arc::new(times)), ("position", Arc::new(positions))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn places(positions: impl Iterator<Item = i64>) -> Places {
        let mut places = Places::default();
        places.add(&batch(positions), (u64::MAX, FEW_MAX)).unwrap();
        places
    }

    #[test]
    fn places_are_a_list_while_they_are_few_and_a_set_always() {
        let few = places([3, 64, 200].into_iter()).merge(places([65].into_iter()), FEW_MAX);
        assert_eq!(few.few().map(<[_]>::len), Some(4));
        assert_eq!(few.latest(), Time::from_ms(200).ok());
        let max = i64::try_from(FEW_MAX).unwrap();
        let many = places((0..max).map(|n| n * 3)).merge(few, FEW_MAX);
        assert!(
            many.few().is_none() && many.contains(200) && many.contains(u64::try_from(max).unwrap() * 3 - 3)
        );
        assert!(!many.contains(202) && !many.contains(u64::MAX));
        assert_eq!(places([].into_iter()).latest(), None);
    }

    #[test]
    fn a_position_beyond_the_tree_is_damage_and_takes_no_room() {
        let mut places = Places::default();
        assert!(places.add(&batch([7, i64::MAX].into_iter()), (8, FEW_MAX)).is_err());
        assert!(places.add(&batch([-1].into_iter()), (8, FEW_MAX)).is_err());
        assert!(places.contains(7) && !places.contains(i64::MAX.cast_unsigned()));
    }
}
