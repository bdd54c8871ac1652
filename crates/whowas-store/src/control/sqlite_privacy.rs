//! Erasures and legal holds in SQLite: their tables and rows.

use sqlx::{Row, sqlite::SqliteRow};
use whowas_event::Kind;

use super::{
    ErasureEntry, Hold,
    sqlite::{from_db, time},
};
use crate::StoreError;

pub(super) const TABLES: &str = "
CREATE TABLE erasures (
    environment TEXT NOT NULL, position INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    is_done INTEGER NOT NULL, PRIMARY KEY (environment, position)) STRICT, WITHOUT ROWID;
CREATE TABLE holds (
    id INTEGER PRIMARY KEY AUTOINCREMENT, environment TEXT NOT NULL, covers TEXT NOT NULL, text TEXT NOT NULL,
    reason TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;
ALTER TABLE environments ADD COLUMN last_recorded_at INTEGER NOT NULL DEFAULT 0;
";

pub(super) fn erasure(row: &SqliteRow) -> Result<ErasureEntry, StoreError> {
    Ok(ErasureEntry {
        position: from_db(row.try_get("position")?, "a position")?,
        kind: Kind::from_word(row.try_get("kind")?)
            .ok_or_else(|| StoreError::corrupt("control database: a kind is no kind"))?,
        body: row.try_get("body")?,
        is_done: row.try_get::<i64, _>("is_done")? != 0,
    })
}

pub(super) fn hold(row: &SqliteRow) -> Result<Hold, StoreError> {
    Ok(Hold {
        id: row.try_get("id")?,
        covers: row.try_get("covers")?,
        text: row.try_get("text")?,
        reason: row.try_get("reason")?,
        created_at: time(row.try_get("created_at")?)?,
    })
}
