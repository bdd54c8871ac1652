//! Whoever looks or changes something leaves a trace: an `access` record in the trail that it concerns.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use whowas_event::{EnvironmentName, Event, Kind, NativeId, Status, Time};
use whowas_store::{Receipt, Store, Trail, control::Token};

use crate::failure::Failure;

/// Who uses the command line, as far as the system says.
pub(crate) fn user() -> String {
    std::env::var("USER").unwrap_or_else(|_| "command line".to_owned())
}

/// Records that `action` was done here. `body` stands in clear in the leaf; `personal` may name people.
pub(crate) async fn record(
    trail: &Trail,
    action: &str,
    mut body: Value,
    personal: Value,
    now: Time,
) -> Result<Receipt, Failure> {
    // One command may do several things in one millisecond.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut event =
        Event { kind: Kind::Access, occurred_at: now, status: Status::Success, ..Event::default() };
    event.user.name = Some(user());
    let (process, count) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    event.native_id = NativeId::Derived(format!("{action}:{}:{process}:{count}", now.as_ms()));
    if let Value::Object(members) = &mut body {
        members.insert("action".to_owned(), json!(action));
        members.insert("interface".to_owned(), json!("command-line"));
    }
    Ok(whowas_collect::note(trail, event, (body, personal), now).await?)
}

/// Records what was done to a token, in every trail that it opens: one, or all there are.
pub(crate) async fn record_token(store: &Store, action: &str, token: &Token) -> Result<(), Failure> {
    let names: Vec<EnvironmentName> = match &token.environment {
        Some(name) => vec![name.clone()],
        None => store.environments().await?,
    };
    for name in names {
        let trail = store.trail(&name).await?;
        let body = json!({"token": token.id, "scope": token.scope.as_str()});
        record(&trail, action, body, json!({}), store.clock().now()).await?;
    }
    Ok(())
}
