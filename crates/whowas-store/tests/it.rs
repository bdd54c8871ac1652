//! Integration tests of the store, in one binary.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "it/control.rs"]
mod control;
#[path = "it/entries.rs"]
mod entries;
#[path = "it/erase.rs"]
mod erase;
#[path = "it/flips.rs"]
mod flips;
#[path = "it/flips_beside.rs"]
mod flips_beside;
#[path = "it/reopen.rs"]
mod reopen;
#[path = "it/trail.rs"]
mod trail;
#[path = "it/witness.rs"]
mod witness;
#[path = "it/world.rs"]
mod world;
