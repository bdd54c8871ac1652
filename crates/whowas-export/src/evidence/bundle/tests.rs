//! Tests of bundles: what they prove, and everything that can be done to one.

use std::io::{Cursor, Read, Write};

use sha2::Digest as _;
use whowas_event::{
    Activity, ErasedAt, Erasure, Kind, LeafWriter, Reach, Record, Time, erase, erasure::SELF,
};
use whowas_query::{
    Filter, LoginRow, NamedQuery,
    filter::{Subject, TextField},
};
use whowas_tlog::{hash::leaf_hash, note::Note, tree::Frontier};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::{
    judge::{Asked, Known, Verdict},
    *,
};
use crate::{
    ExportFormat,
    evidence::{
        Disclose, Leaf,
        testlog::{ORIGIN, TestLog, key, policy, record},
    },
};

const FIRST: usize = 20;
const SIZE: u16 = 60;

fn log() -> TestLog {
    TestLog::of((0..SIZE).map(record).collect())
}

fn asked(filter: &str) -> Asked {
    Asked {
        query: NamedQuery::SignInFailures,
        from: record(22).event.occurred_at,
        to: record(50).event.occurred_at,
        filter: Filter::parse(filter).unwrap(),
    }
}

fn subject(record: &Record) -> Subject<'_> {
    let user = &record.event.user;
    Subject {
        occurred_at: record.event.occurred_at,
        user: [&user.name, &user.uid].into_iter().flatten().map(String::as_str).collect(),
        ip: record.event.src_endpoint.ip.as_deref(),
        is_mfa: record.event.is_mfa,
        texts: vec![
            (TextField::Status, record.event.status.as_str()),
            (TextField::Activity, record.event.activity.as_str()),
            (TextField::Source, &record.source),
            (TextField::Session, record.event.session_uid.as_deref().unwrap_or_default()),
        ],
    }
}

/// Whether a record belongs to the answer, by the reference evaluator.
fn belongs(asked: &Asked, record: &Record) -> bool {
    let at = record.event.occurred_at;
    record.event.status.as_str() == "failure"
        && at >= asked.from
        && at < asked.to
        && asked.filter.matches(&subject(record))
}

fn row(position: u64, record: &Record) -> LoginRow {
    LoginRow {
        position,
        occurred_at: record.event.occurred_at,
        start: Some(record.event.occurred_at),
        end: None,
        activity: record.event.activity.as_str().to_owned(),
        status: record.event.status.as_str().to_owned(),
        status_code: None,
        status_detail: None,
        user_uid: None,
        user_name: record.event.user.name.clone(),
        // As if the directory knew it.
        user_full_name: Some("Ada Example".into()),
        user_email_addr: None,
        name_source: None,
        name_at_sign_in: None,
        name_now: None,
        name_change: None,
        src_ip: record.event.src_endpoint.ip.clone(),
        src_country: None,
        src_city: None,
        client: None,
        user_agent: None,
        device_name: None,
        service_name: None,
        session_uid: record.event.session_uid.clone(),
        is_mfa: None,
        auth_protocol: None,
        logon_type: None,
        source: record.source.clone(),
        format: record.format.clone(),
        native_id: record.event.native_id.as_str().to_owned(),
        revision: 0,
        received_at: record.received_at,
        recorded_at: record.recorded_at,
    }
}

