//! `POST /cloudevents`: CloudEvents 1.0 over HTTP, in its three content modes: binary (attributes in headers), structured
//! (one event in JSON) and batch.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
};
use hyper::{HeaderMap, header::CONTENT_TYPE};
use serde_json::{Value, json};
use whowas_format::{Format, cloudevents};

use super::{Receiver, inbound};
use crate::{app::App, problem::Problem};

const RECEIVER: Receiver =
    Receiver { name: "cloudevents", input: "POST /cloudevents", format: "cloudevents" };
/// The largest body, packed and unpacked. One event has 1 MiB at most.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What the names of attributes begin with in headers.
const PREFIX: &str = "ce-";

/// Records the sign-ins among the events.
pub(crate) async fn receive(State(app): State<Arc<App>>, request: Request) -> Result<Json<Value>, Problem> {
    received(&app, request).await.map_err(Problem::or_retry)
}

async fn received(app: &Arc<App>, request: Request) -> Result<Json<Value>, Problem> {
    let (parts, body) = request.into_parts();
    let permit = super::permit(app, &parts).await?;
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let media = kind.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is_json = ["application/cloudevents+json", "application/cloudevents-batch+json"]
        .iter()
        .any(|one| media.eq_ignore_ascii_case(one));
    let attributes = attributes(&parts.headers);
    if !is_json && attributes.is_empty() {
        return Err(Problem::unsupported(
            "the content type is application/cloudevents+json or application/cloudevents-batch+json; \
             or the attributes are in headers such as ce-type",
        ));
    }
    let packing = inbound::Packing::of(&parts.headers)?;
    let packed = inbound::read(&app.inbound, permit.caller.who, body, BODY_BYTES_MAX).await?;
    let whole = inbound::unpack(&app.inbound, packed, packing, BODY_BYTES_MAX).await?;
    let taken = super::take(app, &permit, RECEIVER, whole.bytes.clone(), move |bytes, options, taken| {
        let event = match is_json {
            true => None,
            false => Some(cloudevents::structured(attributes, kind.as_deref(), bytes)),
        };
        let mut input = event.as_deref().unwrap_or(bytes);
        let read = cloudevents::CloudEvents.read(&mut input, options, &mut |item| taken.sink(item));
        read.map(drop).map_err(super::of_read)
    })
    .await?;
    Ok(Json(json!({
        "recorded": taken.recorded,
        "duplicate": taken.duplicate,
        "revised": taken.revised,
        "set_aside": taken.set_aside,
        "rejected": taken.rejected,
        "reasons": super::otlp::reasons(&taken),
        "first_position": taken.first_position,
        "tree_size": taken.tree_size,
    })))
}

/// The attributes in headers, without what their names begin with.
fn attributes(headers: &HeaderMap) -> Vec<(String, String)> {
    let pairs = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(PREFIX)?;
        Some((name.to_owned(), percent_decoded(value.as_bytes())))
    });
    pairs.collect()
}

/// The text of a header's value, in which what is not ASCII is percent-encoded UTF-8.
fn percent_decoded(value: &[u8]) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_carry_attributes() {
        let mut headers = HeaderMap::new();
        headers.insert("ce-type", "x".parse().unwrap());
        headers.insert("ce-subject", "Z%C3%BCrich%20100%".parse().unwrap());
        headers.insert("content-type", "x".parse().unwrap());
        let mut found = attributes(&headers);
        found.sort();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(found, [pair("subject", "Zürich 100%"), pair("type", "x")]);
    }
}
