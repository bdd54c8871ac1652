//! A run: one immutable file with what a stretch of positions added to the sessions of a trail.
//!
//! | part | entries | sorted by |
//! |---|---|---|
//! | `lanes` | which record stands in which lane | lane |
//! | `ended`, `open`, `lone` | rows that came, by kind | start |
//! | `gone` | versions of rows in older runs (or, after a merge, this one) that hold no longer | start |
//! | `replaced` | records whose place a later revision took | position |
//! | `boundaries` | records that say when a machine started or stopped | position |
//! | bloom filter | of the lanes | |
//! | footer | where all that is, the rules, and the *steps*: the sizes of the tree at which rows came or went | |
//!
//! Nothing is ever dropped, also not when runs are merged: the sessions as of an earlier step are the rows that had
//! come and had not gone by then.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    iter::Peekable,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    blocks::{Frames, Section, read_frame},
    bloom::Bloom,
    entry::{AtBoundary, Entry, Gone, InLane, Kept, List, Replaced},
};

/// Ends a run, before the length and digest of its footer: files of another layout are not read as this one.
const MAGIC: [u8; 8] = *b"whosess1";
/// A footer has some 60 bytes for each block of 1,024 entries; one that claims more than this is damaged.
const FOOTER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Magic, length, SHA-256.
const END_BYTES: usize = 8 + 8 + 32;

/// What a run is made of.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) lanes: Vec<InLane>,
    pub(crate) rows: Vec<Kept>,
    pub(crate) gone: Vec<Gone>,
    pub(crate) replaced: Vec<Replaced>,
    pub(crate) boundaries: Vec<AtBoundary>,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Footer {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Digest of the rules by which it was paired.
    pub(crate) rules: String,
    /// Ascending; the last is `to`.
    pub(crate) steps: Vec<u64>,
    pub(crate) lanes: Section<InLane>,
    pub(crate) ended: Section<Kept>,
    pub(crate) open: Section<Kept>,
    pub(crate) lone: Section<Kept>,
    gone: Section<Gone>,
    replaced: Section<Replaced>,
    boundaries: Section<AtBoundary>,
    bloom: (u64, u32, u64),
}

impl Footer {
    pub(crate) fn list(&self, list: List) -> &Section<Kept> {
        match list {
            List::Ended => &self.ended,
            List::Open => &self.open,
            List::Lone => &self.lone,
        }
    }
}

/// An open run: footer and filter are in memory, and what is small.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) footer: Footer,
    pub(crate) bloom: Bloom,
    pub(crate) gone: Vec<Gone>,
    pub(crate) replaced: Vec<Replaced>,
    pub(crate) boundaries: Vec<AtBoundary>,
}

impl Run {
    /// Positions of a file name, if it is one of a run.
    pub(crate) fn parse_name(path: &Path) -> Option<(u64, u64)> {
        let name = path.file_name()?.to_str()?.strip_suffix(".sessions")?;
        let (from, to) = name.split_once('-')?;
        Some((from.parse().ok()?, to.parse().ok()?))
    }

    /// The size of the tree from which on a row holds.
    pub(crate) fn came(&self, kept: &Kept) -> u64 {
        let step = usize::try_from(kept.step).unwrap_or(usize::MAX);
        self.footer.steps.get(step).copied().unwrap_or(self.footer.to)
    }

    /// Writes what the positions `from..to` added.
    pub(crate) fn write(
        folder: &Path,
        (from, to): (u64, u64),
        rules: &str,
        mut content: Content,
    ) -> io::Result<Self> {
        content.lanes.sort_unstable();
        content.rows.sort_unstable();
        content.gone.sort_unstable();
        content.replaced.sort_unstable();
        content.boundaries.sort_unstable();
        let rows = content.rows;
        let of = |list: List| rows.iter().filter(move |kept| List::of(&kept.row) == list).copied().map(Ok);
        let parts = Parts {
            lane_count: content.lanes.len(),
            lanes: content.lanes.into_iter().map(Ok),
            ended: of(List::Ended),
            open: of(List::Open),
            lone: of(List::Lone),
            gone: content.gone,
            replaced: content.replaced,
            boundaries: content.boundaries,
        };
        parts.write(folder, (from, to), rules, vec![to])
    }

    /// Makes one run of neighbors.
    pub(crate) fn merge(folder: &Path, runs: &[&Self]) -> io::Result<Self> {
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let steps: Vec<u64> = runs.iter().flat_map(|run| run.footer.steps.iter().copied()).collect();
        let count: u64 = runs.iter().map(|run| run.footer.lanes.len()).sum();
        let lanes = Merged::new(runs.iter().map(|run| run.footer.lanes.iter(&run.file)));
        let list = |list: List| {
            let mut before = 0;
            let sources = runs.iter().map(move |run| {
                let moved = before;
                before += u32::try_from(run.footer.steps.len()).unwrap_or(u32::MAX);
                let rows = run.footer.list(list).iter(&run.file);
                rows.map(move |kept| kept.map(|kept| Kept { step: kept.step.saturating_add(moved), ..kept }))
            });
            Merged::new(sources.collect::<Vec<_>>().into_iter())
        };
        let mut gone: Vec<Gone> = runs.iter().flat_map(|run| run.gone.iter().copied()).collect();
        let mut replaced: Vec<Replaced> = runs.iter().flat_map(|run| run.replaced.iter().copied()).collect();
        let mut boundaries: Vec<AtBoundary> =
            runs.iter().flat_map(|run| run.boundaries.iter().copied()).collect();
        gone.sort_unstable();
        replaced.sort_unstable();
        boundaries.sort_unstable();
        let parts = Parts {
            lane_count: usize::try_from(count).map_err(io::Error::other)?,
            lanes,
            ended: list(List::Ended),
            open: list(List::Open),
            lone: list(List::Lone),
            gone,
            replaced,
            boundaries,
        };
        let range = (first.footer.from, last.footer.to);
        parts.write(folder, range, &first.footer.rules, steps)
    }

