//! Settings: what this server is set to, and what an administrator does here: tokens, tests of sources.
//!
//! Sources, witnesses and addresses are in `whowas.toml`: the page shows what became of them. It shows no secret but
//! that of a token that was just created, once.

use std::{collections::BTreeSet, sync::Arc};

use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    response::{Html, Redirect},
};
use serde::Deserialize;
use whowas_collect::{
    coverage,
    poll::{Probe, ProbeReport},
};
use whowas_event::EnvironmentName;
use whowas_store::control::{Hold, Token};

use super::{Frame, SIGNED_IN, grouped, html, show, stands_under};
use crate::{
    api::{sources::tests_of, tokens},
    app::App,
    auth::{Admin, Reader},
    jobs::KEPT_DAYS,
    problem::Problem,
};

/// How far back sources are looked at.
const DAYS: i64 = 30;

struct SourceRow {
    source: String,
    stream: String,
    last_pass: String,
    newest: String,
    failure: String,
    is_failing: bool,
}

struct TestRow {
    source: String,
    is_ok: bool,
    /// What was found, in words.
    lines: Vec<String>,
}

struct TokenRow {
    id: i64,
    scope: &'static str,
    environment: String,
    source: String,
    created: String,
    revoked: String,
}

struct HoldRow {
    id: i64,
    covers: String,
    reason: String,
    since: String,
}

struct Witness {
    name: String,
    size: String,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    origin: &'a str,
    verifying_key: String,
    records: String,
    erased: String,
    witnesses: Vec<Witness>,
    sources: Vec<SourceRow>,
    /// Sources of the settings that the caller may test.
    testable: Vec<String>,
    tests: Vec<TestRow>,
    holds: Vec<HoldRow>,
    environments: Vec<String>,
    kept_days: i64,
    is_tls: bool,
    /// Only for those who may change them.
    tokens: Option<Vec<TokenRow>>,
    fresh: Option<String>,
}

stands_under!(SettingsPage, tab = "settings");

/// The settings of an environment, and of the server as far as the caller may see them.
pub(crate) async fn page(State(app): State<Arc<App>>, permit: Reader) -> Result<Html<String>, Problem> {
    show_page(&app, &permit, News::default()).await
}

/// What was done a moment ago, and is shown once.
#[derive(Default)]
struct News {
    /// A token that was created.
    fresh: Option<String>,
    /// A source that was tested.
    tests: Vec<ProbeReport>,
}

async fn show_page(app: &App, permit: &Reader, news: News) -> Result<Html<String>, Problem> {
    let snapshot = permit.trail.snapshot();
    let names = app.store.environments().await?;
    let is_admin = permit.caller.is_admin();
    let tokens = if is_admin { Some(app.control().tokens().await?) } else { None };
    let cosigned = permit.trail.cosigned();
    let witnesses = cosigned.iter().flat_map(|cosigned| {
        let own = permit.trail.origin();
        let lines = cosigned.note.signatures().iter().filter(move |line| line.name() != own);
        let size = grouped(cosigned.checkpoint.size);
        lines.map(move |line| Witness { name: line.name().to_owned(), size: size.clone() })
    });
    html(&SettingsPage {
        frame: SIGNED_IN,
        name: &permit.name,
        origin: permit.trail.origin(),
        verifying_key: permit.trail.verifying_key().to_string(),
        records: grouped(snapshot.size),
        erased: grouped(snapshot.erased.len() as u64),
        witnesses: witnesses.collect(),
        sources: sources(app, permit).await?,
        testable: if is_admin { testable(app, &permit.name) } else { Vec::new() },
        holds: app.control().holds(&permit.name).await?.into_iter().map(hold).collect(),
        environments: names.iter().filter(|one| permit.caller.sees(one)).map(ToString::to_string).collect(),
        kept_days: KEPT_DAYS,
        is_tls: app.is_tls,
        tokens: tokens.map(|all| all.into_iter().rev().map(token).collect()),
        fresh: news.fresh,
        tests: news.tests.into_iter().map(test_row).collect(),
    })
}

