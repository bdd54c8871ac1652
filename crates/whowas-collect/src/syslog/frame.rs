//! Messages out of a stream of bytes: both framings of RFC 6587, told apart message by message, as senders may mix them.
//!
//! | begins with | framing |
//! |---|---|
//! | a number of at most seven digits and a space | that many bytes follow (octet counting; RFC 5425 allows no other) |
//! | anything else | up to the next line feed or NUL |
//!
//! Pure: bytes in, messages out. A message longer than [`MESSAGE_BYTES_MAX`] comes cut off, and reading goes on behind it.

use bytes::{Buf, BytesMut};

/// The longest message, in bytes. RFC 5424 asks for 2,048 and suggests 8,192; Windows events in a syslog message have some 16,000.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Digits of a count: beyond, it is no count.
const COUNT_DIGITS_MAX: usize = 7;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    /// The end is missing: the message was too long, or the stream ended in it.
    pub(crate) is_cut_off: bool,
}

/// What is left to pass over of a message that was too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Skip {
    #[default]
    Nothing,
    Bytes(usize),
    Line,
}

/// Takes a stream apart.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    buffer: BytesMut,
    skip: Skip,
}

impl Frames {
    /// Where the stream is read into.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether a message has begun and not ended.
    pub(crate) fn is_within(&self) -> bool {
        !self.buffer.is_empty() || self.skip != Skip::Nothing
    }

    /// The next whole message, if it is here.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            if !self.skipped() {
                return None;
            }
            // Line feeds behind counted messages, and empty lines.
            let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\n' | b'\r' | 0)).count();
            self.buffer.advance(blank);
            let frame = match count(&self.buffer) {
                Count::Unknown => return None,
                Count::Of { digits, bytes } => self.counted(digits, bytes)?,
                Count::None => self.line()?,
            };
            if !frame.bytes.is_empty() {
                return Some(frame);
            }
        }
    }

    /// What is left when the stream ends.
    pub(crate) fn rest(&mut self) -> Option<Frame> {
        let is_counted = matches!(count(&self.buffer), Count::Of { .. });
        let is_skipped = self.skip != Skip::Nothing;
        let bytes = self.buffer.split().to_vec();
        // The last line of a stream may lack its line feed.
        (!bytes.is_empty() && !is_skipped).then_some(Frame { bytes, is_cut_off: is_counted })
    }

    /// Passes over what is left of a giant; whether its end was reached.
    fn skipped(&mut self) -> bool {
        match self.skip {
            Skip::Nothing => {}
            Skip::Bytes(left) => {
                let here = left.min(self.buffer.len());
                self.buffer.advance(here);
                if here < left {
                    self.skip = Skip::Bytes(left - here);
                    return false;
                }
            }
            Skip::Line => match end_of_line(&self.buffer) {
                Some(at) => self.buffer.advance(at + 1),
                None => {
                    self.buffer.clear();
                    return false;
                }
            },
        }
        self.skip = Skip::Nothing;
        true
    }

    fn counted(&mut self, digits: usize, bytes: usize) -> Option<Frame> {
        let kept = bytes.min(MESSAGE_BYTES_MAX);
        if self.buffer.len() < digits + 1 + kept {
            return None;
        }
        self.buffer.advance(digits + 1);
        let message = self.buffer.split_to(kept).to_vec();
        if bytes > kept {
            self.skip = Skip::Bytes(bytes - kept);
        }
        Some(Frame { bytes: message, is_cut_off: bytes > kept })
    }

    fn line(&mut self) -> Option<Frame> {
        match end_of_line(&self.buffer) {
            Some(at) if at <= MESSAGE_BYTES_MAX => {
                let line = self.buffer.split_to(at).to_vec();
                self.buffer.advance(1);
                Some(Frame { bytes: line, is_cut_off: false })
            }
            None if self.buffer.len() <= MESSAGE_BYTES_MAX => None,
            _ => {
                let bytes = self.buffer.split_to(MESSAGE_BYTES_MAX).to_vec();
                self.skip = Skip::Line;
                Some(Frame { bytes, is_cut_off: true })
            }
        }
    }
}

fn end_of_line(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| matches!(byte, b'\n' | 0))
}

enum Count {
    Of {
        digits: usize,
        bytes: usize,
    },
    None,
    /// More must come before it is known.
    Unknown,
}

fn count(bytes: &[u8]) -> Count {
    let digits = bytes.iter().take(COUNT_DIGITS_MAX + 1).take_while(|byte| byte.is_ascii_digit()).count();
    if bytes.is_empty() || digits == bytes.len() && digits <= COUNT_DIGITS_MAX {
        return Count::Unknown;
    }
    let number = bytes.get(..digits).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match (number, bytes.get(digits)) {
        (Some(bytes), Some(b' ')) if digits <= COUNT_DIGITS_MAX && bytes > 0 => Count::Of { digits, bytes },
        _ => Count::None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds a stream in pieces of this size; marks messages that were cut off.
    fn frames(stream: &[u8], piece: usize) -> Vec<String> {
        let mut frames = Frames::default();
        let mut out = Vec::new();
        let mut take = |frame: Frame| {
            let text = String::from_utf8_lossy(&frame.bytes).into_owned();
            out.push(if frame.is_cut_off { format!("{text}…") } else { text });
        };
        for bytes in stream.chunks(piece) {
            frames.buffer().extend_from_slice(bytes);
            while let Some(frame) = frames.next() {
                take(frame);
            }
        }
        frames.rest().map(&mut take);
        out
    }

    #[test]
    fn both_framings_however_the_bytes_come() {
        for (stream, want) in [
            ("<1>a b\n<2>c\r\n\n<3>d", &["<1>a b", "<2>c\r", "<3>d"][..]),
            ("6 <1>a b5 <2>\nc", &["<1>a b", "<2>\nc"]),
            ("6 <1>a b\n<2>c\x005 <3>de\n", &["<1>a b", "<2>c", "<3>de"]),
            ("2026-11-24T07:22:01Z h su: x\n", &["2026-11-24T07:22:01Z h su: x"]),
            ("12345678 x\n0 y\n", &["12345678 x", "0 y"]),
            ("9 <1>a", &["9 <1>a…"]),
            ("", &[]),
        ] {
            for piece in [1, 2, 3, 100] {
                assert_eq!(frames(stream.as_bytes(), piece), want, "{stream} by {piece}");
            }
        }
    }

    #[test]
    fn giants_are_cut_and_passed_over() {
        let giant = "x".repeat(MESSAGE_BYTES_MAX + 5000);
        for stream in [format!("{giant}\n<2>c\n"), format!("{} {giant}<2>c\n", giant.len())] {
            for piece in [997, 1 << 20] {
                let found = frames(stream.as_bytes(), piece);
                assert_eq!(found.len(), 2, "by {piece}");
                assert_eq!(found[0].chars().count(), MESSAGE_BYTES_MAX + 1);
                assert_eq!(found[1], "<2>c");
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(stream in prop::collection::vec(prop_oneof![Just(b'1'), Just(b' '), Just(b'\n'), Just(0), any::<u8>()], 0..80), piece in 1_usize..9) {
            prop_assert_eq!(frames(&stream, piece), frames(&stream, 1000));
        }
    }
}
