//! Questions about sessions: which began when, who was signed in at an instant, how many at once.
//!
//! Which sessions are meant is answered by what is kept of them (`kept/`), what is told about them by the records that
//! began them. A filter speaks of the record that began the session, and means what it means in a search.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use datafusion::logical_expr::{Expr, col, lit};
use object_store::{
    local::LocalFileSystem,
    path::{Path, PathPart},
};
use serde::Serialize;
use whowas_event::Time;
use whowas_store::{Directory, StoreError, Trail};

use crate::{
    Engine, Filter, QueryError, WINDOW_DAYS_DEFAULT,
    kept::{Cursor, Index, Item, List, Records, View},
    lower,
    page::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, PageToken},
    scan::{Scan, on_blocking_thread},
    sessions::{EndConfidence, Mark, Row, Session, SessionBuilder, SessionRules, Told},
};

const DAY_MS: i64 = 86_400_000;
/// Up to so many records that fit a filter are looked up one by one; beyond, every session of the range is looked at.
const LOOK_UPS_MAX: usize = 20_000;
/// Records of one session that are read to complete what the first one tells.
const TOLD_RECORDS_MAX: usize = 64;
/// Sessions that a count of those at once may look at: 1 million take some 60 MB.
const AT_ONCE_SESSIONS_MAX: usize = 1_000_000;
/// Points of a count of those at once.
pub const AT_ONCE_POINTS_MAX: usize = 1_000;

/// An earlier state of a trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// When the tree had this size.
    Size(u64),
    /// At this instant.
    Time(Time),
}

impl AsOf {
    /// A number is a size of the tree, anything else a time, which `time` reads.
    pub fn parse<E>(text: &str, time: impl FnOnce(&str) -> Result<Time, E>) -> Result<Self, E> {
        match text.parse() {
            Ok(size) => Ok(Self::Size(size)),
            Err(_) => time(text).map(Self::Time),
        }
    }
}

/// Which sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionQuery {
    /// Sessions that began in the range.
    #[default]
    Sessions,
    /// Those of which no record tells the end.
    LogonWithoutLogoff,
    /// Sign-outs of which no sign-in is known.
    LogoffWithoutLogon,
}

impl SessionQuery {
    /// In the order of the drop-down.
    pub const ALL: &'static [Self] = &[Self::Sessions, Self::LogonWithoutLogoff, Self::LogoffWithoutLogon];

    /// Its name in URLs and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::LogonWithoutLogoff => "logon-without-logoff",
            Self::LogoffWithoutLogon => "logoff-without-logon",
        }
    }

    /// Its name in the console.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sessions => "Sessions",
            Self::LogonWithoutLogoff => "Logon without logoff",
            Self::LogoffWithoutLogon => "Logoff without logon",
        }
    }

    /// The query with this name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|query| query.as_str() == word)
    }

    const fn lists(self) -> &'static [List] {
        match self {
            Self::Sessions | Self::LogonWithoutLogoff => &[List::Ended, List::Open],
            Self::LogoffWithoutLogon => &[List::Lone],
        }
    }
}

/// A question about sessions.
#[derive(Clone, Debug, Default)]
pub struct SessionRequest {
    /// Which.
    pub query: SessionQuery,
    /// Began at or after; seven days before `to` if absent.
    pub from: Option<Time>,
    /// Began before; now if absent.
    pub to: Option<Time>,
    /// What must hold of the record that began it.
    pub filter: Filter,
    /// Rows of the page, up to [`PAGE_ROWS_MAX`]; [`PAGE_ROWS_DEFAULT`] if 0.
    pub limit: usize,
    /// The `next` of the page before.
    pub page: Option<String>,
    /// An earlier state of the trail; the present one if absent.
    pub as_of: Option<AsOf>,
}

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
}

