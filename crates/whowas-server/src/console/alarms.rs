//! Alarms as pages show them: what is raised now, and what ended lately.

use whowas_event::{EnvironmentName, Time};

use super::show;
use crate::{
    alarm::{AlarmKind, AlarmReport, alarms},
    app::App,
    problem::Problem,
};

/// Rows that are shown; the API has all.
const SHOWN_MAX: usize = 50;

/// One alarm.
pub(crate) struct AlarmRow {
    pub(crate) title: &'static str,
    pub(crate) subject: String,
    pub(crate) state: &'static str,
    pub(crate) text: String,
    pub(crate) range: String,
    pub(crate) left: String,
    pub(crate) raised: String,
    pub(crate) ended: String,
    pub(crate) told: String,
    pub(crate) rule: String,
}

/// The alarms of an environment.
#[derive(Default)]
pub(crate) struct AlarmTable {
    pub(crate) rows: Vec<AlarmRow>,
    pub(crate) open: usize,
    pub(crate) hidden: usize,
}

/// What is known of them now.
pub(crate) async fn table(app: &App, name: &EnvironmentName) -> Result<AlarmTable, Problem> {
    let (all, now) = (alarms(app.control().as_ref(), name).await?, app.now());
    let open = all.iter().filter(|one| one.ended_at.is_none()).count();
    let hidden = all.len().saturating_sub(SHOWN_MAX);
    Ok(AlarmTable { rows: all.into_iter().take(SHOWN_MAX).map(|one| row(one, now)).collect(), open, hidden })
}

const fn title(kind: AlarmKind) -> &'static str {
    match kind {
        AlarmKind::Silence => "Silent source",
        AlarmKind::AtRisk => "Time at risk",
        AlarmKind::Lost => "Time lost",
        AlarmKind::Truncated => "File cut short",
        AlarmKind::LateWindow => "Window written late",
        AlarmKind::FailedWindow => "Window failed",
        AlarmKind::Outage => "Trail stopped",
    }
}

fn row(one: AlarmReport, now: Time) -> AlarmRow {
    let left = one.lost_at.filter(|_| one.ended_at.is_none() && one.kind == AlarmKind::AtRisk);
    AlarmRow {
        title: title(one.kind),
        state: one.state,
        text: one.text,
        range: match one.kind {
            AlarmKind::Outage => String::new(),
            _ => format!("{} to {}", show(one.from), show(one.to)),
        },
        left: left.map(|at| countdown(at.as_ms() - now.as_ms())).unwrap_or_default(),
        raised: show(one.raised_at),
        ended: one.ended_at.map(show).unwrap_or_default(),
        told: one.told_at.map(show).unwrap_or_default(),
        rule: one.alarm,
        subject: one.subject,
    }
}

fn countdown(ms: i64) -> String {
    const HOUR_MS: i64 = 3_600_000;
    match ms.div_euclid(HOUR_MS) {
        ..0 => "being forgotten now".to_owned(),
        0 => "forgotten in less than an hour".to_owned(),
        hours @ 1..72 => format!("forgotten in {hours} hours"),
        hours => format!("forgotten in {} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_counted_down() {
        const HOUR_MS: i64 = 3_600_000;
        for (hours, want) in [
            (-1, "being forgotten now"),
            (0, "forgotten in less than an hour"),
            (71, "forgotten in 71 hours"),
            (72, "forgotten in 3 days"),
        ] {
            assert_eq!(countdown(hours * HOUR_MS), want);
        }
    }
}
