//! Dates and times as spreadsheets, forms and regional settings write them.
//!
//! Understood, each with or without seconds, fraction, AM/PM and offset:
//!
//! | notation | read as |
//! |---|---|
//! | `2025-03-12T07:22:01.5+01:00` | RFC 3339 |
//! | `2025-03-12 07:22`, `2025/03/12 7:22` | year first |
//! | `12.3.2025 7:22` | dots: day first, always |
//! | `13/3/2025 7:22`, `3/13/2025 7:22 AM` | the order that gives a date |
//! | `3/12/2025 7:22`, `3-12-2025 7:22` | refused, unless [`Options::date_order`] says which of the two it is |
//! | `/Date(1741760521000)/` | milliseconds since 1970: Windows PowerShell's JSON |
//! | `45728.30695` | Excel's serial number: days since the end of 1899; below 20000 it is no date of a sign-in |
//!
//! A date alone is its midnight. Two digits for a year are refused. A date that contradicts the given
//! order is refused too: then the order is wrong for the whole file. Times without an offset are those of
//! [`Options::source_timezone`], around clock changes as [`instant::in_zone`] says.
//! Dynamics AX writes 1900-01-01 for *no date*; in whatever notation and zone, that is [`DateError::NoDate`].

use whowas_event::{Time, TimeError};

use crate::{
    contract::{DateOrder, Options},
    instant::{self, Instant},
};

/// The longest text that can be a time.
const TEXT_BYTES_MAX: usize = 64;
const DAY_MS: i64 = 86_400_000;
/// Unix day of serial number 0 if the days of Excel's 1900 system were counted without its error: it has
/// a 29 February 1900, serial 60, which never was.
const SERIAL_1900_UNIX_DAY: i64 = -25_569;
/// Unix day of serial number 0 in the 1904 system of old Macintosh workbooks: 1904-01-01.
const SERIAL_1904_UNIX_DAY: i64 = -24_107;
/// 9999-12-31, the last day of Excel.
const SERIAL_MAX: i64 = 2_958_465;
const SERIAL_LEAP_ERROR: i64 = 60;
/// 1954-10-03. Smaller numbers in a text are years, counters and hours rather than dates.
const BARE_SERIAL_MIN: i64 = 20_000;

/// Why a text is not an instant. Messages are complete: they name the text and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// In no known notation.
    #[error("`{0}` is not a date and time in a known notation, such as 2025-03-12 07:22:01")]
    Shape(String),
    /// Day and month can be told apart neither by notation nor by value.
    #[error("`{text}` is either {day_first} or {month_first}: pass `--date-order dmy` or `--date-order mdy`")]
    Ambiguous {
        /// As written.
        text: String,
        /// What it is if the day comes first.
        day_first: String,
        /// What it is if the month comes first.
        month_first: String,
    },
    /// Only the order that was not given makes it a date.
    #[error("`{text}` contradicts `--date-order {order}`: that order is wrong for this file")]
    OtherOrder {
        /// As written.
        text: String,
        /// `dmy` or `mdy`.
        order: &'static str,
    },
    /// `12.3.25`
    #[error("`{0}` writes the year with two digits: export it with four")]
    ShortYear(String),
    /// 30 February, 25 o'clock.
    #[error("`{text}`: there is no {what}; correct it and import the file once more")]
    Impossible {
        /// As written.
        text: String,
        /// The part of it that no calendar or clock has.
        what: String,
    },
    /// Before the year 1 or after 9999.
    #[error("`{0}` is outside the years 1 to 9999")]
    Range(String),
    /// 1900-01-01, which stands for an empty field.
    #[error("1900-01-01 stands for no date")]
    NoDate,
}

/// The two day counts of spreadsheets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerialSystem {
    /// Day 1 is 1900-01-01.
    Since1900,
    /// Day 0 is 1904-01-01.
    Since1904,
}