/// A bundle of these rows over the leaves of the log.
fn bundle_of(log: &TestLog, format: ExportFormat, filter: &str, rows: &[u64]) -> Vec<u8> {
    let mut writer = BundleWriter::new(Cursor::new(Vec::new()), format).unwrap();
    writer.rows(&format.header(), 0).unwrap();
    for position in rows.iter().rev() {
        let mut bytes = Vec::new();
        format.row(&row(*position, &log.records[usize::try_from(*position).unwrap()]), &mut bytes);
        writer.rows(&bytes, 1).unwrap();
    }
    let mut before = Frontier::new();
    log.leaves.iter().take(FIRST).for_each(|leaf| before.append(leaf_hash(leaf)));
    for (position, leaf) in log.leaves.iter().enumerate().skip(FIRST) {
        let shown = if rows.contains(&(position as u64)) { Disclose::All } else { Disclose::None };
        writer.leaf(leaf, &shown.of(&log.records[position])).unwrap();
    }
    let asked = asked(filter);
    let exported = Exported {
        origin: ORIGIN.into(),
        vkey: key().verifying_key().to_string(),
        checkpoint: log.note.clone(),
        tree_size: u64::from(SIZE),
        first_position: FIRST as u64,
        peaks: before.peaks().iter().map(ToString::to_string).collect(),
        question: Question {
            query: asked.query.as_str().into(),
            from: asked.from.to_string(),
            to: asked.to.to_string(),
            filter: filter.into(),
            time_zone: "UTC".into(),
        },
        is_about_persons: asked.is_about_persons(),
        exported_by: "auditor".into(),
        exported_at: "2026-11-25T00:00:00.000Z".into(),
    };
    writer.finish(exported).unwrap().0.into_inner()
}

fn right_rows(log: &TestLog, filter: &str) -> Vec<u64> {
    let asked = asked(filter);
    let fits = |(position, record): (usize, &Record)| belongs(&asked, record).then_some(position as u64);
    log.records.iter().enumerate().filter_map(fits).collect()
}

fn check(bundle: &[u8]) -> BundleReport {
    verify(Cursor::new(bundle), &policy(), None)
}

#[test]
fn an_honest_bundle_is_complete() {
    let log = log();
    for format in [ExportFormat::Csv, ExportFormat::Jsonl] {
        let rows = right_rows(&log, "");
        assert_eq!(rows, [25, 30, 35, 40, 45]);
        let report = check(&bundle_of(&log, format, "", &rows));
        assert_eq!(report.findings, []);
        assert_eq!((report.rows, report.excluded, report.undecided, report.rows_undecided), (5, 35, 0, 0));
        assert_eq!((report.first_position, report.tree_size), (20, 60));
    }
    // A filter on what stands in clear changes nothing about that.
    let report = check(&bundle_of(&log, ExportFormat::Csv, "source:erp", &right_rows(&log, "source:erp")));
    assert_eq!((report.findings.as_slice(), report.rows, report.undecided), (&[][..], 5, 0));
}

#[test]
fn what_cannot_be_told_is_counted_and_not_claimed() {
    let log = log();
    for filter in ["user:user4", "ip:192.0.2.40", "-ip:192.0.2.40", "session:session-40", "session-40"] {
        let rows = right_rows(&log, filter);
        let report = check(&bundle_of(&log, ExportFormat::Jsonl, filter, &rows));
        assert_eq!(report.findings, [], "{filter}");
        assert_eq!(
            report.rows + report.undecided,
            5,
            "{filter}: every failure in the range is a row or undecided"
        );
        let manifest = entry(&bundle_of(&log, ExportFormat::Jsonl, filter, &rows), MANIFEST);
        let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
        assert!(manifest.not_proven.iter().any(|line| line.starts_with("completeness")), "{filter}");
        // A row that its own disclosures refute is found all the same.
        let wrong: Vec<u64> = vec![25];
        if !rows.contains(&25) && !filter.contains("user") && filter.contains(':') {
            let report = check(&bundle_of(&log, ExportFormat::Jsonl, filter, &wrong));
            assert!(
                report.findings[0].reason.contains("does not match the question"),
                "{filter}: {:?}",
                report.findings
            );
        }
    }
}

#[test]
fn an_index_that_hides_or_invents_a_row_is_found() {
    let log = log();
    for (rows, reason) in [
        (vec![25, 30, 40, 45], "position 35: the record matches the question and was left out"),
        (vec![25, 30, 35, 36, 40, 45], "position 36: the record does not match the question, and is a row"),
        (vec![5, 25, 30, 35, 40, 45], "position 5 is not among the leaves"),
    ] {
        let report = check(&bundle_of(&log, ExportFormat::Csv, "", &rows));
        assert!(report.findings.iter().any(|one| one.reason == reason), "{reason}: {:?}", report.findings);
    }
}

