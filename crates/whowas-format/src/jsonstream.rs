//! JSON records, one at a time, out of every framing that log exports come in.
//!
//! * one object a line (NDJSON, JSON Lines), also with commas behind the lines;
//! * an array of objects;
//! * an object around such an array, under `value` (Graph) or `records` (Azure Monitor);
//! * several of these after another, pretty-printed or not, with or without line breaks between them.
//!
//! Memory does not grow with the input: no more than a record and a chunk are held. What is damaged costs
//! as little as can be told: a bad line its line, a bad element of an array its own place.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memmem, memrchr};
use serde_json::{Map, Value};

use crate::{
    chunk::{Begun, Postponed},
    contract::{PROBLEM_RAW_BYTES_MAX, Place, Problem, RECORD_BYTES_MAX, ReadError, Sample, Stop},
    jsonscan::{Scanner, Step},
};

/// How many bytes are asked of the input at once.
const READ_BYTES: usize = 256 * 1024;

/// The bytes of one record and where they stand.
#[derive(Clone, Copy, Debug)]
pub struct JsonRecord<'a> {
    /// Where it begins.
    pub place: Place,
    /// An object, if the JSON is right.
    pub raw: &'a [u8],
}

impl JsonRecord<'_> {
    /// A problem with the record as a whole: its place is where the record begins.
    pub fn problem(&self, reason: impl Into<String>) -> Problem {
        problem(self.place, reason, self.raw)
    }

    /// A problem with the value of a member: its place is the member's name, if that is there once.
    pub fn problem_at(&self, member: &str, reason: impl Into<String>) -> Problem {
        let quoted = format!("\"{member}\"");
        let mut found = memmem::find_iter(self.raw, quoted.as_bytes());
        let place = match (found.next(), found.next()) {
            (Some(at), None) => self.place_of(at),
            _ => self.place,
        };
        problem(place, reason, self.raw)
    }

    /// A problem that the parser found, with its place in the input.
    pub fn parse_problem(&self, error: &serde_json::Error) -> Problem {
        let text = error.to_string();
        let reason = text.rfind(" at line ").and_then(|at| text.get(..at)).unwrap_or(&text);
        let reason = match (error.is_data(), reason.ends_with("is given twice")) {
            (true, true) => format!("{reason}: remove one of them"),
            (true, false) => reason.to_owned(),
            (false, _) => format!("not valid JSON: {reason}: {REPAIR}"),
        };
        // The parser counts bytes, lines and columns from 1; column 0 is a line's beginning.
        let line_start = match error.line() {
            0 | 1 => 0,
            line => memchr_iter(b'\n', self.raw).nth(line - 2).map_or(0, |at| at + 1),
        };
        problem(self.place_of(line_start + error.column().saturating_sub(1)), reason, self.raw)
    }

    /// Where the byte `at` of the record stands in the input.
    fn place_of(&self, at: usize) -> Place {
        let before = self.raw.get(..at).unwrap_or(self.raw);
        let place = Place { line: self.place.line, column: self.place.column, ..self.place };
        behind(place, before)
    }
}

/// What is wrong if the last bracket of a wrapper is missing.
const AROUND_CUT_OFF: &str =
    "the JSON ends within what is around its records: the file is cut off; export or copy it again";
/// What to do about a record that is damaged.
const REPAIR: &str = "correct it, or export the file again, and import it once more";

/// The place behind `passed`, which begins at `place`. Columns count characters.
fn behind(place: Place, passed: &[u8]) -> Place {
    let (lines, column) = match memrchr(b'\n', passed) {
        None => (0, place.column.unwrap_or(1) + characters(passed)),
        Some(last) => {
            let line = passed.get(last + 1..).unwrap_or_default();
            (memchr_iter(b'\n', passed).count() as u64, 1 + characters(line))
        }
    };
    Place { line: place.line.map(|line| line + lines), column: Some(column), ..place }
}

/// How many characters begin in `bytes`.
fn characters(bytes: &[u8]) -> u64 {
    // Bytes that go on with a character are 10xxxxxx in UTF-8.
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64
}

/// Receives records and what is none.
pub type Each<'a> = dyn FnMut(Result<JsonRecord<'_>, Problem>) -> Result<(), Stop> + 'a;

