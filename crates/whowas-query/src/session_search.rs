//! Questions about sessions: which began when, and who was signed in at an instant.
//!
//! Which sessions are meant is answered by what is kept of them (`kept/`), what is told about them by the records that
//! began them. A filter speaks of the record that began the session, and means what it means in a search.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

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
use whowas_store::{StoreError, Trail};

use crate::{
    Engine, Filter, QueryError, WINDOW_DAYS_DEFAULT,
    kept::{Cursor, Index, List, Records, View},
    lower,
    page::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, PageToken},
    scan::on_blocking_thread,
    session_rows::{SessionRow, tell},
    sessions::{EndConfidence, Row},
};

const DAY_MS: i64 = 86_400_000;
/// Up to so many records that fit a filter are looked up one by one; beyond, every session of the range is looked at.
const LOOK_UPS_MAX: usize = 20_000;

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

/// A state of a trail that is asked.
pub(crate) struct Asked {
    pub(crate) records: Records,
    pub(crate) index: Arc<Index>,
    pub(crate) size: u64,
    /// The instant up to which silence is counted.
    pub(crate) instant: Time,
}

/// Which rows.
pub(crate) struct Wanted {
    lists: &'static [List],
    range: (Time, Time),
    reach: Option<Time>,
    /// Records that may begin what is meant; any if `None`.
    places: Option<Arc<Places>>,
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

    /// Brings what is kept of a trail's sessions up to its archive, step by step. Returns whether there may be more.
    pub async fn keep_sessions(&self, trail: &Trail) -> Result<bool, QueryError> {
        let records = Records::new(trail, trail.snapshot(), self.files().clone());
        let index = self.index(trail)?;
        on_blocking_thread(move || index.advance(&records)).await
    }

    /// Pairs what is in no run yet, so that the next question finds it done.
    pub async fn pair_newest(&self, trail: &Trail) -> Result<(), QueryError> {
        let records = Records::new(trail, trail.snapshot(), self.files().clone());
        let index = self.index(trail)?;
        on_blocking_thread(move || index.view(&records, None).map(drop)).await
    }

    /// Deletes what is kept of a trail's sessions. It is made again when somebody asks.
    pub async fn forget_sessions(&self, trail: &Trail) -> Result<(), QueryError> {
        let index = self.index(trail)?;
        on_blocking_thread(move || Ok(index.forget()?)).await
    }

    pub(crate) async fn asked(
        &self,
        trail: &Trail,
        as_of: Option<AsOf>,
        token: Option<PageToken>,
        now: Time,
    ) -> Result<Asked, QueryError> {
        let mut records = Records::new(trail, trail.snapshot(), self.files().clone());
        let index = self.index(trail)?;
        let (size, instant) = self.state_of(records.clone(), as_of, now).await?;
        let size = token.map_or(size, |token| token.size.min(size));
        records.snapshot = self.as_of_size(trail, records.snapshot, size)?;
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
    ) -> Result<Option<Arc<Places>>, QueryError> {
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
        let scan = self.scan_where(trail, snapshot.clone(), &condition)?;
        let fields = &["occurred_at", "position"];
        let parts = scan.fold(fields, |places: &mut Places, _, batch| places.add(batch)).await?;
        let places = parts.into_iter().reduce(Places::merge).unwrap_or_default();
        Ok(Some(Arc::new(places)))
    }
}

pub(crate) fn earliest() -> Time {
    Time::default().saturating_add_ms(i64::MIN)
}

/// Records that fit a filter: one by one while they are few, and as a set of positions, which takes some 20 bytes for 64
/// neighbors.
#[derive(Debug, Default)]
struct Places {
    few: Vec<(Time, u64)>,
    count: usize,
    words: HashMap<u64, u64>,
}

impl Places {
    fn add(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let wrong = || StoreError::Corrupt("a record lacks its time or position".to_owned());
        let column = |name: &str| batch.column_by_name(name).ok_or_else(wrong);
        let times =
            column("occurred_at")?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
        let positions = column("position")?.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        for (time, position) in times.values().iter().zip(positions.values()) {
            let time = Time::from_ms(time / 1000).map_err(|_| wrong())?;
            let position = u64::try_from(*position).map_err(|_| wrong())?;
            *self.words.entry(position / 64).or_default() |= 1 << (position % 64);
            self.count += 1;
            if self.few.len() < LOOK_UPS_MAX {
                self.few.push((time, position));
            }
        }
        Ok(())
    }

    fn merge(mut self, other: Self) -> Self {
        self.count += other.count;
        let room = LOOK_UPS_MAX.saturating_sub(self.few.len());
        self.few.extend(other.few.into_iter().take(room));
        other.words.into_iter().for_each(|(at, word)| *self.words.entry(at).or_default() |= word);
        self
    }

    /// All of them, if they are few.
    fn few(&self) -> Option<&[(Time, u64)]> {
        (self.few.len() == self.count).then_some(&self.few)
    }

    fn contains(&self, position: u64) -> bool {
        self.words.get(&(position / 64)).is_some_and(|word| word >> (position % 64) & 1 == 1)
    }
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
    pub(crate) fn find(&self, view: &View) -> Result<(u64, Vec<Row>), QueryError> {
        let page = (self.before, self.limit);
        let Some(places) = &self.places else {
            let fits = |row: &Row| self.fits(row);
            let fits = self.is_without_recorded_end.then_some(&fits as &dyn Fn(&Row) -> bool);
            return Ok(view.newest(self.lists, self.range, self.reach, fits, page)?);
        };
        let Some(few) = places.few() else {
            let fits = |row: &Row| places.contains(row.position) && self.fits(row);
            return Ok(view.newest(self.lists, self.range, self.reach, Some(&fits), page)?);
        };
        let mut rows: Vec<Row> = view.rows_at(few)?.into_values().filter(|row| self.fits(row)).collect();
        let total = rows.len() as u64;
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.start, row.position)));
        rows.retain(|row| self.before.is_none_or(|before| (row.start, row.position) < before));
        rows.truncate(self.limit);
        Ok((total, rows))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn places(positions: impl Iterator<Item = i64>) -> Places {
        use arrow::array::{ArrayRef, Int64Array, TimestampMicrosecondArray};
        let positions: Int64Array = positions.collect();
        let times: TimestampMicrosecondArray = positions.iter().map(|at| at.map(|at| at * 1000)).collect();
        let columns: [(&str, ArrayRef); 2] =
            [("occurred_at", Arc::new(times)), ("position", Arc::new(positions))];
        let mut places = Places::default();
        places.add(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        places
    }

    #[test]
    fn places_are_a_list_while_they_are_few_and_a_set_always() {
        let few = places([3, 64, 200].into_iter()).merge(places([65].into_iter()));
        assert_eq!(few.few().map(<[_]>::len), Some(4));
        let max = i64::try_from(LOOK_UPS_MAX).unwrap();
        let many = places((0..max).map(|n| n * 3)).merge(few);
        assert!(
            many.few().is_none() && many.contains(200) && many.contains(u64::try_from(max).unwrap() * 3 - 3)
        );
        assert!(!many.contains(202) && !many.contains(u64::MAX));
    }
}
