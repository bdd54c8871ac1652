//! Schedules, carried out: one step at a time, each at most one window.
//!
//! A stop at any moment loses nothing and doubles nothing. Before a window is written it is looked for: if it is in
//! the storage, complete and of this trail, it is recorded instead. Its record in the trail and what the control
//! database knows of it are one commit.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use whowas_collect::{
    coverage::{self, State as Coverage},
    with_causes,
};
use whowas_event::{Event, Kind, NativeId, Status, Time, User};
use whowas_export::{
    delivery::Delivery,
    evidence::Finding,
    windows::{Covered, Done, Kept, State, Todo, Window, decide},
};
use whowas_query::Engine;
use whowas_store::{
    Store, StoreError, Trail,
    control::{Progress, StoredArchive},
};
use whowas_tlog::{checkpoint::Checkpoint, note::VerifyingKey, policy::Policy, tree::Frontier};

use crate::webhook::{Message, Webhook};

use super::{
    Scheduled,
    desk::Desk,
    make::{MakeError, Task, make},
    manifest::{self, MANIFEST, MANIFEST_BYTES_MAX, Manifest, UNCOVERED_MAX, Uncovered},
    offline::OfflineError,
    report::{entries, next},
    verify::{Verified, verify},
};

/// The longest sleep: a clock that jumps, and coverage that closes, is noticed within it.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// Findings that are told of a window; `whowas archive verify` has all.
const TOLD_MAX: usize = 3;

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something was done; go on.
    Done,
    /// There is nothing to do before this, unless more is covered.
    Wait(Time),
}

/// Carries out schedules.
#[derive(Debug)]
pub struct Archiver {
    store: Arc<Store>,
    engine: Engine,
    scheduled: Vec<Scheduled>,
    webhooks: Vec<Webhook>,
    desk: Arc<Desk>,
}

impl Archiver {
    /// Ready to begin.
    pub fn new(store: Arc<Store>, engine: Engine, scheduled: Vec<Scheduled>) -> Self {
        Self { store, engine, scheduled, webhooks: Vec::new(), desk: Arc::default() }
    }

    /// Tells these of every window: when it is verified, late or fails.
    #[must_use]
    pub fn telling(mut self, webhooks: Vec<Webhook>) -> Self {
        self.webhooks = webhooks;
        self
    }

    /// Lets this desk show what is written, and be asked for it.
    #[must_use]
    pub(crate) fn at(mut self, desk: Arc<Desk>) -> Self {
        self.desk = desk;
        self
    }

    /// Goes on until it is dropped.
    pub async fn run(self) {
        loop {
            let pause = match self.step().await {
                Ok(Step::Done) => Duration::ZERO,
                Ok(Step::Wait(at)) => {
                    let ms = at.as_ms() - self.store.clock().now().as_ms();
                    Duration::from_millis(u64::try_from(ms).unwrap_or_default()).min(SLEEP_MAX)
                }
                Err(error) => {
                    tracing::warn!(%error, "schedules are not carried out");
                    SLEEP_MAX
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause.max(Duration::from_millis(100))) => {}
                () = self.desk.woken() => {}
            }
        }
    }

