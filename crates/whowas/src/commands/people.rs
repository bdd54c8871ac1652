//! `whowas dormant`, `aging`, `distinct-users` and `after-leaving`: who uses a system, who does not, and who should not.

use serde_json::{Value, json};
use whowas_event::{EnvironmentName, Time};
use whowas_query::{AccountStatus, Engine, LastSignIn};
use whowas_store::{Clock, Store, Trail};

use super::{
    access,
    presence::{filter, personal, range},
    search,
};
use crate::{
    cli::{Aging, DistinctUsers, Dormant, Global, OfEnvironment},
    config,
    failure::{DONE, Failure},
    output, times,
};

/// An open environment, and what is asked of it.
struct Asking {
    store: Store,
    trail: std::sync::Arc<Trail>,
    engine: Engine,
    now: Time,
}

impl Asking {
    async fn open(global: &Global, environment: &EnvironmentName) -> Result<Self, Failure> {
        let store = config::open(global, false).await?;
        let trail = store.trail(environment).await?;
        Ok(Self { store, trail, engine: config::engine(global)?, now: config::SystemClock.now() })
    }

    /// Writes down who looked, and closes.
    async fn end(self, action: &str, body: Value, personal: Value) -> Result<(), Failure> {
        access::record(&self.trail, action, body, personal, self.now).await?;
        Ok(self.store.close().await?)
    }
}

pub(crate) async fn dormant(global: &Global, args: Dormant) -> Result<u8, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let status = AccountStatus::from_word(&args.status).ok_or_else(|| {
        Failure::not_understood(format!("--status {}: write all, enabled or disabled", args.status))
    })?;
    let asking = Asking::open(global, &args.environment).await?;
    let as_of = search::as_of(args.as_of.as_deref(), asking.now, &zone)?;
    let people = asking.engine.dormant(&asking.trail, (args.days, status), as_of, asking.now).await?;
    let body = json!({"days": args.days, "rows": people.len(), "status": args.status});
    asking.end("dormant", body, json!({})).await?;
    if global.json {
        people.iter().try_for_each(output::json_line)?;
        return Ok(DONE);
    }
    let row = |one: &LastSignIn| {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let enabled = one.enabled.map(|enabled| if enabled { "yes" } else { "no" });
        vec![
            one.user_id.clone(),
            text(&one.user_name),
            text(&one.alias),
            text(&one.company),
            enabled.unwrap_or_default().to_owned(),
            one.last_login.map(|last| times::show(last, &zone)).unwrap_or_default(),
            one.days_since_last_login.map(|days| days.to_string()).unwrap_or_default(),
            text(&one.account_type),
        ]
    };
    let header = [
        "user ID",
        "user name",
        "alias",
        "company",
        "enabled",
        "last login",
        "days since last login",
        "account type",
    ];
    output::table(&header, people.iter().map(row))?;
    eprintln!("{} users", people.len());
    Ok(DONE)
}

pub(crate) async fn aging(global: &Global, args: Aging) -> Result<u8, Failure> {
    let asking = Asking::open(global, &args.environment).await?;
    let people = asking.engine.last_sign_ins(&asking.trail, None, asking.now).await?;
    let (ranges, never) = whowas_query::aging(&people, &args.ranges);
    asking.end("aging", json!({"ranges": args.ranges}), json!({})).await?;
    if global.json {
        ranges.iter().try_for_each(output::json_line)?;
        output::json_line(&json!({"from_days": null, "to_days": null, "users": never}))?;
        return Ok(DONE);
    }
    let mut rows: Vec<Vec<String>> = ranges
        .iter()
        .map(|range| {
            let to = range.to_days.map_or("…".to_owned(), |to| to.to_string());
            vec![format!("{} to {to}", range.from_days), range.users.to_string()]
        })
        .collect();
    rows.push(vec!["never".to_owned(), never.to_string()]);
    output::table(&["days since the last sign-in", "users"], rows)?;
    Ok(DONE)
}

pub(crate) async fn distinct_users(global: &Global, args: DistinctUsers) -> Result<u8, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let asking = Asking::open(global, &args.environment).await?;
    let range = range(args.from.as_deref(), args.to.as_deref(), asking.now, &zone)?;
    let text = search::words(&args.filter);
    let (trail, now) = (&asking.trail, asking.now);
    let users = asking.engine.distinct_users(trail, range, &filter(&text)?, args.by_day, now).await?;
    let body = json!({"by_day": args.by_day, "from": range.0.to_string(), "rows": users.len(),
        "to": range.1.to_string()});
    asking.end("distinct-users", body, personal(&text)).await?;
    if global.json {
        users.iter().try_for_each(output::json_line)?;
        return Ok(DONE);
    }
    let rows = users.iter().map(|one| {
        vec![
            one.user_id.clone(),
            one.user_name.clone().unwrap_or_default(),
            one.day.clone().unwrap_or_default(),
            one.sign_ins.to_string(),
            one.sessions.to_string(),
            times::show(one.first, &zone),
            times::show(one.last, &zone),
        ]
    });
    output::table(&["user ID", "user name", "day (UTC)", "sign-ins", "sessions", "first", "last"], rows)?;
    eprintln!("{} rows", users.len());
    Ok(DONE)
}

pub(crate) async fn after_leaving(global: &Global, args: OfEnvironment) -> Result<u8, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let asking = Asking::open(global, &args.environment).await?;
    let (total, rows) = asking.engine.after_leaving(&asking.trail).await?;
    asking.end("after-leaving", json!({"rows": total}), json!({})).await?;
    if global.json {
        rows.iter().try_for_each(output::json_line)?;
        return Ok(DONE);
    }
    let shown = rows.len();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let rows = rows.iter().map(|row| {
        let id = row.user_name.clone().or_else(|| row.user_uid.clone()).unwrap_or_default();
        let at = times::show(row.occurred_at, &zone);
        vec![id, text(&row.user_full_name), at, text(&row.src_ip), text(&row.service_name)]
    });
    output::table(&["user", "name", "signed in", "ip", "service"], rows)?;
    eprintln!("{shown} of {total} sign-ins");
    Ok(DONE)
}
