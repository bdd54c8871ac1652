//! Microsoft Entra ID sign-ins: what Graph's `signIn` object means. Its framings are
//! [`crate::entra_graph`] (Graph itself), [`crate::entra_monitor`] (Azure Monitor) and
//! [`crate::entra_analytics`] (tables of Log Analytics, PowerShell).
//!
//! Every member may be absent, null, empty or `<null>`; `status`, `location` and `deviceDetail` may be JSON
//! in a string (Log Analytics); enumerations have members that are not documented. All that is taken as it
//! comes. A record is refused only without a time, or with members given twice.

use serde_json::{Map, Value};
use whowas_event::{Activity, Event, NativeId, Status};

use crate::{
    contract::{Options, Problem},
    dates,
    ids::DerivedIds,
    jsonstream::JsonRecord,
    strict::canonical_object,
};

/// Members without a word of ours that are worth keeping, under their own names.
const KEPT: [&str; 37] = [
    "alternateSignInName",
    "appOwnerTenantId",
    "authenticationMethodsUsed",
    "authenticationRequirement",
    "autonomousSystemNumber",
    "clientAppUsed",
    "clientCredentialType",
    "conditionalAccessStatus",
    "crossTenantAccessType",
    "federatedCredentialId",
    "flaggedForReview",
    "globalSecureAccessIpAddress",
    "homeTenantId",
    "homeTenantName",
    "incomingTokenType",
    "ipAddressFromResourceProvider",
    "isInteractive",
    "isTenantRestricted",
    "isThroughGlobalSecureAccess",
    "mfaDetail",
    "originalRequestId",
    "originalTransferMethod",
    "resourceTenantId",
    "riskDetail",
    "riskEventTypes",
    "riskEventTypes_v2",
    "riskLevel",
    "riskLevelAggregated",
    "riskLevelDuringSignIn",
    "riskState",
    "servicePrincipalCredentialKeyId",
    "signInEventTypes",
    "signInIdentifier",
    "tokenIssuerName",
    "tokenIssuerType",
    "uniqueTokenIdentifier",
    "userType",
];

/// What a sign-in has around it in Azure Monitor; nothing of it in Graph.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Envelope<'a> {
    /// The record, for what stands beside `properties`.
    pub(crate) outer: Option<&'a Map<String, Value>>,
    /// The kind of logon that the category stands for.
    pub(crate) logon_type: Option<&'static str>,
}

impl Envelope<'_> {
    /// The text of a member, however it is capitalized: collectors on the way write some in lower case.
    fn text(&self, member: &str) -> Option<String> {
        let outer = self.outer?;
        text(outer, member).or_else(|| {
            let (name, _) = outer.iter().find(|(name, _)| name.eq_ignore_ascii_case(member))?;
            text(outer, name)
        })
    }
}

/// What makes up a reading of Entra records.
pub(crate) struct Context<'a> {
    pub(crate) options: &'a Options,
    pub(crate) ids: DerivedIds,
    pub(crate) times_without_zone: u64,
}

impl<'a> Context<'a> {
    pub(crate) fn new(options: &'a Options) -> Self {
        Self { options, ids: DerivedIds::default(), times_without_zone: 0 }
    }
}

/// Why an object is no sign-in, and the member that is to blame; empty if none is.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) member: &'static str,
    reason: String,
}

impl Refusal {
    /// The problem, where it stands; `member` is how the record spells the name of the member.
    pub(crate) fn of(&self, record: &JsonRecord<'_>, member: &str) -> Problem {
        record.problem_at(member, self.told(member))
    }

    /// The reason, with a member or column as the input spells it.
    pub(crate) fn told(&self, member: &str) -> String {
        if self.member.is_empty() { self.reason.clone() } else { format!("`{member}`{}", self.reason) }
    }
}

