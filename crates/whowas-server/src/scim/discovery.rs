//! What this server can do and which resources it has: `/ServiceProviderConfig`, `/Schemas`, `/ResourceTypes`
//! (RFC 7643 §5 to §7).

use serde_json::{Value, json};

use super::{
    list::COUNT_MAX,
    schema::{ENTERPRISE, Kind, described},
};

pub(crate) fn service_provider_config(base: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": COUNT_MAX },
        "changePassword": { "supported": false },
        "sort": { "supported": true },
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "API token",
            "description": "A token of scope scim for one environment: whowas token create --scope scim",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base}/ServiceProviderConfig"),
        },
    })
}

pub(crate) fn schemas(base: &str) -> Vec<Value> {
    let with_meta = |(id, mut schema): (&str, serde_json::Map<String, Value>)| {
        let meta = json!({ "resourceType": "Schema", "location": format!("{base}/Schemas/{id}") });
        schema.insert("meta".to_owned(), meta);
        Value::Object(schema)
    };
    described().into_iter().map(with_meta).collect()
}

pub(crate) fn resource_types(base: &str) -> Vec<Value> {
    let one = |kind: Kind| {
        let extensions = match kind {
            Kind::User => json!([{ "schema": ENTERPRISE, "required": false }]),
            Kind::Group => json!([]),
        };
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": kind.name(),
            "name": kind.name(),
            "endpoint": format!("/{}", kind.endpoint()),
            "description": match kind {
                Kind::User => "People and accounts",
                Kind::Group => "Groups of people",
            },
            "schema": kind.schema(),
            "schemaExtensions": extensions,
            "meta": {
                "resourceType": "ResourceType",
                "location": format!("{base}/ResourceTypes/{}", kind.name()),
            },
        })
    };
    Kind::ALL.into_iter().map(one).collect()
}

/// All of them, as a list that fits on one page.
pub(crate) fn list(all: Vec<Value>) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": all.len(),
        "startIndex": 1,
        "itemsPerPage": all.len(),
        "Resources": all,
    })
}
