//! What people keep beside a trail: exports that were made for them, and queries under a name.
//!
//! No part of a trail and no evidence: the trail's `access` records say who asked for what. Both name people,
//! so both are looked at by an erasure.

use async_trait::async_trait;
use whowas_event::{EnvironmentName, Time};

use crate::StoreError;

/// What has become of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportState {
    /// Nobody has begun.
    Waiting,
    /// It is being written. After a crash it begins again.
    Running,
    /// Its file is there.
    Done,
    /// It could not be made; the reason says why.
    Failed,
    /// Somebody did not want it any more before it was done.
    Canceled,
    /// Its file was deleted when its time was over.
    Expired,
    /// Its file was deleted because personal data of the trail was erased.
    Erased,
}

impl ExportState {
    /// Every state.
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Running, Self::Done, Self::Failed, Self::Canceled, Self::Expired, Self::Erased];

    /// The word in the database and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::Erased => "erased",
        }
    }

    /// The state with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether its file is still to be written.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Running)
    }
}

/// An export that the server makes in the background and keeps for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its number; 0 before it is stored.
    pub id: i64,
    /// What has become of it.
    pub state: ExportState,
    /// Who asked for it, as `access` records name them.
    pub asked_by: String,
    /// When.
    pub asked_at: Time,
    /// Word of the named query.
    pub query: String,
    /// Its range: at or after …
    pub from: Time,
    /// … and before.
    pub to: Time,
    /// The filter as it was written. Forgotten by an erasure.
    pub filter: String,
    /// Word of the file format.
    pub format: String,
    /// Whether it is an evidence bundle.
    pub is_evidence: bool,
    /// The size of the tree when it was asked for: later records are not in it.
    pub tree_size: u64,
    /// Rows of the answer when it was asked for.
    pub total: u64,
    /// Rows that were written.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file, once it is there. Stays when the file goes.
    pub sha256: Option<String>,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it was done, or failed.
    pub finished_at: Option<Time>,
}

/// A state of the raw logs page under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedQuery {
    /// Its number; 0 before it is stored.
    pub id: i64,
    /// What people call it.
    pub title: String,
    /// Who saved it.
    pub owner: String,
    /// Whether everybody who may read the environment sees it.
    pub is_shared: bool,
    /// The page's parameters as they stand in its address.
    pub params: String,
    /// When it was saved.
    pub saved_at: Time,
}

/// The part of the control database for what people keep. Every method is durable when it returns.
#[async_trait]
pub trait Kept: Send + Sync + std::fmt::Debug {
    /// Adds an export and returns its number, which no later one gets.
    async fn add_export(&self, name: &EnvironmentName, export: &Export) -> Result<i64, StoreError>;
    /// Every export of an environment, newest first.
    async fn exports(&self, name: &EnvironmentName) -> Result<Vec<Export>, StoreError>;
    /// Replaces what is known of an export, if its state is still `expected`; `false` if it is not.
    async fn change_export(
        &self,
        name: &EnvironmentName,
        expected: ExportState,
        export: &Export,
    ) -> Result<bool, StoreError>;
    /// Forgets an export; `false` if there is none of this number.
    async fn forget_export(&self, name: &EnvironmentName, id: i64) -> Result<bool, StoreError>;
    /// Saves a query and returns its number; [`StoreError::Invalid`] if its owner has one of this title.
    async fn save_query(&self, name: &EnvironmentName, query: &SavedQuery) -> Result<i64, StoreError>;
    /// Every saved query of an environment, by title.
    async fn saved_queries(&self, name: &EnvironmentName) -> Result<Vec<SavedQuery>, StoreError>;
    /// Gives a saved query another title and other readers; `false` if there is none of this number.
    /// [`StoreError::Invalid`] if its owner has another of this title.
    async fn change_query(
        &self,
        name: &EnvironmentName,
        id: i64,
        title: &str,
        is_shared: bool,
    ) -> Result<bool, StoreError>;
    /// Forgets a saved query; `false` if there is none of this number.
    async fn forget_query(&self, name: &EnvironmentName, id: i64) -> Result<bool, StoreError>;
}
