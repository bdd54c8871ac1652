//! Integration tests of the store, in one binary.

#[path = "it/control.rs"]
mod control;
#[path = "it/trail.rs"]
mod trail;
#[path = "it/world.rs"]
mod world;
