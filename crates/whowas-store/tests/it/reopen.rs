//! A trail that is opened anew while it is held: whoever has it goes on with it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::Map;
use whowas_event::{Erasure, Kind, Reach};
use whowas_store::{Batch, ErasureOrder, StoreError, WhenFull, control::Outage, erase::add};

use crate::world::{append, audit, login, name, open};

fn batch(n: u64) -> Batch {
    let (source, format) = ("test".to_owned(), "test".to_owned());
    Batch { source, format, received_at: whowas_event::Time::default(), records: vec![login(n)] }
}

/// Erasing position 0, with nobody's name.
async fn order(trail: &whowas_store::Trail) -> ErasureOrder {
    let erasure = trail
        .visit(Erasure::default(), |erasure, position, record, _| {
            if position == 0 {
                add(erasure, position, record, Reach::All);
            }
        })
        .await
        .unwrap();
    ErasureOrder {
        kind: Kind::Erasure,
        erasure,
        body: Map::new(),
        user: "tester".into(),
        personal: Map::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_wait_for_it_or_are_told_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, (0..50).map(login).collect()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers = [WhenFull::Wait, WhenFull::Fail].map(|when_full| {
        let (trail, stop) = (trail.clone(), stop.clone());
        tokio::spawn(async move {
            let (mut recorded, mut busy) = (0_u64, 0_u64);
            let start = if when_full == WhenFull::Wait { 1000 } else { 500_000 };
            while !stop.load(Ordering::SeqCst) {
                match trail.append(batch(start + recorded), when_full).await {
                    Ok(receipt) => recorded += receipt.recorded,
                    Err(StoreError::Busy) if when_full == WhenFull::Fail => busy += 1,
                    Err(error) => panic!("{when_full:?}: {error}"),
                }
                tokio::task::yield_now().await;
            }
            (recorded, busy)
        })
    });
    for round in 0..3 {
        // Everything of the record is erased by the first; a new key each time.
        if round == 0 {
            store.erase(&name(), order(&trail).await).await.unwrap();
        }
        store.rotate_key(&name(), "tester".into(), Map::new()).await.unwrap();
        assert_eq!(trail.poisoned(), None);
    }
    stop.store(true, Ordering::SeqCst);
    let mut recorded = 0;
    for writer in writers {
        let (some, busy) = writer.await.unwrap();
        println!("{some} recorded, {busy} told to come back");
        assert!(some > 0);
        recorded += some;
    }
    // The records of one erasure and of three keys; nothing twice, nothing lost.
    assert_eq!(trail.snapshot().size, 50 + recorded + 4);
    assert!(trail.snapshot().erased.contains(0));
    assert!(!trail.is_being_erased());
    store.close().await.unwrap();
    assert!(matches!(trail.append(batch(9_999_999), WhenFull::Wait).await, Err(StoreError::Poisoned(_))));
    assert_eq!(audit(&store).await.findings, []);
}

#[tokio::test]
async fn an_outage_is_told_once_and_nothing_else_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = open(folder.path()).await;
    append(&trail, vec![login(1)]).await;
    // A trail that works, and one that stopped for a reason that room does not mend.
    assert!(!store.recover(&name()).await.unwrap());
    let at = |ms| whowas_event::Time::from_ms(ms).unwrap();
    let outage = Outage { began_at: at(1000), ended_at: at(2000), submissions: 3, records: 600 };
    for _ in 0..2 {
        // As after a crash between the record and forgetting why there is one.
        store.control().keep_outage(&name(), &outage).await.unwrap();
        store.tell_outages(&name()).await.unwrap();
        assert_eq!(store.control().outages(&name()).await.unwrap(), []);
    }
    let told = trail.records(1..trail.snapshot().size).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].event.kind, Kind::Coverage);
    let body: serde_json::Value = serde_json::from_str(told[0].event.body.as_deref().unwrap()).unwrap();
    assert_eq!((&body["refused_records"], &body["reason"]), (&600.into(), &"no_space".into()), "{body}");
    trail.stop("a witness knows more");
    assert!(!trail.is_without_space());
    assert!(!store.recover(&name()).await.unwrap());
    assert!(trail.poisoned().is_some());
    assert!(matches!(trail.append(batch(2), WhenFull::Wait).await, Err(StoreError::Poisoned(_))));
    store.close().await.unwrap();
    assert_eq!(audit(&store).await.findings, []);
}
