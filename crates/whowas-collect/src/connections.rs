//! The connections that a listener has open, and which of them goes when there is no room for the next.
//!
//! A connection without a request in hand is worth less than one that comes: whoever holds many idle ones must
//! not keep others out. The longest idle goes first, at once and without a word, since nobody waits for an
//! answer on it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

/// What a connection does now.
#[derive(Debug, Default)]
pub struct Activity {
    /// Requests that are not answered yet; HTTP/2 has several.
    requests: AtomicUsize,
    /// When the last one ended, as a count over all connections.
    idle_since: AtomicU64,
    /// Somebody else needs the room.
    evicted: Notify,
}

/// A request in hand, for as long as this is held.
#[derive(Debug)]
pub struct InHand {
    activity: Arc<Activity>,
    connections: Arc<Connections>,
}

/// All open connections.
#[derive(Debug, Default)]
pub struct Connections {
    open: Mutex<BTreeMap<u64, Arc<Activity>>>,
    /// Counts what happens: an order of moments without a clock.
    moments: AtomicU64,
}

impl Connections {
    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::Relaxed)
    }

    /// A connection that begins, idle.
    pub fn open(self: &Arc<Self>) -> Open {
        let activity = Arc::new(Activity::default());
        let id = self.moment();
        activity.idle_since.store(id, Ordering::Relaxed);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, activity.clone());
        Open { id, activity, connections: self.clone() }
    }

    /// Ends the connection that is idle for longest; false if none is.
    pub fn evict(&self) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = open.iter().filter(|(_, activity)| activity.requests.load(Ordering::Acquire) == 0);
        let longest = idle.min_by_key(|(_, activity)| activity.idle_since.load(Ordering::Relaxed));
        let Some(id) = longest.map(|(id, _)| *id) else { return false };
        // Off the list at once, or the same one would be asked again.
        if let Some(activity) = open.remove(&id) {
            activity.evicted.notify_one();
        }
        true
    }
}

/// One open connection; it is off the list when this is dropped.
#[derive(Debug)]
pub struct Open {
    id: u64,
    activity: Arc<Activity>,
    connections: Arc<Connections>,
}

impl Open {
    /// A request begins.
    pub fn request(&self) -> InHand {
        self.activity.requests.fetch_add(1, Ordering::AcqRel);
        InHand { activity: self.activity.clone(), connections: self.connections.clone() }
    }

    /// Returns when the connection must go.
    pub async fn evicted(&self) {
        loop {
            self.activity.evicted.notified().await;
            // A request may have come in between: it is answered, and the connection stays.
            if self.activity.requests.load(Ordering::Acquire) == 0 {
                return;
            }
            let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.insert(self.id, self.activity.clone());
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connections.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.activity.idle_since.store(self.connections.moment(), Ordering::Relaxed);
        self.activity.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn is_evicted(open: &Open) -> bool {
        timeout(Duration::from_millis(20), open.evicted()).await.is_ok()
    }

    #[tokio::test]
    async fn the_longest_idle_goes_first() {
        let connections = Arc::new(Connections::default());
        assert!(!connections.evict());
        let [first, second, third] = [connections.open(), connections.open(), connections.open()];
        let in_hand = second.request();
        drop(first.request());
        assert!(connections.evict());
        assert!(is_evicted(&third).await && !is_evicted(&first).await, "the first was busy since");
        assert!(connections.evict());
        assert!(is_evicted(&first).await);
        assert!(!connections.evict(), "the second has a request in hand");
        drop(in_hand);
        assert!(connections.evict());
        // It is just being asked something: it stays, and may go later.
        let in_hand = second.request();
        assert!(!is_evicted(&second).await);
        drop(in_hand);
        assert!(connections.evict() && is_evicted(&second).await);
        drop((first, second, third));
        assert!(connections.open.lock().unwrap().is_empty());
    }
}
