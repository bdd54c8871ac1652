//! What every handler shares.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};
use whowas_collect::{intake::Intakes, poll::Probe};
use whowas_event::{EnvironmentName, Time};
use whowas_query::Engine;
use whowas_store::{
    Store, StoreError,
    control::{Control, SecretHash, Token},
};

use crate::{
    api::coverage::SumCache,
    archive::Scheduled,
    jobs::Jobs,
    receive::{inbound::Inbound, track::Known},
    scim::source::Sources,
};

/// Imports at once: each has a thread and some 30 MB of batches.
const IMPORTS_MAX: usize = 4;
/// How long a token that was looked up counts as valid. Revoking forgets it at once; this bounds what
/// a change from elsewhere takes.
const TOKEN_TTL: Duration = Duration::from_secs(1);
/// Tokens that are remembered at once.
const TOKENS_MAX: usize = 1024;

/// What every handler shares.
pub(crate) struct App {
    pub(crate) store: Arc<Store>,
    pub(crate) engine: Engine,
    pub(crate) is_tls: bool,
    pub(crate) metrics: Metrics,
    pub(crate) coverage: SumCache,
    pub(crate) imports: Arc<Semaphore>,
    pub(crate) inbound: Inbound,
    pub(crate) intakes: Arc<Intakes>,
    pub(crate) known: Known,
    /// Of the settings; set before the first request.
    pub(crate) scheduled: OnceLock<Vec<Scheduled>>,
    /// Of the settings: what can be tested.
    pub(crate) probes: OnceLock<Vec<(EnvironmentName, Probe)>>,
    /// Held while a source is tested.
    pub(crate) testing: tokio::sync::Mutex<()>,
    pub(crate) jobs: Jobs,
    pub(crate) scim: Sources,
    /// Held from looking at a trail to changing what it keeps: a hold that comes in between would not be seen.
    pub(crate) keeping: tokio::sync::Mutex<()>,
    /// Valid tokens by the digest of their secret: thousands of small requests a second must not each ask
    /// the control database, whose one connection commits.
    tokens: Mutex<HashMap<SecretHash, (Instant, Arc<Token>)>>,
}

impl App {
    pub(crate) fn new(store: Arc<Store>, engine: Engine, is_tls: bool, export_bytes_max: u64) -> Self {
        Self {
            store,
            engine,
            is_tls,
            metrics: Metrics::default(),
            coverage: SumCache::default(),
            imports: Arc::new(Semaphore::new(IMPORTS_MAX)),
            inbound: Inbound::default(),
            intakes: Arc::default(),
            known: Known::default(),
            scheduled: OnceLock::new(),
            probes: OnceLock::new(),
            testing: tokio::sync::Mutex::default(),
            jobs: Jobs::new(export_bytes_max),
            scim: Sources::default(),
            keeping: tokio::sync::Mutex::default(),
            tokens: Mutex::default(),
        }
    }

    pub(crate) fn control(&self) -> &Arc<dyn Control> {
        self.store.control()
    }

    /// The scheduled exports of the settings.
    pub(crate) fn schedules(&self) -> &[Scheduled] {
        self.scheduled.get().map(Vec::as_slice).unwrap_or_default()
    }

    /// The sources of the settings that feed an environment.
    pub(crate) fn sources<'a>(&'a self, name: &'a EnvironmentName) -> impl Iterator<Item = &'a Probe> {
        let all = self.probes.get().map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(move |(environment, _)| environment == name).map(|(_, probe)| probe)
    }

    pub(crate) fn now(&self) -> Time {
        self.store.clock().now()
    }

    /// The token with this secret, if it is in force.
    pub(crate) async fn token(&self, secret: &SecretHash) -> Result<Option<Arc<Token>>, StoreError> {
        if let Some((known_at, token)) =
            self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(secret)
            && known_at.elapsed() < TOKEN_TTL
        {
            return Ok(Some(token.clone()));
        }
        let Some(token) = self.control().token_by_secret(secret).await?.map(Arc::new) else {
            return Ok(None);
        };
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= TOKENS_MAX {
            tokens.clear();
        }
        tokens.insert(*secret, (Instant::now(), token.clone()));
        Ok(Some(token))
    }

    /// Tokens have changed.
    pub(crate) fn forget_tokens(&self) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    connections: AtomicU64,
    /// By the hundreds of the status: 1xx … 5xx.
    responses: [AtomicU64; 5],
}

impl Metrics {
    pub(crate) fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn response(&self, status: u16) {
        if let Some(counter) = self.responses.get(usize::from(status / 100).saturating_sub(1)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn responses(&self) -> impl Iterator<Item = (usize, u64)> {
        self.responses.iter().enumerate().map(|(idx, counter)| (idx + 1, counter.load(Ordering::Relaxed)))
    }
}
