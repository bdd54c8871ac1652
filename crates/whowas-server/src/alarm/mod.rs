//! Alarms: somebody is told while a gap can still be mended, once for each event.
//!
//! What an alarm is about, and what changes of it, is decided in [`decide`], a function of what the ledger, the
//! schedules and the trail say at a time. [`Alarms`] carries that out: what is known of each alarm is kept in the
//! control database before anybody is told, so a restart tells nothing twice and forgets nothing; each alarm that
//! is raised or resolved is also a record of the trail.

mod decide;
mod report;
mod run;

pub use decide::{Alarm, AlarmKind, Change, Condition, Facts, Recorded, Rule, conditions, decide};
pub use report::{AlarmReport, alarms};
pub use run::{Alarms, Target};
