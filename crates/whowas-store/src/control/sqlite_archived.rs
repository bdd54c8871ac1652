//! Windows of scheduled exports in SQLite: the table `archived`.

use sqlx::{Row, SqliteConnection, SqlitePool};
use whowas_event::EnvironmentName;

use super::{progress::StoredArchive, sqlite::time};
use crate::StoreError;

/// The step that adds the table.
pub(super) const TABLES: &str = "
CREATE TABLE archived (
    environment TEXT NOT NULL, schedule TEXT NOT NULL, start INTEGER NOT NULL, finish INTEGER NOT NULL,
    entry TEXT NOT NULL, PRIMARY KEY (environment, schedule, start)) STRICT, WITHOUT ROWID;
";

/// Writes one window, also within a transaction.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    name: &EnvironmentName,
    archived: &StoredArchive,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO archived (environment, schedule, start, finish, entry) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET finish = excluded.finish, entry = excluded.entry",
    )
    .bind(name.as_str())
    .bind(&archived.schedule)
    .bind(archived.from.as_ms())
    .bind(archived.to.as_ms())
    .bind(&archived.entry)
    .execute(connection)
    .await?;
    Ok(())
}

/// Every window, by schedule and time.
pub(super) async fn all(pool: &SqlitePool, name: &EnvironmentName) -> Result<Vec<StoredArchive>, StoreError> {
    let rows = sqlx::query("SELECT * FROM archived WHERE environment = ? ORDER BY schedule, start")
        .bind(name.as_str())
        .fetch_all(pool)
        .await?;
    let archived = |row: &sqlx::sqlite::SqliteRow| {
        Ok(StoredArchive {
            schedule: row.try_get("schedule")?,
            from: time(row.try_get("start")?)?,
            to: time(row.try_get("finish")?)?,
            entry: row.try_get("entry")?,
        })
    };
    rows.iter().map(archived).collect()
}
