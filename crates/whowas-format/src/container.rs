//! Compressed inputs and archives, opened by their first bytes: gzip, zstd, zip, and these in each other.
//!
//! Compressed data is hostile until read: the depth, the ratio, the sum and the number of members are
//! bounded, and every reader streams. Only a zip that does not come from a file is held in memory,
//! because its directory stands at its end.

use std::{
    cell::Cell,
    fmt,
    io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom},
    rc::Rc,
};

use zip::ZipArchive;

use crate::{
    chunk::Begun,
    contract::{ReadError, SAMPLE_BYTES},
};

/// How many containers may be in each other: a zip of gzip files.
pub const DEPTH_MAX: usize = 2;
/// The most bytes that come out of one input, however it is packed: 100 million records of 10 KiB.
pub const DECOMPRESSED_BYTES_MAX: u64 = 1 << 40;
/// The most decompressed bytes for one compressed byte. Logs reach 10 to 60; a bomb has 1,000 and more.
pub const RATIO_MAX: u64 = 400;
/// The ratio is not asked before so many bytes: little files of equal lines compress well. Small enough
/// that a bomb is refused before what comes out of it was worth anybody's time.
pub const RATIO_FREE_BYTES: u64 = 1024 * 1024;
/// The most files in one archive.
pub const MEMBERS_MAX: usize = 100_000;
/// The largest zip that is read from a stream rather than a file.
pub const ZIP_IN_MEMORY_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Something to read that may also be a file.
pub enum Input<'a> {
    /// Standard input, a request body.
    Stream(&'a mut dyn Read),
    /// A file.
    File(&'a mut dyn ReadSeek),
}

/// [`Read`] and [`Seek`].
pub trait ReadSeek: Read + Seek {}
impl<T: Read + Seek + ?Sized> ReadSeek for T {}

/// One file of an input: the input itself, or a file of an archive.
pub struct Member<'a> {
    /// The input's name, and behind `/` that in the archive.
    pub name: String,
    /// Its beginning, up to [`SAMPLE_BYTES`]. The reader gives these bytes again.
    pub sample: Vec<u8>,
    /// Its decompressed bytes.
    pub reader: Box<dyn Read + 'a>,
    /// Whether it comes out of an archive of several.
    pub is_in_archive: bool,
}

/// What is done with each member.
pub type Visit<'a> = dyn FnMut(Member<'_>) -> Result<(), ReadError> + 'a;

