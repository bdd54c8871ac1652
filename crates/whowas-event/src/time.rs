//! Instants as whole milliseconds since 1970-01-01T00:00:00Z, the unit of OCSF `time`.
//!
//! Not a calendar library: time zones, local times and foreign notations are read in `whowas-format`.
//! Digits below a millisecond are cut off; the source's own text is kept as `raw_time`.

use std::fmt;

/// Milliseconds since the Unix epoch, UTC, without leap seconds.
///
/// Range: years 0001 to 9999, the years RFC 3339 can write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// Why a text is not an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not of the shape `YYYY-MM-DDTHH:MM:SS[.fff](Z|±HH:MM)`.
    #[error("not an RFC 3339 time")]
    Shape,
    /// Shaped like a time, but no calendar has it: 30 February, 25 o'clock.
    #[error("no such date or time of day")]
    Impossible,
    /// Outside the years 0001 to 9999.
    #[error("outside the years 0001 to 9999")]
    Range,
}

const MS_PER_DAY: i64 = 86_400_000;
const MIN_MS: i64 = -62_135_596_800_000; // 0001-01-01T00:00:00.000Z
const MAX_MS: i64 = 253_402_300_799_999; // 9999-12-31T23:59:59.999Z

impl Time {
    /// The instant `ms` milliseconds after the epoch.
    pub const fn from_ms(ms: i64) -> Result<Self, TimeError> {
        if ms < MIN_MS || ms > MAX_MS { Err(TimeError::Range) } else { Ok(Self(ms)) }
    }

    /// Milliseconds since the epoch.
    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// This instant moved by `ms` milliseconds, kept inside the range.
    #[must_use]
    pub const fn saturating_add_ms(self, ms: i64) -> Self {
        let moved = self.0.saturating_add(ms);
        Self(if moved < MIN_MS {
            MIN_MS
        } else if moved > MAX_MS {
            MAX_MS
        } else {
            moved
        })
    }

    /// From a proleptic Gregorian date and a UTC time of day.
    pub fn from_utc(
        (year, month, day): (i32, u8, u8),
        (hour, minute, second): (u8, u8, u8),
        ms: u16,
    ) -> Result<Self, TimeError> {
        if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
            return Err(TimeError::Impossible);
        }
        // 23:59:60 is a leap second: it is read as the second before, since no clock here counts it.
        let second = if second == 60 && minute == 59 { 59 } else { second };
        if hour > 23 || minute > 59 || second > 59 || ms > 999 {
            return Err(TimeError::Impossible);
        }
        let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        Self::from_ms(days_from_civil(year, month, day) * MS_PER_DAY + seconds * 1000 + i64::from(ms))
    }

    /// Reads an RFC 3339 time with an offset, as `2026-11-24T07:22:01.5Z` or `…+01:00`.
    ///
    /// A space or a lower-case `t` may stand for `T`. Any number of fraction digits is read.
    pub fn parse_rfc3339(text: &str) -> Result<Self, TimeError> {
        let (local, offset) = parse_prefix(text.as_bytes())?;
        let minutes = match offset {
            [b'Z' | b'z'] => 0,
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
                let (h, m) = (two(*h1, *h2)?, two(*m1, *m2)?);
                if h > 23 || m > 59 {
                    return Err(TimeError::Impossible);
                }
                let east = i64::from(h) * 60 + i64::from(m);
                if *sign == b'-' { -east } else { east }
            }
            _ => return Err(TimeError::Shape),
        };
        Self::from_ms(local.0 - minutes * 60_000)
    }

    /// Reads the same shape without an offset, as if it were UTC.
    pub fn parse_without_offset(text: &str) -> Result<Self, TimeError> {
        match parse_prefix(text.as_bytes())? {
            (local, []) => Ok(local),
            _ => Err(TimeError::Shape),
        }
    }

    /// The date in UTC as (year, month, day).
    pub fn utc_date(self) -> (i32, u8, u8) {
        civil_from_days(self.0.div_euclid(MS_PER_DAY))
    }

    /// Writes `YYYY-MM-DDTHH:MM:SS.mmmZ`, always 24 bytes.
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        let (year, month, day) = self.utc_date();
        let ms = self.0.rem_euclid(MS_PER_DAY);
        let digits = |out: &mut Vec<u8>, value: i64, width: u32| {
            for at in (0..width).rev() {
                let digit = value / 10_i64.pow(at) % 10;
                out.push(b'0' + u8::try_from(digit).expect("a remainder of 10 is below 256"));
            }
        };
        digits(out, i64::from(year), 4);
        out.push(b'-');
        digits(out, i64::from(month), 2);
        out.push(b'-');
        digits(out, i64::from(day), 2);
        out.push(b'T');
        digits(out, ms / 3_600_000, 2);
        out.push(b':');
        digits(out, ms / 60_000 % 60, 2);
        out.push(b':');
        digits(out, ms / 1000 % 60, 2);
        out.push(b'.');
        digits(out, ms % 1000, 3);
        out.push(b'Z');
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(24);
        self.write_rfc3339(&mut out);
        f.write_str(std::str::from_utf8(&out).expect("digits and punctuation are UTF-8"))
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).map_err(serde::de::Error::custom)
    }
}

