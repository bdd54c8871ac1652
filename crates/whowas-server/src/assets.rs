//! Style and script of the console, embedded. Their address has a fingerprint of what is in them, so that
//! browsers keep them for ever and still never see an old one.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest, Sha256};

use crate::problem::Problem;

const FILES: [(&str, &str, &str); 7] = [
    ("console.css", "text/css; charset=utf-8", include_str!("../assets/console.css")),
    ("console.js", "text/javascript; charset=utf-8", include_str!("../assets/console.js")),
    ("exports.js", "text/javascript; charset=utf-8", include_str!("../assets/exports.js")),
    ("people.css", "text/css; charset=utf-8", include_str!("../assets/people.css")),
    ("people.js", "text/javascript; charset=utf-8", include_str!("../assets/people.js")),
    ("theme.js", "text/javascript; charset=utf-8", include_str!("../assets/theme.js")),
    ("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
];

/// Where pages find the assets.
#[derive(Debug)]
pub(crate) struct Assets {
    fingerprint: String,
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let all = FILES.iter().fold(Sha256::new(), |hash, (_, _, text)| hash.chain_update(text));
    let digest = hex::encode(all.finalize());
    Assets { fingerprint: digest.chars().take(16).collect() }
});

impl Assets {
    pub(crate) fn get() -> &'static Self {
        &ASSETS
    }

    /// The address of an asset.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("/assets/{}/{name}", self.fingerprint)
    }
}

/// Any fingerprint is answered with what there is: a page from before an update keeps its look.
pub(crate) async fn serve(Path((_, name)): Path<(String, String)>) -> Result<Response, Problem> {
    let found = FILES.iter().find(|(file, ..)| *file == name);
    let (_, kind, text) = found.ok_or_else(|| Problem::not_found("there is no such asset"))?;
    Ok(([(CONTENT_TYPE, *kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")], *text)
        .into_response())
}
