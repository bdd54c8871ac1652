//! Collectors in real time: one task each, which sleeps when there is nothing to do.

use std::{sync::Arc, time::Duration};

use whowas_event::EnvironmentName;
use whowas_store::{Store, StoreError};

use super::{
    api::Api,
    collector::{Collector, Setup, Step},
    http::Http,
};

/// The longest sleep: a clock that jumps is noticed within it.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// Between two tries to open a collector whose trail does not work.
const REST: Duration = Duration::from_secs(60);

/// Reads a source into its environment, which is created if there is none. Ends only by being dropped.
pub async fn run(
    store: Arc<Store>,
    environment: EnvironmentName,
    http: Arc<dyn Http>,
    api: Arc<dyn Api>,
    setup: Setup,
) {
    loop {
        if let Err(error) = read(&store, &environment, (http.clone(), api.clone()), setup.clone()).await {
            // A trail that stopped has said so itself.
            tracing::warn!(%environment, source = setup.source, %error, "the source is not read");
        }
        tokio::time::sleep(REST).await;
    }
}

async fn read(
    store: &Store,
    environment: &EnvironmentName,
    source: (Arc<dyn Http>, Arc<dyn Api>),
    setup: Setup,
) -> Result<(), StoreError> {
    let trail = store.create_trail(environment).await?;
    let (control, clock) = (store.control().clone(), store.clock().clone());
    let mut collector = Collector::open(trail, control, source, clock.clone(), setup).await?;
    loop {
        match collector.step().await? {
            Step::Done => tokio::task::yield_now().await,
            Step::Wait(at) => {
                let ms = u64::try_from(at.as_ms() - clock.now().as_ms()).unwrap_or_default();
                tokio::time::sleep(Duration::from_millis(ms.max(1)).min(SLEEP_MAX)).await;
            }
        }
    }
}
