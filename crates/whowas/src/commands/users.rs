//! `whowas users`: the directory.

use serde_json::{Value, json};
use whowas_event::EnvironmentName;
use whowas_store::{Person, Snapshot};

use super::{access, search};
use crate::{
    cli::{Global, Users},
    config,
    failure::{DONE, Failure},
    output, times,
};

pub(crate) async fn run(global: &Global, command: Users) -> Result<u8, Failure> {
    match command {
        Users::Import(args) => super::import::run(global, args).await,
        Users::List { environment } => {
            let people = people(global, &environment, json!({})).await?;
            show(global, people.directory.iter().collect())
        }
        Users::Show { environment, history: true, as_of, user } => {
            history(global, &environment, as_of.as_deref(), &user).await
        }
        Users::Show { environment, user, .. } => {
            let people = people(global, &environment, json!({"user": user})).await?;
            let found = people.directory.find(Some(&user), Some(&user), Some(&user));
            let found = found.ok_or_else(|| {
                Failure::not_understood(format!(
                    "{environment} knows nobody with the id, login name or address {user}"
                ))
            })?;
            show(global, vec![found])
        }
    }
}

/// What directories said of one person, from when to when.
async fn history(
    global: &Global,
    environment: &EnvironmentName,
    as_of: Option<&str>,
    user: &str,
) -> Result<u8, Failure> {
    let zone = times::zone(global.timezone.as_deref())?;
    let store = config::open(global, false).await?;
    let now = store.clock().now();
    let as_of = search::as_of(as_of, now, &zone)?;
    let trail = store.trail(environment).await?;
    let found = config::engine(global)?.user_history(&trail, user, as_of, now).await?;
    let body = json!({"rows": found.versions.len(), "tree_size": found.tree_size});
    access::record(&trail, "users", body, json!({"user": user}), now).await?;
    store.close().await?;
    if found.versions.is_empty() {
        return Err(Failure::not_understood(format!("no directory of {environment} told of {user}")));
    }
    if global.json {
        for version in &found.versions {
            output::json_line(version)?;
        }
        return Ok(DONE);
    }
    let rows = found.versions.iter().map(|version| {
        let to = match version.to {
            Some(to) => times::show(to, &zone),
            None if version.is_removed => "deleted".to_owned(),
            None => String::new(),
        };
        let texts = [&version.uid, &version.name, &version.full_name, &version.email_addr];
        let mut cells = vec![times::show(version.from, &zone), to];
        cells.extend(texts.into_iter().map(|text| text.clone().unwrap_or_default()));
        cells.push(version.source.clone());
        cells
    });
    output::table(&["from", "to", "id", "login name", "name", "e-mail", "source"], rows)?;
    let told = found.versions.len() as u64;
    if told < found.total {
        eprintln!("the newest {told} of {} are shown", found.total);
    }
    Ok(DONE)
}

async fn people(
    global: &Global,
    environment: &EnvironmentName,
    asked: Value,
) -> Result<std::sync::Arc<Snapshot>, Failure> {
    let store = config::open(global, false).await?;
    let trail = store.trail(environment).await?;
    let snapshot = trail.snapshot();
    let body = json!({"rows": snapshot.directory.len()});
    access::record(&trail, "users", body, asked, store.clock().now()).await?;
    store.close().await?;
    Ok(snapshot)
}

fn show(global: &Global, mut people: Vec<&Person>) -> Result<u8, Failure> {
    people.sort_by(|a, b| (&a.full_name, &a.name, &a.id).cmp(&(&b.full_name, &b.name, &b.id)));
    if global.json {
        for person in people {
            let attributes = person.attributes.as_deref().and_then(|text| serde_json::from_str(text).ok());
            let attributes: serde_json::Value = attributes.unwrap_or_default();
            output::json_line(&json!({
                "user_id": person.uid, "name": person.name, "full_name": person.full_name,
                "email_addr": person.email_addr, "attributes": attributes, "position": person.position,
                "known_from": if person.is_observed { "sign-in" } else { "directory" },
            }))?;
        }
        return Ok(DONE);
    }
    let rows = people.into_iter().map(|person| {
        let known_from = if person.is_observed { "sign-in" } else { "directory" };
        let texts = [&person.uid, &person.name, &person.full_name, &person.email_addr];
        let mut cells: Vec<String> = texts.into_iter().map(|text| text.clone().unwrap_or_default()).collect();
        cells.push(known_from.to_owned());
        cells
    });
    output::table(&["id", "login name", "name", "e-mail", "known from"], rows)?;
    Ok(DONE)
}
