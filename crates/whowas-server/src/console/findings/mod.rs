//! Findings: what is worth a look in a range, each with the way to its rows; and Review: that somebody has looked, which is
//! a record of the trail.
//!
//! What a finding is, is decided in `rules.rs`; here it is asked for, shown and reviewed.

mod review;
mod rules;

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{extract::State, response::Html};
pub(crate) use review::submit;
use serde::Deserialize;
use whowas_collect::coverage;
use whowas_event::{EnvironmentName, Time};
use whowas_query::{AccountStatus, LoginRequest, NamedQuery, QueryError, SessionQuery, SessionRequest};

use self::{
    review::{Review, reviews},
    rules::{Finding, Kind, Seen, after_leaving, failure_bursts, of_sources},
};
use super::{Frame, SIGNED_IN, address, grouped, html, show, stands_under, user_page::user_href};
use crate::{
    access::Access,
    api::{
        params::{Params, relative},
        usage::DORMANT_DAYS,
    },
    app::App,
    auth::Reader,
    problem::Problem,
};

/// Stretches up to now, by the word in the address.
const RANGES: [(&str, &str); 3] =
    [("-7d", "Last 7 days"), ("-30d", "Last 30 days"), ("-90d", "Last 90 days")];
const RANGE_DEFAULT: &str = "-30d";
/// Failed sign-ins that are looked at for bursts, the newest of the range; a page says if there are more.
const FAILURES_MAX: usize = 10_000;
/// Rejected records that are counted; beyond, a page says *or more*.
const REJECTED_MAX: u32 = 1_000;
/// Findings of one kind that are listed; beyond, a page says how many there are.
const OF_KIND_MAX: usize = 50;
/// References that a finding shows.
const REFERENCES_SHOWN: usize = 5;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FindingParams {
    range: String,
    /// Empty for what is not reviewed yet, or `all`.
    show: String,
}

struct FindingView {
    key: String,
    subject: String,
    subject_href: String,
    text: String,
    from: String,
    to: String,
    /// Where its rows are.
    rows: String,
    positions: Vec<(u64, String)>,
    review: Option<(String, String, String)>,
}

struct KindView {
    title: &'static str,
    word: &'static str,
    severity: &'static str,
    total: usize,
    open: usize,
    hidden: usize,
    findings: Vec<FindingView>,
}

struct Choice {
    title: &'static str,
    href: String,
    is_current: bool,
}

struct ReviewView {
    at: String,
    by: String,
    what: String,
    note: String,
    href: String,
}

#[derive(Template)]
#[template(path = "findings.html")]
struct FindingsPage<'a> {
    frame: Frame,
    name: &'a EnvironmentName,
    ranges: Vec<Choice>,
    shows: Vec<Choice>,
    /// In words, as they go on after a comma.
    range: String,
    word: &'static str,
    show: &'a str,
    open: usize,
    total: usize,
    kinds: Vec<KindView>,
    without: Vec<&'static str>,
    notes: Vec<String>,
    reviews: Vec<ReviewView>,
    reviews_total: String,
    may_review: bool,
}

stands_under!(FindingsPage, tab = "findings");

/// What was found, and what limits it has.
struct Found {
    findings: Vec<Finding>,
    notes: Vec<String>,
    tree_size: u64,
}

fn range_of(word: &str, now: Time) -> Result<(&'static str, &'static str, (Time, Time)), Problem> {
    let word = if word.is_empty() { RANGE_DEFAULT } else { word };
    let known = RANGES.into_iter().find(|(known, _)| *known == word);
    let (word, title) = known.ok_or_else(|| Problem::invalid("range: write -7d, -30d or -90d"))?;
    Ok((word, title, (relative(word, now).unwrap_or(now), now.saturating_add_ms(1))))
}

/// The page.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<FindingParams>,
) -> Result<Html<String>, Problem> {
    let now = app.now();
    let (word, range, bounds) = range_of(&params.range, now)?;
    let is_all = match params.show.as_str() {
        "" => false,
        "all" => true,
        _ => return Err(Problem::invalid("show: write all, or leave it out")),
    };
    let found = find(&app, &permit, bounds, now).await?;
    Access::new("findings")
        .with("from", bounds.0.to_string())
        .with("to", bounds.1.to_string())
        .with("rows", found.findings.len() as u64)
        .with("tree_size", found.tree_size)
        .seen(&app, &permit)
        .await?;
    let (reviews_total, reviews) = reviews(&app, &permit).await?;
    let by_key: BTreeMap<&str, &Review> = reviews.iter().rev().map(|one| (one.key.as_str(), one)).collect();
    let links = Links { name: &permit.name, bounds };
    let path = format!("/p/{}/findings", permit.name);
    let choice = |title: &'static str, range: &str, show: &str, is_current: bool| Choice {
        title,
        href: address(&path, &[("range", range), ("show", show)]),
        is_current,
    };
    let kinds = links.kinds(&found.findings, &by_key, is_all);
    html(&FindingsPage {
        frame: SIGNED_IN,
        name: &permit.name,
        ranges: RANGES.iter().map(|(one, title)| choice(title, one, &params.show, *one == word)).collect(),
        shows: vec![choice("To review", word, "", !is_all), choice("All", word, "all", is_all)],
        range: format!("the {}", range.to_lowercase()),
        word,
        show: &params.show,
        open: kinds.iter().map(|kind| kind.open).sum(),
        total: found.findings.len(),
        without: Kind::ALL
            .iter()
            .filter(|kind| !found.findings.iter().any(|one| one.kind == **kind))
            .map(|kind| kind.title())
            .collect(),
        kinds,
        notes: found.notes,
        reviews: reviews.iter().map(|one| ReviewView::new(&permit.name, one)).collect(),
        reviews_total: grouped(reviews_total),
        may_review: permit.caller.is_administrator(),
    })
}