/// One page of sessions, newest first.
#[derive(Clone, Debug, Serialize)]
pub struct SessionPage {
    /// The rows.
    pub rows: Vec<SessionRow>,
    /// Token of the next page; absent on the last.
    pub next: Option<String>,
    /// Rows of the whole answer, not only of this page.
    pub total: u64,
    /// Sessions that began at or after …
    pub from: Time,
    /// … and before.
    pub to: Time,
    /// The size of the tree that was asked.
    pub tree_size: u64,
}

/// Who was signed in at an instant.
#[derive(Clone, Debug, Default)]
pub struct PresenceRequest {
    /// When; now if absent.
    pub at: Option<Time>,
    /// What must hold of the record that began the session.
    pub filter: Filter,
    /// Rows of the page.
    pub limit: usize,
    /// The `next` of the page before.
    pub page: Option<String>,
    /// An earlier state of the trail.
    pub as_of: Option<AsOf>,
}

/// Sessions that went on at an instant, the newest first.
#[derive(Clone, Debug, Serialize)]
pub struct PresencePage {
    /// The rows.
    pub rows: Vec<SessionRow>,
    /// Token of the next page; absent on the last.
    pub next: Option<String>,
    /// Rows of the whole answer. A session without a known end counts: nothing says that it was over.
    pub total: u64,
    /// Of these, sessions whose end is not known.
    pub without_end: u64,
    /// The instant.
    pub at: Time,
    /// The size of the tree that was asked.
    pub tree_size: u64,
}

/// How many were signed in at once.
#[derive(Clone, Debug, Serialize)]
pub struct AtOnce {
    /// From the beginning of the range.
    pub points: Vec<AtOncePoint>,
    /// At or after …
    pub from: Time,
    /// … and before.
    pub to: Time,
    /// The size of the tree that was asked.
    pub tree_size: u64,
}

/// A stretch of time.
#[derive(Clone, Debug, Serialize)]
pub struct AtOncePoint {
    /// When it begins.
    pub at: Time,
    /// The most sessions at one instant of it, of those whose end is known.
    pub most: u64,
    /// Sessions that began before its end and whose end is not known.
    pub without_end: u64,
    /// The most at one instant, by service.
    pub by_service: BTreeMap<String, u64>,
}

/// A state of a trail that is asked.
struct Asked {
    records: Records,
    index: Arc<Index>,
    size: u64,
    /// The instant up to which silence is counted.
    instant: Time,
}

/// Which rows.
struct Wanted {
    lists: &'static [List],
    range: (Time, Time),
    reach: Option<Time>,
    /// Records that may begin what is meant; any if `None`.
    places: Option<Vec<(Time, u64)>>,
    is_without_recorded_end: bool,
    before: Option<Cursor>,
    limit: usize,
}

impl Engine {
    /// Sessions that began in a range, newest first.
    pub async fn sessions(
        &self,
        trail: &Trail,
        request: &SessionRequest,
        now: Time,
    ) -> Result<SessionPage, QueryError> {
        let token = token(request.page.as_deref())?;
        let limit = page_rows(request.limit);
        let asked = self.asked(trail, request.as_of, token, now).await?;
        let to = request.to.unwrap_or_else(|| asked.instant.saturating_add_ms(1));
        let from = request.from.unwrap_or_else(|| to.saturating_add_ms(-WINDOW_DAYS_DEFAULT * DAY_MS));
        if from >= to {
            return Err(QueryError::Invalid(format!(
                "the range is empty: it begins at {from} and ends at {to}"
            )));
        }
        let range = (from, to.saturating_add_ms(-1));
        let wanted = Wanted {
            lists: request.query.lists(),
            range,
            reach: None,
            places: self.places(trail, &asked, &request.filter, range).await?,
            is_without_recorded_end: request.query == SessionQuery::LogonWithoutLogoff,
            before: token.map(|token| (token.occurred_at, token.position)),
            limit: limit + 1,
        };
        let tree_size = asked.size;
        let (total, mut rows) = tell(asked, wanted).await?;
        let next = next(&mut rows, limit, tree_size);
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        Ok(SessionPage { rows, next, total, from, to, tree_size })
    }

