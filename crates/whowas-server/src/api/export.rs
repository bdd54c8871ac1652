//! Exports: every row of a search, streamed, without a limit.

use std::{io, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Deserialize;
use tokio::sync::mpsc;
use whowas_export::{Encoder, FileFormat};
use whowas_query::{LoginPage, LoginRequest, LoginRow, QueryError};

use super::params::{LoginParams, Params};
use crate::{access::Access, app::App, auth::Reader, problem::Problem};

/// Encoded pieces that wait for a slow client: with some 1 MB each, 2 MB.
const PIECES_WAITING: usize = 2;

#[derive(Debug, Deserialize)]
pub(crate) struct FormatParam {
    r#as: String,
}

/// Streams the export. Its `access` record is durable before the first byte leaves.
pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    permit: Reader,
    Params(format): Params<FormatParam>,
    Params(params): Params<LoginParams>,
) -> Result<Response, Problem> {
    let format =
        FileFormat::from_word(&format.r#as).map_err(|reason| Problem::invalid(format!("as: {reason}")))?;
    let now = app.now();
    let mut request = params.request(now)?;
    request.page = None;
    // One row, for the range and the number of rows.
    request.limit = 1;
    let page = app.engine.logins(&permit.trail, &request, now).await?;
    // The same range, though the clock goes on.
    (request.from, request.to) = (Some(page.from), Some(page.to));
    Access::of_request("export", &request, &params.filter, &page, page.total)
        .with("as", format.as_str())
        .seen(&app, &permit)
        .await?;
    let rows = app.engine.stream_logins(&permit.trail, &request, now).await?;
    let name = file_name(permit.name.as_str(), &request, &page, format);
    let (sender, mut receiver) = mpsc::channel(PIECES_WAITING);
    tokio::spawn(encode(rows, format, sender));
    let body = Body::from_stream(stream::poll_fn(move |context| receiver.poll_recv(context)));
    let disposition = format!("attachment; filename=\"{name}\"");
    Ok(([(CONTENT_TYPE, format.media_type()), (CONTENT_DISPOSITION, &disposition)], body).into_response())
}

/// Encodes batch by batch, as fast as the client takes them. An error cuts the transfer off, so that no
/// client takes a part for the whole.
async fn encode(
    rows: impl Stream<Item = Result<Vec<LoginRow>, QueryError>> + Send,
    format: FileFormat,
    sender: mpsc::Sender<Result<Bytes, io::Error>>,
) {
    if let Err(reason) = encode_into(rows, format, &sender).await {
        tracing::error!(error = %reason, "an export failed on its way");
        let _ = sender.send(Err(io::Error::other("the export failed"))).await;
    }
}

/// Ends early, without an error, when the client goes away. An error is told in words that name nobody.
async fn encode_into(
    rows: impl Stream<Item = Result<Vec<LoginRow>, QueryError>> + Send,
    format: FileFormat,
    sender: &mpsc::Sender<Result<Bytes, io::Error>>,
) -> Result<(), String> {
    let mut rows = std::pin::pin!(rows);
    let mut out = Vec::new();
    let failed = |error: whowas_export::EncodeError| error.to_string();
    let mut encoder = Encoder::new(format, &mut out).map_err(failed)?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|error| error.loggable().to_string())?;
        encoder.rows(&batch, &mut out).map_err(failed)?;
        if !out.is_empty() && sender.send(Ok(std::mem::take(&mut out).into())).await.is_err() {
            return Ok(());
        }
    }
    encoder.finish(&mut out).map_err(failed)?;
    let _ = sender.send(Ok(out.into())).await;
    Ok(())
}

/// Names and dates only: all of them are safe in a header and in a file system.
fn file_name(environment: &str, request: &LoginRequest, page: &LoginPage, format: FileFormat) -> String {
    let date = |time: whowas_event::Time| time.to_string().chars().take(10).collect::<String>();
    let environment = environment.replace('/', "-");
    let last = page.to.saturating_add_ms(-1);
    let (query, extension) = (request.query.as_str(), format.extension());
    format!("{environment}_{query}_{}_{}.{extension}", date(page.from), date(last))
}
