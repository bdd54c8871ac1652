//! Lines of CEF and of LEEF, in files and from a receiver: where the event begins, and its syslog head.

use std::io::Read;

use memchr::memmem;
use whowas_event::Draft;

use crate::{
    cef,
    contract::{Item, Options, PROBLEM_RAW_BYTES_MAX, Place, Problem, ReadError, ReadSummary, Sample, Sink},
    ids::DerivedIds,
    leef,
    lines::Lines,
    seclog::Meaning,
    syslog::SyslogLine,
};

/// How many lines of a sample are looked at.
const LINES_SEEN_MAX: usize = 100;
/// The longest syslog head: a date, a host name and a program.
const HEAD_BYTES_MAX: usize = 512;

/// Where an event with this mark begins in a line: at its beginning, or behind a word.
pub(crate) fn begin(line: &[u8], mark: &str) -> Option<usize> {
    let head = line.get(..HEAD_BYTES_MAX + mark.len()).unwrap_or(line);
    memmem::find_iter(head, mark.as_bytes()).find(|at| {
        let is_begun = at
            .checked_sub(1)
            .is_none_or(|before| matches!(line.get(before), Some(b' ' | b'>' | b':' | 0xbf)));
        let version = line.get(at + mark.len()..).unwrap_or_default();
        is_begun && version.first().is_some_and(u8::is_ascii_digit)
    })
}

/// Whether most lines of a sample have events with this mark.
pub(crate) fn recognizes(sample: Sample<'_>, mark: &str) -> bool {
    let lines = sample.bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let (mut all, mut ours) = (0, 0);
    for line in lines.take(LINES_SEEN_MAX) {
        all += 1;
        ours += usize::from(begin(line, mark).is_some());
    }
    ours > 0 && ours * 2 >= all
}

