//! Binary XML, the encoding of events in EVTX files, as text: [MS-EVEN6] §2.2.12, with the offsets of EVTX
//! chunks as Joachim Metz describes them (*Windows XML Event Log format*, libevtx).
//!
//! A fragment is interpreted from its chunk straight into text. No tree is built and nothing is cached, so
//! memory is the text, and the text is bounded. Fragments name each other by offset, many can name one, and
//! they can do so in loops; therefore the depth is bounded, and a chunk has an [`Allowance`] of tokens and text.

use std::fmt::Write;

use super::binvalue::{self, Values};

/// The most tokens that are read for one chunk. Its 64 KiB hold up to 600 records, whose templates have some
/// 200 tokens each.
const TOKENS_MAX: u32 = 1_000_000;
/// The most text that a chunk may become, in bytes. Logs become 10 to 30 times as long.
const CHUNK_TEXT_BYTES_MAX: usize = 256 * 64 * 1024;
/// How deep templates and fragments may lie in each other; Windows goes to 3.
const DEPTH_MAX: usize = 8;
/// How deep elements of one fragment may lie in each other.
const ELEMENTS_OPEN_MAX: usize = 64;
/// The most text of one record, in bytes; that of [`crate::contract::RECORD_BYTES_MAX`].
const TEXT_BYTES_MAX: usize = crate::contract::RECORD_BYTES_MAX;

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    /// A length or an offset leaves the chunk.
    #[error("it ends in the middle of its binary XML")]
    End,
    /// A token or a type that does not exist.
    #[error("its binary XML has the unknown token {0:#04x}")]
    Token(u8),
    /// Elements are not closed in order, or a value stands where none can.
    #[error("its binary XML is out of order")]
    Order,
    /// A limit.
    #[error("its binary XML is deeper or longer than any event is")]
    Limit,
}

/// Bytes of a chunk, read from the left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'c> {
    chunk: &'c [u8],
    pub(super) at: usize,
    end: usize,
}

impl<'c> Cursor<'c> {
    /// The bytes from `at` to `end` of a chunk, to which offsets in them refer.
    pub(super) fn new(chunk: &'c [u8], at: usize, end: usize) -> Self {
        Self { chunk, at, end: end.min(chunk.len()) }
    }

    pub(super) fn take(&mut self, n: usize) -> Result<&'c [u8], Damage> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.end).ok_or(Damage::End)?;
        let bytes = self.chunk.get(self.at..end).ok_or(Damage::End)?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        self.take(N)?.first_chunk().copied().ok_or(Damage::End)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Damage> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, Damage> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Damage> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A 32-bit offset or size.
    fn size(&mut self) -> Result<usize, Damage> {
        usize::try_from(self.u32()?).map_err(|_| Damage::End)
    }

    /// Ends the reading after `n` more bytes.
    pub(super) fn limit(&mut self, n: usize) {
        self.end = self.at.saturating_add(n).min(self.end);
    }

    /// Another place of the chunk.
    fn elsewhere(&self, at: usize) -> Self {
        Self::new(self.chunk, at, self.chunk.len())
    }

    /// UTF-16 behind the count of its units.
    fn counted_text(&mut self) -> Result<String, Damage> {
        let units = usize::from(self.u16()?);
        Ok(utf16(self.take(units * 2)?))
    }

    /// A name: its offset, behind which the name itself follows if it stands nowhere before.
    fn name(&mut self) -> Result<String, Damage> {
        let offset = self.size()?;
        let is_inline = offset == self.at;
        let mut there = if is_inline { *self } else { self.elsewhere(offset) };
        // The offset of the next name of the same hash, and the hash.
        there.take(6)?;
        let name = there.counted_text()?;
        there.take(2)?; // NUL
        if is_inline {
            self.at = there.at;
        }
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
        if name.is_empty() || !name.chars().all(is_name) { Err(Damage::Order) } else { Ok(name) }
    }
}

/// UTF-16, low byte first. What is invalid becomes U+FFFD.
pub(super) fn utf16(bytes: &[u8]) -> String {
    let units = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// What may still come out of a chunk.
#[derive(Debug)]
pub(super) struct Allowance {
    tokens: u32,
    text_bytes: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { tokens: TOKENS_MAX, text_bytes: CHUNK_TEXT_BYTES_MAX }
    }
}

