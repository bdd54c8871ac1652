//! The windows of scheduled exports: which is next, and what is to be done about it now.
//!
//! Decisions only: functions of a schedule, of what was done, of what is covered, and of a time that is passed
//! in. The next window always begins where the last one ended, whatever the settings say by then, so none can be
//! skipped and no two can overlap. Who carries it out is `whowas-server`'s `archive`.

use whowas_event::Time;

use crate::delivery::Delivery;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The longest window of days: a leap year.
const DAYS_MAX: u32 = 366;
/// The longest window of months.
const MONTHS_MAX: u32 = 12;
/// Pauses after failures: doubled each time, up to the second.
const RETRY_MS: (i64, i64) = (MINUTE_MS, 6 * HOUR_MS);
/// Months that are looked at to find the end of a window: eight millennia.
const STEPS_MAX: i64 = 100_000;

/// How long the windows of a schedule are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// So many days of 24 hours.
    Days(u32),
    /// So many months of the calendar (UTC).
    Months(u32),
}

impl Every {
    /// Reads `7d`, `2w` or `1m`.
    ///
    /// # Errors
    /// It is none, or longer than a year.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text}: write days, weeks or months, such as 7d, 1w or 1m; a year at most");
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let count: u32 = text.strip_suffix(unit).and_then(|count| count.parse().ok()).ok_or_else(wrong)?;
        let every = match unit {
            'd' => Self::Days(count),
            'w' => Self::Days(count.saturating_mul(7)),
            'm' => Self::Months(count),
            _ => return Err(wrong()),
        };
        match every {
            Self::Days(1..=DAYS_MAX) | Self::Months(1..=MONTHS_MAX) => Ok(every),
            _ => Err(wrong()),
        }
    }
}

/// One schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// The first window begins here, and every later one so many days or months after.
    pub begin: Time,
    /// How long windows are.
    pub every: Every,
    /// So long after its end a window waits for what comes by itself (receivers, files).
    pub settle_ms: i64,
    /// So long after its end a window that is not covered is exported all the same, as *late*.
    pub latest_ms: i64,
    /// So long after it was last verified a window is verified again.
    pub verify_ms: i64,
}

/// A range of time, `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// At or after.
    pub from: Time,
    /// Before.
    pub to: Time,
}

impl Schedule {
    /// The window after one that ended at `last_end`; the first if there was none.
    pub fn next(&self, last_end: Option<Time>) -> Window {
        let from = last_end.unwrap_or(self.begin);
        Window { from, to: self.boundary_after(from) }
    }

    /// The first boundary after `at`. Before the beginning the grid goes on backwards.
    fn boundary_after(&self, at: Time) -> Time {
        match self.every {
            Every::Days(days) => {
                let step = i64::from(days) * DAY_MS;
                let passed = (at.as_ms() - self.begin.as_ms()).div_euclid(step);
                self.begin.saturating_add_ms((passed + 1).saturating_mul(step))
            }
            Every::Months(months) => {
                let (year, month, _) = self.begin.utc_date();
                let (at_year, at_month, _) = at.utc_date();
                let step = i64::from(months);
                let between =
                    (i64::from(at_year) - i64::from(year)) * 12 + i64::from(at_month) - i64::from(month);
                let first = between.div_euclid(step) - 1;
                let later = (first..first + STEPS_MAX).map(|count| months_after(self.begin, count * step));
                later.into_iter().find(|boundary| *boundary > at).unwrap_or(at)
            }
        }
    }

    /// When a window is exported though it is not covered.
    pub fn latest(&self, window: Window) -> Time {
        window.to.saturating_add_ms(self.latest_ms.max(self.settle_ms))
    }
}

/// The same day and time of a month so much later; its last day if it has no such day.
fn months_after(begin: Time, months: i64) -> Time {
    let (year, month, day) = begin.utc_date();
    let all = i64::from(year) * 12 + i64::from(month) - 1 + months;
    let (year, month) = (all.div_euclid(12), all.rem_euclid(12) + 1);
    let time_of_day = begin.as_ms().rem_euclid(DAY_MS);
    let date = |day| {
        let (year, month) = (i32::try_from(year).ok()?, u8::try_from(month).ok()?);
        Time::from_utc((year, month, day), (0, 0, 0), 0).ok()
    };
    let found = (28..=day.max(28)).rev().find_map(|day_of_month| date(day_of_month.min(day)));
    found.map_or(begin, |date| date.saturating_add_ms(time_of_day))
}

