//! Who uses a system and who does not.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use whowas_event::Time;
use whowas_query::{
    AGING_DAYS, AccountStatus, AgingRange, Filter, LastSignIn, LoginRow, UserCount, WINDOW_DAYS_DEFAULT,
    aging,
};

use super::params::{Params, as_of, number, time};
use crate::{access::Access, app::App, auth::Reader, problem::Problem};

const DAY_MS: i64 = 86_400_000;
/// Days without a sign-in, if nobody says.
pub(crate) const DORMANT_DAYS: u64 = 90;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UsageParams {
    pub(crate) days: String,
    pub(crate) status: String,
    pub(crate) account_type: String,
    pub(crate) ranges: String,
    pub(crate) as_of: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) by: String,
    pub(crate) filter: String,
}

/// Users without a sign-in.
#[derive(Debug, Serialize)]
pub(crate) struct DormantPage {
    pub(crate) users: Vec<LastSignIn>,
    pub(crate) total: u64,
    pub(crate) days: u64,
}

/// Users by the days since their last sign-in.
#[derive(Debug, Serialize)]
pub(crate) struct AgingPage {
    pub(crate) ranges: Vec<AgingRange>,
    pub(crate) never: u64,
}

/// Who signed in how often.
#[derive(Debug, Serialize)]
pub(crate) struct DistinctPage {
    pub(crate) users: Vec<UserCount>,
    pub(crate) total: u64,
    pub(crate) from: Time,
    pub(crate) to: Time,
}

/// Sign-ins of people who have left.
#[derive(Debug, Serialize)]
pub(crate) struct AfterLeavingPage {
    pub(crate) rows: Vec<LoginRow>,
    pub(crate) total: u64,
}

pub(crate) async fn dormant(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<UsageParams>,
) -> Result<Json<DormantPage>, Problem> {
    Ok(Json(find_dormant(&app, &permit, &params).await?))
}

/// The same for the console.
pub(crate) async fn find_dormant(
    app: &App,
    permit: &Reader,
    params: &UsageParams,
) -> Result<DormantPage, Problem> {
    let now = app.now();
    let days = number("days", &params.days, DORMANT_DAYS)?;
    let status = AccountStatus::from_word(&params.status)
        .ok_or_else(|| Problem::invalid("status: write all, enabled or disabled"))?;
    let as_of = as_of(&params.as_of, now)?;
    let mut users = app.engine.dormant(&permit.trail, (days, status), as_of, now).await?;
    if !params.account_type.is_empty() {
        users.retain(|one| {
            one.account_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case(&params.account_type))
        });
    }
    let total = users.len() as u64;
    Access::new("dormant").with("days", days).with("rows", total).seen(app, permit).await?;
    Ok(DormantPage { users, total, days })
}

pub(crate) async fn by_age(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<UsageParams>,
) -> Result<Json<AgingPage>, Problem> {
    Ok(Json(find_ages(&app, &permit, &params).await?))
}

pub(crate) async fn find_ages(
    app: &App,
    permit: &Reader,
    params: &UsageParams,
) -> Result<AgingPage, Problem> {
    let now = app.now();
    let days = match params.ranges.as_str() {
        "" => AGING_DAYS.to_vec(),
        text => text
            .split(',')
            .map(|part| number("ranges", part.trim(), 0))
            .collect::<Result<Vec<u64>, Problem>>()?,
    };
    let as_of = as_of(&params.as_of, now)?;
    let people = app.engine.last_sign_ins(&permit.trail, as_of, now).await?;
    Access::new("aging").with("rows", people.len() as u64).seen(app, permit).await?;
    let (ranges, never) = aging(&people, &days);
    Ok(AgingPage { ranges, never })
}

pub(crate) async fn distinct(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<UsageParams>,
) -> Result<Json<DistinctPage>, Problem> {
    Ok(Json(find_distinct(&app, &permit, &params).await?))
}

pub(crate) async fn find_distinct(
    app: &App,
    permit: &Reader,
    params: &UsageParams,
) -> Result<DistinctPage, Problem> {
    let now = app.now();
    let is_by_day = match params.by.as_str() {
        "" | "user" => false,
        "day" => true,
        _ => return Err(Problem::invalid("by: write user or day")),
    };
    let to = time("to", &params.to, now)?.unwrap_or_else(|| now.saturating_add_ms(1));
    let from = time("from", &params.from, now)?;
    let from = from.unwrap_or_else(|| to.saturating_add_ms(-WINDOW_DAYS_DEFAULT * DAY_MS));
    let filter = Filter::parse(&params.filter)?;
    let users = app.engine.distinct_users(&permit.trail, (from, to), &filter, is_by_day, now).await?;
    let total = users.len() as u64;
    Access::new("distinct-users")
        .with("from", from.to_string())
        .with("to", to.to_string())
        .with("rows", total)
        .with_personal("filter", &params.filter)
        .seen(app, permit)
        .await?;
    Ok(DistinctPage { users, total, from, to })
}

pub(crate) async fn after_leaving(
    State(app): State<Arc<App>>,
    permit: Reader,
) -> Result<Json<AfterLeavingPage>, Problem> {
    Ok(Json(find_after_leaving(&app, &permit).await?))
}

pub(crate) async fn find_after_leaving(app: &App, permit: &Reader) -> Result<AfterLeavingPage, Problem> {
    let (total, rows) = app.engine.after_leaving(&permit.trail).await?;
    Access::new("after-leaving").with("rows", total).seen(app, permit).await?;
    Ok(AfterLeavingPage { rows, total })
}
