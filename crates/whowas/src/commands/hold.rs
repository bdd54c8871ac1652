//! `whowas hold`: what is under legal hold is neither erased nor let go.

use serde_json::{Value, json};
use whowas_event::{EnvironmentName, Event, Kind, NativeId, Status};
use whowas_query::select::Selector;
use whowas_store::{Store, Trail, control};

use super::access;
use crate::{
    cli::{Global, Hold, Selection},
    config,
    failure::{DONE, Failure},
    output,
};

pub(crate) async fn run(global: &Global, command: Hold) -> Result<u8, Failure> {
    let store = config::open_or_say(global, environment(&command), "holds").await?;
    match command {
        Hold::Add { environment, selection, all, reason } => {
            add(global, &store, &environment, (selection, all), reason).await?;
        }
        Hold::List { environment } => {
            let trail = store.trail(&environment).await?;
            let holds = store.control().holds(&environment).await?;
            let body = json!({ "rows": holds.len() });
            access::record(&trail, "holds", body, json!({}), store.clock().now()).await?;
            for hold in &holds {
                if global.json {
                    output::json_line(hold)?;
                } else {
                    let (text, reason) = (output::printable(&hold.text), output::printable(&hold.reason));
                    output::line(format_args!(
                        "{} since {}: {} {text} ({reason})",
                        hold.id, hold.created_at, hold.covers
                    ))?;
                }
            }
        }
        Hold::Release { environment, id, reason } => {
            let trail = store.trail(&environment).await?;
            // Recorded first: a hold that ends without a trace would be worse than a trace without an end.
            if !store.control().holds(&environment).await?.iter().any(|hold| hold.id == id) {
                return Err(Failure::not_understood(format!("there is no hold {id} in force")));
            }
            record(&store, &trail, "release", id, json!({ "reason": reason })).await?;
            store.control().release_hold(&environment, id).await?;
            output::line(format_args!("hold {id} is released"))?;
        }
    }
    store.close().await?;
    Ok(DONE)
}

fn environment(command: &Hold) -> &EnvironmentName {
    match command {
        Hold::Add { environment, .. } | Hold::List { environment } | Hold::Release { environment, .. } => {
            environment
        }
    }
}

async fn add(
    global: &Global,
    store: &Store,
    name: &EnvironmentName,
    (selection, all): (Selection, bool),
    reason: String,
) -> Result<(), Failure> {
    let trail = store.trail(name).await?;
    let (covers, text) = match (selection.user, selection.filter, all) {
        (Some(user), None, false) => ("user", user),
        (None, Some(filter), false) => {
            Selector::filter(&filter)?;
            ("filter", filter)
        }
        (None, None, true) => ("all", String::new()),
        _ => return Err(Failure::not_understood("what is held? Give --user, --filter or --all")),
    };
    let created_at = store.clock().now();
    let hold = control::Hold { id: 0, covers: covers.to_owned(), text, reason, created_at };
    // In force first: a crash in between leaves a hold without its record, which keeps data.
    let id = store.control().add_hold(name, &hold).await?;
    let personal = json!({ "covers": hold.covers, "reason": hold.reason, "text": hold.text });
    record(store, &trail, "hold", id, personal).await?;
    if global.json {
        output::json_line(&json!({ "hold": id }))
    } else {
        output::line(format_args!("hold {id} is in force"))
    }
}

/// A record of kind `retention`: whom a hold covers, and why, may name people.
async fn record(store: &Store, trail: &Trail, action: &str, id: i64, personal: Value) -> Result<(), Failure> {
    let now = store.clock().now();
    let mut event = Event {
        kind: Kind::Retention,
        occurred_at: now,
        status: Status::Success,
        native_id: NativeId::Derived(format!("{action}:{id}:{}", now.as_ms())),
        ..Event::default()
    };
    event.user.name = Some(access::user());
    let body = json!({ "action": action, "hold": id, "interface": "command-line" });
    whowas_collect::note(trail, event, (body, personal), now).await?;
    Ok(())
}
