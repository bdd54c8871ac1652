//! How many were signed in at once, over time and by service.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{array::AsArray, datatypes::Int64Type};
use datafusion::logical_expr::{col, lit};
use serde::Serialize;
use whowas_event::Time;
use whowas_store::{StoreError, Trail};

use crate::{
    AsOf, Engine, QueryError,
    kept::{List, View},
    lower,
    scan::on_blocking_thread,
    session_search::{Asked, earliest},
    sessions::Row,
};

/// Sessions that a count of those at once may look at: 1 million take some 60 MB.
const AT_ONCE_SESSIONS_MAX: usize = 1_000_000;
/// Points of a count of those at once.
pub const AT_ONCE_POINTS_MAX: usize = 1_000;

/// How many were signed in at once.
#[derive(Clone, Debug, Serialize)]
pub struct AtOnce {
    /// From the beginning of the range.
    pub points: Vec<AtOncePoint>,
    /// At or after …
    pub from: Time,
    /// … and before.
    pub to: Time,
    /// The size of the tree that was asked.
    pub tree_size: u64,
}

/// A stretch of time.
#[derive(Clone, Debug, Serialize)]
pub struct AtOncePoint {
    /// When it begins.
    pub at: Time,
    /// The most sessions at one instant of it, of those whose end is known.
    pub most: u64,
    /// Sessions that began before its end and whose end is not known.
    pub without_end: u64,
    /// The most at one instant, by service.
    pub by_service: BTreeMap<String, u64>,
}

impl Engine {
    /// How many were signed in at once, in `points` stretches of a range.
    pub async fn at_once(
        &self,
        trail: &Trail,
        (from, to): (Time, Time),
        points: usize,
        as_of: Option<AsOf>,
        now: Time,
    ) -> Result<AtOnce, QueryError> {
        let points = points.clamp(1, AT_ONCE_POINTS_MAX);
        if from >= to {
            return Err(QueryError::Invalid(format!(
                "the range is empty: it begins at {from} and ends at {to}"
            )));
        }
        let asked = self.asked(trail, as_of, None, now).await?;
        let (records, index, size) = (asked.records.clone(), asked.index.clone(), asked.size);
        let found = on_blocking_thread(move || {
            index.ask(&records, Some(size), |view| sessions_between(view, (from, to)))
        })
        .await?;
        let services = self.services(trail, &asked, &found.ended, to).await?;
        Ok(AtOnce { points: found.points((from, to), points, &services), from, to, tree_size: size })
    }

    /// The services of sessions, by position.
    async fn services(
        &self,
        trail: &Trail,
        asked: &Asked,
        rows: &[Row],
        to: Time,
    ) -> Result<BTreeMap<u64, String>, QueryError> {
        let Some(first) = rows.iter().map(|row| row.start).min() else { return Ok(BTreeMap::new()) };
        let mut wanted: Vec<i64> = rows.iter().filter_map(|row| i64::try_from(row.position).ok()).collect();
        wanted.sort_unstable();
        let wanted = Arc::new(wanted);
        let condition = col("occurred_at")
            .gt_eq(lower::instant(first))
            .and(col("occurred_at").lt(lower::instant(to)))
            .and(col("service_name").is_not_null())
            .and(col("kind").eq(lit("login")));
        let scan = self.scan_where(trail, asked.records.snapshot.clone(), &condition)?;
        let parts = scan
            .fold(&["position", "service_name"], move |found: &mut BTreeMap<u64, String>, _, batch| {
                let wrong = || StoreError::Corrupt("a record lacks its position".to_owned());
                let column = |name: &str| batch.column_by_name(name).ok_or_else(wrong);
                let positions = column("position")?.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
                let services = column("service_name")?.as_string_opt::<i32>().ok_or_else(wrong)?;
                for (position, service) in positions.values().iter().zip(services) {
                    if wanted.binary_search(position).is_ok()
                        && let (Ok(position), Some(service)) = (u64::try_from(*position), service)
                    {
                        found.insert(position, service.to_owned());
                    }
                }
                Ok(())
            })
            .await?;
        Ok(parts.into_iter().flatten().collect())
    }
}

