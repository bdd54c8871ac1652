//! Staging objects: one per commit, everything the commit needs to be replayed.
//!
//! The body is the SHA-256 of what follows, then an Arrow IPC stream of one batch in
//! [`crate::columns::SCHEMA`], compressed with LZ4. The digest comes first because the decoder of Arrow IPC
//! may panic on damaged input. Leaves, tiles and the root are not in it: they are re-derived from the
//! records by the code that made them.

use arrow::{
    array::RecordBatch,
    compute::concat_batches,
    ipc::{
        CompressionType,
        reader::StreamReader,
        writer::{IpcWriteOptions, StreamWriter},
    },
};
use object_store::path::Path;
use sha2::{Digest, Sha256};

use crate::{StoreError, columns::SCHEMA};

/// The positions of one staging object, `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Span {
    /// Its object: decimal positions, zero-padded so that names sort like positions.
    pub(crate) fn path(self) -> Path {
        Path::from(format!("staging/{:020}-{:020}.arrow", self.start, self.end))
    }

    /// The span an object's name states, if it is the name of a staging object.
    pub(crate) fn parse(path: &Path) -> Option<Self> {
        let (start, end) = path.filename()?.strip_suffix(".arrow")?.split_once('-')?;
        Some(Self { start: start.parse().ok()?, end: end.parse().ok()? })
    }
}

pub(crate) fn encode(batch: &RecordBatch) -> Result<Vec<u8>, StoreError> {
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
    // LZ4 leaves about half of what columns take.
    let mut body = Vec::with_capacity(batch.get_array_memory_size() / 2);
    body.resize(32, 0);
    let mut writer = StreamWriter::try_new_with_options(body, &batch.schema(), options)?;
    writer.write(batch)?;
    let mut body = writer.into_inner()?;
    if let Some((digest, stream)) = body.split_first_chunk_mut::<32>() {
        *digest = Sha256::digest(stream).into();
    }
    Ok(body)
}

pub(crate) fn decode(span: Span, bytes: &[u8]) -> Result<RecordBatch, StoreError> {
    let broken = |what: String| StoreError::corrupt(format!("{}: {what}", span.path()));
    let stream = match bytes.split_first_chunk::<32>() {
        Some((digest, stream)) if Sha256::digest(stream) == *digest => stream,
        _ => return Err(broken("its bytes are not those that were written".to_owned())),
    };
    let reader = StreamReader::try_new(stream, None).map_err(|e| broken(e.to_string()))?;
    if reader.schema().fields() != SCHEMA.fields() {
        return Err(broken("its columns are not those of a record".to_owned()));
    }
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|e| broken(e.to_string()))?;
    let batch = concat_batches(&SCHEMA, &batches)?;
    if batch.num_rows() as u64 != span.end - span.start {
        return Err(broken(format!("it has {} records", batch.num_rows())));
    }
    Ok(batch)
}
