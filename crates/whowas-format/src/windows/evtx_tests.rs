//! EVTX files, made by the test itself, whole and damaged.

use proptest::prelude::*;

use super::{
    super::{
        WindowsEvents,
        fixture::{Chunk, LOGOFF, LOGON, evtx, xml},
    },
    MAGIC,
};
use crate::{
    contract::{Item, RECORD_BYTES_MAX, ReadError},
    testing::{options, read, read_any},
};

fn file(records: &[(u16, u64)]) -> Vec<u8> {
    let mut chunk = Chunk::new();
    for (event_id, record_id) in records {
        chunk.event(*event_id, *record_id, if *event_id == 4634 { LOGOFF } else { LOGON });
    }
    evtx(&[chunk.finish()])
}

/// Events as `id`, and what else there is.
fn shown(bytes: &[u8]) -> Vec<String> {
    let (format, reading) = read_any(bytes, &options()).unwrap();
    assert_eq!(format, "windows-event");
    let events = reading.events.iter().map(|event| event.native_id.as_str().to_owned());
    let warnings = reading.summary.warnings.iter().map(|warning| format!("warning: {warning}"));
    events.chain(reading.others).chain(warnings).collect()
}

#[test]
fn records_say_what_their_xml_says() {
    let (_, reading) = read_any(&file(&[(4624, 7), (4634, 8), (4688, 9)]), &options()).unwrap();
    assert_eq!(reading.others, ["set aside: Security 4688"]);
    assert_eq!((reading.summary.read, reading.summary.warnings), (3, Vec::<String>::new()));
    let text = format!("{}\n{}", xml(4624, 7, LOGON), xml(4634, 8, LOGOFF));
    assert_eq!(reading.events, read(&WindowsEvents, &text).events);
    assert_eq!(reading.events[0].session_uid, reading.events[1].session_uid);
}

#[test]
fn the_raw_bytes_are_xml() {
    let bytes = file(&[(4634, 8)]);
    let mut raw = Vec::new();
    let mut sink = |item| {
        if let Item::Draft(draft, _) = item {
            raw.push(String::from_utf8(draft.raw).unwrap());
        }
        Ok(())
    };
    crate::read_all(crate::Input::Stream(&mut &bytes[..]), "x", None, &options(), &mut sink).unwrap();
    assert_eq!(raw, [xml(4634, 8, LOGOFF)]);
}

#[test]
fn what_is_changed_or_missing_is_told() {
    let mut changed = file(&[(4624, 7), (4624, 9)]);
    *changed.last_chunk_mut::<1024>().unwrap().first_mut().unwrap() = 1; // unused space
    let gap = "warning: 1 of the record ids 7 to 9 are not there: a filter was used, or records were removed";
    assert_eq!(shown(&changed), ["dc-1.contoso.example/security/7", "dc-1.contoso.example/security/9", gap]);
    let at = 4096 + 600;
    changed[at] ^= 1; // a letter of a name that is used nowhere else
    let sums = "warning: 1 of 1 chunks do not have the bytes of their checksums: the file was copied while it was written, or changed";
    assert!(shown(&changed).contains(&sums.to_owned()));
}

#[test]
fn damage_costs_the_record_it_is_in() {
    let whole = file(&[(4624, 7), (4624, 8), (4634, 9)]);
    let second = second_record(&whole);
    let mut sizes = whole.clone();
    sizes[second + 4] ^= 0x40;
    let of_sizes = shown(&sizes);
    assert_eq!(of_sizes[..2], ["dc-1.contoso.example/security/7", "dc-1.contoso.example/security/9"]);
    assert_eq!(of_sizes[2], "record 2: the record is damaged: its sizes do not match");
    let mut token = whole.clone();
    token[second + 24] = 0x7f;
    assert_eq!(
        shown(&token)[2],
        "record 2: record id 8 is damaged: its binary XML has the unknown token 0x7f"
    );
    let cut = &whole[..second + 100];
    assert_eq!(
        shown(cut),
        [
            "dc-1.contoso.example/security/7",
            "record 2: the record is damaged: its sizes do not match",
            "record 3: the file ends in the middle of a chunk: it is cut off",
            "warning: 1 of 1 chunks do not have the bytes of their checksums: the file was copied while it was written, or changed",
        ]
    );
    let mut chunk = whole.clone();
    chunk[4096] = b'x';
    assert_eq!(shown(&chunk), ["record 1: chunk 1 is damaged: it does not begin with `ElfChnk`"]);
    assert_eq!(shown(&whole[..100]), [""; 0]);
    let unknown = crate::read_all(
        crate::Input::Stream(&mut &b"ElfFile"[..]),
        "x",
        Some("windows-event"),
        &options(),
        &mut |_| Ok(()),
    );
    assert!(unknown.is_ok_and(|reports| reports[0].summary.read == 1), "it is no JSON either");
}