/// The files of a bundle.
fn entry(bundle: &[u8], name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    ZipArchive::new(Cursor::new(bundle)).unwrap().by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// A bundle whose files are changed by somebody who also mends sizes and hashes in the manifest.
fn forged(bundle: &[u8], change: impl Fn(&str, String) -> String) -> Vec<u8> {
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    let mut manifest: Manifest = serde_json::from_slice(&entry(bundle, MANIFEST)).unwrap();
    for name in [manifest.data.file.clone(), LEAVES.into(), CHECKPOINT.into(), VKEY.into()] {
        let bytes = change(&name, String::from_utf8(entry(bundle, &name)).unwrap()).into_bytes();
        let part = Part {
            file: name.clone(),
            bytes: bytes.len() as u64,
            sha256: hex::encode(sha2::Sha256::digest(&bytes)),
        };
        match name.as_str() {
            LEAVES => manifest.leaves = part,
            CHECKPOINT | VKEY => {}
            _ => manifest.data = part,
        }
        out.start_file(&name, SimpleFileOptions::default()).unwrap();
        out.write_all(&bytes).unwrap();
    }
    out.start_file(MANIFEST, SimpleFileOptions::default()).unwrap();
    let manifest = change(MANIFEST, serde_json::to_string(&manifest).unwrap());
    out.write_all(manifest.as_bytes()).unwrap();
    out.finish().unwrap().into_inner()
}

/// Changes one file of a good bundle, mends sizes and hashes, and wants this reason.
#[track_caller]
fn altered(what: &str, file: &str, change: &dyn Fn(&str) -> String, reason: &str) {
    let log = log();
    let good = bundle_of(&log, ExportFormat::Csv, "", &right_rows(&log, ""));
    let bundle = forged(&good, |name, text| if name == file { change(&text) } else { text });
    let report = check(&bundle);
    let is_named = report.findings.iter().any(|one| one.reason.contains(reason));
    assert!(is_named, "{what}: {:?}", report.findings);
}

#[test]
fn altered_rows_have_their_reason() {
    let log = log();
    let good = bundle_of(&log, ExportFormat::Csv, "", &right_rows(&log, ""));
    assert_eq!(check(&forged(&good, |_, text| text)).findings, []);
    let rows =
        |what: &str, change: &dyn Fn(&str) -> String, reason: &str| altered(what, "data.csv", change, reason);
    let says = "the row does not say what the record says";
    rows("a value", &|text| text.replace("192.0.2.40", "192.0.2.41"), &format!("position 40: {says}"));
    rows("a time", &|text| text.replacen(":20.000Z", ":21.000Z", 1), says);
    rows("a row removed", &|text| drop_line(text, 2), "was left out");
    let twice = |text: &str| text.to_owned() + text.lines().nth(2).unwrap() + "\r\n";
    rows("a row twice", &twice, "stands there twice");
    rows("no position", &|text| text.replacen("position", "place", 1), "a row cannot be read");
}

#[test]
fn altered_leaves_have_their_reason() {
    let leaves =
        |what: &str, change: &dyn Fn(&str) -> String, reason: &str| altered(what, LEAVES, change, reason);
    let root = "they do not have the root of the checkpoint";
    leaves("removed", &|text| drop_line(text, 7), "they end at position 59");
    leaves("swapped", &|text| swap_lines(text, 1, 2), root);
    let twice = |text: &str| text.to_owned() + text.lines().last().unwrap() + "\n";
    leaves("twice", &twice, "they end at position 61");
    leaves("edited", &|text| text.replacen("\\\"time\\\":", "\\\"time\\\":1", 1), root);
    leaves("a disclosure of another", &splice_disclosure, "is not one that the leaf commits to");
    let bare = |text: &str| {
        let lines = text.lines().map(|line| match line.split_once("],\"leaf\"") {
            Some((_, leaf)) => format!("{{\"disclosures\":[],\"leaf\"{leaf}\n"),
            None => format!("{line}\n"),
        });
        lines.collect()
    };
    leaves("disclosures removed", &bare, "the row does not say what the record says");
    leaves("rubbish", &|_| "rubbish\n".into(), "the line is not a leaf with its disclosures");
}

#[test]
fn an_altered_manifest_or_checkpoint_has_its_reason() {
    altered("size", CHECKPOINT, &|text| text.replacen("\n60\n", "\n59\n", 1), "is not valid");
    let signed = "it is not the key that signed the checkpoint";
    altered("the key", VKEY, &|text| text.replacen('+', "x+", 1), signed);
    let end = asked("").to.to_string();
    for (what, from, to, reason) in [
        ("another question", "sign-in-failures", "all-events", "was left out"),
        ("a wider range", end.as_str(), "2030-01-01T00:00:00.000Z", "was left out"),
        ("a later beginning", "\"first_position\":20", "\"first_position\":24", "they end at position 64"),
        ("another peak", "\"peaks\":[\"", "\"peaks\":[\"A", "a peak is not a hash"),
        ("number of rows", "\"rows\":5", "\"rows\":6", "it has 5 rows, the manifest says 6"),
        ("unknown member", "{\"format", "{\"more\":1,\"format", "it is not one of whowas-evidence@1"),
        ("another format", "evidence@1", "evidence@2", "its format is not whowas-evidence@1"),
    ] {
        altered(what, MANIFEST, &|text| text.replacen(from, to, 1), reason);
    }
}

fn drop_line(text: &str, at: usize) -> String {
    text.split_inclusive('\n').enumerate().filter(|(n, _)| *n != at).map(|(_, line)| line).collect()
}

fn swap_lines(text: &str, a: usize, b: usize) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.swap(a, b);
    lines.concat()
}

