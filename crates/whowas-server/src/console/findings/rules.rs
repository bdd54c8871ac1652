//! What is worth a look, as functions of rows: no clock, no question to a trail.
//!
//! A finding says what was seen, of whom or what, and names the records it was seen in. It accuses nobody.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use whowas_collect::coverage::{State, report::StreamReport};
use whowas_event::Time;
use whowas_query::LoginRow;

/// Records that a finding names, the newest.
const POSITIONS_MAX: usize = 10;
/// So many failures of one user …
pub(super) const BURST_FAILURES: usize = 5;
/// … within so long are a burst.
pub(super) const BURST_MS: i64 = 10 * 60_000;

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    AfterLeaving,
    Gap,
    AtRisk,
    Failing,
    Silent,
    FailureBurst,
    Rejected,
    LogonWithoutLogoff,
    LogoffWithoutLogon,
    Dormant,
}

impl Kind {
    /// In the order of the page.
    pub(super) const ALL: [Self; 10] = [
        Self::AfterLeaving,
        Self::Gap,
        Self::AtRisk,
        Self::Failing,
        Self::Silent,
        Self::FailureBurst,
        Self::Rejected,
        Self::LogonWithoutLogoff,
        Self::LogoffWithoutLogon,
        Self::Dormant,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::AfterLeaving => "after-leaving",
            Self::Gap => "gap",
            Self::AtRisk => "at-risk",
            Self::Failing => "failing",
            Self::Silent => "silent",
            Self::FailureBurst => "failure-burst",
            Self::Rejected => "rejected",
            Self::LogonWithoutLogoff => "logon-without-logoff",
            Self::LogoffWithoutLogon => "logoff-without-logon",
            Self::Dormant => "dormant",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::AfterLeaving => "Sign-ins after leaving",
            Self::Gap => "Gaps: the source has forgotten what was not read",
            Self::AtRisk => "At risk: the source will soon forget it",
            Self::Failing => "Sources that cannot be read",
            Self::Silent => "Sources that say less than usual",
            Self::FailureBurst => "Bursts of failed sign-ins",
            Self::Rejected => "Records that were rejected",
            Self::LogonWithoutLogoff => "Logon without logoff",
            Self::LogoffWithoutLogon => "Logoff without logon",
            Self::Dormant => "Dormant accounts that are enabled",
        }
    }

    pub(super) const fn severity(self) -> Severity {
        match self {
            Self::AfterLeaving | Self::Gap | Self::Failing => Severity::High,
            Self::AtRisk | Self::Silent | Self::FailureBurst | Self::Rejected => Severity::Medium,
            Self::LogonWithoutLogoff | Self::LogoffWithoutLogon | Self::Dormant => Severity::Low,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    High,
    Medium,
    Low,
}

impl Severity {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) kind: Kind,
    /// The user or the source; empty if it is about all.
    pub(super) subject: String,
    /// What a person reads of the subject, where it has a name.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) from: Time,
    pub(super) to: Time,
    pub(super) count: u64,
    /// Of the records it was seen in, the newest first.
    pub(super) positions: Vec<u64>,
}

impl Finding {
    /// By what a review names it. It changes when something new is seen, so that nothing new counts as reviewed. A digest,
    /// because reviews are kept and need not repeat whom they were about.
    pub(super) fn key(&self) -> String {
        let mut hasher = Sha256::new();
        let (kind, count) = (self.kind.as_str(), self.count.to_string());
        let newest = self.positions.first().map(u64::to_string).unwrap_or_default();
        for part in [kind, &self.subject, &count, &newest] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        hex::encode(hasher.finalize()).chars().take(32).collect()
    }
}

/// A record that a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) at: Time,
    pub(super) position: u64,
    pub(super) user: String,
    pub(super) name: String,
    pub(super) from: String,
}

impl Seen {
    pub(super) fn of(row: &LoginRow) -> Self {
        let user = [&row.user_uid, &row.user_name, &row.user_email_addr].into_iter().flatten().next();
        Self {
            at: row.occurred_at,
            position: row.position,
            user: user.cloned().unwrap_or_default(),
            name: row.user_full_name.clone().unwrap_or_default(),
            from: row.src_ip.clone().unwrap_or_default(),
        }
    }
}

/// By user, each in the order of time.
fn by_user(seen: &[Seen]) -> BTreeMap<&str, Vec<&Seen>> {
    let mut users: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for one in seen.iter().filter(|one| !one.user.is_empty()) {
        users.entry(&one.user).or_default().push(one);
    }
    for rows in users.values_mut() {
        rows.sort_unstable_by_key(|one| (one.at, one.position));
    }
    users
}