/// Reads every line.
pub(crate) fn read(
    input: &mut dyn Read,
    mark: &str,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<ReadSummary, ReadError> {
    let mut summary = ReadSummary::default();
    let mut ids = DerivedIds::default();
    let mut lines = Lines::new(input);
    while let Some(is_whole) = lines.next()? {
        let raw = lines.bytes();
        if raw.trim_ascii().is_empty() {
            continue;
        }
        summary.read += 1;
        let found = match is_whole {
            true => line(raw, mark, options, &mut ids),
            false => Err("the line is longer than 1 MiB".to_owned()),
        };
        let place = Place { record: summary.read, line: Some(lines.line()), column: None };
        let item = match found {
            Ok((item, is_without_zone)) => {
                summary.times_without_zone += u64::from(is_without_zone);
                item.at(place)
            }
            Err(reason) => {
                let raw = raw.get(..PROBLEM_RAW_BYTES_MAX).unwrap_or(raw).to_vec();
                Item::Problem(Problem { place, reason, raw })
            }
        };
        sink(item)?;
    }
    Ok(summary)
}

/// Reads one line; tells whether its time had no zone.
pub(crate) fn line(
    raw: &[u8],
    mark: &str,
    options: &Options,
    ids: &mut DerivedIds,
) -> Result<(Item, bool), String> {
    let text = String::from_utf8_lossy(raw);
    let at = begin(raw, mark).ok_or_else(|| format!("no `{mark}` with a version behind it"))?;
    // The mark is ASCII, and what is before it may have had bytes that became others.
    let at =
        text.get(at..).filter(|text| text.starts_with(mark)).map_or_else(|| text.find(mark), |_| Some(at));
    let (head, event) = text.split_at_checked(at.unwrap_or_default()).unwrap_or(("", &text));
    let event = if mark == cef::MARK { cef::parse(event) } else { leef::parse(event) }?;
    let head = SyslogLine::parse(head.trim_end());
    let (meaning, is_without_zone) = event.read(head, options)?;
    let item = match meaning {
        Meaning::Aside(category) => Item::SetAside { category },
        Meaning::Event(mut event) => {
            event.native_id = ids.next([text.as_ref()]);
            Item::Draft(Draft { event: *event, raw: raw.to_vec() }, Place::default())
        }
    };
    Ok((item, is_without_zone))
}

#[cfg(test)]
mod tests {
    use crate::{
        cef::Cef,
        leef::Leef,
        testing::{read, recognizes},
    };

    fn shown(event: &whowas_event::Event) -> String {
        format!(
            "{} {} {} {} {} {} {}",
            event.occurred_at,
            event.activity.as_str(),
            event.status.as_str(),
            event.user.name.as_deref().unwrap_or("-"),
            event.src_endpoint.ip.as_deref().unwrap_or("-"),
            event.dst_hostname.as_deref().unwrap_or("-"),
            event.session_uid.as_deref().unwrap_or("-"),
        )
    }

    #[test]
    fn events_of_cef() {
        let text = "CEF:0|Acme|Gate|1.0|100|User login|5|rt=1764000000123 suser=ada src=192.0.2.7 dvchost=gate-1 cs1Label=Session ID cs1=s-1\n\
            <38>Nov 23 10:00:00 gate-2 CEF:0|Acme|Gate|1.0|101|Login failed|7|duser=CONTOSO\\eve suser=root src=2001:db8::1 reason=bad password\n\
            <38>1 2026-11-23T10:00:00.5Z gate-3 gate 7 - - CEF:0|Acme|Gate|1.0|102|User logged out|3|suser=ada end=Nov 23 2026 11:00:00 UTC\n\
            CEF:0|Acme|Gate|1.0|103|Malware found|9|rt=1764000000123\n\
            CEF:0|Acme|Gate|1.0|100|User login|5|suser=ada\n\
            CEF:0|Acme|Gate|1.0|100|Authentication|5|rt=Nov 23 10:00:00 suser=ada outcome=failure\n\
            hello\n";
        assert!(recognizes(&Cef, text) && !recognizes(&Leef, text));
        let reading = read(&Cef, text);
        assert_eq!(
            reading.events.iter().map(shown).collect::<Vec<_>>(),
            [
                "2025-11-24T16:00:00.123Z logon success ada 192.0.2.7 gate-1 s-1",
                "2026-11-23T10:00:00.000Z logon failure eve 2001:db8::1 gate-2 -",
                "2026-11-23T11:00:00.000Z logoff success ada - gate-3 -",
                "2026-11-23T10:00:00.000Z logon failure ada - - -",
            ]
        );
        assert_eq!(reading.events[1].actor.name.as_deref(), Some("root"));
        assert_eq!(
            reading.others,
            [
                "set aside: Gate: Malware found",
                "line 5: the event has no time: neither its own nor of syslog",
                "line 7: no `CEF:` with a version behind it",
            ]
        );
        assert_eq!(reading.summary.times_without_zone, 2);
    }

    #[test]
    fn events_of_leef() {
        let text = "LEEF:1.0|Acme|Gate|2|4624|devTime=Nov 23 2026 10:00:00 UTC\tisLoginEvent=true\tusrName=ada\tsrc=192.0.2.7\n\
            <13>Nov 23 10:00:00 gate-2 LEEF:2.0|Acme|Gate|2|x|^|isLogoutEvent=true^usrName=ada^sessionId=s-1\n\
            LEEF:1.0|Acme|Gate|2|login failed|devTime=1764000000123\tusrName=eve\n\
            LEEF:1.0|Acme|Gate|2|disk full|devTime=1764000000123\n";
        assert!(recognizes(&Leef, text) && !recognizes(&Cef, text));
        let reading = read(&Leef, text);
        assert_eq!(
            reading.events.iter().map(shown).collect::<Vec<_>>(),
            [
                "2026-11-23T10:00:00.000Z logon success ada 192.0.2.7 - -",
                "2026-11-23T10:00:00.000Z logoff success ada - gate-2 s-1",
                "2025-11-24T16:00:00.123Z logon failure eve - - -",
            ]
        );
        assert_eq!(reading.others, ["set aside: Gate: disk full"]);
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80), at in 0_usize..40) {
            let mut line = b"<38>Nov 23 10:00:00 h CEF:0|a|b|c|login|login|3|rt=Nov 23 2026 10:00:00 suser=ada".to_vec();
            let at = at.min(line.len());
            line.splice(at..at, bytes);
            let _ = read(&Cef, &line);
            let _ = read(&Leef, &line);
        }
    }
}
