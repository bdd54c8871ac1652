//! Integration tests of the store, in one binary.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "it/control.rs"]
mod control;
#[path = "it/trail.rs"]
mod trail;
#[path = "it/world.rs"]
mod world;