/// Reads all records of an input; returns how many there were, damaged ones included.
pub fn read_records(input: &mut dyn Read, each: &mut Each<'_>) -> Result<u64, ReadError> {
    read_records_within(input, RECORD_BYTES_MAX, each)
}

/// The same where records may be larger, or must be smaller.
pub fn read_records_within(
    input: &mut dyn Read,
    record_bytes_max: usize,
    each: &mut Each<'_>,
) -> Result<u64, ReadError> {
    let mut stream = Stream {
        input,
        record_bytes_max,
        postponed: Postponed::default(),
        bytes: Vec::new(),
        at: 0,
        is_at_end: false,
        line: 1,
        column: 1,
        records: 0,
        frame: Frame::Top,
        may_wrap: true,
    };
    stream.run(each)?;
    Ok(stream.records)
}

/// The first complete record of a sample that is an object.
pub fn first_object(sample: Sample<'_>) -> Option<Map<String, Value>> {
    first_objects(sample, 1).pop()
}

/// Up to `n` complete records of a sample that are objects.
pub fn first_objects(sample: Sample<'_>, n: usize) -> Vec<Map<String, Value>> {
    let mut objects = Vec::new();
    let mut bytes = sample.bytes;
    let _ = read_records(&mut bytes, &mut |found| {
        objects.extend(found.ok().and_then(|record| serde_json::from_slice(record.raw).ok()));
        if objects.len() < n { Ok(()) } else { Err(Stop) }
    });
    objects
}

/// Whether a text begins like JSON, which keeps table readers and others away.
pub fn is_json_like(sample: Sample<'_>) -> bool {
    matches!(sample.bytes.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// How much space may stand before the first brace of JSON.
const JSON_HEAD_BYTES: usize = 4096;

/// Whether an input begins like JSON; the whole is read from what comes back with that.
pub(crate) fn begins_like_json(input: &mut dyn Read) -> io::Result<(bool, impl Read)> {
    let (head, whole) = Begun::new(input, JSON_HEAD_BYTES)?;
    Ok((is_json_like(Sample { bytes: &head, is_whole: false }), whole))
}

/// What is around the next record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    Top,
    Array,
    WrappedArray,
}

struct Stream<'r> {
    input: &'r mut dyn Read,
    record_bytes_max: usize,
    postponed: Postponed,
    bytes: Vec<u8>,
    at: usize,
    is_at_end: bool,
    /// The line of `at`, and its column on that line, both from 1.
    line: u64,
    column: u64,
    records: u64,
    frame: Frame,
    /// Whether every object at the top is looked through for an array of records.
    may_wrap: bool,
}

