//! Checking a bundle. Everything is read once, as it comes; memory grows with the number of rows only.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Seek},
};

use sha2::{Digest, Sha256};
use whowas_event::Time;
use whowas_query::{Filter, NamedQuery};
use whowas_tlog::{
    checkpoint::Checkpoint,
    hash::{Hash, leaf_hash},
    note::Note,
    policy::Policy,
    tree::Frontier,
};
use zip::ZipArchive;

use super::{
    CHECKPOINT, FORMAT, LEAVES, MANIFEST, Manifest, Part, Question, VKEY,
    judge::{Asked, Known, Verdict},
    rows::{RowDigest, is_of_record, of_csv, of_json},
};
use crate::{
    ExportFormat,
    evidence::{Finding, Leaf, dated::Dated, record::parse_extra, stated::Stated},
};

/// Manifest and checkpoint are read whole: a few kilobytes, and room for many cosignatures.
const SMALL_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The longest line: a leaf and its disclosures are below 500 kB, and a row below that.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What comes out of the archive, for each byte of it: more is a bomb.
const RATIO_MAX: u64 = 1000;
const FINDINGS_MAX: usize = 100;

/// What is known of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct BundleReport {
    /// The log.
    pub origin: String,
    /// The key that signed the checkpoint.
    pub vkey: String,
    /// Witnesses of the policy that cosigned, and when by their clocks (seconds since 1970).
    pub cosignatures: Vec<(String, u64)>,
    /// What was asked.
    pub question: Option<Question>,
    /// Position of the first leaf.
    pub first_position: u64,
    /// One past the last.
    pub tree_size: u64,
    /// Rows of the answer.
    pub rows: u64,
    /// Records that provably do not belong to it.
    pub excluded: u64,
    /// Records that are no rows, and of which it cannot be told: completeness is not proven for them.
    pub undecided: u64,
    /// Rows that match only with the help of what is not in the record, such as a name in the directory.
    pub rows_undecided: u64,
    /// Rows of whose records personal fields were erased; the log's own records say so.
    pub erased: u64,
    /// Whole days of the question of which the log states how many sign-ins it has, by their digest: those of the leaves.
    pub days: u64,
    /// Of these, days with sign-ins that came later than the last statement.
    pub days_late: u64,
    /// Days of which the log states more sign-ins than the leaves have: they lie before the first leaf.
    pub days_before: u64,
    /// Whether a kept checkpoint was compared. It can only be if its size lies between the two above.
    pub is_pinned: bool,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Checks a bundle under the verifier's policy; with `pinned`, also against a checkpoint they kept.
pub fn verify(bundle: impl Read + Seek, policy: &Policy, pinned: Option<&Note>) -> BundleReport {
    let mut report = BundleReport::default();
    let checked = ZipArchive::new(bundle)
        .map_err(|e| Finding::new("bundle", format!("not a sound zip: {e}")))
        .and_then(|zip| Check { zip, report: &mut report }.run(policy, pinned));
    if let Err(finding) = checked {
        report.findings.push(finding);
    }
    report
}

/// Copies the rows out of a bundle. Nothing is checked.
///
/// # Errors
/// It is no sound zip, has no such file, or the copy cannot be written.
pub fn extract_data(
    bundle: impl Read + Seek,
    manifest: &Manifest,
    out: &mut impl io::Write,
) -> io::Result<u64> {
    let mut zip = ZipArchive::new(bundle)?;
    let mut file = open(&mut zip, &manifest.data.file).map_err(|e| io::Error::other(e.reason))?;
    io::copy(&mut file, out)
}

/// What a bundle says about itself. Nothing is checked.
///
/// # Errors
/// It is no sound zip, or has no manifest.
pub fn read_manifest(bundle: impl Read + Seek) -> io::Result<Manifest> {
    let mut zip = ZipArchive::new(bundle)?;
    let file = open(&mut zip, MANIFEST).map_err(|e| io::Error::other(e.reason))?;
    Ok(serde_json::from_reader(file.take(SMALL_BYTES_MAX))?)
}

