//! What a filter looks at, made of a record itself: no engine, no index.
//!
//! For whoever must not take an engine's word, such as erasure and legal holds. It shows a filter the same
//! texts as the columns of the archive show the engine; a test compares the two.

use whowas_event::Record;
use whowas_store::Directory;

use crate::filter::{Subject, TextField};

/// The record as a filter sees it, with the names that the directory has for its user.
pub fn subject_of<'a>(record: &'a Record, directory: &'a Directory) -> Subject<'a> {
    let event = &record.event;
    let user = &event.user;
    let mut names: Vec<&str> = [&user.uid, &user.name, &user.email_addr, &user.full_name]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let known = directory.find(user.uid.as_deref(), user.name.as_deref(), user.email_addr.as_deref());
    if let Some(known) = known {
        let known = [&known.name, &known.email_addr, &known.full_name];
        names.extend(known.into_iter().flatten().map(String::as_str));
    }
    let mut texts = vec![
        (TextField::Status, event.status.as_str()),
        (TextField::Activity, event.activity.as_str()),
        (TextField::Source, record.source.as_str()),
        (TextField::Format, record.format.as_str()),
        (TextField::NativeId, event.native_id.as_str()),
    ];
    let optional = [
        (TextField::Service, &event.service.name),
        (TextField::UserAgent, &event.user_agent),
        (TextField::Device, &event.device.name),
        (TextField::Country, &event.src_endpoint.location.country),
        (TextField::City, &event.src_endpoint.location.city),
        (TextField::Session, &event.session_uid),
        (TextField::StatusCode, &event.status_code),
        (TextField::StatusDetail, &event.status_detail),
        (TextField::AuthProtocol, &event.auth_protocol),
        (TextField::LogonType, &event.logon_type),
    ];
    texts.extend(optional.into_iter().filter_map(|(field, text)| Some((field, text.as_deref()?))));
    Subject {
        occurred_at: event.occurred_at,
        user: names,
        ip: event.src_endpoint.ip.as_deref(),
        is_mfa: event.is_mfa,
        texts,
    }
}
