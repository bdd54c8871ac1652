//! A part of a file as the body of an answer.

use std::{fs::File, ops::Range, os::unix::fs::FileExt, sync::Arc};

use axum::body::Body;
use futures::stream;

/// Bytes of the file that are in memory for one client.
const PIECE_BYTES: u64 = 256 * 1024;

/// These bytes of the file, piece by piece, as fast as the client takes them.
pub(crate) fn file_body(file: File, bytes: Range<u64>) -> Body {
    let file = Arc::new(file);
    Body::from_stream(stream::try_unfold(bytes.start, move |at| {
        let file = file.clone();
        async move {
            if at >= bytes.end {
                return Ok::<_, std::io::Error>(None);
            }
            let size = usize::try_from(PIECE_BYTES.min(bytes.end - at)).map_err(std::io::Error::other)?;
            let read = tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; size];
                file.read_exact_at(&mut piece, at).map(|()| piece)
            });
            let piece = read.await.map_err(std::io::Error::other)??;
            let next = at + piece.len() as u64;
            Ok(Some((piece, next)))
        }
    }))
}
