//! `/scim/v2`: identity providers such as Entra and Okta tell whom they provision (SCIM 2.0, RFC 7643 and 7644).
//!
//! The token names the environment and the source; each source has people and groups of its own. Every change is an
//! `identity` record, durable before it is answered; what is answered is what the directory has. Pure parts: the
//! schema (`schema.rs`), filters and paths (`filter.rs`), PATCH (`patch.rs`), what is kept and shown (`resource.rs`).
//! Start at `source.rs` for where resources are, at `change.rs` for how they change.
//!
//! Not here: bulk requests, passwords, `/Me`.

pub(crate) mod change;
mod discovery;
mod filter;
mod list;
mod patch;
mod refused;
mod resource;
mod schema;
mod show;
pub(crate) mod source;

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{
        ALLOW, CONTENT_LOCATION, CONTENT_TYPE, ETAG, HOST, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
        LOCATION,
    },
    http::request::Parts,
};
use serde_json::{Map, Value, json};
use tokio::sync::OwnedRwLockReadGuard;
use whowas_store::{StoreError, control::Scope};

use self::{
    change::{Change, Expected, FORMAT, no_such},
    list::Asked,
    refused::Refused,
    resource::Projection,
    schema::Kind,
    show::Show,
    source::{Id, Index},
};
use crate::{
    app::App,
    auth::{self, Peer, Permit},
    problem::Problem,
    receive::inbound,
};

/// The largest body: a group with some 30,000 members in one request.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest name of a source here: it is a part of ids, which have 512 bytes.
const SOURCE_BYTES_MAX: usize = 256;
/// Below which the resources are.
const BASE: &str = "/scim/v2";
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/scim+json");

/// Why a request fails: for SCIM's reasons, or for those of everything here.
#[derive(Debug)]
pub(crate) enum Fail {
    Refused(Refused),
    Other(Problem),
    Method(&'static str),
}

impl Fail {
    fn internal(cause: impl ToString) -> Self {
        Self::Other(Problem::internal(cause))
    }
}

impl From<Refused> for Fail {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Problem> for Fail {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

impl From<StoreError> for Fail {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

/// Answers everything below `/scim/v2`, also errors, in SCIM's words.
pub(crate) async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let mut answer = match answer(&app, request).await {
        Ok(answer) => answer,
        Err(Fail::Refused(refused)) => {
            let Refused { status, scim_type, detail } = refused;
            let problem = Problem::with_status(status, detail);
            let body = error_body(problem.status(), scim_type, problem.detail());
            problem.clone().shaped((problem.status(), Json(body)).into_response())
        }
        Err(Fail::Method(allowed)) => {
            let problem = Problem::with_status(405, "this address does not take this method");
            let body = error_body(problem.status(), None, problem.detail());
            let mut answer = problem.clone().shaped((problem.status(), Json(body)).into_response());
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            answer
        }
        Err(Fail::Other(problem)) => {
            let body = error_body(problem.status(), None, problem.detail());
            problem.clone().shaped((problem.status(), Json(body)).into_response())
        }
    };
    if answer.headers().contains_key(CONTENT_TYPE) {
        answer.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
    }
    answer
}

fn error_body(status: StatusCode, scim_type: Option<&str>, detail: &str) -> Value {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.as_str(),
        "detail": detail,
    });
    if let (Some(members), Some(scim_type)) = (body.as_object_mut(), scim_type) {
        members.insert("scimType".to_owned(), scim_type.into());
    }
    body
}

/// One request, and who makes it.
struct Asking<'a> {
    app: &'a Arc<App>,
    permit: Permit,
    source: String,
    base: String,
    parts: Parts,
}

async fn answer(app: &Arc<App>, request: Request) -> Result<Response, Fail> {
    let (parts, body) = request.into_parts();
    let secret = auth::bearer(&parts.headers)?.ok_or_else(Problem::sign_in)?;
    let peer = parts.extensions.get::<Peer>().copied();
    let permit = auth::of_source(app, secret, peer, Scope::Scim).await?;
    let source = permit.caller.source.clone().unwrap_or_else(|| FORMAT.to_owned());
    if source.len() > SOURCE_BYTES_MAX {
        let detail = format!("the name of a source has at most {SOURCE_BYTES_MAX} bytes here");
        return Err(Problem::denied(detail).into());
    }
    let path = parts.uri.path().strip_prefix(BASE).unwrap_or_default().trim_matches('/').to_owned();
    let segments: Vec<&str> = path.split('/').collect();
    let base = base(&parts.headers, app.is_tls);
    let body = match parts.method {
        Method::GET | Method::HEAD | Method::DELETE => Bytes::new(),
        _ => {
            has_json(&parts.headers)?;
            inbound::read(&app.inbound, permit.caller.who, body, BODY_BYTES_MAX).await?.bytes.clone()
        }
    };
    let asking = Asking { app, permit, source, base, parts };
    asking.route(&segments, &body).await
}

