//! The suite that every control database must pass.

use sqlx::Connection;
use whowas_event::{Kind, Time};
use whowas_store::{
    Person, StoreError,
    control::{
        Commit, Control, CoverageChange, Environment, ErasureEntry, Export, ExportState, Hold, Outage,
        Progress, Rejected, SavedQuery, Scope, Scrub, SessionKind, SqliteControl, StoredAlarm, StoredArchive,
        StoredWindow, Token,
    },
};

use crate::world::name;

fn at(ms: i64) -> Time {
    Time::from_ms(ms).unwrap()
}

fn environment() -> Environment {
    Environment {
        name: name(),
        origin: "log.example/contoso/production".into(),
        secret: [7; 32],
        created_at: at(5),
        size: 0,
        checkpoint: "empty".into(),
        last_recorded_at: Time::default(),
    }
}

async fn conforms(control: &dyn Control) {
    environments_commit_by_compare_and_swap(control).await;
    progress_is_committed_with_the_checkpoint(control).await;
    windows_of_schedules_are_committed_or_not(control).await;
    alarms_are_kept_until_forgotten(control).await;
    rejected_records_are_kept_until_resolved(control).await;
    tokens_are_found_by_secret_until_revoked(control).await;
    sessions_end_once(control).await;
    holds_are_in_force_until_released(control).await;
    exports_change_by_compare_and_swap(control).await;
    saved_queries_have_one_title_for_each_owner(control).await;
    erasures_are_done_once_what_they_take_is_gone(control).await;
    outages_are_kept_until_they_are_told(control).await;
}

async fn outages_are_kept_until_they_are_told(control: &dyn Control) {
    let outage =
        |began_at, records| Outage { began_at: at(began_at), ended_at: at(50), submissions: 2, records };
    control.keep_outage(&name(), &outage(9, 7)).await.unwrap();
    control.keep_outage(&name(), &outage(4, 1)).await.unwrap();
    control.keep_outage(&name(), &outage(9, 8)).await.unwrap();
    assert_eq!(control.outages(&name()).await.unwrap(), [outage(4, 1), outage(9, 8)]);
    assert_eq!(control.outages(&"contoso/other".parse().unwrap()).await.unwrap(), []);
    control.forget_outage(&name(), &outage(4, 1)).await.unwrap();
    assert_eq!(control.outages(&name()).await.unwrap(), [outage(9, 8)]);
    control.forget_outage(&name(), &outage(9, 8)).await.unwrap();
}

async fn environments_commit_by_compare_and_swap(control: &dyn Control) {
    assert_eq!(control.environment(&name()).await.unwrap(), None);
    control.create_environment(&environment()).await.unwrap();
    assert!(matches!(control.create_environment(&environment()).await, Err(StoreError::Invalid(_))));
    // Written with the swap, and never put back.
    let recorded_at = at(77);
    let person = Person { id: "p".into(), uid: Some("u".into()), position: 3, ..Person::default() };
    let commit = Commit {
        expected_size: 0,
        size: 9,
        checkpoint: "nine".into(),
        people: vec![person.clone()],
        recorded_at,
        ..Commit::default()
    };
    assert!(control.commit(&name(), &commit).await.unwrap());
    // The loser changes nothing, not even the people.
    let late = Commit { people: vec![Person { id: "q".into(), ..person.clone() }], size: 4, ..commit };
    assert!(!control.commit(&name(), &late).await.unwrap());
    let now = control.environment(&name()).await.unwrap().unwrap();
    assert_eq!((now.size, now.checkpoint.as_str(), now.secret), (9, "nine", [7; 32]));
    assert_eq!(control.people(&name()).await.unwrap(), std::slice::from_ref(&person));
    let renamed = Person { name: Some("new".into()), position: 12, ..person };
    let commit = Commit {
        expected_size: 9,
        size: 13,
        checkpoint: "13".into(),
        people: vec![renamed.clone()],
        ..Commit::default()
    };
    assert!(control.commit(&name(), &commit).await.unwrap());
    assert_eq!(control.people(&name()).await.unwrap(), [renamed]);
    let last = control.environments().await.unwrap().pop().unwrap();
    assert_eq!((last.name, last.last_recorded_at), (name(), at(77)));
}

