//! The local engine: Apache DataFusion in this process.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use datafusion::{
    execution::{SendableRecordBatchStream, runtime_env::RuntimeEnvBuilder},
    logical_expr::{Expr, col, lit},
    prelude::{SQLOptions, SessionConfig, SessionContext},
};
use futures::{Stream, StreamExt};
use whowas_event::Time;
use whowas_store::{Snapshot, Trail};

use crate::{
    AsOf, Filter, LoginRow, NamedQuery, QueryError, Steps,
    ends::{END_COLUMNS, Ends, is_logoff},
    files::FileCache,
    kept::{Index, Records},
    last_use::LastUses,
    lower,
    newest::{Mark, fetch, newest},
    page::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, PageToken},
    row::{self, COLUMNS},
    scan::{Scan, on_blocking_thread},
    session_search,
    sessions::SessionRules,
    sql,
    table::TrailTable,
    then::Directories,
};

/// The range of a search without `from`: the seven days before its end, as in the original.
pub const WINDOW_DAYS_DEFAULT: i64 = 7;
const DAY_MS: i64 = 86_400_000;
/// Memory of all running queries; sorts beyond it go to temporary files.
const QUERY_BYTES_MAX: usize = 512 * 1024 * 1024;

/// A search.
#[derive(Clone, Debug, Default)]
pub struct LoginRequest {
    /// Which question.
    pub query: NamedQuery,
    /// At or after; seven days before `to` if absent.
    pub from: Option<Time>,
    /// Before; now if absent.
    pub to: Option<Time>,
    /// What must hold besides.
    pub filter: Filter,
    /// Rows of the page, up to [`PAGE_ROWS_MAX`]; [`PAGE_ROWS_DEFAULT`] if 0.
    pub limit: usize,
    /// The `next` of the page before.
    pub page: Option<String>,
    /// An earlier state of the trail; the present one if absent.
    pub as_of: Option<AsOf>,
}

/// One page of an answer, newest first.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LoginPage {
    /// The rows.
    pub rows: Vec<LoginRow>,
    /// Token of the next page; absent on the last.
    pub next: Option<String>,
    /// Rows of the whole answer, not only of this page.
    pub total: u64,
    /// The range that was searched: at or after …
    pub from: Time,
    /// … and before.
    pub to: Time,
    /// The size of the tree that was searched.
    pub tree_size: u64,
}

/// Answers questions about trails.
#[derive(Clone)]
pub struct Engine {
    context: SessionContext,
    files: Arc<FileCache>,
    kept: Arc<KeptSessions>,
    then: Arc<Directories>,
    last_uses: Arc<LastUses>,
}

/// The sessions that are kept of each trail, by their folder.
#[derive(Debug, Default)]
struct KeptSessions {
    rules: SessionRules,
    steps: Steps,
    indexes: Mutex<HashMap<PathBuf, Arc<Index>>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine(local)")
    }
}

/// A request with its defaults filled in, bound to one state of the trail.
pub(crate) struct Asked {
    conditions: Vec<Expr>,
    pub(crate) from: Time,
    pub(crate) to: Time,
    pub(crate) size: u64,
    pub(crate) snapshot: Arc<Snapshot>,
}

impl Engine {
    /// An engine that uses every core and pairs sessions by the rules that are built in.
    pub fn new() -> Result<Self, QueryError> {
        Self::with_sessions(SessionRules::default(), Steps::default())
    }

    /// An engine that pairs sessions by these rules. Sessions that were kept by other rules are made anew.
    pub fn with_sessions(rules: SessionRules, steps: Steps) -> Result<Self, QueryError> {
        let mut config = SessionConfig::new().with_information_schema(false).with_collect_statistics(false);
        let options = config.options_mut();
        options.execution.parquet.pushdown_filters = true;
        options.execution.parquet.reorder_filters = true;
        options.execution.parquet.schema_force_view_types = false;
        options.execution.parquet.binary_as_string = false;
        let runtime = RuntimeEnvBuilder::new().with_memory_limit(QUERY_BYTES_MAX, 1.0).build_arc()?;
        let kept = Arc::new(KeptSessions { rules, steps, indexes: Mutex::default() });
        Ok(Self {
            context: SessionContext::new_with_config_rt(config, runtime),
            files: Arc::default(),
            kept,
            then: Arc::default(),
            last_uses: Arc::default(),
        })
    }

    pub(crate) fn files(&self) -> &Arc<FileCache> {
        &self.files
    }

    /// A snapshot with the directory of an earlier size, where names are asked as of then.
    pub(crate) fn as_of_size(
        &self,
        trail: &Trail,
        snapshot: Arc<Snapshot>,
        size: u64,
    ) -> Result<Arc<Snapshot>, QueryError> {
        if size >= snapshot.size {
            return Ok(snapshot);
        }
        Ok(self.then.snapshot(session_search::folder(trail)?, snapshot, size))
    }

    pub(crate) fn last_uses(&self) -> &LastUses {
        &self.last_uses
    }

