//! Monitoring › Coverage: a year by days for each source, and what is missing in it.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Html};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::Deserialize;
use whowas_collect::coverage::{self, report::StreamReport};
use whowas_event::{EnvironmentName, Time};

use super::{
    band::{Shade, statement, worst},
    title,
};
use crate::{
    api::params::{Params, zone},
    app::App,
    auth::Reader,
    console::{Frame, SIGNED_IN, address, grouped, html, show, stands_under},
    problem::Problem,
};

/// Sources that are drawn; the API has all.
const SOURCES_MAX: usize = 24;
/// Gaps that are listed of one source, the newest; the API has all.
const GAPS_MAX: usize = 50;
/// A day's square and the space after it.
const SQUARE: i64 = 14;
/// Room for the names of months above and of weekdays before the squares.
const MARGIN: (i64, i64) = (30, 16);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CalendarParams {
    year: String,
    tz: String,
}

struct Day {
    x: i64,
    y: i64,
    shade: Shade,
    title: String,
    href: String,
}

struct Month {
    name: String,
    x: i64,
    href: String,
    /// Days by [`Shade::ALL`].
    days: [u64; 5],
}

struct Gap {
    from: String,
    to: String,
    shade: Shade,
    records: String,
    href: String,
}

struct Calendar {
    title: String,
    statement: String,
    days: Vec<Day>,
    months: Vec<Month>,
    gaps: Vec<Gap>,
    hidden: usize,
}

#[derive(Template)]
#[template(path = "coverage.html")]
struct CoveragePage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    year: i16,
    zone: String,
    tz: &'a str,
    before: String,
    after: Option<String>,
    legend: [Shade; 5],
    calendars: Vec<Calendar>,
    hidden: usize,
}

stands_under!(CoveragePage, tab = "monitoring", sub_tab = "coverage");

/// The year that is drawn.
struct Year {
    year: i16,
    zone: TimeZone,
    tz: String,
    /// Its days and when they begin, and when the last ends.
    days: Vec<(Date, Time)>,
    end: Time,
}

impl Year {
    fn new(year: i16, zone: TimeZone, tz: &str) -> Result<Self, Problem> {
        let wrong = || Problem::invalid("year: write one like 2026");
        let first = Date::new(year, 1, 1).map_err(|_| wrong())?;
        let begin = |day: Date| {
            let at = zone.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
            Time::from_ms(at.as_millisecond()).ok()
        };
        let days: Option<Vec<_>> = first
            .series(1.day())
            .take_while(|day| day.year() == year)
            .map(|day| begin(day).map(|at| (day, at)))
            .collect();
        let end = Date::new(year + 1, 1, 1).ok().and_then(begin).ok_or_else(wrong)?;
        let days = days.ok_or_else(wrong)?;
        Ok(Self { year, zone, tz: tz.to_owned(), days, end })
    }

    fn begin(&self) -> Time {
        self.days.first().map_or(self.end, |(_, at)| *at)
    }
}

/// The page.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<CalendarParams>,
) -> Result<Html<String>, Problem> {
    let now = app.now();
    let zone = zone(&params.tz)?;
    let this = zone.to_datetime(Timestamp::from_millisecond(now.as_ms()).unwrap_or_default()).year();
    let year = match params.year.as_str() {
        "" => this,
        text => {
            let read = text.parse().ok().filter(|year| (1..9_998).contains(year));
            read.ok_or_else(|| Problem::invalid("year: write one like 2026"))?
        }
    };
    let year = Year::new(year, zone, &params.tz)?;
    let range = (year.begin(), year.end);
    let streams = coverage::reports(app.control().as_ref(), &permit.name, range, now).await?;
    let path = format!("/p/{}/monitoring/coverage", permit.name);
    let link = |year: i16| address(&path, &[("year", &year.to_string()), ("tz", &params.tz)]);
    html(&CoveragePage {
        frame: SIGNED_IN,
        name: &permit.name,
        year: year.year,
        zone: if params.tz.is_empty() { "UTC".to_owned() } else { params.tz.clone() },
        tz: &params.tz,
        before: link(year.year - 1),
        after: (year.year < this).then(|| link(year.year + 1)),
        legend: Shade::ALL,
        hidden: streams.len().saturating_sub(SOURCES_MAX),
        calendars: streams
            .iter()
            .take(SOURCES_MAX)
            .map(|one| calendar(&permit.name, one, &year, now))
            .collect(),
    })
}

