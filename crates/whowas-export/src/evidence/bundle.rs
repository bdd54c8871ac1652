//! An answer with its evidence: one zip file that shows, without trail, server or network, that every row
//! is a record of the log and, as far as it can be shown, that no row was left out.
//!
//! ```text
//! data.csv | data.jsonl   the answer, as it was exported
//! leaves.jsonl            every leaf of the log from one position to its end, in order; with the
//!                         disclosures of those records that are rows
//! checkpoint              the signed checkpoint, with its cosignatures
//! vkey                    the log's key, to compare with the one you trust
//! manifest.json           what was asked, by whom, when; sizes, hashes, peaks; what is proven and what not
//! ```
//!
//! **Completeness.** The leaves are all there are between `first_position` and the end: appended to the
//! `peaks` of the tree before them they give the checkpoint's root, which nobody can arrange otherwise.
//! The question is asked again of every leaf ([`judge`]); the query engine's word is not taken. Where the
//! answer depends on a personal field that is not disclosed, a leaf stays *undecided*, and the report says
//! how many.

pub mod judge;
mod rows;
mod verify;
mod write;

pub use verify::{BundleReport, extract_data, read_checkpoint, read_manifest, verify};
pub use write::{BundleWriter, Exported};

use serde::{Deserialize, Serialize};

/// The first bytes of every zip file.
pub const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
/// The format's name and version.
const FORMAT: &str = "whowas-evidence@1";
const MANIFEST: &str = "manifest.json";
const LEAVES: &str = "leaves.jsonl";
const CHECKPOINT: &str = "checkpoint";
const VKEY: &str = "vkey";

/// What a bundle says about itself. Nothing of it is believed that is not checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `whowas-evidence@1`.
    pub format: String,
    /// The log.
    pub origin: String,
    /// Size of the tree of the checkpoint; the leaves end there.
    pub tree_size: u64,
    /// Position of the first leaf.
    pub first_position: u64,
    /// Roots of the complete subtrees before it, largest first, base64.
    pub peaks: Vec<String>,
    /// What was asked.
    pub question: Question,
    /// Who exported, as the system knew them.
    pub exported_by: String,
    /// When, by the exporter's clock (RFC 3339).
    pub exported_at: String,
    /// Rows of the answer.
    pub rows: u64,
    /// The answer.
    pub data: Part,
    /// The leaves.
    pub leaves: Part,
    /// In words: what the bundle proves …
    pub proven: Vec<String>,
    /// … and what it does not.
    pub not_proven: Vec<String>,
}

/// A question to a trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The named query.
    pub query: String,
    /// At or after (RFC 3339).
    pub from: String,
    /// Before.
    pub to: String,
    /// The filter; empty if there is none.
    pub filter: String,
    /// The zone in which the exporter was shown times. Times in the data are UTC.
    pub time_zone: String,
}

/// One file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Lower-case hexadecimal SHA-256.
    pub sha256: String,
}

#[cfg(test)]
mod day_tests;
#[cfg(test)]
mod tests;
