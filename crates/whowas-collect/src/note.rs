//! Records that whowas writes about itself: passes of an importer, searches, exports, changes.

use serde_json::Value;
use whowas_event::{Draft, Event, Time, admit, admit::RawData, jcs};
use whowas_store::{Batch, Receipt, StoreError, Trail, WhenFull, control::Progress};

/// The source and the format of such records.
const SELF: &str = "whowas";

/// Appends one record about whowas itself. `body` is in clear in the leaf, so it must not name people;
/// `unmapped` is only committed to, so it may. Values must be integers, texts, truths or objects of them.
pub async fn note(
    trail: &Trail,
    event: Event,
    said: (Value, Value),
    received_at: Time,
) -> Result<Receipt, StoreError> {
    note_with(trail, event, said, received_at, None).await
}

/// The same, together with how far a source has been read, or which window was written.
pub async fn note_with(
    trail: &Trail,
    mut event: Event,
    (body, unmapped): (Value, Value),
    received_at: Time,
    progress: Option<Progress>,
) -> Result<Receipt, StoreError> {
    let canonical = |value: &Value| {
        jcs::canonical(value).map_err(|e| StoreError::Invalid(format!("a record about whowas itself: {e}")))
    };
    event.body = Some(canonical(&body)?);
    if unmapped.as_object().is_some_and(|members| !members.is_empty()) {
        event.unmapped = Some(canonical(&unmapped)?);
    }
    let admitted = admit(Draft { event, raw: Vec::new() }, RawData::Dropped)
        .map_err(|e| StoreError::Invalid(format!("a record about whowas itself: {e}")))?;
    let batch =
        Batch { source: SELF.to_owned(), format: SELF.to_owned(), received_at, records: vec![admitted] };
    trail.append_with(batch, progress, WhenFull::Wait).await
}