    /// Who was signed in at an instant, as far as is known.
    pub async fn presence(
        &self,
        trail: &Trail,
        request: &PresenceRequest,
        now: Time,
    ) -> Result<PresencePage, QueryError> {
        let token = token(request.page.as_deref())?;
        let limit = page_rows(request.limit);
        let asked = self.asked(trail, request.as_of, token, now).await?;
        let at = request.at.unwrap_or(asked.instant);
        if at > now {
            return Err(QueryError::Invalid(format!("{at} has not come yet")));
        }
        let range = (earliest(), at);
        let places = self.places(trail, &asked, &request.filter, range).await?;
        let wanted = |lists, limit| Wanted {
            lists,
            range,
            // An end is no part of its session.
            reach: Some(at.saturating_add_ms(1)),
            places: places.clone(),
            is_without_recorded_end: false,
            before: token.map(|token| (token.occurred_at, token.position)),
            limit,
        };
        let open = wanted(&[List::Open], 0);
        let without_end = {
            let (records, index, size) = (asked.records.clone(), asked.index.clone(), asked.size);
            on_blocking_thread(move || index.ask(&records, Some(size), |view| Ok(open.find(view)?.0))).await?
        };
        let tree_size = asked.size;
        let wanted = wanted(&[List::Ended, List::Open], limit + 1);
        let (total, mut rows) = tell(asked, wanted).await?;
        let next = next(&mut rows, limit, tree_size);
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        Ok(PresencePage { rows, next, total, without_end, at, tree_size })
    }

    /// How many were signed in at once, in `points` stretches of a range.
    pub async fn at_once(
        &self,
        trail: &Trail,
        (from, to): (Time, Time),
        points: usize,
        as_of: Option<AsOf>,
        now: Time,
    ) -> Result<AtOnce, QueryError> {
        let points = points.clamp(1, AT_ONCE_POINTS_MAX);
        if from >= to {
            return Err(QueryError::Invalid(format!(
                "the range is empty: it begins at {from} and ends at {to}"
            )));
        }
        let asked = self.asked(trail, as_of, None, now).await?;
        let (records, index, size) = (asked.records.clone(), asked.index.clone(), asked.size);
        let found = on_blocking_thread(move || {
            index.ask(&records, Some(size), |view| sessions_between(view, (from, to)))
        })
        .await?;
        let services = self.services(trail, &asked, &found.ended, to).await?;
        Ok(AtOnce { points: found.points((from, to), points, &services), from, to, tree_size: size })
    }

    /// The services of sessions, by position.
    async fn services(
        &self,
        trail: &Trail,
        asked: &Asked,
        rows: &[Row],
        to: Time,
    ) -> Result<BTreeMap<u64, String>, QueryError> {
        let Some(first) = rows.iter().map(|row| row.start).min() else { return Ok(BTreeMap::new()) };
        let mut wanted: Vec<i64> = rows.iter().filter_map(|row| i64::try_from(row.position).ok()).collect();
        wanted.sort_unstable();
        let wanted = Arc::new(wanted);
        let condition = col("occurred_at")
            .gt_eq(lower::instant(first))
            .and(col("occurred_at").lt(lower::instant(to)))
            .and(col("service_name").is_not_null())
            .and(col("kind").eq(lit("login")));
        let scan = self.scan_of(trail, asked.records.snapshot.clone(), &condition)?;
        let parts = scan
            .fold(&["position", "service_name"], move |found: &mut BTreeMap<u64, String>, _, batch| {
                let wrong = || StoreError::Corrupt("a record lacks its position".to_owned());
                let column = |name: &str| batch.column_by_name(name).ok_or_else(wrong);
                let positions = column("position")?.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
                let services = column("service_name")?.as_string_opt::<i32>().ok_or_else(wrong)?;
                for (position, service) in positions.values().iter().zip(services) {
                    if wanted.binary_search(position).is_ok()
                        && let (Ok(position), Some(service)) = (u64::try_from(*position), service)
                    {
                        found.insert(position, service.to_owned());
                    }
                }
                Ok(())
            })
            .await?;
        Ok(parts.into_iter().flatten().collect())
    }

