//! Erasing one person: everything that named them is gone from every file, and every proof still holds.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use serde_json::Map;
use whowas_event::{
    Activity, Admitted, Draft, Erasure, Event, Kind, NativeId, Reach, Time, admit, admit::RawData,
    whose::Person,
};
use whowas_store::{
    ErasureOrder, Store, Trail,
    audit::audit_copy,
    control::{Export, ExportState, Rejected},
    erase::add,
};

use crate::world::{append, audit, login, name, open};

/// What only Ada's records say.
const SECRETS: [&str; 6] = [
    "ada.lovelace@contoso.example",
    "Ada Lovelace",
    "198.51.100.77",
    "ada-laptop",
    "session-of-ada",
    "Analytical Engine",
];

fn ada(n: u64) -> Admitted {
    let mut event = Event {
        occurred_at: Time::from_ms(1_789_000_000_000 + i64::try_from(n).unwrap() * 1000).unwrap(),
        native_id: if n.is_multiple_of(2) {
            NativeId::Derived(format!("ada.lovelace@contoso.example/{n}"))
        } else {
            NativeId::Given(format!("given-{n}"))
        },
        activity: if n.is_multiple_of(5) { Activity::Logoff } else { Activity::Logon },
        ..Event::default()
    };
    event.session_uid = Some(format!("session-of-ada-{n}"));
    // Some sources do not say who signs out.
    if !n.is_multiple_of(5) {
        event.user.uid = Some("uid-ada".into());
        event.user.name = Some("Ada.Lovelace@contoso.example".into());
        event.user.full_name = Some("Ada Lovelace".into());
    } else {
        event.session_uid = Some(format!("session-of-ada-{}", n.max(1) - 1));
    }
    event.src_endpoint.ip = Some("198.51.100.77".into());
    event.device.name = Some("ada-laptop".into());
    event.unmapped = Some("{\"program\":\"Analytical Engine\"}".into());
    let raw = format!("raw {n} of ada.lovelace@contoso.example, Ada Lovelace, 198.51.100.77");
    admit(Draft { event, raw: raw.into_bytes() }, RawData::Kept).unwrap()
}

fn identity() -> Admitted {
    let mut event =
        Event { kind: Kind::Identity, native_id: NativeId::Given("user:1".into()), ..Event::default() };
    event.user.uid = Some("uid-ada".into());
    event.user.full_name = Some("Ada Lovelace".into());
    event.unmapped = Some("{\"department\":\"Analytical Engine\"}".into());
    admit(Draft { event, raw: Vec::new() }, RawData::Dropped).unwrap()
}

/// Somebody else's record that mentions her.
fn mention() -> Admitted {
    let mut admitted = login(5000);
    admitted.event.status_detail = Some("approved by ada.lovelace@contoso.example".into());
    admitted
}

fn person() -> Person {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<_>>();
    Person {
        names: texts(&["uid-ada", "ada.lovelace@contoso.example"]),
        full_names: texts(&["ada lovelace"]),
        sessions: (0..100).map(|n| ("test".to_owned(), format!("session-of-ada-{n}"))).collect(),
    }
}

