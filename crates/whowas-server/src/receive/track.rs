//! `POST /v2/track` and `/v2.1/track`: what SDKs of Application Insights send to the *ingestion endpoint* of their connection
//! string.
//!
//! They cannot send a header of ours, so the token comes in one of three places, the first that is there:
//! `Authorization`, the path (`/appinsights/TOKEN/v2.1/track`, for an instrumentation key that must be a GUID), or the
//! instrumentation key of the first envelope. For the last, no more than [`BEGINNING_BYTES`] of a body are looked at
//! before it is known who sends. See `docs/decisions/0022-a-connection-string-is-a-token.md`.
//!
//! The answer says which envelopes were refused, by index; SDKs do not send those again. 503 asks for all of them again.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    body::BodyDataStream,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use bytes::BytesMut;
use futures::StreamExt;
use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
    http::request::Parts,
};
use serde_json::json;
use whowas_collect::receive::Received;
use whowas_event::EnvironmentName;
use whowas_format::{
    appinsights::{self, KnownSessions},
    inflate::inflated_beginning,
};

use super::{
    Receiver,
    inbound::{self, Packing},
};
use crate::{
    app::App,
    auth::{self, Peer, Permit},
    body::to_io,
    problem::Problem,
};

const RECEIVER: Receiver = Receiver { name: "appinsights", input: "POST /v2/track", format: "appinsights" };
/// The largest body, packed and unpacked. SDKs send some 100 envelopes, of 1 to 2 KiB.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How much of a body is looked at for its key. The key stands in the first 200 bytes, as SDKs write envelopes.
const BEGINNING_BYTES: usize = 16 * 1024;
/// Environments and sources whose sessions are remembered at once.
const SOURCES_MAX: usize = 64;

/// The sessions of each environment and source.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Vec<KnownOfSource>>);

#[derive(Debug)]
struct KnownOfSource {
    environment: EnvironmentName,
    source: Option<String>,
    sessions: Arc<Mutex<KnownSessions>>,
}

impl Known {
    /// Forgets every session: they may be those of somebody who was erased.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn of(&self, permit: &Permit) -> Arc<Mutex<KnownSessions>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let source = &permit.caller.source;
        if let Some(one) = all.iter().find(|one| one.environment == permit.name && one.source == *source) {
            return one.sessions.clone();
        }
        if all.len() >= SOURCES_MAX {
            all.remove(0);
        }
        let sessions = Arc::<Mutex<KnownSessions>>::default();
        all.push(KnownOfSource {
            environment: permit.name.clone(),
            source: source.clone(),
            sessions: sessions.clone(),
        });
        sessions
    }
}

/// Records the sessions that envelopes tell of.
pub(crate) async fn track(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(tracked(&app, None, request).await)
}

/// The same where the path has the token.
pub(crate) async fn track_by_path(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    answer(tracked(&app, Some(token), request).await)
}

fn answer(received: Result<Received, Problem>) -> Response {
    let received = match received {
        Ok(received) => received,
        Err(problem) => {
            let problem = problem.or_retry();
            let (status, message) = (problem.status(), problem.detail());
            let error = json!({ "index": 0, "statusCode": status.as_u16(), "message": message });
            let body = json!({ "itemsReceived": 0, "itemsAccepted": 0, "errors": [error] });
            return problem.shaped(shaped(status, &body));
        }
    };
    let accepted = received.recorded + received.duplicate + received.set_aside;
    let errors: Vec<_> = received
        .refusals
        .iter()
        .map(|refusal| {
            // Counted from 0 here.
            json!({ "index": refusal.record.saturating_sub(1), "statusCode": 400, "message": refusal.reason })
        })
        .collect();
    let status = match (received.rejected, accepted) {
        (0, _) => StatusCode::OK,
        (_, 0) => StatusCode::BAD_REQUEST,
        _ => StatusCode::PARTIAL_CONTENT,
    };
    let body = json!({
        "itemsReceived": accepted + received.rejected,
        "itemsAccepted": accepted,
        "errors": errors,
    });
    let answer = shaped(status, &body);
    match status {
        StatusCode::BAD_REQUEST => Problem::invalid("no envelope is understood").shaped(answer),
        _ => answer,
    }
}

fn shaped(status: StatusCode, body: &serde_json::Value) -> Response {
    let kind = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, kind)], body.to_string()).into_response()
}

async fn tracked(app: &Arc<App>, token: Option<String>, request: Request) -> Result<Received, Problem> {
    let (parts, body) = request.into_parts();
    let packing = Packing::of(&parts.headers)?;
    let mut stream = body.into_data_stream();
    let mut beginning = BytesMut::new();
    let token = match secret(&parts.headers, token)? {
        Some(token) => token,
        None => key_of_first(&mut beginning, &mut stream, packing).await?,
    };
    let permit = auth::receiver(app, &token, peer(&parts)).await?;
    let packed =
        inbound::read_on(&app.inbound, permit.caller.who, beginning, &mut stream, BODY_BYTES_MAX).await?;
    let whole = inbound::unpack(&app.inbound, packed, packing, BODY_BYTES_MAX).await?;
    let known = app.known.of(&permit);
    let remembered = known.clone();
    let taken = super::take(app, &permit, RECEIVER, whole.bytes.clone(), move |bytes, options, taken| {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut input = bytes;
        let read = appinsights::read(&mut input, options, &mut known, &mut |item| taken.sink(item));
        read.map(drop).map_err(super::of_read)
    })
    .await;
    if taken.is_err() {
        remembered.lock().unwrap_or_else(PoisonError::into_inner).forget();
    }
    taken
}

fn peer(parts: &Parts) -> Option<Peer> {
    parts.extensions.get::<Peer>().copied()
}

fn secret(headers: &HeaderMap, in_path: Option<String>) -> Result<Option<String>, Problem> {
    Ok(auth::bearer(headers)?.map(str::to_owned).or(in_path))
}

/// Reads as much of a body as is needed to find its key.
async fn key_of_first(
    beginning: &mut BytesMut,
    stream: &mut BodyDataStream,
    packing: Packing,
) -> Result<String, Problem> {
    let find = async {
        loop {
            let key = match packing {
                Packing::Plain => appinsights::instrumentation_key(beginning),
                packed => {
                    let opened = inflated_beginning(beginning, packed == Packing::Gzip, BEGINNING_BYTES);
                    appinsights::instrumentation_key(&opened)
                }
            };
            if let Some(key) = key {
                return Ok(key);
            }
            if beginning.len() >= BEGINNING_BYTES {
                return Err(Problem::sign_in());
            }
            match stream.next().await {
                Some(Ok(chunk)) => beginning.extend_from_slice(&chunk),
                Some(Err(error)) => return Err(Problem::of_body(to_io(error).kind())),
                None => return Err(Problem::sign_in()),
            }
        }
    };
    let found = tokio::time::timeout(inbound::BODY_TIME_MAX, find).await;
    found.map_err(|_| Problem::of_body(std::io::ErrorKind::TimedOut))?
}
