//! Transparency-log formats after C2SP: everything a writer, an auditor or a
//! witness computes, and nothing it stores or sends.
//!
//! One module per public specification. The crate is pure: no clock, no
//! randomness, no files, no sockets, no async. Tiles come in through
//! [`tile::TileSource`], time comes in as an argument, and the caller decides
//! what is durable.
//!
//! Start with [`tile::TileBuilder`] to write, [`checkpoint::Checkpoint::open`]
//! to read, [`proof`] to convince somebody else, [`policy`] to be convinced.

pub mod checkpoint;
pub mod cosignature;
pub mod hash;
mod key;
pub mod note;
pub mod policy;
pub mod proof;
pub mod tile;
pub mod tlog_proof;
pub mod tree;
pub mod witness;

#[cfg(test)]
mod golden;
