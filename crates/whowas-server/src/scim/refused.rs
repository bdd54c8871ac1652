//! Why a request of SCIM is refused, in the words of RFC 7644 §3.12.

/// A request that is refused: its status, SCIM's word for the reason, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) scim_type: Option<&'static str>,
    pub(crate) detail: String,
}

impl Refused {
    const fn new(status: u16, scim_type: Option<&'static str>, detail: String) -> Self {
        Self { status, scim_type, detail }
    }

    pub(crate) fn filter(detail: impl Into<String>) -> Self {
        Self::new(400, Some("invalidFilter"), detail.into())
    }

    pub(crate) fn path(detail: impl Into<String>) -> Self {
        Self::new(400, Some("invalidPath"), detail.into())
    }

    pub(crate) fn no_target(detail: impl Into<String>) -> Self {
        Self::new(400, Some("noTarget"), detail.into())
    }

    pub(crate) fn syntax(detail: impl Into<String>) -> Self {
        Self::new(400, Some("invalidSyntax"), detail.into())
    }

    pub(crate) fn value(detail: impl Into<String>) -> Self {
        Self::new(400, Some("invalidValue"), detail.into())
    }

    pub(crate) fn mutability(detail: impl Into<String>) -> Self {
        Self::new(400, Some("mutability"), detail.into())
    }

    pub(crate) fn too_many(detail: impl Into<String>) -> Self {
        Self::new(400, Some("tooMany"), detail.into())
    }

    pub(crate) fn taken(detail: impl Into<String>) -> Self {
        Self::new(409, Some("uniqueness"), detail.into())
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, None, detail.into())
    }

    pub(crate) fn with_status(status: u16, detail: impl Into<String>) -> Self {
        Self::new(status, None, detail.into())
    }
}
