//! A trail from its archive, on a machine that has nothing.
//!
//! The windows of one schedule have all records from the first to the last window's tree size, in segments. Each
//! window names the one before it, so a missing one is noticed. After each window the root over the records that
//! are there must be that of the window's checkpoint: what comes out is the same log. What came after the last window, and
//! what is in no record (tokens, rejected records, holds, cursors of sources), is not in the archive.

use std::io::Read;

use sha2::{Digest, Sha256};
use whowas_event::{EnvironmentName, Time};
use whowas_store::{SEGMENT_BYTES_MAX, Store, StoreError};
use whowas_tlog::{note::Note, policy::Policy};

use super::{
    manifest::{MANIFEST, MANIFEST_BYTES_MAX, Manifest, Purpose},
    offline::{Offline, OfflineError},
};

/// Why a trail could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The archive is not what it should be.
    #[error("{0}: {1}")]
    Broken(String, String),
    /// The storage cannot be read.
    #[error(transparent)]
    Offline(#[from] OfflineError),
    /// The trail could not be made.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A trail that was restored.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Restored {
    /// Its environment.
    pub environment: EnvironmentName,
    /// The log.
    pub origin: String,
    /// Windows that were read.
    pub windows: usize,
    /// The end of the last.
    pub to: Time,
    /// Records.
    pub size: u64,
    /// The root over them: that of the last window's checkpoint.
    pub root: String,
    /// The key that signs from now on.
    pub vkey: String,
    /// Whether it is the key that signed the last window's checkpoint.
    pub is_same_key: bool,
}

/// Makes a trail in an empty store from the folder of a schedule. `key` is the text of the trail's secret key, from a
/// backup of its own: it is not in the archive.
///
/// # Errors
/// The storage, or what is in it, or the store. The store is then of no use.
pub async fn restore(
    store: &Store,
    storage: &Offline,
    policy: &Policy,
    key: Option<&str>,
) -> Result<Restored, RestoreError> {
    let windows = manifests(storage, policy).await?;
    let broken = |place: &str, reason: &str| RestoreError::Broken(place.to_owned(), reason.to_owned());
    let Some((_, last)) = windows.last() else {
        return Err(broken(storage.shown(), "there is no window in it; give the folder of a schedule"));
    };
    let environment: EnvironmentName =
        last.environment.parse().map_err(|_| broken(MANIFEST, "its environment is no name"))?;
    let mut restoring = store.restore(&environment, &last.origin, key).await?;
    for (folder, manifest) in &windows {
        for part in manifest.files.iter().filter(|part| part.purpose == Purpose::Records) {
            let place = format!("{folder}/{}", part.name);
            let mut file = tempfile::tempfile().map_err(|e| OfflineError::File(place.clone(), e))?;
            let bytes_max = part.bytes.saturating_add(1).min(SEGMENT_BYTES_MAX);
            let (bytes, sha256) = storage.fetch(&place, bytes_max, &mut file).await?;
            if (bytes, &sha256) != (part.bytes, &part.sha256) {
                return Err(broken(&place, "it is not the file that was written: another size or SHA-256"));
            }
            let Some(end) = part.end.filter(|_| part.start == Some(restoring.size())) else {
                return Err(broken(&place, "it does not follow on the records before it"));
            };
            let body = whole(&mut file).map_err(|e| OfflineError::File(place.clone(), e))?;
            restoring.add(body.into(), end).await?;
        }
        let checkpoint = accepted(manifest, policy).map_err(|reason| broken(folder, &reason))?;
        if (restoring.size(), restoring.root()) != (checkpoint.size, checkpoint.root) {
            return Err(broken(folder, "its records do not have the root of its checkpoint"));
        }
    }
    let vkey = restoring.verifying_key().to_string();
    Ok(Restored {
        environment,
        origin: last.origin.clone(),
        windows: windows.len(),
        to: last.to,
        size: restoring.size(),
        root: restoring.root().to_string(),
        is_same_key: vkey == last.vkey,
        vkey,
    })
}

fn whole(file: &mut std::fs::File) -> std::io::Result<Vec<u8>> {
    use std::io::Seek;
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(SEGMENT_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn accepted(manifest: &Manifest, policy: &Policy) -> Result<whowas_tlog::checkpoint::Checkpoint, String> {
    let note = Note::parse(&manifest.checkpoint).map_err(|e| format!("its checkpoint: {e}"))?;
    let accepted = policy.accept(&note).map_err(|e| format!("its checkpoint: {e}"))?;
    match accepted.checkpoint.origin == manifest.origin && accepted.checkpoint.size == manifest.tree_size {
        true => Ok(accepted.checkpoint),
        false => Err("its checkpoint is not of the tree that it speaks of".to_owned()),
    }
}

/// Every window, from the first, each following on the one before.
async fn manifests(storage: &Offline, policy: &Policy) -> Result<Vec<(String, Manifest)>, RestoreError> {
    let mut windows: Vec<(String, Manifest)> = Vec::new();
    let mut before: Option<String> = None;
    for folder in storage.folders("").await? {
        let place = format!("{folder}/{MANIFEST}");
        let bytes = match storage.read(&place, MANIFEST_BYTES_MAX).await {
            Ok(bytes) => bytes,
            // Files of a window that was never finished.
            Err(OfflineError::Missing(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        let broken = |reason: String| RestoreError::Broken(place.clone(), reason);
        let manifest = Manifest::parse(&bytes).map_err(broken)?;
        accepted(&manifest, policy).map_err(broken)?;
        let last = windows.last().map(|(_, last)| last);
        let follows = manifest.previous == before
            && last.is_none_or(|last| {
                (last.to, last.tree_size, &last.origin, &last.environment)
                    == (manifest.from, manifest.first_position, &manifest.origin, &manifest.environment)
            });
        if !follows || (last.is_none() && manifest.first_position != 0) {
            let said = last.map_or("the beginning".to_owned(), |last| last.to.to_string());
            return Err(broken(format!("it does not follow on the window before, which ends at {said}")));
        }
        before = Some(hex::encode(Sha256::digest(&bytes)));
        windows.push((folder, manifest));
    }
    Ok(windows)
}
