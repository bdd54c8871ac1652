//! Errors as the outside sees them: RFC 9457 problem details, or a page. The one place that gives an error
//! its status.
//!
//! A handler returns a [`Problem`]; it travels as an extension of an empty response, and [`render`] writes
//! it in the form the client wants, with the id of the operation. What is our fault is logged here, once.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use askama::Template;
use axum::{
    Json,
    extract::{Request, State},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::json;
use whowas_collect::ImportError;
use whowas_format::ReadError;
use whowas_query::{FilterError, QueryError};
use whowas_store::{ErrorKind, StoreError};

use crate::{app::App, body::Failure, console::Frame};

/// When to come back where we do not know when the fault will be mended.
const FAULT_RETRY_AFTER_S: u32 = 5;

/// What went wrong with a request.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    /// One sentence for whoever made the request.
    detail: String,
    /// For the log, where it is our fault.
    cause: Option<String>,
    retry_after_s: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), cause: None, retry_after_s: None }
    }

    /// The request must be mended.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// There is no such thing.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// Nobody has shown who they are.
    pub(crate) fn sign_in() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "sign in, or send an API token that is in force")
    }

    /// They may not.
    pub(crate) fn denied(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// Later.
    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self { retry_after_s: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// Not as things are.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// More than is taken at once.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    /// Another notation than those that are understood.
    pub(crate) fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    }

    /// With a status that another protocol asks for.
    pub(crate) fn with_status(status: u16, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), detail)
    }

    /// For senders that drop what they sent at other statuses: whatever is our fault is worth another try.
    pub(crate) fn or_retry(self) -> Self {
        if !self.status.is_server_error() {
            return self;
        }
        let retry_after_s = self.retry_after_s.or(Some(FAULT_RETRY_AFTER_S));
        Self { status: StatusCode::SERVICE_UNAVAILABLE, retry_after_s, ..self }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The code of gRPC for the same.
    pub(crate) fn grpc_code(&self) -> u32 {
        match self.status {
            StatusCode::UNAUTHORIZED => 16,
            StatusCode::FORBIDDEN => 7,
            StatusCode::NOT_FOUND => 5,
            StatusCode::REQUEST_TIMEOUT => 4,
            StatusCode::PAYLOAD_TOO_LARGE => 8,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => 12,
            status if status.is_server_error() => 14,
            _ => 3,
        }
    }

    /// An answer that has its body already, in the words of a protocol.
    pub(crate) fn shaped(self, mut answer: Response) -> Response {
        self.add_headers(answer.headers_mut());
        answer.extensions_mut().insert(Shaped(self));
        answer
    }

    /// Writes to the log what is our fault, where no status tells [`render`] of it.
    pub(crate) fn logged(&self) {
        self.log(&operation_id());
    }

    fn log(&self, operation_id: &str) {
        if let Some(cause) = &self.cause {
            tracing::error!(operation_id, status = self.status.as_u16(), cause, "request failed");
        }
    }

    /// The request's body did not come as announced.
    pub(crate) fn of_body(failure: io::ErrorKind) -> Self {
        if failure == io::ErrorKind::TimedOut {
            Self::new(StatusCode::REQUEST_TIMEOUT, "the body stopped coming")
        } else {
            Self::invalid("the body ended before its end")
        }
    }

    /// An import of the request's body failed.
    pub(crate) fn of_import(error: ImportError, body: &Failure) -> Self {
        match body.get() {
            Some(failure) => Self::of_body(*failure),
            None => error.into(),
        }
    }

    /// An answer could not be written.
    pub(crate) fn internal(cause: impl ToString) -> Self {
        Self::from_kind(ErrorKind::Internal, &cause.to_string())
    }

    /// What to change in the request, if that is all that is wrong.
    pub(crate) fn mendable(self) -> Result<String, Self> {
        if self.status == StatusCode::BAD_REQUEST { Ok(self.detail) } else { Err(self) }
    }

    /// The status of every kind of error, once.
    fn from_kind(kind: ErrorKind, text: &str) -> Self {
        let ours = |status, detail| Self { cause: Some(text.to_owned()), ..Self::new(status, detail) };
        match kind {
            ErrorKind::Invalid => Self::invalid(text),
            ErrorKind::NotFound => Self::not_found(text),
            ErrorKind::Busy => Self::busy(text),
            ErrorKind::Unavailable => ours(
                StatusCode::SERVICE_UNAVAILABLE,
                "storage does not answer as it should; the server's log says more",
            ),
            ErrorKind::Corrupt => ours(
                StatusCode::INTERNAL_SERVER_ERROR,
                "evidence is broken: stop, and look at the server's log",
            ),
            ErrorKind::Internal => {
                ours(StatusCode::INTERNAL_SERVER_ERROR, "a fault of this program; the server's log says more")
            }
        }
    }
}

