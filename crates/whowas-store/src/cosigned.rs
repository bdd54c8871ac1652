//! Cosignatures of witnesses on a trail's checkpoints, and the stop that a witness's memory forces.
//!
//! A commit does not wait for witnesses. What they cosigned is kept in the object `cosigned`, beside the
//! published checkpoint: the newest checkpoint that has cosignatures, with all of them.

use std::sync::{Arc, PoisonError, RwLock};

use whowas_tlog::{
    checkpoint::Checkpoint,
    hash::Hash,
    note::{Note, NoteSignature},
    proof::prove_consistency,
    tile::peaks_at,
};

use crate::{StoreError, Trail, objects::Objects};

/// The object that holds the cosigned checkpoint.
const OBJECT: &str = "cosigned";

/// A checkpoint with cosignatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// What was cosigned.
    pub checkpoint: Checkpoint,
    /// The note with the log's signature and the witnesses'.
    pub note: Note,
}

/// The newest cosigned checkpoint of a trail.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    shown: RwLock<Option<Arc<Cosigned>>>,
    /// Held while the object is written, so that an older one never replaces a newer one.
    writing: tokio::sync::Mutex<()>,
}

impl Newest {
    /// Takes up what an earlier process kept. `open` verifies a checkpoint note of this trail.
    pub(crate) async fn load(
        objects: &Objects,
        open: impl Fn(&Note) -> Result<Checkpoint, String>,
    ) -> Result<Self, StoreError> {
        let Some(bytes) = objects.get(OBJECT).await? else { return Ok(Self::default()) };
        let wrong = |reason: String| StoreError::corrupt(format!("{OBJECT}: {reason}"));
        let text = std::str::from_utf8(&bytes).map_err(|e| wrong(e.to_string()))?;
        let note = Note::parse(text).map_err(|e| wrong(e.to_string()))?;
        let checkpoint = open(&note).map_err(wrong)?;
        let shown = RwLock::new(Some(Arc::new(Cosigned { checkpoint, note })));
        Ok(Self { shown, writing: tokio::sync::Mutex::default() })
    }

    pub(crate) fn get(&self) -> Option<Arc<Cosigned>> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, cosigned: Cosigned) {
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(cosigned));
    }
}

impl Trail {
    /// The newest checkpoint that witnesses cosigned, if there is one.
    pub fn cosigned(&self) -> Option<Arc<Cosigned>> {
        self.shared().cosigned.get()
    }

    /// The published checkpoint, with the cosignatures that it has.
    pub fn checkpoint(&self) -> String {
        let snapshot = self.snapshot();
        match self.cosigned() {
            Some(cosigned) if cosigned.checkpoint.size == snapshot.size => cosigned.note.to_string(),
            _ => snapshot.checkpoint.clone(),
        }
    }

    /// The published checkpoint as a note, without cosignatures: what is given to witnesses.
    ///
    /// # Errors
    /// It does not read back.
    pub fn signed_checkpoint(&self) -> Result<(Note, Checkpoint), StoreError> {
        let wrong = |e: String| StoreError::corrupt(format!("the published checkpoint: {e}"));
        let note = Note::parse(&self.snapshot().checkpoint).map_err(|e| wrong(e.to_string()))?;
        let checkpoint = Checkpoint::parse_text(note.text()).map_err(|e| wrong(e.to_string()))?;
        Ok((note, checkpoint))
    }

    /// Proves that the tree of `old_size` is the beginning of `new`, which must be a checkpoint of this
    /// trail. Verified before it is returned.
    ///
    /// # Errors
    /// The old tree is larger, or the tiles do not lead to the checkpoint's root.
    pub async fn prove_consistency(&self, old_size: u64, new: &Checkpoint) -> Result<Vec<Hash>, StoreError> {
        let mut tiles = self.shared().objects.tile_reader();
        let (size, root) = (new.size, new.root);
        let proven = move || prove_consistency(old_size, size, &root, &mut tiles);
        let proven =
            tokio::task::spawn_blocking(proven).await.map_err(|e| StoreError::Poisoned(e.to_string()))?;
        proven.map_err(|e| StoreError::corrupt(format!("from size {old_size} to {size}: {e}")))
    }

    /// The roots of the complete subtrees that the trail consisted of at `past_size`, largest first.
    ///
    /// # Errors
    /// The trail has not been so large, or a tile cannot be read.
    pub async fn peaks(&self, past_size: u64) -> Result<Vec<Hash>, StoreError> {
        let size = self.snapshot().size;
        if past_size > size {
            return Err(StoreError::NotFound(format!("there are {size} records")));
        }
        let mut tiles = self.shared().objects.tile_reader();
        let peaks = tokio::task::spawn_blocking(move || peaks_at(past_size, size, &mut tiles)).await;
        let peaks = peaks.map_err(|e| StoreError::Poisoned(e.to_string()))?;
        peaks.map_err(|e| StoreError::corrupt(e.to_string()))
    }

    /// Adds cosignatures of a checkpoint of this trail, verified by the caller. Durable when it returns.
    /// Those of a checkpoint older than the newest cosigned one are dropped.
    ///
    /// # Errors
    /// The object cannot be written.
    pub async fn add_cosignatures(
        &self,
        note: &Note,
        cosignatures: Vec<NoteSignature>,
    ) -> Result<(), StoreError> {
        let shared = self.shared();
        let newest = &shared.cosigned;
        let _writing = newest.writing.lock().await;
        let invalid = |e: String| StoreError::Invalid(e);
        // The key may have changed since the witness was asked.
        let checkpoint = Checkpoint::open_note(note, self.origin(), &[self.verifying_key()])
            .map_err(|e| invalid(e.to_string()))?;
        let mut next = match self.cosigned() {
            Some(known) if known.checkpoint.size > checkpoint.size => return Ok(()),
            Some(known) if known.checkpoint == checkpoint => known.note.clone(),
            _ => note.clone(),
        };
        for signature in cosignatures {
            // A witness that cosigns again replaces its earlier word.
            let is_same = |one: &&NoteSignature| one.name() == signature.name() && one.id() == signature.id();
            let mut without = Note::new(next.text()).map_err(|e| invalid(e.to_string()))?;
            let kept = next.signatures().iter().filter(|one| !is_same(one)).cloned();
            for one in kept.chain([signature.clone()]) {
                without.push_signature(one).map_err(|e| invalid(e.to_string()))?;
            }
            next = without;
        }
        shared.objects.put(OBJECT, next.to_string().into_bytes()).await?;
        newest.set(Cosigned { checkpoint, note: next });
        Ok(())
    }

    /// Stops the trail: it accepts no records any more; reads go on. For what is found out from outside,
    /// such as a witness that knows a later state.
    pub fn stop(&self, reason: impl Into<String>) {
        self.shared().poison(&StoreError::corrupt(reason));
    }
}
