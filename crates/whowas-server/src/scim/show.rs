//! Resources as clients see them: with ids, addresses, versions and what follows from other resources.

use serde_json::{Map, Value, json};
use whowas_store::Directory;

use super::{
    change::entity_tag,
    resource::Projection,
    schema::{ENTERPRISE, Kind},
    source::{Id, Index},
};

/// The address under which the client reached us, to which the addresses of resources are added.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Show<'a> {
    pub(crate) base: &'a str,
}

impl Show<'_> {
    pub(crate) fn location(&self, kind: Kind, id: Id) -> String {
        format!("{}/{}/{id}", self.base, kind.endpoint())
    }

    /// All of a resource.
    pub(crate) fn whole(
        &self,
        index: &Index,
        directory: &Directory,
        kind: Kind,
        id: Id,
    ) -> Option<Map<String, Value>> {
        self.projected(index, directory, (kind, id), &Projection::default())
    }

    /// What is asked for of a resource.
    pub(crate) fn projected(
        &self,
        index: &Index,
        directory: &Directory,
        (kind, id): (Kind, Id),
        projection: &Projection,
    ) -> Option<Map<String, Value>> {
        let entry = index.entry(directory, kind, id)?;
        let mut resource = entry.kept;
        let mut schemas = vec![kind.schema()];
        schemas.extend(resource.contains_key(ENTERPRISE).then_some(ENTERPRISE));
        match kind {
            Kind::User if projection.shows("groups") => {
                let groups: Vec<Value> =
                    index.groups_of(id).map(|group| self.group_of(index, directory, group)).collect();
                if !groups.is_empty() {
                    resource.insert("groups".to_owned(), groups.into());
                }
            }
            Kind::Group if projection.shows("members") => {
                let member = |id: Id| {
                    let location = self.location(Kind::User, id);
                    json!({ "value": id.to_string(), "$ref": location, "type": "User" })
                };
                let members: Vec<Value> = index.members(id).map(member).collect();
                if !members.is_empty() {
                    resource.insert("members".to_owned(), members.into());
                }
            }
            _ => {}
        }
        resource.insert("schemas".to_owned(), json!(schemas));
        resource.insert("id".to_owned(), id.to_string().into());
        resource.insert(
            "meta".to_owned(),
            json!({
                "resourceType": kind.name(),
                "created": entry.created_at.to_string(),
                "lastModified": entry.changed_at.to_string(),
                "version": entity_tag(entry.position),
                "location": self.location(kind, id),
            }),
        );
        Some(projection.of(kind, resource))
    }

    fn group_of(&self, index: &Index, directory: &Directory, group: Id) -> Value {
        let mut shown = json!({
            "value": group.to_string(),
            "$ref": self.location(Kind::Group, group),
            "type": "direct",
        });
        let name = index.entry(directory, Kind::Group, group);
        let name = name.and_then(|entry| entry.kept.get("displayName").cloned());
        if let (Some(name), Some(members)) = (name, shown.as_object_mut()) {
            members.insert("display".to_owned(), name);
        }
        shown
    }
}
