//! HTTP API, console, sign-in.
//!
//! A thin shell: handlers extract, ask the rooms below, and shape the answer. What a filter means, which
//! records are acceptable and what is durable is decided elsewhere. This crate decides who may ask
//! (`auth.rs`), which status an error has (`problem.rs`), and what is written down about every question
//! (`access.rs`).
//!
//! Start at [`Server`], then `router.rs`, the table of contents.

mod access;
pub mod alarm;
mod api;
mod app;
pub mod archive;
mod assets;
mod auth;
mod body;
mod connection;
mod console;
pub mod evidence;
mod file_body;
mod following;
mod headers;
mod io;
mod jobs;
mod mending;
mod problem;
mod receive;
pub mod report;
mod router;
mod saved;
mod scim;
pub mod secret;
mod serve;
mod stating;
mod tls;
pub mod webhook;
mod witness;
mod witnessing;

pub use serve::{Limits, Options, ServeError, Server};
pub use tls::TlsFiles;
pub use witness::WitnessServer;
pub use witnessing::WitnessAddress;
