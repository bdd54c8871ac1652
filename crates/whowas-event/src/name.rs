//! Names of environments: `project/environment`, as in `contoso/production`.

use std::{fmt, str::FromStr};

/// The longest project or environment name, in bytes: two of them, a slash and an origin prefix stay
/// far below the 255 bytes a file name may have.
pub const NAME_BYTES_MAX: usize = 63;

/// The name of one environment, the system whose sign-ins are tracked.
///
/// Each half has 1 to 63 of `a`–`z`, `0`–`9`, `-`, `_`, `.`, and begins with a letter or digit, so that it
/// is one path segment, one URL segment and one word of a checkpoint's origin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentName {
    text: String,
    slash: usize,
}

/// Why a text does not name an environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is no slash, or more than one.
    #[error("write the environment as PROJECT/ENVIRONMENT, for example contoso/production")]
    Shape,
    /// One half has a character or a length that is not allowed.
    #[error(
        "{0:?} is not a name: use 1 to {NAME_BYTES_MAX} of a-z, 0-9, '-', '_', '.', beginning with a letter or digit"
    )]
    Half(String),
}

impl EnvironmentName {
    /// The part before the slash.
    pub fn project(&self) -> &str {
        self.text.split_at(self.slash).0
    }

    /// The part after the slash.
    pub fn environment(&self) -> &str {
        self.text.split_at(self.slash + 1).1
    }

    /// Both, with the slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for EnvironmentName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (project, environment) = text.split_once('/').ok_or(NameError::Shape)?;
        if environment.contains('/') {
            return Err(NameError::Shape);
        }
        for half in [project, environment] {
            if !is_name(half) {
                return Err(NameError::Half(half.chars().take(NAME_BYTES_MAX).collect()));
            }
        }
        Ok(Self { text: text.to_owned(), slash: project.len() })
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for EnvironmentName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

fn is_name(half: &str) -> bool {
    half.len() <= NAME_BYTES_MAX
        && half.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && half.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_two_safe_segments() {
        let name: EnvironmentName = "contoso/production".parse().unwrap();
        assert_eq!((name.project(), name.environment()), ("contoso", "production"));
        for bad in [
            "contoso",
            "a/b/c",
            "/b",
            "a/",
            "../x",
            "a/..",
            "a/.x",
            "A/b",
            "a/b c",
            "a/\u{e9}",
            &format!("a/{}", "x".repeat(64)),
        ] {
            assert!(bad.parse::<EnvironmentName>().is_err(), "{bad}");
        }
    }
}