/// Gives the first row the disclosures of the second.
fn splice_disclosure(text: &str) -> String {
    let mut rows = text.lines().filter(|line| !line.starts_with("{\"disclosures\":[],"));
    let (first, second) = (rows.next().unwrap(), rows.next().unwrap());
    let disclosures = |line: &str| line.split_once("],\"leaf\"").unwrap().0.to_owned();
    text.replacen(&disclosures(first), &disclosures(second), 1)
}

#[test]
fn a_hash_that_is_not_mended_is_named_and_strangers_are_refused() {
    let log = log();
    let good = bundle_of(&log, ExportFormat::Jsonl, "", &right_rows(&log, ""));
    let mut out = ZipWriter::new_append(Cursor::new(good.clone())).unwrap();
    out.start_file("more.txt", SimpleFileOptions::default()).unwrap();
    let report = check(&out.finish().unwrap().into_inner());
    assert_eq!(report.findings[0].reason, "it has other files than the format names");
    let swapped = forged(&good, |name, text| {
        if name == MANIFEST { text.replacen("\"sha256\":\"", "\"sha256\":\"0", 1) } else { text }
    });
    assert!(check(&swapped).findings[0].reason.contains("another size or SHA-256"));
    assert_eq!(check(b"PK\x03\x04 rubbish").findings.len(), 1);
    let stranger = whowas_tlog::note::SigningKey::from_seed("other.example", [1; 32]).unwrap();
    let other = whowas_tlog::policy::Policy::of_log(stranger.verifying_key().clone());
    let report = verify(Cursor::new(&good), &other, None);
    assert!(report.findings[0].reason.contains("the policy trusts no log"), "{:?}", report.findings);
}

#[test]
fn a_kept_checkpoint_within_the_leaves_is_compared() {
    let log = log();
    let good = bundle_of(&log, ExportFormat::Jsonl, "", &right_rows(&log, ""));
    let kept = |leaves: Vec<Vec<u8>>| Note::parse(&TestLog::of_leaves(leaves, &key()).note).unwrap();
    for (size, is_pinned) in [(19, false), (20, true), (40, true), (60, true)] {
        let report = verify(Cursor::new(&good), &policy(), Some(&kept(log.leaves[..size].to_vec())));
        assert_eq!((report.findings.as_slice(), report.is_pinned), (&[][..], is_pinned), "{size}");
    }
    let mut rewritten = log.leaves[..40].to_vec();
    rewritten[3] = b"before the first leaf".to_vec();
    let report = verify(Cursor::new(&good), &policy(), Some(&kept(rewritten)));
    assert!(report.findings[0].reason.contains("history was rewritten"), "{:?}", report.findings);
}