async fn sources(app: &App, permit: &Reader) -> Result<Vec<SourceRow>, Problem> {
    let now = app.now();
    let from = now.saturating_add_ms(-DAYS * 86_400_000);
    let streams = coverage::reports(app.control().as_ref(), &permit.name, (from, now), now).await?;
    let row = |stream: whowas_collect::coverage::report::StreamReport| SourceRow {
        is_failing: stream.failing_since.is_some(),
        failure: match stream.failing_since {
            Some(since) => format!("fails since {}: {}", show(since), stream.failure.unwrap_or_default()),
            None if stream.silence.is_some() => "says less than usual".to_owned(),
            None => "is read".to_owned(),
        },
        last_pass: stream.last_pass_at.map(show).unwrap_or_default(),
        newest: stream.last_occurred_at.map(show).unwrap_or_default(),
        source: stream.source,
        stream: stream.stream,
    };
    Ok(streams.into_iter().map(row).collect())
}

/// Several may share a name; a test is of all of them.
fn testable(app: &App, name: &EnvironmentName) -> Vec<String> {
    let names: BTreeSet<String> = app.sources(name).map(Probe::source).collect();
    names.into_iter().collect()
}

fn test_row(report: ProbeReport) -> TestRow {
    let mut lines: Vec<String> = report.problem.into_iter().collect();
    lines.extend(report.reached.iter().map(|one| format!("reached: {} at {}", one.what, one.at)));
    if let Some(page) = report.page {
        let format = page.format.unwrap_or_else(|| "an unknown format".to_owned());
        lines.push(format!(
            "a page of {format}: {} records understood, {} rejected, {} no sign-ins",
            page.records, page.rejected, page.set_aside
        ));
        lines.extend(page.rejection.map(|reason| format!("rejected: {reason}")));
        lines.extend(page.latest.map(|at| format!("newest record: {} UTC", show(at))));
        let ahead = page.skew_s.filter(|skew| *skew != 0);
        lines.extend(ahead.map(|skew| format!("its clock differs from ours by {skew} s")));
    }
    TestRow { source: report.source, is_ok: report.ok, lines }
}

fn hold(hold: Hold) -> HoldRow {
    let covers = match hold.covers.as_str() {
        "all" => "everything".to_owned(),
        word => format!("{word} {}", hold.text),
    };
    HoldRow { id: hold.id, covers, reason: hold.reason, since: show(hold.created_at) }
}

fn token(token: Token) -> TokenRow {
    TokenRow {
        id: token.id,
        scope: token.scope.as_str(),
        environment: token.environment.map_or_else(|| "every one".to_owned(), |name| name.to_string()),
        source: token.source.unwrap_or_default(),
        created: show(token.created_at),
        revoked: token.revoked_at.map(show).unwrap_or_default(),
    }
}

/// What the form for a new token sends.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenForm {
    scope: String,
    #[serde(default)]
    source: String,
    /// `this`, or empty for every environment.
    #[serde(default)]
    environment: String,
}

/// Creates a token and shows it: the only time that it is shown.
pub(crate) async fn create_token(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    permit: Reader,
    Form(form): Form<TokenForm>,
) -> Result<Html<String>, Problem> {
    let environment = (!form.environment.is_empty()).then(|| permit.name.clone());
    let source = Some(form.source.trim().to_owned()).filter(|source| !source.is_empty());
    let (_, text) = tokens::make(&app, &caller, &form.scope, environment, source).await?;
    show_page(&app, &permit, News { fresh: Some(text), ..News::default() }).await
}

/// Which source to test.
#[derive(Debug, Deserialize)]
pub(crate) struct TestForm {
    source: String,
}

/// Tests a source as it is configured: reads one page, and keeps nothing of it.
pub(crate) async fn test_source(
    State(app): State<Arc<App>>,
    Admin(_): Admin,
    permit: Reader,
    Form(form): Form<TestForm>,
) -> Result<Html<String>, Problem> {
    let tests = tests_of(&app, &permit.name, &form.source).await?;
    show_page(&app, &permit, News { tests, ..News::default() }).await
}

/// Number of a token, in a path with an environment.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenPath {
    id: i64,
}

/// Revokes a token, from now on.
pub(crate) async fn revoke_token(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    permit: Reader,
    Path(path): Path<TokenPath>,
) -> Result<Redirect, Problem> {
    tokens::end(&app, &caller, path.id).await?;
    Ok(Redirect::to(&format!("/p/{}/settings", permit.name)))
}
