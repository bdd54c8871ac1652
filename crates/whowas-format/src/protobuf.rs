//! The wire format of protocol buffers, as far as messages of a few fixed shapes need it: fields one after
//! another, each with a number and one of four kinds of value.
//!
//! Not a library of messages: who reads one knows its field numbers ([`crate::otlp`]). Groups, which no
//! message of the last fifteen years has, are refused. Specification:
//! <https://protobuf.dev/programming-guides/encoding/>.

/// What is wrong with bytes that should be a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A value goes on behind the end of its message.
    #[error("the message ends in the middle of a field")]
    CutOff,
    /// A number of more than 64 bits.
    #[error("a number is longer than ten bytes")]
    LongNumber,
    /// A kind of value that there is not, or is not used any more.
    #[error("a field is of wire type {0}, which is not used")]
    WireType(u8),
    /// A field's value is of another kind than its number says.
    #[error("field {0} is not of the type that its message has")]
    OtherType(u32),
    /// A text is no UTF-8.
    #[error("field {0} is a text that is not UTF-8")]
    Utf8(u32),
    /// Messages in each other.
    #[error("values are nested deeper than {0} levels")]
    Depth(usize),
}

/// The value of a field, as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) value: Wire<'a>,
}

impl<'a> Field<'a> {
    /// A nested message, or bytes.
    pub(crate) fn bytes(self) -> Result<&'a [u8], WireError> {
        match self.value {
            Wire::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::OtherType(self.number)),
        }
    }

    pub(crate) fn text(self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError::Utf8(self.number))
    }

    pub(crate) fn varint(self) -> Result<u64, WireError> {
        match self.value {
            Wire::Varint(value) => Ok(value),
            _ => Err(WireError::OtherType(self.number)),
        }
    }

    pub(crate) fn fixed64(self) -> Result<u64, WireError> {
        match self.value {
            Wire::Fixed64(value) => Ok(value),
            _ => Err(WireError::OtherType(self.number)),
        }
    }
}

/// The fields of a message, in the order of the bytes. Behind an error there is no more.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(WireError::CutOff)?;
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for at in 0..10 {
            let byte = *self.take(1)?.first().ok_or(WireError::CutOff)?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if at == 9 && bits > 1 {
                return Err(WireError::LongNumber);
            }
            value |= bits << (7 * at);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::LongNumber)
    }

    fn field(&mut self) -> Result<Field<'a>, WireError> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| WireError::LongNumber)?;
        let value = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => {
                let bytes = self.take(8)?.first_chunk().ok_or(WireError::CutOff)?;
                Wire::Fixed64(u64::from_le_bytes(*bytes))
            }
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| WireError::CutOff)?;
                Wire::Bytes(self.take(length)?)
            }
            5 => {
                let bytes = self.take(4)?.first_chunk().ok_or(WireError::CutOff)?;
                Wire::Fixed32(u32::from_le_bytes(*bytes))
            }
            other => return Err(WireError::WireType(u8::try_from(other).unwrap_or(u8::MAX))),
        };
        Ok(Field { number, value })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Writes a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push((value & 0x7f) as u8);
    }

    /// A number; zero is not written, as in proto3.
    pub(crate) fn varint(mut self, number: u32, value: u64) -> Self {
        if value > 0 {
            self.number(u64::from(number) << 3);
            self.number(value);
        }
        self
    }

    /// A text, bytes or a message; an empty one is not written.
    pub(crate) fn bytes(mut self, number: u32, value: &[u8]) -> Self {
        if !value.is_empty() {
            self.number(u64::from(number) << 3 | 2);
            self.number(value.len() as u64);
            self.0.extend_from_slice(value);
        }
        self
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<Field<'_>>, WireError> {
        Fields::new(bytes).collect()
    }

    #[test]
    fn examples_of_the_specification() {
        let varint = |number, value| Field { number, value: Wire::Varint(value) };
        assert_eq!(fields(b"\x08\x96\x01"), Ok(vec![varint(1, 150)]));
        assert_eq!(fields(b"\x12\x07testing"), Ok(vec![Field { number: 2, value: Wire::Bytes(b"testing") }]));
        assert_eq!(
            fields(b"\x1a\x03\x08\x96\x01"),
            Ok(vec![Field { number: 3, value: Wire::Bytes(b"\x08\x96\x01") }])
        );
        assert_eq!(fields(b""), Ok(vec![]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (bytes, want) in [
            (&b"\x08"[..], WireError::CutOff),
            (b"\x12\x08testing", WireError::CutOff),
            (b"\x09\x01\x02", WireError::CutOff),
            (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", WireError::CutOff),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", WireError::LongNumber),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", WireError::LongNumber),
            (b"\x0b", WireError::WireType(3)),
            (b"\x0f", WireError::WireType(7)),
        ] {
            assert_eq!(fields(bytes), Err(want), "{bytes:?}");
        }
        let field = fields(b"\x12\x01\xff").unwrap()[0];
        assert_eq!(field.text(), Err(WireError::Utf8(2)));
        assert_eq!(field.varint(), Err(WireError::OtherType(2)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(list in prop::collection::vec((1_u32..5000, 1_u64.., prop::collection::vec(any::<u8>(), 1..40)), 0..8)) {
            let mut message = Message::default();
            let mut want = Vec::new();
            for (number, value, bytes) in &list {
                message = message.varint(*number, *value).bytes(*number, bytes);
                want.push(Field { number: *number, value: Wire::Varint(*value) });
                want.push(Field { number: *number, value: Wire::Bytes(bytes) });
            }
            let bytes = message.into_bytes();
            prop_assert_eq!(fields(&bytes), Ok(want));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for field in Fields::new(&bytes).flatten() {
                let _ = (field.text(), field.varint(), field.fixed64());
            }
        }
    }
}
