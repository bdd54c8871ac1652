//! Reading what `strace -f -y -xx` wrote: calls that changed files, in the order in which they ended.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// One call.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A file that is there from now on, empty if it was cut to nothing.
    Open {
        path: PathBuf,
        is_cut: bool,
    },
    /// Bytes at an offset, or after what the file descriptor wrote before.
    Write {
        path: PathBuf,
        offset: Option<u64>,
        bytes: Vec<u8>,
    },
    Truncate(PathBuf, u64),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Unlink(PathBuf),
    Mkdir(PathBuf),
    /// On standard output: somebody was told.
    Print(String),
}

/// The calls on what lies below `root`.
pub(super) fn parse(trace: &str, root: &Path) -> Vec<Op> {
    let mut open: HashMap<&str, String> = HashMap::new();
    let mut ops = Vec::new();
    for line in trace.lines() {
        let Some((pid, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some(start) = call.strip_suffix(" <unfinished ...>") {
            open.insert(pid, start.to_owned());
            continue;
        }
        let whole = match call.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            Some((_, end)) => open.remove(pid).unwrap_or_default() + end,
            None => call.to_owned(),
        };
        ops.extend(op(&whole, root));
    }
    ops
}

/// The call, if it worked and is about something below `root` or standard output.
fn op(call: &str, root: &Path) -> Option<Op> {
    let (name, rest) = call.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    let paths: Vec<PathBuf> = pieces(arguments, '<', '>').into_iter().map(path).collect();
    let texts = pieces(arguments, '"', '"');
    let below = |path: &PathBuf| path.starts_with(root);
    let first = || paths.first().filter(|path| below(path)).cloned();
    let named = |at: usize| {
        let text = path(texts.get(at)?.clone());
        let text = if text.is_absolute() { text } else { root.join(text) };
        below(&text).then_some(text)
    };
    let number = |text: &str| text.trim().trim_end_matches(')').parse::<u64>().ok();
    let last = || arguments.trim_end_matches(')').rsplit(", ").next().and_then(number);
    match name {
        "openat" | "creat" => {
            let is_made = name == "creat" || arguments.contains("O_CREAT");
            let is_cut = name == "creat" || arguments.contains("O_TRUNC");
            let opened = pieces(result, '<', '>').into_iter().map(path).next()?;
            (below(&opened) && (is_made || is_cut)).then_some(Op::Open { path: opened, is_cut })
        }
        "write" if arguments.starts_with("1<") => {
            Some(Op::Print(String::from_utf8(texts.first()?.clone()).ok()?))
        }
        "write" => Some(Op::Write { path: first()?, offset: None, bytes: texts.first()?.clone() }),
        "pwrite64" => Some(Op::Write { path: first()?, offset: last(), bytes: texts.first()?.clone() }),
        "ftruncate" => Some(Op::Truncate(first()?, last()?)),
        "fsync" | "fdatasync" => Some(Op::Sync(first()?)),
        "rename" | "renameat" | "renameat2" => Some(Op::Rename(named(0)?, named(1)?)),
        "link" | "linkat" => Some(Op::Link(named(0)?, named(1)?)),
        "unlink" | "unlinkat" | "rmdir" => Some(Op::Unlink(named(0)?)),
        "mkdir" | "mkdirat" => Some(Op::Mkdir(named(0)?)),
        // Whoever uses another call must teach it to the model.
        _ => first().map(|path| panic!("{name} on {}", path.display())),
    }
}

fn path(bytes: Vec<u8>) -> PathBuf {
    let text = String::from_utf8(bytes).unwrap();
    PathBuf::from(text.strip_suffix(" (deleted)").unwrap_or(&text))
}

/// The texts between two characters, which never stand inside of them: every byte is `\xNN`.
fn pieces(text: &str, open: char, close: char) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(open) {
        let Some((piece, after)) = after.split_once(close) else { break };
        let bytes = piece.split("\\x").skip(1).map(|hex| u8::from_str_radix(hex, 16).unwrap());
        found.push(bytes.collect());
        rest = after;
    }
    found
}
