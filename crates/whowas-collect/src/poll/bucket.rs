//! A bucket of requests: so many within so much time, whatever their distribution.

use std::collections::VecDeque;

use whowas_event::Time;

/// Lets at most `requests` pass in any `per_ms`.
///
/// It remembers when each was let through, so that no window of that length, wherever it begins, has more.
#[derive(Clone, Debug)]
pub struct Bucket {
    requests: usize,
    per_ms: i64,
    sent: VecDeque<Time>,
}

impl Bucket {
    /// An empty one.
    pub fn new(requests: usize, per_ms: i64) -> Self {
        Self { requests: requests.max(1), per_ms, sent: VecDeque::new() }
    }

    /// One that counts as used up: what a process before this one sent is not known.
    pub fn used_up(requests: usize, per_ms: i64, now: Time) -> Self {
        let mut bucket = Self::new(requests, per_ms);
        bucket.sent.extend(std::iter::repeat_n(now, bucket.requests));
        bucket
    }

    /// Lets a request pass, or says when one may.
    pub fn take(&mut self, now: Time) -> Result<(), Time> {
        // A clock that was set back leaves times in the future; they count for one period at most.
        self.sent.retain(|at| {
            let age_ms = now.as_ms() - at.as_ms();
            age_ms < self.per_ms && age_ms > -self.per_ms
        });
        match self.sent.front() {
            Some(first) if self.sent.len() >= self.requests => Err(first.saturating_add_ms(self.per_ms)),
            _ => {
                self.sent.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ten_seconds_have_more_than_five_requests() {
        let mut bucket = Bucket::new(5, 10_000);
        let (mut now, mut sent) = (0, Vec::new());
        while sent.len() < 200 {
            match bucket.take(Time::from_ms(now).unwrap()) {
                Ok(()) => sent.push(now),
                Err(at) => {
                    assert!(at.as_ms() > now);
                    now = at.as_ms();
                }
            }
            now += i64::try_from(sent.len()).unwrap() % 7 * 100;
        }
        assert!(sent.windows(6).all(|six| six[5] - six[0] >= 10_000));
        assert!(sent[199] < 45 * 10_000, "slower than allowed: {}", sent[199]);
        let mut after_a_start = Bucket::used_up(5, 10_000, Time::default());
        assert_eq!(after_a_start.take(Time::default()), Err(Time::from_ms(10_000).unwrap()));
        // Set back by an hour.
        assert_eq!(bucket.take(Time::from_ms(now - 3_600_000).unwrap()), Ok(()));
    }
}
