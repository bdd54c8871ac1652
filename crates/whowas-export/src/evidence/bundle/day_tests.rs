//! Days that the log states: bundles and copies compare them with the leaves.

use std::io::Cursor;

use whowas_event::{
    Event, Kind, NativeId, Record, Time,
    daily::{Day, DayState, DaySum, Statement},
    erasure::SELF,
    jcs,
};
use whowas_tlog::{hash::leaf_hash, tree::Frontier};

use super::*;
use crate::{
    ExportFormat,
    evidence::{
        copy,
        testlog::{ORIGIN, TestLog, key, policy, record},
    },
};

const DAY: &str = "2026-09-21T00:00:00Z";

fn day() -> Day {
    Day::of(Time::parse_rfc3339(DAY).unwrap()).unwrap()
}

/// Twelve sign-ins of the day, which have these positions.
fn sign_ins() -> Vec<Record> {
    (0..12).map(record).collect()
}

/// What a manifest of the day would say if the sign-ins at these positions were all.
fn said(records: &[Record], positions: &[usize], revision: u64) -> Statement {
    let mut writer = whowas_event::LeafWriter::new();
    let mut sum = DaySum::default();
    positions.iter().for_each(|at| sum.add(&leaf_hash(writer.leaf(&records[*at])).0));
    let (count, digest) = sum.finish();
    let tree_size = records.len() as u64;
    Statement { day: day(), revision, tree_size, count, digest, state: DayState::Closed }
}

fn manifest(said: &Statement) -> Record {
    let event = Event {
        kind: Kind::Coverage,
        occurred_at: day().end(),
        native_id: NativeId::Derived(format!("day:{}:{}", said.day, said.revision)),
        body: Some(jcs::canonical(&said.to_body()).unwrap()),
        ..Event::default()
    };
    Record { event, source: SELF.into(), format: SELF.into(), ..record(0) }
}

/// The whole log from `first` on, for a question about that day to which nothing is the answer.
fn bundle_of(log: &TestLog, first: usize) -> BundleReport {
    let format = ExportFormat::Csv;
    let mut writer = BundleWriter::new(Cursor::new(Vec::new()), format).unwrap();
    writer.rows(&format.header(), 0).unwrap();
    let mut before = Frontier::new();
    log.leaves.iter().take(first).for_each(|leaf| before.append(leaf_hash(leaf)));
    log.leaves.iter().skip(first).for_each(|leaf| writer.leaf(leaf, &[]).unwrap());
    let exported = Exported {
        origin: ORIGIN.into(),
        vkey: key().verifying_key().to_string(),
        checkpoint: log.note.clone(),
        tree_size: log.leaves.len() as u64,
        first_position: first as u64,
        peaks: before.peaks().iter().map(ToString::to_string).collect(),
        question: Question {
            query: "all-events".into(),
            from: day().start().to_string(),
            to: day().end().to_string(),
            filter: "source:elsewhere".into(),
            time_zone: "UTC".into(),
        },
        is_about_persons: false,
        exported_by: "auditor".into(),
        exported_at: "2026-11-25T00:00:00.000Z".into(),
    };
    let bundle = writer.finish(exported).unwrap().0.into_inner();
    verify(Cursor::new(bundle), &policy(), None)
}

fn copy_of(log: &TestLog) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    log.write(folder.path());
    let report = copy::verify(folder.path(), &policy(), None);
    report.findings.into_iter().map(|found| found.reason).collect()
}

