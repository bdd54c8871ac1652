//! `whowas-event`: our own NDJSON, for systems that have no format of their own, and for exports read again.
//!
//! One object a record. Words are those of `docs/format.md`, nested; the flat spellings beside them mean the
//! same. What is neither goes to `unmapped`, and so does what unknown members of our objects say. A field
//! that is given twice, in whatever spellings, is refused.
//!
//! | member | type | flat spellings |
//! |---|---|---|
//! | `occurred_at` (required) | RFC 3339, or milliseconds since 1970 | `timestamp` `@timestamp` `time` |
//! | `native_id` | text; derived from the record if absent | `event_id` `id` |
//! | `kind` | `login` (default) or `identity` | |
//! | `activity` (required for logins) | `logon` `logoff` … ; also `login` `logout` `sign_in` `sign_out` | `action` `event_type` |
//! | `status` | `success` `failure` `unknown` `other` | `outcome` `result` |
//! | `status_code`, `status_detail` | text | `error_code`; `failure_reason` `reason` |
//! | `user.uid`, `.name`, `.full_name` | text | `user_id`; `user_name` `username`; `display_name` `full_name` |
//! | `user.email_addr`, `.domain`, `.roles` | text; `roles` a list | `email`; `user_domain`; `roles` |
//! | `actor.uid`, `.name` | text | `actor_id`; `actor_name` |
//! | `src_endpoint.ip`, `.port`, `.hostname` | text, number | `src_ip` `source_ip` `ip` `ip_address`; `src_port` `source_port`; `src_hostname` |
//! | `src_endpoint.location.country`, `.region`, `.city` | text | `country`; `region`; `city` |
//! | `user_agent` | text | |
//! | `device.uid`, `.name`, `.os`, `.browser` | text | `device_id`; `device_name`; `os`; `browser` |
//! | `dst_endpoint.hostname` | text | `dst_hostname` |
//! | `service.name`, `.uid` | text | `app` `application`; `app_id` |
//! | `auth_protocol`, `logon_type` | text | |
//! | `is_mfa` | boolean | `mfa` |
//! | `session.uid` | text | `session_id` |
//! | `correlation_uid`, `tenant_uid` | text | `correlation_id`; `tenant_id` |
//! | `unmapped` | object | |
//! | `raw_time` | text | |
//! | `raw_data` | ignored: exports add it, and the line itself is kept | |

use std::io::Read;

use whowas_event::{Activity, Draft, Kind, NativeId};

use crate::{
    contract::{Format, Info, Item, Options, ReadError, ReadSummary, Sample, Sink, Yields},
    ids::DerivedIds,
    instant,
    jsonstream::{self, JsonRecord},
    native_fields::{Parsed, When},
    strict::canonical_object,
};

/// The format.
#[derive(Debug)]
pub struct Native;

static INFO: Info = Info {
    name: "whowas-event",
    product: "whowas",
    marker: "JSON objects with `occurred_at`",
    yields: Yields { start: true, end: true, failure: true, identity: true },
    row_caps: &[],
};

impl Format for Native {
    fn info(&self) -> &'static Info {
        &INFO
    }

    fn recognizes(&self, sample: Sample<'_>) -> bool {
        jsonstream::first_object(sample).is_some_and(|first| first.contains_key("occurred_at"))
    }

    fn read(
        &self,
        input: &mut dyn Read,
        options: &Options,
        sink: &mut Sink<'_>,
    ) -> Result<ReadSummary, ReadError> {
        let mut summary = ReadSummary::default();
        let mut ids = DerivedIds::default();
        summary.read = jsonstream::read_records(input, &mut |found| {
            sink(match found {
                Ok(record) => match draft(&record, options, &mut summary.times_without_zone, &mut ids) {
                    Ok(draft) => Item::Draft(draft, record.place),
                    Err(problem) => Item::Problem(problem),
                },
                Err(problem) => Item::Problem(problem),
            })
        })?;
        Ok(summary)
    }
}

/// A time as records have it.
const EXAMPLE: &str = "2026-11-24T07:22:01Z";

