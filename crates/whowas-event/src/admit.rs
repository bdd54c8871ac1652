//! Acceptable, and normalized how: the one place that decides.
//!
//! A draft is admitted or rejected with a reason; a rejected record is kept by the store, never dropped.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::{Draft, Event, jcs};

/// The longest text field, in bytes. The longest user agents and role lists in the field have some 2 KiB.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// The longest clear text of a leaf. A leaf has at most 11 of them, and JSON may need six bytes for one:
/// `11 × 512 × 6` bytes, a body of 16 KiB and 19 digests stay below the 65,535 bytes of a C2SP entry.
pub const CLEAR_BYTES_MAX: usize = 512;
/// The largest `unmapped` or `body` object.
pub const OBJECT_BYTES_MAX: usize = 16 * 1024;
/// The most roles of one user that are kept.
pub const ROLES_MAX: usize = 256;
/// The largest raw record that is kept. Formats refuse longer lines before they get here.
pub const RAW_BYTES_MAX: usize = 1024 * 1024;

/// An event that may enter a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The normalized event.
    pub event: Event,
    /// The bytes it was made from; empty if they are not to be kept.
    pub raw: Vec<u8>,
    /// SHA-256 of `raw`, if it is kept.
    pub raw_data_hash: Option<[u8; 32]>,
}

/// Why an event may not enter a trail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A text is longer than its limit.
    #[error("{field} has {bytes} bytes, more than the {max} that are kept")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// Its length.
        bytes: usize,
        /// Its limit.
        max: usize,
    },
    /// The format gave no id.
    #[error("the record has no id")]
    NoId,
    /// `unmapped` or `body` is not a canonical JSON object.
    #[error("{field} is not a JSON object in canonical form")]
    NotCanonical {
        /// Which field.
        field: &'static str,
    },
    /// More roles than [`ROLES_MAX`].
    #[error("{count} roles, more than the {ROLES_MAX} that are kept")]
    TooManyRoles {
        /// How many.
        count: usize,
    },
}

/// Whether the raw bytes of a record are kept beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RawData {
    /// Kept, and their digest is in the leaf.
    #[default]
    Kept,
    /// Not kept.
    Dropped,
}

/// Normalizes a draft, or says why it cannot be a record.
pub fn admit(draft: Draft, raw_data: RawData) -> Result<Admitted, Rejection> {
    admit_or_return(draft, raw_data).map_err(|(rejection, _raw)| rejection)
}

/// The same for those who keep what is refused: its bytes come back with the reason.
pub fn admit_or_return(draft: Draft, raw_data: RawData) -> Result<Admitted, (Rejection, Vec<u8>)> {
    let Draft { mut event, raw } = draft;
    let kept = raw_data == RawData::Kept && !raw.is_empty();
    normalize(&mut event);
    let checked =
        check(&mut event).and_then(|()| limit("raw_data", if kept { raw.len() } else { 0 }, RAW_BYTES_MAX));
    if let Err(rejection) = checked {
        return Err((rejection, raw));
    }
    let raw_data_hash = kept.then(|| Sha256::digest(&raw).into());
    Ok(Admitted { event, raw: if kept { raw } else { Vec::new() }, raw_data_hash })
}

