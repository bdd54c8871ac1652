//! Who asks, and what they may do: the one place.
//!
//! A permission is something a handler holds. [`Reader`], [`Ingester`] and [`Admin`] can only be had from
//! a request that carries a console session or a token of that scope, and the first two bring the trail
//! they are for; a handler without one has no trail to read.

use std::{net::IpAddr, ops::Deref, sync::Arc};

use axum::{
    extract::{FromRequestParts, RawPathParams, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper::{
    HeaderMap, Method,
    header::{AUTHORIZATION, COOKIE, HOST, ORIGIN},
    http::request::Parts,
};
use whowas_event::EnvironmentName;
use whowas_store::{
    Trail,
    control::{Scope, SessionKind},
};

use crate::{app::App, problem::Problem, secret};

/// For how long a sign-in link works.
pub(crate) const LINK_MINUTES: i64 = 15;
/// For how long a console session lasts: one working day.
pub(crate) const SESSION_HOURS: i64 = 12;

/// The address of the other end of the connection. What headers claim about it is not believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// The administrator, by a console session.
    Administrator,
    /// A program, by a token.
    Token(i64),
}

/// Somebody who has shown who they are.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) who: Who,
    pub(crate) peer: Option<IpAddr>,
    scope: Scope,
    /// The one environment they may see.
    environment: Option<EnvironmentName>,
    /// What their records' source is called.
    pub(crate) source: Option<String>,
}

impl Caller {
    /// The name under which they appear in `access` records.
    pub(crate) fn name(&self) -> String {
        match self.who {
            Who::Administrator => "administrator".to_owned(),
            Who::Token(id) => format!("token {id}"),
        }
    }

    /// Whether they may do everything in the environments they may see.
    pub(crate) fn is_admin(&self) -> bool {
        self.scope == Scope::Admin
    }

    /// Whether they may change environments, as [`Admin`] asks.
    pub(crate) fn is_administrator(&self) -> bool {
        self.scope.allows(Scope::Admin) && self.environment.is_none()
    }

    /// Whether they may know about this environment.
    pub(crate) fn sees(&self, name: &EnvironmentName) -> bool {
        self.environment.as_ref().is_none_or(|only| only == name)
    }

    fn require(&self, needed: Scope) -> Result<(), Problem> {
        if self.scope.allows(needed) {
            return Ok(());
        }
        let (has, needed) = (self.scope.as_str(), needed.as_str());
        Err(Problem::denied(format!("this needs the scope {needed}; the token has {has}")))
    }

    async fn of_token(app: &App, secret: &str, peer: Option<Peer>) -> Result<Self, Problem> {
        let token = app.token(&secret::hash(secret.trim())).await?.ok_or_else(Problem::sign_in)?;
        Ok(Self {
            who: Who::Token(token.id),
            peer: peer.map(|peer| peer.0),
            scope: token.scope,
            environment: token.environment.clone(),
            source: token.source.clone(),
        })
    }

    async fn from_parts(parts: &Parts, app: &App) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Peer>().copied();
        if let Some(secret) = bearer(&parts.headers)? {
            return Self::of_token(app, secret, peer).await;
        }
        let peer = peer.map(|peer| peer.0);
        let secret = session_cookie(&parts.headers, app.is_tls).ok_or_else(Problem::sign_in)?;
        if !app.control().has_session(SessionKind::Console, &secret::hash(&secret), app.now()).await? {
            return Err(Problem::sign_in());
        }
        Ok(Self { who: Who::Administrator, peer, scope: Scope::Admin, environment: None, source: None })
    }
}

/// The token of the header `Authorization`, if there is one.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(header) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let bearer = header.to_str().ok().and_then(|text| text.split_once(' '));
    let secret = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    secret.map(|(_, secret)| Some(secret)).ok_or_else(Problem::sign_in)
}

/// Permission to add records to the trail that a token names itself: the paths of receivers name none.
pub(crate) async fn receiver(app: &App, secret: &str, peer: Option<Peer>) -> Result<Permit, Problem> {
    of_source(app, secret, peer, Scope::Ingest).await
}

/// Permission for whatever a token names itself: one environment and a source in it.
pub(crate) async fn of_source(
    app: &App,
    secret: &str,
    peer: Option<Peer>,
    needed: Scope,
) -> Result<Permit, Problem> {
    let caller = Caller::of_token(app, secret, peer).await?;
    caller.require(needed)?;
    let name = caller.environment.clone().ok_or_else(|| {
        Problem::denied(
            "this needs a token for one environment: create it with --environment PROJECT/ENVIRONMENT",
        )
    })?;
    let trail = app.store.trail(&name).await?;
    Ok(Permit { caller, name, trail })
}

/// Permission to do something with one trail, named in the path.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(crate) caller: Caller,
    pub(crate) name: EnvironmentName,
    pub(crate) trail: Arc<Trail>,
}

impl Permit {
    async fn from_parts(parts: &mut Parts, app: &Arc<App>, needed: Scope) -> Result<Self, Problem> {
        let caller = Caller::from_parts(parts, app).await?;
        caller.require(needed)?;
        let name = environment_in_path(parts, app).await?;
        if !caller.sees(&name) {
            return Err(Problem::denied("the token is for another environment"));
        }
        let trail = app.store.trail(&name).await?;
        if trail.is_being_erased() {
            return Err(Problem::busy("personal fields are being erased; try again in a second"));
        }
        Ok(Self { caller, name, trail })
    }
}

