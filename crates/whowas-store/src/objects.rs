//! The objects of one trail, by what they are.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, path::Path};
use whowas_tlog::tile::{TileId, TileSource};

use crate::{StoreError, staging::Span};

/// Tiles written at once: enough for their fsyncs to share the disk's flushes.
const TILE_WRITES_MAX: usize = 16;

/// One trail's objects below a prefix of a store.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) prefix: Path,
}

impl Objects {
    pub(crate) fn path(&self, below: &str) -> Path {
        Path::from(format!("{}/{below}", self.prefix))
    }

    pub(crate) async fn get(&self, below: &str) -> Result<Option<bytes::Bytes>, StoreError> {
        match self.store.get(&self.path(below)).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn put(&self, below: &str, body: impl Into<PutPayload>) -> Result<(), StoreError> {
        self.store.put(&self.path(below), body.into()).await?;
        Ok(())
    }

    pub(crate) async fn delete(&self, below: &str) -> Result<(), StoreError> {
        match self.store.delete(&self.path(below)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes tiles. Writing the same tile again is harmless: its content is a function of the tree.
    pub(crate) async fn put_tiles(&self, tiles: Vec<(TileId, Vec<u8>)>) -> Result<(), StoreError> {
        let completed: Vec<TileId> =
            tiles.iter().filter(|(id, _)| id.width == 256).map(|(id, _)| *id).collect();
        stream::iter(tiles.into_iter().map(|(id, body)| async move { self.put(&id.path(), body).await }))
            .buffer_unordered(TILE_WRITES_MAX)
            .try_collect::<()>()
            .await?;
        // The full tile stands for its partials from now on (tlog-tiles allows their deletion). A crash
        // here leaves partials that nobody needs and that are right.
        for id in completed {
            let folder = self.path(&format!("{}.p", id.path()));
            let partials: Vec<_> = self.store.list(Some(&folder)).try_collect().await?;
            for partial in partials {
                self.store.delete(&partial.location).await?;
            }
        }
        Ok(())
    }

    /// The staging objects, oldest first.
    pub(crate) async fn spans(&self) -> Result<Vec<Span>, StoreError> {
        let listed: Vec<_> = self.store.list(Some(&self.path("staging"))).try_collect().await?;
        let mut spans: Vec<Span> = listed.iter().filter_map(|meta| Span::parse(&meta.location)).collect();
        spans.sort_unstable();
        Ok(spans)
    }

    pub(crate) async fn get_span(&self, span: Span) -> Result<bytes::Bytes, StoreError> {
        let path = span.path();
        let missing = || StoreError::corrupt(format!("{path} is missing"));
        self.get(path.as_ref()).await?.ok_or_else(missing)
    }

    /// A reader of tiles for code that knows no async: use it from a blocking thread only.
    pub(crate) fn tile_reader(&self) -> TileReader {
        TileReader { objects: self.clone(), runtime: tokio::runtime::Handle::current() }
    }
}

/// Reads tiles, falling back to the full tile where a partial one was superseded.
pub(crate) struct TileReader {
    objects: Objects,
    runtime: tokio::runtime::Handle,
}

impl TileSource for TileReader {
    type Error = StoreError;

    fn read(&mut self, id: TileId) -> Result<Vec<u8>, StoreError> {
        let full = TileId { width: 256, ..id };
        self.runtime.block_on(async {
            if let Some(body) = self.objects.get(&id.path()).await? {
                return Ok(body.to_vec());
            }
            let body = self.objects.get(&full.path()).await?;
            let body = body.ok_or_else(|| StoreError::corrupt(format!("{} is missing", id.path())))?;
            let wanted = usize::from(id.width) * 32;
            let start = body.get(..wanted);
            Ok(start.ok_or_else(|| StoreError::corrupt(format!("{} is cut short", full.path())))?.to_vec())
        })
    }
}
