//! The coverage ledger: which time of which source has been read, and whether that is all of it.
//!
//! Decisions only, no clock and no I/O. What a pass over a source saw is a `coverage` record of the trail
//! ([`Pass`]); a [`Ledger`] is what follows from the passes of one stream, in their order, and can be made
//! anew from the trail at any time ([`rebuild()`]). [`plan`] says which pass is next, [`report`] what to tell
//! people.
//!
//! A window is *closed* when two passes far apart returned the same ids, both after the source could
//! still add any; *open* before; *at risk* when the source will soon forget it; *lost* when it has.

mod ids;
mod keep;
mod ledger;
mod pass;
pub mod plan;
mod rebuild;
mod record;
pub mod report;
mod rhythm;

pub use ids::{IdDigest, IdSet};
pub use keep::{StreamLedger, load, reports, stored};
pub use ledger::{Closing, Ledger, Reading, State, Window};
pub use pass::{Pass, PassKind, Terms};
pub use rebuild::rebuild;
pub use record::FILES;
pub(crate) use record::{append, note_pass, record_pass};
pub use rhythm::{Silence, is_emptiness_suspicious};

/// Milliseconds of a minute, an hour and a day.
pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
