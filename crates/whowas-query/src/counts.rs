//! What stands above a result: how many rows there are over time, and which values are frequent in it.

use std::collections::{BTreeMap, HashMap};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, TimestampMicrosecondType},
};
use serde::Serialize;
use whowas_event::Time;
use whowas_store::{StoreError, Trail};

use crate::{Engine, LoginRequest, QueryError};

/// Stretches of a histogram, at most.
pub const HISTOGRAM_POINTS_MAX: usize = 2_000;
/// Values of one field that are counted; what is beyond is told and not counted. 100,000 texts take some 10 MB.
const FACET_VALUES_MAX: usize = 100_000;
/// Values of one field that are shown.
pub const FACET_VALUES_SHOWN_MAX: usize = 100;

/// The fields that facets are made of: column and name.
const FACETS: [(&str, &str); 10] = [
    ("user_key", "user"),
    ("status", "status"),
    ("activity", "activity"),
    ("service_name", "app"),
    ("src_ip", "ip"),
    ("src_country", "country"),
    ("auth_protocol", "protocol"),
    ("logon_type", "type"),
    ("source", "source"),
    ("format", "format"),
];
const FACET_COLUMNS: [&str; 10] = [
    "user_key",
    "status",
    "activity",
    "service_name",
    "src_ip",
    "src_country",
    "auth_protocol",
    "logon_type",
    "source",
    "format",
];

/// How many rows there are over time.
#[derive(Clone, Debug, Serialize)]
pub struct Histogram {
    /// From the beginning of the range, without gaps.
    pub points: Vec<HistogramPoint>,
    /// At or after …
    pub from: Time,
    /// … and before.
    pub to: Time,
    /// Rows in all.
    pub total: u64,
    /// The size of the tree that was asked.
    pub tree_size: u64,
}

/// One stretch of time.
#[derive(Clone, Debug, Serialize)]
pub struct HistogramPoint {
    /// When it begins.
    pub at: Time,
    /// Rows.
    pub count: u64,
    /// Rows by outcome.
    pub by_status: BTreeMap<String, u64>,
}

/// The frequent values of a result.
#[derive(Clone, Debug, Serialize)]
pub struct Facets {
    /// By the name that the field has in a filter.
    pub fields: Vec<Facet>,
    /// The size of the tree that was asked.
    pub tree_size: u64,
}

