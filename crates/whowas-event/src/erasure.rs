//! The body of a record that says what was erased: which positions, how many fields of each.
//!
//! It stands in clear in the leaf, so it names nobody. Kinds `erasure` and `retention` have it; the format is
//! in `docs/format.md`, §4.5. A verifier counts: a record must lack exactly as many fields as these records
//! say, no more and no fewer.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{Kind, Personal, Reach, Record};

/// Bytes of positions in one body: with base64 and the other members it stays below the 16 KiB of a body.
const CODE_BYTES_MAX: usize = 9 * 1024;
/// The source and the format of records that whowas writes about itself.
pub const SELF: &str = "whowas";
/// Bits of a count, below the distance in each number.
const COUNT_BITS: u32 = 5;

/// Some fields of one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErasedAt {
    /// Which record.
    pub position: u64,
    /// How much was asked for.
    pub reach: Reach,
    /// How many fields went.
    pub count: u8,
}

/// What one record says was erased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erasure {
    /// Records of the trail, by reach and then position.
    pub records: Vec<ErasedAt>,
    /// Numbers of rejected records that were deleted, ascending.
    pub rejected: Vec<u64>,
    /// Entries before this position are not handed out any more (C2SP pruning); 0 if all are.
    pub minimum_index: u64,
}

impl Erasure {
    /// The erasure that a record states. `None` for records of other kinds, and for those that whowas did
    /// not write itself; an error if its body cannot be read.
    ///
    /// # Errors
    /// The body is not one of this version.
    pub fn of(record: &Record) -> Option<Result<Self, ErasureError>> {
        let is_ours = record.source == SELF && record.format == SELF;
        Self::of_body(record.event.kind, is_ours, record.event.body.as_deref())
    }

    /// The same from the parts of a record, or of a leaf.
    ///
    /// # Errors
    /// The body is not one of this version.
    pub fn of_body(kind: Kind, is_ours: bool, body: Option<&str>) -> Option<Result<Self, ErasureError>> {
        if !is_ours || !matches!(kind, Kind::Erasure | Kind::Retention) {
            return None;
        }
        let parsed = body.and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
        let Some(members) = parsed else { return Some(Err(ErasureError)) };
        // Holds and rules are records of kind `retention` too.
        let has_positions = Reach::ALL.iter().any(|reach| members.contains_key(reach.as_str()));
        let has_more = ["rejected", "minimum_index"].iter().any(|name| members.contains_key(*name));
        (has_positions || has_more || kind == Kind::Erasure).then(|| Self::parse(&members))
    }

    fn parse(members: &Map<String, Value>) -> Result<Self, ErasureError> {
        let mut erasure = Self::default();
        for reach in Reach::ALL {
            for (position, count) in numbers(members.get(reach.as_str()))? {
                if count == 0 || usize::from(count) > Personal::ALL.len() {
                    return Err(ErasureError);
                }
                erasure.records.push(ErasedAt { position, reach, count });
            }
        }
        if let Some(index) = members.get("minimum_index") {
            erasure.minimum_index = index.as_u64().ok_or(ErasureError)?;
        }
        erasure.rejected = numbers(members.get("rejected"))?.into_iter().map(|(id, _)| id).collect();
        Ok(erasure)
    }

    /// Number of fields that went.
    pub fn fields(&self) -> u64 {
        self.records.iter().map(|one| u64::from(one.count)).sum()
    }

    /// Cuts it into parts whose bodies fit a record. Nothing gives no part.
    pub fn into_parts(mut self) -> Vec<Self> {
        self.records.sort_unstable_by_key(|one| (one.reach, one.position));
        let mut parts = Vec::new();
        let mut part = Self { minimum_index: self.minimum_index, ..Self::default() };
        let mut bytes = 0;
        let records = self.records.into_iter().map(|one| (Some(one), None));
        for (record, rejected) in records.chain(self.rejected.into_iter().map(|id| (None, Some(id)))) {
            // No distance is larger than the number itself, nor its code longer.
            let number = record.map(|one| one.position).or(rejected).unwrap_or_default();
            let length = code_length(number);
            if bytes + length > CODE_BYTES_MAX {
                parts.push(std::mem::take(&mut part));
                bytes = 0;
            }
            bytes += length;
            part.records.extend(record);
            part.rejected.extend(rejected);
        }
        if part != Self::default() {
            parts.push(part);
        }
        parts
    }

    /// The members that state it, for the body of a record.
    pub fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        for reach in Reach::ALL {
            let of_reach = self.records.iter().filter(|one| one.reach == reach);
            let code = encode(of_reach.map(|one| (one.position, one.count)).collect());
            if !code.is_empty() {
                members.insert(reach.as_str().to_owned(), Value::String(code));
            }
        }
        if !self.rejected.is_empty() {
            let code = encode(self.rejected.iter().map(|id| (*id, 0)).collect());
            members.insert("rejected".to_owned(), Value::String(code));
        }
        if self.minimum_index > 0 {
            members.insert("minimum_index".to_owned(), Value::from(self.minimum_index));
        }
        members.insert("records".to_owned(), Value::from(self.records.len()));
        members.insert("fields".to_owned(), Value::from(self.fields()));
        members
    }
}

/// A body that does not state an erasure as this version writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its body does not say what was erased in a way that this version reads")]
pub struct ErasureError;

fn code_length(number: u64) -> usize {
    let bits = 64 + COUNT_BITS - number.leading_zeros();
    usize::try_from(bits.div_ceil(7).max(1)).unwrap_or(10)
}

/// Base64url of one number after another: distance to the one before in the high bits, count in the low
/// five; seven bits a byte, the lowest first, the eighth set in all but the last (LEB128).
fn encode(mut numbers: Vec<(u64, u8)>) -> String {
    numbers.sort_unstable();
    numbers.dedup_by_key(|(number, _)| *number);
    let mut bytes = Vec::new();
    let mut last = 0;
    for (number, count) in numbers {
        let mut rest = (u128::from(number - last) << COUNT_BITS) | u128::from(count);
        last = number;
        loop {
            let low = u8::try_from(rest & 0x7f).unwrap_or_default();
            rest >>= 7;
            if rest == 0 {
                bytes.push(low);
                break;
            }
            bytes.push(low | 0x80);
        }
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

fn numbers(member: Option<&Value>) -> Result<Vec<(u64, u8)>, ErasureError> {
    let Some(member) = member else { return Ok(Vec::new()) };
    let code = member.as_str().ok_or(ErasureError)?;
    let bytes = URL_SAFE_NO_PAD.decode(code).map_err(|_| ErasureError)?;
    let mut found: Vec<(u64, u8)> = Vec::new();
    let (mut number, mut shift) = (0_u128, 0);
    for byte in bytes {
        number |= u128::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 != 0 {
            // 64 bits of distance and five of count take ten bytes.
            if shift >= 70 {
                return Err(ErasureError);
            }
            continue;
        }
        let count = u8::try_from(number & 0x1f).map_err(|_| ErasureError)?;
        let distance = u64::try_from(number >> COUNT_BITS).map_err(|_| ErasureError)?;
        let next = match found.last() {
            None => distance,
            Some(_) if distance == 0 => return Err(ErasureError),
            Some((last, _)) => last.checked_add(distance).ok_or(ErasureError)?,
        };
        found.push((next, count));
        (number, shift) = (0, 0);
    }
    if shift > 0 { Err(ErasureError) } else { Ok(found) }
}
