//! `whowas token`: bearers of the API. A token is shown once; only its digest is kept.

use serde_json::json;
use whowas_event::EnvironmentName;
use whowas_server::secret;
use whowas_store::control::{Scope, Token};

use super::access;
use crate::{
    cli::{self, Global},
    config,
    failure::{DONE, Failure},
    output, times,
};

pub(crate) async fn run(global: &Global, command: cli::Token) -> Result<u8, Failure> {
    let store = config::open(global, true).await?;
    match command {
        cli::Token::Create { scope, environment, source } => {
            let scope = Scope::from_word(&scope).ok_or_else(|| {
                Failure::not_understood(format!("there is no scope {scope}; use ingest, read, scim or admin"))
            })?;
            if let Some(name) = &environment {
                known(&store.environments().await?, name)?;
            }
            let (text, hash) = secret::new_token()?;
            let created_at = store.clock().now();
            let mut token = Token { id: 0, scope, environment, source, created_at, revoked_at: None };
            token.id = store.control().create_token(&token, &hash).await?;
            access::record_token(&store, "create_token", &token).await?;
            if global.json {
                output::json_line(&json!({"id": token.id, "token": text}))?;
            } else {
                eprintln!("token {}, shown only now:", token.id);
                output::line(text)?;
            }
        }
        cli::Token::List => {
            let tokens = store.control().tokens().await?;
            if global.json {
                return tokens.iter().try_for_each(output::json_line).map(|()| DONE);
            }
            let zone = times::zone(global.timezone.as_deref())?;
            let rows = tokens.into_iter().map(|token| {
                let state = match token.revoked_at {
                    Some(at) => format!("revoked {}", times::show(at, &zone)),
                    None => "in force".to_owned(),
                };
                let environment =
                    token.environment.map(|name| name.to_string()).unwrap_or_else(|| "all".to_owned());
                let created = times::show(token.created_at, &zone);
                let scope = token.scope.as_str().to_owned();
                vec![
                    token.id.to_string(),
                    scope,
                    environment,
                    token.source.unwrap_or_default(),
                    created,
                    state,
                ]
            });
            output::table(&["id", "scope", "environment", "source", "created", "state"], rows)?;
        }
        cli::Token::Revoke { id } => {
            let token = store.control().tokens().await?.into_iter().find(|token| token.id == id);
            let is_revoked = store.control().revoke_token(id, store.clock().now()).await?;
            let Some(token) = token.filter(|_| is_revoked) else {
                return Err(Failure::not_understood(format!(
                    "there is no token {id} in force; `whowas token list` shows them"
                )));
            };
            access::record_token(&store, "revoke_token", &token).await?;
            if global.json {
                output::json_line(&json!({"id": id, "revoked": true}))?;
            } else {
                output::line(format_args!("token {id} is revoked"))?;
            }
        }
    }
    store.close().await?;
    Ok(DONE)
}

fn known(names: &[EnvironmentName], name: &EnvironmentName) -> Result<(), Failure> {
    if names.contains(name) {
        return Ok(());
    }
    Err(Failure::not_understood(format!("there is no environment {name}")))
}
