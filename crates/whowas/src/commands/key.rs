//! `whowas key`: the public half of what signs a trail, and a new one.

use std::{fs, path::Path};

use serde_json::{Map, json};
use whowas_event::EnvironmentName;
use whowas_export::evidence::{Disclose, record};

use super::access;
use crate::{
    cli::{self, Global},
    config,
    failure::{DONE, Failure},
    output,
};

pub(crate) async fn run(global: &Global, command: cli::Key) -> Result<u8, Failure> {
    match command {
        cli::Key::Show { environment } => show(global, &environment).await,
        cli::Key::Rotate { environment, reason, statement } => {
            rotate(global, &environment, &reason, &statement).await
        }
    }
}

async fn show(global: &Global, name: &EnvironmentName) -> Result<u8, Failure> {
    let store = config::open(global, false).await?;
    let environment = store.control().environment(name).await?;
    let environment =
        environment.ok_or_else(|| Failure::not_understood(format!("there is no environment {name}")))?;
    let vkey = store.verifying_key(&environment)?.to_string();
    if global.json {
        output::json_line(&json!({ "environment": name, "origin": environment.origin, "vkey": vkey }))?;
    } else {
        output::line(format_args!("{vkey}"))?;
    }
    Ok(DONE)
}

async fn rotate(
    global: &Global,
    name: &EnvironmentName,
    reason: &str,
    statement: &Path,
) -> Result<u8, Failure> {
    let store = config::open_or_say(global, name, "key/rotate").await?;
    // Opened for writing first: after the rotation nobody could make the statement under the old key.
    let failed = |e: std::io::Error| Failure::file(statement, &e);
    fs::write(statement, "").map_err(failed)?;
    let personal = Map::from_iter([("reason".to_owned(), json!(reason))]);
    let rotated = store.rotate_key(name, access::user(), personal).await?;
    let proof = rotated.proof;
    let text = record::write(proof.proof, &proof.leaf, &proof.record, &Disclose::None);
    fs::write(statement, text).map_err(failed)?;
    store.close().await?;
    let (old, new) = (rotated.old.to_string(), rotated.new.to_string());
    if global.json {
        output::json_line(&json!({ "environment": name, "old": old, "vkey": new }))?;
    } else {
        output::line(format_args!("{new}"))?;
        eprintln!(
            "{} tells whoever trusts {old}: `whowas verify … --vkey OLD --rotation FILE`. Tell your witnesses the new key.",
            statement.display()
        );
    }
    Ok(DONE)
}
