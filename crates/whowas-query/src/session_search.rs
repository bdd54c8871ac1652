//! Questions about sessions: which began when, and who was signed in at an instant.
//!
//! Which sessions are meant is answered by what is kept of them (`kept/`), what is told about them by the records that
//! began them. A filter speaks of the record that began the session, and means what it means in a search.

use std::{path::PathBuf, sync::Arc};

use object_store::{
    local::LocalFileSystem,
    path::{Path, PathPart},
};
use serde::Serialize;
use whowas_event::Time;
use whowas_store::{StoreError, Trail};

use crate::{
    Engine, Filter, QueryError, WINDOW_DAYS_DEFAULT,
    kept::{Begins, Cursor, Index, Kind, List, Records, View},
    page::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, PageToken},
    places::Places,
    scan::on_blocking_thread,
    session_rows::{SessionRow, tell},
    sessions::{EndConfidence, Row},
};

const DAY_MS: i64 = 86_400_000;

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
            on_blocking_thread(move || index.ask(&records, Some(size), |view| Ok(open.find(view, &index)?.0)))
                .await?
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
        on_blocking_thread(move || {
            let view = index.view(&records, None)?;
            index.begins(&view).map(drop)
        })
        .await
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
}

pub(crate) fn earliest() -> Time {
    Time::default().saturating_add_ms(i64::MIN)
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
    pub(crate) fn find(&self, view: &View, index: &Index) -> Result<(u64, Vec<Row>), QueryError> {
        let Some(places) = &self.places else {
            let fits = |row: &Row| self.fits(row);
            let fits = self.is_without_recorded_end.then_some(&fits as &dyn Fn(&Row) -> bool);
            let page = (self.before, self.limit);
            return Ok(view.newest(self.lists, self.range, self.reach, fits, page)?);
        };
        let Some(latest) = places.latest() else { return Ok((0, Vec::new())) };
        let range = (self.range.0, self.range.1.min(latest));
        let begins = index.begins(view)?;
        let fits = |row: &Row| places.contains(row.position) && self.fits(row);
        let page = (self.before, self.limit);
        let (mut total, mut rows) = (0, Vec::new());
        for &list in self.lists {
            // How far an ended session reaches is in its row only; an open one reaches to any instant.
            let begins = begins.as_ref().filter(|_| self.reach.is_none() || list == List::Open);
            let Some(begins) = begins else {
                let (counted, newest) = view.newest(&[list], range, self.reach, Some(&fits), page)?;
                total += counted;
                rows.extend(newest);
                continue;
            };
            let is_meant =
                |kind: &Kind| kind.list() == list && !(self.is_without_recorded_end && *kind == Kind::Ended);
            let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(is_meant).collect();
            total += kinds.iter().map(|kind| view.count_at(places, *kind, begins)).sum::<u64>();
            rows.extend(match places.few() {
                Some(few) => self.newest_of_few(few, (&kinds, begins), view)?,
                None => view.page(list, range, &fits, page)?,
            });
        }
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.start, row.position)));
        rows.truncate(self.limit);
        Ok((total, rows))
    }

    /// The newest sessions that these records began: only those are looked up.
    fn newest_of_few(
        &self,
        few: &[(Time, u64)],
        (kinds, begins): (&[Kind], &Begins),
        view: &View,
    ) -> Result<Vec<Row>, QueryError> {
        let is_meant = |place: &(Time, u64)| kinds.iter().any(|kind| view.begins_at(*place, *kind, begins));
        let is_older = |place: &(Time, u64)| self.before.is_none_or(|before| *place < before);
        let mut places: Vec<(Time, u64)> =
            few.iter().copied().filter(|place| is_older(place) && is_meant(place)).collect();
        places.sort_unstable_by_key(|place| std::cmp::Reverse(*place));
        places.truncate(self.limit);
        let found = view.rows_at(&places)?;
        Ok(found.into_values().filter(|row| self.fits(row)).collect())
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
