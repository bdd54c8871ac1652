//! Sources: how foreign records get into a trail, and what the trail says about how complete they are.
//!
//! Today: files and request bodies ([`import()`]), what receivers take ([`receive`], counted in [`intake`]), the
//! listeners of [`syslog`], and what they left behind as not understood ([`retry_rejected`]). This crate decides nothing about a record: formats read it (`whowas-format`), the
//! admission accepts it (`whowas-event`), the sequencer places it (`whowas-store`).

pub mod connections;
mod error;
mod import;
pub mod intake;
mod note;
mod read;
pub mod receive;
mod retry;
mod summary;
pub mod syslog;

pub use error::ImportError;
pub use import::{Delivery, ImportOptions, file_tail, import, import_bytes, import_file};
pub use note::note;
pub use read::{BATCH_RECORDS, REJECTED_KEPT_MAX};
pub use retry::{RetrySummary, retry_rejected};
pub use summary::ImportSummary;
