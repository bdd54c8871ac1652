//! One pass over a source: what was asked, when, and what came. The body of a `coverage` record.

use serde_json::{Map, Value, json};
use whowas_event::Time;

use super::IdDigest;

/// How a pass reads, and so what it can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassKind {
    /// The newest records, soon: closes nothing.
    Fast,
    /// All of a window: closes it together with another that returned the same.
    Window,
    /// Everything behind a mark that the source gave and keeps: closes what it read.
    Cursor,
    /// A file that somebody brought.
    File,
}

impl PassKind {
    /// The word in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Window => "window",
            Self::Cursor => "cursor",
            Self::File => "file",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Fast, Self::Window, Self::Cursor, Self::File].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What is known of a source when a pass is made. It stands in the record, so that whoever rebuilds the
/// ledger decides by the same terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Terms {
    /// For how long the source keeps records; `None` for ever, or unknown.
    pub retention_ms: Option<i64>,
    /// How late the source may still add records.
    pub late_ms: i64,
    /// How far apart two passes must be to confirm each other.
    pub settle_ms: i64,
}

/// One pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The source.
    pub source: String,
    /// Which of its streams; `files` for what is brought by hand.
    pub stream: String,
    /// The format of the records.
    pub format: String,
    /// How it read.
    pub kind: PassKind,
    /// From here …
    pub from: Time,
    /// … to before here, by the source's times.
    pub to: Time,
    /// When it ended.
    pub at: Time,
    /// Whether it saw the end.
    pub is_complete: bool,
    /// Why not.
    pub failure: Option<String>,
    /// Whether it returned nothing where the source's rhythm says otherwise.
    pub is_suspicious: bool,
    /// What is known of the source.
    pub terms: Terms,
    /// Different ids within the range.
    pub ids: u64,
    /// Their digest.
    pub digest: IdDigest,
    /// The oldest and newest record's time.
    pub first_occurred_at: Option<Time>,
    /// The newest record's time.
    pub last_occurred_at: Option<Time>,
    /// Records of input.
    pub read: u64,
    /// Records that were new, revisions among them.
    pub recorded: u64,
    /// Records that were there.
    pub duplicate: u64,
    /// Records that were there with other content.
    pub revised: u64,
    /// Records that were refused.
    pub rejected: u64,
    /// Requests it took.
    pub requests: u64,
    /// How often it was told to come back later.
    pub throttled: u64,
    /// Seconds by which the source's clock is ahead of ours, where it tells.
    pub skew_s: Option<i64>,
}

impl Pass {
    /// A pass that has seen nothing yet.
    pub fn new(source: &str, stream: &str, kind: PassKind, (from, to): (Time, Time), at: Time) -> Self {
        Self {
            source: source.to_owned(),
            stream: stream.to_owned(),
            format: String::new(),
            kind,
            from,
            to,
            at,
            is_complete: true,
            failure: None,
            is_suspicious: false,
            terms: Terms::default(),
            ids: 0,
            digest: IdDigest::default(),
            first_occurred_at: None,
            last_occurred_at: None,
            read: 0,
            recorded: 0,
            duplicate: 0,
            revised: 0,
            rejected: 0,
            requests: 0,
            throttled: 0,
            skew_s: None,
        }
    }

    /// Whether it brought records that were not known in any form.
    pub fn brought_news(&self) -> bool {
        self.recorded > self.revised
    }