/// A finding of some records of one user, which are in the order of time.
fn of_user(kind: Kind, user: &str, rows: &[&Seen], text: String) -> Option<Finding> {
    let (first, last) = (rows.first()?, rows.last()?);
    Some(Finding {
        kind,
        subject: user.to_owned(),
        name: rows
            .iter()
            .map(|one| one.name.as_str())
            .find(|name| !name.is_empty())
            .unwrap_or_default()
            .to_owned(),
        text,
        from: first.at,
        to: last.at,
        count: rows.len() as u64,
        positions: rows.iter().rev().take(POSITIONS_MAX).map(|one| one.position).collect(),
    })
}

/// Everybody who signed in after the directory said that they had left: these are their sign-ins.
pub(super) fn after_leaving(seen: &[Seen], (from, to): (Time, Time)) -> Vec<Finding> {
    let in_range: Vec<Seen> = seen.iter().filter(|one| from <= one.at && one.at < to).cloned().collect();
    let of = |(user, rows): (&str, Vec<&Seen>)| {
        let text =
            format!("{} after the directory said that they are disabled or deleted", times(rows.len()));
        of_user(Kind::AfterLeaving, user, &rows, text)
    };
    by_user(&in_range).into_iter().filter_map(of).collect()
}

fn times(count: usize) -> String {
    if count == 1 { "Signed in once".to_owned() } else { format!("Signed in {count} times") }
}

/// Stretches in which one user failed [`BURST_FAILURES`] times or more, each within [`BURST_MS`] of the one that many
/// before. Overlapping ones are one.
pub(super) fn failure_bursts(failures: &[Seen]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (user, rows) in by_user(failures) {
        // The rows from `begin` to `end` belong to a burst.
        let mut burst: Option<(usize, usize)> = None;
        let windows = rows.windows(BURST_FAILURES).enumerate();
        let close = |window: &[&Seen]| match window {
            [first, .., last] => last.at.as_ms().saturating_sub(first.at.as_ms()) <= BURST_MS,
            _ => false,
        };
        let mut add = |(begin, end): (usize, usize)| {
            let part = rows.get(begin..end).unwrap_or_default();
            let mut from: Vec<&str> =
                part.iter().map(|one| one.from.as_str()).filter(|from| !from.is_empty()).collect();
            from.sort_unstable();
            from.dedup();
            let minutes = part
                .last()
                .zip(part.first())
                .map_or(0, |(last, first)| (last.at.as_ms() - first.at.as_ms()) / 60_000 + 1);
            let addresses = match from.len() {
                0 => String::new(),
                1 => ", from one address".to_owned(),
                several => format!(", from {several} addresses"),
            };
            let text = format!("Failed {} times within {minutes} min{addresses}", part.len());
            found.extend(of_user(Kind::FailureBurst, user, part, text));
        };
        for (at, _) in windows.filter(|(_, window)| close(window)) {
            match &mut burst {
                Some((_, end)) if at < *end => *end = at + BURST_FAILURES,
                _ => {
                    burst.take().into_iter().for_each(&mut add);
                    burst = Some((at, at + BURST_FAILURES));
                }
            }
        }
        burst.into_iter().for_each(add);
    }
    found
}

