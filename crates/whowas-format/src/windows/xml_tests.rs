//! Events as XML in every framing, and what is none.

use proptest::prelude::*;

use super::super::{
    WindowsEvents,
    fixture::{LOGOFF, LOGON, xml, xml_of},
};
use crate::{
    contract::{Item, RECORD_BYTES_MAX},
    testing::{options, read, read_any, recognizes},
};

/// Events as their record ids, and what else there is.
fn shown(text: &str) -> Vec<String> {
    let reading = read(&WindowsEvents, text);
    let events = reading
        .events
        .iter()
        .map(|event| event.native_id.as_str().rsplit('/').next().unwrap_or_default().to_owned());
    events.chain(reading.others).collect()
}

#[test]
fn every_framing_is_read() {
    let (logon, logoff) = (xml(4624, 7, LOGON), xml(4634, 8, LOGOFF));
    let declaration = "<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>";
    for text in [
        format!("{logon}{logoff}"),
        format!("{logon}\r\n{logoff}\r\n"),
        format!("{declaration}\n<Events>\n<!-- all -->{logon}\n\n{logoff}</Events>\n"),
        format!("\u{feff}{declaration}<Events>{logon}{logoff}</Events>"),
        format!("<log host='a'><part>{logon}</part><part>{logoff}</part></log>"),
    ] {
        let bytes: Vec<u8> = format!("\u{feff}{}", text.trim_start_matches('\u{feff}'))
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        for bytes in [text.clone().into_bytes(), bytes] {
            let (format, reading) = read_any(&bytes, &options()).unwrap();
            assert_eq!((format, reading.others), ("windows-event", Vec::new()), "{text}");
            let [logon, logoff] = &reading.events[..] else { panic!("two events: {text}") };
            assert_eq!(logon.session_uid, logoff.session_uid);
            assert_eq!(logon.raw_time.as_deref(), Some("2026-11-20T08:15:30.1234567Z"));
        }
    }
}

#[test]
fn only_events_are_recognized() {
    assert!(recognizes(&WindowsEvents, &xml(4624, 7, LOGON)));
    for text in ["<Events></Events>", "<html><Event>x</Event></html>", "<EventData/>", "Event", ""] {
        assert!(!recognizes(&WindowsEvents, text), "{text}");
    }
}

#[test]
fn damage_costs_the_event_it_is_in() {
    let (one, two) = (xml(4624, 7, LOGON), xml(4634, 8, LOGOFF));
    let cut = &one[..one.len() - 30];
    for (text, want) in [
        (
            format!("{cut}{two}"),
            vec!["8", "line 1: the event is not closed before the next one begins: it is cut off"],
        ),
        (
            format!("{one}\n{cut}"),
            vec!["7", "line 2: the XML ends in the middle of an event: the file is cut off"],
        ),
        (
            format!("{one}\nnoise {two} <unclosed"),
            vec!["7", "8", "line 2: not an <Event> element", "line 2: not an <Event> element"],
        ),
        (
            format!("{}\n{two}", one.replace("</Channel>", "</Chanel>")),
            vec![
                "8",
                "line 1: not valid XML: ill-formed document: expected `</Channel>`, but `</Chanel>` was found",
            ],
        ),
        (one.replace(">4624<", ">many<"), vec!["line 1: `EventID` is `many`"]),
        (
            one.replace("2026-11-20T", "2026-13-20T"),
            vec![
                "line 1: `2026-13-20T08:15:30.1234567Z`: there is no month 13; correct it and import the file once more",
            ],
        ),
        (one.replace("SystemTime", "Time"), vec!["line 1: the time of the event is missing"]),
        (format!("{one}<Event>no system</Event>"), vec!["7", "line 1: the event has no <System> element"]),
    ] {
        assert_eq!(shown(&text), want, "{text}");
    }
}

#[test]
fn long_events_are_passed() {
    let long = xml(4624, 1, &[("TargetUserName", &"x".repeat(RECORD_BYTES_MAX))]);
    let text = format!("{long}{}", xml(4634, 8, LOGOFF));
    assert_eq!(shown(&text), ["8", "line 1: the event is longer than 1 MiB"]);
    // Without an end it is passed in pieces.
    let open = &long[..long.len() - 8];
    let text = format!("{open}{open}\n{}", xml(4634, 8, LOGOFF));
    let shown = shown(&text);
    assert_eq!(shown[..2], ["8", "line 1: the event is longer than 1 MiB"], "{shown:?}");
}

#[test]
fn elements_of_events_in_events() {
    let inner = xml(21, 7, LOGON).replace("<EventData>", "<UserData><Event xmlns='x'>").replace(
        "</EventData></Event>",
        "<User>CONTOSO\\ada</User><SessionID>2</SessionID><Address>192.0.2.9</Address></Event></UserData></Event>",
    );
    let inner = inner.replace(
        "Microsoft-Windows-Security-Auditing",
        "Microsoft-Windows-TerminalServices-LocalSessionManager",
    );
    let reading = read(&WindowsEvents, &inner);
    assert_eq!(reading.others, [""; 0]);
    let event = &reading.events[0];
    assert_eq!((event.user.name.as_deref(), event.user.domain.as_deref()), (Some("ada"), Some("CONTOSO")));
    assert_eq!(event.session_uid.as_deref(), Some("dc-1.contoso.example/ts/2"));
}

/// Work does not grow with the square of what is nested.
#[test]
fn many_elements_of_events_in_events() {
    const DEEP: usize = 40_000;
    let data = format!("{}{}", "<Event >".repeat(DEEP), "</Event>".repeat(DEEP));
    let text = xml(4634, 7, LOGOFF).replace("<EventData>", &format!("<EventData>{data}"));
    assert_eq!(shown(&text), ["7"]);
}

#[test]
fn references_are_resolved() {
    let text = xml_of(
        "User32",
        "System",
        1074,
        7,
        &[
            ("param1", "a &lt;&amp;&gt; &#x41;&#66; &unknown; <![CDATA[<c>]]>"),
            ("param7", "CONTOSO\\ada&apos;s"),
        ],
    );
    let event = &read(&WindowsEvents, &text).events[0];
    assert_eq!(event.user.name.as_deref(), Some("ada's"));
    assert!(event.unmapped.as_deref().unwrap().contains("\"param1\":\"a <&> AB &unknown; <c>\""));
}

proptest! {
    #[test]
    fn no_text_panics(
        changes in prop::collection::vec((0_usize..3000, "[<>/& Event'System=]{0,4}"), 0..8),
    ) {
        let mut text = format!("{}\n{}", xml(4624, 7, LOGON), xml(4634, 8, LOGOFF)).into_bytes();
        for (at, with) in changes {
            let at = at.min(text.len());
            text.splice(at..(at + with.len()).min(text.len()), with.bytes());
        }
        let mut items = 0_u64;
        let mut sink = |_: Item| {
            items += 1;
            Ok(())
        };
        let mut input = &text[..];
        let format = Some("windows-event");
        let reports = crate::read_all(crate::Input::Stream(&mut input), "x", format, &options(), &mut sink);
        prop_assert_eq!(reports.unwrap()[0].summary.read, items);
    }
}
