//! Coverage: the band beneath a chart over time, and the calendar of a year by days.
//!
//! Which time of which source is here is what the ledger says (`api/coverage.rs`); what is drawn of it is decided in
//! `band.rs`. Nothing of it is about people, so looking leaves no trace.

pub(super) mod band;
mod calendar;

pub(crate) use calendar::page;
use whowas_collect::coverage::report::StreamReport;
use whowas_event::{EnvironmentName, Time};

use self::band::Shade;
use super::{address, show};

/// Sources that a band has a row for; the rest share one.
const BAND_ROWS_MAX: usize = 5;

/// One piece of a row, in hundredths of a percent of its width.
pub(in crate::console) struct BandPiece {
    pub(in crate::console) x: String,
    pub(in crate::console) width: String,
    pub(in crate::console) class: &'static str,
    pub(in crate::console) y: u8,
    pub(in crate::console) height: u8,
    pub(in crate::console) title: String,
}

/// The row of one source.
pub(in crate::console) struct BandRow {
    pub(in crate::console) title: String,
    pub(in crate::console) pieces: Vec<BandPiece>,
}

/// A chart's band: what is known to be there of each source.
pub(in crate::console) struct Band {
    pub(in crate::console) rows: Vec<BandRow>,
    pub(in crate::console) statement: String,
    /// The calendar.
    pub(in crate::console) href: String,
    pub(in crate::console) legend: [Shade; 5],
}

/// What a stream is called.
pub(super) fn title(stream: &StreamReport) -> String {
    match stream.stream.as_str() {
        "" => stream.source.clone(),
        name => format!("{} · {name}", stream.source),
    }
}

/// The band beneath a chart whose bars begin at `starts`, all of one width.
pub(super) fn band(
    name: &EnvironmentName,
    streams: &[StreamReport],
    (starts, end): (&[Time], Time),
    now: Time,
) -> Band {
    let from = starts.first().copied().unwrap_or(end);
    let mut rows: Vec<BandRow> = Vec::new();
    let is_all = streams.len() <= BAND_ROWS_MAX;
    let alone = if is_all { streams.len() } else { BAND_ROWS_MAX - 1 };
    for stream in streams.iter().take(alone) {
        rows.push(row(title(stream), &band::pieces(&stream.intervals, starts, end), starts.len()));
    }
    let rest = streams.get(alone..).unwrap_or_default();
    if !rest.is_empty() {
        rows.push(row(
            format!("{} more, the worst of them", rest.len()),
            &worst_of(rest, starts, end),
            starts.len(),
        ));
    }
    // Time that has not come yet cannot be missing.
    let until = end.min(now).max(from);
    let year: String = until.to_string().chars().take(4).collect();
    Band {
        rows,
        statement: band::statement(streams, (from, until)),
        href: address(&format!("/p/{name}/monitoring/coverage"), &[("year", &year)]),
        legend: Shade::ALL,
    }
}

/// The pieces of several streams together: of each bar the worst.
fn worst_of(streams: &[StreamReport], starts: &[Time], end: Time) -> Vec<band::Piece> {
    let ends = starts.iter().skip(1).copied().chain([end]);
    let mut out: Vec<band::Piece> = Vec::new();
    for (at, (&from, to)) in starts.iter().zip(ends).enumerate() {
        let shades = streams.iter().map(|stream| band::worst(&stream.intervals, (from, to)));
        let shade = shades.max().unwrap_or(Shade::Outside);
        match out.last_mut() {
            Some(last) if last.shade == shade => (last.stretches.1, last.to) = (at + 1, to),
            _ => out.push(band::Piece { shade, stretches: (at, at + 1), from, to }),
        }
    }
    out
}

fn row(title: String, pieces: &[band::Piece], bars: usize) -> BandRow {
    let share = |bar: usize| {
        let hundredths = bar * 10_000 / bars.max(1);
        format!("{}.{:02}%", hundredths / 100, hundredths % 100)
    };
    let piece = |piece: &band::Piece| {
        let (first, after) = piece.stretches;
        // Told by height too, not by color alone.
        let (y, height) = match piece.shade {
            Shade::Outside => (4, 2),
            Shade::Open => (4, 6),
            Shade::Closed | Shade::AtRisk | Shade::Gap => (0, 10),
        };
        BandPiece {
            x: share(first),
            width: share(after - first),
            class: piece.shade.class(),
            y,
            height,
            title: format!(
                "{title}, {} to {} UTC: {}",
                show(piece.from),
                show(piece.to),
                piece.shade.words()
            ),
        }
    };
    let pieces = pieces.iter().map(piece).collect();
    BandRow { pieces, title }
}

#[cfg(test)]
mod tests {
    use whowas_collect::coverage::{State, report::Interval};

    use super::*;

    fn hour(hour: i64) -> Time {
        Time::from_ms(hour * 3_600_000).unwrap()
    }

    fn stream(source: &str, state: State) -> StreamReport {
        let interval = Interval {
            from: hour(1),
            to: hour(3),
            state,
            ids: 0,
            digest: None,
            windows: 1,
            passes: 2,
            reopened: 0,
            lost_at: None,
        };
        StreamReport {
            source: source.to_owned(),
            stream: String::new(),
            last_pass_at: None,
            last_occurred_at: None,
            failing_since: None,
            failure: None,
            silence: None,
            retention_s: None,
            intervals: vec![interval],
            is_cut: false,
        }
    }

    #[test]
    fn a_band_has_a_few_rows_and_forgets_no_source() {
        let name: EnvironmentName = "contoso/production".parse().unwrap();
        let starts: Vec<Time> = (0..4).map(hour).collect();
        let mut streams: Vec<StreamReport> =
            (0..BAND_ROWS_MAX).map(|n| stream(&format!("s{n}"), State::Closed)).collect();
        let rows = |streams: &[StreamReport]| band(&name, streams, (&starts, hour(4)), hour(4)).rows;
        assert_eq!(rows(&streams).len(), BAND_ROWS_MAX);
        streams.extend([stream("t", State::Lost), stream("u", State::Open)]);
        let found = rows(&streams);
        assert_eq!(found.len(), BAND_ROWS_MAX);
        let last = &found[BAND_ROWS_MAX - 1];
        assert_eq!(last.title, "3 more, the worst of them");
        let pieces: Vec<_> =
            last.pieces.iter().map(|one| (one.class, one.x.as_str(), one.width.as_str())).collect();
        assert_eq!(
            pieces,
            [("outside", "0.00%", "25.00%"), ("gap", "25.00%", "50.00%"), ("outside", "75.00%", "25.00%")]
        );
        assert_eq!(found[0].pieces[1].title, "s0, 1970-01-01 01:00:00 to 1970-01-01 03:00:00 UTC: closed");
    }
}
