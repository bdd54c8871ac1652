//! The session that one record belongs to, with all its records.
//!
//! Which session it is, and how it ended, is what is kept of sessions (`kept/`); which records it has is found by pairing
//! its lane once more.

use std::sync::Arc;

use serde::Serialize;
use whowas_event::{Record, Time};
use whowas_store::Trail;

use crate::{
    Engine, QueryError,
    kept::{Index, Records, View},
    scan::on_blocking_thread,
    session_rows::{SessionRow, marks_of},
    session_search::Asked,
    sessions::{EndConfidence, EndReason, LaneKey, Mark, Row, Session, SessionBuilder, Told},
};

const DAY_MS: i64 = 86_400_000;
/// A session is looked for from so long before the record on, at first: longer than those of any built-in rule. Where a
/// lane has too many records since then, from later.
const LOOK_BACKS_MS: [i64; 4] = [40 * DAY_MS, DAY_MS, DAY_MS / 24, 0];
/// Records of one lane that are paired: of sessions that are told by few records, thousands of sessions of one line.
const LANE_RECORDS_MAX: usize = 4_096;
/// Records that a session is shown with.
pub const SESSION_RECORDS_MAX: usize = 200;

/// One of the records that a session was derived from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionRecord {
    /// Its position in the trail.
    pub position: u64,
    /// When it happened, as its source says.
    pub occurred_at: Time,
    /// `logon`, `logoff` …
    pub activity: &'static str,
    /// `success`, `failure`, `unknown`, `other`
    pub status: &'static str,
    /// The source's words for the outcome.
    pub status_detail: Option<String>,
    /// Kind of logon.
    pub logon_type: Option<String>,
    /// From which address.
    pub src_ip: Option<String>,
    /// To what.
    pub service_name: Option<String>,
    /// Its id at the source.
    pub native_id: String,
    /// 0, or how often the source has changed the record.
    pub revision: u32,
    /// When it got its position.
    pub recorded_at: Time,
}

/// A session with its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionDetail {
    /// The session.
    pub session: SessionRow,
    /// Its records, in the order of time, [`SESSION_RECORDS_MAX`] at most.
    pub records: Vec<SessionRecord>,
    /// How many there are.
    pub record_count: usize,
    /// Whether all were looked at; if not, there may be more.
    pub is_complete: bool,
    /// The size of the tree that was asked.
    pub tree_size: u64,
}

/// Where a session begins, and what it was paired of.
struct Found {
    at: Time,
    position: u64,
    records: Vec<u64>,
    record_count: usize,
    is_complete: bool,
    told: Option<Told>,
}

impl Engine {
    /// The session that the record at a position belongs to, whether it began it or came later. `None` if it belongs to
    /// none, such as a failed sign-in.
    pub async fn session_at(
        &self,
        trail: &Trail,
        position: u64,
        now: Time,
    ) -> Result<Option<SessionDetail>, QueryError> {
        let Asked { records, index, size, instant } = self.asked(trail, None, None, now).await?;
        if position >= size {
            return Ok(None);
        }
        on_blocking_thread(move || {
            let look = |view: &View| look(view, &records, &index, (position, instant));
            index.ask(&records, Some(size), look)
        })
        .await
    }
}

fn look(
    view: &View,
    records: &Records,
    index: &Arc<Index>,
    (position, instant): (u64, Time),
) -> Result<Option<SessionDetail>, QueryError> {
    let Some(mark) = records.at(&[position])?.into_iter().next().and_then(|item| item.mark) else {
        return Ok(None);
    };
    let Some(found) = pair(view, records, index, (position, &mark), instant)? else { return Ok(None) };
    let Some(row) = view.rows_at(&[(found.at, found.position)])?.remove(&found.position) else {
        return Ok(None);
    };
    let Some(first) = records.at(&[found.position])?.into_iter().next().and_then(|item| item.mark) else {
        return Ok(None);
    };
    let mut told = first.told;
    found.told.iter().for_each(|more| told.complete(more));
    let directory = &records.snapshot.directory;
    let session = SessionRow::new(&row, told, &first.key.source, directory, instant);
    let shown: Vec<u64> = found.records.iter().copied().take(SESSION_RECORDS_MAX).collect();
    let mut told_by: Vec<SessionRecord> =
        records.whole_at(&shown)?.into_iter().map(SessionRecord::of).collect();
    let all = told_by.len();
    told_by.retain(|record| is_part(&row, record.occurred_at));
    told_by.sort_unstable_by_key(|record| (record.occurred_at, record.position));
    let record_count = found.record_count.saturating_sub(all - told_by.len());
    let (is_complete, tree_size) = (found.is_complete, view.size());
    Ok(Some(SessionDetail { session, records: told_by, record_count, is_complete, tree_size }))
}

/// Pairs the lane of a record and takes the session, or the lone sign-out, that it is in.
fn pair(
    view: &View,
    records: &Records,
    index: &Arc<Index>,
    (position, mark): (u64, &Mark),
    instant: Time,
) -> Result<Option<Found>, QueryError> {
    let lane: LaneKey = mark.lane();
    let mut positions = Vec::new();
    for ms in LOOK_BACKS_MS {
        positions = view.lane(lane.digest(), mark.at.saturating_add_ms(-ms), LANE_RECORDS_MAX)?;
        if positions.contains(&position) {
            break;
        }
    }
    let is_complete = positions.len() < LANE_RECORDS_MAX;
    // A lane of one record is kept nowhere.
    if !positions.contains(&position) {
        positions.push(position);
    }
    let mut builder = SessionBuilder::new(index.rules.clone());
    for item in marks_of(positions, records)?.into_values() {
        if item.mark.as_ref().is_some_and(|mark| mark.lane() == lane) {
            builder.insert_mark(item.key, item.revision, item.mark);
        }
    }
    let pairing = builder.pairing_of([&lane], instant);
    let has = |session: &&Session| {
        let is_named = session.records.iter().any(|record| record.position == Some(position));
        // A long session names only some of its records; sessions of one lane follow each other.
        let is_long = session.records.len() < session.record_count;
        is_named || (is_long && session.start <= mark.at && mark.at <= session.last_seen)
    };
    if let Some(session) = pairing.sessions.iter().find(has) {
        let positions: Vec<u64> = session.records.iter().filter_map(|record| record.position).collect();
        let Some(&first) = positions.first() else { return Ok(None) };
        return Ok(Some(Found {
            at: session.start,
            position: first,
            records: positions,
            record_count: session.record_count,
            is_complete,
            told: Some(Told::of_session(session)),
        }));
    }
    let lone = pairing.ends_without_start.iter().find(|end| end.record.position == Some(position));
    Ok(lone.map(|end| Found {
        at: end.at,
        position,
        records: vec![position],
        record_count: 1,
        is_complete,
        told: None,
    }))
}

/// Starts and stops of the machine stand in no lane: what came after one that ended the session is not its.
fn is_part(row: &Row, at: Time) -> bool {
    let is_stopped = row.reason == EndReason::Shutdown && row.confidence == EndConfidence::Inferred;
    !is_stopped || row.end.is_none_or(|end| at <= end)
}

impl SessionRecord {
    fn of((position, record): (u64, Record)) -> Self {
        let event = record.event;
        Self {
            position,
            occurred_at: event.occurred_at,
            activity: event.activity.as_str(),
            status: event.status.as_str(),
            status_detail: event.status_detail,
            logon_type: event.logon_type,
            src_ip: event.src_endpoint.ip,
            service_name: event.service.name,
            native_id: event.native_id.as_str().to_owned(),
            revision: record.revision,
            recorded_at: record.recorded_at,
        }
    }
}
