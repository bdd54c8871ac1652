//! The life of a collector in simulated time: it runs, stands still, is stopped and killed, and goes on.

use std::{
    future::Future,
    path::Path,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use whowas_collect::poll::{Api, Collector, Http, Setup, Step};
use whowas_event::{EnvironmentName, Time, admit::RawData};
use whowas_store::{Clock, Store, Trail};

use crate::{
    clock::SimClock,
    faults::{Spell, within},
    random::Random,
};

/// How a collector lives, and until when.
pub struct Life {
    /// When it is killed follows from this.
    pub random: Random,
    /// Its time.
    pub clock: Arc<SimClock>,
    /// When nothing of ours runs.
    pub pauses: Vec<Spell>,
    /// The end.
    pub end: Time,
}

impl Life {
    /// Reads a source until the end. Returns how often it was killed.
    pub async fn live(
        &mut self,
        folder: &Path,
        source: (Arc<dyn Http>, Arc<dyn Api>),
        name: &str,
    ) -> Result<u32, String> {
        let mut kills = 0;
        while self.clock.now() < self.end {
            let (store, trail) = self.open(folder).await;
            let setup = Setup { source: name.to_owned(), raw: RawData::Dropped };
            let (control, clock) = (store.control().clone(), self.clock.clone());
            let mut collector =
                Collector::open(trail.clone(), control, source.clone(), clock, setup).await.unwrap();
            let lifetime = self.random.between(20, 400);
            let mut was_killed = false;
            for _ in 0..lifetime {
                if self.clock.now() >= self.end || self.pause() {
                    break;
                }
                // Somewhere within the step, or not at all.
                let polls = if self.random.happens(1) { self.random.between(1, 5) } else { i64::MAX };
                match Bounded::new(pin!(collector.step()), polls).await {
                    None => {
                        was_killed = true;
                        break;
                    }
                    Some(step) => match step.map_err(|e| format!("the store: {e}"))? {
                        Step::Done => self.clock.pass(5),
                        Step::Wait(at) if at <= self.clock.now() => {
                            return Err(format!("waits for {at}, which is over"));
                        }
                        Step::Wait(at) => self.clock.set(at.min(self.end)),
                    },
                }
            }
            kills += u32::from(was_killed);
            drop(collector);
            store.close().await.map_err(|e| e.to_string())?;
        }
        Ok(kills)
    }

    /// Skips the time in which nothing of ours runs.
    fn pause(&self) -> bool {
        let now = self.clock.now();
        let Some((_, until)) = self.pauses.iter().find(|pause| within(&[**pause], now)) else { return false };
        self.clock.set(*until);
        true
    }

    /// The store, and the trail in it.
    pub async fn open(&self, folder: &Path) -> (Store, Arc<Trail>) {
        let store = Store::open(folder, true, self.clock.clone()).await.unwrap();
        let name: EnvironmentName = "contoso/production".parse().unwrap();
        let trail = store.create_trail(&name).await.unwrap();
        (store, trail)
    }
}

/// A future that is dropped after so many polls: what a kill does to it.
pub struct Bounded<'a, F> {
    inner: Pin<&'a mut F>,
    polls: i64,
}

impl<'a, F: Future> Bounded<'a, F> {
    /// So often.
    pub fn new(inner: Pin<&'a mut F>, polls: i64) -> Self {
        Self { inner, polls }
    }
}

impl<F: Future> Future for Bounded<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        match self.inner.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // The next poll is the last; it comes at once.
            Poll::Pending if self.polls == 0 => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
