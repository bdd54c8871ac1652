//! Which records a trail has seen: from the key of a native id to what was delivered under it.
//!
//! A rebuildable index, never consulted to decide what happened, only whether a delivery is new. Recent
//! entries are in memory; older ones in immutable sorted runs on local disk with a bloom filter each, so
//! that memory stays flat however old the trail is. Keys are uniform (they are digests), so a run is
//! searched by interpolation: one read finds almost every key.
//!
//! An entry has no position: how many deliveries there were, and what they said, is all that is asked.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    iter::Peekable,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{StoreError, bloom::Bloom, durable};

/// Entries kept in memory before they become a run: about 8 MiB.
const MEMORY_ENTRIES_MAX: usize = 256 * 1024;
/// Fewer entries than these are not made a run when the trail closes: opening reads their records again sooner
/// than a run is worth two fsyncs.
const CLOSE_ENTRIES_MIN: u64 = 8 * 1024;
/// Neighbouring runs of like size that are merged into one: the number of runs grows with the logarithm of
/// the trail's size, four for every factor of four.
const RUNS_PER_TIER: usize = 4;
/// Ends a run, before its checksum: files of another layout are not read as this one.
const MAGIC: [u8; 8] = *b"whoseen2";
/// Key and content.
const ENTRY_BYTES: usize = 8 + CONTENT_BYTES;
/// Bytes of a content digest that are kept. It is compared within one key only: another content passes for
/// the same with odds of 2^-48 for each delivery that changed a record.
const CONTENT_BYTES: usize = 6;
/// Stands for a content that nobody is to recognize any more.
const ERASED: [u8; CONTENT_BYTES] = [0xff; CONTENT_BYTES];
/// Read at once from a run that is merged or checked.
const READ_BYTES: usize = 128 * 1024;
/// Entries read around the place where interpolation expects a key: 2.6 KiB.
const WINDOW_ENTRIES: u64 = 192;

/// One delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    /// [`whowas_event::dedup_key`].
    key: u64,
    /// The first bytes of [`whowas_event::content_digest`].
    content: [u8; CONTENT_BYTES],
}

impl Seen {
    pub(crate) fn new(key: u64, content: u64) -> Self {
        let [content @ .., _, _] = content.to_be_bytes();
        Self { key, content }
    }

    /// A record whose content was erased: nothing that is delivered under its key again is new.
    pub(crate) fn erased(key: u64) -> Self {
        Self { key, content: ERASED }
    }

    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut out = [0; ENTRY_BYTES];
        let (key, content) = out.split_at_mut(8);
        key.copy_from_slice(&self.key.to_be_bytes());
        content.copy_from_slice(&self.content);
        out
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (key, content) = bytes.split_first_chunk()?;
        Some(Self { key: u64::from_be_bytes(*key), content: *content.first_chunk()? })
    }
}

/// What the index knows about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    /// How often a record with its native id was recorded.
    pub(crate) deliveries: u32,
    /// Whether one of those had the same content.
    pub(crate) is_known: bool,
}

/// Keys are digests already.
#[derive(Debug, Default)]
struct KeyHasher(u64);

impl std::hash::Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Keys are u64; this keeps the hasher right for anything else.
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

type ByKey<V> = HashMap<u64, V, std::hash::BuildHasherDefault<KeyHasher>>;

/// The index of one trail.
#[derive(Debug)]
pub(crate) struct SeenIndex {
    folder: PathBuf,
    /// The first recent delivery of each key; nearly all have no other.
    memory: ByKey<Seen>,
    /// The further ones.
    memory_more: ByKey<Vec<Seen>>,
    runs: Vec<Run>,
    /// Everything below this position is in runs.
    flushed_to: u64,
    /// Everything below this position is known.
    size: u64,
}

