//! What of a record matters for its session, and in which lane it stands.

use sha2::{Digest, Sha256};
use whowas_event::{Activity, Event, Kind, NativeId, SessionHints, Status, Time, hints::Boundary};

use super::{builder::LoginRecord, session::EndReason};

/// What a record does to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Ends it.
    End(EndReason),
    /// Opens one.
    Start,
    /// Shows that it goes on.
    Touch,
    /// Ends all of the machine.
    Boundary(Boundary),
}

/// The identity of a record: deliveries of one record differ only in their revision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RecordKey {
    pub(crate) source: String,
    pub(crate) native_id: String,
    pub(crate) is_derived: bool,
}

impl RecordKey {
    pub(crate) fn of(record: &LoginRecord<'_>) -> Self {
        let id = &record.event.native_id;
        Self {
            source: record.source.to_owned(),
            native_id: id.as_str().to_owned(),
            is_derived: matches!(id, NativeId::Derived(_)),
        }
    }
}

/// By what the records of one session, or of sessions that follow each other, are told from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaneId {
    /// The source's session id.
    Uid(String),
    /// A line of a machine.
    Line {
        /// The machine, where the records name it.
        machine: Option<String>,
        /// The line.
        line: String,
    },
    /// Neither is known: the native id of the one record.
    Alone(String),
}

/// A lane: records in it are paired with each other and with no others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneKey {
    /// Session ids and lines are unique within one source at most.
    pub source: String,
    /// What tells lanes apart.
    pub id: LaneId,
}

impl LaneKey {
    /// 64 bits by which lanes are looked up on disk. Two lanes of one digest are looked at together and paired
    /// each for itself, so a collision costs time and nothing else.
    pub(crate) fn digest(&self) -> u64 {
        match &self.id {
            LaneId::Uid(uid) => digest(&[&self.source, "uid", uid]),
            LaneId::Line { machine: Some(machine), line } => digest(&[&self.source, "line", line, machine]),
            LaneId::Line { machine: None, line } => digest(&[&self.source, "line", line]),
            LaneId::Alone(id) => digest(&[&self.source, "alone", id]),
        }
    }
}

/// A machine, as far as records of one source name it. A boundary holds for one of these.
pub(crate) type Scope = (String, Option<String>);

/// 32 bits by which a machine's sessions are found; a collision makes lanes be looked at for nothing.
pub(crate) fn scope_digest((source, machine): &Scope) -> u32 {
    let whole = match machine {
        Some(machine) => digest(&[source, machine]),
        None => digest(&[source]),
    };
    u32::try_from(whole >> 32).unwrap_or_default()
}

/// Stays the same on disk, unlike a hasher of the standard library. Each part's length goes before it.
fn digest(parts: &[&str]) -> u64 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// What is kept of a record. The order of members is the order of marks within a lane: by time, and among
/// equals in any order that depends on nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) at: Time,
    pub(crate) role: Role,
    pub(crate) key: RecordKey,
    pub(crate) revision: u32,
    pub(crate) position: Option<u64>,
    pub(crate) process: Option<u32>,
    pub(crate) booted_at: Option<Time>,
    /// Until when the source knows the session to go on.
    pub(crate) last_seen_at: Option<Time>,
    pub(crate) told: Told,
}

/// What a record tells about its session, beside the times.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    pub(crate) format: String,
    pub(crate) session_uid: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) machine: Option<String>,
    pub(crate) line: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) logon_type: Option<String>,
}

impl Mark {
    /// What matters of a record; `None` if it has nothing to do with sessions.
    pub(crate) fn of(record: &LoginRecord<'_>, key: RecordKey) -> Option<Self> {
        let event = record.event;
        let hints = SessionHints::of(event);
        let role = role(event, &hints)?;
        let told = told(record, &hints);
        Some(Self {
            at: event.occurred_at,
            role,
            key,
            revision: record.revision,
            position: record.position,
            process: hints.process,
            booted_at: hints.booted_at,
            last_seen_at: hints.last_seen_at,
            told,
        })
    }

