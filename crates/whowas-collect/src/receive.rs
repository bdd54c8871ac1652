//! What a receiver took, into a trail: few records that are in memory, with an answer for each.
//!
//! Two halves. [`Taken`] admits items as a format gives them, without waiting for anything, so that it can run where
//! the parsing runs. [`record`] appends them and keeps what was rejected; when it returns, both are durable.
//! Records come first: a sender that is told to come back sends all of it again, and records are known then.

use futures::{StreamExt, TryStreamExt, stream};
use whowas_event::{
    Admitted, Time,
    admit::{RAW_BYTES_MAX, RawData, admit_or_return},
};
use whowas_format::{Item, Place, Stop, contract::PROBLEM_RAW_BYTES_MAX};
use whowas_store::{
    Batch, StoreError, Trail, WhenFull,
    control::{Control, Rejected},
};

use crate::{
    BATCH_RECORDS,
    intake::{Intake, Outcome},
};

/// Appends of one request that wait for their commit at once.
const APPENDS_IN_FLIGHT: usize = 4;
/// Raw bytes of the records of one request. A request repeats little; one that says much about all of its records, in few
/// bytes, would be many times as large as records.
const TAKEN_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Refusals of one request that are told one by one: enough for every batch that senders make.
const REFUSALS_MAX: usize = 10_000;

/// What records of one delivery have in common.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Name of the format.
    pub format: &'static str,
    /// Name of the source.
    pub source: String,
    /// Where rejected records are listed as coming from, such as `POST /v1/logs`.
    pub input: &'static str,
    /// When it came.
    pub received_at: Time,
    /// Whether the records' own bytes are kept.
    pub raw: RawData,
}

/// A record that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which one, counted from 1.
    pub record: u64,
    /// Why.
    pub reason: String,
}

/// Items that were taken and are not recorded yet.
#[derive(Debug)]
pub struct Taken {
    parcel: Parcel,
    items: u64,
    bytes: usize,
    set_aside: u64,
    records: Vec<Admitted>,
    rejected: Vec<Rejected>,
    n_rejected: u64,
    refusals: Vec<Refusal>,
}

impl Taken {
    /// Nothing taken yet.
    pub fn new(parcel: Parcel) -> Self {
        Self {
            parcel,
            items: 0,
            bytes: 0,
            set_aside: 0,
            records: Vec::new(),
            rejected: Vec::new(),
            n_rejected: 0,
            refusals: Vec::new(),
        }
    }

    /// How many sign-ins were taken so far.
    pub fn records(&self) -> usize {
        self.records.len()
    }

    /// Takes the next item, as formats hand them over; stops them when this is more than one request may be.
    ///
    /// # Errors
    /// It is too much: nothing of it should be recorded.
    pub fn sink(&mut self, item: Item) -> Result<(), Stop> {
        self.item(item);
        if self.bytes > TAKEN_BYTES_MAX { Err(Stop) } else { Ok(()) }
    }

    /// Takes the next item.
    pub fn item(&mut self, item: Item) {
        self.items += 1;
        match item {
            Item::SetAside { .. } => self.set_aside += 1,
            Item::Problem(problem) => self.reject(problem.place, problem.reason, problem.raw),
            Item::Draft(draft, place) => match admit_or_return(draft, self.parcel.raw) {
                Ok(admitted) => {
                    self.bytes += admitted.raw.len();
                    self.records.push(admitted);
                }
                Err((rejection, raw)) => {
                    self.reject(place, rejection.to_string(), raw);
                }
            },
        }
    }

    fn reject(&mut self, place: Place, reason: String, mut raw: Vec<u8>) {
        self.n_rejected += 1;
        self.bytes += raw.len();
        if self.refusals.len() < REFUSALS_MAX {
            self.refusals.push(Refusal { record: place.record, reason: reason.clone() });
        }
        if raw.len() > RAW_BYTES_MAX {
            raw.truncate(PROBLEM_RAW_BYTES_MAX);
        }
        self.rejected.push(Rejected {
            id: 0,
            received_at: self.parcel.received_at,
            source: self.parcel.source.clone(),
            format: self.parcel.format.to_owned(),
            input: self.parcel.input.to_owned(),
            record: place.record,
            line: place.line,
            column: place.column,
            reason,
            raw,
        });
    }
}

