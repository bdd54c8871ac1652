//! Waiting until a trail is settled.

use std::{sync::atomic::Ordering, time::Duration};

use crate::Trail;

/// How often [`Trail::settle`] looks again.
const SETTLE_POLL: Duration = Duration::from_millis(100);

impl Trail {
    /// Moves the whole tail to the archive now. For tests and benchmarks that want a settled trail.
    pub async fn settle(&self) {
        let shared = self.shared();
        shared.is_settling.store(true, Ordering::Relaxed);
        while !shared.snapshot().tail.is_empty() && shared.poisoned().is_none() {
            let archived = shared.archived.notified();
            shared.committed.notify_one();
            // A notification between the look and the wait is caught by the time-out.
            let _ = tokio::time::timeout(SETTLE_POLL, archived).await;
        }
        shared.is_settling.store(false, Ordering::Relaxed);
    }
}
