//! `wtmp` (and `utmp`): who was signed in on the lines of a Unix machine, record by record; and `btmp`, the
//! attempts that failed. Layouts: `utmp.rs`.
//!
//! A login gives a logon, its end a logoff. The start and the stop of the machine are records too, because
//! they end whatever went on: activity `other`, with `unmapped.session.boundary`. What waits for a login, run
//! levels and changes of the clock are set aside.
//!
//! **Sessions.** These files have no session ids. A session is told by its line (`unmapped.session.line`): the next
//! record of the same line ends it, and so does the next start or stop of the machine. The id of the process
//! tells records of one instant apart. As clocks may be wrong at start-up, records say in which run of
//! the machine they stand, by the last start before them in the file (`booted_at`).
//!
//! **Types are not to be trusted**, so they are read as `last` of util-linux reads them: a record with a user and
//! a line is a login whatever its type, unless it ends one or its user is `LOGIN`; a login without a user is
//! an end; and a record on the line `~` is what its user says: `reboot`, `shutdown`, `runlevel`.
//!
//! The files do not name their machine: give each machine's files a source of their own.

use std::io::Read;

use serde_json::Map;
use whowas_event::{Activity, Draft, Event, SessionHints, Status, Time, TimeError, hints::Boundary};

use crate::{
    chunk::Begun,
    contract::{
        Format, Info, Item, Options, PROBLEM_RAW_BYTES_MAX, Place, Problem, ReadError, ReadSummary,
        SAMPLE_BYTES, Sample, Sink, Yields,
    },
    ids::DerivedIds,
    instant::{self, Instant},
    strict::canonical_object,
    utmp::{Layout, UtmpRecord, kind},
};

/// The format of `wtmp` and `utmp`.
#[derive(Debug)]
pub struct Wtmp;

/// The format of `btmp`.
#[derive(Debug)]
pub struct Btmp;

static WTMP: Info = Info {
    name: "wtmp",
    product: "Linux and macOS: wtmp, utmp, utmpx",
    marker: "records of 384, 400 or 628 bytes, in either byte order, whose types, times and texts are utmp's",
    yields: Yields { start: true, end: true, failure: false, identity: false },
    row_caps: &[],
};

static BTMP: Info = Info {
    name: "btmp",
    product: "Linux: btmp",
    marker: "the records of wtmp, but logins (types 6 and 7) alone, with names where a terminal would wait for one",
    yields: Yields { start: false, end: false, failure: true, identity: false },
    row_caps: &[],
};

impl Format for Wtmp {
    fn info(&self) -> &'static Info {
        &WTMP
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        sample.bytes.contains(&0) && Layout::of(sample.bytes).is_some()
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let _ = options; // Times are counted from 1970 in UTC.
        let mut log = Log::default();
        read_records(input, &mut |record, raw| log.item(record, raw), sink)
    }
}

impl Format for Btmp {
    fn info(&self) -> &'static Info {
        &BTMP
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        let Some(layout) = Layout::of(sample.bytes).filter(|_| sample.bytes.contains(&0)) else {
            return false;
        };
        let records =
            sample.bytes.chunks_exact(layout.record_bytes()).filter_map(|bytes| layout.record(bytes).ok());
        let mut failed = 0_usize;
        for record in records.filter(UtmpRecord::says_anything) {
            if !matches!(record.kind, kind::LOGIN | kind::USER) || record.user.starts_with("LOGIN") {
                return false;
            }
            failed += usize::from(record.is_failed_login());
        }
        failed > 0
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let _ = options; // Times are counted from 1970 in UTC.
        let mut log = Log::default();
        let mut item = |record: &UtmpRecord<'_>, raw: &[u8]| match record.kind {
            kind::LOGIN | kind::USER => log.login(record, raw, Status::Failure),
            _ => set_aside("no attempt to sign in"),
        };
        read_records(input, &mut item, sink)
    }
}

