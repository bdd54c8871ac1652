//! The range of a search as the form and the address have it: two days, two times, or a stretch up to now.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use whowas_event::Time;

use super::RawLogParams;
use crate::{
    api::params::{relative, zone},
    problem::Problem,
};

/// As in the original: start = end date − 7 days.
const WINDOW_DAYS: i64 = 7;

/// Stretches up to now, by the word in the address: they stay relative when the address is handed on.
pub(super) const PRESETS: [(&str, &str); 6] = [
    ("-1h", "Last hour"),
    ("-24h", "Last 24 hours"),
    ("-7d", "Last 7 days"),
    ("-30d", "Last 30 days"),
    ("-90d", "Last 90 days"),
    ("-365d", "Last 365 days"),
];

/// A range, and how it was written.
#[derive(Debug)]
pub(crate) struct Range {
    /// At or after.
    pub(super) from: Time,
    /// Before.
    pub(super) to: Time,
    pub(super) zone: TimeZone,
    pub(super) zone_name: String,
    /// The fields of the form.
    pub(super) start: String,
    pub(super) end: String,
    /// The word of the preset; empty for fixed dates.
    pub(super) preset: String,
}

impl Range {
    /// Of the form's fields. An empty end is today, an empty start seven days before the end. Dates are
    /// whole days, both included; times are exact, the end excluded.
    pub(super) fn of(params: &RawLogParams, now: Time) -> Result<Self, Problem> {
        let zone = zone(&params.tz)?;
        let zone_name = if params.tz.is_empty() { "UTC".to_owned() } else { params.tz.clone() };
        if !params.range.is_empty() {
            let from = relative(&params.range, now)
                .ok_or_else(|| Problem::invalid("range: write -7d, -12h or -30m, or leave it out"))?;
            let to = now.saturating_add_ms(1);
            let (start, end) = (local(from, &zone, DAY), local(to, &zone, DAY));
            return Ok(Self { from, to, zone, zone_name, start, end, preset: params.range.clone() });
        }
        let end = match params.end.as_str() {
            "" => Moment::Day(zone.to_datetime(instant(now)).date()),
            text => Moment::parse("End date", text)?,
        };
        let start = match params.start.as_str() {
            "" => end.days_before(WINDOW_DAYS),
            text => Moment::parse("Start date", text)?,
        };
        let (from, to) = (start.first(&zone), end.last(&zone));
        let (Some(from), Some(to)) = (from, to) else {
            return Err(Problem::invalid("a date is outside the years 1 to 9999"));
        };
        if from >= to {
            return Err(Problem::invalid("the start date is after the end date"));
        }
        let (start, end) = (start.to_string(), end.to_string());
        Ok(Self { from, to, zone, zone_name, start, end, preset: String::new() })
    }

    /// Whether the form's fields are days.
    pub(super) fn is_of_days(&self) -> bool {
        self.start.len() == DAY_CHARACTERS && self.end.len() == DAY_CHARACTERS
    }

    /// What a person calls it.
    pub(super) fn words(&self) -> String {
        if self.preset.is_empty() && self.is_of_days() {
            return format!("{} to {}, both days included", self.start, self.end);
        }
        let time = |time| local(time, &self.zone, "%Y-%m-%d %H:%M");
        format!("{} to {}", time(self.from), time(self.to))
    }
}

/// A day as a form's field has it.
const DAY: &str = "%Y-%m-%d";
const DAY_CHARACTERS: usize = "2026-11-24".len();

/// A day or a time of day, without a zone.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Day(Date),
    Time(DateTime),
}

impl Moment {
    fn parse(name: &str, text: &str) -> Result<Self, Problem> {
        // jiff would read the beginning of a longer text as a date.
        let read = if text.len() == DAY_CHARACTERS {
            text.parse().ok().map(Self::Day)
        } else if text.contains('T') {
            text.parse().ok().map(Self::Time)
        } else {
            None
        };
        read.ok_or_else(|| {
            Problem::invalid(format!("{name}: write a date as 2026-11-24, or a time as 2026-11-24T07:30"))
        })
    }

