//! Receivers: what programs send in the protocols of others, without an environment in the path. The token names
//! environment and source.
//!
//! One file per protocol, each with the answers that its senders understand. What they share is here: who
//! may send, how a body is read within bounds, how items are recorded and counted. A request is answered when all
//! of its records are durable, sequenced and provable; until then it may be sent again, and nothing is doubled.

pub(crate) mod cloudevents;
pub(crate) mod grpc;
pub(crate) mod inbound;
pub(crate) mod otlp;
pub(crate) mod track;

use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use whowas_collect::{
    intake::IntakeName,
    receive::{Parcel, Received, Taken, record},
};
use whowas_event::admit::RawData;
use whowas_format::{Options, ReadError};
use whowas_store::WhenFull;

use crate::{
    app::App,
    auth::{self, Peer, Permit},
    problem::Problem,
};

/// A body up to so many bytes is parsed where it is: some 100 records take a millisecond.
const INLINE_BYTES_MAX: usize = 64 * 1024;

/// Who receives, and as what it is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receiver {
    /// The word in the metrics.
    pub(crate) name: &'static str,
    /// Where rejected records are listed as coming from.
    pub(crate) input: &'static str,
    /// The format's name, which is also the source's if the token names none.
    pub(crate) format: &'static str,
}

/// The permission that a bearer token gives.
pub(crate) async fn permit(app: &Arc<App>, parts: &Parts) -> Result<Permit, Problem> {
    let secret = auth::bearer(&parts.headers)?.ok_or_else(Problem::sign_in)?;
    let peer = parts.extensions.get::<Peer>().copied();
    auth::receiver(app, secret, peer).await
}

/// Reads the items of a body, on another thread if it is long, and records them.
pub(crate) async fn take(
    app: &Arc<App>,
    permit: &Permit,
    receiver: Receiver,
    body: Bytes,
    read: impl FnOnce(&[u8], &Options, &mut Taken) -> Result<(), Problem> + Send + 'static,
) -> Result<Received, Problem> {
    let now = app.now();
    let source = permit.caller.source.clone().unwrap_or_else(|| receiver.format.to_owned());
    let Receiver { name, input, format } = receiver;
    let parcel = Parcel { format, source: source.clone(), input, received_at: now, raw: RawData::Kept };
    let source_timezone = jiff::tz::TimeZone::UTC;
    let options = Options { source_timezone, date_order: None, received_at: now, file_time: now };
    let is_long = body.len() > INLINE_BYTES_MAX;
    let parse = move || {
        let mut taken = Taken::new(parcel);
        read(&body, &options, &mut taken).map(|()| taken)
    };
    let taken = if is_long {
        let _turn = app.inbound.turn().await?;
        tokio::task::spawn_blocking(parse).await.map_err(Problem::internal)??
    } else {
        parse()?
    };
    let intake = app.intakes.of(IntakeName { receiver: name, environment: permit.name.clone(), source });
    Ok(record(&permit.trail, app.control().as_ref(), taken, WhenFull::Fail, &intake).await?)
}

/// Few bytes that would be very many records.
pub(crate) fn too_much() -> Problem {
    Problem::too_large("the records of the request are more than 64 MiB: send smaller batches")
}

/// What a format cannot read as a whole.
pub(crate) fn of_read(error: ReadError) -> Problem {
    match error {
        ReadError::Stopped(_) => too_much(),
        other => Problem::invalid(other.to_string()),
    }
}
