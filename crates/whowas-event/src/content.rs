//! Recognising a second delivery: the key of a record, and a digest of what it says.
//!
//! Both are local bookkeeping of the store and appear in no leaf.

use sha2::{Digest, Sha256};

use crate::{Event, NativeId};

/// The key under which deliveries of one record meet: a digest of source and native id.
///
/// `secret` is random per trail, so that nobody who can choose native ids can make two of them collide.
pub fn dedup_key(secret: &[u8; 32], source: &str, native_id: &NativeId) -> u64 {
    let hash = Sha256::new()
        .chain_update(secret)
        .chain_update(source.as_bytes())
        .chain_update([0, u8::from(native_id.is_derived())])
        .chain_update(native_id.as_str().as_bytes())
        .finalize();
    first_u64(&hash)
}

/// A digest of everything an event says. Equal for two deliveries that differ only in how they were
/// written down: the raw bytes, the format's spelling of the time, the clocks and the salt are left out.
pub fn content_digest(secret: &[u8; 32], event: &Event) -> u64 {
    let mut out = Vec::with_capacity(640);
    out.extend_from_slice(secret);
    out.extend_from_slice(&event.occurred_at.as_ms().to_be_bytes());
    let mfa = event.is_mfa.map_or(2, u8::from);
    out.extend_from_slice(&[kind_byte(event), event.activity.ocsf_id(), event.status.ocsf_id(), mfa]);
    out.extend_from_slice(
        &event.src_endpoint.port.map_or([0, 0, 0], |p| [1, p.to_be_bytes()[0], p.to_be_bytes()[1]]),
    );
    let (user, src, place, device) =
        (&event.user, &event.src_endpoint, &event.src_endpoint.location, &event.device);
    for value in [
        &event.status_code,
        &event.status_detail,
        &user.uid,
        &user.name,
        &user.full_name,
        &user.email_addr,
        &user.domain,
        &event.actor.uid,
        &event.actor.name,
        &src.ip,
        &src.hostname,
        &place.country,
        &place.region,
        &place.city,
        &event.user_agent,
        &device.uid,
        &device.name,
        &device.os,
        &device.browser,
        &event.dst_hostname,
        &event.service.name,
        &event.service.uid,
        &event.auth_protocol,
        &event.logon_type,
        &event.session_uid,
        &event.correlation_uid,
        &event.tenant_uid,
        &event.unmapped,
        &event.body,
    ] {
        part(&mut out, value.as_deref());
    }
    for role in &user.roles {
        part(&mut out, Some(role));
    }
    first_u64(&Sha256::digest(&out))
}

/// Length before bytes, and absence unlike emptiness, so that no two contents share their input.
fn part(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        None => out.extend_from_slice(&u32::MAX.to_be_bytes()),
        Some(text) => {
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX - 1);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn kind_byte(event: &Event) -> u8 {
    event.kind.as_str().as_bytes().first().copied().unwrap_or_default()
}

fn first_u64(hash: &[u8]) -> u64 {
    u64::from_be_bytes(*hash.first_chunk().expect("a SHA-256 digest has 32 bytes"))
}
