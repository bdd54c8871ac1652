//! The JSON Canonicalization Scheme (RFC 8785), as far as whowas needs it.
//!
//! Writes strings, integers and whole [`serde_json::Value`]s in canonical form. Numbers that are not
//! integers below 2^53 are refused by [`canonical`]: their ECMAScript text is the one hard part of the
//! scheme, and no audit field needs them; formats keep such a value as a string.

use serde_json::Value;

/// Integers beyond this do not survive a reader that keeps numbers as IEEE 754 doubles (RFC 8785 §3.2.2.3).
pub const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Deepest nesting that [`canonical`] writes; serde_json itself stops reading at 128.
pub const DEPTH_MAX: usize = 64;

/// Why a value has no canonical form here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JcsError {
    /// A fraction, an exponent, or an integer of 2^53 or more.
    #[error("a number that is not an integer below 2^53")]
    Number,
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("nested deeper than {DEPTH_MAX} levels")]
    Depth,
}

/// Appends `text` as a JSON string: only `"`, `\` and control characters are escaped.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut clean = text.as_bytes();
    let is_special = |&b: &u8| b < 0x20 || b == b'"' || b == b'\\';
    // Without an early end, so that many bytes are looked at in one instruction: hardly any text has one.
    let any_special = clean.iter().fold(false, |any, b| any | is_special(b));
    while any_special && let Some(at) = clean.iter().position(is_special) {
        let (before, rest) = clean.split_at(at);
        out.extend_from_slice(before);
        let Some((&special, after)) = rest.split_first() else { break };
        write_escape(out, special);
        clean = after;
    }
    out.extend_from_slice(clean);
    out.push(b'"');
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: [u8; 16] = *b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x09 => out.extend_from_slice(b"\\t"),
        0x0a => out.extend_from_slice(b"\\n"),
        0x0c => out.extend_from_slice(b"\\f"),
        0x0d => out.extend_from_slice(b"\\r"),
        _ => {
            out.extend_from_slice(b"\\u00");
            for nibble in [byte >> 4, byte & 15] {
                out.push(HEX.get(usize::from(nibble)).copied().expect("a nibble is below 16"));
            }
        }
    }
}

/// Appends a decimal integer.
pub fn write_integer(out: &mut Vec<u8>, value: i64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        if let Some(slot) = digits.get_mut(at) {
            *slot = b'0' + u8::try_from(rest % 10).expect("a remainder of 10 is below 256");
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// Appends a whole value in canonical form.
pub fn write_value(out: &mut Vec<u8>, value: &Value) -> Result<(), JcsError> {
    write_nested(out, value, DEPTH_MAX)
}

fn write_nested(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), JcsError> {
    let depth = depth.checked_sub(1).ok_or(JcsError::Depth)?;
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            let safe = number.as_i64().filter(|n| n.unsigned_abs() <= SAFE_INTEGER_MAX);
            write_integer(out, safe.ok_or(JcsError::Number)?);
        }
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_nested(out, item, depth)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            // RFC 8785 §3.2.3 sorts by UTF-16 code units, which differs from UTF-8 order above U+FFFF.
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (at, (name, item)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_string(out, name);
                out.push(b':');
                write_nested(out, item, depth)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// The canonical text of a value.
pub fn canonical(value: &Value) -> Result<String, JcsError> {
    let mut out = Vec::new();
    write_value(&mut out, value)?;
    Ok(String::from_utf8(out).expect("the writer copies strings and adds ASCII"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn writes_the_canonical_form() {
        // The string and the key order of RFC 8785 §3.2.2 and §3.2.3.
        let value =
            json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        assert_eq!(
            canonical(&value).unwrap(),
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
        );
        let text = json!("\u{20ac}$\u{f}\nA'B\"\\\"/");
        assert_eq!(canonical(&text).unwrap(), "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\"/\"");
        assert_eq!(
            canonical(&json!([-1, 0, 9_007_199_254_740_991_i64, null, true])).unwrap(),
            "[-1,0,9007199254740991,null,true]"
        );
    }

    #[test]
    fn refuses_what_readers_would_disagree_on() {
        assert_eq!(canonical(&json!(1.5)), Err(JcsError::Number));
        assert_eq!(canonical(&json!(9_007_199_254_740_992_i64)), Err(JcsError::Number));
        let deep = (0..DEPTH_MAX).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(canonical(&deep), Err(JcsError::Depth));
    }
}
