//! `whowas serve`: console, API and receivers; with `--demo`, something to look at.

use std::{
    io::{BufWriter, Seek, Write},
    net::SocketAddr,
    sync::Arc,
};

use jiff::tz::TimeZone;
use serde_json::json;
use whowas_collect::{Delivery, ImportOptions, import_file};
use whowas_event::{EnvironmentName, Time, admit::RawData};
use whowas_server::{Limits, Options, ServeError, Server, TlsFiles, WitnessAddress};
use whowas_store::{Clock, Store, Trail};

use super::syslog::Syslog;
use crate::{
    alarms::alarms,
    cli::{Global, Serve},
    config::{self, Settings, SystemClock, WitnessSetting},
    demo::{self, World},
    failure::{DONE, Failure},
    output,
    schedules::{schedules, webhooks},
    sources,
};

/// Where the console is if nobody says: this machine only.
const DEFAULT_LISTEN: &str = "127.0.0.1:8787";
/// The demo's seed: everybody sees the same company.
const DEMO_SEED: u64 = 2012;

pub(crate) async fn run(global: &Global, args: Serve) -> Result<u8, Failure> {
    let options = options(global, &args)?;
    let witnesses = witnesses(global)?;
    let sources = sources::sources(&Settings::load(global)?.source)?;
    let scheduled = schedules(&Settings::load(global)?.schedule, SystemClock.now())?;
    let webhooks = webhooks(&Settings::load(global)?.webhook)?;
    let alarms = alarms(&Settings::load(global)?.alarm)?;
    let store = Arc::new(config::open(global, true).await?);
    if args.demo {
        create_demo(global, &store).await?;
    }
    let syslog = Syslog::bind(Settings::load(global)?.syslog, options.tls.as_ref()).await?;
    let engine = config::engine(global)?;
    let server = Server::bind_with(store.clone(), options, engine).await.map_err(failure)?;
    let server = server.with_witnesses(witnesses).await.map_err(failure)?;
    let server = server.with_schedules(scheduled, webhooks).with_alarms(alarms);
    let server = server.with_sources(sources::probes(&sources)?);
    let (url, link) = (server.url(), server.sign_in_link().await?);
    if global.json {
        let listening: Vec<_> = syslog
            .addresses()
            .map(|(transport, address)| json!({"transport": transport, "address": address.to_string()}))
            .collect();
        output::json_line(&json!({"console": url, "sign_in": link, "syslog": listening}))?;
    } else {
        output::line(format_args!("console: {url}"))?;
        output::line(format_args!("sign in once, within 15 minutes: {link}"))?;
        for (transport, address) in syslog.addresses() {
            output::line(format_args!("syslog over {transport}: {address}"))?;
        }
    }
    std::io::stdout().flush()?;
    let collectors = sources::start(&store, sources)?;
    let intakes = server.intakes();
    let served = syslog.beside(&store, intakes, server.run(until_stopped())).await;
    // What is committed says where they go on.
    drop(collectors);
    served?;
    store.close().await?;
    Ok(DONE)
}

fn options(global: &Global, args: &Serve) -> Result<Options, Failure> {
    let settings = Settings::load(global)?;
    let listen = args.listen.clone().or(settings.listen).unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
    let listen = address(&listen)?;
    let tls = match (args.tls_cert.clone().or(settings.tls_cert), args.tls_key.clone().or(settings.tls_key)) {
        (Some(cert), Some(key)) => Some(TlsFiles { certificate: cert, key }),
        (None, None) => None,
        _ => return Err(Failure::not_understood("TLS needs both a certificate and a key")),
    };
    Ok(Options { listen, tls, limits: Limits::default() })
}

pub(super) fn address(listen: &str) -> Result<SocketAddr, Failure> {
    listen.parse().map_err(|_| {
        Failure::not_understood(format!(
            "--listen {listen}: write an address and a port, such as {DEFAULT_LISTEN}"
        ))
    })
}

fn witnesses(global: &Global) -> Result<Vec<WitnessAddress>, Failure> {
    let settings = Settings::load(global)?.witness;
    let address = |one: WitnessSetting| match one.vkey.parse() {
        Ok(key) => Ok(WitnessAddress { url: one.url, key }),
        Err(error) => Err(Failure::not_understood(format!("witness {}: vkey: {error}", one.url))),
    };
    settings.into_iter().map(address).collect()
}

pub(super) fn failure(error: ServeError) -> Failure {
    match error {
        ServeError::Store(error) => error.into(),
        ServeError::Query(error) => error.into(),
        ServeError::TlsRequired(_) | ServeError::Tls(_) | ServeError::Witness(..) => {
            Failure::not_understood(error.to_string())
        }
        ServeError::Listen(..) => Failure::failed(error.to_string()),
    }
}

/// Ends at SIGINT (Ctrl-C) and at SIGTERM, which service managers send.
pub(super) async fn until_stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}

/// Fills the demo environment through the real import, once: later starts find it filled.
async fn create_demo(global: &Global, store: &Store) -> Result<(), Failure> {
    let name = format!("{}/{}", World::PROJECT, World::ENVIRONMENT);
    let name: EnvironmentName = name.parse().map_err(|e| Failure::failed(format!("the demo's name: {e}")))?;
    let trail = store.create_trail(&name).await?;
    if trail.snapshot().size > 0 {
        return Ok(());
    }
    let tell = |text: String| if global.json { Ok(()) } else { output::line(text) };
    tell(format!("creating 90 days of sign-ins in {name} …"))?;
    let now = store.clock().now();
    let world = demo::world(DEMO_SEED, now);
    bring(store, &trail, "demo users.json", now, |out| world.write_users(out)).await?;
    bring(store, &trail, "demo sign-ins.ndjson", now, |out| world.write_events(out)).await?;
    tell(format!("{} records", trail.snapshot().size))
}

/// Writes a file of the demo to a temporary place and imports it from there.
async fn bring(
    store: &Store,
    trail: &Arc<Trail>,
    file_name: &str,
    now: Time,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let path = store.root().join("demo.tmp");
    let mut file = std::fs::File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    // The name goes at once: nothing is left behind, whatever happens.
    std::fs::remove_file(&path)?;
    let mut out = BufWriter::new(&mut file);
    write(&mut out)?;
    out.flush()?;
    drop(out);
    file.rewind()?;
    let read = whowas_format::Options {
        source_timezone: TimeZone::UTC,
        date_order: None,
        received_at: now,
        file_time: now,
    };
    let options =
        ImportOptions { format: None, source: None, raw: RawData::Kept, delivery: Delivery::File, read };
    for summary in import_file(trail, store.control(), file, file_name, options).await? {
        if summary.rejected > 0 {
            return Err(Failure::failed(format!("{file_name}: {} records were rejected", summary.rejected)));
        }
    }
    Ok(())
}
