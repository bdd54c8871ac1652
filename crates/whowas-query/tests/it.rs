//! Integration tests of the query engine, in one binary.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "it/agreement.rs"]
mod agreement;
#[path = "it/kept.rs"]
mod kept;
#[path = "it/last_use.rs"]
mod last_use;
#[path = "it/search.rs"]
mod search;
#[path = "it/session_at.rs"]
mod session_at;
#[path = "it/world.rs"]
mod world;
