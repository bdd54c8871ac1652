//! Whose a record is: which personal fields of it are about one person.
//!
//! A pure decision. The caller collects the person's names (from the directory) and their sessions (from a
//! first pass over the records); what follows from the answer is erased by `erased.rs`.

use std::collections::BTreeSet;

use crate::{Reach, Record};

/// The shortest name that is looked for inside of texts: shorter ones stand in every other word.
pub const MENTION_CHARACTERS_MIN: usize = 3;

/// One person, as records may name them. All in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Ids, login names and addresses.
    pub names: BTreeSet<String>,
    /// Full names, as far as nobody else has them.
    pub full_names: BTreeSet<String>,
    /// Sessions, with their sources.
    pub sessions: BTreeSet<(String, String)>,
}

impl Person {
    /// How much of a record is about the person; `None` if nothing is.
    pub fn reach(&self, record: &Record, raw: &[u8]) -> Option<Reach> {
        if self.is_user(record) || self.is_session(record) {
            return Some(Reach::All);
        }
        let actor = &record.event.actor;
        if [&actor.uid, &actor.name].into_iter().flatten().any(|name| self.has(name)) {
            return Some(Reach::NotUser);
        }
        self.is_mentioned(record, raw).then_some(Reach::Texts)
    }

    /// Whether the record's user is the person. A full name counts where the record has nothing better.
    pub fn is_user(&self, record: &Record) -> bool {
        let user = &record.event.user;
        let mut ids = [&user.uid, &user.name, &user.email_addr].into_iter().flatten().peekable();
        match (ids.peek(), &user.full_name) {
            (Some(_), _) => ids.any(|id| self.has(id)),
            (None, Some(name)) => self.full_names.contains(&name.to_lowercase()),
            (None, None) => false,
        }
    }

    /// Whether the record names nobody, but one of the person's sessions: a sign-out, as a rule.
    fn is_session(&self, record: &Record) -> bool {
        let event = &record.event;
        event.user.is_empty()
            && event.session_uid.as_ref().is_some_and(|uid| {
                !self.sessions.is_empty() && self.sessions.contains(&(record.source.clone(), uid.clone()))
            })
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(&name.to_lowercase())
    }

    fn is_mentioned(&self, record: &Record, raw: &[u8]) -> bool {
        let event = &record.event;
        let texts = [&event.unmapped, &event.status_detail].into_iter().flatten();
        texts.map(String::as_str).any(|text| self.mentions(text))
            || (!raw.is_empty() && self.mentions(&String::from_utf8_lossy(raw)))
    }

    /// Whether a text has one of the names as a word of its own.
    pub fn mentions(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let names = self.names.iter().chain(&self.full_names);
        let mut names = names.filter(|name| name.chars().count() >= MENTION_CHARACTERS_MIN);
        names.any(|name| has_word(&text, name))
    }
}

/// Whether `name` stands in `text` with no letter or digit right before or after it.
fn has_word(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|after| after.chars().next());
        [before, after].into_iter().flatten().all(|c| !c.is_alphanumeric())
    })
}