/// Everything that the rules find.
async fn find(app: &App, permit: &Reader, (from, to): (Time, Time), now: Time) -> Result<Found, Problem> {
    let (engine, trail) = (&app.engine, &permit.trail);
    let mut notes = Vec::new();
    let failures = LoginRequest {
        query: NamedQuery::SignInFailures,
        from: Some(from),
        to: Some(to),
        limit: FAILURES_MAX,
        ..LoginRequest::default()
    };
    let failures = engine.logins(trail, &failures, now).await?;
    if failures.next.is_some() {
        let (all, looked) = (grouped(failures.total), grouped(FAILURES_MAX as u64));
        notes.push(format!("Bursts were looked for among the newest {looked} of {all} failed sign-ins: choose a shorter range to see all."));
    }
    let seen: Vec<Seen> = failures.rows.iter().map(Seen::of).collect();
    let mut findings = failure_bursts(&seen);
    match engine.after_leaving(trail).await {
        Ok((total, rows)) => {
            if total > rows.len() as u64 {
                notes.push(format!(
                    "Of {} sign-ins after leaving, the newest {} were looked at.",
                    grouped(total),
                    rows.len()
                ));
            }
            findings.extend(after_leaving(&rows.iter().map(Seen::of).collect::<Vec<_>>(), (from, to)));
        }
        Err(QueryError::Invalid(why)) => {
            notes.push(format!("Sign-ins after leaving were not looked for: {why}."))
        }
        Err(error) => return Err(error.into()),
    }
    let streams = coverage::reports(app.control().as_ref(), &permit.name, (from, to), now).await?;
    findings.extend(of_sources(&streams, now));
    findings.extend(unmatched(app, permit, (from, to), now).await?);
    findings.extend(rejected(app, permit, (from, to)).await?);
    let dormant = engine.dormant(trail, (DORMANT_DAYS, AccountStatus::Enabled), None, now).await?;
    if !dormant.is_empty() {
        let text = format!(
            "Enabled accounts without a sign-in for {DORMANT_DAYS} days or more: {}",
            grouped(dormant.len() as u64)
        );
        findings.push(of_all(Kind::Dormant, text, (from, to), dormant.len() as u64, Vec::new()));
    }
    Ok(Found { findings, notes, tree_size: failures.tree_size })
}

/// A finding that is about nobody in particular.
fn of_all(kind: Kind, text: String, (from, to): (Time, Time), count: u64, positions: Vec<u64>) -> Finding {
    let (subject, name) = (String::new(), String::new());
    Finding { kind, subject, name, text, from, to, count, positions }
}

/// Sign-ins without sign-outs, and the other way round: how many there are.
async fn unmatched(
    app: &App,
    permit: &Reader,
    (from, to): (Time, Time),
    now: Time,
) -> Result<Vec<Finding>, Problem> {
    let mut found = Vec::new();
    for (kind, query, what) in [
        (
            Kind::LogonWithoutLogoff,
            SessionQuery::LogonWithoutLogoff,
            "Sessions of which no record tells the end",
        ),
        (
            Kind::LogoffWithoutLogon,
            SessionQuery::LogoffWithoutLogon,
            "Sign-outs of which no sign-in is known",
        ),
    ] {
        let request = SessionRequest {
            query,
            from: Some(from),
            to: Some(to),
            limit: REFERENCES_SHOWN,
            ..SessionRequest::default()
        };
        let page = app.engine.sessions(&permit.trail, &request, now).await?;
        if page.total > 0 {
            let positions = page.rows.iter().map(|row| row.position).collect();
            found.push(of_all(
                kind,
                format!("{what}: {}", grouped(page.total)),
                (from, to),
                page.total,
                positions,
            ));
        }
    }
    Ok(found)
}

/// What was refused and is kept, by source.
async fn rejected(app: &App, permit: &Reader, range: (Time, Time)) -> Result<Vec<Finding>, Problem> {
    let kept = app.control().rejected(&permit.name, 0, REJECTED_MAX).await?;
    let mut by_source: BTreeMap<&str, Vec<&whowas_store::control::Rejected>> = BTreeMap::new();
    for one in &kept {
        by_source.entry(&one.source).or_default().push(one);
    }
    let is_cut = kept.len() >= REJECTED_MAX as usize;
    let of = |(source, those): (&str, Vec<&whowas_store::control::Rejected>)| {
        let more = if is_cut { " or more" } else { "" };
        let reason = those.last().map(|one| one.reason.as_str()).unwrap_or_default();
        let text = format!(
            "{}{more} were refused and are kept; the last because: {reason}",
            grouped(those.len() as u64)
        );
        let from = those.iter().map(|one| one.received_at).min().unwrap_or(range.0);
        let to = those.iter().map(|one| one.received_at).max().unwrap_or(range.1);
        let mut finding = of_all(Kind::Rejected, text, (from, to), those.len() as u64, Vec::new());
        finding.subject = source.to_owned();
        finding
    };
    Ok(by_source.into_iter().map(of).collect())
}

