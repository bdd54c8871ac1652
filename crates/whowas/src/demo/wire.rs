//! The demo as files: native NDJSON, and the user list as Dynamics 365 answers it (OData `SystemUsers`).

use std::io::{self, Write};

use serde::Serialize;

use super::{
    people::{Person, Story, Team},
    random::Random,
    world::{Act, Detail, End, Moment, Who},
};

#[derive(Serialize)]
struct Line<'a> {
    occurred_at: String,
    native_id: String,
    activity: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_detail: Option<&'static str>,
    user: UserPart<'a>,
    src_endpoint: EndpointPart,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<DevicePart<'a>>,
    service: ServicePart,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionPart<'a>>,
    auth_protocol: &'static str,
    logon_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_mfa: Option<bool>,
}

#[derive(Default, Serialize)]
struct UserPart<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_addr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
}

#[derive(Serialize)]
struct EndpointPart {
    ip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<LocationPart>,
}

#[derive(Serialize)]
struct LocationPart {
    country: &'static str,
    region: &'static str,
    city: &'static str,
}

#[derive(Serialize)]
struct DevicePart<'a> {
    uid: &'a str,
    name: &'a str,
    os: &'static str,
    browser: &'static str,
}

#[derive(Serialize)]
struct ServicePart {
    name: &'static str,
    uid: &'static str,
}

#[derive(Serialize)]
struct SessionPart<'a> {
    uid: &'a str,
}

/// Activity, status, code and words of what happened.
fn outcome(act: &Act) -> (&'static str, &'static str, Option<&'static str>, Option<&'static str>) {
    match act {
        Act::SignIn { .. } => ("logon", "success", Some("0"), None),
        Act::SignOut { end: End::Logout, .. } => ("logoff", "success", None, None),
        Act::SignOut { end: End::Expired, .. } => {
            ("logoff", "success", Some("expired"), Some("The session expired"))
        }
        Act::SignOut { end: End::Revoked, .. } => {
            ("logoff", "success", Some("revoked"), Some("An administrator ended the session"))
        }
        Act::Refused(refusal) => {
            let (code, words) = refusal.words();
            ("logon", "failure", Some(code), Some(words))
        }
    }
}

fn user(moment: &Moment) -> UserPart<'_> {
    match (&moment.who, moment.detail) {
        (Who::Unknown(login), _) => UserPart { name: Some(login), ..UserPart::default() },
        (Who::Known(identity), Detail::IdOnly) => {
            UserPart { uid: Some(&identity.uid), ..UserPart::default() }
        }
        (Who::Known(identity), Detail::Everything) => UserPart {
            uid: Some(&identity.uid),
            name: Some(&identity.login),
            full_name: Some(&identity.full_name),
            email_addr: Some(&identity.email),
            domain: Some(identity.domain),
        },
    }
}

fn line(moment: &Moment, native_id: String) -> Line<'_> {
    let (activity, status, status_code, status_detail) = outcome(&moment.act);
    let place = moment.from.place;
    let device = moment.device.as_deref().filter(|_| moment.detail == Detail::Everything);
    let (session, is_mfa) = match &moment.act {
        Act::SignIn { session, is_mfa } => (Some(session), Some(*is_mfa)),
        Act::SignOut { session, .. } => (Some(session), None),
        Act::Refused(_) => (None, None),
    };
    Line {
        occurred_at: moment.at.to_string(),
        native_id,
        activity,
        status,
        status_code,
        status_detail,
        user: user(moment),
        src_endpoint: EndpointPart {
            ip: moment.from.ip.to_string(),
            location: place.map(|at| LocationPart { country: at.country, region: at.region, city: at.city }),
        },
        user_agent: device.map(|device| device.agent),
        device: device.map(|device| DevicePart {
            uid: &device.uid,
            name: &device.name,
            os: device.os,
            browser: device.browser,
        }),
        service: ServicePart { name: moment.service.name, uid: moment.service.uid },
        session: session.map(|uid| SessionPart { uid }),
        auth_protocol: moment.service.auth_protocol,
        logon_type: moment.logon_type,
        is_mfa,
    }
}

/// One JSON object a line, in the order given.
pub(crate) fn write_events(moments: &[Moment], seed: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut random = Random::new(seed, 3);
    for moment in moments {
        serde_json::to_writer(&mut *out, &line(moment, random.guid()))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[derive(Serialize)]
struct UserList<'a> {
    #[serde(rename = "@odata.context")]
    context: &'static str,
    value: Vec<SystemUser<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SystemUser<'a> {
    #[serde(rename = "UserID")]
    user_id: &'a str,
    user_name: &'a str,
    person_name: &'a str,
    alias: &'a str,
    email: &'a str,
    network_domain: &'a str,
    user_object_id: &'a str,
    enabled: bool,
    company: &'static str,
    account_type: &'static str,
    external_user: bool,
    language: &'static str,
    preferred_time_zone: &'static str,
}

/// The accounts as they are at the end of the demo.
pub(crate) fn write_users(people: &[Person], out: &mut dyn Write) -> io::Result<()> {
    let row = |person| {
        let Person { identity, office, enabled, story, team, .. }: &Person = person;
        SystemUser {
            user_id: &identity.user_id,
            user_name: &identity.full_name,
            person_name: if *team == Team::Machine { "" } else { &identity.full_name },
            alias: &identity.email,
            email: &identity.email,
            network_domain: identity.domain,
            user_object_id: &identity.uid,
            enabled: *enabled,
            company: office.company,
            account_type: "ClaimsUser",
            external_user: *story == Story::Guest,
            language: office.language,
            preferred_time_zone: office.timezone,
        }
    };
    let context = "https://contoso.operations.example/data/$metadata#SystemUsers";
    let list = UserList { context, value: people.iter().map(row).collect() };
    serde_json::to_writer(&mut *out, &list)?;
    out.write_all(b"\n")
}
