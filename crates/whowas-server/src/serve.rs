//! The accept loop: real time-outs, a bound on connections, TLS, and an orderly end.
//!
//! `axum::serve` is not used: it gives hyper no timer, so that a client may send its headers for ever.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use whowas_collect::{connections::Connections, intake::Intakes, poll::Probe};
use whowas_event::EnvironmentName;
use whowas_query::{Engine, QueryError};
use whowas_store::{Store, StoreError, control::SessionKind};

use crate::{
    TlsFiles, alarm,
    app::App,
    archive::{Archiver, Scheduled},
    auth::LINK_MINUTES,
    connection::Connection,
    following::follow,
    jobs,
    mending::mend,
    router::router,
    secret,
    stating::state,
    webhook::Webhook,
    witnessing::{WitnessAddress, Witnessing},
};

/// How long to wait for room before another idle connection is asked to go.
const ROOM_PAUSE: Duration = Duration::from_millis(20);
/// How long to wait when no connection can be accepted (out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address. Without TLS it must be a loopback address.
    pub listen: SocketAddr,
    /// Certificate and key.
    pub tls: Option<TlsFiles>,
    /// Bounds on what clients may use.
    pub limits: Limits,
}

/// Bounds on what clients may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; for more, the longest idle is closed, or else they wait to be accepted. At 64 KiB
    /// of head each, at most 64 MB.
    pub connections_max: usize,
    /// From the beginning of a connection, or of the wait for its next request, to the end of its head.
    pub header_timeout: Duration,
    /// Between two pieces of a body.
    pub body_idle_timeout: Duration,
    /// For the handshake.
    pub tls_timeout: Duration,
    /// During which a client may leave an answer unread.
    pub write_timeout: Duration,
    /// For requests to end when the server ends.
    pub shutdown_timeout: Duration,
    /// Bytes of all exports that are kept, of all environments together.
    pub export_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            header_timeout: Duration::from_secs(10),
            body_idle_timeout: Duration::from_secs(30),
            tls_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(10),
            export_bytes_max: 16 << 30,
        }
    }
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Other machines could reach it, and everybody between could read along.
    #[error("{0} can be reached from other machines: give a TLS certificate and key, or listen on 127.0.0.1")]
    TlsRequired(SocketAddr),
    /// Certificate or key are unusable.
    #[error("TLS: {0}")]
    Tls(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The query engine failed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A witness cannot be asked.
    #[error("witness {0}: {1}")]
    Witness(String, String),
}

/// A server that listens and does not answer yet.
pub struct Server {
    door: Door,
    app: Arc<App>,
    router: Router,
    witnessing: Option<Witnessing>,
    archiver: Option<Archiver>,
    alarms: Option<alarm::Alarms>,
}

impl Server {
    /// Takes the address and opens every trail, so that recovery is over before the first request.
    pub async fn bind(store: Arc<Store>, options: Options) -> Result<Self, ServeError> {
        Self::bind_with(store, options, Engine::new()?).await
    }

    /// The same with an engine that pairs sessions by other rules than those that are built in.
    pub async fn bind_with(store: Arc<Store>, options: Options, engine: Engine) -> Result<Self, ServeError> {
        let door = Door::bind(&options).await?;
        for name in store.environments().await? {
            store.trail(&name).await?;
            // Of an earlier process that had no time for it. What cannot be told now is told later.
            if let Err(error) = store.tell_outages(&name).await {
                tracing::warn!(environment = %name, %error, "an outage is not recorded yet");
            }
        }
        let app = Arc::new(App::new(store, engine, door.is_tls(), options.limits.export_bytes_max));
        let router = router(app.clone());
        Ok(Self { door, app, router, witnessing: None, archiver: None, alarms: None })
    }

    /// The counters that `/metrics` shows, for receivers beside this server.
    pub fn intakes(&self) -> Arc<Intakes> {
        self.app.intakes.clone()
    }

    /// Has checkpoints cosigned by these witnesses while the server runs. Asks each once about every trail
    /// before it returns: a trail that is older than a witness knows is stopped before its first append.
    ///
    /// # Errors
    /// A witness's address is none.
    pub async fn with_witnesses(mut self, witnesses: Vec<WitnessAddress>) -> Result<Self, ServeError> {
        if !witnesses.is_empty() {
            let mut witnessing = Witnessing::new(self.app.store.clone(), witnesses)?;
            witnessing.round().await;
            self.witnessing = Some(witnessing);
        }
        Ok(self)
    }

    /// Carries out scheduled exports while the server runs, and shows them.
    pub fn with_schedules(mut self, scheduled: Vec<Scheduled>, webhooks: Vec<Webhook>) -> Self {
        if !scheduled.is_empty() {
            let (store, engine) = (self.app.store.clone(), self.app.engine.clone());
            self.archiver = Some(Archiver::new(store, engine, scheduled.clone()).telling(webhooks));
            // Set once: the first settings are the settings.
            let _ = self.app.scheduled.set(scheduled);
        }
        self
    }

