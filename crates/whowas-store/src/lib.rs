//! The life of a trail: sequence, commit, recover, archive, compact, and the control database.
//!
//! What "durable" means here: the bytes and their directory entries were fsynced before the call
//! returned. The store is trusted for availability, never for integrity: the Merkle tree stands above it.
//! This crate knows no foreign format, no query language and no HTTP.
//!
//! Start at [`Store`], then [`Trail::append`]; the commit protocol with its crash points is in `trail.rs`,
//! what opening does about a crash in `recover.rs`, the layout on disk in `docs/format.md`.

mod archive;
pub mod audit;
mod bloom;
pub mod columns;
pub mod control;
mod cosigned;
mod daysum;
mod directory;
mod durable;
mod entries;
pub mod erase;
mod error;
mod export_files;
mod layout;
mod objects;
mod outage;
mod person;
mod prove;
mod recover;
mod remote;
mod reopen;
mod rotate;
mod seen;
mod segment;
mod sequence;
mod settle;
mod staging;
mod store;
mod trail;
pub mod witness;
mod writer;

pub use archive::ArchiveFile;
pub use control::Person;
pub use cosigned::Cosigned;
pub use directory::{Directory, NameChange, Naming, Stated};
pub use durable::{DurableLocal, publish_file};
pub use erase::{ErasedPositions, ErasureOrder};
pub use error::{ErrorKind, StoreError};
pub use export_files::ExportFiles;
pub use prove::RecordProof;
pub use remote::remote;
pub use rotate::{PendingRotation, Rotated};
pub use segment::{Restoring, SEGMENT_BYTES_MAX, SEGMENT_RECORDS_MAX, Segment, segment_leaves};
pub use sequence::{Batch, Receipt};
pub use store::{Clock, DEFAULT_ORIGIN_BASE, Store, StoreOptions};
pub use trail::{POOL_RECORDS_MAX, Snapshot, TailBatch, Trail, WhenFull};
