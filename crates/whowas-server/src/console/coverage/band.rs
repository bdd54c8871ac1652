//! What is known of a stretch of time, as a row of pieces: decisions only, no page.
//!
//! A piece says the worst that is true anywhere within it. Time that no source tells anything about is *before
//! collection* up to a stream's first interval, and *not read* after its last.

use whowas_collect::coverage::{
    State,
    report::{Interval, StreamReport},
};
use whowas_event::Time;

/// What is known of a stretch of time of one stream, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::console) enum Shade {
    /// Nothing was collected yet, or nothing that reaches so far.
    Outside,
    Closed,
    Open,
    AtRisk,
    Gap,
}

impl Shade {
    pub(in crate::console) const ALL: [Self; 5] =
        [Self::Closed, Self::Open, Self::AtRisk, Self::Gap, Self::Outside];

    pub(in crate::console) const fn of(state: State) -> Self {
        match state {
            State::Closed => Self::Closed,
            State::Open => Self::Open,
            State::AtRisk => Self::AtRisk,
            State::Lost => Self::Gap,
        }
    }

    /// The name of its class in the style sheet.
    pub(in crate::console) const fn class(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Closed => "closed",
            Self::Open => "open",
            Self::AtRisk => "at-risk",
            Self::Gap => "gap",
        }
    }

    pub(in crate::console) const fn words(self) -> &'static str {
        match self {
            Self::Outside => "not collected",
            Self::Closed => "closed",
            Self::Open => "not yet stable",
            Self::AtRisk => "at risk",
            Self::Gap => "gap",
        }
    }

    /// A sign that tells it without its color.
    pub(in crate::console) const fn sign(self) -> &'static str {
        match self {
            Self::Outside => "·",
            Self::Closed => "✓",
            Self::Open => "~",
            Self::AtRisk => "!",
            Self::Gap => "✕",
        }
    }
}

/// The worst that is true of `[from, to)`. Time within it that no interval has counts as [`Shade::Outside`], which
/// is only the answer if nothing else is there.
pub(in crate::console) fn worst(intervals: &[Interval], (from, to): (Time, Time)) -> Shade {
    let begin = intervals.partition_point(|interval| interval.to <= from);
    let those = intervals.iter().skip(begin).take_while(|interval| interval.from < to);
    those.map(|interval| Shade::of(interval.state)).max().unwrap_or(Shade::Outside)
}

/// Whether intervals have all of `[from, to)` and are closed there.
pub(in crate::console) fn is_closed(intervals: &[Interval], (from, to): (Time, Time)) -> bool {
    let mut at = from;
    for interval in intervals.iter().filter(|interval| interval.to > from && interval.from < to) {
        if interval.from > at || interval.state != State::Closed {
            return false;
        }
        at = interval.to;
    }
    at >= to
}

/// Neighboring stretches of one shade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) struct Piece {
    pub(in crate::console) shade: Shade,
    /// The first stretch, and the one after the last.
    pub(in crate::console) stretches: (usize, usize),
    pub(in crate::console) from: Time,
    pub(in crate::console) to: Time,
}

/// The pieces of one stream, over stretches that begin at `starts`, the last of which ends at `end`.
pub(in crate::console) fn pieces(intervals: &[Interval], starts: &[Time], end: Time) -> Vec<Piece> {
    let ends = starts.iter().skip(1).copied().chain([end]);
    let mut out: Vec<Piece> = Vec::new();
    for (at, (&from, to)) in starts.iter().zip(ends).enumerate() {
        let shade = worst(intervals, (from, to));
        match out.last_mut() {
            Some(last) if last.shade == shade => (last.stretches.1, last.to) = (at + 1, to),
            _ => out.push(Piece { shade, stretches: (at, at + 1), from, to }),
        }
    }
    out
}

