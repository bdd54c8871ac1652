//! `whowas key`: the public half of what signs a trail.

use serde_json::json;

use crate::{
    cli::{self, Global},
    config,
    failure::{DONE, Failure},
    output,
};

pub(crate) async fn run(global: &Global, command: cli::Key) -> Result<u8, Failure> {
    let cli::Key::Show { environment: name } = command;
    let store = config::open(global, false).await?;
    let environment = store.control().environment(&name).await?;
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