/// Reads a time in any of the notations.
pub fn parse(text: &str, options: &Options) -> Result<Instant, DateError> {
    let text = text.trim();
    if text.len() > TEXT_BYTES_MAX {
        let beginning: String = text.chars().take(TEXT_BYTES_MAX / 2).collect();
        return Err(DateError::Shape(format!("{beginning}…")));
    }
    if let Ok(time) = Time::parse_rfc3339(text) {
        return some_date(time).map(|time| instant::with_offset(text, time));
    }
    if let Some(ms) = json_date(text) {
        let time = Time::from_ms(ms).map_err(|_| DateError::Range(text.to_owned()))?;
        return Ok(Instant { time, raw_time: Some(text.to_owned()), is_without_zone: false });
    }
    let written = match serial(text, SerialSystem::Since1900) {
        Some(local) => Written { local: bare_serial(text, local?)?, east_minutes: None },
        None => Reader::new(text, options.date_order).read()?,
    };
    let local = some_date(written.local)?;
    let out_of_range = |_| DateError::Range(text.to_owned());
    let time = match written.east_minutes {
        Some(minutes) => Time::from_ms(local.as_ms() - minutes * 60_000).map_err(out_of_range)?,
        None => instant::in_zone(local, &options.source_timezone).map_err(out_of_range)?,
    };
    let is_without_zone = written.east_minutes.is_none();
    Ok(Instant { time, raw_time: Some(text.to_owned()), is_without_zone })
}

/// The same, where there may be none: an empty text or one that stands for no date is `None`.
pub fn parse_optional(text: Option<&str>, options: &Options) -> Result<Option<Instant>, DateError> {
    match text.map(|text| parse(text, options)) {
        None | Some(Err(DateError::NoDate)) => Ok(None),
        Some(Ok(instant)) => Ok(Some(instant)),
        Some(Err(error)) => Err(error),
    }
}

/// `/Date(1732432921000)/`: milliseconds since 1970, as `ConvertTo-Json` of Windows PowerShell writes times.
fn json_date(text: &str) -> Option<i64> {
    text.strip_prefix("/Date(")?.strip_suffix(")/")?.parse().ok()
}

/// A serial number as `YYYY-MM-DD HH:MM:SS.mmm` without what is zero; below 1 it is a time of day alone.
/// `None` if it is no date.
pub fn serial_text(number: f64, system: SerialSystem) -> Option<String> {
    // The shortest decimal that gives the same number; it has no exponent.
    let digits = number.to_string();
    let local = if digits.starts_with("0.") {
        serial(&digits, SerialSystem::Since1904)?.ok()?
    } else {
        serial(&digits, system)?.ok()?
    };
    let full = local.to_string();
    let (date, clock) = (full.get(..10)?, full.get(11..19)?);
    let fraction = full.get(19..23).filter(|fraction| *fraction != ".000").unwrap_or_default();
    Some(match (digits.starts_with("0."), local.as_ms().rem_euclid(DAY_MS)) {
        (true, _) => format!("{clock}{fraction}"),
        (false, 0) => date.to_owned(),
        (false, _) => format!("{date} {clock}{fraction}"),
    })
}