    /// Brings what is kept of a trail's sessions up to its archive, step by step. Returns whether there may be more.
    pub async fn keep_sessions(&self, trail: &Trail) -> Result<bool, QueryError> {
        let records = Records::new(trail, trail.snapshot(), self.files().clone());
        let index = self.index(trail)?;
        on_blocking_thread(move || index.advance(&records)).await
    }

    /// Deletes what is kept of a trail's sessions. It is made again when somebody asks.
    pub async fn forget_sessions(&self, trail: &Trail) -> Result<(), QueryError> {
        let index = self.index(trail)?;
        on_blocking_thread(move || Ok(index.forget()?)).await
    }

    async fn asked(
        &self,
        trail: &Trail,
        as_of: Option<AsOf>,
        token: Option<PageToken>,
        now: Time,
    ) -> Result<Asked, QueryError> {
        let records = Records::new(trail, trail.snapshot(), self.files().clone());
        let index = self.index(trail)?;
        let (size, instant) = self.state_of(records.clone(), as_of, now).await?;
        let size = token.map_or(size, |token| token.size.min(size));
        Ok(Asked { records, index, size, instant })
    }

    /// The size of the tree and the instant that are meant by a state.
    pub(crate) async fn state_of(
        &self,
        records: Records,
        as_of: Option<AsOf>,
        now: Time,
    ) -> Result<(u64, Time), QueryError> {
        let newest = records.snapshot.size;
        match as_of {
            None => Ok((newest, now)),
            Some(AsOf::Size(size)) if size > newest => {
                Err(QueryError::Invalid(format!("the tree has {newest} records, not {size}")))
            }
            Some(AsOf::Size(0)) => Ok((0, earliest())),
            Some(AsOf::Size(size)) => {
                on_blocking_thread(move || {
                    let recorded = records.recorded_at(size - 1)?;
                    let recorded = recorded.ok_or(QueryError::Internal("a record has no time"))?;
                    Ok((size, recorded))
                })
                .await
            }
            Some(AsOf::Time(at)) => on_blocking_thread(move || Ok((records.size_at(at)?, at.min(now)))).await,
        }
    }

    /// Records that fit a filter, if there is one.
    async fn places(
        &self,
        trail: &Trail,
        asked: &Asked,
        filter: &Filter,
        (low, high): (Time, Time),
    ) -> Result<Option<Vec<(Time, u64)>>, QueryError> {
        let snapshot = &asked.records.snapshot;
        let Some(condition) = lower::filter(filter, &snapshot.directory).into_iter().reduce(Expr::and) else {
            return Ok(None);
        };
        let size = i64::try_from(asked.size).unwrap_or(i64::MAX);
        let condition = condition
            .and(col("occurred_at").gt_eq(lower::instant(low)))
            .and(col("occurred_at").lt_eq(lower::instant(high)))
            .and(col("position").lt(lit(size)))
            .and(col("kind").eq(lit("login")));
        let scan = self.scan_of(trail, snapshot.clone(), &condition)?;
        let parts =
            scan.fold(&["occurred_at", "position"], |found, _, batch| add_places(found, batch)).await?;
        let mut places: Vec<(Time, u64)> = parts.into_iter().flatten().collect();
        places.sort_unstable();
        Ok(Some(places))
    }

    fn scan_of(
        &self,
        trail: &Trail,
        snapshot: Arc<whowas_store::Snapshot>,
        condition: &Expr,
    ) -> Result<Scan, QueryError> {
        Scan::new(self.context(), self.files().clone(), trail, snapshot, condition)
    }
}

fn earliest() -> Time {
    Time::default().saturating_add_ms(i64::MIN)
}

