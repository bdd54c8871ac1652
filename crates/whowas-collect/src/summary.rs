//! What became of one file.

use serde::Serialize;
use whowas_store::Receipt;

/// What became of one file: a contract of the command line and of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportSummary {
    /// Its name; behind `/` that in the archive.
    pub file: String,
    /// The format it was read as; absent for a file of an archive that none recognises.
    pub format: Option<String>,
    /// Records of input.
    pub read: u64,
    /// Records that are new in the trail, revisions among them.
    pub recorded: u64,
    /// Records that were in the trail already.
    pub duplicate: u64,
    /// Records whose id was in the trail with other content.
    pub revised: u64,
    /// Records that were refused; they are kept with the reason.
    pub rejected: u64,
    /// Position of the first recorded one.
    pub first_position: Option<u64>,
    /// Size of the tree that holds them.
    pub tree_size: u64,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Where and why the first rejected records were refused, for people; all are kept and can be listed.
    #[serde(skip)]
    pub reasons: Vec<String>,
}

impl ImportSummary {
    /// Adds what became of one batch.
    pub(crate) fn add(&mut self, receipt: Receipt) {
        self.recorded += receipt.recorded;
        self.duplicate += receipt.duplicate;
        self.revised += receipt.revised;
        self.first_position = match (self.first_position, receipt.first_position) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.tree_size = self.tree_size.max(receipt.tree_size);
    }
}