/// Makes an item of a record, or says why it cannot.
type Each<'a> = dyn FnMut(&UtmpRecord<'_>, &[u8]) -> Result<Item, String> + 'a;

fn read_records(
    input: &mut dyn Read,
    each: &mut Each<'_>,
    sink: &mut Sink<'_>,
) -> Result<ReadSummary, ReadError> {
    let (sample, mut input) = Begun::new(input, SAMPLE_BYTES)?;
    let layout = Layout::of(&sample)
        .ok_or_else(|| ReadError::Shape("no records of utmp in any of the known layouts".to_owned()))?;
    let mut summary = ReadSummary::default();
    let mut bytes = Vec::with_capacity(layout.record_bytes());
    loop {
        bytes.clear();
        (&mut input).take(layout.record_bytes() as u64).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(summary);
        }
        summary.read += 1;
        let item = layout.record(&bytes).map_err(str::to_owned).and_then(|record| each(&record, &bytes));
        let place = Place { record: summary.read, line: None, column: None };
        let problem = |reason| {
            let raw = bytes.get(..PROBLEM_RAW_BYTES_MAX).unwrap_or(&bytes).to_vec();
            Item::Problem(Problem { place, reason: format!("not a record of utmp: {reason}"), raw })
        };
        sink(item.map_or_else(problem, |item| item.at(place)))?;
    }
}

/// What a record of `wtmp` is, by the rules of `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Login,
    Logout,
    Failure,
    Boundary(Boundary),
    Aside(&'static str),
}

fn meaning(record: &UtmpRecord<'_>) -> Meaning {
    let is_on = |line: &str| record.line == line;
    if record.line.starts_with('~') || matches!(record.kind, kind::BOOT | kind::RUN_LEVEL | kind::SHUTDOWN) {
        // Where the line says nothing, type and user must agree.
        match (&*record.user, record.kind) {
            ("shutdown", _) | (_, kind::SHUTDOWN) => return Meaning::Boundary(Boundary::Shutdown),
            ("reboot", _) => return Meaning::Boundary(Boundary::Boot),
            ("runlevel", _) => return run_level(record.process),
            ("", kind::BOOT) => return Meaning::Boundary(Boundary::Boot),
            ("", kind::RUN_LEVEL) => return run_level(record.process),
            _ if record.line.starts_with('~') => return Meaning::Aside("system record of an unknown kind"),
            _ => {}
        }
    }
    match record.kind {
        kind::SIGNATURE => Meaning::Aside("signature of the file"),
        _ if record.is_failed_login() && is_on("ssh:notty") => Meaning::Failure,
        _ if record.user == "date" && (is_on("|") || is_on("{") || is_on("}")) => {
            Meaning::Aside("clock was set")
        }
        kind::DEAD if record.line.is_empty() => Meaning::Aside("end of a process without a line"),
        kind::DEAD => Meaning::Logout,
        kind::INIT | kind::LOGIN if record.user.is_empty() || record.user.starts_with("LOGIN") => {
            Meaning::Aside("terminal waits for a login")
        }
        kind::USER if record.user.is_empty() && !record.line.is_empty() => Meaning::Logout,
        kind::USER if !record.user.is_empty() => Meaning::Login,
        _ if !record.user.is_empty() && !record.line.is_empty() && record.user != "LOGIN" => Meaning::Login,
        kind if kind::CLOCK.contains(&kind) => Meaning::Aside("clock was set"),
        _ => Meaning::Aside("unused record"),
    }
}

/// A run level is the first byte of what is a process id otherwise; at 0 and 6 the machine stops.
fn run_level(process: u32) -> Meaning {
    match process.to_le_bytes() {
        [b'0' | b'6', ..] => Meaning::Boundary(Boundary::Shutdown),
        _ => Meaning::Aside("change of run level"),
    }
}

