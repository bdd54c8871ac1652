//! How fast NDJSON becomes drafts.

#![allow(missing_docs, reason = "criterion's macros make functions without documentation")]

use std::{fmt::Write as _, hint::black_box};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use whowas_event::Time;
use whowas_format::{Input, Item, Options, read_all};

/// Records of one input.
const RECORDS: u64 = 10_000;

fn ndjson() -> String {
    let mut text = String::new();
    for n in 0..RECORDS {
        let line = format_args!(
            r#"{{"native_id":"n-{n:08}","occurred_at":"2026-11-20T08:{:02}:{:02}.250Z","activity":"logon","status":"success","user":{{"uid":"u-{:05}","name":"user{:05}@contoso.example","full_name":"User Number {:05}"}},"src_endpoint":{{"ip":"10.1.{}.{}"}},"user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64)","service":{{"name":"Dynamics 365"}},"session":{{"uid":"s-{n:08}"}},"environment":"production"}}"#,
            n / 60 % 60,
            n % 60,
            n % 977,
            n % 977,
            n % 977,
            n % 200,
            n % 250,
        );
        writeln!(text, "{line}").expect("writing to a string does not fail");
    }
    text
}

fn parsing(criterion: &mut Criterion) {
    let text = ndjson();
    let options = Options {
        source_timezone: jiff::tz::TimeZone::UTC,
        date_order: None,
        received_at: Time::default(),
        file_time: Time::default(),
    };
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(RECORDS));
    group.bench_function("whowas-event", |b| {
        b.iter(|| {
            let mut drafts = 0;
            let mut bytes = text.as_bytes();
            let read = read_all(Input::Stream(&mut bytes), "bench", None, &options, &mut |item| {
                drafts += u64::from(matches!(black_box(item), Item::Draft(..)));
                Ok(())
            });
            assert!(read.is_ok() && drafts == RECORDS);
        });
    });
    group.finish();
}

criterion_group!(benches, parsing);
criterion_main!(benches);
