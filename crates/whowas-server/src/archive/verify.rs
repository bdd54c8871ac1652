//! Checking an archived window with nothing but the storage and the verifier's own policy.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufReader, Read, Seek},
};

use sha2::{Digest, Sha256};
use whowas_export::evidence::{
    Finding,
    bundle::{self, BundleReport, Question},
};
use whowas_store::{SEGMENT_BYTES_MAX, segment_leaves};
use whowas_tlog::{checkpoint::Checkpoint, hash::Hash, note::Note, policy::Policy, tree::Frontier};

use super::{
    manifest::{MANIFEST, MANIFEST_BYTES_MAX, Manifest, Part, Purpose},
    offline::{Offline, OfflineError},
};

/// The most findings of one window.
const FINDINGS_MAX: usize = 100;

/// What is known of an archived window.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Verified {
    /// What it says about itself, if it could be read.
    pub manifest: Option<Manifest>,
    /// SHA-256 of its `window.json`: the trail's record of the window has the same.
    pub sha256: String,
    /// What the evidence shows.
    pub evidence: Option<BundleReport>,
    /// Records that have the leaves of the log.
    pub records: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Reads a window back and checks everything about it.
///
/// Proven is, if there are no findings: every file is as the manifest says; the rows are what the log has for that time
/// (as far as an evidence bundle shows it), and the CSV is those rows; the segments are the log's records, all of their
/// positions, in order. Other files of rows are as they were written, not more.
///
/// # Errors
/// The storage cannot be read. What is wrong with a window is no error.
pub async fn verify(storage: &Offline, folder: &str, policy: &Policy) -> Result<Verified, OfflineError> {
    let mut verified =
        Verified { manifest: None, sha256: String::new(), evidence: None, records: 0, findings: Vec::new() };
    let below = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let bytes = match storage.read(&below(MANIFEST), MANIFEST_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(OfflineError::Missing(_)) => {
            verified.found(MANIFEST, "it is missing");
            return Ok(verified);
        }
        Err(error) => return Err(error),
    };
    verified.sha256 = hex::encode(Sha256::digest(&bytes));
    let manifest = match Manifest::parse(&bytes) {
        Ok(manifest) => manifest,
        Err(reason) => {
            verified.found(MANIFEST, reason);
            return Ok(verified);
        }
    };
    let checkpoint = verified.checkpoint(&manifest, policy);
    let mut tree = tree(&manifest);
    let mut sound = BTreeSet::new();
    for part in &manifest.files {
        let mut file = temporary(part)?;
        match storage.fetch(&below(&part.name), part.bytes.saturating_add(1), &mut file).await {
            Ok((bytes, sha256)) if (bytes, &sha256) == (part.bytes, &part.sha256) => {}
            Ok(_) | Err(OfflineError::TooLong(..)) => {
                verified.found(&part.name, "it is not the file that was written: another size or SHA-256");
                continue;
            }
            Err(OfflineError::Missing(_)) => {
                verified.found(&part.name, "it is missing");
                continue;
            }
            Err(error) => return Err(error),
        }
        sound.insert(part.sha256.clone());
        file.rewind().map_err(|e| OfflineError::File(part.name.clone(), e))?;
        match part.purpose {
            Purpose::Rows => {}
            Purpose::Evidence => verified.evidence(&manifest, file, policy),
            Purpose::Records => tree = verified.records(part, file, tree).await,
        }
    }
    verified.compare(&manifest, checkpoint, tree, &sound);
    verified.manifest = Some(manifest);
    Ok(verified)
}

fn temporary(part: &Part) -> Result<File, OfflineError> {
    tempfile::tempfile().map_err(|e| OfflineError::File(part.name.clone(), e))
}

/// The tree before the first record of the segments.
fn tree(manifest: &Manifest) -> Result<Frontier, String> {
    let peaks: Result<Vec<Hash>, _> = manifest.peaks.iter().map(|peak| peak.parse()).collect();
    let peaks = peaks.map_err(|_| "a peak is no hash".to_owned())?;
    Frontier::from_peaks(manifest.first_position, peaks).map_err(|e| e.to_string())
}

