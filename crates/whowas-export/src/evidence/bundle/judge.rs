//! Asking a question of a leaf, by somebody who sees only what stands in clear and what was disclosed.
//!
//! Three answers: the record matches, it does not, or it cannot be told. What a filter means is
//! `whowas_query::Filter`'s; a test compares the two.

use serde_json::{Map, Value};
use whowas_event::{Activity, Status, Time, admit::parse_ip};
use whowas_query::{
    Filter, NamedQuery,
    filter::{Term, Test, TextField, fits_user},
};

use super::super::Leaf;

/// A question that was read back.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The named query.
    pub query: NamedQuery,
    /// At or after.
    pub from: Time,
    /// Before.
    pub to: Time,
    /// What must hold besides.
    pub filter: Filter,
}

/// What can be told of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs to the answer.
    Matches,
    /// It does not.
    Differs,
    /// That depends on what is not disclosed, or on the directory of people.
    Undecided,
}

/// A record as far as it is known.
#[derive(Debug)]
pub struct Known<'a> {
    leaf: &'a Map<String, Value>,
    disclosed: &'a Map<String, Value>,
    /// Every personal field is disclosed: what is not there does not exist.
    is_whole: bool,
}

/// A field that somebody looks for.
enum Field<'a> {
    Is(&'a str),
    Absent,
    Hidden,
}

impl<'a> Known<'a> {
    /// What leaf and disclosures tell.
    pub fn new(leaf: &'a Leaf, disclosed: &'a Map<String, Value>) -> Self {
        Self { leaf: &leaf.members, disclosed, is_whole: leaf.personal() == disclosed.len() }
    }

