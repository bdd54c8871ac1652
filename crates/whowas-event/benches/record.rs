//! What one record costs before anything is written: admission, its content digest, its leaf.

#![allow(missing_docs, reason = "criterion's macros make functions without documentation")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use whowas_event::{
    Activity, Draft, Event, LeafWriter, NativeId, Record, Status, Time, admit, admit::RawData, content_digest,
};

/// A sign-in with the fields that most sources give: ten personal ones.
fn event() -> Event {
    let mut event = Event {
        occurred_at: Time::from_ms(1_790_000_000_000).expect("a time of this century"),
        native_id: NativeId::Given("6f1c2f5e-8f2b-4a3a-9a37-5f5d7f0f2f11".into()),
        activity: Activity::Logon,
        status: Status::Success,
        user_agent: Some("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36".into()),
        session_uid: Some("8e1b58a0-52a1-4c53-b5a8-3f6f51f0a7b2".into()),
        ..Event::default()
    };
    event.user.uid = Some("0b6d2b8c-7a55-4f0e-9d33-8c1f5d2e0a11".into());
    event.user.name = Some("ada.lovelace@contoso.example".into());
    event.user.full_name = Some("Ada Lovelace".into());
    event.user.email_addr = Some("ada.lovelace@contoso.example".into());
    event.src_endpoint.ip = Some("192.0.2.17".into());
    event.src_endpoint.location.country = Some("CH".into());
    event.device.os = Some("Windows 11".into());
    event.service.name = Some("Dynamics 365".into());
    event.unmapped = Some("{\"environment\":\"production\"}".into());
    event
}

fn record() -> Record {
    Record {
        event: event(),
        source: "entra".into(),
        format: "entra-graph".into(),
        revision: 0,
        received_at: Time::default(),
        recorded_at: Time::default(),
        salt: [7; 16],
        raw_data_hash: None,
        erased: None,
    }
}

fn records(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Elements(1));
    let draft = Draft { event: event(), raw: vec![b'x'; 600] };
    group.bench_function("admit", |b| b.iter(|| admit(black_box(draft.clone()), RawData::Kept)));
    let record = record();
    group.bench_function("content_digest", |b| b.iter(|| content_digest(&[1; 32], black_box(&record.event))));
    let mut writer = LeafWriter::new();
    group.bench_function("leaf", |b| b.iter(|| writer.leaf(black_box(&record)).len()));
    group.finish();
}

criterion_group!(benches, records);
criterion_main!(benches);
