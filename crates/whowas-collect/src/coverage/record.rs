//! A pass as a record of the trail, and in the ledger, in one commit.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use whowas_event::{Event, Kind, NativeId, Status};
use whowas_store::{Receipt, StoreError, Trail, control::Control};

use super::{Ledger, Pass, load, stored};
use crate::note::note_with;

/// The stream of what is brought as files.
pub const FILES: &str = "files";

/// Appends the record of a pass to the trail and changes the ledger in the same commit. `unmapped` is only
/// committed to, so it may say what names people.
pub(crate) async fn record_pass(
    trail: &Trail,
    control: &dyn Control,
    pass: &Pass,
    unmapped: Value,
) -> Result<Receipt, StoreError> {
    let _held = trail.ledger().lock().await;
    let key = (pass.source.as_str(), pass.stream.as_str());
    let mut ledger = match load(control, trail.name(), Some(key), (pass.from, pass.to)).await?.pop() {
        Some(stream) => stream.ledger,
        None => Ledger::default(),
    };
    append(trail, &mut ledger, pass, unmapped, None).await
}

/// The same for a record that its caller has made: datagrams that were lost.
pub(crate) async fn note_pass(
    trail: &Trail,
    control: &dyn Control,
    event: Event,
    body: Value,
) -> Result<Receipt, StoreError> {
    let (text, at) = (body.to_string(), event.occurred_at);
    let Some(pass) = Pass::from_body(&text, at) else {
        return note_with(trail, event, (body, json!({})), at, None).await;
    };
    let _held = trail.ledger().lock().await;
    let key = (pass.source.as_str(), pass.stream.as_str());
    let mut ledger = match load(control, trail.name(), Some(key), (pass.from, pass.to)).await?.pop() {
        Some(stream) => stream.ledger,
        None => Ledger::default(),
    };
    let changed = ledger.apply(&pass);
    let progress = stored(key, &ledger, changed, None);
    note_with(trail, event, (body, json!({})), at, Some(progress)).await
}

/// The same for a caller that has the ledger and is the only one to change it.
pub(crate) async fn append(
    trail: &Trail,
    ledger: &mut Ledger,
    pass: &Pass,
    unmapped: Value,
    cursor: Option<String>,
) -> Result<Receipt, StoreError> {
    let changed = ledger.apply(pass);
    let progress = stored((&pass.source, &pass.stream), ledger, changed, cursor);
    let body = pass.to_body();
    // Two passes are never the same record: the tree has grown in between.
    let id = Sha256::new()
        .chain_update(unmapped.to_string())
        .chain_update(pass.at.as_ms().to_be_bytes())
        .chain_update(trail.snapshot().size.to_be_bytes())
        .chain_update(body.to_string())
        .finalize();
    let event = Event {
        kind: Kind::Coverage,
        occurred_at: pass.at,
        native_id: NativeId::Derived(hex::encode(id)),
        status: if pass.is_complete { Status::Success } else { Status::Failure },
        ..Event::default()
    };
    note_with(trail, event, (body, unmapped), pass.at, Some(progress)).await
}
