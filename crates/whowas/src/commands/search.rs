//! `whowas search`

use jiff::tz::TimeZone;
use serde_json::json;
use whowas_event::Time;
use whowas_query::{AsOf, Filter, LoginRequest, LoginRow, NameChange, NameSource, NamedQuery};
use whowas_store::{Clock, Trail};

use super::access;
use crate::{
    cli::{Global, Question, Search},
    config,
    failure::{DONE, Failure},
    output, times,
};

pub(crate) async fn run(global: &Global, args: Search) -> Result<u8, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let now = config::SystemClock.now();
    let as_of = as_of(args.as_of.as_deref(), now, &zone)?;
    let request =
        LoginRequest { limit: args.limit, page: args.page, as_of, ..request(&args.question, now, &zone)? };
    let store = config::open(global, false).await?;
    let trail = store.trail(&args.question.environment).await?;
    let page = config::engine(global)?.logins(&trail, &request, now).await?;
    record_access(&trail, "search", &args.question, (page.from, page.to, page.total), now).await?;
    store.close().await?;
    if global.json {
        for row in &page.rows {
            output::json_line(row)?;
        }
    } else {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let time = |value: Option<Time>| value.map(|time| times::show(time, &zone)).unwrap_or_default();
        let rows = page.rows.iter().map(|row| {
            let id = row.user_uid.clone().or_else(|| row.user_name.clone()).unwrap_or_default();
            let name = row.user_full_name.clone().or_else(|| row.user_name.clone());
            let is_erased = row.name_source == Some(NameSource::Erased);
            let name = shown_name(row)
                .or(name)
                .unwrap_or_else(|| if is_erased { "(erased)".to_owned() } else { String::new() });
            let email_addr = text(&row.user_email_addr);
            let (start, end) = (time(row.start), time(row.end));
            vec![id, name, email_addr, start, end, row.status.clone(), text(&row.src_ip), text(&row.client)]
        });
        output::table(&["id", "name", "e-mail", "start", "end", "status", "ip", "client"], rows)?;
    }
    if global.json {
        eprintln!(
            "{}",
            json!({
                "rows": page.rows.len(), "total": page.total, "from": page.from, "to": page.to,
                "tree_size": page.tree_size, "next": page.next,
            })
        );
        return Ok(DONE);
    }
    let range = format!("{} to {}", times::show(page.from, &zone), times::show(page.to, &zone));
    eprintln!("{} of {} rows, {range}", page.rows.len(), page.total);
    if let Some(next) = page.next {
        eprintln!("more: --page {next}");
    }
    Ok(DONE)
}

/// The name, where then and now differ: that of now and what it was, or that of then and whose id it is now.
fn shown_name(row: &LoginRow) -> Option<String> {
    let (then, now) = (row.name_at_sign_in.as_ref()?, row.name_now.as_ref()?);
    Some(match row.name_change? {
        NameChange::Renamed => format!("{now} (was {then})"),
        NameChange::AnotherPerson => format!("{then} (now the id of {now})"),
    })
}

/// The question that flags and words ask.
pub(crate) fn request(question: &Question, now: Time, zone: &TimeZone) -> Result<LoginRequest, Failure> {
    let query = NamedQuery::from_word(&question.query).ok_or_else(|| {
        let names: Vec<_> = NamedQuery::ALL.iter().map(|query| query.as_str()).collect();
        Failure::not_understood(format!("there is no query {}; use {}", question.query, names.join(", ")))
    })?;
    let filter =
        Filter::parse(&filter_text(question)).map_err(|e| Failure::not_understood(format!("filter: {e}")))?;
    let from = question.from.as_deref().map(|text| times::parse(text, now, zone, false)).transpose()?;
    let to = question.to.as_deref().map(|text| times::parse(text, now, zone, true)).transpose()?;
    Ok(LoginRequest { query, from, to, filter, ..LoginRequest::default() })
}

/// An earlier state of the trail: a size of the tree, or a time; of a date its end.
pub(crate) fn as_of(text: Option<&str>, now: Time, zone: &TimeZone) -> Result<Option<AsOf>, Failure> {
    text.map(|text| AsOf::parse(text, |text| times::parse(text, now, zone, true))).transpose()
}

/// The words of a question's filter.
pub(crate) fn filter_text(question: &Question) -> String {
    words(&question.filter)
}

/// The words of the command line as one filter: what the shell unquoted is quoted again.
pub(crate) fn words(filter: &[String]) -> String {
    let quote = |word: &String| match word.split_once(':') {
        Some((key, value)) if value.contains(' ') && !value.contains('"') => format!("{key}:\"{value}\""),
        _ => word.clone(),
    };
    filter.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// The question, the range and the number of rows, for the trail's own record of who looked.
pub(crate) async fn record_access(
    trail: &Trail,
    action: &str,
    question: &Question,
    (from, to, rows): (Time, Time, u64),
    now: Time,
) -> Result<(), Failure> {
    let body = json!({"from": from.to_string(), "query": question.query, "rows": rows, "to": to.to_string()});
    let filter = filter_text(question);
    let personal = if filter.is_empty() { json!({}) } else { json!({"filter": filter}) };
    access::record(trail, action, body, personal, now).await?;
    Ok(())
}
