//! Signing in with a link that works once, and signing out.

use std::sync::Arc;

use askama::Template;
use axum::{
    Form,
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use hyper::{HeaderMap, header::SET_COOKIE};
use serde::Deserialize;
use whowas_store::control::SessionKind;

use super::{Frame, html};
use crate::{
    api::params::Params,
    app::App,
    auth::{LINK_MINUTES, SESSION_HOURS, session_cookie, set_cookie},
    problem::Problem,
    secret,
};

#[derive(Debug, Default, Deserialize)]
pub(crate) struct CodeParam {
    #[serde(default)]
    code: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    frame: Frame,
    code: &'a str,
    minutes: i64,
}

/// Opening the link does not use it up: programs that look at links in advance must not.
pub(crate) async fn page(Params(param): Params<CodeParam>) -> Result<Html<String>, Problem> {
    let frame = Frame { is_signed_in: false };
    html(&SignInPage { frame, code: &param.code, minutes: LINK_MINUTES })
}

/// Uses the link up and begins a session.
pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    Form(form): Form<CodeParam>,
) -> Result<Response, Problem> {
    let now = app.now();
    // Exactly one caller is told `true`, however many try at once.
    if !app.control().end_session(SessionKind::Link, &secret::hash(&form.code), now).await? {
        return Err(Problem::denied(
            "this link was used already, has expired, or is not one of ours; open a new one",
        ));
    }
    let (session, hash) = secret::new_secret()?;
    let expires_at = now.saturating_add_ms(SESSION_HOURS * 3_600_000);
    app.control().create_session(SessionKind::Console, &hash, expires_at).await?;
    let cookie = set_cookie(&session, SESSION_HOURS * 3600, app.is_tls);
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

/// Ends the session here, not only in the browser.
pub(crate) async fn sign_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(session) = session_cookie(&headers, app.is_tls) {
        app.control().end_session(SessionKind::Console, &secret::hash(&session), app.now()).await?;
    }
    Ok(([(SET_COOKIE, set_cookie("", 0, app.is_tls))], Redirect::to("/sign-in")).into_response())
}
