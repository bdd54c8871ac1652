//! Lists: which resources fit a filter, in which order, which page of them (RFC 7644 §3.4.2).

use serde::Deserialize;
use serde_json::{Map, Value, json};
use whowas_store::Directory;

use super::{
    Fail,
    filter::{Filter, Name},
    refused::Refused,
    resource::Projection,
    schema::Kind,
    show::Show,
    source::{Id, Index},
};

/// Resources of one page, if the client does not say.
const COUNT_DEFAULT: usize = 100;
/// And at most; a larger `count` gets so many, as `itemsPerPage` says.
pub(crate) const COUNT_MAX: usize = 1_000;
/// Members of groups on one page: it ends after the group that has more, as `itemsPerPage` says.
const PAGE_MEMBERS_MAX: usize = 100_000;

/// What is asked for, from the query of a GET or the body of a search.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Asked {
    pub(crate) filter: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    start_index: Option<i64>,
    count: Option<i64>,
    attributes: Vec<String>,
    excluded_attributes: Vec<String>,
}

impl Asked {
    /// Of a query's pairs; those that are not known are ignored.
    pub(crate) fn of_query(query: &str) -> Result<Self, Refused> {
        let mut asked = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let number = || {
                let number = value.trim().parse::<i64>();
                number.map(Some).map_err(|_| Refused::value(format!("`{name}` is a number")))
            };
            let list = || value.split(',').map(str::to_owned).collect();
            match &*name {
                "filter" => asked.filter = Some(value.into_owned()),
                "sortBy" => asked.sort_by = Some(value.into_owned()),
                "sortOrder" => asked.sort_order = Some(value.into_owned()),
                "startIndex" => asked.start_index = number()?,
                "count" => asked.count = number()?,
                "attributes" => asked.attributes = list(),
                "excludedAttributes" => asked.excluded_attributes = list(),
                _ => {}
            }
        }
        Ok(asked)
    }

    /// Whether the client says which attributes it wants.
    pub(crate) fn names_attributes(&self) -> bool {
        !self.attributes.is_empty()
    }

    pub(crate) fn projection(&self) -> Result<Projection, Refused> {
        Projection::of_lists(&self.attributes, &self.excluded_attributes)
    }
}

/// The page of resources of these kinds that fit.
pub(crate) fn page(
    index: &Index,
    directory: &Directory,
    kinds: &[Kind],
    asked: &Asked,
    show: &Show<'_>,
) -> Result<Value, Fail> {
    let projection = asked.projection()?;
    let filter = asked.filter.as_deref().filter(|text| !text.trim().is_empty());
    let filter = filter.map(Filter::parse).transpose()?;
    let sort_by = asked.sort_by.as_deref().map(Name::parse).transpose()?;
    let mut found: Vec<(Kind, Id)> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    for kind in kinds.iter().copied() {
        for id in candidates(index, kind, filter.as_ref()) {
            if filter.is_some() || sort_by.is_some() {
                let Some(resource) = show.whole(index, directory, kind, id) else { continue };
                if !filter.as_ref().map_or(Ok(true), |filter| filter.fits(kind, &resource))? {
                    continue;
                }
                keys.extend(sort_by.as_ref().map(|name| sort_key(kind, &resource, name)));
            }
            found.push((kind, id));
        }
    }
    if sort_by.is_some() {
        let mut sorted: Vec<_> = keys.into_iter().zip(found).collect();
        // What has no value comes last, as the RFC says; in a descending order first.
        sorted.sort_by(|(a, _), (b, _)| (a.is_empty(), a).cmp(&(b.is_empty(), b)));
        if asked.sort_order.as_deref().is_some_and(|order| order.eq_ignore_ascii_case("descending")) {
            sorted.reverse();
        }
        found = sorted.into_iter().map(|(_, found)| found).collect();
    }
    let start = usize::try_from(asked.start_index.unwrap_or(1).max(1)).unwrap_or(usize::MAX);
    let count = asked.count.map_or(COUNT_DEFAULT, |count| usize::try_from(count).unwrap_or(0)).min(COUNT_MAX);
    let total = found.len();
    let (mut resources, mut members) = (Vec::new(), 0);
    for (kind, id) in found.into_iter().skip(start - 1).take(count) {
        if members > PAGE_MEMBERS_MAX {
            break;
        }
        if let Some(resource) = show.projected(index, directory, (kind, id), &projection) {
            members += resource.get("members").and_then(Value::as_array).map_or(0, Vec::len);
            resources.push(Value::Object(resource));
        }
    }
    Ok(json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    }))
}

/// The resources among which are all that fit. What clients ask before each change is found without a look at
/// everybody.
fn candidates(index: &Index, kind: Kind, filter: Option<&Filter>) -> Vec<Id> {
    let Some(filter) = filter else { return index.ids(kind) };
    let one = |id: Option<Id>| id.into_iter().collect();
    if let Some(id) = filter.is_equal("id") {
        let is_there = |id: &Id| match kind {
            Kind::User => index.users.contains(id),
            Kind::Group => index.groups.contains_key(id),
        };
        return one(Id::parse(id).filter(is_there));
    }
    if let Some(external_id) = filter.is_equal("externalId") {
        return one(index.by_external_id(kind, external_id));
    }
    match (kind, filter.is_equal("userName")) {
        (Kind::User, Some(name)) => one(index.by_name(name)),
        _ => index.ids(kind),
    }
}

/// The text by which a resource is sorted: that of the value, or of the primary one of several.
fn sort_key(kind: Kind, resource: &Map<String, Value>, name: &Name) -> String {
    let (Ok(extension), sub) = (name.extension(kind), name.sub.as_deref()) else { return String::new() };
    let members = match extension {
        Some(urn) => resource.get(urn).and_then(Value::as_object),
        None => Some(resource),
    };
    let insensitive = |members: &Map<String, Value>, name: &str| {
        members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    let mut value = members.and_then(|members| insensitive(members, &name.attribute)).unwrap_or_default();
    if let Value::Array(values) = &value {
        let is_primary = |value: &&Value| value.get("primary") == Some(&Value::Bool(true));
        value = values.iter().find(is_primary).or(values.first()).cloned().unwrap_or_default();
    }
    if let Value::Object(members) = &value {
        value = insensitive(members, sub.unwrap_or("value")).unwrap_or_default();
    }
    match value {
        Value::String(text) => text.to_lowercase(),
        Value::Bool(is_so) => is_so.to_string(),
        _ => String::new(),
    }
}
