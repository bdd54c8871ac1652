//! The two spellings that every C2SP text format shares: decimal without leading zero, and standard
//! base64 with canonical padding.
//!
//! Both are strict in the same direction: a value has exactly one accepted spelling, so that no byte of
//! a signed or stored text can change without changing its meaning.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Reads an ASCII decimal: digits only, no sign, no leading zero except for `0` itself.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let has_leading_zero = text.len() > 1 && text.starts_with('0');
    if has_leading_zero || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Reads standard base64; missing padding and non-zero trailing bits are refused.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Writes standard base64 with padding.
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_has_one_spelling() {
        assert_eq!(parse_decimal("0"), Some(0));
        assert_eq!(parse_decimal("70000"), Some(70_000));
        assert_eq!(parse_decimal("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "0x1", "18446744073709551616", "١"] {
            assert_eq!(parse_decimal(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn base64_has_one_spelling() {
        assert_eq!(decode_base64("AA=="), Some(vec![0]));
        for bad in ["AA", "AA=", "AB==", "A===", "AA==\n", "_-=="] {
            assert_eq!(decode_base64(bad), None, "{bad:?}");
        }
    }
}
