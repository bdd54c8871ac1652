//! Texts to compare with: what `*`, case and the part before `@` mean.

/// A text to compare with, in lower case; `*` was split off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What must stand between the stars, in order. One piece: no star.
    pub pieces: Vec<String>,
}

impl Pattern {
    /// A pattern that was written as `text`; case does not count.
    pub fn new(text: &str) -> Self {
        Self { pieces: text.to_lowercase().split('*').map(str::to_owned).collect() }
    }

    /// The exact text, if there is no star in it.
    pub fn exact(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The exact text, if it may be the part of an address before its `@`. A GUID is an id and means only
    /// itself: one person's history is then found by one key.
    pub fn local_part(&self) -> Option<&str> {
        self.exact().filter(|text| !text.contains('@') && !is_guid(text))
    }

    /// Whether the whole of `text` fits.
    pub fn fits(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let Some((first, rest)) = self.pieces.split_first() else { return text.is_empty() };
        let Some((last, middle)) = rest.split_last() else { return text == *first };
        let Some(mut text) =
            text.strip_prefix(first.as_str()).and_then(|text| text.strip_suffix(last.as_str()))
        else {
            return false;
        };
        for piece in middle {
            match text.find(piece.as_str()) {
                Some(at) => text = text.split_at(at + piece.len()).1,
                None => return false,
            }
        }
        true
    }

    /// Whether a part of `text` fits.
    pub fn fits_within(&self, text: &str) -> bool {
        self.within().fits(text)
    }

    /// This pattern with a star on either side.
    pub fn within(&self) -> Self {
        let mut pieces = self.pieces.clone();
        pieces.insert(0, String::new());
        pieces.push(String::new());
        Self { pieces }
    }

    /// As the pattern of SQL's LIKE with `\` as escape.
    pub fn to_like(&self) -> String {
        let escape = |piece: &String| piece.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        self.pieces.iter().map(escape).collect::<Vec<_>>().join("%")
    }
}

/// Whether a user pattern fits a name: the whole of it, or the part before `@`.
pub fn fits_user(pattern: &Pattern, name: &str) -> bool {
    let may_be_local = pattern.exact().is_none() || pattern.local_part().is_some();
    pattern.fits(name) || (may_be_local && name.split_once('@').is_some_and(|(local, _)| pattern.fits(local)))
}

/// Eight, four, four, four and twelve hexadecimal digits.
fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_name_is_found_by_its_local_part_and_a_guid_is_not_one() {
        let guid = "0b6d2b8c-7a55-4f0e-9d33-8c1f5d2e0a11";
        for (pattern, name, want) in [
            ("alice", "ALICE@contoso.example", true),
            ("al*", "alice@contoso.example", true),
            ("alice@contoso.example", "alice@contoso.example", true),
            ("alice@contoso.example", "alice@contoso.example@x", false),
            ("alice", "alice2@contoso.example", false),
            (guid, guid, true),
            (guid, "0b6d2b8c-7a55-4f0e-9d33-8c1f5d2e0a11@contoso.example", false),
        ] {
            assert_eq!(fits_user(&Pattern::new(pattern), name), want, "{pattern} {name}");
        }
    }
}