impl SeenIndex {
    /// Opens the runs in `folder`. What they do not cover must be [`insert`](Self::insert)ed again.
    /// A run that does not check is set aside with all later ones: they are rebuilt, not trusted.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, StoreError> {
        fs::create_dir_all(&folder).map_err(|e| StoreError::file(&folder, e))?;
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).map_err(|e| StoreError::file(&folder, e))? {
            let path = entry.map_err(|e| StoreError::file(&folder, e))?.path();
            if let Some((from, to)) = Run::parse_name(&path) {
                names.push((from, std::cmp::Reverse(to), path));
            }
        }
        names.sort();
        let mut index = Self {
            folder,
            memory: ByKey::default(),
            memory_more: ByKey::default(),
            runs: Vec::new(),
            flushed_to: 0,
            size: 0,
        };
        for (from, std::cmp::Reverse(to), path) in names {
            // A wider run sorts first; what it replaced is a leftover of a merge.
            let run = if from == index.flushed_to { Run::open(&path, from, to)? } else { None };
            match run {
                Some(run) => {
                    index.flushed_to = to;
                    index.runs.push(run);
                }
                None => fs::remove_file(&path).map_err(|e| StoreError::file(&path, e))?,
            }
        }
        index.size = index.flushed_to;
        Ok(index)
    }

    /// Positions below this are known.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// What was delivered under the key of `seen`.
    pub(crate) fn find(&self, seen: Seen) -> Result<Earlier, StoreError> {
        let mut found = Vec::new();
        for run in &self.runs {
            if run.bloom.may_contain(seen.key) {
                run.find(seen.key, &mut found).map_err(|e| StoreError::file(&run.path, e))?;
            }
        }
        if let Some(first) = self.memory.get(&seen.key) {
            found.push(*first);
            found.extend(self.memory_more.get(&seen.key).into_iter().flatten());
        }
        let deliveries = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let is_known = found.iter().any(|one| *one == seen || one.content == ERASED);
        Ok(Earlier { deliveries, is_known })
    }

    /// Adds the record at the next position.
    pub(crate) fn insert(&mut self, seen: Seen) {
        if let Some(first) = self.memory.insert(seen.key, seen) {
            self.memory_more.entry(seen.key).or_default().push(first);
        }
        self.size += 1;
    }

    /// Whether [`maintain`](Self::maintain) would write.
    pub(crate) fn is_full(&self) -> bool {
        self.size - self.flushed_to >= MEMORY_ENTRIES_MAX as u64
    }

    /// Moves memory to a run when there is much of it, and merges runs when there are many.
    pub(crate) fn maintain(&mut self) -> Result<(), StoreError> {
        if self.is_full() { self.flush() } else { Ok(()) }
    }

    /// The same when the trail closes, so that opening does not have to read the newest records again. All
    /// that was inserted must be committed.
    pub(crate) fn close(&mut self) -> Result<(), StoreError> {
        if self.size - self.flushed_to >= CLOSE_ENTRIES_MIN { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let mut entries: Vec<Seen> = self.memory.drain().map(|(_, seen)| seen).collect();
        entries.extend(self.memory_more.drain().flat_map(|(_, more)| more));
        entries.sort_unstable();
        let entries = entries.into_iter().map(Ok);
        let run = Run::write(&self.folder, self.flushed_to, self.size, entries)?;
        self.runs.push(run);
        self.flushed_to = self.size;
        self.merge()
    }

    fn merge(&mut self) -> Result<(), StoreError> {
        while let Some(first) = self.runs_to_merge() {
            let Some(last) = self.runs.get(first..) else { break };
            let (Some(oldest), Some(newest)) = (last.first(), last.last()) else { break };
            let merged = Run::write(&self.folder, oldest.from, newest.to, Merge::new(last))?;
            for old in self.runs.drain(first..) {
                fs::remove_file(&old.path).map_err(|e| StoreError::file(&old.path, e))?;
            }
            self.runs.push(merged);
        }
        Ok(())
    }

    /// From which run on the last ones are merged: a tier that is full, or one run before a far longer one, as
    /// closing leaves them. So runs get shorter towards the end, and a tier is never broken for good.
    fn runs_to_merge(&self) -> Option<usize> {
        let last = |count: usize| self.runs.get(self.runs.len().checked_sub(count)?..);
        let is_out_of_order = last(2).is_some_and(|two| matches!(two, [a, b] if a.entries * 2 < b.entries));
        let count = if is_out_of_order { 2 } else { RUNS_PER_TIER };
        (is_out_of_order || last(count).is_some_and(is_one_tier)).then(|| self.runs.len() - count)
    }
}

