//! The named queries: what the *Query* drop-down offers.

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
}

impl NamedQuery {
    /// In the order of the drop-down.
    pub const ALL: &'static [Self] =
        &[Self::UserLoginEvents, Self::SignInFailures, Self::SignOuts, Self::AllEvents];

    /// Its name in URLs and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserLoginEvents => "user-login-events",
            Self::SignInFailures => "sign-in-failures",
            Self::SignOuts => "sign-outs",
            Self::AllEvents => "all-events",
        }
    }

    /// Its name in the console.
    pub const fn title(self) -> &'static str {
        match self {
            Self::UserLoginEvents => "User login events",
            Self::SignInFailures => "Sign-in failures",
            Self::SignOuts => "Sign-outs",
            Self::AllEvents => "All events",
        }
    }

    /// The query with this name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|query| query.as_str() == word)
    }
}
