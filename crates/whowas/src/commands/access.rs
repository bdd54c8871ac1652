//! Whoever looks leaves a trace: an `access` record in the trail that was looked at.

use serde_json::{Value, json};
use whowas_event::{Event, Kind, NativeId, Status, Time};
use whowas_store::Trail;

use crate::failure::Failure;

/// Records that `action` was done here. `body` stands in clear in the leaf; `personal` may name people.
pub(crate) async fn record(
    trail: &Trail,
    action: &str,
    mut body: Value,
    personal: Value,
    now: Time,
) -> Result<(), Failure> {
    let mut event =
        Event { kind: Kind::Access, occurred_at: now, status: Status::Success, ..Event::default() };
    event.user.name = Some(std::env::var("USER").unwrap_or_else(|_| "command line".to_owned()));
    event.native_id = NativeId::Derived(format!("{action}:{}:{}", now.as_ms(), std::process::id()));
    if let Value::Object(members) = &mut body {
        members.insert("action".to_owned(), json!(action));
        members.insert("interface".to_owned(), json!("command-line"));
    }
    whowas_collect::note(trail, event, (body, personal), now).await?;
    Ok(())
}
