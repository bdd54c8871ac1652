//! What people see and ask of schedules while they are carried out: which window is being written, and *run now*.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use whowas_event::{EnvironmentName, Time};
use whowas_export::windows::{Kept, Window};
use whowas_store::{StoreError, control::Control};

use super::{
    ScheduleReport, Scheduled,
    report::{entries, next},
    run::stored,
};

type Running = (EnvironmentName, String, Window);

/// Shared by who carries schedules out and who is asked about them.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    wake: Notify,
    running: Mutex<Option<Running>>,
}

/// A window is being written as long as this is held.
pub(super) struct Written<'a>(&'a Desk);

impl Drop for Written<'_> {
    fn drop(&mut self) {
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Desk {
    pub(super) fn writing(&self, one: &Scheduled, window: Window) -> Written<'_> {
        let running = (one.environment.clone(), one.schedule.name.clone(), window);
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        Written(self)
    }

    /// Until somebody wants something at once.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Says in reports which window is being written.
    pub(crate) fn mark(&self, name: &EnvironmentName, reports: &mut [ScheduleReport]) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, schedule, window)) = running.as_ref().filter(|(of, ..)| of == name) else { return };
        let own = reports.iter_mut().filter(|report| report.schedule == *schedule);
        for one in own.flat_map(|report| &mut report.windows).filter(|one| one.from == window.from) {
            one.is_running = true;
        }
    }
}

/// Why a schedule is not run now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WantError {
    #[error("the settings have no schedule {0}")]
    Missing(String),
    #[error("nothing is due: the next window ends at {0}")]
    NotOver(Time),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Has what is over written now, covered or not, and what failed tried again now. Gives the window that is wanted,
/// or that was looked at again.
pub(crate) async fn want(
    control: &dyn Control,
    (name, schedule): (&EnvironmentName, &str),
    (scheduled, desk): (&[Scheduled], &Arc<Desk>),
    now: Time,
) -> Result<Window, WantError> {
    let mut own = scheduled.iter().filter(|one| one.environment == *name && one.schedule.name == schedule);
    let one = own.next().ok_or_else(|| WantError::Missing(schedule.to_owned()))?;
    let all = control.archived(name).await?.into_iter();
    let known = entries(all.filter(|kept| kept.schedule == schedule).collect())?;
    let failed = known
        .iter()
        .filter(|(_, kept)| kept.done.is_some() && (kept.failure.is_some() || kept.broken.is_some()));
    let mut looked_at = None;
    for (window, kept) in failed {
        // What is broken is read back at once.
        let again = Kept { try_at: None, verified_at: None, ..kept.clone() };
        control.keep_archived(name, &stored(one, *window, &again)).await?;
        looked_at = Some(*window);
    }
    let (window, kept) = next(&one.schedule, &known);
    if window.to <= now {
        let wanted = Kept { try_at: None, wanted_at: Some(now), ..kept };
        control.keep_archived(name, &stored(one, window, &wanted)).await?;
        looked_at = Some(window);
    }
    desk.wake.notify_one();
    looked_at.ok_or(WantError::NotOver(window.to))
}