    /// What is kept of a trail's sessions.
    pub(crate) fn index(&self, trail: &Trail) -> Result<Arc<Index>, QueryError> {
        let folder = session_search::folder(trail)?;
        let mut indexes = self.kept.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        let KeptSessions { rules, steps, .. } = &*self.kept;
        let index = indexes
            .entry(folder)
            .or_insert_with_key(|folder| Arc::new(Index::new(folder.clone(), rules.clone(), *steps)));
        Ok(index.clone())
    }

    /// Drops whatever was made of a trail's records and is still in memory or on disk: after an erasure nothing
    /// that was derived from the values may stay. It is made again of what is left.
    ///
    /// # Errors
    /// The kept sessions cannot be deleted.
    pub fn forget(&self, trail: &Trail) -> Result<(), QueryError> {
        self.files.clear();
        self.then.clear();
        self.last_uses.forget();
        self.context.runtime_env().cache_manager.get_file_metadata_cache().clear();
        Ok(self.index(trail)?.forget()?)
    }

    /// One page of a search.
    pub async fn logins(
        &self,
        trail: &Trail,
        request: &LoginRequest,
        now: Time,
    ) -> Result<LoginPage, QueryError> {
        let token = match &request.page {
            None => None,
            Some(text) => Some(PageToken::parse(text).ok_or_else(|| {
                QueryError::Invalid("the page token is not one that this program gave".to_owned())
            })?),
        };
        let limit = if request.limit == 0 { PAGE_ROWS_DEFAULT } else { request.limit.min(PAGE_ROWS_MAX) };
        let asked = self.ask(trail, request, now, token.map(|token| token.size)).await?;
        let scan = self.scan_all(trail, &asked)?;
        let after = token.map(|token| Mark {
            occurred_at: token.occurred_at.as_ms().saturating_mul(1000),
            position: i64::try_from(token.position).unwrap_or(i64::MAX),
        });
        let (total, hits) = newest(&scan, after, limit + 1).await?;
        let mut rows = Vec::with_capacity(hits.len());
        for batch in fetch(&scan, &hits, &COLUMNS).await? {
            rows.extend(row::rows(&batch, &asked.snapshot)?);
        }
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.occurred_at, row.position)));
        let is_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| is_more).map(|last| {
            PageToken { occurred_at: last.occurred_at, position: last.position, size: asked.size }.to_text()
        });
        self.add_ends(trail, &asked, &mut rows).await?;
        Ok(LoginPage { rows, next, total, from: asked.from, to: asked.to, tree_size: asked.size })
    }

    /// Every row of a search, newest first, in batches, without a limit and in bounded memory.
    pub async fn stream_logins(
        &self,
        trail: &Trail,
        request: &LoginRequest,
        now: Time,
    ) -> Result<impl Stream<Item = Result<Vec<LoginRow>, QueryError>> + Send + use<>, QueryError> {
        let asked = self.ask(trail, request, now, None).await?;
        let since = col("occurred_at").gt_eq(lower::instant(asked.from));
        let ends = Arc::new(self.ends(trail, &asked, since).await?);
        let table = self.context.read_table(Arc::new(TrailTable::new(trail, asked.snapshot.clone())))?;
        let rows = table.filter(all_of(&asked.conditions))?.select_columns(&COLUMNS)?.sort(newest_first())?;
        let batches = rows.execute_stream().await?;
        let snapshot = asked.snapshot;
        Ok(batches.map(move |batch| {
            let mut rows = row::rows(&batch?, &snapshot)?;
            for row in rows.iter_mut().filter(|row| row.end.is_none()) {
                row.end = row.session_uid.as_ref().and_then(|uid| ends.after(uid, row.occurred_at));
            }
            Ok(rows)
        }))
    }

    /// The row at one position, if there is one and it is a login.
    pub async fn login_at(&self, trail: &Trail, position: u64) -> Result<Option<LoginRow>, QueryError> {
        let snapshot = trail.snapshot();
        let at = i64::try_from(position).unwrap_or(i64::MAX);
        let condition = col("position").eq(lit(at)).and(col("kind").eq(lit("login")));
        let scan = self.scan_where(trail, snapshot.clone(), &condition)?;
        let (_, hits) = newest(&scan, None, 1).await?;
        for batch in fetch(&scan, &hits, &COLUMNS).await? {
            if let Some(row) = row::rows(&batch, &snapshot)?.into_iter().next() {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Runs a read-only statement of SQL over the tables of one trail: `records`, `logins`, `sessions`, `users`, `user_history`,
    /// `coverage` and `access`. `now` decides which sessions have timed out.
    pub async fn sql(
        &self,
        trail: &Trail,
        text: &str,
        now: Time,
    ) -> Result<SendableRecordBatchStream, QueryError> {
        // A context of its own: tables of one statement are nobody else's.
        let context =
            SessionContext::new_with_config_rt(self.context.copied_config(), self.context.runtime_env());
        let snapshot = trail.snapshot();
        let kept = match text.to_lowercase().contains("sessions") {
            false => None,
            true => {
                let (index, records) =
                    (self.index(trail)?, Records::new(trail, snapshot.clone(), self.files.clone()));
                let view = on_blocking_thread({
                    let index = index.clone();
                    move || index.view(&records, None)
                });
                Some((index, view.await?))
            }
        };
        sql::register(&context, trail, snapshot, kept, now)?;
        let options =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let frame = context
            .sql_with_options(text, options)
            .await
            .map_err(|e| QueryError::Sql(e.strip_backtrace()))?;
        Ok(frame.execute_stream().await?)
    }

    pub(crate) async fn ask(
        &self,
        trail: &Trail,
        request: &LoginRequest,
        now: Time,
        size: Option<u64>,
    ) -> Result<Asked, QueryError> {
        let snapshot = trail.snapshot();
        let records = Records::new(trail, snapshot.clone(), self.files.clone());
        let (known, now) = self.state_of(records, request.as_of, now).await?;
        let size = size.unwrap_or(known).min(snapshot.size);
        let to = request.to.unwrap_or_else(|| now.saturating_add_ms(1));
        let from = request.from.unwrap_or_else(|| to.saturating_add_ms(-WINDOW_DAYS_DEFAULT * DAY_MS));
        if from >= to {
            return Err(QueryError::Invalid(format!(
                "the range is empty: it begins at {from} and ends at {to}"
            )));
        }
        request.query.check(&request.filter)?;
        let snapshot = self.as_of_size(trail, snapshot, size)?;
        let mut conditions = vec![
            col("occurred_at").gt_eq(lower::instant(from)),
            col("occurred_at").lt(lower::instant(to)),
            lower::named(request.query),
        ];
        if size < snapshot.size {
            conditions.push(col("position").lt(lit(i64::try_from(size).unwrap_or(i64::MAX))));
        }
        conditions.extend(lower::filter(&request.filter, &snapshot.directory));
        Ok(Asked { conditions, from, to, size, snapshot })
    }

    /// Everything that was asked for, at once.
    pub(crate) fn scan_all(&self, trail: &Trail, asked: &Asked) -> Result<Scan, QueryError> {
        self.scan(trail, asked, all_of(&asked.conditions))
    }

    fn scan(&self, trail: &Trail, asked: &Asked, condition: Expr) -> Result<Scan, QueryError> {
        self.scan_where(trail, asked.snapshot.clone(), &condition)
    }

    pub(crate) fn scan_where(
        &self,
        trail: &Trail,
        snapshot: Arc<Snapshot>,
        condition: &Expr,
    ) -> Result<Scan, QueryError> {
        Scan::new(&self.context, self.files.clone(), trail, snapshot, condition)
    }

    /// The ends of the sessions on one page: sign-outs with the same session ids, by the same people or by
    /// nobody in particular (some sources name only the session).
    async fn add_ends(&self, trail: &Trail, asked: &Asked, rows: &mut [LoginRow]) -> Result<(), QueryError> {
        let waiting = || {
            let is_open = |row: &&LoginRow| row.end.is_none() && row.status != "failure";
            rows.iter().filter(is_open).filter(|row| row.session_uid.is_some())
        };
        let Some(earliest) = waiting().map(|row| row.occurred_at).min() else { return Ok(()) };
        let sessions: BTreeSet<&String> = waiting().filter_map(|row| row.session_uid.as_ref()).collect();
        let mut people = BTreeSet::from([String::new()]);
        for row in waiting() {
            let names = [&row.user_uid, &row.user_name, &row.user_email_addr, &row.user_full_name];
            people.extend(names.into_iter().flatten().map(|name| name.to_lowercase()));
        }
        let condition = col("occurred_at")
            .gt_eq(lower::instant(earliest))
            .and(col("user_key").in_list(people.into_iter().map(lit).collect(), false))
            .and(col("session_uid").in_list(sessions.into_iter().map(lit).collect(), false));
        let ends = self.ends(trail, asked, condition).await?;
        for row in rows.iter_mut().filter(|row| row.end.is_none() && row.status != "failure") {
            row.end = row.session_uid.as_ref().and_then(|uid| ends.after(uid, row.occurred_at));
        }
        Ok(())
    }

    /// Sign-outs for which a condition holds, in the state of the trail that was asked.
    async fn ends(&self, trail: &Trail, asked: &Asked, condition: Expr) -> Result<Ends, QueryError> {
        let size = i64::try_from(asked.size).unwrap_or(i64::MAX);
        let condition = condition.and(is_logoff()).and(col("position").lt(lit(size)));
        let scan = self.scan(trail, asked, condition)?;
        let parts = scan.fold(&END_COLUMNS, |ends: &mut Ends, _, batch| ends.add(batch)).await?;
        Ok(parts.into_iter().reduce(Ends::merge).unwrap_or_default())
    }
}

fn newest_first() -> Vec<datafusion::logical_expr::SortExpr> {
    vec![col("occurred_at").sort(false, false), col("position").sort(false, false)]
}

fn all_of(conditions: &[Expr]) -> Expr {
    conditions.iter().cloned().reduce(Expr::and).unwrap_or_else(|| lit(true))
}
