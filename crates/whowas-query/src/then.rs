//! Directories of earlier states, for answers as of then.
//!
//! Made of what the directory of today keeps of the past; a few are kept, because whoever asks as of a state asks for
//! more than one page of it. Dropped when something was erased.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use whowas_store::{Directory, Snapshot};

/// So many are kept.
const KEPT_MAX: usize = 4;

/// Of each the trail's folder, the size, and the directory.
#[derive(Debug, Default)]
pub(crate) struct Directories {
    kept: Mutex<Vec<(PathBuf, u64, Arc<Directory>)>>,
}

impl Directories {
    /// The snapshot with the directory of an earlier size.
    pub(crate) fn snapshot(&self, folder: PathBuf, snapshot: Arc<Snapshot>, size: u64) -> Arc<Snapshot> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().find(|(of, at, _)| *of == folder && *at == size);
        let directory = match found {
            Some((_, _, directory)) => directory.clone(),
            None => {
                let directory = Arc::new(snapshot.directory.at_size(size));
                if kept.len() >= KEPT_MAX {
                    kept.remove(0);
                }
                kept.push((folder, size, directory.clone()));
                directory
            }
        };
        drop(kept);
        Arc::new(Snapshot { directory, ..Snapshot::clone(&snapshot) })
    }

    pub(crate) fn clear(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
