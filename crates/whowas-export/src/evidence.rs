//! Evidence: what convinces somebody who has neither our trail nor our server nor any trust in us.
//!
//! Everything is checked against a [`whowas_tlog::policy::Policy`], which is the verifier's own file. A key
//! that comes with the evidence is shown, never believed.
//!
//! [`record`] is one record with its proof, [`copy`] a whole log as files, [`bundle`] an answer with the
//! leaves that show it is all of it.

pub mod bundle;
pub mod copy;
mod dated;
mod disclose;
mod leaf;
pub mod record;
mod stated;
#[cfg(test)]
mod testlog;

pub use disclose::{Disclose, DiscloseError};
pub use leaf::{Leaf, LeafError};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Where: a file, or a part of it.
    pub place: String,
    /// What.
    pub reason: String,
}

impl Finding {
    fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }
}
