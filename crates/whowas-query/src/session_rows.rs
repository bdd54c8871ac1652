//! What is told of a session: read from the records that it is made of.

use std::collections::HashMap;

use serde::Serialize;
use whowas_event::Time;
use whowas_store::{Directory, NameChange, Stated, StoreError};

use crate::{
    QueryError,
    kept::{Item, Records, View},
    scan::on_blocking_thread,
    session_search::{Asked, Wanted},
    sessions::{EndConfidence, EndReason, Mark, Row, Session, SessionBuilder, SessionRules, Told},
};

/// Records of one session that are read to complete what the first one tells.
const TOLD_RECORDS_MAX: usize = 64;

/// One session of a trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionRow {
    /// Login name, else e-mail address, else the person's name.
    pub user: Option<String>,
    /// The user's id at the source.
    pub user_id: Option<String>,
    /// The person's name, where the directory knows it.
    pub user_full_name: Option<String>,
    /// The person's address, where the directory knows it.
    pub user_email_addr: Option<String>,
    /// Domain or realm.
    pub domain: Option<String>,
    /// Whoever became the user.
    pub actor: Option<String>,
    /// Where the user came from: a name, else an address.
    pub host: Option<String>,
    /// The address the user came from.
    pub ip: Option<String>,
    /// The machine that was signed in to.
    pub machine: Option<String>,
    /// Terminal or line.
    pub line: Option<String>,
    /// Application or service.
    pub service: Option<String>,
    /// Kind of logon.
    pub logon_type: Option<String>,
    /// When it began; `null` for a sign-out without a sign-in.
    pub start: Option<Time>,
    /// When it ended, if it did.
    pub end: Option<Time>,
    /// Why.
    pub end_reason: &'static str,
    /// How that is known.
    pub end_confidence: &'static str,
    /// Whole seconds from start to end.
    pub duration_s: Option<u64>,
    /// The source's session id.
    pub session_uid: Option<String>,
    /// Where its records come from.
    pub source: String,
    /// The format they were read with.
    pub format: String,
    /// The position of the record that began it.
    pub position: u64,
    /// The name when the session began: the record's word, else the directory's of that time.
    pub name_at_sign_in: Option<String>,
    /// The directory's name now (in the state that was asked) of whoever has the id or login name.
    pub name_now: Option<String>,
    /// What became of the name since.
    pub name_change: Option<NameChange>,
}

/// Finds rows, and reads from their records what is to be told of them.
pub(crate) async fn tell(asked: Asked, wanted: Wanted) -> Result<(u64, Vec<(Row, SessionRow)>), QueryError> {
    let Asked { records, index, size, instant } = asked;
    on_blocking_thread(move || {
        let rules = &index.rules;
        index.ask(&records, Some(size), |view| {
            let (total, rows) = wanted.find(view, &index)?;
            let marks = marks_of(rows.iter().map(|row| row.position).collect(), &records)?;
            let directory = &records.snapshot.directory;
            let mut told = Vec::with_capacity(rows.len());
            for (row, more) in rows.iter().zip(completed(&rows, &marks, view, &records, rules)?) {
                let mark = begun_by(row, &marks)?;
                let mut all = mark.told.clone();
                more.iter().for_each(|more| all.complete(more));
                told.push((*row, SessionRow::new(row, all, &mark.key.source, directory, instant)));
            }
            Ok((total, told))
        })
    })
    .await
}

pub(crate) fn marks_of(positions: Vec<u64>, records: &Records) -> Result<HashMap<u64, Item>, QueryError> {
    Ok(records.at(&positions)?.into_iter().map(|item| (item.position, item)).collect())
}

fn begun_by<'a>(row: &Row, marks: &'a HashMap<u64, Item>) -> Result<&'a Mark, QueryError> {
    let mark = marks.get(&row.position).and_then(|item| item.mark.as_ref());
    mark.ok_or_else(|| {
        let position = row.position;
        StoreError::Corrupt(format!("a session begins at position {position}, where no sign-in is")).into()
    })
}

/// For each row what later records of its session tell, where the first one does not tell all.
fn completed(
    rows: &[Row],
    marks: &HashMap<u64, Item>,
    view: &View,
    records: &Records,
    rules: &SessionRules,
) -> Result<Vec<Option<Told>>, QueryError> {
    let mut later: Vec<Vec<u64>> = Vec::with_capacity(rows.len());
    for row in rows {
        later.push(match row.is_told_by_start {
            true => Vec::new(),
            false => view.lane(begun_by(row, marks)?.lane().digest(), row.start, TOLD_RECORDS_MAX)?,
        });
    }
    let mut all: Vec<u64> = later.iter().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    let items = marks_of(all, records)?;
    let told = rows.iter().zip(later).map(|(row, positions)| {
        if positions.is_empty() {
            return None;
        }
        let mut builder = SessionBuilder::new(rules.clone());
        // Starts and stops of the machine are not at hand here; the row knows what they did.
        let is_stopped = row.reason == EndReason::Shutdown && row.confidence == EndConfidence::Inferred;
        let last = row.end.filter(|_| is_stopped);
        let is_before =
            |item: &&Item| item.mark.as_ref().is_some_and(|mark| last.is_none_or(|last| mark.at <= last));
        for item in positions.iter().filter_map(|position| items.get(position)).filter(is_before) {
            builder.insert_mark(item.key.clone(), item.revision, item.mark.clone());
        }
        let begins = |session: &Session| {
            session.records.first().is_some_and(|record| record.position == Some(row.position))
        };
        builder.pairing(row.start).sessions.into_iter().find(begins).map(|session| Told::of_session(&session))
    });
    Ok(told.collect())
}

impl SessionRow {
    pub(crate) fn new(row: &Row, told: Told, source: &str, directory: &Directory, as_of: Time) -> Self {
        let (end, reason, confidence) = row.end_as_of(as_of);
        let (user_id, user) = (told.user_id.clone(), told.user.clone());
        let stated = Stated { uid: user_id.as_deref(), name: user.as_deref(), ..Stated::default() };
        let naming = directory.naming(stated, row.start);
        let person = naming.known;
        let known =
            |text: fn(&whowas_store::Person) -> &Option<String>| person.and_then(|one| text(one).clone());
        let duration = end.and_then(|end| u64::try_from(end.as_ms() - row.start.as_ms()).ok());
        Self {
            user: told.user.or_else(|| known(|one| &one.name)),
            user_id: told.user_id.or_else(|| known(|one| &one.uid)),
            user_full_name: known(|one| &one.full_name),
            user_email_addr: known(|one| &one.email_addr),
            domain: told.domain,
            actor: told.actor,
            host: told.host,
            ip: told.ip,
            machine: told.machine,
            line: told.line,
            service: told.service,
            logon_type: told.logon_type,
            start: (!row.is_lone_end).then_some(row.start),
            end,
            end_reason: reason.as_str(),
            end_confidence: confidence.as_str(),
            duration_s: duration.filter(|_| !row.is_lone_end).map(|ms| ms / 1000),
            session_uid: told.session_uid,
            source: source.to_owned(),
            format: told.format,
            position: row.position,
            name_at_sign_in: naming.name_at_sign_in(stated),
            name_now: naming.name_now(),
            name_change: naming.change,
        }
    }
}