/// Marks a response whose body a receiver has written.
#[derive(Clone)]
struct Shaped(Problem);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            // Its message is for whoever sends records, and says nothing about files.
            StoreError::Poisoned(cause) => Self {
                cause: Some(cause),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the trail has stopped accepting records; reading goes on",
                )
            },
            StoreError::NoSpace(cause) => Self {
                cause: Some(cause),
                retry_after_s: Some(FAULT_RETRY_AFTER_S),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the trail has stopped accepting records: there is no space left; it goes on by itself once there is, and reading goes on meanwhile",
                )
            },
            other => Self::from_kind(other.kind(), &other.to_string()),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Store(error) => error.into(),
            other => {
                let problem = Self::from_kind(other.kind(), &other.to_string());
                Self { cause: problem.cause.map(|_| other.loggable()), ..problem }
            }
        }
    }
}

impl From<FilterError> for Problem {
    fn from(error: FilterError) -> Self {
        QueryError::from(error).into()
    }
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Store(error) => error.into(),
            ImportError::Read { error: ReadError::TooLarge(_), .. } => Self::too_large(error.to_string()),
            other => Self::from_kind(other.kind(), &other.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Marks a response that says all there is to say, whatever its status.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole;

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    frame: Frame,
    title: &'a str,
    detail: &'a str,
    operation_id: &'a str,
}

/// Gives every error response its body, and counts.
pub(crate) async fn render(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let is_page = is_page(request.uri().path());
    let response = next.run(request).await;
    app.metrics.response(response.status().as_u16());
    if response.status().as_u16() < 400 || response.extensions().get::<Whole>().is_some() {
        return response;
    }
    if let Some(Shaped(problem)) = response.extensions().get() {
        problem.log(&operation_id());
        return response;
    }
    let problem = match response.extensions().get::<Problem>() {
        Some(problem) => problem.clone(),
        // From axum itself: no route, another method.
        None => Problem::new(response.status(), standard_detail(response.status())),
    };
    if is_page && problem.status == StatusCode::UNAUTHORIZED {
        return Redirect::to("/sign-in").into_response();
    }
    let operation_id = operation_id();
    problem.log(&operation_id);
    let mut answer = if is_page { problem.page(&operation_id) } else { problem.json(&operation_id) };
    *answer.status_mut() = problem.status;
    if let Some(allow) = response.headers().get(hyper::header::ALLOW) {
        answer.headers_mut().insert(hyper::header::ALLOW, allow.clone());
    }
    problem.add_headers(answer.headers_mut());
    answer
}

impl Problem {
    fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    fn json(&self, operation_id: &str) -> Response {
        let mut answer = Json(json!({
            "type": "about:blank",
            "title": self.title(),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "operation_id": operation_id,
        }))
        .into_response();
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        answer
    }

    fn page(&self, operation_id: &str) -> Response {
        let page = ProblemPage {
            frame: Frame { is_signed_in: false },
            title: self.title(),
            detail: &self.detail,
            operation_id,
        };
        Html(page.render().unwrap_or_else(|_| self.title().to_owned())).into_response()
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }
}

fn standard_detail(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "there is nothing at this address",
        StatusCode::METHOD_NOT_ALLOWED => "this address does not take this method",
        StatusCode::PAYLOAD_TOO_LARGE => "the body is larger than this address takes",
        _ => "the request is not understood",
    }
}

/// What programs ask for; a person looks at the rest.
const FOR_PROGRAMS: [&str; 12] = [
    "/api/",
    "/trails/",
    "/health",
    "/metrics",
    "/assets/",
    "/v1/",
    "/v2/",
    "/v2.1/",
    "/appinsights/",
    "/cloudevents",
    "/scim/",
    "/opentelemetry.",
];

fn is_page(path: &str) -> bool {
    !FOR_PROGRAMS.iter().any(|prefix| path.starts_with(prefix))
}

/// A name for one request, by which a user can quote an error and an operator find it in the log.
fn operation_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut random = [0; 4];
    // Only there to tell restarts apart: without randomness the counter still names the request.
    let _ = getrandom::fill(&mut random);
    format!("{}-{}", hex::encode(random), NEXT.fetch_add(1, Ordering::Relaxed))
}
