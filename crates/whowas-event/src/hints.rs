//! What a record says about the session it belongs to, beyond its fields: the member `session` of `unmapped`.
//!
//! Formats write these hints and the pairing of sessions reads them, so their names stand here once. A
//! member that is missing or of another type says nothing.
//!
//! | member | value | meaning |
//! |---|---|---|
//! | `line` | text | terminal or line, such as `pts/0`; sessions of a source without session ids are told apart by it |
//! | `process` | integer | id of the process that holds the line; tells logins of one instant apart |
//! | `booted_at` | RFC 3339 | start of the machine's run in which this happened, where the source's order tells it |
//! | `boundary` | `boot`, `shutdown` | the whole machine started or stopped: nobody's session goes on behind it |
//! | `end` | `logout`, `expired`, `revoked`, `timeout`, `shutdown` | why a session ended, where a sign-out tells |
//!
//! Beside it, as a member of `unmapped` itself, stands `last_seen_at` (RFC 3339): until then, by the source, the session that
//! begins with this record went on.

use serde_json::{Map, Value, json};

use crate::{Event, Time};

/// The member of `unmapped` that holds the hints.
pub const SESSION: &str = "session";

/// A moment at which no session of a machine goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Boundary {
    /// The machine starts. Whatever went on before ended at some time before.
    Boot,
    /// The machine stops, or begins to.
    Shutdown,
}

impl Boundary {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Shutdown => "shutdown",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "boot" => Some(Self::Boot),
            "shutdown" => Some(Self::Shutdown),
            _ => None,
        }
    }
}

/// The hints of one record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionHints {
    /// Terminal or line.
    pub line: Option<String>,
    /// Process that holds it.
    pub process: Option<u32>,
    /// Start of the machine's run.
    pub booted_at: Option<Time>,
    /// The machine started or stopped.
    pub boundary: Option<Boundary>,
    /// The source's reason for the end.
    pub end: Option<String>,
    /// The last sign of life that the source knows.
    pub last_seen_at: Option<Time>,
}

impl SessionHints {
    /// The hints of an event.
    pub fn of(event: &Event) -> Self {
        let says_anything = |text: &&str| text.contains("\"session\"") || text.contains("\"last_seen_at\"");
        let Some(unmapped) = event.unmapped.as_deref().filter(says_anything) else {
            return Self::default();
        };
        let unmapped: Value = serde_json::from_str(unmapped).unwrap_or_default();
        let hint = |name| unmapped.get(SESSION).and_then(|hints| hints.get(name));
        let text = |name| hint(name).and_then(Value::as_str);
        Self {
            line: text("line").map(str::to_owned),
            process: hint("process").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()),
            booted_at: text("booted_at").and_then(|time| Time::parse_rfc3339(time).ok()),
            boundary: text("boundary").and_then(Boundary::from_word),
            end: text("end").map(str::to_owned),
            last_seen_at: unmapped
                .get("last_seen_at")
                .and_then(Value::as_str)
                .and_then(|time| Time::parse_rfc3339(time).ok()),
        }
    }

    /// Adds the hints, if there are any, to the members of an `unmapped` object.
    pub fn write(&self, unmapped: &mut Map<String, Value>) {
        let members = [
            ("line", self.line.as_ref().map(|line| json!(line))),
            ("process", self.process.map(|id| json!(id))),
            ("booted_at", self.booted_at.map(|time| json!(time.to_string()))),
            ("boundary", self.boundary.map(|boundary| json!(boundary.as_str()))),
            ("end", self.end.as_ref().map(|reason| json!(reason))),
        ];
        if let Some(time) = self.last_seen_at {
            unmapped.insert("last_seen_at".to_owned(), json!(time.to_string()));
        }
        let members: Map<String, Value> =
            members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        if !members.is_empty() {
            unmapped.insert(SESSION.to_owned(), Value::Object(members));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jcs;

    #[test]
    fn hints_are_read_as_they_are_written() {
        let hints = SessionHints {
            line: Some("pts/0".to_owned()),
            process: Some(4711),
            booted_at: Some(Time::parse_rfc3339("2026-11-24T07:00:00Z").unwrap()),
            boundary: Some(Boundary::Shutdown),
            end: Some("expired".to_owned()),
            last_seen_at: Some(Time::parse_rfc3339("2026-11-24T08:00:00Z").unwrap()),
        };
        let mut members = Map::new();
        hints.write(&mut members);
        let unmapped = Some(jcs::canonical(&Value::Object(members)).unwrap());
        assert_eq!(SessionHints::of(&Event { unmapped, ..Event::default() }), hints);
        let mut members = Map::new();
        SessionHints::default().write(&mut members);
        assert!(members.is_empty());
    }

    #[test]
    fn what_others_call_a_session_says_nothing() {
        for unmapped in
            ["{\"session\":7}", "{\"session\":{\"line\":7,\"process\":-1,\"boundary\":\"x\"}}", "{"]
        {
            let event = Event { unmapped: Some(unmapped.to_owned()), ..Event::default() };
            assert_eq!(SessionHints::of(&event), SessionHints::default(), "{unmapped}");
        }
    }
}
