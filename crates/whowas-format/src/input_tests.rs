//! Whole inputs: packed, encoded, broken, hostile, unknown.

use std::io::Write;

use super::*;
use crate::{Item, container::RATIO_FREE_BYTES, entra_csv::EntraCsv, testing::options};

const LINE: &str =
    "{\"occurred_at\":\"2026-11-20T08:15:30Z\",\"activity\":\"logon\",\"user_name\":\"zoë\"}\n";

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        out.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        out.write_all(bytes).unwrap();
    }
    out.finish().unwrap().into_inner()
}

/// What is read of an input, or why it is not; a file and a stream must not differ.
fn read_input(bytes: &[u8]) -> (Vec<String>, Result<Vec<FileReport>, String>) {
    let read = |input: Input<'_>| {
        let mut items = Vec::new();
        let reports = read_all(input, "logs", None, &options(), &mut |item| {
            items.push(match item {
                Item::Draft(draft, _) => draft.event.user.name.unwrap_or_default(),
                Item::Problem(problem) => problem.reason,
                Item::SetAside { category } => category,
            });
            Ok(())
        });
        (items, reports.map_err(|error| error.to_string()))
    };
    let of_file = read(Input::File(&mut Cursor::new(bytes)));
    assert_eq!(of_file, read(Input::Stream(&mut &*bytes)));
    of_file
}

fn refused(bytes: &[u8]) -> String {
    read_input(bytes).1.unwrap_err()
}

#[test]
fn packed_and_encoded_inputs_are_read_alike() {
    let utf16: Vec<u8> = LINE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let zstd = zstd::stream::encode_all(LINE.as_bytes(), 1).unwrap();
    for bytes in [
        LINE.as_bytes().to_vec(),
        utf16,
        gz(LINE.as_bytes()),
        gz(&gz(LINE.as_bytes())),
        zstd,
        gz(&zip(&[("a.json", LINE.as_bytes())])),
        zip(&[("a.json.gz", &gz(LINE.as_bytes()))]),
    ] {
        let (items, reports) = read_input(&bytes);
        assert_eq!(items, ["zoë"]);
        assert_eq!(reports.unwrap()[0].format, Some("whowas-event"));
    }
}

#[test]
fn each_file_of_an_archive_is_an_input() {
    let members: [(&str, &[u8]); 4] = [
        ("x/a.json", LINE.as_bytes()),
        ("__MACOSX/x/._a.json", b"\0"),
        ("README.txt", b"Hello there\nHow are you?"),
        ("b.json", LINE.as_bytes()),
    ];
    let (items, reports) = read_input(&zip(&members));
    assert_eq!(items, ["zoë", "zoë"]);
    let reports = reports.unwrap();
    let told: Vec<_> = reports.iter().map(|r| (r.name.as_str(), r.format, r.summary.read)).collect();
    assert_eq!(
        told,
        [
            ("logs/x/a.json", Some("whowas-event"), 1),
            ("logs/README.txt", None, 0),
            ("logs/b.json", Some("whowas-event"), 1)
        ]
    );
    assert_eq!(reports[1].summary.warnings, ["not recognised: text that begins with `Hello there`"]);
    assert_eq!(
        refused(&zip(&[("r.txt", b"Hello there")])),
        "not recognised: no file of the archive; logs/r.txt is text that begins with `Hello there`"
    );
    assert_eq!(refused(&zip(&[])), "not recognised: the archive has no files");
}

#[test]
fn what_is_not_recognised_is_described() {
    for (bytes, want) in [
        (&b""[..], "the file is empty: export or copy it again"),
        (b" \n", "the file is empty: export or copy it again"),
        (b"\x7fELF\0\0\0\x01", "binary data of an unknown kind"),
        (b"{\"b\":1,\"a\":2}", "JSON records with the members a, b"),
        (b"[{", "JSON without a complete record: the file is cut off; export or copy it again"),
        (b"colour;shape\n1;2\n", "a table with the columns colour, shape"),
        (b"a,b,c,d,e,f,g,h,i\n", "a table with the columns a, b, c, d, e, f, g, h, …"),
        (b"just text", "text that begins with `just text`"),
    ] {
        assert_eq!(refused(bytes), format!("not recognised: {want}"));
    }
    let error = read_all(Input::Stream(&mut &b""[..]), "", Some("excel"), &options(), &mut |_| Ok(()));
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "not recognised: there is no format `excel`; `whowas formats` lists them");
}

