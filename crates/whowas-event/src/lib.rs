//! What a record *is*: its words, its limits, its admission, and the bytes that are hashed.
//!
//! This crate is pure. It has no clock, no randomness, no files, no sockets and no async: whatever it
//! needs is an argument. It knows no foreign log format (`whowas-format`), no Merkle tree
//! (`whowas-tlog`) and no storage (`whowas-store`).
//!
//! Start at [`Event`] (what happened), then [`Record`] (an event that has its place in a trail), then
//! [`leaf`] (the canonical bytes of a record, specified byte for byte in `docs/format.md`).
//!
//! Field words follow OCSF 1.8 class 3002 *Authentication*, except for the three clocks:
//! `occurred_at` (the source's claim), `received_at` (when we read it) and `recorded_at` (when it got
//! its position).

pub mod admit;
mod content;
pub mod daily;
mod erased;
pub mod erasure;
mod event;
pub mod field;
pub mod hints;
pub mod jcs;
pub mod leaf;
mod name;
mod record;
mod time;
pub mod whose;

pub use admit::{Admitted, Rejection, admit};
pub use content::{content_digest, dedup_key};
pub use erased::{Erased, Reach, erasable, erase};
pub use erasure::{ErasedAt, Erasure};
pub use event::{
    Activity, Actor, Device, Draft, Event, Kind, Location, NativeId, Service, SrcEndpoint, Status, User,
};
pub use field::Personal;
pub use hints::SessionHints;
pub use leaf::{Disclosure, LeafWriter};
pub use name::{EnvironmentName, NAME_BYTES_MAX, NameError};
pub use record::{Record, Salt};
pub use time::{Time, TimeError};