fn add_places(found: &mut Vec<(Time, u64)>, batch: &RecordBatch) -> Result<(), QueryError> {
    let wrong = || StoreError::Corrupt("a record lacks its time or position".to_owned());
    let column = |name: &str| batch.column_by_name(name).ok_or_else(wrong);
    let times = column("occurred_at")?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
    let positions = column("position")?.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
    for (time, position) in times.values().iter().zip(positions.values()) {
        let time = Time::from_ms(time / 1000).map_err(|_| wrong())?;
        found.push((time, u64::try_from(*position).map_err(|_| wrong())?));
    }
    Ok(())
}

fn token(page: Option<&str>) -> Result<Option<PageToken>, QueryError> {
    let parse = |text| {
        PageToken::parse(text)
            .ok_or_else(|| QueryError::Invalid("the page token is not one that this program gave".to_owned()))
    };
    page.map(parse).transpose()
}

fn page_rows(limit: usize) -> usize {
    if limit == 0 { PAGE_ROWS_DEFAULT } else { limit.min(PAGE_ROWS_MAX) }
}

/// Takes what is beyond the page away, and says where the next begins.
fn next(rows: &mut Vec<(Row, SessionRow)>, limit: usize, size: u64) -> Option<String> {
    let is_more = rows.len() > limit;
    rows.truncate(limit);
    let (last, _) = rows.last().filter(|_| is_more)?;
    Some(PageToken { occurred_at: last.start, position: last.position, size }.to_text())
}

impl Wanted {
    fn fits(&self, row: &Row) -> bool {
        let reaches = self.reach.is_none_or(|reach| row.end.is_none_or(|end| end >= reach));
        let is_meant = !self.is_without_recorded_end || row.confidence != EndConfidence::Explicit;
        let (low, high) = self.range;
        self.lists.contains(&List::of(row)) && low <= row.start && row.start <= high && reaches && is_meant
    }

    /// How many there are, and the newest.
    fn find(&self, view: &View) -> Result<(u64, Vec<Row>), QueryError> {
        let page = (self.before, self.limit);
        let Some(places) = &self.places else {
            let fits = |row: &Row| self.fits(row);
            let fits = self.is_without_recorded_end.then_some(&fits as &dyn Fn(&Row) -> bool);
            return Ok(view.newest(self.lists, self.range, self.reach, fits, page)?);
        };
        if places.len() > LOOK_UPS_MAX {
            let fits = |row: &Row| places.binary_search(&(row.start, row.position)).is_ok() && self.fits(row);
            return Ok(view.newest(self.lists, self.range, self.reach, Some(&fits), page)?);
        }
        let mut rows: Vec<Row> = view.rows_at(places)?.into_values().filter(|row| self.fits(row)).collect();
        let total = rows.len() as u64;
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.start, row.position)));
        rows.retain(|row| self.before.is_none_or(|before| (row.start, row.position) < before));
        rows.truncate(self.limit);
        Ok((total, rows))
    }
}

