//! One syslog message as a receiver gets it: which format it is of, and what that makes of it.
//!
//! A stream carries what machines and products write side by side: lines of sshd, PAM and their like
//! ([`crate::authlog`]), CEF and LEEF. Each is recorded under its own format, whose rules pair its sessions.
//!
//! Messages have no ids, and a sender that lost a connection sends its last ones again. So equal messages are one
//! message, unlike in a file, where two equal lines are two.

use crate::{
    authlog, cef,
    contract::{Item, Options, PROBLEM_RAW_BYTES_MAX, Place, Problem},
    ids::DerivedIds,
    leef, seclines,
};

/// The formats that a stream carries, by the names under which they are recorded.
pub const FORMATS: [&str; 3] = ["auth-log", "cef", "leef"];

/// Reads one message, without its framing.
pub fn read(message: &[u8], options: &Options) -> (&'static str, Item) {
    let message = message.trim_ascii_end();
    // Nothing is remembered from one message to the next.
    let mut ids = DerivedIds::default();
    let (format, item) = if seclines::begin(message, cef::MARK).is_some() {
        ("cef", seclines::line(message, cef::MARK, options, &mut ids).map(|(item, _)| item))
    } else if seclines::begin(message, leef::MARK).is_some() {
        ("leef", seclines::line(message, leef::MARK, options, &mut ids).map(|(item, _)| item))
    } else {
        ("auth-log", authlog::line(message, options))
    };
    let place = Place { record: 1, ..Place::default() };
    let problem = |reason| {
        let raw = message.get(..PROBLEM_RAW_BYTES_MAX).unwrap_or(message).to_vec();
        Item::Problem(Problem { place, reason, raw })
    };
    (format, item.map_or_else(problem, |item| item.at(place)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::options;

    #[test]
    fn each_message_is_of_its_format() {
        for (message, want) in [
            (
                "<38>Nov 23 10:00:00 web-1 sshd[83]: Accepted publickey for ada from 192.0.2.7 port 22 ssh2",
                "auth-log logon",
            ),
            (
                "<38>1 2026-11-23T10:00:00Z web-1 sshd 83 - - pam_unix(sshd:session): session closed for user ada\n",
                "auth-log logoff",
            ),
            ("<30>Nov 23 10:00:00 web-1 kernel: hello", "auth-log aside"),
            ("<13>Nov 23 10:00:00 gate CEF:0|A|B|1|1|login|3|suser=ada", "cef logon"),
            ("<13>Nov 23 10:00:00 gate LEEF:1.0|A|B|1|x|isLogoutEvent=1", "leef logoff"),
            ("CEF:0|A|B", "cef the header of CEF has seven parts with bars between them"),
            ("\u{0}\u{1}", "auth-log no syslog line: it does not begin with a time and a program"),
        ] {
            let (format, item) = read(message.as_bytes(), &options());
            let got = match item {
                Item::Draft(draft, _) => draft.event.activity.as_str().to_owned(),
                Item::SetAside { .. } => "aside".to_owned(),
                Item::Problem(problem) => problem.reason,
            };
            assert_eq!(format!("{format} {got}"), want, "{message}");
            assert!(FORMATS.contains(&format));
            assert_eq!(read(message.as_bytes(), &options()), read(message.as_bytes(), &options()));
        }
    }
}
