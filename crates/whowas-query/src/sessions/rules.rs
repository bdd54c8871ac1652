//! The numbers by which ends are inferred: one table, by format, that settings may replace.

use std::collections::BTreeMap;

/// Whether a session id can mean another session later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// It cannot: every record with it is of one session, until that ends.
    Unique,
    /// It comes back, as process ids and lines do: a second login ends the session before it.
    Reused,
}

/// How sessions of one format are paired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatRules {
    /// Whether ids come back.
    pub keys: Keys,
    /// Two logins of one user under one reused id, or two sign-outs, so many milliseconds apart or less, are one
    /// that was told twice (sshd says *Accepted*, then PAM says *session opened*).
    pub told_twice_ms: i64,
    /// Milliseconds without any record after which a session is taken for over; `None` for never.
    pub timeout_ms: Option<i64>,
    /// Milliseconds after the start when the credential's life is over; `None` for never.
    pub lifetime_ms: Option<i64>,
    /// Whether the source tells ends: a session without one is `open` if it does, `unknown` if not.
    pub tells_ends: bool,
}

impl Default for FormatRules {
    /// Ids are unique and ends are told; nothing is inferred from silence.
    fn default() -> Self {
        Self { keys: Keys::Unique, told_twice_ms: 0, timeout_ms: None, lifetime_ms: None, tells_ends: true }
    }
}

/// The rules of every format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRules {
    /// For formats that are not in the table.
    pub default: FormatRules,
    /// By the name of the format.
    pub formats: BTreeMap<String, FormatRules>,
}

impl Default for SessionRules {
    /// | format | ids | told twice within | ends |
    /// |---|---|---|---|
    /// | `wtmp` | lines, reused | – | told |
    /// | `auth-log`, `journal` | process ids, reused | 60 s: a slow directory server stands between the two lines | told |
    /// | `dynamics-user-log` | unique | – | told; 15 minutes after the last sign of life, which the system writes every 15 minutes, a session that is not closed is over |
    /// | `entra-*` | unique | – | never told |
    /// | `appinsights` | unique | – | hardly ever told; 30 minutes after the last sign of life, as its SDKs count |
    /// | any other | unique | – | told |
    fn default() -> Self {
        let rules = FormatRules::default();
        let reused = FormatRules { keys: Keys::Reused, ..rules };
        let unix = FormatRules { told_twice_ms: 60_000, ..reused };
        let silent = FormatRules { tells_ends: false, ..rules };
        let formats = [
            ("wtmp", reused),
            ("auth-log", unix),
            ("journal", unix),
            ("dynamics-user-log", FormatRules { timeout_ms: Some(15 * 60 * 1000), ..rules }),
            ("entra-graph", silent),
            ("entra-monitor", silent),
            ("entra-csv", silent),
            ("appinsights", FormatRules { timeout_ms: Some(30 * 60 * 1000), ..silent }),
        ];
        Self { default: rules, formats: formats.map(|(name, rules)| (name.to_owned(), rules)).into() }
    }
}

impl SessionRules {
    /// The rules of a format.
    pub fn of(&self, format: &str) -> FormatRules {
        self.formats.get(format).copied().unwrap_or(self.default)
    }
}
