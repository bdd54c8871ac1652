//! The first tables of the control database in SQLite; later modules have those that were added.

pub(super) const TABLES: &str = "
CREATE TABLE environments (
    name TEXT PRIMARY KEY, origin TEXT NOT NULL, secret BLOB NOT NULL, created_at INTEGER NOT NULL,
    size INTEGER NOT NULL, checkpoint TEXT NOT NULL) STRICT;
CREATE TABLE people (
    environment TEXT NOT NULL, id TEXT NOT NULL, position INTEGER NOT NULL, entry TEXT NOT NULL,
    PRIMARY KEY (environment, id)) STRICT, WITHOUT ROWID;
CREATE TABLE rejected (
    id INTEGER PRIMARY KEY AUTOINCREMENT, environment TEXT NOT NULL, received_at INTEGER NOT NULL,
    source TEXT NOT NULL, format TEXT NOT NULL, input TEXT NOT NULL, record INTEGER NOT NULL, line INTEGER,
    reason TEXT NOT NULL, raw BLOB NOT NULL) STRICT;
CREATE INDEX rejected_environment ON rejected (environment, id);
CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT, secret BLOB NOT NULL UNIQUE, scope TEXT NOT NULL, environment TEXT,
    source TEXT, created_at INTEGER NOT NULL, revoked_at INTEGER) STRICT;
CREATE TABLE sessions (
    secret BLOB PRIMARY KEY, kind TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";
