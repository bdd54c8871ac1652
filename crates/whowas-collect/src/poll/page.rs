//! One page of records: parsed by its format, admitted, and compared with the directory.

use sha2::{Digest, Sha256};
use whowas_event::{
    Admitted, Draft, Event, Kind, Time,
    admit::{RawData, admit_or_return},
};
use whowas_format::{Item, ReadError, Stop, contract::Place};
use whowas_store::{Directory, control::Rejected};

use super::cursor::{Cursor, Running};

/// What a page brings.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) records: Vec<Admitted>,
    pub(crate) rejected: Vec<Rejected>,
    /// People who are in the directory as they are.
    pub(crate) unchanged: u64,
    /// Well-formed records that are no sign-ins.
    pub(crate) set_aside: u64,
}

/// Where a page is from, and how it is read.
pub(crate) struct Reading<'a> {
    pub(crate) source: &'a str,
    pub(crate) format: &'static str,
    pub(crate) raw: RawData,
    pub(crate) received_at: Time,
    pub(crate) directory: &'a Directory,
}

impl Reading<'_> {
    /// Reads a page. What it says of the pass is noted in `running`.
    pub(crate) fn read(
        &self,
        body: &[u8],
        cursor: &mut Cursor,
        running: &mut Running,
    ) -> Result<Page, ReadError> {
        let mut page = Page::default();
        let options = whowas_format::Options {
            source_timezone: jiff::tz::TimeZone::UTC,
            date_order: None,
            received_at: self.received_at,
            file_time: self.received_at,
        };
        let mut bytes = body;
        let mut sink = |item: Item| -> Result<(), Stop> {
            match item {
                Item::Draft(draft, _) => self.draft(draft, cursor, running, &mut page),
                Item::Problem(problem) => {
                    self.refuse(problem.place, problem.reason, &problem.raw, cursor, running, &mut page);
                }
                Item::SetAside { .. } => page.set_aside += 1,
            }
            Ok(())
        };
        let input = whowas_format::Input::Stream(&mut bytes);
        whowas_format::read_all(input, "page", Some(self.format), &options, &mut sink)?;
        Ok(page)
    }

    fn draft(&self, mut draft: Draft, cursor: &mut Cursor, running: &mut Running, page: &mut Page) {
        let (id, at) = (draft.event.native_id.as_str().to_owned(), draft.event.occurred_at);
        if draft.event.kind == Kind::Identity {
            complete_removed(&mut draft.event, self.directory);
            if is_known(&draft.event, self.directory) {
                running.note(&id, None);
                page.unchanged += 1;
                return;
            }
            running.note(&id, None);
        } else {
            running.note(&id, Some(at));
        }
        match admit_or_return(draft, self.raw) {
            Ok(admitted) => page.records.push(admitted),
            Err((rejection, raw)) => {
                self.keep(Place::default(), rejection.to_string(), &raw, cursor, running, page);
            }
        }
    }

    fn refuse(
        &self,
        place: Place,
        reason: String,
        raw: &[u8],
        cursor: &mut Cursor,
        running: &mut Running,
        page: &mut Page,
    ) {
        // Without an id that is understood, its bytes stand for it.
        running.note(&format!("{:016x}", digest(raw)), None);
        self.keep(place, reason, raw, cursor, running, page);
    }

    fn keep(
        &self,
        place: Place,
        reason: String,
        raw: &[u8],
        cursor: &mut Cursor,
        running: &mut Running,
        page: &mut Page,
    ) {
        running.rejected += 1;
        if !cursor.refuse(digest(raw)) {
            return;
        }
        page.rejected.push(Rejected {
            id: 0,
            received_at: self.received_at,
            source: self.source.to_owned(),
            format: self.format.to_owned(),
            input: format!("{} to {}", running.from, running.to),
            record: place.record,
            line: place.line,
            column: place.column,
            reason,
            raw: raw.to_vec(),
        });
    }
}

fn digest(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(*Sha256::digest(bytes).first_chunk().expect("a SHA-256 digest has 32 bytes"))
}

/// Whether the directory has a person as a source tells of them. Sources tell of all people each time, and
/// rarely when an entry changed.
fn is_known(event: &Event, directory: &Directory) -> bool {
    let user = &event.user;
    let found = directory.find(user.uid.as_deref(), user.name.as_deref(), user.email_addr.as_deref());
    found.is_some_and(|person| {
        !person.is_observed
            && person.id == event.native_id.as_str()
            && (&person.uid, &person.name, &person.full_name, &person.email_addr)
                == (&user.uid, &user.name, &user.full_name, &user.email_addr)
            && person.attributes == event.unmapped
    })
}

/// A person who was removed is told of by id alone; the names that were known stay with the id.
fn complete_removed(event: &mut Event, directory: &Directory) {
    let user = &mut event.user;
    let is_bare = user.name.is_none() && user.full_name.is_none() && user.email_addr.is_none();
    let is_removed = event.unmapped.as_deref().is_some_and(|text| text.contains("\"removed\""));
    if !(is_bare && is_removed) {
        return;
    }
    if let Some(person) = directory.find(user.uid.as_deref(), None, None) {
        user.name.clone_from(&person.name);
        user.full_name.clone_from(&person.full_name);
        user.email_addr.clone_from(&person.email_addr);
    }
}
