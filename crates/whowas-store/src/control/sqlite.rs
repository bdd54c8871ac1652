//! The control database in one SQLite file, for a single process.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use sqlx::{
    Row, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use whowas_event::{EnvironmentName, Time};

use super::{
    Commit, Control, Environment, ErasureEntry, Hold, Outage, Person, Progress, Rejected, Scope, Scrub,
    SecretHash, SessionKind, StoredAlarm, StoredArchive, StoredStream, StoredWindow, Token, sqlite_alarms,
    sqlite_archived, sqlite_first, sqlite_kept, sqlite_outages, sqlite_past, sqlite_privacy, sqlite_progress,
};
use crate::StoreError;

/// What leads from each version of the tables to the next, beginning with no tables at all. The version is
/// kept in `user_version`. A step that was released is never changed: the next one is added.
const STEPS: [&str; 9] = [
    sqlite_first::TABLES,
    "ALTER TABLE rejected ADD COLUMN column_number INTEGER",
    sqlite_progress::TABLES,
    sqlite_privacy::TABLES,
    sqlite_archived::TABLES,
    sqlite_kept::TABLES,
    sqlite_outages::TABLES,
    sqlite_alarms::TABLES,
    sqlite_past::TABLES,
];

/// [`Control`] in SQLite: write-ahead log, `synchronous = FULL`, because it holds the commit point.
#[derive(Debug)]
pub struct SqliteControl {
    pub(super) pool: SqlitePool,
}

impl SqliteControl {
    /// Opens or creates the database file.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // What is deleted is overwritten at once: a page that is free keeps nothing of it.
            .pragma("secure_delete", "ON")
            .busy_timeout(Duration::from_secs(5));
        // One connection: SQLite has one writer, and everything here is short. It is never too old: the task
        // that would look for old ones counts idle connections in a race (sqlx 0.9 `release` and `pop_idle`),
        // and was seen to count down from 2^64, so that the process burned a core and did not end.
        let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.connect_with(options).await?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await?;
        let known = usize::try_from(version).ok().and_then(|version| STEPS.get(version..));
        let Some(steps) = known else {
            let newest = STEPS.len();
            return Err(StoreError::Invalid(format!(
                "{} was written by a newer whowas (control schema {version}, this one knows {newest})",
                path.display()
            )));
        };
        for (version, step) in (version + 1..).zip(steps) {
            let mut transaction = pool.begin().await?;
            sqlx::raw_sql(*step).execute(&mut *transaction).await?;
            let set_version = format!("PRAGMA user_version = {version}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(set_version)).execute(&mut *transaction).await?;
            transaction.commit().await?;
        }
        Ok(Self { pool })
    }
}

/// SQLite's integers are signed; positions stay far below their end.
pub(super) fn to_db(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn from_db(value: i64, what: &str) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::corrupt(format!("control database: {what} is negative")))
}

pub(super) fn time(ms: i64) -> Result<Time, StoreError> {
    Time::from_ms(ms).map_err(|_| StoreError::corrupt("control database: a time is out of range"))
}

fn name(text: &str) -> Result<EnvironmentName, StoreError> {
    text.parse().map_err(|_| StoreError::corrupt("control database: an environment's name is no name"))
}

fn environment(row: &SqliteRow) -> Result<Environment, StoreError> {
    let secret: Vec<u8> = row.try_get("secret")?;
    Ok(Environment {
        name: name(row.try_get("name")?)?,
        origin: row.try_get("origin")?,
        secret: secret
            .try_into()
            .map_err(|_| StoreError::corrupt("control database: a secret has no 32 bytes"))?,
        created_at: time(row.try_get("created_at")?)?,
        size: from_db(row.try_get("size")?, "a size")?,
        checkpoint: row.try_get("checkpoint")?,
        last_recorded_at: time(row.try_get("last_recorded_at")?)?,
    })
}

