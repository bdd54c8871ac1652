//! `whowas witness`: remembers other people's logs, and cosigns what is consistent with its memory.

use std::{io::Write, sync::Arc};

use whowas_server::{Limits, Options, TlsFiles, WitnessServer};
use whowas_store::witness::WitnessStore;

use super::{serve, trust};
use crate::{
    cli::Witness,
    config,
    failure::{DONE, Failure},
    output,
};

pub(crate) async fn run(args: Witness) -> Result<u8, Failure> {
    let policy = trust::required(args.policy.as_deref(), args.vkey.as_deref())?;
    let logs = policy.logs().iter().map(|log| log.key.clone()).collect();
    let listen = serve::address(&args.listen)?;
    let tls = args.tls_cert.zip(args.tls_key).map(|(certificate, key)| TlsFiles { certificate, key });
    let store = WitnessStore::open(&args.state, args.name.as_deref())?;
    let vkey = store.verifying_key().to_string();
    let options = Options { listen, tls, limits: Limits::default() };
    let server = WitnessServer::bind(store, logs, Arc::new(config::SystemClock), options).await;
    let server = server.map_err(serve::failure)?;
    output::line(format_args!("witness: {}", server.url()))?;
    output::line(format_args!("vkey: {vkey}"))?;
    std::io::stdout().flush()?;
    server.run(serve::until_stopped()).await;
    Ok(DONE)
}
