//! Messages into the trail, as many at once as have come while the last ones were committed.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use whowas_event::admit::RawData;
use whowas_format::{Item, Options, Place, Problem, contract::PROBLEM_RAW_BYTES_MAX, sysloglines};
use whowas_store::{StoreError, WhenFull};

use super::{Destination, SyslogOptions, Waiting};
use crate::{
    BATCH_RECORDS,
    intake::IntakeName,
    receive::{Parcel, Taken, record},
};

/// How long to wait before the same messages are tried again, when the trail or its database does not take them.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// So many messages are parsed where they are; more take a thread of their own. A message takes some 10 µs.
const INLINE_MESSAGES: usize = 256;

/// What a message without its end is listed as.
const CUT_OFF_FORMAT: &str = "auth-log";

/// Records messages.
#[derive(Clone)]
pub(super) struct Recorder {
    to: Destination,
    options: Arc<SyslogOptions>,
}

/// What was read of messages: for each format in [`sysloglines::FORMATS`].
type OfFormats = Vec<Option<Taken>>;

impl Recorder {
    pub(super) fn new(to: Destination, options: &SyslogOptions) -> Self {
        Self { to, options: Arc::new(options.clone()) }
    }

    /// Records what comes until nobody sends any more. Nothing is dropped: until messages are recorded no
    /// others are taken, the queue fills, and senders wait.
    pub(super) async fn run(self, mut waiting: mpsc::Receiver<Waiting>) {
        loop {
            let mut messages = Vec::new();
            if waiting.recv_many(&mut messages, BATCH_RECORDS).await == 0 {
                return;
            }
            let messages = Arc::new(messages);
            let mut is_done = [false; sysloglines::FORMATS.len()];
            while self.record(&messages, &mut is_done).await.is_err() {
                // The cause was logged where it arose: a trail that stops says so once.
                sleep(RETRY_PAUSE).await;
            }
        }
    }

    /// Records the messages of every format that is not done yet.
    async fn record(&self, messages: &Arc<Vec<Waiting>>, is_done: &mut [bool]) -> Result<(), StoreError> {
        let taken = if messages.len() > INLINE_MESSAGES {
            let (recorder, messages) = (self.clone(), messages.clone());
            let read = tokio::task::spawn_blocking(move || recorder.read(&messages)).await;
            // A thread that ends without an answer has a defect; the messages are tried again all the same.
            read.map_err(|_| StoreError::Busy)?
        } else {
            self.read(messages)
        };
        for ((taken, is_done), format) in taken.into_iter().zip(is_done).zip(sysloglines::FORMATS) {
            let Some(taken) = taken.filter(|_| !*is_done) else { continue };
            let intake = self.to.intakes.of(IntakeName {
                receiver: self.options.transport.as_str(),
                environment: self.to.trail.name().clone(),
                source: self.source(format),
            });
            record(&self.to.trail, self.to.control.as_ref(), taken, WhenFull::Wait, &intake).await?;
            *is_done = true;
        }
        Ok(())
    }

    fn source(&self, format: &str) -> String {
        self.options.source.clone().unwrap_or_else(|| format.to_owned())
    }

    fn read(&self, messages: &[Waiting]) -> OfFormats {
        let now = self.to.clock.now();
        let options = Options {
            source_timezone: self.options.source_timezone.clone(),
            date_order: None,
            received_at: now,
            file_time: now,
        };
        let mut of_formats: OfFormats = sysloglines::FORMATS.map(|_| None).into();
        for message in messages {
            let (format, item) = match message.is_cut_off {
                false => sysloglines::read(&message.bytes, &options),
                true => (CUT_OFF_FORMAT, Item::Problem(cut_off(&message.bytes))),
            };
            let idx = sysloglines::FORMATS.iter().position(|name| *name == format);
            let slot = idx.and_then(|idx| of_formats.get_mut(idx));
            let parcel = || Parcel {
                format,
                source: self.source(format),
                input: self.options.transport.input(),
                received_at: now,
                raw: RawData::Kept,
            };
            if let Some(slot) = slot {
                slot.get_or_insert_with(|| Taken::new(parcel())).item(item);
            }
        }
        of_formats
    }
}

fn cut_off(message: &[u8]) -> Problem {
    Problem {
        place: Place { record: 1, ..Place::default() },
        reason: "the end of the message is missing: it is longer than 64 KiB, or the connection ended in it"
            .to_owned(),
        raw: message.get(..PROBLEM_RAW_BYTES_MAX).unwrap_or(message).to_vec(),
    }
}