/// A number of days as `h:mm:ss`, as for cells that hold a duration. `None` if it is none.
pub fn duration_text(days: f64) -> Option<String> {
    let end = serial(&days.to_string(), SerialSystem::Since1904)?.ok()?;
    let seconds = end.as_ms().saturating_sub(SERIAL_1904_UNIX_DAY * DAY_MS) / 1000;
    Some(format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

/// A serial number, if the text is a plain decimal one.
fn serial(text: &str, system: SerialSystem) -> Option<Result<Time, DateError>> {
    let (days, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if days.is_empty() || !is_digits(days) || !is_digits(fraction) {
        return None;
    }
    let days = days.parse::<i64>().ok().filter(|days| *days <= SERIAL_MAX)?;
    // Sixteen digits are more than a double has.
    let fraction = fraction.get(..16).unwrap_or(fraction);
    let scale = 10_i128.pow(u32::try_from(fraction.len()).expect("at most 16"));
    let part = fraction.parse::<i128>().unwrap_or(0);
    let ms = i64::try_from((part * i128::from(DAY_MS) * 2 + scale) / (scale * 2)).expect("at most a day");
    let day_zero = match system {
        SerialSystem::Since1904 => SERIAL_1904_UNIX_DAY,
        SerialSystem::Since1900 if days == SERIAL_LEAP_ERROR => {
            let what = "29 February 1900".to_owned();
            return Some(Err(DateError::Impossible { text: text.to_owned(), what }));
        }
        SerialSystem::Since1900 if days < SERIAL_LEAP_ERROR => SERIAL_1900_UNIX_DAY + 1,
        SerialSystem::Since1900 => SERIAL_1900_UNIX_DAY,
    };
    let time = Time::from_ms((day_zero + days) * DAY_MS + ms);
    Some(time.map_err(|_| DateError::Range(text.to_owned())))
}

/// Refuses a number in a text that is hardly meant as a date.
fn bare_serial(text: &str, local: Time) -> Result<Time, DateError> {
    let is_date = local.as_ms() >= (SERIAL_1900_UNIX_DAY + BARE_SERIAL_MIN) * DAY_MS;
    if is_date || some_date(local).is_err() { Ok(local) } else { Err(DateError::Shape(text.to_owned())) }
}

/// Refuses the dates that stand for none, with a day to each side for what zones do to them.
fn some_date(time: Time) -> Result<Time, DateError> {
    match time.utc_date() {
        (1899, 12, 30 | 31) | (1900, 1, 1 | 2) => Err(DateError::NoDate),
        _ => Ok(time),
    }
}

/// A time as clocks showed it.
struct Written {
    local: Time,
    /// The offset from UTC, if it is told.
    east_minutes: Option<i64>,
}

type Date = (u32, u32, u32);

/// Reads a date and a time of day from the left.
struct Reader<'t> {
    text: &'t str,
    /// The text in ASCII: typographic spaces are spaces, direction marks are gone.
    ascii: Vec<u8>,
    at: usize,
    order: Option<DateOrder>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, order: Option<DateOrder>) -> Self {
        let ascii = text.chars().filter(|c| !matches!(c, '\u{200e}' | '\u{200f}'));
        let ascii = ascii.map(|c| match c {
            c if c.is_whitespace() => b' ',
            c => u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(b'?'),
        });
        Self { text, ascii: ascii.collect(), at: 0, order }
    }

    fn read(mut self) -> Result<Written, DateError> {
        let (year, month, day) = self.date()?;
        self.skip(b" ,Tt");
        let clock =
            if self.peek().is_some() { self.clock().ok_or_else(|| self.shape())? } else { (0, 0, 0, 0) };
        self.skip(b" ");
        let east_minutes =
            if self.peek().is_some() { Some(self.offset().ok_or_else(|| self.shape())?) } else { None };
        self.skip(b" ");
        if self.peek().is_some() {
            return Err(self.shape());
        }
        let local = self.local((year, month, day), clock)?;
        Ok(Written { local, east_minutes })
    }

    fn peek(&self) -> Option<u8> {
        self.ascii.get(self.at).copied()
    }

    fn skip(&mut self, any_of: &[u8]) {
        while self.eat(any_of).is_some() {}
    }

    fn eat(&mut self, any_of: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|byte| any_of.contains(byte))?;
        self.at += 1;
        Some(byte)
    }

    /// A number and how many digits it has.
    fn number(&mut self) -> Option<(u32, usize)> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = std::str::from_utf8(self.ascii.get(start..self.at)?).ok()?;
        Some((digits.parse().ok()?, digits.len()))
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'.') {
            self.at += 1;
        }
        let letters = self.ascii.get(start..self.at).unwrap_or_default().iter().filter(|b| **b != b'.');
        letters.map(|b| char::from(b.to_ascii_lowercase())).collect()
    }

    fn shape(&self) -> DateError {
        DateError::Shape(self.text.to_owned())
    }

    fn impossible(&self, what: String) -> DateError {
        DateError::Impossible { text: self.text.to_owned(), what }
    }

    fn date(&mut self) -> Result<Date, DateError> {
        let (parts, separator) = self.date_parts().ok_or_else(|| self.shape())?;
        let [(first, first_digits), (second, _), (third, third_digits)] = parts;
        match (first_digits, third_digits) {
            (4, 1 | 2) => Ok((first, second, third)),
            (1 | 2, 4) if separator == b'.' => Ok((third, second, first)),
            (1 | 2, 4) => self.year_last(first, second, third),
            (1 | 2, 1 | 2) => Err(DateError::ShortYear(self.text.to_owned())),
            _ => Err(self.shape()),
        }
    }

    fn date_parts(&mut self) -> Option<([(u32, usize); 3], u8)> {
        let first = self.number()?;
        let separator = self.eat(b"-/.")?;
        let second = self.number().filter(|(_, digits)| *digits <= 2)?;
        self.eat(&[separator])?;
        Some(([first, second, self.number()?], separator))
    }

    /// `first/second/year`
    fn year_last(&self, first: u32, second: u32, year: u32) -> Result<Date, DateError> {
        let (day_first, month_first) = ((year, second, first), (year, first, second));
        let text = self.text.to_owned();
        match (self.order, first > 12, second > 12) {
            (Some(DateOrder::DayMonthYear), false, true) => Err(DateError::OtherOrder { text, order: "dmy" }),
            (Some(DateOrder::MonthDayYear), true, false) => Err(DateError::OtherOrder { text, order: "mdy" }),
            (Some(DateOrder::MonthDayYear), ..) | (None, false, true) => Ok(month_first),
            (Some(DateOrder::DayMonthYear), ..) | (None, true, _) => Ok(day_first),
            (None, false, false) if first == second => Ok(day_first),
            (None, false, false) => Err(DateError::Ambiguous {
                text,
                day_first: in_words(day_first),
                month_first: in_words(month_first),
            }),
        }
    }

    /// Hour, minute, second and millisecond.
    fn clock(&mut self) -> Option<(u32, u32, u32, u16)> {
        let (hour, _) = self.number()?;
        self.eat(b":")?;
        let (minute, _) = self.number()?;
        let second = if self.eat(b":").is_some() { self.number()?.0 } else { 0 };
        let ms = if self.eat(b".,").is_some() { self.fraction()? } else { 0 };
        let before = self.at;
        self.skip(b" ");
        let hour = match self.word().as_str() {
            "am" if (1..=12).contains(&hour) => hour % 12,
            "pm" if (1..=12).contains(&hour) => hour % 12 + 12,
            "am" | "pm" => return None,
            _ => {
                self.at = before;
                hour
            }
        };
        Some((hour, minute, second, ms))
    }

    fn fraction(&mut self) -> Option<u16> {
        let start = self.at;
        self.skip(b"0123456789");
        let digits = self.ascii.get(start..self.at).filter(|digits| !digits.is_empty())?;
        let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(3);
        Some(padded.fold(0, |ms, byte| ms * 10 + u16::from(byte - b'0')))
    }

    /// `Z`, `UTC`, `GMT`, `+01:00`, `+0100`, `-5`, `UTC+1`; minutes east of Greenwich.
    fn offset(&mut self) -> Option<i64> {
        let word = self.word();
        if !matches!(word.as_str(), "" | "z" | "utc" | "gmt") {
            return None;
        }
        let Some(sign) = self.eat(b"+-") else { return (!word.is_empty()).then_some(0) };
        let (hours, minutes) = match self.number()? {
            (both, 4) => (both / 100, both % 100),
            (hours, 1 | 2) if self.eat(b":").is_some() => (hours, self.number()?.0),
            (hours, 1 | 2) => (hours, 0),
            _ => return None,
        };
        let east = i64::from(hours) * 60 + i64::from(minutes);
        (hours <= 23 && minutes <= 59).then_some(if sign == b'-' { -east } else { east })
    }

    fn local(&self, date: Date, clock: (u32, u32, u32, u16)) -> Result<Time, DateError> {
        let small = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
        let (year, month, day) = date;
        let (hour, minute, second, ms) = clock;
        let on_calendar = (i32::try_from(year).unwrap_or(i32::MAX), small(month), small(day));
        let of_time = |error, what| match error {
            TimeError::Range => DateError::Range(self.text.to_owned()),
            TimeError::Shape | TimeError::Impossible => self.impossible(what),
        };
        Time::from_utc(on_calendar, (0, 0, 0), 0).map_err(|error| of_time(error, in_words(date)))?;
        Time::from_utc(on_calendar, (small(hour), small(minute), small(second)), ms)
            .map_err(|error| of_time(error, format!("time of day {hour}:{minute:02}:{second:02}")))
    }
}

/// `12 March 2025`
fn in_words((year, month, day): Date) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let month_idx = usize::try_from(month).ok().and_then(|month| month.checked_sub(1));
    match month_idx.and_then(|at| MONTHS.get(at)) {
        Some(name) => format!("{day} {name} {year}"),
        None => format!("month {month}"),
    }
}

#[cfg(test)]
#[path = "dates_tests.rs"]
mod tests;