/// One field.
#[derive(Clone, Debug, Serialize)]
pub struct Facet {
    /// Its name in a filter.
    pub field: &'static str,
    /// The most frequent values.
    pub values: Vec<FacetValue>,
    /// Different values.
    pub distinct: u64,
    /// Rows whose values were not counted because there were too many different ones. 0 if all are exact.
    pub uncounted: u64,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FacetValue {
    /// The value; `null` for rows without one.
    pub value: Option<String>,
    /// Rows.
    pub count: u64,
}

type Bars = HashMap<i64, BTreeMap<String, u64>>;

#[derive(Default)]
struct Values {
    counts: HashMap<String, u64>,
    absent: u64,
    uncounted: u64,
}

impl Values {
    fn add(&mut self, value: &str, count: u64) {
        if let Some(known) = self.counts.get_mut(value) {
            *known += count;
        } else if self.counts.len() < FACET_VALUES_MAX {
            self.counts.insert(value.to_owned(), count);
        } else {
            self.uncounted += count;
        }
    }
}

impl Engine {
    /// The rows of a search over time, in `points` stretches.
    pub async fn histogram(
        &self,
        trail: &Trail,
        request: &LoginRequest,
        points: usize,
        now: Time,
    ) -> Result<Histogram, QueryError> {
        let (scan, (from, to), tree_size) = self.scan_of_search(trail, request, now).await?;
        let length = (to.as_ms() - from.as_ms()).max(1);
        let points = i64::try_from(points.clamp(1, HISTOGRAM_POINTS_MAX)).unwrap_or(1).min(length);
        let start = from.as_ms();
        let part = move |ms: i64| {
            let part = i128::from(ms - start) * i128::from(points) / i128::from(length);
            i64::try_from(part).unwrap_or(0).clamp(0, points - 1)
        };
        let parts = scan
            .fold(&["occurred_at", "status"], move |bars: &mut Bars, _, batch| {
                let wrong = || StoreError::Corrupt("a record lacks its time or outcome".to_owned());
                let column = |name: &str| batch.column_by_name(name).ok_or_else(wrong);
                let times = column("occurred_at")?
                    .as_primitive_opt::<TimestampMicrosecondType>()
                    .ok_or_else(wrong)?;
                let statuses = column("status")?.as_string_opt::<i32>().ok_or_else(wrong)?;
                for (time, status) in times.values().iter().zip(statuses) {
                    let bar = bars.entry(part(time / 1000)).or_default();
                    let status = status.unwrap_or_default();
                    match bar.get_mut(status) {
                        Some(count) => *count += 1,
                        None => drop(bar.insert(status.to_owned(), 1)),
                    }
                }
                Ok(())
            })
            .await?;
        let mut bars = Bars::new();
        for (at, statuses) in parts.into_iter().flatten() {
            let bar = bars.entry(at).or_default();
            statuses.into_iter().for_each(|(status, count)| *bar.entry(status).or_default() += count);
        }
        // The first instant whose part is `point`.
        let begin = |point: i64| {
            let ms = (i128::from(point) * i128::from(length) + i128::from(points) - 1) / i128::from(points);
            from.saturating_add_ms(i64::try_from(ms).unwrap_or(i64::MAX))
        };
        let points: Vec<HistogramPoint> = (0..points)
            .map(|point| {
                let by_status = bars.remove(&point).unwrap_or_default();
                HistogramPoint { at: begin(point), count: by_status.values().sum(), by_status }
            })
            .collect();
        let total = points.iter().map(|point| point.count).sum();
        Ok(Histogram { points, from, to, total, tree_size })
    }

    /// The frequent values of a search, `shown` of each field.
    pub async fn facets(
        &self,
        trail: &Trail,
        request: &LoginRequest,
        shown: usize,
        now: Time,
    ) -> Result<Facets, QueryError> {
        let (scan, _, tree_size) = self.scan_of_search(trail, request, now).await?;
        let parts = scan.fold(&FACET_COLUMNS, |fields, _, batch| add_values(fields, batch)).await?;
        let mut all: HashMap<&'static str, Values> = HashMap::new();
        for (column, values) in parts.into_iter().flatten() {
            let sum = all.entry(column).or_default();
            sum.absent += values.absent;
            sum.uncounted += values.uncounted;
            values.counts.iter().for_each(|(value, count)| sum.add(value, *count));
        }
        let shown = shown.clamp(1, FACET_VALUES_SHOWN_MAX);
        let fields =
            FACETS.iter().map(|(column, field)| facet(field, all.remove(column).unwrap_or_default(), shown));
        Ok(Facets { fields: fields.collect(), tree_size })
    }
}

fn add_values(fields: &mut HashMap<&'static str, Values>, batch: &RecordBatch) -> Result<(), QueryError> {
    for (column, _) in FACETS {
        let wrong = || StoreError::Corrupt(format!("a batch has no texts in {column}"));
        let values = fields.entry(column).or_default();
        let texts = batch.column_by_name(column).ok_or_else(wrong)?;
        if *texts.data_type() != DataType::Utf8 {
            return Err(wrong().into());
        }
        for text in texts.as_string::<i32>() {
            match text {
                // Records without a person have an empty key.
                None | Some("") => values.absent += 1,
                Some(text) => values.add(text, 1),
            }
        }
    }
    Ok(())
}

fn facet(field: &'static str, values: Values, shown: usize) -> Facet {
    let Values { counts, absent, uncounted } = values;
    let distinct = counts.len() as u64;
    let mut values: Vec<FacetValue> =
        counts.into_iter().map(|(value, count)| FacetValue { value: Some(value), count }).collect();
    if absent > 0 {
        values.push(FacetValue { value: None, count: absent });
    }
    values.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    values.truncate(shown);
    Facet { field, values, distinct, uncounted }
}