    /// Does what is due first. A trail that has stopped does not keep the others from their windows.
    ///
    /// # Errors
    /// Of the first schedule that cannot be looked at, once nothing else is due.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let mut wait = Time::default().saturating_add_ms(i64::MAX);
        let mut failed = None;
        for one in &self.scheduled {
            match self.look(one).await {
                Ok(Step::Done) => return Ok(Step::Done),
                Ok(Step::Wait(at)) => wait = wait.min(at),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Step::Wait(wait)), Err)
    }

    async fn look(&self, one: &Scheduled) -> Result<Step, StoreError> {
        let now = self.store.clock().now();
        let trail = self.store.create_trail(&one.environment).await?;
        if let Some(reason) = trail.poisoned() {
            return Err(StoreError::Poisoned(reason));
        }
        let stored = self.store.control().archived(&one.environment).await?;
        let own = stored.into_iter().filter(|kept| kept.schedule == one.schedule.name).collect();
        let known = entries(own)?;
        let mut wait = None;
        // What was just written is read back before the next is written.
        for (window, kept) in known.iter().filter(|(_, kept)| kept.done.is_some()) {
            match decide(&one.schedule, *window, kept, || Covered::Closed, now) {
                Todo::Verify => {
                    self.verify(one, &trail, *window, kept.clone()).await?;
                    return Ok(Step::Done);
                }
                Todo::Wait(at) => wait = Some(wait.map_or(at, |wait: Time| wait.min(at))),
                Todo::Export => {}
            }
        }
        let (window, kept) = next(&one.schedule, &known);
        let open = std::iter::once((window, kept.clone())).filter(|(_, kept)| kept.failure.is_some());
        for (window, kept) in known.iter().filter(|(_, kept)| kept.done.is_some()).cloned().chain(open) {
            match self.tell(one, window, kept, now).await? {
                Some(Step::Wait(at)) => wait = Some(wait.map_or(at, |wait| wait.min(at))),
                Some(done) => return Ok(done),
                None => {}
            }
        }
        let (covered, uncovered) = self.coverage(one, window, now).await?;
        match decide(&one.schedule, window, &kept, || covered, now) {
            Todo::Wait(at) => Ok(Step::Wait(wait.map_or(at, |wait| wait.min(at)))),
            Todo::Verify => Ok(Step::Done),
            Todo::Export => {
                let previous = known.iter().rev().find_map(|(_, kept)| kept.done.as_ref());
                let task = Task { one, window, previous, covered, uncovered, now };
                self.export(&trail, task, kept).await?;
                Ok(Step::Done)
            }
        }
    }

    /// How complete a window is, and what of it is not.
    async fn coverage(
        &self,
        one: &Scheduled,
        window: Window,
        now: Time,
    ) -> Result<(Covered, Vec<Uncovered>), StoreError> {
        if now < window.to {
            return Ok((Covered::Open, Vec::new()));
        }
        let range = (window.from, window.to);
        let streams = coverage::reports(self.store.control().as_ref(), &one.environment, range, now).await?;
        let (mut covered, mut uncovered) = (Covered::Closed, Vec::new());
        for stream in &streams {
            for interval in stream.intervals.iter().filter(|interval| interval.state != Coverage::Closed) {
                let is_lost = interval.state == Coverage::Lost;
                covered = covered.max(if is_lost { Covered::Lost } else { Covered::Open });
                if uncovered.len() < UNCOVERED_MAX {
                    uncovered.push(Uncovered {
                        source: stream.source.clone(),
                        stream: stream.stream.clone(),
                        from: interval.from,
                        to: interval.to,
                        state: interval.state.as_str().to_owned(),
                    });
                }
            }
        }
        Ok((covered, uncovered))
    }

    async fn export(&self, trail: &Arc<Trail>, task: Task<'_>, mut kept: Kept) -> Result<(), StoreError> {
        let (one, window, previous, now) = (task.one, task.window, task.previous.cloned(), task.now);
        let _written = self.desk.writing(one, window);
        let made = match self.found(one, trail, window, previous.as_ref()).await {
            Err(error) => Err(error),
            Ok(Some(found)) => Ok(found),
            Ok(None) => match make(trail, &self.engine, task).await {
                Ok(made) => Ok(made),
                // The trail itself is at fault, not the storage: that is not for trying again.
                Err(MakeError::Store(error)) if trail.poisoned().is_some() => return Err(error),
                Err(error) => Err(with_causes(&error)),
            },
        };
        match made {
            Ok((manifest, sha256)) => self.record(one, trail, (manifest, sha256), kept).await,
            Err(reason) => {
                tracing::warn!(environment = %one.environment, schedule = one.schedule.name, reason, "a window is not written");
                kept.failed(reason, now);
                self.keep(one, window, &kept).await
            }
        }
    }

    /// A window that is in the storage already: from a run that was stopped before it could record it, or from before
    /// the trail was restored.
    async fn found(
        &self,
        one: &Scheduled,
        trail: &Trail,
        window: Window,
        previous: Option<&Done>,
    ) -> Result<Option<(Manifest, String)>, String> {
        let folder = manifest::folder(one.environment.as_str(), &one.schedule.name, window);
        if !one.storage.has(&format!("{folder}/{MANIFEST}")).await.map_err(|e| e.to_string())? {
            return Ok(None);
        }
        let verified = self.read_back(one, trail, &folder).await?;
        let wrong =
            || format!("{} is there already and is not of this trail", one.storage.shown_below(&folder));
        if let Some(findings) = findings(&verified) {
            return Err(format!("{}: {findings}", wrong()));
        }
        let follows = |manifest: &Manifest| {
            manifest.environment == one.environment.as_str()
                && manifest.schedule == one.schedule.name
                && (manifest.from, manifest.to) == (window.from, window.to)
                && manifest.origin == trail.origin()
                && manifest.first_position == previous.map_or(0, |done| done.tree_size)
                && manifest.previous.as_ref() == previous.map(|done| &done.sha256)
                && manifest.tree_size <= trail.snapshot().size
        };
        match verified.manifest.filter(follows) {
            Some(manifest) => Ok(Some((manifest, verified.sha256))),
            None => Err(wrong()),
        }
    }

    /// The record of a window, and what is known of it, in one commit. Safe to repeat: the record is the same.
    async fn record(
        &self,
        one: &Scheduled,
        trail: &Trail,
        (manifest, sha256): (Manifest, String),
        mut kept: Kept,
    ) -> Result<(), StoreError> {
        let window = Window { from: manifest.from, to: manifest.to };
        let folder = manifest::folder(one.environment.as_str(), &one.schedule.name, window);
        let mut done = Done {
            at: manifest.made_at,
            covered: manifest.covered,
            rows: manifest.rows,
            late_rows: manifest.late_rows,
            tree_size: manifest.tree_size,
            location: one.storage.shown_below(&folder),
            sha256,
            position: None,
        };
        let body = json!({
            "action": "archive", "covered": done.covered, "from": window.from.to_string(),
            "late_rows": done.late_rows, "rows": done.rows, "schedule": one.schedule.name,
            "to": window.to.to_string(), "tree_size": done.tree_size, "window_sha256": done.sha256,
        });
        let event = Event {
            kind: Kind::Access,
            occurred_at: manifest.made_at,
            native_id: NativeId::Derived(format!("archive:{}:{}", one.schedule.name, window.from.as_ms())),
            status: Status::Success,
            user: User { name: Some(format!("schedule {}", one.schedule.name)), ..User::default() },
            ..Event::default()
        };
        kept.succeeded();
        kept.done = Some(done.clone());
        let progress = Progress { archived: Some(stored(one, window, &kept)), ..Progress::default() };
        let said = (body, json!({ "location": done.location }));
        let receipt =
            whowas_collect::note_with(trail, event, said, self.store.clock().now(), Some(progress)).await?;
        done.position = receipt.first_position;
        kept.done = Some(done);
        self.keep(one, window, &kept).await
    }

    /// Reads a window back.
    async fn verify(
        &self,
        one: &Scheduled,
        trail: &Trail,
        window: Window,
        mut kept: Kept,
    ) -> Result<(), StoreError> {
        let _written = self.desk.writing(one, window);
        let now = self.store.clock().now();
        let folder = manifest::folder(one.environment.as_str(), &one.schedule.name, window);
        match self.read_back(one, trail, &folder).await {
            Err(reason) => kept.failed(reason, now),
            Ok(verified) => {
                kept.succeeded();
                let written = kept.done.as_ref().map(|done| done.sha256.as_str());
                let other = (written != Some(verified.sha256.as_str()) && verified.manifest.is_some())
                    .then(|| format!("{MANIFEST}: it is not the one that was written"));
                kept.broken = findings(&verified).or(other);
                kept.verified_at = Some(now);
            }
        }
        if let Some(reason) = kept.broken.as_ref().or(kept.failure.as_ref()) {
            tracing::warn!(environment = %one.environment, schedule = one.schedule.name, reason, "an archived window does not verify");
        }
        self.keep(one, window, &kept).await
    }

    /// Tells of a window's state, once for each change.
    async fn tell(
        &self,
        one: &Scheduled,
        window: Window,
        mut kept: Kept,
        now: Time,
    ) -> Result<Option<Step>, StoreError> {
        if self.webhooks.is_empty() {
            return Ok(None);
        }
        let state = State::of(window, &kept, now);
        // Done is told of when it is verified, which is at once.
        let worth = matches!(state, State::Verified | State::Late | State::Failed).then_some(state.as_str());
        let mut told = kept.told.take();
        if !Delivery::is_due(&mut told, worth, None, now) {
            return Ok(told.and_then(|told| told.wait()).map(Step::Wait));
        }
        let Some(delivery) = &mut told else { return Ok(None) };
        let report = super::report::told(window, &kept, Some(&one.schedule), now);
        let since = delivery.since;
        let message = Message {
            id: format!(
                "archive:{}:{}:{}:{}",
                one.environment,
                one.schedule.name,
                window.from.as_ms(),
                since.as_ms()
            ),
            kind: format!("archive.{}", state.as_str()),
            at: since,
            data: json!({ "environment": one.environment, "schedule": one.schedule.name, "window": report }),
        };
        if send_all(&self.webhooks, &message, now).await {
            delivery.arrived(now);
        } else {
            delivery.failed(now);
        }
        kept.told = told;
        self.keep(one, window, &kept).await?;
        Ok(Some(Step::Done))
    }

    /// Reads a window back and compares it with the trail. The key that signed it may be a former one, so the trail's
    /// own tree says whether it is the same log.
    async fn read_back(&self, one: &Scheduled, trail: &Trail, folder: &str) -> Result<Verified, String> {
        let place = format!("{folder}/{MANIFEST}");
        let bytes = match one.storage.read(&place, MANIFEST_BYTES_MAX).await {
            Err(OfflineError::Missing(_)) => Vec::new(),
            read => read.map_err(|e| with_causes(&e))?,
        };
        let key = Manifest::parse(&bytes).ok().and_then(|manifest| VerifyingKey::parse(&manifest.vkey).ok());
        let policy = Policy::of_log(key.unwrap_or_else(|| trail.verifying_key().clone()));
        let mut verified = verify(&one.storage, folder, &policy).await.map_err(|e| with_causes(&e))?;
        let Some(manifest) = &verified.manifest else { return Ok(verified) };
        let text =
            manifest.checkpoint.split("\n\n").next().map(|text| format!("{text}\n")).unwrap_or_default();
        let is_ours = match Checkpoint::parse_text(&text) {
            Ok(said) if manifest.origin == trail.origin() && said.size <= trail.snapshot().size => {
                let peaks = trail.peaks(said.size).await.map_err(|e| e.to_string())?;
                Frontier::from_peaks(said.size, peaks).is_ok_and(|own| own.root() == said.root)
            }
            _ => false,
        };
        if !is_ours {
            let reason = "it is not of this trail, or of a state that this trail never had".to_owned();
            verified.findings.push(Finding { place: MANIFEST.to_owned(), reason });
        }
        Ok(verified)
    }

    async fn keep(&self, one: &Scheduled, window: Window, kept: &Kept) -> Result<(), StoreError> {
        self.store.control().keep_archived(&one.environment, &stored(one, window, kept)).await
    }
}

/// Whether each took it. One that did gets it again with the next try, under the same id.
pub(crate) async fn send_all(webhooks: &[Webhook], message: &Message, now: Time) -> bool {
    let mut is_told = true;
    for webhook in webhooks {
        if let Err(reason) = webhook.send(message, now).await {
            tracing::warn!(kind = message.kind, reason, "a webhook does not take what it is told");
            is_told = false;
        }
    }
    is_told
}

pub(super) fn stored(one: &Scheduled, window: Window, kept: &Kept) -> StoredArchive {
    StoredArchive {
        schedule: one.schedule.name.clone(),
        from: window.from,
        to: window.to,
        entry: serde_json::to_string(kept).expect("what is kept is plain data"),
    }
}

/// What is wrong with a window, in a line.
fn findings(verified: &Verified) -> Option<String> {
    let told = verified.findings.iter().take(TOLD_MAX);
    let told: Vec<_> = told.map(|finding| format!("{}: {}", finding.place, finding.reason)).collect();
    (!told.is_empty()).then(|| told.join("; "))
}