async fn progress_is_committed_with_the_checkpoint(control: &dyn Control) {
    let window = |from, to, entry: &str| StoredWindow { from: at(from), to: at(to), entry: entry.into() };
    let change = |from, to, windows| Some(CoverageChange { from: at(from), to: at(to), windows });
    let first = Progress {
        source: "entra".into(),
        stream: "interactive".into(),
        cursor: Some("page 1".into()),
        summary: Some("new".into()),
        coverage: change(0, 40, vec![window(0, 10, "a"), window(10, 20, "b"), window(20, 40, "c")]),
        archived: None,
    };
    let commit = |expected_size, progress| Commit {
        expected_size,
        size: 13,
        checkpoint: "13".into(),
        progress: vec![progress],
        ..Commit::default()
    };
    assert!(control.commit(&name(), &commit(13, first.clone())).await.unwrap());
    // A writer that lost its race changes nothing here either.
    let lost = Progress { cursor: Some("page 9".into()), coverage: change(0, 40, vec![]), ..first.clone() };
    assert!(!control.commit(&name(), &commit(9, lost)).await.unwrap());
    let windows = async |from, to| {
        control.windows(&name(), ("entra", "interactive"), (at(from), at(to))).await.unwrap()
    };
    assert_eq!(windows(10, 20).await, [window(10, 20, "b")]);
    assert_eq!(windows(15, 21).await, [window(10, 20, "b"), window(20, 40, "c")]);
    assert_eq!((windows(40, 90).await, windows(0, 90).await.len()), (vec![], 3));
    let split = change(10, 20, vec![window(10, 15, "d"), window(15, 20, "e")]);
    let second = Progress { cursor: None, summary: Some("old".into()), coverage: split, ..first };
    assert!(control.commit(&name(), &commit(13, second)).await.unwrap());
    let entries: Vec<_> = windows(0, 90).await.into_iter().map(|window| window.entry).collect();
    assert_eq!(entries, ["a", "d", "e", "c"]);
    let streams = control.streams(&name()).await.unwrap();
    let [stream] = streams.as_slice() else { panic!("{streams:?}") };
    assert_eq!((stream.cursor.as_deref(), stream.summary.as_deref()), (Some("page 1"), Some("old")));
    let rebuilt = Progress {
        source: "files".into(),
        coverage: change(5, 6, vec![window(5, 6, "z")]),
        ..Progress::default()
    };
    control.replace_coverage(&name(), &[rebuilt]).await.unwrap();
    assert_eq!(windows(0, 90).await, []);
    let streams = control.streams(&name()).await.unwrap();
    let kept: Vec<_> = streams.iter().map(|one| (one.source.as_str(), one.cursor.as_deref())).collect();
    assert_eq!(kept, [("entra", Some("page 1")), ("files", None)]);
}

async fn windows_of_schedules_are_committed_or_not(control: &dyn Control) {
    let archived = |from, entry: &str| StoredArchive {
        schedule: "weekly".into(),
        from: at(from),
        to: at(from + 7),
        entry: entry.into(),
    };
    let size = control.environment(&name()).await.unwrap().unwrap().size;
    let commit = |expected_size, one| Commit {
        expected_size,
        size,
        checkpoint: "same".into(),
        progress: vec![Progress { archived: Some(one), ..Progress::default() }],
        ..Commit::default()
    };
    let streams = control.streams(&name()).await.unwrap().len();
    assert!(!control.commit(&name(), &commit(size + 1, archived(0, "lost"))).await.unwrap());
    assert_eq!(control.archived(&name()).await.unwrap(), []);
    control.keep_archived(&name(), &archived(7, "failed")).await.unwrap();
    assert!(control.commit(&name(), &commit(size, archived(0, "done"))).await.unwrap());
    control.keep_archived(&name(), &archived(7, "done")).await.unwrap();
    assert_eq!(control.archived(&name()).await.unwrap(), [archived(0, "done"), archived(7, "done")]);
    assert_eq!(control.streams(&name()).await.unwrap().len(), streams, "a schedule is no source");
}

