//! Integration tests of evidence, in one binary.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "it/fuzz.rs"]
mod fuzz;
