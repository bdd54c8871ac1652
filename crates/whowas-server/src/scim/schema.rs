//! What is kept of a person and of a group: the attributes of RFC 7643 that an audit trail needs, as one table.
//!
//! Pure. The table decides what is accepted, how it is compared, and what `/Schemas` says. Telephone numbers,
//! addresses, photos, passwords and the like are attributes that we know and do not keep ([`NOT_KEPT`]).

use serde_json::{Map, Value, json};

pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// Attributes of the core schema that clients send and an audit trail has no use for. They are taken and
/// forgotten, so that a client with a standard mapping need not be changed.
const NOT_KEPT: [&str; 7] =
    ["password", "phoneNumbers", "addresses", "photos", "ims", "x509Certificates", "profileUrl"];

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Text,
    Boolean,
    Reference,
    Complex,
}

/// Who may write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutability {
    ReadWrite,
    ReadOnly,
    Immutable,
}

/// One attribute.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) kind: Type,
    pub(crate) is_multi: bool,
    pub(crate) is_required: bool,
    pub(crate) is_case_exact: bool,
    pub(crate) mutability: Mutability,
    /// `none` or `server`
    uniqueness: &'static str,
    pub(crate) subs: &'static [Attribute],
    references: &'static [&'static str],
    canonical: &'static [&'static str],
    description: &'static str,
}

const fn text(name: &'static str, description: &'static str) -> Attribute {
    Attribute {
        name,
        kind: Type::Text,
        is_multi: false,
        is_required: false,
        is_case_exact: false,
        mutability: Mutability::ReadWrite,
        uniqueness: "none",
        subs: &[],
        references: &[],
        canonical: &[],
        description,
    }
}

impl Attribute {
    const fn of(mut self, subs: &'static [Attribute]) -> Self {
        self.kind = Type::Complex;
        self.subs = subs;
        self
    }

    const fn multi(mut self) -> Self {
        self.is_multi = true;
        self
    }

    const fn exact(mut self) -> Self {
        self.is_case_exact = true;
        self
    }

    const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    const fn unique(mut self) -> Self {
        self.uniqueness = "server";
        self
    }

    const fn boolean(mut self) -> Self {
        self.kind = Type::Boolean;
        self
    }

    const fn refers_to(mut self, references: &'static [&'static str]) -> Self {
        self.kind = Type::Reference;
        self.is_case_exact = true;
        self.references = references;
        self
    }

    const fn always(mut self, canonical: &'static [&'static str]) -> Self {
        self.canonical = canonical;
        self
    }

    const fn that(mut self, mutability: Mutability) -> Self {
        self.mutability = mutability;
        self
    }

    /// The member of a complex attribute with this name, in whatever case.
    pub(crate) fn sub(&self, name: &str) -> Option<&'static Attribute> {
        self.subs.iter().find(|sub| sub.name.eq_ignore_ascii_case(name))
    }

    /// Whether it is not set by clients.
    pub(crate) fn is_read_only(&self) -> bool {
        self.mutability == Mutability::ReadOnly
    }

    fn describe(&self) -> Value {
        let mut described = json!({
            "name": self.name,
            "type": match self.kind {
                Type::Text => "string",
                Type::Boolean => "boolean",
                Type::Reference => "reference",
                Type::Complex => "complex",
            },
            "multiValued": self.is_multi,
            "description": self.description,
            "required": self.is_required,
            "mutability": match self.mutability {
                Mutability::ReadWrite => "readWrite",
                Mutability::ReadOnly => "readOnly",
                Mutability::Immutable => "immutable",
            },
            "returned": "default",
        });
        let Some(members) = described.as_object_mut() else { return described };
        if self.kind == Type::Complex {
            let subs: Vec<Value> = self.subs.iter().map(Self::describe).collect();
            members.insert("subAttributes".to_owned(), subs.into());
        } else {
            members.insert("uniqueness".to_owned(), self.uniqueness.into());
            members.insert("caseExact".to_owned(), self.is_case_exact.into());
        }
        if !self.canonical.is_empty() {
            members.insert("canonicalValues".to_owned(), json!(self.canonical));
        }
        if !self.references.is_empty() {
            members.insert("referenceTypes".to_owned(), json!(self.references));
        }
        described
    }
}

/// A value with a word for what it is of, and at most one of which is the first.
const PLURAL: [Attribute; 4] = [
    text("value", "The value"),
    text("display", "For people to read"),
    text("type", "Such as work or home"),
    text("primary", "Whether it is the first of all").boolean(),
];

const NAME: [Attribute; 6] = [
    text("formatted", "The whole name"),
    text("familyName", "Family name"),
    text("givenName", "Given name"),
    text("middleName", "Middle names"),
    text("honorificPrefix", "Title"),
    text("honorificSuffix", "What follows the name"),
];

const GROUPS: [Attribute; 4] = [
    text("value", "The group's id").exact().that(Mutability::ReadOnly),
    text("$ref", "Its address").refers_to(&["Group"]).that(Mutability::ReadOnly),
    text("display", "Its name").that(Mutability::ReadOnly),
    text("type", "Always direct").always(&["direct"]).that(Mutability::ReadOnly),
];

