//! Reading in chunks, so that an error costs nothing of what was read before it.

use std::io::{self, Read};

/// An error that is told at the next reading, because there were bytes before it.
#[derive(Debug, Default)]
pub(crate) struct Postponed(Option<io::Error>);

impl Postponed {
    /// Reads up to `n` bytes behind those in `out`; 0 only at the end.
    pub(crate) fn read(
        &mut self,
        input: &mut (impl Read + ?Sized),
        n: usize,
        out: &mut Vec<u8>,
    ) -> io::Result<usize> {
        if let Some(error) = self.0.take() {
            return Err(error);
        }
        let before = out.len();
        match input.take(n as u64).read_to_end(out) {
            Err(error) if out.len() > before => self.0 = Some(error),
            result => return result,
        }
        Ok(out.len() - before)
    }
}

/// An input of which the beginning was read already.
pub(crate) struct Begun<R> {
    beginning: io::Cursor<Vec<u8>>,
    postponed: Postponed,
    rest: R,
}

impl<R: Read> Begun<R> {
    /// Reads the beginning; the whole is read from the result.
    pub(crate) fn new(mut rest: R, n: usize) -> io::Result<(Vec<u8>, Self)> {
        let (mut beginning, mut postponed) = (Vec::new(), Postponed::default());
        postponed.read(&mut rest, n, &mut beginning)?;
        Ok((beginning.clone(), Self { beginning: io::Cursor::new(beginning), postponed, rest }))
    }
}

impl<R: Read> Read for Begun<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.beginning.read(out)? {
            0 if !out.is_empty() => match self.postponed.0.take() {
                Some(error) => Err(error),
                None => self.rest.read(out),
            },
            read => Ok(read),
        }
    }
}