/// How complete the time of a window is, over all sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covered {
    /// All of it is closed.
    Closed,
    /// What is not closed is lost: waiting would change nothing.
    Lost,
    /// Some of it is open or at risk.
    Open,
}

/// What is kept of a window.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Kept {
    /// What was written.
    pub done: Option<Done>,
    /// Failures in a row, of writing or of verifying.
    pub failures: u32,
    /// Why the last one failed.
    pub failure: Option<String>,
    /// When it is tried again.
    pub try_at: Option<Time>,
    /// When somebody wanted it written at once, covered or not.
    #[serde(default)]
    pub wanted_at: Option<Time>,
    /// When everything was last read back and found as it was written.
    pub verified_at: Option<Time>,
    /// What was found when it was not.
    pub broken: Option<String>,
    /// Who was told of its state.
    #[serde(default)]
    pub told: Option<Delivery>,
}

/// A window that was written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Done {
    /// When.
    pub at: Time,
    /// How complete it was.
    pub covered: Covered,
    /// Rows in it.
    pub rows: u64,
    /// Sign-ins of earlier windows that were recorded since those were written; they are in this one's records.
    pub late_rows: u64,
    /// Size of the tree.
    pub tree_size: u64,
    /// Where: a URL or a folder.
    pub location: String,
    /// SHA-256 of its `window.json`, which names everything else.
    pub sha256: String,
    /// Position of the record of it; none while that is not known.
    pub position: Option<u64>,
}

impl Kept {
    /// After a failure.
    pub fn failed(&mut self, reason: String, now: Time) {
        let pause = RETRY_MS.0.saturating_mul(1 << self.failures.min(16)).min(RETRY_MS.1);
        self.failures = self.failures.saturating_add(1);
        self.failure = Some(reason);
        self.try_at = Some(now.saturating_add_ms(pause));
    }

    /// After a success.
    pub fn succeeded(&mut self) {
        (self.failures, self.failure, self.try_at, self.wanted_at) = (0, None, None, None);
    }
}

/// What is to be done about one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Write it.
    Export,
    /// Read it back and compare.
    Verify,
    /// Nothing before this.
    Wait(Time),
}

/// What is to be done about a window now. `covered` is asked only when the answer depends on it.
pub fn decide(
    schedule: &Schedule,
    window: Window,
    kept: &Kept,
    covered: impl FnOnce() -> Covered,
    now: Time,
) -> Todo {
    if let Some(try_at) = kept.try_at.filter(|try_at| *try_at > now) {
        return Todo::Wait(try_at);
    }
    if kept.done.is_some() {
        return match kept.verified_at.map(|at| at.saturating_add_ms(schedule.verify_ms)) {
            // What is broken does not mend itself; it is looked at as often as what is sound.
            Some(due) if due > now => Todo::Wait(due),
            _ => Todo::Verify,
        };
    }
    if kept.wanted_at.is_some() && now >= window.to {
        return Todo::Export;
    }
    let (settled, latest) = (window.to.saturating_add_ms(schedule.settle_ms), schedule.latest(window));
    if now < settled {
        Todo::Wait(settled)
    } else if now >= latest || covered() != Covered::Open {
        Todo::Export
    } else {
        Todo::Wait(latest)
    }
}

/// In which state a window is, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is not over.
    Upcoming,
    /// It is over, and some source may still add to it.
    Waiting,
    /// Written and not yet read back.
    Done,
    /// Written, and found as it was written.
    Verified,
    /// Written at its latest time though it was not covered, or with time that is lost.
    Late,
    /// Writing it fails, or what was written is not there any more as it was.
    Failed,
}

impl State {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upcoming => "upcoming",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Verified => "verified",
            Self::Late => "late",
            Self::Failed => "failed",
        }
    }

    /// Of a window at `now`.
    pub fn of(window: Window, kept: &Kept, now: Time) -> Self {
        match &kept.done {
            _ if kept.failure.is_some() || kept.broken.is_some() => Self::Failed,
            Some(done) if done.covered != Covered::Closed => Self::Late,
            Some(_) if kept.verified_at.is_some() => Self::Verified,
            Some(_) => Self::Done,
            None if now < window.to => Self::Upcoming,
            None => Self::Waiting,
        }
    }
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
