//! The head of a syslog line: when, which machine, which program; and the message behind it.
//!
//! | head | written by |
//! |---|---|
//! | `Feb  9 21:19:40 host sshd[8317]: …` | RFC 3164: no year, no zone |
//! | `2026-11-24T07:22:01.123456+01:00 host sshd[8317]: …` | rsyslog's and `journalctl`'s precise times |
//! | `<38>1 2026-11-24T07:22:01Z host sshd 8317 - - …` | RFC 5424 |
//!
//! A priority in front (`<38>`) is passed over. Relays leave out the host or put the program in brackets.

use whowas_event::{Time, TimeError};

use crate::{
    contract::Options,
    instant::{self, Instant},
};

/// How far behind the file's time a line may be dated: clocks and zones differ by less than a day.
const AHEAD_MS: i64 = 24 * 60 * 60 * 1000;
/// How many years back a date without a year is looked for: 29 February comes every 4 years, or 8.
const YEARS_BACK: i32 = 8;

/// When a line was written, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp<'a> {
    /// RFC 3339, perhaps without an offset.
    Full(&'a str),
    /// `Feb  9 21:19:40`
    WithoutYear {
        /// As it stands there.
        text: &'a str,
        /// Month and day.
        date: (u8, u8),
        /// Hour, minute and second.
        clock: (u8, u8, u8),
    },
}

/// A line in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyslogLine<'a> {
    pub(crate) stamp: Stamp<'a>,
    pub(crate) host: Option<&'a str>,
    /// Without path, and without what stands in brackets behind it. May be empty.
    pub(crate) program: &'a str,
    pub(crate) process: Option<u32>,
    pub(crate) message: &'a str,
}

impl<'a> SyslogLine<'a> {
    /// Takes a line apart; `None` if it has no head.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        let line = priority(line);
        if let Some(rest) = line.strip_prefix("1 ") {
            return Self::rfc5424(rest);
        }
        let (stamp, rest) = stamp(line)?;
        let rest = rest.trim_start();
        let (first, behind) = word(rest);
        let (host, rest) = if is_tag(first) { (None, rest) } else { (Some(first), behind.trim_start()) };
        let (program, process, message) = tag(rest);
        Some(Self { stamp, host, program, process, message: message.trim_start() })
    }

    /// Behind `<PRI>1 `.
    fn rfc5424(rest: &'a str) -> Option<Self> {
        let (time, rest) = rest.split_once(' ')?;
        let (host, rest) = rest.split_once(' ')?;
        let (program, rest) = rest.split_once(' ')?;
        let (process, rest) = rest.split_once(' ')?;
        let (_message_id, rest) = rest.split_once(' ')?;
        if Time::parse_rfc3339(time).is_err() {
            return None;
        }
        let message = structured_data(rest)?.trim_start().trim_start_matches('\u{feff}');
        let host = (host != "-").then_some(host);
        let program = if program == "-" { "" } else { base_name(program) };
        Some(Self { stamp: Stamp::Full(time), host, program, process: process.parse().ok(), message })
    }
}

impl Stamp<'_> {
    /// The text that stands in the line.
    pub(crate) const fn text(&self) -> &str {
        match self {
            Self::Full(text) | Self::WithoutYear { text, .. } => text,
        }
    }

    /// The instant. Without a year it is that of the latest year that keeps it before the file's time.
    pub(crate) fn instant(self, options: &Options) -> Result<Instant, TimeError> {
        let (text, (month, day), clock) = match self {
            Self::Full(text) => return instant::read(text, options),
            Self::WithoutYear { text, date, clock } => (text, date, clock),
        };
        let limit = options.file_time.saturating_add_ms(AHEAD_MS);
        let latest = limit.utc_date().0;
        let mut error = TimeError::Impossible;
        for year in (latest - YEARS_BACK..=latest).rev() {
            let local = Time::from_utc((year, month, day), clock, 0);
            match local.and_then(|local| instant::in_zone(local, &options.source_timezone)) {
                Ok(time) if time <= limit => {
                    return Ok(Instant { time, raw_time: Some(text.to_owned()), is_without_zone: true });
                }
                Ok(_) => {}
                Err(reason) => error = reason,
            }
        }
        Err(error)
    }
}