fn calendar(name: &EnvironmentName, stream: &StreamReport, year: &Year, now: Time) -> Calendar {
    let source = match stream.source.contains('"') {
        true => String::new(),
        false => format!("source:\"{}\"", stream.source),
    };
    let logs = |start: &str, end: &str| {
        let params =
            [("query", "all-events"), ("start", start), ("end", end), ("tz", &year.tz), ("filter", &source)];
        address(&format!("/p/{name}/monitoring/raw-logs"), &params)
    };
    let first_weekday = year.days.first().map_or(0, |(day, _)| weekday(*day));
    let ends = year.days.iter().skip(1).map(|(_, at)| *at).chain([year.end]);
    let mut days = Vec::with_capacity(year.days.len());
    let mut months: Vec<Month> = Vec::with_capacity(12);
    for (nth, ((day, from), to)) in (0_i64..).zip(year.days.iter().zip(ends)) {
        let shade = worst(&stream.intervals, (*from, to));
        let x = MARGIN.0 + (nth + first_weekday) / 7 * SQUARE;
        if day.day() == 1 {
            let last = day.last_of_month().to_string();
            months.push(Month {
                name: day.strftime("%b").to_string(),
                x: x + if weekday(*day) > 0 { SQUARE } else { 0 },
                href: logs(&day.to_string(), &last),
                days: [0; 5],
            });
        }
        let place = Shade::ALL.iter().position(|one| *one == shade);
        if let (Some(month), Some(place)) = (months.last_mut(), place)
            && let Some(count) = month.days.get_mut(place)
        {
            *count += 1;
        }
        days.push(Day {
            x,
            y: MARGIN.1 + weekday(*day) * SQUARE,
            shade,
            title: format!("{}: {}", day.strftime("%a %Y-%m-%d"), shade.words()),
            href: logs(&day.to_string(), &day.to_string()),
        });
    }
    let is_missing = |shade: Shade| matches!(shade, Shade::Gap | Shade::AtRisk);
    let missing: Vec<_> =
        stream.intervals.iter().rev().filter(|interval| is_missing(Shade::of(interval.state))).collect();
    let gap = |interval: &&coverage::report::Interval| Gap {
        from: show(interval.from),
        to: show(interval.to),
        shade: Shade::of(interval.state),
        records: grouped(interval.ids),
        href: logs(&exact(interval.from, &year.zone), &exact(interval.to, &year.zone)),
    };
    Calendar {
        title: title(stream),
        statement: statement(
            std::slice::from_ref(stream),
            (year.begin(), year.end.min(now).max(year.begin())),
        ),
        days,
        months,
        hidden: missing.len().saturating_sub(GAPS_MAX),
        gaps: missing.iter().take(GAPS_MAX).map(gap).collect(),
    }
}

/// From Monday, 0, on.
fn weekday(day: Date) -> i64 {
    i64::from(day.weekday().to_monday_zero_offset())
}

/// A time as the form of raw logs has it.
fn exact(time: Time, zone: &TimeZone) -> String {
    let at = zone.to_datetime(Timestamp::from_millisecond(time.as_ms()).unwrap_or_default());
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_has_all_its_days_in_any_zone() {
        for (year, tz, days, begin) in [
            (2026, "UTC", 365, "2026-01-01T00:00:00.000Z"),
            (2024, "Europe/Vienna", 366, "2023-12-31T23:00:00.000Z"),
            // Samoa skipped a day: its squares are there, one of them has no time.
            (2011, "Pacific/Apia", 365, "2011-01-01T10:00:00.000Z"),
        ] {
            let zone = TimeZone::get(tz).unwrap();
            let year = Year::new(year, zone, tz).unwrap();
            assert_eq!((year.days.len(), year.begin().to_string().as_str()), (days, begin), "{tz}");
            assert!(year.days.is_sorted_by(|a, b| a.1 <= b.1) && year.end > year.begin());
        }
    }
}
