//! The memory of a witness for other people's logs: the checkpoint it cosigned last, for each log.
//!
//! One folder, one process:
//!
//! ```text
//! lock                          held while a process has the folder open
//! witness.key                   the secret key, mode 0600
//! <hex SHA-256(origin)>/checkpoint          the note that was cosigned last, with the cosignature
//! <hex SHA-256(origin)>/conflict-<digest>   a request that contradicts it: evidence against the log
//! ```
//!
//! A file of its own for each log is also what the witness publishes. What is kept is durable before a
//! cosignature leaves, and the look at it and its replacement are under one lock: of two requests at once
//! the second sees what the first has left.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sha2::{Digest, Sha256};
use whowas_event::Time;
use whowas_tlog::{
    checkpoint::Checkpoint,
    cosignature::{self, CosigningKey},
    note::{Note, NoteSignature, VerifyingKey},
    witness::{AddCheckpoint, Refusal, decide},
};

use crate::{
    StoreError, durable,
    store::{lock, write_secret},
};

/// Contradicting requests that are kept for each log: one convicts, more only fill the disk.
const CONFLICTS_MAX: usize = 16;
/// Longest note that is read back: what was written is a request's note and one line.
const NOTE_BYTES_MAX: u64 = 256 * 1024;

/// A witness's key and memory.
#[derive(Debug)]
pub struct WitnessStore {
    folder: PathBuf,
    key: CosigningKey,
    /// Held from the look at the last checkpoint until the next one is durable.
    memory: Mutex<()>,
    _lock: File,
}

impl WitnessStore {
    /// Opens a witness's folder. With a name it is created if there is none, with a new key.
    ///
    /// # Errors
    /// The folder is in use, cannot be read, or is another witness's; or there is none and no name.
    pub fn open(folder: &Path, name: Option<&str>) -> Result<Self, StoreError> {
        let path = folder.join("witness.key");
        if !path.exists() && name.is_none() {
            return Err(StoreError::NotFound(format!(
                "there is no witness in {}; give it a name (--name witness.example/w1) to create it",
                folder.display()
            )));
        }
        durable::create_folder(folder).map_err(|e| StoreError::file(folder, e))?;
        let lock = lock(folder)?;
        if !path.exists() {
            create_key(&path, name.unwrap_or_default())?;
        }
        let text = fs::read_to_string(&path).map_err(|e| StoreError::file(&path, e))?;
        let key = CosigningKey::parse(text.trim());
        let key = key.map_err(|e| StoreError::corrupt(format!("{}: {e}", path.display())))?;
        let found = key.verifying_key().name();
        if name.is_some_and(|name| name != found) {
            return Err(StoreError::Invalid(format!(
                "the witness in {} is called {found}",
                folder.display()
            )));
        }
        Ok(Self { folder: folder.to_owned(), key, memory: Mutex::default(), _lock: lock })
    }

    /// The public key.
    pub fn verifying_key(&self) -> &VerifyingKey {
        self.key.verifying_key()
    }

