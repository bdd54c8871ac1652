//! Archive files as a search reads them: their metadata and bloom filters, kept for the next search.
//!
//! The name of an archive file ends with the digest of its bytes, so what is kept can never be stale.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::datatypes::{DataType, Field};
use bytes::Bytes;
use object_store::{GetResultPayload, ObjectStore, ObjectStoreExt, path::Path};
use parquet::{
    arrow::{
        RowNumber,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
    bloom_filter::Sbbf,
    errors::{ParquetError, Result as ParquetResult},
    file::{
        metadata::{PageIndexPolicy, ParquetMetaDataReader},
        reader::{ChunkReader, Length},
    },
};
use tokio::runtime::Handle;
use whowas_store::{ArchiveFile, columns::SCHEMA};

use crate::QueryError;

/// What is kept in memory of all files together.
const CACHE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Read at once where a reader does not say how much it wants.
const READ_BYTES: usize = 8 * 1024;
/// The column that numbers the rows of a file, from 0. It is made by the reader and not in the file.
pub(crate) const ROW_NUMBER: &str = "row_number";

/// Bloom filters by row group and column; `None` where a column has none.
type Blooms = HashMap<(usize, usize), Option<Arc<Sbbf>>>;

/// One file, as far as a search must know it before it reads rows. For blocking threads.
pub(crate) struct OpenFile {
    pub(crate) metadata: ArrowReaderMetadata,
    source: Source,
    blooms: Mutex<Blooms>,
}

impl OpenFile {
    fn open(source: Source) -> Result<Self, QueryError> {
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = Arc::new(reader.parse_and_finish(&source)?);
        let number = Field::new(ROW_NUMBER, DataType::Int64, false).with_extension_type(RowNumber);
        let options = ArrowReaderOptions::new().with_schema(SCHEMA.clone());
        let options = options.with_virtual_columns(vec![Arc::new(number)])?;
        let metadata = ArrowReaderMetadata::try_new(metadata, options)?;
        Ok(Self { metadata, source, blooms: Mutex::default() })
    }

    /// A builder of readers over this file.
    pub(crate) fn reader(&self) -> ParquetRecordBatchReaderBuilder<Source> {
        ParquetRecordBatchReaderBuilder::new_with_metadata(self.source.clone(), self.metadata.clone())
    }

    /// The bloom filter of a column in a row group, if it has one.
    pub(crate) fn bloom(&self, group: usize, column: usize) -> Result<Option<Arc<Sbbf>>, QueryError> {
        let lock = || self.blooms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&(group, column)) {
            return Ok(known.clone());
        }
        let chunk = self.metadata.metadata().row_groups().get(group).map(|group| group.column(column));
        let read = chunk.map(|chunk| Sbbf::read_from_column_chunk(chunk, &self.source)).transpose()?;
        let bloom = read.flatten().map(Arc::new);
        lock().insert((group, column), bloom.clone());
        Ok(bloom)
    }

    fn bytes(&self) -> usize {
        let filters = self.blooms.lock().unwrap_or_else(PoisonError::into_inner);
        let filters: usize = filters.values().flatten().map(|bloom| bloom.num_blocks() * 32).sum();
        self.metadata.metadata().memory_size() + filters
    }
}

/// The files that were opened last.
#[derive(Default)]
pub(crate) struct FileCache {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    files: HashMap<Path, (u64, Arc<OpenFile>)>,
    clock: u64,
}

impl FileCache {
    /// Opens a file, or finds it open. For blocking threads.
    pub(crate) fn open(
        &self,
        store: &Arc<dyn ObjectStore>,
        archive: &Path,
        file: &ArchiveFile,
    ) -> Result<Arc<OpenFile>, QueryError> {
        let path = Path::from(format!("{archive}/{}", file.path));
        if let Some(known) = self.find(&path) {
            return Ok(known);
        }
        let opened = Arc::new(OpenFile::open(Source::open(store, &path, file.bytes)?)?);
        self.keep(path, opened.clone());
        Ok(opened)
    }

    /// Forgets every file.
    pub(crate) fn clear(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).files.clear();
    }

    fn find(&self, path: &Path) -> Option<Arc<OpenFile>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let now = kept.clock;
        let (used, file) = kept.files.get_mut(path)?;
        *used = now;
        Some(file.clone())
    }

    /// Keeps a file, and forgets those that were not used for longest while there is too much.
    fn keep(&self, path: Path, file: Arc<OpenFile>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let now = kept.clock;
        kept.files.insert(path, (now, file));
        let mut bytes: usize = kept.files.values().map(|(_, file)| file.bytes()).sum();
        while bytes > CACHE_BYTES_MAX && kept.files.len() > 1 {
            let oldest = kept.files.iter().min_by_key(|(_, (used, _))| *used).map(|(path, _)| path.clone());
            let Some((_, gone)) = oldest.and_then(|path| kept.files.remove(&path)) else { break };
            bytes = bytes.saturating_sub(gone.bytes());
        }
    }
}

/// The bytes of one object. A local one is read in place, without a task for each piece.
#[derive(Clone)]
pub(crate) enum Source {
    Local { file: Arc<File>, bytes: u64 },
    Remote { store: Arc<dyn ObjectStore>, path: Path, bytes: u64 },
}

impl Source {
    fn open(store: &Arc<dyn ObjectStore>, path: &Path, bytes: u64) -> Result<Self, QueryError> {
        let found =
            Handle::current().block_on(store.get(path)).map_err(|e| ParquetError::External(e.into()))?;
        Ok(match found.payload {
            GetResultPayload::File(file, _) => Self::Local { file: Arc::new(file), bytes },
            GetResultPayload::Stream(_) => Self::Remote { store: store.clone(), path: path.clone(), bytes },
        })
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        match self {
            Self::Local { bytes, .. } | Self::Remote { bytes, .. } => *bytes,
        }
    }
}

impl ChunkReader for Source {
    type T = BufReader<Rest>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::with_capacity(READ_BYTES, Rest { source: self.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let end = start + length as u64;
        if end > self.len() {
            return Err(ParquetError::EOF(format!("bytes {start} to {end} of a file of {}", self.len())));
        }
        match self {
            Self::Local { file, .. } => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, start)?;
                Ok(bytes.into())
            }
            Self::Remote { store, path, .. } => Handle::current()
                .block_on(store.get_range(path, start..end))
                .map_err(|e| ParquetError::External(e.into())),
        }
    }
}

/// A source from some place on.
pub(crate) struct Rest {
    source: Source,
    at: u64,
}

impl Read for Rest {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.source.len().saturating_sub(self.at)).unwrap_or(usize::MAX);
        let bytes = self.source.get_bytes(self.at, buffer.len().min(left)).map_err(io::Error::other)?;
        if let Some(target) = buffer.get_mut(..bytes.len()) {
            target.copy_from_slice(&bytes);
        }
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}
