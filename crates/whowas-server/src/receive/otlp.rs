//! `POST /v1/logs`: OTLP logs over HTTP, in protocol buffers and in JSON
//! (<https://opentelemetry.io/docs/specs/otlp/>, OTLP/HTTP).
//!
//! Records that are no sign-ins are counted, and count as accepted. Rejected ones are kept here and told in
//! `partial_success`; sending them again would not help. 503 with `Retry-After` asks for the same request again,
//! also where the fault is ours: a sender drops its records for any other status of 500 and above.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use hyper::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use serde_json::json;
use whowas_collect::receive::{Received, Taken};
use whowas_format::{
    Item,
    otlp::{self, REQUEST_BYTES_MAX, RequestError},
};

use super::{Receiver, inbound};
use crate::{app::App, problem::Problem};

const RECEIVER: Receiver = Receiver { name: "otlp", input: "POST /v1/logs", format: "otlp-logs" };
/// Reasons that an answer tells.
const REASONS_MAX: usize = 3;

/// How a request is written, and so its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let media = text.split(';').next().unwrap_or_default().trim();
        match () {
            () if media.eq_ignore_ascii_case("application/x-protobuf") => Some(Self::Protobuf),
            () if media.eq_ignore_ascii_case("application/json") => Some(Self::Json),
            () => None,
        }
    }

    fn answer(self, status: StatusCode, protobuf: Vec<u8>, json: &serde_json::Value) -> Response {
        match self {
            Self::Protobuf => (status, [(CONTENT_TYPE, "application/x-protobuf")], protobuf).into_response(),
            Self::Json => (status, [(CONTENT_TYPE, "application/json")], json.to_string()).into_response(),
        }
    }
}

/// Records the sign-ins among the log records.
pub(crate) async fn logs(State(app): State<Arc<App>>, request: Request) -> Response {
    let Some(encoding) = Encoding::of(request.headers()) else {
        let detail = "the content type is application/x-protobuf or application/json";
        return refuse(Encoding::Json, Problem::unsupported(detail));
    };
    match export(&app, request, encoding).await {
        Ok(received) => {
            let (rejected, reason) = (received.rejected, reasons(&received));
            let json = match rejected {
                0 => json!({}),
                // 64-bit numbers are texts in this encoding.
                _ => {
                    json!({ "partialSuccess": { "rejectedLogRecords": rejected.to_string(), "errorMessage": reason } })
                }
            };
            encoding.answer(StatusCode::OK, otlp::answer(rejected, &reason), &json)
        }
        Err(problem) => refuse(encoding, problem),
    }
}

fn refuse(encoding: Encoding, problem: Problem) -> Response {
    let problem = problem.or_retry();
    let (code, text) = (problem.grpc_code(), problem.detail());
    let json = json!({ "code": code, "message": text });
    let answer = encoding.answer(problem.status(), otlp::status(code, text), &json);
    problem.shaped(answer)
}

async fn export(app: &Arc<App>, request: Request, encoding: Encoding) -> Result<Received, Problem> {
    let (parts, body) = request.into_parts();
    let permit = super::permit(app, &parts).await?;
    let packing = inbound::Packing::of(&parts.headers)?;
    let packed = inbound::read(&app.inbound, permit.caller.who, body, REQUEST_BYTES_MAX).await?;
    let whole = inbound::unpack(&app.inbound, packed, packing, REQUEST_BYTES_MAX).await?;
    super::take(app, &permit, RECEIVER, whole.bytes.clone(), move |bytes, _, taken| {
        read(bytes, encoding, taken)
    })
    .await
}

/// Reads a request of either encoding.
pub(crate) fn read(bytes: &[u8], encoding: Encoding, taken: &mut Taken) -> Result<(), Problem> {
    let mut sink = |item: Item| taken.sink(item);
    let read = match encoding {
        Encoding::Protobuf => otlp::read_protobuf(bytes, &mut sink),
        Encoding::Json => otlp::read_json(bytes, &mut sink),
    };
    read.map(drop).map_err(|error| match error {
        RequestError::Stop(_) => super::too_much(),
        other => Problem::invalid(other.to_string()),
    })
}

/// What the sender is told about rejected records.
pub(crate) fn reasons(received: &Received) -> String {
    let told = received.refusals.iter().take(REASONS_MAX);
    let told: Vec<String> =
        told.map(|refusal| format!("record {}: {}", refusal.record, refusal.reason)).collect();
    told.join("; ")
}