    /// A text in clear, by its path.
    pub(super) fn clear(&self, path: &[&str]) -> Option<&'a Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.leaf.get(*first)?, |value, name| value.get(name))
    }

    /// A time in clear.
    pub(super) fn time(&self, path: &[&str]) -> Option<Time> {
        self.clear(path).and_then(Value::as_i64).and_then(|ms| Time::from_ms(ms).ok())
    }

    pub(super) fn activity(&self) -> &'static str {
        let id = self.clear(&["activity_id"]).and_then(Value::as_u64);
        let found = Activity::ALL.iter().find(|one| Some(u64::from(one.ocsf_id())) == id);
        found.copied().unwrap_or_default().as_str()
    }

    pub(super) fn status(&self) -> &'static str {
        let id = self.clear(&["status_id"]).and_then(Value::as_u64);
        let found = Status::ALL.iter().find(|one| Some(u64::from(one.ocsf_id())) == id);
        found.copied().unwrap_or_default().as_str()
    }

    /// A personal text that was disclosed; `member` of it, if it is an object.
    pub(super) fn personal(&self, name: &str, member: Option<&str>) -> Option<&'a str> {
        let value = self.disclosed.get(name)?;
        member.map_or(Some(value), |member| value.get(member)).and_then(Value::as_str)
    }

    fn hidden_unless(&self, name: &str, member: Option<&str>) -> Field<'a> {
        match self.personal(name, member) {
            Some(text) => Field::Is(text),
            None if self.is_whole || self.disclosed.contains_key(name) => Field::Absent,
            None => Field::Hidden,
        }
    }

    fn field(&self, field: TextField) -> Field<'a> {
        let clear = |path: &[&str]| self.clear(path).and_then(Value::as_str).map_or(Field::Absent, Field::Is);
        match field {
            TextField::Status => Field::Is(self.status()),
            TextField::Activity => Field::Is(self.activity()),
            TextField::Service => clear(&["service", "name"]),
            TextField::Source => clear(&["metadata", "log_name"]),
            TextField::Format => clear(&["metadata", "log_format"]),
            TextField::StatusCode => clear(&["status_code"]),
            TextField::AuthProtocol => clear(&["auth_protocol"]),
            TextField::LogonType => clear(&["logon_type"]),
            TextField::NativeId => match clear(&["metadata", "original_event_uid"]) {
                Field::Is(id) => Field::Is(id),
                _ => self.hidden_unless("metadata.original_event_uid", None),
            },
            TextField::UserAgent => self.hidden_unless("user_agent", None),
            TextField::Device => self.hidden_unless("device", Some("name")),
            TextField::Country => self.hidden_unless("src_endpoint.location", Some("country")),
            TextField::City => self.hidden_unless("src_endpoint.location", Some("city")),
            TextField::Session => self.hidden_unless("session.uid", None),
            TextField::StatusDetail => self.hidden_unless("status_detail", None),
        }
    }

    /// Whether a test holds, if that can be told.
    fn holds(&self, test: &Test) -> Option<bool> {
        match test {
            Test::After(time) => self.time(&["time"]).map(|at| at >= *time),
            Test::Before(time) => self.time(&["time"]).map(|at| at < *time),
            Test::Mfa(wanted) => Some(self.clear(&["is_mfa"]).and_then(Value::as_bool) == Some(*wanted)),
            Test::Text(field, pattern) => match self.field(*field) {
                Field::Is(text) if field.is_searched_within() => Some(pattern.fits_within(text)),
                Field::Is(text) => Some(pattern.fits(text)),
                Field::Absent => Some(false),
                Field::Hidden => None,
            },
            Test::Ip(network) => match self.hidden_unless("src_endpoint.ip", None) {
                Field::Is(text) => Some(parse_ip(text).is_some_and(|ip| network.contains(ip))),
                Field::Absent => Some(false),
                Field::Hidden => None,
            },
            // The directory may know the user by another name, and it is not part of the evidence.
            Test::User(pattern) => self.names().any(|name| fits_user(pattern, name)).then_some(true),
            // Absence cannot be told: not every text that the grid shows is in the record.
            Test::Anywhere(pattern) => {
                let texts = ALL_TEXTS.iter().filter_map(|field| match self.field(*field) {
                    Field::Is(text) => Some(text),
                    _ => None,
                });
                let ip = self.personal("src_endpoint.ip", None);
                self.names().chain(ip).chain(texts).any(|text| pattern.fits_within(text)).then_some(true)
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        let fields = ["user.uid", "user.name", "user.email_addr", "user.full_name"];
        fields.into_iter().filter_map(|name| self.personal(name, None))
    }
}

/// The texts among which a bare word is looked for.
const ALL_TEXTS: [TextField; 15] = [
    TextField::Status,
    TextField::Activity,
    TextField::Service,
    TextField::UserAgent,
    TextField::Device,
    TextField::Country,
    TextField::City,
    TextField::Source,
    TextField::Format,
    TextField::Session,
    TextField::NativeId,
    TextField::StatusCode,
    TextField::StatusDetail,
    TextField::AuthProtocol,
    TextField::LogonType,
];

impl Asked {
    /// Whether the record belongs to the answer.
    pub fn judge(&self, known: &Known<'_>) -> Verdict {
        let is_login = known.clear(&["kind"]).and_then(Value::as_str) == Some("login");
        let is_named = match self.query {
            NamedQuery::UserLoginEvents => known.activity() != "logoff",
            NamedQuery::SignInFailures => known.status() == "failure",
            NamedQuery::SignOuts => known.activity() == "logoff",
            NamedQuery::AllEvents | NamedQuery::EventsForUser | NamedQuery::EventsForBrowserSession => true,
        };
        let is_in_range = known.time(&["time"]).is_some_and(|at| at >= self.from && at < self.to);
        if !(is_login && is_named && is_in_range) {
            return Verdict::Differs;
        }
        let term = |term: &Term| known.holds(&term.test).map(|holds| holds != term.is_excluded);
        let terms: Vec<Option<bool>> = self.filter.terms.iter().map(term).collect();
        if terms.contains(&Some(false)) {
            Verdict::Differs
        } else if terms.contains(&None) {
            Verdict::Undecided
        } else {
            Verdict::Matches
        }
    }

    /// Whether the question looks at personal fields: then leaves without disclosures stay undecided.
    pub fn is_about_persons(&self) -> bool {
        let nothing = Map::new();
        let hidden = Known { leaf: &nothing, disclosed: &nothing, is_whole: false };
        let is_personal = |test: &Test| match test {
            Test::After(_) | Test::Before(_) | Test::Mfa(_) => false,
            Test::Text(TextField::NativeId, _) | Test::User(_) | Test::Ip(_) | Test::Anywhere(_) => true,
            Test::Text(field, _) => matches!(hidden.field(*field), Field::Hidden),
        };
        self.filter.terms.iter().any(|term| is_personal(&term.test))
    }
}
