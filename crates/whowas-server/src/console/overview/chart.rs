//! Charts as numbers: columns over time, and lines of how many were signed in at once.

use std::{collections::BTreeMap, fmt::Write};

use whowas_event::Time;
use whowas_query::{
    AtOnce,
    histogram::{Bucket, Histogram},
};

use crate::console::{grouped, show};

/// A chart's height in units of its own.
const HEIGHT: u64 = 100;
/// Services that have a line of their own: more cannot be told apart.
const SERVICES_MAX: usize = 4;
/// Times below a chart.
const LABELS_MAX: usize = 5;

pub(crate) struct Column {
    pub(crate) x: usize,
    pub(crate) y: u64,
    pub(crate) height: u64,
    pub(crate) title: String,
    pub(crate) href: String,
}

/// One column for each stretch of a histogram, 10 units wide.
pub(super) fn columns(
    histogram: &Histogram,
    count: impl Fn(&Bucket) -> u64,
    href: impl Fn(Time, Time) -> String,
) -> Vec<Column> {
    let buckets = &histogram.buckets;
    let most = buckets.iter().map(&count).max().unwrap_or(0).max(1);
    let ends = buckets.iter().skip(1).map(|bucket| bucket.start).chain([histogram.to]);
    let column = |(nth, (bucket, end)): (usize, (&Bucket, Time))| {
        let rows = count(bucket);
        let height = if rows == 0 { 0 } else { (rows * HEIGHT / most).max(2) };
        Column {
            x: nth * 10,
            y: HEIGHT - height,
            height,
            title: format!("{} UTC: {}", show(bucket.start), grouped(rows)),
            href: href(bucket.start, end),
        }
    };
    buckets.iter().zip(ends).enumerate().map(column).collect()
}

/// A few days or times below a chart.
pub(super) fn labels(histogram: &Histogram) -> Vec<String> {
    let buckets = &histogram.buckets;
    let is_long = histogram.to.as_ms() - histogram.from.as_ms() > 2 * 86_400_000;
    let count = buckets.len().min(LABELS_MAX);
    let last = buckets.len().saturating_sub(1);
    let at = |nth: usize| buckets.get(if count > 1 { last * nth / (count - 1) } else { 0 });
    let label = |bucket: &Bucket| {
        let text = show(bucket.start);
        let (skip, take) = if is_long { (5, 5) } else { (11, 5) };
        text.chars().skip(skip).take(take).collect()
    };
    (0..count).filter_map(at).map(label).collect()
}

/// A line of a chart 100 units high, with one unit for each point.
pub(crate) struct Line {
    pub(crate) title: String,
    pub(crate) class: String,
    pub(crate) points: String,
    pub(crate) most: String,
}

/// How many were signed in at once: all together, then the services that had the most, and how many services are left out.
pub(super) fn lines(found: &AtOnce) -> (Vec<Line>, usize) {
    let mut highest: BTreeMap<&str, u64> = BTreeMap::new();
    for (service, most) in found.points.iter().flat_map(|point| &point.by_service) {
        let known = highest.entry(service).or_default();
        *known = (*known).max(*most);
    }
    let mut services: Vec<(&str, u64)> = highest.into_iter().collect();
    services.sort_by_key(|(service, most)| (std::cmp::Reverse(*most), *service));
    let more = services.len().saturating_sub(SERVICES_MAX);
    let top = found.points.iter().map(|point| point.most).max().unwrap_or(0).max(1);
    let points = |of: &dyn Fn(usize) -> u64| {
        let mut text = String::new();
        for nth in 0..found.points.len() {
            let _ =
                write!(text, "{}{nth},{}", if nth > 0 { " " } else { "" }, HEIGHT - of(nth) * HEIGHT / top);
        }
        text
    };
    let mut lines = vec![Line {
        title: "all".to_owned(),
        class: "of-all".to_owned(),
        points: points(&|nth| found.points.get(nth).map_or(0, |point| point.most)),
        most: grouped(if found.points.is_empty() { 0 } else { top }),
    }];
    for (nth, (service, most)) in services.into_iter().take(SERVICES_MAX).enumerate() {
        let of = |at: usize| found.points.get(at).and_then(|point| point.by_service.get(service)).copied();
        lines.push(Line {
            title: if service.is_empty() { "no service named".to_owned() } else { service.to_owned() },
            class: format!("of-{nth}"),
            points: points(&|at| of(at).unwrap_or(0)),
            most: grouped(most),
        });
    }
    (lines, more)
}

#[cfg(test)]
mod tests {
    use whowas_query::AtOncePoint;

    use super::*;

    fn time(ms: i64) -> Time {
        Time::from_ms(ms).unwrap()
    }

    #[test]
    fn columns_show_what_is_there_however_little() {
        let bucket = |start, success, failure| Bucket { start: time(start), success, failure, other: 0 };
        let histogram = Histogram {
            buckets: vec![bucket(0, 1000, 1), bucket(3_600_000, 0, 0), bucket(7_200_000, 500, 0)],
            step: "1h",
            total: 1501,
            from: time(0),
            to: time(10_800_000),
            tree_size: 1501,
        };
        let all =
            columns(&histogram, |one| one.success, |from, to| format!("{}-{}", from.as_ms(), to.as_ms()));
        let drawn: Vec<_> = all.iter().map(|one| (one.x, one.y, one.height, one.href.as_str())).collect();
        assert_eq!(
            drawn,
            [(0, 0, 100, "0-3600000"), (10, 100, 0, "3600000-7200000"), (20, 50, 50, "7200000-10800000")]
        );
        let failed = columns(&histogram, |one| one.failure, |_, _| String::new());
        assert_eq!(failed[0].height, 100);
        assert_eq!(labels(&histogram), ["00:00", "01:00", "02:00"]);
    }

    #[test]
    fn the_busiest_services_have_lines() {
        let point = |at, most, services: &[(&str, u64)]| AtOncePoint {
            at: time(at),
            most,
            without_end: 0,
            by_service: services.iter().map(|(service, most)| ((*service).to_owned(), *most)).collect(),
        };
        let many: Vec<(&str, u64)> = vec![("a", 1), ("b", 2), ("", 3), ("d", 1), ("e", 1), ("f", 1)];
        let found = AtOnce {
            points: vec![point(0, 4, &many), point(1, 2, &[("b", 2)])],
            from: time(0),
            to: time(2),
            tree_size: 1,
        };
        let (lines, more) = lines(&found);
        let titles: Vec<&str> = lines.iter().map(|line| line.title.as_str()).collect();
        assert_eq!((titles, more), (vec!["all", "no service named", "b", "a", "d"], 2));
        assert_eq!((lines[0].points.as_str(), lines[2].points.as_str()), ("0,0 1,50", "0,50 1,50"));
        let empty = AtOnce { points: vec![], from: time(0), to: time(1), tree_size: 0 };
        assert_eq!(super::lines(&empty).0[0].points, "");
    }
}
