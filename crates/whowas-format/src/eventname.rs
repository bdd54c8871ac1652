//! What the name of an event of telemetry says about signing in, whatever punctuation it is written with:
//! `session.start`, `user.login`, `UserSignedOut`, `login_failed`.
//!
//! Names count by their letters alone. OpenTelemetry names two, `session.start` and `session.end`; the others are what
//! programs call the same when they name events themselves. There is no guessing beyond this list: a name
//! that is not in it is no sign-in.
//!
//! Security products write a phrase for a person instead (*Successful Logon Interactive logon*, *User login failed*): it is of
//! a sign-in if it says so and says nothing else, by a list of words that say nothing else.

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

/// Words for coming, by their letters.
const COMING: [&str; 12] = [
    "login",
    "logon",
    "signin",
    "logged",
    "signed",
    "authentication",
    "authenticated",
    "authenticate",
    "logins",
    "logging",
    "log",
    "sign",
];
/// Words for going.
const GOING: [&str; 4] = ["logout", "logoff", "signout", "signoff"];
/// Words for failing.
const FAILING: [&str; 14] = [
    "failed",
    "failure",
    "fail",
    "fails",
    "denied",
    "invalid",
    "incorrect",
    "rejected",
    "error",
    "unsuccessful",
    "refused",
    "wrong",
    "bad",
    "blocked",
];
/// Words that may stand beside them and change nothing.
const BESIDE: [&str; 57] = [
    "a",
    "an",
    "the",
    "user",
    "users",
    "admin",
    "administrator",
    "account",
    "was",
    "has",
    "been",
    "is",
    "to",
    "of",
    "by",
    "on",
    "in",
    "out",
    "off",
    "for",
    "from",
    "at",
    "with",
    "via",
    "and",
    "event",
    "success",
    "successful",
    "successfully",
    "succeeded",
    "accepted",
    "granted",
    "local",
    "remote",
    "interactive",
    "network",
    "web",
    "console",
    "portal",
    "vpn",
    "ssh",
    "rdp",
    "cli",
    "gui",
    "mfa",
    "sso",
    "password",
    "credentials",
    "credential",
    "username",
    "name",
    "or",
    "session",
    "attempt",
    "secondary",
    "primary",
    "system",
];
/// The longest phrase that is looked at, in bytes.
const PHRASE_BYTES_MAX: usize = 200;

/// Activity and status that a phrase stands for; `None` if it is not, or not only, of a sign-in.
pub(crate) fn phrase_meaning(phrase: &str) -> Option<(Activity, Status)> {
    if phrase.len() > PHRASE_BYTES_MAX {
        return None;
    }
    if let Some(found) = meaning(phrase) {
        return Some(found);
    }
    let (mut is_coming, mut is_going, mut is_failing, mut is_out) = (false, false, false, false);
    for word in phrase.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        let is_in = |list: &[&str]| list.contains(&word.as_str());
        match () {
            () if is_in(&GOING) => is_going = true,
            () if is_in(&COMING) => is_coming = true,
            () if is_in(&FAILING) => is_failing = true,
            () if is_in(&BESIDE) => is_out |= matches!(word.as_str(), "out" | "off"),
            () => return None,
        }
    }
    // "logged out", "sign off"
    let is_going = is_going || is_coming && is_out;
    match (is_going, is_coming, is_failing) {
        (true, _, false) => Some((Activity::Logoff, Status::Success)),
        (false, true, false) => Some((Activity::Logon, Status::Success)),
        (false, true, true) => Some((Activity::Logon, Status::Failure)),
        _ => None,
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

    #[test]
    fn phrases_are_of_sign_ins_or_of_more() {
        for (phrases, want) in [
            (
                &[
                    "Successful Logon Interactive logon",
                    "User login",
                    "User 'admin' logged in via ssh",
                    "Authentication success",
                ][..],
                "logon success",
            ),
            (
                &["User logged out", "VPN session logoff", "Sign off", "login.session.logout"],
                "logoff success",
            ),
            (
                &[
                    "User login failed",
                    "Authentication failure: bad password",
                    "Invalid username or password for login",
                ],
                "logon failure",
            ),
            (
                &[
                    "",
                    "Added Item",
                    "Login page viewed",
                    "Failed logout",
                    "Malware blocked",
                    "User password changed",
                    "failure",
                ],
                "none",
            ),
        ] {
            for phrase in phrases {
                let got = phrase_meaning(phrase).map_or("none".to_owned(), |(activity, status)| {
                    format!("{} {}", activity.as_str(), status.as_str())
                });
                assert_eq!(got, want, "{phrase}");
            }
        }
    }
}
