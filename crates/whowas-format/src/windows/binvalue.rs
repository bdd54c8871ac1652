//! Values of binary XML as Windows writes them in text: [MS-EVEN6] §2.2.12 *ValueType*.

use std::fmt::Write;

use whowas_event::Time;

use super::binxml::{Cursor, Damage, utf16};

/// Milliseconds from 1601, where FILETIME begins, to 1970.
const FILETIME_UNIX_MS: i64 = 11_644_473_600_000;

/// The values of an instance of a template.
#[derive(Debug, Default)]
pub(super) struct Values<'c>(Vec<BinValue<'c>>);

/// A value: its type and its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct BinValue<'c> {
    kind: u8,
    bytes: &'c [u8],
    /// Where the bytes stand in their chunk, for those that are a fragment.
    cursor: Cursor<'c>,
}

impl<'c> Values<'c> {
    /// Reads their number, their sizes and types, and the values.
    pub(super) fn read(cursor: &mut Cursor<'c>) -> Result<Self, Damage> {
        let count = usize::try_from(cursor.u32()?).map_err(|_| Damage::End)?;
        let mut descriptors = *cursor;
        cursor.take(count.checked_mul(4).ok_or(Damage::End)?)?;
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            let (size, kind) = (usize::from(descriptors.u16()?), descriptors.u8()?);
            descriptors.u8()?;
            let mut within = *cursor;
            let bytes = cursor.take(size)?;
            within.limit(size);
            values.push(BinValue { kind, bytes, cursor: within });
        }
        Ok(Self(values))
    }

    pub(super) fn get(&self, id: usize) -> Option<BinValue<'c>> {
        self.0.get(id).copied()
    }
}

impl<'c> BinValue<'c> {
    pub(super) fn is_empty(self) -> bool {
        self.kind == 0 || self.bytes.is_empty()
    }

    /// Whether the value is binary XML itself.
    pub(super) fn is_fragment(self) -> bool {
        self.kind == 0x21 && !self.bytes.is_empty()
    }

    pub(super) fn cursor(self) -> Cursor<'c> {
        self.cursor
    }
}

/// The texts of a value: one, or those of a list.
pub(super) fn texts(value: BinValue<'_>) -> Result<Vec<String>, Damage> {
    let (kind, bytes) = (value.kind & 0x7f, value.bytes);
    if value.kind & 0x80 == 0 {
        return Ok(vec![text(kind, bytes)?]);
    }
    let size = match kind {
        0x01 => {
            let all = utf16(bytes);
            let all = all.strip_suffix('\0').unwrap_or(&all);
            return Ok(all.split('\0').map(str::to_owned).collect());
        }
        0x02 => {
            let all = bytes.strip_suffix(b"\0").unwrap_or(bytes);
            return all.split(|byte| *byte == 0).map(|part| text(kind, part)).collect();
        }
        0x03 | 0x04 => 1,
        0x05 | 0x06 => 2,
        0x07 | 0x08 | 0x0b | 0x0d | 0x14 => 4,
        0x09 | 0x0a | 0x0c | 0x11 | 0x15 => 8,
        0x0f | 0x12 => 16,
        _ => return Ok(vec![hex(bytes)]),
    };
    bytes.chunks(size).map(|item| text(kind, item)).collect()
}

