//! The commit point: the one place where a trail's writer asks the control database to swap.

use super::Writer;
use crate::{
    StoreError,
    control::{Commit, Progress},
};

impl Writer {
    /// Commits how far sources have been read, under the checkpoint that is there.
    pub(super) async fn commit_progress(&self, size: u64, progress: Vec<Progress>) -> Result<(), StoreError> {
        if progress.is_empty() {
            return Ok(());
        }
        let checkpoint = self.shared.snapshot().checkpoint.clone();
        self.swap(&Commit { expected_size: size, size, checkpoint, progress, ..Commit::default() }).await
    }

    pub(super) async fn swap(&self, commit: &Commit) -> Result<(), StoreError> {
        if self.control.commit(&self.shared.name, commit).await? {
            return Ok(());
        }
        Err(StoreError::Poisoned(format!(
            "another writer has committed to this trail beyond position {}",
            commit.expected_size
        )))
    }
}
