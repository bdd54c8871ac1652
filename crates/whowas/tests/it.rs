//! The binary as its users have it: command line, HTTP, a browser, and a power switch.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "it/alarms.rs"]
mod alarms;
#[path = "it/archive.rs"]
mod archive;
#[path = "it/browser.rs"]
mod browser;
#[path = "it/cli.rs"]
mod cli;
#[path = "it/clouds.rs"]
mod clouds;
#[path = "it/collect.rs"]
mod collect;
#[path = "it/corpus.rs"]
mod corpus;
#[path = "it/coverage.rs"]
mod coverage;
#[path = "it/erase.rs"]
mod erase;
#[path = "it/evidence.rs"]
mod evidence;
#[path = "it/faults.rs"]
mod faults;
#[path = "it/foreign_witness.rs"]
mod foreign_witness;
#[path = "it/http.rs"]
mod http;
#[path = "it/input.rs"]
mod input;
#[path = "it/key.rs"]
mod key;
#[path = "it/kill.rs"]
mod kill;
#[path = "it/logs.rs"]
mod logs;
#[path = "it/objects.rs"]
mod objects;
#[path = "it/offline.rs"]
mod offline;
#[path = "it/power.rs"]
mod power;
#[path = "it/provisioners.rs"]
mod provisioners;
#[path = "it/report.rs"]
mod report;
#[path = "it/script.rs"]
mod script;
#[path = "it/senders.rs"]
mod senders;
#[path = "it/sessions.rs"]
mod sessions;
