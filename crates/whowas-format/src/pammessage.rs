//! Messages of PAM modules, whichever program loads them.
//!
//! `pam_unix(sshd:session): session opened for user ada(uid=1000) by (uid=0)`. Older systems write
//! `(pam_unix)` or `pam_unix:` in front, or put it into the program's name.

use crate::authmessage::{Act, Meaning, Told};

/// Services that run jobs and managers for a user who does not sign in.
const JOBS: [&str; 9] =
    ["cron", "crond", "CRON", "atd", "systemd-user", "polkit-1", "runuser", "runuser-l", "run-parts"];
/// Services by which one user goes on as another.
const SWITCHES: [&str; 8] = ["su", "su-l", "sudo", "sudo-i", "doas", "pkexec", "ksu", "sudo-rs"];

/// Whether a message is of PAM.
pub(crate) fn is_pam(message: &str) -> bool {
    message.starts_with("pam_") && message.contains("): ") || message.starts_with("(pam_unix)")
}

/// Reads a message, if it is of PAM.
pub(crate) fn understand<'a>(program: &'a str, message: &'a str) -> Option<Meaning<'a>> {
    let (service, text) = parts(program, message);
    let is_job = JOBS.contains(&service) || JOBS.contains(&program);
    let is_switch = SWITCHES.contains(&service);
    let told = if let Some(rest) = text.strip_prefix("session opened for user ") {
        opened(rest, is_switch)
    } else if let Some(rest) = text.strip_prefix("session closed for user ") {
        let (user, user_number) = numbered(rest);
        let act = if is_switch { Act::SwitchBack } else { Act::Logoff };
        Told { act, user, user_number, ..Told::default() }
    } else if let Some((reason, fields)) = failure(text) {
        attempt(fields, reason, is_switch)
    } else if let Some(user) = locked(text) {
        let act = if is_switch { Act::Switch } else { Act::Logon };
        Told { act, ..Told::failure(user, text) }
    } else if is_pam(message) {
        return Some(Meaning::Aside("details of PAM"));
    } else {
        return None;
    };
    if is_job && !told.is_failure {
        return Some(Meaning::Aside("session of a job or manager"));
    }
    Some(Meaning::Told(Told { service: if service == program { "" } else { service }, ..told }))
}

/// The service and the text behind the module.
fn parts<'a>(program: &'a str, message: &'a str) -> (&'a str, &'a str) {
    if let Some(text) = message.strip_prefix("(pam_unix) ") {
        return (program, text);
    }
    if let Some((head, text)) = message.split_once(": ")
        && head.starts_with("pam_")
        && !head.contains(' ')
    {
        let inner = head.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')')).unwrap_or_default();
        // Without a service the parentheses hold the type alone.
        return (inner.split_once(':').map_or(program, |(service, _)| service), text);
    }
    (program, message.strip_prefix("PAM ").unwrap_or(message))
}

/// `root(uid=0) by ada(uid=1000)`, in older versions without the first number.
fn opened(rest: &str, is_switch: bool) -> Told<'_> {
    let (user, by) = rest.rsplit_once(" by ").unwrap_or((rest, ""));
    let (user, user_number) = numbered(user);
    let (actor, _) = numbered(by);
    if is_switch {
        return Told { act: Act::Switch, user, user_number, actor, ..Told::default() };
    }
    // Whoever opens a session for somebody who signs in is the program.
    Told { user, user_number, ..Told::default() }
}

/// `ada(uid=1000)`
fn numbered(text: &str) -> (&str, &str) {
    let inner = text.strip_suffix(')').and_then(|text| text.rsplit_once("(uid="));
    let (name, number) = inner.unwrap_or((text, ""));
    (name.trim(), number)
}

/// `authentication failure; logname= …` and `2 more authentication failures; logname= …`.
fn failure(text: &str) -> Option<(&str, &str)> {
    let (reason, fields) = text.split_once("; ").filter(|(_, fields)| fields.starts_with("logname="))?;
    reason.contains("authentication failure").then_some((reason, fields))
}

/// `logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root`. Names may hold anything, also what looks
/// like the next field; the address may not hold a space.
fn attempt<'a>(fields: &'a str, reason: &'a str, is_switch: bool) -> Told<'a> {
    let (ahead, peer, user) = rhost(fields).unwrap_or((fields, "", ""));
    let (ahead, remote_user) = ahead.split_once(" ruser=").unwrap_or((ahead, ""));
    let line = ahead.split_once(" tty=").map_or("", |(_, line)| line.trim());
    let count = reason.split_once(" more ").and_then(|(count, _)| count.parse().ok());
    let reason = if count.is_some() { "authentication failure" } else { reason };
    let remote_user = remote_user.trim();
    let user = if user.is_empty() { remote_user } else { user };
    let told = Told { peer, line, count, ..Told::failure(user, reason) };
    if is_switch { Told { act: Act::Switch, actor: remote_user, ..told } } else { told }
}

/// What stands before `rhost=`, its value, and the user behind it.
fn rhost(fields: &str) -> Option<(&str, &str, &str)> {
    fields.match_indices(" rhost=").find_map(|(at, name)| {
        let (ahead, rest) = (fields.get(..at)?, fields.get(at + name.len()..)?);
        let (peer, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let rest = rest.trim();
        let user = rest.strip_prefix("user=");
        (rest.is_empty() || user.is_some()).then_some((ahead, peer, user.unwrap_or_default().trim()))
    })
}

/// Accounts that are locked after too many failures: `pam_tally2`, `pam_faillock`.
fn locked(text: &str) -> Option<&str> {
    if let Some((user, rest)) = text.strip_prefix("user ").and_then(|rest| rest.split_once(" (")) {
        return (rest.contains(") tally ") && rest.contains(", deny ")).then_some(user);
    }
    let rest = text.strip_prefix("Consecutive login failures for user ")?;
    rest.split(' ').next()
}