fn token(row: &SqliteRow) -> Result<Token, StoreError> {
    let environment: Option<&str> = row.try_get("environment")?;
    let revoked_at: Option<i64> = row.try_get("revoked_at")?;
    Ok(Token {
        id: row.try_get("id")?,
        scope: Scope::from_word(row.try_get("scope")?)
            .ok_or_else(|| StoreError::corrupt("control database: a scope is no scope"))?,
        environment: environment.map(name).transpose()?,
        source: row.try_get("source")?,
        created_at: time(row.try_get("created_at")?)?,
        revoked_at: revoked_at.map(time).transpose()?,
    })
}

fn rejected(row: &SqliteRow) -> Result<Rejected, StoreError> {
    let line: Option<i64> = row.try_get("line")?;
    let column: Option<i64> = row.try_get("column_number")?;
    Ok(Rejected {
        id: row.try_get("id")?,
        received_at: time(row.try_get("received_at")?)?,
        source: row.try_get("source")?,
        format: row.try_get("format")?,
        input: row.try_get("input")?,
        record: from_db(row.try_get("record")?, "a record number")?,
        line: line.map(|line| from_db(line, "a line number")).transpose()?,
        column: column.map(|column| from_db(column, "a column number")).transpose()?,
        reason: row.try_get("reason")?,
        raw: row.try_get("raw")?,
    })
}

const fn kind_word(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Link => "link",
        SessionKind::Console => "console",
    }
}