/// Finds rows, and reads from their records what is to be told of them.
async fn tell(asked: Asked, wanted: Wanted) -> Result<(u64, Vec<(Row, SessionRow)>), QueryError> {
    let Asked { records, index, size, instant } = asked;
    on_blocking_thread(move || {
        let rules = &index.rules;
        index.ask(&records, Some(size), |view| {
            let (total, rows) = wanted.find(view)?;
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

fn marks_of(positions: Vec<u64>, records: &Records) -> Result<HashMap<u64, Item>, QueryError> {
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
        for item in positions.iter().filter_map(|position| items.get(position)) {
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
    fn new(row: &Row, told: Told, source: &str, directory: &Directory, as_of: Time) -> Self {
        let (end, reason, confidence) = row.end_as_of(as_of);
        let person = directory.find(told.user_id.as_deref(), told.user.as_deref(), None);
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
        }
    }
}

/// Sessions that touch a range.
#[derive(Default)]
struct Between {
    ended: Vec<Row>,
    /// When sessions without a known end began, within the range.
    open_starts: Vec<Time>,
    open_before: u64,
}

fn sessions_between(view: &View, (from, to): (Time, Time)) -> Result<Between, QueryError> {
    let last = to.saturating_add_ms(-1);
    let mut found = Between::default();
    view.each(List::Ended, (earliest(), last), Some(from.saturating_add_ms(1)), |row| {
        found.ended.push(row);
        found.ended.len() <= AT_ONCE_SESSIONS_MAX
    })?;
    view.each(List::Open, (from, last), None, |row| {
        found.open_starts.push(row.start);
        found.open_starts.len() <= AT_ONCE_SESSIONS_MAX
    })?;
    if found.ended.len().max(found.open_starts.len()) > AT_ONCE_SESSIONS_MAX {
        return Err(QueryError::Invalid(format!(
            "more than {AT_ONCE_SESSIONS_MAX} sessions touch this range; choose a shorter one"
        )));
    }
    let before = (earliest(), from.saturating_add_ms(-1));
    found.open_before = view.newest(&[List::Open], before, None, None, (None, 0))?.0;
    found.open_starts.sort_unstable();
    Ok(found)
}

impl Between {
    fn points(
        &self,
        (from, to): (Time, Time),
        points: usize,
        services: &BTreeMap<u64, String>,
    ) -> Vec<AtOncePoint> {
        let length = (to.as_ms() - from.as_ms()).max(1);
        let count = i64::try_from(points).unwrap_or(i64::MAX).min(length);
        let begin = |point: i64| {
            let ms = i128::from(length) * i128::from(point) / i128::from(count);
            from.saturating_add_ms(i64::try_from(ms).unwrap_or(i64::MAX))
        };
        // Ends go before starts of the same instant: who leaves makes room for who comes.
        let mut steps: Vec<(Time, i64, Option<&str>)> = Vec::with_capacity(self.ended.len() * 2);
        for row in &self.ended {
            let service = services.get(&row.position).map(String::as_str);
            steps.push((row.start.max(from), 1, service));
            steps.extend(row.end.map(|end| (end, -1, service)));
        }
        steps.sort_unstable();
        let mut steps = steps.into_iter().peekable();
        let (mut now, mut by_service) = (0, BTreeMap::<&str, i64>::new());
        let mut out = Vec::with_capacity(points);
        for point in 0..count {
            let end = begin(point + 1);
            let at = begin(point);
            // What ended or began by the first instant is settled before the highest is looked for.
            let mut most = None;
            let mut most_of = by_service.clone();
            while let Some((when, change, service)) = steps.next_if(|(when, ..)| *when < end) {
                if when > at && most.is_none() {
                    most = Some(now);
                    most_of = by_service.clone();
                }
                now += change;
                let of_service = by_service.entry(service.unwrap_or_default()).or_default();
                *of_service += change;
                if when > at {
                    most = most.max(Some(now));
                    let highest = most_of.entry(service.unwrap_or_default()).or_default();
                    *highest = (*of_service).max(*highest);
                }
            }
            if most.is_none() {
                most_of = by_service.clone();
            }
            let open = self.open_starts.partition_point(|start| *start < end) as u64;
            let whole = |count: i64| u64::try_from(count).unwrap_or(0);
            out.push(AtOncePoint {
                at,
                most: whole(most.unwrap_or(now)),
                without_end: self.open_before + open,
                by_service: most_of
                    .into_iter()
                    .filter(|(_, count)| *count > 0)
                    .map(|(service, count)| (service.to_owned(), whole(count)))
                    .collect(),
            });
        }
        out
    }
}

/// The local folder in which what is kept of a trail's sessions lies.
pub(crate) fn folder(trail: &Trail) -> Result<PathBuf, QueryError> {
    let (_, archive) = trail.archive_location();
    let above = archive.parts().count().saturating_sub(1);
    let sessions = archive.parts().take(above).chain([PathPart::from("sessions")]).collect::<Path>();
    let local = LocalFileSystem::new().path_to_filesystem(&sessions);
    local.map_err(|e| StoreError::from(e).into())
}
