//! Control state: what must change together with a commit, and what is not part of a trail at all.
//!
//! The contract that SQLite meets today and PostgreSQL can meet tomorrow; `tests/it` holds the suite that
//! every implementation must pass. It is small on purpose: a compare-and-swap of the signed checkpoint
//! (the commit point), the directory of people, how far sources have been read, rejected records, tokens
//! and console sessions.

mod kept;
mod progress;
mod sqlite;
mod sqlite_alarms;
mod sqlite_archived;
mod sqlite_first;
mod sqlite_kept;
mod sqlite_outages;
mod sqlite_past;
mod sqlite_privacy;
mod sqlite_progress;

use async_trait::async_trait;
use whowas_event::{EnvironmentName, Kind, Time};

use crate::StoreError;

pub use kept::{Export, ExportState, Kept, SavedQuery};
pub use progress::{CoverageChange, Progress, StoredAlarm, StoredArchive, StoredStream, StoredWindow};
pub use sqlite::SqliteControl;

/// One environment and its trail.
#[derive(Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// The origin line of its checkpoints.
    pub origin: String,
    /// Random; keys the index of seen records (see [`whowas_event::dedup_key`]). Never leaves the store.
    pub secret: [u8; 32],
    /// When it was created.
    pub created_at: Time,
    /// Size of the tree that is committed.
    pub size: u64,
    /// The signed checkpoint of that tree.
    pub checkpoint: String,
    /// The latest `recorded_at`: a clock that is set back while nothing runs does not turn the order of times.
    pub last_recorded_at: Time,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("name", &self.name)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// One person as the directory knows them now; the trail's `identity` records have the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Person {
    /// The id the directory gave (native id of the identity record).
    pub id: String,
    /// Opaque id.
    pub uid: Option<String>,
    /// Login name.
    pub name: Option<String>,
    /// The person's name.
    pub full_name: Option<String>,
    /// E-mail address.
    pub email_addr: Option<String>,
    /// The source's other attributes, a JSON object (enabled, company, account type …).
    pub attributes: Option<String>,
    /// Position of the identity record that says so.
    pub position: u64,
    /// When that is true from, by the source's claim or the time of reading.
    pub since: Option<Time>,
    /// Whether this was learned from a sign-in that had both id and names, not told by a directory.
    #[serde(default)]
    pub is_observed: bool,
}

/// What becomes true with one commit.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The size the committed tree must still have.
    pub expected_size: u64,
    /// The new size.
    pub size: u64,
    /// The new signed checkpoint.
    pub checkpoint: String,
    /// When the newest records got their positions.
    pub recorded_at: Time,
    /// People whose directory entry changed.
    pub people: Vec<Person>,
    /// How far sources have been read.
    pub progress: Vec<Progress>,
    /// Erasures that the records of the commit state. From the commit on they must be carried out.
    pub erasures: Vec<ErasureEntry>,
}

/// An erasure that a record of the trail states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureEntry {
    /// Position of the record.
    pub position: u64,
    /// Its kind.
    pub kind: Kind,
    /// Its body, see [`whowas_event::Erasure`].
    pub body: String,
    /// Whether it was carried out in everything that this data folder holds.
    pub is_done: bool,
}

/// A legal hold: what it covers is neither erased nor deleted while it is in force.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Hold {
    /// Its number; 0 before it is stored.
    pub id: i64,
    /// What it covers: `user`, `filter` or `all` …
    pub covers: String,
    /// … and whose name, or which filter.
    pub text: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub created_at: Time,
}

/// A time in which a trail accepted no records because there was no space, until its record is in the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When the trail stopped.
    pub began_at: Time,
    /// Until when, as far as is known.
    pub ended_at: Time,
    /// How many appends were refused meanwhile …
    pub submissions: u64,
    /// … of how many records: each try counts.
    pub records: u64,
}

/// What an erasure takes from the control database.
#[derive(Clone, Debug, Default)]
pub struct Scrub {
    /// Positions of records: people who are known by one of them are forgotten.
    pub people: Vec<u64>,
    /// Positions of records: people who are known by one of them lose their attributes.
    pub attributes: Vec<u64>,
    /// Numbers of rejected records.
    pub rejected: Vec<u64>,
}