/// Passes over `<38>`.
fn priority(line: &str) -> &str {
    let inner = line.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    match inner {
        Some((number, rest)) if number.len() <= 3 && is_number(number) => rest,
        _ => line,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    text.split_once(' ').map_or((text, ""), |(word, _)| (word, text.get(word.len()..).unwrap_or_default()))
}

/// The time at the beginning of a line, and what follows it.
pub(crate) fn stamp(line: &str) -> Option<(Stamp<'_>, &str)> {
    let (first, rest) = word(line);
    if first.len() >= 19 && Time::parse_rfc3339(first).or_else(|_| Time::parse_without_offset(first)).is_ok()
    {
        return Some((Stamp::Full(first), rest));
    }
    if let (Some(both), Some(rest)) = (line.get(..19), line.get(19..))
        && Time::parse_without_offset(both).is_ok()
        && rest.starts_with(' ')
    {
        return Some((Stamp::Full(both), rest));
    }
    without_year(line)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Feb  9 21:19:40 `, perhaps with a fraction of a second.
fn without_year(line: &str) -> Option<(Stamp<'_>, &str)> {
    let (month, rest) = word(line);
    let month = MONTHS.iter().position(|name| *name == month)?;
    let (day, rest) = word(rest.trim_start());
    let (clock, rest) = word(rest.trim_start());
    let two = |text: &str| (text.len() <= 2 && is_number(text)).then(|| text.parse::<u8>().ok()).flatten();
    let day = two(day)?;
    let mut parts = clock.splitn(3, ':');
    let (hour, minute, second) = (two(parts.next()?)?, two(parts.next()?)?, parts.next()?);
    let second = two(second.split_once('.').map_or(second, |(second, _)| second))?;
    let text = line.get(..line.len() - rest.len())?;
    let month = u8::try_from(month + 1).ok()?;
    Some((Stamp::WithoutYear { text, date: (month, day), clock: (hour, minute, second) }, rest))
}

/// Whether a word is a program rather than a host: `sshd[8317]:`, `sudo:`, `[sshd]`.
fn is_tag(word: &str) -> bool {
    word.ends_with(':') && !word.ends_with("::") || word.starts_with('[') && word.ends_with(']')
}

/// Program, process id and message.
fn tag(text: &str) -> (&str, Option<u32>, &str) {
    let (first, rest) = word(text);
    let (tag, message) = match first.find("]:").map(|at| at + 1).or_else(|| first.find(':')) {
        Some(at) => (first.get(..at), text.get(at + 1..)),
        None if is_tag(first) => (Some(first), Some(rest)),
        None => return ("", None, text),
    };
    let tag = tag.unwrap_or_default();
    let process = tag.rsplit_once('[').and_then(|(_, id)| id.strip_suffix(']')?.parse().ok());
    let bare = tag.trim_start_matches('[');
    let end = bare.find(['[', ']', '(']).unwrap_or(bare.len());
    (base_name(bare.get(..end).unwrap_or_default()), process, message.unwrap_or_default())
}

fn base_name(program: &str) -> &str {
    program.rsplit_once('/').map_or(program, |(_, name)| name)
}

/// What follows the structured data of RFC 5424: `-`, or elements in brackets, in which `\]` is no end.
fn structured_data(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(rest);
    }
    let mut rest = text;
    while let Some(element) = rest.strip_prefix('[') {
        let (mut is_quoted, mut is_escaped) = (false, false);
        let end = element.char_indices().find(|(_, c)| {
            let is_end = *c == ']' && !is_quoted;
            is_quoted ^= *c == '"' && !is_escaped;
            is_escaped = *c == '\\' && !is_escaped;
            is_end
        });
        rest = element.get(end?.0 + 1..)?;
    }
    (rest.len() < text.len()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::options;

    #[test]
    fn heads_of_every_kind() {
        for (line, want) in [
            (
                "Feb  9 21:19:40 precise32 sshd[8317]: hello: you",
                "Feb  9 21:19:40|precise32|sshd|8317|hello: you",
            ),
            ("<38>Feb 09 21:19:40 h sudo:  ada : x", "Feb 09 21:19:40|h|sudo||ada : x"),
            ("Feb  9 21:20:08  sshd[83]: x", "Feb  9 21:20:08|-|sshd|83|x"),
            ("Mar  3 00:17:22 [sshd]: User x", "Mar  3 00:17:22|-|sshd||User x"),
            ("Mar  3 00:17:22 [sshd] User x", "Mar  3 00:17:22|-|sshd||User x"),
            ("Mar  3 00:17:22 h gdm-password][12]: x", "Mar  3 00:17:22|h|gdm-password|12|x"),
            ("Mar  3 00:17:22 h pop(pam_unix)[12]: x", "Mar  3 00:17:22|h|pop|12|x"),
            ("Mar  3 00:17:22 h /usr/sbin/cron[12]:x", "Mar  3 00:17:22|h|cron|12|x"),
            ("Mar  3 00:17:22 h no tag here", "Mar  3 00:17:22|h|||no tag here"),
            ("2026-11-24T07:22:01.5+01:00 h su[1]: x", "2026-11-24T07:22:01.5+01:00|h|su|1|x"),
            ("2026-11-24 07:22:01 fe80::1 su: x", "2026-11-24 07:22:01|fe80::1|su||x"),
            (
                "<38>1 2026-11-24T07:22:01Z h sshd 7 - [a b=\"]\\\"]\"][c] \u{feff}x y",
                "2026-11-24T07:22:01Z|h|sshd|7|x y",
            ),
            ("<38>1 2026-11-24T07:22:01Z - - - - - x", "2026-11-24T07:22:01Z|-|||x"),
            ("<38>1 - h sshd 7 - - x", "none"),
            ("Feb 9 21:19 h su: x", "none"),
            ("hello", "none"),
            ("", "none"),
        ] {
            let got = SyslogLine::parse(line).map_or("none".to_owned(), |line| {
                let process = line.process.map(|id| id.to_string()).unwrap_or_default();
                let (host, program) = (line.host.unwrap_or("-"), line.program);
                format!("{}|{host}|{program}|{process}|{}", line.stamp.text(), line.message)
            });
            assert_eq!(got, want, "{line}");
        }
    }

    #[test]
    fn the_year_is_the_latest_that_the_file_allows() {
        // The file is of 2026-11-24T00:00:00Z.
        for (text, want) in [
            ("Nov 23 10:00:00 h su: x", "2026-11-23T10:00:00.000Z"),
            ("Nov 24 23:00:00 h su: x", "2026-11-24T23:00:00.000Z"),
            ("Nov 26 10:00:00 h su: x", "2025-11-26T10:00:00.000Z"),
            ("Jan  1 00:00:00 h su: x", "2026-01-01T00:00:00.000Z"),
            ("Feb 29 00:00:00 h su: x", "2024-02-29T00:00:00.000Z"),
            ("Feb 30 00:00:00 h su: x", "no such date or time of day"),
        ] {
            let stamp = SyslogLine::parse(text).unwrap().stamp;
            let got = stamp.instant(&options()).map_or_else(|e| e.to_string(), |i| i.time.to_string());
            assert_eq!(got, want, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(line in "(<3>1? ?)?(Feb  9 21:19:40|2026-11-24T07:22:01Z)?[ -~\\[\\]:é]{0,60}") {
            let _ = SyslogLine::parse(&line);
        }
    }
}
