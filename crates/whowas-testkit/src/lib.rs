//! For tests only, never shipped: sources in simulated time, with faults that follow from a seed.
//!
//! [`graph::SimGraph`] answers as Microsoft Graph documents its sign-in logs, and misbehaves as the field
//! reports. [`drive::Story`] lets a collector read it into a real store while time passes, stops and kills it,
//! and says at the end what is wrong with what is in the trail. [`tale::Tale`] does the same for the
//! other sources: [`logs`] of Okta and Keycloak, [`people`] of Dynamics and Graph. One seed gives one story.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

pub mod clock;
pub mod drive;
pub mod faults;
pub mod front;
pub mod graph;
pub mod life;
pub mod logs;
pub mod people;
pub mod random;
pub mod tale;
