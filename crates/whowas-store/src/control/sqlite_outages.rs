//! Outages that the trail does not tell of yet, in SQLite.

use sqlx::{Row, SqlitePool, sqlite::SqliteRow};
use whowas_event::EnvironmentName;

use super::{
    Outage,
    sqlite::{from_db, time, to_db},
};
use crate::StoreError;

pub(super) const TABLES: &str = "
CREATE TABLE outages (
    environment TEXT NOT NULL, began_at INTEGER NOT NULL, ended_at INTEGER NOT NULL, submissions INTEGER NOT NULL,
    records INTEGER NOT NULL, PRIMARY KEY (environment, began_at)) STRICT, WITHOUT ROWID;
";

pub(super) async fn keep(
    pool: &SqlitePool,
    name: &EnvironmentName,
    outage: &Outage,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outages (environment, began_at, ended_at, submissions, records) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (environment, began_at) DO UPDATE
         SET ended_at = excluded.ended_at, submissions = excluded.submissions, records = excluded.records",
    )
    .bind(name.as_str())
    .bind(outage.began_at.as_ms())
    .bind(outage.ended_at.as_ms())
    .bind(to_db(outage.submissions))
    .bind(to_db(outage.records))
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn list(pool: &SqlitePool, name: &EnvironmentName) -> Result<Vec<Outage>, StoreError> {
    let rows = sqlx::query("SELECT * FROM outages WHERE environment = ? ORDER BY began_at")
        .bind(name.as_str())
        .fetch_all(pool)
        .await?;
    rows.iter().map(outage).collect()
}

pub(super) async fn forget(
    pool: &SqlitePool,
    name: &EnvironmentName,
    outage: &Outage,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM outages WHERE environment = ? AND began_at = ?")
        .bind(name.as_str())
        .bind(outage.began_at.as_ms())
        .execute(pool)
        .await?;
    Ok(())
}

fn outage(row: &SqliteRow) -> Result<Outage, StoreError> {
    Ok(Outage {
        began_at: time(row.try_get("began_at")?)?,
        ended_at: time(row.try_get("ended_at")?)?,
        submissions: from_db(row.try_get("submissions")?, "a number of submissions")?,
        records: from_db(row.try_get("records")?, "a number of records")?,
    })
}