    /// The last moment at which this record shows its session.
    pub(super) fn shows_until(&self) -> Time {
        self.last_seen_at.map_or(self.at, |seen| seen.max(self.at))
    }

    pub(crate) fn lane(&self) -> LaneKey {
        let id = match (&self.told.session_uid, &self.told.line) {
            (Some(uid), _) => LaneId::Uid(uid.clone()),
            (None, Some(line)) => LaneId::Line { machine: self.told.machine.clone(), line: line.clone() },
            (None, None) => LaneId::Alone(self.key.native_id.clone()),
        };
        LaneKey { source: self.key.source.clone(), id }
    }

    pub(crate) fn scope(&self) -> Scope {
        (self.key.source.clone(), self.told.machine.clone())
    }
}

/// What a record does, if anything. This is the one place that says what opens a session.
fn role(event: &Event, hints: &SessionHints) -> Option<Role> {
    if event.kind != Kind::Login || event.status == Status::Failure {
        return None;
    }
    if let Some(boundary) = hints.boundary {
        return Some(Role::Boundary(boundary));
    }
    let has_id = event.session_uid.is_some();
    // A source that does not tell how it ended tells of what took place; any other outcome is no success.
    let is_success = matches!(event.status, Status::Success | Status::Unknown);
    match event.activity {
        Activity::Logon if is_success => Some(Role::Start),
        Activity::AccountSwitch if is_success && has_id => Some(Role::Start),
        Activity::Logoff => Some(Role::End(EndReason::of_sign_out(hints.end.as_deref()))),
        _ => has_id.then_some(Role::Touch),
    }
}

fn told(record: &LoginRecord<'_>, hints: &SessionHints) -> Told {
    let event = record.event;
    let (user, src) = (&event.user, &event.src_endpoint);
    Told {
        format: record.format.to_owned(),
        session_uid: event.session_uid.clone(),
        user: [&user.name, &user.email_addr, &user.full_name].into_iter().find_map(Clone::clone),
        user_id: user.uid.clone(),
        domain: user.domain.clone(),
        actor: event.actor.name.clone().or_else(|| event.actor.uid.clone()),
        host: src.hostname.clone().or_else(|| src.ip.clone()),
        ip: src.ip.clone(),
        machine: event.dst_hostname.clone(),
        line: hints.line.clone(),
        service: event.service.name.clone(),
        logon_type: event.logon_type.clone(),
    }
}

impl Told {
    /// What a session tells.
    pub(crate) fn of_session(session: &super::Session) -> Self {
        Self {
            format: session.format.clone(),
            session_uid: session.session_uid.clone(),
            user: session.user.clone(),
            user_id: session.user_id.clone(),
            domain: session.domain.clone(),
            actor: session.actor.clone(),
            host: session.host.clone(),
            ip: session.ip.clone(),
            machine: session.machine.clone(),
            line: session.line.clone(),
            service: session.service.clone(),
            logon_type: session.logon_type.clone(),
        }
    }

    /// Takes from a later record what the earlier ones did not tell.
    pub(crate) fn complete(&mut self, later: &Self) {
        for (slot, more) in [
            (&mut self.session_uid, &later.session_uid),
            (&mut self.user, &later.user),
            (&mut self.user_id, &later.user_id),
            (&mut self.domain, &later.domain),
            (&mut self.actor, &later.actor),
            (&mut self.host, &later.host),
            (&mut self.ip, &later.ip),
            (&mut self.machine, &later.machine),
            (&mut self.line, &later.line),
            (&mut self.service, &later.service),
            (&mut self.logon_type, &later.logon_type),
        ] {
            if slot.is_none() {
                slot.clone_from(more);
            }
        }
    }

    /// Whether both may speak of one user.
    pub(super) fn has_user_of(&self, other: &Self) -> bool {
        match (&self.user, &other.user) {
            (Some(one), Some(two)) => one.eq_ignore_ascii_case(two),
            _ => true,
        }
    }
}
