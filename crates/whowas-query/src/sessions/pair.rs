//! Pairing within one lane: a single pass over its marks in the order of time. Every inferred end is
//! decided here.

use std::collections::{BTreeMap, BTreeSet};

use whowas_event::{Time, hints::Boundary};

use super::{
    mark::{Mark, RecordKey, Role, Scope, Told, scope_digest},
    row::Row,
    rules::{FormatRules, Keys, SessionRules},
    session::{EndConfidence, EndReason, RecordRef, Session},
};

/// The most records that a session names. A session id that is used for a year of token renewals has 10,000s.
pub const RECORDS_MAX: usize = 1_000;

/// The moments at which no session of one machine goes on, in the order of time.
pub(super) type Boundaries = BTreeSet<(Time, Boundary, RecordKey)>;

/// What comes out of lanes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairing {
    /// Sessions, newest first.
    pub sessions: Vec<Session>,
    /// Sign-outs of which no sign-in is known, in the order of time.
    pub ends_without_start: Vec<LoneEnd>,
}

/// A sign-out of which no sign-in is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoneEnd {
    /// When it happened.
    pub at: Time,
    /// Whose it was, as far as it tells.
    pub user: Option<String>,
    /// The source's session id.
    pub session_uid: Option<String>,
    /// The record.
    pub record: RecordRef,
}

/// What the pass over a lane needs to know.
pub(super) struct Lane<'a> {
    pub(super) is_line: bool,
    pub(super) boundaries: &'a BTreeMap<Scope, Boundaries>,
    pub(super) rules: &'a SessionRules,
    pub(super) as_of: Time,
}

/// Takes what a pass finds, in the order of the lane.
pub(super) trait Sink {
    fn session(&mut self, draft: Draft<'_>, as_of: Time);
    fn lone_end(&mut self, mark: &Mark);
}

impl Sink for Pairing {
    fn session(&mut self, draft: Draft<'_>, as_of: Time) {
        self.sessions.push(draft.into_session(as_of));
    }

    fn lone_end(&mut self, mark: &Mark) {
        self.ends_without_start.push(lone_end(mark));
    }
}

/// Rows do not depend on the instant at which somebody asks.
impl Sink for Vec<Row> {
    fn session(&mut self, draft: Draft<'_>, _: Time) {
        self.push(draft.to_row());
    }

    fn lone_end(&mut self, mark: &Mark) {
        self.push(Row::of_lone_end(mark));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    at: Time,
    reason: EndReason,
    confidence: EndConfidence,
}

impl End {
    fn inferred(at: Time, reason: EndReason) -> Self {
        Self { at, reason, confidence: EndConfidence::Inferred }
    }
}

/// A session of the pass, with the marks it has so far.
pub(super) struct Draft<'m> {
    start: &'m Mark,
    told: Told,
    marks: Vec<&'m Mark>,
    last_seen: Time,
    rules: FormatRules,
    /// The first boundary behind its start.
    boundary: Option<Time>,
    end: Option<End>,
}

impl Lane<'_> {
    /// Pairs the marks of one lane, which come in their order. None of them is a boundary.
    pub(super) fn pair<'m>(&self, marks: impl Iterator<Item = &'m Mark>, out: &mut impl Sink) {
        let mut pass = Pass { lane: self, current: None, out };
        let mut marks = marks.peekable();
        while let Some(first) = marks.next() {
            let mut group = vec![first];
            while let Some(next) = marks.next_if(|next| next.at == first.at) {
                group.push(next);
            }
            pass.instant(first.at, &group);
        }
        pass.finish();
    }

    fn open<'m>(&self, start: &'m Mark) -> Draft<'m> {
        // A clock may have been wrong when the user signed in; the run of the machine tells what lies behind.
        let from = start.booted_at.map_or(start.at, |boot| start.at.max(boot));
        let boundaries = self.boundaries.get(&start.scope()).into_iter().flatten();
        Draft {
            start,
            told: start.told.clone(),
            marks: vec![start],
            last_seen: start.shows_until(),
            rules: self.rules.of(&start.told.format),
            boundary: boundaries.map(|(at, _, _)| *at).find(|at| *at > from),
            end: None,
        }
    }
}

struct Pass<'p, 'm, S> {
    lane: &'p Lane<'p>,
    /// The session that goes on, or the last one that ended.
    current: Option<Draft<'m>>,
    out: &'p mut S,
}

