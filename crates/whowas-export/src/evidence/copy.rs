//! A copy of a log as C2SP files, checked without the log: `checkpoint`, `tile/…`, `tile/entries/…`.
//!
//! Whose log it is does not matter: every log in the layout of c2sp.org/tlog-tiles can be checked. Every
//! stored tile is compared, not only those on the way to the root. Memory is one tile of each level.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use whowas_tlog::{
    checkpoint::Checkpoint,
    hash::leaf_hash,
    note::Note,
    policy::{Accepted, Policy},
    tile::{TileId, TileSource, check_tiles, decode_entries, peaks_at, root_at},
    tree::Frontier,
};

use super::{Finding, Leaf, dated::Dated, stated::Stated};

/// Findings that are listed; a broken copy would otherwise fill the screen with its positions.
const FINDINGS_MAX: usize = 100;

/// What is known of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct CopyReport {
    /// The log.
    pub origin: String,
    /// The key that signed.
    pub vkey: String,
    /// Size of the tree of the checkpoint.
    pub size: u64,
    /// Its root, base64.
    pub root: String,
    /// Witnesses of the policy that cosigned, and when by their clocks (seconds since 1970).
    pub cosignatures: Vec<(String, u64)>,
    /// Entries that were hashed and compared; 0 if the copy has no entries.
    pub entries: u64,
    /// Entries before this position are not there, as the log's own rule of retention says; 0 as a rule.
    pub first_entry: u64,
    /// Tiles beyond the checkpoint: the log has gone on since, or its checkpoint was put back.
    pub tiles_beyond: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Checks a copy under the verifier's policy; with `pinned`, also against a checkpoint the verifier kept.
pub fn verify(folder: &Path, policy: &Policy, pinned: Option<&Note>) -> CopyReport {
    let mut check = Check { tiles: FolderTiles::new(folder), report: CopyReport::default() };
    if let Err(finding) = check.run(policy, pinned) {
        check.report.findings.push(finding);
    }
    check.report.findings.truncate(FINDINGS_MAX);
    check.report
}

/// Checks the signed side only: the checkpoint under the policy, and against a pinned one. For folders
/// whose records are checked elsewhere.
pub fn verify_checkpoint(folder: &Path, policy: &Policy, pinned: Option<&Note>) -> CopyReport {
    let mut check = Check { tiles: FolderTiles::new(folder), report: CopyReport::default() };
    let checked = check.checkpoint(policy).and_then(|checkpoint| match pinned {
        Some(pinned) => check.pinned(&checkpoint, policy, pinned),
        None => Ok(()),
    });
    if let Err(finding) = checked {
        check.report.findings.push(finding);
    }
    check.report
}

struct Check {
    tiles: FolderTiles,
    report: CopyReport,
}