/// The checkpoint note of a bundle. Nothing is checked.
///
/// # Errors
/// It is no sound zip, or has none.
pub fn read_checkpoint(bundle: impl Read + Seek) -> io::Result<String> {
    let mut zip = ZipArchive::new(bundle)?;
    let mut text = String::new();
    let file = open(&mut zip, CHECKPOINT).map_err(|e| io::Error::other(e.reason))?;
    file.take(SMALL_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

struct Check<'r, R> {
    zip: ZipArchive<R>,
    report: &'r mut BundleReport,
}

/// What the leaves are compared with.
struct Expected {
    asked: Asked,
    format: ExportFormat,
    rows: BTreeMap<u64, RowDigest>,
    checkpoint: Checkpoint,
    pinned: Option<Checkpoint>,
}

impl<R: Read + Seek> Check<'_, R> {
    fn found(&mut self, place: &str, reason: impl Into<String>) {
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(Finding::new(place, reason));
        }
    }

    fn run(&mut self, policy: &Policy, pinned: Option<&Note>) -> Result<(), Finding> {
        let manifest = self.small(MANIFEST)?;
        let manifest: Manifest = serde_json::from_slice(&manifest)
            .map_err(|e| Finding::new(MANIFEST, format!("it is not one of {FORMAT}: {e}")))?;
        let format = self.check_manifest(&manifest)?;
        let checkpoint = self.checkpoint(&manifest, policy)?;
        let pinned = pinned
            .map(|note| policy.accept(note).map(|accepted| accepted.checkpoint))
            .transpose()
            .map_err(|e| Finding::new("pinned checkpoint", e.to_string()))?
            .filter(|kept| kept.origin == checkpoint.origin);
        let asked = asked(&manifest.question)?;
        let rows = self.rows(&manifest, format)?;
        self.leaves(&manifest, Expected { asked, format, rows, checkpoint, pinned })
    }

    fn check_manifest(&mut self, manifest: &Manifest) -> Result<ExportFormat, Finding> {
        let wrong = |reason: &str| Finding::new(MANIFEST, reason);
        if manifest.format != FORMAT {
            return Err(wrong("its format is not whowas-evidence@1"));
        }
        let format = [ExportFormat::Csv, ExportFormat::Jsonl]
            .into_iter()
            .find(|format| manifest.data.file == format!("data.{}", format.as_str()));
        let format = format.ok_or_else(|| wrong("its data is neither data.csv nor data.jsonl"))?;
        let known = [manifest.data.file.as_str(), LEAVES, CHECKPOINT, VKEY, MANIFEST];
        let names: Vec<String> = (0..self.zip.len())
            .map(|at| {
                self.zip
                    .by_index(at)
                    .map(|file| file.name().map(|name| name.into_owned()).unwrap_or_default())
            })
            .collect::<Result<_, _>>()
            .map_err(|e| Finding::new("bundle", e.to_string()))?;
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if names.len() != known.len()
            || sorted.len() != known.len()
            || !names.iter().all(|name| known.contains(&name.as_str()))
        {
            return Err(Finding::new("bundle", "it has other files than the format names"));
        }
        if manifest.leaves.file != LEAVES || manifest.first_position > manifest.tree_size {
            return Err(wrong("its leaves are not those of a stretch of the log"));
        }
        self.report.question = Some(manifest.question.clone());
        self.report.first_position = manifest.first_position;
        self.report.tree_size = manifest.tree_size;
        Ok(format)
    }

    fn checkpoint(&mut self, manifest: &Manifest, policy: &Policy) -> Result<Checkpoint, Finding> {
        let wrong = |reason: String| Finding::new(CHECKPOINT, reason);
        let text =
            String::from_utf8(self.small(CHECKPOINT)?).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
        let note = Note::parse(&text).map_err(|e| wrong(e.to_string()))?;
        let accepted = policy.accept(&note).map_err(|e| wrong(e.to_string()))?;
        let checkpoint = accepted.checkpoint;
        if checkpoint.origin != manifest.origin || checkpoint.size != manifest.tree_size {
            return Err(wrong("it is not the one that the manifest speaks of".to_owned()));
        }
        self.report.origin.clone_from(&checkpoint.origin);
        self.report.vkey = accepted.key.to_string();
        self.report.cosignatures =
            accepted.cosignatures.into_iter().map(|one| (one.name, one.unix_seconds)).collect();
        if self.small(VKEY)? != format!("{}\n", self.report.vkey).as_bytes() {
            self.found(VKEY, "it is not the key that signed the checkpoint");
        }
        Ok(checkpoint)
    }

    /// The rows of the answer by position.
    fn rows(
        &mut self,
        manifest: &Manifest,
        format: ExportFormat,
    ) -> Result<BTreeMap<u64, RowDigest>, Finding> {
        let place = manifest.data.file.as_str();
        let wrong = |reason: String| Finding::new(place, reason);
        let mut file = Hashed::new(open(&mut self.zip, place)?);
        let mut rows = BTreeMap::new();
        let mut add = |row: Option<(u64, RowDigest)>| {
            let (position, row) = row.ok_or_else(|| wrong("a row cannot be read".to_owned()))?;
            match rows.insert(position, row) {
                None => Ok(()),
                Some(_) => Err(wrong(format!("position {position} stands there twice"))),
            }
        };
        match format {
            ExportFormat::Jsonl => lines(&mut file, |line| add(of_json(line))).map_err(|e| e.at(place))?,
            ExportFormat::Csv => {
                let mut reader = csv::ReaderBuilder::new().from_reader(&mut file);
                let header = reader.headers().map_err(|e| wrong(e.to_string()))?.clone();
                for record in reader.records() {
                    let record = record.map_err(|e| wrong(e.to_string()))?;
                    add(of_csv(&header.iter().zip(record.iter()).collect()))?;
                }
            }
        }
        let part = file.part(place).map_err(|e| wrong(e.to_string()))?;
        self.report.rows = rows.len() as u64;
        if part != manifest.data {
            self.found(place, "it is not the file that was exported: another size or SHA-256");
        }
        if self.report.rows != manifest.rows {
            let (found, said) = (self.report.rows, manifest.rows);
            self.found(place, format!("it has {found} rows, the manifest says {said}"));
        }
        Ok(rows)
    }

    fn leaves(&mut self, manifest: &Manifest, expected: Expected) -> Result<(), Finding> {
        let wrong = |reason: String| Finding::new(LEAVES, reason);
        let peaks: Vec<Hash> = manifest
            .peaks
            .iter()
            .map(|peak| peak.parse())
            .collect::<Result<_, _>>()
            .map_err(|_| Finding::new(MANIFEST, "a peak is not a hash"))?;
        let frontier = Frontier::from_peaks(manifest.first_position, peaks)
            .map_err(|e| Finding::new(MANIFEST, e.to_string()))?;
        let within = (expected.asked.from, expected.asked.to);
        let mut judge = Judge {
            frontier,
            dated: Dated::of_question(within, manifest.first_position),
            expected,
            report: BundleReport::default(),
            stated: Stated::default(),
            hidden: BTreeMap::new(),
        };
        judge.compare_pinned();
        let mut file = Hashed::new(open(&mut self.zip, LEAVES)?);
        lines(&mut file, |line| judge.take(line)).map_err(|e| e.at(LEAVES))?;
        let part = file.part(LEAVES).map_err(|e| wrong(e.to_string()))?;
        judge.compare_erased();
        let Judge { frontier, expected, report, dated, .. } = judge;
        let (days, before) = dated.finish();
        (self.report.days, self.report.days_late) = (days.stated - before, days.late);
        self.report.days_before = before;
        self.report.excluded = report.excluded;
        self.report.undecided = report.undecided;
        self.report.rows_undecided = report.rows_undecided;
        self.report.erased = report.erased;
        self.report.is_pinned = report.is_pinned;
        report.findings.into_iter().for_each(|found| self.found(&found.place, found.reason));
        let (size, root) = (expected.checkpoint.size, expected.checkpoint.root);
        if frontier.size() != size {
            self.found(
                LEAVES,
                format!("they end at position {}, the checkpoint is of {size} records", frontier.size()),
            );
        } else if frontier.root() != root {
            self.found(LEAVES, "they do not have the root of the checkpoint");
        }
        if part != manifest.leaves {
            self.found(LEAVES, "it is not the file that was exported: another size or SHA-256");
        }
        if let Some(position) = expected.rows.keys().next() {
            self.found(&manifest.data.file, format!("position {position} is not among the leaves"));
        }
        Ok(())
    }

    fn small(&mut self, name: &str) -> Result<Vec<u8>, Finding> {
        let mut bytes = Vec::new();
        let read = open(&mut self.zip, name)?.take(SMALL_BYTES_MAX).read_to_end(&mut bytes);
        read.map_err(|e| Finding::new(name, e.to_string()))?;
        Ok(bytes)
    }
}

