//! A log that is served somewhere: fetched as files, then checked like any copy of one.
//!
//! The server is trusted for nothing. What it sends is bounded, and lies in a temporary folder until it is
//! checked: some 33 bytes a record, and the entries.

use std::{fs, path::Path, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, StatusCode, redirect};
use whowas_export::evidence::Finding;
use whowas_tlog::{
    checkpoint::Checkpoint,
    note::Note,
    policy::Policy,
    tile::{ENTRY_BYTES_MAX, TileId, tiles_of_size},
};

use super::offline;
use crate::{cli::Global, failure::Failure};

/// A checkpoint with many cosignatures is far below this.
const CHECKPOINT_BYTES_MAX: usize = 256 * 1024;
/// Entries of one bundle, with their lengths.
const BUNDLE_BYTES_MAX: usize = 256 * (ENTRY_BYTES_MAX + 2);
/// Files that are asked for at once.
const REQUESTS_MAX: usize = 16;
/// For one file.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Whether a path is an address.
pub(super) fn is_url(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.starts_with("https://") || text.starts_with("http://"))
}

/// Fetches the log at `url`, such as `https://host/trails/PROJECT/ENVIRONMENT`, and checks it. Entries need
/// a token of scope *read* where the server wants one; without, tiles and checkpoint are checked.
pub(super) async fn check(
    global: &Global,
    url: &str,
    token: Option<&str>,
    policy: &Policy,
    pinned: Option<&Note>,
) -> Result<u8, Failure> {
    let failed = |e: std::io::Error| Failure::failed(format!("a temporary folder: {e}"));
    let folder = tempfile::tempdir().map_err(failed)?;
    let client = Client::builder().timeout(TIMEOUT).redirect(redirect::Policy::none()).build();
    let client = client.map_err(|e| Failure::failed(e.to_string()))?;
    let log = Log { client, url: url.trim_end_matches('/'), token, folder: folder.path() };
    let note = log
        .fetch("checkpoint", CHECKPOINT_BYTES_MAX)
        .await?
        .ok_or_else(|| Failure::not_understood(format!("{url}: there is no log here (no checkpoint)")))?;
    let wrong = |e: String| Failure::not_understood(format!("{url}/checkpoint: {e}"));
    let text = String::from_utf8(note).map_err(|e| wrong(e.to_string()))?;
    let note = Note::parse(&text).map_err(|e| wrong(e.to_string()))?;
    // Before anything is fetched by its size: a stranger's checkpoint may name any.
    if let Err(error) = policy.accept(&note) {
        let finding = Finding { place: format!("{url}/checkpoint"), reason: error.to_string() };
        return offline::broken(global, url, finding);
    }
    let size = Checkpoint::parse_text(note.text()).map_err(|e| wrong(e.to_string()))?.size;
    log.put("checkpoint", text.as_bytes())?;
    stream::iter(tiles_of_size(size).map(|id| log.tile(id)))
        .buffer_unordered(REQUESTS_MAX)
        .try_collect::<()>()
        .await?;
    offline::folder(global, (folder.path(), url), policy, pinned).await
}

struct Log<'a> {
    client: Client,
    url: &'a str,
    token: Option<&'a str>,
    folder: &'a Path,
}

impl Log<'_> {
    /// A tile, and the entries under it. What is missing is for the check to find.
    async fn tile(&self, id: TileId) -> Result<(), Failure> {
        if let Some(bytes) = self.fetch(&id.path(), id.byte_len()).await? {
            self.put(&id.path(), &bytes)?;
        }
        if id.level == 0
            && self.token.is_some()
            && let Some(bytes) = self.fetch(&id.entries_path(), BUNDLE_BYTES_MAX).await?
        {
            self.put(&id.entries_path(), &bytes)?;
        }
        Ok(())
    }

    async fn fetch(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, Failure> {
        let url = format!("{}/{path}", self.url);
        let failed = |reason: String| Failure::failed(format!("{url}: {reason}"));
        let mut request = self.client.get(&url);
        if let Some(token) = self.token.filter(|_| path.starts_with("tile/entries/")) {
            request = request.bearer_auth(token);
        }
        let mut response = request.send().await.map_err(|e| failed(e.to_string()))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(failed(format!("the server answers {status}"))),
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| failed(e.to_string()))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > bytes_max {
                return Err(failed(format!("it has more than {bytes_max} bytes")));
            }
        }
        Ok(Some(bytes))
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.folder.join(path);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, bytes));
        written.map_err(|e| Failure::file(&path, &e))
    }
}
