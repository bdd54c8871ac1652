//! What the directory says and what it said before, in SQLite: entries, and those that another one with the same id has replaced.
//!
//! A trigger keeps them, so an entry cannot be replaced without it, and they come and go in the transaction of the commit.
//! Groups of SCIM name nobody and are not kept.

use sqlx::SqlitePool;
use whowas_event::EnvironmentName;

use super::Person;
use crate::StoreError;

/// Earlier entries that are read into memory, the newest: a source gone wild must not fill it.
const READ_MAX: i64 = 100_000;

pub(super) const TABLES: &str = "
CREATE TABLE people_before (
    environment TEXT NOT NULL, position INTEGER NOT NULL, entry TEXT NOT NULL,
    PRIMARY KEY (environment, position)) STRICT, WITHOUT ROWID;
CREATE TRIGGER people_replaced BEFORE UPDATE OF position ON people
WHEN new.position > old.position AND coalesce(old.entry ->> 'uid', old.entry ->> 'name',
    old.entry ->> 'full_name', old.entry ->> 'email_addr') IS NOT NULL
BEGIN
    INSERT OR IGNORE INTO people_before (environment, position, entry)
    VALUES (old.environment, old.position, old.entry);
END;
";

/// Takes what an erasure takes of the people that are known by a record.
pub(super) const ERASE_PEOPLE: &str =
    "DELETE FROM people_before WHERE environment = ? AND position IN (SELECT value FROM json_each(?))";
pub(super) const ERASE_ATTRIBUTES: &str =
    "UPDATE people_before SET entry = json_remove(entry, '$.attributes')
 WHERE environment = ? AND position IN (SELECT value FROM json_each(?))";

/// The entries, by id.
pub(super) async fn current(pool: &SqlitePool, name: &EnvironmentName) -> Result<Vec<Person>, StoreError> {
    let entries: Vec<String> =
        sqlx::query_scalar("SELECT entry FROM people WHERE environment = ? ORDER BY id")
            .bind(name.as_str())
            .fetch_all(pool)
            .await?;
    let parse = |entry: &String| {
        serde_json::from_str(entry)
            .map_err(|_| StoreError::corrupt("control database: a person is no person"))
    };
    entries.iter().map(parse).collect()
}

/// The earlier entries, by position.
pub(super) async fn list(pool: &SqlitePool, name: &EnvironmentName) -> Result<Vec<Person>, StoreError> {
    let entries: Vec<String> = sqlx::query_scalar(
        "SELECT entry FROM people_before WHERE environment = ? ORDER BY position DESC LIMIT ?",
    )
    .bind(name.as_str())
    .bind(READ_MAX)
    .fetch_all(pool)
    .await?;
    let parse = |entry: &String| {
        serde_json::from_str(entry)
            .map_err(|_| StoreError::corrupt("control database: an earlier entry of a person is none"))
    };
    entries.iter().rev().map(parse).collect()
}
