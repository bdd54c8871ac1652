//! An event that has its place in a trail.

use crate::{Erased, Event, Time};

/// The 128 random bits of one record, from which the salt of each personal field is derived.
pub type Salt = [u8; 16];

/// One record of a trail, as it is committed: what happened, and how it got here.
///
/// Its position (the leaf index) is not part of it: the Merkle tree states the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What happened.
    pub event: Event,
    /// The source it came from; native ids are unique within one source.
    pub source: String,
    /// The format it was read with.
    pub format: String,
    /// 0 for the first delivery of a native id; 1, 2 … for deliveries with other content.
    pub revision: u32,
    /// When we read it.
    pub received_at: Time,
    /// When it got its position.
    pub recorded_at: Time,
    /// Random; see [`Salt`]. Nothing of it is left once personal fields were erased.
    pub salt: Salt,
    /// SHA-256 of the raw bytes, where they are kept.
    pub raw_data_hash: Option<[u8; 32]>,
    /// What stands for personal fields that were erased.
    pub erased: Option<Box<Erased>>,
}
