//! What may be asked of a trail, and the engine that answers.
//!
//! The filter language and the named queries are pure; [`Engine`] runs them with Apache DataFusion over
//! archive and tail alike. Nothing here writes, and nothing here decides what happened: an answer is
//! derived from committed records, and a proof is not this crate's to give.
//!
//! Start at [`LoginRequest`] and [`Engine::logins`]; for sessions at [`sessions::SessionBuilder`].

mod at_once;
mod ends;
mod engine;
mod error;
pub mod facets;
mod files;
pub mod filter;
pub mod histogram;
mod history;
mod kept;
mod last_use;
mod lower;
mod named;
mod newest;
pub mod page;
mod pattern;
mod places;
mod record;
mod row;
mod scan;
pub mod select;
mod session_at;
mod session_rows;
mod session_search;
mod session_table;
pub mod sessions;
mod sql;
mod subject;
mod table;
mod then;
mod usage;
mod whole_range;

pub use at_once::{AT_ONCE_POINTS_MAX, AtOnce, AtOncePoint};
pub use engine::{Engine, LoginPage, LoginRequest, WINDOW_DAYS_DEFAULT};
pub use error::QueryError;
pub use filter::{Filter, FilterError};
pub use history::{UserHistory, UserVersion, VERSIONS_MAX};
pub use kept::Steps;
pub use named::NamedQuery;
pub use row::{LoginRow, NameSource};
pub use session_at::{SESSION_RECORDS_MAX, SessionDetail, SessionRecord};
pub use session_rows::SessionRow;
pub use session_search::{AsOf, PresencePage, PresenceRequest, SessionPage, SessionQuery, SessionRequest};
pub use subject::subject_of;
pub use usage::{AGING_DAYS, AccountStatus, AgingRange, LastSignIn, UserCount, aging};
pub use whowas_store::NameChange;