/// Sessions that touch a range.
#[derive(Default)]
struct Between {
    ended: Vec<Row>,
    /// When sessions without a known end began, within the range.
    open_starts: Vec<Time>,
    open_before: u64,
}

fn sessions_between(view: &View, (from, to): (Time, Time)) -> Result<Between, QueryError> {
    let last = to.saturating_add_ms(-1);
    let mut found = Between::default();
    view.each(List::Ended, (earliest(), last), Some(from.saturating_add_ms(1)), |row| {
        found.ended.push(row);
        found.ended.len() <= AT_ONCE_SESSIONS_MAX
    })?;
    view.each(List::Open, (from, last), None, |row| {
        found.open_starts.push(row.start);
        found.open_starts.len() <= AT_ONCE_SESSIONS_MAX
    })?;
    if found.ended.len().max(found.open_starts.len()) > AT_ONCE_SESSIONS_MAX {
        return Err(QueryError::Invalid(format!(
            "more than {AT_ONCE_SESSIONS_MAX} sessions touch this range; choose a shorter one"
        )));
    }
    let before = (earliest(), from.saturating_add_ms(-1));
    found.open_before = view.newest(&[List::Open], before, None, None, (None, 0))?.0;
    found.open_starts.sort_unstable();
    Ok(found)
}

impl Between {
    fn points(
        &self,
        (from, to): (Time, Time),
        points: usize,
        services: &BTreeMap<u64, String>,
    ) -> Vec<AtOncePoint> {
        let length = (to.as_ms() - from.as_ms()).max(1);
        let count = i64::try_from(points).unwrap_or(i64::MAX).min(length);
        let begin = |point: i64| {
            let ms = i128::from(length) * i128::from(point) / i128::from(count);
            from.saturating_add_ms(i64::try_from(ms).unwrap_or(i64::MAX))
        };
        // Ends go before starts of the same instant: who leaves makes room for who comes.
        let mut steps: Vec<(Time, i64, Option<&str>)> = Vec::with_capacity(self.ended.len() * 2);
        for row in &self.ended {
            let service = services.get(&row.position).map(String::as_str);
            steps.push((row.start.max(from), 1, service));
            steps.extend(row.end.map(|end| (end, -1, service)));
        }
        steps.sort_unstable();
        let mut steps = steps.into_iter().peekable();
        let (mut now, mut by_service) = (0, BTreeMap::<&str, i64>::new());
        let mut out = Vec::with_capacity(points);
        for point in 0..count {
            let end = begin(point + 1);
            let at = begin(point);
            // What ended or began by the first instant is settled before the highest is looked for.
            let mut most = None;
            let mut most_of = by_service.clone();
            while let Some((when, change, service)) = steps.next_if(|(when, ..)| *when < end) {
                if when > at && most.is_none() {
                    most = Some(now);
                    most_of = by_service.clone();
                }
                now += change;
                let of_service = by_service.entry(service.unwrap_or_default()).or_default();
                *of_service += change;
                if when > at {
                    most = most.max(Some(now));
                    let highest = most_of.entry(service.unwrap_or_default()).or_default();
                    *highest = (*of_service).max(*highest);
                }
            }
            if most.is_none() {
                most_of = by_service.clone();
            }
            let open = self.open_starts.partition_point(|start| *start < end) as u64;
            let whole = |count: i64| u64::try_from(count).unwrap_or(0);
            out.push(AtOncePoint {
                at,
                most: whole(most.unwrap_or(now)),
                without_end: self.open_before + open,
                by_service: most_of
                    .into_iter()
                    .filter(|(_, count)| *count > 0)
                    .map(|(service, count)| (service.to_owned(), whole(count)))
                    .collect(),
            });
        }
        out
    }
}