impl<'m, S: Sink> Pass<'_, 'm, S> {
    /// Everything that happened at one instant. The source's order within it is not known: it is chosen such that
    /// most of it makes sense. The session that goes on ends first, if an end fits it; then logins that end at once
    /// come before those that go on.
    fn instant(&mut self, at: Time, group: &[&'m Mark]) {
        let of = |is: fn(&Role) -> bool| -> Vec<&'m Mark> {
            group.iter().copied().filter(|mark| is(&mark.role)).collect()
        };
        let mut ends = Ends::new(of(|role| matches!(role, Role::End(_))));
        let mut starts = of(|role| matches!(role, Role::Start));
        self.infer(at, !starts.is_empty(), !ends.is_empty());
        if let Some(session) = self.current.as_ref().filter(|session| session.end.is_none()) {
            let process = session.start.process;
            let end = ends.take_fitting(process);
            // Whatever ends the line, where nobody else takes it.
            let end = if starts.is_empty() { end.or_else(|| ends.take_any()) } else { end };
            if let Some(end) = end {
                self.end(end);
            }
        }
        starts.sort_by_key(|start| !ends.have_fitting(start.process));
        for start in starts {
            self.start(start);
            if let Some(end) = ends.take_fitting(start.process) {
                self.end(end);
            }
        }
        while let Some(end) = ends.take_any() {
            self.end(end);
        }
        for touch in of(|role| matches!(role, Role::Touch)) {
            self.touch(touch);
        }
    }

    /// Ends the session that goes on if, before `at`, something ended it that no record tells.
    fn infer(&mut self, at: Time, has_starts: bool, has_ends: bool) {
        let Some(session) = self.current.as_mut().filter(|session| session.end.is_none()) else { return };
        let boundary = session.boundary.map(|at| End::inferred(at, EndReason::Shutdown));
        let end = if has_starts {
            [boundary, session.silent_end()].into_iter().flatten().min()
        } else if !has_ends || self.lane.is_line {
            boundary
        } else {
            // Ends are often written while the machine goes down.
            None
        };
        session.end = end.filter(|end| end.at < at);
    }

    fn start(&mut self, start: &'m Mark) {
        if let Some(session) = &mut self.current {
            if session.end.is_none() && session.is_told_again(start) {
                session.add(start);
                return;
            }
            if session.end.is_none() {
                session.end = Some(End::inferred(start.at, EndReason::Superseded));
            }
        }
        self.finish();
        self.current = Some(self.lane.open(start));
    }

    fn end(&mut self, mark: &'m Mark) {
        let Role::End(reason) = mark.role else { return };
        match &mut self.current {
            Some(session) if session.end.is_none() => {
                session.add(mark);
                session.end = Some(End { at: mark.at, reason, confidence: EndConfidence::Explicit });
            }
            Some(session) if session.is_ended_again(mark) => session.add(mark),
            _ => self.out.lone_end(mark),
        }
    }

    /// Belongs to the session that goes on; to none if there is none.
    fn touch(&mut self, mark: &'m Mark) {
        if let Some(session) = self.current.as_mut().filter(|session| session.end.is_none()) {
            session.add(mark);
        }
    }

    /// Hands out the current session.
    fn finish(&mut self) {
        let Some(mut session) = self.current.take() else { return };
        if session.end.is_none() {
            let boundary = session.boundary.map(|at| End::inferred(at, EndReason::Shutdown));
            session.end = [boundary, session.silent_end()].into_iter().flatten().min();
        }
        self.out.session(session, self.lane.as_of);
    }
}

impl<'m> Draft<'m> {
    fn add(&mut self, mark: &'m Mark) {
        self.told.complete(&mark.told);
        if self.end.is_none() {
            self.last_seen = self.last_seen.max(mark.shows_until());
        }
        self.marks.push(mark);
    }

    /// Whether a second start is of this session rather than of the next one.
    fn is_told_again(&self, start: &Mark) -> bool {
        match self.rules.keys {
            Keys::Unique => true,
            Keys::Reused => {
                let ms = start.at.as_ms().saturating_sub(self.start.at.as_ms());
                // Without a process the id is a mere guess, and two logins in a row are two.
                let is_sure = self.start.process.is_some() && self.start.process == start.process;
                is_sure && ms <= self.rules.told_twice_ms && self.told.has_user_of(&start.told)
            }
        }
    }

    /// Whether an end is of this session, which has one already.
    fn is_ended_again(&self, mark: &Mark) -> bool {
        let is_explicit = self.end.is_some_and(|end| end.confidence == EndConfidence::Explicit);
        let ms = self.end.map_or(0, |end| mark.at.as_ms().saturating_sub(end.at.as_ms()));
        is_explicit && (self.rules.keys == Keys::Unique || ms <= self.rules.told_twice_ms && ms > 0)
    }

    /// When silence or age ends it.
    fn silent_end(&self) -> Option<End> {
        let timeout = self
            .rules
            .timeout_ms
            .map(|ms| End::inferred(self.last_seen.saturating_add_ms(ms), EndReason::Timeout));
        let expiry = self
            .rules
            .lifetime_ms
            .map(|ms| End::inferred(self.start.at.saturating_add_ms(ms), EndReason::Expired));
        [timeout, expiry].into_iter().flatten().min()
    }

