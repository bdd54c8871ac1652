//! A session, as people and programs see it.

use whowas_event::Time;

/// Why a session is over, or that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndReason {
    /// The user signed out, or the source says no more than that the session ended.
    Logout,
    /// The credential's life was over.
    Expired,
    /// Somebody ended it.
    Revoked,
    /// Another login took its line or its id.
    Superseded,
    /// The machine stopped or started.
    Shutdown,
    /// Nothing was heard for too long.
    Timeout,
    /// The source tells ends and has told none yet.
    Open,
    /// The source never tells ends.
    Unknown,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Logout,
        Self::Expired,
        Self::Revoked,
        Self::Superseded,
        Self::Shutdown,
        Self::Timeout,
        Self::Open,
        Self::Unknown,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
            Self::Shutdown => "shutdown",
            Self::Timeout => "timeout",
            Self::Open => "open",
            Self::Unknown => "unknown",
        }
    }

    /// What a sign-out says about itself; whatever is no end stands for a plain logout.
    pub(crate) fn of_sign_out(word: Option<&str>) -> Self {
        let told = Self::ALL.into_iter().find(|reason| Some(reason.as_str()) == word);
        told.filter(|reason| !matches!(reason, Self::Open | Self::Unknown)).unwrap_or(Self::Logout)
    }
}

/// How the end is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndConfidence {
    /// A record says so.
    Explicit,
    /// A rule says so.
    Inferred,
    /// There is no end.
    None,
}

impl EndConfidence {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Explicit => "explicit",
            Self::Inferred => "inferred",
            Self::None => "none",
        }
    }
}

/// A record that a session was derived from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordRef {
    /// Its position in the trail; `None` for one that is in no trail.
    pub position: Option<u64>,
    /// Its id at the source.
    pub native_id: String,
    /// Which delivery of it.
    pub revision: u32,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Where its records come from.
    pub source: String,
    /// The format they were read with.
    pub format: String,
    /// The source's session id.
    pub session_uid: Option<String>,
    /// Login name, else e-mail address, else the person's name.
    pub user: Option<String>,
    /// Opaque id of the user.
    pub user_id: Option<String>,
    /// Domain or realm of the user.
    pub domain: Option<String>,
    /// Whoever became the user, where somebody did.
    pub actor: Option<String>,
    /// Where the user came from: the name of a machine or terminal, else its address.
    pub host: Option<String>,
    /// The address the user came from.
    pub ip: Option<String>,
    /// The machine that was signed in to.
    pub machine: Option<String>,
    /// Terminal or line.
    pub line: Option<String>,
    /// Application or service.
    pub service: Option<String>,
    /// Kind of logon.
    pub logon_type: Option<String>,
    /// When it began.
    pub start: Time,
    /// When it ended, if it did; never before `start`.
    pub end: Option<Time>,
    /// Why.
    pub end_reason: EndReason,
    /// How that is known.
    pub end_confidence: EndConfidence,
    /// The last moment at which a record shows it.
    pub last_seen: Time,
    /// How many records it was derived from.
    pub record_count: usize,
    /// The records, in the order of time: the first one opened it. Beyond [`super::RECORDS_MAX`] only the first ones
    /// and the last.
    pub records: Vec<RecordRef>,
}

impl Session {
    /// Whole seconds from start to end.
    pub fn duration_s(&self) -> Option<u64> {
        let ms = self.end?.as_ms().saturating_sub(self.start.as_ms());
        u64::try_from(ms).ok().map(|ms| ms / 1000)
    }

    /// Whether the user was signed in at that instant, as far as is known: an end that is not known
    /// does not exclude it.
    pub fn covers(&self, at: Time) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }
}