/// A log in which record 55 says that the fields of record 35 were erased.
fn log_with_erasure(count: u8) -> TestLog {
    let mut records: Vec<Record> = (0..SIZE).map(record).collect();
    let said =
        Erasure { records: vec![ErasedAt { position: 35, reach: Reach::All, count }], ..Erasure::default() };
    let one = &mut records[55];
    (one.source, one.format) = (SELF.into(), SELF.into());
    one.event.kind = Kind::Erasure;
    one.event.body = Some(serde_json::Value::from(said.members()).to_string());
    TestLog::of(records)
}

#[test]
fn fields_that_are_gone_must_have_been_erased_by_the_log() {
    let rows = [25, 30, 35, 40, 45];
    let check_erased = |count: u8, reach: Option<Reach>| {
        let mut log = log_with_erasure(count);
        if let Some(reach) = reach {
            erase(&mut log.records[35], reach);
        }
        check(&bundle_of(&log, ExportFormat::Csv, "", &rows))
    };
    // Name, address and session.
    let report = check_erased(3, Some(Reach::All));
    assert_eq!((report.findings.as_slice(), report.rows, report.erased), (&[][..], 5, 1));
    // Nobody said so, or not of so much.
    let missing = "personal fields are not disclosed, and no record says that they were erased";
    let mut log = log();
    erase(&mut log.records[40], Reach::All);
    let report = check(&bundle_of(&log, ExportFormat::Csv, "", &rows));
    assert_eq!(report.findings[0].reason, format!("position 40: 3 {missing}"));
    let report = check_erased(2, Some(Reach::All));
    assert_eq!(report.findings[0].reason, format!("position 35: 1 {missing}"));
    let report = check_erased(3, Some(Reach::NotUser));
    let shown = "position 35: it discloses fields of which record 55 says that they were erased";
    assert_eq!(report.findings[0].reason, shown);
    assert_eq!(check_erased(3, None).findings[0].reason, shown);
}

/// Any flipped bit of the zip: found, or without effect on what is believed.
#[test]
fn flipped_bits_are_found_or_harmless() {
    let log = log();
    let good = bundle_of(&log, ExportFormat::Csv, "", &right_rows(&log, ""));
    let report = check(&good);
    let step = good.len() / 700;
    for at in (0..good.len()).step_by(step.max(1)) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        let found = check(&bad);
        assert!(!found.findings.is_empty() || found == report, "byte {at}: {found:?}");
    }
}

/// With every field disclosed a leaf is judged as the reference evaluator judges the record.
#[test]
fn a_whole_leaf_is_judged_like_the_record() {
    let mut writer = LeafWriter::new();
    for filter in [
        "",
        "status:failure",
        "-status:failure",
        "ip:192.0.2.0/27",
        "-ip:192.0.2.0/27",
        "session:session-3*",
        "after:2026-09-21T14:20:00Z",
        "user:user3",
        "mfa:no",
        "erp",
        "city:x",
        "-city:x",
    ] {
        for n in 0..SIZE {
            let mut record = record(n);
            record.event.activity = if n % 2 == 0 { Activity::Logon } else { Activity::Logoff };
            let leaf = Leaf::parse(writer.leaf(&record)).unwrap();
            let texts = Disclose::All.of(&record);
            let disclosed = leaf.disclosed(texts.iter().map(String::as_str)).unwrap();
            let (from, to) = (Time::from_ms(0).unwrap(), Time::from_ms(4_000_000_000_000).unwrap());
            let asked =
                Asked { query: NamedQuery::AllEvents, from, to, filter: Filter::parse(filter).unwrap() };
            let expected = asked.filter.matches(&subject(&record));
            match asked.judge(&Known::new(&leaf, &disclosed)) {
                Verdict::Matches => assert!(expected, "{filter} {n}"),
                Verdict::Differs => assert!(!expected, "{filter} {n}"),
                Verdict::Undecided => assert!(["user:user3", "erp"].contains(&filter), "{filter} {n}"),
            }
            // Nothing disclosed: what is still told is right too.
            let nothing = serde_json::Map::new();
            match asked.judge(&Known::new(&leaf, &nothing)) {
                Verdict::Matches => assert!(expected, "{filter} {n}"),
                Verdict::Differs => assert!(!expected, "{filter} {n}"),
                Verdict::Undecided => {}
            }
        }
    }
}