const MANAGER: [Attribute; 3] = [
    text("value", "The manager's id").exact(),
    text("$ref", "The manager's address").refers_to(&["User"]),
    text("displayName", "The manager's name").that(Mutability::ReadOnly),
];

const MEMBERS: [Attribute; 3] = [
    text("value", "The member's id").exact().that(Mutability::Immutable),
    text("$ref", "The member's address").refers_to(&["User"]).that(Mutability::Immutable),
    text("type", "Always User").always(&["User"]).that(Mutability::Immutable),
];

static USER_ATTRIBUTES: [Attribute; 14] = [
    text("userName", "Login name; unique among the people of one source, in whatever case")
        .required()
        .unique(),
    text("name", "The parts of the name").of(&NAME),
    text("displayName", "The name as it is shown"),
    text("nickName", "What people call them"),
    text("title", "Job title"),
    text("userType", "Such as Member, Guest or Service"),
    text("preferredLanguage", "Language"),
    text("locale", "Locale"),
    text("timezone", "Time zone"),
    text("active", "Whether they may sign in").boolean(),
    text("emails", "E-mail addresses").of(&PLURAL).multi(),
    text("groups", "Groups they are in, which follow from the groups")
        .of(&GROUPS)
        .multi()
        .that(Mutability::ReadOnly),
    text("entitlements", "What they are entitled to").of(&PLURAL).multi(),
    text("roles", "Their roles").of(&PLURAL).multi(),
];

static ENTERPRISE_ATTRIBUTES: [Attribute; 6] = [
    text("employeeNumber", "Number of the employee"),
    text("costCenter", "Cost center"),
    text("organization", "Organization"),
    text("division", "Division"),
    text("department", "Department"),
    text("manager", "Whom they report to").of(&MANAGER),
];

static GROUP_ATTRIBUTES: [Attribute; 2] = [
    text("displayName", "The group's name").required(),
    text("members", "People in it").of(&MEMBERS).multi(),
];

/// What every resource has beside its schema.
static EXTERNAL_ID: Attribute =
    text("externalId", "The client's id; unique among the resources of one source").exact();
static ID: Attribute = text("id", "Our id").exact().that(Mutability::ReadOnly);
static SCHEMAS: Attribute = text("schemas", "Schemas").exact().multi().that(Mutability::ReadOnly);
static META: Attribute = text("meta", "About the resource").of(&META_ATTRIBUTES).that(Mutability::ReadOnly);
const META_ATTRIBUTES: [Attribute; 5] = [
    text("resourceType", "User or Group").exact(),
    text("created", "When it was created"),
    text("lastModified", "When it was changed"),
    text("location", "Its address").exact(),
    text("version", "Its entity tag").exact(),
];

/// What kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    User,
    Group,
}

/// Whether a name is known.
pub(crate) enum Known {
    /// It is kept.
    Attribute(&'static Attribute),
    /// It is taken and forgotten.
    NotKept,
    /// It is not known.
    Not,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::User, Self::Group];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// Where they are, below the base address.
    pub(crate) const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
        }
    }

    pub(crate) const fn schema(self) -> &'static str {
        match self {
            Self::User => USER,
            Self::Group => GROUP,
        }
    }

    pub(crate) fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::User => &USER_ATTRIBUTES,
            Self::Group => &GROUP_ATTRIBUTES,
        }
    }

    /// The extension with this name, as it is written in resources.
    pub(crate) fn extension(self, urn: &str) -> Option<&'static str> {
        (self == Self::User && urn.eq_ignore_ascii_case(ENTERPRISE)).then_some(ENTERPRISE)
    }

    /// An attribute of the core schema, or of an extension, in whatever case.
    pub(crate) fn find(self, extension: Option<&str>, name: &str) -> Known {
        let is = |attribute: &&Attribute| attribute.name.eq_ignore_ascii_case(name);
        if extension.is_some() {
            return ENTERPRISE_ATTRIBUTES.iter().find(is).map_or(Known::Not, Known::Attribute);
        }
        let common = [&EXTERNAL_ID, &ID, &SCHEMAS, &META];
        match self.attributes().iter().chain(common).find(is) {
            Some(attribute) => Known::Attribute(attribute),
            None if NOT_KEPT.iter().any(|one| one.eq_ignore_ascii_case(name)) => Known::NotKept,
            None => Known::Not,
        }
    }
}

/// The schemas that `/Schemas` lists, without their addresses.
pub(crate) fn described() -> Vec<(&'static str, Map<String, Value>)> {
    let one = |id: &'static str, name: &str, description: &str, attributes: &[Attribute]| {
        let attributes: Vec<Value> = attributes.iter().map(Attribute::describe).collect();
        let described = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": id,
            "name": name,
            "description": description,
            "attributes": attributes,
        });
        (id, described.as_object().cloned().unwrap_or_default())
    };
    vec![
        one(USER, "User", "A person or account", &USER_ATTRIBUTES),
        one(ENTERPRISE, "EnterpriseUser", "What companies say of people", &ENTERPRISE_ATTRIBUTES),
        one(GROUP, "Group", "A group of people", &GROUP_ATTRIBUTES),
    ]
}
