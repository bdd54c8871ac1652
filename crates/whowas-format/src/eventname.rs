//! What the name of an event of telemetry says about signing in, whatever punctuation it is written with:
//! `session.start`, `user.login`, `UserSignedOut`, `login_failed`.
//!
//! Names count by their letters alone. OpenTelemetry names two, `session.start` and `session.end`; the others are what
//! programs call the same when they name events themselves. There is no guessing beyond this list: a name
//! that is not in it is no sign-in.

use whowas_event::{Activity, Status};

/// Starts, with what may stand around the word.
const STARTS: [&str; 14] = [
    "sessionstart",
    "sessionstarted",
    "login",
    "logon",
    "signin",
    "userlogin",
    "userlogon",
    "usersignin",
    "userloggedin",
    "userloggedon",
    "usersignedin",
    "loginsuccess",
    "loginsucceeded",
    "userloginsuccess",
];
const ENDS: [&str; 11] = [
    "sessionend",
    "sessionended",
    "logout",
    "logoff",
    "signout",
    "userlogout",
    "userlogoff",
    "usersignout",
    "userloggedout",
    "userloggedoff",
    "usersignedout",
];
const FAILURES: [&str; 11] = [
    "loginfailed",
    "loginfailure",
    "loginerror",
    "logonfailed",
    "logonfailure",
    "signinfailed",
    "signinfailure",
    "userloginfailed",
    "userloginfailure",
    "usersigninfailed",
    "authenticationfailed",
];

/// Activity and status that a name stands for; `None` if it is none of a sign-in.
pub(crate) fn meaning(name: &str) -> Option<(Activity, Status)> {
    // The longest name has 16 letters; what is much longer is none.
    if name.len() > 64 {
        return None;
    }
    let letters: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let is_in = |list: &[&str]| list.contains(&letters.as_str());
    match () {
        () if is_in(&STARTS) => Some((Activity::Logon, Status::Success)),
        () if is_in(&ENDS) => Some((Activity::Logoff, Status::Success)),
        () if is_in(&FAILURES) => Some((Activity::Logon, Status::Failure)),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_the_same_in_any_punctuation() {
        for (names, want) in [
            (&["session.start", "user.login", "UserSignedIn", "LOG-ON"][..], "logon success"),
            (&["session.end", "user_logout", "Sign Out", "userLoggedOff"], "logoff success"),
            (&["login.failed", "user_login_failure", "AuthenticationFailed"], "logon failure"),
            (&["", "session", "login page", "loginx", "http.request", "session.refresh"], "none"),
        ] {
            for name in names {
                let got = meaning(name).map_or("none".to_owned(), |(activity, status)| {
                    format!("{} {}", activity.as_str(), status.as_str())
                });
                assert_eq!(got, want, "{name}");
            }
        }
        assert_eq!(meaning(&"login".repeat(1000)), None);
    }
}
