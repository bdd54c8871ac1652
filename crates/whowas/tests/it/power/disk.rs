//! A file system that remembers what was fsynced. Stricter than any real one: a new file is only there after
//! its folder was fsynced, whatever happened to the file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::trace::Op;

const SECTOR: usize = 512;

/// What is left of what was not fsynced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Nothing.
    Synced,
    /// Everything.
    All,
    /// Any sectors of a file, and any beginning of the changes of a folder; a number to choose by.
    Torn(u64),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    durable: Vec<u8>,
    now: Vec<u8>,
    /// Where the file descriptor stands that writes without an offset.
    at: usize,
    /// Sectors that were written since.
    dirty: BTreeSet<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(usize),
    Folder,
}

/// Names that change together, and what each stands for afterward.
type Change = Vec<(PathBuf, Option<Node>)>;
/// Names and what they stand for.
type Names = BTreeMap<PathBuf, Node>;

#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    root: PathBuf,
    inodes: Vec<Inode>,
    durable: Names,
    now: Names,
    /// Changes of names that are not durable yet, by folder, in their order.
    pending: BTreeMap<PathBuf, Vec<Change>>,
}

/// The files below a folder.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

impl Disk {
    /// What lies in a folder, all of it durable.
    pub(super) fn new(root: &Path) -> Self {
        let mut disk = Self { root: root.to_owned(), ..Self::default() };
        disk.now.insert(root.to_owned(), Node::Folder);
        for path in files(root) {
            for folder in path.ancestors().skip(1).take_while(|folder| *folder != root) {
                disk.now.insert(folder.to_owned(), Node::Folder);
            }
            let bytes = fs::read(&path).unwrap();
            disk.inodes.push(Inode { durable: bytes.clone(), now: bytes, ..Inode::default() });
            disk.now.insert(path, Node::File(disk.inodes.len() - 1));
        }
        disk.durable = disk.now.clone();
        disk
    }

    pub(super) fn apply(&mut self, op: &Op) {
        match op {
            Op::Print(_) => {}
            Op::Open { path, is_cut } => {
                if !self.now.contains_key(path) {
                    self.inodes.push(Inode::default());
                    self.change(vec![(path.clone(), Some(Node::File(self.inodes.len() - 1)))]);
                }
                if let Some(inode) = self.inode(path) {
                    inode.at = 0;
                    if *is_cut {
                        inode.resize(0);
                    }
                }
            }
            Op::Write { path, offset, bytes } => {
                if let Some(inode) = self.inode(path) {
                    let at = offset.map_or(inode.at, |offset| usize::try_from(offset).unwrap());
                    inode.write(at, bytes);
                    inode.at = at + bytes.len();
                }
            }
            Op::Truncate(path, size) => {
                if let Some(inode) = self.inode(path) {
                    inode.resize(usize::try_from(*size).unwrap());
                }
            }
            Op::Sync(path) => self.sync(path),
            Op::Mkdir(path) => self.change(vec![(path.clone(), Some(Node::Folder))]),
            Op::Unlink(path) => self.change(vec![(path.clone(), None)]),
            Op::Link(from, to) => {
                let node = self.now.get(from).copied();
                self.change(vec![(to.clone(), node)]);
            }
            Op::Rename(from, to) => {
                let node = self.now.get(from).copied();
                self.change(vec![(from.clone(), None), (to.clone(), node)]);
            }
        }
    }

    fn inode(&mut self, path: &Path) -> Option<&mut Inode> {
        match self.now.get(path) {
            Some(Node::File(at)) => self.inodes.get_mut(*at),
            _ => None,
        }
    }

    /// A change of names that is seen as a whole or not at all.
    fn change(&mut self, names: Change) {
        for (path, node) in &names {
            set(&mut self.now, path, *node);
        }
        if let Some(folder) = names.last().and_then(|(path, _)| path.parent()) {
            self.pending.entry(folder.to_owned()).or_default().push(names);
        }
    }

    fn sync(&mut self, path: &Path) {
        match self.now.get(path) {
            Some(Node::Folder) => {
                for (path, node) in self.pending.remove(path).into_iter().flatten().flatten() {
                    set(&mut self.durable, &path, node);
                }
            }
            Some(Node::File(at)) => {
                if let Some(inode) = self.inodes.get_mut(*at) {
                    inode.durable.clone_from(&inode.now);
                    inode.dirty.clear();
                }
            }
            None => {}
        }
    }

    /// Writes what is left after a loss of power into a folder.
    pub(super) fn write(&self, folder: &Path, kept: Kept) {
        let mut random = match kept {
            Kept::Torn(seed) => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            _ => 1,
        };
        let mut names = if kept == Kept::All { self.now.clone() } else { self.durable.clone() };
        if let Kept::Torn(_) = kept {
            for changes in self.pending.values() {
                let count = next(&mut random) % (changes.len() + 1);
                for (path, node) in changes.iter().take(count).flatten() {
                    set(&mut names, path, *node);
                }
            }
        }
        for (path, node) in &names {
            // What lies in a folder that is not there is not there.
            let parents = path.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.root));
            let is_there = parents.into_iter().all(|folder| names.get(folder) == Some(&Node::Folder));
            let target = folder.join(path.strip_prefix(&self.root).unwrap());
            match node {
                _ if !is_there => {}
                Node::Folder => fs::create_dir_all(target).unwrap(),
                Node::File(at) => {
                    let inode = &self.inodes[*at];
                    let bytes = match kept {
                        Kept::Synced => inode.durable.clone(),
                        Kept::All => inode.now.clone(),
                        Kept::Torn(_) => inode.torn(&mut random),
                    };
                    fs::write(target, bytes).unwrap();
                }
            }
        }
    }
}

fn set(names: &mut Names, path: &Path, node: Option<Node>) {
    match node {
        Some(node) => drop(names.insert(path.to_owned(), node)),
        None => drop(names.remove(path)),
    }
}

fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 17).unwrap()
}

impl Inode {
    fn resize(&mut self, size: usize) {
        let range = self.now.len().min(size) / SECTOR..self.now.len().max(size).div_ceil(SECTOR);
        self.dirty.extend(range);
        self.now.resize(size, 0);
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if self.now.len() < end {
            self.now.resize(end, 0);
        }
        self.now[at..end].copy_from_slice(bytes);
        self.dirty.extend(at / SECTOR..end.div_ceil(SECTOR));
    }

    /// Each dirty sector as it was or as it is; the size one of the two.
    fn torn(&self, random: &mut u64) -> Vec<u8> {
        let size = if next(random).is_multiple_of(2) { self.now.len() } else { self.durable.len() };
        let mut bytes = self.durable.clone();
        bytes.resize(size, 0);
        for sector in &self.dirty {
            let (start, end) = (sector * SECTOR, ((sector + 1) * SECTOR).min(size).min(self.now.len()));
            if start < end && next(random).is_multiple_of(2) {
                bytes[start..end].copy_from_slice(&self.now[start..end]);
            }
        }
        bytes
    }
}
