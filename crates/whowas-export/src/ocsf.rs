//! Rows as OCSF Authentication objects (class 3002), one a line: what security lakes take in.
//!
//! A row has fewer fields than its record; the mapping of those it has is that of `normalize --as ocsf`.

use whowas_event::{Activity, Device, Event, Location, NativeId, Service, SrcEndpoint, Status, User};
use whowas_format::dialect::{self, Sourced};
use whowas_query::LoginRow;

/// Appends a row and its line feed.
pub(crate) fn ocsf_row(row: &LoginRow, out: &mut Vec<u8>) {
    let event = event_of(row);
    let sourced = Sourced { event: &event, source: &row.source, format: &row.format, raw: None };
    let mut object = dialect::ocsf(sourced);
    add_name_now(row, &mut object);
    serde_json::to_writer(&mut *out, &object).expect("JSON is plain data, and a vector takes every byte");
    out.push(b'\n');
}

/// Where the directory has another name now, the object says so among its enrichments.
fn add_name_now(row: &LoginRow, object: &mut serde_json::Value) {
    let (Some(then), Some(now), Some(change)) = (&row.name_at_sign_in, &row.name_now, row.name_change) else {
        return;
    };
    let enrichment = serde_json::json!({
        "name": "user.full_name", "value": then, "type": "directory",
        "data": { "name_now": now, "name_change": change.as_str() },
    });
    if let Some(object) = object.as_object_mut() {
        object.insert("enrichments".to_owned(), serde_json::json!([enrichment]));
    }
}

fn event_of(row: &LoginRow) -> Event {
    Event {
        occurred_at: row.occurred_at,
        native_id: NativeId::Given(row.native_id.clone()),
        activity: Activity::from_word(&row.activity).unwrap_or_default(),
        status: Status::from_word(&row.status).unwrap_or_default(),
        status_code: row.status_code.clone(),
        status_detail: row.status_detail.clone(),
        user: User {
            uid: row.user_uid.clone(),
            name: row.user_name.clone(),
            full_name: row.user_full_name.clone(),
            email_addr: row.user_email_addr.clone(),
            ..User::default()
        },
        src_endpoint: SrcEndpoint {
            ip: row.src_ip.clone(),
            location: Location {
                country: row.src_country.clone(),
                city: row.src_city.clone(),
                ..Location::default()
            },
            ..SrcEndpoint::default()
        },
        user_agent: row.user_agent.clone(),
        device: Device { name: row.device_name.clone(), ..Device::default() },
        service: Service { name: row.service_name.clone(), ..Service::default() },
        auth_protocol: row.auth_protocol.clone(),
        logon_type: row.logon_type.clone(),
        is_mfa: row.is_mfa,
        session_uid: row.session_uid.clone(),
        ..Event::default()
    }
}
