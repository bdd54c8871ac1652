//! The local engine: Apache DataFusion in this process.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use datafusion::{
    dataframe::DataFrame,
    execution::{SendableRecordBatchStream, runtime_env::RuntimeEnvBuilder},
    functions_aggregate::expr_fn::count,
    logical_expr::{Expr, col, lit},
    prelude::{SQLOptions, SessionConfig, SessionContext},
};
use futures::{Stream, StreamExt, TryStreamExt};
use whowas_event::Time;
use whowas_store::{Snapshot, StoreError, Trail};

use crate::{
    Filter, LoginRow, NamedQuery, QueryError, lower,
    page::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, PageToken},
    row::{self, COLUMNS},
    sql,
    table::TrailTable,
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
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine(local)")
    }
}

/// A request with its defaults filled in, bound to one state of the trail.
struct Asked {
    table: DataFrame,
    conditions: Vec<Expr>,
    from: Time,
    to: Time,
    size: u64,
    snapshot: Arc<Snapshot>,
}

impl Engine {
    /// An engine that uses every core.
    pub fn new() -> Result<Self, QueryError> {
        let mut config = SessionConfig::new().with_information_schema(false).with_collect_statistics(false);
        let options = config.options_mut();
        options.execution.parquet.pushdown_filters = true;
        options.execution.parquet.reorder_filters = true;
        options.execution.parquet.schema_force_view_types = false;
        options.execution.parquet.binary_as_string = false;
        let runtime = RuntimeEnvBuilder::new().with_memory_limit(QUERY_BYTES_MAX, 1.0).build_arc()?;
        Ok(Self { context: SessionContext::new_with_config_rt(config, runtime) })
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
        let asked = self.ask(trail, request, now, token.map(|token| token.size))?;
        let all = asked.table.clone().filter(all_of(&asked.conditions))?;
        let counting = count_rows(all.clone());
        let mut page = all;
        if let Some(token) = token {
            let time = lower::instant(token.occurred_at);
            let position = i64::try_from(token.position).unwrap_or(i64::MAX);
            let same_time = col("occurred_at").eq(time.clone()).and(col("position").lt(lit(position)));
            // The first condition is implied by the second; files and pages are pruned by it.
            page = page.filter(
                col("occurred_at").lt_eq(time.clone()).and(col("occurred_at").lt(time).or(same_time)),
            )?;
        }
        let page = page.select_columns(&COLUMNS)?.sort(newest_first())?.limit(0, Some(limit + 1))?;
        let (total, batches) = futures::try_join!(counting, async { Ok(page.collect().await?) })?;
        let mut rows = Vec::with_capacity(limit + 1);
        for batch in &batches {
            rows.extend(row::rows(batch, &asked.snapshot.directory)?);
        }
        let is_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| is_more).map(|last| {
            PageToken { occurred_at: last.occurred_at, position: last.position, size: asked.size }.to_text()
        });
        self.add_ends(&asked, &mut rows).await?;
        Ok(LoginPage { rows, next, total, from: asked.from, to: asked.to, tree_size: asked.size })
    }

    /// Every row of a search, newest first, in batches, without a limit and in bounded memory.
    pub async fn stream_logins(
        &self,
        trail: &Trail,
        request: &LoginRequest,
        now: Time,
    ) -> Result<impl Stream<Item = Result<Vec<LoginRow>, QueryError>> + Send + use<>, QueryError> {
        let asked = self.ask(trail, request, now, None)?;
        let ends = Arc::new(self.all_ends(&asked).await?);
        let rows =
            asked.table.filter(all_of(&asked.conditions))?.select_columns(&COLUMNS)?.sort(newest_first())?;
        let batches = rows.execute_stream().await?;
        let snapshot = asked.snapshot;
        Ok(batches.map(move |batch| {
            let mut rows = row::rows(&batch?, &snapshot.directory)?;
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
        let table = self.context.read_table(Arc::new(TrailTable::new(trail, snapshot.clone())))?;
        let found = table.filter(col("position").eq(lit(at)).and(col("kind").eq(lit("login"))))?;
        for batch in found.select_columns(&COLUMNS)?.collect().await? {
            if let Some(row) = row::rows(&batch, &snapshot.directory)?.into_iter().next() {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Runs a read-only statement of SQL over the tables of one trail: `records`, `logins`, `users`,
    /// `coverage` and `access`.
    pub async fn sql(&self, trail: &Trail, text: &str) -> Result<SendableRecordBatchStream, QueryError> {
        // A context of its own: tables of one statement are nobody else's.
        let context =
            SessionContext::new_with_config_rt(self.context.copied_config(), self.context.runtime_env());
        sql::register(&context, trail)?;
        let options =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let frame = context
            .sql_with_options(text, options)
            .await
            .map_err(|e| QueryError::Sql(e.strip_backtrace()))?;
        Ok(frame.execute_stream().await?)
    }

    fn ask(
        &self,
        trail: &Trail,
        request: &LoginRequest,
        now: Time,
        size: Option<u64>,
    ) -> Result<Asked, QueryError> {
        let snapshot = trail.snapshot();
        let size = size.unwrap_or(snapshot.size).min(snapshot.size);
        let to = request.to.unwrap_or_else(|| now.saturating_add_ms(1));
        let from = request.from.unwrap_or_else(|| to.saturating_add_ms(-WINDOW_DAYS_DEFAULT * DAY_MS));
        if from >= to {
            return Err(QueryError::Invalid(format!(
                "the range is empty: it begins at {from} and ends at {to}"
            )));
        }
        let mut conditions = vec![
            col("occurred_at").gt_eq(lower::instant(from)),
            col("occurred_at").lt(lower::instant(to)),
            lower::named(request.query),
        ];
        if size < snapshot.size {
            conditions.push(col("position").lt(lit(i64::try_from(size).unwrap_or(i64::MAX))));
        }
        conditions.extend(lower::filter(&request.filter, &snapshot.directory));
        let table = self.context.read_table(Arc::new(TrailTable::new(trail, snapshot.clone())))?;
        Ok(Asked { table, conditions, from, to, size, snapshot })
    }

    /// The ends of the sessions on one page: sign-outs of the same people with the same session ids.
    async fn add_ends(&self, asked: &Asked, rows: &mut [LoginRow]) -> Result<(), QueryError> {
        let waiting: Vec<&LoginRow> = rows
            .iter()
            .filter(|row| row.end.is_none() && row.session_uid.is_some() && row.status != "failure")
            .collect();
        let Some(earliest) = waiting.iter().map(|row| row.occurred_at).min() else { return Ok(()) };
        let list = |texts: Vec<String>| texts.into_iter().map(lit).collect::<Vec<Expr>>();
        let sessions = list(waiting.iter().filter_map(|row| row.session_uid.clone()).collect());
        let condition = col("occurred_at").gt_eq(lower::instant(earliest)).and(is_logoff());
        let found = asked.table.clone().filter(condition.and(col("session_uid").in_list(sessions, false)))?;
        let ends = Ends::collect(found, asked.size).await?;
        for row in rows.iter_mut().filter(|row| row.end.is_none() && row.status != "failure") {
            row.end = row.session_uid.as_ref().and_then(|uid| ends.after(uid, row.occurred_at));
        }
        Ok(())
    }

    async fn all_ends(&self, asked: &Asked) -> Result<Ends, QueryError> {
        let condition = col("occurred_at").gt_eq(lower::instant(asked.from)).and(is_logoff());
        Ends::collect(asked.table.clone().filter(condition)?, asked.size).await
    }
}

fn is_logoff() -> Expr {
    col("activity").eq(lit("logoff")).and(col("kind").eq(lit("login"))).and(col("session_uid").is_not_null())
}

fn newest_first() -> Vec<datafusion::logical_expr::SortExpr> {
    vec![col("occurred_at").sort(false, false), col("position").sort(false, false)]
}

fn all_of(conditions: &[Expr]) -> Expr {
    conditions.iter().cloned().reduce(Expr::and).unwrap_or_else(|| lit(true))
}

async fn count_rows(frame: DataFrame) -> Result<u64, QueryError> {
    let batches = frame.aggregate(Vec::new(), vec![count(lit(1)).alias("n")])?.collect().await?;
    let counted = |batch: &RecordBatch| {
        let column = batch.column_by_name("n")?.as_primitive_opt::<Int64Type>()?;
        u64::try_from(column.values().first().copied()?).ok()
    };
    Ok(batches.iter().filter_map(counted).sum())
}

/// Sign-outs by session: a digest of the session id to the times of its ends. 16 bytes for each session and
/// no texts, so that the ends of years fit.
#[derive(Debug, Default)]
struct Ends {
    by_session: HashMap<u64, Vec<i64>>,
}

impl Ends {
    async fn collect(frame: DataFrame, size: u64) -> Result<Self, QueryError> {
        let batches =
            frame.select_columns(&["session_uid", "occurred_at", "position"])?.execute_stream().await?;
        batches
            .map_err(QueryError::from)
            .try_fold(Self::default(), |mut ends, batch| async move {
                ends.add(&batch, size)?;
                Ok(ends)
            })
            .await
    }

    fn add(&mut self, batch: &RecordBatch, size: u64) -> Result<(), QueryError> {
        let wrong = || StoreError::Corrupt("a sign-out lacks its session or time".to_owned());
        let column = |name: &str| batch.column_by_name(name).ok_or_else(wrong);
        let sessions = column("session_uid")?.as_string_opt::<i32>().ok_or_else(wrong)?;
        let times =
            column("occurred_at")?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(wrong)?;
        let positions = column("position")?.as_primitive_opt::<Int64Type>().ok_or_else(wrong)?;
        for row in 0..batch.num_rows() {
            if u64::try_from(positions.value(row)).is_ok_and(|at| at < size) && !sessions.is_null(row) {
                self.by_session.entry(digest(sessions.value(row))).or_default().push(times.value(row) / 1000);
            }
        }
        Ok(())
    }

    /// The first end of this session that is not before its start.
    fn after(&self, session_uid: &str, start: Time) -> Option<Time> {
        let ends = self.by_session.get(&digest(session_uid))?;
        let first = ends.iter().copied().filter(|&end| end >= start.as_ms()).min()?;
        Time::from_ms(first).ok()
    }
}

/// Not for security: two session ids of one answer that collide would share an end, with odds of 2^-64 a pair.
fn digest(text: &str) -> u64 {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    BuildHasherDefault::<DefaultHasher>::default().hash_one(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_with_its_first_sign_out_after_its_start() {
        let at = |ms| Time::from_ms(ms).unwrap();
        let mut ends = Ends::default();
        ends.by_session.insert(digest("s"), vec![500, 100, 300]);
        assert_eq!(ends.after("s", at(200)), Some(at(300)));
        assert_eq!(ends.after("s", at(600)), None);
        assert_eq!(ends.after("t", at(0)), None);
    }
}
