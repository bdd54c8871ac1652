//! What an alarm is about, and whether it begins or ends now. Pure: no clock, nothing is read or told.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use whowas_collect::coverage::{
    FILES, State as Coverage,
    report::{Interval, StreamReport},
};
use whowas_event::{EnvironmentName, Time};
use whowas_export::{delivery::Delivery, windows::State};

use crate::archive::ScheduleReport;

/// The most alarms of one rule in one environment that are open at once; what is beyond is not raised before
/// there is room, and the log says so.
const OPEN_MAX: usize = 1000;
/// What is over is listed so long.
const KEPT_MS: i64 = 90 * 86_400_000;

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// A source that is asked says less than usual.
    Silence,
    /// Time that is not complete, and that the source will soon forget.
    AtRisk,
    /// Time that is not complete, and that the source has forgotten.
    Lost,
    /// A file ended in the middle.
    Truncated,
    /// A window of a schedule was written though it was not covered.
    LateWindow,
    /// A window of a schedule cannot be written, or is not there any more as it was.
    FailedWindow,
    /// The trail accepts no records.
    Outage,
}

impl AlarmKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Silence,
        Self::AtRisk,
        Self::Lost,
        Self::Truncated,
        Self::LateWindow,
        Self::FailedWindow,
        Self::Outage,
    ];

    /// The word in settings, on the wire and in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::AtRisk => "at_risk",
            Self::Lost => "lost",
            Self::Truncated => "truncated",
            Self::LateWindow => "late_window",
            Self::FailedWindow => "failed_window",
            Self::Outage => "outage",
        }
    }

    /// The kind with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether there is one event for each time that it is about. Of the others a stream or schedule has one that
    /// lasts, however its time moves meanwhile.
    const fn is_by_time(self) -> bool {
        matches!(self, Self::Lost | Self::Truncated | Self::LateWindow | Self::FailedWindow)
    }
}

/// What one `[[alarm]]` of the settings asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Which environments; all if none is named.
    pub environments: Vec<EnvironmentName>,
    /// Which sources; all if none is named. Schedules and the trail itself are no sources.
    pub sources: Vec<String>,
    /// Which kinds; all if none is named.
    pub kinds: Vec<AlarmKind>,
    /// Time that is open is at risk so long before its source forgets it, if the ledger does not say so earlier.
    pub before_ms: Option<i64>,
    /// So often what goes on is told again.
    pub repeat_ms: Option<i64>,
    /// Whether the end is told, too.
    pub tells_resolved: bool,
}

impl Rule {
    /// Whether it is about this environment.
    pub fn is_for(&self, name: &EnvironmentName) -> bool {
        self.environments.is_empty() || self.environments.contains(name)
    }

    fn wants(&self, kind: AlarmKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// What is known of an environment now.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Its streams, from `begin` on …
    pub streams: &'a [StreamReport],
    /// … which is how far the ledger was looked at.
    pub begin: Time,
    /// Its schedules.
    pub schedules: &'a [ScheduleReport],
    /// Whether its trail has stopped, and whether that is for want of space.
    pub stopped: Option<bool>,
    /// The time.
    pub now: Time,
}

/// Something that is so now. Names no person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What it is.
    pub kind: AlarmKind,
    /// Of which source and stream, or which schedule; empty for the trail itself.
    pub subject: String,
    /// Which time it is about: from here …
    pub from: Time,
    /// … to before here.
    pub to: Time,
    /// When the source begins to forget it.
    pub lost_at: Option<Time>,
    /// In words, without its times.
    pub text: String,
}

impl Condition {
    /// By which the same is known again.
    pub fn event(&self) -> String {
        let (kind, subject) = (self.kind.as_str(), &self.subject);
        if self.kind.is_by_time() {
            format!("{kind}:{subject}:{}", self.from.as_ms())
        } else {
            format!("{kind}:{subject}")
        }
    }
}

/// Where a record of an alarm is. Its position is not known if a crash came before that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its position.
    pub position: Option<u64>,
}

/// What is kept of an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// How it was when the alarm was raised.
    pub condition: Condition,
    /// When it was raised.
    pub raised_at: Time,
    /// The record of that, if it is in the trail.
    pub raised_record: Option<Recorded>,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// The record of that.
    pub ended_record: Option<Recorded>,
    /// It did not end: it is too long ago to be looked at.
    pub is_past: bool,
    /// Who was told.
    pub told: Option<Delivery>,
}

impl Alarm {
    /// Whether it goes on.
    pub const fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }

    /// The state that is worth telling.
    pub const fn worth(&self, rule: &Rule) -> Option<&'static str> {
        match self.ended_at {
            None => Some("raised"),
            Some(_) if rule.tells_resolved && !self.is_past => Some("resolved"),
            Some(_) => None,
        }
    }
}

/// What is so now and concerns a rule, by event.
pub fn conditions(rule: &Rule, facts: &Facts<'_>) -> BTreeMap<String, Condition> {
    let mut all = Vec::new();
    for stream in facts.streams {
        if rule.sources.is_empty() || rule.sources.contains(&stream.source) {
            of_stream(rule, stream, facts, &mut all);
        }
    }
    for schedule in facts.schedules {
        of_schedule(schedule, &mut all);
    }
    if let Some(is_without_space) = facts.stopped {
        let text = if is_without_space {
            "the trail accepts no records: there is no space. It goes on by itself once there is"
        } else {
            "the trail accepts no records; the server's log says why"
        };
        all.push(condition(AlarmKind::Outage, "", (facts.now, facts.now), None, text));
    }
    let wanted = all.into_iter().filter(|one| rule.wants(one.kind));
    wanted.map(|one| (one.event(), one)).collect()
}

