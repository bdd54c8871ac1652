//! Sessions: who was signed in from when to when, derived from records and never stored as truth.
//!
//! A session is a record of its start and a record of its end, or an end that is inferred and says so. This
//! module is pure: it knows records, rules and the instant up to which it is asked, and no engine, store or
//! clock. What comes out is a function of the *set* of records: in whatever order, how often and in whatever
//! pieces they come in, the sessions are the same.
//!
//! **Lanes.** Records are paired within a lane ([`LaneKey`]): the source's session id where there is one, else
//! the line (`unmapped.session.line`) on its machine, else the record alone. In a lane, records are taken
//! in the order of `occurred_at`.
//!
//! **What opens and ends.** A successful logon, or a change of account that has a session id, opens. A
//! failed one never does, whatever else it says. A logoff ends. Any other record with a session id (lock, unlock,
//! reconnect, token renewal) belongs to the session and shows that it went on.
//!
//! **Inferred ends** are decided in `pair.rs`, by the numbers of [`rules`]: the machine started or stopped
//! (`shutdown`), the next login took the line or the id (`superseded`), nothing was heard for too long
//! (`timeout`), the credential's life is over (`expired`). A recorded end goes before an inferred one, except
//! on lines, where the end of another run of the machine is somebody else's.
//!
//! Start at [`SessionBuilder`]. Sessions of a trail are kept as rows ([`crate::SessionRow`]); what a row says is decided here
//! (`row.rs`), where it is kept in `kept/`.

mod builder;
mod mark;
mod pair;
mod row;
pub mod rules;
mod session;
#[cfg(test)]
mod tests;

pub use builder::{Insertion, LoginRecord, SessionBuilder};
pub use mark::{LaneId, LaneKey};
pub(crate) use mark::{Mark, RecordKey, Role, Told, scope_digest};
pub use pair::{LoneEnd, Pairing, RECORDS_MAX};
pub(crate) use row::{Row, sure_start_of};
pub use rules::{FormatRules, Keys, SessionRules};
pub use session::{EndConfidence, EndReason, RecordRef, Session};