    /// Lets the sources of the settings be tested.
    pub fn with_sources(self, probes: Vec<(EnvironmentName, Probe)>) -> Self {
        // Set once: the first settings are the settings.
        let _ = self.app.probes.set(probes);
        self
    }

    /// Raises alarms while the server runs. Schedules are to be given before.
    pub fn with_alarms(mut self, targets: Vec<alarm::Target>) -> Self {
        if !targets.is_empty() {
            let scheduled = self.app.schedules().to_vec();
            self.alarms = Some(alarm::Alarms::new(self.app.store.clone(), scheduled, targets));
        }
        self
    }

    /// The address that was taken.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// The address to open in a browser.
    pub fn url(&self) -> String {
        self.door.url()
    }

    /// A link that signs the administrator in, once, within a quarter of an hour.
    pub async fn sign_in_link(&self) -> Result<String, StoreError> {
        let (code, hash) = secret::new_secret()?;
        let expires_at = self.app.now().saturating_add_ms(LINK_MINUTES * 60_000);
        self.app.control().create_session(SessionKind::Link, &hash, expires_at).await?;
        Ok(format!("{}/sign-in?code={code}", self.url()))
    }

    /// Answers until `shutdown`, then lets running requests end. The store stays open.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { door, app, router, witnessing, archiver, alarms } = self;
        // What runs beside the answers. Each may be ended at any moment: what it began is durable as a whole or not at all.
        let mut beside = JoinSet::new();
        beside.spawn(follow(app.clone()));
        beside.spawn(jobs::work(app.clone()));
        beside.spawn(mend(app.clone()));
        beside.spawn(state(app.clone()));
        if let Some(alarms) = alarms {
            beside.spawn(alarms.run());
        }
        if let Some(archiver) = archiver {
            beside.spawn(archiver.run());
        }
        if let Some(witnessing) = witnessing {
            beside.spawn(witnessing.run());
        }
        door.run(router, || app.metrics.connection(), shutdown).await;
        beside.abort_all();
    }
}

/// An address that was taken, and how connections to it are treated. Which router answers is for others.
pub(crate) struct Door {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    limits: Limits,
}

impl Door {
    pub(crate) async fn bind(options: &Options) -> Result<Self, ServeError> {
        let Options { listen, tls, limits } = options;
        if tls.is_none() && !listen.ip().is_loopback() {
            return Err(ServeError::TlsRequired(*listen));
        }
        let tls = tls.as_ref().map(TlsFiles::acceptor).transpose()?;
        let listener = TcpListener::bind(listen).await.map_err(|e| ServeError::Listen(*listen, e))?;
        let address = listener.local_addr().map_err(|e| ServeError::Listen(*listen, e))?;
        Ok(Self { listener, address, tls, limits: *limits })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The address as a URL.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.is_tls() { "https" } else { "http" };
        let address = self.address;
        if address.ip().is_unspecified() {
            // It stands for every address of this machine; a browser needs one.
            return format!("{scheme}://localhost:{}", address.port());
        }
        format!("{scheme}://{address}")
    }

    /// Answers until `shutdown`, then lets running requests end.
    pub(crate) async fn run(self, router: Router, connected: impl Fn(), shutdown: impl Future<Output = ()>) {
        let Self { listener, tls, limits, .. } = self;
        let room = Arc::new(Semaphore::new(limits.connections_max));
        let connections = Arc::new(Connections::default());
        let (stop, stopped) = watch::channel(false);
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = accept(&listener, &room, &connections) => accepted,
            };
            let Some((stream, peer, permit)) = accepted else { continue };
            connected();
            let open = connections.open();
            let (tls, router, stopped) = (tls.clone(), router.clone(), stopped.clone());
            tokio::spawn(async move {
                let _permit = permit;
                Connection { peer, router, limits, stopped, open: Arc::new(open) }.run(stream, tls).await;
            });
        }
        drop(listener);
        let _ = stop.send(true);
        let all = u32::try_from(limits.connections_max).unwrap_or(u32::MAX);
        let _ = timeout(limits.shutdown_timeout, room.acquire_many(all)).await;
    }
}

/// The next connection, once there is room for it. If there is none, the longest idle connection makes it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
    connections: &Connections,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let accepted = listener.accept().await;
    let (stream, peer) = match accepted {
        Ok(accepted) => accepted,
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            // Out of file descriptors, mostly: an idle connection has one.
            connections.evict();
            sleep(ACCEPT_PAUSE).await;
            return None;
        }
    };
    // Answers are written whole; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    loop {
        if room.available_permits() == 0 {
            connections.evict();
        }
        // One that is idle now may be busy when it is told to go, and the other way round.
        if let Ok(permit) = timeout(ROOM_PAUSE, room.clone().acquire_owned()).await {
            return Some((stream, peer, permit.ok()?));
        }
    }
}
