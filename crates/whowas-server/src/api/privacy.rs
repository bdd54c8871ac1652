//! Erasure and retention while the server runs. What is meant is for `whowas_query::select` to say, and
//! `whowas_store` carries it out by opening the trail anew: requests for it are told to come back meanwhile.
//!
//! Every change is a dry run unless the request says `"dry_run": false`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use whowas_event::{Erasure, Kind};
use whowas_query::{
    QueryError,
    select::{Holds, Pass, Rule, Selector, cutoff, forget_queries, rejected, survey},
};
use whowas_store::{ErasureOrder, Receipt};

use crate::{
    access::Access,
    app::App,
    auth::{Keeper, Permit},
    problem::Problem,
};

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewErasure {
    user: Option<String>,
    filter: Option<String>,
    #[serde(default)]
    reason: String,
    #[serde(default = "yes")]
    dry_run: bool,
}

/// The erasures that the trail states: what a trail from an older backup would not know.
pub(crate) async fn list(State(app): State<Arc<App>>, permit: Keeper) -> Result<Json<Value>, Problem> {
    let mut erasures = Vec::new();
    for entry in app.control().erasures(&permit.name).await? {
        let body: Value = serde_json::from_str(&entry.body).map_err(Problem::internal)?;
        erasures.push(json!({
            "origin": permit.trail.origin(), "position": entry.position, "kind": entry.kind.as_str(), "body": body,
        }));
    }
    Access::new("erasures").with("rows", erasures.len()).seen(&app, &permit).await?;
    Ok(Json(json!({ "erasures": erasures })))
}

/// Erases one person, or the sign-ins that match a filter.
pub(crate) async fn erase(
    State(app): State<Arc<App>>,
    permit: Keeper,
    Json(new): Json<NewErasure>,
) -> Result<Json<Value>, Problem> {
    let _keeping = app.keeping.lock().await;
    let selector = match (&new.user, &new.filter) {
        (Some(user), None) => Selector::person(&permit.trail, user).await?,
        (None, Some(filter)) => Selector::filter(filter)?,
        _ => return Err(Problem::invalid("whose data? Give user or filter")),
    };
    selector.check_reason(&new.reason)?;
    check_reason(new.dry_run, &new.reason)?;
    let holds = holds(&app, &permit).await?;
    let mut pass = survey(&permit.trail, selector, holds).await?;
    pass.erasure.rejected = rejected(app.control().as_ref(), &permit.name, &pass.selector).await?;
    if let Some(hold) = pass.held_by {
        return Err(Problem::conflict(format!(
            "{} of the records are under legal hold {hold}: nothing was erased",
            pass.held
        )));
    }
    let mut receipt = None;
    if new.dry_run || pass.erasure == Erasure::default() {
        // Whoever looks leaves a trace, without the name that is to go.
        Access::new("erase_preview").with("records", pass.erasure.records.len()).seen(&app, &permit).await?;
    } else {
        let body =
            Map::from_iter([("action".to_owned(), json!("erase")), ("interface".to_owned(), json!("http"))]);
        receipt = Some(carry_out(&app, &permit, (Kind::Erasure, &pass), body, (&new.reason, None)).await?);
    }
    Ok(Json(erased(&pass, receipt)))
}

fn erased(pass: &Pass, receipt: Option<Receipt>) -> Value {
    let [own, acted, mentioned] = pass.counts();
    let names: Vec<&String> = match &pass.selector {
        Selector::Person(person) => person.names.iter().chain(&person.full_names).collect(),
        Selector::All | Selector::Filter(_) => Vec::new(),
    };
    json!({
        "erased": receipt.is_some(), "records": pass.erasure.records.len(), "fields": pass.erasure.fields(),
        "all": own, "not_user": acted, "texts": mentioned, "rejected": pass.erasure.rejected.len(),
        "first": pass.range.map(|range| range.0), "last": pass.range.map(|range| range.1),
        "position": receipt.and_then(|receipt| receipt.first_position), "names": names,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRetention {
    older_than: String,
    kind: Option<String>,
    filter: Option<String>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    prune: bool,
    #[serde(default = "yes")]
    dry_run: bool,
}

/// Lets personal data go that is older than a rule allows. The signed statement of it is the proof of the
/// record at `position`.
pub(crate) async fn retain(
    State(app): State<Arc<App>>,
    permit: Keeper,
    Json(new): Json<NewRetention>,
) -> Result<Json<Value>, Problem> {
    let _keeping = app.keeping.lock().await;
    let word = new.kind.as_deref().unwrap_or("login");
    let (kind, cutoff) = (Rule::kind(word)?, cutoff(&new.older_than, app.now())?);
    let selector = new.filter.as_deref().map_or(Ok(Selector::All), Selector::filter)?;
    check_reason(new.dry_run, &new.reason)?;
    let meant = (selector, holds(&app, &permit).await?);
    let rule = Rule::survey(&permit.trail, meant, (kind, cutoff), new.prune).await?;
    let (pass, mut receipt) = (&rule.pass, None);
    if new.dry_run || pass.erasure == Erasure::default() {
        let access = Access::new("retain_preview").with("cutoff", cutoff.to_string());
        access.with("records", pass.erasure.records.len()).seen(&app, &permit).await?;
    } else {
        let body = json!({
            "action": "retain", "cutoff": cutoff.to_string(), "held": pass.held, "interface": "http",
            "kind": word, "older_than": new.older_than,
        });
        let body = body.as_object().cloned().unwrap_or_default();
        let why = (new.reason.as_str(), new.filter.as_deref());
        receipt = Some(carry_out(&app, &permit, (Kind::Retention, pass), body, why).await?);
    }
    Ok(Json(json!({
        "done": receipt.is_some(), "cutoff": cutoff, "records": pass.erasure.records.len(),
        "fields": pass.erasure.fields(), "held": pass.held, "minimum_index": pass.erasure.minimum_index,
        "position": receipt.and_then(|receipt| receipt.first_position),
    })))
}

/// What stays in the trail says why it is there.
fn check_reason(is_dry_run: bool, reason: &str) -> Result<(), Problem> {
    match is_dry_run || !reason.trim().is_empty() {
        true => Ok(()),
        false => Err(Problem::invalid("reason: say why; it stays in the trail, so name nobody")),
    }
}

async fn holds(app: &App, permit: &Permit) -> Result<Holds, QueryError> {
    Holds::of(&permit.trail, app.control().holds(&permit.name).await?).await
}

/// Carries an erasure out to its end, also if the client goes away meanwhile.
async fn carry_out(
    app: &Arc<App>,
    permit: &Permit,
    (kind, pass): (Kind, &Pass),
    body: Map<String, Value>,
    (reason, filter): (&str, Option<&str>),
) -> Result<Receipt, Problem> {
    let mut personal = Map::from_iter([("reason".to_owned(), json!(reason))]);
    personal.extend(filter.map(|filter| ("filter".to_owned(), json!(filter))));
    let (erasure, user) = (pass.erasure.clone(), permit.caller.name());
    let order = ErasureOrder { kind, erasure, body, user, personal };
    let (app, name, trail) = (app.clone(), permit.name.clone(), permit.trail.clone());
    let selector = pass.selector.clone();
    let erasing = tokio::spawn(async move {
        let receipt = app.store.erase(&name, order).await?;
        forget_queries(app.control().as_ref(), &name, &selector).await?;
        app.known.forget();
        tokio::task::spawn_blocking(move || app.engine.forget(&trail)).await.map_err(Problem::internal)??;
        Ok(receipt)
    });
    erasing.await.map_err(Problem::internal)?
}
