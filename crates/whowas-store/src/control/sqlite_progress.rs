//! Cursors and coverage ledgers in SQLite: the tables `streams` and `coverage`.

use sqlx::{Row, SqliteConnection, SqlitePool};
use whowas_event::{EnvironmentName, Time};

use super::{
    progress::{CoverageChange, Progress, StoredStream, StoredWindow},
    sqlite::time,
    sqlite_archived,
};
use crate::StoreError;

/// The step that adds the tables.
pub(super) const TABLES: &str = "
CREATE TABLE streams (
    environment TEXT NOT NULL, source TEXT NOT NULL, stream TEXT NOT NULL, cursor TEXT, summary TEXT,
    PRIMARY KEY (environment, source, stream)) STRICT, WITHOUT ROWID;
CREATE TABLE coverage (
    environment TEXT NOT NULL, source TEXT NOT NULL, stream TEXT NOT NULL, start INTEGER NOT NULL,
    finish INTEGER NOT NULL, entry TEXT NOT NULL,
    PRIMARY KEY (environment, source, stream, start)) STRICT, WITHOUT ROWID;
";

/// Writes one change within a transaction.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    name: &EnvironmentName,
    progress: &Progress,
) -> Result<(), StoreError> {
    if let Some(archived) = &progress.archived {
        sqlite_archived::write(connection, name, archived).await?;
    }
    if progress.source.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO streams (environment, source, stream, cursor, summary) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET cursor = coalesce(excluded.cursor, cursor), summary = coalesce(excluded.summary, summary)",
    )
    .bind(name.as_str())
    .bind(&progress.source)
    .bind(&progress.stream)
    .bind(&progress.cursor)
    .bind(&progress.summary)
    .execute(&mut *connection)
    .await?;
    let Some(CoverageChange { from, to, windows }) = &progress.coverage else { return Ok(()) };
    sqlx::query(
        "DELETE FROM coverage WHERE environment = ? AND source = ? AND stream = ? AND start >= ? AND start < ?",
    )
    .bind(name.as_str())
    .bind(&progress.source)
    .bind(&progress.stream)
    .bind(from.as_ms())
    .bind(to.as_ms())
    .execute(&mut *connection)
    .await?;
    for window in windows {
        sqlx::query(
            "INSERT INTO coverage (environment, source, stream, start, finish, entry) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET finish = excluded.finish, entry = excluded.entry",
        )
        .bind(name.as_str())
        .bind(&progress.source)
        .bind(&progress.stream)
        .bind(window.from.as_ms())
        .bind(window.to.as_ms())
        .bind(&window.entry)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Puts `progress` in the place of every ledger of an environment; cursors stay.
pub(super) async fn replace(
    pool: &SqlitePool,
    name: &EnvironmentName,
    progress: &[Progress],
) -> Result<(), StoreError> {
    let mut transaction = pool.begin().await?;
    for statement in [
        "DELETE FROM coverage WHERE environment = ?",
        "UPDATE streams SET summary = NULL WHERE environment = ?",
    ] {
        sqlx::query(statement).bind(name.as_str()).execute(&mut *transaction).await?;
    }
    for one in progress {
        write(&mut transaction, name, one).await?;
    }
    Ok(transaction.commit().await?)
}

/// Every stream, by name.
pub(super) async fn streams(
    pool: &SqlitePool,
    name: &EnvironmentName,
) -> Result<Vec<StoredStream>, StoreError> {
    let rows = sqlx::query("SELECT * FROM streams WHERE environment = ? ORDER BY source, stream")
        .bind(name.as_str())
        .fetch_all(pool)
        .await?;
    let stream = |row: &sqlx::sqlite::SqliteRow| {
        Ok(StoredStream {
            source: row.try_get("source")?,
            stream: row.try_get("stream")?,
            cursor: row.try_get("cursor")?,
            summary: row.try_get("summary")?,
        })
    };
    rows.iter().map(stream).collect()
}

/// The windows of a stream that have a part in `[from, to)`, in order.
pub(super) async fn windows(
    pool: &SqlitePool,
    name: &EnvironmentName,
    (source, stream): (&str, &str),
    (from, to): (Time, Time),
) -> Result<Vec<StoredWindow>, StoreError> {
    // Windows do not overlap: the last one that begins at or before `from` is the only earlier one to ask for.
    let rows = sqlx::query(
        "SELECT start, finish, entry FROM coverage
         WHERE environment = ?1 AND source = ?2 AND stream = ?3 AND start < ?5 AND finish > ?4
           AND start >= coalesce((SELECT max(start) FROM coverage
               WHERE environment = ?1 AND source = ?2 AND stream = ?3 AND start <= ?4), ?4)
         ORDER BY start",
    )
    .bind(name.as_str())
    .bind(source)
    .bind(stream)
    .bind(from.as_ms())
    .bind(to.as_ms())
    .fetch_all(pool)
    .await?;
    let window = |row: &sqlx::sqlite::SqliteRow| {
        Ok(StoredWindow {
            from: time(row.try_get("start")?)?,
            to: time(row.try_get("finish")?)?,
            entry: row.try_get("entry")?,
        })
    };
    rows.iter().map(window).collect()
}
