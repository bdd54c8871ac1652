//! Ledgers as the control database keeps them.

use serde::de::DeserializeOwned;
use whowas_event::{EnvironmentName, Time};
use whowas_store::{
    StoreError,
    control::{Control, CoverageChange, Progress, StoredWindow},
};

use super::{
    DAY_MS, Ledger, Window,
    report::{self, StreamReport},
};

/// How much before the range that is asked for is read with it, for the rhythm: four weeks and some.
const BEFORE_MS: i64 = 29 * DAY_MS;

/// The ledger of one stream, and where reading goes on.
#[derive(Clone, Debug, Default)]
pub struct StreamLedger {
    /// The source.
    pub source: String,
    /// The stream.
    pub stream: String,
    /// Where reading goes on.
    pub cursor: Option<String>,
    /// The ledger.
    pub ledger: Ledger,
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| {
        StoreError::Corrupt(
            "control database: an entry of the coverage ledger; `whowas coverage --rebuild` makes it anew"
                .into(),
        )
    })
}

/// The ledgers of an environment's streams, for `[from, to)` and the weeks before. `only` names one stream.
pub async fn load(
    control: &dyn Control,
    name: &EnvironmentName,
    only: Option<(&str, &str)>,
    (from, to): (Time, Time),
) -> Result<Vec<StreamLedger>, StoreError> {
    let mut ledgers = Vec::new();
    for stored in control.streams(name).await? {
        let key = (stored.source.as_str(), stored.stream.as_str());
        if only.is_some_and(|only| only != key) {
            continue;
        }
        let range = (from.saturating_add_ms(-BEFORE_MS), to);
        let windows = control.windows(name, key, range).await?;
        let windows = windows
            .into_iter()
            .map(|window| Ok(Window { from: window.from, to: window.to, known: parse(&window.entry)? }));
        let ledger = Ledger {
            windows: windows.collect::<Result<_, StoreError>>()?,
            summary: stored.summary.as_deref().map(parse).transpose()?,
        };
        let (source, stream, cursor) = (stored.source, stored.stream, stored.cursor);
        ledgers.push(StreamLedger { source, stream, cursor, ledger });
    }
    Ok(ledgers)
}

/// A changed range of a ledger, to be committed with the pass that changed it.
pub fn stored(
    (source, stream): (&str, &str),
    ledger: &Ledger,
    changed: Option<(Time, Time)>,
    cursor: Option<String>,
) -> Progress {
    let windows = |(from, to): (Time, Time)| CoverageChange {
        from,
        to,
        windows: ledger
            .windows
            .iter()
            .filter(|window| (from..to).contains(&window.from))
            .map(|window| StoredWindow {
                from: window.from,
                to: window.to,
                entry: serde_json::to_string(&window.known).expect("a window is plain data"),
            })
            .collect(),
    };
    Progress {
        source: source.to_owned(),
        stream: stream.to_owned(),
        cursor,
        summary: ledger
            .summary
            .as_ref()
            .map(|summary| serde_json::to_string(summary).expect("a summary is plain data")),
        coverage: changed.map(windows),
        archived: None,
    }
}

/// What to tell people about every stream of an environment within `[from, to)`.
pub async fn reports(
    control: &dyn Control,
    name: &EnvironmentName,
    range: (Time, Time),
    now: Time,
) -> Result<Vec<StreamReport>, StoreError> {
    let report = |one: StreamLedger| report::stream((&one.source, &one.stream), &one.ledger, range, now);
    Ok(load(control, name, None, range).await?.into_iter().map(report).collect())
}