    /// The body of the record. Nothing in it names people.
    pub fn to_body(&self) -> Value {
        let time = |time: Option<Time>| time.map(|time| time.to_string());
        let mut body = json!({
            "complete": self.is_complete,
            "duplicate": self.duplicate,
            "first_occurred_at": time(self.first_occurred_at),
            "format": self.format,
            "from": self.from.to_string(),
            "ids": self.ids,
            "ids_digest": self.digest.to_hex(),
            "last_occurred_at": time(self.last_occurred_at),
            "late_s": self.terms.late_ms / 1000,
            "pass": self.kind.as_str(),
            "read": self.read,
            "recorded": self.recorded,
            "rejected": self.rejected,
            "requests": self.requests,
            "revised": self.revised,
            "settle_s": self.terms.settle_ms / 1000,
            "source": self.source,
            "stream": self.stream,
            "throttled": self.throttled,
            "to": self.to.to_string(),
        });
        let optional = [
            ("failure", self.failure.as_ref().map(|failure| json!(failure))),
            ("retention_s", self.terms.retention_ms.map(|ms| json!(ms / 1000))),
            ("skew_s", self.skew_s.map(|seconds| json!(seconds))),
            ("suspicious", self.is_suspicious.then_some(Value::Bool(true))),
        ];
        if let Value::Object(members) = &mut body {
            members.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        body
    }

    /// The pass that a body tells of; `None` if it tells of none. `at` is the record's time.
    pub fn from_body(body: &str, at: Time) -> Option<Self> {
        let body: Map<String, Value> = serde_json::from_str(body).ok()?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let time = |name: &str| text(name).and_then(|text| Time::parse_rfc3339(text).ok());
        let count = |name: &str| body.get(name).and_then(Value::as_u64).unwrap_or_default();
        let ms =
            |name: &str| body.get(name).and_then(Value::as_i64).map(|seconds| seconds.saturating_mul(1000));
        let is = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or_default();
        // Records of imports from before there was a ledger say only what they read.
        let (first, last) = (time("first_occurred_at"), time("last_occurred_at"));
        let kind = text("pass").map_or(Some(PassKind::File), PassKind::from_word)?;
        let other = if body.contains_key("dropped") { "received" } else { "files" };
        let stream = text("stream").unwrap_or(other);
        let from = time("from").or(first)?;
        let to = time("to").or(last.map(|last| last.saturating_add_ms(1)))?;
        Some(Self {
            format: text("format").unwrap_or_default().to_owned(),
            is_complete: is("complete"),
            failure: text("failure").map(str::to_owned),
            is_suspicious: is("suspicious"),
            terms: Terms {
                // Datagrams that were lost are lost at once: nobody sends them again.
                retention_ms: ms("retention_s").or(body.contains_key("dropped").then_some(0)),
                late_ms: ms("late_s").unwrap_or_default(),
                settle_ms: ms("settle_s").unwrap_or_default(),
            },
            ids: body.get("ids").and_then(Value::as_u64).unwrap_or_else(|| count("read")),
            digest: text("ids_digest").and_then(IdDigest::from_hex).unwrap_or_default(),
            first_occurred_at: first,
            last_occurred_at: last,
            read: count("read"),
            recorded: count("recorded"),
            duplicate: count("duplicate"),
            revised: count("revised"),
            rejected: count("rejected"),
            requests: count("requests"),
            throttled: count("throttled"),
            skew_s: body.get("skew_s").and_then(Value::as_i64),
            ..Self::new(text("source")?, stream, kind, (from, to), at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        Time::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_pass_is_read_as_it_is_written() {
        let range = (at("2026-11-01T00:00:00Z"), at("2026-11-01T01:00:00Z"));
        let mut pass = Pass::new("entra", "interactiveUser", PassKind::Window, range, range.1);
        pass.terms = Terms { retention_ms: Some(7 * 86_400_000), late_ms: 1000, settle_ms: 2000 };
        pass.digest.add("x");
        (pass.ids, pass.recorded, pass.revised, pass.requests) = (1, 2, 1, 3);
        (pass.is_complete, pass.failure, pass.is_suspicious) = (false, Some("HTTP 503".into()), true);
        (pass.skew_s, pass.last_occurred_at) = (Some(-3), Some(range.0));
        assert_eq!(Pass::from_body(&pass.to_body().to_string(), pass.at), Some(pass));
    }

    #[test]
    fn imports_from_before_the_ledger_cover_what_they_read() {
        let body = r#"{"complete":true,"first_occurred_at":"2026-11-01T00:00:00Z","last_occurred_at":"2026-11-08T00:00:00Z","read":12,"source":"lcs"}"#;
        let pass = Pass::from_body(body, Time::default()).unwrap();
        assert_eq!((pass.kind, pass.ids, pass.stream.as_str()), (PassKind::File, 12, "files"));
        assert_eq!(pass.to.to_string(), "2026-11-08T00:00:00.001Z");
        for body in ["", "[]", "{}", r#"{"source":"x","pass":"other","from":"2026-11-01T00:00:00Z"}"#] {
            assert_eq!(Pass::from_body(body, Time::default()), None, "{body}");
        }
    }
}
