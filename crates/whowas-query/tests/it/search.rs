//! Searches: ranges, order, pages, ends of sessions, names, exports, SQL.

use futures::TryStreamExt;
use whowas_query::{Engine, Filter, LoginRequest, NameSource, NamedQuery};

use crate::world::{NOW_MS, append, at, event, search, trail};

const HOUR_MS: i64 = 3_600_000;

#[tokio::test]
async fn the_default_is_the_last_seven_days_newest_first_with_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, trail) = trail(folder.path(), 300).await;
    let page = search(&trail, &LoginRequest { limit: 500, ..LoginRequest::default() }).await;
    // 168 hours: events 0 to 167 without the logoffs; the event at `now` itself is in.
    assert_eq!((page.total, page.rows.len(), page.next), (84, 84, None));
    assert_eq!((page.from, page.to), (at(NOW_MS + 1 - 168 * HOUR_MS), at(NOW_MS + 1)));
    assert!(page.rows.is_sorted_by(|a, b| a.occurred_at > b.occurred_at));
    // Event 2k starts session k an hour after event 2k + 1 ended it: no end is invented from the past.
    assert!(page.rows.iter().all(|row| row.end.is_none() && row.start == Some(row.occurred_at)));
    // Sign-outs that come later: by the same person, by nobody in particular, and by somebody else, whose
    // session of that name is another one.
    let late = |session: u64, id: &str, by: Option<u64>| {
        let mut late = event(by.unwrap_or(0));
        late.occurred_at = at(NOW_MS);
        late.session_uid = Some(format!("session-{session}"));
        late.activity = whowas_event::Activity::Logoff;
        late.native_id = whowas_event::NativeId::Given(id.into());
        if by.is_none() {
            late.user = whowas_event::User::default();
        }
        late
    };
    let all = vec![late(3, "same", Some(6)), late(5, "nobody", None), late(8, "other", Some(17))];
    append(&trail, all).await;
    for (session, end) in [(3, Some(at(NOW_MS))), (5, Some(at(NOW_MS))), (8, None)] {
        let filter = Filter::parse(&format!("session:session-{session}")).unwrap();
        let page = search(&trail, &LoginRequest { filter, ..LoginRequest::default() }).await;
        assert_eq!(page.rows[0].end, end, "{session}");
    }
}

#[tokio::test]
async fn pages_join_without_gap_and_do_not_shift_while_records_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, trail) = trail(folder.path(), 300).await;
    let request = LoginRequest {
        query: NamedQuery::AllEvents,
        from: Some(at(0)),
        to: Some(at(NOW_MS + 1)),
        limit: 7,
        ..LoginRequest::default()
    };
    let mut seen = Vec::new();
    let mut page = search(&trail, &request).await;
    loop {
        assert_eq!(page.total, 300);
        seen.extend(page.rows.iter().map(|row| row.native_id.clone()));
        let Some(next) = page.next else { break };
        let mut newer = event(1);
        newer.native_id = whowas_event::NativeId::Given(format!("arrives-{}", seen.len()));
        append(&trail, vec![newer]).await;
        page = search(&trail, &LoginRequest { page: Some(next), ..request.clone() }).await;
    }
    let want: Vec<String> = (0..300).map(|n| format!("native-{n}")).collect();
    assert_eq!(seen, want);
}

#[tokio::test]
async fn names_come_from_the_record_or_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, trail) = trail(folder.path(), 40).await;
    let all = LoginRequest { query: NamedQuery::AllEvents, limit: 100, ..LoginRequest::default() };
    for row in search(&trail, &all).await.rows {
        match row.user_uid.as_deref().map(|uid| uid[34..].to_owned()).as_deref() {
            Some("06") => {
                assert_eq!(row.name_source, Some(NameSource::Directory));
                assert_eq!(row.user_full_name.as_deref(), Some("Person 6"));
                assert_eq!(row.user_email_addr.as_deref(), Some("person.6@contoso.example"));
            }
            Some("01") => assert_eq!(row.name_source, Some(NameSource::Record)),
            Some("10") => assert_eq!((row.name_source, row.user_name), (None, None)),
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_export_has_every_row_of_the_search() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, trail) = trail(folder.path(), 300).await;
    let request = LoginRequest { from: Some(at(0)), limit: 500, ..LoginRequest::default() };
    let stream = Engine::new().unwrap().stream_logins(&trail, &request, at(NOW_MS)).await.unwrap();
    let exported: Vec<_> = stream.try_collect::<Vec<_>>().await.unwrap().concat();
    assert_eq!(exported, search(&trail, &request).await.rows);
    assert_eq!(exported.len(), 150);
}

#[tokio::test]
async fn sql_reads_and_never_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, trail) = trail(folder.path(), 100).await;
    let engine = Engine::new().unwrap();
    let rows = |sql: &'static str| {
        let (engine, trail) = (engine.clone(), trail.clone());
        async move {
            let batches: Vec<_> = engine.sql(&trail, sql, at(NOW_MS)).await?.try_collect().await?;
            Ok::<_, whowas_query::QueryError>(batches.iter().map(|batch| batch.num_rows()).sum::<usize>())
        }
    };
    assert_eq!(rows("SELECT position FROM logins WHERE status = 'failure'").await.unwrap(), 10);
    assert_eq!(rows("SELECT * FROM records").await.unwrap(), 104);
    // Every second event is a sign-in, every tenth of all is a failure.
    assert_eq!(rows("SELECT * FROM sessions").await.unwrap(), 40);
    assert_eq!(rows("SELECT 1 FROM sessions s JOIN users u ON s.user_id = u.user_uid").await.unwrap(), 30);
    for bad in [
        "DROP TABLE logins",
        "INSERT INTO logins SELECT * FROM logins",
        "SELECT * FROM nothing",
        "COPY logins TO 'x.csv'",
        "CREATE TABLE t (a INT)",
        "SELECT",
    ] {
        assert!(rows(bad).await.is_err(), "{bad}");
    }
}

#[tokio::test]
async fn mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, trail) = trail(folder.path(), 10).await;
    let engine = Engine::new().unwrap();
    let ask = |request| {
        let (engine, trail) = (engine.clone(), trail.clone());
        async move { engine.logins(&trail, &request, at(NOW_MS)).await.unwrap_err().to_string() }
    };
    let empty = LoginRequest { from: Some(at(5)), to: Some(at(5)), ..LoginRequest::default() };
    assert!(ask(empty).await.starts_with("the range is empty"));
    let token = LoginRequest { page: Some("bogus".into()), ..LoginRequest::default() };
    assert!(ask(token).await.contains("page token"));
}
