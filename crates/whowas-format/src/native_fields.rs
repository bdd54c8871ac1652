//! The members of a native record, read in one pass, without a tree in between.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use whowas_event::{Activity, Event, Kind, Status, Time};

use crate::{
    instant,
    native::given,
    strict::{Strict, insert},
};

/// What a record says.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) event: Event,
    pub(crate) when: When,
    pub(crate) has_activity: bool,
    pub(crate) unmapped: Map<String, Value>,
    /// One bit a field, to find what is given twice.
    seen: u64,
}

/// The time, as far as it can be told without options.
#[derive(Debug, Default)]
pub(crate) enum When {
    #[default]
    Missing,
    At(Time),
    Text(String),
}

/// Declares the fields: their nested names, how they are spelled in their objects, and flat.
macro_rules! fields {
    ($($field:ident = $name:literal, $object:ident $member:literal $(, flat $($flat:literal)|+)?;)+) => {
        /// A field of the record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Field { $($field),+ }

        impl Field {
            fn find(object: Object, member: &str) -> Option<Self> {
                match (object, member) {
                    $((Object::$object, $member) $($(| (Object::Record, $flat))+)? => Some(Self::$field),)+
                    _ => None,
                }
            }

            const fn name(self) -> &'static str {
                match self { $(Self::$field => $name),+ }
            }
        }
    };
}

fields! {
    OccurredAt = "occurred_at", Record "occurred_at", flat "timestamp" | "@timestamp" | "time";
    RawTime = "raw_time", Record "raw_time";
    NativeId = "native_id", Record "native_id", flat "event_id" | "id";
    Kind = "kind", Record "kind";
    Activity = "activity", Record "activity", flat "action" | "event_type";
    Status = "status", Record "status", flat "outcome" | "result";
    StatusCode = "status_code", Record "status_code", flat "error_code";
    StatusDetail = "status_detail", Record "status_detail", flat "failure_reason" | "reason";
    UserUid = "user.uid", User "uid", flat "user_id";
    UserName = "user.name", User "name", flat "user_name" | "username";
    UserFullName = "user.full_name", User "full_name", flat "display_name" | "full_name";
    UserEmail = "user.email_addr", User "email_addr", flat "email";
    UserDomain = "user.domain", User "domain", flat "user_domain";
    UserRoles = "user.roles", User "roles", flat "roles";
    ActorUid = "actor.uid", Actor "uid", flat "actor_id";
    ActorName = "actor.name", Actor "name", flat "actor_name";
    SrcIp = "src_endpoint.ip", Src "ip", flat "src_ip" | "source_ip" | "ip" | "ip_address";
    SrcPort = "src_endpoint.port", Src "port", flat "src_port" | "source_port";
    SrcHostname = "src_endpoint.hostname", Src "hostname", flat "src_hostname";
    Country = "src_endpoint.location.country", Location "country", flat "country";
    Region = "src_endpoint.location.region", Location "region", flat "region";
    City = "src_endpoint.location.city", Location "city", flat "city";
    UserAgent = "user_agent", Record "user_agent";
    DeviceUid = "device.uid", Device "uid", flat "device_id";
    DeviceName = "device.name", Device "name", flat "device_name";
    DeviceOs = "device.os", Device "os", flat "os";
    DeviceBrowser = "device.browser", Device "browser", flat "browser";
    DstHostname = "dst_endpoint.hostname", Dst "hostname", flat "dst_hostname";
    ServiceName = "service.name", Service "name", flat "app" | "application";
    ServiceUid = "service.uid", Service "uid", flat "app_id";
    AuthProtocol = "auth_protocol", Record "auth_protocol";
    LogonType = "logon_type", Record "logon_type";
    IsMfa = "is_mfa", Record "is_mfa", flat "mfa";
    SessionUid = "session.uid", Session "uid", flat "session_id";
    CorrelationUid = "correlation_uid", Record "correlation_uid", flat "correlation_id";
    TenantUid = "tenant_uid", Record "tenant_uid", flat "tenant_id";
}

/// Which object a member stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Object {
    Record,
    User,
    Actor,
    Src,
    Location,
    Device,
    Dst,
    Service,
    Session,
}

impl Object {
    fn find(parent: Self, member: &str) -> Option<Self> {
        match (parent, member) {
            (Self::Record, "user") => Some(Self::User),
            (Self::Record, "actor") => Some(Self::Actor),
            (Self::Record, "src_endpoint") => Some(Self::Src),
            (Self::Src, "location") => Some(Self::Location),
            (Self::Record, "device") => Some(Self::Device),
            (Self::Record, "dst_endpoint") => Some(Self::Dst),
            (Self::Record, "service") => Some(Self::Service),
            (Self::Record, "session") => Some(Self::Session),
            _ => None,
        }
    }

