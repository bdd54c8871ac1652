//! The files of exports that are kept: `trails/PROJECT/ENVIRONMENT/exports/NUMBER`.
//!
//! Which export is whose, and until when, is in the control database; a file that it does not know as done is
//! swept away. An erasure removes the whole folder (`erase.rs`).

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use whowas_event::EnvironmentName;

use crate::{Store, StoreError, durable};

/// The exports of one environment. Every method waits for the disk.
#[derive(Clone, Debug)]
pub struct ExportFiles {
    folder: PathBuf,
}

impl Store {
    /// Where the exports of an environment lie.
    pub fn export_files(&self, name: &EnvironmentName) -> ExportFiles {
        ExportFiles { folder: self.trail_folder(name).join("exports") }
    }
}

impl ExportFiles {
    /// An empty file to write an export into, readable for its owner only. A part of it from before is gone.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn begin(&self, id: i64) -> Result<File, StoreError> {
        durable::create_folder(&self.folder).map_err(|e| StoreError::file(&self.folder, e))?;
        let path = self.unfinished(id);
        let mut options = File::options();
        let opened = options.read(true).write(true).create(true).truncate(true).mode(0o600).open(&path);
        opened.map_err(|e| StoreError::file(&path, e))
    }

    /// Gives a file that was written and fsynced its name. When this returns, the name is durable.
    ///
    /// # Errors
    /// The file is not there any more, or cannot be renamed.
    pub fn publish(&self, id: i64) -> Result<(), StoreError> {
        let path = self.path(id);
        fs::rename(self.unfinished(id), &path).map_err(|e| StoreError::file(&path, e))?;
        durable::sync_parent(&path).map_err(|e| StoreError::file(&path, e))
    }

    /// The file of an export that is done; `None` if it is not there.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(&self, id: i64) -> Result<Option<File>, StoreError> {
        let path = self.path(id);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::file(&path, error)),
        }
    }

    /// Deletes whatever there is of an export.
    ///
    /// # Errors
    /// A file cannot be deleted.
    pub fn remove(&self, id: i64) -> Result<(), StoreError> {
        remove(&self.unfinished(id))?;
        remove(&self.path(id))
    }

    /// Deletes every file that is not of one of these.
    ///
    /// # Errors
    /// The folder cannot be read, or a file cannot be deleted.
    pub fn sweep(&self, kept: &[i64]) -> Result<(), StoreError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StoreError::file(&self.folder, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|e| StoreError::file(&self.folder, e))?;
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if !id.is_some_and(|id| kept.contains(&id)) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, id: i64) -> PathBuf {
        self.folder.join(id.to_string())
    }

    fn unfinished(&self, id: i64) -> PathBuf {
        self.folder.join(format!(".tmp-{id}"))
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::file(path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn what_is_not_kept_is_swept_away() {
        let folder = tempfile::tempdir().unwrap();
        let files = ExportFiles { folder: folder.path().join("exports") };
        files.sweep(&[]).unwrap();
        assert!(files.open(1).unwrap().is_none());
        for id in [1, 2, 3] {
            files.begin(id).unwrap().write_all(b"who was").unwrap();
        }
        files.publish(1).unwrap();
        files.publish(2).unwrap();
        fs::write(folder.path().join("exports/stray"), b"?").unwrap();
        let mut text = String::new();
        files.open(1).unwrap().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "who was");
        files.sweep(&[1, 3]).unwrap();
        let left =
            fs::read_dir(folder.path().join("exports")).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), ["1"], "unfinished files are not of one that is done");
        files.remove(1).unwrap();
        files.remove(1).unwrap();
        assert!(files.open(1).unwrap().is_none());
        assert!(files.publish(3).is_err());
    }
}
