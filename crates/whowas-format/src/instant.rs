//! Times in RFC 3339 and its near relatives, with or without an offset.

use jiff::{Timestamp, tz::TimeZone};
use whowas_event::{Time, TimeError};

use crate::contract::Options;

/// A time, and what its text says beyond it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instant {
    /// The instant, to the millisecond.
    pub time: Time,
    /// The text, if it has finer digits or another offset than `Z`: [`whowas_event::Event::raw_time`].
    pub raw_time: Option<String>,
    /// Whether the text has no offset, so that [`Options::source_timezone`] decided.
    pub is_without_zone: bool,
}

/// Reads a time; without an offset it is one of the source's time zone.
pub fn read(text: &str, options: &Options) -> Result<Instant, TimeError> {
    let text = text.trim();
    match Time::parse_rfc3339(text) {
        Ok(time) => Ok(with_offset(text, time)),
        Err(TimeError::Shape) => {
            let local = Time::parse_without_offset(text)?;
            let time = in_zone(local, &options.source_timezone)?;
            Ok(Instant { time, raw_time: Some(text.to_owned()), is_without_zone: true })
        }
        Err(error) => Err(error),
    }
}

/// What is to be kept of a time's text that has an offset.
pub fn with_offset(text: &str, time: Time) -> Instant {
    let is_utc = text.ends_with(['Z', 'z']) || text.ends_with("+00:00");
    let fraction = text.split_once(['.', ',']).map_or("", |(_, fraction)| fraction);
    let is_finer = fraction.bytes().take_while(u8::is_ascii_digit).skip(3).any(|digit| digit != b'0');
    let says_more = is_finer || !is_utc;
    Instant { time, raw_time: says_more.then(|| text.to_owned()), is_without_zone: false }
}

/// An instant that the source counts in microseconds since 1970.
pub fn of_microseconds(microseconds: u64) -> Result<Instant, TimeError> {
    let ms = i64::try_from(microseconds / 1000).map_err(|_| TimeError::Range)?;
    let time = Time::from_ms(ms)?;
    let text = time.to_string();
    let seconds = text.split_once('.').map_or(&*text, |(seconds, _)| seconds);
    let says_more = !microseconds.is_multiple_of(1000);
    let raw_time = says_more.then(|| format!("{seconds}.{:06}Z", microseconds % 1_000_000));
    Ok(Instant { time, raw_time, is_without_zone: false })
}

/// An instant that the source counts in nanoseconds since 1970.
pub fn of_nanoseconds(nanoseconds: u64) -> Result<Instant, TimeError> {
    if nanoseconds.is_multiple_of(1000) {
        return of_microseconds(nanoseconds / 1000);
    }
    let Instant { time, .. } = of_microseconds(nanoseconds / 1000)?;
    let text = time.to_string();
    let seconds = text.split_once('.').map_or(&*text, |(seconds, _)| seconds);
    let raw_time = Some(format!("{seconds}.{:09}Z", nanoseconds % 1_000_000_000));
    Ok(Instant { time, raw_time, is_without_zone: false })
}

/// The instant at which clocks in `zone` show what `local` would show in UTC. In the hour that clocks show
/// twice it is the first one; in the hour they skip, the time as if they had not been changed yet.
pub fn in_zone(local: Time, zone: &TimeZone) -> Result<Time, TimeError> {
    if zone.is_unknown() || *zone == TimeZone::UTC {
        return Ok(local);
    }
    let shown = Timestamp::from_millisecond(local.as_ms()).map_err(|_| TimeError::Range)?;
    let civil = TimeZone::UTC.to_datetime(shown);
    let instant = zone.to_timestamp(civil).map_err(|_| TimeError::Range)?;
    Time::from_ms(instant.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::options;

    fn shown(text: &str, zone: &str) -> String {
        let options = Options { source_timezone: TimeZone::get(zone).unwrap(), ..options() };
        match read(text, &options) {
            Ok(Instant { time, raw_time, is_without_zone }) => {
                format!("{time} {} {is_without_zone}", raw_time.unwrap_or_default())
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn microseconds_are_kept() {
        let shown = |us| of_microseconds(us).map(|instant| (instant.time.to_string(), instant.raw_time));
        assert_eq!(shown(1_500_000), Ok(("1970-01-01T00:00:01.500Z".to_owned(), None)));
        let raw_time = Some("1970-01-01T00:00:01.000042Z".to_owned());
        assert_eq!(shown(1_000_042), Ok(("1970-01-01T00:00:01.000Z".to_owned(), raw_time)));
        assert_eq!(shown(u64::MAX), Err(TimeError::Range));
        let shown = |ns| of_nanoseconds(ns).map(|instant| (instant.time.to_string(), instant.raw_time));
        let raw_time = Some("1970-01-01T00:00:01.000000042Z".to_owned());
        assert_eq!(shown(1_000_000_042), Ok(("1970-01-01T00:00:01.000Z".to_owned(), raw_time)));
        let raw_time = Some("1970-01-01T00:00:01.000042Z".to_owned());
        assert_eq!(shown(1_000_042_000), Ok(("1970-01-01T00:00:01.000Z".to_owned(), raw_time)));
        assert!(shown(u64::MAX).is_ok(), "the year 2554");
    }

    #[test]
    fn texts_that_say_more_are_kept() {
        for (text, want) in [
            ("2026-11-24T07:22:01.500Z", "2026-11-24T07:22:01.500Z  false"),
            ("2026-11-24T07:22:01.5000000+00:00", "2026-11-24T07:22:01.500Z  false"),
            ("2026-11-24T07:22:01.5000001Z", "2026-11-24T07:22:01.500Z 2026-11-24T07:22:01.5000001Z false"),
            ("2026-11-24T07:22:01-05:00", "2026-11-24T12:22:01.000Z 2026-11-24T07:22:01-05:00 false"),
            ("2026-11-24 07:22:01", "2026-11-24T06:22:01.000Z 2026-11-24 07:22:01 true"),
            ("2026-06-24 07:22:01", "2026-06-24T05:22:01.000Z 2026-06-24 07:22:01 true"),
            ("2026-10-25 02:30:00", "2026-10-25T00:30:00.000Z 2026-10-25 02:30:00 true"),
            ("2026-03-29 02:30:00", "2026-03-29T01:30:00.000Z 2026-03-29 02:30:00 true"),
            ("2026-02-30T00:00:00Z", "no such date or time of day"),
            ("yesterday", "not an RFC 3339 time"),
        ] {
            assert_eq!(shown(text, "Europe/Zurich"), want, "{text}");
        }
    }
}
