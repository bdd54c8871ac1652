//! Messages of OpenSSH's server.

use crate::authmessage::{Meaning, Told};

/// How many places of a message may name the other end. A name has at most 255 bytes, and so 42 of them.
const CANDIDATES_MAX: usize = 64;

/// Reads a message; what is no sign-in is set aside.
pub(crate) fn understand(message: &str) -> Meaning<'_> {
    let message =
        ["error: ", "fatal: "].into_iter().find_map(|level| message.strip_prefix(level)).unwrap_or(message);
    let bare = message.strip_suffix(" [preauth]").unwrap_or(message);
    let told = accepted(bare)
        .or_else(|| failed(bare))
        .or_else(|| refused(bare))
        .or_else(|| pam(bare))
        .or_else(|| given_up(bare, bare.len() < message.len()));
    told.map_or(Meaning::Aside("sshd: connections and details"), Meaning::Told)
}

/// `Accepted publickey for ada from 192.0.2.1 port 50123 ssh2: …`
fn accepted(message: &str) -> Option<Told<'_>> {
    let (method, rest) = message.strip_prefix("Accepted ")?.split_once(" for ")?;
    let peer = Peer::at_end_of(rest)?;
    Some(Told { user: peer.before, method, ..peer.told() })
}

/// `Failed password for invalid user ada from 192.0.2.1 port 50123 ssh2`
fn failed(message: &str) -> Option<Told<'_>> {
    let attempts = "maximum authentication attempts exceeded";
    let (method, reason, rest) = if let Some(rest) = message.strip_prefix(attempts) {
        ("", attempts, rest.strip_prefix(" for")?)
    } else {
        let (method, rest) = message.strip_prefix("Failed ")?.split_once(" for")?;
        (method, message.get(.."Failed ".len() + method.len())?, rest)
    };
    let (rest, is_unknown) = known_or_not(rest);
    let peer = Peer::at_end_of(rest)?;
    let reason = if is_unknown { "invalid user" } else { reason };
    Some(Told { is_failure: true, user: user(peer.before), method, reason, ..peer.told() })
}

/// `Invalid user ada from 192.0.2.1 port 50123`, `User ada from 192.0.2.1 not allowed because …`,
/// `ROOT LOGIN REFUSED FROM 192.0.2.1`, `refused connect from …`.
fn refused(message: &str) -> Option<Told<'_>> {
    for prefix in ["Invalid user", "Illegal user"] {
        if let Some(rest) = message.strip_prefix(prefix) {
            let peer = Peer::at_end_of(rest)?;
            return Some(Told { is_failure: true, user: user(peer.before), reason: prefix, ..peer.told() });
        }
    }
    if let Some((who, reason)) =
        message.strip_prefix("User ").and_then(|rest| rest.rsplit_once(" not allowed because "))
    {
        let (name, peer) = who.rsplit_once(" from ").unwrap_or((who, ""));
        return Some(Told { peer, ..Told::failure(name, reason) });
    }
    if let Some(rest) = message.strip_prefix("ROOT LOGIN REFUSED FROM ") {
        let (peer, port) = rest.split_once(" port ").unwrap_or((rest, ""));
        return Some(Told { peer, port: port.parse().ok(), ..Told::failure("root", "ROOT LOGIN REFUSED") });
    }
    let rest = message.strip_prefix("refused connect from ")?;
    let (named, address) = rest.rsplit_once(" (").unwrap_or((rest, ""));
    let peer = if address.is_empty() { named } else { address.trim_end_matches(')') };
    Some(Told { peer, ..Told::failure("", "refused connect") })
}

/// `PAM: Authentication failure for ada from 192.0.2.1`
fn pam(message: &str) -> Option<Told<'_>> {
    let (reason, rest) = message.strip_prefix("PAM: ")?.split_once(" for")?;
    let (rest, _) = known_or_not(rest);
    let peer = Peer::at_end_of(rest)?;
    Some(Told { is_failure: true, user: user(peer.before), reason, ..peer.told() })
}