/// The environment that `{project}` and `{environment}` of the path name.
pub(crate) async fn environment_in_path(
    parts: &mut Parts,
    app: &Arc<App>,
) -> Result<EnvironmentName, Problem> {
    let params = RawPathParams::from_request_parts(parts, app)
        .await
        .map_err(|_| Problem::not_found("no such path"))?;
    let param = |name| params.iter().find(|(found, _)| *found == name).map_or("", |(_, value)| value);
    let name = format!("{}/{}", param("project"), param("environment"));
    name.parse().map_err(|e: whowas_event::NameError| Problem::not_found(e.to_string()))
}

/// Declares a permission for one trail.
macro_rules! permits {
    ($($(#[$doc:meta])* $name:ident needs $scope:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name(Permit);

        impl Deref for $name {
            type Target = Permit;

            fn deref(&self) -> &Permit {
                &self.0
            }
        }

        impl FromRequestParts<Arc<App>> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
                Permit::from_parts(parts, app, Scope::$scope).await.map(Self)
            }
        }
    )+};
}

permits! {
    /// May search and export one trail.
    Reader needs Read;
    /// May add records to one trail.
    Ingester needs Ingest;
    /// May change what one trail keeps: erase, hold, give it a new key.
    Keeper needs Admin;
}

/// May see which environments there are, as far as [`Caller::sees`] says.
#[derive(Debug)]
pub(crate) struct Visitor(pub(crate) Caller);

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Caller::from_parts(parts, app).await?;
        caller.require(Scope::Read)?;
        Ok(Self(caller))
    }
}

/// May change environments and tokens.
#[derive(Debug)]
pub(crate) struct Admin(pub(crate) Caller);

impl FromRequestParts<Arc<App>> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Caller::from_parts(parts, app).await?;
        caller.require(Scope::Admin)?;
        if caller.environment.is_some() {
            return Err(Problem::denied("this needs a token that is not bound to one environment"));
        }
        Ok(Self(caller))
    }
}

/// `__Host-` makes browsers insist on TLS, on this host alone and on the whole path.
const fn cookie_name(is_tls: bool) -> &'static str {
    if is_tls { "__Host-whowas" } else { "whowas" }
}

/// The secret of the console session that a request carries.
pub(crate) fn session_cookie(headers: &HeaderMap, is_tls: bool) -> Option<String> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == cookie_name(is_tls)).map(|(_, value)| value.to_owned())
}

/// The header that gives the browser a session, or, with no seconds, takes it away.
pub(crate) fn set_cookie(secret: &str, max_age_s: i64, is_tls: bool) -> String {
    let secure = if is_tls { "; Secure" } else { "" };
    let name = cookie_name(is_tls);
    format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{secure}")
}

/// Refuses changes that another site makes a browser ask for.
///
/// Browsers say where a request comes from (`Sec-Fetch-Site`, older ones `Origin`). A request with a token
/// is not a browser's doing; one with the cookie and neither header is refused.
pub(crate) async fn refuse_cross_site(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let is_change = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    let headers = request.headers();
    if is_change && !headers.contains_key(AUTHORIZATION) && !is_same_site(headers, app.is_tls) {
        return Problem::denied("the request comes from another site").into_response();
    }
    next.run(request).await
}

fn is_same_site(headers: &HeaderMap, is_tls: bool) -> bool {
    let text =
        |name| headers.get(name).map(|value: &hyper::header::HeaderValue| value.to_str().unwrap_or("?"));
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match (text(ORIGIN), text(HOST)) {
        (Some(origin), Some(host)) => {
            let scheme = if is_tls { "https" } else { "http" };
            origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")) == Some(host)
        }
        (Some(_), None) => false,
        (None, _) => session_cookie(headers, is_tls).is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_from_here_or_not_from_a_browser() {
        let check = |pairs: &[(&'static str, &'static str)], want: bool| {
            let headers: HeaderMap =
                pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(is_same_site(&headers, false), want, "{pairs:?}");
        };
        let cookie = ("cookie", "a=b; whowas=secret");
        check(&[("sec-fetch-site", "same-origin"), cookie], true);
        check(&[("sec-fetch-site", "none"), cookie], true);
        check(&[("sec-fetch-site", "same-site"), cookie], false);
        check(&[("sec-fetch-site", "cross-site"), ("origin", "http://h"), ("host", "h")], false);
        check(&[("origin", "http://h:1"), ("host", "h:1"), cookie], true);
        check(&[("origin", "https://h:1"), ("host", "h:1"), cookie], false);
        check(&[("origin", "null"), ("host", "h:1"), cookie], false);
        check(&[("host", "h:1"), cookie], false);
        check(&[("host", "h:1")], true);
    }

    #[test]
    fn cookies_are_as_strict_as_they_can_be() {
        assert_eq!(
            set_cookie("s", 60, true),
            "__Host-whowas=s; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure"
        );
        assert_eq!(set_cookie("s", 60, false), "whowas=s; Path=/; HttpOnly; SameSite=Strict; Max-Age=60");
    }
}
