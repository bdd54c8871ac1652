//! What may be asked of a trail, and the engine that answers.
//!
//! The filter language and the named queries are pure; [`Engine`] runs them with Apache DataFusion over
//! archive and tail alike. Nothing here writes, and nothing here decides what happened: an answer is
//! derived from committed records, and a proof is not this crate's to give.
//!
//! Start at [`LoginRequest`] and [`Engine::logins`]; for sessions at [`sessions::SessionBuilder`].

mod ends;
mod engine;
mod error;
pub mod facets;
mod files;
pub mod filter;
pub mod histogram;
mod lower;
mod named;
mod newest;
pub mod page;
mod pattern;
mod record;
mod row;
mod scan;
pub mod sessions;
mod sql;
mod table;
mod whole_range;

pub use engine::{Engine, LoginPage, LoginRequest, WINDOW_DAYS_DEFAULT};
pub use error::QueryError;
pub use filter::{Filter, FilterError};
pub use named::NamedQuery;
pub use row::{LoginRow, NameSource};