impl Check {
    fn found(&mut self, place: impl Into<String>, reason: impl Into<String>) {
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(Finding::new(place, reason));
        }
    }

    fn run(&mut self, policy: &Policy, pinned: Option<&Note>) -> Result<(), Finding> {
        let checkpoint = self.checkpoint(policy)?;
        let tree = check_tiles(checkpoint.size, &mut self.tiles);
        match tree {
            Ok(root) if root == checkpoint.root => {}
            Ok(_) => self.found("tile", "the tiles do not have the root of the checkpoint"),
            Err(error) => self.found("tile", error.to_string()),
        }
        if let Some(pinned) = pinned
            && let Err(finding) = self.pinned(&checkpoint, policy, pinned)
        {
            self.report.findings.push(finding);
        }
        self.entries(&checkpoint)?;
        self.stored(checkpoint.size)
    }

    fn checkpoint(&mut self, policy: &Policy) -> Result<Checkpoint, Finding> {
        let wrong = |reason: String| Finding::new("checkpoint", reason);
        let text = self.tiles.get("checkpoint").map_err(|e| wrong(e.to_string()))?;
        let text = text.ok_or_else(|| wrong("it is missing".to_owned()))?;
        let text = String::from_utf8(text).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
        let note = Note::parse(&text).map_err(|e| wrong(e.to_string()))?;
        let Accepted { checkpoint, key, cosignatures } =
            policy.accept(&note).map_err(|e| wrong(e.to_string()))?;
        self.report.origin.clone_from(&checkpoint.origin);
        self.report.vkey = key.to_string();
        self.report.size = checkpoint.size;
        self.report.root = checkpoint.root.to_string();
        self.report.cosignatures = cosignatures.into_iter().map(|one| (one.name, one.unix_seconds)).collect();
        Ok(checkpoint)
    }

    /// The pinned checkpoint must be of the same log, and its tree the beginning of this one.
    fn pinned(&mut self, now: &Checkpoint, policy: &Policy, pinned: &Note) -> Result<(), Finding> {
        let wrong = |reason: String| Finding::new("pinned checkpoint", reason);
        let kept = policy.accept(pinned).map_err(|e| wrong(e.to_string()))?.checkpoint;
        if kept.origin != now.origin {
            return Err(wrong(format!("it is of the log {:?}, this is {:?}", kept.origin, now.origin)));
        }
        if kept.size > now.size {
            return Err(wrong(format!(
                "it has {} records, this log only {}: the log was rolled back or restored from a backup",
                kept.size, now.size
            )));
        }
        let then = root_at(kept.size, now.size, &mut self.tiles).map_err(|e| wrong(e.to_string()))?;
        if then == kept.root {
            return Ok(());
        }
        Err(wrong(format!(
            "the first {} records of this log are not those that it was for: history was rewritten",
            kept.size
        )))
    }

    /// Hashes every entry, compares it with its tile, and computes the root a second time.
    fn entries(&mut self, checkpoint: &Checkpoint) -> Result<(), Finding> {
        if !self.tiles.folder.join("tile/entries").exists() {
            return Ok(());
        }
        let first = self.first_bundle(checkpoint.size);
        let mut frontier = self.frontier_at(first * 256, checkpoint.size)?;
        self.report.first_entry = frontier.size();
        let mut stated = Stated::default();
        // Of a log whose first entries are gone, a day cannot be counted.
        let mut dated = (first == 0).then(Dated::of_all);
        let mut index = first;
        while let Some(id) = TileId::in_tree(0, index, checkpoint.size) {
            let place = id.entries_path();
            let wrong = |reason: String| Finding::new(&place, reason);
            let bundle = self.tiles.bundle(id).map_err(|e| wrong(e.to_string()))?;
            let entries = decode_entries(&bundle).map_err(|e| wrong(e.to_string()))?;
            // A full bundle may stand for a partial one: its beginning is meant.
            let width = usize::from(id.width);
            if entries.len() < width || (entries.len() > width && self.tiles.has(&place)) {
                return Err(wrong(format!("it has {} entries instead of {width}", entries.len())));
            }
            let tile = self.tiles.read(id).map_err(|e| wrong(e.to_string()))?;
            for ((at, entry), stored) in entries.iter().take(width).enumerate().zip(tile.chunks_exact(32)) {
                let hash = leaf_hash(entry);
                if hash.0 != *stored {
                    let position = index * 256 + at as u64;
                    self.found(
                        &place,
                        format!("position {position}: the entry is not the one that was committed"),
                    );
                }
                // Entries of other logs are no leaves of ours, and say nothing of retention.
                if let Ok(leaf) = Leaf::parse(entry) {
                    let at = frontier.size();
                    let day = dated.as_mut().map_or(Ok(()), |dated| dated.take(at, &leaf, &hash));
                    let reasons = [stated.take(at, &leaf), day].into_iter().filter_map(Result::err);
                    reasons.for_each(|reason| self.found(&place, format!("position {at}: {reason}")));
                }
                frontier.append(hash);
            }
            self.report.entries = frontier.size() - self.report.first_entry;
            index += 1;
        }
        if self.report.first_entry > stated.minimum_index {
            let (first, allowed) = (self.report.first_entry, stated.minimum_index);
            self.found(
                "tile/entries",
                format!("entries before position {first} are missing, and the log's rule of retention allows {allowed}"),
            );
        }
        if frontier.root() != checkpoint.root {
            self.found("tile/entries", "the entries do not have the root of the checkpoint");
        }
        Ok(())
    }

    /// The first bundle that is there. Those before it may have been let go.
    fn first_bundle(&self, size: u64) -> u64 {
        let last = size / 256;
        (0..last).find(|index| self.tiles.has(&TileId::full(0, *index).entries_path())).unwrap_or(last)
    }

    /// The tree before the first entry, from the tiles, which were compared with the root.
    fn frontier_at(&mut self, past_size: u64, size: u64) -> Result<Frontier, Finding> {
        let wrong = |reason: String| Finding::new("tile", reason);
        let peaks = peaks_at(past_size, size, &mut self.tiles).map_err(|e| wrong(e.to_string()))?;
        Frontier::from_peaks(past_size, peaks).map_err(|e| wrong(e.to_string()))
    }

    /// Every other stored tile and bundle: partial ones of earlier sizes must be the beginning of what
    /// replaced them.
    fn stored(&mut self, size: u64) -> Result<(), Finding> {
        let files = self.tiles.list("tile").map_err(|e| Finding::new("tile", e.to_string()))?;
        for path in files {
            let bundle = TileId::parse_entries(&path).ok();
            let Some(id) = bundle.or_else(|| TileId::parse(&path).ok()) else {
                self.found(&path, "it is not the path of a tile");
                continue;
            };
            match TileId::in_tree(id.level, id.index, size) {
                None => self.report.tiles_beyond += 1,
                Some(now) if id.width > now.width => self.report.tiles_beyond += 1,
                Some(now) if id == now => {}
                Some(now) => {
                    let replaced = if bundle.is_some() { now.entries_path() } else { now.path() };
                    let (old, new) = (self.tiles.get(&path), self.tiles.get(&replaced));
                    let is_prefix = matches!((&old, &new), (Ok(Some(old)), Ok(Some(new))) if !old.is_empty() && new.starts_with(old));
                    let is_whole =
                        bundle.is_some() || matches!(&old, Ok(Some(old)) if old.len() == id.byte_len());
                    if !(is_prefix && is_whole) {
                        self.found(
                            &path,
                            format!("it is not the beginning of {replaced}, which replaced it"),
                        );
                    }
                }
            }
        }
        Ok(())
    }
}

/// Tiles below a folder.
struct FolderTiles {
    folder: PathBuf,
}

impl FolderTiles {
    fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn get(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.folder.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn has(&self, path: &str) -> bool {
        self.folder.join(path).exists()
    }

    fn bundle(&self, id: TileId) -> io::Result<Vec<u8>> {
        let full = TileId::full(id.level, id.index);
        let found = match self.get(&id.entries_path())? {
            Some(bundle) => Some(bundle),
            None => self.get(&full.entries_path())?,
        };
        found.ok_or_else(|| io::Error::other("it is missing"))
    }

    /// The files below, as paths of the log, sorted.
    fn list(&self, below: &str) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut folders = vec![below.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(self.folder.join(&folder))? {
                let entry = entry?;
                let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
                if entry.file_type()?.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        Ok(found)
    }
}

impl TileSource for FolderTiles {
    type Error = io::Error;

    fn read(&mut self, id: TileId) -> Result<Vec<u8>, io::Error> {
        if let Some(bytes) = self.get(&id.path())? {
            return Ok(bytes);
        }
        let full = TileId::full(id.level, id.index);
        let mut bytes = self.get(&full.path())?.ok_or_else(|| io::Error::other("it is missing"))?;
        bytes.truncate(id.byte_len());
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
