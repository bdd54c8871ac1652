//! Alarms in SQLite: the table `alarms`.

use sqlx::{Row, SqlitePool};
use whowas_event::EnvironmentName;

use super::progress::StoredAlarm;
use crate::StoreError;

/// The step that adds the table.
pub(super) const TABLES: &str = "
CREATE TABLE alarms (
    environment TEXT NOT NULL, alarm TEXT NOT NULL, event TEXT NOT NULL, entry TEXT NOT NULL,
    PRIMARY KEY (environment, alarm, event)) STRICT, WITHOUT ROWID;
";

/// Every alarm of an environment.
pub(super) async fn all(pool: &SqlitePool, name: &EnvironmentName) -> Result<Vec<StoredAlarm>, StoreError> {
    let rows = sqlx::query("SELECT * FROM alarms WHERE environment = ? ORDER BY alarm, event")
        .bind(name.as_str())
        .fetch_all(pool)
        .await?;
    let alarm = |row: &sqlx::sqlite::SqliteRow| {
        Ok(StoredAlarm {
            alarm: row.try_get("alarm")?,
            event: row.try_get("event")?,
            entry: row.try_get("entry")?,
        })
    };
    rows.iter().map(alarm).collect()
}

/// Writes one, in the place of what was known of it.
pub(super) async fn keep(
    pool: &SqlitePool,
    name: &EnvironmentName,
    alarm: &StoredAlarm,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO alarms (environment, alarm, event, entry) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET entry = excluded.entry",
    )
    .bind(name.as_str())
    .bind(&alarm.alarm)
    .bind(&alarm.event)
    .bind(&alarm.entry)
    .execute(pool)
    .await?;
    Ok(())
}

/// Forgets one.
pub(super) async fn forget(
    pool: &SqlitePool,
    name: &EnvironmentName,
    alarm: &StoredAlarm,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM alarms WHERE environment = ? AND alarm = ? AND event = ?")
        .bind(name.as_str())
        .bind(&alarm.alarm)
        .bind(&alarm.event)
        .execute(pool)
        .await?;
    Ok(())
}
