//! Sessions as bars, a row a day: where each begins and ends, decisions only.
//!
//! Places are in hundredths of a percent of a day, so that a drawing needs no arithmetic.

use whowas_event::Time;

/// A whole day.
pub(super) const WHOLE: i64 = 10_000;
/// A bar is at least so long: what is there is seen.
const SHORTEST: i64 = 40;
/// What of a session without a known end is drawn.
const TAIL: i64 = 400;
/// Rows of bars of one day; what does not fit beside the others shares the last.
pub(super) const LANES_MAX: usize = 6;

/// A session to be drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: Time,
    pub(super) end: Option<Time>,
}

/// What stands of a session in one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    /// Which of the spans.
    pub(super) span: usize,
    pub(super) x: i64,
    pub(super) width: i64,
    pub(super) lane: usize,
    pub(super) is_open: bool,
}

/// A day with its bars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Day {
    /// Which of the days.
    pub(super) day: usize,
    pub(super) bars: Vec<Bar>,
    pub(super) lanes: usize,
}

/// The days on which something goes on, in their order. `days` are where they begin, the last begins what is no longer drawn.
pub(super) fn days(spans: &[Span], days: &[Time]) -> Vec<Day> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|at| spans.get(*at).map(|span| (span.start, *at)));
    let bounds = days.iter().zip(days.iter().skip(1)).enumerate();
    let day = |(day, (from, to)): (usize, (&Time, &Time))| {
        let mut free: Vec<i64> = Vec::new();
        let mut bars = Vec::new();
        for &at in &order {
            let Some(bar) = spans.get(at).and_then(|span| bar(*span, (*from, *to))) else { continue };
            let (x, width, is_open) = bar;
            let lane = free.iter().position(|free| *free <= x).unwrap_or_else(|| {
                if free.len() < LANES_MAX {
                    free.push(0);
                }
                free.len().saturating_sub(1)
            });
            if let Some(free) = free.get_mut(lane) {
                *free = (*free).max(x + width);
            }
            bars.push(Bar { span: at, x, width, lane, is_open });
        }
        Day { day, lanes: free.len(), bars }
    };
    bounds.map(day).filter(|day| !day.bars.is_empty()).collect()
}

/// Where a span stands in a day, if it does: begin, length, whether its end is not known.
fn bar(span: Span, (from, to): (Time, Time)) -> Option<(i64, i64, bool)> {
    let length = to.as_ms().saturating_sub(from.as_ms()).max(1);
    let place = |time: Time| time.as_ms().saturating_sub(from.as_ms()).saturating_mul(WHOLE) / length;
    if span.start >= to {
        return None;
    }
    let Some(end) = span.end else {
        // Of how long it went on nothing is known: only its beginning is drawn.
        let x = place(span.start);
        return (span.start >= from)
            .then(|| (x.min(WHOLE - SHORTEST), TAIL.min(WHOLE - x).max(SHORTEST), true));
    };
    // A session that ended where the day begins is not of this day, unless it began there.
    if end < from || (end == from && span.start < from) {
        return None;
    }
    let x = place(span.start.max(from)).min(WHOLE - SHORTEST);
    let width = (place(end.min(to)) - x).max(SHORTEST).min(WHOLE - x);
    Some((x, width, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(hour: i64) -> Time {
        Time::from_ms(hour * 3_600_000).unwrap()
    }

    fn span(start: i64, end: Option<i64>) -> Span {
        Span { start: hour(start), end: end.map(hour) }
    }

    fn drawn(spans: &[Span]) -> Vec<(usize, usize, i64, i64, usize, bool)> {
        let bounds: Vec<Time> = (0..4).map(|day| hour(day * 24)).collect();
        let found = days(spans, &bounds);
        let bars = found.iter().flat_map(|day| day.bars.iter().map(move |bar| (day.day, bar)));
        bars.map(|(day, bar)| (day, bar.span, bar.x, bar.width, bar.lane, bar.is_open)).collect()
    }

    #[test]
    fn a_session_is_drawn_in_every_day_that_it_touches() {
        assert_eq!(drawn(&[span(6, Some(12))]), [(0, 0, 2500, 2500, 0, false)]);
        assert_eq!(drawn(&[span(18, Some(30))]), [(0, 0, 7500, 2500, 0, false), (1, 0, 0, 2500, 0, false)]);
        // What ends at midnight is not of the next day; what lasts no time is seen.
        assert_eq!(drawn(&[span(18, Some(24))]), [(0, 0, 7500, 2500, 0, false)]);
        assert_eq!(drawn(&[span(24, Some(24))]), [(1, 0, 0, SHORTEST, 0, false)]);
        assert_eq!(drawn(&[span(-30, Some(-20)), span(80, Some(90))]), []);
        assert_eq!(drawn(&[span(-30, Some(100))]).len(), 3);
    }

    #[test]
    fn of_an_unknown_end_nothing_is_drawn() {
        assert_eq!(drawn(&[span(6, None)]), [(0, 0, 2500, TAIL, 0, true)]);
        assert_eq!(drawn(&[span(-6, None)]), []);
    }

    #[test]
    fn bars_do_not_cover_each_other_while_there_is_room() {
        let two = [span(6, Some(12)), span(8, Some(10)), span(12, Some(14))];
        let lanes: Vec<usize> = drawn(&two).iter().map(|bar| bar.4).collect();
        assert_eq!(lanes, [0, 1, 0]);
        let many: Vec<Span> = (0..20).map(|_| span(6, Some(12))).collect();
        let lanes = drawn(&many).into_iter().map(|bar| bar.4);
        assert_eq!(lanes.max(), Some(LANES_MAX - 1));
        assert_eq!(days(&many, &[hour(0), hour(24)])[0].lanes, LANES_MAX);
    }

    #[test]
    fn no_bar_leaves_its_day() {
        for start in -30..80 {
            for length in [0, 1, 5, 23, 24, 25, 200] {
                for (_, _, x, width, ..) in drawn(&[span(start, Some(start + length)), span(start, None)]) {
                    assert!(x >= 0 && width > 0 && x + width <= WHOLE, "{start} {length}: {x} {width}");
                }
            }
        }
    }
}
