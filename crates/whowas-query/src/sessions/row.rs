//! What is kept of a session: its times, why it ended, and which record began it. No text: what a person is called, or
//! where they came from, stays in the record.

use whowas_event::Time;

use super::{
    mark::{Mark, scope_digest},
    pair::{is_pending, sure_start, without_end},
    session::{EndConfidence, EndReason},
};

/// A session, or a sign-out without a sign-in. It does not depend on the instant at which somebody asks: an end
/// that silence brings is there before its time, and [`Row::end_as_of`] says whether it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    /// When it began; of a sign-out without a sign-in, when that was.
    pub(crate) start: Time,
    /// The position of the record that began it. No record begins two.
    pub(crate) position: u64,
    pub(crate) end: Option<Time>,
    pub(crate) reason: EndReason,
    pub(crate) confidence: EndConfidence,
    pub(crate) scope: u32,
    pub(crate) tells_ends: bool,
    /// Whether later records tell nothing that the first does not.
    pub(crate) is_told_by_start: bool,
    pub(crate) is_lone_end: bool,
}

impl Row {
    pub(super) fn of_lone_end(mark: &Mark) -> Self {
        Self {
            start: mark.at,
            position: mark.position.unwrap_or_default(),
            end: Some(mark.at),
            reason: EndReason::Logout,
            confidence: EndConfidence::Explicit,
            scope: scope_digest(&mark.scope()),
            tells_ends: true,
            is_told_by_start: true,
            is_lone_end: true,
        }
    }

    /// End, reason and confidence, as they look at an instant.
    pub(crate) fn end_as_of(&self, as_of: Time) -> (Option<Time>, EndReason, EndConfidence) {
        match self.end {
            Some(end) if is_pending(end, self.reason, self.confidence, as_of) => {
                (None, without_end(self.tells_ends), EndConfidence::None)
            }
            end => (end, self.reason, self.confidence),
        }
    }
}

/// See [`sure_start`]; marks come in any order.
pub(crate) fn sure_start_of(marks: &mut Vec<&Mark>, before: Time) -> Option<Time> {
    marks.sort_unstable();
    sure_start(marks, before).and_then(|at| marks.get(at)).map(|mark| mark.at)
}