const ALL: [usize; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

#[test]
fn a_stated_day_is_counted_from_the_leaves() {
    let mut records = sign_ins();
    let first = said(&records, &ALL, 0);
    records.push(manifest(&first));
    let log = TestLog::of(records.clone());
    let report = bundle_of(&log, 0);
    assert_eq!((report.findings, report.days, report.days_late), (vec![], 1, 0));
    // What comes later for that day can be seen, and is no lie; then it is stated again.
    records.push(record(12));
    let report = bundle_of(&TestLog::of(records.clone()), 0);
    assert_eq!((report.findings, report.days, report.days_late), (vec![], 1, 1));
    let positions: Vec<usize> = ALL.into_iter().chain([13]).collect();
    records.push(manifest(&said(&records, &positions, 1)));
    let log = TestLog::of(records);
    let report = bundle_of(&log, 0);
    assert_eq!((report.findings, report.days, report.days_late), (vec![], 1, 0));
    assert_eq!(copy_of(&log), [""; 0]);
}

/// Rows of the tamper matrix that only somebody with the log's key can arrange: the root is right in all of them.
#[test]
fn a_manifest_that_lies_or_is_missing_and_a_slipped_in_record_are_named() {
    let records = sign_ins();
    let mut twice = records.clone();
    twice.push(manifest(&said(&records, &ALL, 0)));
    twice.push(manifest(&said(&twice, &ALL, 0)));
    let mut removed = records.clone();
    removed.push(manifest(&said(&records, &ALL, 1)));
    // A record slipped in among those of a stated day, everything after it moved on, and all signed anew.
    let mut slipped = records.clone();
    slipped.insert(5, record(40));
    slipped.push(manifest(&Statement { tree_size: 13, ..said(&records, &ALL, 0) }));
    // One of them taken away instead.
    let mut taken = records.clone();
    taken.remove(5);
    taken.push(manifest(&Statement { tree_size: 11, ..said(&records, &ALL, 0) }));
    // Put in the place of another one: the number is right.
    let mut swapped = records.clone();
    swapped[5] = record(40);
    swapped.push(manifest(&said(&records, &ALL, 0)));
    let mut ahead = records.clone();
    ahead.push(manifest(&Statement { tree_size: 14, ..said(&records, &ALL, 0) }));
    let mut unread = records.clone();
    unread.push(manifest(&said(&records, &ALL, 0)));
    let body = unread[12].event.body.take().unwrap().replace("closed", "shut");
    unread[12].event.body = Some(body);
    for (what, records, reason) in [
        (
            "a number that is too small",
            with(&records, &ALL[1..]),
            "states 11 sign-ins, and the first 12 leaves have 12",
        ),
        ("stated twice", twice, "is revision 0, and revision 1 would be next"),
        ("the first manifest removed", removed, "is revision 1, and revision 0 would be next"),
        ("slipped in", slipped, "states 12 sign-ins, and the first 13 leaves have 13"),
        ("taken away", taken, "states 12 sign-ins, and the first 11 leaves have 11"),
        ("in the place of another", swapped, "states other sign-ins than the leaves have"),
        ("of a tree that is not there yet", ahead, "speaks of a tree that is not one of the last before it"),
        ("unreadable", unread, "in a way that this version does not read"),
    ] {
        let log = TestLog::of(records);
        let found: Vec<String> = bundle_of(&log, 0).findings.into_iter().map(|one| one.reason).collect();
        assert!(matches!(found.as_slice(), [one] if one.contains(reason)), "{what}, bundle: {found:?}");
        let found = copy_of(&log);
        assert!(matches!(found.as_slice(), [one] if one.contains(reason)), "{what}, copy: {found:?}");
    }
}

fn with(records: &[Record], positions: &[usize]) -> Vec<Record> {
    records.iter().cloned().chain([manifest(&said(records, positions, 0))]).collect()
}

#[test]
fn a_bundle_that_begins_later_says_of_which_days_it_lacks_records() {
    let records = sign_ins();
    let log = TestLog::of(with(&records, &ALL));
    let report = bundle_of(&log, 3);
    assert_eq!((report.findings, report.days, report.days_before), (vec![], 0, 1));
    // What lies before the first leaf may be another day's: then nothing is missing.
    let mut records = sign_ins();
    let other = Time::parse_rfc3339("2026-09-20T10:00:00Z").unwrap();
    records.iter_mut().take(3).for_each(|record| record.event.occurred_at = other);
    let report = bundle_of(&TestLog::of(with(&records, &ALL[3..])), 3);
    assert_eq!((report.findings, report.days, report.days_before), (vec![], 1, 0));
}
