//! Scheduled exports into offline storage: the weekly task, done for ever.
//!
//! What is to be done is decided in `whowas_export::windows`; here it is carried out, one step at a time
//! ([`Archiver`]), with the clock of the store. What is known of each window is in the control database, and a
//! window that was written is also a record of the trail, in one commit. What lies in the storage is described
//! in `docs/format.md` ([`manifest`]); [`verify`](fn@verify) and [`restore`](fn@restore) need nothing else.

mod make;
pub mod manifest;
mod offline;
mod report;
mod restore;
mod run;
mod verify;

use std::sync::Arc;

use whowas_event::EnvironmentName;
use whowas_export::{FileFormat, windows::Schedule};

pub use offline::{Offline, OfflineError};
pub use report::{ScheduleReport, WindowReport, windows};
pub use restore::{RestoreError, Restored, restore};
pub(crate) use run::send_all;
pub use run::{Archiver, Step};
pub use verify::{Verified, verify};

/// One schedule of one environment, with where it writes.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// Whose sign-ins.
    pub environment: EnvironmentName,
    /// When.
    pub schedule: Schedule,
    /// Where to.
    pub storage: Arc<Offline>,
    /// As what the rows are written besides the evidence.
    pub formats: Vec<FileFormat>,
}