async fn order(trail: &Trail) -> ErasureOrder {
    let state = (person(), Erasure::default());
    let (_, erasure) = trail
        .visit(state, |(person, erasure), position, record, raw| {
            if let Some(reach) = person.reach(record, raw) {
                add(erasure, position, record, reach);
            }
        })
        .await
        .unwrap();
    ErasureOrder {
        kind: Kind::Erasure,
        erasure,
        body: Map::new(),
        user: "officer".into(),
        personal: Map::from_iter([("reason".to_owned(), "Art. 17".into())]),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The values that can be found, in any file of a data folder. Parquet and staging objects are compressed, so
/// records are also looked at as they are read back.
async fn traces(folder: &Path, trail: &Trail) -> Vec<String> {
    let mut found = Vec::new();
    let lower = |text: &str| text.to_lowercase();
    for path in files(folder) {
        let text = lower(&String::from_utf8_lossy(&fs::read(&path).unwrap()));
        for secret in SECRETS {
            if text.contains(&lower(secret)) {
                found.push(format!("{secret} in {}", path.display()));
            }
        }
    }
    trail
        .visit(found, |found, position, record, raw| {
            let text = format!("{:?} {}", record.event, String::from_utf8_lossy(raw)).to_lowercase();
            let secrets = SECRETS.iter().filter(|secret| text.contains(&secret.to_lowercase()));
            found.extend(secrets.map(|secret| format!("{secret} in record {position}")));
        })
        .await
        .unwrap()
}

/// A trail with Ada in archive files, in the tail, in the directory and among what was rejected.
async fn world(folder: &Path) -> (Store, std::sync::Arc<Trail>) {
    let (store, trail) = open(folder).await;
    append(&trail, (0..300).map(login).chain([identity()]).collect()).await;
    append(&trail, (0..40).map(ada).collect()).await;
    trail.settle().await;
    append(&trail, (300..400).map(login).chain((40..60).map(ada)).collect()).await;
    trail.settle().await;
    append(&trail, (60..80).map(ada).chain([mention()]).chain((400..450).map(login)).collect()).await;
    let rejected = |record: u64, raw: &str| Rejected {
        id: 0,
        received_at: Time::default(),
        source: "test".into(),
        format: "test".into(),
        input: "file.csv".into(),
        record,
        line: None,
        column: None,
        reason: "no time".into(),
        raw: raw.as_bytes().to_vec(),
    };
    let list = [rejected(1, "who;Ada Lovelace;198.51.100.77"), rejected(2, "who;Bob")];
    store.control().reject(&name(), &list).await.unwrap();
    let export = Export { filter: "user:\"Ada Lovelace\"".into(), ..crate::control::export() };
    let export = Export { id: store.control().add_export(&name(), &export).await.unwrap(), ..export };
    let done = Export { state: ExportState::Done, ..export };
    assert!(store.control().change_export(&name(), ExportState::Waiting, &done).await.unwrap());
    let files = store.export_files(&name());
    files.begin(done.id).unwrap().write_all(b"user_name\r\nada.lovelace@contoso.example\r\n").unwrap();
    files.publish(done.id).unwrap();
    (store, trail)
}

async fn erase_ada(store: &Store, trail: std::sync::Arc<Trail>) {
    let mut order = order(&trail).await;
    drop(trail);
    let rejected = store.control().rejected(&name(), 0, 10).await.unwrap();
    let hers = rejected.iter().filter(|one| person().mentions(&String::from_utf8_lossy(&one.raw)));
    order.erasure.rejected = hers.map(|one| u64::try_from(one.id).unwrap()).collect();
    store.erase(&name(), order).await.unwrap();
}

#[tokio::test]
async fn a_person_is_gone_from_every_file_and_every_proof_still_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = world(folder.path()).await;
    assert!(!traces(folder.path(), &trail).await.is_empty(), "the test looks in the wrong places");
    let size = trail.snapshot().size;
    let (note, _) = trail.signed_checkpoint().unwrap();
    let leaves = trail.leaves(0..size).await.unwrap();
    let proof = trail.prove(310).await.unwrap();
    assert!(trail.snapshot().directory.find(Some("uid-ada"), None, None).is_some());
    // What a crash left beside the archive holds her too.
    let leftover = folder.path().join("trails/contoso/production/staging/.tmp-9#1");
    fs::write(&leftover, SECRETS.join(" ")).unwrap();
    // And so may whatever somebody derives from records.
    let derived = folder.path().join("trails/contoso/production/kept-elsewhere/0.run");
    fs::create_dir_all(derived.parent().unwrap()).unwrap();
    fs::write(&derived, SECRETS.join(" ")).unwrap();
    erase_ada(&store, trail).await;

    let trail = store.trail(&name()).await.unwrap();
    assert_eq!(traces(folder.path(), &trail).await, Vec::<String>::new());
    let snapshot = trail.snapshot();
    assert_eq!(snapshot.size, size + 1);
    assert_eq!(snapshot.directory.find(Some("uid-ada"), None, None), None);
    // 80 records, her directory entry, and the text that mentions her.
    assert_eq!(snapshot.erased.len(), 82);
    assert_eq!(store.control().rejected(&name(), 0, 10).await.unwrap().len(), 1);
    let [export] = store.control().exports(&name()).await.unwrap().try_into().unwrap();
    assert_eq!((export.state, export.filter.as_str()), (ExportState::Erased, ""));
    assert!(store.export_files(&name()).open(export.id).unwrap().is_none());
    // Nothing that was signed has changed.
    assert_eq!(trail.leaves(0..size).await.unwrap(), leaves);
    let keys = [trail.verifying_key().clone()];
    let hash = whowas_tlog::hash::leaf_hash(&proof.leaf);
    proof.proof.verify(&hash, trail.origin(), &keys).unwrap();
    assert!(!trail.prove_consistency(size, &trail.signed_checkpoint().unwrap().1).await.unwrap().is_empty());
    drop(note);
    let after = trail.prove(310).await.unwrap();
    assert_eq!((after.leaf, after.record.event.user.uid), (proof.leaf, None));
    // The mention's other fields are as they were.
    let others = trail.records(0..size).await.unwrap();
    let mention = others.iter().find(|one| one.event.native_id.as_str() == "event-5000").unwrap();
    assert_eq!(
        (mention.event.status_detail.as_deref(), mention.event.user.uid.as_deref()),
        (None, Some("uid-53"))
    );
    let said = trail.records(size..size + 1).await.unwrap().pop().unwrap();
    assert_eq!((said.event.kind, said.event.user.name.as_deref()), (Kind::Erasure, Some("officer")));
    let body = said.event.body.unwrap();
    assert!(body.contains("\"records\":82") && !body.contains("ada"), "{body}");
    store.close().await.unwrap();
    let report = audit(&store).await;
    assert_eq!((report.leaves, report.erased, report.findings), (size + 1, 82, vec![]));
}

#[tokio::test]
async fn what_was_erased_does_not_come_back_and_the_trail_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = world(folder.path()).await;
    erase_ada(&store, trail).await;
    let trail = store.trail(&name()).await.unwrap();
    // An id that the source gave is known; one that was made of her name is not, and that is said.
    let again = append(&trail, vec![ada(1), ada(3), login(7)]).await;
    assert_eq!((again.recorded, again.duplicate), (0, 3));
    assert_eq!(append(&trail, vec![ada(2)]).await.recorded, 1);
    trail.settle().await;
    append(&trail, (1000..1010).map(login).collect()).await;
    store.close().await.unwrap();
    drop((store, trail));
    let (store, trail) = open(folder.path()).await;
    assert_eq!(append(&trail, vec![ada(1), login(1003)]).await.duplicate, 2);
    store.close().await.unwrap();
    assert_eq!(audit(&store).await.findings, []);
}