    fn days_before(self, days: i64) -> Self {
        let span = jiff::Span::new().days(days);
        match self {
            Self::Day(day) => Self::Day(day.checked_sub(span).unwrap_or(Date::MIN)),
            Self::Time(time) => Self::Time(time.checked_sub(span).unwrap_or(DateTime::MIN)),
        }
    }

    fn first(self, zone: &TimeZone) -> Option<Time> {
        let civil = match self {
            Self::Day(day) => day.at(0, 0, 0, 0),
            Self::Time(time) => time,
        };
        Time::from_ms(zone.to_timestamp(civil).ok()?.as_millisecond()).ok()
    }

    fn last(self, zone: &TimeZone) -> Option<Time> {
        match self {
            Self::Day(day) => Self::Day(day.tomorrow().ok()?).first(zone),
            Self::Time(_) => self.first(zone),
        }
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Day(day) => day.fmt(f),
            Self::Time(time) => f.write_str(&time.strftime("%Y-%m-%dT%H:%M:%S").to_string()),
        }
    }
}

fn instant(time: Time) -> Timestamp {
    Timestamp::from_millisecond(time.as_ms()).unwrap_or_default()
}

/// A time of the zone, written by a pattern of strftime.
pub(in crate::console) fn local(time: Time, zone: &TimeZone, pattern: &str) -> String {
    zone.to_datetime(instant(time)).strftime(pattern).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(range: &str, start: &str, end: &str, tz: &str) -> Option<(String, String, String)> {
        let now = Time::parse_rfc3339("2026-11-24T15:00:00Z").unwrap();
        let [range, start, end, tz] = [range, start, end, tz].map(str::to_owned);
        let params = RawLogParams { range, start, end, tz, ..RawLogParams::default() };
        let range = Range::of(&params, now).ok()?;
        let text = |time: Time| time.to_string().replace(":00.000Z", "");
        Some((format!("{} {}", range.start, range.end), text(range.from), text(range.to)))
    }

    #[test]
    fn days_times_and_stretches_up_to_now() {
        for (given, fields, from, to) in [
            (["", "", "", ""], "2026-11-17 2026-11-24", "2026-11-17T00:00", "2026-11-25T00:00"),
            (["", "", "2017-11-02", ""], "2017-10-26 2017-11-02", "2017-10-26T00:00", "2017-11-03T00:00"),
            (
                ["", "2017-01-01", "2017-11-02", "UTC"],
                "2017-01-01 2017-11-02",
                "2017-01-01T00:00",
                "2017-11-03T00:00",
            ),
            // The day on which summer time ends has 25 hours.
            (
                ["", "2026-10-25", "2026-10-25", "Europe/Vienna"],
                "2026-10-25 2026-10-25",
                "2026-10-24T22:00",
                "2026-10-25T23:00",
            ),
            (
                ["", "2026-11-03T14:00", "2026-11-03T15:00", "Europe/Vienna"],
                "2026-11-03T14:00:00 2026-11-03T15:00:00",
                "2026-11-03T13:00",
                "2026-11-03T14:00",
            ),
            (
                ["-24h", "2001-01-01", "", "Asia/Tokyo"],
                "2026-11-24 2026-11-25",
                "2026-11-23T15:00",
                "2026-11-24T15:00:00.001Z",
            ),
        ] {
            let [word, start, end, tz] = given;
            let want = (fields.to_owned(), from.to_owned(), to.to_owned());
            assert_eq!(range(word, start, end, tz), Some(want), "{given:?}");
        }
        for [word, start, end, tz] in [
            ["", "2017-12-01", "2017-11-02", ""],
            ["", "", "2/11/2017", ""],
            ["", "2026-11-24X", "", ""],
            ["", "", "2026-02-30", ""],
            ["7d", "", "", ""],
            ["", "", "", "Middle/Earth"],
        ] {
            assert_eq!(range(word, start, end, tz), None, "{word} {start} {end} {tz}");
        }
    }
}