/// Every optional text of an event, with its name and whether it stands in clear in the leaf.
fn texts(event: &mut Event) -> [(&'static str, bool, &mut Option<String>); 28] {
    let (user, src, device) = (&mut event.user, &mut event.src_endpoint, &mut event.device);
    [
        ("raw_time", true, &mut event.raw_time),
        ("status_code", true, &mut event.status_code),
        ("status_detail", false, &mut event.status_detail),
        ("user.uid", false, &mut user.uid),
        ("user.name", false, &mut user.name),
        ("user.full_name", false, &mut user.full_name),
        ("user.email_addr", false, &mut user.email_addr),
        ("user.domain", false, &mut user.domain),
        ("actor.uid", false, &mut event.actor.uid),
        ("actor.name", false, &mut event.actor.name),
        ("src_endpoint.ip", false, &mut src.ip),
        ("src_endpoint.hostname", false, &mut src.hostname),
        ("src_endpoint.location.country", false, &mut src.location.country),
        ("src_endpoint.location.region", false, &mut src.location.region),
        ("src_endpoint.location.city", false, &mut src.location.city),
        ("user_agent", false, &mut event.user_agent),
        ("device.uid", false, &mut device.uid),
        ("device.name", false, &mut device.name),
        ("device.os", false, &mut device.os),
        ("device.browser", false, &mut device.browser),
        ("dst_endpoint.hostname", false, &mut event.dst_hostname),
        ("service.name", true, &mut event.service.name),
        ("service.uid", true, &mut event.service.uid),
        ("auth_protocol", true, &mut event.auth_protocol),
        ("logon_type", true, &mut event.logon_type),
        ("session.uid", false, &mut event.session_uid),
        ("metadata.correlation_uid", true, &mut event.correlation_uid),
        ("metadata.tenant_uid", true, &mut event.tenant_uid),
    ]
}

/// Trims, turns empty texts into absent ones, and writes addresses in one way.
fn normalize(event: &mut Event) {
    for (_, _, slot) in texts(event) {
        if let Some(text) = slot {
            let trimmed = text.trim();
            if trimmed.is_empty() {
                *slot = None;
            } else if trimmed.len() < text.len() {
                *slot = Some(trimmed.to_owned());
            }
        }
    }
    if let Some(ip) = &mut event.src_endpoint.ip
        && let Some(address) = parse_ip(ip)
    {
        *ip = address.to_string();
    }
    event.user.roles.retain(|role| !role.trim().is_empty());
}

/// An address in any of the notations logs use: with brackets, with a zone, IPv4 mapped into IPv6.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    let bare = text.trim().trim_start_matches('[').trim_end_matches(']');
    let bare = bare.split_once('%').map_or(bare, |(address, _zone)| address);
    bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn check(event: &mut Event) -> Result<(), Rejection> {
    if event.native_id.as_str().is_empty() {
        return Err(Rejection::NoId);
    }
    limit("native_id", event.native_id.as_str().len(), CLEAR_BYTES_MAX)?;
    for (field, is_clear, value) in texts(event) {
        let max = if is_clear { CLEAR_BYTES_MAX } else { TEXT_BYTES_MAX };
        limit(field, value.as_ref().map_or(0, String::len), max)?;
    }
    if event.user.roles.len() > ROLES_MAX {
        return Err(Rejection::TooManyRoles { count: event.user.roles.len() });
    }
    limit("user.roles", event.user.roles.iter().map(String::len).sum(), TEXT_BYTES_MAX)?;
    object("unmapped", event.unmapped.as_deref())?;
    object("body", event.body.as_deref())
}

fn limit(field: &'static str, bytes: usize, max: usize) -> Result<(), Rejection> {
    if bytes > max { Err(Rejection::TooLong { field, bytes, max }) } else { Ok(()) }
}

/// An object must be canonical, or the same value could be hashed in two ways.
fn object(field: &'static str, text: Option<&str>) -> Result<(), Rejection> {
    let Some(text) = text else { return Ok(()) };
    limit(field, text.len(), OBJECT_BYTES_MAX)?;
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|_| Rejection::NotCanonical { field })?;
    match jcs::canonical(&value) {
        Ok(canonical) if value.is_object() && canonical == text => Ok(()),
        _ => Err(Rejection::NotCanonical { field }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NativeId;

    fn draft() -> Draft {
        let event = Event { native_id: NativeId::Given("1".into()), ..Event::default() };
        Draft { event, raw: b"raw".to_vec() }
    }

    #[test]
    fn empty_texts_become_absent_and_addresses_canonical() {
        let mut draft = draft();
        draft.event.user.name = Some("  ".into());
        draft.event.user.full_name = Some(" Ada ".into());
        draft.event.src_endpoint.ip = Some("::ffff:192.0.2.1".into());
        let admitted = admit(draft, RawData::Kept).unwrap();
        assert_eq!(admitted.event.user.name, None);
        assert_eq!(admitted.event.user.full_name.as_deref(), Some("Ada"));
        assert_eq!(admitted.event.src_endpoint.ip.as_deref(), Some("192.0.2.1"));
        assert!(admitted.raw_data_hash.is_some());
    }

    #[test]
    fn limits_are_errors_that_name_the_field() {
        let mut long = draft();
        long.event.user_agent = Some("x".repeat(TEXT_BYTES_MAX + 1));
        let error = admit(long, RawData::Kept).unwrap_err();
        assert_eq!(error.to_string(), "user_agent has 16385 bytes, more than the 16384 that are kept");
        assert_eq!(admit(Draft::default(), RawData::Kept), Err(Rejection::NoId));
        let mut twisted = draft();
        twisted.event.unmapped = Some("{\"b\":1,\"a\":2}".into());
        assert_eq!(admit(twisted, RawData::Kept), Err(Rejection::NotCanonical { field: "unmapped" }));
    }

    #[test]
    fn dropped_raw_data_leaves_no_digest() {
        let admitted = admit(draft(), RawData::Dropped).unwrap();
        assert_eq!((admitted.raw, admitted.raw_data_hash), (Vec::new(), None));
    }

    #[test]
    fn addresses_in_all_their_notations() {
        for (text, want) in [
            ("192.0.2.7", Some("192.0.2.7")),
            ("[2001:DB8::1]", Some("2001:db8::1")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("::FFFF:10.0.0.1", Some("10.0.0.1")),
            ("<null>", None),
            ("10.0.0.256", None),
        ] {
            assert_eq!(parse_ip(text).map(|ip| ip.to_string()).as_deref(), want, "{text}");
        }
    }
}
