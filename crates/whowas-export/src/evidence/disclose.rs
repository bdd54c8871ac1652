//! Which personal fields go along with a leaf. What stays away cannot be guessed from the digest that
//! stands for it: every field has a salt of its own.

use std::collections::BTreeSet;

use whowas_event::{LeafWriter, Personal, Record};

/// Which personal fields are disclosed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Disclose {
    /// Every field that the record has.
    #[default]
    All,
    /// None: the leaf alone.
    None,
    /// These.
    Only(BTreeSet<Personal>),
}

/// A word that names no personal field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no personal field {0:?}; write all, none, or names such as user.name,src_endpoint.ip")]
pub struct DiscloseError(String);

impl Disclose {
    /// Reads `all`, `none`, or names of fields with commas between them; nothing means all.
    ///
    /// # Errors
    /// A name is not that of a personal field.
    pub fn parse(text: &str) -> Result<Self, DiscloseError> {
        match text {
            "" | "all" => return Ok(Self::All),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let field = |name: &str| Personal::ALL.into_iter().find(|field| field.name() == name.trim());
        let known = |name: &str| field(name).ok_or_else(|| DiscloseError(name.trim().to_owned()));
        text.split(',').map(known).collect::<Result<_, _>>().map(Self::Only)
    }

    /// The disclosures of `record` that go along, as their SD-JWT texts.
    pub fn of(&self, record: &Record) -> Vec<String> {
        let is_meant = |field: &Personal| match self {
            Self::All => true,
            Self::None => false,
            Self::Only(fields) => fields.contains(field),
        };
        let all = LeafWriter::new().disclosures(record);
        all.into_iter().filter(|one| is_meant(&one.field)).map(|one| one.text).collect()
    }
}
