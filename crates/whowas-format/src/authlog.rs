//! `auth-log`: `auth.log` of Debian, `secure` of Red Hat, `authlog` of BSD and Solaris: syslog lines of sshd, PAM,
//! login, su, sudo, dropbear. Heads: `syslog.rs`; messages: `authmessage.rs`.
//!
//! | message | becomes |
//! |---|---|
//! | *Accepted … for*, *session opened for user*, *LOGIN ON* | logon |
//! | *session closed for user* | logoff |
//! | *Failed … for*, *Invalid user*, *authentication failure*, *not allowed because*, given up before signing in | failed logon |
//! | the same of su and sudo | account switch, its end, its failure; the actor is who switched |
//! | *System is powering down*, *Linux version* | the machine stops, starts |
//! | anything else, sessions of cron and of managers, sessions of systemd-logind (PAM tells the same) | set aside, counted by program |
//!
//! Most lines have no year and no zone. The year is the latest that keeps a line before the file's time, and the
//! summary says so; `raw_time` keeps what stands there.

use std::io::Read;

use whowas_event::Draft;

use crate::{
    authmessage,
    contract::{
        Format, Info, Item, Options, PROBLEM_RAW_BYTES_MAX, Place, Problem, ReadError, ReadSummary, Sample,
        Sink, Yields,
    },
    ids::DerivedIds,
    lines::Lines,
    syslog::{Stamp, SyslogLine},
    unixlog::{self, Reading, UnixMessage},
};

/// The format.
#[derive(Debug)]
pub struct AuthLog;

static INFO: Info = Info {
    name: "auth-log",
    product: "Unix: auth.log, secure, authlog",
    marker: "syslog lines (RFC 3164, RFC 5424 or RFC 3339 times), some of sshd, PAM, login, su or sudo",
    yields: Yields { start: true, end: true, failure: true, identity: false },
    row_caps: &[],
};

/// How many lines of a sample are looked at.
const LINES_SEEN_MAX: usize = 400;

impl Format for AuthLog {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        if sample.bytes.contains(&0) {
            return false;
        }
        let text = String::from_utf8_lossy(sample.bytes);
        let mut lines: Vec<&str> =
            text.lines().filter(|line| !line.trim().is_empty()).take(LINES_SEEN_MAX).collect();
        if !sample.is_whole && lines.len() > 1 {
            lines.pop(); // Cut off.
        }
        let heads: Vec<SyslogLine<'_>> = lines.iter().filter_map(|line| SyslogLine::parse(line)).collect();
        let is_ours = |line: &SyslogLine<'_>| authmessage::is_of_auth_log(line.program, line.message);
        heads.len() * 10 >= lines.len() * 8 && heads.iter().any(is_ours)
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let mut log =
            Log { options, ids: DerivedIds::default(), summary: ReadSummary::default(), without_year: 0 };
        let mut lines = Lines::new(input);
        while let Some(is_whole) = lines.next()? {
            let raw = lines.bytes();
            if raw.is_empty() {
                continue;
            }
            log.summary.read += 1;
            let item = if is_whole { log.item(raw) } else { Err("the line is longer than 1 MiB".to_owned()) };
            let place = Place { record: log.summary.read, line: Some(lines.line()), column: None };
            let problem = |reason| {
                let raw = raw.get(..PROBLEM_RAW_BYTES_MAX).unwrap_or(raw).to_vec();
                Item::Problem(Problem { place, reason, raw })
            };
            sink(item.map_or_else(problem, |item| item.at(place)))?;
        }
        if log.without_year > 0 {
            log.summary.warnings.push(format!(
                "{} lines have no year: the latest was taken that keeps them before the file's time, {}",
                log.without_year, options.file_time
            ));
        }
        Ok(log.summary)
    }
}

/// What is known over the lines of a file.
struct Log<'o> {
    options: &'o Options,
    ids: DerivedIds,
    summary: ReadSummary,
    without_year: u64,
}

/// Reads one line that stands for itself.
pub(crate) fn line(raw: &[u8], options: &Options) -> Result<Item, String> {
    let ids = DerivedIds::default();
    Log { options, ids, summary: ReadSummary::default(), without_year: 0 }.item(raw)
}

impl Log<'_> {
    fn item(&mut self, raw: &[u8]) -> Result<Item, String> {
        let text = String::from_utf8_lossy(raw);
        let line = SyslogLine::parse(&text)
            .ok_or_else(|| "no syslog line: it does not begin with a time and a program".to_owned())?;
        let instant = line
            .stamp
            .instant(self.options)
            .map_err(|error| format!("the time `{}`: {error}", line.stamp.text()))?;
        let is_without_zone = instant.is_without_zone;
        let message = UnixMessage {
            host: line.host,
            program: line.program,
            process: line.process,
            message: line.message,
        };
        match unixlog::read(message, line.stamp.text(), instant, &mut self.ids)? {
            Reading::Aside(category) => Ok(Item::SetAside { category }),
            Reading::Event(event) => {
                self.summary.times_without_zone += u64::from(is_without_zone);
                self.without_year += u64::from(matches!(line.stamp, Stamp::WithoutYear { .. }));
                Ok(Item::Draft(Draft { event: *event, raw: raw.to_vec() }, Place::default()))
            }
        }
    }
}

#[cfg(test)]
#[path = "authlog_tests.rs"]
mod tests;