/// What is known over the records of one file.
#[derive(Debug, Default)]
struct Log {
    ids: DerivedIds,
    /// The last start of the machine so far.
    booted_at: Option<Time>,
}

impl Log {
    fn item(&mut self, record: &UtmpRecord<'_>, raw: &[u8]) -> Result<Item, String> {
        match meaning(record) {
            Meaning::Login => self.login(record, raw, Status::Success),
            Meaning::Failure => self.login(record, raw, Status::Failure),
            Meaning::Logout => {
                let event = Event { activity: Activity::Logoff, status: Status::Success, ..Event::default() };
                self.draft(record, raw, event, None)
            }
            Meaning::Boundary(boundary) => {
                if boundary == Boundary::Boot {
                    self.booted_at = Some(instant(record)?.time);
                }
                let event = Event { activity: Activity::Other, status: Status::Success, ..Event::default() };
                self.draft(record, raw, event, Some(boundary))
            }
            Meaning::Aside(category) => set_aside(category),
        }
    }

    fn login(&mut self, record: &UtmpRecord<'_>, raw: &[u8], status: Status) -> Result<Item, String> {
        let mut event = Event { activity: Activity::Logon, status, ..Event::default() };
        let host = &*record.host;
        let is_remote = record.address.is_some() || !host.is_empty() && !host.starts_with(':');
        event.logon_type = Some(if is_remote { "remote_interactive" } else { "interactive" }.to_owned());
        self.draft(record, raw, event, None)
    }

    fn draft(
        &mut self,
        record: &UtmpRecord<'_>,
        raw: &[u8],
        mut event: Event,
        boundary: Option<Boundary>,
    ) -> Result<Item, String> {
        let Instant { time, raw_time, .. } = instant(record)?;
        (event.occurred_at, event.raw_time) = (time, raw_time);
        let numbers = [
            record.kind.to_string(),
            record.process.to_string(),
            record.seconds.to_string(),
            record.microseconds.to_string(),
        ];
        let texts = [&*record.line, &record.id, &record.user, &record.host];
        event.native_id = self.ids.next(numbers.iter().map(String::as_str).chain(texts));
        let mut unmapped = Map::new();
        unmapped.insert("ut_type".to_owned(), record.kind.into());
        unmapped.insert("ut_id".to_owned(), (&*record.id).into());
        let mut hints = SessionHints { boundary, booted_at: self.booted_at, ..SessionHints::default() };
        if boundary.is_some() {
            // The host of a start is the version of the kernel, or the name of the machine.
            unmapped.insert("ut_user".to_owned(), (&*record.user).into());
            unmapped.insert("ut_host".to_owned(), (&*record.host).into());
        } else {
            event.user.name = filled(&record.user);
            event.src_endpoint.hostname = filled(&record.host);
            event.src_endpoint.ip = record.address.map(|ip| ip.to_string());
            if event.src_endpoint.ip.is_none()
                && let Some(ip) = whowas_event::admit::parse_ip(&record.host)
            {
                event.src_endpoint.ip = Some(ip.to_string());
            }
            hints.line = filled(&record.line);
            hints.process = Some(record.process);
        }
        hints.write(&mut unmapped);
        event.unmapped = canonical_object(unmapped)?;
        Ok(Item::Draft(Draft { event, raw: raw.to_vec() }, Place::default()))
    }
}

fn set_aside(category: &str) -> Result<Item, String> {
    Ok(Item::SetAside { category: category.to_owned() })
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn instant(record: &UtmpRecord<'_>) -> Result<Instant, String> {
    let microseconds = record.seconds.checked_mul(1_000_000).ok_or(TimeError::Range);
    microseconds
        .and_then(|us| instant::of_microseconds(us.saturating_add(u64::from(record.microseconds))))
        .map_err(|error| format!("its time is {} seconds after 1970: {error}", record.seconds))
}

#[cfg(test)]
#[path = "wtmp_tests.rs"]
mod tests;
