//! Writing a bundle in one pass over the answer and one over the leaves, in constant memory.

use std::io::{self, Seek, Write};

use serde_json::json;
use sha2::{Digest, Sha256};
use whowas_event::jcs;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{CHECKPOINT, FORMAT, LEAVES, MANIFEST, Manifest, Part, Question, VKEY};
use crate::ExportFormat;

/// Writes the files of a bundle in their order: rows, then leaves, then [`BundleWriter::finish`].
pub struct BundleWriter<W: Write + Seek> {
    zip: ZipWriter<W>,
    open: Open,
    data: Option<Part>,
    rows: u64,
}

/// The file that is being written.
struct Open {
    name: String,
    bytes: u64,
    digest: Sha256,
}

impl Open {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), bytes: 0, digest: Sha256::new() }
    }

    fn close(self) -> Part {
        Part { file: self.name, bytes: self.bytes, sha256: hex::encode(self.digest.finalize()) }
    }
}

/// What was exported, by whom.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The log.
    pub origin: String,
    /// Its key.
    pub vkey: String,
    /// The checkpoint note.
    pub checkpoint: String,
    /// Size of its tree.
    pub tree_size: u64,
    /// Position of the first leaf.
    pub first_position: u64,
    /// Roots of the complete subtrees before it, base64.
    pub peaks: Vec<String>,
    /// What was asked.
    pub question: Question,
    /// Whether the question looks at personal fields.
    pub is_about_persons: bool,
    /// Who.
    pub exported_by: String,
    /// When (RFC 3339).
    pub exported_at: String,
}

impl<W: Write + Seek> BundleWriter<W> {
    /// Begins a bundle, with the rows.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn new(out: W, format: ExportFormat) -> io::Result<Self> {
        let name = format!("data.{}", format.as_str());
        let mut zip = ZipWriter::new(out);
        zip.start_file(&name, options())?;
        Ok(Self { zip, open: Open::new(&name), data: None, rows: 0 })
    }

    /// Adds bytes of the answer, with as many rows.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn rows(&mut self, bytes: &[u8], rows: u64) -> io::Result<()> {
        self.rows += rows;
        self.put(bytes)
    }

    /// Adds the next leaf, with the disclosures that go along; they are for rows.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn leaf(&mut self, leaf: &[u8], disclosures: &[String]) -> io::Result<()> {
        self.begin_leaves()?;
        let line = json!({ "disclosures": disclosures, "leaf": String::from_utf8_lossy(leaf) });
        let mut line = jcs::canonical(&line).expect("texts have a canonical form");
        line.push('\n');
        self.put(line.as_bytes())
    }

    /// Writes what is left and gives the manifest's SHA-256, which names the whole bundle.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self, exported: Exported) -> io::Result<(W, Manifest, String)> {
        self.begin_leaves()?;
        let leaves = self.open.close();
        let data = self.data.unwrap_or_else(|| leaves.clone());
        let mut put = |name: &str, bytes: &[u8]| {
            self.zip.start_file(name, options())?;
            self.zip.write_all(bytes)
        };
        put(CHECKPOINT, exported.checkpoint.as_bytes())?;
        put(VKEY, format!("{}\n", exported.vkey).as_bytes())?;
        let (proven, not_proven) = statement(&exported);
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            origin: exported.origin,
            tree_size: exported.tree_size,
            first_position: exported.first_position,
            peaks: exported.peaks,
            question: exported.question,
            exported_by: exported.exported_by,
            exported_at: exported.exported_at,
            rows: self.rows,
            data,
            leaves,
            proven,
            not_proven,
        };
        let mut text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
        text.push(b'\n');
        put(MANIFEST, &text)?;
        Ok((self.zip.finish()?, manifest, hex::encode(Sha256::digest(&text))))
    }

    fn begin_leaves(&mut self) -> io::Result<()> {
        if self.data.is_none() {
            self.zip.start_file(LEAVES, options())?;
            self.data = Some(std::mem::replace(&mut self.open, Open::new(LEAVES)).close());
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open.bytes += bytes.len() as u64;
        self.open.digest.update(bytes);
        self.zip.write_all(bytes)
    }
}

/// The date of the files is not evidence and stays at its default, so that equal bundles are equal bytes.
fn options() -> SimpleFileOptions {
    // Answers of many years are larger than 4 GiB.
    SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(true)
}

/// What the bundle proves and does not prove, in words for whoever opens it without our program.
fn statement(exported: &Exported) -> (Vec<String>, Vec<String>) {
    let (first, end) = (exported.first_position, exported.tree_size);
    let mut proven = vec![
        format!(
            "integrity: every row is a record of the log {} and says what the record says",
            exported.origin
        ),
        format!(
            "order: the leaves are those of the positions {first} to {end} (excluded), all of them, in order"
        ),
    ];
    let mut not_proven = Vec::new();
    let complete = format!(
        "completeness: no record of the positions {first} to {end} that matches the question was left out"
    );
    if exported.is_about_persons {
        not_proven.push(format!(
            "{complete}: the question looks at personal fields, which are disclosed for rows only"
        ));
    } else {
        proven.push(complete);
    }
    proven.push(
        "days: where the log's own records state a whole day of the question (kind coverage, action day), the leaves have \
         exactly the sign-ins that were stated, and those that came later are told from them"
            .to_owned(),
    );
    if first > 0 {
        not_proven.push(format!(
            "that no record before position {first} matches: those were recorded before {}, and would have to claim a later time; a day that the log states has none",
            exported.question.from
        ));
    }
    not_proven.push("that the source told the truth, or everything".to_owned());
    not_proven.push(
        "names that a row has from the directory of people, ends of sessions, and the words for the client"
            .to_owned(),
    );
    not_proven.push("that the log has no other history: that is for witnesses, or for a checkpoint that the verifier kept".to_owned());
    (proven, not_proven)
}