async fn alarms_are_kept_until_forgotten(control: &dyn Control) {
    let alarm = |event: &str, entry: &str| StoredAlarm {
        alarm: "on call".into(),
        event: event.into(),
        entry: entry.into(),
    };
    control.keep_alarm(&name(), &alarm("b", "raised")).await.unwrap();
    control.keep_alarm(&name(), &alarm("a", "raised")).await.unwrap();
    control.keep_alarm(&name(), &alarm("b", "resolved")).await.unwrap();
    assert_eq!(control.alarms(&name()).await.unwrap(), [alarm("a", "raised"), alarm("b", "resolved")]);
    assert_eq!(control.alarms(&"other/one".parse().unwrap()).await.unwrap(), []);
    control.forget_alarm(&name(), &alarm("a", "")).await.unwrap();
    assert_eq!(control.alarms(&name()).await.unwrap(), [alarm("b", "resolved")]);
}

async fn rejected_records_are_kept_until_resolved(control: &dyn Control) {
    let one = Rejected {
        id: 0,
        received_at: at(1),
        source: "s".into(),
        format: "f".into(),
        input: "file.csv".into(),
        record: 3,
        line: Some(4),
        column: Some(2),
        reason: "no time".into(),
        raw: vec![0, 255, 10],
    };
    control
        .reject(&name(), &[one.clone(), Rejected { record: 5, line: None, column: None, ..one.clone() }])
        .await
        .unwrap();
    let kept = control.rejected(&name(), 0, 10).await.unwrap();
    assert_eq!(kept.iter().map(|r| (r.record, r.line)).collect::<Vec<_>>(), [(3, Some(4)), (5, None)]);
    assert_eq!(kept[0], Rejected { id: kept[0].id, ..one });
    assert_eq!(control.rejected(&name(), kept[0].id, 10).await.unwrap(), kept[1..]);
    control.resolve_rejected(&name(), &[kept[0].id]).await.unwrap();
    assert_eq!(control.rejected(&name(), 0, 10).await.unwrap(), kept[1..]);
}

async fn tokens_are_found_by_secret_until_revoked(control: &dyn Control) {
    let token = Token {
        id: 0,
        scope: Scope::Ingest,
        environment: Some(name()),
        source: Some("erp".into()),
        created_at: at(1),
        revoked_at: None,
    };
    let id = control.create_token(&token, &[1; 32]).await.unwrap();
    assert_eq!(control.token_by_secret(&[1; 32]).await.unwrap(), Some(Token { id, ..token.clone() }));
    assert_eq!(control.token_by_secret(&[2; 32]).await.unwrap(), None);
    assert!(control.revoke_token(id, at(9)).await.unwrap());
    assert!(!control.revoke_token(id, at(10)).await.unwrap());
    assert_eq!(control.token_by_secret(&[1; 32]).await.unwrap(), None);
    assert_eq!(control.tokens().await.unwrap(), [Token { id, revoked_at: Some(at(9)), ..token }]);
}