/// The data is to blame, rather than that it is not to be had. Travels inside of an [`io::Error`].
#[derive(Debug)]
pub(crate) enum Refused {
    /// It is broken.
    Broken(String),
    /// Too much would come out of it.
    TooLarge(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(reason) | Self::TooLarge(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        Self::new(io::ErrorKind::InvalidData, refused)
    }
}

/// Opens an input through all its containers.
pub fn open(input: Input<'_>, name: &str, visit: &mut Visit<'_>) -> Result<(), ReadError> {
    let mut opening = Opening { total: Rc::default(), visit };
    match input {
        Input::Stream(stream) => opening.member(name, Box::new(stream), 0, false),
        Input::File(file) => {
            let mut magic = Vec::new();
            (&mut *file).take(4).read_to_end(&mut magic)?;
            file.rewind()?;
            if is_zip(&magic) {
                opening.zip(name, BufReader::new(file), 0)
            } else {
                opening.member(name, Box::new(file), 0, false)
            }
        }
    }
}

const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
const EMPTY_ZIP_MAGIC: &[u8] = b"PK\x05\x06";
const ZSTD_MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";
const GZIP_MAGIC: &[u8] = b"\x1f\x8b\x08";

fn is_zip(magic: &[u8]) -> bool {
    magic == ZIP_MAGIC || magic == EMPTY_ZIP_MAGIC
}

struct Opening<'a, 'v> {
    /// Bytes that came out of decompressors so far.
    total: Rc<Cell<u64>>,
    visit: &'a mut Visit<'v>,
}

impl Opening<'_, '_> {
    fn member(
        &mut self,
        name: &str,
        reader: Box<dyn Read + '_>,
        depth: usize,
        is_in_archive: bool,
    ) -> Result<(), ReadError> {
        let (sample, whole) = Begun::new(reader, SAMPLE_BYTES)?;
        let kind = [ZIP_MAGIC, EMPTY_ZIP_MAGIC, ZSTD_MAGIC, GZIP_MAGIC]
            .into_iter()
            .find(|magic| sample.starts_with(magic));
        let Some(kind) = kind else {
            let member = Member { name: name.to_owned(), sample, reader: Box::new(whole), is_in_archive };
            return (self.visit)(member);
        };
        if depth == DEPTH_MAX {
            let reason = format!("{name}: containers in each other more than {DEPTH_MAX} deep");
            return Err(ReadError::Broken(reason));
        }
        if is_zip(kind) {
            let mut bytes = Vec::new();
            whole.take(ZIP_IN_MEMORY_BYTES_MAX + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > ZIP_IN_MEMORY_BYTES_MAX {
                return Err(ReadError::TooLarge(format!(
                    "{name}: a zip above 256 MiB can only be read from a file"
                )));
            }
            return self.zip(name, Cursor::new(bytes), depth);
        }
        let compressed = Rc::new(Cell::new(0));
        let counted = Counted { inner: BufReader::new(whole), count: Rc::clone(&compressed) };
        let inner: Box<dyn Read> = if kind == GZIP_MAGIC {
            Box::new(flate2::bufread::MultiGzDecoder::new(counted))
        } else {
            Box::new(zstd::stream::read::Decoder::with_buffer(counted)?)
        };
        let guarded =
            Guarded { inner, name: name.to_owned(), compressed, read: 0, total: Rc::clone(&self.total) };
        self.member(name, Box::new(guarded), depth + 1, is_in_archive)
    }

    fn zip<R: Read + Seek>(&mut self, name: &str, mut reader: R, depth: usize) -> Result<(), ReadError> {
        let of_zip = |error: zip::result::ZipError| {
            ReadError::Broken(format!("{name}: not a sound zip: {error}; copy the file again"))
        };
        let archive_bytes = reader.seek(SeekFrom::End(0))?;
        let mut archive = ZipArchive::new(reader).map_err(of_zip)?;
        if archive.index_for_name("[Content_Types].xml").is_some() {
            // A workbook is a zip too, but for a format to open.
            let mut reader = archive.into_inner();
            reader.rewind()?;
            return self.plain(name, reader);
        }
        if archive.len() > MEMBERS_MAX {
            return Err(ReadError::TooLarge(format!("{name}: more than {MEMBERS_MAX} files in the archive")));
        }
        for index in 0..archive.len() {
            let file = archive.by_index(index).map_err(of_zip)?;
            let inner_name = file.name().map_err(of_zip)?.into_owned();
            if file.is_dir() || inner_name.starts_with("__MACOSX/") {
                continue;
            }
            // The directory may claim more than there is, to look less like a bomb.
            let compressed = Rc::new(Cell::new(file.compressed_size().min(archive_bytes)));
            let name = format!("{name}/{inner_name}");
            let inner: Box<dyn Read> = Box::new(file);
            let guarded =
                Guarded { inner, name: name.clone(), compressed, read: 0, total: Rc::clone(&self.total) };
            self.member(&name, Box::new(guarded), depth + 1, true)?;
        }
        Ok(())
    }

    fn plain(&mut self, name: &str, reader: impl Read) -> Result<(), ReadError> {
        let (sample, reader) = Begun::new(reader, SAMPLE_BYTES)?;
        let reader = Box::new(reader);
        (self.visit)(Member { name: name.to_owned(), sample, reader, is_in_archive: false })
    }
}

/// Counts what a decompressor has taken, not what was read ahead for it: a ratio to what is read ahead
/// would let a small bomb through.
struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.count.set(self.count.get() + n as u64);
        self.inner.consume(n);
    }
}

/// A decompressor that does not give more than it may.
struct Guarded<'r> {
    inner: Box<dyn Read + 'r>,
    name: String,
    compressed: Rc<Cell<u64>>,
    read: u64,
    total: Rc<Cell<u64>>,
}

impl Guarded<'_> {
    /// An error of the decompressor is one of the data, unless it only passes on one from below.
    fn explain(&self, error: io::Error) -> io::Error {
        let is_from_below =
            error.raw_os_error().is_some() || error.get_ref().is_some_and(|e| e.is::<Refused>());
        let reason = match error.kind() {
            io::ErrorKind::Interrupted => return error,
            _ if is_from_below => return error,
            io::ErrorKind::UnexpectedEof => {
                "the compressed data ends too early: the file is cut off; copy it again".to_owned()
            }
            _ => format!("the compressed data is damaged: {error}; copy the file again"),
        };
        Refused::Broken(format!("{}: {reason}", self.name)).into()
    }
}

impl Read for Guarded<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out).map_err(|error| self.explain(error))? as u64;
        self.read += read;
        self.total.set(self.total.get() + read);
        if self.read > RATIO_FREE_BYTES && self.read / self.compressed.get().max(1) > RATIO_MAX {
            let reason = format!(
                "more than {RATIO_MAX} bytes come out of each compressed byte: is it a decompression bomb? \
                 If you trust it, unpack it first"
            );
            return Err(Refused::TooLarge(format!("{}: {reason}", self.name)).into());
        }
        if self.total.get() > DECOMPRESSED_BYTES_MAX {
            let reason = "more than 1 TiB comes out of the file: import it in parts";
            return Err(Refused::TooLarge(format!("{}: {reason}", self.name)).into());
        }
        Ok(usize::try_from(read).expect("no more than the length of a slice is read"))
    }
}