/// A record that was refused, kept with its reason.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Rejected {
    /// Number of the rejected record; 0 before it is stored.
    pub id: i64,
    /// When it was read.
    pub received_at: Time,
    /// The source it was read for.
    pub source: String,
    /// The format it was read with.
    pub format: String,
    /// The file or request it came in.
    pub input: String,
    /// Which record of that input, from 1.
    pub record: u64,
    /// On which line, where lines mean something.
    pub line: Option<u64>,
    /// In which column of that line: a character for JSON, a field for tables.
    pub column: Option<u64>,
    /// Why it was refused.
    pub reason: String,
    /// Its bytes, up to the format's limit.
    #[serde(skip)]
    pub raw: Vec<u8>,
}

/// What the bearer of a token or session may do. Each includes nothing of the others, except that
/// `Admin` includes all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Send records.
    Ingest,
    /// Search, export and read entries.
    Read,
    /// Provision people and groups of one source, and read what it has provisioned.
    Scim,
    /// Everything.
    Admin,
}

impl Scope {
    /// The word on the command line and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Scim => "scim",
            Self::Admin => "admin",
        }
    }

    /// The scope with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Ingest, Self::Read, Self::Scim, Self::Admin].into_iter().find(|scope| scope.as_str() == word)
    }

    /// Whether this scope allows what `needed` allows.
    pub fn allows(self, needed: Self) -> bool {
        self == Self::Admin || self == needed
    }
}

/// An API token, without its secret: only a digest is stored.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Token {
    /// Public number of the token.
    pub id: i64,
    /// What it allows.
    pub scope: Scope,
    /// The one environment it is for; all if none.
    pub environment: Option<EnvironmentName>,
    /// The source name of what it ingests.
    pub source: Option<String>,
    /// When it was created.
    pub created_at: Time,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

/// SHA-256 of a token's or session's secret. The secrets have 256 random bits, so no slow hash is needed.
pub type SecretHash = [u8; 32];

/// What a session secret is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// A link that signs the administrator in once.
    Link,
    /// A console session, held by a cookie.
    Console,
}