#[test]
fn broken_containers_are_named_behind_what_could_be_read() {
    let whole = gz(LINE.repeat(1000).as_bytes());
    let (items, reports) = read_input(&whole[..whole.len() - 9]);
    assert!(!items.is_empty());
    assert_eq!(
        reports.unwrap_err(),
        "logs: the compressed data ends too early: the file is cut off; copy it again"
    );
    let mut damaged = whole.clone();
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    let error = refused(&damaged);
    assert!(error.starts_with("logs: the compressed data is damaged: "), "{error}");
    let error = refused(b"PK\x03\x04 no zip");
    assert!(error.starts_with("logs: not a sound zip: "), "{error}");
    let deep = gz(&gz(&gz(LINE.as_bytes())));
    assert_eq!(refused(&deep), "logs: containers in each other more than 2 deep");
}

#[test]
fn bombs_are_stopped() {
    let spaces = usize::try_from(RATIO_FREE_BYTES).unwrap() * 4;
    let bomb = [LINE.as_bytes(), &vec![b' '; spaces]].concat();
    let want = "logs: more than 400 bytes come out of each compressed byte: is it a decompression bomb? If you trust it, unpack it first";
    let zstd = zstd::stream::encode_all(&bomb[..], 1).unwrap();
    for bytes in [zstd, gz_best(&bomb), zip(&[("logs", &bomb)])] {
        let mut read = Vec::new();
        let result = read_all(Input::Stream(&mut &bytes[..]), "logs", None, &options(), &mut |item| {
            read.push(item);
            Ok(())
        });
        let Err(ReadError::TooLarge(reason)) = result else { panic!("{result:?}") };
        assert_eq!(reason.replace("logs/logs", "logs"), want);
        assert_eq!(read.len(), 1, "what comes before the bomb goes off is read");
    }
}

