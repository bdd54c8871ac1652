//! What to tell people about alarms: those that are open first, then the newest.

use serde::Serialize;
use whowas_event::{EnvironmentName, Time};
use whowas_store::{
    StoreError,
    control::{Control, StoredAlarm},
};

use super::{Alarm, AlarmKind};

/// One alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlarmReport {
    /// The rule that raised it.
    pub alarm: String,
    /// What it is.
    pub kind: AlarmKind,
    /// `raised`; `resolved`; `past`, if it is too long ago to be looked at.
    pub state: &'static str,
    /// Which source and stream, or which schedule; empty for the trail itself.
    pub subject: String,
    /// Which time it is about: from here …
    pub from: Time,
    /// … to before here, when it was raised.
    pub to: Time,
    /// When the source begins to forget it.
    pub lost_at: Option<Time>,
    /// In words.
    pub text: String,
    /// When it was raised.
    pub raised_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// When everybody who is to be told had taken the news of its state.
    pub told_at: Option<Time>,
    /// Position of the record of its beginning.
    pub raised_position: Option<u64>,
    /// Position of the record of its end.
    pub ended_position: Option<u64>,
}

/// Every alarm of an environment that is known: open ones first, each by the newest.
pub async fn alarms(control: &dyn Control, name: &EnvironmentName) -> Result<Vec<AlarmReport>, StoreError> {
    let stored = control.alarms(name).await?;
    let mut all: Vec<_> = stored.iter().map(report).collect::<Result<_, _>>()?;
    all.sort_by_key(|one| (one.ended_at.is_some(), std::cmp::Reverse(one.raised_at)));
    Ok(all)
}

/// What is kept of an alarm.
pub(super) fn alarm(stored: &StoredAlarm) -> Result<Alarm, StoreError> {
    serde_json::from_str(&stored.entry).map_err(|_| StoreError::Corrupt("control database: an alarm".into()))
}

fn report(stored: &StoredAlarm) -> Result<AlarmReport, StoreError> {
    let Alarm { condition, raised_at, raised_record, ended_at, ended_record, is_past, told } = alarm(stored)?;
    let state = match ended_at {
        None => "raised",
        Some(_) if is_past => "past",
        Some(_) => "resolved",
    };
    Ok(AlarmReport {
        alarm: stored.alarm.clone(),
        kind: condition.kind,
        state,
        subject: condition.subject,
        from: condition.from,
        to: condition.to,
        lost_at: condition.lost_at,
        text: condition.text,
        raised_at,
        ended_at,
        told_at: told.and_then(|told| told.told_at),
        raised_position: raised_record.and_then(|one| one.position),
        ended_position: ended_record.and_then(|one| one.position),
    })
}
