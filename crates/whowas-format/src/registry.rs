//! The formats that are known.

use crate::contract::Format;

/// Every format, in the order in which they are asked whether they recognise an input.
pub static FORMATS: &[&dyn Format] = &[];

/// The format of this name.
pub fn find(name: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.info().name == name)
}
