//! Lines of bounded length, read one at a time.

use std::io::{BufRead, BufReader, Read};

use crate::contract::{RECORD_BYTES_MAX, ReadError};

/// Lines of bounded length.
pub(crate) struct Lines<R> {
    input: BufReader<R>,
    line: u64,
    bytes: Vec<u8>,
}

impl<R: Read> Lines<R> {
    /// Nothing read yet.
    pub(crate) fn new(input: R) -> Self {
        Self { input: BufReader::new(input), line: 0, bytes: Vec::new() }
    }

    /// The line that was read last, without its end.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its number, counted from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// What follows the line.
    pub(crate) fn input(&mut self) -> &mut impl BufRead {
        &mut self.input
    }

    /// Reads the next line, without its end; says whether all of it was kept.
    pub(crate) fn next(&mut self) -> Result<Option<bool>, ReadError> {
        self.bytes.clear();
        let read = (&mut self.input).take(RECORD_BYTES_MAX as u64 + 1).read_until(b'\n', &mut self.bytes)?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        let is_whole = self.bytes.ends_with(b"\n") || read <= RECORD_BYTES_MAX;
        if !is_whole {
            self.skip_line()?;
        }
        while self.bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            self.bytes.pop();
        }
        Ok(Some(is_whole))
    }

    fn skip_line(&mut self) -> Result<(), ReadError> {
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = memchr::memchr(b'\n', buffer);
            let used = end.map_or(buffer.len(), |at| at + 1);
            self.input.consume(used);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}
