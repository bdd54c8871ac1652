//! What a message of a Unix log says about signing in: sshd, PAM, login, su, sudo, dropbear, systemd-logind.
//!
//! Texts are those of the programs' sources: OpenSSH `auth.c`, `auth2.c`, `packet.c`; Linux-PAM
//! `pam_unix_sess.c`, `support.c`; sudo `logging.c`; util-linux and shadow `login`, `su`; dropbear
//! `svr-auth*.c`. A name that somebody typed may itself look like the rest of a message: what is read
//! is the part at the end, which the program wrote.

use whowas_event::hints::Boundary;

use crate::{pammessage, sshdmessage};

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning<'a> {
    /// Something to record.
    Told(Told<'a>),
    /// No sign-in: what it is instead.
    Aside(&'a str),
}

/// What took place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Act {
    /// A user signed in.
    #[default]
    Logon,
    /// A user's session ended.
    Logoff,
    /// A user went on as another.
    Switch,
    /// The same, over.
    SwitchBack,
    /// The machine stopped or started.
    Machine(Boundary),
}

/// The facts of a message; texts that are empty say nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told<'a> {
    pub(crate) act: Act,
    pub(crate) is_failure: bool,
    /// The service, where it is another than the program.
    pub(crate) service: &'a str,
    pub(crate) user: &'a str,
    /// The number of the user on the machine.
    pub(crate) user_number: &'a str,
    /// Who became the user.
    pub(crate) actor: &'a str,
    /// Where the user came from: an address or a name.
    pub(crate) peer: &'a str,
    pub(crate) port: Option<u16>,
    /// How the user proved to be it.
    pub(crate) method: &'a str,
    pub(crate) line: &'a str,
    /// Why it failed, in the source's words.
    pub(crate) reason: &'a str,
    /// How many times, where a message stands for several.
    pub(crate) count: Option<u32>,
}

impl<'a> Told<'a> {
    /// An attempt that failed.
    pub(crate) fn failure(user: &'a str, reason: &'a str) -> Self {
        Self { is_failure: true, user, reason, ..Self::default() }
    }
}

/// Reads a message of a program.
pub(crate) fn understand<'a>(program: &'a str, message: &'a str) -> Meaning<'a> {
    let message = without_solaris_id(message.trim());
    match repeated(message).map(|(inner, count)| (one(program, inner), count)) {
        Some((Meaning::Told(told), count)) => Meaning::Told(Told { count: Some(count), ..told }),
        Some((aside, _)) => aside,
        None => one(program, message),
    }
}

/// Reads a message that stands for itself.
fn one<'a>(program: &'a str, message: &'a str) -> Meaning<'a> {
    if let Some(meaning) = pammessage::understand(program, message) {
        return meaning;
    }
    let told = match program {
        "sshd" | "sshd-session" | "sshd-auth" => return sshdmessage::understand(message),
        "sudo" => return sudo(message),
        "su" => su(message),
        "login" => login(message),
        "dropbear" => dropbear(message),
        "systemd-logind" => ["System is powering down", "System is rebooting", "System is halting"]
            .into_iter()
            .any(|text| message.starts_with(text))
            .then(|| Told { act: Act::Machine(Boundary::Shutdown), ..Told::default() }),
        "kernel" => without_uptime(message)
            .starts_with("Linux version ")
            .then(|| Told { act: Act::Machine(Boundary::Boot), ..Told::default() }),
        _ => None,
    };
    told.map_or(
        Meaning::Aside(if program.is_empty() { "no program is named" } else { program }),
        Meaning::Told,
    )
}

/// Whether a program is one that only logs of sign-ins have.
pub(crate) fn is_of_auth_log(program: &str, message: &str) -> bool {
    matches!(program, "sshd" | "sshd-session" | "sudo" | "su" | "login" | "systemd-logind" | "dropbear")
        || pammessage::is_pam(message)
}

/// Solaris puts `[ID 800047 auth.info] ` in front.
fn without_solaris_id(message: &str) -> &str {
    let inner = message.strip_prefix("[ID ").and_then(|rest| rest.split_once("] "));
    inner.map_or(message, |(_, rest)| rest)
}

/// The kernel puts `[    0.000000] ` in front.
fn without_uptime(message: &str) -> &str {
    message.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(message, |(_, rest)| rest)
}

/// rsyslog's `message repeated 3 times: [ Failed password …]`.
fn repeated(message: &str) -> Option<(&str, u32)> {
    let (count, inner) = message.strip_prefix("message repeated ")?.split_once(" times: [")?;
    Some((inner.strip_suffix(']')?.trim_start(), count.parse().ok()?))
}

