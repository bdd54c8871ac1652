//! Native records, pushed by programs.

use std::sync::Arc;

use axum::{Json, body::Body, extract::State};
use bytes::BytesMut;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use whowas_collect::{Delivery, ImportOptions, ImportSummary, import, import_bytes};
use whowas_event::admit::RawData;
use whowas_format::Options;

use super::params::Params;
use crate::{
    app::App,
    auth::Ingester,
    body::{BodyReader, to_io},
    problem::Problem,
};

/// The native format's name.
const NATIVE: &str = "whowas-event";
/// A body up to so many bytes is parsed at once, where it is; some 500 records take 3 ms. Longer ones are
/// streamed through a thread of their own.
const INLINE_BYTES_MAX: usize = 256 * 1024;
/// What the input is called where rejected records are listed.
const INPUT: &str = "POST records";

#[derive(Debug, Deserialize)]
pub(crate) struct RecordParams {
    /// `drop` if the lines themselves are not to be kept.
    #[serde(default)]
    raw: RawParam,
    source: Option<String>,
}

/// Whether raw records are kept.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawParam {
    #[default]
    Keep,
    Drop,
}

impl From<RawParam> for RawData {
    fn from(param: RawParam) -> Self {
        match param {
            RawParam::Keep => Self::Kept,
            RawParam::Drop => Self::Dropped,
        }
    }
}

/// The acknowledgement: a contract.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Acknowledgement {
    recorded: u64,
    duplicate: u64,
    revised: u64,
    rejected: u64,
    first_position: Option<u64>,
    tree_size: u64,
}

/// Answers when every record is durable, sequenced and provable. Safe to repeat.
pub(crate) async fn append(
    State(app): State<Arc<App>>,
    permit: Ingester,
    Params(params): Params<RecordParams>,
    body: Body,
) -> Result<Json<Acknowledgement>, Problem> {
    let now = app.now();
    let options = ImportOptions {
        format: Some(NATIVE.to_owned()),
        source: permit.caller.source.clone().or(params.source),
        raw: params.raw.into(),
        delivery: Delivery::Push,
        read: Options {
            source_timezone: jiff::tz::TimeZone::UTC,
            date_order: None,
            received_at: now,
            file_time: now,
        },
    };
    let mut stream = body.into_data_stream();
    let mut beginning = BytesMut::new();
    let is_whole = loop {
        match stream.next().await {
            None => break true,
            Some(Ok(chunk)) => beginning.extend_from_slice(&chunk),
            Some(Err(error)) => return Err(Problem::of_body(to_io(error).kind())),
        }
        if beginning.len() > INLINE_BYTES_MAX {
            break false;
        }
    };
    let summaries = if is_whole {
        import_bytes(&permit.trail, app.control(), &beginning, INPUT, &options).await?
    } else {
        let reader = BodyReader::new(beginning.freeze(), stream);
        let failure = reader.failure();
        let imported = import(&permit.trail, app.control(), reader, INPUT, options).await;
        imported.map_err(|error| Problem::of_import(error, &failure))?
    };
    Ok(Json(acknowledge(&summaries)))
}

fn acknowledge(summaries: &[ImportSummary]) -> Acknowledgement {
    summaries.iter().fold(Acknowledgement::default(), |sum, one| Acknowledgement {
        recorded: sum.recorded + one.recorded,
        duplicate: sum.duplicate + one.duplicate,
        revised: sum.revised + one.revised,
        rejected: sum.rejected + one.rejected,
        first_position: sum.first_position.or(one.first_position),
        tree_size: sum.tree_size.max(one.tree_size),
    })
}