/// Date, time of day and fraction; what follows them is the offset.
fn parse_prefix(text: &[u8]) -> Result<(Time, &[u8]), TimeError> {
    let (Some((head, rest)), true) = (text.split_first_chunk::<19>(), text.len() <= 64) else {
        return Err(TimeError::Shape);
    };
    let &[
        y1,
        y2,
        y3,
        y4,
        b'-',
        mo1,
        mo2,
        b'-',
        d1,
        d2,
        b'T' | b't' | b' ',
        h1,
        h2,
        b':',
        mi1,
        mi2,
        b':',
        s1,
        s2,
    ] = head
    else {
        return Err(TimeError::Shape);
    };
    let year = i32::from(two(y1, y2)?) * 100 + i32::from(two(y3, y4)?);
    let date = (year, two(mo1, mo2)?, two(d1, d2)?);
    let clock = (two(h1, h2)?, two(mi1, mi2)?, two(s1, s2)?);
    let (ms, rest) = parse_fraction(rest)?;
    Ok((Time::from_utc(date, clock, ms)?, rest))
}

/// `.123456` as whole milliseconds, and what follows.
fn parse_fraction(rest: &[u8]) -> Result<(u16, &[u8]), TimeError> {
    let [b'.' | b',', fraction @ ..] = rest else { return Ok((0, rest)) };
    let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return Err(TimeError::Shape);
    }
    let (fraction, rest) = fraction.split_at(digits);
    let padded = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(3);
    Ok((padded.fold(0, |ms, b| ms * 10 + u16::from(b - b'0')), rest))
}

fn two(tens: u8, ones: u8) -> Result<u8, TimeError> {
    if tens.is_ascii_digit() && ones.is_ascii_digit() {
        Ok((tens - b'0') * 10 + (ones - b'0'))
    } else {
        Err(TimeError::Shape)
    }
}

fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01, after Howard Hinnant's `days_from_civil`: years begin in March, so that the
/// leap day is the last of its year.
fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    let y = i64::from(year) - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i32, u8, u8) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (
        i32::try_from(year).expect("a Time lies in the years 1 to 9999"),
        u8::try_from(month).expect("months are 1 to 12"),
        u8::try_from(day).expect("days are 1 to 31"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_notations_sources_use() {
        for (text, want) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
            ("2022-01-24T04:59:49.2279838Z", "2022-01-24T04:59:49.227Z"),
            ("2021-01-23T20:44:29.7688982+00:00", "2021-01-23T20:44:29.768Z"),
            ("2019-10-18T04:45:48.0729893-05:00", "2019-10-18T09:45:48.072Z"),
            ("2024-02-29 23:59:60.5z", "2024-02-29T23:59:59.500Z"),
            ("2024-03-31T02:30:00+0530", "2024-03-30T21:00:00.000Z"),
            ("9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Time::parse_rfc3339(text).map(|t| t.to_string()), Ok(want.to_owned()), "{text}");
        }
    }

    #[test]
    fn refuses_what_no_calendar_has() {
        for (text, want) in [
            ("2023-02-29T00:00:00Z", TimeError::Impossible),
            ("2023-13-01T00:00:00Z", TimeError::Impossible),
            ("2023-01-01T24:00:00Z", TimeError::Impossible),
            ("2023-01-01T00:00:00", TimeError::Shape),
            ("2023-01-01T00:00:00.Z", TimeError::Shape),
            ("0000-01-01T00:00:00Z", TimeError::Range),
            ("3/12/2025 7:22", TimeError::Shape),
            ("", TimeError::Shape),
        ] {
            assert_eq!(Time::parse_rfc3339(text), Err(want), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_survives_its_text(ms in MIN_MS..=MAX_MS) {
            let time = Time::from_ms(ms).unwrap();
            prop_assert_eq!(Time::parse_rfc3339(&time.to_string()), Ok(time));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = Time::parse_rfc3339(&text);
        }
    }
}
