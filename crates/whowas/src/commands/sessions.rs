//! `whowas sessions`: who was signed in from when to when, from one file, without a store.

use std::{cell::RefCell, fs::File, io, path::Path};

use serde_json::{Value, json};
use whowas_event::{Time, admit, admit::RawData};
use whowas_format::{Input, Item, Stop, read_each};
use whowas_query::sessions::{LoginRecord, Pairing, Session, SessionBuilder, SessionRules};
use whowas_store::Clock;

use super::{import, normalize};
use crate::{
    cli::{Global, Sessions},
    config::{Settings, SystemClock},
    failure::{DONE, Failure, REJECTED},
    output, session_rules, times,
};

pub(crate) fn run(global: &Global, args: &Sessions) -> Result<u8, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let now = SystemClock.now();
    let rules = session_rules::rules(&Settings::load(global)?.sessions);
    let file = args.file.as_deref().unwrap_or(Path::new("-"));
    let (pairing, rejected) = pair(args, file, rules, now)?;
    if global.json {
        for session in &pairing.sessions {
            output::json_line(&json(session))?;
        }
    } else {
        let rows = pairing.sessions.iter().map(|session| row(session, &zone));
        let header =
            ["user", "host", "line", "service", "start", "end", "end reason", "end confidence", "duration"];
        output::table(&header, rows)?;
        eprintln!("{}", told(&pairing, rejected));
    }
    Ok(if rejected > 0 { REJECTED } else { DONE })
}

/// The sessions of a file, and how many of its records were rejected.
fn pair(args: &Sessions, path: &Path, rules: SessionRules, now: Time) -> Result<(Pairing, u64), Failure> {
    let options = import::read_options(&args.reading, now)?;
    let format = import::format_name(&args.reading);
    let name = path.display().to_string();
    let gathering = RefCell::new(Gathering { builder: SessionBuilder::new(rules), format: "", rejected: 0 });
    let mut begin = |start: whowas_format::FileStart<'_>| {
        gathering.borrow_mut().format = start.format.name;
        Ok(())
    };
    let mut sink = |item| gathering.borrow_mut().take(item);
    let format = format.as_deref();
    let read = if path == Path::new("-") {
        read_each(Input::Stream(&mut io::stdin().lock()), &name, format, &options, &mut begin, &mut sink)
    } else {
        let mut file = File::open(path).map_err(|e| Failure::not_understood(format!("{name}: {e}")))?;
        let options = import::dated(options, &file);
        read_each(Input::File(&mut file), &name, format, &options, &mut begin, &mut sink)
    };
    let reports = read.map_err(|error| Failure::not_understood(format!("{name}: {error}")))?;
    for warning in reports.iter().flat_map(|report| &report.summary.warnings) {
        tracing::info!("{warning}");
    }
    let gathering = gathering.into_inner();
    Ok((gathering.builder.pairing(now), gathering.rejected))
}

struct Gathering {
    builder: SessionBuilder,
    format: &'static str,
    rejected: u64,
}

impl Gathering {
    fn take(&mut self, item: Item) -> Result<(), Stop> {
        match item {
            Item::SetAside { .. } => {}
            Item::Problem(problem) => {
                self.rejected += 1;
                normalize::tell(problem.place, &problem.reason);
            }
            Item::Draft(draft, place) => match admit(draft, RawData::Dropped) {
                Ok(admitted) => {
                    let (source, format, event) = (self.format, self.format, &admitted.event);
                    self.builder.insert(LoginRecord { source, format, revision: 0, position: None, event });
                }
                Err(rejection) => {
                    self.rejected += 1;
                    normalize::tell(place, &rejection.to_string());
                }
            },
        }
        Ok(())
    }
}

/// What programs see: every member is there, and `null` where nothing is known.
fn json(session: &Session) -> Value {
    let records: Vec<&str> = session.records.iter().map(|record| &*record.native_id).collect();
    json!({
        "user": session.user,
        "user_id": session.user_id,
        "domain": session.domain,
        "actor": session.actor,
        "host": session.host,
        "ip": session.ip,
        "machine": session.machine,
        "line": session.line,
        "service": session.service,
        "logon_type": session.logon_type,
        "start": session.start,
        "end": session.end,
        "end_reason": session.end_reason.as_str(),
        "end_confidence": session.end_confidence.as_str(),
        "duration_s": session.duration_s(),
        "last_seen": session.last_seen,
        "session_uid": session.session_uid,
        "record_count": session.record_count,
        "records": records,
    })
}

fn row(session: &Session, zone: &jiff::tz::TimeZone) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let user = session.user.clone().or_else(|| session.user_id.clone()).unwrap_or_default();
    let user = match &session.actor {
        Some(actor) => format!("{user} ({actor})"),
        None => user,
    };
    vec![
        user,
        text(&session.host),
        text(&session.line),
        text(&session.service),
        times::show(session.start, zone),
        session.end.map(|end| times::show(end, zone)).unwrap_or_default(),
        session.end_reason.as_str().to_owned(),
        session.end_confidence.as_str().to_owned(),
        session.duration_s().map(duration).unwrap_or_default(),
    ]
}

/// `3d 04:05:06`
pub(super) fn duration(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let clock = format!("{hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60);
    if days > 0 { format!("{days}d {clock}") } else { clock }
}

fn told(pairing: &Pairing, rejected: u64) -> String {
    let mut told = format!("{} sessions", pairing.sessions.len());
    for (count, what) in [
        (pairing.ends_without_start.len() as u64, "sign-outs without a sign-in"),
        (rejected, "records rejected"),
    ] {
        if count > 0 {
            told.push_str(&format!("; {count} {what}"));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        assert_eq!([0, 59, 3_661, 90_061].map(duration), ["00:00:00", "00:00:59", "01:01:01", "1d 01:01:01"]);
    }
}