/// Walks the leaves in order.
struct Judge {
    frontier: Frontier,
    expected: Expected,
    report: BundleReport,
    /// What the log says was erased. It says so after the record it is about.
    stated: Stated,
    /// What it says of whole days.
    dated: Dated,
    /// Rows, with the number of their personal fields that are not disclosed.
    hidden: BTreeMap<u64, u64>,
}

impl Judge {
    fn take(&mut self, line: &[u8]) -> Result<(), Finding> {
        let position = self.frontier.size();
        let wrong = |reason: String| Finding::new(LEAVES, format!("position {position}: {reason}"));
        let (leaf, disclosures) = parse_extra(line)
            .ok_or_else(|| wrong("the line is not a leaf with its disclosures".to_owned()))?;
        let hash = leaf_hash(leaf.as_bytes());
        let leaf = Leaf::parse(leaf.as_bytes()).map_err(|e| wrong(e.to_string()))?;
        let disclosed =
            leaf.disclosed(disclosures.iter().map(String::as_str)).map_err(|e| wrong(e.to_string()))?;
        self.stated.take(position, &leaf).map_err(wrong)?;
        if let Err(reason) = self.dated.take(position, &leaf, &hash) {
            self.found(wrong(reason));
        }
        let known = Known::new(&leaf, &disclosed);
        if self.expected.rows.contains_key(&position) {
            self.hidden.insert(position, leaf.personal().saturating_sub(disclosed.len()) as u64);
        }
        let row = self.expected.rows.remove(&position);
        let verdict = self.expected.asked.judge(&known);
        match (&row, verdict) {
            (None, Verdict::Matches) => {
                self.found(wrong("the record matches the question and was left out".to_owned()))
            }
            (None, Verdict::Differs) => self.report.excluded += 1,
            (None, Verdict::Undecided) => self.report.undecided += 1,
            (Some(_), Verdict::Differs) => {
                self.found(wrong("the record does not match the question, and is a row".to_owned()))
            }
            (Some(_), Verdict::Undecided) => self.report.rows_undecided += 1,
            (Some(_), Verdict::Matches) => {}
        }
        if let Some(row) = row
            && !is_of_record(&row, &known, self.expected.format)
        {
            self.found(wrong("the row does not say what the record says".to_owned()));
        }
        self.frontier.append(hash);
        self.compare_pinned();
        Ok(())
    }

