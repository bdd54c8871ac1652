//! Tests of utmp's records. All people are invented; the records are made here.

use proptest::prelude::*;

use super::*;
use crate::{
    registry,
    testing::{Reading, options, read, read_any, read_with, recognizes},
};

/// What a test says of a record.
#[derive(Clone, Copy, Debug)]
struct Made<'a>(u16, u32, &'a str, &'a str, &'a str, u32);

/// Which machine writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Linux32,
    Linux64,
    Darwin,
}

fn put(out: &mut [u8], at: usize, number: u64, bytes: usize, is_big: bool) {
    let (big, little) = (number.to_be_bytes(), number.to_le_bytes());
    out[at..at + bytes].copy_from_slice(if is_big { &big[8 - bytes..] } else { &little[..bytes] });
}

fn put_text(out: &mut [u8], at: usize, text: &str) {
    out[at..at + text.len()].copy_from_slice(text.as_bytes());
}

fn made(Made(kind, process, line, user, host, seconds): Made<'_>, writer: Writer, is_big: bool) -> Vec<u8> {
    let (kind, process, seconds, us) = (u64::from(kind), u64::from(process), u64::from(seconds), 250_000);
    if writer == Writer::Darwin {
        let mut out = vec![0; 628];
        put_text(&mut out, 0, user);
        put_text(&mut out, 260, line);
        put(&mut out, 292, process, 4, is_big);
        put(&mut out, 296, kind, 2, is_big);
        put(&mut out, 300, seconds, 4, is_big);
        put(&mut out, 304, us, 4, is_big);
        put_text(&mut out, 308, host);
        return out;
    }
    let (length, word, time) = if writer == Writer::Linux32 { (384, 4, 340) } else { (400, 8, 344) };
    let mut out = vec![0; length];
    put(&mut out, 0, kind, 2, is_big);
    put(&mut out, 4, process, 4, is_big);
    put_text(&mut out, 8, line);
    put_text(&mut out, 40, &line[line.len().saturating_sub(4)..]);
    put_text(&mut out, 44, user);
    put_text(&mut out, 76, host);
    put(&mut out, time, seconds, word, is_big);
    put(&mut out, time + word, us, word, is_big);
    if let Ok(std::net::IpAddr::V4(ip)) = host.parse() {
        out[time + 2 * word..][..4].copy_from_slice(&ip.octets());
    }
    out
}

const DAY: [Made<'static>; 9] = [
    Made(2, 0, "~", "reboot", "6.1.0-31-amd64", 1_795_500_000),
    Made(1, 53, "~", "runlevel", "6.1.0-31-amd64", 1_795_500_001),
    Made(6, 700, "tty1", "LOGIN", "", 1_795_500_002),
    Made(7, 4711, "pts/0", "ada", "192.0.2.10", 1_795_500_100),
    Made(7, 4712, "tty1", "grace", "", 1_795_500_200),
    Made(8, 4711, "pts/0", "", "", 1_795_500_300),
    Made(7, 0, "pts/9", "", "", 1_795_500_301),
    Made(8, 99, "", "", "", 1_795_500_302),
    Made(1, 0, "~", "shutdown", "6.1.0-31-amd64", 1_795_500_400),
];

