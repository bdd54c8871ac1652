//! What happens in the demo, before it is written down.

use std::{net::IpAddr, sync::Arc};

use whowas_event::Time;

use super::{
    people::{Device, Identity},
    places::Office,
};

/// An application that people sign in to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) uid: &'static str,
    pub(crate) auth_protocol: &'static str,
}

pub(crate) static FINANCE: Service = Service {
    name: "Finance and Operations",
    uid: "00000015-0000-0000-c000-000000000000",
    auth_protocol: "oidc",
};
pub(crate) static CRM: Service = Service {
    name: "Customer Engagement",
    uid: "00000007-0000-0000-c000-000000000000",
    auth_protocol: "oidc",
};
pub(crate) static INTRANET: Service =
    Service { name: "Intranet", uid: "5d8f0a14-6a55-4a0e-9d35-0f7c6a1d2b31", auth_protocol: "saml" };
pub(crate) static MAIL: Service =
    Service { name: "Mail", uid: "00000002-0000-0ff1-ce00-000000000000", auth_protocol: "oidc" };
pub(crate) static VPN: Service =
    Service { name: "VPN", uid: "9b1f2c77-30b4-4b62-8c1b-7a64f0f5e2aa", auth_protocol: "radius" };
pub(crate) static ADMIN_PORTAL: Service =
    Service { name: "Admin portal", uid: "c44b4083-3bb0-49c1-b47d-974e53cbdf3c", auth_protocol: "oidc" };

/// Who, as far as the source knows.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    Known(Arc<Identity>),
    /// A login name that nobody has.
    Unknown(&'static str),
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Logout,
    Expired,
    Revoked,
}

/// Why a sign-in failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    BadPassword,
    PasswordExpired,
    Locked,
    Disabled,
    MfaDenied,
    NoSuchUser,
}

impl Refusal {
    /// Code and words, as Entra ID has them.
    pub(crate) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::BadPassword => ("50126", "Invalid username or password"),
            Self::PasswordExpired => ("50055", "The password is expired"),
            Self::Locked => ("50053", "The account is locked after too many attempts"),
            Self::Disabled => ("50057", "The user account is disabled"),
            Self::MfaDenied => ("500121", "Authentication failed during strong authentication request"),
            Self::NoSuchUser => ("50034", "The user account does not exist in the directory"),
        }
    }
}

/// What happened. Only what opens or closes a session has one: a failure cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    SignIn { session: String, is_mfa: bool },
    SignOut { session: String, end: End },
    Refused(Refusal),
}

/// From where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct From {
    pub(crate) ip: IpAddr,
    pub(crate) place: Option<&'static Office>,
}

/// One line of the log to be.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Time,
    pub(crate) who: Who,
    pub(crate) act: Act,
    pub(crate) service: &'static Service,
    pub(crate) from: From,
    pub(crate) device: Option<Arc<Device>>,
    pub(crate) logon_type: &'static str,
    pub(crate) detail: Detail,
}

/// How much the source tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    Everything,
    /// Only the user's id, as Lifecycle Services did: the name is for the directory to tell.
    IdOnly,
}