fn second_record(file: &[u8]) -> usize {
    memchr::memmem::find_iter(file, b"**\0\0").nth(1).unwrap()
}

/// A chunk in use has records that its header does not know yet; a used one has old ones behind its end.
#[test]
fn the_end_of_a_chunk_may_be_late_or_early() {
    let mut late = file(&[(4624, 7), (4624, 8), (4624, 5)]);
    let second = u32::try_from(second_record(&late) - 4096).unwrap();
    late[4096 + 48..4096 + 52].copy_from_slice(&second.to_le_bytes());
    let shown = shown(&late);
    assert_eq!(shown[..2], ["dc-1.contoso.example/security/7", "dc-1.contoso.example/security/8"]);
    assert!(shown[2].starts_with("warning: 1 of 1 chunks"), "{shown:?}");
}

/// Templates that name themselves, and templates in templates that are used many times.
#[test]
fn what_grows_without_end_is_stopped() {
    let mut chunk = Chunk::new();
    chunk.record(1, |chunk| {
        let definition = chunk.inline_template(|chunk| {
            let definition = chunk.bytes.len() - 24;
            for _ in 0..50 {
                chunk.put(&[0x0c, 0x01, 7, 0, 0, 0]);
                chunk.put(&u32::try_from(definition).unwrap().to_le_bytes()).put(&[0; 4]);
            }
        });
        chunk.put(&[0; 4]);
        assert!(definition > 0);
    });
    let told = "record 1: record id 1 is damaged: its binary XML is deeper or longer than any event is";
    assert_eq!(shown(&evtx(&[chunk.finish()]))[0], told);

    // A list of 10,000 items in an element with a long attribute.
    let mut chunk = Chunk::new();
    chunk.record(1, |chunk| {
        chunk.inline_template(|chunk| {
            chunk.list_element(&"x".repeat(2000));
        });
        chunk.put(&[1, 0, 0, 0, 0x10, 0x27, 0x84, 0]).put(&[7; 10_000]);
    });
    assert_eq!(shown(&evtx(&[chunk.finish()]))[0], told);
}

#[test]
fn a_file_needs_its_header() {
    let mut none = |_, _: Result<&str, crate::Problem>| Ok(());
    let error = super::read(&mut &b"ElfChnk\0"[..], &mut none).unwrap_err();
    assert!(matches!(error, ReadError::Broken(_)));
    assert_eq!(error.to_string(), "not an EVTX file: it does not begin with `ElfFile`");
    assert_eq!(super::read(&mut { MAGIC }, &mut none).unwrap().records, 0);
}

proptest! {
    #[test]
    fn no_change_of_a_file_panics(
        changes in prop::collection::vec((512_usize..9000, any::<[u8; 4]>(), 1_usize..=4), 1..40),
        end in 4096_usize..70_000,
    ) {
        let mut bytes = file(&[(4624, 7), (4634, 8), (4625, 9)]);
        for (at, with, n) in changes {
            bytes[4096 + at..4096 + at + n].copy_from_slice(&with[..n]);
        }
        bytes.truncate(end);
        let mut items = 0_u64;
        let mut sink = |item| {
            items += 1;
            if let Item::Draft(draft, _) = item {
                assert!(draft.raw.len() <= RECORD_BYTES_MAX);
            }
            Ok(())
        };
        let reports = crate::read_all(crate::Input::Stream(&mut &bytes[..]), "x", None, &options(), &mut sink);
        prop_assert_eq!(reports.unwrap()[0].summary.read, items);
    }
}
