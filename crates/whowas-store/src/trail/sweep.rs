//! Deleting what compaction replaced, once nobody reads it any more.

use std::sync::Weak;

use object_store::path::Path;

use super::{Shared, Snapshot};
use crate::StoreError;

/// Objects that were replaced, and the last snapshot that may read them.
pub(super) type Garbage = Vec<(Weak<Snapshot>, Vec<Path>)>;

/// Deletes replaced objects that no reader's snapshot names any more. Snapshots are replaced in order, so
/// the oldest that still lives holds everything younger.
pub(super) async fn sweep(shared: &Shared, garbage: &mut Garbage) -> Result<(), StoreError> {
    use object_store::ObjectStoreExt;
    while let Some((snapshot, _)) = garbage.first()
        && snapshot.strong_count() == 0
    {
        for path in garbage.remove(0).1 {
            match shared.objects.store.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