fn gz_best(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn a_first_record_beyond_the_sample_is_recognized() {
    let long = LINE.replace("zoë", &"ë".repeat(200_000));
    for text in [format!("{long}{LINE}"), format!("[{},{LINE}]", long.trim())] {
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [text.as_bytes().to_vec(), utf16, gz(text.as_bytes())] {
            let (items, reports) = read_input(&bytes);
            assert_eq!(items.iter().map(String::len).collect::<Vec<_>>(), [400_000, 4]);
            assert_eq!(reports.unwrap()[0].format, Some("whowas-event"));
        }
    }
    let giant = LINE.replace("zoë", &"x".repeat(3 << 20)) + LINE;
    let why = "not recognised: JSON without a complete record in its first MiB: if you know its format, pass --format";
    assert_eq!(refused(giant.as_bytes()), why);
}

#[test]
fn guesses_and_cut_exports_are_told() {
    let latin = LINE.replace('ë', "\u{fffd}").into_bytes();
    let latin: Vec<u8> = latin.split(|b| *b == 0xef).collect::<Vec<_>>().join(&b'\xeb');
    let latin: Vec<u8> = latin.into_iter().filter(|b| !matches!(b, 0xbf | 0xbd)).collect();
    let (items, reports) = read_input(&latin);
    assert_eq!(items, ["zoë"]);
    assert!(reports.unwrap()[0].summary.warnings[0].contains("Windows-1252"));
    assert_eq!(
        cap_warning(EntraCsv.info(), 100_000).unwrap(),
        "exactly 100,000 rows: that is where Microsoft Entra ID cuts its exports, so this one is probably truncated"
    );
    assert_eq!(cap_warning(EntraCsv.info(), 100_001), None);
    assert_eq!([grouped(7), grouped(1234), grouped(1_234_567)], ["7", "1,234", "1,234,567"]);
}

#[test]
fn caps_are_seen_in_every_file_of_an_archive() {
    let table = |header: &str, row: &str, rows: u32| -> Vec<u8> {
        let row = |at: u32| row.replace("{at}", &at.to_string());
        std::iter::once(header.to_owned()).chain((0..rows).map(row)).collect::<String>().into_bytes()
    };
    let lcs = |rows| table("AADUserID,LoginStart\n", "u{at},2026-11-10T08:00:00Z\n", rows);
    let portal = table(
        "Date (UTC),Request ID,Username,IP address,Status\n",
        "2026-11-10T08:00:00Z,r{at},ada@contoso.example,192.0.2.1,Success\n",
        100_000,
    );
    let packed = zip(&[
        ("week-45.csv", &lcs(5_000)),
        ("week-46.csv", &lcs(4_999)),
        ("week-47.csv.gz", &gz(&lcs(5_000))),
        ("InteractiveSignIns.csv", &portal),
    ]);
    let (_, reports) = read_input(&packed);
    let warned: Vec<_> = reports
        .unwrap()
        .into_iter()
        .map(|report| (report.name, report.summary.warnings.join("; ")))
        .collect();
    let lcs_cap = "exactly 5,000 rows: that is where Dynamics Lifecycle Services cuts its exports, so this one is probably truncated";
    let portal_cap = "exactly 100,000 rows: that is where Microsoft Entra ID cuts its exports, so this one is probably truncated";
    for ((name, warning), (want_name, want)) in warned.iter().zip([
        ("logs/week-45.csv", lcs_cap),
        ("logs/week-46.csv", ""),
        ("logs/week-47.csv.gz", lcs_cap),
        ("logs/InteractiveSignIns.csv", portal_cap),
    ]) {
        assert_eq!((name.as_str(), warning.as_str()), (want_name, want));
    }
    assert_eq!(warned.len(), 4);
}

#[test]
fn the_receiver_may_stop() {
    let text = LINE.repeat(3);
    let mut count = 0;
    let stopped = read_all(Input::Stream(&mut text.as_bytes()), "", None, &options(), &mut |_| {
        count += 1;
        if count == 2 { Err(crate::Stop) } else { Ok(()) }
    });
    assert!(matches!(stopped, Err(ReadError::Stopped(_))));
    assert_eq!(count, 2);
}

/// Every format is given `bytes`, wanted or not.
fn feed(bytes: &[u8]) {
    let _ = read_all(Input::Stream(&mut &*bytes), "", None, &options(), &mut |_| Ok(()));
    for format in registry::FORMATS {
        let _ = format.recognizes(Sample { bytes, is_whole: true });
        let _ = format.read(&mut &*bytes, &options(), &mut |_| Ok(()));
    }
}

proptest::proptest! {
    #[test]
    fn no_input_panics(bytes: Vec<u8>, magic in proptest::sample::select(vec![&b""[..], b"PK\x03\x04", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xff\xfe", b"[{"])) {
        feed(&[magic, &bytes].concat());
    }

    #[test]
    fn no_damage_panics(at in 0_usize..3000, with: u8, packed in proptest::bool::ANY) {
        let csv = "Date (UTC),Request ID,Username,IP address,Status,Location\n3/12/2025 7:22,r,u,::1,Success,\"a, b, c\"\n";
        let graph = "{\"value\":[{\"id\":\"1\",\"createdDateTime\":\"2026-11-20T08:15:30Z\",\"appId\":\"a\",\"status\":{\"errorCode\":0}}]}";
        let monitor = "{\"records\":[{\"category\":\"SignInLogs\",\"time\":\"2026-11-20T08:15:30Z\",\"properties\":{}}]}";
        for text in [csv, graph, monitor, LINE] {
            let mut bytes = if packed { gz(text.as_bytes()) } else { text.as_bytes().to_vec() };
            let at = at % bytes.len();
            bytes[at] = with;
            feed(&bytes);
        }
    }
}
