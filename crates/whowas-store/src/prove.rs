//! The proof of one record: its leaf, the path to the root, the signed checkpoint.

use whowas_event::{LeafWriter, Record};
use whowas_tlog::{
    checkpoint::Checkpoint, hash::leaf_hash, note::Note, proof::prove_inclusion, tlog_proof::TlogProof,
};

use crate::{StoreError, Trail};

/// One record with the proof that it is in its trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordProof {
    /// The record.
    pub record: Record,
    /// Its leaf bytes: the log entry that is proven.
    pub leaf: Vec<u8>,
    /// The proof, without extra data.
    pub proof: TlogProof,
}

impl Trail {
    /// Proves that the record at `position` is in the trail. The proof has been verified with the public
    /// key, by code that knows nothing of tiles, before it is returned.
    ///
    /// # Errors
    /// There is no such record; or records, tiles and checkpoint contradict each other.
    pub async fn prove(&self, position: u64) -> Result<RecordProof, StoreError> {
        let snapshot = self.snapshot();
        if position >= snapshot.size {
            let size = snapshot.size;
            return Err(StoreError::NotFound(format!(
                "there is no position {position}: the trail has {size} records"
            )));
        }
        let record = self.records(position..position + 1).await?.pop();
        let record = record.ok_or_else(|| StoreError::corrupt(format!("position {position} is missing")))?;
        let leaf = LeafWriter::new().leaf(&record).to_vec();
        let hash = leaf_hash(&leaf);
        // A checkpoint with cosignatures says more than a newer one without.
        let cosigned = self.cosigned().filter(|cosigned| position < cosigned.checkpoint.size);
        let note = match cosigned {
            Some(cosigned) => cosigned.note.clone(),
            None => Note::parse(&snapshot.checkpoint).map_err(|e| StoreError::corrupt(e.to_string()))?,
        };
        let keys = [self.verifying_key()];
        let checkpoint = Checkpoint::open_note(&note, self.origin(), &keys)
            .map_err(|e| StoreError::corrupt(format!("the published checkpoint: {e}")))?;
        let mut tiles = self.shared().objects.tile_reader();
        let proven = move || prove_inclusion(position, &hash, checkpoint.size, &checkpoint.root, &mut tiles);
        let hashes =
            tokio::task::spawn_blocking(proven).await.map_err(|e| StoreError::Poisoned(e.to_string()))?;
        let hashes = hashes.map_err(|e| StoreError::corrupt(format!("position {position}: {e}")))?;
        let proof = TlogProof { extra: None, index: position, hashes, note };
        proof
            .verify(&hash, self.origin(), &keys)
            .map_err(|e| StoreError::corrupt(format!("position {position}: {e}")))?;
        Ok(RecordProof { record, leaf, proof })
    }
}
