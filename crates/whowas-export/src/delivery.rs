//! Telling somebody of a state: once for each change, again until it arrives, within bounds.
//!
//! Decisions only. A change that happens before the news of the one before arrived replaces it: what is told is how
//! things are.

use whowas_event::Time;

const MINUTE_MS: i64 = 60_000;
/// Pauses after failures: doubled each time, up to the second.
const RETRY_MS: (i64, i64) = (MINUTE_MS / 6, 60 * MINUTE_MS);
/// After so many failures nobody is told any more: with the pauses above, about a day.
const ATTEMPTS_MAX: u32 = 32;

/// The news of one thing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Delivery {
    /// The state that is told.
    pub state: String,
    /// Since when.
    pub since: Time,
    /// Failures in a row.
    pub attempts: u32,
    /// When it is tried next.
    pub try_at: Time,
    /// When it arrived.
    pub told_at: Option<Time>,
}

impl Delivery {
    /// Whether there is something to tell now. `state` is how things are; `None` if that is not worth telling.
    /// With `remind_ms` a state that goes on is told again.
    pub fn is_due(slot: &mut Option<Self>, state: Option<&str>, remind_ms: Option<i64>, now: Time) -> bool {
        let Some(state) = state else {
            *slot = None;
            return false;
        };
        match slot {
            Some(known) if known.state == state => {
                if let (Some(told_at), Some(ms)) = (known.told_at, remind_ms)
                    && now >= told_at.saturating_add_ms(ms)
                {
                    (known.attempts, known.try_at, known.told_at) = (0, now, None);
                }
                known.told_at.is_none() && known.attempts < ATTEMPTS_MAX && known.try_at <= now
            }
            _ => {
                *slot = Some(Self {
                    state: state.to_owned(),
                    since: now,
                    attempts: 0,
                    try_at: now,
                    told_at: None,
                });
                true
            }
        }
    }

    /// It arrived.
    pub fn arrived(&mut self, now: Time) {
        (self.told_at, self.attempts) = (Some(now), 0);
    }

    /// It did not.
    pub fn failed(&mut self, now: Time) {
        let pause = RETRY_MS.0.saturating_mul(1 << self.attempts.min(16)).min(RETRY_MS.1);
        self.attempts = self.attempts.saturating_add(1);
        self.try_at = now.saturating_add_ms(pause);
    }

    /// When it is to be looked at again, if it has not arrived.
    pub fn wait(&self) -> Option<Time> {
        (self.told_at.is_none() && self.attempts < ATTEMPTS_MAX).then_some(self.try_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Time {
        Time::from_ms(ms).unwrap()
    }

    #[test]
    fn each_change_is_told_once_and_again_until_it_arrives() {
        let mut slot = None;
        assert!(!Delivery::is_due(&mut slot, None, None, at(0)));
        assert!(Delivery::is_due(&mut slot, Some("late"), None, at(1)));
        slot.as_mut().unwrap().failed(at(1));
        assert!(!Delivery::is_due(&mut slot, Some("late"), None, at(10_000)));
        assert!(Delivery::is_due(&mut slot, Some("late"), None, at(10_001)));
        slot.as_mut().unwrap().arrived(at(10_001));
        assert!(!Delivery::is_due(&mut slot, Some("late"), None, at(i64::from(u32::MAX))));
        // Reminders.
        assert!(!Delivery::is_due(&mut slot, Some("late"), Some(5000), at(15_000)));
        assert!(Delivery::is_due(&mut slot, Some("late"), Some(5000), at(15_001)));
        // Another state, and none.
        assert!(Delivery::is_due(&mut slot, Some("failed"), None, at(15_002)));
        assert!(!Delivery::is_due(&mut slot, None, None, at(15_003)));
        assert!(Delivery::is_due(&mut slot, Some("failed"), None, at(15_004)));
    }

    #[test]
    fn it_is_given_up_after_about_a_day() {
        let (mut slot, mut now) = (None, at(0));
        let mut attempts = 0;
        while Delivery::is_due(&mut slot, Some("late"), None, now) {
            let known = slot.as_mut().unwrap();
            known.failed(now);
            attempts += 1;
            let Some(next) = known.wait() else { break };
            now = next;
        }
        assert_eq!(attempts, ATTEMPTS_MAX);
        let hours = now.as_ms() / (60 * MINUTE_MS);
        assert!((20..30).contains(&hours), "{hours}");
    }
}