impl Verified {
    fn found(&mut self, place: &str, reason: impl Into<String>) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { place: place.to_owned(), reason: reason.into() });
        }
    }

    fn checkpoint(&mut self, manifest: &Manifest, policy: &Policy) -> Option<Checkpoint> {
        let accepted = Note::parse(&manifest.checkpoint)
            .map_err(|e| e.to_string())
            .and_then(|note| policy.accept(&note).map_err(|e| e.to_string()));
        match accepted {
            Ok(accepted)
                if accepted.checkpoint.origin == manifest.origin
                    && accepted.checkpoint.size == manifest.tree_size =>
            {
                Some(accepted.checkpoint)
            }
            Ok(_) => {
                self.found(MANIFEST, "its checkpoint is not of the tree that it speaks of");
                None
            }
            Err(reason) => {
                self.found(MANIFEST, format!("its checkpoint: {reason}"));
                None
            }
        }
    }

    fn evidence(&mut self, manifest: &Manifest, mut file: File, policy: &Policy) {
        let report = bundle::verify(BufReader::new(&mut file), policy, None);
        for finding in &report.findings {
            self.found("evidence", format!("{}: {}", finding.place, finding.reason));
        }
        let asked = Question {
            query: whowas_query::NamedQuery::AllEvents.as_str().to_owned(),
            from: manifest.from.to_string(),
            to: manifest.to.to_string(),
            filter: String::new(),
            time_zone: "UTC".to_owned(),
        };
        if report.question.as_ref() != Some(&asked)
            || (report.tree_size, report.rows) != (manifest.tree_size, manifest.rows)
        {
            self.found("evidence", "it is not about this window");
        }
        if self.evidence.is_some() {
            self.found("evidence", "it is there twice");
        }
        // The CSV beside it must be the rows that were just proven.
        let rows = rows_digest(&mut file);
        let csv =
            manifest.files.iter().find(|part| part.purpose == Purpose::Rows && part.name.ends_with(".csv"));
        match (rows, csv) {
            (Ok(rows), Some(csv)) if rows != csv.sha256 && csv.name.starts_with("sign-ins-") => {
                self.found(&csv.name, "it does not have the rows of the evidence");
            }
            (Err(error), _) => self.found("evidence", error.to_string()),
            _ => {}
        }
        self.evidence = Some(report);
    }

    async fn records(
        &mut self,
        part: &Part,
        file: File,
        tree: Result<Frontier, String>,
    ) -> Result<Frontier, String> {
        let mut tree = tree?;
        let (Some(start), Some(end)) = (part.start, part.end) else {
            return Err(format!("{} does not say its positions", part.name));
        };
        if start != tree.size() || end <= start || end - start > whowas_store::SEGMENT_RECORDS_MAX {
            return Err(format!("{} does not follow on the records before it", part.name));
        }
        let leaves = tokio::task::spawn_blocking(move || leaves(file, start..end)).await;
        let leaves = leaves.map_err(|e| e.to_string())?.map_err(|e| format!("{}: {e}", part.name))?;
        self.records += leaves.len() as u64;
        leaves.into_iter().for_each(|leaf| tree.append(leaf));
        Ok(tree)
    }

    fn compare(
        &mut self,
        manifest: &Manifest,
        checkpoint: Option<Checkpoint>,
        tree: Result<Frontier, String>,
        sound: &BTreeSet<String>,
    ) {
        if self.evidence.is_none()
            && !manifest
                .files
                .iter()
                .any(|part| part.purpose == Purpose::Evidence && !sound.contains(&part.sha256))
        {
            self.found(MANIFEST, "it has no evidence");
        }
        match (tree, checkpoint) {
            (Err(reason), _) => self.found("records", reason),
            (Ok(tree), Some(checkpoint))
                if (tree.size(), tree.root()) != (checkpoint.size, checkpoint.root) =>
            {
                self.found("records", "they do not have the root of the checkpoint");
            }
            _ => {}
        }
    }
}

fn rows_digest(file: &mut File) -> io::Result<String> {
    let manifest = bundle::read_manifest(&mut *file)?;
    let mut digest = DigestWriter(Sha256::new());
    bundle::extract_data(file, &manifest, &mut digest)?;
    Ok(hex::encode(digest.0.finalize()))
}

struct DigestWriter(Sha256);

impl io::Write for DigestWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a segment whole: Parquet is read from its end.
fn leaves(file: File, positions: std::ops::Range<u64>) -> Result<Vec<Hash>, String> {
    let mut bytes = Vec::new();
    file.take(SEGMENT_BYTES_MAX).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    segment_leaves(bytes.into(), positions).map_err(|e| e.to_string())
}