/// Connections that ended before anybody was signed in. With the user, where sshd knows the name by then.
fn given_up(message: &str, is_before_sign_in: bool) -> Option<Told<'_>> {
    let too_many = ": Too many authentication failures";
    if let Some(rest) = message.strip_prefix("Disconnecting") {
        let (who, named) = rest.split_once(too_many)?;
        let told = Told::failure(
            named.strip_prefix(" for ").unwrap_or_default(),
            "Too many authentication failures",
        );
        let Some((user, peer, port)) = of_user(who.trim_start()) else { return Some(told) };
        return Some(Told { user, peer, port, ..told });
    }
    for ended in ["Connection closed by ", "Connection reset by ", "Disconnected from "] {
        if let Some((user, peer, port)) = message.strip_prefix(ended).and_then(of_user) {
            return Some(Told { peer, port, ..Told::failure(user, ended.trim_end()) });
        }
    }
    let rest = message.strip_prefix("Received disconnect from ").filter(|_| is_before_sign_in)?;
    let (peer, reason) = match rest.split_once(" port ") {
        Some((peer, rest)) => (peer, rest),
        None => rest.split_once(": ")?,
    };
    let (port, reason) = reason
        .split_once(':')
        .filter(|(port, _)| rest.contains(" port ") && !port.is_empty())
        .unwrap_or(("", reason));
    Some(Told { peer, port: port.parse().ok(), ..Told::failure("", reason.trim_start()) })
}

/// `authenticating user ada 192.0.2.1 port 50123`. Whoever is signed in already is not meant.
fn of_user(text: &str) -> Option<(&str, &str, Option<u16>)> {
    let rest =
        ["authenticating user ", "invalid user "].into_iter().find_map(|who| text.strip_prefix(who))?;
    let (rest, port) = rest.rsplit_once(" port ")?;
    let (user, peer) = rest.rsplit_once(' ')?;
    Some((user.trim_end(), peer, port.parse().ok()))
}

/// What stands behind `invalid user`, and whether it stood there.
fn known_or_not(text: &str) -> (&str, bool) {
    [" invalid user", " illegal user"]
        .into_iter()
        .find_map(|unknown| text.strip_prefix(unknown))
        .map_or((text, false), |rest| (rest, true))
}

/// A name as it was typed; sshd writes `<invalid username>` for what it will not write.
fn user(text: &str) -> &str {
    let name = text.trim();
    if name == "<invalid username>" { "" } else { name }
}

/// The other end of the connection, as sshd writes it behind the user.
struct Peer<'a> {
    before: &'a str,
    address: &'a str,
    port: Option<u16>,
}

impl<'a> Peer<'a> {
    /// The last ` from ADDRESS port N` behind which nothing but the protocol and a note follows; else the last
    /// ` from ADDRESS`. A user name may look like one, but stands in front.
    fn at_end_of(text: &'a str) -> Option<Self> {
        let candidates = || {
            let places = text.rmatch_indices(" from ").map(|(at, _)| at).take(CANDIDATES_MAX);
            places.filter_map(|at| Some((text.get(..at)?, text.get(at + " from ".len()..)?)))
        };
        let with_port = candidates().find_map(|(before, rest)| {
            let (address, rest) = rest.split_once(" port ")?;
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (port, rest) = rest.split_at_checked(digits)?;
            let rest = [" ssh2", " ssh1"]
                .into_iter()
                .find_map(|protocol| rest.strip_prefix(protocol))
                .unwrap_or(rest);
            let is_end = rest.is_empty() || rest.starts_with(':') || rest.starts_with(" [");
            (is_end && !address.contains(' ')).then(|| Self { before, address, port: port.parse().ok() })
        });
        with_port.or_else(|| {
            candidates().find_map(|(before, rest)| {
                let (address, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                let is_end = rest.is_empty() || rest.starts_with("via ") || rest.starts_with("ssh");
                is_end.then_some(Self { before, address, port: None })
            })
        })
    }

    fn told(&self) -> Told<'a> {
        Told { peer: self.address, port: self.port, ..Told::default() }
    }
}