/// What is wrong with sources and their coverage.
pub(super) fn of_sources(streams: &[StreamReport], now: Time) -> Vec<Finding> {
    let mut found = Vec::new();
    for stream in streams {
        let subject = match stream.stream.as_str() {
            "" => stream.source.clone(),
            name => format!("{} · {name}", stream.source),
        };
        let mut add = |kind: Kind, text: String, (from, to): (Time, Time), count: u64| {
            let (subject, name) = (subject.clone(), String::new());
            found.push(Finding { kind, subject, name, text, from, to, count, positions: Vec::new() });
        };
        for (kind, state) in [(Kind::Gap, State::Lost), (Kind::AtRisk, State::AtRisk)] {
            let those = || stream.intervals.iter().filter(|interval| interval.state == state);
            let (Some(first), Some(last)) = (those().next(), those().next_back()) else { continue };
            let ms: i64 = those().map(|one| one.to.as_ms() - one.from.as_ms()).sum();
            let text = format!("{} h in {} stretches of time", (ms + 3_599_999) / 3_600_000, those().count());
            add(kind, text, (first.from, last.to), those().count() as u64);
        }
        if let Some(since) = stream.failing_since {
            let why = stream.failure.as_deref().unwrap_or("no reason was given");
            add(Kind::Failing, format!("No pass has ended well: {why}"), (since, now), 1);
        }
        if let Some(silence) = stream.silence {
            let text = format!("Nothing came; {} records were usual in the weeks before", silence.expected);
            add(Kind::Silent, text, (silence.since, now), 1);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use whowas_collect::coverage::{Silence, report::Interval};

    use super::*;

    fn minute(minute: i64) -> Time {
        Time::from_ms(minute * 60_000).unwrap()
    }

    fn seen(user: &str, at: i64, position: u64) -> Seen {
        Seen {
            at: minute(at),
            position,
            user: user.to_owned(),
            name: String::new(),
            from: format!("192.0.2.{}", position % 2),
        }
    }

    fn bursts(times: &[i64]) -> Vec<(i64, i64, u64)> {
        let mut rows: Vec<Seen> =
            (0_u64..).zip(times).map(|(position, at)| seen("a", *at, position)).collect();
        rows.reverse();
        let found = failure_bursts(&rows);
        found.iter().map(|one| (one.from.as_ms() / 60_000, one.to.as_ms() / 60_000, one.count)).collect()
    }

    #[test]
    fn a_burst_is_five_failures_within_ten_minutes() {
        assert_eq!(bursts(&[0, 1, 2, 3]), []);
        assert_eq!(bursts(&[0, 1, 2, 3, 11]), []);
        assert_eq!(bursts(&[0, 1, 2, 3, 10]), [(0, 10, 5)]);
        // Slower than that all day long is none; a long one is one.
        assert_eq!(bursts(&(0..50).map(|n| n * 3).collect::<Vec<_>>()), []);
        assert_eq!(bursts(&(0..50).collect::<Vec<_>>()), [(0, 49, 50)]);
        let two = [0, 1, 2, 3, 4, 60, 61, 62, 63, 64, 65];
        assert_eq!(bursts(&two), [(0, 4, 5), (60, 65, 6)]);
        assert_eq!(bursts(&[]), []);
    }

    #[test]
    fn bursts_are_of_one_user_and_name_their_records() {
        let mut rows: Vec<Seen> = (0..4).map(|n| seen("a", 0, n)).collect();
        rows.extend((4..16).map(|n| seen("b", 1, n)));
        rows.extend((20..30).map(|n| seen("", 1, n)));
        let found = failure_bursts(&rows);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].subject.as_str(), found[0].count), ("b", 12));
        assert_eq!(found[0].positions, (6..16).rev().collect::<Vec<_>>());
        assert_eq!(found[0].text, "Failed 12 times within 1 min, from 2 addresses");
    }

    #[test]
    fn a_new_record_makes_it_a_new_finding() {
        let range = (minute(0), minute(100));
        let mut rows = vec![seen("a", 1, 1), seen("b", 2, 2), seen("a", 200, 3)];
        let before = after_leaving(&rows, range);
        assert_eq!(before.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(
            before[0].text,
            "Signed in once after the directory said that they are disabled or deleted"
        );
        rows.push(seen("a", 3, 4));
        let after = after_leaving(&rows, range);
        assert_ne!(before[0].key(), after[0].key());
        assert_eq!(before[1].key(), after[1].key());
        assert_ne!(before[0].key(), before[1].key());
        assert!(!before[0].key().contains('a') || before[0].key().len() == 32);
    }

    #[test]
    fn sources_are_found_by_what_they_lack() {
        let interval = |from, to, state| Interval {
            from: minute(from),
            to: minute(to),
            state,
            ids: 0,
            digest: None,
            windows: 1,
            passes: 1,
            reopened: 0,
            lost_at: None,
        };
        let mut stream = StreamReport {
            source: "s".to_owned(),
            stream: "x".to_owned(),
            last_pass_at: None,
            last_occurred_at: None,
            failing_since: None,
            failure: None,
            silence: None,
            retention_s: None,
            intervals: vec![interval(0, 60, State::Closed)],
            is_cut: false,
        };
        assert_eq!(of_sources(std::slice::from_ref(&stream), minute(99)), []);
        stream.intervals.push(interval(60, 90, State::Lost));
        stream.intervals.push(interval(90, 120, State::Closed));
        stream.intervals.push(interval(120, 181, State::Lost));
        stream.intervals.push(interval(181, 200, State::AtRisk));
        stream.failing_since = Some(minute(50));
        stream.silence = Some(Silence { since: minute(40), expected: 30 });
        let found = of_sources(&[stream], minute(300));
        let kinds: Vec<_> = found.iter().map(|one| (one.kind, one.text.as_str())).collect();
        assert_eq!(
            kinds,
            [
                (Kind::Gap, "2 h in 2 stretches of time"),
                (Kind::AtRisk, "1 h in 1 stretches of time"),
                (Kind::Failing, "No pass has ended well: no reason was given"),
                (Kind::Silent, "Nothing came; 30 records were usual in the weeks before"),
            ]
        );
        assert_eq!(
            (found[0].from, found[0].to, found[0].subject.as_str()),
            (minute(60), minute(181), "s · x")
        );
    }

    #[test]
    fn kinds_have_names_of_their_own() {
        let mut words: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Kind::ALL.len());
    }
}
