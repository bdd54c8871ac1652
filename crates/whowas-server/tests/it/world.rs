//! A server with one environment, and the people who use it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::oneshot, task::JoinHandle};
use whowas_event::{EnvironmentName, Time};
use whowas_server::{Limits, Options, Server, secret};
use whowas_store::{
    Clock, Store, Trail,
    control::{Scope, Token},
};

use crate::client::{Request, Response};

/// A clock that tests set.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Time {
        Time::from_ms(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

impl TestClock {
    /// A clock that stands at [`NOW`].
    pub(crate) fn at_noon() -> Self {
        Self(AtomicI64::new(Time::parse_rfc3339(NOW).unwrap().as_ms()))
    }

    pub(crate) fn set_back(&self, ms: i64) {
        self.0.fetch_sub(ms, Ordering::SeqCst);
    }
}

/// Noon of a Tuesday.
pub(crate) const NOW: &str = "2026-11-24T12:00:00Z";

pub(crate) struct World {
    pub(crate) store: Arc<Store>,
    pub(crate) address: SocketAddr,
    clock: Arc<TestClock>,
    link: String,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_limits(Limits::default()).await
    }

    pub(crate) async fn with_limits(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::at_noon());
        let store = Arc::new(Store::open(folder.path(), true, clock.clone()).await.unwrap());
        store.create_trail(&environment()).await.unwrap();
        Self::serving(folder, clock, store, limits).await
    }

    async fn serving(
        folder: tempfile::TempDir,
        clock: Arc<TestClock>,
        store: Arc<Store>,
        limits: Limits,
    ) -> Self {
        let options = Options { listen: "127.0.0.1:0".parse().unwrap(), tls: None, limits };
        let server = Server::bind(store.clone(), options).await.unwrap();
        let address = server.address();
        let link = server.sign_in_link().await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { store, address, clock, link, stop: Some(stop), running, folder }
    }

    /// Where the data lies.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Lets time pass for everything that asks the clock.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// The path and the code of the sign-in link.
    pub(crate) fn link(&self) -> (String, String) {
        let path = self.link.split_once(&self.address.to_string()).unwrap().1.to_owned();
        let code = path.split_once("code=").unwrap().1.to_owned();
        (path, code)
    }

    pub(crate) async fn trail(&self) -> Arc<Trail> {
        self.store.trail(&environment()).await.unwrap()
    }

    pub(crate) async fn token(&self, scope: Scope, only: Option<&str>) -> String {
        self.token_of(scope, only, None).await
    }

    /// A token for one source.
    pub(crate) async fn token_of(&self, scope: Scope, only: Option<&str>, source: Option<&str>) -> String {
        let (text, hash) = secret::new_token().unwrap();
        let token = Token {
            id: 0,
            scope,
            environment: only.map(|name| name.parse().unwrap()),
            source: source.map(str::to_owned),
            created_at: self.clock.now(),
            revoked_at: None,
        };
        self.store.control().create_token(&token, &hash).await.unwrap();
        text
    }

    /// Signs the administrator in and returns the `Cookie` header's value.
    pub(crate) async fn sign_in(&self) -> String {
        let response = self.post("/sign-in").form(&format!("code={}", self.link().1)).send().await;
        assert_eq!(response.status, 303, "{}", response.text());
        response.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    pub(crate) fn get(&self, path: &str) -> Request {
        Request::new(self.address, "GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Request {
        Request::new(self.address, "POST", path)
    }

    /// Appends native records.
    pub(crate) async fn append(&self, lines: &str) -> Response {
        let token = self.token(Scope::Ingest, None).await;
        self.post(&api("records")).bearer(&token).body(lines).send().await
    }

    /// Ends the server and starts another one on the same data.
    pub(crate) async fn restart(mut self) -> Self {
        let _ = self.stop.take().unwrap().send(());
        self.running.await.unwrap();
        self.store.close().await.unwrap();
        // The folder is this process's until nobody holds the store.
        let held = Arc::downgrade(&self.store);
        drop(self.store);
        while held.strong_count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let store = Store::open(self.folder.path(), true, self.clock.clone()).await.unwrap();
        Self::serving(self.folder, self.clock, Arc::new(store), Limits::default()).await
    }

    /// Ends the server and checks everything that it leaves behind.
    pub(crate) async fn end_and_audit(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.running).await.unwrap();
        self.store.close().await.unwrap();
        let environment = self.store.control().environment(&environment()).await.unwrap().unwrap();
        assert_eq!(self.store.audit(&environment).await.unwrap().findings, []);
    }

    /// Ends the server, which must end in order.
    pub(crate) async fn end(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.running.await.unwrap();
        self.store.close().await.unwrap();
    }
}

pub(crate) fn environment() -> EnvironmentName {
    "contoso/production".parse().unwrap()
}

/// A path of the API below the environment.
pub(crate) fn api(resource: &str) -> String {
    format!("/api/v1/environments/contoso/production/{resource}")
}

/// A native record.
pub(crate) fn login(id: usize, user: &str, at: &str) -> String {
    let event = serde_json::json!({
        "id": format!("e{id}"),
        "occurred_at": at,
        "activity": "logon",
        "status": "success",
        "user": { "uid": format!("{user}-uid"), "name": user },
        "src_endpoint": { "ip": "192.0.2.7" },
    });
    format!("{event}\n")
}

/// Several of them.
pub(crate) fn logins(count: usize) -> String {
    (0..count).map(|id| login(id, &format!("user{}", id % 7), "2026-11-23T08:00:00Z")).collect()
}
