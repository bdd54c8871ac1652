//! Keeps the sessions of every trail up to its archive while the server runs, so that whoever asks need not wait.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use whowas_event::EnvironmentName;

use crate::app::App;

/// How often trails are looked at. A look that finds nothing to do compares two numbers.
const PAUSE: Duration = Duration::from_secs(2);
/// After a failure: the question that needs the sessions will tell it too.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Runs until it is aborted. What was begun is on disk as a whole or not at all.
pub(crate) async fn follow(app: Arc<App>) {
    let mut sizes = BTreeMap::new();
    loop {
        let pause = match round(&app, &mut sizes).await {
            Ok(()) => PAUSE,
            Err(error) => {
                tracing::warn!(error, "sessions are not kept up to date");
                PAUSE_AFTER_FAILURE
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn round(app: &App, sizes: &mut BTreeMap<EnvironmentName, u64>) -> Result<(), String> {
    for name in app.store.environments().await.map_err(|e| e.to_string())? {
        let trail = app.store.trail(&name).await.map_err(|e| e.to_string())?;
        while app.engine.keep_sessions(&trail).await.map_err(|e| e.loggable())? {}
        // Where much arrives, the newest records are paired when somebody asks; where it is quiet, before.
        let size = trail.snapshot().size;
        if sizes.insert(name, size) == Some(size) {
            app.engine.pair_newest(&trail).await.map_err(|e| e.loggable())?;
        }
    }
    Ok(())
}
