//! `whowas verify` and `whowas fsck`: re-derive everything from the records.

use serde_json::json;
use whowas_store::{Store, audit::Audit, control::Environment};

use crate::{
    cli::{Fsck, Global, Verify},
    config,
    failure::{BROKEN, DONE, Failure},
    output,
};

pub(crate) async fn run(global: &Global, args: Verify) -> Result<u8, Failure> {
    if !args.path.join("control.db").is_file() && global.control.is_none() {
        return Err(Failure::not_understood(format!(
            "{}: this is no data folder (it has no control.db)",
            args.path.display()
        )));
    }
    let global = Global { data: Some(args.path.display().to_string()), ..global.clone() };
    let store = config::open(&global, false).await?;
    let environments = store.control().environments().await?;
    let mut code = DONE;
    for environment in environments {
        code = code.max(check(&global, &store, &environment).await?);
    }
    Ok(code)
}

pub(crate) async fn fsck(global: &Global, args: Fsck) -> Result<u8, Failure> {
    let store = config::open(global, false).await?;
    let environment = store.control().environment(&args.environment).await?;
    let environment = environment
        .ok_or_else(|| Failure::not_understood(format!("there is no environment {}", args.environment)))?;
    check(global, &store, &environment).await
}

async fn check(global: &Global, store: &Store, environment: &Environment) -> Result<u8, Failure> {
    let audit = store.audit(environment).await?;
    let key = store.verifying_key(environment)?.to_string();
    let code = if audit.findings.is_empty() { DONE } else { BROKEN };
    if global.json {
        output::json_line(&json!({
            "environment": environment.name, "origin": environment.origin, "vkey": key,
            "verified": code == DONE, "size": audit.size, "root": audit.root, "leaves": audit.leaves,
            "findings": audit.findings,
        }))?;
    } else {
        print(environment, &key, &audit)?;
    }
    Ok(code)
}

fn print(environment: &Environment, key: &str, audit: &Audit) -> Result<(), Failure> {
    output::line(format_args!("{} ({key})", environment.name))?;
    if audit.findings.is_empty() {
        output::line(format_args!("  verified: {} records, root {}", audit.leaves, audit.root))?;
        output::line("  re-derived: every leaf, every tile, the root; checked: the checkpoint's signature")?;
        output::line("  not checked: whether a newer state of this trail exists elsewhere")?;
    }
    for finding in &audit.findings {
        let (place, reason) = (output::printable(&finding.place), output::printable(&finding.reason));
        output::line(format_args!("  BROKEN {place}: {reason}"))?;
    }
    Ok(())
}
