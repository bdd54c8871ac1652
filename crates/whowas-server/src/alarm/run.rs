//! Alarms, carried out: keep, record, tell, in this order.
//!
//! An alarm that cannot be kept, because the disk is full, is told all the same and held in memory: that is what
//! it is for. Only then may a restart tell it again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use whowas_collect::coverage;
use whowas_event::{EnvironmentName, Event, Kind, NativeId, Status, Time, User};
use whowas_export::delivery::Delivery;
use whowas_store::{Store, StoreError, Trail, control::StoredAlarm};

use super::{Alarm, Change, Condition, Facts, Recorded, Rule, conditions, decide, report};
use crate::{
    archive::{Scheduled, send_all, windows},
    webhook::{Message, Webhook},
};

/// Between two looks: an alarm is raised within it.
const TICK: Duration = Duration::from_secs(60);
/// How far back the ledger is looked at, as the page *Health* does.
const LOOK_BACK_MS: i64 = 90 * 86_400_000;

/// A rule with whom it tells.
#[derive(Clone, Debug)]
pub struct Target {
    /// When.
    pub rule: Rule,
    /// Who is told.
    pub webhooks: Vec<Webhook>,
    /// Whether the server's log is told.
    pub is_logged: bool,
}

type Key = (EnvironmentName, String, String);

/// Looks, keeps, records and tells.
#[derive(Debug)]
pub struct Alarms {
    store: Arc<Store>,
    scheduled: Vec<Scheduled>,
    targets: Vec<Target>,
    /// What the control database could not take.
    unkept: Mutex<BTreeMap<Key, Alarm>>,
}

impl Alarms {
    /// Ready to begin.
    pub fn new(store: Arc<Store>, scheduled: Vec<Scheduled>, targets: Vec<Target>) -> Self {
        Self { store, scheduled, targets, unkept: Mutex::default() }
    }

    /// Goes on until it is dropped.
    pub async fn run(self) {
        loop {
            self.step().await;
            tokio::time::sleep(TICK).await;
        }
    }

    /// Looks at every environment once. One that cannot be looked at does not keep the others from being.
    pub async fn step(&self) {
        let names = match self.store.environments().await {
            Ok(names) => names,
            Err(error) => return tracing::error!(%error, "alarms are not looked at"),
        };
        for name in names {
            if let Err(error) = self.look(&name).await {
                tracing::error!(environment = %name, %error, "alarms are not looked at");
            }
        }
    }

    async fn look(&self, name: &EnvironmentName) -> Result<(), StoreError> {
        let targets: Vec<_> = self.targets.iter().filter(|target| target.rule.is_for(name)).collect();
        if targets.is_empty() {
            return Ok(());
        }
        let (now, control) = (self.store.clock().now(), self.store.control().as_ref());
        let begin = now.saturating_add_ms(-LOOK_BACK_MS);
        let trail = self.store.trail(name).await?;
        let streams = coverage::reports(control, name, (begin, now), now).await?;
        let schedules = windows(control, name, &self.scheduled, now).await?;
        let stopped = trail.poisoned().map(|_| trail.is_without_space());
        let facts = Facts { streams: &streams, begin, schedules: &schedules, stopped, now };
        let stored = control.alarms(name).await?;
        for target in targets {
            let now_so = conditions(&target.rule, &facts);
            let mut known = self.known(name, &target.rule, &stored)?;
            for change in decide(&known, &now_so, begin, now) {
                self.change(name, &target.rule, &mut known, change).await?;
            }
            for (event, alarm) in known {
                let current = now_so.get(&event);
                self.carry_out(name, &trail, target, (event, alarm), (current, now)).await?;
            }
        }
        Ok(())
    }

