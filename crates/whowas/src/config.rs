//! Settings: flags first, then the environment (both through clap), then `whowas.toml`, then defaults.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use whowas_event::{EnvironmentName, Time};
use whowas_query::{Engine, Steps};
use whowas_store::{Clock, Store, StoreOptions};

use crate::{
    alarms::AlarmSetting,
    cli::Global,
    failure::Failure,
    schedules::{ScheduleSetting, WebhookSetting},
    session_rules::{self, FormatSettings},
    sources::SourceSetting,
};

/// Where data lies if nobody says.
const DEFAULT_DATA: &str = "./whowas-data";
/// The settings file that is read if it is there.
const DEFAULT_CONFIG: &str = "whowas.toml";

/// `whowas.toml`. Unknown keys are errors, so that a misspelt setting does not pass silently.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// As `--data`.
    pub(crate) data: Option<String>,
    /// As `--control`.
    pub(crate) control: Option<String>,
    /// As `serve --listen`.
    pub(crate) listen: Option<String>,
    /// As `serve --tls-cert`.
    pub(crate) tls_cert: Option<PathBuf>,
    /// As `serve --tls-key`.
    pub(crate) tls_key: Option<PathBuf>,
    /// What the origins of new trails begin with, such as `log.contoso.example`: a name that is yours.
    pub(crate) origin: Option<String>,
    /// How sessions are paired, by format.
    #[serde(default)]
    pub(crate) sessions: BTreeMap<String, FormatSettings>,
    /// Witnesses that are to cosign checkpoints while the server runs.
    #[serde(default)]
    pub(crate) witness: Vec<WitnessSetting>,
    /// Sources that are read while the server runs.
    #[serde(default)]
    pub(crate) source: Vec<SourceSetting>,
    /// Addresses at which syslog is listened for while the server runs.
    #[serde(default)]
    pub(crate) syslog: Vec<SyslogSetting>,
    /// Exports that are made by themselves while the server runs.
    #[serde(default)]
    pub(crate) schedule: Vec<ScheduleSetting>,
    /// Who is told of what happens to them.
    #[serde(default)]
    pub(crate) webhook: Vec<WebhookSetting>,
    /// What somebody is told of before a gap is permanent.
    #[serde(default)]
    pub(crate) alarm: Vec<AlarmSetting>,
}

/// One `[[syslog]]`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SyslogSetting {
    /// `udp`, `tcp` or `tls`.
    pub(crate) transport: TransportWord,
    /// Address and port, such as `0.0.0.0:6514`.
    pub(crate) listen: String,
    /// PROJECT/ENVIRONMENT; created if there is none.
    pub(crate) environment: String,
    /// Name of the source; by default that of each message's format.
    pub(crate) source: Option<String>,
    /// The zone of times that are written without one, such as `Europe/Zurich`; by default UTC.
    pub(crate) source_timezone: Option<String>,
    /// Who may send: addresses and prefixes, such as `10.0.0.0/8`.
    #[serde(default)]
    pub(crate) allow: Vec<String>,
    /// For `tls`: certificate chain and private key, PEM; by default those of the server.
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of `tls_cert`.
    pub(crate) tls_key: Option<PathBuf>,
    /// For `tls`: senders must show a certificate of this authority (PEM).
    pub(crate) tls_client_ca: Option<PathBuf>,
}

/// How syslog comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TransportWord {
    Udp,
    Tcp,
    Tls,
}

/// One `[[witness]]`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WitnessSetting {
    /// Its submission prefix, such as `https://witness.example/`.
    pub(crate) url: String,
    /// Its public key, a vkey.
    pub(crate) vkey: String,
}

/// The clock of the machine.
#[derive(Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            // A clock before 1970 is broken; the order of positions does not depend on it.
            Err(_) => 0,
        };
        Time::from_ms(ms).unwrap_or_default()
    }
}

impl Settings {
    /// Reads the settings file.
    pub(crate) fn load(global: &Global) -> Result<Self, Failure> {
        let path = match &global.config {
            Some(path) => path.clone(),
            None if Path::new(DEFAULT_CONFIG).exists() => PathBuf::from(DEFAULT_CONFIG),
            None => return Ok(Self::default()),
        };
        let text = fs::read_to_string(&path)
            .map_err(|e| Failure::not_understood(format!("settings {}: {e}", path.display())))?;
        toml::from_str(&text).map_err(|e| Failure::not_understood(format!("{}: {e}", path.display())))
    }
}

/// Opens the data folder that flags, environment and settings name.
pub(crate) async fn open(global: &Global, create: bool) -> Result<Store, Failure> {
    let settings = Settings::load(global)?;
    let root = data_folder(global)?;
    let control = said(&global.control)
        .or(said(&settings.control))
        .map(|url| local_path(&url, "sqlite://", "--control", "its control database in a SQLite file"))
        .transpose()?;
    let options = StoreOptions { control, origin_base: settings.origin };
    Ok(Store::open_with(&root, create, Arc::new(SystemClock), options).await?)
}

/// A variable that is set to nothing says nothing.
fn said(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

/// Where the data lies.
pub(crate) fn data_folder(global: &Global) -> Result<PathBuf, Failure> {
    let settings = Settings::load(global)?;
    let data = said(&global.data).or(said(&settings.data)).unwrap_or_else(|| DEFAULT_DATA.to_owned());
    local_path(&data, "file://", "--data", "data in a local folder")
}

/// The same for what a running server does, too: if one has the folder, says how it is asked.
pub(crate) async fn open_or_say(
    global: &Global,
    environment: &EnvironmentName,
    resource: &str,
) -> Result<Store, Failure> {
    open(global, false).await.map_err(|failure| match failure.is_locked() {
        true => failure.and(&format!(
            "if it is `whowas serve`, with a token of scope admin: POST /api/v1/environments/{environment}/{resource}"
        )),
        false => failure,
    })
}

/// A query engine that pairs sessions by the rules of the settings.
pub(crate) fn engine(global: &Global) -> Result<Engine, Failure> {
    Ok(Engine::with_sessions(session_rules::rules(&Settings::load(global)?.sessions), Steps::default())?)
}

/// The path of a URL with our scheme, or a plain path.
fn local_path(text: &str, scheme: &str, option: &str, what: &str) -> Result<PathBuf, Failure> {
    match text.split_once("://") {
        None => Ok(PathBuf::from(text)),
        Some(_) => match text.strip_prefix(scheme) {
            Some(path) => Ok(PathBuf::from(path)),
            None => Err(Failure::not_understood(format!(
                "{option} {text}: this version stores {what} only; write a path or {scheme}/PATH"
            ))),
        },
    }
}