/// What became of a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Records that are new in the trail, revisions among them.
    pub recorded: u64,
    /// Records that were in the trail already.
    pub duplicate: u64,
    /// Records whose id was in the trail with other content.
    pub revised: u64,
    /// Records that are no sign-ins.
    pub set_aside: u64,
    /// Records that were refused.
    pub rejected: u64,
    /// Which ones and why, as far as there is room.
    pub refusals: Vec<Refusal>,
    /// Position of the first recorded one.
    pub first_position: Option<u64>,
    /// Size of the tree that holds them.
    pub tree_size: u64,
}

/// Records what was taken, and counts it. When this returns `Ok`, everything is durable, sequenced and provable.
///
/// # Errors
/// The trail is busy or has stopped, or rejected records cannot be kept. Some records may be in the trail by then;
/// sending all of them again is harmless.
pub async fn record(
    trail: &Trail,
    control: &dyn Control,
    taken: Taken,
    when_full: WhenFull,
    intake: &Intake,
) -> Result<Received, StoreError> {
    let items = taken.items;
    let received = record_uncounted(trail, control, taken, when_full, intake).await;
    match &received {
        Ok(received) => {
            let Received { recorded, duplicate, set_aside, rejected, .. } = received;
            tracing::debug!(environment = %trail.name(), recorded, duplicate, set_aside, rejected, "received");
            intake.add(Outcome::Recorded, received.recorded);
            intake.add(Outcome::Duplicate, received.duplicate);
            intake.add(Outcome::SetAside, received.set_aside);
            intake.add(Outcome::Rejected, received.rejected);
        }
        // Whoever waits tries again by itself: nobody was refused.
        Err(_) if when_full == WhenFull::Wait => {}
        Err(_) => intake.add(Outcome::Refused, items),
    }
    received
}

async fn record_uncounted(
    trail: &Trail,
    control: &dyn Control,
    taken: Taken,
    when_full: WhenFull,
    intake: &Intake,
) -> Result<Received, StoreError> {
    let Taken { parcel, items: _, bytes: _, set_aside, records, mut rejected, n_rejected, refusals } = taken;
    let mut received = Received { set_aside, rejected: n_rejected, refusals, ..Received::default() };
    let batch = |records| Batch {
        source: parcel.source.clone(),
        format: parcel.format.to_owned(),
        received_at: parcel.received_at,
        records,
    };
    let appends = chunks(records).into_iter().map(|records| trail.append(batch(records), when_full));
    let mut appends = stream::iter(appends).buffered(APPENDS_IN_FLIGHT);
    while let Some(receipt) = appends.try_next().await? {
        received.recorded += receipt.recorded;
        received.duplicate += receipt.duplicate;
        received.revised += receipt.revised;
        received.first_position = received.first_position.or(receipt.first_position);
        received.tree_size = received.tree_size.max(receipt.tree_size);
    }
    if received.tree_size == 0 {
        received.tree_size = trail.snapshot().size;
    }
    rejected.truncate(intake.room_for_rejected(rejected.len(), parcel.received_at));
    if !rejected.is_empty() {
        control.reject(trail.name(), &rejected).await?;
    }
    Ok(received)
}

/// The records in batches of one append each.
fn chunks(mut records: Vec<Admitted>) -> Vec<Vec<Admitted>> {
    let mut chunks = Vec::new();
    while records.len() > BATCH_RECORDS {
        let rest = records.split_off(BATCH_RECORDS);
        chunks.push(std::mem::replace(&mut records, rest));
    }
    if !records.is_empty() {
        chunks.push(records);
    }
    chunks
}
