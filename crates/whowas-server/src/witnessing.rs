//! Having checkpoints cosigned: the client side of `c2sp.org/tlog-witness`.
//!
//! A commit does not wait for witnesses. Once a second every trail that has grown is submitted to every
//! witness; what comes back is verified and published with the checkpoint. A witness that does not answer
//! is asked again, ever less often, up to once a minute.
//!
//! A witness is also our memory. If it knows a larger tree than we have, this trail was restored from a
//! backup; if it contradicts ours, one of the two was rewritten. Either way the trail stops: a record
//! that is appended to a forgotten history cannot be mended later.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::join_all;
use reqwest::{Client, Response, StatusCode, redirect::Policy};
use tokio::time::{Instant, MissedTickBehavior, interval};
use url::{Host, Url};
use whowas_event::EnvironmentName;
use whowas_store::{Store, Trail};
use whowas_tlog::{
    checkpoint::Checkpoint,
    note::{Note, VerifyingKey},
    witness::{AddCheckpoint, read_cosignatures, read_size},
};

use crate::ServeError;

/// How often trails are looked at: the time within which a cosignature follows a commit.
const TICK: Duration = Duration::from_secs(1);
/// For one request, its connection included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest pause after failures in a row.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Bytes of an answer that are read: a few signature lines, or a number.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A witness to be asked.
#[derive(Clone, Debug)]
pub struct WitnessAddress {
    /// Its submission prefix.
    pub url: String,
    /// Its key; what another key signs is ignored.
    pub key: VerifyingKey,
}

/// The background work.
pub(crate) struct Witnessing {
    store: Arc<Store>,
    witnesses: Vec<Witness>,
}

/// One witness and what it was last heard of.
struct Witness {
    client: Client,
    address: Url,
    key: VerifyingKey,
    /// The size it cosigned last of each trail under its key, as far as is known; 0 asks it.
    sizes: BTreeMap<EnvironmentName, (VerifyingKey, u64)>,
    /// Failures in a row, and the end of the pause that they cost.
    failures: u32,
    pause_until: Option<Instant>,
}

/// What a witness answered.
enum Answer {
    /// It cosigned.
    Cosigned,
    /// It cosigned this size last.
    Knows(u64),
    /// It cosigned another history.
    Contradicts,
}

impl Witnessing {
    pub(crate) fn new(store: Arc<Store>, witnesses: Vec<WitnessAddress>) -> Result<Self, ServeError> {
        let witnesses = witnesses.into_iter().map(Witness::new).collect::<Result<_, _>>()?;
        Ok(Self { store, witnesses })
    }

    /// Goes on until it is dropped.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.round().await;
        }
    }

    /// Submits every trail that a witness has not cosigned as it is now.
    pub(crate) async fn round(&mut self) {
        let names = match self.store.environments().await {
            Ok(names) => names,
            Err(error) => {
                tracing::warn!(%error, "witnesses are not asked");
                return;
            }
        };
        let mut trails = Vec::with_capacity(names.len());
        for name in names {
            // A trail that does not open has been reported where it was opened.
            if let Ok(trail) = self.store.trail(&name).await
                && trail.poisoned().is_none()
            {
                trails.push(trail);
            }
        }
        join_all(self.witnesses.iter_mut().map(|witness| witness.round(&trails))).await;
    }
}

impl Witness {
    fn new(address: WitnessAddress) -> Result<Self, ServeError> {
        let WitnessAddress { url, key } = address;
        let wrong = |reason: String| ServeError::Witness(key.name().to_owned(), reason);
        // A base without a slash at its end would lose its last segment.
        let base = if url.ends_with('/') { url.clone() } else { format!("{url}/") };
        let base = Url::parse(&base).map_err(|e| wrong(format!("{url}: {e}")))?;
        let is_here = match base.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        let address = base.join("add-checkpoint").map_err(|e| wrong(format!("{url}: {e}")))?;
        if !["http", "https"].contains(&base.scheme()) {
            return Err(wrong(format!("{url}: write an http or https address")));
        }
        // An answer comes from the witness or not at all: nobody may send us elsewhere.
        let client = Client::builder().timeout(REQUEST_TIMEOUT).redirect(Policy::none());
        let client = if is_here { client.no_proxy() } else { client };
        let client = client.build().map_err(|e| wrong(e.to_string()))?;
        Ok(Self { client, address, key, sizes: BTreeMap::new(), failures: 0, pause_until: None })
    }

