//! Page tokens: opaque to clients, keyset inside, so that pages do not shift while records arrive.
//!
//! A token names the last row that was shown and the size of the tree of the first page: later pages show
//! the same state of the trail. The next page costs as much as the first.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use whowas_event::Time;

/// Rows of a page if the caller does not say.
pub const PAGE_ROWS_DEFAULT: usize = 100;
/// The largest page. An export has no limit.
pub const PAGE_ROWS_MAX: usize = 10_000;

/// Where the next page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageToken {
    /// `occurred_at` of the last row shown.
    pub occurred_at: Time,
    /// Its position.
    pub position: u64,
    /// Size of the tree that the first page showed.
    pub size: u64,
}

const VERSION: u8 = 1;

impl PageToken {
    /// Its text: version, then three big-endian integers, in base64url.
    pub fn to_text(self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.occurred_at.as_ms().to_be_bytes());
        bytes.extend_from_slice(&self.position.to_be_bytes());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token; `None` for anything that [`to_text`](Self::to_text) did not write.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let rest = bytes.strip_prefix(&[VERSION])?;
        let (occurred_at, rest) = rest.split_first_chunk()?;
        let (position, rest) = rest.split_first_chunk()?;
        let size = rest.first_chunk().filter(|_| rest.len() == 8)?;
        Some(Self {
            occurred_at: Time::from_ms(i64::from_be_bytes(*occurred_at)).ok()?,
            position: u64::from_be_bytes(*position),
            size: u64::from_be_bytes(*size),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_their_text_and_nothing_else_passes() {
        let token =
            PageToken { occurred_at: Time::from_ms(1_700_000_000_123).unwrap(), position: 7, size: 9 };
        assert_eq!(PageToken::parse(&token.to_text()), Some(token));
        for bad in ["", "!", "AAAA", &format!("{}AAAA", token.to_text())] {
            assert_eq!(PageToken::parse(bad), None, "{bad}");
        }
    }
}
