//! The named queries: what the *Query* drop-down offers.

use crate::{
    Filter, QueryError,
    filter::{Test, TextField},
};

/// A question with a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamedQuery {
    /// Every sign-in, successful or not, with the end of its session: the original's *User Login Events*.
    #[default]
    UserLoginEvents,
    /// Sign-ins that failed.
    SignInFailures,
    /// Sign-outs.
    SignOuts,
    /// Sign-ins and sign-outs, each as a row of its own.
    AllEvents,
    /// The same of the person whom the filter names.
    EventsForUser,
    /// The same of the session that the filter names.
    EventsForBrowserSession,
}

impl NamedQuery {
    /// In the order of the drop-down.
    pub const ALL: &'static [Self] = &[
        Self::UserLoginEvents,
        Self::SignInFailures,
        Self::SignOuts,
        Self::AllEvents,
        Self::EventsForUser,
        Self::EventsForBrowserSession,
    ];

    /// Its name in URLs and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserLoginEvents => "user-login-events",
            Self::SignInFailures => "sign-in-failures",
            Self::SignOuts => "sign-outs",
            Self::AllEvents => "all-events",
            Self::EventsForUser => "events-for-user",
            Self::EventsForBrowserSession => "events-for-browser-session",
        }
    }

    /// Its name in the console.
    pub const fn title(self) -> &'static str {
        match self {
            Self::UserLoginEvents => "User login events",
            Self::SignInFailures => "Sign-in failures",
            Self::SignOuts => "Sign-outs",
            Self::AllEvents => "All events",
            Self::EventsForUser => "Events for user",
            Self::EventsForBrowserSession => "Events for browser session",
        }
    }

    /// Whether the filter says what this query is about.
    pub fn check(self, filter: &Filter) -> Result<(), QueryError> {
        let has =
            |is_it: fn(&Test) -> bool| filter.terms.iter().any(|term| !term.is_excluded && is_it(&term.test));
        let missing = match self {
            Self::EventsForUser if !has(|test| matches!(test, Test::User(_))) => "which user: user:NAME",
            Self::EventsForBrowserSession
                if !has(|test| matches!(test, Test::Text(TextField::Session, _))) =>
            {
                "which session: session:ID"
            }
            _ => return Ok(()),
        };
        Err(QueryError::Invalid(format!("filter: say {missing}")))
    }

    /// The query with this name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|query| query.as_str() == word)
    }
}
