//! What happened: one sign-in, sign-out or other fact, in OCSF's words.

use crate::Time;

/// What a record is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A sign-in, a sign-out or a failed attempt (OCSF 3002 *Authentication*).
    #[default]
    Login,
    /// A change in the directory of people.
    Identity,
    /// One pass of a collector or importer over a source, also an empty one.
    Coverage,
    /// Someone searched, exported or changed something in this program.
    Access,
    /// Personal fields of one person were erased.
    Erasure,
    /// Records were deleted under a retention rule.
    Retention,
    /// A log key was created, rotated or retired.
    Key,
}

/// What the user did: OCSF `activity_id` of class 3002.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Activity {
    /// 0
    #[default]
    Unknown,
    /// 1
    Logon,
    /// 2
    Logoff,
    /// 3: a Kerberos ticket-granting ticket
    AuthenticationTicket,
    /// 4: a Kerberos service ticket
    ServiceTicketRequest,
    /// 5
    ServiceTicketRenew,
    /// 6
    Preauth,
    /// 7: one user goes on as another
    AccountSwitch,
    /// 99
    Other,
}

/// How it ended: OCSF `status_id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// 0: the source does not tell
    #[default]
    Unknown,
    /// 1
    Success,
    /// 2
    Failure,
    /// 99
    Other,
}

/// Declares the wire names and OCSF numbers of an enum once.
macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal $(, $id:literal)?;)+ }) => {
        impl $type {
            /// Every member, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the wire: JSON, SQL, CLI and console.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The member with this wire name.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
        words!(@ids $type $($variant $($id)?;)+);
    };
    (@ids $type:ident $($variant:ident;)+) => {};
    (@ids $type:ident $($variant:ident $id:literal;)+) => {
        impl $type {
            /// OCSF's number of this member.
            pub const fn ocsf_id(self) -> u8 {
                match self { $(Self::$variant => $id),+ }
            }
        }
    };
}

words!(Kind {
    Login = "login";
    Identity = "identity";
    Coverage = "coverage";
    Access = "access";
    Erasure = "erasure";
    Retention = "retention";
    Key = "key";
});

words!(Activity {
    Unknown = "unknown", 0;
    Logon = "logon", 1;
    Logoff = "logoff", 2;
    AuthenticationTicket = "authentication_ticket", 3;
    ServiceTicketRequest = "service_ticket_request", 4;
    ServiceTicketRenew = "service_ticket_renew", 5;
    Preauth = "preauth", 6;
    AccountSwitch = "account_switch", 7;
    Other = "other", 99;
});

words!(Status {
    Unknown = "unknown", 0;
    Success = "success", 1;
    Failure = "failure", 2;
    Other = "other", 99;
});

/// The id of a record at its source, the key by which a second delivery is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NativeId {
    /// The source gave it. It stands in clear in the leaf.
    Given(String),
    /// The source gives none: made from the record's own content by the format, with an occurrence
    /// counter where rows repeat. It may be guessed from personal fields, so the leaf only commits to it.
    Derived(String),
}

impl NativeId {
    /// The id's text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Given(id) | Self::Derived(id) => id,
        }
    }

    /// Whether the id was made from the record's content.
    pub const fn is_derived(&self) -> bool {
        matches!(self, Self::Derived(_))
    }
}

impl Default for NativeId {
    fn default() -> Self {
        Self::Derived(String::new())
    }
}

/// Who signed in, as the source says. OCSF `user`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Opaque id, often a GUID.
    pub uid: Option<String>,
    /// Login name.
    pub name: Option<String>,
    /// The person's name.
    pub full_name: Option<String>,
    /// E-mail address or user principal name.
    pub email_addr: Option<String>,
    /// Domain or realm.
    pub domain: Option<String>,
    /// Roles at sign-in.
    pub roles: Vec<String>,
}

impl User {
    /// Whether the source says nothing about the user.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The other party, where it differs from the user: an administrator acting as someone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// Opaque id.
    pub uid: Option<String>,
    /// Login name.
    pub name: Option<String>,
}

/// Where the source places the address. Best effort, never checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// ISO 3166 code or name, as given.
    pub country: Option<String>,
    /// State or province.
    pub region: Option<String>,
    /// City.
    pub city: Option<String>,
}

/// From where. OCSF `src_endpoint`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SrcEndpoint {
    /// The address in its canonical text; whatever the source wrote, where that is no address.
    pub ip: Option<String>,
    /// TCP or UDP port.
    pub port: Option<u16>,
    /// Name of the machine or terminal the user came from.
    pub hostname: Option<String>,
    /// Geography.
    pub location: Location,
}

/// The user's device, as the source describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Id of a registered device.
    pub uid: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Operating system.
    pub os: Option<String>,
    /// Browser, where the source tells it apart from the user agent.
    pub browser: Option<String>,
}

/// To what. OCSF `service`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Application or service name.
    pub name: Option<String>,
    /// Its id.
    pub uid: Option<String>,
}

/// One thing that happened, with everything a source tells about it that an audit trail needs.
///
/// Texts are never empty: what is not told is `None`. [`crate::admit()`] sees to that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub kind: Kind,
    /// When it happened, by the source's claim.
    pub occurred_at: Time,
    /// The source's own text of that time, where it says more than `occurred_at`.
    pub raw_time: Option<String>,
    /// Id at the source.
    pub native_id: NativeId,
    /// What the user did.
    pub activity: Activity,
    /// How it ended.
    pub status: Status,
    /// The source's code for that.
    pub status_code: Option<String>,
    /// The source's words for that.
    pub status_detail: Option<String>,
    /// Who.
    pub user: User,
    /// Who else, where it differs.
    pub actor: Actor,
    /// From where.
    pub src_endpoint: SrcEndpoint,
    /// The browser's or client's own words about itself.
    pub user_agent: Option<String>,
    /// With what.
    pub device: Device,
    /// To which machine.
    pub dst_hostname: Option<String>,
    /// To what.
    pub service: Service,
    /// `oidc`, `saml`, `kerberos` …, as the source writes it.
    pub auth_protocol: Option<String>,
    /// `interactive`, `non_interactive`, `service_principal` …
    pub logon_type: Option<String>,
    /// Whether more than one factor was asked for.
    pub is_mfa: Option<bool>,
    /// The source's session id.
    pub session_uid: Option<String>,
    /// Ties records of one request together.
    pub correlation_uid: Option<String>,
    /// The source's tenant.
    pub tenant_uid: Option<String>,
    /// What has no word of ours: a JSON object in canonical form ([`crate::jcs`]). Treated as personal.
    pub unmapped: Option<String>,
    /// For records that are no login: a canonical JSON object without personal data, in clear in the leaf.
    pub body: Option<String>,
}

/// What a format makes of one foreign record: an event, and the bytes it was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// What was understood.
    pub event: Event,
    /// The record's own bytes, without the separator that follows. One record of input may give
    /// several drafts (start and end); each carries the bytes.
    pub raw: Vec<u8>,
}
