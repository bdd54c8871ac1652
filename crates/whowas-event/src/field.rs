//! The personal fields: what a leaf commits to with a salted digest instead of stating it.
//!
//! One list, in one place: leaf, archive, erasure and documentation follow it.

use crate::{Event, NativeId, Record, jcs};

/// A personal field of a record. Its wire name is the name inside its disclosure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Personal {
    /// `actor`: an object with `name`, `uid`
    Actor,
    /// `device`: an object with `browser`, `name`, `os`, `uid`
    Device,
    /// `dst_endpoint.hostname`
    DstHostname,
    /// `metadata.original_event_uid`, only where the id was derived from the record's content
    DerivedId,
    /// `raw_data_hash`: lower-case hexadecimal SHA-256 of the raw bytes
    RawDataHash,
    /// `session.uid`
    SessionUid,
    /// `src_endpoint.hostname`
    SrcHostname,
    /// `src_endpoint.ip`
    SrcIp,
    /// `src_endpoint.location`: an object with `city`, `country`, `region`
    SrcLocation,
    /// `src_endpoint.port`
    SrcPort,
    /// `status_detail`: free text of the source, which may name people
    StatusDetail,
    /// `unmapped`: an object
    Unmapped,
    /// `user.domain`
    UserDomain,
    /// `user.email_addr`
    UserEmail,
    /// `user.full_name`
    UserFullName,
    /// `user.name`
    UserName,
    /// `user.roles`: an array of strings
    UserRoles,
    /// `user.uid`
    UserUid,
    /// `user_agent`
    UserAgent,
}

impl Personal {
    /// Every personal field.
    pub const ALL: [Self; 19] = [
        Self::Actor,
        Self::Device,
        Self::DstHostname,
        Self::DerivedId,
        Self::RawDataHash,
        Self::SessionUid,
        Self::SrcHostname,
        Self::SrcIp,
        Self::SrcLocation,
        Self::SrcPort,
        Self::StatusDetail,
        Self::Unmapped,
        Self::UserDomain,
        Self::UserEmail,
        Self::UserFullName,
        Self::UserName,
        Self::UserRoles,
        Self::UserUid,
        Self::UserAgent,
    ];

    /// The field's name inside its disclosure.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Device => "device",
            Self::DstHostname => "dst_endpoint.hostname",
            Self::DerivedId => "metadata.original_event_uid",
            Self::RawDataHash => "raw_data_hash",
            Self::SessionUid => "session.uid",
            Self::SrcHostname => "src_endpoint.hostname",
            Self::SrcIp => "src_endpoint.ip",
            Self::SrcLocation => "src_endpoint.location",
            Self::SrcPort => "src_endpoint.port",
            Self::StatusDetail => "status_detail",
            Self::Unmapped => "unmapped",
            Self::UserDomain => "user.domain",
            Self::UserEmail => "user.email_addr",
            Self::UserFullName => "user.full_name",
            Self::UserName => "user.name",
            Self::UserRoles => "user.roles",
            Self::UserUid => "user.uid",
            Self::UserAgent => "user_agent",
        }
    }

    /// Appends the field's canonical JSON value, if the record has one, and says whether it had.
    pub fn write_value(self, record: &Record, out: &mut Vec<u8>) -> bool {
        let event = &record.event;
        match self {
            Self::RawDataHash => match &record.raw_data_hash {
                Some(hash) => write_hex(out, hash),
                None => return false,
            },
            Self::SrcPort => match event.src_endpoint.port {
                Some(port) => jcs::write_integer(out, i64::from(port)),
                None => return false,
            },
            Self::UserRoles if event.user.roles.is_empty() => return false,
            Self::UserRoles => write_roles(out, &event.user.roles),
            Self::Unmapped => match &event.unmapped {
                Some(object) => out.extend_from_slice(object.as_bytes()),
                None => return false,
            },
            Self::Actor => {
                return write_object(out, &[("name", &event.actor.name), ("uid", &event.actor.uid)]);
            }
            Self::Device => {
                let device = &event.device;
                let members = [
                    ("browser", &device.browser),
                    ("name", &device.name),
                    ("os", &device.os),
                    ("uid", &device.uid),
                ];
                return write_object(out, &members);
            }
            Self::SrcLocation => {
                let place = &event.src_endpoint.location;
                let members = [("city", &place.city), ("country", &place.country), ("region", &place.region)];
                return write_object(out, &members);
            }
            _ => match self.text(event) {
                Some(text) => jcs::write_string(out, text),
                None => return false,
            },
        }
        true
    }

    /// The value of a field that is one text.
    fn text(self, event: &Event) -> Option<&str> {
        match self {
            Self::DstHostname => event.dst_hostname.as_deref(),
            Self::DerivedId => match &event.native_id {
                NativeId::Derived(id) => Some(id),
                NativeId::Given(_) => None,
            },
            Self::SessionUid => event.session_uid.as_deref(),
            Self::SrcHostname => event.src_endpoint.hostname.as_deref(),
            Self::SrcIp => event.src_endpoint.ip.as_deref(),
            Self::StatusDetail => event.status_detail.as_deref(),
            Self::UserDomain => event.user.domain.as_deref(),
            Self::UserEmail => event.user.email_addr.as_deref(),
            Self::UserFullName => event.user.full_name.as_deref(),
            Self::UserName => event.user.name.as_deref(),
            Self::UserUid => event.user.uid.as_deref(),
            Self::UserAgent => event.user_agent.as_deref(),
            Self::Actor
            | Self::Device
            | Self::RawDataHash
            | Self::SrcLocation
            | Self::SrcPort
            | Self::Unmapped
            | Self::UserRoles => None,
        }
    }
}

/// An object of those members that have a value; the caller lists them in canonical order.
fn write_object(out: &mut Vec<u8>, members: &[(&str, &Option<String>)]) -> bool {
    let before = out.len();
    for (name, value) in members {
        if let Some(value) = value {
            out.push(if out.len() == before { b'{' } else { b',' });
            jcs::write_string(out, name);
            out.push(b':');
            jcs::write_string(out, value);
        }
    }
    let any = out.len() > before;
    if any {
        out.push(b'}');
    }
    any
}

fn write_roles(out: &mut Vec<u8>, roles: &[String]) {
    out.push(b'[');
    for (at, role) in roles.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        jcs::write_string(out, role);
    }
    out.push(b']');
}

fn write_hex(out: &mut Vec<u8>, hash: &[u8; 32]) {
    out.push(b'"');
    for byte in hash {
        for nibble in [byte >> 4, byte & 15] {
            out.push(if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble });
        }
    }
    out.push(b'"');
}