fn draft(
    record: &JsonRecord<'_>,
    options: &Options,
    times_without_zone: &mut u64,
    ids: &mut DerivedIds,
) -> Result<Draft, crate::Problem> {
    let parsed: Parsed = serde_json::from_slice(record.raw).map_err(|error| record.parse_problem(&error))?;
    let Parsed { mut event, when, unmapped, .. } = parsed;
    match when {
        When::At(time) => event.occurred_at = time,
        When::Text(text) => {
            let read = instant::read(&text, options).map_err(|error| {
                let reason = format!("`occurred_at` is `{text}`: {error}; write it like {EXAMPLE}");
                record.problem_at("occurred_at", reason)
            })?;
            *times_without_zone += u64::from(read.is_without_zone);
            event.occurred_at = read.time;
            event.raw_time = event.raw_time.or(read.raw_time);
        }
        When::Missing => {
            return Err(record.problem(format!("`occurred_at` is missing: write it like {EXAMPLE}")));
        }
    }
    if event.kind == Kind::Login && event.activity == Activity::Unknown && !parsed.has_activity {
        return Err(record.problem("`activity` is missing: write logon, logoff or another one"));
    }
    if event.native_id.as_str().is_empty() {
        let text = std::str::from_utf8(record.raw).unwrap_or_default();
        event.native_id = ids.next([text]);
    }
    event.unmapped =
        canonical_object(unmapped).map_err(|error| record.problem(format!("`unmapped`: {error}")))?;
    Ok(Draft { event, raw: record.raw.to_vec() })
}