async fn sessions_end_once(control: &dyn Control) {
    let (link, console) = (SessionKind::Link, SessionKind::Console);
    control.create_session(link, &[3; 32], at(100)).await.unwrap();
    assert!(control.has_session(link, &[3; 32], at(99)).await.unwrap());
    assert!(!control.has_session(link, &[3; 32], at(100)).await.unwrap());
    assert!(!control.has_session(console, &[3; 32], at(1)).await.unwrap());
    assert!(!control.end_session(console, &[3; 32], at(1)).await.unwrap());
    assert!(control.end_session(link, &[3; 32], at(1)).await.unwrap());
    assert!(!control.end_session(link, &[3; 32], at(1)).await.unwrap());
    control.create_session(console, &[4; 32], at(100)).await.unwrap();
    assert!(!control.end_session(console, &[4; 32], at(200)).await.unwrap(), "an expired session was used");
}

async fn holds_are_in_force_until_released(control: &dyn Control) {
    let hold =
        Hold { id: 0, covers: "user".into(), text: "ada".into(), reason: "case 7".into(), created_at: at(3) };
    let id = control.add_hold(&name(), &hold).await.unwrap();
    assert_eq!(control.holds(&name()).await.unwrap(), [Hold { id, ..hold }]);
    assert!(control.release_hold(&name(), id).await.unwrap());
    assert!(!control.release_hold(&name(), id).await.unwrap());
    assert_eq!(control.holds(&name()).await.unwrap(), []);
}

pub(crate) fn export() -> Export {
    Export {
        id: 0,
        state: ExportState::Waiting,
        asked_by: "administrator".into(),
        asked_at: at(7),
        query: "user-login-events".into(),
        from: at(1),
        to: at(9),
        filter: "user:ada".into(),
        format: "csv".into(),
        is_evidence: false,
        tree_size: 12,
        total: 3,
        rows: 0,
        bytes: 0,
        sha256: None,
        reason: None,
        finished_at: None,
    }
}

async fn exports_change_by_compare_and_swap(control: &dyn Control) {
    let mut first = export();
    first.id = control.add_export(&name(), &first).await.unwrap();
    let other = "contoso/other".parse().unwrap();
    assert_eq!(control.exports(&other).await.unwrap(), []);
    let second = Export { id: control.add_export(&name(), &export()).await.unwrap(), ..export() };
    assert_eq!(control.exports(&name()).await.unwrap(), [second.clone(), first.clone()]);
    let done = Export {
        state: ExportState::Done,
        rows: 3,
        bytes: 99,
        sha256: Some("ab".into()),
        finished_at: Some(at(8)),
        ..first.clone()
    };
    assert!(!control.change_export(&name(), ExportState::Running, &done).await.unwrap());
    assert!(!control.change_export(&other, ExportState::Waiting, &done).await.unwrap());
    assert!(control.change_export(&name(), ExportState::Waiting, &done).await.unwrap());
    let failed = Export { state: ExportState::Failed, reason: Some("disk".into()), ..second };
    assert!(control.change_export(&name(), ExportState::Waiting, &failed).await.unwrap());
    assert_eq!(control.exports(&name()).await.unwrap(), [failed.clone(), done]);
    assert!(control.forget_export(&name(), failed.id).await.unwrap());
    assert!(!control.forget_export(&name(), failed.id).await.unwrap());
    let third = control.add_export(&name(), &export()).await.unwrap();
    assert!(third > failed.id, "a number is given once");
}

async fn saved_queries_have_one_title_for_each_owner(control: &dyn Control) {
    let query = SavedQuery {
        id: 0,
        title: "Ada".into(),
        owner: "administrator".into(),
        is_shared: false,
        params: "filter=user%3Aada".into(),
        saved_at: at(5),
    };
    let id = control.save_query(&name(), &query).await.unwrap();
    assert!(matches!(control.save_query(&name(), &query).await, Err(StoreError::Invalid(_))));
    let theirs = SavedQuery { owner: "token 1".into(), ..query.clone() };
    let second = control.save_query(&name(), &theirs).await.unwrap();
    assert!(control.change_query(&name(), id, "Leavers", true).await.unwrap());
    assert!(!control.change_query(&name(), 99, "Leavers", true).await.unwrap());
    let changed = SavedQuery { id, title: "Leavers".into(), is_shared: true, ..query.clone() };
    assert_eq!(control.saved_queries(&name()).await.unwrap(), [SavedQuery { id: second, ..theirs }, changed]);
    let third = control.save_query(&name(), &query).await.unwrap();
    let double = control.change_query(&name(), third, "Leavers", false).await;
    assert!(matches!(double, Err(StoreError::Invalid(_))));
    for id in [id, second, third] {
        assert!(control.forget_query(&name(), id).await.unwrap());
        assert!(!control.forget_query(&name(), id).await.unwrap());
    }
}