    async fn round(&mut self, trails: &[Arc<Trail>]) {
        if self.pause_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        for trail in trails {
            if let Err(reason) = self.bring_up(trail).await {
                let witness = self.key.name();
                tracing::warn!(witness, environment = %trail.name(), reason, "no cosignature");
                self.failures = self.failures.saturating_add(1);
                let pause = TICK.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MAX);
                self.pause_until = Some(Instant::now() + pause);
                return;
            }
        }
        self.failures = 0;
        self.pause_until = None;
    }

    /// Has the trail's checkpoint cosigned, if it is another than the last one.
    async fn bring_up(&mut self, trail: &Trail) -> Result<(), String> {
        let (note, checkpoint) = trail.signed_checkpoint().map_err(|e| e.to_string())?;
        let key = trail.verifying_key();
        // Under a new key the same tree is cosigned again.
        let known = self.sizes.get(trail.name()).filter(|(signed_by, _)| *signed_by == key);
        let mut old = known.map_or(0, |(_, size)| *size);
        if checkpoint.size == 0 || old == checkpoint.size {
            return Ok(());
        }
        // Twice: a witness that knows another size says so, and is asked from there.
        for _ in 0..2 {
            match self.submit(trail, &note, &checkpoint, old).await? {
                Answer::Cosigned => {
                    self.sizes.insert(trail.name().clone(), (key, checkpoint.size));
                    return Ok(());
                }
                Answer::Knows(size) if size > checkpoint.size => {
                    trail.stop(format!(
                        "the witness {} knows {size} records of this trail, here are {}: was it restored from a backup?",
                        self.key.name(),
                        checkpoint.size
                    ));
                    return Ok(());
                }
                Answer::Knows(size) => old = size,
                Answer::Contradicts => {
                    trail.stop(format!(
                        "the witness {} cosigned another history of this trail: its first {old} records are not those of the {} here",
                        self.key.name(),
                        checkpoint.size
                    ));
                    return Ok(());
                }
            }
        }
        Err("it names another size each time".to_owned())
    }

    async fn submit(
        &self,
        trail: &Trail,
        note: &Note,
        checkpoint: &Checkpoint,
        old_size: u64,
    ) -> Result<Answer, String> {
        let proof = match old_size {
            0 => Vec::new(),
            _ => trail.prove_consistency(old_size, checkpoint).await.map_err(|e| e.to_string())?,
        };
        let request = AddCheckpoint { old_size, proof, note: note.clone() }.to_string();
        let sent = self.client.post(self.address.clone()).body(request).send().await;
        // The address is the operator's own; errors name it.
        let response = sent.map_err(|e| e.to_string())?;
        let status = response.status();
        let body = read_bounded(response).await?;
        match status {
            StatusCode::OK => {
                let signatures = read_cosignatures(&body, note, &self.key).map_err(|e| e.to_string())?;
                trail.add_cosignatures(note, signatures).await.map_err(|e| e.to_string())?;
                Ok(Answer::Cosigned)
            }
            StatusCode::CONFLICT => {
                read_size(&body).map(Answer::Knows).ok_or_else(|| "its 409 names no size".to_owned())
            }
            StatusCode::UNPROCESSABLE_ENTITY => Ok(Answer::Contradicts),
            other => Err(format!("it answers {other}")),
        }
    }
}

async fn read_bounded(mut response: Response) -> Result<String, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| e.to_string())? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            return Err("its answer is too long".to_owned());
        }
    }
    String::from_utf8(body).map_err(|_| "its answer is not UTF-8".to_owned())
}