/// `ada : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls`, or a reason in front of `TTY=`.
fn sudo(message: &str) -> Meaning<'_> {
    let Some((actor, rest)) = message.split_once(" : ") else { return Meaning::Aside("sudo") };
    let (reason, fields) = rest.split_once(" ; ").unwrap_or((rest, ""));
    if reason.contains('=') || reason.starts_with("(command continued)") {
        return Meaning::Aside("command by sudo");
    }
    let field =
        |name: &str| fields.split(" ; ").find_map(|field| field.strip_prefix(name)).unwrap_or_default();
    let (user, line) = (field("USER="), field("TTY="));
    Meaning::Told(Told { act: Act::Switch, actor: actor.trim(), line, ..Told::failure(user, reason) })
}

/// Shadow, util-linux and BSD: `Successful su for root by ada`, `(to root) ada on pts/0`, `ada to root on ttyp0`,
/// and the same with `FAILED` or `BAD` in front.
fn su(message: &str) -> Option<Told<'_>> {
    let reason = ["FAILED su", "FAILED SU", "BAD SU"].into_iter().find(|failed| message.starts_with(failed));
    let rest = reason.map_or(message, |reason| message.trim_start_matches(reason)).trim_start();
    let rest = rest.strip_prefix("Successful su ").unwrap_or(rest);
    let (user, actor, line) = if let Some(rest) = rest.strip_prefix("for ") {
        let (user, actor) = rest.rsplit_once(" by ")?;
        (user, actor, "")
    } else if let Some((user, rest)) = rest.strip_prefix("(to ").and_then(|rest| rest.split_once(") ")) {
        let (actor, line) = rest.rsplit_once(" on ").unwrap_or((rest, ""));
        (user, actor, line)
    } else {
        let (names, line) = rest.rsplit_once(" on ")?;
        let (actor, user) = names.split_once(" to ")?;
        (user, actor, line)
    };
    let told = Told { act: Act::Switch, user, actor, line, ..Told::default() };
    Some(Told { is_failure: reason.is_some(), reason: reason.unwrap_or_default(), ..told })
}

/// util-linux and shadow.
fn login(message: &str) -> Option<Told<'_>> {
    let line = |text| word_after(message, text).trim_matches('\'');
    let from = word_after(message, " FROM ").trim_matches('\'');
    if message.starts_with("LOGIN ON ") || message.starts_with("DIALUP AT ") {
        let tty = if message.starts_with('L') { line("LOGIN ON ") } else { line("DIALUP AT ") };
        let user = word_after(message, " BY ");
        return Some(Told { user, line: tty, peer: from, ..Told::default() });
    }
    if message.starts_with("ROOT LOGIN") {
        let tty = [" ON ", " on "].map(line).into_iter().find(|tty| !tty.is_empty()).unwrap_or_default();
        return Some(Told { user: "root", line: tty, peer: from, ..Told::default() });
    }
    let is_failure = message.starts_with("FAILED LOGIN") || message.starts_with("TOO MANY LOGIN TRIES");
    let (_, rest) = message.split_once(" FOR ").filter(|_| is_failure)?;
    let (user, reason) = rest.rsplit_once(", ").unwrap_or((rest, ""));
    let told = Told::failure(user.trim_matches(['\'', '`']), reason);
    Some(Told { line: line(" on "), peer: from, ..told })
}

/// The small ssh server of routers.
fn dropbear(message: &str) -> Option<Told<'_>> {
    let user =
        message.split_once('\'').and_then(|(_, rest)| rest.split_once('\'')).map_or("", |(user, _)| user);
    let told = if message.starts_with("Password auth succeeded") {
        Told { user, method: "password", ..Told::default() }
    } else if message.starts_with("Pubkey auth succeeded") {
        Told { user, method: "publickey", ..Told::default() }
    } else if message.starts_with("Bad password attempt") {
        Told { method: "password", ..Told::failure(user, "Bad password attempt") }
    } else if message.starts_with("Login attempt for nonexistent user") {
        Told::failure(user, "nonexistent user")
    } else {
        let (user, _) = message.strip_prefix("Exit (")?.split_once(')')?;
        return Some(Told { act: Act::Logoff, user, ..Told::default() });
    };
    let (peer, port) = message
        .rsplit_once(" from ")
        .and_then(|(_, peer)| peer.trim_matches(['<', '>']).rsplit_once(':'))
        .unwrap_or_default();
    Some(Told { peer, port: port.parse().ok(), ..told })
}

/// What follows a text, if it occurs.
fn after<'a>(message: &'a str, text: &str) -> Option<&'a str> {
    message.split_once(text).map(|(_, rest)| rest)
}

/// The word that follows a text, or nothing.
fn word_after<'a>(message: &'a str, text: &str) -> &'a str {
    after(message, text).and_then(|rest| rest.split([' ', ',']).next()).unwrap_or_default()
}