/// The text of a member; `None` if it says nothing.
pub(crate) fn text(object: &Map<String, Value>, member: &str) -> Option<String> {
    match object.get(member)? {
        Value::String(text) => said(text).map(str::to_owned),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// A text that says something.
pub(crate) fn said(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty() && text != "<null>" && text != "null").then_some(text)
}

/// An object, also if it is written as JSON in a string. What is neither is empty.
fn nested(object: &Map<String, Value>, member: &str) -> Map<String, Value> {
    match object.get(member) {
        Some(Value::Object(inner)) => inner.clone(),
        Some(Value::String(json)) => serde_json::from_str(json).unwrap_or_default(),
        _ => Map::new(),
    }
}

/// An event of a `signIn` object. `raw` is its text, for an id if it has none.
pub(crate) fn sign_in(
    sign_in: &Map<String, Value>,
    envelope: Envelope<'_>,
    raw: &[u8],
    context: &mut Context<'_>,
) -> Result<Event, Refusal> {
    let created = text(sign_in, "createdDateTime");
    let (member, time) = match (envelope.text("time"), created) {
        (Some(time), _) => ("time", time),
        (None, Some(time)) => ("createdDateTime", time),
        (None, None) => {
            let member = if envelope.outer.is_some() { "time" } else { "createdDateTime" };
            return Err(Refusal { member, reason: " is missing: export the file with it".to_owned() });
        }
    };
    let read = dates::parse(&time, context.options)
        .map_err(|error| Refusal { member, reason: format!(": {error}") })?;
    context.times_without_zone += u64::from(read.is_without_zone);
    let mut event = Event {
        occurred_at: read.time,
        raw_time: read.raw_time,
        activity: Activity::Logon,
        user_agent: text(sign_in, "userAgent"),
        auth_protocol: text(sign_in, "authenticationProtocol").filter(|protocol| protocol != "none"),
        session_uid: text(sign_in, "sessionId"),
        correlation_uid: text(sign_in, "correlationId").or_else(|| envelope.text("correlationId")),
        tenant_uid: envelope.text("tenantId").or_else(|| text(sign_in, "resourceTenantId")),
        is_mfa: mfa(text(sign_in, "authenticationRequirement").as_deref()),
        ..Event::default()
    };
    event.native_id = match text(sign_in, "id") {
        Some(id) => NativeId::Given(id),
        None => context.ids.next([String::from_utf8_lossy(raw).as_ref()]),
    };
    let mut kept: Map<String, Value> = KEPT
        .iter()
        .filter_map(|member| Some(((*member).to_owned(), sign_in.get(*member)?.clone())))
        .collect();
    event.logon_type = logon_type(sign_in, envelope);
    outcome(sign_in, envelope, &mut event, &mut kept);
    who(sign_in, envelope, &mut event, &mut kept);
    from_where(sign_in, envelope, &mut event, &mut kept);
    event.unmapped = canonical_object(kept).map_err(|reason| Refusal { member: "", reason })?;
    Ok(event)
}

/// Whether Entra asked for more than one factor.
pub(crate) fn mfa(requirement: Option<&str>) -> Option<bool> {
    match requirement? {
        "multiFactorAuthentication" | "Multifactor authentication" | "Multi-factor authentication" => {
            Some(true)
        }
        "singleFactorAuthentication" | "Single-factor authentication" => Some(false),
        _ => None,
    }
}

fn logon_type(sign_in: &Map<String, Value>, envelope: Envelope<'_>) -> Option<String> {
    let named = sign_in.get("signInEventTypes").and_then(Value::as_array).and_then(|types| {
        types.iter().filter_map(Value::as_str).find_map(|name| {
            Some(match name {
                "interactiveUser" => "interactive",
                "nonInteractiveUser" => "non_interactive",
                "servicePrincipal" => "service_principal",
                "managedIdentity" => "managed_identity",
                other => said(other)?,
            })
        })
    });
    let is_principal = text(sign_in, "userId").is_none() && text(sign_in, "servicePrincipalId").is_some();
    let is_interactive = text(sign_in, "isInteractive").map(|text| text.to_ascii_lowercase());
    let told = match is_interactive.as_deref() {
        _ if is_principal => Some("service_principal"),
        Some("true") => Some("interactive"),
        Some("false") => Some("non_interactive"),
        _ => None,
    };
    envelope.logon_type.or(named).or(told).map(str::to_owned)
}

fn outcome(
    sign_in: &Map<String, Value>,
    envelope: Envelope<'_>,
    event: &mut Event,
    kept: &mut Map<String, Value>,
) {
    let status = nested(sign_in, "status");
    let code = text(&status, "errorCode").or_else(|| envelope.text("resultType"));
    // Some collectors write the word for the code.
    let code = code.map(|code| if code.eq_ignore_ascii_case("success") { "0".to_owned() } else { code });
    // Tables that somebody made of the log may have a word where the object was.
    let word = text(sign_in, "status").unwrap_or_default().to_ascii_lowercase();
    event.status = match (code.as_deref(), word.as_str()) {
        (Some("0"), _) | (None, "success" | "succeeded") => Status::Success,
        (Some(_), _) | (None, "failure" | "failed" | "interrupted") => Status::Failure,
        (None, _) => Status::Unknown,
    };
    if event.status == Status::Failure {
        event.status_code = code;
        let reason = text(&status, "failureReason").filter(|reason| reason != "Other.");
        event.status_detail = reason.or_else(|| envelope.text("resultDescription"));
    }
    if let Some(details) = text(&status, "additionalDetails") {
        kept.insert("additionalDetails".to_owned(), details.into());
    }
}

/// A person, or a program: then it is the user, and the service is what it came for.
fn who(
    sign_in: &Map<String, Value>,
    envelope: Envelope<'_>,
    event: &mut Event,
    kept: &mut Map<String, Value>,
) {
    let [app, app_id] = ["appDisplayName", "appId"].map(|member| text(sign_in, member));
    let [resource, resource_id] = ["resourceDisplayName", "resourceId"].map(|member| text(sign_in, member));
    let is_program = matches!(event.logon_type.as_deref(), Some("service_principal" | "managed_identity"));
    let beside = if is_program {
        event.user.uid = text(sign_in, "servicePrincipalId").or_else(|| app_id.clone());
        event.user.name = text(sign_in, "servicePrincipalName").or_else(|| app.clone());
        event.service.name = resource;
        event.service.uid = resource_id;
        [("appDisplayName", app), ("appId", app_id)]
    } else {
        event.user.uid = text(sign_in, "userId");
        event.user.name = text(sign_in, "userPrincipalName");
        event.user.full_name = text(sign_in, "userDisplayName").or_else(|| envelope.text("identity"));
        event.user.email_addr = event.user.name.clone().filter(|name| name.contains('@'));
        event.service.name = app;
        event.service.uid = app_id;
        [("resourceDisplayName", resource), ("resourceId", resource_id)]
    };
    for (member, value) in beside {
        kept.insert(member.to_owned(), value.into());
    }
}

fn from_where(
    sign_in: &Map<String, Value>,
    envelope: Envelope<'_>,
    event: &mut Event,
    kept: &mut Map<String, Value>,
) {
    let src = &mut event.src_endpoint;
    src.ip = text(sign_in, "ipAddress").or_else(|| envelope.text("callerIpAddress"));
    let location = nested(sign_in, "location");
    src.location.country = text(&location, "countryOrRegion").or_else(|| envelope.text("location"));
    src.location.region = text(&location, "state");
    src.location.city = text(&location, "city");
    let device = nested(sign_in, "deviceDetail");
    event.device.uid = text(&device, "deviceId");
    event.device.name = text(&device, "displayName");
    event.device.os = text(&device, "operatingSystem");
    event.device.browser = text(&device, "browser");
    for member in ["isCompliant", "isManaged", "trustType"] {
        if let Some(value) = device.get(member) {
            kept.insert(member.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
#[path = "entra_tests.rs"]
mod tests;
