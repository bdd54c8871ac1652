//! Exports and saved queries in SQLite: their tables and rows.

use async_trait::async_trait;
use sqlx::{Row, sqlite::SqliteRow};
use whowas_event::EnvironmentName;

use super::{
    Export, ExportState, Kept, SavedQuery, SqliteControl,
    sqlite::{from_db, time, to_db},
};
use crate::StoreError;

pub(super) const TABLES: &str = "
CREATE TABLE exports (
    id INTEGER PRIMARY KEY AUTOINCREMENT, environment TEXT NOT NULL, state TEXT NOT NULL, asked_by TEXT NOT NULL,
    asked_at INTEGER NOT NULL, query TEXT NOT NULL, range_from INTEGER NOT NULL, range_to INTEGER NOT NULL,
    filter TEXT NOT NULL, format TEXT NOT NULL, is_evidence INTEGER NOT NULL, tree_size INTEGER NOT NULL,
    total INTEGER NOT NULL, row_count INTEGER NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT, reason TEXT,
    finished_at INTEGER) STRICT;
CREATE INDEX exports_environment ON exports (environment, id);
CREATE TABLE saved_queries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, environment TEXT NOT NULL, title TEXT NOT NULL, owner TEXT NOT NULL,
    is_shared INTEGER NOT NULL, params TEXT NOT NULL, saved_at INTEGER NOT NULL,
    UNIQUE (environment, owner, title)) STRICT;
";

/// What an erasure does: files of exports are gone already, what was asked for may name whoever was erased.
pub(super) const ERASE_EXPORTS: &str = "UPDATE exports SET filter = '', reason = NULL,
    state = CASE WHEN state IN ('waiting', 'running', 'done') THEN 'erased' ELSE state END WHERE environment = ?";

fn export(row: &SqliteRow) -> Result<Export, StoreError> {
    let finished_at: Option<i64> = row.try_get("finished_at")?;
    Ok(Export {
        id: row.try_get("id")?,
        state: ExportState::from_word(row.try_get("state")?)
            .ok_or_else(|| StoreError::corrupt("control database: an export's state is none"))?,
        asked_by: row.try_get("asked_by")?,
        asked_at: time(row.try_get("asked_at")?)?,
        query: row.try_get("query")?,
        from: time(row.try_get("range_from")?)?,
        to: time(row.try_get("range_to")?)?,
        filter: row.try_get("filter")?,
        format: row.try_get("format")?,
        is_evidence: row.try_get::<i64, _>("is_evidence")? != 0,
        tree_size: from_db(row.try_get("tree_size")?, "a size")?,
        total: from_db(row.try_get("total")?, "a number of rows")?,
        rows: from_db(row.try_get("row_count")?, "a number of rows")?,
        bytes: from_db(row.try_get("bytes")?, "a number of bytes")?,
        sha256: row.try_get("sha256")?,
        reason: row.try_get("reason")?,
        finished_at: finished_at.map(time).transpose()?,
    })
}

fn saved_query(row: &SqliteRow) -> Result<SavedQuery, StoreError> {
    Ok(SavedQuery {
        id: row.try_get("id")?,
        title: row.try_get("title")?,
        owner: row.try_get("owner")?,
        is_shared: row.try_get::<i64, _>("is_shared")? != 0,
        params: row.try_get("params")?,
        saved_at: time(row.try_get("saved_at")?)?,
    })
}

/// Two of one title are the caller's mistake, not the database's.
fn of_title(error: sqlx::Error) -> StoreError {
    let is_double = error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation);
    if is_double {
        return StoreError::Invalid("there is a saved query of this name already".to_owned());
    }
    error.into()
}

#[async_trait]
impl Kept for SqliteControl {
    async fn add_export(&self, name: &EnvironmentName, export: &Export) -> Result<i64, StoreError> {
        let id = sqlx::query_scalar(
            "INSERT INTO exports (environment, state, asked_by, asked_at, query, range_from, range_to, filter, format,
                 is_evidence, tree_size, total, row_count, bytes)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0) RETURNING id",
        )
        .bind(name.as_str())
        .bind(export.state.as_str())
        .bind(&export.asked_by)
        .bind(export.asked_at.as_ms())
        .bind(&export.query)
        .bind(export.from.as_ms())
        .bind(export.to.as_ms())
        .bind(&export.filter)
        .bind(&export.format)
        .bind(i64::from(export.is_evidence))
        .bind(to_db(export.tree_size))
        .bind(to_db(export.total))
        .fetch_one(&self.pool)
        .await?;
        Ok(id)
    }

    async fn exports(&self, name: &EnvironmentName) -> Result<Vec<Export>, StoreError> {
        let rows = sqlx::query("SELECT * FROM exports WHERE environment = ? ORDER BY id DESC")
            .bind(name.as_str())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(export).collect()
    }

    async fn change_export(
        &self,
        name: &EnvironmentName,
        expected: ExportState,
        export: &Export,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE exports SET state = ?, row_count = ?, bytes = ?, sha256 = ?, reason = ?, finished_at = ?
                 WHERE environment = ? AND id = ? AND state = ?",
        )
        .bind(export.state.as_str())
        .bind(to_db(export.rows))
        .bind(to_db(export.bytes))
        .bind(&export.sha256)
        .bind(&export.reason)
        .bind(export.finished_at.map(whowas_event::Time::as_ms))
        .bind(name.as_str())
        .bind(export.id)
        .bind(expected.as_str())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn forget_export(&self, name: &EnvironmentName, id: i64) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM exports WHERE environment = ? AND id = ?")
            .bind(name.as_str())
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn save_query(&self, name: &EnvironmentName, query: &SavedQuery) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "INSERT INTO saved_queries (environment, title, owner, is_shared, params, saved_at)
             VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(name.as_str())
        .bind(&query.title)
        .bind(&query.owner)
        .bind(i64::from(query.is_shared))
        .bind(&query.params)
        .bind(query.saved_at.as_ms())
        .fetch_one(&self.pool)
        .await
        .map_err(of_title)
    }

    async fn saved_queries(&self, name: &EnvironmentName) -> Result<Vec<SavedQuery>, StoreError> {
        let rows = sqlx::query("SELECT * FROM saved_queries WHERE environment = ? ORDER BY title, id")
            .bind(name.as_str())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(saved_query).collect()
    }

    async fn change_query(
        &self,
        name: &EnvironmentName,
        id: i64,
        title: &str,
        is_shared: bool,
    ) -> Result<bool, StoreError> {
        let done =
            sqlx::query("UPDATE saved_queries SET title = ?, is_shared = ? WHERE environment = ? AND id = ?")
                .bind(title)
                .bind(i64::from(is_shared))
                .bind(name.as_str())
                .bind(id)
                .execute(&self.pool)
                .await
                .map_err(of_title)?;
        Ok(done.rows_affected() == 1)
    }

    async fn forget_query(&self, name: &EnvironmentName, id: i64) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM saved_queries WHERE environment = ? AND id = ?")
            .bind(name.as_str())
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
