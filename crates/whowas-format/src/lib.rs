//! Foreign sign-in logs into events, and events into the dialects of others (ECS, OCSF).
//!
//! Pure: bytes come in through [`std::io::Read`], items go out through a callback; no files, no sockets,
//! no clock. One file per format. A format is recognised by the shape of its first bytes (headers, keys),
//! never by being told, and never by the file's name alone.
//!
//! Start at [`Format`], the contract every format meets, and [`registry::FORMATS`], the list of them.

pub mod appinsights;
pub mod authlog;
mod authmessage;
pub mod cef;
mod chunk;
pub mod cloudevents;
pub mod container;
pub mod contract;
pub mod dates;
pub mod decode;
pub mod dialect;
mod dynamics;
mod entra;
pub mod entra_analytics;
pub mod entra_csv;
pub mod entra_graph;
pub mod entra_monitor;
mod eventname;
pub mod ids;
pub mod inflate;
mod input;
pub mod instant;
pub mod journal;
mod jsonscan;
pub mod jsonstream;
pub mod keycloak;
pub mod lcs;
pub mod leef;
mod lines;
pub mod native;
mod native_fields;
pub mod okta;
pub mod otlp;
mod pammessage;
mod person;
pub mod protobuf;
pub mod registry;
mod seclines;
mod seclog;
mod sshdmessage;
mod strict;
mod syslog;
pub mod sysloglines;
pub mod sysuserlog;
pub mod table;
mod tabular;
#[cfg(test)]
mod testing;
mod unixlog;
pub mod users;
mod utmp;
pub mod windows;
pub mod wtmp;
pub mod xlsx;

pub use container::{Input, ReadSeek};
pub use contract::{
    DateOrder, Format, Info, Item, Options, Place, Problem, ReadError, ReadSummary, Sample, Sink, Stop,
    Yields,
};
pub use input::{Begin, FileReport, FileStart, read_all, read_each};