/// The text of the fragment of one record.
pub(super) fn text(chunk: &[u8], at: usize, end: usize, allowance: &mut Allowance) -> Result<String, Damage> {
    let text_bytes_max = allowance.text_bytes.min(TEXT_BYTES_MAX);
    let out = String::with_capacity(2048);
    let mut writer = Writer { out, text_bytes_max, tokens_left: &mut allowance.tokens };
    let written = writer.fragment(Cursor::new(chunk, at, end), &Values::default(), 0, true);
    let out = writer.out;
    allowance.text_bytes = allowance.text_bytes.saturating_sub(out.len());
    written.map(|()| out)
}

/// An element that is open.
struct Open {
    name: String,
    /// Where its tag, and where its content begins in the text.
    tag: usize,
    content: usize,
}

/// An attribute whose value is being written.
struct Attribute {
    /// Where it begins in the text.
    start: usize,
    /// Whether its value is one that is left out.
    is_absent: bool,
}

struct Writer<'a> {
    out: String,
    text_bytes_max: usize,
    tokens_left: &'a mut u32,
}

/// What of a fragment is open.
#[derive(Default)]
struct State {
    open: Vec<Open>,
    attribute: Option<Attribute>,
    is_in_tag: bool,
}

impl Writer<'_> {
    /// Writes a fragment, up to its end or its last token. `has_dependency`: elements have an id that those
    /// of a fragment which is a value of a template do not have.
    fn fragment(
        &mut self,
        mut cursor: Cursor<'_>,
        values: &Values<'_>,
        depth: usize,
        has_dependency: bool,
    ) -> Result<(), Damage> {
        if depth > DEPTH_MAX {
            return Err(Damage::Limit);
        }
        let mut state = State::default();
        while cursor.at < cursor.end {
            *self.tokens_left = self.tokens_left.checked_sub(1).ok_or(Damage::Limit)?;
            let token = cursor.u8()?;
            match token {
                0x00 => break,
                0x01 | 0x41 => {
                    if has_dependency {
                        cursor.u16()?;
                    }
                    cursor.u32()?; // its size
                    let name = cursor.name()?;
                    if token == 0x41 {
                        cursor.u32()?; // the size of its attributes
                    }
                    self.open_element(&mut state, name)?;
                }
                0x02..=0x04 => self.tag_token(&mut state, token)?,
                0x06 | 0x46 => {
                    let name = cursor.name()?;
                    self.open_attribute(&mut state, &name)?;
                }
                0x0c => {
                    self.check_content(&state)?;
                    self.template(&mut cursor, depth)?;
                }
                0x0d | 0x0e => {
                    let (id, _) = (cursor.u16()?, cursor.u8()?);
                    self.substitution(&mut state, values, usize::from(id), token == 0x0e, depth)?;
                }
                0x0a => _ = cursor.name()?,
                0x0b => _ = cursor.counted_text()?,
                0x0f => _ = cursor.take(3)?,
                _ => self.text_token(&mut state, &mut cursor, token)?,
            }
            if self.out.len() > self.text_bytes_max {
                return Err(Damage::Limit);
            }
        }
        if state.open.is_empty() && !state.is_in_tag { Ok(()) } else { Err(Damage::Order) }
    }

    /// Text as such, or a reference to a character or an entity.
    fn text_token(&mut self, state: &mut State, cursor: &mut Cursor<'_>, token: u8) -> Result<(), Damage> {
        let text = match token {
            0x05 | 0x45 => match cursor.u8()? {
                0x01 => cursor.counted_text()?,
                other => return Err(Damage::Token(other)),
            },
            0x07 | 0x47 => cursor.counted_text()?,
            0x08 | 0x48 => utf16(cursor.take(2)?),
            0x09 | 0x49 => {
                let name = cursor.name()?;
                let named = [("lt", "<"), ("gt", ">"), ("amp", "&"), ("quot", "\""), ("apos", "'")];
                let text = named.iter().find(|(have, _)| *have == name).map(|(_, text)| *text);
                text.map_or_else(|| format!("&{name};"), str::to_owned)
            }
            other => return Err(Damage::Token(other)),
        };
        self.check_content(state)?;
        if let Some(attribute) = &mut state.attribute {
            attribute.is_absent = false;
        }
        escape(&mut self.out, &text);
        Ok(())
    }

    /// Text may stand in an element and in an attribute, but not elsewhere in a tag.
    fn check_content(&self, state: &State) -> Result<(), Damage> {
        if state.is_in_tag && state.attribute.is_none() { Err(Damage::Order) } else { Ok(()) }
    }

    fn open_element(&mut self, state: &mut State, name: String) -> Result<(), Damage> {
        if state.is_in_tag {
            return Err(Damage::Order);
        }
        if state.open.len() == ELEMENTS_OPEN_MAX {
            return Err(Damage::Limit);
        }
        let tag = self.out.len();
        self.out.push('<');
        self.out.push_str(&name);
        state.is_in_tag = true;
        state.open.push(Open { name, tag, content: 0 });
        Ok(())
    }

    fn open_attribute(&mut self, state: &mut State, name: &str) -> Result<(), Damage> {
        if !state.is_in_tag {
            return Err(Damage::Order);
        }
        self.close_attribute(state);
        state.attribute = Some(Attribute { start: self.out.len(), is_absent: true });
        write!(self.out, " {name}='").map_err(|_| Damage::Limit)
    }

    fn close_attribute(&mut self, state: &mut State) {
        match state.attribute.take() {
            Some(attribute) if attribute.is_absent => self.out.truncate(attribute.start),
            Some(_) => self.out.push('\''),
            None => {}
        }
    }

    /// The end of a start tag, of an empty element, or of an element.
    fn tag_token(&mut self, state: &mut State, token: u8) -> Result<(), Damage> {
        if state.is_in_tag == (token == 0x04) {
            return Err(Damage::Order);
        }
        self.close_attribute(state);
        state.is_in_tag = false;
        match token {
            0x02 => {
                self.out.push('>');
                state.open.last_mut().ok_or(Damage::Order)?.content = self.out.len();
            }
            0x03 => {
                self.out.push_str("/>");
                state.open.pop().ok_or(Damage::Order)?;
            }
            _ => {
                let open = state.open.pop().ok_or(Damage::Order)?;
                write!(self.out, "</{}>", open.name).map_err(|_| Damage::Limit)?;
            }
        }
        Ok(())
    }

    /// A value of the template's instance.
    fn substitution(
        &mut self,
        state: &mut State,
        values: &Values<'_>,
        id: usize,
        is_optional: bool,
        depth: usize,
    ) -> Result<(), Damage> {
        self.check_content(state)?;
        let Some(value) = values.get(id) else { return Ok(()) };
        if let Some(attribute) = &mut state.attribute {
            attribute.is_absent &= is_optional && value.is_empty();
        }
        if value.is_fragment() {
            return self.fragment(value.cursor(), &Values::default(), depth + 1, false);
        }
        let items = binvalue::texts(value)?;
        for (at, item) in items.iter().enumerate() {
            if at > 0 && !self.repeat(state) {
                self.out.push(',');
            }
            escape(&mut self.out, item);
            if self.out.len() > self.text_bytes_max {
                return Err(Damage::Limit);
            }
        }
        Ok(())
    }

    /// Ends the element and begins it once more, for the next item of a list: `<Data>a</Data><Data>b`.
    fn repeat(&mut self, state: &State) -> bool {
        let Some(open) = state.open.last().filter(|_| state.attribute.is_none()) else { return false };
        let Some(tag) = self.out.get(open.tag..open.content).map(str::to_owned) else { return false };
        self.out.push_str("</");
        self.out.push_str(&open.name);
        self.out.push('>');
        self.out.push_str(&tag);
        true
    }

    /// An instance of a template: where its definition is, or the definition itself; then its values.
    fn template(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Damage> {
        cursor.take(5)?; // a version, and an id that is the beginning of the GUID
        let offset = cursor.size()?;
        let is_inline = offset == cursor.at;
        let mut definition = if is_inline { *cursor } else { cursor.elsewhere(offset) };
        // The offset of the next definition of the same hash, and the GUID.
        definition.take(20)?;
        let size = definition.size()?;
        let body = Cursor::new(definition.chunk, definition.at, definition.at.saturating_add(size));
        definition.take(size)?;
        if is_inline {
            cursor.at = definition.at;
        }
        let values = Values::read(cursor)?;
        self.fragment(body, &values, depth + 1, true)
    }
}

/// Writes text as XML has it, without the characters that XML 1.0 has no way to write.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                // A reader would make a space of them in an attribute, and `\n` of `\r`.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\0' => {}
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                out.push(char::REPLACEMENT_CHARACTER)
            }
            c => out.push(c),
        }
    }
}
