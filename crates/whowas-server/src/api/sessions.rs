//! Sessions: which began when, who was signed in at an instant, how many at once.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Deserialize;
use whowas_event::Time;
use whowas_query::{
    AtOnce, Filter, PresencePage, PresenceRequest, SessionDetail, SessionPage, SessionQuery, SessionRequest,
    WINDOW_DAYS_DEFAULT,
};

use super::params::{Params, as_of, number, time};
use crate::{access::Access, app::App, auth::Reader, problem::Problem};

const DAY_MS: i64 = 86_400_000;
/// Stretches of a range, if nobody says: hours of a day, or seven of a week each.
const POINTS_DEFAULT: usize = 168;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SessionParams {
    pub(crate) query: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) at: String,
    pub(crate) filter: String,
    pub(crate) limit: String,
    pub(crate) page: String,
    pub(crate) as_of: String,
    pub(crate) points: String,
}

impl SessionParams {
    /// The question. An empty parameter is an absent one, as forms send them.
    pub(crate) fn sessions(&self, now: Time) -> Result<SessionRequest, Problem> {
        let query = match self.query.as_str() {
            "" => SessionQuery::default(),
            word => SessionQuery::from_word(word).ok_or_else(|| {
                let names: Vec<_> = SessionQuery::ALL.iter().map(|query| query.as_str()).collect();
                Problem::invalid(format!(
                    "query: there is no query of this name; there are {}",
                    names.join(", ")
                ))
            })?,
        };
        Ok(SessionRequest {
            query,
            from: time("from", &self.from, now)?,
            to: time("to", &self.to, now)?,
            filter: Filter::parse(&self.filter)?,
            limit: number("limit", &self.limit, 0)?,
            page: (!self.page.is_empty()).then(|| self.page.clone()),
            as_of: as_of(&self.as_of, now)?,
        })
    }

    pub(crate) fn presence(&self, now: Time) -> Result<PresenceRequest, Problem> {
        Ok(PresenceRequest {
            at: time("at", &self.at, now)?,
            filter: Filter::parse(&self.filter)?,
            limit: number("limit", &self.limit, 0)?,
            page: (!self.page.is_empty()).then(|| self.page.clone()),
            as_of: as_of(&self.as_of, now)?,
        })
    }

    /// Seven days, if nobody says.
    pub(crate) fn range(&self, now: Time) -> Result<(Time, Time), Problem> {
        let to = time("to", &self.to, now)?.unwrap_or_else(|| now.saturating_add_ms(1));
        let from = time("from", &self.from, now)?;
        Ok((from.unwrap_or_else(|| to.saturating_add_ms(-WINDOW_DAYS_DEFAULT * DAY_MS)), to))
    }
}

/// Sessions that began in a range.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<SessionParams>,
) -> Result<Json<SessionPage>, Problem> {
    let now = app.now();
    let request = params.sessions(now)?;
    let page = app.engine.sessions(&permit.trail, &request, now).await?;
    looked(&page, request.query, &params.filter).seen(&app, &permit).await?;
    Ok(Json(page))
}

/// One session, asked by any of its records.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    permit: Reader,
    Path((_, _, position)): Path<(String, String, String)>,
) -> Result<Json<SessionDetail>, Problem> {
    let found = find_one(&app, &permit, &position).await?;
    looked_at_one(&found).seen(&app, &permit).await?;
    Ok(Json(found))
}

/// The same for the console, which writes its look down when it has decided what to show.
pub(crate) async fn find_one(app: &App, permit: &Reader, position: &str) -> Result<SessionDetail, Problem> {
    let position = position
        .parse()
        .map_err(|_| Problem::not_found("a session's key is the position of one of its records"))?;
    let found = app.engine.session_at(&permit.trail, position, app.now()).await?;
    found.ok_or_else(|| {
        Problem::not_found(
            "the record at this position belongs to no session: it may be a failed sign-in, no sign-in at all, or of a session with more records than are looked at",
        )
    })
}

/// The access record of a look at one session.
pub(crate) fn looked_at_one(found: &SessionDetail) -> Access {
    Access::new("session")
        .with("position", found.session.position)
        .with("rows", found.records.len() as u64)
        .with("tree_size", found.tree_size)
}

/// Who was signed in.
pub(crate) async fn presence(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<SessionParams>,
) -> Result<Json<PresencePage>, Problem> {
    let now = app.now();
    let page = app.engine.presence(&permit.trail, &params.presence(now)?, now).await?;
    looked_at_instant(&page, &params.filter).seen(&app, &permit).await?;
    Ok(Json(page))
}

/// How many at once.
pub(crate) async fn at_once(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(params): Params<SessionParams>,
) -> Result<Json<AtOnce>, Problem> {
    let now = app.now();
    let range = params.range(now)?;
    let points = number("points", &params.points, POINTS_DEFAULT)?;
    let as_of = as_of(&params.as_of, now)?;
    let found = app.engine.at_once(&permit.trail, range, points, as_of, now).await?;
    Access::new("at-once")
        .with("from", found.from.to_string())
        .with("to", found.to.to_string())
        .with("tree_size", found.tree_size)
        .seen(&app, &permit)
        .await?;
    Ok(Json(found))
}

/// The access record of a look at sessions.
pub(crate) fn looked(page: &SessionPage, query: SessionQuery, filter: &str) -> Access {
    Access::new("sessions")
        .with("query", query.as_str())
        .with("from", page.from.to_string())
        .with("to", page.to.to_string())
        .with("rows", page.rows.len() as u64)
        .with("tree_size", page.tree_size)
        .with_personal("filter", filter)
}

/// The access record of a look at who was signed in.
pub(crate) fn looked_at_instant(page: &PresencePage, filter: &str) -> Access {
    Access::new("presence")
        .with("at", page.at.to_string())
        .with("rows", page.rows.len() as u64)
        .with("tree_size", page.tree_size)
        .with_personal("filter", filter)
}