    /// Under which names what is unknown in it stands in `unmapped`.
    const fn path(self) -> &'static [&'static str] {
        match self {
            Self::Record => &[],
            Self::User => &["user"],
            Self::Actor => &["actor"],
            Self::Src => &["src_endpoint"],
            Self::Location => &["src_endpoint", "location"],
            Self::Device => &["device"],
            Self::Dst => &["dst_endpoint"],
            Self::Service => &["service"],
            Self::Session => &["session"],
        }
    }
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut parsed = Self::default();
        deserializer.deserialize_map(Members { object: Object::Record, parsed: &mut parsed })?;
        Ok(parsed)
    }
}

/// Reads the members of one object into the record.
struct Members<'p> {
    object: Object,
    parsed: &'p mut Parsed,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(member) = members.next_key_seed(MemberSeed(self.object))? {
            match member {
                Member::Field(field) => self.parsed.field(field, &mut members)?,
                Member::Object(object) => {
                    members.next_value_seed(Members { object, parsed: &mut *self.parsed })?;
                }
                Member::Unmapped => {
                    let Strict(value) = members.next_value()?;
                    let Value::Object(all) = value else {
                        return Err(A::Error::custom("`unmapped` is not an object"));
                    };
                    for (name, value) in all {
                        insert(&mut self.parsed.unmapped, name, value)?;
                    }
                }
                Member::Ignored => _ = members.next_value::<IgnoredAny>()?,
                Member::Unknown(name) => {
                    let Strict(value) = members.next_value()?;
                    self.parsed.unknown(self.object, name, value)?;
                }
            }
        }
        Ok(())
    }
}

/// What a member's name stands for.
enum Member {
    Field(Field),
    Object(Object),
    Unmapped,
    Ignored,
    Unknown(String),
}

struct MemberSeed(Object);

impl<'de> DeserializeSeed<'de> for MemberSeed {
    type Value = Member;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Member, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for MemberSeed {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Member, E> {
        let is_top = self.0 == Object::Record;
        Ok(match name {
            "unmapped" if is_top => Member::Unmapped,
            "raw_data" if is_top => Member::Ignored,
            _ => match (Field::find(self.0, name), Object::find(self.0, name)) {
                (Some(field), _) => Member::Field(field),
                (None, Some(object)) => Member::Object(object),
                (None, None) => Member::Unknown(name.to_owned()),
            },
        })
    }
}

impl Parsed {
    fn unknown<E: Error>(&mut self, object: Object, name: String, value: Value) -> Result<(), E> {
        let mut place = &mut self.unmapped;
        for step in object.path() {
            let inner = place.entry(*step).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = inner else {
                return Err(E::custom(format!("`{step}` is given twice")));
            };
            place = inner;
        }
        insert(place, name, value)
    }

    /// Reads the value of a field to where it belongs.
    fn field<'de, A: MapAccess<'de>>(&mut self, field: Field, members: &mut A) -> Result<(), A::Error> {
        if field == Field::UserRoles {
            let is_again = !self.event.user.roles.is_empty();
            self.event.user.roles = members.next_value::<Roles>()?.0;
            if is_again {
                return Err(A::Error::custom("`user.roles` is given twice"));
            }
        } else if let Some(text) = members.next_value::<Text>()?.0 {
            if self.seen & (1 << field as u64) != 0 {
                return Err(A::Error::custom(format!("`{}` is given twice", field.name())));
            }
            self.text(field, text)?;
        } else {
            return Ok(());
        }
        self.seen |= 1 << field as u64;
        Ok(())
    }

    fn text<E: Error>(&mut self, field: Field, text: String) -> Result<(), E> {
        let event = &mut self.event;
        match field {
            Field::OccurredAt => self.time(text),
            Field::NativeId => event.native_id = given(text),
            Field::Kind => {
                let kind = Kind::from_word(&text).filter(|kind| matches!(kind, Kind::Login | Kind::Identity));
                event.kind = kind.ok_or_else(|| none_of("kind", &text, ["login", "identity"]))?;
            }
            Field::Activity => {
                let words = Activity::ALL.iter().map(|activity| activity.as_str());
                event.activity = activity(&text).ok_or_else(|| none_of("activity", &text, words))?;
                self.has_activity = true;
            }
            Field::Status => {
                let words = Status::ALL.iter().map(|status| status.as_str());
                event.status = status(&text).ok_or_else(|| none_of("status", &text, words))?;
            }
            Field::SrcPort => {
                let port = text.trim().parse().map_err(|_| E::custom(format!("`{text}` is no port")))?;
                event.src_endpoint.port = Some(port);
            }
            Field::IsMfa => {
                event.is_mfa = Some(match text.as_str() {
                    "true" | "True" | "1" => true,
                    "false" | "False" | "0" => false,
                    _ => return Err(E::custom(format!("`is_mfa` is `{text}`, not true or false"))),
                });
            }
            _ => *self.slot(field) = Some(text),
        }
        Ok(())
    }

