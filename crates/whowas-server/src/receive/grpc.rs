//! `opentelemetry.proto.collector.logs.v1.LogsService/Export`: OTLP logs over gRPC.
//!
//! gRPC is HTTP/2 with one framing and a status in the trailers
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>); for one unary method that is this file.
//! `UNAVAILABLE` asks for the same request again.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::{BufMut, Bytes, BytesMut};
use hyper::{
    HeaderMap,
    body::Frame,
    header::{CONTENT_TYPE, HeaderValue},
};
use whowas_collect::receive::Received;
use whowas_format::otlp::{self, REQUEST_BYTES_MAX};

use super::{
    Receiver,
    inbound::{self, Packing},
    otlp::{Encoding, read, reasons},
};
use crate::{app::App, problem::Problem};

const RECEIVER: Receiver = Receiver { name: "otlp_grpc", input: "LogsService/Export", format: "otlp-logs" };
/// In front of a message: whether it is compressed, and its length in four bytes.
const PREFIX_BYTES: usize = 5;

/// Records the sign-ins among the log records.
pub(crate) async fn export(State(app): State<Arc<App>>, request: Request) -> Response {
    match exported(&app, request).await {
        Ok(received) => answer(Some(otlp::answer(received.rejected, &reasons(&received))), 0, ""),
        Err(problem) => {
            let problem = problem.or_retry();
            problem.logged();
            answer(None, problem.grpc_code(), problem.detail())
        }
    }
}

async fn exported(app: &Arc<App>, request: Request) -> Result<Received, Problem> {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if !header("content-type").is_some_and(|kind| kind.starts_with("application/grpc")) {
        return Err(Problem::unsupported("this address speaks gRPC; over plain HTTP it is POST /v1/logs"));
    }
    let permit = super::permit(app, &parts).await?;
    let packing = Packing::of_word(header("grpc-encoding").unwrap_or_default())?;
    let framed =
        inbound::read(&app.inbound, permit.caller.who, body, REQUEST_BYTES_MAX + PREFIX_BYTES).await?;
    let (is_packed, message) = message(&framed.bytes)?;
    let packing = if is_packed { packing } else { Packing::Plain };
    let whole = inbound::unpack(&app.inbound, framed.with(message), packing, REQUEST_BYTES_MAX).await?;
    super::take(app, &permit, RECEIVER, whole.bytes.clone(), |bytes, _, taken| {
        read(bytes, Encoding::Protobuf, taken)
    })
    .await
}

/// The one message of a unary call.
fn message(framed: &Bytes) -> Result<(bool, Bytes), Problem> {
    let cut_off = || Problem::invalid("a call has one whole message");
    let prefix = framed.first_chunk::<PREFIX_BYTES>().ok_or_else(cut_off)?;
    let [flag, a, b, c, d] = *prefix;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| cut_off())?;
    if flag > 1 || framed.len() != PREFIX_BYTES + length {
        return Err(cut_off());
    }
    Ok((flag == 1, framed.slice(PREFIX_BYTES..)))
}

/// An answer is 200 whatever became of the call; the trailers tell.
fn answer(message: Option<Vec<u8>>, code: u32, text: &str) -> Response {
    let message = message.map(|message| {
        let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        framed.extend_from_slice(&message);
        framed.freeze()
    });
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code));
    if let Ok(text) = HeaderValue::try_from(percent_encoded(text)) {
        trailers.insert("grpc-message", text);
    }
    let mut response = Response::new(Body::new(Call { message, trailers: Some(trailers) }));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// As gRPC writes texts into headers.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' => out.push_str("%25"),
            b' '..=b'~' => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

/// A message, if there is one, and the trailers.
struct Call {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl hyper::body::Body for Call {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_one_whole_message() {
        let read = |bytes: &'static [u8]| message(&Bytes::from_static(bytes)).ok();
        assert_eq!(read(b"\0\0\0\0\x02ab"), Some((false, Bytes::from_static(b"ab"))));
        assert_eq!(read(b"\x01\0\0\0\0"), Some((true, Bytes::new())));
        for bytes in [
            &b""[..],
            b"\0\0\0\0",
            b"\0\0\0\0\x03ab",
            b"\0\0\0\0\x01ab",
            b"\x02\0\0\0\0",
            b"\0\xff\xff\xff\xff",
        ] {
            assert_eq!(message(&Bytes::copy_from_slice(bytes)).ok(), None, "{bytes:?}");
        }
        assert_eq!(percent_encoded("50 % of é\n"), "50 %25 of %C3%A9%0A");
    }
}