    /// What is known of the alarms of a rule.
    fn known(
        &self,
        name: &EnvironmentName,
        rule: &Rule,
        stored: &[StoredAlarm],
    ) -> Result<BTreeMap<String, Alarm>, StoreError> {
        let own = stored.iter().filter(|one| one.alarm == rule.name);
        let mut known: BTreeMap<_, _> =
            own.map(|one| Ok((one.event.clone(), report::alarm(one)?))).collect::<Result<_, StoreError>>()?;
        let unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner);
        let own = unkept.iter().filter(|((of, alarm, _), _)| of == name && *alarm == rule.name);
        known.extend(own.map(|((_, _, event), alarm)| (event.clone(), alarm.clone())));
        Ok(known)
    }

    async fn change(
        &self,
        name: &EnvironmentName,
        rule: &Rule,
        known: &mut BTreeMap<String, Alarm>,
        change: Change,
    ) -> Result<(), StoreError> {
        match change {
            Change::Keep(event, alarm) => {
                self.keep(name, rule, &event, &alarm).await;
                known.insert(event, *alarm);
            }
            Change::Forget(event) => {
                known.remove(&event);
                let stored = StoredAlarm { alarm: rule.name.clone(), event, entry: String::new() };
                self.store.control().forget_alarm(name, &stored).await?;
            }
            Change::NoRoom(count) => {
                tracing::warn!(environment = %name, alarm = rule.name, count, "so many alarms are not raised: too many are open");
            }
        }
        Ok(())
    }

    async fn keep(&self, name: &EnvironmentName, rule: &Rule, event: &str, alarm: &Alarm) {
        let entry = serde_json::to_string(alarm).expect("what is kept is plain data");
        let stored = StoredAlarm { alarm: rule.name.clone(), event: event.to_owned(), entry };
        let kept = self.store.control().keep_alarm(name, &stored).await;
        let key = (name.clone(), rule.name.clone(), event.to_owned());
        let mut unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner);
        match kept {
            Ok(()) => {
                unkept.remove(&key);
            }
            Err(error) => {
                tracing::error!(environment = %name, alarm = rule.name, %error, "an alarm is not kept; a restart may tell it again");
                unkept.insert(key, alarm.clone());
            }
        }
    }

    /// Records and tells what has not been.
    async fn carry_out(
        &self,
        name: &EnvironmentName,
        trail: &Trail,
        target: &Target,
        (event, mut alarm): (String, Alarm),
        (current, now): (Option<&Condition>, Time),
    ) -> Result<(), StoreError> {
        let before = alarm.clone();
        if trail.poisoned().is_none() {
            self.record(trail, &target.rule, &event, &mut alarm, now).await?;
        }
        let worth = alarm.worth(&target.rule);
        let repeat_ms = target.rule.repeat_ms.filter(|_| alarm.is_open());
        let was_told = alarm.told.clone().filter(|told| told.told_at.is_some());
        let is_due = Delivery::is_due(&mut alarm.told, worth, repeat_ms, now);
        // What is told again because it goes on is news: under an id of its own.
        if let (true, Some(was), Some(delivery)) = (is_due, was_told, &mut alarm.told)
            && was.state == delivery.state
        {
            delivery.since = now;
        }
        if alarm != before {
            // Before anybody is told, so that a restart tells the same message, not another.
            self.keep(name, &target.rule, &event, &alarm).await;
        }
        let before = alarm.clone();
        let mut told = alarm.told.take();
        if is_due && let (Some(word), Some(delivery)) = (worth, &mut told) {
            let message = message(name, &target.rule, (&event, &alarm), (word, current), delivery.since);
            if target.is_logged && delivery.attempts == 0 {
                log(name, &target.rule, word, &message);
            }
            if send_all(&target.webhooks, &message, now).await {
                delivery.arrived(now);
            } else {
                delivery.failed(now);
            }
        }
        alarm.told = told;
        let key = (name.clone(), target.rule.name.clone(), event.clone());
        let is_unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&key);
        if alarm != before || is_unkept {
            self.keep(name, &target.rule, &event, &alarm).await;
        }
        Ok(())
    }

    /// The records of what was raised and resolved. Safe to repeat: they follow from what is kept.
    async fn record(
        &self,
        trail: &Trail,
        rule: &Rule,
        event: &str,
        alarm: &mut Alarm,
        now: Time,
    ) -> Result<(), StoreError> {
        if alarm.raised_record.is_none() {
            let at = alarm.raised_at;
            alarm.raised_record = Some(append(trail, rule, (event, alarm), ("raised", at), now).await?);
        }
        if let (Some(at), None, false) = (alarm.ended_at, alarm.ended_record, alarm.is_past) {
            alarm.ended_record = Some(append(trail, rule, (event, alarm), ("resolved", at), now).await?);
        }
        Ok(())
    }
}

async fn append(
    trail: &Trail,
    rule: &Rule,
    (event, alarm): (&str, &Alarm),
    (state, at): (&str, Time),
    now: Time,
) -> Result<Recorded, StoreError> {
    let mut body = said(&alarm.condition);
    if let Some(members) = body.as_object_mut() {
        members.insert("action".to_owned(), "alarm".into());
        members.insert("alarm".to_owned(), rule.name.clone().into());
        members.insert("state".to_owned(), state.into());
        members.insert("raised_at".to_owned(), alarm.raised_at.to_string().into());
    }
    let id = format!("alarm:{}:{event}:{}:{state}", rule.name, alarm.raised_at.as_ms());
    let record = Event {
        kind: Kind::Access,
        occurred_at: at,
        native_id: NativeId::Derived(id),
        status: Status::Success,
        user: User { name: Some(format!("alarm {}", rule.name)), ..User::default() },
        ..Event::default()
    };
    let receipt = whowas_collect::note(trail, record, (body, json!({})), now).await?;
    Ok(Recorded { position: receipt.first_position })
}

/// What an alarm is about, for records and messages.
fn said(condition: &Condition) -> Value {
    let mut said = json!({
        "kind": condition.kind.as_str(), "subject": condition.subject, "from": condition.from.to_string(),
        "to": condition.to.to_string(), "text": condition.text,
    });
    if let (Some(at), Some(members)) = (condition.lost_at, said.as_object_mut()) {
        members.insert("lost_at".to_owned(), at.to_string().into());
    }
    said
}

/// One message for each state of an alarm, however often it is sent, and for each time it is told again.
fn message(
    name: &EnvironmentName,
    rule: &Rule,
    (event, alarm): (&str, &Alarm),
    (word, current): (&str, Option<&Condition>),
    since: Time,
) -> Message {
    let mut data = said(current.unwrap_or(&alarm.condition));
    if let Some(members) = data.as_object_mut() {
        members.insert("environment".to_owned(), name.to_string().into());
        members.insert("alarm".to_owned(), rule.name.clone().into());
        members.insert("raised_at".to_owned(), alarm.raised_at.to_string().into());
    }
    let id = format!("alarm:{name}:{}:{event}:{}:{word}", rule.name, since.as_ms());
    Message { id, kind: format!("alarm.{word}"), at: since, data }
}

fn log(name: &EnvironmentName, rule: &Rule, word: &str, message: &Message) {
    let (alarm, data) = (&rule.name, &message.data);
    if word == "raised" {
        tracing::warn!(target: "whowas::alarm", environment = %name, alarm, state = word, %data, "alarm");
    } else {
        tracing::info!(target: "whowas::alarm", environment = %name, alarm, state = word, %data, "alarm");
    }
}