/// The contract of the control database. Every method is durable when it returns.
#[async_trait]
pub trait Control: Kept {
    /// Adds an environment; [`StoreError::Invalid`] if there is one of this name.
    async fn create_environment(&self, environment: &Environment) -> Result<(), StoreError>;
    /// Every environment, by name.
    async fn environments(&self) -> Result<Vec<Environment>, StoreError>;
    /// One environment.
    async fn environment(&self, name: &EnvironmentName) -> Result<Option<Environment>, StoreError>;
    /// The commit point: in one transaction, if the environment's size is still `expected_size`, the
    /// checkpoint and everything else of `commit` become true. `false` if another writer was faster.
    async fn commit(&self, name: &EnvironmentName, commit: &Commit) -> Result<bool, StoreError>;
    /// The directory of an environment.
    async fn people(&self, name: &EnvironmentName) -> Result<Vec<Person>, StoreError>;
    /// What the directory said before of people whose entries were replaced since, by position; the newest if there are
    /// very many.
    async fn people_before(&self, name: &EnvironmentName) -> Result<Vec<Person>, StoreError>;
    /// Every erasure of an environment's trail, by position.
    async fn erasures(&self, name: &EnvironmentName) -> Result<Vec<ErasureEntry>, StoreError>;
    /// Deletes what an erasure takes, so that none of its bytes is left in the database's files, and then
    /// marks the erasures up to `position` as done. Safe to repeat.
    async fn scrub(&self, name: &EnvironmentName, scrub: &Scrub, position: u64) -> Result<(), StoreError>;
    /// Puts a hold in force and returns its number.
    async fn add_hold(&self, name: &EnvironmentName, hold: &Hold) -> Result<i64, StoreError>;
    /// The holds in force, oldest first.
    async fn holds(&self, name: &EnvironmentName) -> Result<Vec<Hold>, StoreError>;
    /// Ends a hold and forgets whom it named; `false` if there is none of this number.
    async fn release_hold(&self, name: &EnvironmentName, id: i64) -> Result<bool, StoreError>;
    /// Keeps an outage until it is told, or brings it up to date: `began_at` is its name.
    async fn keep_outage(&self, name: &EnvironmentName, outage: &Outage) -> Result<(), StoreError>;
    /// The outages that are not told yet, oldest first.
    async fn outages(&self, name: &EnvironmentName) -> Result<Vec<Outage>, StoreError>;
    /// Forgets an outage that the trail tells of.
    async fn forget_outage(&self, name: &EnvironmentName, outage: &Outage) -> Result<(), StoreError>;
    /// Every stream of a source that is read, or was.
    async fn streams(&self, name: &EnvironmentName) -> Result<Vec<StoredStream>, StoreError>;
    /// The windows of a stream that have a part in `[from, to)`, in order.
    async fn windows(
        &self,
        name: &EnvironmentName,
        source_stream: (&str, &str),
        from_to: (Time, Time),
    ) -> Result<Vec<StoredWindow>, StoreError>;
    /// Puts what was rebuilt from the trail in the place of all ledgers; cursors stay.
    async fn replace_coverage(&self, name: &EnvironmentName, progress: &[Progress])
    -> Result<(), StoreError>;
    /// Every window of every schedule of an environment, by schedule and time.
    async fn archived(&self, name: &EnvironmentName) -> Result<Vec<StoredArchive>, StoreError>;
    /// Keeps what is known of a window, in the place of what was known before.
    async fn keep_archived(&self, name: &EnvironmentName, archived: &StoredArchive)
    -> Result<(), StoreError>;
    /// Every alarm of an environment that is kept, by rule and event.
    async fn alarms(&self, name: &EnvironmentName) -> Result<Vec<StoredAlarm>, StoreError>;
    /// Keeps what is known of an alarm, in the place of what was known before.
    async fn keep_alarm(&self, name: &EnvironmentName, alarm: &StoredAlarm) -> Result<(), StoreError>;
    /// Forgets an alarm, whatever is known of it.
    async fn forget_alarm(&self, name: &EnvironmentName, alarm: &StoredAlarm) -> Result<(), StoreError>;
    /// Keeps rejected records.
    async fn reject(&self, name: &EnvironmentName, rejected: &[Rejected]) -> Result<(), StoreError>;
    /// Rejected records with numbers above `after`, oldest first, at most `limit`.
    async fn rejected(
        &self,
        name: &EnvironmentName,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Rejected>, StoreError>;
    /// Forgets rejected records that a retry has accepted.
    async fn resolve_rejected(&self, name: &EnvironmentName, ids: &[i64]) -> Result<(), StoreError>;
    /// Adds a token and returns its number.
    async fn create_token(&self, token: &Token, secret: &SecretHash) -> Result<i64, StoreError>;
    /// Every token.
    async fn tokens(&self) -> Result<Vec<Token>, StoreError>;
    /// The token with this secret, if it is not revoked.
    async fn token_by_secret(&self, secret: &SecretHash) -> Result<Option<Token>, StoreError>;
    /// Revokes a token; `false` if there is none of this number that is in force.
    async fn revoke_token(&self, id: i64, at: Time) -> Result<bool, StoreError>;
    /// Adds a console session or sign-in link.
    async fn create_session(
        &self,
        kind: SessionKind,
        secret: &SecretHash,
        expires_at: Time,
    ) -> Result<(), StoreError>;
    /// Whether a session is in force at `now`.
    async fn has_session(
        &self,
        kind: SessionKind,
        secret: &SecretHash,
        now: Time,
    ) -> Result<bool, StoreError>;
    /// Ends a session or uses up a link; `true` for exactly one caller, and only before its expiry.
    async fn end_session(
        &self,
        kind: SessionKind,
        secret: &SecretHash,
        now: Time,
    ) -> Result<bool, StoreError>;
}