#[async_trait]
impl Control for SqliteControl {
    async fn create_environment(&self, new: &Environment) -> Result<(), StoreError> {
        let done = sqlx::query(
            "INSERT INTO environments (name, origin, secret, created_at, size, checkpoint) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT DO NOTHING",
        )
        .bind(new.name.as_str())
        .bind(&new.origin)
        .bind(&new.secret[..])
        .bind(new.created_at.as_ms())
        .bind(to_db(new.size))
        .bind(&new.checkpoint)
        .execute(&self.pool)
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Invalid(format!("there is an environment {} already", new.name)));
        }
        Ok(())
    }

    async fn environments(&self) -> Result<Vec<Environment>, StoreError> {
        let rows = sqlx::query("SELECT * FROM environments ORDER BY name").fetch_all(&self.pool).await?;
        rows.iter().map(environment).collect()
    }

    async fn environment(&self, name: &EnvironmentName) -> Result<Option<Environment>, StoreError> {
        let row = sqlx::query("SELECT * FROM environments WHERE name = ?")
            .bind(name.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(environment).transpose()
    }

    async fn commit(&self, name: &EnvironmentName, commit: &Commit) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let swapped = sqlx::query(
            "UPDATE environments SET size = ?, checkpoint = ?, last_recorded_at = max(last_recorded_at, ?)
                 WHERE name = ? AND size = ?",
        )
        .bind(to_db(commit.size))
        .bind(&commit.checkpoint)
        .bind(commit.recorded_at.as_ms())
        .bind(name.as_str())
        .bind(to_db(commit.expected_size))
        .execute(&mut *transaction)
        .await?;
        if swapped.rows_affected() == 0 {
            return Ok(false);
        }
        if !commit.people.is_empty() {
            // All of them in one statement: a hundred thousand would take seconds one by one.
            let people = serde_json::to_string(&commit.people).expect("people are plain data");
            sqlx::query(
                "INSERT INTO people (environment, id, position, entry)
                 SELECT ?, value ->> 'id', value ->> 'position', value FROM json_each(?) WHERE true
                 ON CONFLICT (environment, id) DO UPDATE SET position = excluded.position, entry = excluded.entry",
            )
            .bind(name.as_str())
            .bind(people)
            .execute(&mut *transaction)
            .await?;
        }
        for one in &commit.erasures {
            sqlx::query(
                "INSERT INTO erasures (environment, position, kind, body, is_done) VALUES (?, ?, ?, ?, 0)",
            )
            .bind(name.as_str())
            .bind(to_db(one.position))
            .bind(one.kind.as_str())
            .bind(&one.body)
            .execute(&mut *transaction)
            .await?;
        }
        for progress in &commit.progress {
            sqlite_progress::write(&mut transaction, name, progress).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    async fn erasures(&self, name: &EnvironmentName) -> Result<Vec<ErasureEntry>, StoreError> {
        let rows = sqlx::query("SELECT * FROM erasures WHERE environment = ? ORDER BY position")
            .bind(name.as_str())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(sqlite_privacy::erasure).collect()
    }

    async fn scrub(&self, name: &EnvironmentName, scrub: &Scrub, position: u64) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        for (statement, numbers) in [
            (
                "DELETE FROM people WHERE environment = ? AND position IN (SELECT value FROM json_each(?))",
                &scrub.people,
            ),
            (
                "UPDATE people SET entry = json_remove(entry, '$.attributes')
                 WHERE environment = ? AND position IN (SELECT value FROM json_each(?))",
                &scrub.attributes,
            ),
            (sqlite_past::ERASE_PEOPLE, &scrub.people),
            (sqlite_past::ERASE_ATTRIBUTES, &scrub.attributes),
            (
                "DELETE FROM rejected WHERE environment = ? AND id IN (SELECT value FROM json_each(?))",
                &scrub.rejected,
            ),
        ] {
            let numbers = serde_json::to_string(numbers).expect("numbers are plain data");
            sqlx::query(statement).bind(name.as_str()).bind(numbers).execute(&mut *transaction).await?;
        }
        sqlx::query(sqlite_kept::ERASE_EXPORTS).bind(name.as_str()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        // Rows that were overwritten before `secure_delete` was on may lie in free parts of pages, and the
        // write-ahead log has pages as they were.
        sqlx::raw_sql("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool).await?;
        sqlx::query("UPDATE erasures SET is_done = 1 WHERE environment = ? AND position <= ?")
            .bind(name.as_str())
            .bind(to_db(position))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn streams(&self, name: &EnvironmentName) -> Result<Vec<StoredStream>, StoreError> {
        sqlite_progress::streams(&self.pool, name).await
    }

    async fn windows(
        &self,
        name: &EnvironmentName,
        source_stream: (&str, &str),
        from_to: (Time, Time),
    ) -> Result<Vec<StoredWindow>, StoreError> {
        sqlite_progress::windows(&self.pool, name, source_stream, from_to).await
    }

    async fn replace_coverage(
        &self,
        name: &EnvironmentName,
        progress: &[Progress],
    ) -> Result<(), StoreError> {
        sqlite_progress::replace(&self.pool, name, progress).await
    }

    async fn archived(&self, name: &EnvironmentName) -> Result<Vec<StoredArchive>, StoreError> {
        sqlite_archived::all(&self.pool, name).await
    }

    async fn keep_archived(
        &self,
        name: &EnvironmentName,
        archived: &StoredArchive,
    ) -> Result<(), StoreError> {
        sqlite_archived::write(&mut *self.pool.acquire().await?, name, archived).await
    }

    async fn alarms(&self, name: &EnvironmentName) -> Result<Vec<StoredAlarm>, StoreError> {
        sqlite_alarms::all(&self.pool, name).await
    }

    async fn keep_alarm(&self, name: &EnvironmentName, alarm: &StoredAlarm) -> Result<(), StoreError> {
        sqlite_alarms::keep(&self.pool, name, alarm).await
    }

    async fn forget_alarm(&self, name: &EnvironmentName, alarm: &StoredAlarm) -> Result<(), StoreError> {
        sqlite_alarms::forget(&self.pool, name, alarm).await
    }

    async fn people_before(&self, name: &EnvironmentName) -> Result<Vec<Person>, StoreError> {
        sqlite_past::list(&self.pool, name).await
    }

    async fn people(&self, name: &EnvironmentName) -> Result<Vec<Person>, StoreError> {
        sqlite_past::current(&self.pool, name).await
    }

    async fn add_hold(&self, name: &EnvironmentName, hold: &Hold) -> Result<i64, StoreError> {
        let id = sqlx::query_scalar(
            "INSERT INTO holds (environment, covers, text, reason, created_at) VALUES (?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(name.as_str())
        .bind(&hold.covers)
        .bind(&hold.text)
        .bind(&hold.reason)
        .bind(hold.created_at.as_ms())
        .fetch_one(&self.pool)
        .await?;
        Ok(id)
    }

    async fn holds(&self, name: &EnvironmentName) -> Result<Vec<Hold>, StoreError> {
        let rows = sqlx::query("SELECT * FROM holds WHERE environment = ? ORDER BY id")
            .bind(name.as_str())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(sqlite_privacy::hold).collect()
    }

    async fn release_hold(&self, name: &EnvironmentName, id: i64) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM holds WHERE environment = ? AND id = ?")
            .bind(name.as_str())
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn keep_outage(&self, name: &EnvironmentName, outage: &Outage) -> Result<(), StoreError> {
        sqlite_outages::keep(&self.pool, name, outage).await
    }

    async fn outages(&self, name: &EnvironmentName) -> Result<Vec<Outage>, StoreError> {
        sqlite_outages::list(&self.pool, name).await
    }

    async fn forget_outage(&self, name: &EnvironmentName, outage: &Outage) -> Result<(), StoreError> {
        sqlite_outages::forget(&self.pool, name, outage).await
    }

    async fn reject(&self, name: &EnvironmentName, list: &[Rejected]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        for one in list {
            sqlx::query(
                "INSERT INTO rejected (environment, received_at, source, format, input, record, line, column_number, reason, raw)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(name.as_str())
            .bind(one.received_at.as_ms())
            .bind(&one.source)
            .bind(&one.format)
            .bind(&one.input)
            .bind(to_db(one.record))
            .bind(one.line.map(to_db))
            .bind(one.column.map(to_db))
            .bind(&one.reason)
            .bind(&one.raw)
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn rejected(
        &self,
        name: &EnvironmentName,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Rejected>, StoreError> {
        let rows = sqlx::query("SELECT * FROM rejected WHERE environment = ? AND id > ? ORDER BY id LIMIT ?")
            .bind(name.as_str())
            .bind(after)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(rejected).collect()
    }

    async fn resolve_rejected(&self, name: &EnvironmentName, ids: &[i64]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        for id in ids {
            sqlx::query("DELETE FROM rejected WHERE environment = ? AND id = ?")
                .bind(name.as_str())
                .bind(id)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn create_token(&self, token: &Token, secret: &SecretHash) -> Result<i64, StoreError> {
        let id = sqlx::query_scalar(
            "INSERT INTO tokens (secret, scope, environment, source, created_at) VALUES (?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(&secret[..])
        .bind(token.scope.as_str())
        .bind(token.environment.as_ref().map(EnvironmentName::as_str))
        .bind(&token.source)
        .bind(token.created_at.as_ms())
        .fetch_one(&self.pool)
        .await?;
        Ok(id)
    }

    async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let rows = sqlx::query("SELECT * FROM tokens ORDER BY id").fetch_all(&self.pool).await?;
        rows.iter().map(token).collect()
    }

    async fn token_by_secret(&self, secret: &SecretHash) -> Result<Option<Token>, StoreError> {
        let row = sqlx::query("SELECT * FROM tokens WHERE secret = ? AND revoked_at IS NULL")
            .bind(&secret[..])
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(token).transpose()
    }

    async fn revoke_token(&self, id: i64, at: Time) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL")
            .bind(at.as_ms())
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn create_session(
        &self,
        kind: SessionKind,
        secret: &SecretHash,
        expires_at: Time,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO sessions (secret, kind, expires_at) VALUES (?, ?, ?)")
            .bind(&secret[..])
            .bind(kind_word(kind))
            .bind(expires_at.as_ms())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn has_session(
        &self,
        kind: SessionKind,
        secret: &SecretHash,
        now: Time,
    ) -> Result<bool, StoreError> {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM sessions WHERE secret = ? AND kind = ? AND expires_at > ?")
                .bind(&secret[..])
                .bind(kind_word(kind))
                .bind(now.as_ms())
                .fetch_optional(&self.pool)
                .await?;
        Ok(found.is_some())
    }

    async fn end_session(
        &self,
        kind: SessionKind,
        secret: &SecretHash,
        now: Time,
    ) -> Result<bool, StoreError> {
        let expires_at: Option<i64> =
            sqlx::query_scalar("DELETE FROM sessions WHERE secret = ? AND kind = ? RETURNING expires_at")
                .bind(&secret[..])
                .bind(kind_word(kind))
                .fetch_optional(&self.pool)
                .await?;
        Ok(expires_at.is_some_and(|at| at > now.as_ms()))
    }
}