/// Where clients reach us, by the name they used. Behind a proxy the scheme is what the proxy says.
fn base(headers: &HeaderMap, is_tls: bool) -> String {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_tls = is_tls || text(HeaderName::from_static("x-forwarded-proto")) == Some("https");
    let host = text(HOST).filter(|host| !host.is_empty());
    match host {
        Some(host) => format!("{}://{host}{BASE}", if is_tls { "https" } else { "http" }),
        None => BASE.to_owned(),
    }
}

fn has_json(headers: &HeaderMap) -> Result<(), Fail> {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match kind.eq_ignore_ascii_case("application/scim+json") || kind.eq_ignore_ascii_case("application/json")
    {
        true => Ok(()),
        false => Err(Problem::unsupported("the content type is application/scim+json").into()),
    }
}

impl Asking<'_> {
    async fn route(&self, segments: &[&str], body: &[u8]) -> Result<Response, Fail> {
        let method = &self.parts.method;
        let is_get = *method == Method::GET || *method == Method::HEAD;
        let kind_of = |name: &str| Kind::ALL.into_iter().find(|kind| kind.endpoint() == name);
        match segments {
            ["ServiceProviderConfig"] if is_get => Ok(ok(discovery::service_provider_config(&self.base))),
            ["Schemas" | "ResourceTypes", ..] if is_get => self.discover(segments),
            ["ServiceProviderConfig" | "Schemas" | "ResourceTypes", ..] => Err(Fail::Method("GET, HEAD")),
            ["Me", ..] => Err(Refused::with_status(501, "a token is nobody: there is no /Me").into()),
            ["Bulk"] => Err(Refused::with_status(501, "there are no bulk requests here").into()),
            [""] if is_get => self.list(&Kind::ALL, self.asked()?).await,
            [".search"] if *method == Method::POST => self.list(&Kind::ALL, search(body)?).await,
            [name] if kind_of(name).is_some() => {
                let kind = kind_of(name).ok_or_else(nothing_here)?;
                match *method {
                    Method::POST => self.create(kind, body).await,
                    _ if is_get => self.list(&[kind], self.asked()?).await,
                    _ => Err(Fail::Method("GET, HEAD, POST")),
                }
            }
            [name, ".search"] if kind_of(name).is_some() => match *method {
                Method::POST => self.list(kind_of(name).as_slice(), search(body)?).await,
                _ => Err(Fail::Method("POST")),
            },
            [name, id] => self.resource(kind_of(name).ok_or_else(nothing_here)?, id, body).await,
            _ => Err(nothing_here()),
        }
    }

    fn discover(&self, segments: &[&str]) -> Result<Response, Fail> {
        if self.asked()?.filter.is_some() {
            return Err(Problem::denied("what this server can do is not filtered").into());
        }
        let [what, rest @ ..] = segments else { return Err(nothing_here()) };
        let all = match *what {
            "Schemas" => discovery::schemas(&self.base),
            _ => discovery::resource_types(&self.base),
        };
        let id = match rest {
            [] => return Ok(ok(discovery::list(all))),
            [id] => percent_decoded(id),
            _ => return Err(nothing_here()),
        };
        let found = all.into_iter().find(|one| one.get("id").and_then(Value::as_str) == Some(&id));
        found.map(ok).ok_or_else(nothing_here)
    }

    fn asked(&self) -> Result<Asked, Fail> {
        Ok(Asked::of_query(self.parts.uri.query().unwrap_or_default())?)
    }

    async fn resource(&self, kind: Kind, text: &str, body: &[u8]) -> Result<Response, Fail> {
        let id = Id::parse(text).ok_or_else(|| no_such(kind, text))?;
        match self.parts.method {
            Method::GET | Method::HEAD => {
                self.show(kind, id, StatusCode::OK, &self.asked()?.projection()?).await
            }
            Method::PUT => self.change(kind, Change::Replace(kind, id, object(body)?)).await,
            Method::PATCH => self.change(kind, Change::Patch(kind, id, json(body)?)).await,
            Method::DELETE => self.change(kind, Change::Delete(kind, id)).await,
            _ => Err(Fail::Method("DELETE, GET, HEAD, PATCH, PUT")),
        }
    }

    async fn create(&self, kind: Kind, body: &[u8]) -> Result<Response, Fail> {
        let projection = self.asked()?.projection()?;
        let id = self.make(Change::Create(kind, object(body)?)).await?;
        let id = id.ok_or_else(|| Fail::internal("a resource was created and has no id"))?;
        let mut answer = self.show(kind, id, StatusCode::CREATED, &projection).await?;
        if let Some(location) = answer.headers().get(CONTENT_LOCATION).cloned() {
            answer.headers_mut().insert(LOCATION, location);
        }
        Ok(answer)
    }

    async fn change(&self, kind: Kind, change: Change) -> Result<Response, Fail> {
        let asked = self.asked()?;
        let projection = asked.projection()?;
        // A large group is not sent back for each member that joins, unless the client asks for something of it.
        let is_quiet = matches!(change, Change::Patch(Kind::Group, ..)) && !asked.names_attributes();
        match self.make(change).await? {
            Some(id) if !is_quiet => self.show(kind, id, StatusCode::OK, &projection).await,
            _ => Ok(StatusCode::NO_CONTENT.into_response()),
        }
    }

    async fn make(&self, change: Change) -> Result<Option<Id>, Fail> {
        let shared = self.app.scim.of(&self.permit.name, &self.source);
        let expected: Expected = tags(&self.parts.headers, IF_MATCH);
        let (trail, source) = (self.permit.trail.clone(), self.source.clone());
        change::make(trail, shared, source, (change, expected), self.app.now()).await
    }

    /// One resource.
    async fn show(
        &self,
        kind: Kind,
        id: Id,
        status: StatusCode,
        projection: &Projection,
    ) -> Result<Response, Fail> {
        let guard = self.index().await?;
        let index = guard.as_ref().ok_or_else(|| Fail::internal("an index went away"))?;
        let directory = self.permit.trail.snapshot().directory.clone();
        let show = Show { base: &self.base };
        let entry = index.entry(&directory, kind, id).ok_or_else(|| no_such(kind, id))?;
        let tag = change::entity_tag(entry.position);
        let is_read = self.parts.method == Method::GET || self.parts.method == Method::HEAD;
        let known = tags(&self.parts.headers, IF_NONE_MATCH).filter(|_| is_read);
        let mut answer = if known.is_some_and(|known| known.iter().any(|one| one == "*" || *one == tag)) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let resource = show.projected(index, &directory, (kind, id), projection);
            (status, Json(resource.ok_or_else(|| no_such(kind, id))?)).into_response()
        };
        let headers = answer.headers_mut();
        headers.insert(ETAG, HeaderValue::try_from(tag).map_err(Fail::internal)?);
        let location = HeaderValue::try_from(show.location(kind, id)).map_err(Fail::internal)?;
        headers.insert(CONTENT_LOCATION, location);
        Ok(answer)
    }

    /// A page of resources. Looking at everybody takes a while, so it has a thread.
    async fn list(&self, kinds: &[Kind], asked: Asked) -> Result<Response, Fail> {
        let guard = self.index().await?;
        let directory = self.permit.trail.snapshot().directory.clone();
        let (kinds, base) = (kinds.to_vec(), self.base.clone());
        let _turn = self.app.inbound.turn().await?;
        let listing = move || {
            let index = guard.as_ref().ok_or_else(|| Fail::internal("an index went away"))?;
            list::page(index, &directory, &kinds, &asked, &Show { base: &base })
        };
        let page = tokio::task::spawn_blocking(listing).await.map_err(Fail::internal)??;
        Ok(ok(page))
    }

    /// The index of this source, made if it is not yet.
    async fn index(&self) -> Result<OwnedRwLockReadGuard<Option<Index>>, Fail> {
        let shared = self.app.scim.of(&self.permit.name, &self.source);
        let guard = shared.clone().read_owned().await;
        if guard.is_some() {
            return Ok(guard);
        }
        drop(guard);
        let mut guard = shared.write_owned().await;
        if guard.is_none() {
            *guard = Some(change::indexed(self.permit.trail.clone(), self.source.clone()).await?);
        }
        Ok(guard.downgrade())
    }
}

fn ok(body: Value) -> Response {
    Json(body).into_response()
}

fn nothing_here() -> Fail {
    Refused::not_found("there is nothing at this address").into()
}

fn json(body: &[u8]) -> Result<Value, Fail> {
    serde_json::from_slice(body).map_err(|error| Refused::syntax(format!("the body: {error}")).into())
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Fail> {
    match json(body)? {
        Value::Object(members) => Ok(members),
        _ => Err(Refused::syntax("the body is a JSON object").into()),
    }
}

fn search(body: &[u8]) -> Result<Asked, Fail> {
    serde_json::from_value(json(body)?)
        .map_err(|error| Refused::syntax(format!("the search: {error}")).into())
}

/// Entity tags of a header, as they are written. A tag without `W/` means the same here.
fn tags(headers: &HeaderMap, name: HeaderName) -> Expected {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    if values.is_empty() {
        return None;
    }
    let tags = values.iter().flat_map(|value| value.split(',')).map(str::trim);
    let weak = |tag: &str| if tag.starts_with('"') { format!("W/{tag}") } else { tag.to_owned() };
    Some(tags.map(weak).collect())
}

/// A part of a path. Ids of schemas have colons, which some clients escape.
fn percent_decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}