    /// Answers an `add-checkpoint` request: the lines of the answer, or why not. When this returns lines,
    /// the checkpoint is remembered durably. Writes to disk: call it where blocking is allowed.
    ///
    /// # Errors
    /// The memory cannot be read or written, or the clock went back: nothing is cosigned.
    pub fn add_checkpoint(
        &self,
        body: &str,
        logs: &[VerifyingKey],
        now: Time,
    ) -> Result<Result<String, Refusal>, StoreError> {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let trusted: Vec<VerifyingKey> =
            logs.iter().filter(|key| key.name() == request.origin()).cloned().collect();
        let keys = (!trusted.is_empty()).then_some(trusted.as_slice());
        let _memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.folder.join(log_id(request.origin())).join("checkpoint");
        let last = if keys.is_some() { self.last(&path)? } else { None };
        if let Err(refusal) = decide(&request, keys, last.as_ref().map(|last| &last.checkpoint)) {
            if matches!(refusal, Refusal::Inconsistent(_)) {
                self.keep_conflict(&path, body)?;
            }
            return Ok(Err(refusal));
        }
        let seconds = u64::try_from(now.as_ms() / 1000).unwrap_or(0);
        if last.is_some_and(|last| last.unix_seconds > seconds) {
            return Err(StoreError::corrupt(
                "the clock is behind the last cosignature; nothing is cosigned until it is right",
            ));
        }
        let wrong = |e: String| StoreError::Invalid(e);
        let signature = self.key.cosign(&request.note, seconds).map_err(|e| wrong(e.to_string()))?;
        // Only what was verified is kept and published: the log's signature and our own.
        let mut note = Note::new(request.note.text()).map_err(|e| wrong(e.to_string()))?;
        let is_trusted =
            |one: &&NoteSignature| trusted.iter().any(|key| (key.name(), key.id()) == (one.name(), one.id()));
        let kept = request.note.signatures().iter().filter(is_trusted).cloned();
        for one in kept.chain([signature.clone()]) {
            note.push_signature(one).map_err(|e| wrong(e.to_string()))?;
        }
        durable::write_file(&path, note.to_string().as_bytes()).map_err(|e| StoreError::file(&path, e))?;
        // Remembered: only now may anybody see the cosignature.
        Ok(Ok(format!("{signature}\n")))
    }

    /// The checkpoint cosigned last for the log whose origin has this SHA-256, in hexadecimal.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn checkpoint(&self, log_id: &str) -> Result<Option<String>, StoreError> {
        if log_id.len() != 64
            || !log_id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        {
            return Ok(None);
        }
        let path = self.folder.join(log_id).join("checkpoint");
        read_optional(&path).map_err(|e| StoreError::file(&path, e))
    }

    fn last(&self, path: &Path) -> Result<Option<Last>, StoreError> {
        let Some(text) = read_optional(path).map_err(|e| StoreError::file(path, e))? else { return Ok(None) };
        // A memory that does not read back is not an empty one: nothing is cosigned then.
        let wrong = |e: String| StoreError::corrupt(format!("{}: {e}", path.display()));
        let note = Note::parse(&text).map_err(|e| wrong(e.to_string()))?;
        let unix_seconds =
            cosignature::verify(&note, self.verifying_key()).map_err(|e| wrong(e.to_string()))?;
        let checkpoint = Checkpoint::parse_text(note.text()).map_err(|e| wrong(e.to_string()))?;
        Ok(Some(Last { checkpoint, unix_seconds }))
    }

    fn keep_conflict(&self, checkpoint: &Path, body: &str) -> Result<(), StoreError> {
        let folder = checkpoint.parent().unwrap_or(&self.folder);
        let digest = hex::encode(Sha256::digest(body));
        let path = folder.join(format!("conflict-{}", digest.get(..16).unwrap_or(&digest)));
        let kept = fs::read_dir(folder).map_or(0, Iterator::count);
        if path.exists() || kept > CONFLICTS_MAX {
            return Ok(());
        }
        durable::write_file(&path, body.as_bytes()).map_err(|e| StoreError::file(&path, e))
    }
}

/// What a witness remembers of one log.
struct Last {
    checkpoint: Checkpoint,
    unix_seconds: u64,
}

/// By which a log is asked for: lower-case hexadecimal SHA-256 of its origin.
pub fn log_id(origin: &str) -> String {
    hex::encode(Sha256::digest(origin))
}

fn create_key(path: &Path, name: &str) -> Result<(), StoreError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| StoreError::Poisoned(format!("no randomness: {e}")))?;
    let key =
        CosigningKey::from_seed(name, seed).map_err(|e| StoreError::Invalid(format!("{name:?}: {e}")))?;
    write_secret(path, &key.to_secret_text())
}

fn read_optional(path: &Path) -> io::Result<Option<String>> {
    use io::Read;
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut text = String::new();
    file.take(NOTE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Some(text))
}
