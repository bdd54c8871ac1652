//! The days that a page is about, as its form and its address have them.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use whowas_event::Time;

use super::UserPageParams;
use crate::{api::params::zone, problem::Problem};

/// Days that are shown if nobody says …
const DAYS_DEFAULT: i64 = 30;
/// … and at most: each is a row.
const DAYS_MAX: i64 = 366;

/// The days of the page, both included.
pub(super) struct Days {
    pub(super) first: Date,
    pub(super) last: Date,
    pub(super) zone: TimeZone,
}

impl Days {
    pub(super) fn of(params: &UserPageParams, now: Time) -> Result<Self, Problem> {
        let zone = zone(&params.tz)?;
        let day = |name: &str, text: &str| {
            text.parse::<Date>().map_err(|_| Problem::invalid(format!("{name}: write a date as 2026-11-24")))
        };
        let today = zone.to_datetime(Timestamp::from_millisecond(now.as_ms()).unwrap_or_default()).date();
        let last = if params.end.is_empty() { today } else { day("End date", &params.end)? };
        let earlier = |days: i64| last.checked_sub(days.days()).unwrap_or(Date::MIN);
        let first = match params.start.as_str() {
            "" => earlier(DAYS_DEFAULT - 1),
            text => day("Start date", text)?,
        };
        if first > last {
            return Err(Problem::invalid("the start date is after the end date"));
        }
        if first < earlier(DAYS_MAX - 1) {
            return Err(Problem::invalid(format!(
                "choose {DAYS_MAX} days at most: each is a row of this page"
            )));
        }
        Ok(Self { first, last, zone })
    }

    pub(super) fn dates(&self) -> Vec<Date> {
        self.first.series(1.day()).take_while(|day| *day <= self.last).collect()
    }

    /// When each day begins, and when the last is over.
    pub(super) fn begins(&self) -> Result<Vec<Time>, Problem> {
        let outside = || Problem::invalid("a date is outside the years 1 to 9999");
        let after = self.last.tomorrow().map_err(|_| outside())?;
        let begin = |day: Date| {
            let at = self.zone.to_timestamp(day.at(0, 0, 0, 0)).map_err(|_| outside())?;
            Time::from_ms(at.as_millisecond()).map_err(|_| outside())
        };
        self.dates().into_iter().chain([after]).map(begin).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_bounded_and_of_the_zone() {
        let now = Time::parse_rfc3339("2026-11-24T23:30:00Z").unwrap();
        let of = |start: &str, end: &str, tz: &str| {
            let [start, end, tz] = [start, end, tz].map(str::to_owned);
            let days = Days::of(&UserPageParams { start, end, tz }, now).ok()?;
            let begins = days.begins().ok()?;
            Some((days.first.to_string(), days.last.to_string(), begins.len() - 1, begins[0].to_string()))
        };
        let want = |first: &str, last: &str, count: usize, from: &str| {
            Some((first.to_owned(), last.to_owned(), count, from.to_owned()))
        };
        assert_eq!(of("", "", ""), want("2026-10-26", "2026-11-24", 30, "2026-10-26T00:00:00.000Z"));
        assert_eq!(
            of("", "", "Europe/Vienna"),
            want("2026-10-27", "2026-11-25", 30, "2026-10-26T23:00:00.000Z")
        );
        assert_eq!(
            of("2026-11-01", "2026-11-01", ""),
            want("2026-11-01", "2026-11-01", 1, "2026-11-01T00:00:00.000Z")
        );
        for (start, end, tz) in
            [("2026-11-02", "2026-11-01", ""), ("2020-01-01", "", ""), ("x", "", ""), ("", "", "Nowhere")]
        {
            assert_eq!(of(start, end, tz), None, "{start} {end} {tz}");
        }
    }
}
