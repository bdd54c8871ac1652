//! The canonical bytes of a record: what the Merkle tree hashes. Specified in `docs/format.md`.
//!
//! A leaf is one JSON object in canonical form (RFC 8785) with an OCSF shape. What may identify a
//! person stands in it only as salted digests (`_sd`, after SD-JWT, RFC 9901), so that a person's data
//! can be erased and every proof still verifies.
//!
//! The writer is by hand, never `derive(Serialize)`: a renamed field in Rust must not change a hash.
//! Changing one byte here needs a new [`FORMAT_VERSION`].

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{Erased, Kind, NativeId, Personal, Record, Salt, Time, jcs};

/// Version of the leaf format, stated in every leaf as `whowas`.
pub const FORMAT_VERSION: i64 = 1;

/// Length of a salt of 16 bytes in base64url.
const SALT_CHARACTERS: usize = 22;

/// The base64url text of a SHA-256 digest.
pub type DigestText = [u8; 43];

/// One personal field with what is needed to check it against a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// Which field.
    pub field: Personal,
    /// `base64url(JSON [salt, name, value])`, the text that is hashed.
    pub text: String,
    /// `base64url(SHA-256(text))`, the member of the leaf's `_sd`.
    pub digest: String,
}

/// Writes leaves one after another into its own buffers, so that hashing millions of records allocates
/// nothing per record.
#[derive(Debug, Default)]
pub struct LeafWriter {
    json: Vec<u8>,
    text: Vec<u8>,
    digests: Vec<DigestText>,
    leaf: Vec<u8>,
}

impl LeafWriter {
    /// A writer with empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The canonical leaf bytes of `record`. They stay valid until the next call.
    pub fn leaf(&mut self, record: &Record) -> &[u8] {
        self.digests.clear();
        for field in Personal::ALL {
            if self.disclose(record, field) {
                let digest = digest_text(&self.text);
                self.digests.push(digest);
            }
        }
        for digest in record.erased.iter().flat_map(|erased| erased.digests()) {
            self.digests.push(text_of(digest));
        }
        self.digests.sort_unstable();
        self.leaf.clear();
        write_leaf(&mut self.leaf, record, &self.digests);
        &self.leaf
    }

    /// Every personal field that `record` has, with salt and value.
    pub fn disclosures(&mut self, record: &Record) -> Vec<Disclosure> {
        let mut found = Vec::new();
        for field in Personal::ALL {
            if self.disclose(record, field) {
                found.push(Disclosure {
                    field,
                    text: ascii(self.text.clone()),
                    digest: ascii(digest_text(&self.text).to_vec()),
                });
            }
        }
        found
    }

    /// Leaves the disclosure of `field` in `self.text` and says whether the record has the field.
    fn disclose(&mut self, record: &Record, field: Personal) -> bool {
        // An erased id leaves an empty one, which no format makes.
        let is_gone =
            |erased: &Erased| erased.salt(field).is_none() && record.event.native_id.as_str().is_empty();
        if field == Personal::DerivedId && record.erased.as_deref().is_some_and(is_gone) {
            return false;
        }
        self.json.clear();
        self.json.extend_from_slice(b"[\"");
        self.json.extend_from_slice(&[0; SALT_CHARACTERS]);
        self.json.extend_from_slice(b"\",\"");
        self.json.extend_from_slice(field.name().as_bytes());
        self.json.extend_from_slice(b"\",");
        if !field.write_value(record, &mut self.json) {
            return false;
        }
        self.json.push(b']');
        // Last, because most records lack most fields, and a salt costs a digest. A value in the place of an
        // erased one has no salt: it gets a digest that was never committed to.
        let salt = match &record.erased {
            Some(erased) => erased.salt(field).unwrap_or_default(),
            None => field_salt(&record.salt, field),
        };
        let slot =
            self.json.get_mut(2..2 + SALT_CHARACTERS).expect("the place of the salt was written above");
        URL_SAFE_NO_PAD.encode_slice(salt, slot).expect("16 bytes are 22 characters of base64");
        self.text.resize(self.json.len().div_ceil(3) * 4, 0);
        let length = URL_SAFE_NO_PAD
            .encode_slice(&self.json, &mut self.text)
            .expect("the buffer holds four characters for every three bytes");
        self.text.truncate(length);
        true
    }
}

/// The salt of one field: the first 16 bytes of SHA-256(record salt ‖ field name).
///
/// Disclosing one field's salt therefore tells nothing about the others.
pub fn field_salt(salt: &Salt, field: Personal) -> Salt {
    let hash = Sha256::new().chain_update(salt).chain_update(field.name()).finalize();
    *hash.first_chunk().expect("a SHA-256 digest has 32 bytes")
}

fn digest_text(text: &[u8]) -> DigestText {
    text_of(&Sha256::digest(text).into())
}

fn text_of(digest: &[u8; 32]) -> DigestText {
    let mut out = [0_u8; 43];
    URL_SAFE_NO_PAD.encode_slice(digest, &mut out).expect("32 bytes are 43 characters of base64");
    out
}

fn ascii(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("base64 is ASCII")
}