/// The text of a single value. Types that do not exist are shown as their bytes.
fn text(kind: u8, bytes: &[u8]) -> Result<String, Damage> {
    if bytes.is_empty() {
        return Ok(String::new());
    }
    let unsigned = || -> Result<u64, Damage> {
        let mut all = [0; 8];
        all.get_mut(..bytes.len()).ok_or(Damage::Order)?.copy_from_slice(bytes);
        Ok(u64::from_le_bytes(all))
    };
    Ok(match kind {
        0x00 => String::new(),
        0x01 | 0x23 => utf16(bytes).trim_end_matches('\0').to_owned(),
        0x02 => bytes.iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect(),
        0x03 | 0x05 | 0x07 | 0x09 => signed(unsigned()?, bytes.len()).to_string(),
        0x04 | 0x06 | 0x08 | 0x0a => unsigned()?.to_string(),
        0x0b => f32::from_le_bytes(fixed(bytes)?).to_string(),
        0x0c => f64::from_le_bytes(fixed(bytes)?).to_string(),
        0x0d => (unsigned()? != 0).to_string(),
        0x0f => guid(fixed(bytes)?),
        0x10 | 0x14 | 0x15 => format!("{:#x}", unsigned()?),
        0x11 => filetime(unsigned()?),
        0x12 => systemtime(fixed(bytes)?),
        0x13 => sid(bytes).ok_or(Damage::Order)?,
        _ => hex(bytes),
    })
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Damage> {
    bytes.try_into().map_err(|_| Damage::Order)
}

/// A number of so many bytes with its sign.
fn signed(number: u64, size: usize) -> i64 {
    let unused = 64_usize.saturating_sub(size * 8);
    (number << unused).cast_signed() >> unused
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn guid(bytes: [u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    let first = u32::from_le_bytes([a, b, c, d]);
    let (second, third) = (u16::from_le_bytes([e, f]), u16::from_le_bytes([g, h]));
    let [i, j, node @ ..] = rest;
    let node = hex(&node).to_lowercase();
    format!("{{{first:08x}-{second:04x}-{third:04x}-{i:02x}{j:02x}-{node}}}")
}

/// A FILETIME, in units of 100 ns since 1601, to its last digit.
fn filetime(ticks: u64) -> String {
    let ms = i64::try_from(ticks / 10_000).ok().map(|ms| ms - FILETIME_UNIX_MS);
    let time = ms.and_then(|ms| Time::from_ms(ms).ok()).map(|time| time.to_string());
    match time.as_deref().and_then(|time| time.get(..19)) {
        Some(seconds) => format!("{seconds}.{:07}Z", ticks % 10_000_000),
        None => ticks.to_string(),
    }
}

/// Year, month, day of the week, day, hour, minute, second and millisecond.
fn systemtime(bytes: [u8; 16]) -> String {
    let mut parts = [0; 8];
    for (part, pair) in parts.iter_mut().zip(bytes.as_chunks::<2>().0) {
        *part = u16::from_le_bytes(*pair);
    }
    let [year, month, _, day, hour, minute, second, ms] = parts;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// `S-1-5-21-…`: revision, number of parts, six bytes of authority, and the parts.
fn sid(bytes: &[u8]) -> Option<String> {
    let ([revision, count, authority @ ..], parts) = bytes.split_first_chunk::<8>()?;
    let parts = parts.get(..usize::from(*count) * 4)?;
    let authority = authority.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let mut text = format!("S-{revision}-{authority}");
    for part in parts.as_chunks::<4>().0 {
        let _ = write!(text, "-{}", u32::from_le_bytes(*part));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: u8, bytes: &[u8], want: &str) {
        let value = BinValue { kind, bytes, cursor: Cursor::new(bytes, 0, bytes.len()) };
        let texts = texts(value).map(|texts| texts.join("|"));
        assert_eq!(texts.unwrap_or_else(|damage| damage.to_string()), want, "{kind:#x}");
    }

    #[test]
    fn every_type_has_its_text() {
        check(0x00, &[], "");
        check(0x01, b"a\0\xac\x20\0\0", "a€");
        check(0x02, b"abc\0", "abc");
        check(0x03, &[0xff], "-1");
        check(0x05, &[0x00, 0x80], "-32768");
        check(0x06, &[0x10, 0x12], "4624");
        check(0x09, &(-5_i64).to_le_bytes(), "-5");
        check(0x0b, &1.5_f32.to_le_bytes(), "1.5");
        check(0x0c, &(-0.25_f64).to_le_bytes(), "-0.25");
        check(0x0d, &[1, 0, 0, 0], "true");
        check(0x0e, &[0xde, 0xad], "DEAD");
        check(
            0x0f,
            &[0x25, 0x96, 0x84, 0x54, 0x78, 0x54, 0x94, 0x49, 0xa5, 0xba, 0x3e, 0x3b, 3, 0x28, 0xc3, 0xd],
            "{54849625-5478-4994-a5ba-3e3b0328c30d}",
        );
        check(0x11, &132_000_000_001_234_567_u64.to_le_bytes(), "2019-04-17T18:40:00.1234567Z");
        check(0x11, &u64::MAX.to_le_bytes(), "18446744073709551615");
        check(0x12, &[0xea, 7, 11, 0, 2, 0, 24, 0, 7, 0, 22, 0, 1, 0, 250, 0], "2026-11-24T07:22:01.250Z");
        check(0x13, &[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0], "S-1-5-32-544");
        check(0x15, &0x3e7_u64.to_le_bytes(), "0x3e7");
        check(0x81, b"a\0\0\0b\0\0\0", "a|b");
        check(0x82, b"x\0y\0", "x|y");
        check(0x86, &[1, 0, 2, 0], "1|2");
        check(0x7e, &[1], "01");
        // Of a wrong size.
        check(0x13, &[1, 9, 0], "its binary XML is out of order");
        check(0x0a, &[0; 9], "its binary XML is out of order");
        check(0x0f, &[0; 3], "its binary XML is out of order");
    }
}
