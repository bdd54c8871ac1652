//! Times on the command line: RFC 3339, dates, relative; shown in UTC or in the zone that was asked for.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use whowas_event::Time;

use crate::failure::Failure;

/// Reads a time. A date means its beginning, or, where it ends a range, the beginning of the next day.
/// What has no offset is a time of `zone`, in which times are shown.
pub(crate) fn parse(text: &str, now: Time, zone: &TimeZone, is_end: bool) -> Result<Time, Failure> {
    if text == "now" {
        return Ok(now);
    }
    if let Some(time) = relative(text, now) {
        return Ok(time);
    }
    let local = |civil: DateTime| {
        let instant = zone.to_timestamp(civil).ok()?;
        Time::from_ms(instant.as_millisecond()).ok()
    };
    // Dates have no `T`; jiff would read the beginning of a longer text as one.
    let date = text.parse::<Date>().ok().filter(|_| text.len() == "2026-11-24".len());
    let date = if is_end { date.and_then(|date| date.tomorrow().ok()) } else { date };
    let read = match date {
        Some(date) => local(date.at(0, 0, 0, 0)),
        None => Time::parse_rfc3339(text).ok().or_else(|| {
            let shown = Timestamp::from_millisecond(Time::parse_without_offset(text).ok()?.as_ms()).ok()?;
            local(TimeZone::UTC.to_datetime(shown))
        }),
    };
    read.ok_or_else(|| {
        Failure::not_understood(format!("{text} is no time: write 2026-11-24, 2026-11-24T08:00:00Z or -7d"))
    })
}

/// The instant that lies an age such as `400d` before now.
pub(crate) fn ago(age: &str, now: Time) -> Result<Time, Failure> {
    relative(&format!("-{age}"), now)
        .filter(|then| *then < now)
        .ok_or_else(|| Failure::not_understood(format!("{age} is no age: write 400d, 52w or 36h")))
}

/// `-7d`, `-12h`, `-30m`, `-2w`.
fn relative(text: &str, now: Time) -> Option<Time> {
    let ms = whowas_query::select::age_ms(text.strip_prefix('-')?)?;
    Some(now.saturating_add_ms(ms.checked_neg()?))
}

/// The zone of a name; UTC if there is none.
pub(crate) fn zone(name: Option<&str>) -> Result<TimeZone, Failure> {
    match name {
        None | Some("UTC" | "utc" | "Z") => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(name).or_else(|_| TimeZone::posix(name)).map_err(|_| {
            Failure::not_understood(format!("there is no time zone {name}; write one like Europe/Zurich"))
        }),
    }
}

/// A time for people: to the second, in their zone.
pub(crate) fn show(time: Time, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(time.as_ms()) {
        Ok(instant) => instant.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => time.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_people_write_them() {
        let now = Time::parse_rfc3339("2026-11-24T10:00:00Z").unwrap();
        for (text, is_end, want) in [
            ("now", false, "2026-11-24T10:00:00.000Z"),
            ("-7d", false, "2026-11-17T10:00:00.000Z"),
            ("-90m", false, "2026-11-24T08:30:00.000Z"),
            ("2026-11-01", false, "2026-11-01T00:00:00.000Z"),
            ("2026-11-01", true, "2026-11-02T00:00:00.000Z"),
            ("2026-11-01T08:00:00+01:00", true, "2026-11-01T07:00:00.000Z"),
        ] {
            assert_eq!(parse(text, now, &TimeZone::UTC, is_end).unwrap().to_string(), want, "{text}");
        }
        for bad in ["yesterday", "-7", "-xd", "3/12/2025", "2026-02-30", "2026-11-24T25:00:00", "", "-"] {
            assert!(parse(bad, now, &TimeZone::UTC, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_without_an_offset_are_those_of_the_zone_they_are_shown_in() {
        let now = Time::parse_rfc3339("2026-11-24T10:00:00Z").unwrap();
        let zurich = zone(Some("Europe/Zurich")).unwrap();
        for (text, is_end, want) in [
            ("2026-11-01", false, "2026-10-31T23:00:00.000Z"),
            // The day on which clocks are put back has 25 hours.
            ("2026-10-25", false, "2026-10-24T22:00:00.000Z"),
            ("2026-10-25", true, "2026-10-25T23:00:00.000Z"),
            ("2026-07-01 08:30:00", false, "2026-07-01T06:30:00.000Z"),
            ("2026-07-01T08:30:00Z", false, "2026-07-01T08:30:00.000Z"),
            ("-1d", false, "2026-11-23T10:00:00.000Z"),
        ] {
            assert_eq!(parse(text, now, &zurich, is_end).unwrap().to_string(), want, "{text}");
        }
    }
}
