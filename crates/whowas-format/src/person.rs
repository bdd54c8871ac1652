//! One person of a directory, from whatever names a system has for what it tells.
//!
//! Names count by their letters and digits alone: `userPrincipalName`, *User principal name*.
//!
//! | field | names |
//! |---|---|
//! | `user.uid` | `UserObjectId`, *Telemetry ID*, *Object ID*, `id`, `uid`; `UserID` if it is a GUID |
//! | `user.name` | `login`, `samAccountName`; `UserID` if it is none; *Username*; `userPrincipalName` |
//! | `user.full_name` | *Display name*, *Full name*, *Name*, `PersonName`; *User name* beside a *User ID* |
//! | `user.email_addr` | *E-mail*, `mail`; a `userPrincipalName` or login name with `@` |
//! | `user.domain` | `NetworkDomain`, `onPremisesDomainName`, *Domain* |
//! | `user.roles` | *Roles*, separated by semicolons |
//! | `occurred_at` | *Modified date and time*, `lastModifiedDateTime`, `whenChanged`; else the time of the reading |
//! | `unmapped` | `enabled`, `company`, `account_type`, `user_type`, `alias`, `language`, `licenses` … |
//!
//! What is of no use to an audit trail (telephone numbers, addresses, preferences of the user interface)
//! is left in the raw record. GUIDs are written in lower case, and one of zeros is none, so that they meet
//! those in sign-ins. The id of a record is `user:` and the most lasting of uid, name and e-mail address.
//! It is made of personal data, so the leaf only commits to it ([`NativeId::Derived`]).

use serde_json::{Map, Value};
use whowas_event::{Event, Kind, NativeId};

use crate::{contract::Options, dates, dynamics, strict::canonical_object, tabular::yes_no};

/// What a column or member says about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// An opaque id.
    Uid,
    /// `UserID`: an id or a login name.
    UserId,
    Login,
    /// `UserName`: a login name, or the person's where there is another login name.
    UserName,
    Principal,
    FullName,
    Email,
    Domain,
    Roles,
    Changed,
    Enabled,
    Disabled,
    Licenses,
    /// A member of `unmapped`.
    Beside(&'static str),
}

impl Word {
    /// What a squashed name means.
    pub(crate) fn of(squashed: &str) -> Option<Self> {
        Some(match squashed {
            "userobjectid"
            | "telemetryid"
            | "objectid"
            | "id"
            | "uid"
            | "guid"
            | "aadobjectid"
            | "aaduserid"
            | "azureadobjectid"
            | "entraobjectid"
            | "microsoftentraobjectid" => Self::Uid,
            "userid" => Self::UserId,
            "login" | "loginname" | "logonname" | "accountname" | "samaccountname" => Self::Login,
            "username" => Self::UserName,
            "userprincipalname" | "upn" | "principalname" => Self::Principal,
            "displayname" | "fullname" | "name" | "personname" | "userdisplayname" => Self::FullName,
            "email" | "mail" | "emailaddress" | "useremail" | "primaryemail" => Self::Email,
            "networkdomain" | "onpremisesdomainname" | "domain" => Self::Domain,
            "roles" | "role" => Self::Roles,
            "modifieddatetime"
            | "modifieddateandtime"
            | "lastmodifieddatetime"
            | "modified"
            | "lastmodified"
            | "modifiedon"
            | "whenchanged"
            | "updatedat"
            | "lastupdated" => Self::Changed,
            "enabled" | "accountenabled" | "isenabled" | "active" | "isactive" => Self::Enabled,
            "disabled" | "accountdisabled" | "isdisabled" => Self::Disabled,
            "license" | "licenses" | "licence" | "licences" | "assignedlicenses" => Self::Licenses,
            other => Self::Beside(beside(other)?),
        })
    }

    /// Whether it can tell who someone is.
    pub(crate) fn tells_who(self) -> bool {
        matches!(
            self,
            Self::Uid | Self::UserId | Self::Login | Self::UserName | Self::Principal | Self::Email
        )
    }

    /// Whether it is what lists of people tell of them.
    pub(crate) fn describes(self) -> bool {
        matches!(self, Self::FullName | Self::Enabled | Self::Disabled)
    }
}

/// The member of `unmapped` for a name.
fn beside(squashed: &str) -> Option<&'static str> {
    Some(match squashed {
        "company" | "companyname" | "dataareaid" => "company",
        "accounttype" => "account_type",
        "usertype" => "user_type",
        "alias" | "mailnickname" => "alias",
        "language" | "languageid" | "preferredlanguage" => "language",
        "userinfolanguage" => "user_language",
        "securityidentifier" | "sid" | "onpremisessecurityidentifier" => "security_id",
        "onpremisessamaccountname" => "sam_account_name",
        "onpremisessyncenabled" | "directorysynced" => "directory_synced",
        "externaluser" => "external_user",
        "externaluserstate" => "external_user_state",
        "emailproviderid" | "provider" => "provider",
        "identityprovider" => "identity_provider",
        "authenticationtype" => "authentication_type",
        "accountstatus" => "account_status",
        "autologoff" => "auto_log_off",
        "preferredtimezone" => "time_zone",
        "usagelocation" => "usage_location",
        "department" => "department",
        "jobtitle" | "title" => "job_title",
        "employeeid" => "employee_id",
        "createddatetime" | "createddateandtime" | "whencreated" | "createdat" => "created_at",
        "deleteddatetime" => "deleted_at",
        "creationtype" => "creation_type",
        "lastpasswordchangedatetime" => "password_changed_at",
        "signinactivity" => "sign_in_activity",
        "lastlogin" | "lastsignin" | "lastlogon" => "last_login",
        "removed" => "removed",
        _ => return None,
    })
}

