//! Integration tests of the server: real connections on loopback, and a client that shows every byte.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "it/alarm.rs"]
mod alarm;
#[path = "it/archive.rs"]
mod archive;
#[path = "it/auth.rs"]
mod auth;
#[path = "it/client.rs"]
mod client;
#[path = "it/connections.rs"]
mod connections;
#[path = "it/console.rs"]
mod console;
#[path = "it/coverage.rs"]
mod coverage;
#[path = "it/evidence.rs"]
mod evidence;
#[path = "it/exports.rs"]
mod exports;
#[path = "it/imports.rs"]
mod imports;
#[path = "it/names.rs"]
mod names;
#[path = "it/openapi.rs"]
mod openapi;
#[path = "it/people.rs"]
mod people;
#[path = "it/privacy.rs"]
mod privacy;
#[path = "it/receivers.rs"]
mod receivers;
#[path = "it/records.rs"]
mod records;
#[path = "it/report.rs"]
mod report;
#[path = "it/saved.rs"]
mod saved;
#[path = "it/scim.rs"]
mod scim;
#[path = "it/sessions.rs"]
mod sessions;
#[path = "it/tls.rs"]
mod tls;
#[path = "it/witness.rs"]
mod witness;
#[path = "it/world.rs"]
mod world;
