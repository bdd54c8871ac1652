//! A clock that stands until somebody moves it.

use std::sync::atomic::{AtomicI64, Ordering};

use whowas_event::Time;
use whowas_store::Clock;

/// A clock that stands until somebody moves it.
#[derive(Debug)]
pub struct SimClock(AtomicI64);

impl SimClock {
    /// It stands here.
    pub fn at(time: Time) -> Self {
        Self(AtomicI64::new(time.as_ms()))
    }

    /// Moves it, also backwards.
    pub fn set(&self, time: Time) {
        self.0.store(time.as_ms(), Ordering::SeqCst);
    }

    /// Moves it on.
    pub fn pass(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Time {
        Time::from_ms(self.0.load(Ordering::SeqCst)).unwrap()
    }
}