fn condition(
    kind: AlarmKind,
    subject: &str,
    (from, to): (Time, Time),
    lost_at: Option<Time>,
    text: &str,
) -> Condition {
    Condition { kind, subject: subject.to_owned(), from, to, lost_at, text: text.to_owned() }
}

fn of_stream(rule: &Rule, stream: &StreamReport, facts: &Facts<'_>, all: &mut Vec<Condition>) {
    let subject = match stream.stream.as_str() {
        "" => stream.source.clone(),
        name => format!("{} · {name}", stream.source),
    };
    if let Some(silence) = stream.silence {
        let text = format!(
            "nothing has come since its newest record; in the weeks before, {} records came in as long",
            silence.expected
        );
        all.push(condition(AlarmKind::Silence, &subject, (silence.since, facts.now), None, &text));
    }
    let intervals = stream.intervals.iter();
    let at_risk: Vec<&Interval> = intervals.clone().filter(|one| is_at_risk(one, rule, facts.now)).collect();
    if let (Some(first), Some(last)) = (at_risk.first(), at_risk.last()) {
        let lost_at = at_risk.iter().filter_map(|one| one.lost_at).min();
        let text = "this time is not complete yet, and the source will soon forget it";
        all.push(condition(AlarmKind::AtRisk, &subject, (first.from, last.to), lost_at, text));
    }
    // What begins before the ledger was looked at was told when it was in sight.
    for one in intervals.filter(|one| one.from > facts.begin) {
        let range = (one.from, one.to);
        if one.state == Coverage::Lost {
            let text = "this time is not complete, and the source has forgotten it";
            all.push(condition(AlarmKind::Lost, &subject, range, one.lost_at, text));
        }
        if stream.stream == FILES && one.state != Coverage::Closed && one.windows > 0 {
            let text = "a file with this time ended in the middle: import it whole";
            all.push(condition(AlarmKind::Truncated, &subject, range, None, text));
        }
    }
}

/// The ledger says so, or the rule wants to know it earlier.
fn is_at_risk(interval: &Interval, rule: &Rule, now: Time) -> bool {
    let soon = |before: i64| interval.lost_at.is_some_and(|at| at.saturating_add_ms(-before) <= now);
    interval.state == Coverage::AtRisk
        || (interval.state == Coverage::Open && rule.before_ms.is_some_and(soon))
}

fn of_schedule(schedule: &ScheduleReport, all: &mut Vec<Condition>) {
    for window in &schedule.windows {
        let range = (window.from, window.to);
        match window.state {
            State::Late => {
                let text = "the window was written though not all of its time was covered";
                all.push(condition(AlarmKind::LateWindow, &schedule.schedule, range, None, text));
            }
            State::Failed => {
                let text = match window.written_at {
                    Some(_) => "the window is not in its storage any more as it was written",
                    None => "the window cannot be written",
                };
                all.push(condition(AlarmKind::FailedWindow, &schedule.schedule, range, None, text));
            }
            State::Upcoming | State::Waiting | State::Done | State::Verified => {}
        }
    }
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An alarm begins, or is as it is now after it ended.
    Keep(String, Box<Alarm>),
    /// It has been over for long.
    Forget(String),
    /// There is no room for so many more.
    NoRoom(usize),
}

/// What begins and what ends, from what is known and what is so.
pub fn decide(
    known: &BTreeMap<String, Alarm>,
    now_so: &BTreeMap<String, Condition>,
    begin: Time,
    now: Time,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut open = 0;
    let mut going_on = BTreeSet::new();
    for (event, alarm) in known {
        match alarm.ended_at {
            None if now_so.contains_key(event) => {
                going_on.insert(event);
                open += 1;
            }
            None => {
                let is_past = alarm.condition.kind.is_by_time() && alarm.condition.from <= begin;
                let ended = Alarm { ended_at: Some(now), is_past, ..alarm.clone() };
                changes.push(Change::Keep(event.clone(), Box::new(ended)));
            }
            Some(at) if at.saturating_add_ms(KEPT_MS) < now && !now_so.contains_key(event) => {
                changes.push(Change::Forget(event.clone()));
            }
            Some(_) => {}
        }
    }
    let mut new: Vec<_> = now_so.iter().filter(|(event, _)| !going_on.contains(event)).collect();
    // What will be lost first is told first.
    new.sort_by_key(|(_, one)| (one.lost_at.unwrap_or(one.from), one.from));
    let room = OPEN_MAX.saturating_sub(open);
    if new.len() > room {
        changes.push(Change::NoRoom(new.len() - room));
    }
    changes.extend(new.into_iter().take(room).map(|(event, condition)| {
        let condition = condition.clone();
        Change::Keep(
            event.clone(),
            Box::new(Alarm {
                condition,
                raised_at: now,
                raised_record: None,
                ended_at: None,
                ended_record: None,
                is_past: false,
                told: None,
            }),
        )
    }));
    changes
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