/// What may be said of a range in one sentence, from all streams.
pub(in crate::console) fn statement(streams: &[StreamReport], range: (Time, Time)) -> String {
    if streams.is_empty() {
        return "No source says what it has read, so nothing is known about what may be missing.".to_owned();
    }
    let closed = streams.iter().filter(|stream| is_closed(&stream.intervals, range)).count();
    let all = streams.len();
    if closed == all {
        let of_all = if all == 1 { "Closed".to_owned() } else { format!("All {all} sources are closed") };
        return format!("{of_all} for the whole range: nothing is known to be missing.");
    }
    if let [only] = streams {
        let why = match worst(&only.intervals, range) {
            Shade::Gap => "it has a gap",
            Shade::AtRisk => "a gap is near",
            Shade::Open => "it is not yet stable",
            Shade::Closed => "it is closed for a part of it",
            Shade::Outside => "nothing was collected",
        };
        return format!("Not closed for the whole range: {why}.");
    }
    let with = |shade: Shade| streams.iter().filter(|one| worst(&one.intervals, range) == shade).count();
    let mut parts = vec![format!("{closed} of {all} sources closed for the whole range")];
    let not_closed = |shade: Shade| match shade {
        Shade::Gap => "with a gap",
        Shade::AtRisk => "at risk of a gap",
        Shade::Open => "not yet stable",
        Shade::Closed => "closed for a part of it",
        Shade::Outside => "without anything collected",
    };
    for shade in [Shade::Gap, Shade::AtRisk, Shade::Open, Shade::Closed, Shade::Outside] {
        let count = with(shade) - if shade == Shade::Closed { closed } else { 0 };
        if count > 0 {
            parts.push(format!("{count} {}", not_closed(shade)));
        }
    }
    format!("{}.", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(hour: i64) -> Time {
        Time::from_ms(hour * 3_600_000).unwrap()
    }

    fn intervals(all: &[(i64, i64, State)]) -> Vec<Interval> {
        let interval = |&(from, to, state): &(i64, i64, State)| Interval {
            from: hour(from),
            to: hour(to),
            state,
            ids: 0,
            digest: None,
            windows: 1,
            passes: 2,
            reopened: 0,
            lost_at: None,
        };
        all.iter().map(interval).collect()
    }

    fn stream(all: &[(i64, i64, State)]) -> StreamReport {
        StreamReport {
            source: "s".to_owned(),
            stream: String::new(),
            last_pass_at: None,
            last_occurred_at: None,
            failing_since: None,
            failure: None,
            silence: None,
            retention_s: None,
            intervals: intervals(all),
            is_cut: false,
        }
    }

    #[test]
    fn a_stretch_is_as_bad_as_its_worst_moment() {
        let known = intervals(&[
            (2, 4, State::Closed),
            (4, 5, State::Lost),
            (5, 8, State::Closed),
            (8, 9, State::Open),
        ]);
        let starts: Vec<Time> = (0..6).map(|n| hour(n * 2)).collect();
        let found: Vec<_> = pieces(&known, &starts, hour(12))
            .into_iter()
            .map(|piece| (piece.shade, piece.stretches, piece.from, piece.to))
            .collect();
        assert_eq!(
            found,
            [
                (Shade::Outside, (0, 1), hour(0), hour(2)),
                (Shade::Closed, (1, 2), hour(2), hour(4)),
                (Shade::Gap, (2, 3), hour(4), hour(6)),
                (Shade::Closed, (3, 4), hour(6), hour(8)),
                (Shade::Open, (4, 5), hour(8), hour(10)),
                (Shade::Outside, (5, 6), hour(10), hour(12)),
            ]
        );
        assert_eq!(pieces(&[], &[], hour(1)), []);
    }

    #[test]
    fn closed_means_all_of_it() {
        let known = intervals(&[(2, 4, State::Closed), (4, 8, State::Closed), (9, 10, State::Closed)]);
        for ((from, to), want) in
            [((2, 8), true), ((3, 5), true), ((1, 3), false), ((7, 10), false), ((9, 11), false)]
        {
            assert_eq!(is_closed(&known, (hour(from), hour(to))), want, "{from} {to}");
        }
    }

    #[test]
    fn the_statement_counts_every_source_once() {
        let closed = || stream(&[(0, 24, State::Closed)]);
        let range = (hour(0), hour(24));
        for (streams, want) in [
            (vec![], "No source says what it has read, so nothing is known about what may be missing."),
            (vec![closed()], "Closed for the whole range: nothing is known to be missing."),
            (
                vec![closed(), closed()],
                "All 2 sources are closed for the whole range: nothing is known to be missing.",
            ),
            (
                vec![closed(), stream(&[(0, 3, State::Lost)]), stream(&[(0, 3, State::Closed)]), stream(&[])],
                "1 of 4 sources closed for the whole range, 1 with a gap, 1 closed for a part of it, 1 without anything collected.",
            ),
            (
                vec![stream(&[(0, 3, State::Closed)])],
                "Not closed for the whole range: it is closed for a part of it.",
            ),
            (
                vec![stream(&[(0, 24, State::AtRisk)]), stream(&[(0, 24, State::Open)])],
                "0 of 2 sources closed for the whole range, 1 at risk of a gap, 1 not yet stable.",
            ),
        ] {
            assert_eq!(statement(&streams, range), want);
        }
    }
}