/// Runs belong to one tier if none is more than twice as long as another.
fn is_one_tier(runs: &[Run]) -> bool {
    let longest = runs.iter().map(|run| run.entries).max().unwrap_or(0);
    runs.iter().all(|run| run.entries * 2 >= longest)
}

/// An immutable sorted file: entries, bloom filter, number of entries, [`MAGIC`], SHA-256 of all before.
#[derive(Debug)]
struct Run {
    path: PathBuf,
    file: File,
    from: u64,
    to: u64,
    entries: u64,
    bloom: Bloom,
}

impl Run {
    fn parse_name(path: &Path) -> Option<(u64, u64)> {
        let name = path.file_name()?.to_str()?.strip_suffix(".seen")?;
        let (from, to) = name.split_once('-')?;
        Some((from.parse().ok()?, to.parse().ok()?))
    }

    /// Writes the entries, which are sorted, one for each position; memory does not grow with their number
    /// but for the filter.
    fn write(
        folder: &Path,
        from: u64,
        to: u64,
        entries: impl Iterator<Item = io::Result<Seen>>,
    ) -> Result<Self, StoreError> {
        let path = folder.join(format!("{from:020}-{to:020}.seen"));
        let count = to - from;
        let mut bloom = Bloom::with_capacity(usize::try_from(count).unwrap_or(usize::MAX));
        let written = durable::replace_file(&path, |file| {
            let mut out = Hashing { out: BufWriter::new(file), hash: Sha256::new() };
            let mut left = count;
            for entry in entries {
                let entry = entry?;
                left =
                    left.checked_sub(1).ok_or_else(|| io::Error::other("an index has too many entries"))?;
                bloom.insert(entry.key);
                out.write_all(&entry.to_bytes())?;
            }
            if left > 0 {
                return Err(io::Error::other(format!("{left} entries of an index are missing")));
            }
            for word in &bloom.words {
                out.write_all(&word.to_be_bytes())?;
            }
            out.write_all(&count.to_be_bytes())?;
            out.write_all(&MAGIC)?;
            let Hashing { mut out, hash } = out;
            out.write_all(&hash.finalize())?;
            out.flush()
        });
        written.map_err(|e| StoreError::file(&path, e))?;
        let file = File::open(&path).map_err(|e| StoreError::file(&path, e))?;
        Ok(Self { path, file, from, to, entries: count, bloom })
    }

    /// `None` if the file does not check.
    fn open(path: &Path, from: u64, to: u64) -> Result<Option<Self>, StoreError> {
        Self::check(path, from, to).map_err(|e| StoreError::file(path, e))
    }

    fn check(path: &Path, from: u64, to: u64) -> io::Result<Option<Self>> {
        const END_BYTES: u64 = 8 + MAGIC.len() as u64 + 32;
        let file = File::open(path)?;
        let entries = to - from;
        let entries_bytes = entries.saturating_mul(ENTRY_BYTES as u64);
        let Some(words_bytes) = file.metadata()?.len().checked_sub(entries_bytes.saturating_add(END_BYTES))
        else {
            return Ok(None);
        };
        let mut hashed = Hashing { out: io::sink(), hash: Sha256::new() };
        let mut body = BufReader::with_capacity(READ_BYTES, &file).take(entries_bytes);
        io::copy(&mut body, &mut hashed)?;
        let mut rest = Vec::new();
        let mut tail = body.into_inner();
        tail.by_ref().take(words_bytes + END_BYTES).read_to_end(&mut rest)?;
        let Some((ended, checksum)) = rest.split_last_chunk::<32>() else { return Ok(None) };
        let hash = hashed.hash.chain_update(ended);
        let Some((words, count)) = ended.strip_suffix(&MAGIC).and_then(<[u8]>::split_last_chunk::<8>) else {
            return Ok(None);
        };
        if hash.finalize()[..] != checksum[..] || u64::from_be_bytes(*count) != entries {
            return Ok(None);
        }
        let words =
            words.chunks_exact(8).filter_map(|w| w.first_chunk()).map(|w| u64::from_be_bytes(*w)).collect();
        Ok(Some(Self { path: path.to_owned(), file, from, to, entries, bloom: Bloom { words } }))
    }