/// What is known of a person so far.
#[derive(Debug, Default)]
pub(crate) struct Person {
    texts: Vec<(Word, String)>,
    beside: Map<String, Value>,
}

impl Person {
    /// Adds what a column or member says; of two that mean the same the first counts.
    pub(crate) fn set(&mut self, word: Word, value: Value) {
        match word {
            Word::Enabled => self.put("enabled", state(value, false)),
            Word::Disabled => self.put("enabled", state(value, true)),
            Word::Licenses => self.put("licenses", licenses(value)),
            Word::Beside(name) => self.put(name, value),
            Word::Roles => match value {
                Value::Array(roles) => {
                    let roles = roles.into_iter().filter_map(text);
                    self.texts.extend(roles.map(|role| (Word::Roles, role)));
                }
                value => {
                    let roles = text(value).unwrap_or_default();
                    let roles = roles.split([';', '\n']).map(str::trim).filter(|role| !role.is_empty());
                    self.texts.extend(roles.map(|role| (Word::Roles, role.to_owned())));
                }
            },
            word => self.texts.extend(text(value).map(|text| (word, text))),
        }
    }

    fn put(&mut self, name: &str, value: Value) {
        if !value.is_null() {
            self.beside.entry(name).or_insert(value);
        }
    }

    fn get(&self, word: Word) -> Option<&str> {
        self.texts.iter().find(|(other, _)| *other == word).map(|(_, text)| &**text)
    }

    /// The record; or what is missing or wrong.
    pub(crate) fn into_event(mut self, options: &Options, without_zone: &mut u64) -> Result<Event, String> {
        let mut event = Event { kind: Kind::Identity, occurred_at: options.received_at, ..Event::default() };
        let changed =
            dates::parse_optional(self.get(Word::Changed), options).map_err(|error| error.to_string())?;
        if let Some(changed) = changed {
            *without_zone += u64::from(changed.is_without_zone);
            event.occurred_at = changed.time;
            event.raw_time = changed.raw_time;
        }
        self.name(&mut event);
        let user = &mut event.user;
        user.domain = self.get(Word::Domain).map(str::to_owned);
        user.roles = self
            .texts
            .iter()
            .filter(|(word, _)| *word == Word::Roles)
            .map(|(_, role)| role.clone())
            .collect();
        let lasting = user.uid.as_ref().or(user.name.as_ref()).or(user.email_addr.as_ref());
        let lasting = lasting.ok_or("neither id, login name nor e-mail address is given")?;
        event.native_id = NativeId::Derived(format!("user:{lasting}"));
        if let Some(class) = user.name.as_deref().and_then(dynamics::account_class) {
            self.put("account_class", class.into());
        }
        event.unmapped = canonical_object(self.beside)?;
        Ok(event)
    }

    /// Tells ids, login names and people's names apart.
    fn name(&self, event: &mut Event) {
        let user_id = self.get(Word::UserId);
        let user_guid = user_id.and_then(dynamics::guid);
        let told_uid =
            self.get(Word::Uid).filter(|uid| uid.bytes().any(|b| !matches!(b, b'0' | b'-' | b'{' | b'}')));
        let told_uid = told_uid.map(|uid| dynamics::guid(uid).unwrap_or_else(|| uid.to_owned()));
        let id_as_name = user_id.filter(|_| user_guid.is_none());
        let (user_name, principal) = (self.get(Word::UserName), self.get(Word::Principal));
        let name = self.get(Word::Login).or(id_as_name).or(user_name).or(principal);
        let unused_name = user_name.filter(|unused| name != Some(unused));
        let with_at = |text: &&str| text.contains('@');
        let email = self.get(Word::Email).or(principal.filter(with_at)).or(name.filter(with_at));
        event.user.full_name = self.get(Word::FullName).or(unused_name).map(str::to_owned);
        event.user.name = name.map(str::to_owned);
        event.user.email_addr = email.map(str::to_owned);
        event.user.uid = told_uid.or(user_guid);
    }
}

/// The text of a value that is one.
fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Yes or no as a boolean, other words as they are.
fn state(value: Value, is_negated: bool) -> Value {
    let is_so = match &value {
        Value::Bool(is_so) => Some(*is_so),
        Value::Number(number) => yes_no(&number.to_string()),
        Value::String(text) => yes_no(text),
        _ => None,
    };
    match is_so {
        Some(is_so) => Value::Bool(is_so != is_negated),
        None if is_negated => Value::Null,
        None => value,
    }
}

/// Of Graph's licenses the ids.
fn licenses(value: Value) -> Value {
    match value {
        Value::Array(licenses) => {
            licenses.into_iter().map(|license| license.get("skuId").cloned().unwrap_or(license)).collect()
        }
        value => value,
    }
}