struct Links<'a> {
    name: &'a EnvironmentName,
    bounds: (Time, Time),
}

impl Links<'_> {
    fn kinds(&self, findings: &[Finding], by_key: &BTreeMap<&str, &Review>, is_all: bool) -> Vec<KindView> {
        let kind = |kind: &Kind| {
            let all: Vec<(&Finding, String)> =
                findings.iter().filter(|one| one.kind == *kind).map(|one| (one, one.key())).collect();
            let is_open = |key: &str| !by_key.contains_key(key);
            let shown: Vec<_> = all.iter().filter(|(_, key)| is_all || is_open(key)).collect();
            KindView {
                title: kind.title(),
                word: kind.as_str(),
                severity: kind.severity().as_str(),
                total: all.len(),
                open: all.iter().filter(|(_, key)| is_open(key)).count(),
                hidden: shown.len().saturating_sub(OF_KIND_MAX),
                findings: shown
                    .into_iter()
                    .take(OF_KIND_MAX)
                    .map(|(one, key)| self.finding(one, key, by_key.get(key.as_str()).copied()))
                    .collect(),
            }
        };
        Kind::ALL.iter().map(kind).filter(|kind| kind.total > 0 && (is_all || kind.open > 0)).collect()
    }

    fn finding(&self, one: &Finding, key: &str, review: Option<&Review>) -> FindingView {
        let is_person = matches!(one.kind, Kind::AfterLeaving | Kind::FailureBurst);
        let position =
            |position: &u64| (*position, format!("/p/{}/monitoring/raw-logs/{position}", self.name));
        let review = review.map(|one| (show(one.at), one.by.clone(), one.note.clone()));
        FindingView {
            key: key.to_owned(),
            subject: if one.name.is_empty() {
                one.subject.clone()
            } else {
                format!("{} ({})", one.name, one.subject)
            },
            subject_href: if is_person { user_href(self.name, &one.subject) } else { String::new() },
            text: one.text.clone(),
            from: show(one.from),
            to: show(one.to),
            rows: self.rows(one),
            positions: one.positions.iter().take(REFERENCES_SHOWN).map(position).collect(),
            review,
        }
    }

    /// The query that shows the rows of a finding.
    fn rows(&self, one: &Finding) -> String {
        let name = self.name;
        let user = match one.subject.contains(['"', '*']) || one.subject.is_empty() {
            true => String::new(),
            false => format!("user:\"{}\"", one.subject),
        };
        let exact =
            |time: Time| time.to_string().chars().take("2026-11-24T08:00:00".len()).collect::<String>();
        let day = |time: Time| time.to_string().chars().take("2026-11-24".len()).collect::<String>();
        let logs = |query: NamedQuery, filter: &str| {
            let (start, end) = (exact(one.from), exact(one.to.saturating_add_ms(1_000)));
            let params = [("query", query.as_str()), ("start", &start), ("end", &end), ("filter", filter)];
            address(&format!("/p/{name}/monitoring/raw-logs"), &params)
        };
        let user_log = |tab: &str| {
            let (start, end) = (day(self.bounds.0), day(self.bounds.1));
            address(&format!("/p/{name}/user-log"), &[("tab", tab), ("start", &start), ("end", &end)])
        };
        match one.kind {
            Kind::AfterLeaving => logs(NamedQuery::UserLoginEvents, &user),
            Kind::FailureBurst => logs(NamedQuery::SignInFailures, &user),
            Kind::Gap | Kind::AtRisk => {
                let year: String = exact(one.to).chars().take(4).collect();
                address(&format!("/p/{name}/monitoring/coverage"), &[("year", &year)])
            }
            Kind::Failing | Kind::Silent | Kind::Rejected => format!("/p/{name}/monitoring/health"),
            Kind::LogonWithoutLogoff => user_log("logon-without-logoff"),
            Kind::LogoffWithoutLogon => user_log("logoff-without-logon"),
            Kind::Dormant => format!("/p/{name}/dormant?days={DORMANT_DAYS}&status=enabled"),
        }
    }
}

impl ReviewView {
    fn new(name: &EnvironmentName, one: &Review) -> Self {
        let title = Kind::ALL.iter().find(|kind| kind.as_str() == one.kind).map(|kind| kind.title());
        Self {
            at: show(one.at),
            by: one.by.clone(),
            what: match title {
                Some(title) => title.to_owned(),
                None => format!("The period from {} to {}", one.from, one.to),
            },
            note: one.note.clone(),
            href: format!("/p/{name}/monitoring/raw-logs/{}", one.position),
        }
    }
}
