//! What of a record matters for its session, and in which lane it stands.

use whowas_event::{Activity, Event, Kind, NativeId, SessionHints, Status, Time, hints::Boundary};

use super::{builder::LoginRecord, session::EndReason};

/// What a record does to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
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
pub(super) struct RecordKey {
    pub(super) source: String,
    pub(super) native_id: String,
    pub(super) is_derived: bool,
}

impl RecordKey {
    pub(super) fn of(record: &LoginRecord<'_>) -> Self {
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

/// A machine, as far as records of one source name it. A boundary holds for one of these.
pub(super) type Scope = (String, Option<String>);

/// What is kept of a record. The order of members is the order of marks within a lane: by time, and among
/// equals in any order that depends on nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) at: Time,
    pub(super) role: Role,
    pub(super) key: RecordKey,
    pub(super) revision: u32,
    pub(super) position: Option<u64>,
    pub(super) process: Option<u32>,
    pub(super) booted_at: Option<Time>,
    /// Until when the source knows the session to go on.
    pub(super) last_seen_at: Option<Time>,
    pub(super) told: Told,
}

/// What a record tells about its session, beside the times.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Told {
    pub(super) format: String,
    pub(super) session_uid: Option<String>,
    pub(super) user: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) actor: Option<String>,
    pub(super) host: Option<String>,
    pub(super) ip: Option<String>,
    pub(super) machine: Option<String>,
    pub(super) line: Option<String>,
    pub(super) service: Option<String>,
    pub(super) logon_type: Option<String>,
}

impl Mark {
    /// What matters of a record; `None` if it has nothing to do with sessions.
    pub(super) fn of(record: &LoginRecord<'_>, key: RecordKey) -> Option<Self> {
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

    pub(super) fn lane(&self) -> LaneKey {
        let id = match (&self.told.session_uid, &self.told.line) {
            (Some(uid), _) => LaneId::Uid(uid.clone()),
            (None, Some(line)) => LaneId::Line { machine: self.told.machine.clone(), line: line.clone() },
            (None, None) => LaneId::Alone(self.key.native_id.clone()),
        };
        LaneKey { source: self.key.source.clone(), id }
    }

    pub(super) fn scope(&self) -> Scope {
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
    /// Takes from a later record what the earlier ones did not tell.
    pub(super) fn complete(&mut self, later: &Self) {
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