#[tokio::test]
async fn a_backup_of_the_archive_is_erased_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = world(folder.path()).await;
    trail.settle().await;
    let archive = folder.path().join("trails/contoso/production/archive");
    let backup = tempfile::tempdir().unwrap();
    copy(&archive, &backup.path().join("archive"));
    erase_ada(&store, trail).await;
    store.close().await.unwrap();
    assert_eq!(audit(&store).await.findings, []);
    let key = store.trail(&name()).await.unwrap().verifying_key().clone();
    store.close().await.unwrap();
    drop(store);
    fs::remove_dir_all(&archive).unwrap();
    copy(&backup.path().join("archive"), &archive);
    let report = audit_copy(archive.parent().unwrap(), &key).await.unwrap();
    let reason = &report.findings[0].reason;
    assert!(
        reason.contains("says that") && reason.ends_with("0 are missing: was a backup put back?"),
        "{reason}"
    );
    let (store, trail) = open(folder.path()).await;
    assert_eq!(traces(folder.path(), &trail).await, Vec::<String>::new());
    store.close().await.unwrap();
    assert_eq!(audit(&store).await.findings, []);
}

#[tokio::test]
async fn a_field_that_is_gone_without_a_record_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (store, trail) = world(folder.path()).await;
    let real = order(&trail).await;
    drop(trail);
    // Everything is erased, and the record confesses only some of it.
    let mut less = real.clone();
    less.erasure.records.retain(|one| one.reach == Reach::All);
    let (part, rest) = less.erasure.records.split_at(10);
    let mut confessed = real.clone();
    confessed.erasure.records = part.to_vec();
    store.erase(&name(), confessed).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(audit(&store).await.findings, []);
    let hidden = serde_json::json!(rest.iter().map(|one| one.position).collect::<Vec<_>>());
    drop(store);
    // Whoever holds the folder can have fields erased by a row of the control database, without a record.
    forge(folder.path(), &Erasure { records: rest.to_vec(), ..Erasure::default() }).await;
    let (store, _trail) = open(folder.path()).await;
    store.close().await.unwrap();
    let report = audit(&store).await;
    assert!(report.findings.len() >= 60, "{hidden}: {:?}", report.findings);
    let reason = &report.findings[0].reason;
    assert!(
        reason.ends_with("personal fields are missing, and no record says that they were erased"),
        "{reason}"
    );
}

/// Puts an erasure into the control database that no record states.
async fn forge(folder: &Path, erasure: &Erasure) {
    use sqlx::Connection;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("control.db"));
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let body = serde_json::Value::from(erasure.members()).to_string();
    sqlx::query("INSERT INTO erasures VALUES ('contoso/production', 9999, 'erasure', ?, 0)")
        .bind(body)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}