    /// Where a field that is a text stands.
    fn slot(&mut self, field: Field) -> &mut Option<String> {
        let event = &mut self.event;
        match field {
            Field::RawTime => &mut event.raw_time,
            Field::StatusCode => &mut event.status_code,
            Field::StatusDetail => &mut event.status_detail,
            Field::UserUid => &mut event.user.uid,
            Field::UserName => &mut event.user.name,
            Field::UserFullName => &mut event.user.full_name,
            Field::UserEmail => &mut event.user.email_addr,
            Field::UserDomain => &mut event.user.domain,
            Field::ActorUid => &mut event.actor.uid,
            Field::ActorName => &mut event.actor.name,
            Field::SrcIp => &mut event.src_endpoint.ip,
            Field::SrcHostname => &mut event.src_endpoint.hostname,
            Field::Country => &mut event.src_endpoint.location.country,
            Field::Region => &mut event.src_endpoint.location.region,
            Field::City => &mut event.src_endpoint.location.city,
            Field::UserAgent => &mut event.user_agent,
            Field::DeviceUid => &mut event.device.uid,
            Field::DeviceName => &mut event.device.name,
            Field::DeviceOs => &mut event.device.os,
            Field::DeviceBrowser => &mut event.device.browser,
            Field::DstHostname => &mut event.dst_hostname,
            Field::ServiceName => &mut event.service.name,
            Field::ServiceUid => &mut event.service.uid,
            Field::AuthProtocol => &mut event.auth_protocol,
            Field::LogonType => &mut event.logon_type,
            Field::SessionUid => &mut event.session_uid,
            Field::CorrelationUid => &mut event.correlation_uid,
            Field::TenantUid => &mut event.tenant_uid,
            _ => unreachable!("`text` and `field` read all other fields"),
        }
    }

    fn time(&mut self, text: String) {
        self.when = match Time::parse_rfc3339(&text) {
            Ok(time) => {
                let raw_time = instant::with_offset(&text, time).raw_time;
                self.event.raw_time = self.event.raw_time.take().or(raw_time);
                When::At(time)
            }
            Err(_) => match text.parse().ok().map(Time::from_ms) {
                Some(Ok(time)) => When::At(time),
                _ => When::Text(text),
            },
        };
    }
}

fn none_of<E: Error>(field: &str, text: &str, words: impl IntoIterator<Item = &'static str>) -> E {
    let words: Vec<&str> = words.into_iter().collect();
    E::custom(format!("`{field}` is `{text}`: none of {}", words.join(", ")))
}

fn activity(word: &str) -> Option<Activity> {
    Activity::from_word(word).or_else(|| match word.to_ascii_lowercase().as_str() {
        "logon" | "login" | "log_in" | "sign_in" | "signin" | "sign-in" => Some(Activity::Logon),
        "logoff" | "logout" | "log_out" | "sign_out" | "signout" | "sign-out" => Some(Activity::Logoff),
        _ => None,
    })
}

fn status(word: &str) -> Option<Status> {
    Status::from_word(word).or_else(|| match word.to_ascii_lowercase().as_str() {
        "success" | "succeeded" | "successful" | "ok" => Some(Status::Success),
        "failure" | "failed" | "fail" | "denied" | "error" => Some(Status::Failure),
        _ => None,
    })
}

/// A text; numbers and booleans are taken as theirs, null as none.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_unit<E: Error>(self) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Text, E> {
        Ok(Text(Some(value.to_owned())))
    }
}

/// Names of roles: a list, a single one, or none.
struct Roles(Vec<String>);

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Strict(value) = Strict::deserialize(deserializer)?;
        let text = |value| match value {
            Value::String(role) => Ok(role),
            other => Err(D::Error::custom(format!("`{other}` is not the name of a role"))),
        };
        Ok(Self(match value {
            Value::Null => Vec::new(),
            Value::Array(roles) => roles.into_iter().map(text).collect::<Result<_, _>>()?,
            role => vec![text(role)?],
        }))
    }
}
