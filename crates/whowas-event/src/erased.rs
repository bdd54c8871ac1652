//! Erasing personal fields of one record: the values go, what the leaf says of them stays.
//!
//! A leaf only commits to personal fields by salted digests. An erased record keeps the digests instead of
//! salt and values, so its leaf, and with it every root, proof and cosignature, stays what it was; nobody
//! can guess the values any more. The record's own salt goes too, because every field's salt follows from
//! it: fields that stay keep theirs one by one. Which records are somebody's is decided in `whose.rs`, which
//! erasures a trail has had in `erasure.rs`.

use sha2::{Digest, Sha256};

use crate::{LeafWriter, NativeId, Personal, Record, Salt, leaf::field_salt};

/// Byte before a digest; before a salt stands one more than the field's place in [`Personal::ALL`].
const DIGEST: u8 = 0;

/// What an erased record has in the place of its salt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// SHA-256 of the disclosures of the fields that are gone, ascending.
    digests: Vec<[u8; 32]>,
    /// The salts of the fields that stayed, in the order of [`Personal::ALL`].
    kept: Vec<(Personal, Salt)>,
}

impl Erased {
    /// Number of fields that are gone.
    pub fn count(&self) -> usize {
        self.digests.len()
    }

    /// The digests of the fields that are gone.
    pub fn digests(&self) -> &[[u8; 32]] {
        &self.digests
    }

    /// The salt of a field that stayed.
    pub(crate) fn salt(&self, field: Personal) -> Option<Salt> {
        self.kept.iter().find(|(kept, _)| *kept == field).map(|(_, salt)| *salt)
    }

    /// Its bytes: `0x00 ‖ digest` for every field that is gone, then `field ‖ salt` for every other. Never
    /// 16 bytes, which a salt has.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.digests.len() * 33 + self.kept.len() * 17);
        for digest in &self.digests {
            out.push(DIGEST);
            out.extend_from_slice(digest);
        }
        for (field, salt) in &self.kept {
            out.push(number(*field));
            out.extend_from_slice(salt);
        }
        out
    }

    /// Reads [`to_bytes`](Self::to_bytes) back; `None` for any other bytes.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut erased = Self::default();
        while let Some((&tag, rest)) = bytes.split_first() {
            bytes = if tag == DIGEST {
                let (digest, rest) = rest.split_first_chunk()?;
                let is_ascending = erased.digests.last().is_none_or(|last| last < digest);
                if !(is_ascending && erased.kept.is_empty()) {
                    return None;
                }
                erased.digests.push(*digest);
                rest
            } else {
                let field = *Personal::ALL.get(usize::from(tag) - 1)?;
                let (salt, rest) = rest.split_first_chunk()?;
                if erased.kept.last().is_some_and(|(last, _)| number(*last) >= tag) {
                    return None;
                }
                erased.kept.push((field, *salt));
                rest
            };
        }
        let count = erased.digests.len() + erased.kept.len();
        (!erased.digests.is_empty() && count <= Personal::ALL.len()).then_some(erased)
    }
}

fn number(field: Personal) -> u8 {
    let at = Personal::ALL.iter().position(|one| *one == field).unwrap_or_default();
    u8::try_from(at + 1).unwrap_or(u8::MAX)
}

/// How much of a record is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Every personal field: the record is the person's.
    All,
    /// Every personal field but those that say who the user was: the person acted for somebody else.
    NotUser,
    /// What is written in free words: another record that mentions the person.
    Texts,
}

impl Reach {
    /// Every reach, the widest first.
    pub const ALL: [Self; 3] = [Self::All, Self::NotUser, Self::Texts];

    /// The word for it in an erasure record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::NotUser => "not_user",
            Self::Texts => "texts",
        }
    }

    /// Whether it takes a field.
    pub const fn takes(self, field: Personal) -> bool {
        match self {
            Self::All => true,
            Self::NotUser => !matches!(
                field,
                Personal::UserDomain
                    | Personal::UserEmail
                    | Personal::UserFullName
                    | Personal::UserName
                    | Personal::UserRoles
                    | Personal::UserUid
                    | Personal::DerivedId
            ),
            Self::Texts => {
                matches!(field, Personal::Unmapped | Personal::StatusDetail | Personal::RawDataHash)
            }
        }
    }
}

/// Erases what `reach` takes of a record and says how many fields went. A record that has none of them is
/// left as it is. Its raw bytes must go with [`Record::raw_data_hash`].
pub fn erase(record: &mut Record, reach: Reach) -> usize {
    let found = LeafWriter::new().disclosures(record);
    let (gone, stay): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| reach.takes(one.field));
    if gone.is_empty() {
        return 0;
    }
    let before = record.erased.take();
    let salt_of = |field| match &before {
        Some(erased) => erased.salt(field),
        None => Some(field_salt(&record.salt, field)),
    };
    let kept: Vec<(Personal, Salt)> =
        stay.iter().filter_map(|one| Some((one.field, salt_of(one.field)?))).collect();
    let mut digests: Vec<[u8; 32]> = gone.iter().map(|one| Sha256::digest(&one.text).into()).collect();
    digests.extend(before.iter().flat_map(|erased| erased.digests()));
    digests.sort_unstable();
    gone.iter().for_each(|one| clear(record, one.field));
    record.salt = Salt::default();
    record.erased = Some(Box::new(Erased { digests, kept }));
    gone.len()
}

/// How many fields [`erase`] would take.
pub fn erasable(record: &Record, reach: Reach) -> usize {
    LeafWriter::new().disclosures(record).iter().filter(|one| reach.takes(one.field)).count()
}

fn clear(record: &mut Record, field: Personal) {
    let event = &mut record.event;
    match field {
        Personal::Actor => event.actor = Default::default(),
        Personal::Device => event.device = Default::default(),
        Personal::DstHostname => event.dst_hostname = None,
        Personal::DerivedId => event.native_id = NativeId::Derived(String::new()),
        Personal::RawDataHash => record.raw_data_hash = None,
        Personal::SessionUid => event.session_uid = None,
        Personal::SrcHostname => event.src_endpoint.hostname = None,
        Personal::SrcIp => event.src_endpoint.ip = None,
        Personal::SrcLocation => event.src_endpoint.location = Default::default(),
        Personal::SrcPort => event.src_endpoint.port = None,
        Personal::StatusDetail => event.status_detail = None,
        Personal::Unmapped => event.unmapped = None,
        Personal::UserDomain => event.user.domain = None,
        Personal::UserEmail => event.user.email_addr = None,
        Personal::UserFullName => event.user.full_name = None,
        Personal::UserName => event.user.name = None,
        Personal::UserRoles => event.user.roles.clear(),
        Personal::UserUid => event.user.uid = None,
        Personal::UserAgent => event.user_agent = None,
    }
}
