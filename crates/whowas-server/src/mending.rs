//! Trails that stopped because the disk was full go on by themselves once there is room.
//!
//! What may be tried is for the store to say (`Store::recover`); this only asks it, again and again.

use std::{sync::Arc, time::Duration};

use crate::app::App;

/// How often trails that stopped are tried. A try on a disk that is still full ends with its first write.
const PAUSE: Duration = Duration::from_secs(2);

/// Runs until it is aborted: what was begun then is what a crash would leave.
pub(crate) async fn mend(app: Arc<App>) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let names = match app.store.environments().await {
            Ok(names) => names,
            Err(error) => {
                tracing::warn!(%error, "stopped trails are not looked for");
                continue;
            }
        };
        for name in names {
            match app.store.recover(&name).await {
                Ok(true) => {
                    tracing::info!(environment = %name, "there is space again: the trail accepts records")
                }
                Ok(false) => {}
                Err(error) => tracing::error!(environment = %name, %error, "the trail stays stopped"),
            }
        }
    }
}
