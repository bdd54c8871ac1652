//! Files in any known format, streamed.

use std::sync::Arc;

use axum::{Json, body::Body, extract::State};
use bytes::Bytes;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};
use whowas_collect::{Delivery, ImportOptions, import};
use whowas_format::{DateOrder, Options};

use super::{params::Params, records::RawParam};
use crate::{access::Access, app::App, auth::Ingester, body::BodyReader, problem::Problem};

#[derive(Debug, Deserialize)]
pub(crate) struct ImportParams {
    /// What the file is called.
    #[serde(default)]
    file: String,
    format: Option<String>,
    source: Option<String>,
    source_timezone: Option<String>,
    date_order: Option<DateOrderParam>,
    #[serde(default)]
    raw: RawParam,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DateOrderParam {
    Dmy,
    Mdy,
}

/// Imports the body, answers when it is durable: one summary for each file in it.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    permit: Ingester,
    Params(params): Params<ImportParams>,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let too_many = |_| Problem::busy("as many imports as are allowed at once are running");
    let _room = app.imports.clone().try_acquire_owned().map_err(too_many)?;
    let source_timezone = match &params.source_timezone {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name).map_err(|_| {
            Problem::invalid("source_timezone: not a name of the time zone database, as Europe/Copenhagen")
        })?,
    };
    let date_order = params.date_order.map(|order| match order {
        DateOrderParam::Dmy => DateOrder::DayMonthYear,
        DateOrderParam::Mdy => DateOrder::MonthDayYear,
    });
    let now = app.now();
    let options = ImportOptions {
        format: params.format,
        source: permit.caller.source.clone().or(params.source),
        raw: params.raw.into(),
        delivery: Delivery::File,
        read: Options { source_timezone, date_order, received_at: now, file_time: now },
    };
    let file = if params.file.is_empty() { "POST imports" } else { &params.file };
    let reader = BodyReader::new(Bytes::new(), body.into_data_stream());
    let failure = reader.failure();
    let imported = import(&permit.trail, app.control(), reader, file, options).await;
    let summaries = imported.map_err(|error| Problem::of_import(error, &failure))?;
    let recorded: u64 = summaries.iter().map(|summary| summary.recorded).sum();
    Access::new("import")
        .with("recorded", recorded)
        .with_personal("file", &params.file)
        .done(&app, &permit.trail, &permit.caller)
        .await?;
    Ok(Json(json!({ "files": summaries })))
}