    fn read(&self, from: u64, to: u64, out: &mut Vec<Seen>) -> io::Result<()> {
        let count = usize::try_from(to - from).map_err(io::Error::other)?;
        let mut bytes = vec![0; count * ENTRY_BYTES];
        self.file.read_exact_at(&mut bytes, from * ENTRY_BYTES as u64)?;
        out.extend(bytes.chunks_exact(ENTRY_BYTES).filter_map(Seen::from_bytes));
        Ok(())
    }

    /// Every entry, in order.
    fn iter(&self) -> impl Iterator<Item = io::Result<Seen>> + '_ {
        const AT_ONCE: u64 = (READ_BYTES / ENTRY_BYTES) as u64;
        (0..self.entries.div_ceil(AT_ONCE)).flat_map(move |block| {
            let from = block * AT_ONCE;
            let mut entries = Vec::new();
            let read = self.read(from, (from + AT_ONCE).min(self.entries), &mut entries);
            entries.into_iter().map(Ok).chain(read.err().map(Err))
        })
    }

    fn find(&self, key: u64, found: &mut Vec<Seen>) -> io::Result<()> {
        let guess = (u128::from(key) * u128::from(self.entries)) >> 64;
        let guess = u64::try_from(guess).expect("a share of a u64 is a u64");
        let (mut low, mut high) =
            (guess.saturating_sub(WINDOW_ENTRIES / 2), (guess + WINDOW_ENTRIES / 2).min(self.entries));
        let mut window = Vec::new();
        loop {
            window.clear();
            self.read(low, high, &mut window)?;
            // Widen until the key's whole range lies strictly inside, or at the end of the file.
            let is_left = low > 0 && window.first().is_some_and(|first| first.key >= key);
            let is_right = high < self.entries && window.last().is_some_and(|last| last.key <= key);
            if !is_left && !is_right {
                break;
            }
            let step = (high - low).max(WINDOW_ENTRIES);
            low = if is_left { low.saturating_sub(step) } else { low };
            high = if is_right { (high + step).min(self.entries) } else { high };
        }
        found.extend(window.iter().filter(|seen| seen.key == key));
        Ok(())
    }
}

/// Several sorted runs as one.
struct Merge<I: Iterator<Item = io::Result<Seen>>> {
    runs: Vec<Peekable<I>>,
}

impl<'a> Merge<Box<dyn Iterator<Item = io::Result<Seen>> + 'a>> {
    fn new(runs: &'a [Run]) -> Self {
        Self {
            runs: runs
                .iter()
                .map(|run| (Box::new(run.iter()) as Box<dyn Iterator<Item = _>>).peekable())
                .collect(),
        }
    }
}

impl<I: Iterator<Item = io::Result<Seen>>> Iterator for Merge<I> {
    type Item = io::Result<Seen>;

    fn next(&mut self) -> Option<Self::Item> {
        // An error goes first: it ends the merge.
        let order = |run: &mut Peekable<I>| match run.peek() {
            Some(Ok(seen)) => Some((1, Some(*seen))),
            Some(Err(_)) => Some((0, None)),
            None => None,
        };
        let first =
            self.runs.iter_mut().filter_map(|run| Some((order(run)?, run))).min_by_key(|(order, _)| *order);
        first.and_then(|(_, run)| run.next())
    }
}

/// Hashes what is written.
struct Hashing<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
#[path = "seen_tests.rs"]
mod tests;
