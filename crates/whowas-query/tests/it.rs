//! Integration tests of the query engine, in one binary.

#[path = "it/agreement.rs"]
mod agreement;
#[path = "it/search.rs"]
mod search;
#[path = "it/world.rs"]
mod world;