async fn erasures_are_done_once_what_they_take_is_gone(control: &dyn Control) {
    let person = |id: &str, position| Person {
        id: id.into(),
        attributes: Some("{}".into()),
        position,
        ..Person::default()
    };
    let entry = |position| ErasureEntry { position, kind: Kind::Erasure, body: "{}".into(), is_done: false };
    let commit = Commit {
        expected_size: 13,
        size: 20,
        checkpoint: "20".into(),
        people: vec![person("gone", 14), person("bare", 15), person("kept", 16)],
        recorded_at: at(1),
        erasures: vec![entry(17), entry(18)],
        progress: Vec::new(),
    };
    assert!(control.commit(&name(), &commit).await.unwrap());
    assert_eq!(control.erasures(&name()).await.unwrap(), commit.erasures);
    let kept = control.rejected(&name(), 0, 10).await.unwrap();
    control.reject(&name(), &[Rejected { record: 77, ..kept[0].clone() }]).await.unwrap();
    let rejected = control.rejected(&name(), 0, 10).await.unwrap().pop().unwrap().id;
    let rejected = u64::try_from(rejected).unwrap();
    let scrub = Scrub { people: vec![14], attributes: vec![14, 15], rejected: vec![rejected] };
    for _ in 0..2 {
        control.scrub(&name(), &scrub, 17).await.unwrap();
        let people = control.people(&name()).await.unwrap();
        let left: Vec<_> = people.iter().map(|one| (one.id.as_str(), one.attributes.is_some())).collect();
        assert_eq!(left, [("bare", false), ("kept", true), ("p", false)]);
        assert_eq!(control.rejected(&name(), 0, 10).await.unwrap(), kept);
        let done: Vec<_> = control.erasures(&name()).await.unwrap().iter().map(|one| one.is_done).collect();
        assert_eq!(done, [true, false]);
    }
}

#[tokio::test]
async fn sqlite_conforms_and_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    conforms(&SqliteControl::open(&path).await.unwrap()).await;
    let again = SqliteControl::open(&path).await.unwrap();
    assert_eq!(again.environment(&name()).await.unwrap().unwrap().size, 20);
}

#[tokio::test]
async fn older_tables_are_brought_up_to_date_and_newer_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    let sql = async |text: &'static str| {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    };
    conforms(&SqliteControl::open(&path).await.unwrap()).await;
    sql("ALTER TABLE rejected DROP COLUMN column_number; DROP TABLE outages; DROP TABLE alarms; DROP TRIGGER people_replaced; DROP TABLE people_before; DROP TABLE erasures; DROP TABLE holds; ALTER TABLE environments DROP COLUMN last_recorded_at; DROP TABLE streams; DROP TABLE coverage; DROP TABLE archived; DROP TABLE exports; DROP TABLE saved_queries; PRAGMA user_version = 1").await;
    let control = SqliteControl::open(&path).await.unwrap();
    let kept = control.rejected(&name(), 0, 10).await.unwrap();
    assert_eq!(kept.iter().map(|one| (one.record, one.column)).collect::<Vec<_>>(), [(5, None)]);
    drop(control);
    sql("PRAGMA user_version = 99").await;
    let error = SqliteControl::open(&path).await.unwrap_err().to_string();
    assert!(error.contains("was written by a newer whowas (control schema 99"), "{error}");
}