/// Members in canonical order. Each is written only if the record has it.
fn write_leaf(out: &mut Vec<u8>, record: &Record, digests: &[DigestText]) {
    let event = &record.event;
    let is_login = event.kind == Kind::Login;
    let activity = i64::from(event.activity.ocsf_id());
    out.extend_from_slice(b"{\"_sd\":[");
    for (at, digest) in digests.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b",\"" } else { b"\"" });
        out.extend_from_slice(digest);
        out.push(b'"');
    }
    out.extend_from_slice(b"],\"_sd_alg\":\"sha-256\"");
    // Of every kind: an activity that the leaf left out could be altered in the archive unseen.
    integer(out, "activity_id", activity);
    text(out, "auth_protocol", event.auth_protocol.as_deref());
    if let Some(body) = &event.body {
        out.extend_from_slice(b",\"body\":");
        out.extend_from_slice(body.as_bytes());
    }
    if is_login {
        integer(out, "category_uid", 3);
        integer(out, "class_uid", 3002);
    }
    if let Some(is_mfa) = event.is_mfa {
        out.extend_from_slice(if is_mfa { b",\"is_mfa\":true" } else { b",\"is_mfa\":false" });
    }
    text(out, "kind", Some(event.kind.as_str()));
    text(out, "logon_type", event.logon_type.as_deref());
    write_metadata(out, record);
    if event.service.name.is_some() || event.service.uid.is_some() {
        out.extend_from_slice(b",\"service\":{");
        let start = out.len();
        text(out, "name", event.service.name.as_deref());
        text(out, "uid", event.service.uid.as_deref());
        // The first member needs no comma.
        out.remove(start);
        out.push(b'}');
    }
    text(out, "status_code", event.status_code.as_deref());
    integer(out, "status_id", i64::from(event.status.ocsf_id()));
    integer(out, "time", event.occurred_at.as_ms());
    if is_login {
        integer(out, "type_uid", 300_200 + activity);
    }
    integer(out, "whowas", FORMAT_VERSION);
    out.push(b'}');
}

fn write_metadata(out: &mut Vec<u8>, record: &Record) {
    let event = &record.event;
    out.extend_from_slice(b",\"metadata\":{");
    let start = out.len();
    text(out, "correlation_uid", event.correlation_uid.as_deref());
    text(out, "log_format", Some(&record.format));
    text(out, "log_name", Some(&record.source));
    time(out, "logged_time", record.received_at);
    if let NativeId::Given(id) = &event.native_id {
        text(out, "original_event_uid", Some(id));
    }
    text(out, "original_time", event.raw_time.as_deref());
    time(out, "processed_time", record.recorded_at);
    integer(out, "revision", i64::from(record.revision));
    text(out, "tenant_uid", event.tenant_uid.as_deref());
    out.remove(start);
    out.push(b'}');
}

/// `,"name":"value"` if there is a value. Names are plain ASCII and need no escaping.
fn text(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        key(out, name);
        jcs::write_string(out, value);
    }
}

fn integer(out: &mut Vec<u8>, name: &str, value: i64) {
    key(out, name);
    jcs::write_integer(out, value);
}

fn time(out: &mut Vec<u8>, name: &str, value: Time) {
    integer(out, name, value.as_ms());
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Draft, Event,
        admit::{CLEAR_BYTES_MAX, OBJECT_BYTES_MAX, RawData, admit},
    };

    /// The largest entry of C2SP tlog-tiles: its length has 16 bits.
    const ENTRY_BYTES_MAX: usize = 65_535;

    #[test]
    fn the_largest_record_that_is_admitted_fits_an_entry() {
        // A control character takes six bytes of JSON, and trimming spares this one.
        let clear = || Some("\u{1}".repeat(CLEAR_BYTES_MAX));
        let mut event =
            Event { native_id: NativeId::Given("\u{1}".repeat(CLEAR_BYTES_MAX)), ..Event::default() };
        event.body = Some(format!("{{\"a\":\"{}\"}}", "x".repeat(OBJECT_BYTES_MAX - 8)));
        for slot in [
            &mut event.raw_time,
            &mut event.status_code,
            &mut event.service.name,
            &mut event.service.uid,
            &mut event.auth_protocol,
            &mut event.logon_type,
            &mut event.correlation_uid,
            &mut event.tenant_uid,
        ] {
            *slot = clear();
        }
        let admitted = admit(Draft { event, raw: Vec::new() }, RawData::Dropped).unwrap();
        // Every digest takes the same room, also that of a field that was erased.
        let digests: Vec<u8> = (0..19).flat_map(|n| [vec![0], vec![n; 32]].concat()).collect();
        let longest = "\u{1}".repeat(CLEAR_BYTES_MAX);
        let record = Record {
            event: admitted.event,
            source: longest.clone(),
            format: longest,
            revision: u32::MAX,
            received_at: Time::default(),
            recorded_at: Time::default(),
            salt: [0; 16],
            raw_data_hash: None,
            erased: Erased::from_bytes(&digests).map(Box::new),
        };
        let bytes = LeafWriter::new().leaf(&record).len();
        assert!((50_000..ENTRY_BYTES_MAX).contains(&bytes), "{bytes}");
    }
}