    fn to_row(&self) -> Row {
        let (end, reason, confidence) = match self.end {
            Some(End { at, reason, confidence }) => (Some(at), reason, confidence),
            None => (None, without_end(self.rules.tells_ends), EndConfidence::None),
        };
        Row {
            start: self.start.at,
            end,
            reason,
            confidence,
            position: self.start.position.unwrap_or_default(),
            scope: scope_digest(&self.start.scope()),
            tells_ends: self.rules.tells_ends,
            is_told_by_start: self.told == self.start.told,
            is_lone_end: false,
        }
    }

    fn into_session(self, as_of: Time) -> Session {
        let Self { start, told, marks, last_seen, rules, boundary: _, end } = self;
        let end = end.filter(|end| !is_pending(end.at, end.reason, end.confidence, as_of));
        let (reason, confidence) = match end {
            Some(end) => (end.reason, end.confidence),
            None => (without_end(rules.tells_ends), EndConfidence::None),
        };
        Session {
            source: start.key.source.clone(),
            format: told.format,
            session_uid: told.session_uid,
            user: told.user,
            user_id: told.user_id,
            domain: told.domain,
            actor: told.actor,
            host: told.host,
            ip: told.ip,
            machine: told.machine,
            line: told.line,
            service: told.service,
            logon_type: told.logon_type,
            start: start.at,
            end: end.map(|end| end.at),
            end_reason: reason,
            end_confidence: confidence,
            last_seen,
            record_count: marks.len(),
            records: shown(&marks),
        }
    }
}

/// Whether an end is one that silence or age will bring, and has not brought yet.
pub(super) fn is_pending(at: Time, reason: EndReason, confidence: EndConfidence, as_of: Time) -> bool {
    let is_silent = matches!(reason, EndReason::Timeout | EndReason::Expired);
    is_silent && confidence == EndConfidence::Inferred && at > as_of
}

/// What is said of a session without an end.
pub(super) const fn without_end(tells_ends: bool) -> EndReason {
    if tells_ends { EndReason::Open } else { EndReason::Unknown }
}

/// The last place before an instant at which a session begins for certain, whatever came before: an instant that
/// has ends and no starts is followed by one that has starts and no ends. Marks are in their order and of one lane;
/// what is found is the first mark of the later instant.
pub(super) fn sure_start(marks: &[&Mark], before: Time) -> Option<usize> {
    let mut found = None;
    let mut is_ended = false;
    let mut at = 0;
    for group in marks.chunk_by(|a, b| a.at == b.at) {
        let has = |is: fn(&Role) -> bool| group.iter().any(|mark| is(&mark.role));
        let (starts, ends) =
            (has(|role| matches!(role, Role::Start)), has(|role| matches!(role, Role::End(_))));
        if is_ended && starts && !ends && group.first().is_some_and(|mark| mark.at < before) {
            found = Some(at);
        }
        // A mere touch after an end changes nothing.
        is_ended = if starts { false } else { is_ended || ends };
        at += group.len();
    }
    found
}

/// The first records and the last one, if there are too many.
fn shown(marks: &[&Mark]) -> Vec<RecordRef> {
    let behind = if marks.len() > RECORDS_MAX { marks.last() } else { None };
    let first = RECORDS_MAX - usize::from(behind.is_some());
    marks.iter().take(first).chain(behind).map(|mark| record(mark)).collect()
}

fn record(mark: &Mark) -> RecordRef {
    RecordRef { position: mark.position, native_id: mark.key.native_id.clone(), revision: mark.revision }
}

fn lone_end(mark: &Mark) -> LoneEnd {
    let (user, session_uid) = (mark.told.user.clone(), mark.told.session_uid.clone());
    LoneEnd { at: mark.at, user, session_uid, record: record(mark) }
}

/// The ends of one instant, by the process they are of. An instant may have any number of them, so none is looked
/// at twice.
struct Ends<'m>(BTreeMap<Option<u32>, Vec<&'m Mark>>);

impl<'m> Ends<'m> {
    /// In the order of marks: the last of each list is the first to be taken.
    fn new(mut ends: Vec<&'m Mark>) -> Self {
        ends.reverse();
        let mut by_process: BTreeMap<_, Vec<&Mark>> = BTreeMap::new();
        for end in ends {
            by_process.entry(end.process).or_default().push(end);
        }
        Self(by_process)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The list that has an end which may be of this process: its own, else one of no known process.
    fn fitting(&self, process: Option<u32>) -> Option<Option<u32>> {
        match process {
            None => self.0.keys().next().copied(),
            known => [known, None].into_iter().find(|key| self.0.contains_key(key)),
        }
    }

    fn have_fitting(&self, process: Option<u32>) -> bool {
        self.fitting(process).is_some()
    }

    fn take_fitting(&mut self, process: Option<u32>) -> Option<&'m Mark> {
        let key = self.fitting(process)?;
        let ends = self.0.get_mut(&key)?;
        let end = ends.pop();
        if ends.is_empty() {
            self.0.remove(&key);
        }
        end
    }

    fn take_any(&mut self) -> Option<&'m Mark> {
        self.take_fitting(None)
    }
}
