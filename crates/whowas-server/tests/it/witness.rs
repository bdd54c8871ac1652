//! Two organizations that watch each other: our witness as a server, our trail as its client.

use std::{path::Path, sync::Arc};

use tokio::{sync::oneshot, task::JoinHandle};
use whowas_server::{Limits, Options, Server, WitnessAddress, WitnessServer};
use whowas_store::{
    Clock, Store, StoreError,
    witness::{WitnessStore, log_id},
};
use whowas_tlog::{
    checkpoint::Checkpoint,
    cosignature,
    note::{Note, VerifyingKey},
    witness::AddCheckpoint,
};

use crate::{
    client::{Request, Response},
    world::{TestClock, environment},
};

fn options() -> Options {
    Options { listen: "127.0.0.1:0".parse().unwrap(), tls: None, limits: Limits::default() }
}

/// A witness that answers until it is dropped or ended.
struct Witness {
    address: std::net::SocketAddr,
    url: String,
    key: VerifyingKey,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Witness {
    async fn start(state: &Path, logs: Vec<VerifyingKey>, clock: Arc<dyn Clock>) -> Self {
        let store = WitnessStore::open(state, Some("witness.example/w1")).unwrap();
        let key = store.verifying_key().clone();
        let server = WitnessServer::bind(store, logs, clock, options()).await.unwrap();
        let (address, url) = (server.address(), server.url());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { address, url, key, stop, running }
    }

    fn as_client(&self) -> Vec<WitnessAddress> {
        vec![WitnessAddress { url: self.url.clone(), key: self.key.clone() }]
    }

    async fn post(&self, body: impl Into<Vec<u8>>) -> Response {
        Request::new(self.address, "POST", "/add-checkpoint").body(body).send().await
    }

    async fn get(&self, path: &str) -> Response {
        Request::new(self.address, "GET", path).send().await
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
    }
}

async fn store(folder: &Path, clock: Arc<TestClock>) -> Arc<Store> {
    let store = Arc::new(Store::open(folder, true, clock).await.unwrap());
    store.create_trail(&environment()).await.unwrap();
    store
}

/// Appends one record, of the trail's own kind.
async fn append(store: &Store, name: &str) -> Result<(), StoreError> {
    let trail = store.trail(&environment()).await?;
    let event = whowas_event::Event {
        kind: whowas_event::Kind::Coverage,
        native_id: whowas_event::NativeId::Given(name.to_owned()),
        occurred_at: store.clock().now(),
        ..whowas_event::Event::default()
    };
    whowas_collect::note(&trail, event, (serde_json::json!({}), serde_json::json!({})), store.clock().now())
        .await
        .map(drop)
}

#[tokio::test]
async fn checkpoints_are_cosigned_published_and_end_in_proofs() {
    let (data, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = Arc::new(TestClock::at_noon());
    let store = store(data.path(), clock.clone()).await;
    let trail = store.trail(&environment()).await.unwrap();
    let witness = Witness::start(state.path(), vec![trail.verifying_key().clone()], clock).await;
    for n in 0..3 {
        append(&store, &format!("a{n}")).await.unwrap();
        // Binding asks every witness once.
        let server = Server::bind(store.clone(), options()).await.unwrap();
        drop(server.with_witnesses(witness.as_client()).await.unwrap());
        let note = Note::parse(&trail.checkpoint()).unwrap();
        assert_eq!(Checkpoint::parse_text(note.text()).unwrap().size, n + 1);
        assert!(cosignature::verify(&note, &witness.key).is_ok(), "{note}");
    }
    // A newer checkpoint has no cosignature yet; a proof takes the one that has, where it covers the record.
    append(&store, "late").await.unwrap();
    assert_eq!(Note::parse(&trail.checkpoint()).unwrap().signatures().len(), 1);
    let covered = trail.prove(1).await.unwrap().proof.note;
    assert!(cosignature::verify(&covered, &witness.key).is_ok());
    assert_eq!(trail.prove(3).await.unwrap().proof.note.signatures().len(), 1);
    // What the witness shows to monitors is what it cosigned.
    let shown = witness.get(&format!("/{}/checkpoint", log_id(trail.origin()))).await;
    assert_eq!((shown.status, shown.text()), (200, covered.to_string()));
    assert_eq!(witness.get("/vkey").await.text(), format!("{}\n", witness.key));
    witness.end().await;
    // It is remembered over a restart of the trail.
    store.close().await.unwrap();
    drop((trail, store));
    let store = self::store(data.path(), Arc::new(TestClock::at_noon())).await;
    let trail = store.trail(&environment()).await.unwrap();
    assert_eq!(trail.cosigned().unwrap().checkpoint.size, 3);
    store.close().await.unwrap();
}

#[tokio::test]
async fn every_status_over_http() {
    let (data, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = Arc::new(TestClock::at_noon());
    let store = store(data.path(), clock.clone()).await;
    let trail = store.trail(&environment()).await.unwrap();
    append(&store, "a").await.unwrap();
    let (note, _) = trail.signed_checkpoint().unwrap();
    let request = |old_size| AddCheckpoint { old_size, proof: Vec::new(), note: note.clone() }.to_string();
    let witness = Witness::start(state.path(), vec![trail.verifying_key().clone()], clock.clone()).await;
    assert_eq!(witness.get(&format!("/{}/checkpoint", log_id(trail.origin()))).await.status, 404);
    assert_eq!(witness.post(request(0)).await.status, 200);
    assert_eq!(witness.post(request(1)).await.status, 200);
    let conflict = witness.post(request(0)).await;
    assert_eq!((conflict.status, conflict.header("content-type")), (409, Some("text/x.tlog.size")));
    assert_eq!(conflict.text(), "1\n");
    for malformed in [&b""[..], b"old 0\n", b"\xff", request(0).trim_end().as_bytes(), request(2).as_bytes()]
    {
        assert_eq!(witness.post(malformed).await.status, 400);
    }
    assert_eq!(witness.post(vec![b'a'; 100_000]).await.status, 413);
    let changed = request(1).replace("\n1\n", "\n2\n");
    assert_eq!(witness.post(changed).await.status, 403);
    assert_eq!(witness.get("/add-checkpoint").await.status, 405);
    // The clock went back: nothing is cosigned.
    clock.set_back(10_000);
    assert_eq!(witness.post(request(1)).await.status, 503);
    witness.end().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = Witness::start(elsewhere.path(), Vec::new(), clock).await;
    assert_eq!(stranger.post(request(0)).await.status, 404);
    stranger.end().await;
    store.close().await.unwrap();
}

/// A trail that was restored from an old backup is stopped before its first append, and says both sizes.
#[tokio::test]
async fn a_restored_backup_is_stopped_by_the_witness_s_memory() {
    let (data, backup, state) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = Arc::new(TestClock::at_noon());
    let first = store(data.path(), clock.clone()).await;
    append(&first, "a").await.unwrap();
    first.close().await.unwrap();
    drop(first);
    let copy = |from: &Path, to: &Path| {
        let status = std::process::Command::new("cp").arg("-r").arg(from.join(".")).arg(to).status().unwrap();
        assert!(status.success());
    };
    copy(data.path(), backup.path());
    let live = store(data.path(), clock.clone()).await;
    let key = live.trail(&environment()).await.unwrap().verifying_key().clone();
    let witness = Witness::start(state.path(), vec![key], clock.clone()).await;
    for n in 0..4 {
        append(&live, &format!("later{n}")).await.unwrap();
    }
    let bind = |store: &Arc<Store>| Server::bind(store.clone(), options());
    drop(bind(&live).await.unwrap().with_witnesses(witness.as_client()).await.unwrap());
    append(&live, "goes on").await.unwrap();
    live.close().await.unwrap();
    drop(live);

    let restored = store(backup.path(), clock.clone()).await;
    drop(bind(&restored).await.unwrap().with_witnesses(witness.as_client()).await.unwrap());
    let error = append(&restored, "forgotten").await.unwrap_err().to_string();
    assert!(
        error.contains("the witness witness.example/w1 knows 5 records of this trail, here are 1")
            && error.contains("restored from a backup"),
        "{error}"
    );
    restored.close().await.unwrap();
    drop(restored);

    // It went on without asking, past the size that the witness knows: then the histories differ.
    let restored = store(backup.path(), clock).await;
    for n in 0..9 {
        append(&restored, &format!("other{n}")).await.unwrap();
    }
    drop(bind(&restored).await.unwrap().with_witnesses(witness.as_client()).await.unwrap());
    let error = append(&restored, "more").await.unwrap_err().to_string();
    assert!(error.contains("cosigned another history of this trail: its first 5 records"), "{error}");
    restored.close().await.unwrap();
    witness.end().await;
}

/// A witness that is away costs nothing but its cosignature, and one that lies is not believed.
#[tokio::test]
async fn a_witness_that_is_away_or_wrong_does_not_stop_the_trail() {
    let data = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::at_noon());
    let store = store(data.path(), clock.clone()).await;
    append(&store, "a").await.unwrap();
    let trail = store.trail(&environment()).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let witness = Witness::start(state.path(), vec![trail.verifying_key().clone()], clock).await;
    let other = whowas_tlog::cosignature::CosigningKey::from_seed("witness.example/w1", [1; 32]).unwrap();
    let wrong_key = WitnessAddress { url: witness.url.clone(), key: other.verifying_key().clone() };
    let away = WitnessAddress { url: "http://127.0.0.1:1/".into(), key: witness.key.clone() };
    let server = Server::bind(store.clone(), options()).await.unwrap();
    drop(server.with_witnesses(vec![away, wrong_key]).await.unwrap());
    assert!(trail.cosigned().is_none() && trail.poisoned().is_none());
    append(&store, "b").await.unwrap();
    for bad in ["ftp://witness.example/", "nonsense"] {
        let server = Server::bind(store.clone(), options()).await.unwrap();
        let address = WitnessAddress { url: bad.into(), key: witness.key.clone() };
        assert!(server.with_witnesses(vec![address]).await.is_err(), "{bad}");
    }
    witness.end().await;
    store.close().await.unwrap();
}
