//! What directories said of the person, from when to when.

use jiff::tz::TimeZone;
use serde_json::Value;
use whowas_event::EnvironmentName;
use whowas_query::{UserHistory, UserVersion};

use super::{super::grouped, local};

/// Entries that are shown, the newest; `whowas users show --history` and the API have all.
const ENTRIES_MAX: usize = 50;

/// One entry.
pub(super) struct EntryView {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) login: String,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) state: &'static str,
    pub(super) source: String,
    pub(super) record: String,
}

/// The entries, the newest first, and how many more there are, if any.
#[derive(Default)]
pub(super) struct ThroughTime {
    pub(super) entries: Vec<EntryView>,
    pub(super) more: String,
}

impl ThroughTime {
    pub(super) fn of(environment: &EnvironmentName, history: UserHistory, zone: &TimeZone) -> Self {
        let newest = history.versions.into_iter().rev().take(ENTRIES_MAX);
        let entries: Vec<EntryView> = newest.map(|one| entry(environment, one, zone)).collect();
        let more = history.total.saturating_sub(entries.len() as u64);
        Self { entries, more: if more == 0 { String::new() } else { grouped(more) } }
    }
}

fn entry(environment: &EnvironmentName, version: UserVersion, zone: &TimeZone) -> EntryView {
    let state = match version.attributes.get("enabled") {
        _ if version.is_removed => "deleted",
        Some(Value::Bool(false)) => "disabled",
        Some(Value::Bool(true)) => "enabled",
        _ => "",
    };
    EntryView {
        from: local(version.from, zone),
        to: version.to.map(|to| local(to, zone)).unwrap_or_default(),
        login: version.name.unwrap_or_default(),
        name: version.full_name.unwrap_or_default(),
        email: version.email_addr.unwrap_or_default(),
        state,
        source: version.source,
        record: format!("/p/{environment}/monitoring/raw-logs/{}", version.position),
    }
}
