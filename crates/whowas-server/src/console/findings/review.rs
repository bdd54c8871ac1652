//! A review: an administrator says that they have looked at a finding, or at a whole period, and what they make of it.
//!
//! It is an `access` record, so it can no more be changed or taken away than a sign-in. The note may name people and is
//! only committed to.

use std::sync::Arc;

use axum::{Form, extract::State, response::Redirect};
use serde::Deserialize;
use serde_json::Value;
use whowas_event::{Record, Time};

use super::{find, range_of, rules::Kind};
use crate::{
    access::Access,
    app::App,
    auth::{Admin, Reader},
    console::address,
    problem::Problem,
};

/// What its record is called.
const ACTION: &str = "review";
/// The longest note.
const NOTE_CHARS_MAX: usize = 1_000;
/// Reviews that are read back, the newest. A finding whose review is older counts as not reviewed.
const REVIEWS_MAX: usize = 1_000;
/// Stands for a finding's key in the review of a whole period.
const PERIOD: &str = "period";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ReviewForm {
    /// The finding's, or empty for the whole period.
    key: String,
    note: String,
    range: String,
    show: String,
}

/// A review as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Review {
    pub(super) position: u64,
    pub(super) at: Time,
    pub(super) by: String,
    pub(super) key: String,
    pub(super) kind: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) note: String,
}

/// Writes a review down, and leads back to the page.
pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    permit: Reader,
    Admin(caller): Admin,
    Form(form): Form<ReviewForm>,
) -> Result<Redirect, Problem> {
    let now = app.now();
    let (word, _, bounds) = range_of(&form.range, now)?;
    let note = form.note.trim();
    if note.chars().count() > NOTE_CHARS_MAX {
        return Err(Problem::invalid(format!("the note is longer than {NOTE_CHARS_MAX} characters")));
    }
    let found = find(&app, &permit, bounds, now).await?;
    let (kind, (from, to), count) = if form.key.is_empty() {
        if note.is_empty() {
            return Err(Problem::invalid("say in the note what was looked at and what came of it"));
        }
        (PERIOD, bounds, found.findings.len() as u64)
    } else {
        let meant = found.findings.iter().find(|one| one.key() == form.key);
        let one = meant.ok_or_else(|| {
            Problem::not_found(
                "this finding is not there any more, or something new was seen: look at it again",
            )
        })?;
        (one.kind.as_str(), (one.from, one.to), one.count)
    };
    let key = if form.key.is_empty() { PERIOD } else { &form.key };
    Access::new(ACTION)
        .with("finding", kind)
        .with("from", from.to_string())
        .with("to", to.to_string())
        .with("rows", count)
        .with("tree_size", found.tree_size)
        .with_personal("key", key)
        .with_personal("note", note)
        .done(&app, &permit.trail, &caller)
        .await?;
    let show = if form.show == "all" { "all" } else { "" };
    Ok(Redirect::to(&address(&format!("/p/{}/findings", permit.name), &[("range", word), ("show", show)])))
}

/// The newest reviews, and how many there are.
pub(super) async fn reviews(app: &App, permit: &Reader) -> Result<(u64, Vec<Review>), Problem> {
    let (total, records) = app.engine.access_records(&permit.trail, ACTION, REVIEWS_MAX).await?;
    Ok((total, records.into_iter().map(read).collect()))
}

/// What a record says. What was erased of it is empty.
fn read((position, record): (u64, Record)) -> Review {
    let parse = |text: &Option<String>| -> Value {
        text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    };
    let (body, unmapped) = (parse(&record.event.body), parse(&record.event.unmapped));
    let text = |value: &Value, member: &str| {
        value.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let day = |member: &str| text(&body, member).chars().take("2026-11-24".len()).collect();
    let kind = text(&body, "finding");
    let is_known = Kind::ALL.iter().any(|known| known.as_str() == kind);
    Review {
        position,
        at: record.recorded_at,
        by: record.event.user.name.unwrap_or_default(),
        key: text(&unmapped, "key"),
        kind: if is_known { kind } else { PERIOD.to_owned() },
        from: day("from"),
        to: day("to"),
        note: text(&unmapped, "note"),
    }
}
