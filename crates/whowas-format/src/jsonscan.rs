//! Finds where a JSON value ends, without understanding it, in one pass over chunks of any size.
//!
//! Knows strings, brackets and lines; whether the value is right inside is found out by whoever parses it.

use memchr::memchr3;

/// The deepest nesting that is followed: that of serde_json.
pub(crate) const DEPTH_MAX: u32 = 127;

/// Names of the array of records in an object around it: Graph and OData, Azure Monitor, AWS.
const WRAPPER_NAMES: [&[u8]; 3] = [b"value", b"records", b"Records"];

/// Stands for the bracket that opens the array of a wrapper, as the byte before.
const WRAPPER_OPENED: u8 = 0;

/// What a chunk led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Not the end yet.
    More,
    /// The value is complete.
    Complete,
    /// The value is a wrapper; its records begin here.
    Wrapper,
    /// The value is not closed where another one begins on a line of its own.
    CutOff,
    /// No parser could read this.
    Broken(&'static str),
}

/// Where in a value the scan is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scanner {
    depth: u32,
    /// One bit a level, the innermost lowest: whether it is an array.
    arrays: u128,
    is_in_string: bool,
    is_escaped: bool,
    is_at_line_start: bool,
    /// Whether the value goes over several lines so far.
    pub(crate) has_lines: bool,
    /// The last byte that is no space, outside of strings.
    before: u8,
    /// Whether to look for the array of a wrapper.
    finds_wrapper: bool,
    is_in_key: bool,
    key: Vec<u8>,
}

impl Scanner {
    /// For a value.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// For an object that may be a wrapper of records.
    pub(crate) fn for_wrapper() -> Self {
        Self { finds_wrapper: true, ..Self::default() }
    }

    /// For the rest of an object whose beginning is read.
    pub(crate) fn within_object() -> Self {
        Self { depth: 1, ..Self::default() }
    }

    /// Whether the scan is outside of all brackets and strings.
    pub(crate) fn is_at_start(&self) -> bool {
        self.depth == 0 && !self.is_in_string
    }

    /// Goes on with the next bytes; tells how many of them belong to the value.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> (usize, Step) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.is_in_string {
                let rest = bytes.get(at..).unwrap_or_default();
                let (taken, step) = self.string(rest);
                at += taken;
                if step != Step::More {
                    return (at, step);
                }
                continue;
            }
            if let Some(step) = self.structure(byte) {
                return (at + usize::from(step == Step::Complete), step);
            }
            at += 1;
        }
        (at, Step::More)
    }

    /// Bytes of a string, up to its end or a byte that matters.
    fn string(&mut self, bytes: &[u8]) -> (usize, Step) {
        if self.is_escaped {
            self.is_escaped = false;
            return (1, Step::More);
        }
        let special = memchr3(b'"', b'\\', b'\n', bytes);
        if self.is_in_key && self.key.len() < 16 {
            self.key
                .extend_from_slice(bytes.get(..special.unwrap_or(bytes.len()).min(16)).unwrap_or_default());
        }
        let Some(at) = special else { return (bytes.len(), Step::More) };
        match bytes.get(at) {
            Some(b'\\') => self.is_escaped = true,
            Some(b'\n') => return (at, Step::Broken("a line ends within a string")),
            _ => (self.is_in_string, self.is_in_key) = (false, false),
        }
        (at + 1, Step::More)
    }

    /// One byte outside of strings.
    fn structure(&mut self, byte: u8) -> Option<Step> {
        let was_at_line_start = std::mem::replace(&mut self.is_at_line_start, byte == b'\n');
        match byte {
            b' ' | b'\t' | b'\r' => return None,
            b'\n' => {
                self.has_lines = true;
                return None;
            }
            b'"' => {
                let is_key_place =
                    self.depth == 1 && self.arrays & 1 == 0 && matches!(self.before, b'{' | b',');
                self.is_in_key = self.finds_wrapper && is_key_place;
                if self.is_in_key {
                    self.key.clear();
                }
                self.is_in_string = true;
            }
            b'{' if was_at_line_start && self.depth > 0 && self.before != WRAPPER_OPENED => {
                return Some(Step::CutOff);
            }
            b'{' | b']' if self.finds_wrapper && self.depth > 0 && self.before == WRAPPER_OPENED => {
                return Some(Step::Wrapper);
            }
            b'{' | b'[' => return self.open(byte),
            b'}' | b']' => return self.close(byte),
            _ => {}
        }
        self.before = byte;
        None
    }

    fn open(&mut self, byte: u8) -> Option<Step> {
        if self.depth == DEPTH_MAX {
            return Some(Step::Broken("nested deeper than 127 levels"));
        }
        let is_wrapper = self.finds_wrapper
            && (self.depth, self.before, byte) == (1, b':', b'[')
            && WRAPPER_NAMES.contains(&self.key.as_slice());
        self.depth += 1;
        self.arrays = self.arrays << 1 | u128::from(byte == b'[');
        self.before = if is_wrapper { WRAPPER_OPENED } else { byte };
        None
    }

    fn close(&mut self, byte: u8) -> Option<Step> {
        if self.depth == 0 || (self.arrays & 1 == 1) != (byte == b']') {
            return Some(Step::Broken(if byte == b']' {
                "a ] that closes nothing"
            } else {
                "a } that closes nothing"
            }));
        }
        self.depth -= 1;
        self.arrays >>= 1;
        self.before = byte;
        (self.depth == 0).then_some(Step::Complete)
    }
}