    /// `None` if the file does not check.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        match Self::read(path, file) {
            Ok(run) => Ok(Some(run)),
            Err(error) if is_damage(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(path: &Path, file: File) -> io::Result<Self> {
        let damage = || io::Error::from(io::ErrorKind::InvalidData);
        let length = file.metadata()?.len();
        let mut end = [0; END_BYTES];
        file.read_exact_at(&mut end, length.checked_sub(END_BYTES as u64).ok_or_else(damage)?)?;
        let (magic, rest) = end.split_first_chunk::<8>().ok_or_else(damage)?;
        let (bytes, digest) = rest.split_first_chunk::<8>().ok_or_else(damage)?;
        let bytes = u64::from_be_bytes(*bytes);
        let start = (length - END_BYTES as u64).checked_sub(bytes).ok_or_else(damage)?;
        if *magic != MAGIC || bytes > FOOTER_BYTES_MAX {
            return Err(damage());
        }
        let mut footer = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        file.read_exact_at(&mut footer, start)?;
        if Sha256::digest(&footer).as_slice() != digest {
            return Err(damage());
        }
        let footer: Footer = serde_json::from_slice(&footer).map_err(|_| damage())?;
        let (offset, bytes, size) = footer.bloom;
        let size = usize::try_from(size).map_err(|_| damage())?;
        let bloom = Bloom::from_bytes(&read_frame(&file, offset, bytes, size)?);
        Ok(Self {
            path: path.to_owned(),
            gone: footer.gone.read_all(&file)?,
            replaced: footer.replaced.read_all(&file)?,
            boundaries: footer.boundaries.read_all(&file)?,
            file,
            footer,
            bloom,
        })
    }
}

/// Whether an error says that bytes are not what was written.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    // What zstd does not like is of the kind `Other`.
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::Other)
}

/// The parts of a run that is written; large ones as they come.
struct Parts<L, R> {
    lane_count: usize,
    lanes: L,
    ended: R,
    open: R,
    lone: R,
    gone: Vec<Gone>,
    replaced: Vec<Replaced>,
    boundaries: Vec<AtBoundary>,
}

impl<L, R> Parts<L, R>
where
    L: Iterator<Item = io::Result<InLane>>,
    R: Iterator<Item = io::Result<Kept>>,
{
    /// Writes a run under a temporary name and gives it its own when it is whole and on disk.
    fn write(self, folder: &Path, (from, to): (u64, u64), rules: &str, steps: Vec<u64>) -> io::Result<Run> {
        let path = folder.join(format!("{from:020}-{to:020}.sessions"));
        let temporary = folder.join(format!(".{from:020}-{to:020}.tmp"));
        let mut frames = Frames::new(BufWriter::new(File::create(&temporary)?));
        let mut bloom = Bloom::with_capacity(self.lane_count);
        let lanes = frames.section(self.lanes.map(|lane| lane.inspect(|one| bloom.insert(one.lane))))?;
        let filter = bloom.to_bytes();
        let (offset, bytes) = frames.frame(&filter)?;
        let footer = Footer {
            from,
            to,
            rules: rules.to_owned(),
            steps,
            lanes,
            ended: frames.section(self.ended)?,
            open: frames.section(self.open)?,
            lone: frames.section(self.lone)?,
            gone: frames.section(self.gone.into_iter().map(Ok))?,
            replaced: frames.section(self.replaced.into_iter().map(Ok))?,
            boundaries: frames.section(self.boundaries.into_iter().map(Ok))?,
            bloom: (offset, bytes, filter.len() as u64),
        };
        let footer = serde_json::to_vec(&footer).map_err(io::Error::other)?;
        frames.plain(&footer)?;
        frames.plain(&MAGIC)?;
        frames.plain(&(footer.len() as u64).to_be_bytes())?;
        frames.plain(&Sha256::digest(&footer))?;
        let mut out = frames.into_inner();
        out.flush()?;
        out.get_ref().sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(folder)?.sync_all()?;
        Run::open(&path)?.ok_or_else(|| io::Error::other("a run that was just written does not check"))
    }
}

/// Sorted iterators as one.
struct Merged<I: Iterator> {
    sources: Vec<Peekable<I>>,
}

impl<E: Entry, I: Iterator<Item = io::Result<E>>> Merged<I> {
    fn new(sources: impl Iterator<Item = I>) -> Self {
        Self { sources: sources.map(Iterator::peekable).collect() }
    }
}

impl<E: Entry + Ord, I: Iterator<Item = io::Result<E>>> Iterator for Merged<I> {
    type Item = io::Result<E>;

    fn next(&mut self) -> Option<Self::Item> {
        // There are few sources: a tier has four. An error comes first and ends everything.
        let heads = self.sources.iter_mut().enumerate().filter_map(|(at, source)| {
            let head = source.peek()?.as_ref().ok().copied();
            Some((head, at))
        });
        let (_, at) = heads.min()?;
        self.sources.get_mut(at)?.next()
    }
}
