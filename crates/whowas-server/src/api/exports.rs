//! Exports that are made in the background: ask, look, cancel or delete, fetch.
//!
//! A download that broke off goes on where it was (`Range`): the digest is the file's `ETag`.

use std::{ops::Range, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use hyper::{
    HeaderMap, StatusCode,
    header::{
        ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE,
        LOCATION, RANGE,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use whowas_store::control::ExportState;

use super::params::LoginParams;
use crate::{
    access::Access,
    app::App,
    auth::Reader,
    file_body::file_body,
    jobs::{self, KEPT_DAYS, Shape},
    problem::{Problem, Whole},
};

/// What a new export is about.
#[derive(Debug, Deserialize)]
pub(crate) struct NewExport {
    #[serde(flatten)]
    question: LoginParams,
    #[serde(default)]
    r#as: String,
    #[serde(default)]
    evidence: bool,
}

/// Number of an export, in a path with an environment.
#[derive(Debug, Deserialize)]
pub(crate) struct ExportPath {
    id: i64,
}

/// Asks for an export.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    permit: Reader,
    Json(new): Json<NewExport>,
) -> Result<Response, Problem> {
    let shape = Shape::of(&new.r#as, new.evidence)?;
    let export = jobs::ask(&app, &permit, &new.question, shape).await?;
    let location = format!("/api/v1/environments/{}/exports/{}", permit.name, export.id);
    let answer = Json(jobs::view(&permit.name, &export));
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], answer).into_response())
}

/// Every export of the environment, and the bounds on what is kept.
pub(crate) async fn list(State(app): State<Arc<App>>, permit: Reader) -> Result<Json<Value>, Problem> {
    let exports = jobs::list(&app, &permit).await?;
    let views: Vec<Value> = exports.iter().map(|export| jobs::view(&permit.name, export)).collect();
    Ok(Json(json!({ "exports": views, "kept_days": KEPT_DAYS, "bytes_max": app.jobs.bytes_max })))
}

/// One export.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    permit: Reader,
    Path(path): Path<ExportPath>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(jobs::view(&permit.name, &jobs::find(&app, &permit, path.id).await?)))
}

/// Cancels an export that is not done, deletes one that is.
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    permit: Reader,
    Path(path): Path<ExportPath>,
) -> Result<StatusCode, Problem> {
    jobs::remove(&app, &permit, path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The file, or a part of it. Its `access` record is durable before the first byte leaves.
pub(crate) async fn file(
    State(app): State<Arc<App>>,
    permit: Reader,
    Path(path): Path<ExportPath>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let export = jobs::find(&app, &permit, path.id).await?;
    let is_over = jobs::expires_at(&export).is_none_or(|at| at <= app.now());
    let sha256 = export.sha256.clone().filter(|_| export.state == ExportState::Done && !is_over);
    let sha256 = sha256.ok_or_else(|| {
        Problem::not_found(format!("this export has no file: it is {}", export.state.as_str()))
    })?;
    let (files, id) = (app.store.export_files(&permit.name), export.id);
    let file = tokio::task::spawn_blocking(move || files.open(id)).await.map_err(Problem::internal)??;
    let file = file.ok_or_else(|| Problem::not_found("the file of this export is gone"))?;
    let etag = format!("\"{sha256}\"");
    let text = |name| headers.get(name).and_then(|value: &hyper::header::HeaderValue| value.to_str().ok());
    let is_same = text(IF_RANGE).is_none_or(|known| known == etag);
    let part = part(text(RANGE).filter(|_| is_same), export.bytes);
    let Some((bytes, is_part)) = part else {
        let range = format!("bytes */{}", export.bytes);
        let mut refused = (StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, range)]).into_response();
        refused.extensions_mut().insert(Whole);
        return Ok(refused);
    };
    let access = Access::new("fetch_export").with("job", id).with("query", export.query.as_str());
    let access = access.with("rows", export.rows).with("sha256", sha256).with("from_byte", bytes.start);
    access.seen(&app, &permit).await?;
    let name = jobs::file_name(&permit.name, &export)?;
    let common = [
        (CONTENT_TYPE, jobs::shape(&export)?.media_type().to_owned()),
        (CONTENT_LENGTH, (bytes.end - bytes.start).to_string()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (ETAG, etag),
    ];
    let range = format!("bytes {}-{}/{}", bytes.start, bytes.end.saturating_sub(1), export.bytes);
    let body = file_body(file, bytes);
    Ok(if is_part {
        (StatusCode::PARTIAL_CONTENT, common, [(CONTENT_RANGE, range)], body).into_response()
    } else {
        (common, body).into_response()
    })
}

/// Which bytes a `Range` header asks for, and whether they are a part; `None` if there are no such bytes. What
/// is not understood, and more ranges than one, is as if it were not there (RFC 9110, 14.2).
fn part(header: Option<&str>, length: u64) -> Option<(Range<u64>, bool)> {
    let whole = Some((0..length, false));
    let Some((first, last)) = header.and_then(|text| text.strip_prefix("bytes=")?.split_once('-')) else {
        return whole;
    };
    let digits = |text: &str| -> Option<Option<u64>> {
        if text.is_empty() { Some(None) } else { Some(Some(text.parse().ok()?)) }
    };
    let (Some(first), Some(last)) = (digits(first), digits(last)) else { return whole };
    let range = match (first, last) {
        (None, None) => return whole,
        (None, Some(count)) => length.saturating_sub(count)..length,
        (Some(first), Some(last)) if last < first => return whole,
        (Some(first), last) => first..last.map_or(length, |last| last.saturating_add(1).min(length)),
    };
    (range.start < range.end).then_some((range, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_file() {
        for (header, want) in [
            (None, Some((0..100, false))),
            (Some("bytes=0-9"), Some((0..10, true))),
            (Some("bytes=90-"), Some((90..100, true))),
            (Some("bytes=90-999999999999999999"), Some((90..100, true))),
            (Some("bytes=-7"), Some((93..100, true))),
            (Some("bytes=-700"), Some((0..100, true))),
            (Some("bytes=100-"), None),
            (Some("bytes=-0"), None),
            (Some("bytes=9-0"), Some((0..100, false))),
            (Some("bytes=-"), Some((0..100, false))),
            (Some("bytes=0-1,5-6"), Some((0..100, false))),
            (Some("items=0-1"), Some((0..100, false))),
            (Some("bytes=0x1-2"), Some((0..100, false))),
            (Some("bytes=99999999999999999999999-"), Some((0..100, false))),
        ] {
            assert_eq!(part(header, 100), want, "{header:?}");
        }
        assert_eq!(part(None, 0), Some((0..0, false)));
        assert_eq!(part(Some("bytes=0-"), 0), None);
    }
}