fn file(records: &[Made<'_>], writer: Writer, is_big: bool) -> Vec<u8> {
    let signature = Made(10, 0, "", "utmpx-1.00", "", 0);
    let signature = (writer == Writer::Darwin).then_some(&signature);
    signature.into_iter().chain(records).flat_map(|record| made(*record, writer, is_big)).collect()
}

fn lines(reading: &Reading) -> Vec<String> {
    let line = |event: &Event| {
        let text = |value: &Option<String>| value.clone().unwrap_or("-".to_owned());
        let (src, hints) = (&event.src_endpoint, SessionHints::of(event));
        let what = hints.boundary.map_or(event.activity.as_str(), |boundary| boundary.as_str());
        format!(
            "{} {what} {} {} {} {} {}",
            event.occurred_at,
            event.status.as_str(),
            text(&event.user.name),
            text(&hints.line),
            text(&src.hostname),
            text(&src.ip),
        )
    };
    reading.events.iter().map(line).chain(reading.others.iter().cloned()).collect()
}

#[test]
fn a_day_in_every_layout() {
    let mut ids = Vec::new();
    for writer in [Writer::Linux32, Writer::Linux64, Writer::Darwin] {
        for is_big in [false, true] {
            let bytes = file(&DAY, writer, is_big);
            let (format, reading) = read_any(&bytes, &options()).unwrap();
            assert_eq!(format, "wtmp", "{writer:?} {is_big}");
            let mut lines = lines(&reading);
            lines.retain(|line| line != "set aside: signature of the file");
            assert_eq!(
                lines,
                [
                    "2026-11-24T06:00:00.250Z boot success - - - -",
                    "2026-11-24T06:01:40.250Z logon success ada pts/0 192.0.2.10 192.0.2.10",
                    "2026-11-24T06:03:20.250Z logon success grace tty1 - -",
                    "2026-11-24T06:05:00.250Z logoff success - pts/0 - -",
                    "2026-11-24T06:05:01.250Z logoff success - pts/9 - -",
                    "2026-11-24T06:06:40.250Z shutdown success - - - -",
                    "set aside: change of run level",
                    "set aside: terminal waits for a login",
                    "set aside: end of a process without a line",
                ],
                "{writer:?} {is_big}"
            );
            let logon_types: Vec<Option<&str>> =
                reading.events.iter().map(|event| event.logon_type.as_deref()).collect();
            assert_eq!(logon_types[1..3], [Some("remote_interactive"), Some("interactive")]);
            if writer != Writer::Darwin {
                ids.push(reading.events.iter().map(|event| event.native_id.clone()).collect::<Vec<_>>());
            }
        }
    }
    assert!(ids.windows(2).all(|two| two[0] == two[1]), "the record counts, not the machine that wrote it");
}

#[test]
fn records_know_in_which_run_of_the_machine_they_are() {
    let reading = read(&Wtmp, &file(&DAY[3..4], Writer::Linux32, false));
    assert_eq!(
        reading.events[0].unmapped.as_deref(),
        Some(r#"{"session":{"line":"pts/0","process":4711},"ut_id":"ts/0","ut_type":7}"#)
    );
    let reading = read(&Wtmp, &file(&DAY, Writer::Linux32, false));
    assert_eq!(
        reading.events[1].unmapped.as_deref(),
        Some(
            r#"{"session":{"booted_at":"2026-11-24T06:00:00.250Z","line":"pts/0","process":4711},"ut_id":"ts/0","ut_type":7}"#
        )
    );
}

#[test]
fn types_are_read_as_last_reads_them() {
    let record = |kind, line, user| Made(kind, 54, line, user, "", 1_795_500_000);
    for (made, want) in [
        (record(5, "tty2", "ada"), "logon"),
        (record(6, "tty2", "ada"), "logon"),
        (record(0, "tty2", "ada"), "logon"),
        (record(5, "tty2", ""), "set aside: terminal waits for a login"),
        (record(6, "tty2", "LOGIN"), "set aside: terminal waits for a login"),
        (record(3, "{", "date"), "set aside: clock was set"),
        (record(2, "system boot", "reboot"), "boot"),
        (record(0, "~", "reboot"), "boot"),
        (record(1, "~", "runlevel"), "shutdown"), // 54 is the digit 6
        (record(1, "~", "what"), "set aside: system record of an unknown kind"),
        (record(6, "ssh:notty", "ada"), "failure"),
        (record(0, "tty2", ""), "set aside: unused record"),
    ] {
        let reading = read(&Wtmp, &file(&[DAY[3], made], Writer::Linux32, false));
        let told = match &reading.events[1..] {
            [event] => {
                let boundary = SessionHints::of(event).boundary.map(Boundary::as_str);
                let failure = (event.status == Status::Failure).then_some("failure");
                boundary.or(failure).unwrap_or(event.activity.as_str()).to_owned()
            }
            _ => reading.others.join("; "),
        };
        assert_eq!(told, want, "{made:?}");
    }
}

#[test]
fn attempts_that_failed_are_told_from_logins() {
    let attempts = [
        Made(6, 4711, "ssh:notty", "root", "192.0.2.66", 1_795_500_000),
        Made(6, 4711, "ssh:notty", "root", "192.0.2.66", 1_795_500_000),
        Made(6, 700, "tty1", "UNKNOWN", "", 1_795_500_009),
        Made(7, 800, "tty7", "grace", ":0", 1_795_500_010),
    ];
    let bytes = file(&attempts, Writer::Linux32, false);
    let (format, reading) = read_any(&bytes, &options()).unwrap();
    assert_eq!(format, "btmp");
    assert_eq!(
        lines(&reading),
        [
            "2026-11-24T06:00:00.250Z logon failure root ssh:notty 192.0.2.66 192.0.2.66",
            "2026-11-24T06:00:00.250Z logon failure root ssh:notty 192.0.2.66 192.0.2.66",
            "2026-11-24T06:00:09.250Z logon failure UNKNOWN tty1 - -",
            "2026-11-24T06:00:10.250Z logon failure grace tty7 :0 -",
        ]
    );
    let ids: Vec<&str> = reading.events.iter().map(|event| event.native_id.as_str()).collect();
    assert_eq!(ids[1], format!("{}.2", ids[0]), "two attempts of one second are two");
    assert!(!recognizes(&Btmp, &file(&DAY, Writer::Linux32, false)));
    assert!(!recognizes(&Btmp, &file(&DAY[3..5], Writer::Linux32, false)));
}

#[test]
fn damage_costs_the_records_that_have_it() {
    let mut bytes = file(&DAY[3..6], Writer::Linux32, false);
    bytes[384] = 99;
    bytes.extend_from_slice(&[0; 384]);
    bytes.extend_from_slice(&[7; 50]);
    let reading = read(&Wtmp, &bytes);
    assert_eq!(
        lines(&reading)[1..],
        [
            "2026-11-24T06:05:00.250Z logoff success - pts/0 - -",
            "record 2: not a record of utmp: its type is none of utmp's",
            "set aside: unused record",
            "record 5: not a record of utmp: the file ends within the record",
        ]
    );
    assert_eq!(reading.summary.read, 5);
    let mut far = made(DAY[3], Writer::Linux64, false);
    put(&mut far, 344, u64::MAX / 1_000_001, 8, false);
    let both = [made(DAY[3], Writer::Linux64, false), far].concat();
    let reading = read(&Wtmp, &both);
    assert_eq!(
        reading.others,
        [
            "record 2: not a record of utmp: its time is 18446725626983 seconds after 1970: outside the years 0001 to 9999"
        ]
    );
}

#[test]
fn other_bytes_are_not_recognised() {
    for bytes in [
        &b""[..],
        b"user,line,host\nada,pts/0,x\n",
        &[0; 4096],
        &[7; 4096],
        b"ElfFile\0\0\0\0\0\0\0\0\0",
        b"SQLite format 3\0\x10\0\x01\x01",
    ] {
        assert!(!recognizes(&Wtmp, bytes) && !recognizes(&Btmp, bytes), "{bytes:?}");
        assert!(read_with(&Wtmp, bytes, &options()).is_err());
    }
    assert!(registry::find("utmp").is_some_and(|format| format.info().name == "wtmp"));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..1200), writer in 0..3u8, is_big: bool) {
        let writer = [Writer::Linux32, Writer::Linux64, Writer::Darwin][usize::from(writer)];
        let mut damaged = file(&DAY, writer, is_big);
        let at = damaged.len() / 2;
        damaged.splice(at..at + bytes.len().min(300), bytes.iter().copied());
        for input in [&bytes, &damaged] {
            let _ = recognizes(&Btmp, input);
            let _ = read_with(&Wtmp, input, &options());
            let _ = read_with(&Btmp, input, &options());
        }
    }
}