/// The id that a record gives.
pub(crate) fn given(id: String) -> NativeId {
    if id.is_empty() { NativeId::default() } else { NativeId::Given(id) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{options, read, read_with, recognizes};

    const NESTED: &str = r#"{"occurred_at":"2026-11-20T08:15:30.250Z","native_id":"n-1","kind":"login","activity":"logon","status":"failure","status_code":"50126","status_detail":"Invalid password","user":{"uid":"u-1","name":"ada","full_name":"Ada Lovelace","email_addr":"ada@contoso.example","domain":"CONTOSO","roles":["Clerk","Buyer"]},"actor":{"uid":"u-9","name":"root"},"src_endpoint":{"ip":"192.0.2.10","port":50123,"hostname":"pc-7","location":{"country":"CH","region":"ZH","city":"Zürich"}},"user_agent":"Mozilla/5.0","device":{"uid":"d-1","name":"laptop","os":"Windows 11","browser":"Edge"},"dst_endpoint":{"hostname":"erp-1"},"service":{"name":"Dynamics 365","uid":"app-1"},"auth_protocol":"oidc","logon_type":"interactive","is_mfa":true,"session":{"uid":"s-1"},"correlation_uid":"c-1","tenant_uid":"t-1","unmapped":{"risk":1}}"#;
    const FLAT: &str = r#"{"event_id":"n-1","occurred_at":"2026-11-20T08:15:30.250Z","activity":"login","outcome":"failure","failure_reason":"Invalid password","error_code":50126,"session_id":"s-1","user_id":"u-1","user_name":"ada","display_name":"Ada Lovelace","email":"ada@contoso.example","user_domain":"CONTOSO","roles":["Clerk","Buyer"],"actor_id":"u-9","actor_name":"root","src_ip":"192.0.2.10","src_port":"50123","src_hostname":"pc-7","country":"CH","region":"ZH","city":"Z\u00fcrich","user_agent":"Mozilla\/5.0","device_id":"d-1","device_name":"laptop","os":"Windows 11","browser":"Edge","dst_hostname":"erp-1","app":"Dynamics 365","app_id":"app-1","auth_protocol":"oidc","logon_type":"interactive","is_mfa":true,"correlation_id":"c-1","tenant_id":"t-1","risk":1}"#;

    #[test]
    fn nested_and_flat_spellings_say_the_same() {
        let reading = read(&Native, &format!("{NESTED}\n{FLAT}\n"));
        assert_eq!(reading.others, [""; 0]);
        assert_eq!(reading.summary.read, 2);
        assert_eq!(reading.events[0], reading.events[1]);
        let event = &reading.events[0];
        assert_eq!(event.native_id, NativeId::Given("n-1".into()));
        assert_eq!(event.src_endpoint.port, Some(50123));
        assert_eq!(event.src_endpoint.location.city.as_deref(), Some("Zürich"));
        assert_eq!(event.user.roles, ["Clerk", "Buyer"]);
        assert_eq!(event.unmapped.as_deref(), Some("{\"risk\":1}"));
        assert!(recognizes(&Native, NESTED) && recognizes(&Native, FLAT));
        assert!(!recognizes(&Native, "{\"createdDateTime\":\"2026-11-20T08:15:30Z\"}"));
    }

    #[test]
    fn what_has_no_word_is_kept() {
        let reading = read(
            &Native,
            r#"{"occurred_at":1763626530250,"activity":"sign_out","user":{"uid":7,"shoe":42.5},"x":null,"ratio":0.1,"raw_data":"…"}"#,
        );
        let event = &reading.events[0];
        assert_eq!(event.occurred_at.to_string(), "2025-11-20T08:15:30.250Z");
        assert_eq!(event.activity, Activity::Logoff);
        assert_eq!(event.user.uid.as_deref(), Some("7"));
        assert_eq!(event.unmapped.as_deref(), Some("{\"ratio\":\"0.1\",\"user\":{\"shoe\":\"42.5\"}}"));
        assert!(event.native_id.is_derived());
    }

    #[test]
    fn times_without_zone_are_counted() {
        let zurich = jiff::tz::TimeZone::get("Europe/Zurich").unwrap();
        let options = Options { source_timezone: zurich, ..options() };
        let text = r#"{"occurred_at":"2026-07-01 12:00:00","activity":"logon"}"#;
        let reading = read_with(&Native, text, &options).unwrap();
        assert_eq!(reading.events[0].occurred_at.to_string(), "2026-07-01T10:00:00.000Z");
        assert_eq!(reading.events[0].raw_time.as_deref(), Some("2026-07-01 12:00:00"));
        assert_eq!(reading.summary.times_without_zone, 1);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, want) in [
            ("{}", "line 1, column 1: `occurred_at` is missing: write it like 2026-11-24T07:22:01Z"),
            (
                r#"{"occurred_at":"2026-11-20T08:15:30Z"}"#,
                "line 1, column 1: `activity` is missing: write logon, logoff or another one",
            ),
            (
                r#"{"occurred_at":"2026-02-30T08:15:30Z","activity":"logon"}"#,
                "line 1, column 2: `occurred_at` is `2026-02-30T08:15:30Z`: no such date or time of day; write it like 2026-11-24T07:22:01Z",
            ),
            (
                r#"{"activity":"jump"}"#,
                "line 1, column 19: `activity` is `jump`: none of unknown, logon, logoff, authentication_ticket, service_ticket_request, service_ticket_renew, preauth, account_switch, other",
            ),
            (
                r#"{"user_id":"a","user":{"uid":"b"}}"#,
                "line 1, column 33: `user.uid` is given twice: remove one of them",
            ),
            (
                r#"{"user_id":"a","user_id":"a"}"#,
                "line 1, column 29: `user.uid` is given twice: remove one of them",
            ),
            (r#"{"x":{"a":1,"a":2}}"#, "line 1, column 18: `a` is given twice: remove one of them"),
            (r#"{"x":1,"x":2}"#, "line 1, column 13: `x` is given twice: remove one of them"),
            (r#"{"user_id":[1]}"#, "line 1, column 12: invalid type: sequence, expected text"),
            (r#"{"kind":"access"}"#, "line 1, column 17: `kind` is `access`: none of login, identity"),
            (r#"{"user":"ada"}"#, "line 1, column 13: invalid type: string \"ada\", expected an object"),
        ] {
            assert_eq!(read(&Native, text).others, [want], "{text}");
        }
    }
}
