//! `[[syslog]]` of the settings: who is listened to beside `whowas serve`.

use std::{future::Future, net::SocketAddr, sync::Arc};

use jiff::tz::TimeZone;
use tokio::{sync::watch, task::JoinSet};
use whowas_collect::{
    intake::Intakes,
    syslog::{Destination, Listener, Prefix, SyslogLimits, SyslogOptions, Transport},
};
use whowas_event::EnvironmentName;
use whowas_server::TlsFiles;
use whowas_store::Store;

use crate::{
    config::{SyslogSetting, TransportWord},
    failure::Failure,
};

/// Listeners that have their addresses and record nothing yet.
pub(super) struct Syslog {
    listeners: Vec<(EnvironmentName, TransportWord, Listener)>,
}

impl Syslog {
    /// Takes every address.
    pub(super) async fn bind(settings: Vec<SyslogSetting>, tls: Option<&TlsFiles>) -> Result<Self, Failure> {
        let mut listeners = Vec::with_capacity(settings.len());
        for setting in settings {
            let wrong = |why: &str| Failure::not_understood(format!("syslog {}: {why}", setting.listen));
            let environment = setting.environment.parse();
            let environment: EnvironmentName =
                environment.map_err(|error: whowas_event::NameError| wrong(&error.to_string()))?;
            let options = options(&setting, tls).map_err(|why| wrong(&why))?;
            let listener = Listener::bind(options).await;
            let listener = listener.map_err(|error| {
                Failure::failed(format!("cannot listen for syslog on {}: {error}", setting.listen))
            })?;
            listeners.push((environment, setting.transport, listener));
        }
        Ok(Self { listeners })
    }

    /// How and where each listens.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        self.listeners.iter().map(|(_, transport, listener)| (transport.as_str(), listener.address()))
    }

    /// Records what comes while `serving` goes on, then what is here already.
    pub(super) async fn beside(
        self,
        store: &Store,
        intakes: Arc<Intakes>,
        serving: impl Future<Output = ()>,
    ) -> Result<(), Failure> {
        let (stop, stopped) = watch::channel(());
        let mut running = JoinSet::new();
        for (environment, _, listener) in self.listeners {
            let to = Destination {
                trail: store.create_trail(&environment).await?,
                control: store.control().clone(),
                clock: store.clock().clone(),
                intakes: intakes.clone(),
            };
            let mut stopped = stopped.clone();
            running.spawn(listener.run(to, async move {
                // The sender goes when the server has ended.
                let _ = stopped.changed().await;
            }));
        }
        serving.await;
        drop(stop);
        while running.join_next().await.is_some() {}
        Ok(())
    }
}

impl TransportWord {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

fn options(setting: &SyslogSetting, tls: Option<&TlsFiles>) -> Result<SyslogOptions, String> {
    let listen: SocketAddr =
        setting.listen.parse().map_err(|_| "write an address and a port, such as 0.0.0.0:6514".to_owned())?;
    let allow: Vec<Prefix> = setting.allow.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let shows_who = setting.tls_client_ca.is_some() && setting.transport == TransportWord::Tls;
    if !listen.ip().is_loopback() && allow.is_empty() && !shows_who {
        return Err(
            "other machines can reach it: say with `allow` which addresses may send, or, for tls, with \
                    `tls_client_ca` whose certificates they must have"
                .to_owned(),
        );
    }
    let source_timezone = match &setting.source_timezone {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name)
            .map_err(|_| format!("source_timezone {name}: not a name of the time zone database"))?,
    };
    let transport = match setting.transport {
        TransportWord::Udp => Transport::Udp,
        TransportWord::Tcp => Transport::Tcp,
        TransportWord::Tls => {
            let own = match (&setting.tls_cert, &setting.tls_key) {
                (Some(certificate), Some(key)) => {
                    Some(TlsFiles { certificate: certificate.clone(), key: key.clone() })
                }
                (None, None) => None,
                _ => return Err("TLS needs both a certificate and a key".to_owned()),
            };
            let files = own.as_ref().or(tls);
            let files = files.ok_or("TLS needs a certificate and a key: set `tls_cert` and `tls_key`")?;
            let acceptor = files.acceptor_of_streams(setting.tls_client_ca.as_deref());
            Transport::Tls(acceptor.map_err(|error| error.to_string())?)
        }
    };
    let has_tls =
        [&setting.tls_cert, &setting.tls_key, &setting.tls_client_ca].iter().any(|path| path.is_some());
    if has_tls && setting.transport != TransportWord::Tls {
        return Err("`tls_cert`, `tls_key` and `tls_client_ca` are for the transport tls".to_owned());
    }
    let source = setting.source.clone();
    Ok(SyslogOptions { listen, transport, allow, source, source_timezone, limits: SyslogLimits::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_let_anybody_send_are_refused() {
        let check = |text: &str, want: &str| {
            let setting: SyslogSetting = toml::from_str(text).unwrap();
            let got = options(&setting, None).map_or_else(|why| why, |options| format!("{options:?}"));
            assert!(got.contains(want), "{text}\n{got}");
        };
        let of = |transport: &str, listen: &str, rest: &str| {
            format!("transport = \"{transport}\"\nlisten = \"{listen}\"\nenvironment = \"p/e\"\n{rest}")
        };
        check(&of("udp", "127.0.0.1:0", ""), "syslog_udp");
        check(&of("udp", "0.0.0.0:514", ""), "say with `allow`");
        check(&of("tcp", "[::]:514", "tls_client_ca = \"x\""), "say with `allow`");
        check(&of("tcp", "0.0.0.0:514", "allow = [\"10.0.0.0/8\"]"), "syslog_tcp");
        check(
            &of("tcp", "0.0.0.0:514", "allow = [\"10.0.0.0/64\"]"),
            "neither an address nor one with a length",
        );
        check(&of("tcp", "127.0.0.1:0", "tls_client_ca = \"x\""), "are for the transport tls");
        check(&of("tls", "127.0.0.1:0", ""), "set `tls_cert` and `tls_key`");
        check(&of("udp", "514", ""), "write an address and a port");
        check(&of("udp", "127.0.0.1:0", "source_timezone = \"Mars\""), "source_timezone Mars");
        assert!(toml::from_str::<SyslogSetting>(&of("quic", "x", "")).is_err());
    }
}
