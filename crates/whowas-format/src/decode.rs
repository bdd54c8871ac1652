//! Character encodings: whatever text comes in, formats see UTF-8 without a byte order mark.
//!
//! Recognised by byte order marks, by the NUL bytes between the letters of UTF-16 (PowerShell's `>` writes
//! that), and by what is no UTF-8 at all (then it is read as Windows-1252, with a warning). What has NUL
//! bytes otherwise is binary and passes as it is. Invalid bytes further on than the sample are not changed:
//! the record that has them becomes a problem of its own.

use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::chunk::Postponed;

/// How many bytes are read and decoded at once.
const CHUNK_BYTES: usize = 32 * 1024;

/// In what way bytes are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 or ASCII; the length of the byte order mark.
    Utf8 {
        /// 0 or 3.
        bom_bytes: usize,
    },
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// One byte a character, Western European.
    Windows1252,
    /// No text.
    Binary,
}

impl Encoding {
    /// Looks at the beginning of an input.
    pub fn of(sample: &[u8]) -> Self {
        match sample {
            [0xef, 0xbb, 0xbf, ..] => return Self::Utf8 { bom_bytes: 3 },
            [0xff, 0xfe, ..] => return Self::Utf16Le,
            [0xfe, 0xff, ..] => return Self::Utf16Be,
            // An EVTX file, which is nearly all UTF-16 behind its header.
            [b'E', b'l', b'f', b'F', b'i', b'l', b'e', 0, ..] => return Self::Binary,
            _ => {}
        }
        let pairs = sample.chunks_exact(2);
        let (n_pairs, mut high_nul, mut low_nul) = (pairs.len(), 0, 0);
        for pair in pairs {
            high_nul += usize::from(matches!(pair, [low, 0] if *low > 0));
            low_nul += usize::from(matches!(pair, [0, low] if *low > 0));
        }
        // Western text in UTF-16 has a NUL in nearly every pair, and always in the same half.
        if n_pairs > 1 && high_nul * 10 > n_pairs * 7 && low_nul == 0 {
            return Self::Utf16Le;
        }
        if n_pairs > 1 && low_nul * 10 > n_pairs * 7 && high_nul == 0 {
            return Self::Utf16Be;
        }
        if sample.contains(&0) {
            return Self::Binary;
        }
        match std::str::from_utf8(sample) {
            Err(error) if error.error_len().is_some() => Self::Windows1252,
            _ => Self::Utf8 { bom_bytes: 0 }, // At worst the sample's end cuts a character.
        }
    }

    /// What the user should know about a guess.
    pub fn warning(self) -> Option<String> {
        (self == Self::Windows1252).then(|| {
            "the text is not UTF-8: it was read as Windows-1252, check names with accents".to_owned()
        })
    }

    /// Turns the rest of an input, from its first byte on, into UTF-8.
    pub fn decode<'r>(self, mut input: Box<dyn Read + 'r>) -> io::Result<Box<dyn Read + 'r>> {
        let encoding = match self {
            Self::Binary => return Ok(input),
            Self::Utf8 { bom_bytes } => {
                let mut bom = [0; 3];
                input.read_exact(bom.get_mut(..bom_bytes).unwrap_or_default())?;
                return Ok(input);
            }
            Self::Utf16Le => UTF_16LE,
            Self::Utf16Be => UTF_16BE,
            Self::Windows1252 => WINDOWS_1252,
        };
        Ok(Box::new(Transcoder {
            input,
            postponed: Postponed::default(),
            decoder: encoding.new_decoder_with_bom_removal(),
            encoded: Vec::new(),
            taken: 0,
            decoded: vec![0; CHUNK_BYTES],
            start: 0,
            end: 0,
            is_at_end: false,
        }))
    }
}

/// Another encoding as UTF-8. What is invalid becomes U+FFFD.
struct Transcoder<'r> {
    input: Box<dyn Read + 'r>,
    postponed: Postponed,
    decoder: Decoder,
    encoded: Vec<u8>,
    taken: usize,
    decoded: Vec<u8>,
    start: usize,
    end: usize,
    is_at_end: bool,
}

impl Transcoder<'_> {
    /// Decodes more; afterwards nothing decoded is left only at the end of the input.
    fn refill(&mut self) -> io::Result<()> {
        while self.start == self.end {
            if self.taken == self.encoded.len() {
                if self.is_at_end {
                    return Ok(());
                }
                self.encoded.clear();
                self.taken = 0;
                let read = self.postponed.read(&mut self.input, CHUNK_BYTES, &mut self.encoded)?;
                self.is_at_end = read == 0;
            }
            let rest = self.encoded.get(self.taken..).unwrap_or_default();
            let (result, taken, written, _) =
                self.decoder.decode_to_utf8(rest, &mut self.decoded, self.is_at_end);
            self.taken += taken;
            (self.start, self.end) = (0, written);
            if self.is_at_end && result == CoderResult::InputEmpty && written == 0 {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Read for Transcoder<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // A finished decoder must not be asked again.
        if self.start == self.end && !(self.is_at_end && self.taken == self.encoded.len()) {
            self.refill()?;
        }
        let mut ready = self.decoded.get(self.start..self.end).unwrap_or_default();
        let read = ready.read(out)?;
        self.start += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> String {
        let mut text = String::new();
        Encoding::of(bytes).decode(Box::new(bytes)).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn every_encoding_becomes_utf8() {
        let text = "user,Zoë Müller\r\n".repeat(5000);
        let with_bom = format!("\u{feff}{text}");
        for bytes in [
            text.clone().into_bytes(),
            with_bom.clone().into_bytes(),
            utf16(&text, u16::to_le_bytes),
            utf16(&with_bom, u16::to_le_bytes),
            utf16(&text, u16::to_be_bytes),
            utf16(&with_bom, u16::to_be_bytes),
            WINDOWS_1252.encode(&text).0.into_owned(),
        ] {
            assert!(decoded(&bytes) == text, "{:?}", Encoding::of(&bytes));
        }
        assert_eq!(decoded(b""), "");
    }

    #[test]
    fn guesses_are_told() {
        let guess = Encoding::of(b"Zo\xeb\n");
        assert_eq!(guess, Encoding::Windows1252);
        assert!(guess.warning().unwrap().contains("Windows-1252"));
        assert_eq!(Encoding::of("Zo\u{eb}".as_bytes()).warning(), None);
        // A character cut by the end of the sample is no reason to doubt.
        assert_eq!(Encoding::of(b"Zo\xc3"), Encoding::Utf8 { bom_bytes: 0 });
        assert_eq!(Encoding::of(b"ElfFile\0\0\0\0\0\0\0\0\0"), Encoding::Binary);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut out = Vec::new();
            Encoding::of(&bytes).decode(Box::new(&bytes[..])).unwrap().read_to_end(&mut out).unwrap();
        }
    }
}
