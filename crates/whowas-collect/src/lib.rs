//! Sources: how foreign records get into a trail, and what the trail says about how complete they are.
//!
//! Files and request bodies ([`import()`]), sources that are asked ([`poll`]), what receivers take ([`receive`],
//! counted in [`intake`]), the listeners of [`syslog`], and what was left behind as not understood
//! ([`retry_rejected`]); what is known of a source's completeness ([`coverage`]). This crate decides nothing
//! about a record: formats read it (`whowas-format`), the admission accepts it (`whowas-event`), the sequencer
//! places it (`whowas-store`).

pub mod connections;
pub mod coverage;
pub mod daily;
mod error;
mod import;
pub mod intake;
mod note;
pub mod poll;
mod read;
pub mod receive;
mod retry;
mod summary;
pub mod syslog;

pub use error::{ImportError, with_causes};
pub use import::{Delivery, ImportOptions, file_tail, import, import_bytes, import_file};
pub use note::{note, note_with};
pub use read::{BATCH_RECORDS, REJECTED_KEPT_MAX};
pub use retry::{RetrySummary, retry_rejected};
pub use summary::ImportSummary;
