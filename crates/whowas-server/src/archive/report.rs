//! What to tell people about schedules: the windows of each, from the first to the next.

use serde::Serialize;
use whowas_event::{EnvironmentName, Time};
use whowas_export::windows::{Kept, Schedule, State, Window};
use whowas_store::{
    StoreError,
    control::{Control, StoredArchive},
};

use super::Scheduled;

/// The most windows of one schedule in an answer, the newest: twenty years of weeks.
const WINDOWS_MAX: usize = 1044;

/// One schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScheduleReport {
    /// Its name.
    pub schedule: String,
    /// Whether the settings still have it. If not, its windows stay as they are and none follows.
    pub is_active: bool,
    /// Where it writes now.
    pub location: Option<String>,
    /// Its windows, the newest first: what is coming, what is waited for, what was written.
    pub windows: Vec<WindowReport>,
    /// Whether there are older ones than are listed.
    pub is_cut: bool,
}

/// One window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WindowReport {
    /// At or after.
    pub from: Time,
    /// Before.
    pub to: Time,
    /// Its state.
    pub state: State,
    /// Of a window that is not written: when it is written at the latest, covered or not.
    pub latest_at: Option<Time>,
    /// When it was written.
    pub written_at: Option<Time>,
    /// When it was last read back and found as it was written.
    pub verified_at: Option<Time>,
    /// Its rows.
    pub rows: Option<u64>,
    /// Sign-ins of earlier windows that were recorded after those were written.
    pub late_rows: Option<u64>,
    /// Size of the tree it is about.
    pub tree_size: Option<u64>,
    /// Where it lies.
    pub location: Option<String>,
    /// SHA-256 of its `window.json`.
    pub sha256: Option<String>,
    /// Position of the record of it.
    pub position: Option<u64>,
    /// Why writing or verifying fails.
    pub failure: Option<String>,
    /// When it is tried again.
    pub try_at: Option<Time>,
    /// Whether it is being written or read back this moment.
    pub is_running: bool,
}

/// Every schedule of an environment: those of the settings, then those that were.
pub async fn windows(
    control: &dyn Control,
    name: &EnvironmentName,
    scheduled: &[Scheduled],
    now: Time,
) -> Result<Vec<ScheduleReport>, StoreError> {
    let mut stored = control.archived(name).await?;
    let mut reports = Vec::new();
    for one in scheduled.iter().filter(|one| one.environment == *name) {
        let (own, rest) = stored.into_iter().partition(|kept| kept.schedule == one.schedule.name);
        stored = rest;
        reports.push(active(one, &entries(own)?, now));
    }
    while let Some(first) = stored.first() {
        let schedule = first.schedule.clone();
        let (own, rest) = stored.into_iter().partition(|kept| kept.schedule == schedule);
        stored = rest;
        let windows = entries(own)?.iter().map(|(window, kept)| told(*window, kept, None, now)).collect();
        reports.push(report(schedule, None, windows));
    }
    Ok(reports)
}

/// What is kept of windows, by time.
pub(super) fn entries(stored: Vec<StoredArchive>) -> Result<Vec<(Window, Kept)>, StoreError> {
    let entry = |one: StoredArchive| {
        let kept = serde_json::from_str(&one.entry)
            .map_err(|_| StoreError::Corrupt("control database: a window of a schedule".into()))?;
        Ok((Window { from: one.from, to: one.to }, kept))
    };
    stored.into_iter().map(entry).collect()
}

/// The window that is next to be written, with what is known of it.
pub(super) fn next(schedule: &Schedule, entries: &[(Window, Kept)]) -> (Window, Kept) {
    let done = entries.iter().rev().find(|(_, kept)| kept.done.is_some());
    let window = schedule.next(done.map(|(window, _)| window.to));
    let kept = entries.iter().find(|(known, kept)| known.from == window.from && kept.done.is_none());
    (window, kept.map(|(_, kept)| kept.clone()).unwrap_or_default())
}

fn active(one: &Scheduled, entries: &[(Window, Kept)], now: Time) -> ScheduleReport {
    let done = entries.iter().filter(|(_, kept)| kept.done.is_some());
    let mut windows: Vec<_> =
        done.map(|(window, kept)| told(*window, kept, Some(&one.schedule), now)).collect();
    let (mut window, mut kept) = next(&one.schedule, entries);
    // Those that are over and not written, and the one that is running.
    while windows.len() < 2 * WINDOWS_MAX {
        windows.push(told(window, &kept, Some(&one.schedule), now));
        if window.to > now {
            break;
        }
        (window, kept) = (one.schedule.next(Some(window.to)), Kept::default());
    }
    report(one.schedule.name.clone(), Some(one.storage.shown().to_owned()), windows)
}

fn report(schedule: String, location: Option<String>, mut windows: Vec<WindowReport>) -> ScheduleReport {
    let is_cut = windows.len() > WINDOWS_MAX;
    windows.drain(..windows.len().saturating_sub(WINDOWS_MAX));
    windows.reverse();
    ScheduleReport { schedule, is_active: location.is_some(), location, windows, is_cut }
}

pub(super) fn told(window: Window, kept: &Kept, schedule: Option<&Schedule>, now: Time) -> WindowReport {
    let done = kept.done.as_ref();
    WindowReport {
        from: window.from,
        to: window.to,
        state: State::of(window, kept, now),
        latest_at: schedule.filter(|_| done.is_none()).map(|schedule| schedule.latest(window)),
        written_at: done.map(|done| done.at),
        verified_at: kept.verified_at,
        rows: done.map(|done| done.rows),
        late_rows: done.map(|done| done.late_rows),
        tree_size: done.map(|done| done.tree_size),
        location: done.map(|done| done.location.clone()),
        sha256: done.map(|done| done.sha256.clone()),
        position: done.and_then(|done| done.position),
        failure: kept.broken.clone().or_else(|| kept.failure.clone()),
        try_at: kept.try_at,
        is_running: false,
    }
}