    /// A row must lack exactly the fields that the log says were erased.
    fn compare_erased(&mut self) {
        for (position, hidden) in std::mem::take(&mut self.hidden) {
            self.report.erased += u64::from(hidden > 0);
            if let Some(reason) = self.stated.contradiction(position, hidden) {
                self.found(Finding::new(LEAVES, reason));
            }
        }
    }

    fn found(&mut self, finding: Finding) {
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(finding);
        }
    }

    fn compare_pinned(&mut self) {
        if let Some(kept) = self.expected.pinned.take_if(|kept| kept.size == self.frontier.size()) {
            self.report.is_pinned = true;
            if kept.root != self.frontier.root() {
                let reason = format!(
                    "the first {} records are not those that it was for: history was rewritten",
                    kept.size
                );
                self.found(Finding::new("pinned checkpoint", reason));
            }
        }
    }
}

fn asked(question: &Question) -> Result<Asked, Finding> {
    let wrong = |reason: &str| Finding::new(MANIFEST, reason);
    let time = |text: &str| Time::parse_rfc3339(text).map_err(|_| wrong("a time of the question is none"));
    Ok(Asked {
        query: NamedQuery::from_word(&question.query).ok_or_else(|| wrong("there is no such query"))?,
        from: time(&question.from)?,
        to: time(&question.to)?,
        filter: Filter::parse(&question.filter).map_err(|e| wrong(&format!("its filter: {e}")))?,
    })
}

fn open<'z, R: Read + Seek>(
    zip: &'z mut ZipArchive<R>,
    name: &str,
) -> Result<impl Read + use<'z, R>, Finding> {
    let file = zip.by_name(name).map_err(|e| Finding::new(name, e.to_string()))?;
    let bytes_max = file.compressed_size().saturating_add(1024).saturating_mul(RATIO_MAX);
    Ok(file.take(bytes_max))
}

/// A reader that counts and hashes what passes.
struct Hashed<R> {
    inner: R,
    bytes: u64,
    digest: Sha256,
}

impl<R: Read> Hashed<R> {
    fn new(inner: R) -> Self {
        Self { inner, bytes: 0, digest: Sha256::new() }
    }

    /// Reads what is left; the zip's own checksum is compared at its end.
    fn part(mut self, name: &str) -> io::Result<Part> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(Part { file: name.to_owned(), bytes: self.bytes, sha256: hex::encode(self.digest.finalize()) })
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        self.digest.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Why lines could not be read.
enum LineError {
    Read(io::Error),
    Found(Finding),
}

impl LineError {
    fn at(self, place: &str) -> Finding {
        match self {
            Self::Read(error) => Finding::new(place, error.to_string()),
            Self::Found(finding) => finding,
        }
    }
}

fn lines(reader: impl Read, mut each: impl FnMut(&[u8]) -> Result<(), Finding>) -> Result<(), LineError> {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(LineError::Read)?;
        if line.is_empty() {
            return Ok(());
        }
        let text = line.strip_suffix(b"\n");
        let text =
            text.ok_or_else(|| LineError::Read(io::Error::other("a line is too long or not ended")))?;
        each(text).map_err(LineError::Found)?;
    }
}