impl Stream<'_> {
    fn run(&mut self, each: &mut Each<'_>) -> Result<(), ReadError> {
        while let Some(byte) = self.skip_space()? {
            match (self.frame, byte) {
                (Frame::Top, b'{') => self.object(each)?,
                (_, b'{') => self.value(Scanner::new(), each)?,
                (Frame::Top, b'[') => {
                    self.advance(1);
                    self.frame = Frame::Array;
                }
                (_, b',') => self.advance(1),
                (Frame::Array, b']') => {
                    self.advance(1);
                    self.frame = Frame::Top;
                }
                (Frame::WrappedArray, b']') => {
                    self.advance(1);
                    self.frame = Frame::Top;
                    self.value(Scanner::within_object(), each)?;
                }
                (Frame::Top, _) => self.stray_line(each)?,
                (_, _) => self.stray_element(each)?,
            }
        }
        if self.frame != Frame::Top {
            let reason =
                "the JSON ends before its array is closed: the file is cut off; export or copy it again";
            self.report(reason, &[], each)?;
        }
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Reads more behind the rest; whether there was more.
    fn fill(&mut self) -> io::Result<bool> {
        self.bytes.drain(..self.at);
        self.at = 0;
        let read = self.postponed.read(self.input, READ_BYTES, &mut self.bytes)?;
        self.is_at_end |= read == 0;
        Ok(read > 0)
    }

    /// Goes on by `n` bytes.
    fn advance(&mut self, n: usize) {
        let passed = self.bytes.get(self.at..self.at + n).unwrap_or_default();
        let place = behind(self.place(), passed);
        self.line = place.line.unwrap_or(self.line);
        self.column = place.column.unwrap_or(1);
        self.at += n;
    }

    /// The next byte that is no space; `None` at the end.
    fn skip_space(&mut self) -> io::Result<Option<u8>> {
        loop {
            // 0x1e begins the records of RFC 7464.
            let is_space = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | 0x1e);
            match self.rest().iter().position(|b| !is_space(b)) {
                Some(at) => {
                    self.advance(at);
                    return Ok(self.rest().first().copied());
                }
                None => {
                    self.advance(self.rest().len());
                    if !self.fill()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The length of the rest of the line, as far as a record may go.
    fn line_bytes(&mut self) -> io::Result<usize> {
        let mut searched = 0;
        loop {
            let rest = self.rest();
            if let Some(at) = memchr(b'\n', rest.get(searched..).unwrap_or_default()) {
                return Ok(searched + at);
            }
            searched = rest.len();
            if searched > self.record_bytes_max || !self.fill()? {
                return Ok(searched);
            }
        }
    }

    /// An object at the top. Nearly always it is a line of NDJSON, and that is found out without looking
    /// at each byte.
    fn object(&mut self, each: &mut Each<'_>) -> Result<(), ReadError> {
        if !self.may_wrap {
            let line_bytes = self.line_bytes()?;
            let line = self.rest().get(..line_bytes).unwrap_or_default().trim_ascii_end();
            if line.len() <= self.record_bytes_max && is_one_record(line) {
                let place = Place { record: self.records + 1, ..self.place() };
                each(Ok(JsonRecord { place, raw: line }))?;
                self.records += 1;
                self.column += characters(self.rest().get(..line_bytes).unwrap_or_default());
                self.at += line_bytes;
                return Ok(());
            }
        }
        self.value(Scanner::for_wrapper(), each)
    }

    fn place(&self) -> Place {
        Place { record: self.records, line: Some(self.line), column: Some(self.column) }
    }

    /// Reads a value to its end and hands it on; or the rest of a wrapper, of which only problems are told.
    fn value(&mut self, mut scanner: Scanner, each: &mut Each<'_>) -> Result<(), ReadError> {
        let is_tail = !scanner.is_at_start();
        let place = Place { record: self.records + 1, ..self.place() };
        let mut head: Option<Vec<u8>> = None;
        let mut done = 0;
        let step = loop {
            let (taken, step) = scanner.feed(self.rest().get(done..).unwrap_or_default());
            done += taken;
            if done > self.record_bytes_max || (is_tail && step == Step::More) {
                let record = self.rest().get(..done).unwrap_or_default();
                head.get_or_insert_with(|| beginning(record).to_vec());
                self.advance(done);
                done = 0;
            }
            if step != Step::More || !self.fill()? {
                break step;
            }
        };
        if step == Step::Wrapper {
            self.frame = Frame::WrappedArray;
            self.advance(done);
            return Ok(());
        }
        if self.frame == Frame::Top && !is_tail {
            self.may_wrap = false;
        }
        if is_tail && step == Step::Complete {
            self.may_wrap = true;
            self.advance(done);
            return Ok(());
        }
        self.records += 1;
        let raw = self.rest().get(..done).unwrap_or_default();
        let told = match (&head, step) {
            (None, Step::Complete) => Ok(JsonRecord { place, raw }),
            (head, _) => {
                // Where it goes wrong, not where it begins; a giant goes wrong as a whole.
                let at = match step {
                    Step::Complete | Step::Wrapper => place,
                    Step::Broken(_) => behind(self.place(), raw),
                    Step::CutOff | Step::More => behind(self.place(), raw.trim_ascii_end()),
                };
                let at = Place { record: place.record, ..at };
                let reason = match (step, is_tail) {
                    (Step::More, true) => AROUND_CUT_OFF.to_owned(),
                    _ => reason(step, place, at, self.record_bytes_max),
                };
                Err(problem(at, reason, head.as_deref().unwrap_or(raw)))
            }
        };
        each(told)?;
        self.advance(done);
        if step == Step::More {
            self.frame = Frame::Top; // The missing end of what is around it is no second problem.
        }
        if matches!(step, Step::Broken(_)) {
            self.resume(scanner.has_lines)?;
        }
        Ok(())
    }

    /// Finds a place behind damage where a record may begin.
    fn resume(&mut self, has_lines: bool) -> Result<(), ReadError> {
        let is_line_of_its_own = self.frame == Frame::Top && !has_lines;
        loop {
            self.skip_line()?;
            if is_line_of_its_own || self.skip_space()?.is_none_or(|byte| byte == b'{') {
                return Ok(());
            }
        }
    }

    /// Goes to the end of the line and returns the beginning of what was passed.
    fn skip_line(&mut self) -> io::Result<Vec<u8>> {
        let mut head: Option<Vec<u8>> = None;
        loop {
            let line_bytes = self.line_bytes()?;
            let passed = self.rest().get(..line_bytes).unwrap_or_default();
            head.get_or_insert_with(|| beginning(passed).to_vec());
            self.advance(line_bytes);
            if !self.rest().is_empty() || !self.fill()? {
                return Ok(head.unwrap_or_default());
            }
        }
    }

    /// A line that begins with something else than an object.
    fn stray_line(&mut self, each: &mut Each<'_>) -> Result<(), ReadError> {
        let place = Place { record: self.records + 1, ..self.place() };
        self.records += 1;
        let line = self.skip_line()?;
        let reason = "not a JSON object: a line has one record in braces";
        Ok(each(Err(problem(place, reason, line.trim_ascii_end())))?)
    }

    /// An element of an array that is no object.
    fn stray_element(&mut self, each: &mut Each<'_>) -> Result<(), ReadError> {
        let mut scanner = Scanner::new();
        let mut head: Option<Vec<u8>> = None;
        let (place, mut is_first) = (Place { record: self.records + 1, ..self.place() }, true);
        // Up to the comma or bracket behind it, wherever they stand outside of its own brackets and strings.
        while let Some(&byte) = self.rest().first() {
            if !is_first && scanner.is_at_start() && matches!(byte, b',' | b']' | b'\n' | b'{') {
                break;
            }
            is_first = false;
            head.get_or_insert_default().push(byte);
            if let Some(head) = &mut head {
                head.truncate(PROBLEM_RAW_BYTES_MAX);
            }
            let (_, step) = scanner.feed(&[byte]);
            self.advance(1);
            if step == Step::CutOff || (self.rest().is_empty() && !self.fill()?) {
                break;
            }
        }
        self.records += 1;
        Ok(each(Err(problem(
            place,
            "an element of the array is not a JSON object: a record stands in braces",
            &head.unwrap_or_default(),
        )))?)
    }

    fn report(&mut self, reason: &str, raw: &[u8], each: &mut Each<'_>) -> Result<(), ReadError> {
        self.records += 1;
        Ok(each(Err(problem(self.place(), reason, raw)))?)
    }
}

/// Whether a line that begins with `{` is a record and nothing else, as far as that is quickly told.
fn is_one_record(line: &[u8]) -> bool {
    line.ends_with(b"}")
        && !may_be_wrapper(line)
        && memmem::find(line, b"}{").is_none()
        && memmem::find(line, b"} {").is_none()
}

fn may_be_wrapper(line: &[u8]) -> bool {
    let first = line.get(1..).unwrap_or_default().trim_ascii_start();
    [&b"\"@odata"[..], b"\"value\"", b"\"records\"", b"\"Records\""].iter().any(|key| first.starts_with(key))
}

/// What is wrong with a record that begins at `start` and goes wrong at `at`, and what to do.
fn reason(step: Step, start: Place, at: Place, bytes_max: usize) -> String {
    let begun = match (start.line, start.line == at.line) {
        (Some(line), false) => format!(" that begins on line {line}"),
        _ => String::new(),
    };
    match step {
        Step::Broken(reason) => format!("{reason}: {REPAIR}"),
        Step::CutOff => format!("the record{begun} is cut off, the next one begins behind it: {REPAIR}"),
        Step::More => format!(
            "the JSON ends in the middle of a record{begun}: the file is cut off; export or copy it again"
        ),
        Step::Complete | Step::Wrapper => {
            let mib = bytes_max >> 20;
            format!("the record is longer than {mib} MiB: shorten its texts at the source, or remove it")
        }
    }
}

fn beginning(raw: &[u8]) -> &[u8] {
    raw.get(..PROBLEM_RAW_BYTES_MAX).unwrap_or(raw)
}

fn problem(place: Place, reason: impl Into<String>, raw: &[u8]) -> Problem {
    Problem { place, reason: reason.into(), raw: beginning(raw).to_vec() }
}

#[cfg(test)]
#[path = "jsonstream_tests.rs"]
mod tests;
