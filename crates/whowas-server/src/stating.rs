//! States the days of every trail while the server runs. When a day is due is for `whowas_collect::daily` to say.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use whowas_collect::daily::{Known, state_days};
use whowas_event::EnvironmentName;

use crate::app::App;

/// Before the first look: what a server does first is to be there for others.
const PAUSE_AT_START: Duration = Duration::from_secs(60);
/// Between two looks. So long at least are sign-ins that come late for a day before its manifest is revised, so a
/// trickle of them makes at most 24 revisions a day.
const PAUSE: Duration = Duration::from_secs(60 * 60);

/// Runs until it is aborted. A batch of statements is in the trail as a whole or not at all.
pub(crate) async fn state(app: Arc<App>) {
    let mut known: BTreeMap<EnvironmentName, Known> = BTreeMap::new();
    tokio::time::sleep(PAUSE_AT_START).await;
    loop {
        if let Err(error) = round(&app, &mut known).await {
            tracing::warn!(error, "days are not stated");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn round(app: &App, known: &mut BTreeMap<EnvironmentName, Known>) -> Result<(), String> {
    for name in app.store.environments().await.map_err(|e| e.to_string())? {
        let trail = app.store.trail(&name).await.map_err(|e| e.to_string())?;
        // A trail that stopped says so elsewhere.
        if trail.poisoned().is_some() {
            continue;
        }
        let known = known.entry(name.clone()).or_default();
        match state_days(&trail, app.control().as_ref(), known, app.now()).await {
            Ok(0) => {}
            Ok(days) => tracing::info!(environment = %name, days, "days are stated"),
            Err(error) => {
                *known = Known::default();
                tracing::warn!(environment = %name, %error, "days are not stated");
            }
        }
    }
    Ok(())
}
