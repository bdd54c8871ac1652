//! A new key for a trail, and the record that says so.
//!
//! ```text
//! 1  the new secret, durably, beside the old one (`….key.next`)
//! 2  a `key` record with both public keys: its commit is the last that the old key signs
//! 3  the same tree, signed with the new key, in the control database: from here on the trail has the new key
//! 4  the published checkpoint and `vkey`; the new secret takes the place of the old one, which is gone
//! ```
//!
//! A crash before 3 leaves a secret that opening deletes, and perhaps a record of a key that never signed;
//! after 3, opening does 4. Whoever trusts the old key learns of the new one by the proof of that record.

use std::fs;

use serde_json::{Map, Value, json};
use whowas_event::{
    Draft, EnvironmentName, Event, Kind, NativeId, Status, admit, admit::RawData, erasure::SELF, jcs,
};
use whowas_tlog::{
    checkpoint::Checkpoint,
    note::{SigningKey, VerifyingKey},
};

use crate::{
    Batch, RecordProof, Store, StoreError, WhenFull,
    control::{Commit, Environment},
    durable,
    store::write_secret,
};

/// A rotation that is done.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// Who signed until now.
    pub old: VerifyingKey,
    /// Who signs from now on.
    pub new: VerifyingKey,
    /// The record of it, under a checkpoint that the old key signed.
    pub proof: RecordProof,
}

/// A rotation that a crash interrupted. The next opening of the trail ends it, one way or the other.
#[derive(Clone, Debug)]
pub struct PendingRotation {
    /// The key that was to come.
    pub next: VerifyingKey,
    /// Whether it signs already: then opening puts it in the old one's place, else it goes.
    pub signs: bool,
}

impl Store {
    /// The rotation of a trail's key that is neither done nor undone, if there is one. Changes nothing.
    ///
    /// # Errors
    /// There is a next key and it cannot be read.
    pub fn pending_rotation(&self, environment: &Environment) -> Result<Option<PendingRotation>, StoreError> {
        let path = self.next_key_path(&environment.name);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::file(&path, error)),
        };
        // A crash while it was written leaves a part of it, which never signed.
        let Ok(signer) = SigningKey::parse(text.trim()) else { return Ok(None) };
        let next = signer.verifying_key().clone();
        let keys = std::slice::from_ref(&next);
        let signs = Checkpoint::open(&environment.checkpoint, &environment.origin, keys).is_ok();
        Ok(Some(PendingRotation { next, signs }))
    }

    /// Gives a trail a new key. `personal` goes into the record, only committed to.
    ///
    /// # Errors
    /// Nothing has changed, or opening the trail completes it.
    pub async fn rotate_key(
        &self,
        name: &EnvironmentName,
        user: String,
        personal: Map<String, Value>,
    ) -> Result<Rotated, StoreError> {
        let trail = self.trail(name).await?;
        let (old, origin) = (trail.verifying_key(), trail.origin().to_owned());
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| StoreError::Poisoned(format!("no randomness: {e}")))?;
        let signer = SigningKey::from_seed(&origin, seed).map_err(|e| StoreError::Invalid(e.to_string()))?;
        let new = signer.verifying_key().clone();
        write_secret(&self.next_key_path(name), &signer.to_secret_text())?;
        // The next secret is durable and means nothing yet.
        let now = self.clock().now();
        let batch = Batch {
            source: SELF.to_owned(),
            format: SELF.to_owned(),
            received_at: now,
            records: vec![record(&old, &new, user, personal, now)?],
        };
        let receipt = trail.append(batch, WhenFull::Wait).await?;
        let position =
            receipt.first_position.ok_or_else(|| StoreError::corrupt("the key record is not new"))?;
        // The trail names its next key, under the old one's signature. Cosignatures may come later than that.
        let proof = trail.prove(position).await?;
        self.reopen(&trail, self.sign_again(name, &signer, &old)).await?;
        Ok(Rotated { old, new, proof })
    }

    /// Step 3, while nobody appends.
    async fn sign_again(
        &self,
        name: &EnvironmentName,
        signer: &SigningKey,
        old: &VerifyingKey,
    ) -> Result<(), StoreError> {
        let missing = || StoreError::NotFound(format!("there is no environment {name}"));
        let environment = self.control().environment(name).await?.ok_or_else(missing)?;
        let wrong = |e: String| StoreError::corrupt(format!("the committed checkpoint: {e}"));
        let checkpoint =
            Checkpoint::open(&environment.checkpoint, &environment.origin, std::slice::from_ref(old))
                .map_err(|e| wrong(e.to_string()))?;
        let size = checkpoint.size;
        let commit =
            Commit { expected_size: size, size, checkpoint: checkpoint.sign(signer), ..Commit::default() };
        if !self.control().commit(name, &commit).await? {
            return Err(StoreError::Poisoned("another writer has committed to this trail".to_owned()));
        }
        Ok(())
    }

    /// Step 4, or the end of a rotation that did not come so far. On opening, before anything is read.
    pub(crate) async fn finish_rotation(&self, environment: &Environment) -> Result<(), StoreError> {
        let next = self.next_key_path(&environment.name);
        let Ok(text) = fs::read_to_string(&next) else { return Ok(()) };
        let signs = |signer: &SigningKey| {
            let keys = std::slice::from_ref(signer.verifying_key());
            Checkpoint::open(&environment.checkpoint, &environment.origin, keys).is_ok()
        };
        let Some(signer) = SigningKey::parse(text.trim()).ok().filter(signs) else {
            // Never came to sign.
            return fs::remove_file(&next).map_err(|e| StoreError::file(&next, e));
        };
        let objects = self.trail_objects(&environment.name);
        objects.put("checkpoint", environment.checkpoint.clone().into_bytes()).await?;
        objects.put("vkey", format!("{}\n", signer.verifying_key()).into_bytes()).await?;
        // Witnesses cosign the log's signature, too; they are asked anew.
        objects.delete("cosigned").await?;
        let path = self.key_path(&environment.name);
        fs::rename(&next, &path).map_err(|e| StoreError::file(&path, e))?;
        durable::sync_parent(&path).map_err(|e| StoreError::file(&path, e))
    }
}

fn record(
    old: &VerifyingKey,
    new: &VerifyingKey,
    user: String,
    personal: Map<String, Value>,
    now: whowas_event::Time,
) -> Result<whowas_event::Admitted, StoreError> {
    let wrong = |e: String| StoreError::Invalid(format!("a key record: {e}"));
    let canonical = |value: Value| jcs::canonical(&value).map_err(|e| wrong(e.to_string()));
    let body = json!({ "action": "rotate", "new": new.to_string(), "old": old.to_string() });
    let mut event = Event {
        kind: Kind::Key,
        occurred_at: now,
        status: Status::Success,
        native_id: NativeId::Derived(format!("key:{}", now.as_ms())),
        body: Some(canonical(body)?),
        unmapped: Some(canonical(Value::Object(personal))?),
        ..Event::default()
    };
    event.user.name = Some(user);
    admit(Draft { event, raw: Vec::new() }, RawData::Dropped).map_err(|e| wrong(e.to_string()))
}
