//! The session that a record belongs to, asked by any of its records.

use std::collections::BTreeMap;

use whowas_query::{Engine, SessionQuery, SessionRequest};

use whowas_event::{Activity, Event};

use crate::world::{NOW_MS, append, at, event, trail};

/// A session of three records, of which one is late.
fn session(n: u64) -> Vec<Event> {
    let make = |step: u64, activity: Activity, minutes: i64| {
        let mut one = event(1_000 + n * 10);
        one.native_id = whowas_event::NativeId::Given(format!("own-{n}-{step}"));
        one.session_uid = Some(format!("own-{n}"));
        one.status = whowas_event::Status::Success;
        one.activity = activity;
        one.occurred_at = one.occurred_at.saturating_add_ms(minutes * 60_000);
        one
    };
    vec![make(0, Activity::Logoff, 50), make(1, Activity::Logon, 0), make(2, Activity::Other, 20)]
}

#[tokio::test]
async fn every_record_of_a_session_leads_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = trail(folder.path(), 300).await;
    append(&trail, (0..20).flat_map(session).collect()).await;
    let engine = Engine::new().unwrap();
    let now = at(NOW_MS + 1);
    let mut owner: BTreeMap<u64, u64> = BTreeMap::new();
    for query in [SessionQuery::Sessions, SessionQuery::LogoffWithoutLogon] {
        let request = SessionRequest { query, from: Some(at(0)), limit: 10_000, ..SessionRequest::default() };
        let page = engine.sessions(&trail, &request, now).await.unwrap();
        assert!(page.total > 0, "{query:?}");
        for row in page.rows {
            let found = engine.session_at(&trail, row.position, now).await.unwrap().unwrap();
            assert_eq!(found.session, row);
            assert_eq!((found.records.len(), found.is_complete), (found.record_count, true));
            assert_eq!(found.records.first().map(|record| record.position), Some(row.position));
            for record in &found.records {
                assert_eq!(owner.insert(record.position, row.position), None, "a record is in one session");
            }
        }
    }
    assert_eq!(owner.iter().filter(|(record, start)| record != start).count(), 40);
    for position in 0..trail.snapshot().size + 1 {
        let found = engine.session_at(&trail, position, now).await.unwrap();
        assert_eq!(found.map(|found| found.session.position), owner.get(&position).copied(), "{position}");
    }
    drop(store);
}

/// A session that goes on and on, in a lane that is longer than what is looked at.
#[tokio::test]
async fn a_long_session_is_found_by_a_late_record_and_says_that_it_has_more() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = trail(folder.path(), 12).await;
    let first = trail.snapshot().size;
    let long: Vec<Event> = (0..4_200)
        .map(|n: i64| {
            let [_, mut one, _] = <[Event; 3]>::try_from(session(1)).unwrap();
            one.native_id = whowas_event::NativeId::Given(format!("long-{n}"));
            one.activity = if n == 0 { Activity::Logon } else { Activity::Other };
            one.occurred_at = one.occurred_at.saturating_add_ms(n * 1_000);
            one
        })
        .collect();
    append(&trail, long).await;
    let engine = Engine::new().unwrap();
    let now = at(NOW_MS + 1);
    let found = engine.session_at(&trail, first, now).await.unwrap().unwrap();
    assert_eq!((found.session.position, found.record_count, found.is_complete), (first, 4_096, false));
    assert_eq!(found.records.len(), whowas_query::SESSION_RECORDS_MAX);
    let middle = engine.session_at(&trail, first + 2_000, now).await.unwrap().unwrap();
    assert_eq!(middle.session.position, first);
    drop(store);
}
